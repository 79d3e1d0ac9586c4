"""The decision guide as a flowchart: questions at the left, what to ship at the right."""

import textwrap
from dataclasses import dataclass

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from helpers.evaluation.guide import NO_COST
from helpers.interactions.matrix import REAL
from helpers.report.advice import KNOWN_ITEMS, QUESTIONS, Told
from helpers.report.plots import INK, PALETTE, SMALLEST, use_course_style
from helpers.report.results import called

WIDTH = 9.6
"""Inches, as of every figure that fills a slide."""
ROW_HEIGHT = 1.01
QUESTION_WIDTH = 1.5
BOXES_PER_ROW = 4
BOX_WIDTH = 1.8
GAP = 0.12
BELOW = 0.1
"""Inches between a row and the next."""
CHARACTERS = 22
"""Of the small letters that fit a box; of a question seven fewer."""
INSIDE = 0.06
"""Inches between the edge of a box and its letters."""
QUESTION_GROUND = "#eef2f6"
BOX_GROUND = "#ffffff"
SHIPPED = 11.5
"""Points of a method's name."""
BOX_HEIGHT = ROW_HEIGHT - BELOW
MARGIN = 0.02
FIRST_ANSWER = WIDTH - BOXES_PER_ROW * (BOX_WIDTH + GAP) + GAP / 2
"""Where the boxes of the answers begin."""


@dataclass(frozen=True)
class _Box:
    """A rounded box in inches, by its left side and its middle's height."""

    left: float
    middle: float
    width: float

    @property
    def center(self) -> float:
        return self.left + self.width / 2

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def top(self) -> float:
        return self.middle + BOX_HEIGHT / 2

    @property
    def bottom(self) -> float:
        return self.middle - BOX_HEIGHT / 2

    def draw(self, axis: Axes, ground: str, edge: str) -> None:
        corner = (self.left, self.bottom)
        patch = FancyBboxPatch(
            corner,
            self.width,
            BOX_HEIGHT,
            boxstyle="round,pad=0,rounding_size=0.08",
            facecolor=ground,
            edgecolor=edge,
            linewidth=1.5,
        )
        axis.add_patch(patch)

    def write(self, axis: Axes, height: float, text: str, **style) -> None:
        """Centered text at a height of the figure."""
        style = {"fontsize": SMALLEST, "linespacing": 1.05, **style}
        axis.text(self.center, height, text, ha="center", **style)


def flowchart(found: list[Told]) -> plt.Figure:
    """Questions from top to bottom; what each "yes" leads to stands on its right.

    Parameters
    ----------
    found : list of Told
        What to ship in each situation. A question without a situation is left out.
    """
    use_course_style()
    rows = _rows(found)
    height = ROW_HEIGHT * len(rows)
    figure, axis = plt.subplots(figsize=(WIDTH, height))
    axis.set(xlim=(0, WIDTH), ylim=(0, height))
    axis.axis("off")
    previous = None
    for number, (question, situations) in enumerate(rows):
        middle = height - ROW_HEIGHT * (number + 0.5)
        asked = _Box(MARGIN, middle, QUESTION_WIDTH)
        if question != previous:
            _ask(axis, question, asked, is_first=previous is None)
        for place, told in enumerate(situations):
            left = FIRST_ANSWER + place * (BOX_WIDTH + GAP)
            _answer(axis, told, _Box(left, middle, BOX_WIDTH))
        previous = question
    return figure


def _rows(found: list[Told]) -> list[tuple[str, list[Told]]]:
    """Each question with at most `BOXES_PER_ROW` of its situations."""
    rows = []
    for question in QUESTIONS:
        here = [told for told in found if told.question == question]
        for start in range(0, len(here), BOXES_PER_ROW):
            rows.append((question, here[start : start + BOXES_PER_ROW]))
    return rows


def _ask(axis: Axes, question: str, box: _Box, is_first: bool) -> None:
    """A question, the arrow to its answers, and the arrow from the question before."""
    box.draw(axis, QUESTION_GROUND, INK)
    text = textwrap.fill(question, CHARACTERS - 7)
    box.write(axis, box.middle, text, va="center", weight="bold")
    _arrow(axis, (box.right, box.middle), (FIRST_ANSWER, box.middle))
    between = (box.right + FIRST_ANSWER) / 2
    if question != KNOWN_ITEMS:
        axis.text(between, box.middle + 0.06, "yes", ha="center", fontsize=SMALLEST)
    if not is_first:
        end = (box.center, box.top)
        start = (box.center, box.top + BELOW)
        _arrow(axis, start, end)
        beside = box.right + 0.05
        axis.text(beside, box.top + BELOW / 2, "no", va="center", fontsize=SMALLEST)


def _answer(axis: Axes, told: Told, box: _Box) -> None:
    """The situation, the method, what it gains and what being wrong costs."""
    color = PALETTE[1] if told.shoppers == REAL else PALETTE[0]
    box.draw(axis, BOX_GROUND, color)
    plain = told.has.removesuffix(" (real)")  # the color says that
    has = textwrap.fill(plain, CHARACTERS)
    box.write(axis, box.top - INSIDE, has, va="top")
    is_long = "\n" in has
    height = box.middle - 0.02 if is_long else box.middle + 0.04
    style = {"va": "center", "weight": "bold", "fontsize": SHIPPED}
    box.write(axis, height, called(told.ship), color=INK, **style)
    box.write(axis, box.bottom + INSIDE, _worth(told), va="bottom")


def _worth(told: Told) -> str:
    """What the method gains and what being wrong costs, in as few words as a box holds."""
    is_counted = not pd.isna(told.liked)
    wrong = called(told.wrong)
    if told.price == NO_COST:
        price = "the usual choice"
    elif is_counted:
        price = f"−{told.fewer:.1f} with {wrong}"
    else:
        price = f"NDCG@10 −{told.cost:.2f} with\n{wrong}"
    if not is_counted:
        return price
    verb = "bought" if told.shoppers == REAL else "liked"
    return f"{told.liked:.1f} of five {verb}\n{price}"


def _arrow(axis: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    style = {"arrowstyle": "-|>", "color": INK, "linewidth": 1.5}
    style |= {"shrinkA": 0, "shrinkB": 0}
    axis.annotate("", xy=end, xytext=start, arrowprops=style)
