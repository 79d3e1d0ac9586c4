"""Reports as single files: formulas as MathML, pictures inside, no script or font from
elsewhere."""

import posixpath
import re
from copy import deepcopy
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import latex2mathml.converter
import nbformat
from jinja2 import pass_context
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from helpers.artefacts import CHAPTERS, ROOT, write_text
from helpers.report.blocks import without_marks
from helpers.report.cells import is_spoken
from helpers.report.front import chapter_title
from helpers.templates import THEME

APPENDIX = "appendix"
"""Tag of the cells that a report shows collapsed."""


class _ReportRenderer(IPythonRenderer):
    """Markdown renderer for a page in a profile's folder of reports.

    Formulas become MathML, which browsers show without a script. A link to a notebook becomes a
    link to its page. A link to a file that has no page, such as a data file, becomes its text.
    """

    def __init__(self, folder: str, **kwargs):
        super().__init__(**kwargs)
        self.folder = folder

    def link(self, text, url, title=None):
        target = page_of(url, self.folder)
        if target is None:
            return text
        return super().link(text, target, title)

    def block_math(self, body):
        return latex2mathml.converter.convert(body.strip(), display="block")

    def inline_math(self, body):
        return latex2mathml.converter.convert(body.strip())


class ReportExporter(HTMLExporter):
    """Notebook → one HTML file in the course's dress, with links to its neighbors and its slides.

    Parameters
    ----------
    folder : str
        Where the notebook lies in the repository: its links start there.
    """

    def __init__(self, folder: str = "notebooks", **kwargs):
        super().__init__(
            template_name="report",
            extra_template_basedirs=[str(THEME)],
            optimistic_validation=True,  # once, not after each of nbconvert's steps
            **kwargs,
        )
        self.folder = folder

    @pass_context
    def markdown2html(self, context, source):
        """Markdown of a cell to HTML; links between notebooks become links between reports."""
        attachments = context.get("cell", {}).get("attachments", {})
        renderer = _ReportRenderer(self.folder, escape=False, attachments=attachments)
        return MarkdownWithMath(renderer=renderer).render(source)


@cache
def _exporter(folder: str) -> ReportExporter:
    """The exporter of a folder's notebooks: its templates are compiled once for all pages."""
    return ReportExporter(folder)


def page_of(url: str, folder: str = "notebooks") -> str | None:
    """Where a link of a notebook leads from the notebook's report.

    Parameters
    ----------
    url : str
        As written in the notebook, for example "../README.md" or "solutions/05_completion.ipynb".
    folder : str
        Where the notebook lies in the repository. The page of `notebooks/X` lies at `X` in the
        folder of reports.

    Returns
    -------
    str or None
        None for a file that has no page.
    """
    parts = urlsplit(url)
    if parts.scheme or parts.netloc or not parts.path:
        return url
    file = posixpath.normpath(posixpath.join(folder, parts.path))
    pages = {"README.md": "index.html", "notebooks/notation.md": "notation.html"}
    for name in CHAPTERS.values():
        pages[f"notebooks/{name}.ipynb"] = f"{name}.html"
        pages[f"notebooks/solutions/{name}.ipynb"] = f"solutions/{name}.html"
    if file not in pages:
        return None
    here = posixpath.relpath(folder, "notebooks")
    page = posixpath.relpath(pages[file], here)
    return f"{page}#{parts.fragment}" if parts.fragment else page


def render_report(executed: Path, chapter: str, destination: Path) -> None:
    """Write the HTML report of an executed notebook."""
    notebook = nbformat.read(executed, as_version=4)
    for cell in notebook.cells:
        if is_spoken(cell):  # the template shows it as an aside
            cell.metadata["tags"] = [*cell.metadata.get("tags", []), "notes"]
    describe_pictures(notebook)
    notebook = with_folded_appendix(notebook)
    given = notebook.metadata.get("papermill", {}).get("parameters", {})
    other_than_usual = dict(given)
    if other_than_usual.get("profile") == "sample":
        del other_than_usual["profile"]
    previous, following = _neighbors(chapter)
    resources = {
        "metadata": {"name": CHAPTERS[chapter]},
        "previous": previous,
        "this": CHAPTERS[chapter],
        "next": following,
        "title": chapter_title(notebook),
        "given": other_than_usual,
    }
    body, _ = _exporter("notebooks").from_notebook_node(notebook, resources=resources)
    write_text(body, destination)


