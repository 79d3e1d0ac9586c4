"""Reports: formulas without scripts, links between chapters, nothing fetched from elsewhere."""

import nbformat
import pytest
from browser import BROKEN, needs_browser, page
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from helpers.artefacts import CHAPTERS, ROOT
from helpers.report.html import (
    ReportExporter,
    chapter_title,
    describe_pictures,
    page_of,
    render_notation,
    render_report,
    render_solutions,
)
from helpers.report.index import tagged_picture


@pytest.fixture
def report(tmp_path):
    text = "# Neighbours\n\nPrices $34.99\n\n$$\\hat r_{ui} = \\frac{a}{b}$$\n\nNext: [completion](05_completion.ipynb)"  # noqa: E501
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


def rendered(cells, folder, chapter="03"):
    """The HTML of a chapter that consists of these cells."""
    nbformat.write(new_notebook(cells=cells), folder / "in.ipynb")
    render_report(folder / "in.ipynb", chapter, folder / "out.html")
    return BeautifulSoup((folder / "out.html").read_text(encoding="utf-8"), "html.parser")


def appendix(source, tag="appendix"):
    return new_markdown_cell(source, metadata={"tags": [tag]})


def test_an_appendix_is_folded_under_its_heading(tmp_path):
    code = new_code_cell("2 + 2", metadata={"tags": ["appendix"]})
    cells = [
        new_markdown_cell("# One\n\nShown."),
        appendix("## Appendix: `cost` < time\n\nFirst text."),
        code,
        appendix("## Appendix: more\n\nSecond text."),
        new_markdown_cell("The end."),
    ]
    page = rendered(cells, tmp_path)
    first, second = page.find_all("details")
    assert first.summary.get_text() == "Appendix: cost < time"
    assert "First text." in first.get_text() and "2 + 2" in first.get_text()
    assert "Second text." not in first.get_text() and "Second text." in second.get_text()
    assert not page.find_all("h2"), "the heading is the line to click on"
    outside = [page.find(string=text).find_parent("details") for text in ("Shown.", "The end.")]
    assert outside == [None, None]
    assert not first.find_parent("details") and not second.find_parent("details")


def test_an_appendix_without_a_heading_has_a_name_and_a_report_without_one_has_no_fold(tmp_path):
    page = rendered([new_markdown_cell("# One"), appendix("text"), appendix("### Part")], tmp_path)
    assert [fold.summary.get_text() for fold in page.find_all("details")] == ["Appendix"]
    assert page.details.h3
    page = rendered([new_markdown_cell("# One"), appendix("## Two", tag="other")], tmp_path)
    assert not page.find_all("details") and page.h2


@pytest.mark.parametrize(
    "url, folder, page",
    [
        ("05_completion.ipynb", "notebooks", "05_completion.html"),
        ("05_completion.ipynb#Rank", "notebooks", "05_completion.html#Rank"),
        ("solutions/05_completion.ipynb", "notebooks", "solutions/05_completion.html"),
        ("../README.md", "notebooks", "index.html"),
        ("notation.md", "notebooks", "notation.html"),
        ("notation.md#measures", "notebooks", "notation.html#measures"),
        ("../05_completion.ipynb", "notebooks/solutions", "../05_completion.html"),
        ("04_content.ipynb", "notebooks/solutions", "04_content.html"),
        ("../../README.md", "notebooks/solutions", "../index.html"),
        ("../notation.md", "notebooks/solutions", "../notation.html"),
        ("https://example.org/05_completion.ipynb", "notebooks", None),
        ("#Measures", "notebooks", None),
        ("mailto:a@example.org", "notebooks", None),
    ],
)
def test_links_lead_to_pages(url, folder, page):
    assert page_of(url, folder) == (page or url)


@pytest.mark.parametrize("url", ["../data/vocabulary.yaml", "../data/README.md", "x.csv"])
def test_links_to_files_without_a_page_become_text(url, tmp_path):
    assert page_of(url) is None
    text = f"# One\n\nSee [the **file**]({url})."
    page = rendered([new_markdown_cell(text)], tmp_path)
    assert "See the file" in page.main.get_text()
    assert url not in [link["href"] for link in page.main.find_all("a")]


def test_solutions_and_notation_have_pages_whose_links_lead_somewhere(tmp_path):
    """Every local link of every extra page leads to a page that a whole run writes."""
    for chapter in CHAPTERS:
        render_solutions(chapter, tmp_path)
    render_notation(tmp_path)
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.html")}
    assert "notation.html" in written
    assert {f"solutions/{name}.html" for name in CHAPTERS.values()} <= written
    with_reports = written | {"index.html"} | {f"{name}.html" for name in CHAPTERS.values()}
    for name in written:
        page = BeautifulSoup((tmp_path / name).read_text(encoding="utf-8"), "html.parser")
        for link in page.find_all("a", href=True):
            url = link["href"].partition("#")[0]
            if not url or url.startswith("http"):
                continue
            target = (tmp_path / name).parent / url
            assert target.resolve().relative_to(tmp_path).as_posix() in with_reports, (name, url)


def test_every_symbol_and_term_of_the_notation_is_set(tmp_path):
    render_notation(tmp_path)
    page = BeautifulSoup((tmp_path / "notation.html").read_text(encoding="utf-8"), "html.parser")
    text = page.main.get_text()
    assert "$" not in text, "every formula became MathML"
    for term in ("NDCG@k", "P@k", "MAP", "R@1", "EASE", "iALS", "log-Q", "MCMC", "CLIP"):
        assert page.main.find("td", string=term), term
    source = (ROOT / "notebooks" / "notation.md").read_text(encoding="utf-8")
    n_rows = sum(line.startswith("| ") for line in source.splitlines())
    assert len(page.main.find_all("tr")) == n_rows


def test_a_picture_is_described_by_its_heading_and_caption():
    picture = new_output("display_data", {"image/png": "iVBORw0KGgo="})
    found = new_output("display_data", {"text/markdown": "## Half of *all* pictures slip"})
    first = new_code_cell("draw()", outputs=[found, picture])
    second = new_code_cell("draw()", outputs=[picture])
    notebook = new_notebook(
        cells=[
            new_markdown_cell("## Pictures"),
            first,
            new_markdown_cell("*Left: the `photo` of [chapter 01](01_augment.ipynb).*"),
            new_markdown_cell("### What is next"),
            second,
            new_markdown_cell("No caption."),
        ]
    )
    describe_pictures(notebook)
    assert first.metadata["alt"] == ("Half of all pictures slip. Left: the photo of chapter 01")
    assert second.metadata["alt"] == "What is next"
    body, _ = ReportExporter().from_notebook_node(notebook)
    assert "No description" not in body
    assert 'alt="What is next"' in body
