"""Cells that don't apply are left out of a run, and do nothing in a kernel that runs them all."""

import nbformat
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from helpers.artefacts import CHAPTERS
from helpers.report.advice import uses
from helpers.report.cells import (
    TAGS,
    Situation,
    applicable,
    folded_in_lab,
    skip_other_cells,
    tags_in,
    vectors_in_use,
)
from helpers.runner.course import situation_of
from helpers.runner.parameters import notebook_path

SAMPLE = Situation("sample")
REAL = Situation("my_shop", "real", "words")


def notebook():
    cells = [new_markdown_cell("for all")]
    for tag in TAGS:
        cells.append(new_code_cell(f"# {tag}\nx = 1", metadata={"tags": [tag, "show-code"]}))
    return new_notebook(cells=cells)


@pytest.mark.parametrize(
    ("situation", "kept"),
    [
        (SAMPLE, {"simulated-only", "sample-only", "clip-only", "photos-only"}),
        (Situation("photos"), {"simulated-only", "clip-only", "photos-only"}),
        (
            Situation("retailers", vectors="titles"),
            {"simulated-only", "clip-only", "titles-only", "no-photos-only"},
        ),
        (Situation("fashion", "real", "looks"), {"real-only", "looks-only", "photos-only"}),
        (REAL, {"real-only", "words-only", "no-photos-only"}),
    ],
)
def test_a_run_has_the_cells_that_apply(situation, kept):
    whole = notebook()
    copy = applicable(whole, situation)
    tags = {tag for cell in copy.cells for tag in cell.metadata.get("tags", [])}
    assert tags - {"show-code"} == kept
    assert copy.cells[0].source == "for all"
    assert len(whole.cells) == 1 + len(TAGS)  # the stored notebook keeps all


def is_folded(cell):
    return cell.metadata.get("jupyter", {}).get("source_hidden", False)


def test_lab_folds_what_is_said_and_what_another_situation_reads():
    spoken = {"slideshow": {"slide_type": "notes"}}
    cells = [
        new_markdown_cell("for all"),
        new_markdown_cell("Say it.", metadata=spoken),
        new_markdown_cell("Customers bought.", metadata={"tags": ["real-only"]}),
        new_markdown_cell("Shoppers like.", metadata={"tags": ["simulated-only"]}),
        new_code_cell("# real-only", metadata={"tags": ["real-only"]}),
    ]
    stored = folded_in_lab(new_notebook(cells=cells), SAMPLE)
    assert [is_folded(cell) for cell in stored.cells] == [False, True, True, False, False]
    run = applicable(stored, REAL)  # a copy of a run holds what is to be read
    folded = {cell.source: is_folded(cell) for cell in run.cells}
    assert folded == {
        "for all": False,
        "Say it.": True,
        "Customers bought.": False,
        "# real-only": False,
    }


@pytest.mark.parametrize("chapter", list(CHAPTERS))
def test_a_chapter_opens_in_lab_as_the_sample_s_reader_needs_it(chapter):
    """Where this fails, `course refresh` mends it: it stores what `folded_in_lab` returns."""
    stored = nbformat.read(notebook_path(chapter), as_version=4)
    assert folded_in_lab(stored, SAMPLE) == stored


def test_a_situation_is_told_by_chapter_02():
    real = situation_of("my_shop", {"02": {"orders": "orders.csv", "vectors": "words"}})
    assert real == REAL
    assert situation_of("sample", {"02": {"orders": ""}}) == SAMPLE


@pytest.mark.parametrize(
    ("vectors", "with_a_picture", "without"),
    [("clip", "clip", "titles"), ("looks", "looks", "words"), ("words", "words", "words")],
)
def test_a_shop_whose_pictures_never_came_says_nothing_of_pictures(
    vectors, with_a_picture, without, tmp_path, monkeypatch
):
    monkeypatch.setattr("helpers.report.cells.data_dir", lambda profile: tmp_path / profile)
    assert vectors_in_use("new", vectors) == vectors  # chapter 01 hasn't run
    for profile, paths in {"some": ["", "images/a.webp"], "none": ["", None]}.items():
        (tmp_path / profile).mkdir()
        catalog = pd.DataFrame({"image_key": ["shop/1", "shop/2"], "image_path": paths})
        catalog.to_parquet(tmp_path / profile / "catalog.parquet")
    assert vectors_in_use("some", vectors) == with_a_picture
    assert vectors_in_use("none", vectors) == without
    assert situation_of("none", {"02": {"vectors": vectors}}).vectors == without


def test_a_method_uses_no_pictures_where_there_are_none():
    assert uses("TwoTower", reads_pictures=True) == "category, color, price, pictures and words"
    assert uses("TwoTower", reads_pictures=False) == "category, color, price, words"
    assert uses("EASE", reads_pictures=False) == "who liked what"
    assert uses("unheard of", reads_pictures=True) == ""


def test_the_stored_notebook_runs_too(monkeypatch):
    """As in JupyterLab: the kernel meets all cells, and those that don't apply do nothing."""
    shell = InteractiveShell()
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    skip_other_cells("sample")
    skip_other_cells("my_shop", "real", "words")  # the later call counts
    shell.run_cell("# simulated-only\nsimulated = 1")
    shell.run_cell("# real-only\nreal = 1")
    shell.run_cell("# clip-only, sample-only\nclip = 1")
    shell.run_cell("plain = 1")
    assert {"simulated", "real", "clip", "plain"} & set(shell.user_ns) == {"real", "plain"}


@pytest.mark.parametrize("chapter", sorted(set(CHAPTERS) - {"01"}))
def test_a_code_cell_says_in_its_first_line_what_its_tags_say(chapter):
    stored = nbformat.read(notebook_path(chapter), as_version=4)
    for cell in stored.cells:
        tags = [tag for tag in cell.metadata.get("tags", []) if tag in TAGS]
        if cell.cell_type == "code":
            assert tags_in(cell.source.splitlines()) == tags, cell.source[:80]
        if {"real-only", "words-only"} & set(tags) and cell.cell_type == "code":
            assert not cell.outputs  # the stored outputs are those of simulated shoppers
