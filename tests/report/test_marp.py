"""Slides: what is on them, in which order, and that nothing overflows in a real browser."""

import base64
import io
import re

import matplotlib.pyplot as plt
import nbformat
import pandas as pd
import pytest
from browser import BROKEN, CUT_TABLES, OVERFLOWING, SMALL_PICTURES, needs_browser, page
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from helpers.report import slides
from helpers.report.blocks import as_text, code, markdown_blocks
from helpers.report.blocks import table as table_block
from helpers.report.marp import MarpExporter


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
    assert "ipynb" in deck(("text", "slide", "## Three\n\nSee [chapter 4](04_content.ipynb)."))


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


def cells_of(block):
    """What a reader sees in each row of a table block."""
    rows = BeautifulSoup(block.text, "html.parser").find_all("tr")
    return [[cell.get_text() for cell in row.find_all(["th", "td"])] for row in rows]


def test_a_table_keeps_every_cell():
    frame = pd.DataFrame({"method": ["ItemKNN", "a|b"], "ndcg": [0.25, 0.5]})
    block = table_block(frame.to_html(index=False))
    assert cells_of(block) == [["method", "ndcg"], ["ItemKNN", "0.25"], ["a|b", "0.50"]]
    assert '<td class="words">' in block.text and '<td class="numbers">' in block.text
    assert table_block("<b>no table</b>") is None


def test_heads_of_several_rows_stand_over_their_own_columns():
    columns = pd.MultiIndex.from_product([["precision", "ndcg"], [5, 10]], names=["metric", "@"])
    frame = pd.DataFrame([[1, 2, 3, 4]], columns=columns, index=pd.Index(["EASE"], name="method"))
    assert cells_of(table_block(frame.to_html())) == [
        ["metric / @ / method", "precision 5", "precision 10", "ndcg 5", "ndcg 10"],
        ["EASE", "1", "2", "3", "4"],
    ]


HOSTILE = [
    "$\\href{javascript:document.title='ran'}{click}$",
    "![](http://shop.test/pixel.png)",
    "<!-- style: section{display:none} -->",
    "<!-- style: section{",
    "display:none} -->",
    "```",
    "</td></tr></table><script>document.title='ran'</script>",
    "$20-$30 *bold* _it_ ~~gone~~ `code` [link](http://shop.test)",
    "http://shop.test/bare",
    "--- ",
    "a\n\n---\n\n# new slide",
    "<img src=x onerror=\"document.title='ran'\">",
    "&lt;b&gt; &#36;x&#36;",
]


def test_words_of_a_shop_keep_no_sign_that_markdown_reads():
    frame = pd.DataFrame({"title": HOSTILE})
    for row in table_block(frame.to_html(index=False)).text.splitlines():
        inside = BeautifulSoup(row, "html.parser").find("td")
        if inside is not None:
            raw = row.split(">", 2)[2].rsplit("</td>", 1)[0]
            left = re.sub(r"&(#\d+|\w+);", "", raw)
            assert not set(left) & set("$`*_~[]()!|\\<>:/-#"), raw
    assert as_text("a $b$ \n c") == "a &#36;b&#36; c"


def test_printed_text_cannot_leave_its_fence():
    block = code("a\n```\n# out\n````\n", "text")
    assert block.text.startswith("`````text\n") and block.text.endswith("\n`````")


def test_layouts_are_asked_for_by_tags():
    text = deck(("text", "slide", "## One", "layout-section", "layout-unknown", "other"))
    assert "<!-- _class: section -->" in text


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
    _, first, second = slides_of(text)
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
    formula = "$$\\hat r_{ui} = \\frac{\\sum_{v \\in N_k(u)} s(u,v)\\, r_{vi}}{\\sum_{v \\in N_k(u)} s(u,v)}$$"  # noqa: E501
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


@pytest.mark.browser
@needs_browser[1]
@pytest.mark.skipif(
    slides.find_marp() is None, reason="marp-cli is not installed: run make install"
)
def test_hostile_titles_are_shown_as_they_are(tmp_path):
    frame = pd.DataFrame({"title": HOSTILE})
    shown = new_output("display_data", {"text/html": frame.to_html(), "text/plain": str(frame)})
    printed = new_output("stream", name="stdout", text="\n".join(HOSTILE))
    hostile = notebook(
        ("text", "slide", "# Title"),
        ("text", "slide", "## A table"),
        ("code", "-", [shown]),
        ("text", "slide", "## Printed"),
        ("code", "-", [printed]),
    )
    path = tmp_path / "hostile.ipynb"
    nbformat.write(hostile, path)
    assert slides.render_decks({"01": path}, tmp_path, ["html"]) == ""
    with page(tmp_path / "01_augment.html") as tab:
        tab.emulate_media(media="print")
        tab.wait_for_timeout(300)
        sections = tab.evaluate("document.querySelectorAll('section').length")
        links = tab.evaluate(
            "document.querySelectorAll('section a, section math, section img').length"
        )
        formulas = tab.evaluate("document.querySelectorAll('mjx-container').length")
        text = tab.evaluate("document.body.innerText")
        title = tab.evaluate("document.title")
        assert (sections, links, formulas) == (3, 0, 0)
        assert tab.refused == [] and title != "ran"
    for line in HOSTILE:
        if "\n" in line:
            continue  # the table shows it on one line
        wanted = re.sub(r"\s+", " ", line).strip()
        assert wanted in re.sub(r"\s+", " ", text), line
