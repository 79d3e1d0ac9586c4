"""Files of rows: CSV in any separator and encoding, JSON, JSON lines; what can't be read is named, not dropped."""

import csv
import io
import json
import re
from itertools import chain
from pathlib import Path

from charset_normalizer import from_bytes

from helpers.feeds.fields import LONGEST
from helpers.feeds.spec import FeedError

csv.field_size_limit(2**31 - 1)
MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
LEGACY = ["cp1252", "cp1250", "cp1251", "latin_1", "shift_jis", "gb18030"]


def decode(raw: bytes, encoding: str = "auto") -> tuple[str, str]:
    """Text of a file and the encoding it was read in: BOM, else UTF-8, else the likeliest legacy encoding.

    A few broken bytes in a file become `�`, which `read_rows` counts; an encoding that is plainly another is an error.
    """
    usual = next((name for mark, name in MARKS.items() if raw.startswith(mark)), "utf-8")
    text = raw.decode(usual, errors="replace")
    if encoding == "auto":
        if _legible(text):
            return text, usual
        best = from_bytes(raw, cp_isolation=LEGACY).best()
        alike = [
            name for name in LEGACY if best and raw.decode(name, "replace") == str(best)
        ]  # the usual one first
        encoding = (alike or ["latin_1"])[0]
        return raw.decode(encoding, errors="replace"), encoding
    told = raw.decode(encoding, errors="replace")
    if not _legible(told) or (
        _legible(text) and told.lstrip("\ufeff") != text.lstrip("\ufeff") and "\0" not in text
    ):
        raise FeedError(
            f"is not in {encoding}, as the YAML says: change `encoding` there, or leave it out"
        )
    return told, encoding


def _legible(text: str) -> bool:
    """Whether more than half of what isn't ASCII could be read."""
    lost = text.count("\ufffd")
    return not lost or 2 * lost < len(re.sub(r"[\x00-\x7f]+", "", text))


def read_rows(path, format="auto", encoding="auto", separator="auto", extra_cells="reject"):
    """Rows of a CSV, JSON or JSON-lines file as texts.

    Returns
    -------
    rows : list of dict
        Column to text; `None` stands in for a row that could not be read, so that positions hold.
    broken : list of (source_row, value, reason)
    about : dict
        `file`, `encoding`, `unreadable` (characters), `separator` or format, `columns`, `read` (rows).

    Raises
    ------
    FeedError
        If there is no such file, it is no text, or it holds no rows.
    """
    path = Path(path)
    if not path.is_file():
        wrong = (
            " is a folder: name a file in it"
            if path.is_dir()
            else ": no such file; check where it lies"
        )
        raise FeedError(f"{path}{wrong}")
    try:
        text, encoding = decode(path.read_bytes(), encoding)
        start = text[:1000].lstrip("\ufeff \t\r\n")[:200]
        if re.match(r"%PDF|.{0,8}[\x00-\x08\x0e-\x1f]", start, re.S) or re.match(
            r".*[\x00-\x08\x0e-\x1f]", start
        ):
            raise FeedError(
                f"begins like no text (read as {encoding}): unpack it, or save it as CSV or JSON"
            )
        if start.startswith("<"):
            raise FeedError(
                "is HTML or XML, perhaps a page that was saved: export it as CSV or JSON"
            )
        kind = format if format != "auto" else "json" if start[:1] in ("[", "{") else "csv"
        rows, broken, how = (
            _read_json(text) if kind == "json" else _read_csv(text, separator, extra_cells)
        )
        if not rows:
            raise FeedError(
                f"holds {'nothing' if not text.strip() else 'no rows'}: export it again"
            )
    except FeedError as error:
        raise FeedError(f"{path} {error}") from None
    about = {
        "file": path.name,
        "encoding": encoding,
        "unreadable": text.count("\ufffd"),
        "separator": how,
    }
    columns = list(dict.fromkeys(name for row in rows if row for name in row))
    return rows, broken, about | {"columns": columns, "read": len(rows)}


def _read_json(text: str):
    """A JSON list, an object that holds one, or a JSON object a line."""
    rows, broken, how = [], [], "JSON"
    try:
        loaded = json.loads(text)
        if isinstance(loaded, dict):
            lists = [
                v for v in loaded.values() if isinstance(v, list) and v and isinstance(v[0], dict)
            ]
            loaded = lists[0] if lists else [loaded]
    except (ValueError, RecursionError) as error:
        loaded, how, problem = (
            [line for line in text.splitlines() if line.strip()],
            "JSON lines",
            error,
        )
    for number, item in enumerate(loaded, 1):
        try:
            item = json.loads(item) if how == "JSON lines" else item
            if not isinstance(item, dict):
                raise ValueError("not an object")
            rows.append(
                {
                    k: v if isinstance(v, str) else "" if v is None else json.dumps(v)
                    for k, v in item.items()
                }
            )
        except (ValueError, RecursionError) as error:
            rows.append(None)
            reason = f"{str(item)[:60]!r} is no JSON object: {getattr(error, 'msg', error)}"
            broken.append((number, str(item)[:200], reason))
    if how == "JSON lines" and len(broken) == len(rows):
        raise FeedError(f"is neither JSON ({problem}) nor JSON lines: export it again")
    return rows, broken, how


def _read_csv(text: str, separator: str, extra_cells: str):
    first = re.split(r"[\r\n]", text[: LONGEST + 100].lstrip("\ufeff\r\n"), maxsplit=1)[0]
    if len(first) > LONGEST:
        raise FeedError(
            f"has more than {LONGEST:,} characters in its first line, which should name the columns"
        )
    if separator == "auto":
        separator = max(",;\t|", key=first.count)
    lines = []  # of the record being read; the empty one at the end is a record of its own unless a quote is open there
    tee = (lines.append(line) or line for line in chain(io.StringIO(text, newline=""), [""]))
    rows, broken, header = [], [], None
    for cells in csv.reader(tee, delimiter=separator):
        used, lines[:] = list(lines), []
        if not cells:
            continue
        swallows = (
            not used[-1] and len(used) > 2
        )  # a quote that never closes takes all that follows
        if header is None:
            if swallows:
                raise FeedError("opens a quote in its first line that never closes: mend that line")
            header = []
            for number, name in enumerate(cells, 1):
                name = name.strip().lstrip("\ufeff") or f"column {number}"
                header.append(
                    f"{name} ({number})" if name in header else name
                )  # no column hides another
            continue
        if len(cells) > len(header) and (
            extra_cells == "join_last" or not any(cells[len(header) :])
        ):
            last = separator.join(cells[len(header) - 1 :]).rstrip(separator)
            cells = [*cells[: len(header) - 1], last]
        if len(cells) == len(header) and not swallows:
            rows.append(dict(zip(header, cells, strict=True)))
            continue
        why = f"{len(cells)} cells for {len(header)} columns"
        if not used[-1]:
            why = f"a quote opens in row {len(rows) + 1} and never closes"
        # each line of a torn record is a row that could not be read
        torn = (
            [line for line in used if line]
            if swallows or len(cells) < len(header)
            else ["".join(used)]
        )
        for line in torn:
            rows.append(None)
            broken.append((len(rows), line.strip()[:200], why))
    return rows, broken, separator
