"""Whether a finished chapter still stands, and the record that becomes its stamp.

A chapter stands while its cells, its parameters, every file that it read and every file that it
left are the same, byte for byte. `helpers.recording` saw which files those are.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from helpers.recording import KEPT, LISTED, READ, SOUGHT, WRITTEN, Event, read_events
from helpers.runner.stamps import (
    ABSENT,
    FOLDERS_OF_ALL,
    SEARCHED_FOR_CODE,
    Mark,
    Places,
    Stamp,
    StampError,
    all_stamps,
    artefacts_of_others,
    damages,
    executed_path,
    file_hash,
    listing_hash,
    mark_of,
    newest_name,
    notebook_hash,
    read_stamp,
    record_path,
    stamp_path,
    write_stamp,
)

CHANGING = "changed while it was read"  # in place of a hash; it equals none
PICTURES = "data:images"  # the folder `data:images/…` and the index `data:images.parquet`


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
    return _first_of(damaged) or _change(stamp, chapter, places, values)


def out_of_date(profile: str, chapter: str, values: dict[str, Any]) -> str:
    """Why a finished chapter's results belong to other inputs, in words; empty if they don't."""
    stamp = all_stamps(profile).get(chapter)
    if stamp is None:
        return ""
    return _change(stamp, chapter, Places(profile), values)


def _change(stamp: Stamp, chapter: str, places: Places, values: dict[str, Any]) -> str:
    if stamp.notebook != notebook_hash(chapter):
        return "its notebook changed"
    return (
        _changed_parameters(stamp, as_json(values))
        or _changed_newest(stamp, places)
        or _changed_files(stamp, places)
        or _changed_folders(stamp, chapter, places)
    )


def _changed_parameters(stamp: Stamp, values: dict[str, Any]) -> str:
    if stamp.parameters == values:
        return ""
    changed = []
    for name in sorted({*stamp.parameters, *values}):
        if stamp.parameters.get(name) != values.get(name):
            changed.append(name)
    return f"parameter {', '.join(changed)} changed"


def _changed_newest(stamp: Stamp, places: Places) -> str:
    changed = []
    for name, known in stamp.newest.items():
        now = newest_name(name, places)
        if now != known:
            pattern = places.shown(name)
            changed.append(f"the newest file of {pattern} was {known}, and is {now}")
    return _first_of(changed)


def _changed_files(stamp: Stamp, places: Places) -> str:
    changed = []
    for name, known in stamp.inputs.items():
        if file_hash(places.path(name)) != known:
            changed.append(f"{places.shown(name)} changed")
    return _first_of(changed)


def _changed_folders(stamp: Stamp, chapter: str, places: Places) -> str:
    of_others = artefacts_of_others(places.profile, chapter)
    changed = []
    for name, known in stamp.listings.items():
        if listing_hash(name, places, of_others) != known:
            changed.append(f"files were added to {places.shown(name)} or left it")
    return _first_of(changed)


def _first_of(texts: list[str]) -> str:
    if len(texts) > 1:
        return f"{texts[0]} (and {len(texts) - 1} more)"
    return "".join(texts)


def as_json(values: dict[str, Any]) -> dict[str, Any]:
    """Values as they come back from a stamp."""
    return json.loads(json.dumps(values, default=str))


def begin(profile: str, chapter: str) -> None:
    """Prepare a chapter's record: what earlier attempts left stays known, what they read doesn't.

    Damaged artefacts are removed, so that nothing is built on them.
    """
    record = record_path(profile, chapter)
    kept = _written(read_events(record))
    try:
        stamp = read_stamp(profile, chapter)
    except StampError:
        stamp = None
    if stamp:
        places = Places(profile)
        _remove_damaged(stamp, places)
        kept.update(str(places.path(name)) for name in stamp.artefacts)
    lines = [Event(KEPT, path).line() for path in sorted(kept)]
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text("".join(lines), encoding="utf-8", errors="surrogateescape")
    stamp_path(profile, chapter).unlink(missing_ok=True)


def _remove_damaged(stamp: Stamp, places: Places) -> None:
    for damage in damages(stamp, places):
        places.path(damage.name).unlink(missing_ok=True)


def finish(profile: str, chapter: str, values: dict[str, Any], seconds: float) -> Stamp:
    """Turn a chapter's record into its stamp."""
    record = record_path(profile, chapter)
    places = Places(profile)
    events = read_events(record)
    events.append(Event(WRITTEN, str(executed_path(profile, chapter))))
    written = _written(events)
    stamp = Stamp(
        notebook=notebook_hash(chapter),
        parameters=as_json(values),
        inputs=_inputs(events, written, places),
        listings=_listings(events, written, places, chapter),
        artefacts=_artefacts(written, places),
        newest=_newest(events, places),
        seconds=round(seconds, 1),
    )
    write_stamp(profile, chapter, stamp)
    record.unlink(missing_ok=True)
    return stamp


