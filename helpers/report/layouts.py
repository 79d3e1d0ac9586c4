"""From blocks to slides: what shares a slide, which layout it gets, and how Marp is told so.

A slide shows one figure or one table under its title, with a caption of at most two lines. Longer
prose becomes presenter notes: it is said, not read. Long formulas, code and lists are content and
get a slide of their own.
"""

import re
from dataclasses import dataclass, field, replace

from helpers.report.blocks import CHARACTERS_PER_LINE, MARKUP, Block, without_marks

LINES_PER_SLIDE = 17.5
CAPTION_LINES = 2
FORMULA_LINES = 3.6
"""A formula of at most so many lines may stand beside a table."""
SHORT_FORMULA = 90
"""Characters of TeX that fit a slide in large letters."""
ROOMY_LINES = 9.5
"""A slide of text alone with at most so many lines gets larger letters."""
SPARSE_LINES = 6.5
"""Prose of at most so many gets letters that fill the slide."""
LAYOUTS = (
    "title",
    "section",
    "figure",
    "table",
    "columns",
    "personas",
    "quote",
    "dark",
)
"""Classes of the theme that a cell's tag `layout-NAME` asks for."""
SIDE_BY_SIDE = ("columns", "personas")
"""Layouts in which text stands beside a figure or a table, so that none of it becomes notes."""
DARK_CLASSES = ("dark", "invert")  # ours, and what Marp's own theme calls it
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z“\"(])")


@dataclass
class Slide:
    """Blocks under one heading, with presenter notes and the layouts that its cells ask for.

    `shows` says whose shoppers its results are of, as in the keys of `front.WHOSE`. It is empty
    on a slide without results of shoppers. `footer` is that in words, beside the run's name.
    """

    blocks: list[Block] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    layouts: set[str] = field(default_factory=set)
    shows: str = ""
    footer: str = ""

    @property
    def has_big(self) -> bool:
        """Whether it holds a figure or a table."""
        return any(block.big for block in self.blocks)


def heading_of(slide: Slide) -> list[Block]:
    """The heading that a further slide on the same matter repeats; never the title slide's."""
    first = slide.blocks[0]
    if first.is_heading and not first.is_title:
        return [Block(first.text, first.lines)]
    return []


def split_slide(slide: Slide) -> list[Slide]:
    """Cut a slide that holds too much into several under the same heading.

    A figure or table never shares a slide with a second one, nor with code or a list. A short
    formula may stand beside a table.
    Notes stay with the first slide.
    """
    if slide.layouts & set(SIDE_BY_SIDE):
        return [slide]
    heading = heading_of(slide)
    parts = [replace(slide, blocks=[], notes=list(slide.notes))]
    for block in slide.blocks:
        if _needs_new_slide(parts[-1], block):
            parts.append(replace(slide, blocks=list(heading), notes=[]))
        parts[-1].blocks.append(block)
    parts = [_with_one_caption(part) for part in parts]
    return [part for part in parts if part.blocks != heading or part.notes or len(parts) == 1]


def _needs_new_slide(held: Slide, block: Block) -> bool:
    others = [other for other in held.blocks if not other.is_heading]
    if not others or block.is_heading:
        n_lines = sum(other.lines for other in held.blocks) + block.lines
        return bool(others) and (held.has_big or n_lines > LINES_PER_SLIDE)
    if block.big:
        return held.has_big or not all(_goes_with(other, block) for other in others)
    if held.has_big:
        big = next(other for other in held.blocks if other.big)
        return not _goes_with(block, big)
    return sum(other.lines for other in held.blocks) + block.lines > LINES_PER_SLIDE


def _goes_with(block: Block, big: Block) -> bool:
    """Whether a block may share a slide with a figure or table."""
    if block.is_formula and not big.is_picture:
        return block.lines <= FORMULA_LINES
    return block.is_prose


def _with_one_caption(slide: Slide) -> Slide:
    """Beside a figure or table, keep one short paragraph; the presenter says the others."""
    if not slide.has_big:
        return slide
    place = next(number for number, block in enumerate(slide.blocks) if block.big)
    prose = [number for number, block in enumerate(slide.blocks) if block.is_prose]
    after = [number for number in prose if number > place]
    kept = after[0] if after else max(prose, default=None)
    blocks = []
    said = []
    for number, block in enumerate(slide.blocks):
        if number == kept:
            caption, rest = _first_sentences(block.text)
            blocks.append(Block(caption, block.lines, is_prose=True))
            said += [as_said(rest)] if rest else []
        elif number in prose:
            said.append(as_said(block.text))
        else:
            blocks.append(block)
    return replace(slide, blocks=blocks, notes=[*slide.notes, *said])


