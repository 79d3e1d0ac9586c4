"""Figures of chapter 06."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from helpers.interactions.matrix import Histories
from helpers.report.plots import INK, MUTED, PALETTE, curve, thumbnails

RIVAL = "#9aa5b1"
NEAR_ZERO = 0.02
"""A method whose weights all are below this share of the largest weight has no line of its own."""
HIGHEST = 4.1
"""Inches: a higher figure would be shown smaller on a slide, and its letters with it."""


def bars(values: pd.Series, label: str, title: str, rivals: Sequence[str] = ()) -> plt.Figure:
    """Horizontal bars with their values.

    Parameters
    ----------
    values : Series
        One bar per entry, the first on top.
    label : str
        Of the horizontal axis.
    title : str
    rivals : sequence of str
        Entries that stand there to compare with; their bars are gray.
    """
    figure, axis = plt.subplots(figsize=(8.2, min(0.5 * len(values) + 1.2, HIGHEST)))
    colors = []
    for name in values.index:
        color = RIVAL if name in rivals else PALETTE[0]
        colors.append(color)
    drawn = axis.barh(
        values.index,
        values,
        color=colors,
        height=0.62,
    )
    axis.bar_label(
        drawn,
        fmt="%.2f",
        padding=4,
        fontsize=12,
    )
    axis.invert_yaxis()
    end = 1.12 * values.max()
    axis.set(xlabel=label, title=title, xlim=(0, end))
    axis.tick_params(axis="y", labelsize=12, labelcolor=INK)
    axis.grid(axis="y", visible=False)
    return figure


def training_curves(losses: dict[str, Sequence[float]], title: str) -> plt.Figure:
    """The loss of each epoch, one panel per question, since their scales differ."""
    figure, axes = plt.subplots(
        1,
        len(losses),
        figsize=(8.6, 3.2),
        squeeze=False,
    )
    panels = axes[0]
    for axis, name in zip(panels, losses, strict=True):
        values = losses[name]
        epochs = np.arange(1, len(values) + 1)
        axis.plot(epochs, values, marker="o", markersize=4)
        axis.set(xlabel="epoch")
        axis.set_title(
            name,
            fontsize=11,
            fontweight="normal",
        )
    panels[0].set(ylabel="mean training loss")
    figure.suptitle(
        title,
        x=0.01,
        ha="left",
        fontsize=12,
        fontweight="bold",
    )
    return figure


def ablation(parts: pd.DataFrame, title: str) -> plt.Figure:
    """Change of the score by each changed component, with intervals.

    Parameters
    ----------
    parts : DataFrame
        `setting`, `change`, `change_low`, `change_high`.
    title : str
    """
    figure, axis = plt.subplots(figsize=(8.8, min(0.43 * len(parts) + 1.1, HIGHEST)))
    change = parts["change"]
    ends = [change - parts["change_low"], parts["change_high"] - change]
    axis.barh(parts["setting"], change, color=PALETTE[0], alpha=0.85)
    axis.errorbar(
        change,
        parts["setting"],
        xerr=ends,
        fmt="none",
        ecolor="black",
        elinewidth=1.2,
        capsize=3,
    )
    axis.axvline(0, color="black", linewidth=1)
    axis.set(xlabel="change of NDCG@10 with 3 liked items known", title=title)
    axis.tick_params(axis="y", labelsize=11, labelcolor=INK)
    axis.grid(axis="y", visible=False)
    return figure


def blend_weights(weights: pd.DataFrame, title: str) -> plt.Figure:
    """Weight of each method over the number of items known.

    Methods near zero share one line, the largest of their weights.

    Parameters
    ----------
    weights : DataFrame
        One row per history length, one column per method.
    title : str
    """
    frame = weights.copy()
    frame.columns = _told_apart(list(frame.columns))
    flat = near_zero(weights)
    if len(flat) > 1:
        highest = frame[flat].max(axis=1)
        frame = frame.drop(columns=flat)
        frame[f"{len(flat)} others"] = highest
    frame = frame.rename_axis("n").reset_index()
    frame = frame.melt("n", var_name="method", value_name="weight")
    figure, axis = plt.subplots(figsize=(8.2, 3.9))
    curve(
        frame,
        "n",
        "weight",
        "method",
        xlabel="liked items known",
        ylabel="weight",
        ax=axis,
    )
    for line in axis.get_lines():
        line.set_marker("")
    for name in axis.texts:
        name.set_fontsize(11)
    axis.set_title(title)
    return figure


def near_zero(weights: pd.DataFrame) -> list[str]:
    """Methods whose weights are near zero at every length, named as in `blend_weights`."""
    highest = weights.max(axis=0).to_numpy()
    names = _told_apart(list(weights.columns))
    least = NEAR_ZERO * highest.max()
    return [name for name, value in zip(names, highest, strict=True) if value < least]


def _told_apart(names: list[str]) -> list[str]:
    """Names that occur twice get a number."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} {seen[name]}")
    return found


