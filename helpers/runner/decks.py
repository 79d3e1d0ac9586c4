"""`course deck`: slides of what was run, in any format and either theme, once or on every
change."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from helpers.artefacts import CHAPTERS, ROOT, MissingArtefact, reports_dir
from helpers.report import overview
from helpers.report.personas import persona_lists
from helpers.report.results import load_results
from helpers.report.slides import render_decks
from helpers.runner.publish import executed_notebooks

OVERVIEW = "overview"
BETWEEN_LOOKS = 1.0  # seconds


@dataclass(frozen=True)
class Wish:
    """Which decks are asked for.

    Attributes
    ----------
    profile : str
    only : str or None
        A chapter's number, "overview", or None for all.
    formats : tuple of str
        "html", "md", "pdf", "pptx".
    dark : bool
        Light text on a dark ground; these decks have a folder of their own.
    """

    profile: str
    only: str | None = None
    formats: tuple[str, ...] = ("html",)
    dark: bool = False

    @property
    def folder(self) -> Path:
        """Where the decks go."""
        folder = reports_dir(self.profile) / "decks"
        return folder / "dark" if self.dark else folder


def write(wish: Wish) -> str:
    """Write the decks; returns what was done.

    Raises
    ------
    MissingArtefact
        If a chapter that they need has not run.
    RuntimeError
        If node, marp-cli or a browser is missing; what needs none is written anyway.
    """
    executed = _chapters(wish)
    written = {}
    if wish.only in (None, OVERVIEW):
        try:
            results = load_results(wish.profile)
            people = persona_lists(wish.profile)
            written[OVERVIEW] = overview.deck(results, people, wish.dark)
        except MissingArtefact:
            if wish.only == OVERVIEW:
                raise
    problem = render_decks(executed, wish.folder, list(wish.formats), wish.dark, written)
    if problem:
        raise RuntimeError(problem)
    n_decks = len(executed) + len(written)
    noun = "deck" if n_decks == 1 else "decks"
    return f"{n_decks} {noun} in {wish.folder}"


def _chapters(wish: Wish) -> dict[str, Path]:
    """The executed notebooks of the decks asked for."""
    if wish.only == OVERVIEW:
        return {}
    executed = executed_notebooks(wish.profile)
    if wish.only:
        executed = {number: path for number, path in executed.items() if number == wish.only}
    if not executed:
        asked = f"chapter {CHAPTERS[wish.only]}" if wish.only else "no chapter"
        verb = "was not run" if wish.only else "was run"
        command = f"course run --profile {wish.profile}"
        raise MissingArtefact(f"{asked} of {wish.profile} {verb}. Run:  {command}")
    return executed


def watch(wish: Wish, say: Callable[[str], None]) -> None:
    """Write the decks now, and again whenever a run or the theme changes, until Ctrl-C."""
    seen: dict[Path, float] = {}
    while True:
        now = _times(wish.profile)
        if now != seen:
            seen = now
            say(write(wish))
        time.sleep(BETWEEN_LOOKS)


def _times(profile: str) -> dict[Path, float]:
    """When each file that decks are made of was last written."""
    folder = reports_dir(profile)
    places = [*(folder / "notebooks").glob("*.ipynb"), folder / "metrics.json"]
    places += (ROOT / "reports" / "theme").glob("*.css")
    return {path: path.stat().st_mtime for path in places if path.exists()}
