"""Is a difference more than luck? Bootstrap intervals, a paired test, and a correction for many
tests.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

NUMBERS_AT_ONCE = 10_000_000
"""Random numbers held at the same time."""
LOW, HIGH = 0.025, 0.975
"""Ends of a 95% interval."""

Intervals = tuple[Any, Any, Any]  # mean, low, high: arrays (m,), or floats for one column
Draws = tuple[slice, np.ndarray]  # rows of the resamples, and how often each user is drawn


def bootstrap(values: ArrayLike, n_resamples: int = 1000, seed: int = 7) -> Intervals:
    """Mean and 95% percentile bootstrap interval over users (Efron 1979).

    Parameters
    ----------
    values : (n_users,) or (n_users, m) float
        NaN where a metric is undefined for a user. Such users are left out. All m columns share
        the resamples.

    Returns
    -------
    mean, low, high : (m,) float64, or floats for one column
        NaN where no user counts.
    """
    given = np.asarray(values, np.float64)
    table = given.reshape(len(given), -1)
    mean, resampled = _resampled_means(table, n_resamples, seed)
    has_any = ~np.isnan(resampled).all(axis=0)
    resampled = np.where(has_any, resampled, 0.0)  # nanquantile warns about all-NaN columns
    low, high = np.nanquantile(resampled, [LOW, HIGH], axis=0)
    low = np.where(has_any, low, np.nan)  # put the NaN back
    high = np.where(has_any, high, np.nan)
    if given.ndim == 1:
        return mean[0], low[0], high[0]
    return mean, low, high


def _resampled_means(
    table: np.ndarray, n_resamples: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Mean of each column, (m,), and in each resample, (n_resamples, m)."""
    n_users, n_columns = table.shape
    counted = ~np.isnan(table)
    filled = np.where(counted, table, 0.0)
    resampled = np.full((n_resamples, n_columns), np.nan)
    if n_users == 0:
        return np.full(n_columns, np.nan), resampled
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = filled.sum(axis=0) / counted.sum(axis=0)
        for rows, draws in _resamples(n_users, n_resamples, seed):
            draws = draws.astype(np.float64)
            sums = draws @ filled
            if counted.all():
                resampled[rows] = sums / n_users
            else:
                n_drawn = draws @ counted.astype(np.float64)  # per resample and column
                resampled[rows] = sums / n_drawn
    return mean, resampled


def _resamples(n_users: int, n_resamples: int, seed: int) -> Iterable[Draws]:
    """How often each user is drawn, in blocks of resamples.

    Small ones are cached, so tables with as many users share them.
    """
    if n_users * n_resamples <= NUMBERS_AT_ONCE:
        return _kept_resamples(n_users, n_resamples, seed)
    return _draw_resamples(n_users, n_resamples, seed)


