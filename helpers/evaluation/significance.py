"""Is a difference more than luck? Bootstrap intervals, a paired test, and the price of asking many questions."""

from functools import lru_cache

import numpy as np
import pandas as pd

BLOCK = 10_000_000  # random numbers held at once


def bootstrap(values, n_resamples: int = 1000, level: float = 0.95, seed: int = 7):
    """Mean and percentile bootstrap interval over users (Efron 1979).

    Parameters
    ----------
    values : (n_users,) or (n_users, m) float
        NaN where a metric is undefined for a user; such users are left out. All m columns share the resamples.

    Returns
    -------
    mean, low, high : (m,) float64, or floats for one column. NaN where no user counts.
    """
    values = np.asarray(values, np.float64)
    table = values[:, None] if values.ndim == 1 else values
    counted = ~np.isnan(table)
    filled = np.where(counted, table, 0.0)
    n, resampled = max(len(table), 1), np.full((n_resamples, table.shape[1]), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = filled.sum(axis=0) / counted.sum(axis=0)
        for rows, draws in _resamples(n, n_resamples if len(table) else 0, seed):
            draws = draws.astype(np.float64)
            resampled[rows] = (draws @ filled) / (
                n if counted.all() else draws @ counted.astype(np.float64)
            )
    defined = ~np.isnan(resampled)
    resampled = np.where(defined.any(axis=0), resampled, 0.0)
    low, high = np.nanquantile(resampled, [(1 - level) / 2, (1 + level) / 2], axis=0)
    low, high = (np.where(defined.any(axis=0), end, np.nan) for end in (low, high))
    return (mean[0], low[0], high[0]) if values.ndim == 1 else (mean, low, high)


def _resamples(n, n_resamples, seed):
    """How often each of n users is drawn, in blocks of resamples; drawn once for all that have as many users."""
    if n * n_resamples <= BLOCK:
        return _drawn(n, n_resamples, seed)
    return _draw(n, n_resamples, seed)


def _draw(n, n_resamples, seed):
    rng, step = np.random.default_rng(seed), max(1, BLOCK // n)
    for start in range(0, n_resamples, step):
        rows = slice(start, min(start + step, n_resamples))
        draws = rng.multinomial(n, np.full(n, 1 / n), size=rows.stop - start)
        yield rows, draws.astype(np.min_scalar_type(n))


@lru_cache(maxsize=16)
def _drawn(n, n_resamples, seed):
    return list(_draw(n, n_resamples, seed))


def paired_permutation(differences, n_resamples: int = 9999, seed: int = 7):
    """Two-sided p-values of the paired sign-flip test (Fisher 1935): is the mean difference zero?

    Under the null hypothesis each user's difference was as likely to have the other sign. With few users every pattern
    of signs is tried; otherwise `n_resamples` random ones, and p = (1 + as extreme) / (1 + n_resamples).

    Parameters
    ----------
    differences : (n_users,) or (n_users, m) float
        One method's value less the other's, user by user; NaN pairs are left out.

    Returns
    -------
    float, or (m,) float64; NaN where no pair counts.
    """
    table = np.asarray(differences, np.float64)
    single, table = table.ndim == 1, table.reshape(len(table), -1)
    n, counted = len(table), ~np.isnan(table)
    filled = np.where(counted, table, 0.0)
    exact = 2.0**n <= n_resamples + 1
    total, rng, extreme = 2**n if exact else n_resamples, np.random.default_rng(seed), 0
    slack = 1e-12 * np.abs(filled).sum(axis=0)  # the same sum in another order is as extreme
    for start in range(0, total, step := max(1, BLOCK // max(n, 1))):
        some = np.arange(start, min(start + step, total))
        bits = (
            some[:, None] >> np.arange(n) & 1
            if exact
            else rng.integers(0, 2, (len(some), n), dtype=np.int8)
        )
        extreme += (np.abs((1.0 - 2.0 * bits) @ filled) >= np.abs(filled.sum(axis=0)) - slack).sum(
            axis=0
        )
    p = extreme / total if exact else (1 + extreme) / (1 + total)
    p = np.where(counted.any(axis=0), p, np.nan)
    return float(p[0]) if single else p


def holm(p) -> np.ndarray:
    """P-values corrected for their number (Holm 1979): i-th smallest of m times m - i + 1, kept monotone; NaN stays."""
    p = np.asarray(p, np.float64)
    order = np.argsort(p)[: np.sum(~np.isnan(p))]
    adjusted = np.full(len(p), np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1)
    return adjusted


def against(
    table: pd.DataFrame, reference: str, n_resamples: int = 9999, seed: int = 7
) -> pd.DataFrame:
    """Compare each column (a recommender's values, a row a user) with column `reference`, corrected by Holm.

    Returns a row a recommender: `difference` (its mean less the reference's), `low`, `high`, `p`, `p_holm`, `n_users`.
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
