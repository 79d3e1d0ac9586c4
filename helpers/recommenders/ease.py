"""EASE, the linear baseline that an honest comparison needs (chapter 03)."""

import numpy as np
import scipy.sparse as sp

from helpers.recommenders.base import Recommender, as_signal, per_like

NO_LINK = 1e-6  # far below any weight that a link between two items gets
BLOCK = 2048  # items whose column of the dual is dense at once


class EASE(Recommender):
    """Embarrassingly shallow autoencoder: each item as a ridge regression on all others, in closed form.

    Minimises  |X - XB|² + λ|B|²  with diag(B) = 0. With P = (XᵀX + λI)⁻¹ the answer is  B_ij = -P_ij / P_jj
    (Steck 2019). That costs O(n_items³) time and O(n_items²) memory.

    Where there are fewer shoppers than items, the dual form is cheaper:  P = (I - Xᵀ K X) / λ  with
    K = (XXᵀ + λI)⁻¹  (Woodbury), which costs O(n_users³) time and O(n_users²) memory. The scores are the same.

    Parameters
    ----------
    reg : float
        λ, in ratings: an item needs about that many before its weights count.
    signal : str
        X: 1 for each item `liked` or `seen`, or the `rating`.
    """

    def __init__(self, reg=500.0, signal="liked"):
        if reg <= 0:
            raise ValueError(f"reg must be above 0, not {reg}: without it XᵀX has no inverse")
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

    def _fit_primal(self, X):
        gram = (X.T @ X).toarray()
        gram[np.diag_indices_from(gram)] += self.reg
        P = np.linalg.inv(gram)
        B = P / -np.diag(P)
        np.fill_diagonal(B, 0)
        self.weights_ = B.astype(np.float32)

    def _fit_dual(self, X):
        gram = (X @ X.T).toarray()
        gram[np.diag_indices_from(gram)] += self.reg
        K = np.linalg.inv(gram)
        self.kernel_ = K.astype(np.float32)
        self.diagonal_ = self._diagonal(X.tocsc(), K)
        self.x_data_ = X.data.astype(np.float32)
        self.x_indices_ = X.indices.astype(np.int32)
        self.x_indptr_ = X.indptr.astype(np.int64)

    def _diagonal(self, X, K):
        """P_jj = (1 - x_jᵀ K x_j) / λ of each item, (n_items,) float32."""
        parts = []
        for start in range(0, X.shape[1], BLOCK):
            columns = X[:, start : start + BLOCK].T.tocsr()
            smoothed = columns @ K
            parts.append(np.asarray(columns.multiply(smoothed).sum(axis=1)).ravel())
        taken = np.concatenate(parts) if parts else np.zeros(0)
        return ((1 - taken) / self.reg).astype(np.float32)

    def _read(self, histories):
        return as_signal(histories.in_catalogue(self.n_items_), self.signal)

    def _score(self, histories):
        """Scores of the formula; items that nothing links to the history are ordered by popularity."""
        popular = self.popularity_ / (self.popularity_.max(initial=0) + 1)
        return self.spread(self._read(histories)) + np.float32(NO_LINK) * popular

    def _evidence(self, histories):
        return self.spread(per_like(self._read(histories)))

    def spread(self, weights):
        """As in `Recommender`: H B for any weights H."""
        if hasattr(self, "weights_"):
            return (weights @ self.weights_).astype(np.float32)
        parts = (self.x_data_, self.x_indices_, self.x_indptr_)
        X = sp.csr_matrix(parts, shape=(len(self.kernel_), self.n_items_))
        H = sp.csr_matrix(weights, dtype=np.float32)
        projected = np.ascontiguousarray((H @ X.T) @ self.kernel_)
        scores = (X.T @ projected.T).T / (
            self.reg * self.diagonal_
        )  # H (-P / diag P), but for its diagonal
        cells = H.nonzero()
        scores[cells] -= (H.data / self.reg) / self.diagonal_[cells[1]]  # the identity in P
        scores[cells] += H.data  # B has no diagonal: H_j P_jj / P_jj comes off again
        return np.ascontiguousarray(scores, dtype=np.float32)
