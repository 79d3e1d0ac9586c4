"""Money in feed cells: the amount a shopper pays, and the currency that a sign or a word means.

Currencies that can be read are those of ISO 4217, from Unicode's CLDR through Babel.
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from babel import Locale
from babel.numbers import list_currencies

from helpers.feeds.literals import read_literal
from helpers.feeds.text import clean_text

_NO_MONEY = re.compile("X(?!AF|OF|PF|CD|CG)..")  # XAU is gold, XXX is nothing
CODES = sorted(code for code in list_currencies() if not _NO_MONEY.match(code))

SIGNS = {
    "$": "USD", "us$": "USD", "$us": "USD", "c$": "CAD", "ca$": "CAD", "$ca": "CAD", "cdn$": "CAD",
    "a$": "AUD", "au$": "AUD", "nz$": "NZD", "s$": "SGD", "sg$": "SGD", "hk$": "HKD", "nt$": "TWD",
    "mx$": "MXN", "r$": "BRL", "rd$": "DOP", "col$": "COP", "ar$": "ARS", "cl$": "CLP", "$u": "UYU",
    "£": "GBP", "e£": "EGP", "€": "EUR", "euro": "EUR", "euros": "EUR",
    "₹": "INR", "rs": "INR", "rs.": "INR", "pkr.": "PKR", "৳": "BDT", "රු": "LKR",
    "¥": "JPY", "円": "JPY", "元": "CNY", "rmb": "CNY", "cn¥": "CNY", "jp¥": "JPY",
    "₩": "KRW", "원": "KRW", "₫": "VND", "đ": "VND", "฿": "THB", "₱": "PHP", "rm": "MYR", "rp": "IDR",
    "rp.": "IDR", "kr": "SEK", "kr.": "SEK", "zł": "PLN", "zl": "PLN", "kč": "CZK", "ft": "HUF",
    "lei": "RON", "лв": "BGN", "лв.": "BGN", "kn": "HRK", "дин": "RSD", "din": "RSD", "km": "BAM",
    "₺": "TRY", "tl": "TRY", "₽": "RUB", "руб": "RUB", "руб.": "RUB", "р.": "RUB", "₴": "UAH",
    "грн": "UAH", "₸": "KZT", "₾": "GEL", "₼": "AZN", "֏": "AMD", "₪": "ILS", "nis": "ILS",
    "dh": "AED", "dhs": "AED", "dhs.": "AED", "د.إ": "AED", "sr": "SAR", "ر.س": "SAR", "ریال": "SAR",
    "kd": "KWD", "dt": "TND", "r": "ZAR", "₦": "NGN", "₵": "GHS", "gh₵": "GHS", "ksh": "KES",
    "fr.": "CHF", "sfr": "CHF", "sfr.": "CHF", "₡": "CRC", "₲": "PYG", "s/": "PEN", "s/.": "PEN",
    "dollar": "USD", "dollars": "USD", "pound": "GBP", "pounds": "GBP", "rupee": "INR",
    "rupees": "INR", "yen": "JPY", "franken": "CHF", "kronor": "SEK", "kroner": "NOK",
    "zloty": "PLN", "złoty": "PLN", "lira": "TRY",
    "₮": "MNT", "₭": "LAK", "៛": "KHR",
}  # fmt: skip

# A sign that several countries share means the one that the feed names, if it names one of them.
_SHARED = {
    "dollar": {"USD", "CAD", "AUD", "NZD", "SGD", "HKD"},
    "dollars": {"USD", "CAD", "AUD", "NZD", "SGD", "HKD"},
    "kroner": {"NOK", "DKK"},
    "rupees": {"INR", "PKR", "LKR", "NPR", "MUR"},
    "$": {"USD", "CAD", "AUD", "NZD", "SGD", "HKD", "TWD", "MXN", "ARS", "CLP", "COP", "UYU"},
    "£": {"GBP", "EGP", "GIP", "FKP", "LBP"},
    "¥": {"JPY", "CNY"},
    "元": {"CNY", "TWD", "HKD"},
    "kr": {"SEK", "NOK", "DKK", "ISK"},
    "rs": {"INR", "PKR", "LKR", "NPR", "MUR"},
    "lei": {"RON", "MDL"},
    "dh": {"AED", "MAD"},
    "din": {"RSD", "DZD"},
    "sr": {"SAR", "SCR"},
    "ریال": {"SAR", "IRR", "YER", "OMR", "QAR"},
}
POINT_GROUPS = {
    "EUR", "DKK", "IDR", "BRL", "TRY", "NOK", "ISK", "VND", "CLP", "COP", "ARS", "UYU", "PYG", "RON",
    "RSD", "BAM", "MKD", "CZK", "HUF", "PLN", "SEK",
}  # fmt: skip  # currencies whose "1.299" means 1299
_COMMA_DECIMALS = {"TND", "LYD", "DZD", "MAD"}  # "49,000 TND" are forty-nine dinars

# Words that stand beside a price and name no money.
_NO_CURRENCY = frozenset(
    "from now only just sale price each per pro pc pcs st stk inkl incl incl. inc vat mwst ab nur bis "
    "to for at off plus ca ca. pp ea net was and und et ou or od do od. desde dès des da solo por per. "
    "preis prix precio prezzo cost x pack uvp mrp rrp new neu save up".split()
)


# Codes that are English words, too: "Try 20" is no price in lira.
_ALSO_WORDS = frozenset(
    "all ang bam bob cop cup gel lak mad mop mur pab pen sit sos top try".split()
)


class Price(NamedTuple):
    """An amount of money: `amount` > 0 in units of `currency` (ISO 4217; "" where nothing says it)."""

    amount: float
    currency: str


class Reading(NamedTuple):
    """A price as its cell gives it: `mark` is the sign or word beside it, known or not."""

    amount: float
    currency: str
    mark: str


def parse_price(
    value: object,
    currency: str = "",
) -> Price | None:
    """First selling price in a cell, in any notation: `Rs. 259`, `₹8,599`, `EUR15`, `1.299,00 €`.

    Discounts (`35% OFF`, `Save ₹720`) and former prices (`was £50`, `statt 29,99 €`) are passed
    over; of several numbers, the one beside a currency's sign counts. `currency` is what the feed
    says where the cell doesn't; a sign that nobody knows leaves the currency open, "".
    None if there is no positive number.
    """
    reading = read_price(value, currency)
    if reading is None:
        return None
    known = reading.currency or ("" if reading.mark else currency)
    return Price(reading.amount, known)


def read_price(
    value: object,
    currency: str = "",
) -> Reading | None:
    """The price of a cell with the mark that names its currency; None if there is no amount."""
    if isinstance(value, str) and value.lstrip()[:1] == "{":
        parts = read_literal(value)
        if isinstance(parts, dict):
            return _read_object(parts, currency)
    text = _plain_digits(clean_text(str(value if value is not None else "")[:500]))
    if _SCIENTIFIC.search(text):
        return None
    text = _DISCOUNT.sub(" ", text)
    without_list_price = _LIST_PRICE.sub(" ", text)
    if _NUMBER.search(without_list_price):
        text = without_list_price
    return _first_price(text, currency)


def parse_currency(value: object, default: str = "") -> str:
    """ISO code of a currency's name, sign or code: `€`, `Euro`, `US Dollar`, `usd`; "" if unknown."""
    text = clean_text(value)
    if text.upper() in CODES:
        return text.upper()
    sign = text.lower().replace(" ", "")
    if sign in SIGNS:
        return _meant(sign, default)
    return _names().get(text.casefold(), "")


