"""Figures and tables of chapter 03."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import scipy.sparse as sp

from helpers.artefacts import data_dir
from helpers.evaluation.significance import bootstrap
from helpers.interactions import Histories
from helpers.report.figures import curves
from helpers.report.figures.curves import named_lines, rows_of_pictures
from helpers.report.plots import pictures_of, plt
from helpers.serving.personas import Persona, load_personas

BEST_RATING = 5.0
HEADINGS = {"rmse": "RMSE", "mae": "MAE", "precision": "P@5", "recall": "R@5"}


def blank_zeros(table: pd.DataFrame) -> pd.DataFrame:
    """A table of ratings in which an unknown one is empty."""
    return table.astype(object).replace(0, "")


def as_table(matrix, names, decimals: int = 2) -> pd.DataFrame:
    """A small square matrix of items × items with its names and a fixed number of decimals."""
    table = pd.DataFrame(matrix, index=names, columns=names)
    return table.map(lambda value: f"{value:.{decimals}f}")


def shrinkage_figure(found: pd.DataFrame, title: str) -> plt.Axes:
    """Recall by number of neighbors, one line per shrinkage."""
    return named_lines(
        found,
        "k",
        "recall",
        "shrinkage",
        title=title,
        xlabel="neighbors k of an item",
        ylabel="recall@10",
        log_ticks=sorted(found["k"].unique()),
    )


def history_figure(
    judged: pd.DataFrame,
    title: str,
    ylabel: str,
) -> plt.Axes:
    """NDCG@10 by number of history items, one line per method.

    Parameters
    ----------
    judged : DataFrame
        Rows of `summarise` for one metric and one variant.
    """
    return named_lines(
        judged,
        "n_history",
        "value",
        "recommender",
        title=title,
        xlabel="liked items that the shopper brings along",
        ylabel=ylabel,
        dashed=("Popularity", "Oracle"),
    )


def neighbor_pictures(profile: str, items, model, chosen) -> plt.Figure:
    """Each chosen item, framed, and its six nearest items."""
    picture = pictures_of(items.frame, data_dir(profile))
    rows = {}
    for number, item in enumerate(chosen, start=1):
        nearest, _ = model.neighbors(item)
        shown = [item, *nearest[:6]]
        rows[f"item {number}"] = [picture[i] for i in shown]
    return rows_of_pictures(rows, columns=7, framed=1)


def lists_of_one_shopper(profile: str, items, liked, lists: dict) -> plt.Figure:
    """What a shopper liked, and each method's list below it."""
    return curves.lists_of_one_shopper(profile, items, {"liked": liked, **lists})


def strangers(people: Iterable[Persona]) -> Histories:
    """Newcomers whose liked items stand in no column of this shop's log.

    Parameters
    ----------
    people : iterable of Persona
        What each likes is the `history`.
    """
    n_liked = np.array([len(person.history) for person in people])
    place = np.arange(n_liked.max())
    ratings = np.where(place < n_liked[:, None], BEST_RATING, 0.0)
    outside = np.full(len(place), -1)
    return Histories(sp.csr_matrix(ratings), outside)


def newcomers_figure(profile: str, items, lists) -> plt.Figure:
    """Two things that each persona likes, framed, and the five items that they are shown.

    Parameters
    ----------
    lists : (4, 5) array
        Item positions, one row per persona in the order of the file.
    """
    by_name = dict(zip(load_personas(), lists, strict=True))
    return curves.newcomers_figure(profile, items, by_name)


def measures_table(values: pd.DataFrame) -> pd.DataFrame:
    """RMSE, MAE, P@5 and R@5 of each method as text, a dash where a method predicts no ratings.

    Columns that no method has are left out.
    """
    present = [name for name in HEADINGS if name in values]
    shown = values[present].rename(columns=HEADINGS).rename_axis(index=None, columns=None)
    return shown.map(lambda value: "–" if np.isnan(value) else f"{value:.3f}")


def against_floor(
    per_user: pd.DataFrame,
    floor: str,
    lengths,
) -> pd.DataFrame:
    """How much better than the floor each method is, with 95% intervals.

    Parameters
    ----------
    per_user : DataFrame
        Rows of an evaluation's `per_user` for one metric and one variant.
    floor : str
        The method that is subtracted, shopper by shopper.
    lengths : sequence of int
        History lengths, one column each.
    """
    rows = per_user.astype({"recommender": str})
    wide = rows.pivot(
        index=["n_history", "user"],
        columns="recommender",
        values="value",
    )
    difference = wide.drop(columns=floor).sub(wide[floor], axis=0)
    columns = {}
    for n in lengths:
        texts = {name: _interval(column) for name, column in difference.loc[n].items()}
        columns[f"{n} liked item{'' if n == 1 else 's'}"] = texts
    return pd.DataFrame(columns)


def _interval(values: pd.Series) -> str:
    mean, low, high = bootstrap(values.to_numpy())
    return f"{mean:+.2f} ({low:+.2f} to {high:+.2f})"


def fallback_table(runs: pd.DataFrame) -> pd.DataFrame:
    """How many shoppers of each method got the most popular items, by number of history items.

    Parameters
    ----------
    runs : DataFrame
        Of an evaluation.
    """
    runs = runs.query("recommender != 'Oracle'")
    runs = runs.drop_duplicates(["recommender", "n_history"])
    table = runs.pivot(index="recommender", columns="n_history", values="n_fallback")
    table.columns = [f"n = {n}" for n in table.columns]
    return table.astype(int).rename_axis(None)
