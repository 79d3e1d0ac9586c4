"""Reports as single files: formulas as MathML, pictures inside, no script or font from elsewhere."""

import json
import re
from pathlib import Path

import latex2mathml.converter
import nbformat
from jinja2 import pass_context
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from helpers.artefacts import CHAPTERS, reports_dir, write_text
from helpers.templates import THEME, write_page


class _MathMLRenderer(IPythonRenderer):
    """Markdown renderer that sets formulas as MathML, which browsers show without a script."""

    def block_math(self, body):
        return latex2mathml.converter.convert(body.strip(), display="block")

    def inline_math(self, body):
        return latex2mathml.converter.convert(body.strip())


class ReportExporter(HTMLExporter):
    """Notebook → one HTML file in the course's dress, with links to its neighbors and its slides."""

    def __init__(self, **kwargs):
        super().__init__(template_name="report", extra_template_basedirs=[str(THEME)], **kwargs)

    @pass_context
    def markdown2html(self, context, source):
        """Markdown of a cell to HTML; links between notebooks become links between reports."""
        attachments = context.get("cell", {}).get("attachments", {})
        renderer = _MathMLRenderer(escape=False, attachments=attachments)
        for name in CHAPTERS.values():
            source = source.replace(f"({name}.ipynb", f"({name}.html")
        source = source.replace("(../README.md", "(index.html")
        return MarkdownWithMath(renderer=renderer).render(source)


def chapter_title(notebook) -> str:
    """The first heading of a notebook."""
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        for line in cell.source.splitlines():
            if line.startswith("# "):
                return line.lstrip("# ").strip()
    return "Untitled"


def render_report(executed: Path, chapter: str, destination: Path) -> None:
    """Write the HTML report of an executed notebook."""
    notebook = nbformat.read(executed, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if not _is_spoken(cell)]
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
