"""An nbconvert exporter that turns a notebook into Marp slides, each of which fits 1280 × 720."""

from nbconvert.exporters import Exporter
from traitlets import Bool, Int, Unicode

from helpers.interactions.matrix import REAL
from helpers.report.blocks import Block, code, is_link_bar, markdown_blocks, picture, table
from helpers.report.cells import SHOWS_REAL, SHOWS_SHOPPERS
from helpers.report.front import BOTH, chapter_title, front_of
from helpers.report.layouts import LAYOUTS, Slide, as_said, deck_markdown, heading_of, split_slide

PICTURE_KINDS = ("image/png", "image/jpeg", "image/svg+xml")


class MarpExporter(Exporter):
    """Notebook → Marp Markdown (https://marp.app), figures embedded.

    `slideshow.slide_type` is honored: "slide" and "subslide" begin a slide, "fragment" and "-" go
    on with it, "notes" become presenter notes, "skip" is left out. Code is shown only in cells
    tagged `show-code`. A tag `layout-NAME` names a layout of the theme; without one a slide gets
    the layout that its figure, its table or its text calls for. The footer names the run. Where
    a cell is tagged `shows-shoppers` or `shows-real`, it also says whose results the slide shows.
    The notebook's own title becomes a
    title slide that names the run. What does not fit goes on a further slide under the same
    heading, so that no slide overflows. Tables and printed text are data: nothing in them is read
    as Markdown, a formula, a link or a directive.
    """

    theme = Unicode("course", help="Name of the Marp theme").tag(config=True)
    dark = Bool(False, help="Light text on a dark ground").tag(config=True)
    footer = Unicode("", help="Footer of each slide; by default it names the run").tag(config=True)
    max_output_lines = Int(
        12, help="Lines of printed text a slide shows; the report has the rest"
    ).tag(config=True)
    file_extension = Unicode(".md").tag(config=True)
    output_mimetype = "text/markdown"
    export_from_notebook = "Marp slides"

    def from_notebook_node(self, nb, resources=None, **kwargs):
        """(Markdown, resources) of a notebook."""
        nb, resources = super().from_notebook_node(nb, resources, **kwargs)
        slides = self._slides(nb)
        front = front_of(nb, nb.metadata.get("title") or chapter_title(nb))
        first = Slide()
        if slides and slides[0].blocks[0].is_title:
            first = slides.pop(0)
        opening = front.slide(first.notes)
        opening.blocks += first.blocks[1:]
        parts = []
        for slide in [opening, *slides]:
            if slide.shows and not self.footer:
                slide.footer = front.line_of(slide.shows)
            parts += split_slide(slide)
        footer = self.footer or front.line_of("")
        return deck_markdown(parts, front.title, footer, self.theme, self.dark), resources

    def _slides(self, nb) -> list[Slide]:
        slides: list[Slide] = []
        begins = True
        shoppers = front_of(nb, "").shoppers
        for cell in nb.cells:
            kind = cell.metadata.get("slideshow", {}).get("slide_type") or "-"
            if kind == "skip" or cell.cell_type == "raw":
                continue
            if kind == "notes":
                if slides:
                    slides[-1].notes.append(as_said(cell.source))
                continue
            begins = begins or kind in ("slide", "subslide")
            blocks = self._blocks(cell)
            if not blocks:
                continue  # the next cell that shows something begins the slide
            if begins:
                slides.append(_begin(slides, blocks[0]))
            slide = slides[-1]
            slide.blocks += blocks
            slide.layouts |= _layouts(cell)
            shown = _shown(cell, shoppers)
            slide.shows = _both(slide.shows, shown)
            begins = False
        return slides

    def _blocks(self, cell) -> list[Block]:
        if cell.cell_type == "markdown":
            blocks = markdown_blocks(cell.source)
            blocks = [block for block in blocks if not is_link_bar(block)]
            if blocks and blocks[0].is_title:
                return blocks[:1]  # what a reader will learn stands in the report
            return blocks
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


def _shown(cell, shoppers: str) -> str:
    """Whose results a cell shows: the run's shoppers, real customers, or nobody's."""
    tags = cell.metadata.get("tags", [])
    shown = shoppers if SHOWS_SHOPPERS in tags else ""
    return _both(shown, REAL) if SHOWS_REAL in tags else shown


def _both(one: str, other: str) -> str:
    """Whose results two pieces of a slide show together."""
    if not one or not other or one == other:
        return one or other
    return BOTH


def _begin(slides: list[Slide], first: Block) -> Slide:
    """A new slide; without a heading of its own it repeats the last slide's."""
    if slides and not first.is_heading:
        return Slide(heading_of(slides[-1]))
    return Slide()
