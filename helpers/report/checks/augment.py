"""The exercises of chapter 01."""

import re

from helpers.report.checks.judging import Choice, Function, Mistake, Numbers

_NUMBER = re.compile(r"\d[\d.,]*")
_GROUPED = re.compile(r"[.,](?=\d{3}(?:\D|$))")


def amount(text: str) -> float:
    """The amount in a price; NaN if there is none."""
    digits = _digits(text)
    if not digits:
        return float("nan")
    return float(_GROUPED.sub("", digits).replace(",", "."))


def _digits(text: str) -> str:
    found = _NUMBER.search(text)
    return found.group().rstrip(".,") if found else ""


def _zero_for_nothing(text: str) -> float:
    return amount(text) if _digits(text) else 0.0


def _without_commas(text: str) -> float:
    """As in the English-speaking world: a comma always groups thousands."""
    digits = _digits(text).replace(",", "")
    return _as_float(digits)


def _without_dots(text: str) -> float:
    """As in much of Europe: a dot always groups thousands, a comma marks the cents."""
    digits = _digits(text).replace(".", "").replace(",", ".")
    return _as_float(digits)


def _first_digits(text: str) -> float:
    """The chapter's own `read_price`."""
    found = re.search(r"\d+(?:\.\d+)?", text)
    return float(found.group()) if found else float("nan")


def _as_float(digits: str) -> float:
    try:
        return float(digits)
    except ValueError:
        return float("nan")


def _prices() -> list[tuple[str]]:
    texts = [
        "Rs. 259",
        "Now  35.00",
        "From",
        "1.299,00 €",
        "₹8,599",
        "£1,250.50",
        "12,50",
        "1,234,567",
    ]
    return [(text,) for text in texts]


EXERCISES: dict[str, Choice | Function | Numbers] = {
    "01-amount": Function(
        amount,
        _prices,
        "look for the number first, then remove every dot or comma that exactly three digits "
        "follow",
        mistakes=[
            Mistake(_zero_for_nothing, "a text without a number has no amount; 0 would be a price"),
            Mistake(_without_commas, "a comma doesn't always group thousands: think of 12,50"),
            Mistake(_without_dots, "a dot doesn't always group thousands: think of 35.00"),
            Mistake(_first_digits, "this stops at the first comma: think of 8,599"),
        ],
    ),
    "01-six-rows": Numbers(
        [3, 2, 1],
        "go through the rows one by one: has it a title, is its price a number, was its id there "
        "before?",
        decimals=0,
        mistakes=[
            Mistake(
                [2, 3, 1],
                "a row without any price is accepted; only a price that is text "
                "without a number is rejected",
            ),
            Mistake([4, 2, 0], "look at the ids in the addresses: one product is listed twice"),
            Mistake([3, 3, 0], "a repeated row isn't rejected: it is merged into the first"),
            Mistake([4, 1, 1], "two rows are rejected, for different reasons"),
        ],
    ),
    "01-requests": Numbers(
        50,
        "set c / latency equal to p / decoding, and solve for c",
        decimals=0,
        mistakes=[
            Mistake(25, "that is for one process"),
            Mistake(
                250,
                "that is how many pictures two processes decode in a second; how many "
                "requests deliver so many?",
            ),
            Mistake(10, "that is how many pictures two requests deliver in a second"),
            Mistake(5, "that is how many pictures one request delivers in a second"),
        ],
    ),
}
