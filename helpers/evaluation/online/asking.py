"""Active learning: which items to ask a new shopper about.

The model is that of `Taste`: a rating is r = 3 + wᵀ[x_i 1] + b_i + e, with w ~ N(mean, cov). What
an answer tells about w depends on x_i, not on the answer itself. So the best questions can be
chosen before the shopper arrives, and they are the same for everyone.
"""

import numpy as np

from helpers.recommenders.features import with_one
from helpers.recommenders.taste import CENTRE, Taste


def most_telling(
    cov: np.ndarray,
    questions: np.ndarray,
    targets: np.ndarray,
    n: int,
) -> np.ndarray:
    """The `n` questions that leave the least uncertainty about which targets are better, in order.

    Greedy: each next question i has the largest

        Σ_j (x_jᵀ Σ x_i)² / (1 + x_iᵀ Σ x_i)

    over targets j, which is what the answer takes off the summed variance of the targets' scores;
    then Σ becomes the posterior covariance. This is transductive experimental design (Yu, Bi and
    Tresp 2006). Targets are centered first: what moves all scores alike changes no ranking.

    Parameters
    ----------
    cov : (d, d) float
        Σ of the taste, in units of the ratings' noise variance.
    questions, targets : (m, d), (t, d) float
        Features of the items that may be asked about, and of those that will be ranked.
    n : int
        At most m.

    Returns
    -------
    (n,) int64
        Positions among the questions.
    """
    if n > len(questions):
        raise ValueError(f"{n} questions were asked for, but there are {len(questions)} items")
    cov = np.array(cov, np.float64)
    apart = targets - targets.mean(axis=0)
    importance = apart.T @ apart
    chosen: list[int] = []
    for _ in range(n):
        toward = questions @ cov
        told = (toward @ importance) * toward
        surprise = 1 + (toward * questions).sum(axis=1)
        gain = told.sum(axis=1) / surprise
        gain[chosen] = -np.inf
        best = int(np.argmax(gain))
        chosen.append(best)
        learned = np.outer(toward[best], toward[best])
        cov -= learned / surprise[best]
    return np.array(chosen, dtype=np.int64)


def questions_for(
    taste: Taste,
    askable: np.ndarray,
    targets: np.ndarray,
    n: int,
) -> np.ndarray:
    """`most_telling` for a fitted `Taste`, as columns of its catalogue.

    Parameters
    ----------
    taste : Taste
    askable, targets : (m,), (t,) int
        Columns of the items that may be asked about, and of those that will be ranked.
    n : int

    Returns
    -------
    (n,) int64
    """
    features = _features(taste)
    precision = taste.precision_.astype(np.float64)
    cov = np.linalg.inv(precision)
    found = most_telling(cov, features[askable], features[targets], n)
    return np.asarray(askable)[found]


def scores_after(
    taste: Taste,
    asked: np.ndarray,
    answers: np.ndarray,
) -> np.ndarray:
    """Scores of all items once shoppers have answered, (n, n_items) float64.

        ŵ = mean + (precision + Σ x xᵀ)⁻¹ Σ x (r - 3 - b - xᵀ mean)
        s_ui = ŵᵀ [x_i 1] + b_i

    sums over the asked items. Unlike the items of a history, these were not chosen by the shopper,
    so nothing is read into the fact that they were rated.

    Parameters
    ----------
    asked : (n, q) int
        Columns of the items that each shopper was asked about; q may be 0.
    answers : (n, q) float
        Ratings 1-5.
    """
    features = _features(taste)
    mean = taste.mean_.astype(np.float64)
    effect = taste.effect_.astype(np.float64)
    x = features[asked]
    expected = CENTRE + effect[asked] + x @ mean
    surprise = answers - expected
    evidence = np.einsum("nqd,nq->nd", x, surprise)
    transposed = x.transpose(0, 2, 1)
    system = taste.precision_ + transposed @ x
    step = np.linalg.solve(system, evidence[..., None])
    posterior = mean + step[..., 0]
    return posterior @ features.T + effect


def _features(taste: Taste) -> np.ndarray:
    """[x_i 1] of each item of the catalogue, (n_items, d) float64."""
    return with_one(taste.features_).astype(np.float64)
