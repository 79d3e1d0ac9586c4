"""What can only be checked once the notebooks have run on the sample profile: `make test` runs this
last.
"""

import json
import os
import re
import shutil

import nbformat
import pandas as pd
import papermill
import pytest
from browser import (
    BROKEN,
    CUT_TABLES,
    FILL,
    LOW_CONTRAST,
    OVERFLOWING,
    SMALL_PICTURES,
    SMALL_TEXT,
    needs_browser,
    page,
    pdf_pages,
    pptx_slides,
)
from bs4 import BeautifulSoup
from same_outputs import LARGEST_RTOL, Rules, compare

from helpers.artefacts import CHAPTERS, ROOT, data_dir, reports_dir
from helpers.interactions.privacy import traces
from helpers.report import overview, slides
from helpers.report.cells import Situation
from helpers.report.html import render_notation, render_report, render_solutions
from helpers.report.index import render_index
from helpers.report.layouts import DARK_CLASSES
from helpers.report.personas import persona_lists, render_personas
from helpers.report.results import load_results

NOTEBOOKS = {chapter: ROOT / "notebooks" / f"{name}.ipynb" for chapter, name in CHAPTERS.items()}
browse = pytest.mark.xdist_group(
    "published"
)  # one process renders the reports, another may run what doesn't need them
RUN = reports_dir("sample")
"""Where the run left its results; the fixture below looks elsewhere."""
ALL_DECKS = bool(os.environ.get("ALL_DECKS"))
"""Print every deck, which takes a minute; otherwise one in each format."""
DARK = f"""document.querySelectorAll('section').forEach(
  section => section.classList.add({", ".join(map(repr, DARK_CLASSES))}))"""
"""Makes a deck what `course deck --theme dark` writes, which differs in these classes alone."""
LEAST_FILLED = 0.6
"""Of a slide below its title, by its figure or table."""
EXAMPLE = ROOT / "reports" / "example"
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
        for name in ("metrics.json", "guide.json", "gains.json"):
            shutil.copyfile(RUN / name, folder / "sample" / name)
        people = persona_lists("sample")
        render_personas("sample", people)
        talk = overview.deck(load_results("sample"), people)
        decks = folder / "sample" / "decks"
        written = {"overview": talk}
        problem = slides.render_decks(NOTEBOOKS, decks, ["html", "md"], written=written)
        render_index("sample", NOTEBOOKS, decks=not problem, people=people)
    return folder / "sample"


def test_papermill_alone_reruns_a_chapter_with_other_parameters(tmp_path):
    """Without the `course` command and from another folder; the first half of one shows it."""
    stored = nbformat.read(NOTEBOOKS["04"], as_version=4)
    stored.cells = stored.cells[: len(stored.cells) // 2]
    nbformat.write(stored, tmp_path / "half.ipynb")
    output = tmp_path / "out.ipynb"
    papermill.execute_notebook(
        str(tmp_path / "half.ipynb"),
        str(output),
        parameters={"seed": 8},
        cwd=str(tmp_path),
        progress_bar=False,
    )
    notebook = nbformat.read(output, as_version=4)
    injected = next(
        cell for cell in notebook.cells if "injected-parameters" in cell.metadata.get("tags", [])
    )
    assert "seed = 8" in injected.source
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
    """Chapter 02 lets a file of names and addresses in; no artefact, notebook or report repeats
    one.
    """
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
@pytest.mark.parametrize("name", ["index", "persona_laura", *CHAPTERS.values()])
def test_report_in_a_browser(published, name):
    with page(published / f"{name}.html", height=900) as tab:
        assert tab.evaluate(BROKEN) == tab.evaluate(CUT_TABLES) == tab.refused == []
        assert "$$" not in tab.inner_text("main")
        wide = "() => document.documentElement.scrollWidth > innerWidth + 1"
        assert not tab.evaluate(wide)


def slides_of_other_runs(name: str) -> list[str]:
    """Slides of a stored notebook that the sample's deck doesn't have, but this test looks at."""
    if name == "overview":
        return []
    cells = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4).cells
    slides_there = [cell for cell in cells if cell.metadata["slideshow"]["slide_type"] == "slide"]
    sample = Situation("sample")
    return [cell.id for cell in slides_there if not sample.keeps(cell.metadata.get("tags", []))]


