"""Reports, slides and the index of what was run.

A page is written again where its source, the theme or the page itself changed.
"""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from helpers.artefacts import (
    CHAPTERS,
    ROOT,
    MissingArtefact,
    data_dir,
    reports_dir,
    write_json,
)
from helpers.report.html import render_notation, render_report, render_solutions
from helpers.report.index import OVERVIEW_DECK, render_index
from helpers.report.results import REAL_STUDY, Results, load_results
from helpers.report.slides import render_decks
from helpers.runner.stamps import Mark, damage_of, executed_path, file_hash, mark_of, stamp_path

INDEX = "index.html"
PERSONAS = ROOT / "data" / "personas.yaml"
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
    problem = _write_chapters(book, executed)
    if problem:
        say(problem)
    folder = reports_dir(profile)
    if book.whole_is_stale():
        render_notation(folder)
        people = _present(profile, executed, say)
        render_index(profile, executed, decks=not problem, people=people)
    book.write_all()
    say(f"open {folder / 'index.html'}")


def publish_finished(profile: str, say: Callable[[str], None]) -> None:
    """The same for the chapters that have finished while others still run, without the index."""
    executed = executed_notebooks(profile)
    book = _Book(profile, executed, say)
    _write_chapters(book, executed)
    book.write_chapters()


def _write_chapters(book: "_Book", executed: dict[str, Path]) -> str:
    """Reports and decks that are missing or out of date; what kept decks from being made."""
    profile = book.profile
    for chapter in book.stale(report_path):
        render_report(executed[chapter], chapter, report_path(profile, chapter))
        render_solutions(chapter, reports_dir(profile))
    without_deck = {chapter: executed[chapter] for chapter in book.stale(deck_path)}
    return render_decks(without_deck, reports_dir(profile) / "decks", ["html"])


def _present(profile: str, executed: dict[str, Path], say: Callable[[str], None]):
    """The overview deck and the personas' pages, once the last chapter has run.

    Returns
    -------
    list of PersonaLists
        Those who have a page.
    """
    results = load_results_of(profile, executed)
    if results is None:
        return []
    from helpers.report import overview, personas

    say("the overview, and what every method shows the personas")
    people = personas.persona_lists(profile)
    personas.render_personas(profile, people, results.reads_pictures)
    text = overview.deck(results, people)
    folder = reports_dir(profile) / "decks"
    render_decks({}, folder, ["html"], written={OVERVIEW_DECK.stem: text})
    return people


def load_results_of(profile: str, executed: dict[str, Path]) -> Results | None:
    """Results of a run that is complete; None before, or if no exam was across platforms."""
    if set(executed) != set(CHAPTERS):
        return None
    try:
        results = load_results(profile)
    except MissingArtefact:
        return None
    return results if results.lengths else None


def unpublish(profile: str, chapter: str) -> None:
    """Remove a chapter's pages: a killed run must not leave an old report beside a new notebook."""
    report_path(profile, chapter).unlink(missing_ok=True)
    deck_path(profile, chapter).unlink(missing_ok=True)
    (reports_dir(profile) / OVERVIEW_DECK).unlink(missing_ok=True)


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
        self.whole = self._source_of_whole()

    def stale(self, path_of: Callable[[str, str], Path]) -> list[str]:
        """Chapters whose page is gone, damaged, or made from something else."""
        found = []
        for chapter in self.sources:
            path = path_of(self.profile, chapter)
            if self._is_stale(chapter, path):
                found.append(chapter)
        return found

    def whole_is_stale(self) -> bool:
        """Whether a page on the whole run is gone, damaged, or made from something else."""
        known = [name for name, page in self.known.items() if page.source == self.whole]
        if INDEX not in known:
            return True
        folder = reports_dir(self.profile)
        return any(self._is_damaged(folder / name, self.known[name].mark) for name in known)

    def write_all(self) -> None:
        """Keep the marks of all pages that are there."""
        pages = {}
        for path in _whole_pages(self.profile):
            pages[self._name(path)] = Page(self.whole, mark_of(path))
        self._write(pages | self._chapters())

    def write_chapters(self) -> None:
        """Keep the marks of the chapters' pages, and of all others what was known."""
        self._write(self.known | self._chapters())

    def _chapters(self) -> dict[str, Page]:
        """Pages of chapters that are there."""
        pages = {}
        for chapter, source in self.sources.items():
            for path_of in (report_path, deck_path):
                path = path_of(self.profile, chapter)
                if path.exists():
                    pages[self._name(path)] = Page(source, mark_of(path))
        return pages

    def _write(self, pages: dict[str, Page]) -> None:
        table = {name: asdict(page) for name, page in pages.items()}
        write_json(table, self.path)

    def _is_stale(self, chapter: str, path: Path) -> bool:
        page = self.known.get(self._name(path))
        if page is None or not path.exists():
            return True
        if page.source != self.sources[chapter]:
            return True
        return self._is_damaged(path, page.mark)

    def _is_damaged(self, path: Path, mark: Mark) -> bool:
        damage = damage_of(path, mark)
        if damage:
            self.say(f"{damage}; written again")
        return bool(damage)

    def _source_of_whole(self) -> str:
        """Hash of all that the pages on the whole run are made from."""
        digest = hashlib.sha256()
        for chapter in sorted(self.sources):
            digest.update(f"{chapter} {self.sources[chapter]}".encode())
        for path in (reports_dir(self.profile) / "metrics.json", PERSONAS, REAL_STUDY):
            digest.update(file_hash(path).encode())
        return digest.hexdigest()

    def _name(self, path: Path) -> str:
        return path.relative_to(reports_dir(self.profile)).as_posix()

    def _read(self) -> dict[str, Page]:
        """What was published; nothing if the list is gone or damaged: then all is written again."""
        try:
            return _PAGES.validate_json(self.path.read_bytes())
        except (FileNotFoundError, ValidationError):
            return {}


def _whole_pages(profile: str) -> list[Path]:
    """The pages on the whole run that are there."""
    folder = reports_dir(profile)
    pages = [folder / INDEX, folder / OVERVIEW_DECK, *sorted(folder.glob("persona_*.html"))]
    return [path for path in pages if path.is_file()]


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
