"""Slides: what is on them, in which order, and that nothing overflows in a real browser."""

import base64
import io

import matplotlib.pyplot as plt
import nbformat
import pandas as pd
import pytest
from browser import BROKEN, CUT_TABLES, OVERFLOWING, SMALL_PICTURES, needs_browser, page
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from helpers.report import slides
from helpers.report.marp import MarpExporter, html_table, markdown_blocks


def notebook(*cells):
    """A notebook of (kind, slide_type, content[, tags]) tuples."""
    made = new_notebook()
    for kind, slide_type, content, *tags in cells:
        cell = (
            new_markdown_cell(content)
            if kind == "text"
            else new_code_cell("print('shown')", outputs=content)
        )
        cell.metadata = {"slideshow": {"slide_type": slide_type}, "tags": tags}
        made.cells.append(cell)
    return made


def picture():
    """A figure as a notebook stores it."""
    figure, axes = plt.subplots(figsize=(8, 4))
    axes.plot([1, 3, 2])
    file = io.BytesIO()
    figure.savefig(file, dpi=90)
    plt.close(figure)
    return new_output("display_data", {"image/png": base64.b64encode(file.getvalue()).decode()})


def table(rows, columns):
    frame = pd.DataFrame({f"a long column {n}": range(rows) for n in range(columns)})
    return new_output(
        "execute_result",
        {"text/html": frame.to_html(), "text/plain": str(frame)},
        execution_count=1,
    )


def deck(*cells):
    return MarpExporter().from_notebook_node(notebook(*cells))[0]


def slides_of(text):
    return text.split("---\n", 2)[2].split("\n---\n")


def test_slide_types_are_honoured():
    text = deck(
        ("text", "slide", "# One"),
        ("text", "-", "goes on"),
        ("text", "skip", "left out"),
        ("text", "notes", "for the presenter -- only"),
        ("text", "subslide", "## Two"),
        ("text", "fragment", "more of two"),
    )
    one, two = slides_of(text)
    assert "# One" in one and "goes on" in one and "for the presenter — only" in one
    assert "## Two" in two and "more of two" in two
    assert "left out" not in text


def test_link_bars_stay_off_the_slides():
    text = deck(
        (
            "text",
            "slide",
            "[← 02](02_interactions.ipynb) · **03** · [04 →](04_content.ipynb)\n\n# Three",
        )
    )
    assert "ipynb" not in text and "# Three" in text
    assert "ipynb" in deck(("text", "slide", "# Three\n\nSee [chapter 4](04_content.ipynb)."))


def test_notes_cannot_end_their_comment_or_become_directives():
    text = deck(("text", "slide", "# One"), ("text", "notes", "theme: gaia --> <b>bold</b>"))
    comment = text[text.index("<!--\nNotes.") :]
    assert comment.count("-->") == 1 and comment.startswith("<!--\nNotes.\n\ntheme")


def test_code_is_hidden_unless_tagged():
    printed = [new_output("stream", name="stdout", text="shown result")]
    hidden = deck(("code", "slide", printed))
    assert "shown result" in hidden and "print('shown')" not in hidden
    assert "print('shown')" in deck(("code", "slide", printed, "show-code"))


def test_figures_are_embedded_and_stderr_is_not():
    text = deck(
        ("code", "slide", [picture(), new_output("stream", name="stderr", text="a warning")])
    )
    assert "![](data:image/png;base64," in text and "a warning" not in text


def test_long_output_says_what_it_leaves_out():
    lines = "\n".join(f"line {n}" for n in range(40))
    text = deck(("code", "slide", [new_output("stream", name="stdout", text=lines)]))
    assert "line 10" in text and "line 11" not in text and "… 29 more lines in the report" in text


def test_html_table_becomes_markdown_with_every_cell():
    frame = pd.DataFrame({"method": ["ItemKNN", "a|b"], "ndcg": [0.25, 0.5]})
    block = html_table(frame.to_html(index=False))
    assert block.text.splitlines() == [
        "| method | ndcg |",
        "| :-- | --: |",
        "| ItemKNN | 0.25 |",
        "| a\\|b | 0.50 |",
    ]
    assert html_table("<b>no table</b>") is None


def test_heads_of_several_rows_stand_over_their_own_columns():
    columns = pd.MultiIndex.from_product([["precision", "ndcg"], [5, 10]], names=["metric", "@"])
    frame = pd.DataFrame([[1, 2, 3, 4]], columns=columns, index=pd.Index(["EASE"], name="method"))
    assert html_table(frame.to_html()).text.splitlines() == [
        "| metric / @ / method | precision 5 | precision 10 | ndcg 5 | ndcg 10 |",
        "| :-- | --: | --: | --: | --: |",
        "| EASE | 1 | 2 | 3 | 4 |",
    ]


def test_blocks_keep_fences_and_formulas_whole():
    source = "para\n\n```python\na = 1\n\nb = 2\n```\n\n$$\nx\n\n= y\n$$\n\n$$z = 1$$\n\nend"
    assert [block.text.split("\n")[0] for block in markdown_blocks(source)] == [
        "para",
        "```python",
        "$$",
        "$$z = 1$$",
        "end",
    ]


def test_two_figures_make_two_slides_under_one_heading():
    text = deck(("text", "slide", "## Pictures"), ("code", "-", [picture(), picture()]))
    first, second = slides_of(text)
    assert (
        "## Pictures" in first
        and "## Pictures" in second
        and first.count("data:image") == second.count("data:image") == 1
    )


@pytest.mark.browser
@needs_browser[1]
@pytest.mark.skipif(
    slides.find_marp() is None, reason="marp-cli is not installed: run make install"
)
def test_crowded_notebook_fits_in_a_browser(tmp_path):
    words = "\n\n".join("several words of prose " * 14 for _ in range(9))
    formula = "$$\\hat r_{ui} = \\frac{\\sum_{v \\in N_k(u)} s(u,v)\\, r_{vi}}{\\sum_{v \\in N_k(u)} s(u,v)}$$"
    bullets = "\n".join(
        f"- point {n} with some words that make it as long as points in decks are"
        for n in range(20)
    )
    crowded = notebook(
        ("text", "slide", "# Title\n\n" + words),
        ("text", "slide", f"## Formula\n\n{formula}\n\n{bullets}"),
        ("code", "slide", [picture(), table(13, 6), table(60, 4), picture()]),
        ("code", "slide", [table(9, 11)]),
    )
    path = tmp_path / "crowded.ipynb"
    nbformat.write(crowded, path)
    assert slides.render_decks({"03": path}, tmp_path, ["html"]) == ""
    with page(tmp_path / "03_collaborative.html") as tab:
        tab.emulate_media(media="print")
        tab.wait_for_timeout(300)
        assert tab.evaluate("document.querySelectorAll('section').length") > 6
        assert tab.evaluate(BROKEN) == tab.evaluate(OVERFLOWING) == tab.evaluate(CUT_TABLES) == []
        assert tab.evaluate(SMALL_PICTURES) == tab.refused == []
