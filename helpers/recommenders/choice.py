"""The second stage of the blend: which recipe serves shoppers with n liked items best.

A recipe is a weight of each signal. Besides the learned weights there are plain ones: popularity
alone, each member alone, and a plain sum of all. Practice shoppers whom the weights were not
learned from say which recipe gives the best lists, for each history length. So the blend doesn't
lose to a member that is better alone, and where too few shoppers practice, it is the plain sum.
"""

from dataclasses import dataclass

import numpy as np

from helpers.recommenders import blend

SUM_OF_MEMBERS = 2.5  # weight of all members together in the plain sum; popularity has 1
TIE = 1e-3  # weight of popularity beside a single member: it orders equals
BORROWED = 100  # rows of all lengths that count beside a length's own
SURE = 1.0  # standard errors by which a plain recipe must beat the learned weights
FLOOR_ERRORS = 0.5  # standard errors by which popularity may seem worse than the best


@dataclass(frozen=True)
class Choice:
    """What serves each history length.

    Attributes
    ----------
    weights : (n_lengths, n_signals) float32
        Of the signals, the plain recipe and the learned weights taken together.
    alpha : (n_lengths,) float32
        Share of the learned weights: 0 is the plain recipe.
    """

    weights: np.ndarray
    alpha: np.ndarray


def popularity_alone(n_signals: int) -> np.ndarray:
    """Weights (n_signals,) of the popularity list."""
    weight = np.zeros(n_signals, np.float32)
    weight[0] = 1
    return weight


def plain_sum(n_signals: int) -> np.ndarray:
    """Weights (n_signals,) of the sum of popularity and all members."""
    n_members = max(n_signals - 1, 1)
    weight = np.full(n_signals, SUM_OF_MEMBERS / n_members, np.float32)
    weight[0] = 1
    return weight


def recipes(n_signals: int) -> np.ndarray:
    """Plain weights, (n_signals + 1, n_signals): popularity, the sum, each member alone."""
    alone = np.eye(n_signals, dtype=np.float32)[1:]
    alone[:, 0] = TIE
    first = [popularity_alone(n_signals), plain_sum(n_signals)]
    return np.concatenate([np.stack(first), alone])


def choose(rows: blend.Rows, learned: np.ndarray, lengths) -> Choice:
    """The recipe of each history length.

    Parameters
    ----------
    rows : Rows
        Practice rows, evidence in logarithms.
    learned : (2, n_signals)
        Weights learned from all rows; the table is made with weights learned from others.
    lengths : sequence of int
    """
    plain = recipes(rows.z.shape[1])
    by_alpha = blend.cross_fitted(rows, lengths, learned)
    table = np.concatenate([by_alpha, _ndcg_of(plain[1:], rows)])
    n_alphas = len(blend.ALPHAS)
    chosen = []
    alpha = []
    for n in lengths:
        number = best_of(table, rows.length == n, reference=n_alphas - 1)
        if number < n_alphas:
            chosen.append(plain[0])
            alpha.append(blend.ALPHAS[number])
        else:
            chosen.append(plain[number - n_alphas + 1])
            alpha.append(0)
    alpha = np.array(alpha, np.float32)
    weights = blend.at_lengths(rows, learned, lengths)
    mixed = blend.mixed_weights(np.stack(chosen), weights, alpha)
    return Choice(mixed, alpha)


def _ndcg_of(plain: np.ndarray, rows: blend.Rows) -> np.ndarray:
    """NDCG@10 of every row by each recipe, (n_recipes, n)."""
    table = np.zeros((len(plain), len(rows)), np.float32)
    for number, weight in enumerate(plain):
        used = np.flatnonzero(weight)
        scores = np.einsum("s,nsm->nm", weight[used], rows.z[:, used])
        table[number] = blend.ndcg10(scores, rows)
    return table


def best_of(table: np.ndarray, here: np.ndarray, reference: int) -> int:
    """The best row of a table of NDCG, (n_recipes, n), for the columns marked `here`.

    Row 0 is popularity. `reference` is the row that others must beat clearly. Popularity is taken
    if even the best is hardly better.
    """
    estimate = _estimates(table, here)
    best = reference
    for number in range(len(table)):
        lead = estimate[number] - estimate[reference]
        clear = SURE * _error(table[number] - table[reference], here)
        if lead > clear and estimate[number] > estimate[best]:
            best = number
    gain = estimate[best] - estimate[0]
    if gain <= FLOOR_ERRORS * _error(table[best] - table[0], here):
        return 0
    return best


def _estimates(table: np.ndarray, here: np.ndarray) -> np.ndarray:
    """Mean NDCG of each recipe, (n_recipes,): a length's own rows, and a few of all lengths."""
    n = int(here.sum())
    overall = table.mean(axis=1)
    if n == 0:
        return overall
    own = table[:, here].mean(axis=1)
    return (n * own + BORROWED * overall) / (n + BORROWED)


def _error(difference: np.ndarray, here: np.ndarray) -> float:
    """Standard error of the mean difference of two recipes at one length."""
    n = int(here.sum()) + BORROWED
    return float(difference.std() / np.sqrt(n))
