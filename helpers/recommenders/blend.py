"""How the blend learns: practice rows cut like the exam, a loss on the whole catalogue, and a gate back to popularity.

The score of item j for a shopper u with n liked items is

    s(u, j) = (1 - α(n)) c log popularity_j + α(n) Σ_m w_m(n) z_m(u, j),     w_m(n) = a_m + b_m log(1 + n),

with z the members' evidence in logarithms and a, b not negative (Breiman 1996, "Stacked regressions": members agree so
often that else one would be played off against another). Signal 0 is log popularity. So the blend is a weighted
*geometric* mean: an item needs some support from every member that counts. An amount e of evidence becomes
z = log(1 + 30 e / σ), σ being its standard deviation over the candidates; what is a logit already becomes e / σ.

1. The weights w minimize  -log Σ_{j liked} p(j),  p being the softmax of s over all candidates: the *total* mass on what
   the shopper goes on to like. The mean of log p would pay for the tail of that list, and loses.
2. The gate α(n), from 0 to 1, is chosen by NDCG@10 on shoppers whom the weights were not learned from: the smallest
   value within half a standard error of the best, never falling with n. Zero is exactly the popularity list.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize

from helpers.recommenders.base import best_first

KEPT = 60  # best items of each signal that enter the loss as they are
DRAWN = 200  # items drawn from all others, which stand for them in the loss
ALPHAS = np.array([0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0], np.float32)
ERRORS = 0.5  # standard errors by which a smaller α may seem worse
LEAST = 20  # rows of a history length that a gate of its own needs
FOLDS = 3  # of shoppers, for the gate
STEEP = 30.0  # how far the logarithm tells no evidence from a little
PULL = 0.003  # strength of the pull towards popularity alone
DISCOUNT = (1 / np.log2(np.arange(2, 12))).astype(np.float32)


@dataclass
class Rows:
    """Practice rows: cut-down shoppers, the candidates that matter, and what each signal says of them.

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
    evidence: np.ndarray, allowed: np.ndarray, liked: np.ndarray, rng, everything=False
) -> tuple:
    """The candidates that matter of each row: every signal's best, all that is liked, and a sample of the rest.

    With `everything`, all that is allowed matters.

    Parameters
    ----------
    evidence : (n, n_signals, n_items) float32
    allowed, liked : (n, n_items) bool

    Returns
    -------
    z (n, n_signals, m), log_weight (n, m), liked (n, m), as in `Rows`
    """
    n, n_signals, n_items = evidence.shape
    matters = allowed.copy() if everything else liked & allowed
    for number in range(n_signals):
        scores = np.where(allowed, evidence[:, number], -np.inf)
        best = best_first(scores, min(KEPT, n_items))
        np.put_along_axis(matters, best, True, axis=1)
    matters &= allowed
    lot = np.where(allowed & ~matters, rng.random((n, n_items), dtype=np.float32), np.inf)
    drawn = np.argpartition(lot, min(DRAWN, n_items - 1), axis=1)[:, :DRAWN]
    is_drawn = np.isfinite(np.take_along_axis(lot, drawn, axis=1))
    n_others = np.isfinite(lot).sum(axis=1)
    stands_for = np.maximum(n_others / np.maximum(is_drawn.sum(axis=1), 1), 1)
    width = int(matters.sum(axis=1).max()) + drawn.shape[1]
    place = np.zeros((n, width), np.int64)
    log_weight = np.full((n, width), -np.inf, np.float32)
    for row in range(n):
        chosen = np.flatnonzero(matters[row])
        others = drawn[row][is_drawn[row]]
        place[row, : len(chosen)] = chosen
        log_weight[row, : len(chosen)] = 0
        end = len(chosen) + len(others)
        place[row, len(chosen) : end] = others
        log_weight[row, len(chosen) : end] = np.log(stands_for[row])
    z = np.take_along_axis(evidence, place[:, None, :], axis=2)
    found = np.take_along_axis(liked & allowed, place, axis=1) & np.isfinite(log_weight)
    return z, log_weight, found


def joined(parts: list[Rows]) -> Rows:
    """All rows of several parts, padded to the widest."""
    width = max(part.liked.shape[1] for part in parts)

    def padded(array, value):
        gap = width - array.shape[-1]
        return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, gap)], constant_values=value)

    return Rows(
        np.concatenate([padded(part.z, 0) for part in parts]),
        np.concatenate([padded(part.log_weight, -np.inf) for part in parts]),
        np.concatenate([padded(part.liked, False) for part in parts]),
        np.concatenate([part.length for part in parts]),
        np.concatenate([part.shopper for part in parts]),
    )


def scales(rows: Rows) -> np.ndarray:
    """Standard deviation of each signal over the candidates, (n_signals,); log popularity, signal 0, keeps its own."""
    known = np.isfinite(rows.log_weight)
    found = [max(rows.z[:, number][known].std(), 1e-6) for number in range(rows.z.shape[1])]
    found[0] = 1.0
    return np.array(found, np.float32)


