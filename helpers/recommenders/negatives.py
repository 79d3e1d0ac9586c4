"""A purchase log has no dislikes: what a learner may take for one is an item that was on sale and was not bought."""

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
    train: Interactions, items: ItemFeatures | None = None, per_like: int = 1, seed: int = 7
) -> Interactions:
    """The log and, for each like, `per_like` items rated 1 that were on sale in the same shop on that day.

    An item was on sale from its first to its last purchase by anyone. Without times, all items always were. Nothing
    that a shopper has is sampled for them. Items that nobody has bought are not sampled: they are unknown, not worse.
    """
    rng = np.random.default_rng(seed)
    likes = train.ratings.tocoo()
    shop = np.zeros(train.shape[1], np.int64)
    if items is not None and "platform" in items.frame:
        shop = items.frame["platform"].astype("category").cat.codes.to_numpy(np.int64)
    user = np.repeat(likes.row, per_like)
    day = np.zeros(len(user))
    first = np.full(train.shape[1], -np.inf)
    last = np.full(train.shape[1], np.inf)
    if train.times is not None:
        day = np.repeat(train.times.data, per_like)
        bounds = pd.Series(train.times.data).groupby(train.ratings.indices).agg(["min", "max"])
        first[bounds.index] = bounds["min"]
        last[bounds.index] = bounds["max"]
    bought = train.ratings.getnnz(axis=0) > 0
    sold = [np.flatnonzero((shop == number) & bought) for number in range(shop.max() + 1)]
    of_shop = np.repeat(shop[likes.col], per_like)
    n_sold = np.array([len(positions) for positions in sold])
    chosen = np.full(len(user), -1)
    open_places = np.arange(len(user))
    for _ in range(ATTEMPTS):
        if len(open_places) == 0:
            break
        lot = rng.integers(0, n_sold[of_shop[open_places]])
        drawn = np.empty(len(lot), np.int64)
        for number, positions in enumerate(sold):
            mine = of_shop[open_places] == number
            drawn[mine] = positions[lot[mine]]
        when = day[open_places]
        on_sale = (first[drawn] <= when) & (when <= last[drawn])
        has_it = np.asarray(train.ratings[user[open_places], drawn]).ravel() > 0
        good = on_sale & ~has_it
        chosen[open_places[good]] = drawn[good]
        open_places = open_places[~good]
    found = chosen >= 0
    sampled = sp.csr_matrix(
        (np.ones(found.sum(), np.float32), (user[found], chosen[found])), shape=train.shape
    )
    sampled.data[:] = DISLIKED  # an item drawn twice is one dislike
    return Interactions(train.ratings + sampled, train.users, train.items, None, train.shoppers)
