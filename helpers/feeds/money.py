"""Money in feed cells: the amount a shopper pays, and the currency that a sign or a word means.

Currencies that can be read are those of ISO 4217, from Unicode's CLDR through Babel.
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import NamedTuple

from babel import Locale
from babel.numbers import list_currencies

from helpers.feeds.literals import read_literal
from helpers.feeds.text import clean_text

_NO_MONEY = re.compile("X(?!AF|OF|PF|CD|CG)..")  # XAU is gold, XXX is nothing
CODES = frozenset(code for code in list_currencies() if not _NO_MONEY.match(code))


def _table(lines: str) -> dict[str, list[str]]:
    """`CODE: sign sign` a line."""
    rows = (line.partition(": ") for line in lines.strip().splitlines())
    return {name.strip(): rest.split() for name, _, rest in rows}


_SIGNS_OF = _table("""
    USD: $ us$ $us dollar dollars
    CAD: c$ ca$ $ca cdn$
    AUD: a$ au$
    NZD: nz$
    SGD: s$ sg$
    HKD: hk$
    TWD: nt$
    MXN: mx$
    BRL: r$
    DOP: rd$
    COP: col$
    ARS: ar$
    CLP: cl$
    UYU: $u
    GBP: £ pound pounds
    EGP: e£
    EUR: € euro euros
    INR: ₹ rs rs. rupee rupees
    PKR: pkr.
    BDT: ৳
    LKR: රු
    JPY: ¥ 円 yen jp¥
    CNY: 元 rmb cn¥
    KRW: ₩ 원
    VND: ₫ đ
    THB: ฿
    PHP: ₱
    MYR: rm
    IDR: rp rp.
    SEK: kr kr. kronor
    NOK: kroner
    PLN: zł zl zloty złoty
    CZK: kč
    HUF: ft
    RON: lei
    BGN: лв лв.
    HRK: kn
    RSD: дин din
    BAM: km
    TRY: ₺ tl lira
    RUB: ₽ руб руб. р.
    UAH: ₴ грн
    KZT: ₸
    GEL: ₾
    AZN: ₼
    AMD: ֏
    ILS: ₪ nis
    AED: dh dhs dhs. د.إ
    SAR: sr ر.س ریال
    KWD: kd
    TND: dt
    ZAR: r
    NGN: ₦
    GHS: ₵ gh₵
    KES: ksh
    CHF: fr. sfr sfr. franken
    CRC: ₡
    PYG: ₲
    PEN: s/ s/.
    MNT: ₮
    LAK: ₭
    KHR: ៛
""")
SIGNS = {sign: code for code, signs in _SIGNS_OF.items() for sign in signs}

# A sign that several countries share means the one that the feed names, if it names one of them.
_SHARED = _table("""
    $: USD CAD AUD NZD SGD HKD TWD MXN ARS CLP COP UYU
    dollar: USD CAD AUD NZD SGD HKD
    dollars: USD CAD AUD NZD SGD HKD
    £: GBP EGP GIP FKP LBP
    ¥: JPY CNY
    元: CNY TWD HKD
    kr: SEK NOK DKK ISK
    kroner: NOK DKK
    rs: INR PKR LKR NPR MUR
    rupees: INR PKR LKR NPR MUR
    lei: RON MDL
    dh: AED MAD
    din: RSD DZD
    sr: SAR SCR
    ریال: SAR IRR YER OMR QAR
""")

# Currencies whose "1.299" means 1299, and those whose "49,000" is forty-nine.
POINT_GROUPS = frozenset(
    "EUR DKK IDR BRL TRY NOK ISK VND CLP COP ARS UYU PYG RON RSD BAM MKD CZK HUF PLN SEK".split()
)
_COMMA_DECIMALS = frozenset(["TND", "LYD", "DZD", "MAD"])

# Words that stand beside a price and name no money.
_NO_CURRENCY = frozenset(
    "from now only just sale price each per pro pc pcs st stk inkl incl incl. inc vat mwst ab nur "
    "bis "
    "to for at off plus ca ca. pp ea net was and und et ou or od do od. desde dès des da solo por "
    "per. "
    "preis prix precio prezzo cost x pack uvp mrp rrp new neu save up".split()
)


# Codes that are English words, too: "Try 20" is no price in lira.
_ALSO_WORDS = frozenset(
    "all ang bam bob cop cup gel lak mad mop mur pab pen sit sos top try".split()
)


class Price(NamedTuple):
    """An amount of money: `amount` > 0 in units of `currency` (ISO 4217; "" where nothing says
    it)."""

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
    cell = "" if value is None else str(value)
    return _read_text(cell[:_LONGEST_PRICE], currency)


@lru_cache(maxsize=4096)
def _read_text(cell: str, currency: str) -> Reading | None:
    """The price of a text; shops repeat their prices, and a row's is asked for several times."""
    text = _plain_digits(clean_text(cell))
    if _SCIENTIFIC.search(text):
        return None
    text = _DISCOUNT.sub(" ", text)
    without_list_price = _LIST_PRICE.sub(" ", text)
    if _NUMBER.search(without_list_price):
        text = without_list_price
    return _first_price(text, currency)


