"""What stands on the first slide of a deck: which run it shows, and whose shoppers."""

import ast
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from helpers.artefacts import MissingArtefact
from helpers.interactions.loading import load_facts
from helpers.interactions.matrix import REAL, SIMULATED
from helpers.report.blocks import Block, as_text
from helpers.report.cells import REAL_ONLY, SIMULATED_ONLY
from helpers.report.layouts import Slide

USUAL_PROFILE = "sample"
MOST_PARAMETERS = 6
"""Parameters that a title slide names; the report has the rest."""
BOTH = "both"
WHOSE = {
    SIMULATED: "simulated shoppers",
    REAL: "real customers",
    BOTH: "simulated shoppers and real customers",
    "": "",
}
"""Whose results a slide shows; "" where it shows none of shoppers."""


@dataclass(frozen=True)
class Front:
    """The facts on a title slide.

    Attributes
    ----------
    title : str
        Markdown of one line.
    profile : str
    shoppers : str
        "simulated", "real", or "" where nothing says which.
    day : date
        When the run ended; today for a notebook that holds no run.
    given : dict
        Parameters other than usual.
    """

    title: str
    profile: str
    shoppers: str
    day: date
    given: dict[str, Any] = field(default_factory=dict)

    @property
    def whose(self) -> str:
        """ "simulated shoppers" or "real customers"."""
        return WHOSE[self.shoppers]

    @property
    def line(self) -> str:
        """Whose shoppers, which profile and when, in one line of plain text."""
        return self.line_of(self.shoppers)

    def line_of(self, shows: str) -> str:
        """The same line for a slide that shows `shows`, one of the keys of `WHOSE`."""
        day = f"{self.day.day} {self.day:%B %Y}"
        whose = WHOSE[shows]
        whose = whose[:1].upper() + whose[1:]
        parts = [whose, f"profile {self.profile}", day]
        return " · ".join(part for part in parts if part)

    def slide(self, notes: list[str]) -> Slide:
        """The title slide."""
        blocks = [Block(f"# {self.title}", 4.0), Block(as_text(self.line), 1.5)]
        if self.given:
            blocks.append(Block(as_text(self._run_with()), 2.0))
        said = notes or [f"This deck shows {self.whose or 'a run'}, profile {self.profile}."]
        return Slide(blocks, said, {"title"})

    def _run_with(self) -> str:
        pairs = [f"{name} = {value}" for name, value in self.given.items()]
        shown = ", ".join(pairs[:MOST_PARAMETERS])
        n_more = len(pairs) - MOST_PARAMETERS
        return f"Run with {shown}" + (f" and {n_more} more" if n_more > 0 else "")


def chapter_title(notebook) -> str:
    """The first heading of a notebook."""
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        for line in cell.source.splitlines():
            if line.startswith("# "):
                return line.lstrip("# ").strip()
    return "Untitled"


def front_of(notebook, title: str) -> Front:
    """The front of an executed or stored notebook's deck."""
    run = notebook.metadata.get("papermill", {})
    given = dict(run.get("parameters", {}))
    profile = given.get("profile") or _default_profile(notebook)
    if given.get("profile") == USUAL_PROFILE:
        del given["profile"]
    day = date.today()
    if run.get("end_time"):
        day = datetime.fromisoformat(run["end_time"]).date()
    return Front(title, str(profile), shoppers_of(str(profile), notebook), day, given)


def _default_profile(notebook) -> str:
    """The profile that the notebook's own parameters cell names."""
    for cell in notebook.cells:
        if "parameters" not in cell.metadata.get("tags", []):
            continue
        for line in cell.source.splitlines():
            name, _, value = line.partition("=")
            if name.split(":")[0].strip() == "profile":
                return str(ast.literal_eval(value.partition("#")[0].strip()))
    return USUAL_PROFILE


def shoppers_of(profile: str, notebook=None) -> str:
    """ "simulated" or "real": by what chapter 02 left, else by which of the two cells are there."""
    try:
        return load_facts(profile).shoppers
    except (MissingArtefact, ValueError):
        pass
    tags = set()
    for cell in notebook.cells if notebook is not None else []:
        tags |= set(cell.metadata.get("tags", []))
    if REAL_ONLY in tags and SIMULATED_ONLY not in tags:
        return REAL
    return "simulated" if SIMULATED_ONLY in tags else ""
