"""Reports as single files: formulas as MathML, pictures inside, no script or font from elsewhere."""

import json
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
    """Notebook → one HTML file in the course's dress, with links to the chapters around it and to its slides."""

    def __init__(self, **kwargs):
        super().__init__(template_name="report", extra_template_basedirs=[str(THEME)], **kwargs)

    @pass_context
    def markdown2html(self, context, source):
        """Markdown of a cell to HTML; links between notebooks become links between reports."""
        renderer = _MathMLRenderer(
            escape=False, attachments=context.get("cell", {}).get("attachments", {})
        )
        for name in CHAPTERS.values():
            source = source.replace(f"({name}.ipynb", f"({name}.html")
        source = source.replace("(../README.md", "(index.html")
        return MarkdownWithMath(renderer=renderer).render(source)


def chapter_title(notebook) -> str:
    """The first heading of a notebook."""
    for cell in notebook.cells:
        for line in cell.source.splitlines():
            if cell.cell_type == "markdown" and line.startswith("# "):
                return line.lstrip("# ").strip()
    return "Untitled"


def render_report(executed: Path, chapter: str, destination: Path) -> None:
    """Write the HTML report of an executed notebook."""
    notebook = nbformat.read(executed, as_version=4)
    spoken = [
        cell.metadata.get("slideshow", {}).get("slide_type") == "notes" for cell in notebook.cells
    ]
    notebook.cells = [cell for cell, note in zip(notebook.cells, spoken, strict=True) if not note]
    numbers, given = list(CHAPTERS), notebook.metadata.get("papermill", {}).get("parameters", {})
    place = numbers.index(chapter)
    around = {
        "previous": CHAPTERS[numbers[place - 1]] if place else None,
        "this": CHAPTERS[chapter],
        "next": CHAPTERS[numbers[place + 1]] if place + 1 < len(numbers) else None,
        "title": chapter_title(notebook),
        "given": {
            name: value for name, value in given.items() if (name, value) != ("profile", "sample")
        },
    }
    body, _ = ReportExporter().from_notebook_node(
        notebook, resources={"metadata": {"name": CHAPTERS[chapter]}, **around}
    )
    write_text(body, destination)


def tagged_picture(notebook, tag: str) -> str | None:
    """Data URI of the first picture among the outputs of cells with a tag."""
    for cell in notebook.cells:
        if tag in cell.metadata.get("tags", []):
            for output in cell.get("outputs", []):
                if "image/png" in output.get("data", {}):
                    return "data:image/png;base64," + output.data["image/png"].replace("\n", "")
    return None


def render_index(profile: str, executed: dict[str, Path], decks: bool) -> None:
    """Write `index.html` of a profile: headline figure, contact sheet, chapters, results, and how it was run."""
    folder = reports_dir(profile)
    notebooks = {chapter: nbformat.read(path, as_version=4) for chapter, path in executed.items()}
    metrics = folder / "metrics.json"
    run = (
        json.loads(metrics.read_text(encoding="utf-8"))
        if metrics.exists()
        else {"run": {}, "results": []}
    )
    chapters = [
        {
            "name": CHAPTERS[chapter],
            "number": chapter,
            "title": chapter_title(notebook),
            "promise": _promise(notebook),
            "deck": decks and (folder / "decks" / f"{CHAPTERS[chapter]}.html").exists(),
        }
        for chapter, notebook in sorted(notebooks.items())
    ]
    write_page(
        "index.html.j2",
        folder / "index.html",
        profile=profile,
        chapters=chapters,
        headline=tagged_picture(notebooks["07"], "headline") if "07" in notebooks else None,
        catalogue=tagged_picture(notebooks["01"], "cover") if "01" in notebooks else None,
        run=run["run"],
        table=_headline_table(run["results"]),
    )


def _promise(notebook) -> str:
    """What a chapter's reader will be able to do: the first list of the notebook, in a sentence."""
    for cell in notebook.cells:
        items = [
            line.lstrip("-* ").rstrip(" ,.;")
            for line in cell.source.splitlines()
            if line.startswith(("- ", "* "))
        ]
        if cell.cell_type == "markdown" and items:
            text = "; ".join(items) + "."
            return (
                (text[0].upper() + text[1:])
                .replace("**", "")
                .replace("*", "")
                .replace("`", "")
                .replace("$", "")
            )
    return ""


def _headline_table(results: list[dict]) -> list[dict]:
    """NDCG@10 on the cross-platform split with complete judgements, a row a recommender, a value per history length."""
    rows: dict[str, dict] = {}
    for row in results:
        wanted = (row["split"], row["metric"], row["k"], row["segment"]) == (
            "cross_platform",
            "ndcg",
            10,
            "all",
        )
        if wanted and "complete" in row["variant"]:
            rows.setdefault(row["recommender"], {})[row["n_history"]] = row["value"]
    lengths = sorted({n for values in rows.values() for n in values})
    whole = [
        name for name in rows if len(rows[name]) == len(lengths)
    ]  # variants are examined at one length only
    order = sorted(whole, key=lambda name: -max(value or 0 for value in rows[name].values()))
    return [{"recommender": name, "values": {n: rows[name][n] for n in lengths}} for name in order]
