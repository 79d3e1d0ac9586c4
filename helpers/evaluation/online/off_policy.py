"""What another policy would have earned, told from the log of the present one.

A policy π shows a shopper u one item a with probability π(a | u). Its value V(π) is the mean reward
of what it shows. The log was written by a policy π₀ that also draws its items by chance and keeps
the probability of what it drew: the propensity π₀(a | u). The weight of a logged visit is

    w = π(a | u) / π₀(a | u)

All estimators take arrays whose last axis holds the visits; leading axes are repetitions. Their
intervals are those of a mean, ± 1.96 standard errors. The definitions are those of Open Bandit
Pipeline (Saito, Aihara, Matsutani and Narita 2021).
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import norm

Z_95 = norm.ppf(0.975)


class Estimate(NamedTuple):
    """An estimate of a policy's value with its 95% interval; floats, or arrays of repetitions."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def covers(self, truth: float) -> np.ndarray:
        """Whether the interval holds the truth."""
        return (self.low <= truth) & (truth <= self.high)


class Log(NamedTuple):
    """What a policy showed, one item per visit; arrays of shape (..., n).

    Attributes
    ----------
    shoppers, items : int
        Row of the shopper and column of the shown item.
    propensities : float
        Probability with which the policy showed this item.
    rewards : float
        1 for a click.
    """

    shoppers: np.ndarray
    items: np.ndarray
    propensities: np.ndarray
    rewards: np.ndarray

    def weights(
        self,
        policy: np.ndarray,
        propensities: np.ndarray | None = None,
    ) -> np.ndarray:
        """w of each visit for another policy.

        Parameters
        ----------
        policy : (n_shoppers, n_items) float
            Its rows add to 1.
        propensities : (..., n) float, optional
            In place of the logged ones.
        """
        if propensities is None:
            propensities = self.propensities
        return policy[self.shoppers, self.items] / propensities


def softmax(scores: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Policy (n_shoppers, n_items) that shows an item in proportion to exp(score / temperature)."""
    scaled = np.asarray(scores, np.float64) / temperature
    highest = scaled.max(axis=1, keepdims=True)
    odds = np.exp(scaled - highest)
    return odds / odds.sum(axis=1, keepdims=True)


def true_value(policy: np.ndarray, p_reward: np.ndarray) -> float:
    """V(π), if the chance of a reward (n_shoppers, n_items) is known: only a simulator knows it."""
    return float((policy * p_reward).sum(axis=1).mean())


def draw_log(
    policy: np.ndarray,
    p_reward: np.ndarray,
    size: int | tuple[int, ...],
    rng: np.random.Generator,
) -> Log:
    """Visits of random shoppers to whom `policy` shows one item each.

    Parameters
    ----------
    policy, p_reward : (n_shoppers, n_items) float
    size : int or tuple of int
        Number of visits, or (repetitions, visits).
    """
    n_shoppers = len(policy)
    shoppers = rng.integers(0, n_shoppers, size)
    items = _draw_items(policy, shoppers, rng)
    propensities = policy[shoppers, items]
    is_clicked = rng.random(size) < p_reward[shoppers, items]
    rewards = is_clicked.astype(np.float64)
    return Log(shoppers, items, propensities, rewards)


def _draw_items(
    policy: np.ndarray,
    shoppers: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """One item per visit: all rows' cumulative sums laid end to end, searched at once."""
    n_shoppers, n_items = policy.shape
    cumulative = np.cumsum(policy, axis=1)
    cumulative /= cumulative[:, -1:]
    starts = np.arange(n_shoppers)
    line = cumulative + starts[:, None]
    drawn = shoppers + rng.random(shoppers.shape)
    found = np.searchsorted(line.ravel(), drawn, side="right")
    column = found - shoppers * n_items
    return np.clip(column, 0, n_items - 1)


def ips(rewards: np.ndarray, weights: np.ndarray) -> Estimate:
    """Inverse propensity scoring (Horvitz and Thompson 1952): mean of w r.

    Unbiased if the propensities are right and π₀ shows whatever π shows.
    """
    return _mean_with_interval(weights * rewards)


def self_normalized_ips(rewards: np.ndarray, weights: np.ndarray) -> Estimate:
    """Self-normalized IPS (Swaminathan and Joachims 2015): Σ w r / Σ w.

    Never outside the range of the rewards, and less noisy where weights vary. The interval is the
    delta method's: the standard error is √(Σ w² (r - v)²) / Σ w.
    """
    total = weights.sum(axis=-1)
    value = (weights * rewards).sum(axis=-1) / total
    residual = weights * (rewards - value[..., None])
    squares = (residual**2).sum(axis=-1)
    error = np.sqrt(squares) / total
    margin = Z_95 * error
    return Estimate(value, value - margin, value + margin)


def direct_method(expected: np.ndarray) -> Estimate:
    """What a reward model predicts for π: mean of Σ_a π(a | u) q(u, a).

    The interval says nothing about the model's own error.

    Parameters
    ----------
    expected : (..., n) float
        Σ_a π(a | u) q(u, a) of each visit.
    """
    return _mean_with_interval(expected)


def doubly_robust(
    rewards: np.ndarray,
    weights: np.ndarray,
    predicted: np.ndarray,
    expected: np.ndarray,
) -> Estimate:
    """Doubly robust (Dudík, Langford and Li 2011): mean of Σ_a π(a | u) q(u, a) + w (r - q).

    Right on average if either the propensities or the reward model q is right.

    Parameters
    ----------
    rewards, weights : (..., n) float
    predicted : (..., n) float
        q of the logged shopper and item. The model must not have learned from this log.
    expected : (..., n) float
        Σ_a π(a | u) q(u, a) of each visit.
    """
    correction = weights * (rewards - predicted)
    return _mean_with_interval(expected + correction)


def effective_size(weights: np.ndarray) -> np.ndarray:
    """How many equally weighted visits the weighted ones are worth: (Σ w)² / Σ w² (Kish 1965)."""
    total = weights.sum(axis=-1)
    squares = (weights**2).sum(axis=-1)
    return total**2 / squares


def _mean_with_interval(values: np.ndarray) -> Estimate:
    mean = values.mean(axis=-1)
    n = values.shape[-1]
    error = values.std(axis=-1, ddof=1) / np.sqrt(n)
    margin = Z_95 * error
    return Estimate(mean, mean - margin, mean + margin)
