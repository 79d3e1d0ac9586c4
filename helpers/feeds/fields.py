"""Parsers of single feed cells: images, sizes, stock, counts. Total: no input raises."""

import re
from itertools import pairwise

from helpers.feeds.literals import read_literal, strings
from helpers.feeds.money import Price, parse_amount, parse_price
from helpers.feeds.text import EMPTY, LONGEST, clean_text, is_empty, visible

__all__ = [
    "EMPTY",
    "LONGEST",
    "Price",
    "clean_text",
    "is_empty",
    "parse_availability",
    "parse_count",
    "parse_images",
    "parse_price",
    "parse_rating",
    "parse_sections",
    "parse_sizes",
    "parse_text",
    "read_literal",
]

_URL_START = re.compile(r"(?:^|[\s,;|'\"\[\]<>])(?=(?:https?:)?//[^/\s])", re.I)
_SCHEME = re.compile(r"(?:https?|ftp|file|data|s3|gs):", re.I)
_HTTP = re.compile(r"https?:", re.I)
_SOLD_OUT = re.compile(
    r"out of stock|sold[ -]out|ausverkauft|épuisé|en rupture|agotado|esaurito", re.I
)
_AROUND_SOLD_OUT = " \t(),-–.:"
_SIZE_HEADING = re.compile(r"\s*sizes?:", re.I)


def parse_text(value: object) -> str:
    """Plain text of a cell; the texts of a list are joined by commas."""
    text = clean_text(value)
    if text[:1] == "[":
        loaded = read_literal(text)
        if isinstance(loaded, list):
            return ", ".join(dict.fromkeys(filter(None, map(clean_text, strings(loaded)))))
    return text


def parse_count(value: object) -> int | None:
    """Reviews as a number: `6.7k Verified Buyers` → 6700, `|68k` → 68000, `4,044 ratings` →
    4044."""
    found = re.search(r"([0-9][0-9.,]*)\s*([km]\b)?", clean_text(value), re.I)
    if not found:
        return None
    unit = (found[2] or "").lower()
    scale = {"": 1, "k": 1_000, "m": 1_000_000}[unit]
    by_points = "" if unit else "EUR"  # 4.044 reviews are never a fraction
    amount = parse_amount(found[1], by_points)
    if amount is None or amount >= 1e9:
        return None
    return round(amount * scale)


def parse_rating(value: object) -> float | None:
    """Mean rating in stars, 0-5: `3.8 out of 5` → 3.8, `8/10` → 4.0."""
    found = re.search(
        r"(?<![0-9.,-])([0-9]+(?:[.,][0-9]+)?)(?:\s*(?:out of|/)\s*([0-9]+))?", clean_text(value)
    )
    if not found:
        return None
    best = float(found[2] or 5) or 5.0
    stars = float(found[1].replace(",", ".")) * 5 / best
    return round(stars, 3) if 0 < stars <= 5 else None  # no stars is no rating


def parse_sizes(value: object) -> dict[str, bool]:
    """Sizes of a cell and whether each is in stock.

    `UK 4,UK 14 - Out of stock` → {"UK 4": True, "UK 14": False}; `{"S": 0, "M": 3}` → {"S": False,
    "M": True}; `XXS - XXL` stays one range.
    """
    loaded = read_literal(str(value if value is not None else ""))
    if isinstance(loaded, dict) and all(isinstance(key, str) for key in loaded):
        stock = {clean_text(size): _left(count) for size, count in loaded.items()}
        if None not in stock.values():
            return {size: bool(left) for size, left in stock.items() if size}
    if loaded is None:
        parts = re.split(
            r"[,;|]",
            _SIZE_HEADING.sub(
                "",
                clean_text(value),
                count=1,
            ),
        )
    else:
        parts = strings(loaded)
    sizes: dict[str, bool] = {}
    for part in map(clean_text, parts):
        said = _SOLD_OUT.search(part)
        size = _without(part, said) if said else part
        if size:
            sizes[size] = not said
    return sizes


def _without(
    part: str,
    said: re.Match[str],
) -> str:
    """A size without the words that it is sold out."""
    before = part[: said.start()].rstrip(_AROUND_SOLD_OUT)
    after = part[said.end() :].lstrip(_AROUND_SOLD_OUT)
    return before + after


def _left(count: object) -> bool | None:
    """Whether a size is left, by what a dict holds beside it; None if that is no stock."""
    if isinstance(count, bool):
        return count
    state = parse_availability(count) if isinstance(count, str) else ""
    return state in ON_SALE if state else None