def in_logs(evidence: np.ndarray, scale: np.ndarray, already: np.ndarray) -> np.ndarray:
    """z of the formula, in place of `evidence` (n, n_signals, m); `scale` is (n_signals,) or (n, n_signals)."""
    evidence /= scale[..., None]
    for number in np.flatnonzero(~already):
        amount = np.maximum(evidence[:, number], 0)
        evidence[:, number] = np.log1p(STEEP * amount)
    return evidence


def basis(n) -> np.ndarray:
    """1 and log(1 + n) of history lengths (k,): (k, 2) float32."""
    n = np.asarray(n, np.float32)
    return np.stack([np.ones_like(n), np.log1p(n)], axis=1)


def fit_weights(rows: Rows) -> np.ndarray:
    """a and b of each signal, (2, n_signals) float32, by L-BFGS-B from popularity and a little of everything."""
    Z = torch.from_numpy(rows.z)
    offset = torch.from_numpy(rows.log_weight)
    liked = torch.from_numpy(rows.liked.astype(np.float32))
    G = basis(rows.length)
    alone = np.zeros((2, rows.z.shape[1]), np.float32)
    alone[0, 0] = 1

    def loss(flat):
        blend = flat.reshape(alone.shape).astype(np.float32)
        weight = torch.from_numpy(G @ blend)
        scores = torch.bmm(weight[:, None], Z)[:, 0] + offset
        p = scores.softmax(dim=1)
        hit = p * liked
        mass = hit.sum(dim=1, keepdim=True) + 1e-12
        slope = (p - hit / mass) / len(rows)
        by_signal = torch.bmm(Z, slope[:, :, None])[:, :, 0].numpy()
        value = -mass.log().mean().item() + PULL * float(((blend - alone) ** 2).sum())
        gradient = G.T @ by_signal + 2 * PULL * (blend - alone)
        return value, gradient.ravel().astype(float)

    start = alone.copy()
    start[0] += 0.05
    bounds = [(0, None)] * start.size
    options = {"maxiter": 100}
    found = minimize(
        loss, start.ravel(), jac=True, method="L-BFGS-B", bounds=bounds, options=options
    )
    return found.x.reshape(alone.shape).astype(np.float32)


def mixed(z: np.ndarray, weight: np.ndarray, alpha) -> np.ndarray:
    """(1 - α) c log popularity + α w·z, (n, m); c is the weight of popularity, at least 1.

    Parameters
    ----------
    z : (n, n_signals, m)
    weight : (n, n_signals)
    alpha : number or (n, 1)
    """
    blend = np.einsum("us,usi->ui", weight, z)
    floor = np.maximum(weight[:, [0]], 1) * z[:, 0]
    return (1 - alpha) * floor + alpha * blend


def ndcg10(scores: np.ndarray, rows: Rows) -> np.ndarray:
    """NDCG@10 of each row's candidates, (n,)."""
    hidden = np.where(np.isfinite(rows.log_weight), scores, -np.inf)
    order = best_first(hidden, min(10, hidden.shape[1]))
    gain = np.take_along_axis(rows.liked, order, axis=1) @ DISCOUNT[: order.shape[1]]
    ideal = np.concatenate([[0], np.cumsum(DISCOUNT)])
    return gain / ideal[np.minimum(rows.liked.sum(axis=1), 10)]


def cross_fitted(rows: Rows) -> np.ndarray:
    """NDCG@10 of every row by each α, (n_alphas, n), by weights that its shopper had no part in."""
    table = np.zeros((len(ALPHAS), len(rows)), np.float32)
    _, number = np.unique(rows.shopper, return_inverse=True)
    fold = number % FOLDS
    for held in range(FOLDS):
        test = np.flatnonzero(fold == held)
        train = np.flatnonzero(fold != held)
        if len(test) == 0 or len(train) == 0:
            continue
        part = rows[test]
        weight = basis(part.length) @ fit_weights(rows[train])
        for place, alpha in enumerate(ALPHAS):
            table[place, test] = ndcg10(mixed(part.z, weight, alpha), part)
    return table


def gate(table: np.ndarray, length: np.ndarray, lengths) -> np.ndarray:
    """α of each history length, (len(lengths),) float32: the smallest that is good enough, never falling."""
    found = []
    so_far = np.float32(0)
    for n in lengths:
        here = table[:, length == n]
        if here.shape[1] >= LEAST:
            so_far = max(so_far, ALPHAS[smallest_good(here)])
        found.append(so_far)
    return np.array(found, np.float32)


def smallest_good(table: np.ndarray) -> int:
    """The first row of (n_alphas, n) whose mean is within `ERRORS` standard errors of the best row's."""
    best = table[table.mean(axis=1).argmax()]
    for place, row in enumerate(table):
        loss = best - row
        if loss.mean() <= ERRORS * loss.std() / np.sqrt(len(loss)):
            return place
    raise AssertionError("the best row is as good as itself")
