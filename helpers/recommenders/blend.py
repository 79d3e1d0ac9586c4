"""How the blend learns: practice rows cut like the exam, a loss on the whole catalog, and a gate.

The score of item j for a shopper u with n liked items is

    s(u, j) = (1 - α(n)) Σ_m v_m(n) z_m(u, j) + α(n) Σ_m w_m(n) z_m(u, j)
    w_m(n) ≈ a_m + b_m log(1 + n)

with z the members' evidence in logarithms, v plain recipes, and a, b not negative (Breiman 1996,
"Stacked regressions": members agree so often that else one would be played off against another).
Signal 0 is log popularity. So the blend is a weighted *geometric* mean: an item needs some support
from every member that counts. An amount e of evidence becomes z = log(1 + 30 e / σ), σ being its
standard deviation over the candidates; what is a logit already becomes e / σ.

1. The weights w minimize  -log Σ_{j liked} p(j),  p being the softmax of s over all candidates.
   This is the *total* mass on what the shopper goes on to like. The mean of log p would pay for
   the tail of that list, and loses.
2. The share α(n) of these weights, from 0 to 1, is chosen by NDCG@10 on shoppers whom the weights
   were not learned from (`choice.py`). The rest is plain recipes: popularity, a single member, or
   the plain sum of all.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize

from helpers.recommenders.base import best_first

KEPT = 40  # best items of each signal that enter the loss as they are
DRAWN = 200  # items drawn from all others, which stand for them in the loss
LEAST = 20  # rows that learning needs
FOLDS = 3  # of shoppers, to judge the learned weights by
STEPS = 100  # of the optimizer, at most
WARM_STEPS = 30  # where it starts near the end
ENOUGH = 1e-5  # relative gain of a step below which the optimizer stops; lists stay the same
STEEP = 30.0  # how far the logarithm tells no evidence from a little
PULL = 0.003  # strength of the pull towards popularity alone
DISCOUNT = (1 / np.log2(np.arange(2, 12))).astype(np.float32)


@dataclass
class Rows:
    """Practice rows: cut-down shoppers, the candidates that matter, and what each signal says of
    them.

    Attributes
    ----------
    z : (n, n_signals, m) float32
        Evidence; signal 0 is log popularity.
    log_weight : (n, m) float32
        Log of how many items a candidate stands for; -inf where there is none.
    liked : (n, m) bool
        What the shopper went on to like.
    length : (n,) int64
        Items of history.
    shopper : (n,) int64
        Rows of one shopper stay together in a fold.
    """

    z: np.ndarray
    log_weight: np.ndarray
    liked: np.ndarray
    length: np.ndarray
    shopper: np.ndarray

    def __len__(self) -> int:
        return len(self.length)

    def __getitem__(self, which) -> "Rows":
        return Rows(
            self.z[which],
            self.log_weight[which],
            self.liked[which],
            self.length[which],
            self.shopper[which],
        )


def pruned(
    evidence: np.ndarray,
    allowed: np.ndarray,
    liked: np.ndarray,
    rng,
    everything=False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The candidates that matter of each row: every signal's best, all that is liked, a sample.

    Parameters
    ----------
    evidence : (n, n_signals, n_items) float32
    allowed, liked : (n, n_items) bool
    rng : numpy.random.Generator
    everything : bool
        Whether all that is allowed matters.

    Returns
    -------
    z (n, n_signals, m), log_weight (n, m), liked (n, m), as in `Rows`
    """
    matters = allowed.copy() if everything else liked & allowed
    n_signals = 0 if everything else evidence.shape[1]
    for number in range(n_signals):
        _mark_best(matters, evidence[:, number], allowed)
    matters &= allowed
    drawn, is_drawn, stands_for = _sample(allowed & ~matters, rng)
    place, log_weight = _places(matters, drawn, is_drawn, stands_for)
    z = np.take_along_axis(evidence, place[:, None, :], axis=2)
    found = np.take_along_axis(liked & allowed, place, axis=1)
    found &= np.isfinite(log_weight)
    return z, log_weight, found


def _mark_best(
    matters: np.ndarray,
    evidence: np.ndarray,
    allowed: np.ndarray,
) -> None:
    """Mark the `KEPT` best items of one signal in each row of `matters`."""
    scores = np.where(allowed, evidence, -np.inf)
    best = best_first(scores, min(KEPT, scores.shape[1]))
    np.put_along_axis(matters, best, True, axis=1)


