"""Files of rows: CSV, JSON, JSON lines and XML. What can't be read is named, not dropped."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from charset_normalizer import from_bytes

from helpers.feeds.csv_rows import read_csv
from helpers.feeds.json_rows import read_json
from helpers.feeds.rows import Broken, Row, Rows
from helpers.feeds.spec import FeedError, Reading
from helpers.feeds.text import repaired
from helpers.feeds.xml_rows import read_xml

MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
WESTERN = set("ñÑàÀæÆøØåÅ")  # letters that are others in cp1250
LEGACY = ["cp1252", "cp1250", "cp1251", "latin_1", "shift_jis", "gb18030"]
_LOST = "\ufffd"


@dataclass(frozen=True)
class FileFacts:
    """What was seen of a file.

    Attributes
    ----------
    file, encoding, separator : str
        `separator` is the format's name where the file is no CSV.
    unreadable : int
        Characters that can't be read in this encoding; `�` stands for them.
    lost : int
        `�` that the file itself holds: signs of an earlier loss.
    columns : list of str
    read : int
        Rows, readable or not.
    notes : list of str
        What was passed over above the rows, and how the file departs from a plain table.
    """

    file: str
    encoding: str
    separator: str
    unreadable: int
    lost: int
    columns: list[str]
    read: int
    notes: list[str]


class Table(NamedTuple):
    """A file's rows, column to text (`None` where a row can't be read), the broken ones, and
    facts."""

    rows: list[Row | None]
    broken: list[Broken]
    about: FileFacts


def read_rows(
    path: str | Path,
    reading: Reading | None = None,
) -> Table:
    """Rows of a CSV, JSON, JSON-lines or XML file as texts.

    Raises
    ------
    FeedError
        If there is no such file, it is no text, or it holds no rows.
    """
    path = Path(path)
    reading = reading or Reading()
    if path.is_dir():
        raise FeedError(f"{path} is a folder: name a file in it")
    if not path.is_file():
        raise FeedError(f"{path}: no such file; check where it lies")
    try:
        raw = path.read_bytes()
        text, encoding = decode(raw, reading.encoding)
        text = repaired(text)
        found = _parse(raw, text, encoding, reading)
        if not found.rows:
            what = "no rows" if text.strip() else "nothing"
            raise FeedError(f"holds {what}: export it again")
    except FeedError as error:
        raise FeedError(f"{path} {error}") from None
    columns = dict.fromkeys(name for row in found.rows if row for name in row)
    lost = _lost_before(raw, encoding)
    about = FileFacts(
        file=path.name,
        encoding=encoding,
        separator=found.separator,
        unreadable=max(text.count(_LOST) - lost, 0),
        lost=lost + found.halves,
        columns=list(columns),
        read=len(found.rows),
        notes=found.notes,
    )
    return Table(found.rows, found.broken, about)


def _parse(
    raw: bytes,
    text: str,
    encoding: str,
    reading: Reading,
) -> Rows:
    start = text[:1000].lstrip("\ufeff \t\r\n")[:200]
    if _is_binary(start):
        raise FeedError(
            f"begins like no text (read as {encoding}): unpack it, or save it as CSV or JSON"
        )
    kind = reading.format if reading.format != "auto" else _kind(start)
    if kind == "xml":
        return read_xml(raw, text)
    if kind == "json":
        return read_json(text, reading.rows)
    return read_csv(text, reading)


def _is_binary(start: str) -> bool:
    first_line = start.splitlines()[0] if start else ""
    controls = "[\x00-\x08\x0e-\x1f]"
    return start.startswith("%PDF") or bool(
        re.search(controls, first_line) or re.match(f".{{0,8}}{controls}", start, re.S)
    )


def _kind(start: str) -> str:
    if start.startswith("<"):
        return "xml"
    return "json" if start[:1] in ("[", "{") else "csv"


def decode(
    raw: bytes,
    encoding: str = "auto",
) -> tuple[str, str]:
    """Text of a file and the encoding it was read in.

    That is what its byte-order mark says, else UTF-8, else the likeliest legacy encoding. A few
    broken bytes in a file become `�`; an encoding that is plainly another is an error.
    """
    usual = next((name for mark, name in MARKS.items() if raw.startswith(mark)), "utf-8")
    text = raw.decode(usual, errors="replace")
    fits = _legible(text, _lost_before(raw, usual))
    if encoding == "auto":
        return (text, usual) if fits else _decode_legacy(raw)
    told = raw.decode(encoding, errors="replace")
    differs = told.lstrip("\ufeff") != text.lstrip("\ufeff")
    is_other = fits and differs and "\0" not in text
    if is_other or not _legible(told, _lost_before(raw, encoding)):
        raise FeedError(
            f"is not in {encoding}, as the YAML says: change `encoding` there, or leave it out"
        )
    return told, encoding


def _decode_legacy(raw: bytes) -> tuple[str, str]:
    best = from_bytes(raw, cp_isolation=LEGACY).best()
    encoding = "latin_1"
    if best:
        alike = (name for name in LEGACY if raw.decode(name, "replace") == str(best))
        encoding = next(alike, encoding)  # the usual one first
    if encoding == "cp1250" and _is_western(raw):
        encoding = "cp1252"
    return raw.decode(encoding, errors="replace"), encoding


def _is_western(raw: bytes) -> bool:
    """Whether cp1250 reads other letters than cp1252 only where the latter has ñ, à, æ, ø or å.

    A Polish, Czech or Hungarian text would hold letters that the latter takes for signs, or for
    letters that no Spanish or Nordic word has.
    """
    west = raw.decode("cp1252", "replace")
    east = raw.decode("cp1250", "replace")
    differing = {
        one
        for one, other in zip(
            west,
            east,
            strict=True,
        )
        if one != other
    }
    return differing <= WESTERN


def _legible(text: str, lost: int) -> bool:
    """Whether more than half of what isn't ASCII could be read; a loss of earlier is no fault."""
    unreadable = text.count(_LOST) - lost
    if unreadable <= 0:
        return True
    return 2 * unreadable < len(re.sub(r"[\x00-\x7f]+", "", text)) - lost


def _lost_before(raw: bytes, encoding: str) -> int:
    """How many `�` the bytes themselves hold."""
    if "utf" not in encoding.replace("_", "-"):
        return 0
    if "16" in encoding or "32" in encoding:
        return raw.decode(encoding, errors="ignore").count(_LOST)
    return raw.count(_LOST.encode())
