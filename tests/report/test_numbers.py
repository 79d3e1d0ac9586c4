"""No number on a page or a slide is typed: where results change, every place that tells them does.

The overview has its own test of this kind in test_overview.py.
"""

import json
import re
from collections import Counter
from copy import deepcopy

import made_results as made
import nbformat
import pytest
from bs4 import BeautifulSoup
from test_overview import people

from helpers.artefacts import CHAPTERS, ROOT
from helpers.report import index, personas
from helpers.report import results as read
from helpers.report.advice import advise
from helpers.report.figures.guide import flowchart
from helpers.report.marp import MarpExporter

NUMBER = re.compile(r"(?<![\w.,])\d+(?:[.,]\d+)*(?: ?%)?")
TELLING = re.compile(r"[.,%]|\d{3}")
"""A number that could be a result: with decimals, in percent, or of three digits and more."""
YEAR = re.compile(r"(19|20)\d\d")
CONVENTIONS = {"95 %", "95%", "5%", "0.05"}
"""Of intervals, and of the level at which a difference counts as clear."""
BY_HAND = {
    "01": {"5,000", "1,200", "0.05"},  # what the original report did, a server's delay
    "02": {"200"},  # for how many shoppers the ceiling is computed
    "03": {"5.0", "4.9", "49.0"},  # a toy that is added up by hand
    "05": {"1.5%"},  # the rule by which a rank is chosen
    "06": {"1,000", "500"},  # the size of a toy
}
"""Numbers of slides that no run computes, by chapter: settings, toys and history."""
WORKED_OUT = {
    "a117": "the delay that chapter 01 gives its server",
    "c03-exercises-3": "an exercise",
    "c03-app-report": "the original report's",
    "c04-04b": "a toy that is added up by hand",
    "c04-bridge-c": "the same toy",
    "c04-app-l": "the original report's",
    "s1": "discounts of NDCG",
    "bootstrap-predict": "the mean of eight scores that are given",
    "s9": "what the course calls negligible",
    "s9-real": "the same",
    "a-report-says": "the original report's",
}
"""Cells whose numbers are among the chapter's outputs without being a run's results, and why."""
RESULT = re.compile(r"(?<![\w.,−])\d+(?:\.\d\d+|(?:\.\d+)? ?%)")
"""A number that reads like a result: of two decimals and more, or in percent."""
COUNTS = {*map(str, (*made.LENGTHS, *range(8)))}


def results_that_moved(shift):
    """Results and their study, every number of which moves with `shift`."""
    moved = {"n_users": 871 + int(1000 * shift), "candidates": 613 + int(1000 * shift)}
    return made.results(shift, **moved), made.study(shift)


@pytest.fixture
def page_of(tmp_path, monkeypatch):
    """Writes the index of a run whose numbers are moved; returns its text."""

    def write(shift):
        found, study = results_that_moved(shift)
        monkeypatch.setenv("COURSE_REPORTS", str(tmp_path / str(shift)))
        monkeypatch.setenv("COURSE_DATA", str(tmp_path / "data"))
        folder = tmp_path / str(shift) / "made"
        folder.mkdir(parents=True)
        document = {"run": found.run, "results": found.rows.to_dict("records")}
        (folder / "metrics.json").write_text(json.dumps(document), encoding="utf-8")
        monkeypatch.setattr(read, "real_study", lambda: study)
        index.render_index("made", {}, decks=False, people=people(shift))
        personas.render_personas("made", people(shift))
        return folder

    return write


def words_of(path):
    soup = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
    for part in soup(["style", "script"]):
        part.decompose()
    text = soup.get_text(" ").partition("How this was run")[0]
    return text.replace("NDCG@10", "").replace("95% interval", "").replace("$40", "")


def typed_numbers(before, after):
    """Numbers that stand in the same place in both, but for counts."""
    pairs = zip(NUMBER.findall(before), NUMBER.findall(after), strict=True)
    return [old for old, new in pairs if old == new and old not in COUNTS]


def test_the_index_tells_the_run_and_nothing_else(page_of):
    before = words_of(page_of(0.0) / "index.html")
    after = words_of(page_of(0.0617) / "index.html")
    assert len(NUMBER.findall(before)) > 60
    assert typed_numbers(before, after) == []
    assert typed_numbers(before, before)  # the measurement itself


def test_the_index_says_who_was_measured_and_what_each_name_means(page_of):
    folder = page_of(0.0)
    page = BeautifulSoup((folder / "index.html").read_text(encoding="utf-8"), "html.parser")
    first, second = (line.get_text() for line in page.find_all(class_="takeaway"))
    assert first.rstrip().endswith("(Simulated shoppers.)")
    # the real shops of this study: Hybrid's gain of 0.0313 is above its half width, 0.02
    assert "Hybrid clearly beats bestsellers in 4 of 4 tests and clearly loses in none." in second
    assert "A test is one shop with one number of known items." in second
    assert "(Real customers.)" in second
    (table,) = page.find_all("table", class_="methods")
    used = {}
    for row in table.find_all("tr")[1:]:
        method, uses, *values = (cell.get_text() for cell in row.find_all("td"))
        used[method] = uses
        assert all("±" in value for value in values)
    assert used["Taste"] == "category, color, price, pictures" and used["Random"] == ""


