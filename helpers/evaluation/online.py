"""What offline numbers can't say: sizes and readouts of A/B tests, and interleaving, which asks sooner."""

from typing import NamedTuple

import numpy as np
from scipy.stats import norm

TEAM_A, TEAM_B = 0, 1


def sample_size(rate: float, lift: float, power: float = 0.8, alpha: float = 0.05) -> int:
    """Shoppers per arm to detect `rate` → `rate` + `lift` with a two-sided two-proportion test.

    n = (z_{1-α/2} √(2 p (1-p)) + z_power √(p₁ (1-p₁) + p₂ (1-p₂)))² / lift², where p is the mean
    of p₁ and p₂ (Fleiss 1981).

    Raises
    ------
    ValueError
        If a rate does not lie between 0 and 1, or the lift is 0.
    """
    other = rate + lift
    if not (0 < rate < 1 and 0 < other < 1 and lift):
        raise ValueError(
            f"rate {rate} and rate + lift {other} must lie between 0 and 1, and differ"
        )
    mean = (rate + other) / 2
    under_null = norm.ppf(1 - alpha / 2) * np.sqrt(2 * _variance(mean))
    under_lift = norm.ppf(power) * np.sqrt(_variance(rate) + _variance(other))
    return int(np.ceil(((under_null + under_lift) / lift) ** 2))


def _variance(rate: float) -> float:
    """Of one yes/no answer."""
    return rate * (1 - rate)


class Readout(NamedTuple):
    """An A/B test read.

    Attributes
    ----------
    lift : float
        Rate of B minus rate of A.
    low, high : float
        Its 95 % interval.
    z, p : float
        The pooled statistic and its two-sided p-value.
    """

    lift: float
    low: float
    high: float
    z: float
    p: float


def two_proportion(clicks_a: int, shown_a: int, clicks_b: int, shown_b: int) -> Readout:
    """Two-proportion z-test of B against A. The interval uses the unpooled (Wald) error.

    Raises
    ------
    ValueError
        If clicks do not lie in 0..shown, or nothing was shown.
    """
    a_fits = shown_a and 0 <= clicks_a <= shown_a
    b_fits = shown_b and 0 <= clicks_b <= shown_b
    if not (a_fits and b_fits):
        raise ValueError(
            f"clicks must lie in 0..shown: A {clicks_a} of {shown_a}, B {clicks_b} of {shown_b}"
        )
    a = clicks_a / shown_a
    b = clicks_b / shown_b
    lift = b - a
    pooled = (clicks_a + clicks_b) / (shown_a + shown_b)
    pooled_error = np.sqrt(_variance(pooled) * (1 / shown_a + 1 / shown_b))
    z = lift / pooled_error if pooled_error else 0.0
    error = np.sqrt(_variance(a) / shown_a + _variance(b) / shown_b)
    margin = norm.ppf(0.975) * error
    return Readout(lift, lift - margin, lift + margin, z, 2 * norm.sf(abs(z)))


def team_draft(a, b, k: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
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
    left = [[item for item in ids if item >= 0] for ids in (a, b)]
    shown = []
    teams = []
    while len(shown) < k and any(left):
        for team in rng.permutation(2):
            left[team] = [item for item in left[team] if item not in shown]
            if left[team] and len(shown) < k:
                shown.append(left[team][0])
                teams.append(int(team))
    return np.array(shown, dtype=np.int64), np.array(teams, dtype=np.int64)


def interleave(ranked_a, ranked_b, p_liked, k: int = 10, seed: int = 7) -> np.ndarray:
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
    for user, (a, b) in enumerate(zip(ranked_a, ranked_b, strict=True)):
        shown, teams = team_draft(a, b, k, rng)
        is_liked = rng.random(len(shown)) < p_liked[user, shown]
        places = np.flatnonzero(is_liked)
        if len(places):
            credit[user] = 1 if teams[places[0]] == TEAM_B else -1
    return credit
