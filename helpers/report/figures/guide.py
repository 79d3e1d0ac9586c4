"""The decision guide as a flowchart: questions at the left, what to ship at the right."""

import textwrap

import matplotlib.pyplot as plt
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
QUESTION_GROUND = "#eef2f6"
BOX_GROUND = "#ffffff"
SHIPPED = 11.5
"""Points of a method's name."""


def flowchart(found: list[Told]) -> plt.Figure:
    """Questions from top to bottom; what each "yes" leads to stands on its right.

    Parameters
    ----------
    found : list of Told
        What to ship in each situation. A question without a situation is left out.
    """
    use_course_style()
    rows = _rows(found)
    figure, axis = plt.subplots(figsize=(WIDTH, ROW_HEIGHT * len(rows)))
    axis.set(xlim=(0, WIDTH), ylim=(0, ROW_HEIGHT * len(rows)))
    axis.axis("off")
    previous = ""
    for number, (question, boxes) in enumerate(rows):
        middle = ROW_HEIGHT * (len(rows) - number - 0.5)
        if question != previous:
            _ask(axis, question, middle)
            if previous:
                _arrow_down(axis, middle + ROW_HEIGHT)
            _arrow_right(axis, question, middle)
        for place, told in enumerate(boxes):
            _answer(axis, told, place, middle)
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


def _box(axis: Axes, left: float, middle: float, width: float, ground: str, edge: str) -> None:
    height = ROW_HEIGHT - BELOW
    patch = FancyBboxPatch(
        (left, middle - height / 2),
        width,
        height,
        boxstyle="round,pad=0,rounding_size=0.08",
        facecolor=ground,
        edgecolor=edge,
        linewidth=1.5,
    )
    axis.add_patch(patch)


def _ask(axis: Axes, question: str, middle: float) -> None:
    _box(axis, 0.02, middle, QUESTION_WIDTH, QUESTION_GROUND, INK)
    text = textwrap.fill(question, CHARACTERS - 7)
    style = {"ha": "center", "va": "center", "weight": "bold", "fontsize": SMALLEST + 0.5}
    axis.text(0.02 + QUESTION_WIDTH / 2, middle, text, **style)


def _answer(axis: Axes, told: Told, place: int, middle: float) -> None:
    """A box: the situation, the method, what it gains and what being wrong costs."""
    left = WIDTH - BOXES_PER_ROW * (BOX_WIDTH + GAP) + place * (BOX_WIDTH + GAP) + GAP / 2
    color = PALETTE[1] if told.shoppers == REAL else PALETTE[0]
    _box(axis, left, middle, BOX_WIDTH, BOX_GROUND, color)
    center = left + BOX_WIDTH / 2
    top = middle + (ROW_HEIGHT - BELOW) / 2 - 0.03
    has = textwrap.fill(told.has.removesuffix(" (real)"), CHARACTERS)  # the color says that
    axis.text(center, top, has, ha="center", va="top", fontsize=SMALLEST, linespacing=1.05)
    style = {"ha": "center", "va": "center", "weight": "bold", "fontsize": SHIPPED}
    lower = 0.02 if "\n" in has else -0.05
    axis.text(center, middle - lower, called(told.ship), color=color, **style)
    bottom = middle - (ROW_HEIGHT - BELOW) / 2 + 0.04
    below = "\n".join([*_gain(told), _price(told)])
    axis.text(center, bottom, below, ha="center", va="bottom", fontsize=SMALLEST, linespacing=1.05)


def _gain(told: Told) -> list[str]:
    if told.liked != told.liked:
        return []
    verb = "bought" if told.shoppers == REAL else "liked"
    return [f"{told.liked:.1f} of five {verb}"]


def _price(told: Told) -> str:
    """What being wrong costs, in as few words as a box holds."""
    if told.price == NO_COST:
        return "the usual choice"
    if told.liked != told.liked:
        return f"NDCG@10 −{told.cost:.2f} with\n{called(told.wrong)}"
    return f"−{told.cost:.1f} with {called(told.wrong)}"


def _arrow_right(axis: Axes, question: str, middle: float) -> None:
    start = 0.02 + QUESTION_WIDTH
    end = WIDTH - BOXES_PER_ROW * (BOX_WIDTH + GAP) + GAP / 2
    _arrow(axis, (start, middle), (end, middle))
    word = "" if question == KNOWN_ITEMS else "yes"
    axis.text((start + end) / 2, middle + 0.06, word, ha="center", fontsize=SMALLEST)


def _arrow_down(axis: Axes, above: float) -> None:
    center = 0.02 + QUESTION_WIDTH / 2
    half = (ROW_HEIGHT - BELOW) / 2
    _arrow(axis, (center, above - half), (center, above - half - BELOW))
    beside = 0.05 + QUESTION_WIDTH
    axis.text(beside, above - half - BELOW / 2, "no", va="center", fontsize=SMALLEST)


def _arrow(axis: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    arrow = {"arrowstyle": "-|>", "color": INK, "linewidth": 1.5, "shrinkA": 0, "shrinkB": 0}
    axis.annotate("", xy=end, xytext=start, arrowprops=arrow)
