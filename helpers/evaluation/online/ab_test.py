"""A/B tests: how many shoppers they take, and how they are read."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

Z_95 = norm.ppf(0.975)


def sample_size(
    rate: float,
    lift: float,
    power: float = 0.8,
    alpha: float = 0.05,
) -> int:
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
    null_error = np.sqrt(2 * _variance(mean))
    error = np.sqrt(_variance(rate) + _variance(other))
    under_null = norm.ppf(1 - alpha / 2) * null_error
    under_lift = norm.ppf(power) * error
    needed = (under_null + under_lift) / lift
    return int(np.ceil(needed**2))


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
        Its 95% interval.
    z, p : float
        The pooled statistic and its two-sided p-value.
    """

    lift: float
    low: float
    high: float
    z: float
    p: float


def two_proportion(
    clicks_a: int,
    shown_a: int,
    clicks_b: int,
    shown_b: int,
) -> Readout:
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
    per_shopper = 1 / shown_a + 1 / shown_b
    pooled_error = np.sqrt(_variance(pooled) * per_shopper)
    z = lift / pooled_error if pooled_error else 0.0
    error = np.sqrt(_variance(a) / shown_a + _variance(b) / shown_b)
    margin = Z_95 * error
    p = 2 * norm.sf(abs(z))
    return Readout(lift, lift - margin, lift + margin, z, p)


def power_of_test(
    rate: float,
    lift: float,
    n: int,
    alpha: float = 0.05,
) -> float:
    """Chance that `n` shoppers per arm find `rate` → `rate` + `lift`, two-sided.

    The formula of `sample_size` solved for the power, plus the chance of a significant
    difference in the wrong direction.

    Raises
    ------
    ValueError
        If a rate does not lie between 0 and 1, or nobody is shown anything.
    """
    other = rate + lift
    if not (0 < rate < 1 and 0 < other < 1 and n > 0):
        raise ValueError(
            f"rate {rate} and rate + lift {other} must lie between 0 and 1, and n {n} above 0"
        )
    mean = (rate + other) / 2
    variance = _variance(rate) + _variance(other)
    null_error = np.sqrt(2 * _variance(mean) / n)
    error = np.sqrt(variance / n)
    limit = norm.ppf(1 - alpha / 2) * null_error
    above = norm.sf((limit - lift) / error)
    below = norm.cdf((-limit - lift) / error)
    return float(above + below)


def mean_difference(a: ArrayLike, b: ArrayLike) -> Readout:
    """B's mean minus A's, for a number per visit such as clicks: Welch's (1947) large-sample test.

    A visit is the unit. The places of one list share a shopper, so counting each place as an
    independent trial would give intervals that are too short.

    Parameters
    ----------
    a, b : (..., n) float
        One number per visit. Leading axes are repetitions of the experiment; then the readout's
        fields are arrays.
    """
    a = np.asarray(a, np.float64)
    b = np.asarray(b, np.float64)
    lift = b.mean(axis=-1) - a.mean(axis=-1)
    variance = _variance_of_mean(a) + _variance_of_mean(b)
    error = np.sqrt(variance)
    margin = Z_95 * error
    z = np.zeros_like(lift)
    np.divide(lift, error, out=z, where=error > 0)
    p = 2 * norm.sf(np.abs(z))
    return Readout(lift, lift - margin, lift + margin, z, p)


def _variance_of_mean(values: np.ndarray) -> np.ndarray:
    return values.var(axis=-1, ddof=1) / values.shape[-1]