def render_solutions(chapter: str, folder: Path) -> None:
    """Write the page of a chapter's stored solutions into a folder of reports."""
    name = CHAPTERS[chapter]
    stored = ROOT / "notebooks" / "solutions" / f"{name}.ipynb"
    if stored.exists():
        notebook = nbformat.read(stored, as_version=4)
        describe_pictures(notebook)
        _write_extra(notebook, "notebooks/solutions", "../", folder / "solutions" / f"{name}.html")


def render_notation(folder: Path) -> None:
    """Write the page of symbols and terms into a folder of reports."""
    stored = ROOT / "notebooks" / "notation.md"
    if stored.exists():
        cell = nbformat.v4.new_markdown_cell(stored.read_text(encoding="utf-8"))
        notebook = nbformat.v4.new_notebook(cells=[cell])
        _write_extra(notebook, "notebooks", "", folder / "notation.html")


def _write_extra(notebook, folder: str, up: str, destination: Path) -> None:
    """Write a page that is no chapter; `up` leads from it to the folder of reports."""
    resources = {
        "metadata": {"name": destination.stem},
        "title": chapter_title(notebook),
        "up": up,
    }
    body, _ = _exporter(folder).from_notebook_node(notebook, resources=resources)
    write_text(body, destination)


def describe_pictures(notebook) -> None:
    """Give each cell that shows a picture words for who can't see it, in the metadata's `alt`.

    They are the heading above the picture and the caption below, as everybody reads them.
    """
    heading = ""
    for place, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            heading = _last_heading(cell.source) or heading
            continue
        outputs = cell.get("outputs", [])
        for output in outputs:
            heading = _last_heading(output.get("data", {}).get("text/markdown", "")) or heading
        if any("image/png" in output.get("data", {}) for output in outputs):
            following = notebook.cells[place + 1 : place + 2]
            words = [heading, *(_caption(after) for after in following)]
            cell.metadata.setdefault("alt", ". ".join(text for text in words if text))


def _last_heading(markdown: str) -> str:
    """Text of the last heading in some Markdown, or nothing."""
    found = re.findall(r"^#{1,4} +(.+)$", markdown, flags=re.MULTILINE)
    return without_marks(found[-1]).rstrip(".") if found else ""


def _caption(cell) -> str:
    """Text of a cell that is a caption, a paragraph in italics, or nothing."""
    source = cell.source.strip()
    is_caption = cell.cell_type == "markdown" and re.match(r"\*[^*]", source)
    if not is_caption:
        return ""
    first_paragraph = source.partition("\n\n")[0]
    return without_marks(first_paragraph).rstrip(".")


def with_folded_appendix(notebook):
    """A copy whose appendices are marked for the template to fold.

    Neighboring cells tagged `appendix` are one appendix; a heading of the second level begins the
    next. Its heading leaves the cell and becomes the line to click on.
    """
    copy = deepcopy(notebook)
    last = None
    for cell in copy.cells:
        if APPENDIX not in cell.metadata.get("tags", []):
            last = None
            continue
        heading = _leading_heading(cell)
        if last is None or heading:
            cell.metadata["fold_opens"] = heading or "Appendix"
            if heading:
                cell.source = cell.source.lstrip().partition("\n")[2]
        else:
            del last.metadata["fold_closes"]
        cell.metadata["fold_closes"] = True
        last = cell
    return copy


def _leading_heading(cell) -> str:
    """Text of the heading of the second level that a cell begins with, or nothing."""
    first = cell.source.lstrip().partition("\n")[0]
    if cell.cell_type != "markdown" or not first.startswith("## "):
        return ""
    return without_marks(first.removeprefix("## "))


def _neighbors(chapter: str) -> tuple[str | None, str | None]:
    """Names of the chapters before and after one."""
    names = [None, *CHAPTERS.values(), None]
    place = names.index(CHAPTERS[chapter])
    return names[place - 1], names[place + 1]
