"""One look for every figure: safe for color-blind eyes, screen-sized, readable from the back."""

import itertools
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from PIL import Image

# Okabe & Ito (2008), ordered so that neighbors differ in lightness, too. Black is kept for
# ceilings and floors.
PALETTE = [
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#7F5A3A",
    "#6A4C93",
    "#B3B3B3",
]
INK = "#1f2933"
MUTED = "#6b7785"
GRID = "#e3e8ee"
LONGEST_CAPTION = 18
THUMBNAIL_PIXELS = 192
THUMBNAIL_ZOOM = 160 / THUMBNAIL_PIXELS
"""`zoom` is of pictures 160 pixels wide."""
LINE_SPACING = 0.052
"""Least distance of two names at the right end of a curve, as a share of the axis."""


def use_course_style() -> None:
    """Set matplotlib's defaults for the whole notebook; call once, in the first cell."""
    plt.rcParams.update(
        {
            "figure.figsize": (8, 4),
            "figure.dpi": 90,
            "figure.constrained_layout.use": True,
            "savefig.dpi": 90,
            "font.size": 11,
            "font.family": "DejaVu Sans",
            "text.color": INK,
            "axes.prop_cycle": plt.cycler(color=PALETTE),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": MUTED,
            "axes.labelcolor": INK,
            "axes.titlelocation": "left",
            "axes.titleweight": "bold",
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": GRID,
            "xtick.color": MUTED,
            "ytick.color": MUTED,
            "legend.frameon": False,
            "lines.linewidth": 2,
        }
    )


def contact_sheet(
    paths,
    titles=None,
    columns: int = 8,
    size: float = 1.1,
    row_labels=None,
    font_size: float = 7,
) -> plt.Figure:
    """Pictures in a grid; a missing or unreadable one is a gray field that says so.

    Parameters
    ----------
    paths : sequence of str, Path or None
        Image files, row by row.
    titles : sequence of str, optional
        A short line under each picture, cut at 18 characters.
    columns : int
        Pictures in a row.
    size : float
        Width of a picture in inches.
    row_labels : sequence of str, optional
        A label to the left of each row.
    font_size : float
        Of the titles, in points.
    """
    paths = list(paths)
    n_rows = max(1, -(-len(paths) // columns))
    margin = 0.0 if row_labels is None else 1.3
    height = size * (1.04 if titles is None else 1.22)
    figure, axes = plt.subplots(
        n_rows, columns, figsize=(columns * size + margin, n_rows * height), squeeze=False
    )
    for axis in axes.flat:
        axis.axis("off")
    for axis, path in zip(axes.flat, paths, strict=False):
        _show_picture(axis, path)
    if titles is not None:
        for axis, title in zip(axes.flat, titles, strict=False):
            _caption(axis, str(title)[:LONGEST_CAPTION], size, font_size)
    if row_labels is not None:
        for axis, label in zip(axes[:, 0], row_labels, strict=False):
            _label_row(axis, label, max(font_size, 9))
    return figure


def _caption(axis, text: str, size: float, font_size: float) -> None:
    below = -0.18 / size * font_size / 7
    style = {"fontsize": font_size, "color": MUTED, "weight": "normal"}
    axis.set_title(text, loc="center", y=below, **style)


def _label_row(axis, label: str, font_size: float) -> None:
    where = {"transform": axis.transAxes, "ha": "right", "va": "center"}
    axis.text(-0.12, 0.5, label, fontsize=font_size, **where)


def _show_picture(axis, path) -> None:
    pixels = _pixels(path, THUMBNAIL_PIXELS)
    if pixels is not None:
        axis.imshow(pixels)
        return
    axis.add_patch(plt.Rectangle((0, 0), 1, 1, color=GRID))
    axis.text(0.5, 0.5, "no picture", ha="center", va="center", fontsize=7, color=MUTED)
    axis.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")


def _pixels(path, largest: int) -> np.ndarray | None:
    """A picture as (h, w, 3) uint8, at most `largest` pixels wide and high; None if unreadable."""
    try:
        with Image.open(Path(path)) as image:
            image.thumbnail((largest, largest))
            return np.asarray(image.convert("RGB"))
    except (TypeError, OSError):
        return None


def curve(
    frame: pd.DataFrame,
    x: str,
    y: str,
    by: str,
    *,
    xlabel: str,
    ylabel: str,
    dashed=(),
    colors: dict[str, str] | None = None,
    label_size: float = 9,
    ax=None,
) -> plt.Axes:
    """Lines of `y` over `x`, one for each value of `by`, each named at its right end.

    Columns `low` and `high`, where present, become a band. Names in `dashed` are floors and
    ceilings: dark and thin. `colors` gives other lines a color by name.
    """
    if ax is None:
        _, ax = plt.subplots()
    ends = {}
    palette = itertools.cycle(PALETTE)
    for name, part in frame.groupby(by, sort=False):
        part = part.sort_values(x)
        if name in dashed:
            color = INK
            style = {"linestyle": (0, (4, 2)), "linewidth": 1.3}
        else:
            color = colors[name] if colors else next(palette)
            style = {"marker": "o", "markersize": 4}
        ax.plot(part[x], part[y], color=color, **style)
        if {"low", "high"} <= set(part.columns):
            band = {"color": color, "alpha": 0.12, "linewidth": 0}
            ax.fill_between(part[x], part["low"], part["high"], **band)
        ends[name] = (part[y].iloc[-1], color)
    _label_ends(ax, frame[x].max(), ends, label_size)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    return ax


def _label_ends(ax, right: float, ends: dict, size: float = 9) -> None:
    """Names at the lines' right ends, pushed apart until none covers another."""
    if not ends:
        return
    low, high = ax.get_ylim()
    gap = (high - low) * LINE_SPACING * size / 9
    order = sorted(ends, key=lambda name: ends[name][0])
    places = []
    lowest_free = -np.inf
    for name in order:
        value, _ = ends[name]
        places.append(max(value, lowest_free))
        lowest_free = places[-1] + gap
    overflow = max(0.0, places[-1] - high)
    left, _ = ax.get_xlim()
    beside = right + 0.03 * (right - left)
    for name, place in zip(order, places, strict=True):
        value, color = ends[name]
        style = {"color": color, "fontsize": size, "va": "center", "annotation_clip": False}
        ax.annotate(name, (right, value), xytext=(beside, place - overflow), **style)


def thumbnails(ax, points: np.ndarray, paths, zoom: float = 0.14, least: float = 0.035) -> int:
    """Draw pictures at 2-D `points` (n, 2), and return how many were drawn.

    None is drawn nearer than `least`, a share of the width, to another.
    """
    points = np.asarray(points, dtype=float)
    span = np.ptp(points, axis=0).max() or 1.0
    drawn: list[np.ndarray] = []
    for point, path in zip(points, paths, strict=True):
        if _is_near(point, drawn, least * span):
            continue
        pixels = _pixels(path, THUMBNAIL_PIXELS)
        if pixels is None:
            continue
        picture = OffsetImage(pixels, zoom=zoom * THUMBNAIL_ZOOM)
        ax.add_artist(AnnotationBbox(picture, point, frameon=False, pad=0))
        drawn.append(point)
    margin = 0.05 * span
    low = points.min(axis=0) - margin
    high = points.max(axis=0) + margin
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    ax.grid(False)
    return len(drawn)


def _is_near(point: np.ndarray, others: list[np.ndarray], distance: float) -> bool:
    if not others:
        return False
    gaps = np.linalg.norm(np.array(others) - point, axis=1)
    return bool(gaps.min() < distance)
