"""Why a product is recommended: the liked item that is most like it, and what the two share."""

import re

import numpy as np
import pandas as pd

from helpers.feeds.harmonise import category_of, colour_of, load_vocabulary
from helpers.interactions.matrix import LIKED, Histories
from helpers.recommenders.features import unit

TELLS_NOTHING = ("other", "unknown", "solid")


def words(text: str) -> set[str]:
    """Words of three letters or more, in lower case."""
    return set(re.findall(r"[^\W\d_]{3,}", text.lower()))


def traits(title: str, category: str = "", colour: str = "") -> list[str]:
    """Category, color and patterns, in this order, from the shop's columns or else the title."""
    category = category or category_of(title)
    colour = colour or colour_of("", title)
    patterns = load_vocabulary().patterns.named(title)
    named = dict.fromkeys([category, colour, *patterns])
    return [name for name in named if name not in TELLS_NOTHING]


def liked_rows(histories: Histories) -> np.ndarray:
    """Positions of the items that one shopper likes; without a like, those rated best."""
    ratings = histories.ratings.toarray()[0]
    if not ratings.any():
        return np.array([], dtype=np.int64)
    return np.flatnonzero(ratings >= min(LIKED, ratings.max()))


def nearest_liked(vectors: np.ndarray, histories: Histories) -> tuple[np.ndarray, np.ndarray]:
    """For each product vector (n, d), the most similar liked item and their cosine: (n,) and (n,).

    The item is a position in the history, or -1 where nothing is liked.
    """
    n_products = len(vectors)
    liked = liked_rows(histories)
    if histories.vectors is None or len(liked) == 0:
        nothing = np.full(n_products, -1)
        return nothing, np.zeros(n_products)
    products = unit(vectors)
    items = unit(histories.vectors[liked])
    cosine = products @ items.T
    nearest = liked[cosine.argmax(axis=1)]
    return nearest, cosine.max(axis=1)


def explain(
    products: pd.DataFrame, vectors: np.ndarray, histories: Histories, titles: list[str]
) -> pd.DataFrame:
    """`because` (a liked title), `similarity` (their cosine) and `shares` (what they share).

    Parameters
    ----------
    products : DataFrame, n rows
        `title`, `category` and `colour` of the products found.
    vectors : (n, 2 d) float32
        Their concat(image, text).
    histories : Histories of one shopper
    titles : list of str
        Of the history's items.
    """
    nearest, similarity = nearest_liked(vectors, histories)
    rows = []
    for row, product in enumerate(products.itertuples()):
        if histories.vectors is None or nearest[row] < 0:
            rows.append(("", 0.0, ""))
            continue
        title = titles[nearest[row]]
        shared = _shared(product, title)
        if not shared:
            shared = _closer_half(vectors[row], histories.vectors[nearest[row]])
        rows.append((title, round(float(similarity[row]), 3), shared))
    return pd.DataFrame(rows, columns=["because", "similarity", "shares"], index=products.index)


def _shared(product, title: str) -> str:
    theirs = traits(product.title, product.category, product.colour)
    mine = traits(title)
    return ", ".join(name for name in theirs if name in mine)


def _closer_half(product: np.ndarray, liked: np.ndarray) -> str:
    """Whether looks or words are more alike, where no trait is shared."""
    both = np.stack([product, liked])
    looks, said = np.split(both, 2, axis=1)
    cosine_of_looks = _cosine_of(looks)
    cosine_of_words = _cosine_of(said)
    return "its looks" if cosine_of_looks > cosine_of_words else "its words"


def _cosine_of(pair: np.ndarray) -> float:
    """Cosine of two rows, (2, d)."""
    first, second = unit(pair)
    return float(first @ second)