def more_data(study: pd.DataFrame, title: str) -> plt.Figure:
    """NDCG of `Taste` over the items, and over the shoppers, that it learned from.

    Parameters
    ----------
    study : DataFrame
        As `bench/learning.py` wrote it.
    title : str
    """
    three = study[study["n_history"] == 3]
    items = three[(three["study"] == "garments") & (three["x"] > 0)]
    shoppers = three[three["study"] == "shoppers"]
    by_titles = items["setting"].str.endswith("titles")
    panels = {
        "items whose ratings are learned from": {
            "titles alone": items[by_titles],
            "titles and pictures": items[~by_titles],
        },
        "shoppers learned from": {"titles and pictures": shoppers},
    }
    figure, axes = plt.subplots(1, 2, figsize=(8.8, 3.8), sharey=True)
    for axis, (label, lines) in zip(axes, panels.items(), strict=True):
        _lines_with_bands(axis, lines)
        axis.set(xscale="log", xlabel=label)
        ticks = sorted({value for part in lines.values() for value in part["x"]})
        axis.set_xticks(ticks, [f"{tick:.0f}" for tick in ticks])
        axis.minorticks_off()
    axes[0].set(ylabel="NDCG@10, 3 items known")
    axes[0].legend(loc="lower right", fontsize=11)
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    return figure


def _lines_with_bands(axis, lines: dict[str, pd.DataFrame]) -> None:
    colors = {"titles alone": PALETTE[1], "titles and pictures": PALETTE[0]}
    for name, part in lines.items():
        part = part.sort_values("x")
        color = colors[name]
        x = part["x"]
        line = {"marker": "o", "markersize": 5, "label": name}
        axis.plot(x, part["value"], color=color, **line)
        band = {"alpha": 0.15, "linewidth": 0}
        axis.fill_between(x, part["low"], part["high"], color=color, **band)


def two_maps(before: np.ndarray, after: np.ndarray, paths: Sequence[Path]) -> plt.Figure:
    """Pictures on two flat maps beside each other."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 4.4))
    maps = {"before: the encoder's vectors": before, "after: the item tower": after}
    for axis, title in zip(axes, maps, strict=True):
        points = maps[title]
        thumbnails(axis, points, paths, zoom=0.11, least=0.05)
        axis.set(xticks=[], yticks=[])
        axis.set_title(title, color=MUTED, fontsize=12)
    return figure


def share_beside_alike(vectors: np.ndarray, kinds: Sequence[str]) -> float:
    """Share of the items whose nearest neighbor, by cosine, is of the same kind.

    Parameters
    ----------
    vectors : (n_items, d)
    kinds : sequence of str
        One per item, for example its category.
    """
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-12)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -np.inf)
    label = np.asarray(kinds)
    nearest = cosine.argmax(axis=1)
    return float((label[nearest] == label).mean())


def rotated(histories: Histories, vectors: np.ndarray, angle: float, seed: int) -> Histories:
    """Histories as another encoder would give them: items from elsewhere, their vectors turned.

    Parameters
    ----------
    histories : Histories
        Of items of the catalogue.
    vectors : (n_items, d)
        The catalogue's.
    angle : float
        Typical angle of the rotation in radians.
    seed : int
        Of the rotation's planes.
    """
    rng = np.random.default_rng(seed)
    d = vectors.shape[1]
    skew = rng.standard_normal((d, d))
    generator = angle * (skew - skew.T) / np.sqrt(2 * d)
    turn = torch.linalg.matrix_exp(torch.from_numpy(generator)).numpy()
    own = histories.vectors
    if own is None:
        own = vectors[histories.columns]
    turned = (own @ turn).astype(np.float32)
    elsewhere = np.full_like(histories.columns, -1)
    return Histories(histories.ratings, elsewhere, turned, histories.users)
