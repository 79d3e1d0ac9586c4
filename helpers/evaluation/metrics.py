"""How good a ranking is: pure functions, one float64 value per user, NaN where nothing is relevant.

`ranked` is (n_users, >= k) int: item positions, best first, -1 where the list ended early.
`relevant` is a csr matrix (n_users, n_items) whose non-zeros are the relevant items, or a list of
sets of item positions. A value above 1 is a grade, which only `ndcg` reads. Where libraries
disagree on what a metric means, the meaning is an argument.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import update_wrapper
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

MAX_DENSE_ITEMS = 50_000
"""Up to this many items, a dense block looks up faster than a search in each sparse row."""
CELLS_PER_BLOCK = 2**23
USERS_PER_BLOCK = 1024

Relevant = sp.csr_matrix | Sequence[Collection[int]]
Formula = Callable[..., np.ndarray]  # of hits (n, k) bool, n_relevant (n,) and k


def as_matrix(relevant: Relevant) -> sp.csr_matrix:
    """A csr matrix of `relevant`, whether it came as one or as a list of sets.

    Raises
    ------
    ValueError
        If a grade is negative.
    """
    if isinstance(relevant, sp.spmatrix | sp.sparray):
        return _without_zeros(sp.csr_matrix(relevant))
    sizes = [len(items) for items in relevant]
    ordered: list[int] = []
    for items in relevant:
        ordered += sorted(items)
    columns = np.array(ordered, dtype=np.int64)
    ends = np.cumsum(sizes)
    starts = np.concatenate([[0], ends]).astype(np.int64)
    ones = np.ones(len(columns), bool)
    n_items = columns.max(initial=-1) + 1
    return sp.csr_matrix((ones, columns, starts), (len(sizes), n_items))


def _without_zeros(relevant: sp.csr_matrix) -> sp.csr_matrix:
    """An explicit zero is an item known not to be relevant."""
    if not relevant.nnz or relevant.data.min() > 0:
        return relevant
    relevant = relevant.copy()
    relevant.eliminate_zeros()
    lowest = relevant.data.min(initial=0)
    if lowest < 0:
        raise ValueError(f"a grade of relevance can't be negative, found {lowest}")
    return relevant


def grades(ranked: ArrayLike, relevant: Relevant, k: int) -> np.ndarray:
    """Grade of each of the first `k` ranked items, (n_users, k); 0 (or False) if irrelevant.

    Raises
    ------
    ValueError
        If rows do not match, or fewer than `k` items are ranked.
    """
    places = np.asarray(ranked)
    matrix = as_matrix(relevant)
    n_users, n_items = matrix.shape
    if places.ndim != 2 or len(places) != n_users:
        raise ValueError(
            f"ranked items of shape {places.shape} for {n_users} users' relevant items"
        )
    if not 1 <= k <= places.shape[1]:
        raise ValueError(f"k must lie in 1..{places.shape[1]}, the number of ranked items, not {k}")
    places = places[:, :k]
    found = np.zeros(places.shape, matrix.dtype)
    if n_items == 0 or places.size == 0:
        return found
    is_item = (places >= 0) & (places < n_items)
    items = np.where(is_item, places, 0)
    if n_items <= MAX_DENSE_ITEMS:
        step = max(1, CELLS_PER_BLOCK // n_items)
        for start in range(0, n_users, step):
            rows = slice(start, start + step)
            found[rows] = np.take_along_axis(matrix[rows].toarray(), items[rows], axis=1)
    else:
        users = np.repeat(np.arange(n_users), k)
        found[:] = np.asarray(matrix[users, items.ravel()]).reshape(places.shape)
    found[~is_item] = 0
    return found


class Metric:
    """A formula on (hits (n, k) bool, n_relevant (n,), k), asked with lists: (n_users,) float64."""

    def __init__(self, formula: Formula):
        self.formula = formula
        update_wrapper(self, formula)

    def __call__(self, ranked: ArrayLike, relevant: Relevant, k: int, **variant: Any) -> np.ndarray:
        matrix = as_matrix(relevant)
        hits = grades(ranked, matrix, k) > 0
        return _where_defined(self.formula, hits, _n_relevant(matrix), k, **variant)


def _n_relevant(relevant: sp.csr_matrix) -> np.ndarray:
    return np.diff(relevant.indptr)


def _where_defined(
    formula: Formula, hits: np.ndarray, n_relevant: np.ndarray, k: int, **variant: Any
) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        values = formula(hits, n_relevant, k, **variant)
    return np.where(n_relevant > 0, values, np.nan)


@Metric
def precision(hits: np.ndarray, n_relevant: np.ndarray, k: int) -> np.ndarray:
    """Share of the first `k` places that hold a relevant item; an empty place is a miss."""
    return hits.sum(axis=1) / k


@Metric
def recall(hits: np.ndarray, n_relevant: np.ndarray, k: int) -> np.ndarray:
    """Share of the relevant items found in the first `k` places."""
    return hits.sum(axis=1) / n_relevant


@Metric
def f1(hits: np.ndarray, n_relevant: np.ndarray, k: int) -> np.ndarray:
    """Harmonic mean of precision and recall: 2 hits / (k + n_relevant)."""
    return 2 * hits.sum(axis=1) / (k + n_relevant)


@Metric
def hit_rate(hits: np.ndarray, n_relevant: np.ndarray, k: int) -> np.ndarray:
    """1 if any of the first `k` items is relevant, else 0."""
    return np.asarray(hits.any(axis=1), np.float64)


@Metric
def mrr(hits: np.ndarray, n_relevant: np.ndarray, k: int) -> np.ndarray:
    """1 / place of the first relevant item; 0 if there is none among the first `k`."""
    first_place = hits.argmax(axis=1) + 1
    found: np.ndarray = np.where(hits.any(axis=1), 1 / first_place, 0.0)
    return found


@Metric
def average_precision(
    hits: np.ndarray, n_relevant: np.ndarray, k: int, divide: str = "min"
) -> np.ndarray:
    """Mean of the precisions at each hit's place; its mean over users is MAP.

    `divide="min"` divides by min(k, n_relevant), so that a perfect list scores 1. `"relevant"`
    divides by n_relevant (trec_eval, ranx), so that no list of `k` items can score 1 where more
    are relevant.
    """
    if divide not in ("min", "relevant"):
        raise ValueError(f"divide must be 'min' or 'relevant', not {divide!r}")
    places = np.arange(1, hits.shape[1] + 1)
    precision_at = np.cumsum(hits, axis=1) / places
    total = (precision_at * hits).sum(axis=1)
    if divide == "min":
        return total / np.minimum(n_relevant, k)
    return total / n_relevant


def ndcg(ranked: ArrayLike, relevant: Relevant, k: int, gain: str = "linear") -> np.ndarray:
    """Normalized discounted cumulative gain (Järvelin & Kekäläinen 2002), (n_users,).

    DCG@k = Σ_{i = 1..k} gain_i / log2(i + 1), divided by the DCG of the best possible list, cut at
    `k`. `gain="linear"` gains the grade, `"exponential"` 2^grade - 1 (Burges 2005). With yes/no
    relevance both gain 1.
    """
    if gain not in ("linear", "exponential"):
        raise ValueError(f"gain must be 'linear' or 'exponential', not {gain!r}")
    relevant = as_matrix(relevant)
    found = grades(ranked, relevant, k)
    if relevant.dtype == bool:
        return _binary_ndcg(found, _n_relevant(relevant), k)
    ideal = _ideal(relevant, k)
    if gain == "exponential":
        found = 2.0**found - 1
        ideal = 2.0**ideal - 1
    discount = _discount(k)
    best = ideal @ discount
    undefined = np.full(len(best), np.nan)
    return np.divide(found @ discount, best, out=undefined, where=_n_relevant(relevant) > 0)


def _discount(k: int) -> np.ndarray:
    """1 / log2(i + 1) of the places i = 1..k."""
    return 1 / np.log2(np.arange(2, k + 2))


def _binary_ndcg(hits: np.ndarray, n_relevant: np.ndarray, k: int) -> np.ndarray:
    """NDCG where an item is relevant or not: the best list has min(k, n_relevant) hits on top."""
    discount = _discount(k)
    best_with = np.concatenate([[0], np.cumsum(discount)])
    n_best = np.minimum(n_relevant, k)
    best = best_with[n_best]
    dcg = hits @ discount
    undefined = np.full(len(best), np.nan)
    return np.divide(dcg, best, out=undefined, where=n_relevant > 0)


def _ideal(relevant: sp.csr_matrix, k: int) -> np.ndarray:
    """Each user's `k` highest grades, descending, (n_users, k); zeros where there are fewer."""
    n_relevant = _n_relevant(relevant)
    users = np.repeat(np.arange(len(n_relevant)), n_relevant)
    highest_first = np.lexsort((-relevant.data.astype(np.float64), users))
    place = np.arange(relevant.nnz) - relevant.indptr[users]
    kept = place < k
    values = relevant.data[highest_first][kept]
    shape = (len(n_relevant), k)
    return sp.csr_matrix((values, (users[kept], place[kept])), shape).toarray()