def _written(events: Iterable[Event]) -> set[str]:
    return {event.path for event in events if event.kind in (WRITTEN, KEPT)}


def _artefacts(written: Iterable[str], places: Places) -> dict[str, Mark]:
    """Marks of what a chapter wrote under the profile's folders and left there."""
    found = {}
    for path in map(Path, sorted(written)):
        name = places.name(path)
        if places.own(name) and not _hidden(name) and path.is_file():
            found[name] = mark_of(path)
    return found


def _inputs(events: list[Event], written: set[str], places: Places) -> dict[str, str]:
    """Hashes of what a chapter read and didn't write itself."""
    found = {}
    for event in events:
        if event.kind != READ or event.path in written:
            continue
        name = places.name(event.path)
        if not _hidden(name):
            found[name] = _hash_if_unchanged(event)
    return dict(sorted(found.items()))


def _hash_if_unchanged(event: Event) -> str:
    """Hash of a file that was read, unless it isn't any more what was read."""
    path = Path(event.path)
    if path.is_dir():  # its size and time change with what is put in; a listing counts its names
        return file_hash(path)
    was_absent = event.size < 0
    try:
        now = path.stat()
    except OSError:
        return ABSENT if was_absent else CHANGING
    if (now.st_size, now.st_mtime_ns) != (event.size, event.changed):
        return CHANGING
    return file_hash(path)


def _listings(
    events: list[Event], written: set[str], places: Places, chapter: str
) -> dict[str, str]:
    """Hashes of the names in the folders that a chapter listed."""
    of_others = artefacts_of_others(places.profile, chapter)
    found = {}
    for event in events:
        if event.kind != LISTED:
            continue
        name = places.name(event.path)
        if _is_input_folder(name, event.path, written, places):
            found[name] = listing_hash(name, places, of_others)
    return dict(sorted(found.items()))


def _newest(events: list[Event], places: Places) -> dict[str, str]:
    """The newest file of each pattern that a chapter looked for.

    A file that the chapter has not read arrived while it ran, so it will have to run again.
    """
    read = {Path(event.path).name for event in events if event.kind == READ}
    patterns = sorted({places.name(event.path) for event in events if event.kind == SOUGHT})
    found = {}
    for name in patterns:
        newest = newest_name(name, places)
        found[name] = newest if newest in {ABSENT, *read} else CHANGING
    return found


def _is_input_folder(name: str, path: str, written: set[str], places: Places) -> bool:
    """Whether a listed folder's names are something that the chapter was told, not what it made."""
    if _hidden(name) or name in SEARCHED_FOR_CODE or name in FOLDERS_OF_ALL:
        return False
    if not os.path.isdir(path):  # libraries look for folders of theirs everywhere
        return False
    if places.own(name):
        return True
    return not any(file.startswith(path + os.sep) for file in written)


def _hidden(name: str) -> bool:
    """Whether a file of the profile or the course is a lock, a stamp or the like.

    Its name is then "data:.lock", or has another part that begins with a dot. A file from elsewhere
    has a plain path for a name, which says nothing.
    """
    _, colon, rest = name.partition(":")
    if not colon:
        return False
    return any(part.startswith(".") and part != "." for part in rest.split("/"))


def accept_pictures(profile: str) -> None:
    """Take a profile's pictures as they are now, after `course archive` moved some on purpose.

    Chapters that read a picture which is archived don't run again because of that.
    """
    places = Places(profile)
    for chapter, stamp in all_stamps(profile).items():
        inputs = _with_pictures_as_they_are(stamp.inputs, places)
        artefacts = stamp.artefacts
        if any(_is_picture(name) for name in artefacts):  # the chapter that fetches them
            artefacts = _with_pictures_there(artefacts, places)
        accepted = replace(stamp, inputs=inputs, artefacts=artefacts)
        write_stamp(profile, chapter, accepted)


def _with_pictures_there(artefacts: dict[str, Mark], places: Places) -> dict[str, Mark]:
    """Artefacts with the pictures, and their index, that are there now."""
    found = {}
    for name, mark in artefacts.items():
        if not _is_picture(name):
            found[name] = mark
    there = list(places.path(PICTURES).glob("*"))
    there.append(places.path(f"{PICTURES}.parquet"))
    found |= _artefacts(map(str, there), places)
    return found


def _with_pictures_as_they_are(inputs: dict[str, str], places: Places) -> dict[str, str]:
    """Inputs without the pictures that are gone."""
    found = {}
    for name, known in inputs.items():
        if not _is_picture(name):
            found[name] = known
        elif places.path(name).is_file():
            found[name] = file_hash(places.path(name))
    return found


def _is_picture(name: str) -> bool:
    return name.startswith((f"{PICTURES}/", f"{PICTURES}.parquet"))
