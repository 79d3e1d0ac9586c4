"""What can only be checked once the notebooks have run on the sample profile: `make test` runs this last."""

import json

import nbformat
import pandas as pd
import papermill
import pytest
from browser import (
    BROKEN,
    CUT_TABLES,
    OVERFLOWING,
    SMALL_PICTURES,
    needs_browser,
    page,
    pdf_pages,
    pptx_slides,
)
from bs4 import BeautifulSoup

from helpers.artefacts import CHAPTERS, ROOT, data_dir, reports_dir
from helpers.interactions.privacy import traces
from helpers.report import slides
from helpers.report.html import render_index, render_notation, render_report, render_solutions

NOTEBOOKS = {chapter: ROOT / "notebooks" / f"{name}.ipynb" for chapter, name in CHAPTERS.items()}
browse = pytest.mark.xdist_group(
    "published"
)  # one process renders the reports, another may run what doesn't need them
BESIDE = {"metrics.json"}
"""What a run writes beside its reports, and this file's fixture doesn't."""
ROW = {
    *(
        "recommender",
        "data",
        "split",
        "segment",
        "n_history",
        "metric",
        "k",
        "value",
        "low",
        "high",
    ),
    *(
        "n_users",
        "candidates",
        "variant",
        "seed",
        "fit_seconds",
        "score_seconds",
        "peak_mb",
        "shoppers",
    ),
}


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """Reports, decks and the index, made from the notebooks as stored."""
    folder = tmp_path_factory.mktemp("reports")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_REPORTS", str(folder))
        (folder / "sample").mkdir()
        for chapter, path in NOTEBOOKS.items():
            render_report(path, chapter, folder / "sample" / f"{CHAPTERS[chapter]}.html")
            render_solutions(chapter, folder / "sample")
        render_notation(folder / "sample")
        problem = slides.render_decks(NOTEBOOKS, folder / "sample" / "decks", ["html", "md"])
        render_index("sample", NOTEBOOKS, decks=not problem)
    return folder / "sample"


def test_papermill_alone_reruns_a_chapter_with_other_parameters(tmp_path):
    output = tmp_path / "out.ipynb"
    papermill.execute_notebook(
        str(NOTEBOOKS["05"]),
        str(output),
        parameters={"rank": 9, "seed": 8},
        cwd=str(tmp_path),
        progress_bar=False,
    )
    notebook = nbformat.read(output, as_version=4)
    injected = next(
        cell for cell in notebook.cells if "injected-parameters" in cell.metadata.get("tags", [])
    )
    assert "rank = 9" in injected.source
    assert all(
        cell.execution_count
        for cell in notebook.cells
        if cell.cell_type == "code" and cell.source.strip()
    )


def test_metrics_have_the_published_format():
    metrics = json.loads((reports_dir("sample") / "metrics.json").read_text(encoding="utf-8"))
    assert {"profile", "parameters", "seed", "device", "versions", "started", "seconds"} <= set(
        metrics["run"]
    )
    assert len(metrics["results"]) > 100
    assert all(set(row) == ROW for row in metrics["results"])


def test_every_chapter_left_what_later_ones_need():
    tables = ("catalog", "rejects", "merged", "attributes", "images", "interactions")
    results = ("03_collaborative", "04_content", "05_completion", "06_two_tower")
    names = [f"{name}.parquet" for name in tables] + [f"results/{name}.json" for name in results]
    names += ["embeddings.safetensors", "market.safetensors"]
    assert not [name for name in names if not (data_dir("sample") / name).exists()]


@browse
def test_nobody_of_the_order_history_is_named_anywhere(published, tmp_path):
    """Chapter 02 lets a file of names and addresses in; no artefact, notebook or report repeats one."""
    people = pd.read_csv(ROOT / "data" / "order_history.csv")
    words = {word for column in ("user", "email", "phone", "street") for word in people[column]}
    words |= {name.split()[-1] for name in people["user"]}
    people.to_parquet(tmp_path / "leak.parquet")
    assert {word for _, word in traces(tmp_path, words)} == words  # they would be found
    places = (data_dir("sample"), reports_dir("sample"), published, ROOT / "notebooks")
    assert [trace for place in places for trace in traces(place, words)] == []


@browse
@pytest.mark.parametrize("name", ["index", "notation", *CHAPTERS.values()])
def test_no_link_of_a_report_is_dead(published, name):
    page = BeautifulSoup((published / f"{name}.html").read_text(encoding="utf-8"), "html.parser")
    targets = {link["href"].partition("#")[0] for link in page.find_all("a", href=True)}
    local = {target for target in targets if target and not target.startswith("http")}
    assert [target for target in sorted(local - BESIDE) if not (published / target).exists()] == []


@browse
@pytest.mark.browser
@needs_browser[1]
@pytest.mark.parametrize("name", ["index", *CHAPTERS.values()])
def test_report_in_a_browser(published, name):
    with page(published / f"{name}.html", height=900) as tab:
        assert tab.evaluate(BROKEN) == tab.evaluate(CUT_TABLES) == tab.refused == []
        assert "$$" not in tab.inner_text("main")
        wide = "() => document.documentElement.scrollWidth > innerWidth + 1"
        assert not tab.evaluate(wide)


@browse
@pytest.mark.browser
@needs_browser[1]
@pytest.mark.skipif(
    slides.find_marp() is None, reason="marp-cli is not installed: run make install"
)
@pytest.mark.parametrize("name", list(CHAPTERS.values()))
def test_deck_in_a_browser(published, name):
    with page(published / "decks" / f"{name}.html") as tab:
        tab.emulate_media(media="print")  # shows all slides at once
        tab.wait_for_timeout(400)
        assert 8 <= tab.evaluate("document.querySelectorAll('section').length") <= 26
        assert tab.evaluate(BROKEN) == tab.evaluate(OVERFLOWING) == tab.evaluate(CUT_TABLES) == []
        assert tab.evaluate(SMALL_PICTURES) == tab.refused == []


@browse
@pytest.mark.browser
@needs_browser[1]
@pytest.mark.skipif(
    slides.find_marp() is None, reason="marp-cli is not installed: run make install"
)
def test_every_deck_as_pdf_and_pptx(published, tmp_path):
    assert slides.render_decks(NOTEBOOKS, tmp_path, ["pdf", "pptx"]) == ""
    for name in CHAPTERS.values():
        html = (published / "decks" / f"{name}.html").read_text(encoding="utf-8")
        n_slides = html.count("<section")
        assert pdf_pages(tmp_path / f"{name}.pdf") == n_slides
        assert pptx_slides(tmp_path / f"{name}.pptx") == n_slides
