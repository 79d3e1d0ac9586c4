"""Reports: formulas without scripts, links between chapters, nothing fetched from elsewhere."""

import nbformat
import pytest
from browser import BROKEN, needs_browser, page
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from helpers.report.html import chapter_title, render_report, tagged_picture


@pytest.fixture
def report(tmp_path):
    text = "# Neighbours\n\nPrices $34.99\n\n$$\\hat r_{ui} = \\frac{a}{b}$$\n\nNext: [completion](05_completion.ipynb)"
    error = new_output("stream", text="<script>alert(1)</script>")
    cells = [
        new_markdown_cell(text),
        new_markdown_cell("inline $N_k(u)$"),
        new_code_cell("1 + 1", outputs=[error]),
    ]
    nbformat.write(new_notebook(cells=cells), tmp_path / "in.ipynb")
    render_report(tmp_path / "in.ipynb", "03", tmp_path / "03_collaborative.html")
    return tmp_path / "03_collaborative.html"


def test_formulas_are_mathml_and_links_lead_to_reports(report):
    html = report.read_text()
    assert html.count("<math") == 2 and 'display="block"' in html
    assert "$34.99" in html
    assert (
        'href="05_completion.html"' in html
        and "02_interactions.html" in html
        and "04_content.html" in html
    )
    assert "<script" not in html and "cdn" not in html.lower()


def test_title_and_tagged_picture():
    cell = new_code_cell(
        "plot",
        outputs=[new_output("display_data", {"image/png": "QUJD"})],
        metadata={"tags": ["cover"]},
    )
    notebook = new_notebook(cells=[new_markdown_cell("intro\n\n# The title"), cell])
    assert chapter_title(notebook) == "The title"
    assert tagged_picture(notebook, "cover") == "data:image/png;base64,QUJD"
    assert tagged_picture(notebook, "headline") is None


@pytest.mark.browser
@needs_browser[1]
def test_a_browser_shows_it_without_the_network(report):
    with page(report) as tab:
        assert tab.evaluate(BROKEN) == tab.refused == []
        before = tab.evaluate("document.querySelectorAll('.jp-InputArea-editor')[0].offsetHeight")
        tab.click("label[for=course-code]")
        after = tab.evaluate("document.querySelectorAll('.jp-InputArea-editor')[0].offsetHeight")
        assert before > 0 and after == 0


@pytest.mark.parametrize(
    "given, told", [({"profile": "sample"}, False), ({"profile": "sample", "rank": "<9>"}, True)]
)
def test_a_report_tells_what_it_was_run_with_if_not_the_defaults(given, told, tmp_path):
    notebook = new_notebook(
        cells=[new_markdown_cell("# One")], metadata={"papermill": {"parameters": given}}
    )
    nbformat.write(notebook, tmp_path / "in.ipynb")
    render_report(tmp_path / "in.ipynb", "05", tmp_path / "out.html")
    assert ("Run with rank = <b>&lt;9&gt;</b>." in (tmp_path / "out.html").read_text()) == told
