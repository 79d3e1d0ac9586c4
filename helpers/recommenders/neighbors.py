"""Neighborhood methods of chapter 03: shoppers who rate alike, items that are rated alike."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch

from helpers.engine import chosen
from helpers.kernels.item_blocks import Pull, top_similar_in_blocks
from helpers.kernels.item_pairs import confidence, top_similar_items
from helpers.kernels.sparse_lists import Links, best_by_links
from helpers.recommenders.base import SIGNALS, Recommender, as_signal, per_like

try:
    from sparse_dot_topn import sp_matmul_topn
except ImportError:  # it has no wheel for ARM Linux: blocks of dense rows give the same, later
    sp_matmul_topn = None

SIMILARITIES = ("cosine", "adjusted_cosine", "pearson", "jaccard", "asymmetric_cosine")
DENSE = 4_000_000  # cells of the largest dense block of similarities (32 MB)
MANY_ITEMS = 10_000  # from here on, neighbors are sought among items with a common shopper only
FLAT = 1e-9  # a spread of ratings below this is none: no correlation
NEUTRAL = 3.0  # mean rating of a log without ratings


@dataclass(frozen=True)
class Measure:
    """How alike two rows of ratings are; `top_similar` documents the fields.

    Raises
    ------
    ValueError
        If there is no such similarity, or shrinkage or significance is negative.
    """

    similarity: str = "cosine"
    shrinkage: float = 0.0
    significance: int = 0
    alpha: float = 0.5
    device: str = "cpu"

    def __post_init__(self):
        if self.similarity not in SIMILARITIES:
            names = ", ".join(SIMILARITIES)
            raise ValueError(f"similarity is {self.similarity!r}; choose one of {names}")
        if self.shrinkage < 0 or self.significance < 0:
            raise ValueError(
                "shrinkage and significance must be >= 0, "
                f"not {self.shrinkage} and {self.significance}"
            )

    @property
    def exponent(self) -> float:
        """α of the asymmetric cosine; ½ is the cosine."""
        if self.similarity == "asymmetric_cosine":
            return self.alpha
        return 0.5

    @property
    def is_product(self) -> bool:
        """Is a similarity the dot product of two scaled rows, and nothing more?"""
        if self.shrinkage or self.significance:
            return False
        return self.similarity not in ("pearson", "jaccard")


def top_similar(  # noqa: PLR0913  # hyperparameters
    A,
    B,
    k: int,
    similarity="cosine",
    shrinkage=0.0,
    alpha=0.5,
    means=None,
    exclude_self=False,
    significance=0,
    device="cpu",
) -> sp.csr_matrix:
    """The `k` rows of `B` most similar to each row of `A`, positive similarities only.

    Parameters
    ----------
    A, B : csr_matrix, (n_a, m) and (n_b, m)
        Ratings; absent means unknown.
    k : int
        At least 1.
    similarity : str
        ``cosine``: a·b / (|a| |b|); absent entries count as 0 (Salton & McGill 1983).
        ``adjusted_cosine``: the same after subtracting each column's mean (Sarwar et al. 2001).
        ``pearson``: correlation over the columns that both rated (Resnick et al. 1994).
        ``jaccard``: |both rated| / |either rated|.
        ``asymmetric_cosine``: a·b / (|a|^2α |b|^2(1-α)); α = ½ is the cosine (Aiolli 2013).
    shrinkage : float
        Multiply a similarity that rests on n common columns by n / (n + shrinkage) (Koren 2008).
    alpha : float
        α of ``asymmetric_cosine``.
    means : (m,) array
        Column means, for ``adjusted_cosine``.
    exclude_self : bool
        Row i of `A` is row i of `B`, and is no neighbor of itself.
    significance : int
        Multiply by min(n, significance) / significance (Herlocker et al. 1999); 0 leaves it.
    device : str
        Any torch device. On all but ``cpu`` torch multiplies a block of dense rows at a time.

    Returns
    -------
    csr_matrix, (n_a, n_b) float64
        At most `k` entries per row. Rows of zeros have no neighbors: no division by zero, no NaN.

    Raises
    ------
    ValueError
        If a setting does not exist or is out of range.
    """
    measure = Measure(similarity, shrinkage, significance, alpha, device)
    return _top(A, B, k, measure, means, exclude_self)


def _top(
    A,
    B,
    k: int,
    measure: Measure,
    means=None,
    exclude_self=False,
) -> sp.csr_matrix:
    """`top_similar` for a `Measure`."""
    if k < 1:
        raise ValueError(f"k must be >= 1, not {k}")
    if measure.similarity == "adjusted_cosine":
        A = _shift(A, means[A.indices])
        B = _shift(B, means[B.indices])
    n = k + exclude_self
    on_cpu = measure.device == "cpu"
    if measure.is_product and on_cpu and sp_matmul_topn is not None:
        found = _top_products(A, B, n, measure)
    else:
        found = _top_in_blocks(A, B, n, measure)
    keep = found.data > 0
    if exclude_self:
        keep &= found.row != found.col
    row = found.row[keep]
    column = found.col[keep]
    value = found.data[keep]
    place = np.arange(len(row)) - np.searchsorted(row, row)  # in its row: best come first
    best = place < k
    cells = (row[best], column[best])
    shape = (A.shape[0], B.shape[0])
    return sp.csr_matrix((value[best], cells), shape=shape)


def _top_products(A, B, k: int, measure: Measure) -> sp.coo_matrix:
    """The best of A' B'ᵀ, A' and B' being scaled rows, by a sparse product that keeps the best."""
    left, right = _both_scaled(A, B, measure)
    found = sp_matmul_topn(
        left,
        right.T.tocsr(),
        top_n=k,
        sort=True,
        n_threads=torch.get_num_threads(),
    )
    return found.tocoo()


def _top_in_blocks(A, B, k: int, measure: Measure) -> sp.coo_matrix:
    """The best of all similarities, a few dense rows at a time: never all pairs."""
    n_a = A.shape[0]
    n_b = B.shape[0]
    k = min(k, n_b)
    step = max(1, DENSE // max(1, *B.shape))
    parts = [sp.coo_matrix((0, n_b))]
    for start in range(0, n_a, step):
        S = _similarities(A[start : start + step], B, measure)
        best = S.topk(k, dim=1)
        values = best.values.cpu().numpy().ravel()
        columns = best.indices.cpu().numpy().ravel()
        rows = np.repeat(np.arange(len(S)), k)
        part = sp.coo_matrix((values, (rows, columns)), shape=tuple(S.shape))
        parts.append(part)
    return sp.vstack(parts).tocoo()


def _similarities(A, B, measure: Measure) -> torch.Tensor:
    """Similarities of every row of `A` with every row of `B`, (n_a, n_b) float64 on the device."""
    n = _product(_seen(A), _seen(B), measure.device)
    if measure.similarity == "jaccard":
        S = _jaccard(A, B, n, measure.device)
    elif measure.similarity == "pearson":
        S = _pearson(A, B, n, measure.device)
    else:
        left, right = _both_scaled(A, B, measure)
        S = _product(left, right, measure.device)
    return S * confidence(n, measure.shrinkage, measure.significance)


def _jaccard(A, B, n, device) -> torch.Tensor:
    """|both rated| / |either rated|; `n` (n_a, n_b) is the number that both rated."""
    count_a = _counts(A, device)
    count_b = _counts(B, device)
    either = count_a[:, None] + count_b[None] - n
    return n / either.clip(1)


def _counts(X, device) -> torch.Tensor:
    counts = np.diff(X.indptr).astype(float)
    return torch.from_numpy(counts).to(device)


def _pearson(A, B, n, device) -> torch.Tensor:
    """Correlation over the `n` columns that both rated, from sums over those: Σa, Σa², Σab."""
    seen_a = _seen(A)
    seen_b = _seen(B)
    several = n.clip(1)
    sum_a = _product(A, seen_b, device)
    sum_b = _product(seen_a, B, device)
    squares_a = _product(A.power(2), seen_b, device)
    squares_b = _product(seen_a, B.power(2), device)
    var_a = squares_a - sum_a**2 / several
    var_b = squares_b - sum_b**2 / several
    spread = (var_a.clip(0) * var_b.clip(0)).sqrt()
    covariance = _product(A, B, device) - sum_a * sum_b / several
    correlation = covariance / spread.clip(FLAT)
    return torch.where(spread > FLAT, correlation, 0.0)


def _product(A, B, device) -> torch.Tensor:
    """A Bᵀ, dense: scipy's sparse product, or on another device the few rows of `A` dense."""
    if device == "cpu":
        return torch.from_numpy((A @ B.T).toarray())
    entries = B.tocoo()
    positions = np.stack([entries.row, entries.col]).astype(np.int64)
    with torch.sparse.check_sparse_tensor_invariants():
        right = torch.sparse_coo_tensor(
            torch.from_numpy(positions),
            entries.data,
            B.shape,
            device=device,
        )
    left = torch.from_numpy(A.toarray()).to(device)
    return (right @ left.T).T