def parse_currency(value: object, default: str = "") -> str:
    """ISO code of a currency's name, sign or code: `€`, `Euro`, `US Dollar`, `usd`; "" if
    unknown."""
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
    r"(?<![\w.,-])-?(?:[0-9]{1,3}(?:[ "
    r"'’\u00a0\u202f][0-9]{3})+(?![0-9])(?:[.,][0-9]{1,2}(?![0-9]))?"
    r"|[0-9][0-9.,]*)"
)
_UNKNOWN_SIGN = re.compile("[\u20a0-\u20cf¤֏؋৲৳૱௹฿៛꠸﷼﹩＄￠￡￥￦]")
_LONE_WORD = re.compile(
    r"\s*(?:(?P<before>[^\W\d_]{1,5}\.?)\s?[0-9][0-9 .,'’]*|[0-9][0-9 "
    r".,'’]*(?P<after>[^\W\d_]{1,5}\.?))\s*"
)
_LONGEST_PRICE = 500  # characters
_MASK = "\x01"  # stands where a mark stood, so that numbers on both sides stay two


@cache
def _marks() -> re.Pattern[str]:
    """Every code and sign; letters must stand alone, though a digit may touch them."""
    words = {code.lower() for code in CODES}
    words |= {sign for sign in SIGNS if sign[0].isalpha()}
    others = {sign for sign in SIGNS if not sign[0].isalpha()}
    lettered = _alternatives(words).replace(r"\$", r"\s?\$")  # "US $20"
    alone = rf"(?<![^\W\d_])(?:{lettered})(?![^\W\d_])"
    return re.compile(rf"{alone}|(?:{_alternatives(others)})(?![^\W\d_]*\$)", re.I)


def _alternatives(words: set[str]) -> str:
    """A pattern of any of these words, the longest first."""
    longest_first = sorted(words, key=len, reverse=True)
    return "|".join(map(re.escape, longest_first))


@cache
def _names() -> Mapping[str, str]:
    """Names of currencies in five languages, singular and plural."""
    plain = {"pound sterling": "GBP", "pounds sterling": "GBP", "sterling": "GBP"}
    names: dict[str, str] = {}
    for language in ("it", "es", "fr", "de", "en"):
        for code, name in Locale(language).currencies.items():
            names[name.casefold()] = code
            names[f"{name.casefold()}s"] = code
    known = {name: code for name, code in names.items() if code in CODES}
    return known | plain


def _meant(sign: str, currency: str) -> str:
    """The currency that a sign means in a feed of `currency`."""
    shared = _SHARED.get(sign.rstrip("."), [])
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
    """Signs, words and codes of currencies, in order."""
    found = []
    for match in _marks().finditer(text):
        word = match[0]
        sign = "".join(word.lower().split())
        if sign in _ALSO_WORDS and word != word.upper():
            continue
        is_code = sign.upper() in CODES
        code = sign.upper() if is_code else _meant(sign, currency)
        found.append(_Mark(match.start(), match.end(), word, code))
    return found


def _first_price(text: str, currency: str) -> Reading | None:
    """The first number beside a mark, else the first number."""
    marks = _found_marks(text, currency)
    masked = _masked(text, marks)
    numbers = list(_NUMBER.finditer(masked))
    if not numbers:
        return None
    for number in numbers:
        beside = [mark for mark in marks if _touches(number, mark, masked)]
        if beside:
            return _reading(number[0], _clearest(beside))
    first = numbers[0][0]
    if marks:
        return _reading(first, marks[0])
    return _reading(first, _unknown_mark(text), currency)


def _masked(text: str, marks: list[_Mark]) -> str:
    """The text, as long as before, without its marks."""
    signs = list(text)
    for mark in marks:
        signs[mark.start : mark.end] = _MASK * (mark.end - mark.start)
    return "".join(signs)


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
    """A number as people write it: the last of point and comma parts the cents, unless three
    follow.

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