_DISCOUNT = re.compile(
    r"\([^()]*(?:%|off)[^()]*\)"
    r"|\bsave\b[^0-9]*[0-9.,]*"
    r"|\b(?:was|rrp|mrp|uvp|statt|vorher|zuvor|bisher|instead of|au lieu de|en vez de|invece di"
    r"|originally|ursprünglich|before|avant|antes|prima)\b[^0-9]{0,20}[0-9][0-9.,]*"
    r"|[0-9.,]+\s*%(?:\s*off)?",
    re.I,
)
_LIST_PRICE = re.compile(
    r"\b(?:regular|list|normal|standard|original|old|full|compare at)(?:\s+price)?\b"
    r"[^0-9]{0,20}[0-9][0-9.,]*",
    re.I,
)
_SCIENTIFIC = re.compile(r"[0-9][eE][+-]?[0-9]")
_NUMBER = re.compile(
    r"(?<![\w.,-])-?(?:[0-9]{1,3}(?:[ '’\u00a0\u202f][0-9]{3})+(?![0-9])(?:[.,][0-9]{1,2}(?![0-9]))?"
    r"|[0-9][0-9.,]*)"
)
_UNKNOWN_SIGN = re.compile("[\u20a0-\u20cf¤֏؋৲৳૱௹฿៛꠸﷼﹩＄￠￡￥￦]")
_LONE_WORD = re.compile(
    r"\s*(?:(?P<before>[^\W\d_]{1,5}\.?)\s?[0-9][0-9 .,'’]*|[0-9][0-9 .,'’]*(?P<after>[^\W\d_]{1,5}\.?))\s*"
)
_MASK = "\x01"  # stands where a mark stood, so that numbers on both sides stay two