def _first_sentences(text: str) -> tuple[str, str]:
    """What of a paragraph fits `CAPTION_LINES`, in whole sentences, and the rest."""
    plain = " ".join(text.split())
    mark = ""
    if plain.startswith("*") and plain.endswith("*") and not plain.startswith("**"):
        mark = "*"
        plain = plain[1:-1]
    sentences = SENTENCE_END.split(plain)
    room = CAPTION_LINES * CHARACTERS_PER_LINE
    n_kept = 1
    while n_kept < len(sentences):
        longer = " ".join(sentences[: n_kept + 1])
        if len(MARKUP.sub("", longer)) > room:
            break
        n_kept += 1
    caption = " ".join(sentences[:n_kept])
    return f"{mark}{caption}{mark}", " ".join(sentences[n_kept:])


def classes_of(slide: Slide, dark: bool) -> list[str]:
    """The theme's classes for a slide: what was asked for, else what its blocks call for."""
    classes = set(slide.layouts)
    for block in slide.blocks:
        classes |= set(block.classes)
    if slide.blocks and slide.blocks[0].is_title:
        classes.add("title")
    if not slide.layouts - {"dark"}:
        classes |= _layout_for(slide)
    if dark or "dark" in classes:
        classes |= set(DARK_CLASSES)
    return sorted(classes)


def _layout_for(slide: Slide) -> set[str]:
    if any(block.is_picture for block in slide.blocks):
        return {"figure"}
    if slide.has_big:
        return {"table"}
    content = [block for block in slide.blocks if not block.is_heading]
    is_title = bool(slide.blocks) and slide.blocks[0].is_title
    if not content and not is_title:
        return {"section"}
    if content and all(block.is_quote for block in content):
        return {"quote"}
    n_lines = sum(block.lines for block in content)
    if content and not is_title and n_lines <= ROOMY_LINES:
        formulas = [block for block in content if block.is_formula]
        if not formulas:
            is_sparse = n_lines <= SPARSE_LINES and all(block.is_prose for block in content)
            return {"roomy", "sparse"} if is_sparse else {"roomy"}
        is_short = all(len(block.text) <= SHORT_FORMULA for block in formulas)
        return {"formula", "large"} if is_short else {"formula"}
    return set()


def markdown_of(slide: Slide, dark: bool) -> str:
    """One slide's Markdown, its classes first and its notes last."""
    pieces = []
    classes = classes_of(slide, dark)
    if classes:
        pieces.append(f"<!-- _class: {' '.join(classes)} -->")
    if slide.footer:
        pieces.append(f"<!-- _footer: {_quoted(slide.footer)} -->")
    pieces += [block.text for block in slide.blocks]
    if slide.notes:
        pieces.append(_comment("\n\n".join(slide.notes)))
    return "\n\n".join(pieces)


def as_said(markdown: str) -> str:
    """Markdown as a presenter note, which shows every sign as it is: lines stay, marks go."""
    return "\n".join(without_marks(line) for line in markdown.splitlines())


def _comment(note: str) -> str:
    """A presenter note is an HTML comment.

    Nothing in it may end it early, and its first line keeps it from reading as a directive.
    """
    return "<!--\nNotes.\n\n" + note.replace("--", "—") + "\n-->"


def deck_markdown(
    slides: list[Slide], title: str, footer: str = "", theme: str = "course", dark: bool = False
) -> str:
    """A whole deck as Marp reads it."""
    head = [
        "---",
        "marp: true",
        f"theme: {theme}",
        "lang: en",
        "math: mathjax",
        "paginate: true",
    ]
    if footer:
        head.append(f"footer: {_quoted(footer)}")
    head += [f"title: {_quoted(title)}", "---", ""]
    pages = [markdown_of(slide, dark) for slide in slides]
    return "\n".join(head) + "\n\n---\n\n".join(pages) + "\n"


def _quoted(text: str) -> str:
    """A YAML string of one line."""
    plain = re.sub(r"\s+", " ", text)
    for sign, instead in {"\\": "", '"': "'", "--": "—"}.items():
        plain = plain.replace(sign, instead)
    return f'"{plain}"'
