"""How good a ranking is: pure functions, one float64 value a user, NaN where the user has nothing relevant.

`ranked` is (n_users, >= k) int: item positions, best first, -1 where the list ended early. `relevant` is a csr matrix
(n_users, n_items) whose non-zeros are the relevant items (a value above 1 is a grade, which only `ndcg` reads), or a
list of sets of item positions. Where libraries disagree on what a metric means, the meaning is an argument.
"""

import numpy as np
import scipy.sparse as sp

MAX_DENSE = (
    50_000  # up to this many items a dense block looks up faster than a search in each sparse row
)


def as_matrix(relevant) -> sp.csr_matrix:
    """A csr matrix of `relevant`, whether it came as one or as a list of sets."""
    if sp.issparse(relevant):
        relevant = relevant.tocsr()
        if (
            relevant.nnz and relevant.data.min() <= 0
        ):  # an explicit zero is an item known not to be relevant
            relevant = relevant.copy()
            relevant.eliminate_zeros()
            if relevant.nnz and relevant.data.min() < 0:
                raise ValueError(
                    f"a grade of relevance can't be negative, found {relevant.data.min()}"
                )
        return relevant
    sizes = [len(items) for items in relevant]
    columns = np.fromiter(
        (item for items in relevant for item in sorted(items)), np.int64, sum(sizes)
    )
    start = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return sp.csr_matrix(
        (np.ones(len(columns), bool), columns, start), (len(sizes), columns.max(initial=-1) + 1)
    )


