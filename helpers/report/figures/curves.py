"""Lines and rows of pictures whose words can be read on a slide."""

from pathlib import Path

import pandas as pd

from helpers.artefacts import data_dir
from helpers.report.figures.people import frame_liked
from helpers.report.plots import contact_sheet, curve, pictures_of, plt
from helpers.serving.personas import Persona, load_personas

SIZE = (9.6, 4.4)
"""Inches of a figure that fills a slide."""
WORDS = 13
"""Points of a label: 16 pixels or more on a slide of 1280 × 720."""
HEADLINE = 14.5
PICTURE = 1.02
"""Inches of a picture in a row: three sheets of them keep a notebook below 1.5 MB."""
LINE_GAP = 0.085
"""Least distance of two names at the right end, as a share of the axis."""
HEADROOM = 0.06
"""Room above the lines, so that no name meets the title."""
NAME_SHIFT = 1.12
"""On a logarithmic axis a name stands so many times as far right as its line's end."""


def named_lines(  # noqa: PLR0913  # a figure's labels
    frame: pd.DataFrame,
    x: str,
    y: str,
    by: str,
    *,
    title: str,
    xlabel: str,
    ylabel: str,
    dashed=(),
    log_ticks=(),
    ax=None,
) -> plt.Axes:
    """`plots.curve` with its message as the title and words of slide size.

    Parameters
    ----------
    frame : DataFrame
        Columns `x`, `y` and `by`; with `low` and `high` the lines have bands.
    dashed : sequence of str
        Names of floors and ceilings.
    log_ticks : sequence of int
        With them the x axis is logarithmic and has these ticks.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=SIZE)
    curve(frame, x, y, by, xlabel=xlabel, ylabel=ylabel, dashed=dashed, ax=ax)
    with_large_words(ax, title)
    if len(log_ticks):
        _on_log_axis(ax, log_ticks)
    spread_names(ax)
    return ax


def _on_log_axis(ax, ticks) -> None:
    ax.set(xscale="log", xticks=ticks, xticklabels=ticks)
    ax.minorticks_off()
    for text in ax.texts:
        right, y = text.xy
        text.set_position((NAME_SHIFT * right, y))


def with_large_words(ax, title: str) -> None:
    """Set a title, and every label of an axis to the size that a slide needs."""
    ax.set_title(title, fontsize=HEADLINE, loc="left")
    ax.xaxis.label.set_size(WORDS)
    ax.yaxis.label.set_size(WORDS)
    ax.tick_params(labelsize=WORDS)
    for text in ax.texts:
        text.set_fontsize(WORDS)


def spread_names(ax) -> None:
    """Push the names at the lines' ends apart until none covers another, with room at the top."""
    low, high = ax.get_ylim()
    high = high + HEADROOM * (high - low)
    ax.set_ylim(low, high)
    gap = LINE_GAP * (high - low)
    names = sorted(ax.texts, key=lambda text: text.xy[1])
    lowest_free = low
    for text in names:
        x, _ = text.get_position()
        place = max(text.xy[1], lowest_free)
        text.set_position((x, place))
        lowest_free = place + gap
    overflow = max(0.0, lowest_free - gap - high)
    for text in names:
        x, place = text.get_position()
        text.set_position((x, place - overflow))


def rows_of_pictures(rows: dict[str, list], columns: int = 7, framed: int = 0) -> plt.Figure:
    """One row of pictures for each name.

    Parameters
    ----------
    rows : dict of str to list of (path or None)
        A row that is short is filled with gray fields.
    columns : int
        Pictures in a row.
    framed : int
        So many of the first pictures of each row get a frame: what a shopper liked.
    """
    paths = []
    for row in rows.values():
        shown = list(row)[:columns]
        paths += shown + [None] * (columns - len(shown))
    figure = contact_sheet(paths, columns=columns, size=PICTURE, row_labels=list(rows))
    for place, axis in enumerate(figure.axes):
        for text in axis.texts:
            text.set_fontsize(WORDS if text.get_text() in rows else 9)
        if place % columns < framed:
            frame_liked(axis)
    return figure


def lists_of_one_shopper(profile: str, items, lists: dict, columns: int = 7) -> plt.Figure:
    """A row of pictures per list; the first is what the shopper likes.

    Parameters
    ----------
    lists : dict of str to sequence of int
        Item positions, best first.
    """
    picture = pictures_of(items.frame, data_dir(profile))
    shown = {}
    for name, ids in lists.items():
        shown[name] = [picture[i] for i in ids[:columns]]
    return rows_of_pictures(shown, columns=columns)


def newcomers_figure(profile: str, items, lists: dict) -> plt.Figure:
    """Two things that each persona likes, framed, and the five items that they are shown.

    Parameters
    ----------
    lists : dict of str to sequence of int
        Item positions by the persona's name.
    """
    picture = pictures_of(items.frame, data_dir(profile))
    rows = {}
    for name, persona in load_personas().items():
        rows[name] = pictures_liked(persona) + [picture[i] for i in lists[name]]
    return rows_of_pictures(rows, columns=7, framed=2)


def pictures_liked(persona: Persona, most: int = 2) -> list[Path | None]:
    """Paths of the pictures of what a newcomer likes, at most so many, filled with None."""
    there = [path for path in persona.pictures if path is not None]
    missing = most - len(there)
    return [*there[:most], *[None] * missing]


def toy_table(text: str) -> pd.DataFrame:
    """A small table of ratings as it is written: names of items, then one line per shopper.

    A dot is an unknown rating and becomes 0.
    """
    lines = [line.split() for line in text.strip().splitlines()]
    columns = lines[0]
    ratings = {}
    for name, *cells in lines[1:]:
        ratings[name] = [0 if cell == "." else int(cell) for cell in cells]
    return pd.DataFrame.from_dict(ratings, orient="index", columns=columns)
