"""Figures and tables of chapter 04."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import scipy.sparse as sp

from helpers.interactions.matrix import Histories, Interactions, ItemFeatures
from helpers.report.figures.people import frame_liked, mark_hits, people_sheet
from helpers.report.plots import INK, PALETTE, contact_sheet, thumbnails

UNKNOWN_CATEGORY = "other"
TITLE = {"x": 0.01, "ha": "left", "fontsize": 12, "fontweight": "bold"}
ROWS = 1024  # of similarities that are sorted at once


def search_sheet(
    paths: Sequence, queries: dict[str, dict[str, str]], hits: np.ndarray, title: str
) -> plt.Figure:
    """The nearest pictures of each query; those that are all that was asked for are framed.

    Parameters
    ----------
    paths : sequence
        Picture files, row by row.
    queries : dict
        Each sentence with the values that it asks for.
    hits : (n_queries, n_shown) bool
        Whether a picture's item is what was asked for.
    title : str
    """
    labels = ["\n".join(query.rsplit(" ", 1)) for query in queries]
    figure = contact_sheet(
        paths,
        columns=hits.shape[1],
        row_labels=labels,
        size=0.86,
    )
    mark_hits(figure, hits.ravel().tolist())
    figure.suptitle(title, **TITLE)
    return figure


def described(
    queries: dict[str, dict[str, str]],
    attributes: pd.DataFrame,
    found,
    shop,
):
    """How many of the found items are what was asked for, and how many chance would give.

    Parameters
    ----------
    queries : dict
        Each sentence with the values that it asks for.
    attributes : DataFrame
        One row per item.
    found : (n_queries, n_shown) int
        Item positions.
    shop : (n,) int
        Positions of all items searched.

    Returns
    -------
    table : DataFrame
    hits : (n_queries, n_shown) bool
        Items that are all that was asked for.
    """
    rows = []
    hits = np.ones(found.shape, dtype=bool)
    for number, (query, wanted) in enumerate(queries.items()):
        for name, value in wanted.items():
            is_right = (attributes[name] == value).to_numpy()
            hits[number] &= is_right[found[number]]
            rows.append(
                {
                    "query": query,
                    "asked for": value,
                    "found": int(is_right[found[number]].sum()),
                    "by chance": found.shape[1] * is_right[shop].mean(),
                }
            )
    return pd.DataFrame(rows), hits


def shares_of_neighbors(
    views: dict[str, np.ndarray], attributes: pd.DataFrame, names: Sequence[str], n: int = 10
) -> pd.DataFrame:
    """Share of an item's `n` nearest items that have its value: one row per attribute.

    Parameters
    ----------
    views : dict of str to (n_items, d)
        Unit vectors.
    attributes : DataFrame, n_items rows
    names : sequence of str
        Columns of `attributes`.
    """
    rows: dict[str, dict[str, float]] = {}
    for view, vectors in views.items():
        similarity = vectors @ vectors.T
        np.fill_diagonal(similarity, -np.inf)  # an item is not its own neighbor
        nearest = _best(similarity, n)
        for name in names:
            label = attributes[name].astype(str).to_numpy()
            is_same = label[nearest] == label[:, None]
            row = rows.setdefault(name, {})
            row[view] = is_same.mean()
    for name in names:
        share = attributes[name].astype(str).value_counts(normalize=True)
        rows[name]["chance"] = (share**2).sum()
    return pd.DataFrame(rows).T


def _best(similarity: np.ndarray, n: int) -> np.ndarray:
    """Columns of the `n` largest of each row, (n_rows, n) int64, in blocks of rows: the sorted
    positions of all rows would take twice as much memory as the similarities."""
    found = [
        np.argsort(-similarity[start : start + ROWS], axis=1, kind="stable")[:, :n]
        for start in range(0, len(similarity), ROWS)
    ]
    return np.concatenate(found)


def attribute_bars(shares: pd.DataFrame, title: str) -> plt.Figure:
    """Groups of bars, one group per attribute; chance is a black line."""
    figure, axis = plt.subplots(figsize=(8.2, 3.8))
    views = [name for name in shares.columns if name != "chance"]
    width = 0.8 / len(views)
    places = np.arange(len(shares))
    for number, name in enumerate(views):
        left = places + (number - (len(views) - 1) / 2) * width
        bars = axis.bar(
            left,
            10 * shares[name],
            0.92 * width,
            color=PALETTE[number],
            label=name,
        )
        axis.bar_label(bars, fmt="%.1f", fontsize=11)
    for place, chance in zip(places, shares["chance"], strict=True):
        axis.plot(
            [place - 0.42, place + 0.42],
            [10 * chance] * 2,
            color=INK,
            linewidth=2,
        )
    axis.plot([], [], color=INK, linewidth=2, label="chance")
    axis.set(ylabel="of the 10 nearest", ylim=(0, 10.5), title=title)
    axis.set_xticks(places, [f"same {name}" for name in shares.index], fontsize=12)
    axis.grid(axis="x", visible=False)
    axis.legend(loc="upper right", ncols=len(views) + 1, fontsize=11)
    return figure


def map_of_pictures(
    points: np.ndarray,
    paths: Sequence[Path],
    title: str,
) -> plt.Figure:
    """Pictures at their places on a flat map, thinned out so that none covers another."""
    figure, axis = plt.subplots(figsize=(8.6, 4.6))
    thumbnails(axis, points, paths, zoom=0.13, least=0.042)
    axis.set(xticks=[], yticks=[], title=title)
    return figure


def swing_of_prior(table: pd.DataFrame, title: str) -> plt.Figure:
    """True and learned mean of each weight, with one standard deviation between shoppers.

    Parameters
    ----------
    table : DataFrame
        One row per weight; columns `true mean`, `true sd`, `learned mean`, `learned sd`.
    title : str
    """
    figure, axis = plt.subplots(figsize=(8.2, 3.2))
    places = np.arange(len(table))
    for number, kind in enumerate(("true", "learned")):
        axis.errorbar(
            table[f"{kind} mean"],
            places + 0.16 * (number - 0.5),
            xerr=table[f"{kind} sd"],
            fmt="o",
            markersize=8,
            linewidth=3,
            color=PALETTE[number],
            label=kind,
        )
    axis.axvline(0, color=INK, linewidth=1)
    axis.set_yticks(places, table.index, fontsize=12)
    axis.set(
        xlabel="weight (stars)",
        title=title,
        ylim=(len(table) - 0.4, -0.6),
    )
    axis.legend(loc="lower right", fontsize=11)
    return figure


def worst_list(
    lists: np.ndarray,
    histories: Histories,
    category: np.ndarray,
    is_pictured: np.ndarray,
    among: Sequence[int],
) -> tuple[int, np.ndarray, int]:
    """The list with the most items outside the categories that its shopper likes.

    Only shoppers all of whose liked items have a picture and a known category are looked at. If
    there is none, it is the first shopper's list.

    Parameters
    ----------
    lists : (n_users, k) int
        Item positions.
    histories : Histories
    category : (n_items,) array of str
    is_pictured : (n_items,) bool
    among : sequence of int
        Shoppers to choose from.

    Returns
    -------
    shopper : int
    liked : (n,) int
        Positions of their liked items.
    n_outside : int
    """
    is_fit = is_pictured & (category != UNKNOWN_CATEGORY)
    worst = 0
    most = -1
    for shopper in among:
        liked = _rated(histories, shopper)
        n_outside = _outside(lists[shopper], liked, category)
        if is_fit[liked].all() and n_outside > most:
            worst = shopper
            most = n_outside
    liked = _rated(histories, worst)
    return worst, liked, _outside(lists[worst], liked, category)


def _rated(histories: Histories, shopper: int) -> np.ndarray:
    """Positions of the items in a history."""
    items: np.ndarray = histories.columns[histories.ratings[shopper].indices]
    return items


def _outside(ranked: np.ndarray, liked: np.ndarray, category: np.ndarray) -> int:
    """How many items of a list are of no liked category."""
    return int((~np.isin(category[ranked], category[liked])).sum())


def before_and_after(
    lists: dict[str, np.ndarray],
    frame: pd.DataFrame,
    liked: np.ndarray,
    root: Path,
    title: str,
) -> plt.Figure:
    """Several lists for one shopper below each other, with what the shopper likes in front.

    Items of a liked category have a green frame.

    Parameters
    ----------
    lists : dict of str to (k,) int
        Item positions of each list under its label.
    frame : DataFrame, n_items rows
        `title`, `category` and `image_path`.
    liked : (n,) int
    root : path
        Folder of the pictures.
    title : str
    """
    known = frame.iloc[liked]
    n_shown = max(len(ranked) for ranked in lists.values())
    nothing = pd.DataFrame({"title": [], "picture": []})
    rows = {"likes": (nothing, known)}
    is_wanted = [False] * n_shown
    for label, ranked in lists.items():
        found = frame.iloc[ranked]
        rows[label] = (nothing, found)
        is_wanted += found["category"].isin(known["category"]).tolist()
        is_wanted += [False] * (n_shown - len(found))
    figure = people_sheet(
        rows,
        root,
        n_liked=0,
        n_shown=n_shown,
        title=title,
        size=0.8,
    )
    mark_hits(figure, is_wanted)
    for axis in figure.axes[: len(liked)]:
        frame_liked(axis)
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, 1.1 * height)  # rows with room between them fill a slide
    return figure


@dataclass(frozen=True)
class MadeUpShoppers:
    """Shoppers whose taste we know, to test what learns a prior.

    Attributes
    ----------
    X : (n_items, d) float64
        Attribute vectors; the last entry is the constant 1.
    people : list of (ratings, X)
        What each shopper has rated, and those items' attribute vectors.
    ratings : csr_matrix, (n_people, n_items)
        The same ratings.
    """

    X: np.ndarray
    people: list[tuple[np.ndarray, np.ndarray]]
    ratings: sp.csr_matrix


def made_up_shoppers(
    mean: np.ndarray,
    sd: np.ndarray,
    n_people: int,
    n_rated: int,
    seed: int,
    n_items: int = 60,
    noise: float = 0.5,
) -> MadeUpShoppers:
    """Draw weights for each shopper, and ratings 3 + weights · x + noise of some random items."""
    rng = np.random.default_rng(seed)
    flags = rng.integers(0, 2, (n_items, len(mean) - 1))
    X = np.column_stack([flags, np.ones(n_items)])
    people = []
    table = np.zeros((n_people, n_items))
    for person in range(n_people):
        weights = mean + sd * rng.standard_normal(len(mean))
        rated = rng.choice(n_items, size=n_rated, replace=False)
        ratings = 3 + X[rated] @ weights + noise * rng.standard_normal(n_rated)
        people.append((ratings, X[rated]))
        table[person, rated] = ratings
    return MadeUpShoppers(X, people, sp.csr_matrix(table))


@dataclass(frozen=True)
class TwoShops:
    """A toy of two shops: a log of the second one, and a stranger who likes the whole first one."""

    items: ItemFeatures
    log: Interactions
    stranger: Histories


def two_shops(vectors_a, vectors_b, ratings_b: np.ndarray) -> TwoShops:
    """Shop A and shop B, whose customers have rated items of B alone.

    Parameters
    ----------
    vectors_a, vectors_b : (n_a, d) and (n_b, d)
    ratings_b : (n_customers, n_b)
        0 is unknown.
    """
    of_a = np.asarray(vectors_a, dtype=np.float32)
    of_b = np.asarray(vectors_b, dtype=np.float32)
    platform = ["A"] * len(of_a) + ["B"] * len(of_b)
    keys = [str(number) for number in range(len(platform))]
    frame = pd.DataFrame({"image_key": keys, "platform": platform})
    items = ItemFeatures(np.vstack([of_a, of_b]), frame)
    nothing = np.zeros((len(ratings_b), len(of_a)))
    ratings = sp.csr_matrix(np.hstack([nothing, ratings_b]))
    customers = pd.Index([f"customer {number}" for number in range(len(ratings_b))])
    log = Interactions(ratings, customers, pd.Index(keys))
    likes = sp.csr_matrix(np.full((1, len(of_a)), 5.0))
    return TwoShops(
        items,
        log,
        Histories(likes, np.arange(len(of_a)), of_a),
    )


def table_of_encoders(path: Path) -> pd.DataFrame:
    """What `bench/encoders.py` measured, one row per encoder and what it reads."""
    study = pd.read_csv(path).dropna(subset="data")
    study["data"] = study["data"].replace("sample", "drawings")
    asked = [
        ("held-out photos", "category P@10"),
        ("held-out photos", "color P@10"),
        ("drawings", "category P@10"),
        ("drawings", "color P@10"),
        ("drawings", "NDCG@10, 3 liked"),
    ]
    rows = ["encoder", "reads"]
    wide = study.pivot(index=rows, columns=["data", "metric"], values="value")
    return wide[asked].dropna(how="any").round(2)
