"""EASE, the linear baseline that an honest comparison needs (chapter 03)."""

import numpy as np

from helpers.recommenders.base import Recommender, as_signal


class EASE(Recommender):
    """Embarrassingly shallow autoencoder: each item as a ridge regression on all others, in closed form.

    Minimises  |X - XB|² + λ|B|²  with diag(B) = 0. With P = (XᵀX + λI)⁻¹ the answer is  B_ij = -P_ij / P_jj
    (Steck 2019). Costs O(n_items³) time once and O(n_items²) memory: made for catalogues up to some ten thousand items.

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
        self.reg, self.signal = reg, signal

    def _usable(self, histories):
        return as_signal(histories.in_catalogue(self.n_items_), self.signal).getnnz(axis=1) > 0

    def _fit(self, train, items, validate):
        X = as_signal(train.ratings, self.signal)
        P = np.linalg.inv((X.T @ X).toarray() + self.reg * np.eye(self.n_items_))
        B = P / -np.diag(P)
        np.fill_diagonal(B, 0)
        self.weights_ = B.astype(np.float32)

    def _score(self, histories):
        return (
            as_signal(histories.in_catalogue(self.n_items_), self.signal) @ self.weights_
        ).astype(np.float32)
