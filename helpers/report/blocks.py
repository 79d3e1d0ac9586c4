"""The pieces that slides are made of: each says how much room it needs, and is never cut.

Text from data (a product's title in a table, say) becomes HTML whose characters are all escaped.
Marp does not read Markdown, formulas, links or directives inside it, so it appears as it is.
"""

import base64
import itertools
import re
from dataclasses import dataclass

from bs4 import BeautifulSoup, Tag

CHARACTERS_PER_LINE = 92
FIGURE_LINES = 8.0
"""Lines that a figure needs at least to be readable."""
TABLE_LINE = 1.15
CODE_LINE = 0.8
MAX_ROWS = 14
"""Table rows that a slide shows; the report has the rest."""
LIST_ITEM = re.compile(r"\s*([-*+]|\d+\.) ")
MARKUP = re.compile(r"\]\([^)]*\)|[*_`]")
LINK_TARGET = re.compile(r"\]\([^)]*\)")
SIGNS_WITH_A_MEANING = "\\`*_{}[]()#+-.!|$~^:/@&<>\"'="
"""Signs that mean something in HTML or Markdown, or make a bare address a link."""


@dataclass
class Block:
    """A piece of a slide.

    Attributes
    ----------
    text : str
        Its Markdown.
    lines : float
        How many lines of the slide it takes.
    big : bool
        Whether it is a figure or a table. A slide holds one of them.
    classes : tuple of str
        What the theme must do for it, such as "small" for a wide table.
    """

    text: str
    lines: float
    big: bool = False
    classes: tuple[str, ...] = ()

    @property
    def is_heading(self) -> bool:
        return self.text.startswith("#")

    @property
    def is_title(self) -> bool:
        return self.text.startswith("# ")

    @property
    def is_picture(self) -> bool:
        return "![" in self.text


def as_text(value: object) -> str:
    """`value` for use in Markdown: every sign with a meaning becomes a character reference.

    Notebooks use it wherever a shop's words go into `display(Markdown(...))`.
    """
    plain = re.sub(r"\s+", " ", str(value)).strip()
    return "".join(_reference(sign) for sign in plain)


def _reference(sign: str) -> str:
    return f"&#{ord(sign)};" if sign in SIGNS_WITH_A_MEANING else sign


def markdown_blocks(source: str) -> list[Block]:
    """Split Markdown at blank lines that lie outside code fences, formulas and tables."""
    blocks = []
    piece: list[str] = []
    open_mark = ""
    for line in [*source.strip().splitlines(), ""]:
        open_mark = _mark_after(line.strip(), open_mark)
        if line.strip() or open_mark:
            piece.append(line)
        elif piece:
            blocks += _paragraphs(piece)
            piece = []
    if piece:
        blocks += _paragraphs(piece)
    return blocks


def _mark_after(line: str, open_mark: str) -> str:
    """Which fence (``` or $$) is open after a line; "" for none."""
    for mark in ("```", "$$"):
        closes_itself = mark == "$$" and line.count("$$") == 2
        if line.startswith(mark) and not closes_itself:
            if open_mark == mark:
                return ""
            return open_mark or mark
    if open_mark == "$$" and line.endswith("$$"):
        return ""
    return open_mark


def _paragraphs(lines: list[str]) -> list[Block]:
    """A paragraph whole, or a long list in parts of seven items."""
    starts = [number for number, line in enumerate(lines) if LIST_ITEM.match(line)]
    if len(starts) <= 9 or starts[0] != 0:
        return [paragraph("\n".join(lines))]
    cuts = [*starts[::7], len(lines)]
    return [paragraph("\n".join(lines[start:end])) for start, end in itertools.pairwise(cuts)]


