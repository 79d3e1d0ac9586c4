"""Stamps of finished chapters: what each depended on and what it left, file by file.

`helpers.runner.evidence` writes them from what a chapter was seen to read and write.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from pydantic import TypeAdapter, ValidationError

from helpers.artefacts import CHAPTERS, ROOT, data_dir, newest_of, reports_dir, write_json
from helpers.runner import parameters

ABSENT = "absent"  # in place of the hash of a file that a chapter looked for in vain
FORMAT = 1
FOLDERS_OF_ALL = ("course:data", "course:reports")  # in which every profile has its own
SEARCHED_FOR_CODE = ("course:.", "course:notebooks", "course:tests")  # by Python itself


class StampError(ValueError):
    """A stamp that can't be read: cut, or not of this program's format."""


@dataclass(frozen=True)
class Mark:
    """Size and SHA-256 of a file."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Stamp:
    """The record of a finished chapter.

    Attributes
    ----------
    notebook : str
        Hash of the notebook's cells without outputs.
    parameters : dict
        Those that differ from the notebook's defaults.
    inputs : dict of str to str
        Name (see `Places`) of each file read → SHA-256, or `ABSENT`.
    listings : dict of str to str
        Name of each folder listed → hash of the names in it.
    newest : dict of str to str
        Name of each pattern whose newest file was looked for → name of that file, or `ABSENT`.
    artefacts : dict of str to Mark
        Name of each file that the chapter left.
    seconds : float
    format : int
    """

    notebook: str
    parameters: dict[str, Any]
    inputs: dict[str, str]
    listings: dict[str, str]
    artefacts: dict[str, Mark]
    seconds: float
    newest: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT


_STAMPS: TypeAdapter[Stamp] = TypeAdapter(Stamp)


@dataclass(frozen=True)
class Places:
    """Names of files that stay the same when data, reports or the course itself move."""

    profile: str

    def roots(self) -> dict[str, Path]:
        """Short name → folder."""
        found = {
            "data": data_dir(self.profile),
            "reports": reports_dir(self.profile),
        }
        if os.environ.get("FASHION_DATA"):
            found["fashion"] = Path(os.environ["FASHION_DATA"]).absolute()
        found["course"] = ROOT
        return found

    def name(self, path: str | Path) -> str:
        """`data:catalog.parquet` for a file of the profile; the path itself for one elsewhere."""
        for short, folder in self.roots().items():
            if Path(path).is_relative_to(folder):
                return f"{short}:{Path(path).relative_to(folder).as_posix()}"
        return str(path)

    def path(self, name: str) -> Path:
        """Inverse of `name`."""
        short, colon, rest = name.partition(":")
        folder = self.roots().get(short)
        if colon and folder is not None:
            return folder / rest
        return Path(name)

    def shown(self, name: str) -> str:
        """A name as a message shows it: files of the course relative to it, others in full."""
        if name.startswith("course:"):
            return name.removeprefix("course:")
        return str(self.path(name))

    def own(self, name: str) -> bool:
        """Whether a file lies in the profile's data or reports, where chapters leave theirs."""
        return name.startswith(("data:", "reports:"))


def stamp_path(profile: str, chapter: str) -> Path:
    """Where the stamp of a chapter lies."""
    return data_dir(profile) / ".finished" / f"{CHAPTERS[chapter]}.json"


def record_path(profile: str, chapter: str) -> Path:
    """Where a running chapter's reads and writes are recorded."""
    return stamp_path(profile, chapter).with_suffix(".jsonl")


def executed_path(profile: str, chapter: str) -> Path:
    """Where the executed notebook of a chapter lies."""
    return reports_dir(profile) / "notebooks" / f"{CHAPTERS[chapter]}.ipynb"


def read_stamp(profile: str, chapter: str) -> Stamp | None:
    """The stamp of a chapter; None if it never finished.

    Raises
    ------
    StampError
        If the stamp can't be read; names the file.
    """
    path = stamp_path(profile, chapter)
    try:
        stamp = _STAMPS.validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        raise StampError(f"its stamp {path} is damaged") from None
    if stamp.format != FORMAT:
        raise StampError(f"its stamp {path} is of another version")
    return stamp


def all_stamps(profile: str) -> dict[str, Stamp]:
    """Every chapter's stamp that can be read."""
    found = {}
    for chapter in CHAPTERS:
        try:
            stamp = read_stamp(profile, chapter)
        except StampError:
            continue
        if stamp:
            found[chapter] = stamp
    return found


def write_stamp(profile: str, chapter: str, stamp: Stamp) -> None:
    """Write the stamp of a chapter whole."""
    write_json(asdict(stamp), stamp_path(profile, chapter))


def artefacts_of_others(profile: str, chapter: str) -> set[str]:
    """Names of all artefacts of the other chapters."""
    found: set[str] = set()
    for other, stamp in all_stamps(profile).items():
        if other != chapter:
            found.update(stamp.artefacts)
    return found


def notebook_hash(chapter: str) -> str:
    """Hash of a notebook's cells, outputs and metadata left out."""
    notebook = nbformat.read(parameters.notebook_path(chapter), as_version=4)
    sources = [[cell.cell_type, cell.source] for cell in notebook.cells]
    return text_hash(sources)


def text_hash(value: object) -> str:
    """SHA-256 of a value as JSON."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def file_hash(path: Path) -> str:
    """SHA-256 of a file, or `ABSENT`."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return ABSENT
    except IsADirectoryError:
        return "a folder"


def newest_name(name: str, places: Places) -> str:
    """Name of the newest file of a pattern, or `ABSENT`."""
    newest = newest_of(places.path(name))
    return ABSENT if newest is None else newest.name


def mark_of(path: Path) -> Mark:
    """Size and hash of a file that is there."""
    return Mark(path.stat().st_size, file_hash(path))


def listing_hash(name: str, places: Places, of_others: set[str]) -> str:
    """Hash of the names in a folder that may matter to a chapter.

    Parameters
    ----------
    name : str
        The folder's; in the profile's own folders, only what other chapters left counts.
    places : Places
    of_others : set of str
        Names of the other chapters' artefacts.
    """
    folder = places.path(name)
    if places.own(name):
        names = [one for one in of_others if places.path(one).parent == folder]
    elif folder.is_dir():
        entries = list(os.scandir(folder))
        names = [entry.name for entry in entries if _counts(entry, name)]
    else:
        return ABSENT
    return text_hash(sorted(names))


def _counts(entry: os.DirEntry[str], folder: str) -> bool:
    """Whether an entry may matter: Python lists packages in search of modules."""
    name = entry.name
    if name.startswith(".") or name == "__pycache__" or name.endswith(".py"):
        return False
    return entry.is_file() or not folder.startswith("course:helpers")


@dataclass(frozen=True)
class Damage:
    """A file that isn't what a chapter left: its name, and what is wrong with it."""

    name: str
    text: str


def damages(stamp: Stamp, places: Places) -> Iterator[Damage]:
    """Artefacts of a chapter that are gone, cut or changed."""
    for name, mark in stamp.artefacts.items():
        text = damage_of(places.path(name), mark)
        if text:
            yield Damage(name, text)


def damage_of(path: Path, mark: Mark) -> str:
    """What is wrong with a file that had this mark, in words; empty if nothing is."""
    if not path.is_file():
        return f"{path} is gone"
    size = path.stat().st_size
    if size != mark.size:
        had = f"and had {mark.size:,} when it was written"
        return f"{path} is damaged: it has {size:,} bytes, {had}"
    if file_hash(path) != mark.sha256:
        return f"{path} is damaged: its content changed after it was written"
    return ""
