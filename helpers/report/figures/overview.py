"""Figures of the overview deck, from result rows alone."""

from collections.abc import Iterable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from helpers.report.figures.shops import SHOPS
from helpers.report.plots import INK, MUTED, PALETTE, curve, use_course_style
from helpers.report.results import FLOOR, FLOORS, HISTORY_ORACLE, NAMES, ORACLE, called

WIDE = (9.6, 4.0)
"""Inches of a figure that fills a slide below its title."""
FONT = 10.8
"""Points of the smallest letters: 16 pixels even where the title takes two lines."""
LEAST_TIME = 0.01
"""Milliseconds: the smallest number that two decimals can tell."""
NOBODY = "no liked item"
"""The group of those who have told nothing yet. It stands last."""


LEADER = PALETTE[2]
"""Of the method that the talk recommends; others that read the items are blue, the rest orange."""


def _slide_style() -> None:
    """The course's style in larger letters."""
    use_course_style()
    plt.rcParams.update({"font.size": 11.5, "xtick.labelsize": FONT, "ytick.labelsize": FONT})


def cold_start(
    rows: pd.DataFrame,
    xlabel: str,
    leader: str,
    people: Iterable[str],
) -> plt.Figure:
    """NDCG@10 over the number of known items, every method, floors and ceilings dashed.

    Parameters
    ----------
    rows : DataFrame
        recommender, n_history, value, low, high.
    leader : str
        The method that the talk recommends.
    people : iterable of str
        Methods that learn who liked what, and read no item.
    """
    _slide_style()
    drawn = rows[rows["recommender"] != "Oracle(exposure=True)"]
    figure, axis = plt.subplots(figsize=WIDE)
    axis.set_ylim(0, 1.05 * drawn["value"].max())  # before names find their places
    _curves(axis, drawn, "value", leader, people)
    axis.set(xlabel=xlabel, ylabel="NDCG@10")
    return figure


def paired_gains(
    gains: pd.DataFrame,
    xlabel: str,
    leader: str,
    people: Iterable[str],
) -> plt.Figure:
    """What each method gains over bestsellers for the same customers, by number of known items.

    Parameters
    ----------
    gains : DataFrame
        recommender, n_history, difference, and its paired 95% interval low and high.
    leader, people
        As for `cold_start`.
    """
    _slide_style()
    figure, axis = plt.subplots(figsize=WIDE)
    low = min(gains["low"].min(), 0.0)
    high = max(gains["high"].max(), 0.0)
    room = 0.05 * (high - low)
    axis.set_ylim(low - room, high + room)  # before names find their places
    zero = gains.drop_duplicates("n_history")
    zero = zero.assign(recommender=FLOOR, difference=0.0, low=0.0, high=0.0)
    _curves(axis, pd.concat([gains, zero], ignore_index=True), "difference", leader, people)
    axis.set(xlabel=xlabel, ylabel="NDCG@10, gain over bestsellers")
    return figure


def _curves(
    axis: Axes,
    rows: pd.DataFrame,
    value: str,
    leader: str,
    people: Iterable[str],
) -> None:
    """A line of `value` for each method over the number of known items, and what colors mean."""
    is_leader = rows["recommender"] == leader
    drawn = pd.concat([rows[~is_leader], rows[is_leader]])  # the leader last, so on top
    drawn = drawn.replace({"recommender": NAMES})
    dashed = [called(name) for name in (*FLOORS, ORACLE, HISTORY_ORACLE)]
    colors = {}
    for name in drawn["recommender"].unique():
        colors[name] = PALETTE[1] if name in people else PALETTE[0]
    if leader in colors:
        colors[leader] = LEADER
    curve(
        drawn,
        "n_history",
        value,
        "recommender",
        xlabel="",
        ylabel="",
        dashed=dashed,
        colors=colors,
        label_size=FONT,
        ax=axis,
    )
    axis.set_xticks(sorted(drawn["n_history"].unique()))
    reads = "reads the items"
    if "Hybrid" in colors and leader != "Hybrid":
        reads += ", or blends all"
    marks = {leader: LEADER} if leader in colors else {}
    marks |= {reads: PALETTE[0], "learns who liked what": PALETTE[1]}
    handles = []
    for label, color in marks.items():
        handles.append(plt.Line2D([], [], color=color, label=label))
    where = "outside upper left"
    axis.figure.legend(handles=handles, loc=where, ncols=len(marks), fontsize=FONT)