def _draw_resamples(n_users: int, n_resamples: int, seed: int) -> Iterator[Draws]:
    rng = np.random.default_rng(seed)
    share = np.full(n_users, 1 / n_users)
    step = max(1, NUMBERS_AT_ONCE // n_users)
    for start in range(0, n_resamples, step):
        rows = slice(start, min(start + step, n_resamples))
        draws = rng.multinomial(n_users, share, size=rows.stop - start)
        yield rows, draws.astype(np.min_scalar_type(n_users))


@lru_cache(maxsize=16)
def _kept_resamples(n_users: int, n_resamples: int, seed: int) -> list[Draws]:
    """Cached resamples; callers must not change them."""
    return list(_draw_resamples(n_users, n_resamples, seed))


def paired_permutation(
    differences: ArrayLike, n_resamples: int = 9999, seed: int = 7
) -> float | np.ndarray:
    """Two-sided p-values of the paired sign-flip test (Fisher 1935): is the mean difference zero?

    Under the null hypothesis each user's difference was as likely to have the other sign. With few
    users every pattern of signs is tried. Otherwise `n_resamples` random patterns are, and
    p = (1 + number at least as extreme) / (1 + n_resamples).

    Parameters
    ----------
    differences : (n_users,) or (n_users, m) float
        One method's value minus the other's, user by user. NaN pairs are left out.

    Returns
    -------
    float, or (m,) float64
        NaN where no pair counts.
    """
    given = np.asarray(differences, np.float64)
    table = given.reshape(len(given), -1)
    counted = ~np.isnan(table)
    filled = np.where(counted, table, 0.0)  # flipping the sign of a 0 changes no sum
    observed = np.abs(filled.sum(axis=0))
    tolerance = 1e-12 * np.abs(filled).sum(axis=0)  # for rounding
    n_users = len(table)
    is_exact = 2**n_users <= n_resamples + 1
    n_patterns = 2**n_users if is_exact else n_resamples
    n_extreme = np.zeros(table.shape[1], int)
    for flips in _flips(n_users, n_patterns, is_exact, seed):
        signs = 1.0 - 2.0 * flips
        sums = np.abs(signs @ filled)
        n_extreme += (sums >= observed - tolerance).sum(axis=0)
    if is_exact:
        p = n_extreme / n_patterns
    else:
        p = (1 + n_extreme) / (1 + n_patterns)
    p = np.where(counted.any(axis=0), p, np.nan)
    return float(p[0]) if given.ndim == 1 else p


def _flips(n_users: int, n_patterns: int, is_exact: bool, seed: int) -> Iterator[np.ndarray]:
    """Patterns of signs (n, n_users), 1 for a flipped one: all there are, or random ones."""
    rng = np.random.default_rng(seed)
    step = max(1, NUMBERS_AT_ONCE // max(n_users, 1))
    for start in range(0, n_patterns, step):
        numbers = np.arange(start, min(start + step, n_patterns))
        if is_exact:  # bit u of a pattern's number says whether user u's sign is flipped
            yield (numbers[:, None] >> np.arange(n_users)) & 1
        else:
            yield rng.integers(0, 2, (len(numbers), n_users), dtype=np.int8)


def holm(p: ArrayLike) -> np.ndarray:
    """P-values corrected for the number of tests (Holm 1979).

    The i-th smallest of m is multiplied by m - i + 1, and the products are made nondecreasing and
    at most 1. NaN stays.
    """
    given = np.asarray(p, np.float64)
    n_tests = np.sum(~np.isnan(given))
    order = np.argsort(given)[:n_tests]  # argsort puts NaN last
    factors = np.arange(n_tests, 0, -1)
    raised = np.maximum.accumulate(given[order] * factors)
    adjusted = np.full(len(given), np.nan)
    adjusted[order] = np.minimum(raised, 1)
    return adjusted


def against(
    table: pd.DataFrame, reference: str, n_resamples: int = 9999, seed: int = 7
) -> pd.DataFrame:
    """Compare each column with column `reference`, corrected by Holm.

    Parameters
    ----------
    table : DataFrame
        One row per user, one column per recommender.
    n_resamples : int
        Patterns of signs for `p`. The intervals have the number that `bootstrap` takes by default.

    Returns
    -------
    DataFrame
        One row per other recommender: `difference` (its mean minus the reference's), `low`, `high`,
        `p`, `p_holm`, `n_users`.
    """
    if reference not in table:
        raise KeyError(
            f"no recommender {reference!r} to compare with; there are {', '.join(table.columns)}"
        )
    differences = table.drop(columns=reference).sub(table[reference], axis=0)
    mean, low, high = bootstrap(differences.to_numpy(), seed=seed)
    p = paired_permutation(differences.to_numpy(), n_resamples, seed)
    columns = {
        "difference": mean,
        "low": low,
        "high": high,
        "p": p,
        "p_holm": holm(p),
        "n_users": differences.count(),
    }
    return pd.DataFrame(columns, index=differences.columns)
