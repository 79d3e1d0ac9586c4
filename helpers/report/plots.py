"""One look for every figure: colour-blind safe, screen-sized, readable from the back of a room."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from PIL import Image

# Okabe & Ito (2008), ordered so that neighbours differ in lightness as well; black is kept for ceilings and floors.
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
INK, MUTED, GRID = "#1f2933", "#6b7785", "#e3e8ee"


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
    paths, titles=None, columns: int = 8, size: float = 1.1, row_labels=None
) -> plt.Figure:
    """Pictures in a grid; a missing or unreadable one is a grey field that says so.

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
    """
    paths = list(paths)
    rows = max(1, -(-len(paths) // columns))
    left = 1.3 if row_labels is not None else 0.0
    height = size * (1.22 if titles is not None else 1.04)
    figure, axes = plt.subplots(
        rows, columns, figsize=(columns * size + left, rows * height), squeeze=False
    )
    for position, axis in enumerate(axes.flat):
        axis.axis("off")
        if position >= len(paths):
            continue
        _show_picture(axis, paths[position])
        if titles is not None:
            axis.set_title(
                str(list(titles)[position])[:18],
                fontsize=7,
                color=MUTED,
                loc="center",
                y=-0.18 / size,
                weight="normal",
            )
    for row, label in enumerate(row_labels if row_labels is not None else []):
        axes[row, 0].text(
            -0.12, 0.5, label, transform=axes[row, 0].transAxes, ha="right", va="center", fontsize=9
        )
    return figure


def _show_picture(axis, path) -> None:
    try:
        with Image.open(Path(path)) as image:
            image.thumbnail((192, 192))
            axis.imshow(np.asarray(image.convert("RGB")))
    except (TypeError, OSError):
        axis.add_patch(plt.Rectangle((0, 0), 1, 1, color=GRID))
        axis.text(0.5, 0.5, "no picture", ha="center", va="center", fontsize=7, color=MUTED)
        axis.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")


def curve(
    frame: pd.DataFrame, x: str, y: str, by: str, *, xlabel: str, ylabel: str, dashed=(), ax=None
) -> plt.Axes:
    """Lines of `y` over `x`, one for each value of `by`, each named at its right end instead of in a legend.

    Columns `low` and `high`, where present, become a band. Names in `dashed` are floors and ceilings: dark and thin.
    """
    ax = ax or plt.subplots()[1]
    ends, colours = {}, iter(PALETTE * 3)
    for name, part in frame.groupby(by, sort=False):
        part = part.sort_values(x)
        colour = INK if name in dashed else next(colours)
        style = (
            {"linestyle": (0, (4, 2)), "linewidth": 1.3}
            if name in dashed
            else {"marker": "o", "markersize": 4}
        )
        ax.plot(part[x], part[y], color=colour, **style)
        if {"low", "high"} <= set(part.columns):
            ax.fill_between(
                part[x], part["low"], part["high"], color=colour, alpha=0.12, linewidth=0
            )
        ends[name] = (part[y].iloc[-1], colour)
    _label_ends(ax, frame[x].max(), ends)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    return ax


def _label_ends(ax, right: float, ends: dict) -> None:
    """Names at the lines' right ends, pushed apart until none covers another."""
    low, high = ax.get_ylim()
    gap = (high - low) * 0.052
    order = sorted(ends, key=lambda name: ends[name][0])
    places = []
    for name in order:
        places.append(max(ends[name][0], places[-1] + gap) if places else ends[name][0])
    overflow = max(0.0, places[-1] - high) if places else 0.0
    for name, place in zip(order, places, strict=True):
        value, colour = ends[name]
        beside = (right + 0.03 * (right - ax.get_xlim()[0]), place - overflow)
        ax.annotate(
            name,
            (right, value),
            xytext=beside,
            color=colour,
            fontsize=9,
            va="center",
            annotation_clip=False,
        )


def thumbnails(ax, points: np.ndarray, paths, zoom: float = 0.14, least: float = 0.035) -> int:
    """Draw pictures at 2-D `points` (n, 2), but none nearer than `least` (share of the width) to one already drawn.

    Returns how many were drawn.
    """
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    points = np.asarray(points, dtype=float)
    span = np.ptp(points, axis=0).max() or 1.0
    drawn = np.empty((0, 2))
    for point, path in zip(points, paths, strict=True):
        if len(drawn) and np.min(np.hypot(*(drawn - point).T)) < least * span:
            continue
        try:
            with Image.open(Path(path)) as image:
                image.thumbnail((160, 160))
                picture = OffsetImage(np.asarray(image.convert("RGB")), zoom=zoom)
        except (TypeError, OSError):
            continue
        ax.add_artist(AnnotationBbox(picture, point, frameon=False, pad=0))
        drawn = np.vstack([drawn, point])
    margin = 0.05 * span
    ax.set(xlim=(points[:, 0].min() - margin, points[:, 0].max() + margin))
    ax.set(ylim=(points[:, 1].min() - margin, points[:, 1].max() + margin))
    ax.grid(False)
    return len(drawn)
