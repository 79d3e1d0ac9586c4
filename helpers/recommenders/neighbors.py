"""Neighbourhood methods of chapter 03: shoppers who rate alike, items that are rated alike."""

import numpy as np
import scipy.sparse as sp
import torch

from helpers.kernels.item_pairs import confidence, top_similar_items
from helpers.recommenders.base import SIGNALS, Recommender, as_signal, per_like

try:
    from sparse_dot_topn import sp_matmul_topn
except ImportError:  # it has no wheel for ARM Linux: blocks of dense rows give the same, later
    sp_matmul_topn = None

SIMILARITIES = ("cosine", "adjusted_cosine", "pearson", "jaccard", "asymmetric_cosine")
DENSE = 4_000_000  # cells of the largest dense block of similarities (32 MB)


def top_similar(
    A, B, k: int, similarity="cosine", shrinkage=0.0, alpha=0.5, means=None, exclude_self=False, significance=0,
    device="cpu",
):  # fmt: skip
    """The `k` rows of `B` most similar to each row of `A`, positive similarities only.

    Parameters
    ----------
    A, B : csr_matrix, (n_a, m) and (n_b, m)
        Ratings; absent means unknown.
    similarity : str
        ``cosine``: a·b / (|a| |b|), absent entries count as 0 (Salton, and scikit-learn's `cosine_similarity`).
        ``adjusted_cosine``: the same after subtracting each column's mean, `means` (Sarwar et al. 2001).
        ``pearson``: correlation over the columns that both rated (Resnick et al. 1994; Surprise's `pearson`).
        ``jaccard``: |both rated| / |either rated|.
        ``asymmetric_cosine``: a·b / (|a|^2α |b|^2(1-α)), α = ½ being the cosine (Aiolli 2013).
    shrinkage, significance : float, int
        Multiply a similarity that rests on n common columns by n / (n + shrinkage) (Koren 2008) and by
        min(n, significance) / significance (Herlocker et al. 1999); 0 leaves it.
    exclude_self : bool
        Row i of `A` is row i of `B`, and is no neighbour of itself.
    device : str
        Any torch device; on all but ``cpu`` torch multiplies a block of dense rows at a time.

    Returns
    -------
    csr_matrix, (n_a, n_b) float64
        At most `k` entries a row. Rows of zeros have no neighbours: no division by zero, no NaN.
    """
    if similarity not in SIMILARITIES:
        raise ValueError(f"similarity is {similarity!r}; choose one of {', '.join(SIMILARITIES)}")
    if k < 1 or shrinkage < 0 or significance < 0:
        raise ValueError(
            f"k must be >= 1, shrinkage and significance >= 0, not {k}, {shrinkage} and {significance}"
        )
    if similarity == "adjusted_cosine":
        A, B = _shift(A, means[A.indices]), _shift(B, means[B.indices])
    if similarity != "asymmetric_cosine":
        alpha = 0.5
    no_plain_product = similarity in ("pearson", "jaccard") or shrinkage or significance
    if no_plain_product or device != "cpu" or sp_matmul_topn is None:
        found = _top_in_blocks(
            A, B, k + exclude_self, similarity, shrinkage, significance, alpha, device
        )
    else:
        left, right = _scaled(A, 2 * alpha), _scaled(B, 2 * (1 - alpha)).T.tocsr()
        threads = torch.get_num_threads()
        found = sp_matmul_topn(
            left, right, top_n=k + exclude_self, sort=True, n_threads=threads
        ).tocoo()
    row, column, value = found.row, found.col, found.data
    keep = (value > 0) & ~(exclude_self & (row == column))
    row, column, value = row[keep], column[keep], value[keep]
    keep = np.arange(len(row)) - np.searchsorted(row, row) < k  # rows come best first
    return sp.csr_matrix((value[keep], (row[keep], column[keep])), shape=(A.shape[0], B.shape[0]))


