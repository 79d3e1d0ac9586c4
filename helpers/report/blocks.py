"""The pieces that slides are made of: each says how much room it needs, and is never cut.

Text from data (a product's title in a table, say) becomes HTML whose characters are all escaped.
Marp does not read Markdown, formulas, links or directives inside it, so it appears as it is.
"""

import base64
import html
import itertools
import re
from dataclasses import dataclass

from bs4 import BeautifulSoup, Tag

CHARACTERS_PER_LINE = 88
CHARACTERS_PER_TITLE_LINE = 62
FIGURE_LINES = 13.0
"""Lines that a figure or a table takes at least. A caption and the title have the rest."""
CODE_LINE = 0.8
MAX_ROWS = 14
"""Table rows that a slide shows; the report has the rest."""
WIDEST_ROW = 112
"""Characters of a table row that fit a slide in the smallest print, 17 px."""
WRAPPING_ROWS = 8
"""Rows of a table in Markdown whose cells may wrap."""
CELL_LIMITS = (60, 44, 32, 24)
"""Characters that a cell of words keeps, tried one after the other until the table fits."""
MORE = "… more in the report"
TABLE_SIZES = (("huge", 5, 52), ("", 8, 70), ("small", 10, 100), ("small", 12, 94))
"""The theme's classes, with the most rows and characters per row that each fits; else "tiny"."""
LIST_ITEM = re.compile(r"\s*([-*+]|\d+\.) ")
MARKUP = re.compile(r"\]\([^)]*\)|[*_`]")
LINK_TARGET = re.compile(r"\]\([^)]*\)")
LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
MARKS = re.compile(r"[*`$\\]")
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
    is_prose : bool
        Whether it is a plain paragraph, which a presenter can say instead.
    """

    text: str
    lines: float
    big: bool = False
    classes: tuple[str, ...] = ()
    is_prose: bool = False

    @property
    def is_heading(self) -> bool:
        return self.text.startswith("#")

    @property
    def is_formula(self) -> bool:
        return self.text.startswith("$$")

    @property
    def is_quote(self) -> bool:
        return self.text.startswith(">")

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
    plain = _on_one_line(str(value))
    return "".join(_reference(sign) for sign in plain)


def without_marks(markdown: str) -> str:
    """The words of some Markdown on one line, as a title, a caption or a list item is read aloud.

    A link becomes its text. Marks of emphasis, code and formulas go. A character reference, such
    as `as_text` writes, becomes its character, so a shop's own signs stay.
    """
    words = LINK.sub(r"\1", markdown)
    words = MARKS.sub("", words)
    return _on_one_line(html.unescape(words))


def _on_one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


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
    starts = []
    for number, line in enumerate(lines):
        if LIST_ITEM.match(line):
            starts.append(number)
    cuts = [0, len(lines)]
    if len(starts) > 9 and starts[0] == 0:
        cuts = [*starts[::7], len(lines)]
    parts = []
    for start, end in itertools.pairwise(cuts):
        text = "\n".join(lines[start:end])
        parts.append(paragraph(text))
    return parts


def paragraph(text: str) -> Block:
    """One paragraph of Markdown, with the room it takes."""
    rows = text.splitlines()
    if "](data:image/" in text or re.match(r"!\[[^\]]*\]\(", text):
        return Block(text, FIGURE_LINES, big=True)
    if text.startswith("$$"):
        n_breaks = text.count(r"\\")
        return Block(text, 2.6 + n_breaks)
    if text.startswith("|"):
        widest = max(len(MARKUP.sub("", row)) for row in rows)
        if len(rows) <= WRAPPING_ROWS:
            widest //= 2  # cells of words may take two lines
        return Block(
            text,
            FIGURE_LINES,
            big=True,
            classes=table_size(len(rows) - 2, widest),
        )
    if text.startswith("#"):
        return Block(text, 0.5 + 1.4 * _lines_of(text, CHARACTERS_PER_TITLE_LINE))
    if any(LIST_ITEM.match(row) for row in rows):
        n_lines = sum(_lines_of(MARKUP.sub("", item)) for item in _items_of_list(rows))
        return Block(text, n_lines + 0.5)
    shown = LINK_TARGET.sub("", " ".join(rows))
    return Block(
        text,
        _lines_of(shown) + 0.5,
        is_prose=not text.startswith(">"),
    )


def _items_of_list(rows: list[str]) -> list[str]:
    """The items of a list on one line each, however they are wrapped in the source."""
    items: list[str] = []
    for row in rows:
        if items and not LIST_ITEM.match(row):
            items[-1] = f"{items[-1]} {row.strip()}"
        else:
            items.append(row)
    return items


def _lines_of(text: str, width: int = CHARACTERS_PER_LINE) -> int:
    return -(-max(1, len(text)) // width)


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
    return Block(
        text,
        CODE_LINE * len(rows) + 1.2,
        classes=size,
    )


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
    head, body = _without_row_numbers(head, body)
    n_left_out = len(body) - MAX_ROWS
    body = body[:MAX_ROWS]
    head, body = _narrow(head, body)
    size = table_size(len(body), _width_of(head, body))
    if n_left_out > 0:
        blank = [""] * (len(head) - 1)
        body = [*body, [f"… {n_left_out} more in the report", *blank]]
    return Block(
        _as_html(head, body),
        FIGURE_LINES,
        big=True,
        classes=size,
    )


def _without_row_numbers(
    head: list[str], body: list[list[str]]
) -> tuple[list[str], list[list[str]]]:
    """Leave out a first column without a name that only counts 0, 1, 2, …"""
    counts = [str(number) for number in range(len(body))]
    if head[0] == "" and len(head) > 1 and [row[0] for row in body] == counts:
        return head[1:], [row[1:] for row in body]
    return head, body


def table_size(n_rows: int, n_characters: int) -> tuple[str, ...]:
    """The theme's class for a table of so many rows and characters per row."""
    for name, most_rows, most_characters in TABLE_SIZES:
        if n_rows <= most_rows and n_characters <= most_characters:
            return (name,) if name else ()
    return ("tiny",)


