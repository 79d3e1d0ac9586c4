"""Plain text from a shop's cell, and any text made safe to print. Total: no input raises."""

import html
import re
import unicodedata

LONGEST = 50_000  # characters of a cell that are looked at; a longer one is no product text
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
_ROUNDS = 8  # entities hide tags and tags hide entities; deeper nesting is no shop's text

# What a spreadsheet writes where a formula failed, in English, German, French, Spanish, Italian.
_FAILURES = (
    "N/A|NV|N/D|N/B|GETTING_DATA|(?:REF|NAME|VALUE|DIV/0|NULL|NUM|SPILL|CALC|FIELD|BLOCKED|BUSY|"
    "CONNECT|UNKNOWN|BEZUG|WERT|ZAHL|ÜBERLAUF|NOM|VALEUR|NOMBRE|VALOR|RIF|NOME|VALORE)[!?]"
)
_SPREADSHEET_ERROR = re.compile(rf"¿?#¡?(?:{_FAILURES}|#+)")

# Control characters part words. Zero-width characters, soft hyphens and marks that turn the
# direction of writing stand inside words, so they leave no gap.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_INVISIBLE = re.compile(
    "[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]+"
)
# Joiners shape letters of Persian or Hindi and build emoji; beside a Latin letter they hide.
_STRAY_JOINER = re.compile("(?<![^\x00-\x7f])[\u200c\u200d]+|[\u200c\u200d]+(?![^\x00-\x7f])")
_SURROGATE = re.compile("[\ud800-\udfff]")

_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_BREAK = re.compile(r"</?(?:br|p|li|ul|ol|div|tr|h[1-6])\b[^<>]*>", re.I)
_SCRIPT = re.compile(r"<(script|style)\b[^<>]*>[^<]*</\1\s*>", re.I)
_BARE_ENTITY = re.compile(r"&(percnt|amp|nbsp|quot|apos|lt|gt|reg|trade|deg)(?![\w;])")
_ENDLESS_NUMBER = re.compile(r"&#[0-9]{8,};?")  # Python refuses to read thousands of digits


def is_empty(value: object) -> bool:
    """Whether a cell holds nothing: blank, a word such as "nan", or a spreadsheet's error."""
    text = _text(value).strip()
    return text.lower() in EMPTY or bool(_SPREADSHEET_ERROR.fullmatch(text))


def clean_text(value: object) -> str:
    """Plain text of a cell: tags and entities resolved, white space and invisible signs gone.

    Cleaning cleaned text changes nothing. The result is "" where `is_empty` says so.
    """
    text = _text(value)[:LONGEST]
    for _ in range(_ROUNDS):
        previous = text
        if "&" in text or "<" in text:
            text = _without_markup(text)
        text = _one_line(text)
        if text == previous:
            break
    else:
        text = _one_line(re.sub("[&<]", " ", text))
    return "" if is_empty(text) else text


def repaired(text: str) -> str:
    """The text with `�` for each half of a character, which no file can be written with."""
    return _SURROGATE.sub("\ufffd", text) if _SURROGATE.search(text) else text


def visible(text: str) -> str:
    """The text without characters that nobody sees: zero-width, direction marks, soft hyphens."""
    return _STRAY_JOINER.sub("", _INVISIBLE.sub("", text))


def printable(text: object) -> str:
    """One line that no terminal takes for a command: what can't be seen is spelled out.

    Line ends become blanks; control characters, escape sequences and direction marks become
    `\\x1b` or `\\u202e`.
    """
    return "".join(map(_shown, str(text)))


def _shown(sign: str) -> str:
    if sign.isprintable():
        return sign
    if sign.isspace() or unicodedata.category(sign) == "Zs":
        return " "
    return sign.encode("unicode_escape").decode("ascii")


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _without_markup(text: str) -> str:
    text = _ENDLESS_NUMBER.sub("\ufffd", text)
    text = html.unescape(_BARE_ENTITY.sub(r"&\1;", text))
    text = _BREAK.sub(" ", _SCRIPT.sub(" ", _without_comments(text)))
    return _TAG.sub("", text)


def _without_comments(text: str) -> str:
    """Cut `<!-- … -->` in one pass; an open one stays."""
    pieces = []
    end = 0
    start = text.find("<!--")
    while start >= 0:
        close = text.find("-->", start + 4)
        if close < 0:
            break
        pieces.append(text[end:start])
        end = close + 3
        start = text.find("<!--", end)
    pieces.append(text[end:])
    return "".join(pieces)


def _one_line(text: str) -> str:
    text = visible(_CONTROLS.sub(" ", repaired(text)))
    return " ".join(text.split())