METRICS: dict[str, Callable[..., np.ndarray]] = {
    "precision": precision,
    "recall": recall,
    "f1": f1,
    "map": average_precision,
    "ndcg": ndcg,
    "mrr": mrr,
    "hit_rate": hit_rate,
}
MEANING = {"map": "divided by min(k, relevant)", "ndcg": "binary gain, ideal cut at k"}
"""Which variant the tables report."""


def measure(
    ranked: ArrayLike,
    relevant: Relevant,
    ks: Sequence[int] = (5, 10),
    metrics: Iterable[str] = tuple(METRICS),
) -> dict[tuple[str, int], np.ndarray]:
    """Several metrics at several `k` with one look-up; relevance is yes or no.

    Returns
    -------
    dict of (metric, k) to (n_users,) float64
    """
    unknown = sorted(set(metrics) - set(METRICS))
    if unknown:
        raise ValueError(f"no metric {unknown[0]!r}; known are {', '.join(METRICS)}")
    relevant = as_matrix(relevant).astype(bool)
    n_relevant = _n_relevant(relevant)
    hits = grades(ranked, relevant, max(ks))
    values = {}
    for name in metrics:
        formula = _formula_of(name)
        for k in ks:
            values[name, k] = _where_defined(formula, hits[:, :k], n_relevant, k)
    return values


