"""Which cells of a notebook apply: some speak of simulated shoppers, some of the sample's numbers.

A cell that applies to some runs only bears a tag, and a code cell says so in its first line, too:

| tag | applies |
|---|---|
| `simulated-only` | where the shoppers are simulated |
| `real-only` | where they are real customers |
| `sample-only` | to the profile `sample`, whose numbers it states |
| `clip-only` | where the items' vectors come from the encoder of pictures and titles |
| `titles-only` | where the encoder reads pictures and titles, but no picture arrived |
| `words-only` | where they come from words alone |
| `looks-only` | where they come from photos before the projection, and words |
| `photos-only` | where they come from photos in either way, and some arrived |
| `no-photos-only` | where no photo is read: they come from titles or words |

`course run` leaves the other cells out of its copy. In JupyterLab and with plain papermill, which
run the stored notebook, `skip_other_cells` lets the code of the other cells do nothing. Their text
is folded there (`folded_in_lab`), and so is what a presenter says.
"""

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from helpers.artefacts import data_dir

if TYPE_CHECKING:
    from nbformat import NotebookNode

SIMULATED_ONLY = "simulated-only"
REAL_ONLY = "real-only"
SAMPLE_ONLY = "sample-only"
CLIP_ONLY = "clip-only"
TITLES_ONLY = "titles-only"
WORDS_ONLY = "words-only"
LOOKS_ONLY = "looks-only"
PHOTOS_ONLY = "photos-only"
NO_PHOTOS_ONLY = "no-photos-only"
SHOWS_SHOPPERS = "shows-shoppers"
SHOWS_REAL = "shows-real"
"""Cells with results of the run's shoppers, or of real customers: a slide's footer says so."""
TAGS = (
    *(SIMULATED_ONLY, REAL_ONLY, SAMPLE_ONLY, CLIP_ONLY),
    *(TITLES_ONLY, WORDS_ONLY, LOOKS_ONLY, PHOTOS_ONLY, NO_PHOTOS_ONLY),
)
WITHOUT_PICTURES = {"clip": "titles", "looks": "words"}
"""What is left of vectors that read pictures, where no product has one."""


@dataclass(frozen=True)
class Situation:
    """What a run is about.

    Attributes
    ----------
    profile : str
    shoppers : str
        "simulated" or "real".
    vectors : str
        "clip", "titles", "words" or "looks".
    """

    profile: str
    shoppers: str = "simulated"
    vectors: str = "clip"

    def has(self, tag: str) -> bool:
        """Whether cells of this tag apply."""
        if tag == SIMULATED_ONLY:
            return self.shoppers == "simulated"
        if tag == REAL_ONLY:
            return self.shoppers == "real"
        if tag == SAMPLE_ONLY:
            return self.profile == "sample"
        if tag == CLIP_ONLY:
            return self.vectors in ("clip", "titles")
        if tag == TITLES_ONLY:
            return self.vectors == "titles"
        if tag == WORDS_ONLY:
            return self.vectors == "words"
        if tag == LOOKS_ONLY:
            return self.vectors == "looks"
        if tag == PHOTOS_ONLY:
            return self.vectors in ("clip", "looks")
        if tag == NO_PHOTOS_ONLY:
            return self.vectors in ("titles", "words")
        return True

    def keeps(self, tags: Iterable[str]) -> bool:
        """Whether a cell with these tags applies."""
        return all(self.has(tag) for tag in tags)


def applicable(notebook: "NotebookNode", situation: Situation) -> "NotebookNode":
    """A copy of a notebook with the cells that apply."""
    import nbformat  # two seconds of a kernel, which needs only the tags

    kept = [cell for cell in notebook.cells if situation.keeps(cell.metadata.get("tags", []))]
    copy = nbformat.from_dict({**notebook, "cells": kept})
    return folded_in_lab(copy, situation)


def folded_in_lab(
    notebook: "NotebookNode",
    situation: Situation = Situation("sample"),
) -> "NotebookNode":
    """A copy of a notebook in which JupyterLab folds the text that is not for a learner.

    That is what a presenter says, and text of other situations, which would contradict the text
    beside it. A folded cell shows its first words and opens on a click. Code stays as it is: its
    first line says when it runs.
    """
    copy = deepcopy(notebook)
    for cell in copy.cells:
        if cell.cell_type != "markdown":
            continue
        cell.metadata.pop("jupyter", None)
        if is_spoken(cell) or not situation.keeps(cell.metadata.get("tags", [])):
            cell.metadata["jupyter"] = {"source_hidden": True}
    return copy


def is_spoken(cell: "NotebookNode") -> bool:
    """Whether a cell holds what a presenter says."""
    kind = cell.metadata.get("slideshow", {}).get("slide_type")
    return bool(kind == "notes")


def vectors_in_use(profile: str, vectors: str) -> str:
    """What tells a profile's items apart: its parameter `vectors`, less pictures if none arrived.

    Before chapter 01 has run, nobody knows, and the parameter counts.
    """
    import pandas as pd  # a course that only lists its profiles needs none

    path = data_dir(profile) / "catalog.parquet"
    if vectors not in WITHOUT_PICTURES or not path.exists():
        return vectors
    catalog = pd.read_parquet(path)
    if "image_path" in catalog and catalog["image_path"].fillna("").ne("").any():
        return vectors
    return WITHOUT_PICTURES[vectors]


def skip_other_cells(profile: str, shoppers: str = "simulated", vectors: str | None = None) -> None:
    """From the next cell on, let code cells that don't apply do nothing in this kernel.

    A cell is known by its first line, for example `# simulated-only`. Chapter 01 gives no
    `vectors`: it has no cells that ask, and it must not read the catalogue that it writes.
    """
    from IPython import get_ipython

    shell = get_ipython()
    if shell is None:
        return
    situation = Situation(profile, shoppers)
    if vectors is not None:
        situation = Situation(profile, shoppers, vectors_in_use(profile, vectors))

    def only_what_applies(lines: list[str]) -> list[str]:
        return lines if situation.keeps(tags_in(lines)) else []

    transforms = shell.input_transformers_cleanup
    ours = only_what_applies.__qualname__
    earlier = [one for one in transforms if getattr(one, "__qualname__", "") != ours]
    transforms[:] = [*earlier, only_what_applies]


def tags_in(lines: list[str]) -> list[str]:
    """The tags that a code cell's first line names."""
    first = lines[0] if lines else ""
    if not first.startswith("#"):
        return []
    words = first.lstrip("# ").replace(",", " ").split()
    return [word for word in words if word in TAGS]