def liked_of_five(
    rows: pd.DataFrame, leader: str, people: Iterable[str], done: str = "liked"
) -> plt.Figure:
    """How many of five shown items are liked, or bought (`done`), with 95% intervals; `rows` by
    recommender.
    """
    _slide_style()
    ordered = rows.sort_values("value")
    figure, axis = plt.subplots(figsize=WIDE)
    values = 5 * ordered["value"]
    ends = [values - 5 * ordered["low"], 5 * ordered["high"] - values]
    colors = [_color(name, leader, people) for name in ordered.index]
    axis.barh(
        [called(name) for name in ordered.index],
        values,
        xerr=ends,
        color=colors,
    )
    highs = 5 * ordered["high"]
    for place, (value, high) in enumerate(zip(values, highs, strict=True)):
        axis.text(high + 0.05, place, f"{value:.1f}", va="center", fontsize=FONT)
    axis.set(xlim=(0, 5.3), xlabel=f"of five items shown, how many are {done}")
    axis.grid(axis="y", visible=False)
    return figure


def milliseconds(spent: pd.Series, leader: str, people: Iterable[str]) -> plt.Figure:
    """How long each method takes to rank the whole shop for one shopper; `spent` by recommender."""
    _slide_style()
    ordered = spent.sort_values(ascending=False)
    figure, axis = plt.subplots(figsize=WIDE)
    colors = [_color(name, leader, people) for name in ordered.index]
    axis.barh([called(name) for name in ordered.index], ordered, color=colors)
    beside = 0.01 * ordered.max()
    for place, value in enumerate(ordered):
        told = f"{value:.2f}" if value >= LEAST_TIME / 2 else f"< {LEAST_TIME}"
        axis.text(value + beside, place, told, va="center", fontsize=FONT)
    axis.set(xlim=(0, 1.1 * ordered.max()), xlabel="milliseconds per shopper")
    axis.grid(axis="y", visible=False)
    return figure


def _color(name: str, leader: str, people: Iterable[str]) -> str:
    if name == leader:
        return LEADER
    if name in FLOORS:
        return INK
    if name.startswith(ORACLE):
        return MUTED
    return PALETTE[1] if name in people else PALETTE[0]


def by_group(
    rows: pd.DataFrame,
    names: list[str],
    group: str,
    leader: str,
    people: Iterable[str],
) -> plt.Figure:
    """NDCG@10 of some methods in each group of shoppers, with 95% intervals.

    `leader` and `people` as for `cold_start`: a method has one color in all figures.
    """
    _slide_style()
    groups = sorted(rows["segment"].unique(), key=lambda name: (name == NOBODY, name))
    figure, axis = plt.subplots(figsize=WIDE)
    for number, name in enumerate(names):
        part = rows[rows["recommender"] == name].set_index("segment").loc[groups]
        x = np.arange(len(groups)) + 0.14 * (number - (len(names) - 1) / 2)
        ends = [part["value"] - part["low"], part["high"] - part["value"]]
        color = _color(name, leader, people)
        style: dict[str, Any] = {"fmt": "o", "color": color, "capsize": 4, "markersize": 8}
        axis.errorbar(x, part["value"], ends, label=called(name), **style)
    axis.set_xticks(range(len(groups)), groups)
    if NOBODY in groups:
        axis.axvline(len(groups) - 1.5, color=MUTED, linewidth=1)  # not one of the styles
    axis.set(xlabel=group, ylabel="NDCG@10", ylim=(0, None))
    axis.legend(
        ncols=len(names),
        loc="lower center",
        bbox_to_anchor=(0.5, 1),
        fontsize=FONT,
    )
    return figure


def gains(study: pd.DataFrame, name: str, leader: str, people: Iterable[str]) -> plt.Figure:
    """What a method gains over bestsellers in each real shop, paired, with 95% intervals.

    `leader` and `people` as for `cold_start`.
    """
    _slide_style()
    rows = study[study["recommender"] == name]
    shops = list(dict.fromkeys(rows["shop"]))
    figure, axis = plt.subplots(figsize=WIDE)
    for number, shop in enumerate(shops):
        part = rows[rows["shop"] == shop].sort_values("n_history")
        x = number + 0.12 * (np.arange(len(part)) - (len(part) - 1) / 2)
        ends = [part["gain"] - part["gain_low"], part["gain_high"] - part["gain"]]
        axis.errorbar(
            x,
            part["gain"],
            ends,
            fmt="o",
            capsize=3,
            color=_color(name, leader, people),
        )
        for place, top, n in zip(
            x,
            part["gain_high"],
            part["n_history"],
            strict=True,
        ):
            where: dict[str, Any] = {
                "textcoords": "offset points",
                "xytext": (0, 4),
                "ha": "center",
            }
            axis.annotate(f"{n:.0f}", (place, top), fontsize=FONT, color=INK, **where)
    axis.axhline(0, color=INK, linewidth=1)
    names = [SHOPS.get(shop, shop) for shop in shops]
    axis.set_xticks(range(len(shops)), names, fontsize=FONT)
    axis.set_ylabel(f"NDCG@10 of {name},\ngain over bestsellers")
    axis.grid(axis="x", visible=False)
    return figure
