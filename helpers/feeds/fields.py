"""Parsers of single feed cells: text, prices, image fields, counts. Total: no input raises, nothing is evaluated."""

import html
import re
from itertools import pairwise
from typing import NamedTuple

EMPTY = {
    "",
    "-",
    "--",
    "nan",
    "none",
    "null",
    "nil",
    "n/a",
    "na",
    "unknown",
    "undefined",
    "[]",
    "{}",
}
LONGEST = 50_000  # characters of a cell that are looked at; a longer one is no product text
SYMBOLS = {
    "us$": "USD", "c$": "CAD", "ca$": "CAD", "a$": "AUD", "au$": "AUD", "$": "USD", "£": "GBP", "€": "EUR", "₹": "INR",
    "rs": "INR", "rs.": "INR", "¥": "JPY", "₩": "KRW", "zł": "PLN", "₺": "TRY", "₽": "RUB", "kr": "SEK",
}  # fmt: skip
CODES = "USD|EUR|GBP|INR|JPY|CAD|AUD|CHF|SEK|NOK|DKK|PLN|CNY|KRW|TRY|RUB|BRL|MXN|SGD|HKD|NZD|ZAR|AED|THB|IDR"
POINT_GROUPS = {"EUR", "DKK", "IDR", "BRL", "TRY"}  # currencies whose "1.299" means 1299

_CURRENCY = re.compile(
    rf"\b({CODES})\b|(?<![a-z])((?:us|ca?|au?)?\$|rs\.?(?![a-z])|kr(?![a-z])|[£€₹¥₩₺₽]|zł)", re.I
)
_NUMBER = re.compile(
    r"(?<![\w.,-])-?(?:[0-9]{1,3}(?:[ '’\u00a0\u202f][0-9]{3})+(?![0-9])(?:[.,][0-9]{1,2}(?![0-9]))?|[0-9][0-9.,]*)"
)
_DISCOUNT = re.compile(
    r"\([^()]*(?:%|off)[^()]*\)|\bsave\b[^0-9]*[0-9.,]*|\b(?:was|rrp|mrp)\b[^0-9]*[0-9.,]*|[0-9.,]+\s*%(?:\s*off)?",
    re.I,
)
_TAG = re.compile(r"<!--.*?-->|</?[a-zA-Z][^<>]*>", re.S)
_BREAK = re.compile(r"</?(?:br|p|li|ul|ol|div|tr|h[1-6])\b[^<>]*>", re.I)
_SCRIPT = re.compile(r"<(script|style)\b[^<>]*>[^<]*</\1\s*>", re.I)
_GONE = re.compile(r"[\s(,-]*(?:out of stock|sold out)[\s).]*", re.I)
_UNSEEN = re.compile(r"[\x00-\x1f\x7f\u200b-\u200f\u2028\u2029\ufeff]+")
_BARE_ENTITY = re.compile(r"&(percnt|amp|nbsp|quot|apos|lt|gt|reg|trade|deg)(?![\w;])")
_URL_START = re.compile(r"(?:^|[\s,;|'\"\[\]<>]+)(?=(?:https?:)?//[^/\s])", re.I)
_SCHEME = re.compile(r"(?:https?|ftp|file|data|s3|gs):", re.I)


class Price(NamedTuple):
    """An amount of money: `amount` > 0 in units of `currency` (ISO 4217, or "" where nothing says it)."""

    amount: float
    currency: str


def clean_text(value) -> str:
    """Plain text of a cell: tags and entities resolved, white space and `#` bullets joined; "" for empty words.

    Cleaning cleaned text changes nothing.
    """
    text = str(value if value is not None else "")[:LONGEST]
    previous = None
    while text != previous:  # entities may hide tags, and tags may hide entities
        previous = text
        if "&" in text or "<" in text:
            text = html.unescape(_BARE_ENTITY.sub(r"&\1;", text))
            text = _TAG.sub("", _BREAK.sub(" ", _SCRIPT.sub(" ", text)))
        text = " ".join(_UNSEEN.sub(" ", text).split())
    return "" if text.lower() in EMPTY else text


