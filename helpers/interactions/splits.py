"""Who is examined on what: every split keeps what a method may learn apart from what it is asked.

Two kinds of shoppers sit these exams. *Simulated* ones come from a `Market`, which knows what each
of them would say of every item. *Real* ones come from an order or rating log, which knows only what
they chose. A split carries the label (`Split.shoppers`) of the data it was cut from, so that
results of the two are never mixed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from helpers.interactions.matrix import (
    LIKED,
    SIMULATED,
    Histories,
    Interactions,
    ItemFeatures,
)

N_HISTORY = (0, 1, 2, 3, 5, 10)
EVERY_LIKE = np.iinfo(
    np.int64
).max  # the place of a dislike in the order of likes: after all of them
SHUFFLES = 200  # attempts to avoid the same customer and item twice when a log is shuffled


@dataclass(frozen=True)
class Split:
    """Training data, the test shoppers' histories, and what they turn out to like.

    Attributes
    ----------
    name : str
        warm, warm_by_time, cold_user, cold_item or cross_platform.
    train : Interactions
        All that a method may learn from; its columns are the whole catalogue.
    histories : dict of (int or None) to Histories
        The test shoppers by number of history items; None stands for all that they have in `train`.
    relevant : dict of str to csr_matrix, (n_test, n_items) bool
        Rating >= 4, as "observed" (what a log would tell) and, when simulated, "complete" (every
        candidate).
    candidates : (n_candidates,) int64
        Item positions that may be recommended.
    test : Interactions or None
        Held-out ratings, rows as in `histories`, for errors of predicted ratings.
    dropped : dict of str to int
        What could not be examined, and how many: never silent.
    shoppers : str
        "simulated" or "real".
    """

    name: str
    train: Interactions
    histories: dict[int | None, Histories]
    relevant: dict[str, sp.csr_matrix]
    candidates: np.ndarray
    test: Interactions | None = None
    dropped: dict[str, int] = field(default_factory=dict)
    shoppers: str = SIMULATED


# ---------------------------------------------------------------------------- platforms
def deal(items: ItemFeatures, seed: int = 7) -> ItemFeatures:
    """The same items, dealt at random to two platforms named "A" and "B".

    One shop can sit the cross-platform exam in this way. The deal depends on the seed and the
    number of items only.
    """
    on_b = np.random.default_rng(seed).integers(0, 2, len(items.frame)).astype(bool)
    return replace(items, frame=items.frame.assign(platform=np.where(on_b, "B", "A")))


def by_column(items: ItemFeatures, column: str) -> ItemFeatures:
    """The same items with `column` of their table as the platform; a missing value becomes
    "unknown".

    Raises
    ------
    ValueError
        If the table has no such column, or all items share one value.
    """
    if column not in items.frame:
        raise ValueError(
            f"the items have no column {column!r}; they have {list(items.frame.columns)}"
        )
    platform = items.frame[column].astype(object).fillna("unknown").astype(str)
    if platform.nunique() < 2:
        raise ValueError(
            f"all items have the {column} {platform.iloc[0]!r}: two platforms are needed"
        )
    return replace(items, frame=items.frame.assign(platform=platform.to_numpy()))


# ---------------------------------------------------------------------------- who is a stranger
def lots(names: pd.Index, seed: int = 7) -> np.ndarray:
    """A number from 0 to 1 for each name, (n,) float64, the same on any machine and in any order of
    the names.
    """
    text = names.astype(str).to_numpy(dtype=object)
    key = f"{seed % 10**16:016d}"  # pandas asks for sixteen characters
    hashed: np.ndarray = pd.util.hash_array(text, hash_key=key, categorize=False)
    return hashed / 2.0**64


def in_fold(names: pd.Index, fold: int, folds: int, seed: int = 7) -> np.ndarray:
    """Which names belong to fold number `fold` (from 0), (n,) bool."""
    if not 0 <= fold < folds:
        raise ValueError(f"fold must lie in 0..{folds - 1}, not {fold}")
    return (lots(names, seed) * folds).astype(int) == fold


def _strangers(
    names: pd.Index, able: np.ndarray, fold: int, folds: int, at_most: int | None, seed: int
) -> np.ndarray:
    """Positions of the customers of a fold who can be examined, at most so many, in order."""
    chosen = np.flatnonzero(able & in_fold(names, fold, folds, seed))
    if at_most is not None and len(chosen) > at_most:
        by_lot = np.argsort(lots(names[chosen], seed + 1), kind="stable")
        chosen = np.sort(chosen[by_lot[:at_most]])
    return chosen


# ---------------------------------------------------------------------------- the exams of a log
def warm(interactions: Interactions, folds: int = 5, seed: int = 7) -> Iterator[Split]:
    """Random k-fold over ratings: each rating is held out once; shoppers and items stay known."""
    if not 2 <= folds <= max(interactions.ratings.nnz, 2):
        raise ValueError(
            f"folds must lie in 2..{interactions.ratings.nnz} (the number of ratings), not {folds}"
        )
    fold = np.random.default_rng(seed).permutation(interactions.ratings.nnz) % folds
    for number in range(folds):
        train = interactions.cells(fold != number)
        held = interactions.cells(fold == number)
        yield _known("warm", train, held, np.arange(interactions.shape[1]))


def warm_by_time(
    log: pd.DataFrame, items: pd.Index, share: float = 0.2, shoppers: str = SIMULATED
) -> Split:
    """Train on the past, examine on the last `share` of the log; what a shopper had before is not
    asked again.

    Parameters
    ----------
    log : DataFrame with user, item, rating and timestamp (seconds)
    items : the catalogue's `image_key`s, in order
    """
    time = log["timestamp"].to_numpy()
    cut = np.quantile(time, 1 - share, method="higher")
    past = Interactions.from_frame(log[time < cut], items, shoppers=shoppers)
    later = log[time >= cut]
    known = later["user"].isin(past.users)
    held = Interactions.from_frame(later[known], items, users=past.users, shoppers=shoppers)
    had_before = held.ratings.multiply(past.ratings > 0).tocsr()
    new = Interactions((held.ratings - had_before).tocsr(), held.users, items, None, shoppers)
    split = _known("warm_by_time", past, new, np.arange(len(items)))
    strangers = int((~known).sum())
    split.dropped.update(
        {"ratings of shoppers unseen before the cut": strangers, "repeats": had_before.nnz}
    )
    return split


def cold_user(
    interactions: Interactions,
    n_history: Sequence[int] = N_HISTORY,
    fold: int = 0,
    folds: int = 5,
    at_most: int | None = None,
    seed: int = 7,
) -> Split:
    """Shoppers absent from training, known by their first n liked items.

    What they are examined on is the same for every n: the likes that even the longest history
    leaves over. The first n are the earliest ones where the log knows times, and otherwise n of a
    random order.

    Parameters
    ----------
    fold, folds : which part of the shoppers is examined; every shopper belongs to one fold, by
        name.
    at_most : examine no more shoppers than this; the others of the fold are trained on.
    """
    longest = max(n_history)
    able = _n_liked(interactions.ratings) > longest
    cold = _strangers(interactions.users, able, fold, folds, at_most, seed)
    if len(cold) == 0:
        raise ValueError(
            f"no shopper of fold {fold} has more than {longest} liked items; ask for shorter "
            "histories"
        )
    theirs = interactions.rows(cold)
    ranks = _liked_order(theirs, seed)
    columns = np.arange(interactions.shape[1])
    histories = _cut(theirs, ranks, n_history, columns, None)
    held = Interactions(_after(theirs.ratings, ranks, longest), theirs.users, theirs.items)
    train = interactions.rows(np.setdiff1d(np.arange(interactions.shape[0]), cold))
    dropped = {"shoppers with too few liked items": int((~able).sum())}
    relevant = {"observed": _liked(held.ratings)}
    return Split(
        "cold_user", train, histories, relevant, columns, held, dropped, interactions.shoppers
    )


def cold_item(interactions: Interactions, fold: int = 0, folds: int = 5, seed: int = 7) -> Split:
    """Items without a single rating in training; candidates are these items only."""
    cold = in_fold(interactions.items, fold, folds, seed)
    if not cold.any():
        cold[np.argmin(lots(interactions.items, seed))] = True
    of_cold_item = cold[interactions.ratings.indices]
    train = interactions.cells(~of_cold_item)
    held = interactions.cells(of_cold_item)
    return _known("cold_item", train, held, np.flatnonzero(cold))


def cross_platform_log(  # noqa: PLR0913  # the parts of one exam
    interactions: Interactions,
    items: ItemFeatures,
    source: str,
    target: str,
    n_history: Sequence[int] = N_HISTORY,
    overlap: float | None = None,
    least_relevant: int = 1,
    least_history: int = 0,
    fold: int = 0,
    folds: int = 5,
    at_most: int | None = None,
    seed: int = 7,
) -> Split:
    """Cold start across two platforms for the shoppers of a log: history from `source`, candidates
    from `target`.

    Parameters
    ----------
    items : their `platform` says where an item is sold; `deal` and `by_column` set it.
    overlap : share of the training shoppers who are known on both platforms; of each other one,
        what they liked on one
        of the two (by lot) is removed. None leaves the log as it is.
    least_relevant, least_history : likes on `target` and on `source` that a shopper needs in order
        to be examined.
    fold, folds, at_most : as in `cold_user`.

    Notes
    -----
    Test shoppers have at least as many likes on `source` as the longest history, so that all
    lengths ask the same people about the same items.
    """
    platform = items.frame["platform"].to_numpy(dtype=object)
    for name in (source, target):
        if not (platform == name).any():
            raise ValueError(
                f"no item is on the platform {name!r}; there are {sorted(set(platform))}"
            )
    if overlap is not None and not 0 <= overlap <= 1:
        raise ValueError(f"overlap is a share from 0 to 1, not {overlap}")
    on_source = _on(interactions, platform == source)
    on_target = _on(interactions, platform == target)
    longest = max(n_history)
    known = _n_liked(on_source.ratings) >= max(longest, least_history)
    able = known & (_n_liked(on_target.ratings) >= least_relevant)
    cold = _strangers(interactions.users, able, fold, folds, at_most, seed)
    if len(cold) == 0:
        raise ValueError(
            f"no shopper of fold {fold} likes {longest} items of {source!r} and {least_relevant} "
            "of "
            f"{target!r}; ask for shorter histories"
        )
    train = interactions.rows(np.setdiff1d(np.arange(interactions.shape[0]), cold))
    if overlap is not None:
        train = _keep_apart(train, platform, source, target, overlap, seed)
    theirs = on_source.rows(cold)
    histories = _cut(
        theirs, _liked_order(theirs, seed), n_history, np.arange(len(platform)), items.vectors
    )
    held = on_target.rows(cold)
    relevant = {"observed": _liked(held.ratings)}
    dropped = {"shoppers with too few likes on either platform": int((~able).sum())}
    candidates = np.flatnonzero(platform == target)
    return Split(
        "cross_platform",
        train,
        histories,
        relevant,
        candidates,
        held,
        dropped,
        interactions.shoppers,
    )


def _keep_apart(
    train: Interactions,
    platform: np.ndarray,
    source: str,
    target: str,
    overlap: float,
    seed: int,
) -> Interactions:
    """`train` in which only a share `overlap` of the shoppers is known on both platforms."""
    on_both = lots(train.users, seed + 2) < overlap
    stays_on_source = lots(train.users, seed + 3) < 0.5
    row = np.repeat(np.arange(train.shape[0]), np.diff(train.ratings.indptr))
    where = platform[train.ratings.indices]
    lost = np.where(stays_on_source[row], where == target, where == source)
    return train.cells(on_both[row] | ~lost)


# ---------------------------------------------------------------------------- the exam of a market
def cross_platform(
    market: Any,
    items: pd.Index | ItemFeatures,
    source: str | None = None,
    target: str | None = None,
    n_history: Sequence[int] = N_HISTORY,
) -> Split:
    """The headline on simulated shoppers: history from platform `source` only, recommendations from
    `target` only.

    Parameters
    ----------
    market : Market
        From `simulate_market` or `load_market`.
    items : pandas.Index or ItemFeatures
        The catalogue's `image_key`s in order; with ItemFeatures, histories carry the items' vectors
        too.
    source, target : str, optional
        Must name the platforms that the market was simulated for (the default).
    n_history : sequence of int
        The n items of a history are the first n of one random order of the shopper's liked items,
        so histories nest.
    """
    made_for = (market.settings["source"], market.settings["target"])
    asked = (source or made_for[0], target or made_for[1])
    if asked != made_for:
        raise ValueError(
            f"the market was simulated for {made_for}, not {asked}: run chapter 02 with these "
            "platforms"
        )
    names = (
        pd.Index(items.frame["image_key"]) if isinstance(items, ItemFeatures) else pd.Index(items)
    )
    place = market.items.get_indexer(names)
    if (place < 0).any() or len(names) != len(market.items):
        raise KeyError(
            f"the market knows {len(market.items)} items, not these {len(names)}: run chapter 02 "
            "again"
        )
    platform = market.platform[place]
    observed = market.observed[:, place].tocsr()
    cells = (market.seen["user"], market.seen["item"])
    days = sp.csr_matrix((market.seen["timestamp"] / 86_400, cells), observed.shape)[:, place]
    seen = Interactions(observed, market.test_users, names, days)
    on_source = _on(seen, platform == asked[0])
    on_target = _on(seen, platform == asked[1])
    complete = sp.csr_matrix((market.judged[:, place] >= LIKED) & (platform == asked[1]))
    vectors = items.vectors if isinstance(items, ItemFeatures) else None
    # One draw for each observed rating, of either platform, so that a sample's histories stay the
    # same.
    draws = np.random.default_rng(market.settings["seed"]).random(seen.ratings.nnz)
    is_source = (platform == asked[0])[seen.ratings.indices]
    ranks = _places(on_source.ratings, draws[is_source])
    histories = _cut(on_source, ranks, n_history, np.arange(len(names)), vectors)
    train = Interactions(market.train[:, place], market.train_users, names)
    relevant = {"complete": complete, "observed": _liked(on_target.ratings)}
    candidates = np.flatnonzero(platform == asked[1])
    return Split("cross_platform", train, histories, relevant, candidates, on_target)


# ---------------------------------------------------------------------------- the control
def shuffle_log(log: pd.DataFrame, seed: int = 7) -> pd.DataFrame:
    """The log with its rows dealt to its shoppers at random: the control of every exam of real
    shoppers.

    Each item keeps its popularity over time, and each shopper the number of their rows. What makes
    one shopper differ from another is gone, so what a method still scores on such a log is not
    personal.

    Parameters
    ----------
    log : DataFrame with user, item and any other columns
        The other columns stay with the item.

    Returns
    -------
    DataFrame
        Rows in the order of `log`. A shopper gets an item twice only where 200 attempts could not
        avoid it.
    """
    rng = np.random.default_rng(seed)
    user = log["user"].to_numpy()[rng.permutation(len(log))]
    numbers, names = pd.factorize(user)
    item, _ = pd.factorize(log["item"])
    n_twice, twice = _given_twice(numbers, item)
    for _ in range(SHUFFLES):
        if n_twice == 0:
            break
        others = rng.choice(len(log), min(len(log), n_twice), replace=False)
        rows = np.union1d(twice, others)
        again = numbers.copy()
        again[rows] = again[rng.permutation(rows)]
        n_again, twice_again = _given_twice(again, item)
        if n_again <= n_twice:
            numbers, n_twice, twice = again, n_again, twice_again
    return log.assign(user=names[numbers])


def _given_twice(user: np.ndarray, item: np.ndarray) -> tuple[int, np.ndarray]:
    """How many rows repeat an earlier row's shopper and item, and where they are."""
    pair = user.astype(np.int64) * (item.max(initial=0) + 1) + item
    rows = np.flatnonzero(pd.Series(pair).duplicated())
    return len(rows), rows