def paragraph(text: str) -> Block:
    """One paragraph of Markdown, with the room it takes."""
    rows = text.splitlines()
    if "](data:image/" in text or re.match(r"!\[[^\]]*\]\(", text):
        return Block(text, FIGURE_LINES, big=True)
    if text.startswith("$$"):
        n_breaks = text.count(r"\\")
        return Block(text, 2.6 + n_breaks)
    if text.startswith("|"):
        widest = max(len(row) for row in rows)
        return Block(text, TABLE_LINE * len(rows), big=True, classes=table_size(len(rows), widest))
    if text.startswith("#"):
        return Block(text, 1.8)
    if any(LIST_ITEM.match(row) for row in rows):
        shown = [MARKUP.sub("", row) for row in rows]
    else:
        shown = [LINK_TARGET.sub("", " ".join(rows))]
    n_lines = sum(-(-max(1, len(row)) // CHARACTERS_PER_LINE) for row in shown)
    return Block(text, n_lines + 0.5)


def is_link_bar(block: Block) -> bool:
    """Whether a block is nothing but links to other chapters, which lead nowhere from a slide."""
    if ".ipynb)" not in block.text:
        return False
    without_links = re.sub(r"\[[^\]]*\]\([^)]*\)|\*\*[^*]*\*\*", "", block.text)
    return not re.sub(r"[\s·|←→‹›-]", "", without_links)


def code(source: str, language: str) -> Block:
    """Code or printed text in a fence that nothing inside can close."""
    rows = source.splitlines()
    widest = max((len(row) for row in rows), default=0)
    size: tuple[str, ...] = ()
    if widest > 80 or len(rows) > 12:
        size = ("small-code",)
    longest_run = max((len(run) for run in re.findall(r"`+", source)), default=0)
    fence = "`" * max(3, longest_run + 1)
    text = f"{fence}{language}\n{source}\n{fence}"
    return Block(text, CODE_LINE * len(rows) + 1.2, classes=size)


def picture(kind: str, data: str | list[str]) -> Block:
    """An embedded figure; `kind` is its media type, `data` base64 or, for SVG, its source."""
    text = "".join(data)
    if kind == "image/svg+xml":
        text = base64.b64encode(text.encode()).decode()
    encoded = re.sub(r"\s", "", text)
    return Block(f"![](data:{kind};base64,{encoded})", FIGURE_LINES, big=True)


def table(source: str) -> Block | None:
    """A data frame's HTML as a plain table under one row of heads, or None if there is no table."""
    found = BeautifulSoup(source, "html.parser").find("table")
    if not isinstance(found, Tag):
        return None
    heads, body, n_index = _rows_of(found)
    if not heads:
        return None
    head = _one_head(heads, n_index)
    widest = _width_of(head, body)
    n_left_out = len(body) - MAX_ROWS
    if n_left_out > 0:
        blank = [""] * (len(head) - 1)
        body = [*body[:MAX_ROWS], [f"… {n_left_out} more in the report", *blank]]
    n_lines = TABLE_LINE * (len(body) + len(heads))
    return Block(_as_html(head, body), n_lines, big=True, classes=table_size(len(body), widest))


def table_size(n_rows: int, n_characters: int) -> tuple[str, ...]:
    """The theme's class for a table of so many rows and characters per row."""
    if n_rows > 11 or n_characters > 150:
        return ("tiny",)
    if n_rows > 7 or n_characters > 105:
        return ("small",)
    return ()


def _rows_of(found: Tag) -> tuple[list[list[str]], list[list[str]], int]:
    """Rows of the head, rows of the body, and how many columns of the body are the index."""
    rows = [(row, _cells(row)) for row in found.find_all("tr")]
    rows = [(row, cells) for row, cells in rows if any(cells)]
    if not rows:
        return [], [], 0
    width = max(len(cells) for _, cells in rows)
    padded = [[""] * (width - len(cells)) + cells for _, cells in rows]
    n_heads = sum(row.find_parent("thead") is not None for row, _ in rows)
    n_heads = max(n_heads, 1)
    index_sizes = [len(row.find_all("th")) for row, _ in rows[n_heads:]]
    return padded[:n_heads], padded[n_heads:], max(index_sizes, default=0)


def _cells(row: Tag) -> list[str]:
    """The texts of a row. A cell that spans columns stands over each of them."""
    texts = []
    for cell in row.find_all(["th", "td"]):
        text = re.sub(r"\s+", " ", cell.get_text()).strip()
        span = str(cell.get("colspan", "1"))
        n_columns = int(span) if span.isdigit() else 1
        texts += [text] * min(max(n_columns, 1), 100)
    return texts


def _one_head(heads: list[list[str]], n_index: int) -> list[str]:
    """Heads of several rows as one: names of the index with a slash between, others a space."""
    head = []
    for position, column in enumerate(zip(*heads, strict=True)):
        joint = " / " if position < n_index else " "
        head.append(joint.join(text for text in column if text))
    return head


def _width_of(head: list[str], body: list[list[str]]) -> int:
    """Characters of the widest row. A head may break at spaces."""
    width = 0
    for position, name in enumerate(head):
        texts = [*name.split(), *(row[position] for row in body)]
        width += max((len(text) for text in texts), default=0) + 3
    return width


def _as_html(head: list[str], body: list[list[str]]) -> str:
    """One HTML block: no blank line may end it early, and no cell can leave it."""
    classes = []
    for position in range(len(head)):
        has_words = any(re.search(r"[^\W\d_]", row[position]) for row in body)
        classes.append("words" if has_words else "numbers")
    lines = ["<table>", "<thead>", _html_row("th", head, classes), "</thead>", "<tbody>"]
    lines += [_html_row("td", row, classes) for row in body]
    return "\n".join([*lines, "</tbody>", "</table>"])


def _html_row(tag: str, cells: list[str], classes: list[str]) -> str:
    parts = []
    for cell, name in zip(cells, classes, strict=True):
        parts.append(f'<{tag} class="{name}">{as_text(cell)}</{tag}>')
    return f"<tr>{''.join(parts)}</tr>"
