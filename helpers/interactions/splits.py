"""Who is examined on what: every split keeps what a method may learn apart from what it is asked."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import scipy.sparse as sp

from helpers.interactions.matrix import LIKED, Histories, Interactions, ItemFeatures

N_HISTORY = (0, 1, 2, 3, 5, 10)


@dataclass(frozen=True)
class Split:
    """Training data, the test shoppers' histories, and what they turn out to like.

    Attributes
    ----------
    name : str
        warm, temporal, cold_user, cold_item or cross_platform.
    train : Interactions
        All that a method may learn from; its columns are the whole catalogue.
    histories : dict of (int or None) to Histories
        The test shoppers by number of history items; None stands for all that they have in `train`.
    relevant : dict of str to csr_matrix, (n_test, n_items) bool
        Rating >= 4, as "observed" (what a log would tell) and, when simulated, "complete" (every candidate).
    candidates : (n_candidates,) int64
        Item positions that may be recommended.
    test : Interactions or None
        Held-out ratings, rows as in `histories`, for errors of predicted ratings.
    dropped : dict of str to int
        What could not be examined, and how many: never silent.
    """

    name: str
    train: Interactions
    histories: dict[int | None, Histories]
    relevant: dict[str, sp.csr_matrix]
    candidates: np.ndarray
    test: Interactions | None = None
    dropped: dict[str, int] = field(default_factory=dict)


def cross_platform(market, items, source=None, target=None, n_history=N_HISTORY) -> Split:
    """The headline: history from platform `source` only, recommendations from platform `target` only.

    Parameters
    ----------
    market : Market
        From `simulate_market` or `load_market`.
    items : pandas.Index or ItemFeatures
        The catalogue's `image_key`s in order; with ItemFeatures, histories carry the items' vectors too.
    source, target : str, optional
        Must name the platforms that the market was simulated for (the default).
    n_history : sequence of int
        The n items of a history are the first n of one random order of the shopper's liked items, so histories nest.
    """
    made_for = (market.settings["source"], market.settings["target"])
    asked = (source or made_for[0], target or made_for[1])
    if asked != made_for:
        raise ValueError(
            f"the market was simulated for {made_for}, not {asked}: run chapter 02 with these platforms"
        )
    names = (
        pd.Index(items.frame["image_key"]) if isinstance(items, ItemFeatures) else pd.Index(items)
    )
    place = market.items.get_indexer(names)
    if (place < 0).any() or len(names) != len(market.items):
        raise KeyError(
            f"the market knows {len(market.items)} items, not these {len(names)}: run chapter 02 again"
        )
    platform = market.platform[place]
    observed = market.observed[:, place].tocsr()
    on_source = observed.multiply(platform == asked[0]).tocsr()
    on_target = observed.multiply(platform == asked[1]).tocsr()
    candidates = np.flatnonzero(platform == asked[1])
    complete = sp.csr_matrix((market.judged[:, place] >= LIKED) & (platform == asked[1]))
    vectors = items.vectors if isinstance(items, ItemFeatures) else None
    ranks = _liked_order(on_source, market.settings["seed"])
    cells = (market.seen["user"], market.seen["item"])
    days = sp.csr_matrix((market.seen["timestamp"] / 86_400, cells), observed.shape)[:, place]
    known = {n: _first(on_source, ranks, n) for n in n_history}
    histories = {
        n: Histories(
            one, np.arange(len(names)), vectors, market.test_users, days.multiply(one > 0).tocsr()
        )
        for n, one in known.items()
    }
    train = Interactions(market.train[:, place], market.train_users, names)
    held = Interactions(on_target, market.test_users, names)
    relevant = {"complete": complete, "observed": _liked(on_target)}
    return Split("cross_platform", train, histories, relevant, candidates, held)


def warm(interactions: Interactions, folds: int = 5, seed: int = 7) -> Iterator[Split]:
    """Random k-fold over ratings: each rating is held out once; shoppers and items stay known."""
    if not 2 <= folds <= max(interactions.ratings.nnz, 2):
        raise ValueError(
            f"folds must lie in 2..{interactions.ratings.nnz} (the number of ratings), not {folds}"
        )
    pairs = interactions.ratings.tocoo()
    fold = np.random.default_rng(seed).permutation(pairs.nnz) % folds
    for number in range(folds):
        train, held = (
            _subset(interactions, pairs, keep) for keep in (fold != number, fold == number)
        )
        yield _known("warm", train, held, np.arange(interactions.shape[1]))


def temporal(log: pd.DataFrame, items: pd.Index, share: float = 0.2) -> Split:
    """Train on the past, examine on the last `share` of the log; a pair already rated before is not asked again."""
    cut = np.quantile(log["timestamp"].to_numpy(), 1 - share, method="higher")
    past = Interactions.from_frame(log[log["timestamp"] < cut], items)
    later = log[log["timestamp"] >= cut]
    known = later["user"].isin(past.users)
    held = Interactions.from_frame(later[known], items, users=past.users)
    repeated = held.ratings.multiply(past.ratings > 0).tocsr()
    held = Interactions((held.ratings - repeated).tocsr(), held.users, items)
    split = _known("temporal", past, held, np.arange(len(items)))
    split.dropped.update(
        {"ratings of shoppers unseen before the cut": int((~known).sum()), "repeats": repeated.nnz}
    )
    return split


def cold_user(
    interactions: Interactions, n_history=N_HISTORY, share: float = 0.2, seed: int = 7
) -> Split:
    """Shoppers absent from training, known by n liked items.

    What they are examined on is the same for every n: the likes that even the longest history leaves over.
    """
    longest = max(n_history)
    n_liked = np.asarray(_liked(interactions.ratings).sum(axis=1)).ravel()
    able = np.flatnonzero(n_liked > longest)
    n_test = min(round(share * interactions.shape[0]), len(able))
    if n_test == 0:
        raise ValueError(
            f"no shopper has more than {longest} liked items; ask for shorter histories"
        )
    cold = np.sort(np.random.default_rng(seed).permutation(able)[:n_test])
    warm_rows = np.setdiff1d(np.arange(interactions.shape[0]), cold)
    theirs, users = interactions.ratings[cold], interactions.users[cold]
    ranks = _liked_order(theirs, seed)
    columns = np.arange(interactions.shape[1])
    histories = {n: Histories(_first(theirs, ranks, n), columns, None, users) for n in n_history}
    held = theirs - _first(theirs, ranks, longest)
    train = Interactions(
        interactions.ratings[warm_rows], interactions.users[warm_rows], interactions.items
    )
    dropped = {"shoppers with too few liked items": interactions.shape[0] - len(able)}
    held = Interactions(held, users, interactions.items)
    return Split(
        "cold_user", train, histories, {"observed": _liked(held.ratings)}, columns, held, dropped
    )


def cold_item(interactions: Interactions, share: float = 0.2, seed: int = 7) -> Split:
    """Items without a single rating in training; candidates are these items only."""
    n_cold = max(1, round(share * interactions.shape[1]))
    cold = np.zeros(interactions.shape[1], bool)
    cold[np.random.default_rng(seed).permutation(interactions.shape[1])[:n_cold]] = True
    pairs = interactions.ratings.tocoo()
    train, held = (
        _subset(interactions, pairs, keep) for keep in (~cold[pairs.col], cold[pairs.col])
    )
    return _known("cold_item", train, held, np.flatnonzero(cold))


def _known(name: str, train: Interactions, held: Interactions, candidates: np.ndarray) -> Split:
    """A split whose test shoppers are in training: those with something held out and something left to know them by."""
    n_held, n_left = np.diff(held.ratings.indptr), np.diff(train.ratings.indptr)
    rows = np.flatnonzero((n_held > 0) & (n_left > 0))
    test = Interactions(held.ratings[rows], held.users[rows], held.items)
    dropped = {"shoppers with nothing left in training": int(((n_held > 0) & (n_left == 0)).sum())}
    histories = {None: Histories.from_interactions(train, users=rows)}
    return Split(
        name, train, histories, {"observed": _liked(test.ratings)}, candidates, test, dropped
    )


def _subset(interactions: Interactions, pairs: sp.coo_matrix, keep: np.ndarray) -> Interactions:
    ratings = sp.csr_matrix(
        (pairs.data[keep], (pairs.row[keep], pairs.col[keep])), shape=interactions.shape
    )
    return Interactions(ratings, interactions.users, interactions.items)


def _liked(ratings: sp.csr_matrix) -> sp.csr_matrix:
    """Where the rating is 4 or more, (n_users, n_items) bool without explicit False."""
    return sp.csr_matrix(ratings >= LIKED)


def _liked_order(ratings: sp.csr_matrix, seed: int) -> np.ndarray:
    """For each stored rating its place (0, 1, …) in a random order of the row's liked items; huge where not liked."""
    rows = np.repeat(np.arange(ratings.shape[0]), np.diff(ratings.indptr))
    draw = np.random.default_rng(seed).random(ratings.nnz) + (
        ratings.data < LIKED
    )  # disliked ones sort last
    order = np.lexsort((draw, rows))
    ranks = np.empty(ratings.nnz, np.int64)
    ranks[order] = np.arange(ratings.nnz) - ratings.indptr[:-1][rows]
    ranks[ratings.data < LIKED] = np.iinfo(np.int64).max
    return ranks


def _first(ratings: sp.csr_matrix, ranks: np.ndarray, n: int) -> sp.csr_matrix:
    """The ratings whose place in their row is below n."""
    kept = ratings.copy()
    kept.data = np.where(ranks < n, kept.data, 0).astype(np.float32)
    kept.eliminate_zeros()
    return kept
