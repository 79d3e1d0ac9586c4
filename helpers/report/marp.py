"""An nbconvert exporter that turns a notebook into Marp slides, each of which fits its 1280 × 720 pixels."""

import itertools
import re
from dataclasses import dataclass, field

from bs4 import BeautifulSoup
from nbconvert.exporters import Exporter
from traitlets import Int, Unicode

LINE = 92  # characters that fit on one line of a slide
ROOM = 18.5  # lines that fit under each other
FIGURE = 8.0  # lines that a figure needs at least to be readable
LIST_ITEM = re.compile(r"\s*([-*+]|\d+\.) ")
ROWS = 14  # table rows shown on a slide; the report has the rest


@dataclass
class Block:
    """A piece of a slide that must not be cut: its Markdown, the lines it takes, whether it is a figure or table."""

    text: str
    lines: float
    big: bool = False
    classes: tuple[str, ...] = ()


@dataclass
class Slide:
    """Blocks under one heading, with presenter notes."""

    blocks: list[Block] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class MarpExporter(Exporter):
    """Notebook → Marp Markdown (https://marp.app), figures embedded.

    Honours `slideshow.slide_type`: "slide" and "subslide" begin a slide, "fragment" and "-" go on with it, "notes"
    become presenter notes, "skip" is left out. Code is shown only in cells tagged `show-code`. What doesn't fit goes on
    a further slide under the same heading, so that no slide overflows.
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
        slides = [part for slide in self._slides(nb) for part in split_slide(slide)]
        head = ["---", "marp: true", f"theme: {self.theme}", "math: mathjax", "paginate: true"]
        head += [f"footer: {_quoted(self.footer)}"] if self.footer else []
        head += [f"title: {_quoted(nb.metadata.get('title') or _first_heading(slides))}", "---", ""]
        return "\n".join(head) + "\n\n---\n\n".join(map(_markdown, slides)) + "\n", resources

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
                slides.append(
                    Slide(_heading_of(slides[-1]) if slides and not _is_heading(blocks[0]) else [])
                )
            slides[-1].blocks += blocks
            begins = False
        return slides

    def _blocks(self, cell) -> list[Block]:
        if cell.cell_type == "markdown":
            return [block for block in markdown_blocks(cell.source) if not _is_link_bar(block.text)]
        blocks = []
        if "show-code" in cell.metadata.get("tags", []):
            blocks.append(_code(cell.source.strip(), "python"))
        for output in cell.outputs:
            blocks += self._output_blocks(output)
        return blocks

    def _output_blocks(self, output) -> list[Block]:
        if output.output_type == "stream":
            return [] if output.name == "stderr" else self._printed(output.text)
        if output.output_type == "error":
            return [_code(f"{output.ename}: {output.evalue}", "text")]
        data = output.data
        for kind in ("image/png", "image/jpeg", "image/svg+xml"):
            if kind in data:
                return [Block(f"![]({_data_uri(kind, data[kind])})", FIGURE, big=True)]
        if "text/html" in data:
            table = html_table(data["text/html"])
            if table:
                return [table]
        for kind in ("text/markdown", "text/latex"):
            if kind in data:
                return markdown_blocks(data[kind])
        return self._printed(data.get("text/plain", ""))

    def _printed(self, text: str) -> list[Block]:
        lines = text.strip("\n").splitlines()
        if len(lines) > self.max_output_lines:
            left_out = len(lines) - self.max_output_lines + 1
            lines = [*lines[: self.max_output_lines - 1], f"… {left_out} more lines in the report"]
        return [_code("\n".join(lines), "text")] if any(line.strip() for line in lines) else []


def markdown_blocks(source: str) -> list[Block]:
    """Split Markdown at blank lines that lie outside code fences, display formulas and tables."""
    blocks, piece, fence = [], [], None
    for line in [*source.strip().splitlines(), ""]:
        mark = next((mark for mark in ("```", "$$") if line.strip().startswith(mark)), None)
        closes_itself = mark == "$$" and line.strip().count("$$") == 2
        if mark and not closes_itself:
            fence = None if fence == mark else (fence or mark)
        elif fence == "$$" and line.strip().endswith("$$"):
            fence = None
        if line.strip() or fence:
            piece.append(line)
        elif piece:
            blocks += map(_paragraph, _parts(piece))
            piece = []
    return blocks + (list(map(_paragraph, _parts(piece))) if piece else [])


def _parts(lines: list[str]) -> list[str]:
    """A paragraph whole, or a long list in parts of seven items."""
    starts = [n for n, line in enumerate(lines) if LIST_ITEM.match(line)]
    if len(starts) <= 9 or starts[0] != 0:
        return ["\n".join(lines)]
    cuts = [*starts[::7], len(lines)]
    return ["\n".join(lines[begin:end]) for begin, end in itertools.pairwise(cuts)]


def _paragraph(text: str) -> Block:
    if "](data:image/" in text or re.match(r"!\[[^\]]*\]\(", text):
        return Block(text, FIGURE, big=True)
    if text.startswith("$$"):
        return Block(text, 2.6 + 1.0 * text.count(r"\\"))
    if text.startswith("|"):
        rows = text.splitlines()
        return Block(
            text, 1.15 * len(rows), big=True, classes=_density(len(rows), max(map(len, rows)))
        )
    if text.startswith("#"):
        return Block(text, 1.8)
    rows = text.splitlines()
    listed = any(map(LIST_ITEM.match, rows))
    plain = (
        [re.sub(r"\]\([^)]*\)|[*_`]", "", row) for row in rows]
        if listed
        else [re.sub(r"\]\([^)]*\)", "", " ".join(rows))]
    )
    return Block(text, sum(-(-max(1, len(row)) // LINE) for row in plain) + 0.5)


def _is_link_bar(text: str) -> bool:
    """Whether a paragraph is nothing but links to other chapters, which lead nowhere from a slide."""
    return ".ipynb)" in text and not re.sub(
        r"\[[^\]]*\]\([^)]*\)|\*\*[^*]*\*\*|[\s·|←→‹›-]", "", text
    )


def _is_heading(block: Block) -> bool:
    return block.text.startswith("#")


def _heading_of(slide: Slide) -> list[Block]:
    """The heading that a further slide on the same matter repeats: never the title slide's, never a second time."""
    first = slide.blocks[0]
    return (
        [Block(first.text, first.lines)]
        if _is_heading(first) and not first.text.startswith("# ")
        else []
    )


