"""Sampled dislikes for purchase logs: items that were on sale and were not bought."""

import numpy as np
import pandas as pd
import scipy.sparse as sp

from helpers.interactions.matrix import LIKED, Interactions, ItemFeatures

DISLIKED = 1.0  # the rating that a sampled item gets
LEAST_DISLIKES = 0.01  # share of ratings below LIKED that makes a log more than purchases
ATTEMPTS = 10  # draws for each purchase before it goes without


def has_dislikes(ratings: sp.csr_matrix) -> bool:
    """Whether the log tells what shoppers did not like."""
    return ratings.nnz > 0 and float((ratings.data < LIKED).mean()) > LEAST_DISLIKES


def with_sampled_dislikes(
    train: Interactions,
    items: ItemFeatures | None = None,
    per_like: int = 1,
    seed: int = 7,
) -> Interactions:
    """The log and, for each like, `per_like` items rated 1 that were on sale in the same shop on
    that day.

    An item was on sale from its first to its last purchase by anyone. Without times, all items
    always were. Nothing that a shopper has is sampled for them. Items that nobody has bought are
    not sampled: they are unknown, not worse.
    """
    rng = np.random.default_rng(seed)
    shop: np.ndarray = np.zeros(train.shape[1], np.int64)
    if items is not None and "platform" in items.frame:
        platform = items.frame["platform"].astype("category")
        shop = platform.cat.codes.to_numpy(np.int64)
    likes = train.ratings.tocoo()
    user = np.repeat(likes.row, per_like)
    shop_of_like = np.repeat(shop[likes.col], per_like)
    day = np.zeros(len(user))
    if train.times is not None:
        day = np.repeat(train.times.data, per_like)
    first, last = _on_sale(train)
    sold = _sold_by_shop(train, shop)
    chosen = np.full(len(user), -1)
    open_places = np.arange(len(user))
    for _ in range(ATTEMPTS):
        if len(open_places) == 0:
            break
        drawn = _draw(sold, shop_of_like[open_places], rng)
        when = day[open_places]
        has_begun = first[drawn] <= when
        is_on_sale = has_begun & (when <= last[drawn])
        rating = train.ratings[user[open_places], drawn]
        has_it = np.asarray(rating).ravel() > 0
        is_good = is_on_sale & ~has_it
        chosen[open_places[is_good]] = drawn[is_good]
        open_places = open_places[~is_good]
    found = chosen >= 0
    cells = (user[found], chosen[found])
    ones = np.ones(found.sum(), np.float32)
    sampled = sp.csr_matrix((ones, cells), shape=train.shape)
    sampled.data[:] = DISLIKED  # an item drawn twice is one dislike
    ratings = train.ratings + sampled
    return Interactions(ratings, train.users, train.items, None, train.shoppers)


def _on_sale(train: Interactions) -> tuple[np.ndarray, np.ndarray]:
    """First and last day of each item's purchases, (n_items,) each; without times, always."""
    n_items = train.shape[1]
    first = np.full(n_items, -np.inf)
    last = np.full(n_items, np.inf)
    if train.times is not None:
        days = pd.Series(train.times.data).groupby(train.ratings.indices)
        bounds = days.agg(["min", "max"])
        first[bounds.index] = bounds["min"]
        last[bounds.index] = bounds["max"]
    return first, last


def _sold_by_shop(train: Interactions, shop: np.ndarray) -> list[np.ndarray]:
    """Positions of the items of each shop that anyone has bought."""
    is_bought = train.ratings.getnnz(axis=0) > 0
    sold = []
    for number in range(shop.max() + 1):
        mine = (shop == number) & is_bought
        sold.append(np.flatnonzero(mine))
    return sold


def _draw(
    sold: list[np.ndarray],
    shop: np.ndarray,
    rng,
) -> np.ndarray:
    """An item of each given shop, (n,) int64."""
    n_sold = np.array([len(positions) for positions in sold])
    lot = rng.integers(0, n_sold[shop])
    drawn = np.empty(len(lot), np.int64)
    for number, positions in enumerate(sold):
        mine = shop == number
        drawn[mine] = positions[lot[mine]]
    return drawn
