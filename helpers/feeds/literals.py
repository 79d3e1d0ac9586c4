"""Lists and dicts as Python, JSON or Ruby print them into a cell. Nothing is evaluated."""

import re
from typing import Any

from helpers.feeds.text import LONGEST, repaired

_DEEPEST = 20
_ESCAPES = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "b": "\b",
    "f": "\f",
    "0": "\0",
    "a": "\a",
    "v": "\v",
}
_WORDS = {
    "None": None,
    "nil": None,
    "null": None,
    "True": True,
    "true": True,
    "False": False,
    "false": False,
}
_ATOM = re.compile(r":?[\w.+-]+")
_SPACE = re.compile(r"\s*")
_ARROW = re.compile(r"\s*(?::|=>)")
_CODE = re.compile(r"u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})")
_PLAIN = re.compile(r"[^\\'\"]+")
_AFTER_QUOTE = re.compile(r"\s*(?:[\]}]|:|=>|,\s*['\"{\[:0-9\-]|$)")


def read_literal(text: str) -> Any:
    """A list or dict as Python, JSON or Ruby prints it; None if the text is none.

    Tried by the book first; then with quotes that may stand unescaped inside a text
    (`'Model's height: 5'8"'`), where a quote ends a text only if punctuation of the list follows.
    """
    text = text[:LONGEST].strip()
    if text[:1] not in ("[", "{") or text[-1:] not in ("]", "}"):
        return None
    for loose in (False, True):
        try:
            value, end = _value(text, 0, loose, 0)
        except (ValueError, IndexError, OverflowError):
            continue
        if end == len(text):
            return value
    return None


def strings(value: object) -> list[str]:
    """All texts of a list or dict, in order, however deep."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    found: list[str] = []
    if isinstance(value, list):
        for item in value:
            found.extend(strings(item))
    return found


def _value(
    text: str,
    at: int,
    loose: bool,
    depth: int,
) -> tuple[Any, int]:
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    at = _skip_space(text, at)
    mark = text[at]
    if mark in "'\"":
        return _string(text, at, loose)
    if mark == "[":
        return _list(text, at, loose, depth)
    if mark == "{":
        return _dict(text, at, loose, depth)
    atom = _ATOM.match(text, at)
    if not atom:
        raise ValueError("not a value")
    word = atom[0]
    return _WORDS.get(word, word.lstrip(":")), atom.end()


def _list(
    text: str,
    at: int,
    loose: bool,
    depth: int,
) -> tuple[list[Any], int]:
    items = []
    at = _skip_space(text, at + 1)
    while text[at] != "]":
        item, at = _value(text, at, loose, depth + 1)
        items.append(item)
        at = _after_item(text, at, "]")
    return items, at + 1


def _dict(
    text: str,
    at: int,
    loose: bool,
    depth: int,
) -> tuple[dict[Any, Any], int]:
    pairs = {}
    at = _skip_space(text, at + 1)
    while text[at] != "}":
        key, at = _value(text, at, loose, depth + 1)
        arrow = _ARROW.match(text, at)
        if not arrow or isinstance(key, list | dict):
            raise ValueError("a dict wants key and value")
        pairs[key], at = _value(text, arrow.end(), loose, depth + 1)
        at = _after_item(text, at, "}")
    return pairs, at + 1


def _after_item(
    text: str,
    at: int,
    close: str,
) -> int:
    """Position of the next item, or of the closing bracket."""
    at = _skip_space(text, at)
    if text[at] == ",":
        return _skip_space(text, at + 1)
    if text[at] != close:
        raise ValueError("a comma is missing")
    return at


def _skip_space(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at


def _string(
    text: str,
    at: int,
    loose: bool,
) -> tuple[str, int]:
    quote = text[at]
    out: list[str] = []
    at += 1
    while True:
        mark = text[at]
        if mark == "\\":
            sign, at = _escape(text, at + 1)
            out.append(sign)
        elif mark == quote and (not loose or _AFTER_QUOTE.match(text, at + 1)):
            return _joined("".join(out)), at + 1
        else:
            plain = _PLAIN.match(text, at)
            out.append(plain[0] if plain else mark)
            at = plain.end() if plain else at + 1


def _escape(
    text: str,
    at: int,
) -> tuple[str, int]:
    code = _CODE.match(text, at)
    if code:
        digits = code[1] or code[2] or code[3]
        return chr(int(digits, 16)), code.end()
    letter = text[at]
    return _ESCAPES.get(letter, letter), at + 1


def _joined(text: str) -> str:
    """JSON writes one character beyond 16 bits as two escapes: joined here."""
    pairs = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return repaired(pairs)