def _sample(others: np.ndarray, rng) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """At most `DRAWN` of the items that each row of `others` marks.

    Returns
    -------
    drawn : (n, DRAWN) int64
        Positions.
    is_drawn : (n, DRAWN) bool
        False where there were no more.
    stands_for : (n,) float64
        How many items a drawn one stands for.
    """
    n_items = others.shape[1]
    lot = rng.random(others.shape, dtype=np.float32)
    lot = np.where(others, lot, np.inf)
    first = np.argpartition(lot, min(DRAWN, n_items - 1), axis=1)
    drawn = first[:, :DRAWN]
    lot_of_drawn = np.take_along_axis(lot, drawn, axis=1)
    is_drawn = np.isfinite(lot_of_drawn)
    n_others = np.isfinite(lot).sum(axis=1)
    n_drawn = np.maximum(is_drawn.sum(axis=1), 1)
    stands_for = np.maximum(n_others / n_drawn, 1)
    return drawn, is_drawn, stands_for


def _places(
    matters: np.ndarray,
    drawn: np.ndarray,
    is_drawn: np.ndarray,
    stands_for: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of each row's candidates and the log of how many items each stands for, (n, m)."""
    n = len(matters)
    most = int(matters.sum(axis=1).max())
    width = most + drawn.shape[1]
    place = np.zeros((n, width), np.int64)
    log_weight = np.full((n, width), -np.inf, np.float32)
    for row in range(n):
        chosen = np.flatnonzero(matters[row])
        others = drawn[row][is_drawn[row]]
        end = len(chosen) + len(others)
        place[row, :end] = np.concatenate([chosen, others])
        log_weight[row, : len(chosen)] = 0
        log_weight[row, len(chosen) : end] = np.log(stands_for[row])
    return place, log_weight


def joined(parts: list[Rows]) -> Rows:
    """All rows of several parts, padded to the widest."""
    width = max(part.liked.shape[1] for part in parts)
    z = [_padded(part.z, width, 0) for part in parts]
    log_weight = [_padded(part.log_weight, width, -np.inf) for part in parts]
    liked = [_padded(part.liked, width, False) for part in parts]
    length = [part.length for part in parts]
    shopper = [part.shopper for part in parts]
    return Rows(
        z=np.concatenate(z),
        log_weight=np.concatenate(log_weight),
        liked=np.concatenate(liked),
        length=np.concatenate(length),
        shopper=np.concatenate(shopper),
    )


def _padded(
    array: np.ndarray,
    width: int,
    value,
) -> np.ndarray:
    """The array with its last axis filled up to `width`."""
    gaps = [(0, 0)] * array.ndim
    gaps[-1] = (0, width - array.shape[-1])
    return np.pad(array, gaps, constant_values=value)


def scales(rows: Rows) -> np.ndarray:
    """Standard deviation of each signal over the candidates, (n_signals,).

    Log popularity, signal 0, keeps its own.
    """
    known = np.isfinite(rows.log_weight)
    n_signals = rows.z.shape[1]
    found = np.ones(n_signals, np.float32)
    for number in range(1, n_signals):
        evidence = rows.z[:, number]
        found[number] = max(evidence[known].std(), 1e-6)
    return found


def in_logs(
    evidence: np.ndarray,
    scale: np.ndarray,
    already: np.ndarray,
) -> np.ndarray:
    """z of the formula, in place of `evidence` (n, n_signals, m).

    `scale` is (n_signals,) or (n, n_signals).
    """
    evidence /= scale[..., None]
    for number in np.flatnonzero(~already):
        amount = np.maximum(evidence[:, number], 0)
        evidence[:, number] = np.log1p(STEEP * amount)
    return evidence


def basis(n) -> np.ndarray:
    """1 and log(1 + n) of history lengths (k,): (k, 2) float32."""
    n = np.asarray(n, np.float32)
    return np.stack([np.ones_like(n), np.log1p(n)], axis=1)


def fit_weights(rows: Rows, start: np.ndarray | None = None) -> np.ndarray:
    """a and b of each signal, (2, n_signals) float32, from popularity and a bit of all.

    With `start` from weights near the answer, which takes fewer steps.
    """
    popularity_alone = np.zeros((2, rows.z.shape[1]), np.float32)
    popularity_alone[0, 0] = 1
    loss = _Loss(rows, basis(rows.length), popularity_alone)
    if start is not None:
        return _minimized(loss, start, WARM_STEPS)
    start = popularity_alone.copy()
    start[0] += 0.05
    return _minimized(loss, start, STEPS)


def at_lengths(
    rows: Rows,
    weights: np.ndarray,
    lengths,
) -> np.ndarray:
    """Weights at each history length, (n_lengths, n_signals) float32.

    Those of the formula, (2, n_signals), are the center towards which a length's own weights are
    pulled. A length with few rows keeps the formula's.
    """
    found = basis(lengths) @ weights
    for place, n in enumerate(lengths):
        own = rows[rows.length == n]
        if len(own) < LEAST:
            continue
        center = found[[place]]
        ones = np.ones((len(own), 1), np.float32)
        loss = _Loss(own, ones, center)
        found[place] = _minimized(loss, center, WARM_STEPS)[0]
    return found


def _minimized(
    loss: "_Loss",
    start: np.ndarray,
    steps: int,
) -> np.ndarray:
    """Weights of the least loss, none of them negative, in the shape of `start`."""
    found = minimize(
        loss,
        start.ravel(),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, None)] * start.size,
        options={"maxiter": steps, "ftol": ENOUGH},
    )
    return found.x.reshape(start.shape).astype(np.float32)


