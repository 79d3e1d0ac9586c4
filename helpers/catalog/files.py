"""Files of rows: CSV in any separator and encoding, JSON, JSON lines; what can't be read is named, not dropped."""

import csv
import io
import json
import re
from pathlib import Path

from charset_normalizer import from_bytes

from .spec import FeedError

csv.field_size_limit(2**31 - 1)
LEGACY = ["cp1252", "cp1250", "cp1251", "latin_1", "shift_jis", "gb18030"]


def decode(raw: bytes, encoding: str = "auto") -> tuple[str, str]:
    """Text of a file and the encoding it was read in: BOM, else UTF-8, else the likeliest legacy encoding."""
    if encoding == "auto":
        bom = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
        encoding = next((name for mark, name in bom.items() if raw.startswith(mark)), "utf-8")
        try:
            return raw.decode(encoding), encoding
        except UnicodeDecodeError:
            best = from_bytes(raw, cp_isolation=LEGACY).best()
            alike = best and [
                name for name in LEGACY if raw.decode(name, "replace") == str(best)
            ]  # the usual one first
            encoding = (alike or ["latin_1"])[0]
    return raw.decode(encoding, errors="replace"), encoding


def read_rows(path, format="auto", encoding="auto", separator="auto", extra_cells="reject"):
    """Rows of a CSV, JSON or JSON-lines file as texts.

    Returns
    -------
    rows : list of dict
        Column to text; `None` stands in for a row that could not be read, so that positions hold.
    broken : list of (source_row, value, reason)
    about : dict
        `file`, `encoding`, `separator` or format, `columns`, `read` (rows).

    Raises
    ------
    FeedError
        If there is no such file, it is no text, or it holds no rows.
    """
    path = Path(path)
    if not path.is_file():
        raise FeedError(f"{path}: no such file")
    text, encoding = decode(path.read_bytes(), encoding)
    if re.search(r"[\x00-\x08\x0e-\x1f]", text.lstrip("\ufeff")[:200].partition("\n")[0]):
        raise FeedError(f"{path} begins like no text (read as {encoding}): unpack it, or save it as CSV or JSON")
    kind = format if format != "auto" else "json" if text.lstrip()[:1] in ("[", "{") else "csv"
    rows, broken, how = _read_json(text) if kind == "json" else _read_csv(text, separator, extra_cells)
    if not rows:
        raise FeedError(f"{path} holds {'nothing' if not text.strip() else 'no rows'}: export it again")
    columns = list(dict.fromkeys(name for row in rows if row for name in row))
    return (
        rows,
        broken,
        {"file": path.name, "encoding": encoding, "separator": how, "columns": columns, "read": len(rows)},
    )


def _read_json(text: str):
    """A JSON list, an object that holds one, or a JSON object a line."""
    rows, broken, how = [], [], "JSON"
    try:
        loaded = json.loads(text)
        if isinstance(loaded, dict):
            loaded = next(
                (v for v in loaded.values() if isinstance(v, list) and v and isinstance(v[0], dict)), [loaded]
            )
    except (ValueError, RecursionError):
        loaded, how = [line for line in text.splitlines() if line.strip()], "JSON lines"
    for number, item in enumerate(loaded, 1):
        try:
            item = json.loads(item) if how == "JSON lines" else item
            if not isinstance(item, dict):
                raise ValueError("not an object")
            rows.append({k: v if isinstance(v, str) else "" if v is None else json.dumps(v) for k, v in item.items()})
        except (ValueError, RecursionError) as error:
            rows.append(None)
            broken.append((number, str(item)[:200], f"not a JSON object: {error}"))
    return rows, broken, how


def _read_csv(text: str, separator: str, extra_cells: str):
    first = text.lstrip("\ufeff\r\n").split("\n", 1)[0]
    if separator == "auto":
        separator = max(",;\t|", key=first.count)
    lines = []
    tee = (lines.append(line) or line for line in io.StringIO(text, newline=""))
    rows, broken, header = [], [], None
    for cells in csv.reader(tee, delimiter=separator):
        used, lines[:] = list(lines), []
        if not cells:
            continue
        if header is None:
            header = []
            for number, name in enumerate(cells, 1):
                name = name.strip().lstrip("\ufeff") or f"column {number}"
                header.append(f"{name} ({number})" if name in header else name)  # no column hides another
            continue
        if len(cells) > len(header) and (extra_cells == "join_last" or not any(cells[len(header) :])):
            last = separator.join(cells[len(header) - 1 :]).rstrip(separator)
            cells = [*cells[: len(header) - 1], last]
        if len(cells) == len(header):
            rows.append(dict(zip(header, cells, strict=True)))
            continue
        # a quote that never closes swallows what follows: each swallowed line is a row that could not be read
        swallowed = used if len(cells) < len(header) and len(used) > 1 else ["".join(used)]
        for line in swallowed:
            rows.append(None)
            broken.append((len(rows), line.strip()[:200], f"{len(cells)} cells for {len(header)} columns"))
    return rows, broken, separator