def _both_scaled(A, B, measure: Measure) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """Rows whose dot product is the cosine, or the asymmetric cosine."""
    left = _scaled(A, 2 * measure.exponent)
    right = _scaled(B, 2 * (1 - measure.exponent))
    return left, right


def _scaled(X, power: float) -> sp.csr_matrix:
    """Rows divided by their length to a power; a row of zeros stays."""
    squares = X.multiply(X).sum(axis=1)
    length = np.sqrt(np.asarray(squares).ravel())
    some = length > 0
    factor = np.where(some, np.where(some, length, 1) ** -power, 0)
    return sp.csr_matrix(sp.diags(factor) @ X)


def _with_data(X, data) -> sp.csr_matrix:
    """`X` with other numbers in the same places; zeros among them stay stored."""
    return sp.csr_matrix((data, X.indices, X.indptr), shape=X.shape)


def _seen(X) -> sp.csr_matrix:
    """1 where `X` has an entry, also where a centered entry is 0."""
    return _with_data(X, np.ones(len(X.data)))


def _shift(X, by) -> sp.csr_matrix:
    """`X` less one number for each stored entry."""
    return _with_data(X, X.data - by)


def _less_row_means(X, means) -> sp.csr_matrix:
    """`X` less its row's mean at each stored entry."""
    return _shift(X, np.repeat(means, np.diff(X.indptr)))