@browse
@pytest.mark.browser
@needs_browser[1]
@pytest.mark.skipif(
    slides.find_marp() is None, reason="marp-cli is not installed: run make install"
)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["overview", *CHAPTERS.values()])
def test_deck_in_a_browser(published, name, dark):
    with page(published / "decks" / f"{name}.html") as tab:
        tab.emulate_media(media="print")  # shows all slides at once
        if dark:
            tab.evaluate(DARK)
        tab.wait_for_timeout(400)
        n_slides = tab.evaluate("document.querySelectorAll('section').length")
        assert 8 <= n_slides - len(slides_of_other_runs(name)) <= 16
        assert tab.evaluate(BROKEN) == tab.evaluate(OVERFLOWING) == tab.evaluate(CUT_TABLES) == []
        assert tab.evaluate(SMALL_PICTURES) == tab.refused == []
        assert tab.evaluate(SMALL_TEXT) == tab.evaluate(LOW_CONTRAST) == []
        assert [one for one in tab.evaluate(FILL) if one["share"] < LEAST_FILLED] == []


@browse
@pytest.mark.browser
@needs_browser[1]
@pytest.mark.skipif(
    slides.find_marp() is None, reason="marp-cli is not installed: run make install"
)
def test_decks_as_pdf_and_pptx_have_all_slides(published, tmp_path):
    chapters = list(CHAPTERS) if ALL_DECKS else ["07"]
    executed = {chapter: NOTEBOOKS[chapter] for chapter in chapters}
    talk = (published / "decks" / "overview.md").read_text(encoding="utf-8")
    asked = [(executed, "pptx", {}), ({}, "pdf", {"overview": talk})]
    if ALL_DECKS:
        asked += [(executed, "pdf", {}), ({}, "pptx", {"overview": talk})]
    for decks, kind, written in asked:
        assert slides.render_decks(decks, tmp_path, [kind], written=written) == ""
    count = {".pdf": pdf_pages, ".pptx": pptx_slides}
    printed = [path for path in tmp_path.iterdir() if path.suffix in count]
    assert len(printed) == sum(len(decks) + len(written) for decks, _, written in asked)
    for path in printed:
        html = (published / "decks" / f"{path.stem}.html").read_text(encoding="utf-8")
        assert count[path.suffix](path) == html.count("<section"), path.name


def said(path, without=()):
    """The text of a page, one line per piece, without slides and notes that hold such words."""
    soup = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
    for part in soup(["style", "script"]):
        part.decompose()
    for part in soup("section") + soup(class_="bespoke-marp-note"):
        if any(word in part.get_text() for word in without):
            part.decompose()
    text = soup.get_text("\n").partition("How this was run")[0]
    lines = [re.sub(r"\s+", " ", line).strip() for line in text.splitlines()]
    dates = re.compile(r"\d+ [A-Z][a-z]+ 20\d\d")
    return "\n".join(dates.sub("a day", line) for line in lines if line)


@browse
@pytest.mark.skipif(
    not (EXAMPLE / "index.html").exists(),
    reason="reports/example is not there: `course example` makes it",
)
@pytest.mark.parametrize(
    "page_of_the_run", ["index.html", "decks/overview.html", "persona_matt.html"]
)
def test_the_published_example_says_what_a_fresh_run_says(published, page_of_the_run):
    """Words are equal; numbers may differ as trained results do from one processor to the next."""
    costs = ("ms per shopper", "milliseconds")
    stored = said(EXAMPLE / page_of_the_run, costs)
    fresh = said(published / page_of_the_run, costs)
    rules = Rules(rtol=LARGEST_RTOL, any_order=True)  # near equals may change places
    assert compare(stored, fresh, rules) == []
