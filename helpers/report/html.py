"""Reports as single files: formulas as MathML, pictures inside, no script or font from elsewhere."""

import json
import posixpath
import re
from copy import deepcopy
from pathlib import Path
from urllib.parse import urlsplit

import latex2mathml.converter
import nbformat
from jinja2 import pass_context
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from helpers.artefacts import CHAPTERS, ROOT, reports_dir, write_text
from helpers.report.front import chapter_title
from helpers.templates import THEME, write_page

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
        super().__init__(template_name="report", extra_template_basedirs=[str(THEME)], **kwargs)
        self.folder = folder

    @pass_context
    def markdown2html(self, context, source):
        """Markdown of a cell to HTML; links between notebooks become links between reports."""
        attachments = context.get("cell", {}).get("attachments", {})
        renderer = _ReportRenderer(self.folder, escape=False, attachments=attachments)
        return MarkdownWithMath(renderer=renderer).render(source)


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
    notebook.cells = [cell for cell in notebook.cells if not _is_spoken(cell)]
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
    body, _ = ReportExporter().from_notebook_node(notebook, resources=resources)
    write_text(body, destination)


def render_solutions(chapter: str, folder: Path) -> None:
    """Write the page of a chapter's stored solutions into a folder of reports."""
    name = CHAPTERS[chapter]
    stored = ROOT / "notebooks" / "solutions" / f"{name}.ipynb"
    if stored.exists():
        notebook = nbformat.read(stored, as_version=4)
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
    body, _ = ReportExporter(folder).from_notebook_node(notebook, resources=resources)
    write_text(body, destination)


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
    return re.sub(r"[*`$]", "", first.removeprefix("## ")).strip()


def _is_spoken(cell) -> bool:
    """Whether a cell holds what the presenter says."""
    return cell.metadata.get("slideshow", {}).get("slide_type") == "notes"


def _neighbors(chapter: str) -> tuple[str | None, str | None]:
    """Names of the chapters before and after one."""
    names = [None, *CHAPTERS.values(), None]
    place = names.index(CHAPTERS[chapter])
    return names[place - 1], names[place + 1]


def tagged_picture(notebook, tag: str) -> str | None:
    """Data URI of the first picture among the outputs of cells with a tag."""
    for cell in notebook.cells:
        if tag not in cell.metadata.get("tags", []):
            continue
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data:
                return "data:image/png;base64," + data["image/png"].replace("\n", "")
    return None


def render_index(profile: str, executed: dict[str, Path], decks: bool) -> None:
    """Write index.html of a profile: headline, contact sheet, chapters, results, how it was run."""
    folder = reports_dir(profile)
    notebooks = {}
    for chapter, path in sorted(executed.items()):
        notebooks[chapter] = nbformat.read(path, as_version=4)
    run: dict = {"run": {}, "results": []}
    metrics = folder / "metrics.json"
    if metrics.exists():
        run = json.loads(metrics.read_text(encoding="utf-8"))
    write_page(
        "index.html.j2",
        folder / "index.html",
        profile=profile,
        chapters=[_chapter(folder, number, book, decks) for number, book in notebooks.items()],
        headline=_picture_of(notebooks, "07", "headline"),
        catalogue=_picture_of(notebooks, "01", "cover"),
        run=run["run"],
        table=_headline_table(run["results"]),
    )


def _picture_of(notebooks: dict, chapter: str, tag: str) -> str | None:
    if chapter not in notebooks:
        return None
    return tagged_picture(notebooks[chapter], tag)


def _chapter(folder: Path, number: str, notebook, decks: bool) -> dict:
    """What the index says of a chapter."""
    name = CHAPTERS[number]
    return {
        "name": name,
        "number": number,
        "title": chapter_title(notebook),
        "promise": _promise(notebook),
        "deck": decks and (folder / "decks" / f"{name}.html").exists(),
    }


def _promise(notebook) -> str:
    """What a chapter's reader will be able to do: the first list of the notebook, in a sentence."""
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        items = []
        for line in cell.source.splitlines():
            if line.startswith(("- ", "* ")):
                items.append(line.lstrip("-* ").rstrip(" ,.;"))
        if items:
            text = "; ".join(items)
            return re.sub(r"[*`$]", "", text[0].upper() + text[1:]) + "."
    return ""


def _headline_table(results: list[dict]) -> list[dict]:
    """NDCG@10 across platforms on complete judgments: one row per recommender, best first.

    Each row holds one value per history length. A method that was examined at some lengths only is
    a variant, and left out.
    """
    rows: dict[str, dict] = {}
    for row in results:
        if _is_headline(row):
            values = rows.setdefault(row["recommender"], {})
            values[row["n_history"]] = row["value"]
    lengths = sorted({n for values in rows.values() for n in values})
    complete = {name: values for name, values in rows.items() if len(values) == len(lengths)}
    order = sorted(complete, key=lambda name: -max(v or 0 for v in complete[name].values()))
    table = []
    for name in order:
        values = {n: complete[name][n] for n in lengths}
        table.append({"recommender": name, "values": values})
    return table


def _is_headline(row: dict) -> bool:
    is_asked = (row["split"], row["metric"], row["k"]) == ("cross_platform", "ndcg", 10)
    return is_asked and row["segment"] == "all" and "complete" in row["variant"]