def _narrow(head: list[str], body: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """The same table, cut until its rows fit a slide: first long cells, then columns at the right.

    What is left out says so: a cell ends in "…", and a last column names the report.
    """
    cut = body
    for limit in CELL_LIMITS:
        if _width_of(head, cut) <= WIDEST_ROW:
            return head, cut
        cut = [[_shortened(text, limit) for text in row] for row in body]
    n_columns = len(head)
    while n_columns > 2 and _width_of(head[:n_columns], cut) + len(MORE) > WIDEST_ROW:
        n_columns -= 1
    if n_columns == len(head):
        return head, cut
    kept = [[*row[:n_columns], "…"] for row in cut]
    return [*head[:n_columns], MORE], kept


def _shortened(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    return text[: limit - 1].rstrip() + "…"


def _rows_of(found: Tag) -> tuple[list[list[str]], list[list[str]], int]:
    """Rows of the head, rows of the body, and how many columns of the body are the index."""
    rows = []
    texts = []
    for row in found.find_all("tr"):
        cells = _cells(row)
        if any(cells):
            rows.append(row)
            texts.append(cells)
    if not rows:
        return [], [], 0
    width = max(map(len, texts))
    padded = []
    for cells in texts:
        n_lacking = width - len(cells)
        padded.append([""] * n_lacking + cells)
    in_head = [row.find_parent("thead") is not None for row in rows]
    n_heads = max(sum(in_head), 1)
    index_sizes = [len(row.find_all("th")) for row in rows[n_heads:]]
    n_index = max(index_sizes, default=0)
    return padded[:n_heads], padded[n_heads:], n_index


def _cells(row: Tag) -> list[str]:
    """The texts of a row. A cell that spans columns stands over each of them."""
    texts = []
    for cell in row.find_all(["th", "td"]):
        text = _on_one_line(cell.get_text())
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
    heading = _html_row("th", head, classes)
    lines = ["<table>", "<thead>", heading, "</thead>", "<tbody>"]
    for row in body:
        lines.append(_html_row("td", row, classes))
    return "\n".join([*lines, "</tbody>", "</table>"])


def _html_row(
    tag: str,
    cells: list[str],
    classes: list[str],
) -> str:
    parts = []
    for cell, name in zip(cells, classes, strict=True):
        parts.append(f'<{tag} class="{name}">{as_text(cell)}</{tag}>')
    return f"<tr>{''.join(parts)}</tr>"
