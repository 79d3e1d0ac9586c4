"""What a person likes beside what a method shows them: pictures in rows, the liked ones framed."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from helpers.report.plots import GRID, INK, PALETTE, contact_sheet, draw_frame, pictures_of
from helpers.serving.history import History

LETTERS_PER_LINE = 11  # of a title that stands in for a picture
MOST_LINES = 4
WORDS_POINTS = 8.5
LIKED = PALETTE[1]
"""Color of the frame around what a person likes."""
HIT = PALETTE[2]
"""Color of the frame around a recommendation that fits."""


def people_sheet(
    rows: dict[str, tuple[pd.DataFrame, pd.DataFrame]],
    root: Path,
    n_liked: int = 4,
    n_shown: int = 5,
    title: str = "",
    size: float = 0.95,
) -> plt.Figure:
    """One row per person: what they like (framed), then what they are shown.

    Parameters
    ----------
    rows : dict of str to (liked, found)
        `liked` has `title` and `picture` (an absolute path or ""). `found` has `image_path`,
        relative to `root`.
    root : path
        Folder of the profile's pictures.
    n_liked, n_shown : int
        Pictures per row of each.
    title : str
        What the figure says.
    size : float
        Width of a picture in inches.
    """
    paths = []
    words = []
    for liked, found in rows.values():
        pictures, titles = _first(liked["picture"], liked["title"], n_liked)
        paths += pictures
        words += titles
        shown = pictures_of(found, root)
        pictures, titles = _first(shown, found["title"], n_shown)
        paths += pictures
        words += titles
    n_columns = n_liked + n_shown
    figure = contact_sheet(paths, columns=n_columns, row_labels=list(rows), size=size)
    for number, axis in enumerate(figure.axes[: len(paths)]):
        column = number % n_columns
        if paths[number] is None:
            _words_only(axis, words[number])
        if column < n_liked and words[number]:
            frame_liked(axis)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    return figure


def liked_table(history: History) -> pd.DataFrame:
    """A history's titles and absolute picture paths, as `people_sheet` reads them."""
    folder = history.folder
    pictures = [folder / name if folder and name else "" for name in history.items["image"]]
    return pd.DataFrame({"title": history.items["title"].to_numpy(), "picture": pictures})


def frame_liked(axis) -> None:
    """Frame a picture as one that the person likes."""
    draw_frame(axis, LIKED)


def mark_hits(figure: plt.Figure, is_hit: Sequence[bool]) -> None:
    """Frame the pictures that the shopper would like, in the order of the figure's axes."""
    for axis, hit in zip(figure.axes, is_hit, strict=False):
        if hit:
            draw_frame(axis, HIT)


def _first(paths, titles, n: int) -> tuple[list, list[str]]:
    """The first `n`, filled up with empty places."""
    first_paths = list(paths)[:n]
    first_titles = list(titles)[:n]
    kept = [path or None for path in first_paths]
    words = [str(title) for title in first_titles]
    n_empty = n - len(kept)
    kept += [None] * n_empty
    words += [""] * n_empty
    return kept, words


def _words_only(axis, title: str) -> None:
    """An item without a picture shows its title; an empty place shows nothing."""
    axis.clear()
    axis.axis("off")
    if not title:
        return
    lines = textwrap.wrap(title, LETTERS_PER_LINE, max_lines=MOST_LINES, placeholder=" …")
    field = {"transform": axis.transAxes, "color": GRID}
    axis.add_patch(plt.Rectangle((0, 0), 1, 1, **field))
    text = {"ha": "center", "va": "center", "fontsize": WORDS_POINTS, "color": INK}
    axis.text(
        0.5,
        0.5,
        "\n".join(lines),
        transform=axis.transAxes,
        **text,
    )