# ---------------------------------------------------------------------------- helpers
def _known(name: str, train: Interactions, held: Interactions, candidates: np.ndarray) -> Split:
    """A split whose test shoppers are in training: those with something held out and something left
    to know them by.
    """
    is_asked = np.diff(held.ratings.indptr) > 0
    is_known = np.diff(train.ratings.indptr) > 0
    test = held.rows(np.flatnonzero(is_asked & is_known))
    rows = train.users.get_indexer(test.users)
    whole = Histories.from_interactions(train, users=rows)
    histories: dict[int | None, Histories] = {None: whole}
    n_dropped = int((is_asked & ~is_known).sum())
    dropped = {"shoppers with nothing left in training": n_dropped}
    relevant = {"observed": _liked(test.ratings)}
    return Split(name, train, histories, relevant, candidates, test, dropped, train.shoppers)


def _on(interactions: Interactions, which: np.ndarray) -> Interactions:
    """Only what concerns the items marked in `which`, (n_items,) bool; the columns stay."""
    return interactions.cells(which[interactions.ratings.indices])


def _liked(ratings: sp.csr_matrix) -> sp.csr_matrix:
    """Where the rating is 4 or more, (n_users, n_items) bool without explicit False."""
    return sp.csr_matrix(ratings >= LIKED)


