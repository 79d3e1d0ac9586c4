"""Figures and tables of chapter 02."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import scipy.sparse as sp
from PIL import Image

from helpers.evaluation.metrics import ndcg
from helpers.interactions.matrix import LIKED
from helpers.interactions.splits import Split, cross_platform
from helpers.report.plots import GRID, INK, MUTED, PALETTE, PICTURE_DPI, pictures_of
from helpers.serving.encoding import ListEncoder
from helpers.serving.personas import load_personas
from helpers.simulator import tastes
from helpers.simulator.market import Market

SHOPPERS_DRAWN = 200
"""Rows of the ratings matrix that a figure shows."""
WRAPPED = 17
"""Characters of a line under a picture."""
PRICE_BANDS = 6
NAMED_TRAITS = ["category", "colour", "pattern", "style"]
LIST_LENGTH = 10


# ------------------------------------------------------------------------------ pictures in rows
class Shown(NamedTuple):
    """Items with pictures: `files` may hold None, `titles` are wrapped under the pictures."""

    files: list[Path | None]
    titles: list[str]


def picture_rows(rows: dict[str, Shown], columns: int) -> plt.Figure:
    """One row of pictures for each label, with wrapped titles under them."""
    size = (1.45 * columns + 0.4, 1.95 * len(rows))
    figure, axes = plt.subplots(
        len(rows),
        columns,
        figsize=size,
        dpi=PICTURE_DPI,
        squeeze=False,
    )
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.grid(False)
        axis.spines[:].set_visible(False)
    for line, (label, shown) in zip(
        axes,
        rows.items(),
        strict=True,
    ):
        line[0].set_ylabel(label, fontsize=12)
        for axis, file, title in zip(
            line,
            shown.files,
            shown.titles,
            strict=False,
        ):
            _draw_item(axis, file, title)
    return figure


def _draw_item(axis, file: Path | None, title: str) -> None:
    if file is not None and file.is_file():
        axis.imshow(Image.open(file).convert("RGB"))
    else:
        axis.add_patch(
            plt.Rectangle(
                (0, 0),
                1,
                1,
                color=GRID,
            )
        )
        axis.text(
            0.5,
            0.5,
            "words only",
            ha="center",
            va="center",
            color=MUTED,
            fontsize=11,
        )
        axis.set(
            xlim=(0, 1),
            ylim=(0, 1),
            aspect="equal",
        )
    lines = textwrap.wrap(title, WRAPPED, max_lines=3, placeholder=" …")
    axis.set_xlabel("\n".join(lines), fontsize=10)


class Shop(NamedTuple):
    """A catalog beside the folder of its pictures."""

    catalog: pd.DataFrame
    folder: Path

    def shown(self, items: Sequence[int]) -> Shown:
        """Some items, by position."""
        chosen = self.catalog.iloc[list(items)]
        files = pictures_of(chosen, self.folder)
        return Shown(files, chosen["title"].tolist())


# -------------------------------------------------------------------------------------- a persona
class Brought(NamedTuple):
    """What a persona brings: the items, and their (n, d) vectors."""

    name: str
    items: Shown
    vectors: np.ndarray


def persona(name: str, encoder, catalog: pd.DataFrame, image, text) -> Brought:
    """What a persona brings, as the catalog's encoder sees it."""
    who = load_personas()[name]
    lists = ListEncoder(encoder, catalog, image, text)
    histories, _ = lists.encode(who.history)
    shown = Shown(who.pictures, who.titles)
    return Brought(name, shown, np.asarray(histories.vectors))


def nearest(
    vectors: np.ndarray,
    items: np.ndarray,
    among: np.ndarray,
    k: int,
) -> np.ndarray:
    """The `k` items of `among` most similar to each vector by cosine, (n, k) positions."""
    similarity = _unit(vectors) @ _unit(items[among]).T
    order = np.argsort(-similarity.round(6), axis=1, kind="stable")
    return among[order[:, :k]]


def _unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(length, 1e-12)


def persona_neighbors(who: Brought, shop: Shop, found: np.ndarray) -> plt.Figure:
    """Each item that a persona brings, and the items most similar to it."""
    rows = {}
    for place, items in enumerate(found):
        theirs = shop.shown(items)
        files = [who.items.files[place], *theirs.files]
        titles = [who.items.titles[place], *theirs.titles]
        rows[f"item {place + 1}"] = Shown(files, titles)
    figure = picture_rows(rows, columns=found.shape[1] + 1)
    first = figure.axes[0]
    first.set_title(f"{who.name} brings", fontsize=12, loc="center")
    figure.axes[1].set_title("most similar in the new shop", fontsize=12)
    return figure