def split_slide(slide: Slide) -> list[Slide]:
    """Cut a slide that holds too much into several under the same heading; notes stay with the first.

    A figure or table shares a slide with text, never with a second figure or table.
    """
    heading = _heading_of(slide)
    parts, used, big = [Slide(notes=slide.notes)], 0.0, False
    for block in slide.blocks:
        full = used + block.lines > ROOM or (block.big and big)
        if full and not all(map(_is_heading, parts[-1].blocks)):
            parts.append(Slide(list(heading)))
            used, big = sum(held.lines for held in heading), False
        parts[-1].blocks.append(block)
        used, big = used + block.lines, big or block.big
    return parts


def html_table(html: str) -> Block | None:
    """A data frame's HTML as a Markdown table under one row of heads, or None where the HTML holds no table."""
    table = BeautifulSoup(html, "html.parser").find("table")
    if table is None:
        return None
    rows = [(row, _row(row)) for row in table.find_all("tr")]
    width = max(len(cells) for _, cells in rows)
    rows = [(row, [""] * (width - len(cells)) + cells) for row, cells in rows if any(cells)]
    heads = [cells for row, cells in rows if row.parent.name == "thead"] or [rows[0][1]]
    body = [cells for _, cells in rows[len(heads) :]]
    named = max(
        (len(row.find_all("th")) for row, _ in rows[len(heads) :]), default=0
    )  # columns of the index
    joints = [" / "] * named + [" "] * (width - named)
    head = [
        joint.join(filter(None, column))
        for joint, column in zip(joints, zip(*heads, strict=True), strict=True)
    ]
    left_out = len(body) - ROWS
    if left_out > 0:
        body = [*body[:ROWS], [f"… {left_out} more in the report", *[""] * (width - 1)]]
    align = [
        ":--" if any(re.search(r"[A-Za-z]", row[n]) for row in body) else "--:"
        for n in range(width)
    ]
    text = "\n".join("| " + " | ".join(row) + " |" for row in [head, align, *body])
    cells = [
        [*name.split(), *(row[n] for row in body)] for n, name in enumerate(head)
    ]  # a head may break at spaces
    widest = sum(max(map(len, column), default=0) + 3 for column in cells)
    return Block(
        text, 1.15 * (len(body) + len(heads)), big=True, classes=_density(len(body), widest)
    )


def _density(rows: int, characters: int) -> tuple[str, ...]:
    if rows > 11 or characters > 150:
        return ("tiny",)
    return ("small",) if rows > 7 or characters > 105 else ()


def _row(row) -> list[str]:
    """The texts of a row; a cell that spans columns stands over each of them."""
    return [
        _cell(cell)
        for cell in row.find_all(["th", "td"])
        for _ in range(int(cell.get("colspan", 1)))
    ]


def _cell(cell) -> str:
    return re.sub(r"\s+", " ", cell.get_text()).strip().replace("|", "\\|")


def _code(source: str, language: str) -> Block:
    rows = source.splitlines()
    widest = max(map(len, rows), default=0)
    size = ("small-code",) if widest > 80 or len(rows) > 12 else ()
    return Block(f"```{language}\n{source}\n```", 0.8 * len(rows) + 1.2, classes=size)


def _data_uri(kind: str, data) -> str:
    import base64

    data = "".join(data) if isinstance(data, list) else data
    if kind == "image/svg+xml":
        data = base64.b64encode(data.encode()).decode()
    return f"data:{kind};base64," + re.sub(r"\s", "", data)


def _markdown(slide: Slide) -> str:
    classes = sorted({name for block in slide.blocks for name in block.classes})
    if any("![" in block.text for block in slide.blocks):
        classes.append("picture")
    if slide.blocks[0].text.startswith("# "):
        classes.append("title")
    pieces = [f"<!-- _class: {' '.join(classes)} -->"] if classes else []
    pieces += [block.text for block in slide.blocks]
    # a note is an HTML comment: nothing in it may end it early, and its first line keeps it from reading as a directive
    pieces += ["<!--\nNotes.\n\n" + note.replace("--", "—") + "\n-->" for note in slide.notes]
    return "\n\n".join(pieces)


def _first_heading(slides: list[Slide]) -> str:
    headings = (block.text for slide in slides for block in slide.blocks if _is_heading(block))
    return next(headings, "# Slides").splitlines()[0].lstrip("# ")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "").replace('"', "'") + '"'
