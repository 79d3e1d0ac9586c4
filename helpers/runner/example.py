"""`course example`: a finished run as a folder that anyone can look at without installing
anything."""

import json
import shutil
import tempfile
from pathlib import Path

from helpers.artefacts import CHAPTERS, MissingArtefact, remedy_for, reports_dir, write_text
from helpers.report import overview
from helpers.report.layouts import deck_markdown
from helpers.report.results import load_results, real_study
from helpers.report.slides import render_first_slide

LARGEST = 25 << 20
"""Bytes of the whole folder: it is kept in git."""
EXAMPLE = "example"
RESULT_PICTURE = "overview.png"
METRICS = "metrics.json"
FOLDERS = ("decks", "solutions")


def make_example(profile: str = "sample") -> str:
    """Copy a finished run's pages to reports/example; returns what was done.

    The executed notebooks are left out. The README's picture is the slide with the headline.

    Raises
    ------
    MissingArtefact
        If a page of the run is missing; the message holds the command that makes it.
    RuntimeError
        If no browser is there to draw the picture.
    ValueError
        If the folder would be larger than `LARGEST`; the message names the largest files.
    """
    source = reports_dir(profile)
    _check(source, profile)
    with tempfile.TemporaryDirectory(dir=source.parent, prefix=".example") as scratch:
        made = Path(scratch) / EXAMPLE
        made.mkdir()
        for page in [*source.glob("*.html"), source / METRICS]:
            shutil.copyfile(page, made / page.name)
        for name in FOLDERS:
            if (source / name).is_dir():
                shutil.copytree(source / name, made / name, ignore=_not_html)
        _write_compact(made / METRICS)
        _draw_result(profile, made / RESULT_PICTURE)
        size = _check_size(made)
        target = source.parent / EXAMPLE
        if target.exists():
            shutil.rmtree(target)
        made.rename(target)
    return f"{size / (1 << 20):.1f} MB of {profile} in {target}"


def pages_of(folder: Path) -> list[Path]:
    """The pages that an example must have."""
    names = ["index.html", METRICS, "decks/overview.html"]
    for name in CHAPTERS.values():
        names += [f"{name}.html", f"decks/{name}.html"]
    return [folder / name for name in names]


def _check(source: Path, profile: str) -> None:
    for page in pages_of(source):
        if not page.exists():
            raise MissingArtefact(f"{page} is missing. {remedy_for(profile, '07')}")


def _not_html(folder: str, names: list[str]) -> set[str]:
    """Other formats and the dark theme are for whoever presents."""
    return {name for name in names if not name.endswith(".html")}


def _write_compact(path: Path) -> None:
    """The same JSON without spaces, which are a third of it."""
    document = json.loads(path.read_text(encoding="utf-8"))
    write_text(json.dumps(document, separators=(",", ":"), ensure_ascii=False) + "\n", path)


def _draw_result(profile: str, path: Path) -> None:
    """The overview's slide with the headline, as a picture."""
    results = load_results(profile)
    slides = overview.overview_slides(results, [], None, real_study())
    front = overview.front_of(results)
    text = deck_markdown(slides[:1], overview.TITLE, front.line)
    problem = render_first_slide(text, path)
    if problem:
        raise RuntimeError(problem)


def _check_size(folder: Path) -> int:
    """Bytes of a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    if size > LARGEST:
        largest = sorted(files, key=lambda path: -path.stat().st_size)[:3]
        names = ", ".join(f"{path.name} ({path.stat().st_size:,} bytes)" for path in largest)
        raise ValueError(f"the example has {size:,} bytes, at most {LARGEST:,} fit: {names}")
    return size
