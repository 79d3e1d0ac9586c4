"""An nbconvert exporter that turns a notebook into Marp slides, each of which fits 1280 × 720."""

import re
from dataclasses import dataclass, field

from nbconvert.exporters import Exporter
from traitlets import Int, Unicode

from helpers.report.blocks import Block, code, is_link_bar, markdown_blocks, picture, table

LINES_PER_SLIDE = 18.5
LAYOUTS = ("title", "section", "figure", "table", "columns", "personas", "quote", "dark")
"""Classes of the theme that a cell's tag `layout-NAME` asks for."""
PICTURE_KINDS = ("image/png", "image/jpeg", "image/svg+xml")


@dataclass
class Slide:
    """Blocks under one heading, with presenter notes and the layouts that its cells ask for."""

    blocks: list[Block] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    layouts: set[str] = field(default_factory=set)


class MarpExporter(Exporter):
    """Notebook → Marp Markdown (https://marp.app), figures embedded.

    `slideshow.slide_type` is honored: "slide" and "subslide" begin a slide, "fragment" and "-" go
    on with it, "notes" become presenter notes, "skip" is left out. Code is shown only in cells
    tagged `show-code`. A tag `layout-NAME` names a layout of the theme. What does not fit goes on a
    further slide under the same heading, so that no slide overflows. Tables and printed text are
    data: nothing in them is read as Markdown, a formula, a link or a directive.
    """

    theme = Unicode("course", help="Name of the Marp theme").tag(config=True)
    footer = Unicode("", help="Footer of each slide").tag(config=True)
    max_output_lines = Int(
        12, help="Lines of printed text a slide shows; the report has the rest"
    ).tag(config=True)
    file_extension = Unicode(".md").tag(config=True)
    output_mimetype = "text/markdown"
    export_from_notebook = "Marp slides"

    def from_notebook_node(self, nb, resources=None, **kwargs):
        """(Markdown, resources) of a notebook."""
        nb, resources = super().from_notebook_node(nb, resources, **kwargs)
        slides = []
        for slide in self._slides(nb):
            slides += split_slide(slide)
        title = nb.metadata.get("title") or _first_heading(slides)
        head = [
            "---",
            "marp: true",
            f"theme: {self.theme}",
            "lang: en",
            "math: mathjax",
            "paginate: true",
        ]
        if self.footer:
            head.append(f"footer: {_quoted(self.footer)}")
        head += [f"title: {_quoted(title)}", "---", ""]
        pages = [_markdown(slide) for slide in slides]
        return "\n".join(head) + "\n\n---\n\n".join(pages) + "\n", resources

    def _slides(self, nb) -> list[Slide]:
        slides: list[Slide] = []
        begins = True
        for cell in nb.cells:
            kind = cell.metadata.get("slideshow", {}).get("slide_type") or "-"
            if kind == "skip" or cell.cell_type == "raw":
                continue
            if kind == "notes":
                if slides:
                    slides[-1].notes.append(cell.source)
                continue
            begins = begins or kind in ("slide", "subslide")
            blocks = self._blocks(cell)
            if not blocks:
                continue  # the next cell that shows something begins the slide
            if begins:
                slides.append(_begin(slides, blocks[0]))
            slides[-1].blocks += blocks
            slides[-1].layouts |= _layouts(cell)
            begins = False
        return slides

    def _blocks(self, cell) -> list[Block]:
        if cell.cell_type == "markdown":
            blocks = markdown_blocks(cell.source)
            return [block for block in blocks if not is_link_bar(block)]
        blocks = []
        if "show-code" in cell.metadata.get("tags", []):
            blocks.append(code(cell.source.strip(), "python"))
        for output in cell.outputs:
            blocks += self._output_blocks(output)
        return blocks

    def _output_blocks(self, output) -> list[Block]:
        if output.output_type == "stream":
            return [] if output.name == "stderr" else self._printed(output.text)
        if output.output_type == "error":
            return [code(f"{output.ename}: {output.evalue}", "text")]
        data = output.data
        for kind in PICTURE_KINDS:
            if kind in data:
                return [picture(kind, data[kind])]
        if "text/html" in data:
            found = table(data["text/html"])
            if found:
                return [found]
        for kind in ("text/markdown", "text/latex"):
            if kind in data:
                return markdown_blocks(data[kind])
        return self._printed(data.get("text/plain", ""))

    def _printed(self, text: str) -> list[Block]:
        lines = text.strip("\n").splitlines()
        if not any(line.strip() for line in lines):
            return []
        if len(lines) > self.max_output_lines:
            n_left_out = len(lines) - self.max_output_lines + 1
            shown = lines[: self.max_output_lines - 1]
            lines = [*shown, f"… {n_left_out} more lines in the report"]
        return [code("\n".join(lines), "text")]


def _layouts(cell) -> set[str]:
    tags = cell.metadata.get("tags", [])
    asked = {tag.removeprefix("layout-") for tag in tags if tag.startswith("layout-")}
    return asked & set(LAYOUTS)


def _begin(slides: list[Slide], first: Block) -> Slide:
    """A new slide; without a heading of its own it repeats the last slide's."""
    if slides and not first.is_heading:
        return Slide(heading_of(slides[-1]))
    return Slide()


def heading_of(slide: Slide) -> list[Block]:
    """The heading that a further slide on the same matter repeats; never the title slide's."""
    first = slide.blocks[0]
    if first.is_heading and not first.is_title:
        return [Block(first.text, first.lines)]
    return []


def split_slide(slide: Slide) -> list[Slide]:
    """Cut a slide that holds too much into several under the same heading.

    Notes stay with the first. A figure or table shares a slide with text, never with a second
    figure or table.
    """
    heading = heading_of(slide)
    parts = [Slide(notes=slide.notes, layouts=slide.layouts)]
    for block in slide.blocks:
        held = parts[-1].blocks
        n_lines = sum(other.lines for other in held)
        has_big = any(other.big for other in held)
        is_full = n_lines + block.lines > LINES_PER_SLIDE or (block.big and has_big)
        only_headings = all(other.is_heading for other in held)
        if is_full and not only_headings:
            parts.append(Slide(list(heading), layouts=slide.layouts))
        parts[-1].blocks.append(block)
    return parts


def _markdown(slide: Slide) -> str:
    classes = set(slide.layouts)
    for block in slide.blocks:
        classes |= set(block.classes)
        if block.is_picture:
            classes.add("picture")
    if slide.blocks[0].is_title:
        classes.add("title")
    pieces = []
    if classes:
        pieces.append(f"<!-- _class: {' '.join(sorted(classes))} -->")
    pieces += [block.text for block in slide.blocks]
    pieces += [_comment(note) for note in slide.notes]
    return "\n\n".join(pieces)


def _comment(note: str) -> str:
    """A presenter note is an HTML comment.

    Nothing in it may end it early, and its first line keeps it from reading as a directive.
    """
    return "<!--\nNotes.\n\n" + note.replace("--", "—") + "\n-->"


def _first_heading(slides: list[Slide]) -> str:
    for slide in slides:
        for block in slide.blocks:
            if block.is_heading:
                return block.text.splitlines()[0].lstrip("# ")
    return "Slides"


def _quoted(text: str) -> str:
    """A YAML string of one line."""
    plain = re.sub(r"\s+", " ", text).replace("\\", "").replace('"', "'")
    return f'"{plain}"'
