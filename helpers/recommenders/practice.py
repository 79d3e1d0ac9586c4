"""Practice for the exam: training shoppers cut down to what a stranger would be known by."""

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from helpers.interactions.matrix import Interactions, ItemFeatures, liked_only

LENGTHS = (1, 2, 3, 5, 10)  # items of history that are practised
TIERS = (10, 5, 3)  # longest history by which a shopper may be known; longer ones are preferred
PARTS = 3  # each shopper is a stranger to the members in one part of three
WANTED = 5  # likes in the other shop that make a good practice row; fewer make a poorer one
LEAST_CROSSING = 60  # shoppers known in two shops, below which one shop is dealt into two


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
    liked = liked_only(train.ratings)
    rng = np.random.default_rng(seed)
    found = []
    for user in range(liked.shape[0]):
        mine = liked.indices[liked.indptr[user] : liked.indptr[user + 1]]
        when = rng.random(len(mine))
        if train.times is not None:
            when = train.times[user, mine].toarray().ravel()
        found.append(mine[np.argsort(when, kind="stable")])
    return found


def within(likes: list[np.ndarray], users: np.ndarray, at_most: int, lengths=LENGTHS) -> list[Cut]:
    """Cuts for "what else in the same shops": the first likes are the history, those after the longest are asked for."""
    found = []
    taken = set()
    for longest in TIERS:
        for user in users:
            if len(taken) == at_most:
                return found
            mine = likes[user]
            if user in taken or len(mine) <= longest:
                continue
            taken.add(user)
            found += [Cut(user, mine[:n], mine[longest:]) for n in lengths if n <= longest]
    return found


def across(
    likes: list[np.ndarray],
    shop: np.ndarray,
    target: int,
    users: np.ndarray,
    at_most: int,
    lengths=LENGTHS,
) -> list[Cut]:
    """Cuts for a shop that the history doesn't know: the first likes in another shop, and all likes in `target`."""
    found = []
    taken = set()
    for longest, wanted in ((TIERS[0], WANTED), (TIERS[1], WANTED), (TIERS[1], 1), (TIERS[2], 1)):
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


def dealt(train: Interactions, items: ItemFeatures, seed: int) -> tuple[Interactions, ItemFeatures]:
    """Each shop dealt at random into two, and each shopper into one for each half: nobody is known in both.

    So a log whose shops share no shopper can still teach how far content leads from one shop to another: the history
    comes from one half, the answer from the other, and what the other half's shoppers like together stays as it is.
    """
    second = np.random.default_rng(seed).integers(0, 2, len(items.frame)).astype(bool)
    halves = items.frame["platform"].astype(str) + np.where(second, " 2", " 1")
    in_second = second[train.ratings.indices]
    first_half = train.cells(~in_second)
    second_half = train.cells(in_second)
    times = None
    if train.times is not None:
        times = sp.vstack([first_half.times, second_half.times]).tocsr()
    ratings = sp.vstack([first_half.ratings, second_half.ratings]).tocsr()
    users = (train.users.astype(str) + " 1").append(train.users.astype(str) + " 2")
    apart = Interactions(ratings, users, train.items, times, train.shoppers)
    return apart, replace(items, frame=items.frame.assign(platform=halves.to_numpy()))
