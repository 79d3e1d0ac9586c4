"""Figures and tables of chapter 05."""

import numpy as np
import pandas as pd

from helpers.artefacts import data_dir
from helpers.embeddings import item_vectors, load_encoder
from helpers.feeds.harmonise import gender_of
from helpers.report.figures import curves
from helpers.report.figures.curves import (
    SIZE,
    named_lines,
    spread_names,
    with_large_words,
)
from helpers.report.figures.curves import newcomers_figure as newcomers_figure  # cells find it here
from helpers.report.plots import MUTED, PALETTE, plt
from helpers.serving.personas import Persona, load_personas

WOMENS_WORDS = ("dress", "skirt", "blouse")


def stars(matrix, names, columns) -> pd.DataFrame:
    """A small matrix of ratings with its names, one decimal."""
    rounded = np.round(matrix, 1) + 0.0  # no minus before a zero
    table = pd.DataFrame(rounded, index=names, columns=columns)
    return table.map("{:.1f}".format)


def with_decimals(table: pd.DataFrame, decimals: int) -> pd.DataFrame:
    """A table of numbers as text with fixed decimals, a dash where there is none."""

    def as_text(value: float) -> str:
        return "–" if np.isnan(value) else f"{value:.{decimals}f}"

    return table.map(as_text).rename_axis(index=None, columns=None)


def search_figure(by_reg: pd.DataFrame, by_rank: pd.DataFrame, title: str) -> plt.Figure:
    """Validation error by penalty, left, and by rank, right; one line per prior."""
    figure, (left, right) = plt.subplots(
        1,
        2,
        figsize=(10.4, 4.4),
        sharey=True,
    )
    error = "validation RMSE (stars)"
    named_lines(
        by_reg,
        "reg",
        "rmse",
        "prior",
        title=title,
        xlabel="penalty λ",
        ylabel=error,
        ax=left,
    )
    for name in list(left.texts):
        name.remove()  # the right part names them
    named_lines(
        by_rank,
        "rank",
        "rmse",
        "prior",
        title="",
        xlabel="rank f (log scale)",
        ylabel="",
        log_ticks=sorted(by_rank["rank"].unique()),
        ax=right,
    )
    errors = pd.concat([by_reg["rmse"], by_rank["rmse"]])
    margin = 0.05 * (errors.max() - errors.min())
    right.set_ylim(errors.min() - margin, errors.max() + margin)  # the left part shares it
    spread_names(right)
    return figure


def calibration_figure(sure: pd.DataFrame, title: str) -> plt.Axes:
    """The error that predictions state against the error they make, in six groups.

    Parameters
    ----------
    sure : DataFrame
        One row per held-out rating: `stated` (standard deviation), `error` (squared error).
    """
    _, ax = plt.subplots(figsize=SIZE)
    groups = sure.groupby(pd.qcut(sure["stated"], 6), observed=True).mean()
    actual = np.sqrt(groups["error"])
    ax.plot(groups["stated"], actual, "o", markersize=9, color=PALETTE[0])
    low = min(groups["stated"].min(), actual.min()) - 0.05
    high = max(groups["stated"].max(), actual.max()) + 0.05
    ax.plot(
        [low, high],
        [low, high],
        color=MUTED,
        linewidth=1.5,
        linestyle=":",
    )
    ax.annotate("stated = actual", (high, high), ha="right", va="bottom", color=MUTED)
    ax.set(
        xlim=(low, high),
        ylim=(low, high),
        xlabel="error that the model states (standard deviation, stars)",
        ylabel="error it makes (RMSE, stars)",
    )
    with_large_words(ax, title)
    return ax


def starts_figure(runs: dict, title: str) -> plt.Axes:
    """Training error per gradient step, one line per start."""
    _, ax = plt.subplots(figsize=SIZE)
    for name, errors in runs.items():
        ax.plot(errors, label=name)
    ax.axhline(1.5, color=MUTED, linewidth=1, linestyle=":")
    ax.set(yscale="log", xlabel="gradient step", ylabel="mean squared error (training)")
    ax.legend(title="start", ncols=2, fontsize=12, title_fontsize=12)
    with_large_words(ax, title)
    return ax


def lists_of_one_shopper(profile: str, items, liked, lists: dict) -> plt.Figure:
    """What a shopper rated best, and each objective's list below it."""
    return curves.lists_of_one_shopper(profile, items, {"5 stars": liked, **lists})


def newcomer_vectors(profile: str) -> dict[str, np.ndarray]:
    """Vectors of what each newcomer likes elsewhere, (n_liked, d) float32 by name.

    Where an item has no picture, the vector of its title stands in both halves.
    """
    encoder = load_encoder(data_dir(profile))
    people = load_personas()
    return {name: _vectors_liked(encoder, persona) for name, persona in people.items()}


def _vectors_liked(encoder, persona: Persona) -> np.ndarray:
    words = encoder.encode_texts(persona.titles)
    looks = encoder.encode_images(persona.pictures)
    has_picture = looks.any(axis=1, keepdims=True)
    return item_vectors(np.where(has_picture, looks, words), words)


def gender_of_persona(persona: Persona) -> str:
    """ "men" or "women": as given, or as the titles of what they like say; else "all"."""
    if persona.gender:
        return persona.gender
    titles = [title.lower() for title in persona.titles]
    if any(gender_of("", title) == "men" for title in titles):
        return "men"
    if any(word in title for title in titles for word in WOMENS_WORDS):
        return "women"
    return "all"


def suits(items, candidates, gender: str) -> np.ndarray:
    """Those candidates with a picture that are made for this gender."""
    frame = items.frame.iloc[candidates]
    has_picture = frame["image_path"].fillna("").astype(bool)
    fits = pd.Series(True, index=frame.index)
    if gender != "all":
        fits = frame["gender"].isin([gender, "unisex", "unknown", ""])
    return np.asarray(candidates)[(has_picture & fits).to_numpy()]