def _top_in_blocks(A, B, k, similarity, shrinkage, significance, alpha, device) -> sp.coo_matrix:
    """`top_similar` for measures that are no plain product: a few dense rows at a time, never all pairs."""
    k, step = min(k, B.shape[0]), max(1, DENSE // max(1, *B.shape))
    parts = [sp.coo_matrix((0, B.shape[0]))]
    for start in range(0, A.shape[0], step):
        S = _similarities(
            A[start : start + step], B, similarity, shrinkage, significance, alpha, device
        )
        values, columns = (part.cpu().numpy() for part in S.topk(k, dim=1))
        rows = np.repeat(np.arange(len(S)), k)
        parts.append(sp.coo_matrix((values.ravel(), (rows, columns.ravel())), shape=tuple(S.shape)))
    return sp.vstack(parts).tocoo()


def _similarities(A, B, similarity, shrinkage, significance, alpha, device) -> torch.Tensor:
    """Similarities of every row of `A` with every row of `B`, (n_a, n_b) float64 on `device`."""
    seen_a, seen_b = _seen(A), _seen(B)
    n = _product(seen_a, seen_b, device)
    if similarity == "jaccard":
        count_a, count_b = (
            torch.from_numpy(np.diff(X.indptr).astype(float)).to(device) for X in (A, B)
        )
        S = n / (count_a[:, None] + count_b[None] - n).clip(1)
    elif similarity == "pearson":
        sum_a, sum_b, several = _product(A, seen_b, device), _product(seen_a, B, device), n.clip(1)
        var_a = _product(A.power(2), seen_b, device) - sum_a**2 / several
        var_b = _product(seen_a, B.power(2), device) - sum_b**2 / several
        spread = (var_a.clip(0) * var_b.clip(0)).sqrt()
        S = torch.where(
            spread > 1e-9,
            (_product(A, B, device) - sum_a * sum_b / several) / spread.clip(1e-9),
            0.0,
        )
    else:
        S = _product(_scaled(A, 2 * alpha), _scaled(B, 2 * (1 - alpha)), device)
    return S * confidence(n, shrinkage, significance)


def _product(A, B, device) -> torch.Tensor:
    """A Bᵀ, dense: by scipy's sparse product, or on another device with the few rows of `A` dense."""
    if device == "cpu":
        return torch.from_numpy((A @ B.T).toarray())
    entries = B.tocoo()
    places = torch.from_numpy(np.stack([entries.row, entries.col]).astype(np.int64))
    with torch.sparse.check_sparse_tensor_invariants():
        right = torch.sparse_coo_tensor(places, entries.data, B.shape, device=device)
    return (right @ torch.from_numpy(A.toarray()).to(device).T).T


def _scaled(X, power: float) -> sp.csr_matrix:
    """Rows divided by their length to a power; a row of zeros stays."""
    length = np.sqrt(np.asarray(X.multiply(X).sum(axis=1)).ravel())
    factor = np.where(length > 0, np.where(length > 0, length, 1) ** -power, 0)
    return sp.csr_matrix(sp.diags(factor) @ X)


def _seen(X) -> sp.csr_matrix:
    """1 where `X` has an entry, also where a centred entry is 0."""
    return sp.csr_matrix((np.ones(len(X.data)), X.indices, X.indptr), shape=X.shape)


def _shift(X, by) -> sp.csr_matrix:
    """`X` less one number for each stored entry; entries that become 0 stay stored."""
    return sp.csr_matrix((X.data - by, X.indices, X.indptr), shape=X.shape)


def _divide(a, b, at_least=0.0) -> np.ndarray:
    """a / b, and 0 where b is not above `at_least`."""
    return np.divide(
        a,
        b,
        out=np.zeros(np.broadcast_shapes(np.shape(a), np.shape(b))),
        where=np.asarray(b) > at_least,
    )


def _means(X, prior: float) -> np.ndarray:
    """Mean of each row's stored entries, `prior` for an empty row."""
    n = np.diff(X.indptr)
    return np.where(n > 0, np.asarray(X.sum(axis=1)).ravel() / np.maximum(n, 1), prior)


class _Neighbours(Recommender):
    """What user-based and item-based filtering share: settings, what they keep, and what happens without neighbours."""

    def __init__(self, k, similarity, shrinkage, significance, centre, signal, alpha, device):
        if similarity not in SIMILARITIES or signal not in SIGNALS:
            raise ValueError(
                f"similarity {similarity!r} must be one of {SIMILARITIES}, signal {signal!r} of {SIGNALS}"
            )
        self.k, self.similarity, self.shrinkage, self.significance = (
            k,
            similarity,
            shrinkage,
            significance,
        )
        self.centre, self.signal, self.alpha, self.device = centre, signal, alpha, device

    def _similar(self, A, B, means, exclude_self=False):
        how = (self.k, self.similarity, self.shrinkage, self.alpha)
        return top_similar(A, B, *how, means, exclude_self, self.significance, self.device)

    def _usable(self, histories):
        return as_signal(histories.in_catalogue(self.n_items_), self.signal).getnnz(axis=1) > 0

    def _keep(self, matrix) -> None:
        """Sparse matrices are kept as the three arrays that `save` can write."""
        self.kept_data_ = matrix.data.astype(np.float32)
        self.kept_indices_, self.kept_indptr_ = (
            matrix.indices.astype(np.int32),
            matrix.indptr.astype(np.int64),
        )

    def _kept(self) -> sp.csr_matrix:
        parts = (self.kept_data_.astype(np.float64), self.kept_indices_, self.kept_indptr_)
        return sp.csr_matrix(parts, shape=(len(self.kept_indptr_) - 1, self.n_items_))

    def _learn_means(self, ratings) -> None:
        self.mean_ = float(ratings.data.mean()) if ratings.nnz else 3.0
        n, total = (
            np.bincount(ratings.indices, weights=w, minlength=self.n_items_)
            for w in (None, ratings.data)
        )
        self.item_means_ = np.where(n > 0, total / np.maximum(n, 1), self.mean_)

    def _with_popularity(self, scores) -> np.ndarray:
        """Items without evidence come after all others, ordered by popularity: their scores are negative."""
        popular = self.popularity_ / (self.popularity_.max(initial=0) + 1) - 1
        return np.where(scores > 0, scores, popular).astype(np.float32)

    def _with_means(self, weighted, weights, centre, items) -> np.ndarray:
        """Weighted average plus `centre`; where no neighbour rated, the item's mean (counted in `n_fallback_`)."""
        self.n_fallback_ = int((weights <= 0).sum())
        return np.where(
            weights > 0, centre + _divide(weighted, weights), self.item_means_[items][None, :]
        )


class UserKNN(_Neighbours):
    """User-based collaborative filtering: what the shoppers who rate like you rated.

    Ratings are predicted by the weighted average  r̂_ui = Σ_v sim(u,v) r_vi / Σ_v sim(u,v)  over those of the `k`
    shoppers most similar to u who rated i; with `centre`, by  μ_u + Σ_v sim(u,v) (r_vi - μ_v) / Σ_v sim(u,v)
    (Resnick et al. 1994).
    Ranking uses the sum  Σ_v sim(u,v) x_vi  instead: an average puts first what one neighbour gave a 5.

    Parameters
    ----------
    k : int
        Neighbours of a shopper.
    similarity, shrinkage, significance, alpha, device
        As in `top_similar`.
    centre : bool
        Subtract each shopper's mean before averaging.
    signal : str
        What similarity and ranking read, x above: `rating`, `liked` or `seen`.
    """

    def __init__(
        self, k=200, similarity="cosine", shrinkage=0.0, significance=0, centre=False, signal="liked", alpha=0.5,
        device="cpu",
    ):  # fmt: skip
        super().__init__(k, similarity, shrinkage, significance, centre, signal, alpha, device)

    def _fit(self, train, items, validate):
        self._keep(train.ratings)
        self._learn_means(train.ratings)
        # the columns of shoppers are items: adjusted cosine subtracts item means
        self.signal_means_ = _means(as_signal(train.ratings, self.signal).T.tocsr(), 0.0)

    def neighbours(self, histories) -> sp.csr_matrix:
        """The training shoppers most similar to each history, (n_users, n_train_users) similarities."""
        queries = as_signal(histories.in_catalogue(self.n_items_), self.signal)
        base = as_signal(self._kept(), self.signal)
        return self._similar(queries, base, self.signal_means_)

    def _score(self, histories):
        return self._with_popularity(
            (self.neighbours(histories) @ as_signal(self._kept(), self.signal)).toarray()
        )

    def _evidence(self, histories):
        return self.spread(as_signal(histories.in_catalogue(self.n_items_), self.signal))

    def spread(self, weights):
        """As in `Recommender`: what the shoppers nearest to the weights like, on average by similarity."""
        base = as_signal(self._kept(), self.signal)
        near = per_like(
            self._similar(sp.csr_matrix(weights, dtype=np.float64), base, self.signal_means_)
        )
        return (near @ base).toarray().astype(np.float32)

    def _predict(self, histories, items):
        S, R = self.neighbours(histories), self._kept()
        centre = np.zeros((len(histories), 1))
        if self.centre:
            centre = _means(histories.in_catalogue(self.n_items_).astype(np.float64), self.mean_)[
                :, None
            ]
            R = _shift(R, np.repeat(_means(R, self.mean_), np.diff(R.indptr)))
        R = R.tocsc()[:, items].tocsr()
        return self._with_means((S @ R).toarray(), (S @ _seen(R)).toarray(), centre, items)


class ItemKNN(_Neighbours):
    """Item-based collaborative filtering: what is rated like the items in your history.

    Ratings are predicted by the weighted average  r̂_ui = Σ_j sim(i,j) r_uj / Σ_j sim(i,j)  over those of the `k` items
    most similar to i that u rated; with `centre`, by  μ_i + Σ_j sim(i,j) (r_uj - μ_j) / Σ_j sim(i,j).
    Ranking uses the sum  Σ_j sim(i,j) x_uj  (Sarwar et al. 2001; Deshpande & Karypis 2004).

    Parameters are those of `UserKNN`, `k` being the neighbours of an item.
    """

    def __init__(
        self, k=200, similarity="cosine", shrinkage=20.0, significance=0, centre=False, signal="liked", alpha=0.5,
        device="cpu",
    ):  # fmt: skip
        super().__init__(k, similarity, shrinkage, significance, centre, signal, alpha, device)

    def _fit(self, train, items, validate):
        self._learn_means(train.ratings)
        X = train.ratings if self.signal == "rating" else as_signal(train.ratings, self.signal)
        means = _means(
            X, 0.0
        )  # the columns of items are shoppers: adjusted cosine subtracts their means
        if self.device != "cpu" or self.similarity == "pearson":
            items_by_user = X.T.tocsr().astype(np.float64)
            self._keep(self._similar(items_by_user, items_by_user, means, exclude_self=True))
            return
        if self.similarity == "adjusted_cosine":
            X = _shift(X, np.repeat(means, np.diff(X.indptr)))
        how = (self.k, self.similarity, self.shrinkage, self.significance)
        self._keep(
            top_similar_items(
                X, *how, self.alpha if self.similarity == "asymmetric_cosine" else 0.5
            )
        )

    def neighbours(self, item: int) -> tuple[np.ndarray, np.ndarray]:
        """Positions and similarities of an item's neighbours, best first."""
        row = self._kept()[item]
        order = np.argsort(-row.data, kind="stable")
        return row.indices[order], row.data[order]

    def _score(self, histories):
        H = as_signal(histories.in_catalogue(self.n_items_), self.signal)
        return self._with_popularity((H @ self._kept().T).toarray())

    def _evidence(self, histories):
        return self.spread(per_like(as_signal(histories.in_catalogue(self.n_items_), self.signal)))

    def spread(self, weights):
        """As in `Recommender`: the similarities to the items, weighted."""
        return (weights @ self._kept().T).toarray().astype(np.float32)

    def _predict(self, histories, items):
        H = histories.in_catalogue(self.n_items_).astype(np.float64)
        S = self._kept()[items].T.tocsr()
        centre = np.zeros((1, len(items)))
        D = H
        if self.centre:
            centre, D = self.item_means_[items][None, :], _shift(H, self.item_means_[H.indices])
        return self._with_means((D @ S).toarray(), (_seen(H) @ S).toarray(), centre, items)