def _means(X, prior: float) -> np.ndarray:
    """Mean of each row's stored entries, `prior` for an empty row."""
    n = np.diff(X.indptr)
    total = np.asarray(X.sum(axis=1)).ravel()
    return np.where(n > 0, total / np.maximum(n, 1), prior)


class _Neighbors(Recommender):
    """What user-based and item-based filtering share.

    That is their settings, what they keep, and what happens without neighbors.
    """

    def __init__(  # noqa: PLR0913  # hyperparameters
        self,
        k=200,
        similarity="cosine",
        shrinkage=0.0,
        significance=0,
        centre=False,
        signal="liked",
        alpha=0.5,
        device="cpu",
    ):
        if similarity not in SIMILARITIES or signal not in SIGNALS:
            raise ValueError(
                f"similarity {similarity!r} must be one of {SIMILARITIES}, "
                f"signal {signal!r} of {SIGNALS}"
            )
        self.k = k
        self.similarity = similarity
        self.shrinkage = shrinkage
        self.significance = significance
        self.centre = centre
        self.signal = signal
        self.alpha = alpha
        self.device = device

    def _measure(self) -> Measure:
        return Measure(
            self.similarity,
            self.shrinkage,
            self.significance,
            self.alpha,
            self.device,
        )

    def _usable(self, histories):
        return self._read(histories).getnnz(axis=1) > 0

    def _read(self, histories) -> sp.csr_matrix:
        """The histories as the method's signal, (n_users, n_items)."""
        return as_signal(histories.in_catalogue(self.n_items_), self.signal)

    def _keep(self, matrix) -> None:
        """Keep a sparse matrix as the three arrays that `save` can write."""
        self.kept_data_ = matrix.data.astype(np.float32)
        self.kept_indices_ = matrix.indices.astype(np.int32)
        self.kept_indptr_ = matrix.indptr.astype(np.int64)

    def _kept(self) -> sp.csr_matrix:
        data = self.kept_data_.astype(np.float64)
        shape = (len(self.kept_indptr_) - 1, self.n_items_)
        return sp.csr_matrix((data, self.kept_indices_, self.kept_indptr_), shape=shape)

    def _learn_means(self, ratings) -> None:
        """The mean rating, and each item's; the mean rating for an item without any."""
        self.mean_ = NEUTRAL
        if ratings.nnz:
            self.mean_ = float(ratings.data.mean())
        n = np.bincount(ratings.indices, minlength=self.n_items_)
        total = np.bincount(ratings.indices, ratings.data, self.n_items_)
        average = total / np.maximum(n, 1)
        self.item_means_ = np.where(n > 0, average, self.mean_)

    def _with_means(self, weighted, weights, center, items) -> np.ndarray:
        """`center` plus the weighted average, Σ weight · rating / Σ weight.

        Where no neighbor rated, the item's mean stands; `n_fallback_` counts that.
        """
        has_any = weights > 0
        self.n_fallback_ = int((~has_any).sum())
        nothing = np.zeros(has_any.shape)
        average = np.divide(weighted, weights, out=nothing, where=has_any)
        item_means = self.item_means_[items]
        return np.where(has_any, center + average, item_means[None, :])


