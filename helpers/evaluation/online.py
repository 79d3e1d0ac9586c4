"""What offline figures can't say: sizes and read-outs of A/B tests, and interleaving as the quicker question."""

from typing import NamedTuple

import numpy as np
from scipy.stats import norm


def sample_size(rate: float, lift: float, power: float = 0.8, alpha: float = 0.05) -> int:
    """Shoppers in each arm to detect `rate` -> `rate` + `lift` with a two-sided two-proportion test.

    n = (z_{1-alpha/2} sqrt(2 p(1-p)) + z_power sqrt(p1(1-p1) + p2(1-p2)))^2 / lift^2, p the mean of p1 and p2
    (Fleiss 1981).
    """
    other = rate + lift
    if not (0 < rate < 1 and 0 < other < 1 and lift):
        raise ValueError(
            f"rate {rate} and rate + lift {other} must lie between 0 and 1, and differ"
        )
    mean = (rate + other) / 2
    null = norm.ppf(1 - alpha / 2) * np.sqrt(2 * mean * (1 - mean))
    spread = norm.ppf(power) * np.sqrt(rate * (1 - rate) + other * (1 - other))
    return int(np.ceil(((null + spread) / lift) ** 2))


class Readout(NamedTuple):
    """An A/B test read: `lift` = rate B - rate A with its 95 % interval, the pooled `z` and its two-sided `p`."""

    lift: float
    low: float
    high: float
    z: float
    p: float


def two_proportion(clicks_a: int, shown_a: int, clicks_b: int, shown_b: int) -> Readout:
    """Two-proportion z-test of B against A; the interval uses the unpooled (Wald) error."""
    if not (0 <= clicks_a <= shown_a and 0 <= clicks_b <= shown_b and shown_a and shown_b):
        raise ValueError(
            f"clicks must lie in 0..shown: A {clicks_a} of {shown_a}, B {clicks_b} of {shown_b}"
        )
    a, b, pooled = (
        clicks_a / shown_a,
        clicks_b / shown_b,
        (clicks_a + clicks_b) / (shown_a + shown_b),
    )
    error = np.sqrt(pooled * (1 - pooled) * (1 / shown_a + 1 / shown_b))
    z = (b - a) / error if error else 0.0
    wald = norm.ppf(0.975) * np.sqrt(a * (1 - a) / shown_a + b * (1 - b) / shown_b)
    return Readout(b - a, b - a - wald, b - a + wald, z, 2 * norm.sf(abs(z)))


def team_draft(a, b, k: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One list out of two (Radlinski et al. 2008): the teams pick in turn, a coin decides who picks first each round.

    `a`, `b` are ranked ids. Returns the shown ids and each one's team (0 = a, 1 = b), at most `k` of both.
    """
    lists = [[item for item in ids if item >= 0] for ids in (a, b)]
    shown, teams = [], []
    while len(shown) < k and any(lists):
        for team in rng.permutation(2):
            left = [item for item in lists[team] if item not in shown]
            lists[team] = left
            if left and len(shown) < k:
                shown.append(left[0])
                teams.append(int(team))
    return np.array(shown, dtype=np.int64), np.array(teams, dtype=np.int64)


def interleave(ranked_a, ranked_b, p_liked, k: int = 10, seed: int = 7) -> np.ndarray:
    """Show every user a team-draft list, read from the top until something is liked (cascade, Craswell et al. 2008).

    `p_liked` is (n_users, n_items). Returns (n_users,) int8: 1 where B's item was clicked, -1 where A's, 0 where none.
    """
    rng = np.random.default_rng(seed)
    credit = np.zeros(len(ranked_a), dtype=np.int8)
    for user, (a, b) in enumerate(zip(ranked_a, ranked_b, strict=True)):
        shown, teams = team_draft(a, b, k, rng)
        liked = np.flatnonzero(rng.random(len(shown)) < p_liked[user, shown])
        credit[user] = 2 * teams[liked[0]] - 1 if len(liked) else 0
    return credit
