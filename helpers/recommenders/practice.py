"""Practice for the exam: training shoppers cut down to what a stranger would be known by."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from helpers.interactions.matrix import LIKED, Interactions, ItemFeatures

LENGTHS = (1, 2, 3, 5, 10)  # items of history that are practised
TIERS = (10, 5, 3)  # longest history by which a shopper may be known; longer ones are preferred
PARTS = 3  # each shopper is a stranger to the members in one part of three
WANTED = 5  # likes in the other shop that make a good practice row; fewer make a poorer one
# longest history and least likes in the other shop, in order of preference
CROSSING_TIERS = (
    (TIERS[0], WANTED),
    (TIERS[1], WANTED),
    (TIERS[1], 1),
    (TIERS[2], 1),
)
LEAST_CROSSING = 60  # shoppers known in two shops, below which one shop is dealt into two
LATEST = 0.2  # of the log's ratings, which are the answer to "what next"
HIDDEN = 0.2  # of the liked items, which stand for new ones


@dataclass(frozen=True)
class Cut:
    """One shopper, cut down: item positions of the history and of what they liked besides."""

    shopper: int
    history: np.ndarray
    liked: np.ndarray

    @property
    def length(self) -> int:
        """Items of history."""
        return len(self.history)


def likes_in_order(train: Interactions, seed: int) -> list[np.ndarray]:
    """The liked items of each shopper, by time where it is known and else at random."""
    ratings = train.ratings
    rng = np.random.default_rng(seed)
    found = []
    for user in range(ratings.shape[0]):
        cells = slice(ratings.indptr[user], ratings.indptr[user + 1])
        liked = ratings.data[cells] >= LIKED
        mine = ratings.indices[cells][liked]
        when = rng.random(len(mine))
        if train.times is not None:
            when = train.times.data[cells][liked]  # its cells are those of the ratings
        found.append(mine[np.argsort(when, kind="stable")])
    return found


def within(
    likes: list[np.ndarray],
    users: np.ndarray,
    at_most: int,
    lengths=LENGTHS,
) -> list[Cut]:
    """Cuts for "what else in the same shops".

    The first likes are the history; those after the longest history are asked for.
    """
    found: list[Cut] = []
    taken: set[Any] = set()
    for longest in TIERS:
        for user in users:
            if len(taken) == at_most:
                return found
            mine = likes[user]
            if user in taken or len(mine) <= longest:
                continue
            taken.add(user)
            asked = mine[longest:]
            found += [Cut(user, mine[:n], asked) for n in lengths if n <= longest]
    return found


def across(
    likes: list[np.ndarray],
    shop: np.ndarray,
    target: int,
    users: np.ndarray,
    at_most: int,
    lengths=LENGTHS,
) -> list[Cut]:
    """Cuts for a shop that the history doesn't know.

    The first likes in another shop are the history; all likes in `target` are asked for.
    """
    found: list[Cut] = []
    taken: set[Any] = set()
    for longest, wanted in CROSSING_TIERS:
        for user in users:
            if len(taken) == at_most:
                return found
            if user in taken:
                continue
            mine = likes[user]
            there = mine[shop[mine] == target]
            elsewhere = mine[shop[mine] != target]
            if len(there) < wanted or len(elsewhere) < longest:
                continue
            home = np.bincount(shop[elsewhere]).argmax()
            known = elsewhere[shop[elsewhere] == home]
            if len(known) >= longest:
                taken.add(user)
                found += [Cut(user, known[:n], there) for n in lengths if n <= len(known)]
    return found


def split_by_date(train: Interactions) -> tuple[Interactions, Interactions] | None:
    """The log up to its last fifth, and that fifth. Ratings of one date stay together, so the
    second part may be larger; None where it is all, and where there are no dates.
    """
    if train.times is None or train.times.nnz == 0:
        return None
    day = train.times.data
    first_late_day = np.quantile(day, 1 - LATEST, method="higher")
    is_late = day >= first_late_day
    if is_late.all():
        return None
    return train.cells(~is_late), train.cells(is_late)


def split_by_item(
    train: Interactions,
    seed: int,
) -> tuple[Interactions, Interactions, np.ndarray]:
    """The log without a fifth of its liked items, the rest of the log, and those items, (n_items,)
    bool.
    """
    rng = np.random.default_rng(seed)
    is_liked = train.ratings.data >= LIKED
    liked = np.unique(train.ratings.indices[is_liked])
    n_hidden = int(HIDDEN * len(liked))
    hidden = np.zeros(train.shape[1], bool)
    hidden[rng.permutation(liked)[:n_hidden]] = True
    is_hidden = hidden[train.ratings.indices]
    return train.cells(~is_hidden), train.cells(is_hidden), hidden


def from_one_part_to_the_other(
    known: Interactions,
    unknown: Interactions,
    users: np.ndarray,
    at_most: int,
) -> list[Cut]:
    """Cuts for "what next" and "which of the new items": all that a shopper liked in one part of
    the log is the history; what they liked in the other part is asked for. It is new to them, as
    far as the log tells: it has each item once, with its last date.
    """
    found: list[Cut] = []
    for user in users:
        if len(found) == at_most:
            break
        history = _liked(known, user)
        asked = _liked(unknown, user)
        if len(history) and len(asked):
            found.append(Cut(user, history, asked))
    return found


def _liked(log: Interactions, user: int) -> np.ndarray:
    """Items that a shopper liked."""
    cells = slice(log.ratings.indptr[user], log.ratings.indptr[user + 1])
    return log.ratings.indices[cells][log.ratings.data[cells] >= LIKED]


def dealt(
    train: Interactions,
    items: ItemFeatures,
    seed: int,
) -> tuple[Interactions, ItemFeatures]:
    """Each shop dealt at random into two, and each shopper into one for each half: nobody is known
    in both.

    So a log whose shops share no shopper can still teach how far content leads from one shop to
    another: the history comes from one half, the answer from the other, and what the other half's
    shoppers like together stays as it is.
    """
    rng = np.random.default_rng(seed)
    in_second_half = rng.integers(0, 2, len(items.frame)).astype(bool)
    suffix = np.where(in_second_half, " 2", " 1")
    platform = items.frame["platform"].astype(str).to_numpy(dtype=object)
    frame = items.frame.assign(platform=platform + suffix)
    is_second = in_second_half[train.ratings.indices]
    first = train.cells(~is_second)
    second = train.cells(is_second)
    ratings = sp.vstack([first.ratings, second.ratings]).tocsr()
    times = None
    if first.times is not None and second.times is not None:
        times = sp.vstack([first.times, second.times]).tocsr()
    names = train.users.astype(str)
    users = (names + " 1").append(names + " 2")
    apart = Interactions(ratings, users, train.items, times, train.shoppers)
    return apart, replace(items, frame=frame)