@cache
def _marks() -> re.Pattern[str]:
    """Every code and sign; letters must stand alone, though a digit may touch them."""
    words = {*(sign for sign in SIGNS if sign[0].isalpha()), *map(str.lower, CODES)}
    signs = {sign for sign in SIGNS if not sign[0].isalpha()}
    lettered = "|".join(
        re.escape(word)
        for word in sorted(
            words,
            key=len,
            reverse=True,
        )
    )
    others = "|".join(
        re.escape(sign)
        for sign in sorted(
            signs,
            key=len,
            reverse=True,
        )
    )
    lettered = lettered.replace(re.escape("$"), r"\s?\$")
    return re.compile(rf"(?<![^\W\d_])(?:{lettered})(?![^\W\d_])|(?:{others})(?![^\W\d_]*\$)", re.I)


@cache
def _names() -> Mapping[str, str]:
    """Names of currencies in five languages, singular and plural."""
    plain = {"pound sterling": "GBP", "pounds sterling": "GBP", "sterling": "GBP"}
    names: dict[str, str] = {}
    for language in ("it", "es", "fr", "de", "en"):
        for code, name in Locale(language).currencies.items():
            names[name.casefold()] = code
            names[f"{name.casefold()}s"] = code
    return {name: code for name, code in names.items() if code in CODES} | plain


def _meant(sign: str, currency: str) -> str:
    """The currency that a sign means in a feed of `currency`."""
    shared = _SHARED.get(sign.rstrip("."), set())
    return currency if currency in shared else SIGNS[sign]


def _plain_digits(text: str) -> str:
    """Full-width and Arabic digits as 0-9, full-width signs as plain ones."""
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKC", text)
    return "".join(str(unicodedata.decimal(sign, sign)) for sign in text)


class _Mark(NamedTuple):
    start: int
    end: int
    text: str
    currency: str


def _found_marks(text: str, currency: str) -> list[_Mark]:
    found = []
    for match in _marks().finditer(text):
        word = match[0]
        sign = re.sub(r"\s", "", word.lower())
        if sign in _ALSO_WORDS and word != word.upper():
            continue
        code = sign.upper() if sign.upper() in CODES else _meant(sign, currency)
        found.append(_Mark(match.start(), match.end(), word, code))
    return found


def _first_price(text: str, currency: str) -> Reading | None:
    marks = _found_marks(text, currency)
    masked = text
    for mark in marks:
        masked = masked[: mark.start] + _MASK * (mark.end - mark.start) + masked[mark.end :]
    numbers = list(_NUMBER.finditer(masked))
    if not numbers:
        return None
    for number in numbers:
        beside = [mark for mark in marks if _touches(number, mark, masked)]
        if beside:
            return _reading(number[0], _clearest(beside))
    if marks:
        return _reading(numbers[0][0], marks[0])
    return _reading(numbers[0][0], _unknown_mark(text), currency)


