"""One look for every figure: safe for color-blind eyes, screen-sized, readable from the back."""

import itertools
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import to_hex, to_rgb
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from matplotlib.transforms import ScaledTranslation
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
MUTED_INK = "#54606c"
"""For small letters: darker than `MUTED`, so that they can be read from the back."""
GRID = "#e3e8ee"
LONGEST_CAPTION = 18
SLIDE_WIDTH = 1184
"""Pixels that a figure has on a slide, where it is as wide as the slide allows."""
SLIDE_HEIGHT = 500
"""Pixels below a slide's title, a caption left out."""
LEAST_CONTRAST = 4.5
"""Of letters on their ground, WCAG AA."""
LEAST_LABEL = 16
"""Pixels of a figure's smallest letters on a slide."""
RIM = 1.05
"""How much larger a figure is with the rim that a notebook saves around it."""
DPI = 104
"""Of figures that are drawn. Sheets of pictures keep `PICTURE_DPI`, which is what they hold."""
PICTURE_DPI = 86
SMALLEST = 9.5
"""Points of the smallest label in a figure of at most 9.6 inches."""
THUMBNAIL_PIXELS = 192
THUMBNAIL_ZOOM = 160 / THUMBNAIL_PIXELS
"""`zoom` is of pictures 160 pixels wide."""
BESIDE = 16
"""Points between a line's end and its name."""
LINE_SPACING = 0.056
"""Least distance of two names at the right end of a curve, as a share of the axis."""