def _formula_of(name: str) -> Formula:
    """What a metric makes of hits, where relevance is yes or no."""
    metric = METRICS[name]
    return metric.formula if isinstance(metric, Metric) else _binary_ndcg


def rating_error(truth: ArrayLike, predicted: ArrayLike) -> dict[str, float]:
    """`rmse`, `mse` and `mae` of predicted ratings, and `n`, how many there were; NaN if none."""
    guess = np.asarray(predicted, np.float64)
    error = guess - np.asarray(truth, np.float64)
    mse = np.nan
    mae = np.nan
    if error.size:
        mse = float((error**2).mean())
        mae = float(np.abs(error).mean())
    rmse = float(np.sqrt(mse))
    return {
        "rmse": rmse,
        "mse": mse,
        "mae": mae,
        "n": int(error.size),
    }


def exposure(ranked: ArrayLike, candidates: ArrayLike) -> np.ndarray:
    """How often each candidate was recommended, (n_candidates,) int, by ascending position."""
    candidates = np.unique(candidates)
    ranked = np.asarray(ranked)
    counts = np.bincount(ranked[ranked >= 0], minlength=candidates.max(initial=-1) + 1)
    return counts[candidates]


def coverage(ranked: ArrayLike, candidates: ArrayLike) -> float:
    """Share of the candidates that anyone was recommended."""
    return float((exposure(ranked, candidates) > 0).mean())