def parse_price(value, currency: str = "") -> Price | None:
    """First selling price in a cell, in any notation: `From  42.50`, `Rs. 259`, `₹8,599`, `49.90 USD`, `1.299,00 €`.

    Discounts (`35% OFF`, `Save ₹720`) and former prices (`was £50`) are passed over. `currency` is what the feed
    says where the cell doesn't. None if there is no positive number.
    """
    text = clean_text(str(value if value is not None else "")[:500])
    found = _CURRENCY.search(text)
    if found:
        currency = (found[1] or SYMBOLS[found[2].lower()]).upper()
    text = _DISCOUNT.sub(" ", _CURRENCY.sub(" ", text))
    number = _NUMBER.search(text)
    amount = _amount(number[0], currency) if number else None
    return Price(amount, currency) if amount and 0 < amount < 1e9 else None


def _amount(digits: str, currency: str) -> float | None:
    digits = re.sub(r"[ '’\u00a0\u202f]", "", digits).rstrip(".,")
    point, comma = digits.rfind("."), digits.rfind(",")
    if point >= 0 and comma >= 0:
        thousands = "," if point > comma else "."
    elif comma >= 0:
        thousands = "," if re.fullmatch(r"-?[0-9]{1,3}(,[0-9]{2,3})*,[0-9]{3}", digits) else "."
    else:
        grouped = re.fullmatch(r"-?[0-9]{1,3}(\.[0-9]{3})+", digits)
        thousands = "." if grouped and (digits.count(".") > 1 or currency in POINT_GROUPS) else ","
    try:
        return float(digits.replace(thousands, "").replace(",", "."))
    except ValueError:
        return None


def parse_count(value) -> int | None:
    """Reviews as a number: `6.7k Verified Buyers` → 6700, `|68k` → 68000, `4,044 ratings` → 4044."""
    found = re.search(r"([0-9][0-9.,]*)\s*([km]\b)?", clean_text(value), re.I)
    if not found:
        return None
    scale = {"": 1, "k": 1_000, "m": 1_000_000}[(found[2] or "").lower()]
    amount = _amount(found[1], "" if found[2] else "EUR")  # 4.044 reviews are never a fraction
    return round(amount * scale) if amount is not None and amount < 1e9 else None


def parse_rating(value) -> float | None:
    """Mean rating in stars, 0–5: `3.8 out of 5` → 3.8, `8/10` → 4.0."""
    found = re.search(
        r"(?<![0-9.,-])([0-9]+(?:[.,][0-9]+)?)(?:\s*(?:out of|/)\s*([0-9]+))?", clean_text(value)
    )
    if not found:
        return None
    stars = float(found[1].replace(",", ".")) * (
        5 / float(found[2]) if found[2] and float(found[2]) else 1
    )
    return round(stars, 3) if 0 < stars <= 5 else None  # no stars is no rating


def parse_sizes(value) -> dict[str, bool]:
    """Sizes of a cell and whether each is in stock.

    `UK 4,UK 14 - Out of stock` → {"UK 4": True, "UK 14": False}; `XXS - XXL` stays one range.
    """
    loaded = read_literal(str(value if value is not None else ""))
    listed = re.sub(r"(?i)^\s*sizes?:", "", clean_text(value))
    parts = re.split(r"[,;|]", listed) if loaded is None else _strings(loaded)
    named = [
        (_GONE.sub("", part), not _GONE.search(part)) for part in map(clean_text, parts) if part
    ]
    return {size: left for size, left in named if size}


def parse_images(value) -> list[str]:
    """Image addresses of a cell, in order, each once; protocol-relative ones get `https:`.

    Reads lists as Python, JSON or Ruby print them, and separated text, where a comma ends an address only if
    another one begins: `…/dpr_2,q_60,w_210/a.jpg,https://…`. Says nothing on whether an address is safe to fetch.
    """
    text = str(value if value is not None else "")[:LONGEST].strip()
    loaded = read_literal(text)
    parts = _strings(loaded) if loaded is not None else _split_urls(text)
    urls = []
    for part in parts:
        url = re.sub(
            r"\s", "%20", re.sub(r"[\x00-\x1f\x7f]", "", part.strip().replace("&amp;", "&"))
        )
        url = "https:" + url if url.startswith("//") else url
        if _SCHEME.match(url) and url not in urls:
            urls.append(url)
    return urls


def _split_urls(text: str) -> list[str]:
    if _SCHEME.match(text) and not re.match("https?:", text, re.I):
        return [text]
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    starts = [found.end() for found in _URL_START.finditer(text)] + [len(text)]
    return [text[a:b].strip(" \t\r\n,;|'\"<>") for a, b in pairwise(starts)]