def use_course_style() -> None:
    """Set matplotlib's defaults for the whole notebook; call once, in the first cell."""
    plt.rcParams.update(
        {
            "figure.figsize": (8, 4),
            "figure.dpi": DPI,
            "figure.constrained_layout.use": True,
            "savefig.dpi": DPI,
            "font.size": 11,
            "xtick.labelsize": 11,  # 16 pixels on a slide whose title takes two lines
            "ytick.labelsize": 11,
            "legend.fontsize": 11,
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
            "xtick.color": MUTED_INK,
            "ytick.color": MUTED_INK,
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
    font_size: float = 0.0,
    spread: float = 1.0,
) -> plt.Figure:
    """Pictures in a grid; a missing or unreadable one is a gray field that says so.

    Parameters
    ----------
    paths : sequence of str, Path or None
        Image files, row by row.
    titles : sequence of str, optional
        A short line under each picture, cut to the picture's width.
    columns : int
        Pictures in a row.
    size : float
        Width of a picture in inches.
    row_labels : sequence of str, optional
        A label to the left of each row.
    font_size : float
        Of titles and labels, in points, where it shall be larger than a slide needs.
    spread : float
        Width of a picture's place as a multiple of its own, so that few columns fill a wide slide.
    """
    paths = list(paths)
    n_rows = max(1, -(-len(paths) // columns))
    margin = 0.0 if row_labels is None else 1.3
    width = columns * size * spread + margin
    height = 1.04 * size
    points = label_points(width, n_rows * height)
    if titles is not None:
        points = label_points(width, n_rows * 1.22 * size)
        height += 1.6 * points / 72
    points = max(points, font_size)
    figure, axes = plt.subplots(
        n_rows,
        columns,
        figsize=(width, n_rows * height),
        squeeze=False,
        dpi=PICTURE_DPI,
    )
    for axis in axes.flat:
        axis.axis("off")
    for axis, path in zip(axes.flat, paths, strict=False):
        _show_picture(axis, path, points)
    if titles is not None:
        for axis, title in zip(axes.flat, titles, strict=False):
            _caption(axis, str(title), size, points)
    if row_labels is not None:
        for axis, label in zip(axes[:, 0], row_labels, strict=False):
            _label_row(axis, label, points)
    return figure


def mosaic(paths, columns: int, size: float) -> plt.Figure:
    """Pictures side by side in one image: a third of a contact sheet's time, and no words.

    Parameters
    ----------
    paths : sequence of str or Path
        Image files, row by row; an unreadable one is a gray field.
    columns : int
        Pictures in a row.
    size : float
        Width of a picture's place in inches.
    """
    paths = list(paths)
    n_rows = max(1, -(-len(paths) // columns))
    place = 2 * round(size * PICTURE_DPI)  # pixels, twice those of the figure
    side = place - place // 12
    image = np.full((n_rows * place, columns * place, 3), 255, np.uint8)
    for number, path in enumerate(paths):
        row, column = divmod(number, columns)
        pixels = _pixels(path, side)
        if pixels is None:
            pixels = np.full((side, side, 3), 255 * np.array(to_rgb(GRID)), np.uint8)
        height, width = pixels.shape[:2]
        top = row * place + (place - height) // 2
        left = column * place + (place - width) // 2
        image[top : top + height, left : left + width] = pixels
    shape = (columns * size, n_rows * size)
    figure = plt.figure(figsize=shape, dpi=PICTURE_DPI, layout="none")
    axis = figure.add_axes((0, 0, 1, 1))
    axis.axis("off")
    axis.imshow(image)
    return figure


def label_points(width: float, height: float) -> float:
    """Points of letters that are `LEAST_LABEL` pixels high where the figure fills a slide.

    A point is 1/72 inch. A figure of `width` × `height` inches is shown as large as fits.
    """
    pixels_per_inch = min(SLIDE_WIDTH / width, SLIDE_HEIGHT / height)
    return RIM * LEAST_LABEL * 72 / pixels_per_inch


def draw_frame(axis, color: str) -> None:
    """Draw a frame around a picture."""
    edge = plt.Rectangle(
        (0, 0),
        1,
        1,
        transform=axis.transAxes,
        fill=False,
        edgecolor=color,
        linewidth=4,
    )
    axis.add_patch(edge)


def _caption(axis, text: str, size: float, points: float) -> None:
    # A letter is some 0.55 of its height wide, and there is space between the pictures.
    n_letters = min(LONGEST_CAPTION, int(1.2 * size * 72 / (0.55 * points)))
    shown = text
    if len(text) > n_letters:
        shown = text[: n_letters - 1].rstrip() + "…"
    style = {"fontsize": points, "color": MUTED_INK, "weight": "normal"}
    axis.set_title(shown, loc="center", y=-0.03, va="top", pad=0, **style)


def _label_row(axis, label: str, points: float) -> None:
    where = {"transform": axis.transAxes, "ha": "right", "va": "center"}
    axis.text(-0.12, 0.5, label, fontsize=max(9, points), **where)


def _show_picture(axis, path, points: float) -> None:
    pixels = _pixels(path, THUMBNAIL_PIXELS)
    if pixels is not None:
        axis.imshow(pixels)
        return
    axis.add_patch(plt.Rectangle((0, 0), 1, 1, color=GRID))
    axis.text(0.5, 0.5, "no picture", ha="center", va="center", fontsize=points, color=MUTED_INK)
    axis.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")


def _pixels(path, largest: int) -> np.ndarray | None:
    """A picture as (h, w, 3) uint8, at most `largest` pixels wide and high; None if unreadable."""
    try:
        with Image.open(Path(path)) as image:
            image.thumbnail((largest, largest))
            return np.asarray(image.convert("RGB"))
    except (TypeError, OSError):
        return None


def curve(  # noqa: PLR0913  # a figure's labels
    frame: pd.DataFrame,
    x: str,
    y: str,
    by: str,
    *,
    xlabel: str,
    ylabel: str,
    dashed=(),
    colors: dict[str, str] | None = None,
    label_size: float = SMALLEST,
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
            color = colors[str(name)] if colors else next(palette)
            style = {"marker": "o", "markersize": 4}
        ax.plot(part[x], part[y], color=color, **style)
        if {"low", "high"} <= set(part.columns):
            band = {"color": color, "alpha": 0.12, "linewidth": 0}
            ax.fill_between(part[x], part["low"], part["high"], **band)
        ends[name] = (part[y].iloc[-1], color)
    _label_ends(ax, frame[x].max(), ends, label_size)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    return ax


def _label_ends(ax, right: float, ends: dict, size: float = SMALLEST) -> None:
    """Names at the lines' right ends, pushed apart until none covers another.

    A thin line leads to each name that had to leave its line's end.
    """
    if not ends:
        return
    from sklearn.isotonic import isotonic_regression  # half a second, where names are set

    low, high = ax.get_ylim()
    gap = (high - low) * LINE_SPACING * size / SMALLEST
    gap = min(gap, (high - low) / len(ends))
    order = sorted(ends, key=lambda name: ends[name][0])
    values = np.array([ends[name][0] for name in order])
    steps = gap * np.arange(len(order))
    # the places nearest to the lines' ends that are a gap apart and inside the axis
    places = isotonic_regression(values - steps, y_min=low, y_max=high - steps[-1]) + steps
    inches = ScaledTranslation(BESIDE / 72, 0, ax.figure.dpi_scale_trans)
    beside = ax.transData + inches
    for name, place in zip(order, places, strict=True):
        value, color = ends[name]
        leader = None
        if abs(place - value) > gap / 2:
            leader = {
                "arrowstyle": "-",
                "color": color,
                "linewidth": 0.8,
                "relpos": (0, 0.5),
                "shrinkA": 1,
                "shrinkB": 3,
            }
        style = {
            "arrowprops": leader,
            "textcoords": beside,
            "color": readable(color),
            "fontsize": max(size, SMALLEST),
            "va": "center",
            "annotation_clip": False,
        }
        ax.annotate(name, (right, value), xytext=(right, place), **style)


def contrast(color: str, ground: str = "white") -> float:
    """Contrast of two colors, 1 to 21, as WCAG 2.1 defines it."""
    lights = sorted([_luminance(color), _luminance(ground)])
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def _luminance(color: str) -> float:
    channels = np.array(to_rgb(color))
    low = channels / 12.92
    high = ((channels + 0.055) / 1.055) ** 2.4
    linear = np.where(channels <= 0.04045, low, high)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def readable(color: str) -> str:
    """The color, darkened until letters in it can be read on white (contrast 4.5 : 1)."""
    channels = np.array(to_rgb(color))
    while contrast(_hex(channels)) < LEAST_CONTRAST:
        channels = channels * 0.96
    return _hex(channels)


def _hex(channels: np.ndarray) -> str:
    red, green, blue = channels.tolist()
    return to_hex((red, green, blue))


def thumbnails(ax, points: np.ndarray, paths, zoom: float = 0.14, least: float = 0.035) -> int:
    """Draw pictures at 2-D `points` (n, 2), and return how many were drawn.

    None is drawn nearer than `least`, a share of the width, to another.
    """
    ax.figure.set_dpi(PICTURE_DPI)
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


def pictures_of(frame: pd.DataFrame, folder: Path) -> list[Path | None]:
    """The picture of each item of a catalog; None where it has none."""
    paths: list[Path | None] = []
    for path in frame["image_path"]:
        has_picture = isinstance(path, str) and path != ""
        paths.append(folder / path if has_picture else None)
    return paths
