"""Where every chapter's results lie, how they are written whole, and who makes what is missing."""

import json
import os
from contextlib import contextmanager
from pathlib import Path

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
    """A chapter's result that another chapter has yet to make; the message holds the one command."""


def data_dir(profile: str) -> Path:
    """Folder of a profile's tables, images and models; `COURSE_DATA` moves its parent."""
    return Path(os.environ.get("COURSE_DATA", ROOT / "data")) / profile


def reports_dir(profile: str) -> Path:
    """Folder of a profile's reports; `COURSE_REPORTS` moves its parent."""
    return Path(os.environ.get("COURSE_REPORTS", ROOT / "reports")) / profile


def fashion_data() -> Path | None:
    """Folder of the real feeds, photos and ratings: `FASHION_DATA`, else `../shared/data` if it is there."""
    path = Path(os.environ.get("FASHION_DATA", ROOT.parent / "shared" / "data"))
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


def require(profile: str, name: str, chapter: str) -> Path:
    """Path of artefact `name` of a profile.

    Raises
    ------
    MissingArtefact
        If it isn't there: names the chapter (`"01"` … `"07"`) that makes it and the command that runs it.
    """
    path = data_dir(profile) / name
    if not path.exists():
        raise MissingArtefact(
            f"{path} is missing: chapter {CHAPTERS[chapter]} makes it. "
            f"Run:  course run --profile {profile} --until {chapter}"
        )
    return path


@contextmanager
def whole(path: str | Path):
    """Yield a temporary path beside `path`; rename it to `path` on success, so that no file is ever half written."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield aside
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def write_parquet(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a table whole, without an index and with the same bytes for the same rows."""
    with whole(path) as aside:
        frame.to_parquet(aside, index=False, compression="zstd")


def write_text(text: str, path: str | Path) -> None:
    """Write a UTF-8 text file whole."""
    with whole(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_json(value, path: str | Path) -> None:
    """Write JSON whole, keys in the order given, NaN refused."""
    write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n", path)