class _Loss:
    """Mean of -log Σ_{j liked} p(j) over the rows, and PULL · (squared distance from a center).

    Row u has the weights  basis_u · blend,  with `basis` (n, n_terms) and the blend, like its
    center, (n_terms, n_signals).
    """

    def __init__(
        self,
        rows: Rows,
        basis: np.ndarray,
        center: np.ndarray,
    ):
        self.z = torch.from_numpy(rows.z)
        self.offset = torch.from_numpy(rows.log_weight)
        self.liked = torch.from_numpy(rows.liked.astype(np.float32))
        self.basis = basis
        self.center = center

    def __call__(self, flat: np.ndarray) -> tuple[float, np.ndarray]:
        """Value and gradient at weights (n_terms · n_signals,) in one row."""
        blend = flat.reshape(self.center.shape).astype(np.float32)
        weight = torch.from_numpy(self.basis @ blend)
        scores = torch.bmm(weight[:, None], self.z)[:, 0]
        scores = scores + self.offset
        p = scores.softmax(dim=1)
        hit = p * self.liked
        mass = hit.sum(dim=1, keepdim=True) + 1e-12
        slope = (p - hit / mass) / len(p)  # of the loss, by each score
        by_signal = torch.bmm(self.z, slope[:, :, None])
        by_signal = by_signal[:, :, 0].numpy()
        apart = blend - self.center
        fit = -mass.log().mean().item()
        pull = PULL * float((apart**2).sum())
        value = fit + pull
        gradient = self.basis.T @ by_signal + 2 * PULL * apart
        return value, gradient.ravel().astype(float)


def ndcg10(scores: np.ndarray, rows: Rows) -> np.ndarray:
    """NDCG@10 of each row's candidates, (n,)."""
    is_candidate = np.isfinite(rows.log_weight)
    hidden = np.where(is_candidate, scores, -np.inf)
    order = best_first(hidden, 10)
    is_hit = np.take_along_axis(rows.liked, order, axis=1)
    gain = is_hit @ DISCOUNT[: order.shape[1]]
    by_place = np.cumsum(DISCOUNT)
    ideal = np.concatenate([[0], by_place])  # by number of liked items
    n_liked = rows.liked.sum(axis=1)
    return gain / ideal[np.minimum(n_liked, 10)]


def cross_fitted(
    rows: Rows,
    lengths,
    start: np.ndarray | None = None,
) -> np.ndarray:
    """Scores (n, m) of every row's candidates by weights learned from the rows of others.

    `start` is as in `fit_weights`.
    """
    scores = np.zeros(rows.liked.shape, np.float32)
    _, number = np.unique(rows.shopper, return_inverse=True)
    fold = number % FOLDS
    for held in range(FOLDS):
        test = np.flatnonzero(fold == held)
        train = np.flatnonzero(fold != held)
        if len(test) == 0 or len(train) == 0:
            continue
        others = rows[train]
        weights = at_lengths(others, fit_weights(others, start), lengths)
        part = rows[test]
        weight = weights[np.searchsorted(lengths, part.length)]
        scores[test] = np.einsum("us,usi->ui", weight, part.z)
    return scores
