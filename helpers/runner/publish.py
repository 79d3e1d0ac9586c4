"""Reports, slides and the index of what was run, made again where their source or they themselves changed."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from helpers.artefacts import CHAPTERS, ROOT, data_dir, reports_dir, write_json
from helpers.report.html import render_index, render_report
from helpers.report.slides import render_decks
from helpers.runner.stamps import Mark, damage_of, executed_path, file_hash, mark_of, stamp_path

LOOK = ("helpers/report", "reports/theme", "marp.config.mjs", "helpers/templates.py")


@dataclass(frozen=True)
class Page:
    """A published file: what it was made from, and its own mark."""

    source: str
    mark: Mark


_PAGES: TypeAdapter[dict[str, Page]] = TypeAdapter(dict[str, Page])


def publish(profile: str, say) -> None:
    """Write the report and deck of every chapter that was run, where they aren't there already."""
    folder = reports_dir(profile)
    executed = {chapter: executed_path(profile, chapter) for chapter in CHAPTERS}
    executed = {
        chapter: path
        for chapter, path in executed.items()
        if path.exists() and stamp_path(profile, chapter).exists()
    }
    if not executed:
        return
    known = _read_pages(profile)
    look = _look_hash()
    sources = {chapter: f"{file_hash(path)} {look}" for chapter, path in executed.items()}
    reports = {chapter: folder / f"{CHAPTERS[chapter]}.html" for chapter in executed}
    decks = {chapter: folder / "decks" / f"{CHAPTERS[chapter]}.html" for chapter in executed}
    for chapter in _stale(reports, sources, known, folder, say):
        render_report(executed[chapter], chapter, reports[chapter])
    stale_decks = _stale(decks, sources, known, folder, say)
    problem = render_decks({c: executed[c] for c in stale_decks}, folder / "decks", ["html"])
    if problem:
        say(problem)
    render_index(profile, executed, decks=not problem)
    _write_pages(profile, [reports, decks], sources)
    say(f"open {folder / 'index.html'}")


def unpublish(profile: str, chapter: str) -> None:
    """Remove a chapter's pages: a run that is killed must not leave an old report beside a new notebook."""
    folder, name = reports_dir(profile), f"{CHAPTERS[chapter]}.html"
    (folder / name).unlink(missing_ok=True)
    (folder / "decks" / name).unlink(missing_ok=True)


def _stale(
    pages: dict[str, Path], sources: dict[str, str], known: dict[str, Page], folder: Path, say
) -> list[str]:
    """Chapters whose page is gone, damaged, or made from something else."""
    found = []
    for chapter, path in pages.items():
        page = known.get(path.relative_to(folder).as_posix())
        if page is None or page.source != sources[chapter] or not path.exists():
            found.append(chapter)
            continue
        damage = damage_of(path, page.mark)
        if damage:
            say(f"{damage}; written again")
            found.append(chapter)
    return found


def _look_hash() -> str:
    """Hash of the files that decide how pages look."""
    paths = []
    for name in LOOK:
        place = ROOT / name
        paths += sorted(place.rglob("*.*")) if place.is_dir() else [place]
    hashes = [file_hash(path) for path in paths if "__pycache__" not in path.parts]
    return hashlib.sha256(" ".join(hashes).encode()).hexdigest()


def _pages_path(profile: str) -> Path:
    return data_dir(profile) / ".finished" / "pages.json"


def _read_pages(profile: str) -> dict[str, Page]:
    """What was published; nothing if the list is missing or damaged, so that all is written again."""
    try:
        return _PAGES.validate_json(_pages_path(profile).read_bytes())
    except (FileNotFoundError, ValidationError):
        return {}


def _write_pages(profile: str, groups: list[dict[str, Path]], sources: dict[str, str]) -> None:
    folder = reports_dir(profile)
    pages = {}
    for group in groups:
        for chapter, path in group.items():
            if path.exists():
                page = Page(sources[chapter], mark_of(path))
                pages[path.relative_to(folder).as_posix()] = asdict(page)
    write_json(pages, _pages_path(profile))