def test_a_shop_where_nothing_beats_bestsellers_shows_no_gain(page_of, monkeypatch):
    page_of(0.0)
    study = made.study()
    is_worse = (study["shop"] == "films") & (study["recommender"] == "Hybrid")
    study.loc[is_worse, "value"] = 0.01
    monkeypatch.setattr(read, "real_study", lambda: study)
    told = {row["shop"]: row["gain"] for row in index._real_table(made.results())}
    assert told["films"] == "nothing gains more"
    assert re.fullmatch(r"\+0\.031 \(\+0\.011 to \+0\.051\)", told["gift shop"])


@pytest.mark.parametrize("number", [0, 1])
def test_a_persona_s_page_tells_the_run_and_nothing_else(page_of, number):
    name = people()[number].page
    # prices are the catalog's, and these are the same
    before = words_of(page_of(0.0) / name).replace("$9", "")
    after = words_of(page_of(0.0617) / name).replace("$9", "")
    wishes = {str(people()[number].persona.wishes.get("price_usd"))}
    assert len(NUMBER.findall(before)) > 15
    assert set(typed_numbers(before, after)) <= wishes


def test_the_flowchart_on_the_index_is_drawn_from_the_run(monkeypatch):
    drawn = []

    def draw(found):
        drawn.append(found)
        return flowchart(found)

    monkeypatch.setattr(index, "flowchart", draw)
    found = made.results()
    assert index._flowchart(found).startswith("data:image/png;base64,")
    told = repr([advise(found, 3, read.real_study())])  # NaN is not equal to itself
    assert repr(drawn) == told
    assert index._flowchart(None) == ""


def next_digit(found):
    return str((int(found[0]) + 1) % 10)


def with_other_results(notebook):
    """A notebook in whose printed results every digit is another one."""
    changed = deepcopy(notebook)
    for cell in changed.cells:
        for output in cell.get("outputs", []):
            if "text" in output:
                output["text"] = re.sub(r"\d", next_digit, output["text"])
            data = output.get("data", {})
            for kind in ("text/plain", "text/markdown", "text/latex"):
                if kind in data:
                    data[kind] = re.sub(r"\d", next_digit, data[kind])
            if "text/html" in data:
                data["text/html"] = re.sub(
                    r">[^<]*<", lambda part: re.sub(r"\d", next_digit, part[0]), data["text/html"]
                )
    return changed


def slides_of(notebook):
    """The text of each slide without its notes, formulas, code and pictures."""
    deck, _ = MarpExporter().from_notebook_node(notebook)
    slides = []
    for text in deck.split("\n---\n")[3:]:  # after the front matter and the title slide
        text = re.sub(
            r"<!--.*?-->|```.*?```|\$\$.*?\$\$|\$[^$\n]*\$|\]\([^)]*\)", " ", text, flags=re.S
        )
        text = re.sub(r"&#(\d+);", lambda found: chr(int(found[1])), text)
        slides.append(re.sub(r"<[^>]+>", " ", text).replace("NDCG@10", " "))
    return slides


@pytest.mark.parametrize("chapter", list(CHAPTERS))
def test_the_numbers_on_a_chapter_s_slides_are_its_outputs(chapter):
    stored = nbformat.read(ROOT / "notebooks" / f"{CHAPTERS[chapter]}.ipynb", as_version=4)
    before = slides_of(stored)
    after = slides_of(with_other_results(stored))
    assert len(before) == len(after)
    typed = set()
    n_moved = 0
    for old, new in zip(before, after, strict=True):
        moved = Counter(NUMBER.findall(new))
        for was in NUMBER.findall(old):
            now = re.sub(r"\d", next_digit, was)
            if moved[now]:
                moved[now] -= 1
                n_moved += 1
            elif TELLING.search(was) and not YEAR.fullmatch(was):
                typed.add(was)
    assert typed <= CONVENTIONS | BY_HAND.get(chapter, set())
    assert n_moved > 5


def printed_in(notebook):
    """All numbers that read like results in what a notebook's code printed."""
    found = set()
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            html = re.sub(r"<[^>]+>", " ", data.get("text/html", ""))
            parts = [output.get("text", ""), html]
            parts += [data.get("text/plain", ""), data.get("text/markdown", "")]
            found |= set(RESULT.findall(" ".join(parts)))
    return found


def typed_results(notebook):
    """(cell, number) of results that stand in prose, on a slide, in notes or in the report."""
    printed = printed_in(notebook) - CONVENTIONS
    typed = []
    for cell in notebook.cells:
        if cell.cell_type != "markdown" or cell.id in WORKED_OUT:
            continue
        words = re.sub(r"\$\$.*?\$\$|\$[^$\n]*\$|\]\([^)]*\)|`[^`]*`", " ", cell.source, flags=re.S)
        typed += [(cell.id, number) for number in RESULT.findall(words) if number in printed]
    return typed


@pytest.mark.parametrize("chapter", list(CHAPTERS))
def test_no_result_is_typed_into_the_prose_or_the_notes_of_a_chapter(chapter):
    """Such a number is computed by `prose.sentence`; one that is no result is in `WORKED_OUT`."""
    stored = nbformat.read(ROOT / "notebooks" / f"{CHAPTERS[chapter]}.ipynb", as_version=4)
    assert typed_results(stored) == []
    result = sorted(printed_in(stored) - CONVENTIONS)[-1]
    notes = []
    for cell in stored.cells:
        if cell.metadata.get("slideshow", {}).get("slide_type") == "notes":
            notes.append(cell)
    notes[-1].source += f" The score is {result}."
    assert typed_results(stored) == [(notes[-1].id, result)]  # the measurement itself
