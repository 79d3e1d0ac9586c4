"""Rows of a CSV in any separator: the line that names the columns is looked for, and said."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from helpers.feeds.columns import is_column_name
from helpers.feeds.fields import parse_images
from helpers.feeds.money import read_price
from helpers.feeds.rows import Row, Rows
from helpers.feeds.spec import FeedError, Reading
from helpers.feeds.text import LONGEST, clean_text, visible

csv.field_size_limit(2**31 - 1)
SEPARATORS = ",;\t|"
_SAMPLE = 60  # records that are looked at to find separator and header
_ABOVE = 20  # lines that may stand above the header
_SEP_LINE = re.compile(r'"?sep=(.)"?[ \t,;]*(?:\r\n|\r|\n|$)', re.I)


class _Record(NamedTuple):
    """Cells of a record and the lines it was made of."""

    cells: list[str]
    lines: list[str]

    @property
    def is_open(self) -> bool:
        """Whether a quote is open at the end of the file."""
        return not self.lines[-1]

    @property
    def swallows(self) -> bool:
        """Whether a quote that never closes has taken all the lines that follow."""
        return self.is_open and len(self.lines) > 2


class _Header(NamedTuple):
    """Where the header stands among the records, None for nowhere, and how well it is one."""

    at: int | None
    names: int
    alike: float
    width: int


def read_csv(text: str, reading: Reading) -> Rows:
    """Rows of a CSV; what stands above the line that names its columns is passed over and noted.

    Raises
    ------
    FeedError
        If its first line is longer than any header, or opens a quote that never closes.
    """
    text = text.lstrip("\ufeff\r\n")
    told = _SEP_LINE.match(text)
    if told:
        text = text[told.end() :]
    _check_first_line(text)
    separator = reading.separator
    if separator == "auto" and told:
        separator = told[1]
    if separator == "auto":
        separator = _separator(text, reading)
    sample = _sample(text, separator)
    header = _header(sample, reading)
    out = Rows(separator)
    if told:
        out.notes.append(f"the first line says what separates the cells: {separator!r}")
    records = (record for record in _records(text, separator) if record.cells)
    _fill(out, records, header, reading)
    return out


def _check_first_line(text: str) -> None:
    first = re.split(r"[\r\n]", text[: LONGEST + 100], maxsplit=1)[0]
    if len(first) > LONGEST:
        raise FeedError(
            f"has more than {LONGEST:,} characters in its first line, which should name the columns"
        )


def _records(text: str, separator: str) -> Iterator[_Record]:
    """Records and their lines.

    The empty line added at the end is a record of its own unless a quote is open there.
    """
    lines: list[str] = []

    def noted() -> Iterator[str]:
        for line in chain(io.StringIO(text, newline=""), [""]):
            lines.append(line)
            yield line

    for cells in csv.reader(noted(), delimiter=separator):
        yield _Record(cells, list(lines))
        lines.clear()


def _sample(
    text: str,
    separator: str,
) -> list[list[str]]:
    """Cells of the first records."""
    start = "".join(_first_lines(text, 2 * _SAMPLE))
    records = (record.cells for record in _records(start, separator) if record.cells)
    return [cells for cells, _ in zip(records, range(_SAMPLE), strict=False)]


def _first_lines(text: str, count: int) -> Iterator[str]:
    for line, _ in zip(
        io.StringIO(text, newline=""),
        range(count),
        strict=False,
    ):
        yield line


def _separator(text: str, reading: Reading) -> str:
    """The separator by which some record names most columns, and most records are as wide as it."""
    found = {}
    for separator in SEPARATORS:
        header = _header(_sample(text, separator), reading)
        found[separator] = (header.names, header.width > 1, header.alike, header.width)
    return max(SEPARATORS, key=lambda separator: found[separator])


def _header(
    records: list[list[str]],
    reading: Reading,
) -> _Header:
    """The record that names the columns: the first that holds as many usual names as any.

    If none holds two, it is the first as wide as the others that isn't a comment or a banner.
    """
    filled = [cells for cells in records if any(cell.strip() for cell in cells)]
    if not filled:
        return _Header(None, 0, 0.0, 0)
    widths = Counter(map(len, filled))
    width = max(widths, key=lambda cells: (widths[cells], cells))
    names = [_names(cells, reading) for cells in records[:_ABOVE]]
    most = max(names)
    if reading.header == "none":
        at = None
    elif most >= 2:
        at = next(place for place, count in enumerate(names) if 2 * count >= most)
    else:
        at = _first_full(records, width)
        if at is not None and _is_product(records[at]) and not names[at]:
            at = None
    if at is not None:
        width = len(records[at])
        filled = [cells for cells in records[at:] if any(cell.strip() for cell in cells)]
    alike = sum(len(cells) == width for cells in filled) / len(filled)
    return _Header(at, most, alike, width)


def _names(cells: list[str], reading: Reading) -> int:
    """How many cells are a usual name of a column, or one that the YAML names."""
    plain = (_column_name(cell).lstrip("# ") for cell in cells)
    return sum(cell in reading.wanted or is_column_name(cell) for cell in plain)


def _first_full(
    records: list[list[str]],
    width: int,
) -> int | None:
    for place, cells in enumerate(records[:_ABOVE]):
        filled = sum(bool(cell.strip()) for cell in cells)
        is_banner = len(cells) < width or (filled <= 1 and width > 2)
        is_comment = cells[0].startswith(("# ", "//"))
        if not is_banner and not is_comment:
            return place
    return 0 if records else None


def _is_product(cells: list[str]) -> bool:
    """Whether a record holds an address, or a price with its currency: no header does."""
    for cell in cells:
        price = read_price(cell)
        if parse_images(cell) or (price and price.currency and len(cell) < 30):
            return True
    return False


def _column_name(cell: str) -> str:
    return " ".join(visible(cell).split())


def _column_names(cells: list[str]) -> list[str]:
    """Names of columns, each another: no column hides one of the same name."""
    names: dict[str, None] = {}
    for number, cell in enumerate(cells, 1):
        name = _column_name(cell) or f"column {number}"
        while name in names:
            name = f"{name} ({number})"
        names[name] = None
    return list(names)


def _fill(
    out: Rows,
    records: Iterator[_Record],
    header: _Header,
    reading: Reading,
) -> None:
    """Read the records below the header, or all if there is none."""
    columns: list[str] = []
    title: list[str] = []
    above = []
    for number, record in enumerate(records):
        if not columns:
            if header.at is None:
                columns = [f"column {place}" for place in range(1, header.width + 1)]
                out.notes.append(_no_header(record.cells))
            elif number < header.at:
                above.append(record.cells)
                continue
            else:
                if record.swallows:
                    raise FeedError(
                        "opens a quote in its first line that never closes: mend that line"
                    )
                title = record.cells
                columns = _column_names(title)
                continue
        if record.cells == title:
            out.reject(out.separator.join(title), "the line that names the columns, again")
        else:
            _add(out, record, columns, reading)
    if above:
        shown = clean_text(" ".join(above[0]))[:60]
        count = f"{len(above)} line{'s' * (len(above) > 1)}"
        out.notes.insert(0, f"{count} above the names of the columns passed over: {shown!r}")


def _no_header(cells: list[str]) -> str:
    shown = clean_text(" ".join(cells))[:60]
    return (
        f"no line names the columns, the first looks like a product ({shown!r}): they are numbered"
    )


def _add(
    out: Rows,
    record: _Record,
    columns: list[str],
    reading: Reading,
) -> None:
    cells = _fitted(record.cells, len(columns), out.separator, reading)
    if len(cells) == len(columns) and not record.swallows:
        row: Row = dict(zip(columns, cells, strict=True))
        out.rows.append(row)
        return
    reason = f"{len(cells)} cells for {len(columns)} columns"
    if record.is_open:
        reason = f"a quote opens in row {len(out.rows) + 1} and never closes"
    elif len(cells) == 1 or len(columns) == 1:
        reason += f" (cells are separated by {out.separator!r})"
    is_torn = record.swallows or len(cells) < len(columns)
    if is_torn:  # each of its lines is a row that could not be read
        for line in filter(None, record.lines):
            out.reject(line, reason)
    else:
        out.reject("".join(record.lines), reason)


def _fitted(
    cells: list[str],
    width: int,
    separator: str,
    reading: Reading,
) -> list[str]:
    """Cells without empty ones at the end; surplus ones joined to the last if the YAML says so."""
    surplus = cells[width:]
    if surplus and (reading.extra_cells == "join_last" or not any(surplus)):
        last = separator.join(cells[width - 1 :]).rstrip(separator)
        return [*cells[: width - 1], last]
    return cells
