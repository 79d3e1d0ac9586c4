"""Reports, slides and the index of what was run.

A page is written again where its source, the theme or the page itself changed.
"""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from helpers.artefacts import CHAPTERS, ROOT, data_dir, reports_dir, write_json
from helpers.report.html import (
    render_index,
    render_notation,
    render_report,
    render_solutions,
)
from helpers.report.slides import render_decks
from helpers.runner.stamps import Mark, damage_of, executed_path, file_hash, mark_of, stamp_path

LOOK = ("helpers/report", "reports/theme", "marp.config.mjs", "helpers/templates.py")


@dataclass(frozen=True)
class Page:
    """A published file: what it was made from, and its own mark."""

    source: str
    mark: Mark


_PAGES: TypeAdapter[dict[str, Page]] = TypeAdapter(dict[str, Page])


def report_path(profile: str, chapter: str) -> Path:
    """Where the HTML report of a chapter lies."""
    return reports_dir(profile) / f"{CHAPTERS[chapter]}.html"


def deck_path(profile: str, chapter: str) -> Path:
    """Where the slides of a chapter lie."""
    return reports_dir(profile) / "decks" / f"{CHAPTERS[chapter]}.html"


def publish(profile: str, say: Callable[[str], None]) -> None:
    """Write the report and deck of every chapter that was run, where they aren't there already."""
    executed = executed_notebooks(profile)
    if not executed:
        return
    book = _Book(profile, executed, say)
    for chapter in book.stale(report_path):
        render_report(executed[chapter], chapter, report_path(profile, chapter))
        render_solutions(chapter, reports_dir(profile))
    stale_decks = book.stale(deck_path)
    without_deck = {chapter: executed[chapter] for chapter in stale_decks}
    problem = render_decks(without_deck, reports_dir(profile) / "decks", ["html"])
    if problem:
        say(problem)
    render_notation(reports_dir(profile))
    render_index(profile, executed, decks=not problem)
    book.write()
    say(f"open {reports_dir(profile) / 'index.html'}")


def unpublish(profile: str, chapter: str) -> None:
    """Remove a chapter's pages: a killed run must not leave an old report beside a new notebook."""
    report_path(profile, chapter).unlink(missing_ok=True)
    deck_path(profile, chapter).unlink(missing_ok=True)


def executed_notebooks(profile: str) -> dict[str, Path]:
    """Executed notebooks of the chapters that finished."""
    found = {}
    for chapter in CHAPTERS:
        path = executed_path(profile, chapter)
        if path.exists() and stamp_path(profile, chapter).exists():
            found[chapter] = path
    return found


class _Book:
    """What was published of a profile, and from what."""

    def __init__(self, profile: str, executed: dict[str, Path], say: Callable[[str], None]):
        self.profile = profile
        self.say = say
        self.path = data_dir(profile) / ".finished" / "pages.json"
        self.known = self._read()
        look = _look_hash()
        self.sources = {}
        for chapter, path in executed.items():
            self.sources[chapter] = f"{file_hash(path)} {look}"

    def stale(self, path_of: Callable[[str, str], Path]) -> list[str]:
        """Chapters whose page is gone, damaged, or made from something else."""
        found = []
        for chapter in self.sources:
            path = path_of(self.profile, chapter)
            if self._is_stale(chapter, path):
                found.append(chapter)
        return found

    def write(self) -> None:
        """Keep the marks of all pages that are there."""
        pages = {}
        for chapter, source in self.sources.items():
            for path_of in (report_path, deck_path):
                path = path_of(self.profile, chapter)
                if path.exists():
                    page = Page(source, mark_of(path))
                    pages[self._name(path)] = asdict(page)
        write_json(pages, self.path)

    def _is_stale(self, chapter: str, path: Path) -> bool:
        page = self.known.get(self._name(path))
        if page is None or not path.exists():
            return True
        if page.source != self.sources[chapter]:
            return True
        damage = damage_of(path, page.mark)
        if damage:
            self.say(f"{damage}; written again")
        return bool(damage)

    def _name(self, path: Path) -> str:
        return path.relative_to(reports_dir(self.profile)).as_posix()

    def _read(self) -> dict[str, Page]:
        """What was published; nothing if the list is gone or damaged: then all is written again."""
        try:
            return _PAGES.validate_json(self.path.read_bytes())
        except (FileNotFoundError, ValidationError):
            return {}


def _look_hash() -> str:
    """Hash of the files that decide how pages look."""
    digest = hashlib.sha256()
    for name in LOOK:
        place = ROOT / name
        files = [place]
        if place.is_dir():
            files = sorted(place.rglob("*.*"))
        for path in files:
            if "__pycache__" not in path.parts:
                digest.update(file_hash(path).encode())
    return digest.hexdigest()