def similar_titles(vectors: np.ndarray, catalog: pd.DataFrame, n: int = 4) -> pd.DataFrame:
    """A few items, and the most similar item of another title, by cosine."""
    titles = catalog["title"].to_numpy()
    places = np.linspace(0, len(titles) - 1, n + 2).astype(int)
    rows = []
    for place in places[1:-1]:
        elsewhere = np.flatnonzero(titles != titles[place])
        found = nearest(vectors[[place]], vectors, elsewhere, k=1)
        rows.append({"item": titles[place], "most similar item": titles[found[0, 0]]})
    return pd.DataFrame(rows)


# ------------------------------------------------------------------------------ a shopper's taste
class Taste(NamedTuple):
    """A simulated shopper's taste, written as in the chapter.

    Attributes
    ----------
    attributes : (n_items, n_values) float64
        x_i of each item: 1 where it has the value.
    weights : (n_values,) float64
        β_u.
    appeal : (n_items,) float64
        g_i: what all shoppers agree on.
    names : list of str
        The name of each value.
    """

    attributes: np.ndarray
    weights: np.ndarray
    appeal: np.ndarray
    names: list[str]


def taste_of(market: Market, attributes: pd.DataFrame, shopper: int) -> Taste:
    """A test shopper's taste today.

    Parameters
    ----------
    attributes : DataFrame
        The garments, which give the values their names.
    shopper : int
        Position among the test shoppers.
    """
    mean, scale = market.calibration
    block, place = divmod(int(market.test_rows[shopper]), tastes.SHOPPERS_PER_BLOCK)
    seed = market.settings["seed"]
    everyone = tastes.draw(market.shelf, tastes.SHOPPERS_PER_BLOCK, seed, "test", block)
    weights = (everyone.worth[place] - mean[:-1]) * scale
    levels = market.shelf.now
    table = np.zeros((len(levels), len(weights)))
    rows = np.arange(len(levels))
    for part in range(levels.shape[1]):
        table[rows, levels[:, part]] = 1
    names = _names_of_values(market, attributes, len(weights))
    return Taste(table, weights, market.shelf.quality / mean[-1], names)


def _names_of_values(
    market: Market,
    attributes: pd.DataFrame,
    n_values: int,
) -> list[str]:
    """What each value of each attribute is called."""
    names = ["?"] * n_values
    for number, part in enumerate(market.shelf.parts):
        levels = market.shelf.now[:, number]
        if part == "price":
            price = attributes["price_usd"].to_numpy()
            for level in np.unique(levels):
                names[level] = f"price near {np.median(price[levels == level]):.0f} dollars"
        elif part in attributes:
            for level, value in zip(levels, attributes[part], strict=True):
                name = f"{part} {value}"
                names[level] = name.replace("colour", "color")  # one spelling on screen
    return names


def wishes(taste: Taste, n: int = 5) -> pd.DataFrame:
    """The values that a shopper likes most and least, among those that some item has.

    Of the many price bands only the favorite is shown.
    """
    is_sold = taste.attributes.max(axis=0) > 0
    weights = pd.Series(taste.weights, index=taste.names)[is_sold]
    weights = weights.sort_values(ascending=False, kind="stable").round(2)
    is_price = np.array([name.startswith("price") for name in weights.index])
    is_first_price = is_price & (np.cumsum(is_price) == 1)
    best = weights[~is_price | is_first_price].head(n)
    worst = weights[~is_price].tail(n)[::-1]
    columns = {
        "likes most": best.index,
        "weight": best.to_numpy(),
        "likes least": worst.index,
        "weight ": worst.to_numpy(),
    }
    return pd.DataFrame(columns)


def signal_in_words(taste: Taste, item: int) -> str:
    """The sum of an item's signal: each of its weights, and its general appeal."""
    values = np.flatnonzero(taste.attributes[item])
    parts = [f"{taste.names[value]} ({taste.weights[value]:.2f})" for value in values]
    parts.append(f"general appeal ({taste.appeal[item]:.2f})")
    total = taste.weights[values].sum() + taste.appeal[item]
    return f"{' + '.join(parts)} = {total:.2f}"


