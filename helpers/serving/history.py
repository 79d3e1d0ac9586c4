"""A shopper's own list, as it is read from a file."""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from helpers.feeds.files import read_rows

COLUMNS = ["title", "image", "rating"]
LIKED_BY_DEFAULT = 5.0
"""A list names what somebody likes, so an item without a rating counts as one with the best."""

LARGEST_PICTURE = 20 << 20
"""Bytes of a picture file that are read at most."""


@dataclass(frozen=True)
class History:
    """What a shopper likes elsewhere.

    Attributes
    ----------
    items : DataFrame
        `title`, `image` (a path, a URL or "") and `rating` (1-5). The index counts the file's rows
        from 1, and notes call it a row.
    folder : Path or None
        Where relative pictures are looked for. Pictures outside it are not read.
    notes : list of str
        What could not be used, and why.
    """

    items: pd.DataFrame
    folder: Path | None = None
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.items)


def read_history(path: str | Path) -> History:
    """Read a list: `title`, and where there are, `image` (path or URL) and `rating` (1-5).

    Encoding and separator are recognized as in a shop's feed. A rating may use a decimal comma.

    Raises
    ------
    ValueError
        If the file is empty, has no `title` column, or a rating is not a number from 1 to 5. The
        message names file, row and value.
    """
    path = Path(path)
    rows, broken, about = read_rows(path)
    notes = [f"row {number}: {reason}; left out" for number, _, reason in broken]
    cells = [row or {} for row in rows]
    numbers = range(1, len(rows) + 1)
    table = pd.DataFrame(cells, index=numbers)
    table = table.fillna("").astype(str)
    table.columns = table.columns.str.strip().str.lower()
    if "title" not in table:
        named = ", ".join(about.columns)
        raise ValueError(f"{path.name} has columns {named}, but none called `title`: rename one")
    table = table.reindex(columns=COLUMNS, fill_value="")
    table = table.apply(lambda column: column.str.strip())
    for number in table.index[table["title"] == ""]:
        if rows[number - 1]:
            notes.append(f"row {number}: no title; left out")
    table = table[table["title"] != ""]
    if table.empty:
        raise ValueError(f"{path.name} has no row with a title: list at least one liked item")
    ratings = _ratings(table["rating"], path.name)
    return History(table.assign(rating=ratings), path.resolve().parent, notes)


def _ratings(cells: pd.Series, file: str) -> pd.Series:
    """Numbers from 1 to 5; empty cells become `LIKED_BY_DEFAULT`."""
    plain = cells.str.replace(r"^(\d),(\d+)$", r"\1.\2", regex=True)
    numbers = pd.to_numeric(plain.replace("", str(LIKED_BY_DEFAULT)), errors="coerce")
    wrong = numbers.index[~numbers.between(1, 5)]
    if len(wrong):
        row = wrong[0]
        raise ValueError(f"{file} row {row}: rating {cells[row]!r} is not a number from 1 to 5")
    return numbers


def read_inside(folder: Path, name: str | Path, largest: int = LARGEST_PICTURE) -> bytes:
    """Bytes of a regular file below `folder`.

    A list or a catalogue comes from somewhere else. What it names must not read other files of
    this machine, wait for a pipe, or fill the memory.

    Raises
    ------
    ValueError
        If the path leaves the folder, is not a regular file, or is larger than `largest` bytes.
    OSError
        If it cannot be read.
    """
    folder = folder.resolve()
    path = (folder / name).resolve()
    if not path.is_relative_to(folder):
        raise ValueError(f"it lies outside {folder.name or folder}, so it is not read")
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with open(handle, "rb") as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is no regular file")
        if status.st_size > largest:
            raise ValueError(f"it has {status.st_size} bytes; at most {largest} are read")
        return stream.read(largest)
