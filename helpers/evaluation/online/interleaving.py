"""Interleaving: one list out of two rankings, so that each shopper compares both."""

from collections.abc import Iterable, Sequence

import numpy as np

TEAM_B = 1


def team_draft(
    a: Iterable[int],
    b: Iterable[int],
    k: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """One list out of two (Radlinski et al. 2008).

    The teams pick in turn, and a coin decides who picks first in each round.

    Parameters
    ----------
    a, b : sequence of int
        Ranked ids; -1 where a list ended early.

    Returns
    -------
    shown, teams : (n,) int64, n <= k
        The ids, and the team that picked each: 0 for `a`, 1 for `b`.
    """
    left = [_real(a), _real(b)]
    shown: list[int] = []
    teams: list[int] = []
    while len(shown) < k and any(left):
        for team in rng.permutation(2):
            left[team] = _without(left[team], shown)
            if left[team] and len(shown) < k:
                shown.append(left[team][0])
                teams.append(int(team))
    ids = np.array(shown, dtype=np.int64)
    return ids, np.array(teams, dtype=np.int64)


def _real(ids: Iterable[int]) -> list[int]:
    """The ids of a list that may have ended early."""
    return [item for item in ids if item >= 0]


def _without(ids: list[int], taken: list[int]) -> list[int]:
    return [item for item in ids if item not in taken]


def interleave(
    ranked_a: Sequence[Iterable[int]] | np.ndarray,
    ranked_b: Sequence[Iterable[int]] | np.ndarray,
    p_liked: np.ndarray,
    k: int = 10,
    seed: int = 7,
) -> np.ndarray:
    """Show every user a team-draft list, read from the top until something is liked.

    The reader is a cascade (Craswell et al. 2008).

    Parameters
    ----------
    ranked_a, ranked_b : (n_users, >= k) int
    p_liked : (n_users, n_items) float
        Probability that a user likes an item.

    Returns
    -------
    (n_users,) int8
        1 where B's item was clicked, -1 where A's, 0 where none.
    """
    rng = np.random.default_rng(seed)
    credit = np.zeros(len(ranked_a), dtype=np.int8)
    for user, a in enumerate(ranked_a):
        shown, teams = team_draft(a, ranked_b[user], k, rng)
        is_liked = rng.random(len(shown)) < p_liked[user, shown]
        places = np.flatnonzero(is_liked)
        if len(places):
            credit[user] = 1 if teams[places[0]] == TEAM_B else -1
    return credit