class UserKNN(_Neighbors):
    """User-based collaborative filtering: what the shoppers who rate like you rated.

    Ratings are predicted by the weighted average  r̂_ui = Σ_v sim(u,v) r_vi / Σ_v sim(u,v)  over
    those of the `k` shoppers most similar to u who rated i; with `centre`, by
    μ_u + Σ_v sim(u,v) (r_vi - μ_v) / Σ_v sim(u,v)  (Resnick et al. 1994).
    Ranking uses the sum  Σ_v sim(u,v) x_vi  instead: an average puts first what one neighbor
    gave a 5.

    Parameters
    ----------
    k : int
        Neighbors per shopper.
    similarity, shrinkage, significance, alpha, device
        As in `top_similar`.
    centre : bool
        Subtract each shopper's mean before averaging.
    signal : str
        What similarity and ranking read, x above: `rating`, `liked` or `seen`.

    Raises
    ------
    ValueError
        If there is no such similarity or signal.
    """

    def _fit(self, train, items, validate):
        self._keep(train.ratings)
        self._learn_means(train.ratings)
        # The columns of shoppers are items: adjusted cosine subtracts item means.
        by_item = as_signal(train.ratings, self.signal).T.tocsr()
        self.signal_means_ = _means(by_item, 0.0)

    def _base(self) -> sp.csr_matrix:
        """What the training shoppers did, as the method's signal."""
        return as_signal(self._kept(), self.signal)

    def _nearest(self, queries, base) -> sp.csr_matrix:
        return _top(queries, base, self.k, self._measure(), self.signal_means_)

    def neighbors(self, histories) -> sp.csr_matrix:
        """Similarities of the training shoppers nearest to each history, (n_users, n_train)."""
        return self._nearest(self._read(histories), self._base())

    def _score(self, histories):
        sums = self.neighbors(histories) @ self._base()
        return self._with_popularity(sums.toarray())

    def _evidence(self, histories):
        return self.spread(self._read(histories))

    def spread(self, weights):
        """As in `Recommender`: what the shoppers nearest to the weights like, on average."""
        base = self._base()
        queries = sp.csr_matrix(weights, dtype=np.float64)
        shares = per_like(self._nearest(queries, base))
        return (shares @ base).toarray().astype(np.float32)

    def _predict(self, histories, items):
        S = self.neighbors(histories)
        R = self._kept()
        center = np.zeros((len(histories), 1))
        if self.centre:
            ratings = histories.in_catalogue(self.n_items_).astype(np.float64)
            center = _means(ratings, self.mean_)[:, None]
            R = _less_row_means(R, _means(R, self.mean_))
        R = R.tocsc()[:, items].tocsr()
        weighted = (S @ R).toarray()
        weights = (S @ _seen(R)).toarray()
        return self._with_means(weighted, weights, center, items)