def gini(ranked: ArrayLike, candidates: ArrayLike) -> float:
    """Inequality of exposure: 0 if all candidates are shown equally often, near 1 if one is."""
    counts = np.sort(exposure(ranked, candidates))
    n = len(counts)
    total = counts.sum()
    if not total:
        return np.nan
    weights = 2 * np.arange(1, n + 1) - n - 1
    return float((weights @ counts) / (n * total))


def diversity(ranked: ArrayLike, vectors: ArrayLike) -> np.ndarray:
    """Intra-list diversity (Smyth & McClave 2001): mean of 1 - cosine over a list's pairs.

    NaN below two items.
    """
    vectors = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.maximum(lengths, 1e-12)
    ranked = np.asarray(ranked)
    values = np.full(len(ranked), np.nan)
    for start in range(0, len(ranked), USERS_PER_BLOCK):
        rows = slice(start, start + USERS_PER_BLOCK)
        values[rows] = _diversity_of(ranked[rows], unit)
    return values


def _diversity_of(ranked: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """The sum of all pairs' cosines is |Σ v|² - Σ |v|², without forming the pairs."""
    is_item = ranked >= 0
    places = np.where(is_item, ranked, 0)
    listed = unit[places] * is_item[..., None]
    n = is_item.sum(axis=1)
    total = listed.sum(axis=1)
    of_sum = np.square(total).sum(axis=1)
    of_items = np.square(listed).sum(axis=(1, 2))
    n_pairs = np.maximum(n * (n - 1), 1)
    mean_cosine = (of_sum - of_items) / n_pairs
    return np.where(n > 1, 1 - mean_cosine, np.nan)


def novelty(ranked: ArrayLike, popularity: ArrayLike, n_users: int) -> np.ndarray:
    """Mean self-information in bits (Zhou et al. 2010).

    It is -log2 of the share of users who liked each listed item. One like is added to every item,
    so that an item nobody has liked is very novel, not infinitely.
    """
    ranked = np.asarray(ranked)
    share = (np.asarray(popularity, np.float64) + 1) / (n_users + 1)
    bits = -np.log2(share)
    is_item = ranked >= 0
    total = (bits[np.where(is_item, ranked, 0)] * is_item).sum(axis=1)
    n = is_item.sum(axis=1)
    undefined = np.full(len(ranked), np.nan)
    return np.divide(total, n, out=undefined, where=n > 0)


def calibration(
    ranked: ArrayLike, liked: sp.csr_matrix, groups: ArrayLike, alpha: float = 0.01
) -> np.ndarray:
    """Kullback-Leibler divergence in nats of the list's mix of groups from the history's.

    0 is calibrated (Steck 2018). `liked` (n_users, n_items) is the history, `groups` (n_items,)
    each item's category. A share `alpha` of the history is mixed into the list, so that a missing
    category costs much but not infinitely. NaN without history or list.
    """
    ranked = np.asarray(ranked)
    _, codes = np.unique(np.asarray(groups), return_inverse=True)
    flags = np.eye(codes.max() + 1)[codes]
    is_item = ranked >= 0
    in_history = (liked > 0).astype(np.float64) @ flags
    places = np.where(is_item, ranked, 0)
    listed = flags[places] * is_item[..., None]
    in_list = listed.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        p = in_history / in_history.sum(axis=1, keepdims=True)
        q = in_list / in_list.sum(axis=1, keepdims=True)
        smoothed = (1 - alpha) * q + alpha * p
        terms = np.where(p > 0, p * np.log(p / smoothed), 0.0)
    defined = np.isfinite(p + q).all(axis=1)
    return np.where(defined, terms.sum(axis=1), np.nan)
