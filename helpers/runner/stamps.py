"""What a finished chapter depended on and what it left, so that later runs know whether it stands.

A chapter stands while its cells, its parameters, every file that it read and every file that it left
are the same, byte for byte. The files are those that `helpers.recording` saw it read and write.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nbformat
from pydantic import TypeAdapter, ValidationError

from helpers.artefacts import CHAPTERS, ROOT, data_dir, reports_dir, write_json
from helpers.recording import KEPT, LISTED, READ, WRITTEN, Event, read_events
from helpers.runner import parameters

ABSENT = "absent"  # in place of the hash of a file that a chapter looked for in vain
CHANGING = "changed while it was read"
FORMAT = 1


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


def begin(profile: str, chapter: str) -> None:
    """Prepare a chapter's record: what earlier attempts left stays known, what they read is forgotten.

    Damaged artefacts are removed, so that nothing is built on them.
    """
    places, record = Places(profile), record_path(profile, chapter)
    kept = [event.path for event in read_events(record) if event.kind in (WRITTEN, KEPT)]
    try:
        stamp = read_stamp(profile, chapter)
    except StampError:
        stamp = None
    if stamp:
        for damaged in damages(stamp, places):
            places.path(damaged.name).unlink(missing_ok=True)
        kept += [str(places.path(name)) for name in stamp.artefacts]
    record.parent.mkdir(parents=True, exist_ok=True)
    lines = [Event(KEPT, path).line() for path in dict.fromkeys(kept)]
    record.write_text("".join(lines), encoding="utf-8", errors="surrogateescape")
    stamp_path(profile, chapter).unlink(missing_ok=True)


def finish(profile: str, chapter: str, values: dict[str, Any], seconds: float) -> Stamp:
    """Turn a chapter's record into its stamp."""
    places, record = Places(profile), record_path(profile, chapter)
    events = read_events(record)
    events.append(Event(WRITTEN, str(executed_path(profile, chapter))))
    artefacts = _artefacts(events, places)
    others = _owned_by_others(profile, chapter)
    stamp = Stamp(
        notebook=notebook_hash(chapter),
        parameters=_as_json(values),
        inputs=_inputs(events, places),
        listings=_listings(events, places, others),
        artefacts=artefacts,
        seconds=round(seconds, 1),
    )
    write_json(asdict(stamp), stamp_path(profile, chapter))
    record.unlink(missing_ok=True)
    return stamp


def notebook_hash(chapter: str) -> str:
    """Hash of a notebook's cells, outputs and metadata left out."""
    cells = nbformat.read(parameters.notebook_path(chapter), as_version=4).cells
    sources = [[cell.cell_type, cell.source] for cell in cells]
    return hashlib.sha256(json.dumps(sources).encode()).hexdigest()


def file_hash(path: Path) -> str:
    """SHA-256 of a file, or `ABSENT`."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return ABSENT
    except IsADirectoryError:
        return "a folder"


def mark_of(path: Path) -> Mark:
    """Size and hash of a file that is there."""
    return Mark(path.stat().st_size, file_hash(path))


@dataclass(frozen=True)
class Damage:
    """A file that isn't what a chapter left."""

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
        return (
            f"{path} is damaged: it has {size:,} bytes, and had {mark.size:,} when it was written"
        )
    if file_hash(path) != mark.sha256:
        return f"{path} is damaged: its content changed after it was written"
    return ""


def why_again(profile: str, chapter: str, values: dict[str, Any]) -> str:
    """Why a chapter can't be reused, in words; empty if it can."""
    try:
        stamp = read_stamp(profile, chapter)
    except StampError as error:
        return str(error)
    if stamp is None:
        return "not finished before"
    places = Places(profile)
    damaged = [damage.text for damage in damages(stamp, places)]
    return _first_of(damaged) or _change(stamp, chapter, places, _as_json(values))


def out_of_date(profile: str, chapter: str, values: dict[str, Any]) -> str:
    """Why a finished chapter's results belong to other inputs, in words; empty if they don't."""
    stamp = all_stamps(profile).get(chapter)
    if stamp is None:
        return ""
    return _change(stamp, chapter, Places(profile), _as_json(values))


