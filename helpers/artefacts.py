"""Where every chapter's results lie, how they are written whole, and who makes what is missing."""

import glob
import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from helpers import recording

if TYPE_CHECKING:  # a command line that only asks for help needs no pandas
    import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = {
    "01": "01_augment",
    "02": "02_interactions",
    "03": "03_collaborative",
    "04": "04_content",
    "05": "05_completion",
    "06": "06_two_tower",
    "07": "07_compare",
}


class MissingArtefact(FileNotFoundError):
    """A chapter's result that isn't there yet; the message holds the command that makes it."""


class DamagedArtefact(ValueError):
    """A chapter's result that was cut or damaged; the message holds the command that mends it."""


def data_dir(profile: str) -> Path:
    """Folder of a profile's tables, images and models; `COURSE_DATA` moves its parent."""
    return Path(os.environ.get("COURSE_DATA", ROOT / "data")).absolute() / profile


def reports_dir(profile: str) -> Path:
    """Folder of a profile's reports; `COURSE_REPORTS` moves its parent."""
    return Path(os.environ.get("COURSE_REPORTS", ROOT / "reports")).absolute() / profile


def fashion_data() -> Path | None:
    """Folder of the real feeds, photos and ratings: `FASHION_DATA`, else `../shared/data`."""
    path = Path(os.environ.get("FASHION_DATA", ROOT.parent / "shared" / "data")).absolute()
    return path if path.is_dir() else None


def real_data(name: str) -> Path:
    """Path of a folder or file of the real data, for example `"ratings"`.

    Raises
    ------
    MissingArtefact
        If it isn't there: says where it was looked for and which variable moves that.
    """
    given = os.environ.get("FASHION_DATA")
    folder = fashion_data()
    if folder is not None and (folder / name).exists():
        return folder / name
    place = f"FASHION_DATA is {given}, which holds none" if given else "FASHION_DATA is not set"
    raise MissingArtefact(
        f"this needs {name} of the real data, and {place}. "
        f"Set FASHION_DATA to the folder that holds {name} (data/README.md says what belongs there)"
    )


_DATE = re.compile(r"(20\d\d)[-_.]?(\d\d)[-_.]?(\d\d)|(\d\d)[-_.](\d\d)[-_.](20\d\d)")


def pattern_of(path: str | Path) -> str:
    """A pattern that a file of the same name with another date fits: `orders_[0-9]…[0-9].csv`.

    A name without a date is its own pattern.
    """
    path = Path(path)
    date = _DATE.search(path.name)
    if date is None:
        return str(path)
    digits = re.sub(r"\d", "[0-9]", date.group())
    start = glob.escape(path.name[: date.start()])
    end = glob.escape(path.name[date.end() :])
    return str(Path(glob.escape(str(path.parent))) / f"{start}{digits}{end}")


def newest_file(pattern: str | Path, *folders: str | Path) -> Path | None:
    """The file of a name, or the newest of a pattern such as `orders_*.csv`, by the date in its
    name.

    Parameters
    ----------
    pattern : path
        Looked for from the working directory, then from each folder.

    Returns
    -------
    Path or None
        None if there is no such file. Where names hold no date, the last by name counts.
    """
    for folder in (Path.cwd(), *folders):
        place = folder / Path(pattern).expanduser()
        if place.is_file():
            return place
        newest = newest_of(place)
        if newest is not None:
            return newest
    return None


def newest_of(pattern: str | Path) -> Path | None:
    """The newest file of an absolute pattern, by the date in its name; None if there is none."""
    with recording.search_for_newest(pattern):
        found = [Path(name) for name in glob.glob(str(pattern))]
    files = [path for path in found if path.is_file()]
    return max(files, key=_by_date, default=None)


def _by_date(path: Path) -> tuple[str, str]:
    """The date in a file's name, then the name."""
    return _date_in(path.name), path.name


def _date_in(name: str) -> str:
    """The date of a name as year, month and day in digits; empty if there is none."""
    date = _DATE.search(name)
    if date is None:
        return ""
    year, month, day, other_day, other_month, other_year = date.groups()
    if year:
        return year + month + day
    return other_year + other_month + other_day


def require(profile: str, name: str, chapter: str) -> Path:
    """Path of artefact `name` of a profile.

    Raises
    ------
    MissingArtefact
        If it isn't there: names the chapter (`"01"` … `"07"`) that makes it and the command that
        runs it.
    DamagedArtefact
        If the file was cut, likewise.
    """
    path = data_dir(profile) / name
    remedy = f"chapter {CHAPTERS[chapter]} makes it. {remedy_for(profile, chapter)}"
    if not path.exists():
        raise MissingArtefact(f"{path} is missing: {remedy}")
    if path.is_file() and not is_whole(path):
        raise DamagedArtefact(f"{path} is damaged: {remedy}")
    return path


def rests_on(path: Path) -> None:
    """Say that a result rests on a file that needn't be read this time: it was before."""
    sys.audit(recording.NATIVE, path)


def remedy_for(profile: str, chapter: str) -> str:
    """The command that makes a chapter's artefacts, as an error shows it."""
    return f"Run:  course run --profile {profile} --until {chapter}"


def is_whole(path: Path) -> bool:
    """Whether a file ends where its own format says; True for formats that don't tell.

    Parquet has its mark at both ends, safetensors its length in the first eight bytes, JSON closes
    what it opens.
    """
    if path.suffix == ".parquet":
        return _parquet_is_whole(path)
    if path.suffix == ".safetensors":
        return _safetensors_is_whole(path)
    if path.suffix == ".json":
        return _json_is_whole(path)
    return True


def _parquet_is_whole(path: Path) -> bool:
    mark = b"PAR1"
    with path.open("rb") as file:
        start = file.read(4)
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 4))
        end = file.read(4)
    return size >= 12 and start == mark and end == mark


def _safetensors_is_whole(path: Path) -> bool:
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length <= size - 8:
            return False
        try:
            head = json.loads(file.read(length))
        except ValueError:
            return False
    ends = [entry["data_offsets"][1] for name, entry in head.items() if name != "__metadata__"]
    return size == 8 + length + max(ends, default=0)


def _json_is_whole(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except ValueError:
        return False
    return True


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path, renamed to `path` on success: no file is ever half written."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield aside
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def write_parquet(frame: "pd.DataFrame", path: str | Path) -> None:
    """Write a table whole, without an index and with the same bytes for the same rows."""
    with whole(path) as aside:
        frame.to_parquet(aside, index=False, compression="zstd")


def write_text(text: str, path: str | Path) -> None:
    """Write a UTF-8 text file whole."""
    with whole(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_json(value: object, path: str | Path) -> None:
    """Write JSON whole, keys in the order given, NaN refused."""
    write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n", path)


recording.start_if_asked()
