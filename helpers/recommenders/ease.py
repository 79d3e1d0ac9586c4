"""EASE, the linear baseline that an honest comparison needs (chapter 03)."""

import numpy as np
import scipy.sparse as sp
from scipy.linalg import inv

from helpers.recommenders.base import Recommender, as_signal, per_like

NO_LINK = 1e-6  # far below any weight that a link between two items gets
COLUMNS = 1024  # of the weights that are float64 at once
DUAL_ITEMS = 2048  # items whose column of the dual is dense at once


class EASE(Recommender):
    """Embarrassingly shallow autoencoder: each item as a ridge regression on all others.

    The regressions have a closed form.

    Minimizes  |X - XB|² + λ|B|²  with diag(B) = 0. With P = (XᵀX + λI)⁻¹ the answer is
    B_ij = -P_ij / P_jj  (Steck 2019, "Embarrassingly Shallow Autoencoders for Sparse Data"). That
    costs O(n_items³) time and O(n_items²) memory.

    Where there are fewer shoppers than items, the dual form is cheaper:  P = (I - Xᵀ K X) / λ  with
    K = (XXᵀ + λI)⁻¹  (Woodbury). It costs O(n_users³) time and O(n_users²) memory. The scores are
    the same.

    Parameters
    ----------
    reg : float
        λ, in ratings: an item needs about that many before its weights count.
    signal : str
        X: 1 for each item `liked` or `seen`, or the `rating`.

    Raises
    ------
    ValueError
        If `reg` is not above 0.
    """

    def __init__(self, reg=500.0, signal="liked"):
        if reg <= 0:
            raise ValueError(
                f"reg must be above 0, not {reg}: without it XᵀX has no inverse",
            )
        self.reg = reg
        self.signal = signal

    def _usable(self, histories):
        return self._read(histories).getnnz(axis=1) > 0

    def _fit(self, train, items, validate):
        X = as_signal(train.ratings, self.signal)
        X = X[X.getnnz(axis=1) > 0]
        if X.shape[0] < X.shape[1]:
            self._fit_dual(X)
        else:
            self._fit_primal(X)

    def _fit_primal(self, X) -> None:
        """B itself, (n_items, n_items)."""
        gram = (X.T @ X).toarray()
        np.fill_diagonal(gram, gram.diagonal() + self.reg)
        B = _inverse(gram)  # P, which becomes B in its place: in a large shop each copy is large
        B /= -B.diagonal().copy()
        np.fill_diagonal(B, 0)
        self.weights_ = B.astype(np.float32)

    def _fit_dual(self, X) -> None:
        """K (n_users, n_users), the diagonal of P, and X: what the scores need."""
        gram = (X @ X.T).toarray()
        np.fill_diagonal(gram, gram.diagonal() + self.reg)
        K = _inverse(gram)
        self.kernel_ = K.astype(np.float32)
        self.diagonal_ = self._diagonal(X.tocsc(), K)
        self.x_data_ = X.data.astype(np.float32)
        self.x_indices_ = X.indices.astype(np.int32)
        self.x_indptr_ = X.indptr.astype(np.int64)

    def _diagonal(self, X, K) -> np.ndarray:
        """P_jj = (1 - x_jᵀ K x_j) / λ of each item, (n_items,) float32."""
        n_items = X.shape[1]
        taken = np.zeros(n_items)
        for start in range(0, n_items, DUAL_ITEMS):
            some = slice(start, start + DUAL_ITEMS)
            columns = X[:, some].T
            columns = columns.tocsr()
            smoothed = columns @ K
            products = columns.multiply(smoothed)
            sums = np.asarray(products.sum(axis=1))
            taken[some] = sums.ravel()
        diagonal = (1 - taken) / self.reg
        return diagonal.astype(np.float32)

    def _read(self, histories) -> sp.csr_matrix:
        ratings = histories.in_catalogue(self.n_items_)
        return as_signal(ratings, self.signal)

    def _score(self, histories):
        """Scores of the formula; items without a link to the history are ordered by popularity."""
        most = self.popularity_.max(initial=0)
        popular = self.popularity_ / (most + 1)
        scores = self.spread(self._read(histories))
        return scores + np.float32(NO_LINK) * popular

    def _evidence(self, histories):
        return self.spread(per_like(self._read(histories)))

    def spread(self, weights):
        """As in `Recommender`: H B for any weights H."""
        if hasattr(self, "weights_"):
            return self._spread_primal(sp.csr_matrix(weights))
        return self._spread_dual(sp.csr_matrix(weights, dtype=np.float32))

    def _spread_primal(self, H) -> np.ndarray:
        """H B, of the rows of B that H reads, some columns at a time: the product makes float64 of
        them, and all of B would take gigabytes in a large shop.
        """
        used = np.unique(H.indices)
        few = H[:, used]
        scores = np.empty((H.shape[0], self.n_items_), np.float32)
        for start in range(0, self.n_items_, COLUMNS):
            some = slice(start, start + COLUMNS)
            scores[:, some] = few @ self.weights_[used, some]
        return scores

    def _train(self) -> sp.csr_matrix:
        n_users = len(self.kernel_)
        parts = (
            self.x_data_,
            self.x_indices_,
            self.x_indptr_,
        )
        return sp.csr_matrix(parts, shape=(n_users, self.n_items_))

    def _spread_dual(self, H) -> np.ndarray:
        """H B without B: H (-P / diag P) by the formula of P, with the diagonal set right after."""
        X = self._train()
        shared = (H @ X.T).toarray()
        smoothed = shared @ self.kernel_
        scores = (X.T @ smoothed.T).T
        scores = scores / (self.reg * self.diagonal_)
        cells = H.nonzero()
        P_jj = self.diagonal_[cells[1]]
        scores[cells] -= (H.data / self.reg) / P_jj  # the identity in P
        scores[cells] += H.data  # B has no diagonal: H_j P_jj / P_jj comes off again
        return np.ascontiguousarray(scores, dtype=np.float32)


def _inverse(gram: np.ndarray) -> np.ndarray:
    """Inverse of a positive definite matrix, (n, n), by Cholesky: half the work of any matrix's.

    It is written over `gram`. LAPACK takes columns one after another, and copies a matrix that is
    in another order. The transpose of a symmetric matrix is the same matrix in the other order.
    """
    by_column = gram if gram.flags.f_contiguous else gram.T
    return inv(by_column, overwrite_a=True, assume_a="pos", check_finite=False).T
