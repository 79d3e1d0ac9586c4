"""Markdown as it is read aloud: words without marks, the same in every place that needs them."""

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from helpers.report.blocks import as_text, without_marks
from helpers.report.html import describe_pictures, render_report
from helpers.report.index import render_index

MARKED = "The **best** `k` of\n[chapter 05](05_completion.ipynb#Rank): $\\lambda$ and *two* towers"
PLAIN = "The best k of chapter 05: lambda and two towers"


@pytest.mark.parametrize(
    "markdown, words",
    [
        (MARKED, PLAIN),
        ("[one](a.ipynb) and [two](b.ipynb)", "one and two"),
        ("`course run --profile sample`", "course run --profile sample"),
        ("a_name and 3-4 items, 50 % (of 8)", "a_name and 3-4 items, 50 % (of 8)"),
        ("  two\n lines\t", "two lines"),
        ("", ""),
    ],
)
def test_words_stay_and_marks_go(markdown, words):
    assert without_marks(markdown) == words


@pytest.mark.parametrize("data", ["5 * 4 = $20 `each`", "Women's [new] <b> & more", "a\\b_c"])
def test_signs_of_a_shops_own_words_stay(data):
    assert without_marks(f"*{as_text(data)}*") == data


def test_captions_appendices_and_the_index_read_alike(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COURSE_REPORTS", str(tmp_path / "reports"))
    picture = new_output("display_data", {"image/png": "iVBORw0KGgo="})
    heading = new_output("display_data", {"text/markdown": f"### {MARKED.splitlines()[0]}"})
    one_line = MARKED.replace("\n", " ")
    drawn = new_code_cell("draw()", outputs=[heading, picture])
    folded = new_markdown_cell(f"## {one_line}\n\nText.", metadata={"tags": ["appendix"]})
    cells = [
        new_markdown_cell(f"# Title\n\nYou can\n- {one_line}\n- stop,\n  and\n  go"),
        drawn,
        new_markdown_cell(f"*{MARKED}.*"),
        folded,
    ]
    notebook = new_notebook(cells=cells)
    nbformat.write(notebook, tmp_path / "in.ipynb")
    describe_pictures(notebook)
    assert drawn.metadata["alt"] == f"The best k of. {PLAIN}"
    render_report(tmp_path / "in.ipynb", "05", tmp_path / "out.html")
    page = BeautifulSoup((tmp_path / "out.html").read_text(encoding="utf-8"), "html.parser")
    assert page.details.summary.get_text() == PLAIN
    render_index("sample", {"05": tmp_path / "in.ipynb"}, decks=False)
    index = tmp_path / "reports" / "sample" / "index.html"
    page = BeautifulSoup(index.read_text(encoding="utf-8"), "html.parser")
    promises = [text.get_text() for text in page.find_all("p")]
    assert f"{PLAIN}; stop, and go." in promises