# ------------------------------------------------------------------------------------------- bars
def grouped_bars(table: pd.DataFrame, xlabel: str, ylabel: str) -> plt.Axes:
    """Bars side by side: one group per row, one color per column."""
    _, axis = plt.subplots(figsize=(8.6, 4.2))
    colors: dict[Any, Any] = dict(zip(table.columns, PALETTE, strict=False))
    table.plot.bar(ax=axis, color=colors, width=0.8, rot=0)
    axis.set(xlabel=xlabel, ylabel=ylabel)
    axis.grid(axis="x", visible=False)
    axis.tick_params(axis="x", labelcolor=INK, labelsize=12)
    axis.legend(title=None, fontsize=12)
    return axis


def ratings_by_exposure(judged: np.ndarray, seen: np.ndarray) -> pd.DataFrame:
    """Share of each rating in percent, among what was seen and among everything."""
    levels = np.arange(1, 6)
    shares = {
        "what they have seen": [100 * np.mean(judged[seen] == level) for level in levels],
        "everything in shop B": [100 * np.mean(judged == level) for level in levels],
    }
    return pd.DataFrame(shares, index=levels)


class Sparsity(NamedTuple):
    """How empty and how uneven a ratings matrix is."""

    n_known: int
    share_known: float
    share_of_top_five: float
    share_of_top_tenth: float
    median_per_shopper: float
    n_unrated: int