def _touches(
    number: re.Match[str],
    mark: _Mark,
    text: str,
) -> bool:
    if mark.end <= number.start():
        between = text[mark.end : number.start()]
    else:
        between = text[number.end() : mark.start]
    return len(between) <= 3 and not between.strip(f" :.,-{_MASK}")


def _clearest(marks: list[_Mark]) -> _Mark:
    """Of "$" and "CAD" beside one number, the code."""
    return max(marks, key=lambda mark: mark.text.upper() in CODES)


def _unknown_mark(text: str) -> _Mark | None:
    """A sign or word that stands where a currency stands, but is none that we know."""
    sign = _UNKNOWN_SIGN.search(text)
    if sign:
        return _Mark(sign.start(), sign.end(), sign[0], "")
    lone = _LONE_WORD.fullmatch(text)
    if not lone:
        return None
    word = lone["before"] or lone["after"]
    if word.lower().rstrip(".") in _NO_CURRENCY | _ALSO_WORDS:
        return None
    return _Mark(0, 0, word, "")


def _reading(
    digits: str,
    mark: _Mark | None,
    currency: str = "",
) -> Reading | None:
    known = mark.currency if mark else ""
    amount = parse_amount(digits, known or currency)
    if amount is None or not 0 < amount < 1e9:
        return None
    return Reading(amount, known, mark.text if mark else "")


def parse_amount(
    digits: str,
    currency: str = "",
) -> float | None:
    """A number as people write it: the last of point and comma parts the cents, unless three follow.

    `1.299` is 1299 in currencies that group by points (`POINT_GROUPS`), else 1.299.
    """
    digits = re.sub(r"[ '’\u00a0\u202f]", "", digits).rstrip(".,")
    point = digits.rfind(".")
    comma = digits.rfind(",")
    if point >= 0 and comma >= 0:
        thousands = "," if point > comma else "."
    elif comma >= 0:
        grouped = re.fullmatch(r"-?[0-9]{1,3}(,[0-9]{2,3})*,[0-9]{3}", digits)
        decimal = currency in _COMMA_DECIMALS and digits.count(",") == 1
        thousands = "," if grouped and not decimal else "."
    else:
        grouped = re.fullmatch(r"-?[0-9]{1,3}(\.[0-9]{3})+", digits)
        by_points = digits.count(".") > 1 or currency in POINT_GROUPS
        thousands = "." if grouped and by_points else ","
    try:
        return float(digits.replace(thousands, "").replace(",", "."))
    except ValueError:
        return None


_AMOUNT_KEYS = ("saleprice", "sale", "current", "now", "amount", "value", "price", "min", "from")
_CURRENCY_KEYS = ("currency", "currencycode", "currencyiso", "unit")


def _read_object(
    parts: dict[object, object],
    currency: str,
) -> Reading | None:
    """A price object: `{"amount": "39.00", "currency": "EUR"}`, or `{"EUR": 39, "USD": 42}`."""
    keyed = {
        re.sub(
            r"[\W_]",
            "",
            str(key),
        ).lower(): value
        for key, value in parts.items()
    }
    named = next((keyed[key] for key in _CURRENCY_KEYS if key in keyed), "")
    code = parse_currency(named, currency)
    for key in _AMOUNT_KEYS:
        if isinstance(keyed.get(key), str | dict):
            inner = keyed[key]
            text = inner if isinstance(inner, str) else repr(inner)
            reading = read_price(text, code or currency)
            if reading:
                return Reading(reading.amount, reading.currency or code, reading.mark or str(named))
    for key, value in keyed.items():
        if key.upper() in CODES and isinstance(value, str):
            amount = parse_amount(value, key.upper())
            if amount and amount > 0:
                return Reading(amount, key.upper(), key.upper())
    return None