def _n_liked(ratings: sp.csr_matrix) -> np.ndarray:
    """Liked items of each row, (n_users,)."""
    return np.asarray(_liked(ratings).sum(axis=1)).ravel()


def _liked_order(interactions: Interactions, seed: int) -> np.ndarray:
    """For each stored rating its place (0, 1, …) among the row's likes, by time or else at random;
    huge for a dislike.
    """
    if interactions.times is None:
        return _random_order(interactions.ratings, seed)
    return _places(interactions.ratings, interactions.times.data)


def _random_order(ratings: sp.csr_matrix, seed: int) -> np.ndarray:
    """As `_liked_order`, in an order drawn from `seed`."""
    return _places(ratings, np.random.default_rng(seed).random(ratings.nnz))


def _places(ratings: sp.csr_matrix, keys: np.ndarray) -> np.ndarray:
    """Place of each stored rating among the likes of its row by rising `keys` (nnz,); equal keys by
    column.
    """
    disliked = ratings.data < LIKED
    row = np.repeat(np.arange(ratings.shape[0]), np.diff(ratings.indptr))
    order = np.lexsort((keys, disliked, row))
    places = np.empty(ratings.nnz, np.int64)
    places[order] = np.arange(ratings.nnz) - ratings.indptr[:-1][row]
    places[disliked] = EVERY_LIKE
    return places


def _cut(
    theirs: Interactions,
    ranks: np.ndarray,
    n_history: Sequence[int],
    columns: np.ndarray,
    vectors: np.ndarray | None,
) -> dict[int | None, Histories]:
    """Histories of the first n likes, for each n."""
    found: dict[int | None, Histories] = {}
    for n in n_history:
        first = theirs.cells(ranks < n)
        found[n] = Histories(first.ratings, columns, vectors, first.users, first.times)
    return found


def _after(ratings: sp.csr_matrix, ranks: np.ndarray, n: int) -> sp.csr_matrix:
    """The ratings that are not among the first `n` likes of their row."""
    kept = ratings.copy()
    kept.data = np.where(ranks < n, 0, kept.data).astype(np.float32)
    kept.eliminate_zeros()
    return kept