class ItemKNN(_Neighbors):
    """Item-based collaborative filtering: what is rated like the items in your history.

    Ratings are predicted by the weighted average  r̂_ui = Σ_j sim(i,j) r_uj / Σ_j sim(i,j)  over
    those of the `k` items most similar to i that u rated; with `centre`, by
    μ_i + Σ_j sim(i,j) (r_uj - μ_j) / Σ_j sim(i,j).
    Ranking uses the sum  Σ_j sim(i,j) x_uj  (Sarwar et al. 2001; Deshpande & Karypis 2004).

    Parameters are those of `UserKNN`, `k` being the neighbors per item and `centre` subtracting
    each item's mean.
    """

    def __init__(  # noqa: PLR0913  # hyperparameters
        self,
        k=200,
        similarity="cosine",
        shrinkage=20.0,
        significance=0,
        centre=False,
        signal="liked",
        alpha=0.5,
        device="cpu",
    ):
        super().__init__(
            k,
            similarity,
            shrinkage,
            significance,
            centre,
            signal,
            alpha,
            device,
        )

    def _fit(self, train, items, validate):
        self._learn_means(train.ratings)
        X = train.ratings
        if self.signal != "rating":
            X = as_signal(X, self.signal)
        # The columns of items are shoppers: adjusted cosine subtracts their means.
        means = _means(X, 0.0)
        if self.device != "cpu" or self.similarity == "pearson":
            self._keep(self._from_full_rows(X, means))
        else:
            self._keep(self._from_pairs(X, means))

    def _from_full_rows(self, X, means) -> sp.csr_matrix:
        by_item = X.T.tocsr().astype(np.float64)
        measure = self._measure()
        return _top(by_item, by_item, self.k, measure, means, exclude_self=True)

    def _from_pairs(self, X, means) -> sp.csr_matrix:
        """The same, but each pair of items is multiplied once."""
        if self.similarity == "adjusted_cosine":
            X = _less_row_means(X, means)
        if X.shape[1] >= MANY_ITEMS:
            exponent = self._measure().exponent
            pull = Pull(self.similarity, self.shrinkage, self.significance, exponent)
            return top_similar_in_blocks(X, self.k, pull, chosen())
        return top_similar_items(
            X,
            self.k,
            self.similarity,
            self.shrinkage,
            self.significance,
            self._measure().exponent,
        )

    def neighbors(self, item: int) -> tuple[np.ndarray, np.ndarray]:
        """Positions and similarities of an item's neighbors, best first."""
        row = self._kept()[item]
        order = np.argsort(-row.data, kind="stable")
        return row.indices[order], row.data[order]

    def recommend(self, histories, k, candidates=None, exclude_seen=True):
        """As in `Recommender`. In a large shop, no score is written of items that no neighbor leads
        to.
        """
        everyone_can = self._usable(histories).all()
        if self.n_items_ < MANY_ITEMS or not exclude_seen or k < 1 or not everyone_can:
            return super().recommend(histories, k, candidates, exclude_seen)
        self.n_fallback_ = 0
        allowed = np.zeros(self.n_items_, bool)
        allowed[self._positions(candidates)] = True
        links = Links(self._links(), self._popular(), allowed)
        seen = histories.in_catalogue(self.n_items_)
        return best_by_links(self._read(histories), seen, links, k)

    def _keep(self, matrix) -> None:
        super()._keep(matrix)
        self._by_neighbor: sp.csr_matrix | None = None

    def _links(self) -> sp.csr_matrix:
        """Row j: the items that have j among their neighbors, (n_items, n_items) float64.

        Turned once: that takes seconds for a million items.
        """
        links = getattr(self, "_by_neighbor", None)
        if links is None:
            links = self._kept().T.tocsr()
            self._by_neighbor = links
        return links

    def _score(self, histories):
        sums = self._read(histories) @ self._links()
        return self._with_popularity(sums.toarray())

    def _evidence(self, histories):
        return self.spread(per_like(self._read(histories)))

    def spread(self, weights):
        """As in `Recommender`: the similarities to the items, weighted."""
        return (weights @ self._links()).toarray().astype(np.float32)

    def _predict(self, histories, items):
        H = histories.in_catalogue(self.n_items_).astype(np.float64)
        S = self._kept()[items].T.tocsr()
        center = np.zeros((1, len(items)))
        ratings = H
        if self.centre:
            center = self.item_means_[items][None, :]
            ratings = _shift(H, self.item_means_[H.indices])
        weighted = (ratings @ S).toarray()
        weights = (_seen(H) @ S).toarray()
        return self._with_means(weighted, weights, center, items)
