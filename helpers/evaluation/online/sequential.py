"""Looking at a running A/B test: why peeking raises false alarms, and two ways to look honestly."""

import numpy as np
from numpy.polynomial.legendre import leggauss
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.stats import norm

NODES = 256
"""Of the numerical integral; the bounds are then right to six digits for up to 100 looks."""
LEAST_VARIANCE = 1e-12
LARGEST_EXPONENT = 700.0
"""exp of more doesn't fit into a float64."""


def running_z(clicks_a: ArrayLike, clicks_b: ArrayLike, shown: ArrayLike) -> np.ndarray:
    """Pooled two-proportion z at each look, in the shape of `clicks_a`; 0 before any click.

    Parameters
    ----------
    clicks_a, clicks_b : (..., looks) int
        Clicks so far in each arm.
    shown : (looks,) int
        Shoppers so far, the same number in each arm.
    """
    n = np.asarray(shown, np.float64)
    difference, variance = _difference(clicks_a, clicks_b, n)
    error = np.sqrt(variance / n)
    z = np.zeros_like(difference)
    np.divide(difference, error, out=z, where=error > 0)
    return z


def _difference(
    clicks_a: ArrayLike,
    clicks_b: ArrayLike,
    shown: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Difference of the rates so far, and the sum of the arms' variances, pooled."""
    rate_a = np.asarray(clicks_a) / shown
    rate_b = np.asarray(clicks_b) / shown
    pooled = (rate_a + rate_b) / 2
    variance = 2 * pooled * (1 - pooled)
    return rate_b - rate_a, variance


def peeked(z: np.ndarray, bound: ArrayLike) -> np.ndarray:
    """Whether a test that stops at the first |z| above its bound ever stops, (...,) bool.

    Parameters
    ----------
    z : (..., looks) float
    bound : float or (looks,) float
        1.96 at every look is the mistake; `obrien_fleming(looks)` is a remedy.
    """
    return (np.abs(z) > bound).any(axis=-1)


def obrien_fleming(looks: int, alpha: float = 0.05) -> np.ndarray:
    """Bounds of |z| at `looks` equally spaced looks, (looks,) (O'Brien and Fleming 1979).

        |z_k| > c √(looks / k)

    with c such that a test without a difference ever stops with probability `alpha`. Early looks
    need overwhelming evidence, and the last look is nearly an ordinary test.

    Raises
    ------
    ValueError
        If `looks` is below 1, or `alpha` does not lie between 0 and 1.
    """
    if looks < 1 or not 0 < alpha < 1:
        raise ValueError(f"looks {looks} must be 1 or more, and alpha {alpha} between 0 and 1")

    def too_many(c: float) -> float:
        return _stops(c * np.sqrt(looks), looks) - alpha

    c = brentq(too_many, 0.1, 6.0)
    numbers = np.arange(1, looks + 1)
    return c * np.sqrt(looks / numbers)


def _stops(limit: float, looks: int) -> float:
    """Chance that a sum of standard normals leaves ±`limit` within so many steps.

    The sum's density on what hasn't left is carried from look to look by numerical integration
    (Armitage, McPherson and Rowe 1969).
    """
    nodes, weights = leggauss(NODES)
    place = limit * nodes
    width = limit * weights
    step = norm.pdf(place[:, None] - place)
    density = norm.pdf(place)
    for _ in range(looks - 1):
        density = step @ (width * density)
    return 1 - float(width @ density)


def sequential_odds(
    clicks_a: ArrayLike,
    clicks_b: ArrayLike,
    shown: ArrayLike,
    expected_lift: float,
) -> np.ndarray:
    """Evidence for a difference that may be looked at any time, in the shape of `clicks_a`.

    The mixture sequential probability ratio test (Robbins 1970; for A/B tests Johari, Koomen,
    Pekelis and Walsh 2022, equation 6):

        Λ_n = √(V / (V + n τ²)) · exp(n² τ² θ̂² / (2 V (V + n τ²)))

    with n shoppers in each arm, θ̂ the difference of the rates, V the sum of the arms' variances,
    and τ the standard deviation of differences that are thought possible. Stop when Λ_n ≥ 1 / α.
    Without a difference this ever happens with probability at most α, however often and however
    long one looks.

    Parameters
    ----------
    clicks_a, clicks_b : (..., looks) int
    shown : (looks,) int
    expected_lift : float
        τ.
    """
    n = np.asarray(shown, np.float64)
    difference, variance = _difference(clicks_a, clicks_b, n)
    variance = np.maximum(variance, LEAST_VARIANCE)
    total = variance + n * expected_lift**2
    signal = (n * expected_lift * difference) ** 2
    exponent = signal / (2 * variance * total)
    shrink = np.sqrt(variance / total)
    return shrink * np.exp(np.minimum(exponent, LARGEST_EXPONENT))