def _change(stamp: Stamp, chapter: str, places: Places, values: dict[str, Any]) -> str:
    if stamp.notebook != notebook_hash(chapter):
        return "its notebook changed"
    if stamp.parameters != values:
        names = sorted({*stamp.parameters, *values})
        changed = [name for name in names if stamp.parameters.get(name) != values.get(name)]
        return f"parameter {', '.join(changed)} changed"
    files = [
        f"{places.shown(name)} changed"
        for name, known in stamp.inputs.items()
        if file_hash(places.path(name)) != known
    ]
    if files:
        return _first_of(files)
    names_of_others = _owned_by_others(places.profile, chapter)
    folders = [
        f"files were added to {places.shown(name)} or left it"
        for name, known in stamp.listings.items()
        if _listing_hash(name, places, names_of_others) != known
    ]
    return _first_of(folders)


def _first_of(texts: list[str]) -> str:
    if len(texts) > 1:
        return f"{texts[0]} (and {len(texts) - 1} more)"
    return "".join(texts)


def _as_json(values: dict[str, Any]) -> dict[str, Any]:
    """Values as they come back from a stamp."""
    return json.loads(json.dumps(values, default=str))


def _artefacts(events: list[Event], places: Places) -> dict[str, Mark]:
    """Marks of what a chapter wrote under the profile's folders and left there."""
    found = {}
    for path in sorted({event.path for event in events if event.kind in (WRITTEN, KEPT)}):
        name = places.name(path)
        if places.own(name) and not _hidden(name) and Path(path).is_file():
            found[name] = mark_of(Path(path))
    return found


def _inputs(events: list[Event], places: Places) -> dict[str, str]:
    """Hashes of what a chapter read and didn't write itself."""
    written = {event.path for event in events if event.kind in (WRITTEN, KEPT)}
    found = {}
    for event in events:
        name = places.name(event.path)
        if event.kind != READ or event.path in written or _hidden(name):
            continue
        found[name] = _hash_if_unchanged(event)
    return dict(sorted(found.items()))


def _hash_if_unchanged(event: Event) -> str:
    """Hash of a file that was read, unless it isn't any more what was read."""
    path = Path(event.path)
    try:
        now = path.stat()
    except OSError:
        return ABSENT if event.size < 0 else CHANGING
    if (now.st_size, now.st_mtime_ns) != (event.size, event.changed):
        return CHANGING
    return file_hash(path)


def _listings(events: list[Event], places: Places, of_others: set[str]) -> dict[str, str]:
    """Hashes of the names in the folders that a chapter listed."""
    written = {event.path for event in events if event.kind in (WRITTEN, KEPT)}
    found = {}
    for event in events:
        name = places.name(event.path)
        if event.kind != LISTED or _hidden(name) or _no_input(name):
            continue
        if not places.own(name) and _made_by_chapter(event.path, written):
            continue
        found[name] = _listing_hash(name, places, of_others)
    return dict(sorted(found.items()))


def _made_by_chapter(folder: str, written: set[str]) -> bool:
    """Whether a chapter wrote into a folder: its names are results then, not inputs."""
    return any(path.startswith(folder + os.sep) for path in written)


def _no_input(name: str) -> bool:
    """Folders that Python searches for modules, and those in which every profile has its own."""
    return name in ("course:.", "course:notebooks", "course:tests", "course:data", "course:reports")


def _listing_hash(name: str, places: Places, of_others: set[str]) -> str:
    """Hash of the names in a folder.

    In the profile's own folders, only what other chapters left counts.
    """
    folder = places.path(name)
    if places.own(name):
        names = [one for one in of_others if places.path(one).parent == folder]
    elif folder.is_dir():
        names = [entry.name for entry in os.scandir(folder) if _counts(entry, name)]
    else:
        return ABSENT
    return hashlib.sha256(json.dumps(sorted(names)).encode()).hexdigest()


def _counts(entry: os.DirEntry[str], folder: str) -> bool:
    """Whether a name in a folder may matter; packages are listed by Python in search of modules."""
    if entry.name.startswith(".") or entry.name == "__pycache__" or entry.name.endswith(".py"):
        return False
    return entry.is_file() or not folder.startswith("course:helpers")


def _owned_by_others(profile: str, chapter: str) -> set[str]:
    """Names of all artefacts of the other chapters."""
    stamps = all_stamps(profile)
    return {name for other, stamp in stamps.items() if other != chapter for name in stamp.artefacts}


def _hidden(name: str) -> bool:
    """Whether a file of the profile or the course is a lock, a stamp or the like."""
    _, colon, rest = name.partition(":")
    parts = rest.split("/") if colon else []
    return any(part.startswith(".") and part != "." for part in parts)