# What shops, Google, Facebook and schema.org write of stock, in small letters without gaps.
IN_STOCK = "in stock"
OUT_OF_STOCK = "out of stock"
PREORDER = "preorder"
BACKORDER = "backorder"
UNPUBLISHED = "unpublished"
AVAILABILITY = (IN_STOCK, PREORDER, BACKORDER, OUT_OF_STOCK, UNPUBLISHED)  # the best comes first
ON_SALE = frozenset({IN_STOCK, PREORDER, BACKORDER})
_STATES = {
    IN_STOCK: "instock available availablefororder true yes y ja oui si sí instoreonly onlineonly "
    "limitedavailability lowstock fewleft active auflager vorrätig lieferbar verfügbar "
    "sofortlieferbar "
    "enstock disponible disponibile enexistencia instockonline lagernd",
    OUT_OF_STOCK: "outofstock soldout unavailable notavailable false no n nein non agotado "
    "esaurito "
    "ausverkauft épuisé nichtlieferbar nichtverfügbar nichtvorrätig rupturedestock enrupture "
    "indisponible nondisponibile sinexistencias sinstock discontinued ended nostock",
    PREORDER: "preorder presale availableforpreorder comingsoon vorbestellung vorbestellbar "
    "précommande preventa preordine",
    BACKORDER: "backorder onbackorder backordered continue madetoorder nachbestellung",
    UNPUBLISHED: "unpublished draft archived disabled hidden private inactive notpublished deleted",
}
_STATE_OF = {word: state for state, words in _STATES.items() for word in words.split()}


def parse_availability(value: object) -> str:
    """Stock of a cell as one of `AVAILABILITY`: `In Stock`, `5`, `0`, `true`, a schema.org address.

    "" if the cell says nothing that is known.
    """
    text = clean_text(value).lower()
    number = re.fullmatch(r"(-?[0-9]{1,9})(?:[.,][0-9]+)?\+?", text)
    if number:
        return IN_STOCK if int(number[1]) > 0 else OUT_OF_STOCK
    if "schema.org/" in text:
        text = text.rpartition("/")[2]
    word = re.sub(r"[\W_]+", "", text)
    if word in _STATE_OF:
        return _STATE_OF[word]
    if _SOLD_OUT.search(text):
        return OUT_OF_STOCK
    if re.search(r"\bin stock\b|\b[0-9]+ (?:left|available)\b", text):
        return OUT_OF_STOCK if re.search(r"\b(?:not|0)\b", text) else IN_STOCK
    return ""


def parse_images(value: object) -> list[str]:
    """Image addresses of a cell, in order, each once; protocol-relative ones get `https:`.

    Reads lists as Python, JSON or Ruby print them, and separated text, where a comma ends an
    address only if another one begins: `…/dpr_2,q_60,w_210/a.jpg,https://…`. Says nothing on
    whether an address is safe to fetch.
    """
    text = visible(str(value if value is not None else "")[:LONGEST]).strip()
    loaded = read_literal(text)
    parts = _split_urls(text) if loaded is None else strings(loaded)
    urls: dict[str, None] = {}
    for part in parts:
        url = re.sub(r"[\x00-\x1f\x7f-\x9f]", "", part.strip().replace("&amp;", "&"))
        url = re.sub(r"\s", "%20", url)
        if url.startswith("//"):
            url = f"https:{url}"
        if _SCHEME.match(url):
            urls[url] = None
    return list(urls)


def _split_urls(text: str) -> list[str]:
    if _SCHEME.match(text) and not _HTTP.match(text):
        return [text]
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    starts = [found.end() for found in _URL_START.finditer(text)]
    ends = pairwise([*starts, len(text)])
    return [text[start:end].strip(" \t\r\n,;|'\"<>") for start, end in ends]


def parse_sections(value: object) -> dict[str, str]:
    """Headed parts of a description, in order: a list of one-key dicts, a dict, or one part.

    `[{'Product Details': 'Coats by Nike'}, {'Brand': '…'}]` → {"Product Details": "Coats by Nike",
    "Brand": "…"}; a text without headings stands under "".
    """
    loaded = read_literal(str(value if value is not None else ""))
    if loaded is None:
        return {"": clean_text(value)}
    sections: dict[str, str] = {}
    for part in loaded if isinstance(loaded, list) else [loaded]:
        if isinstance(part, str):
            part = {"": part}
        if isinstance(part, dict):
            for heading, text in part.items():
                _add_section(sections, clean_text(heading), clean_text(" ".join(strings(text))))
    return sections


def _add_section(
    sections: dict[str, str],
    heading: str,
    text: str,
) -> None:
    before = sections.get(heading)
    sections[heading] = text if before is None else f"{before} {text}".strip()