def _strings(value) -> list[str]:
    if isinstance(value, dict | list):
        return [
            text
            for item in (value.values() if isinstance(value, dict) else value)
            for text in _strings(item)
        ]
    return [value] if isinstance(value, str) else []


def parse_sections(value) -> dict[str, str]:
    """Headed parts of a description, in order: ASOS's list of one-key dicts, any dict, or one part headed "".

    `[{'Product Details': 'Coats by Nike'}, {'Brand': '…'}]` → {"Product Details": "Coats by Nike", "Brand": "…"}
    """
    loaded = read_literal(str(value if value is not None else ""))
    sections: dict[str, str] = {}
    for part in loaded if isinstance(loaded, list) else [loaded]:
        for key, text in (
            part.items()
            if isinstance(part, dict)
            else [("", part)]
            if isinstance(part, str)
            else ()
        ):
            key, text = clean_text(key), clean_text(" ".join(_strings(text)))
            sections[key] = f"{sections[key]} {text}".strip() if key in sections else text
    return sections if loaded is not None else {"": clean_text(value)}


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "0": "\0", "a": "\a", "v": "\v"}
_ATOM = re.compile(r":?[\w.+-]+")
_WORDS = {
    "None": None,
    "nil": None,
    "null": None,
    "True": True,
    "true": True,
    "False": False,
    "false": False,
}
_SPACE = re.compile(r"\s*")
_ARROW = re.compile(r"\s*(?::|=>)")
_CODE = re.compile(r"u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})")
_PLAIN = re.compile(r"[^\\'\"]+")
_AFTER_QUOTE = re.compile(r"\s*(?:[\]}]|:|=>|,\s*['\"{\[:0-9\-]|$)")


def read_literal(text: str):
    """A list or dict as Python, JSON or Ruby prints it; None if the text is none. Evaluates nothing.

    Tried by the book first; then with quotes that may stand unescaped inside a text (`'Model's height: 5'8"'`),
    where a quote ends a text only if punctuation of the list follows.
    """
    text = text[:LONGEST].strip()
    for loose in (False, True):
        if text[:1] in ("[", "{") and text[-1:] in ("]", "}"):
            try:
                value, end = _value(text, 0, loose, 0)
            except (ValueError, IndexError, OverflowError):
                continue
            if end == len(text):
                return value
    return None


def _value(text: str, at: int, loose: bool, depth: int):
    at = _SPACE.match(text, at).end()
    mark = text[at]
    if depth > 20:
        raise ValueError("nested too deeply")
    if mark in "'\"":
        return _string(text, at, loose)
    if mark not in "[{":
        atom = _ATOM.match(text, at)
        if not atom:
            raise ValueError("not a value")
        return (_WORDS[atom[0]] if atom[0] in _WORDS else atom[0].lstrip(":")), atom.end()
    items, pairs, close = [], {}, "]" if mark == "[" else "}"
    at = _SPACE.match(text, at + 1).end()
    while text[at] != close:
        item, at = _value(text, at, loose, depth + 1)
        at = _SPACE.match(text, at).end()
        if mark == "{":
            arrow = _ARROW.match(text, at)
            if not arrow or isinstance(item, list | dict):
                raise ValueError("a dict wants key and value")
            pairs[item], at = _value(text, arrow.end(), loose, depth + 1)
            at = _SPACE.match(text, at).end()
        items.append(item)
        if text[at] == ",":
            at = _SPACE.match(text, at + 1).end()
        elif text[at] != close:
            raise ValueError("a comma is missing")
    return (items if mark == "[" else pairs), at + 1


def _string(text: str, at: int, loose: bool):
    quote, out, at = text[at], [], at + 1
    while True:
        mark = text[at]
        if mark == "\\":
            code, letter = _CODE.match(text, at + 1), text[at + 1]
            out.append(
                chr(int(code[1] or code[2] or code[3], 16))
                if code
                else _ESCAPES.get(letter, letter)
            )
            at = code.end() if code else at + 2
        elif mark == quote and (not loose or _AFTER_QUOTE.match(text, at + 1)):
            whole = (
                "".join(out).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            )  # JSON's surrogate pairs
            return whole, at + 1
        else:
            plain = _PLAIN.match(text, at)
            out.append(plain[0] if plain else mark)
            at = plain.end() if plain else at + 1