def grades(ranked, relevant, k: int) -> np.ndarray:
    """Grade of each of the first `k` ranked items, (n_users, k), in the dtype of `relevant`: 0 (False) if irrelevant.

    Raises ValueError if rows don't match or fewer than `k` items are ranked.
    """
    ranked, relevant = np.asarray(ranked), as_matrix(relevant)
    if ranked.ndim != 2 or len(ranked) != relevant.shape[0]:
        raise ValueError(
            f"ranked items of shape {ranked.shape} for {relevant.shape[0]} users' relevant items"
        )
    if not 1 <= k <= ranked.shape[1]:
        raise ValueError(f"k must lie in 1..{ranked.shape[1]}, the number of ranked items, not {k}")
    ranked, n_items = ranked[:, :k], relevant.shape[1]
    found = np.zeros(ranked.shape, relevant.dtype)
    if n_items == 0 or ranked.size == 0:
        return found
    inside = np.where((ranked >= 0) & (ranked < n_items), ranked, 0)
    if n_items <= MAX_DENSE:
        block = max(1, 2**23 // n_items)
        for start in range(0, len(ranked), block):
            rows = slice(start, start + block)
            found[rows] = np.take_along_axis(relevant[rows].toarray(), inside[rows], axis=1)
    else:
        rows = np.repeat(np.arange(len(ranked)), k)
        found[:] = np.asarray(relevant[rows, inside.ravel()]).reshape(ranked.shape)
    found[inside != ranked] = 0
    return found


def _per_user(formula):
    """Turn a formula on (hits (n, k) bool, n_relevant (n,), k) into a metric on (ranked, relevant, k)."""

    def metric(ranked, relevant, k: int, **variant) -> np.ndarray:
        relevant = as_matrix(relevant)
        return _defined(
            formula, grades(ranked, relevant, k) > 0, np.diff(relevant.indptr), k, **variant
        )

    metric.__name__, metric.__doc__, metric.formula = formula.__name__, formula.__doc__, formula
    return metric


def _defined(formula, hits, n_relevant, k, **variant) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(n_relevant > 0, formula(hits, n_relevant, k, **variant), np.nan)


@_per_user
def precision(hits, n_relevant, k):
    """Share of the first `k` places that hold a relevant item; an empty place counts as a miss."""
    return hits.sum(axis=1) / k


@_per_user
def recall(hits, n_relevant, k):
    """Share of the relevant items found in the first `k` places."""
    return hits.sum(axis=1) / n_relevant


@_per_user
def f1(hits, n_relevant, k):
    """Harmonic mean of precision and recall: 2 hits / (k + n_relevant)."""
    return 2 * hits.sum(axis=1) / (k + n_relevant)


@_per_user
def hit_rate(hits, n_relevant, k):
    """1 if any of the first `k` items is relevant, else 0."""
    return hits.any(axis=1).astype(np.float64)


@_per_user
def mrr(hits, n_relevant, k):
    """1 / place of the first relevant item, 0 if there is none among the first `k`."""
    return np.where(hits.any(axis=1), 1 / (hits.argmax(axis=1) + 1), 0.0)


@_per_user
def average_precision(hits, n_relevant, k, divide="min"):
    """Mean of the precisions at each hit's place; its mean over users is MAP.

    `divide="min"` divides by min(k, n_relevant), so that a perfect list scores 1; `"relevant"` divides by n_relevant
    (trec_eval, ranx), so that no list of `k` items can score 1 where more are relevant.
    """
    if divide not in ("min", "relevant"):
        raise ValueError(f"divide must be 'min' or 'relevant', not {divide!r}")
    users, places = np.nonzero(
        hits
    )  # row by row: a hit's number less its row's first is its number in the row
    nth = np.arange(1, len(users) + 1) - np.concatenate([[0], np.cumsum(hits.sum(axis=1))])[users]
    at_hits = np.bincount(users, nth / (places + 1), minlength=len(hits))
    return at_hits / (np.minimum(n_relevant, k) if divide == "min" else n_relevant)


def _ideal(relevant: sp.csr_matrix, k: int) -> np.ndarray:
    """Each user's `k` highest grades, descending, (n_users, k), zeros where there are fewer."""
    n_relevant = np.diff(relevant.indptr)
    rows = np.repeat(np.arange(len(n_relevant)), n_relevant)
    order = np.lexsort(
        (-relevant.data.astype(np.float64), rows)
    )  # within each row, the highest first
    place = np.arange(relevant.nnz) - relevant.indptr[rows]
    return sp.csr_matrix(
        (relevant.data[order][place < k], (rows[place < k], place[place < k])), (len(n_relevant), k)
    ).toarray()


def ndcg(ranked, relevant, k: int, gain: str = "linear") -> np.ndarray:
    """Normalised discounted cumulative gain (Järvelin & Kekäläinen 2002), (n_users,).

    DCG@k = sum over places i = 1..k of gain / log2(i + 1), divided by the DCG of the best possible list, cut at `k`.
    `gain="linear"` gains the grade, `"exponential"` 2^grade - 1 (Burges 2005); with yes/no relevance both gain 1.
    """
    if gain not in ("linear", "exponential"):
        raise ValueError(f"gain must be 'linear' or 'exponential', not {gain!r}")
    relevant = as_matrix(relevant)
    found, n_relevant = grades(ranked, relevant, k), np.diff(relevant.indptr)
    discount = 1 / np.log2(np.arange(2, k + 2))
    if relevant.dtype == bool:
        best = np.concatenate([[0], np.cumsum(discount)])[np.minimum(n_relevant, k)]
    else:
        ideal = _ideal(relevant, k)
        found, ideal = (2.0**found - 1, 2.0**ideal - 1) if gain == "exponential" else (found, ideal)
        best = ideal @ discount
    return np.divide(found @ discount, best, out=np.full(len(best), np.nan), where=n_relevant > 0)


METRICS = {
    "precision": precision,
    "recall": recall,
    "f1": f1,
    "map": average_precision,
    "ndcg": ndcg,
    "mrr": mrr,
    "hit_rate": hit_rate,
}
MEANING = {
    "map": "divided by min(k, relevant)",
    "ndcg": "binary gain, ideal cut at k",
}  # what the tables report


def measure(
    ranked, relevant, ks=(5, 10), metrics=tuple(METRICS)
) -> dict[tuple[str, int], np.ndarray]:
    """Several metrics at several `k` with one look-up: (metric, k) -> (n_users,) values, relevance yes or no."""
    relevant = as_matrix(relevant).astype(bool)
    hits, n_relevant = grades(ranked, relevant, max(ks)), np.diff(relevant.indptr)
    unknown = set(metrics) - set(METRICS)
    if unknown:
        raise ValueError(f"no metric {sorted(unknown)[0]!r}; known are {', '.join(METRICS)}")
    discount = 1 / np.log2(np.arange(2, max(ks) + 2))
    best = np.concatenate([[0], np.cumsum(discount)])

    def binary_ndcg(hits, n_relevant, k):
        return hits @ discount[:k] / best[np.minimum(n_relevant, k)]

    formulas = {name: METRICS[name].formula if name != "ndcg" else binary_ndcg for name in metrics}
    return {
        (name, k): _defined(formulas[name], hits[:, :k], n_relevant, k)
        for name in metrics
        for k in ks
    }


def rating_error(truth, predicted) -> dict[str, float]:
    """`rmse`, `mse` and `mae` of predicted ratings, and `n`, how many there were; all NaN if none."""
    error = np.asarray(predicted, np.float64) - np.asarray(truth, np.float64)
    mse, mae = ((error**2).mean(), np.abs(error).mean()) if error.size else (np.nan, np.nan)
    return {"rmse": float(np.sqrt(mse)), "mse": float(mse), "mae": float(mae), "n": int(error.size)}


def exposure(ranked, candidates) -> np.ndarray:
    """How often each candidate was recommended, (n_candidates,) int, by ascending item position."""
    candidates, ranked = np.unique(candidates), np.asarray(ranked)
    counts = np.bincount(ranked[ranked >= 0], minlength=candidates.max(initial=-1) + 1)
    return counts[candidates]


def coverage(ranked, candidates) -> float:
    """Share of the candidates that anyone was recommended."""
    return float((exposure(ranked, candidates) > 0).mean())


def gini(ranked, candidates) -> float:
    """Inequality of exposure: 0 when every candidate is shown equally often, towards 1 when one gets it all."""
    counts = np.sort(exposure(ranked, candidates))
    n, total = len(counts), counts.sum()
    return float(((2 * np.arange(1, n + 1) - n - 1) @ counts) / (n * total)) if total else np.nan


def diversity(ranked, vectors) -> np.ndarray:
    """Intra-list diversity (Smyth & McClave 2001): mean of 1 - cosine over a list's pairs; NaN below two items."""
    vectors = np.asarray(vectors, np.float64)
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    ranked, values = np.asarray(ranked), np.full(len(ranked), np.nan)
    for start in range(0, len(ranked), 1024):
        ids = ranked[start : start + 1024]
        listed = unit[np.where(ids >= 0, ids, 0)] * (ids >= 0)[..., None]
        n = (ids >= 0).sum(axis=1)
        same = np.square(listed.sum(axis=1)).sum(axis=1) - np.square(listed).sum(axis=(1, 2))
        values[start : start + 1024] = np.where(
            n > 1, 1 - same / np.maximum(n * (n - 1), 1), np.nan
        )
    return values


def novelty(ranked, popularity, n_users: int) -> np.ndarray:
    """Mean self-information in bits (Zhou et al. 2010): -log2 of the share of users who liked each listed item.

    One like is added to every item, so that an item nobody has liked is very novel, not infinitely.
    """
    ranked, bits = (
        np.asarray(ranked),
        -np.log2((np.asarray(popularity, np.float64) + 1) / (n_users + 1)),
    )
    listed = ranked >= 0
    total = (bits[np.where(listed, ranked, 0)] * listed).sum(axis=1)
    return np.divide(
        total, listed.sum(axis=1), out=np.full(len(ranked), np.nan), where=listed.any(axis=1)
    )


def calibration(ranked, liked: sp.csr_matrix, groups, alpha: float = 0.01) -> np.ndarray:
    """Kullback-Leibler divergence in nats of the list's mix of groups from the history's (Steck 2018); 0 is calibrated.

    `liked` (n_users, n_items) is the history, `groups` (n_items,) each item's category; a share `alpha` of the history
    is mixed into the list, so that a missing category costs much but not infinitely. NaN without history or list.
    """
    codes, ranked = np.unique(np.asarray(groups), return_inverse=True)[1], np.asarray(ranked)
    onehot = np.eye(codes.max() + 1)[codes]
    history = (liked > 0).astype(np.float64) @ onehot
    listed = (onehot[np.where(ranked >= 0, ranked, 0)] * (ranked >= 0)[..., None]).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        p, q = (mix / mix.sum(axis=1, keepdims=True) for mix in (history, listed))
        terms = np.where(p > 0, p * np.log(p / ((1 - alpha) * q + alpha * p)), 0.0)
        return np.where(np.isfinite(p + q).all(axis=1), terms.sum(axis=1), np.nan)