def sparsity_of(ratings: sp.csr_matrix) -> Sparsity:
    """Numbers about a ratings matrix (n_users, n_items)."""
    per_item = np.sort(np.diff(ratings.tocsc().indptr))[::-1]
    per_shopper = np.diff(ratings.indptr)
    n_users, n_items = ratings.shape
    tenth = max(n_items // 10, 1)
    return Sparsity(
        n_known=ratings.nnz,
        share_known=ratings.nnz / (n_users * n_items),
        share_of_top_five=per_item[:5].sum() / ratings.nnz,
        share_of_top_tenth=per_item[:tenth].sum() / ratings.nnz,
        median_per_shopper=float(np.median(per_shopper)),
        n_unrated=int(np.sum(per_item == 0)),
    )


def matrix_figure(ratings: sp.csr_matrix, has_ratings: bool = True) -> plt.Figure:
    """A piece of the ratings matrix, and how many ratings each item has.

    Parameters
    ----------
    has_ratings : bool
        False where the log holds purchases alone, and the figure says so.
    """
    what, done = ("rating", "rated") if has_ratings else ("purchase", "bought")
    per_item = np.diff(ratings.tocsc().indptr)
    order = np.argsort(-per_item, kind="stable")
    figure, axes = plt.subplots(
        1,
        2,
        figsize=(9, 4.2),
        width_ratios=[1.6, 1],
    )
    piece = ratings[:SHOPPERS_DRAWN][:, order]
    axes[0].spy(
        piece,
        markersize=0.7,
        color=PALETTE[0],
        aspect="auto",
    )
    axes[0].set(xlabel=f"items, most {done} first", ylabel=f"{piece.shape[0]} shoppers")
    dot = f"a known {what}" if has_ratings else f"a {what}"
    axes[0].set(xticks=[], yticks=[], title=f"Each dot is {dot}")
    axes[1].plot(per_item[order], color=PALETTE[1])
    axes[1].set(xlabel=f"items, most {done} first", ylabel=f"{what}s")
    axes[1].set(title=f"{what.capitalize()}s per item")
    return figure


# -------------------------------------------------------------------------------------- the splits
def split_table(splits: Sequence[Split], has_ratings: bool = True) -> pd.DataFrame:
    """What each split trains on and asks, one row per split, of ratings or of purchases."""
    what, done = ("ratings", "rated") if has_ratings else ("purchases", "bought")
    meanings = {
        "warm": f"{what} of known shoppers and items",
        "warm_by_time": "the last fifth of the log",
        "cold_user": "likes of new shoppers",
        "cold_item": f"likes of items that nobody has {done}",
        "cross_platform": "likes of new shoppers in shop B",
    }
    rows = {}
    for split in splits:
        rows[split.name] = {
            "asks about": meanings[split.name],
            f"training {what}": split.train.ratings.nnz,
            "shoppers asked": split.relevant["observed"].shape[0],
            "candidates": len(split.candidates),
        }
    return pd.DataFrame(rows).T.rename_axis("split")


# ------------------------------------------------------------------------- rivals on any simulator
@dataclass(frozen=True)
class Rivals:
    """Simple methods that are cheap enough to be tried on many simulated markets.

    Attributes
    ----------
    vectors : (n_items, d) float32
        What the content method reads.
    traits : (n_items, n_values) float32
        Attribute values as 0 and 1.
    """

    vectors: np.ndarray
    traits: np.ndarray

    @classmethod
    def of(cls, vectors: np.ndarray, attributes: pd.DataFrame) -> "Rivals":
        """The methods for a catalog's vectors and attributes."""
        order = attributes["price_usd"].rank(method="first")
        band = pd.qcut(order, PRICE_BANDS, labels=False)
        named = attributes[NAMED_TRAITS]
        named = named.assign(price=band.astype(str))
        traits = pd.get_dummies(named)
        return cls(vectors, traits.to_numpy(np.float32))

    def scores(
        self,
        market: Market,
        n: int = 3,
    ) -> dict[str, float]:
        """NDCG@10 of each method with `n` liked items, on complete judgments."""
        split = cross_platform(market, market.items)
        history = sp.csr_matrix(
            split.histories[n].ratings >= LIKED,
            dtype=np.float32,
        )
        likes = sp.csr_matrix(split.train.ratings >= LIKED, dtype=np.float32)
        scored = {
            "popularity": _popularity(likes, history),
            "item-kNN": _item_knn(likes, history),
            "content": history @ self.vectors @ self.vectors.T,
            "shared attributes": history @ self.traits @ self.traits.T,
            "Oracle": market.probability_liked(market.test_users),
        }
        return {name: _mean_ndcg(scores, split) for name, scores in scored.items()}


def clear_changes(
    scores: pd.DataFrame, alike: Sequence[str], unaided: Sequence[str]
) -> tuple[pd.DataFrame, float]:
    """How far the methods' scores are from those of the first row, where chance can't explain it.

    Parameters
    ----------
    scores : DataFrame
        One row per setting, one column per method. The first row is the setting to compare with.
    alike : sequence of str
        Settings that differ by chance alone for the methods `unaided`.

    Returns
    -------
    clear : DataFrame
        Changes that exceed `chance`, as text; "·" elsewhere. Settings without any are left out.
    chance : float
        The largest difference between the scores of such a method in the rows `alike`.
    """
    same = scores.loc[list(alike), list(unaided)]
    chance = float((same.max() - same.min()).max())
    change = (scores - scores.iloc[0]).iloc[1:]
    is_clear = change.abs() > chance
    told = change.map("{:+.2f}".format).where(is_clear, "·")
    return told[is_clear.any(axis=1)], chance


def _popularity(likes: sp.csr_matrix, history: sp.csr_matrix) -> np.ndarray:
    n_likes = np.asarray(likes.sum(axis=0))
    return np.tile(n_likes, (history.shape[0], 1))


def _item_knn(likes: sp.csr_matrix, history: sp.csr_matrix) -> np.ndarray:
    """Items liked by the shoppers who like the history's items, by cosine."""
    n_likes = np.asarray(likes.sum(axis=0)).ravel()
    by_shopper = history @ likes.T  # one row per test shopper: never items × items
    together = (by_shopper @ likes).toarray()
    return together / np.sqrt(n_likes + 1)


def _mean_ndcg(scores: np.ndarray, split: Split) -> float:
    scores = np.asarray(scores)
    of_target = scores[:, split.candidates]
    order = np.argsort(-of_target, axis=1, kind="stable")
    first = order[:, :LIST_LENGTH]
    best = split.candidates[first]
    per_shopper = ndcg(best, split.relevant["complete"], LIST_LENGTH)
    return float(per_shopper.mean())


def crossing(trap: pd.DataFrame, names: Sequence[str]) -> plt.Axes:
    """Lines from one simulator to the other, one per method."""
    _, axis = plt.subplots(figsize=(8.6, 4.2))
    for color, name in zip(PALETTE, names, strict=False):
        values = trap[name].to_numpy()
        axis.plot(values, "o-", color=color)
        axis.text(
            1.04,
            values[-1],
            f"{values[-1]:.2f}  {name}",
            color=color,
            fontsize=12,
            va="center",
        )
        axis.text(
            -0.04,
            values[0],
            f"{values[0]:.2f}",
            color=color,
            fontsize=12,
            ha="right",
        )
    axis.set(
        xticks=[0, 1],
        xlim=(-0.2, 1.6),
        ylabel="NDCG@10",
    )
    axis.set_xticklabels(trap.index, fontsize=13, color=INK)
    return axis
