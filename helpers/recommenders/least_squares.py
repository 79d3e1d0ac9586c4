"""What the solvers of chapter 05 share: the known entries as tensors, losses, and one small ridge regression a row."""

import warnings
from functools import cached_property

import numpy as np
import scipy.sparse as sp
import torch
from torch.nn import functional as F

from helpers.recommenders.features import standard_log_price

BLOCK = 1 << 24  # numbers in the largest batch of systems solved at once: 128 MB

with warnings.catch_warnings():  # torch calls its CSR tensors a beta, once a process
    warnings.simplefilter("ignore")
    torch.sparse_csr_tensor([0, 1], [0], [1.0], (1, 1), check_invariants=False)


class Known:
    """The known entries Ω of a sparse matrix R, on one device: never a dense R.

    Attributes
    ----------
    shape : (n_rows, n_columns)
    rows, columns, values : (nnz,) tensors
        In the order of `R.data`.
    counts : (n_rows,) tensor
        Entries of each row.
    """

    def __init__(self, R: sp.csr_matrix, device="cpu", dtype=torch.float64):
        self._R, self.shape, self.device, self.dtype = R, R.shape, device, dtype
        self.indptr, self.columns = (
            torch.as_tensor(part, device=device) for part in (R.indptr, R.indices)
        )
        self.counts = torch.diff(self.indptr)
        self.rows = torch.repeat_interleave(torch.arange(R.shape[0], device=device), self.counts)
        self.values = torch.as_tensor(R.data, dtype=dtype, device=device)

    @cached_property
    def T(self) -> "Known":
        """The same entries by column; `by_column` says which of R's entries each of them is."""
        return Known(self._R.T.tocsr(), self.device, self.dtype)

    @cached_property
    def by_column(self) -> torch.Tensor:
        number = sp.csr_matrix(
            (np.arange(self._R.nnz), self._R.indices, self._R.indptr), shape=self.shape
        )
        return torch.as_tensor(number.T.tocsr().data, device=self.device)

    def tensor(self, array) -> torch.Tensor:
        return torch.as_tensor(array, dtype=self.dtype, device=self.device)

    def products(self, U, V) -> torch.Tensor:
        """U_u·V_i at each entry (u, i), (nnz,)."""
        return (U.index_select(0, self.rows) * V.index_select(0, self.columns)) @ U.new_ones(
            U.shape[1]
        )

    def sums(self, weight, Z, start=0, stop=None) -> torch.Tensor:
        """Σ weight · Z[column] over the entries of each row from `start` to `stop`, (stop - start, Z.shape[1])."""
        indptr = self.indptr[start : self.shape[0] + 1 if stop is None else stop + 1]
        part = slice(int(indptr[0]), int(indptr[-1]))
        shape = (len(indptr) - 1, self.shape[1])
        W = torch.sparse_csr_tensor(
            indptr - indptr[0], self.columns[part], weight[part], shape, check_invariants=False
        )
        return W @ Z


def ridges(known: Known, weight, target, Z, penalty, linear=0.0, noise=None) -> torch.Tensor:
    """A weighted ridge regression for each row, on the rows of `Z` that its entries name; all in one batch.

    Parameters
    ----------
    weight, target : (nnz,) tensors
    Z : (n_columns, K) tensor
        The other side's factors.
    penalty : (K, K) tensor
        Added to Σ weight z zᵀ.
    linear : (n_rows, K) tensor or 0
        Added to Σ weight target z: penalty · p where the penalty draws rows to p instead of 0.
    noise : (n_rows, K) standard normal tensor or None
        With it, draws from N(x, A⁻¹) instead of the means x.

    Returns
    -------
    (n_rows, K) tensor
        x = A⁻¹ (linear + Σ weight target z) with A = penalty + Σ weight z zᵀ = LLᵀ (Cholesky).
    """
    K, n_rows = Z.shape[1], known.shape[0]
    i, j = torch.triu_indices(K, K, device=Z.device)
    cell = torch.empty(K, K, dtype=torch.long, device=Z.device)
    cell[i, j] = cell[j, i] = torch.arange(
        len(i), device=Z.device
    )  # where z zᵀ, being symmetric, is kept once
    pairs = Z.index_select(1, i) * Z.index_select(1, j)
    right = (known.sums(weight * target, Z) + linear)[:, :, None]
    x = torch.empty(n_rows, K, dtype=Z.dtype, device=Z.device)
    step = max(1, BLOCK // K**2)
    for start in range(0, n_rows, step):
        rows = slice(start, min(n_rows, start + step))
        A = known.sums(weight, pairs, start, rows.stop).index_select(1, cell.ravel()).view(-1, K, K)
        L = torch.linalg.cholesky(A + penalty)
        y = torch.linalg.solve_triangular(L, right[rows], upper=False)
        y = y if noise is None else y + noise[rows][:, :, None]
        x[rows] = torch.linalg.solve_triangular(L.mT, y, upper=True)[:, :, 0]
    return x


def losses(x, target, loss):
    """Loss of each prediction `x`: squared; huber, which is linear beyond 1; or logistic, with targets ±1."""
    if loss == "logistic":
        return F.softplus(-target * x)
    return (
        (x - target).square()
        if loss == "squared"
        else 2 * F.huber_loss(x, target, reduction="none")
    )


def majorise(x, target, loss):
    """Weights and targets of a quadratic that touches the loss at `x` and lies above it, so no solve raises it."""
    if loss == "squared":
        return torch.ones_like(target), target
    if loss == "huber":
        return 1 / (x - target).abs().clamp(min=1), target
    return torch.full_like(target, 1 / 8), x + 4 * target * torch.sigmoid(
        -target * x
    )  # Böhning & Lindsay 1988


def item_features(items) -> np.ndarray:
    """Item vectors, log price and a constant, (n_items, d + 2) float64; an unknown price counts as the mean."""
    if items is None:
        raise ValueError(
            "'content' reads item vectors: give fit the ItemFeatures, or choose another init and prior"
        )
    vectors = items.vectors.astype(np.float64)
    return np.column_stack([vectors, standard_log_price(items.frame), np.ones(len(vectors))])


def projection(features, targets, counts, reg=1.0) -> np.ndarray:
    """Ridge regression of `targets` on `features`, each item weighing as its ratings count; for all items."""
    X = features.T * counts
    return features @ np.linalg.solve(X @ features + reg * np.eye(features.shape[1]), X @ targets)


class ContentPrior:
    """The belief that items with like content have like factors: |V - FW|² + |W|² in place of |V|².

    W is fitted after each sweep on the items that have ratings; for an item without any, FW is all there is.

    Parameters
    ----------
    features : (n_items, d) array
        F, from `item_features`.
    counts : (n_items,) tensor
        Ratings of each item.
    """

    def __init__(self, features, counts, K: int):
        self.rated, self.features = counts.cpu().numpy() > 0, features
        F = features[self.rated]
        self._hat = np.linalg.solve(F.T @ F + np.eye(F.shape[1]), F.T)
        self.W, self.centre = np.zeros((F.shape[1], K)), np.zeros((len(features), K))

    def update(self, both) -> None:
        self.W = self._hat @ both[self.rated]
        self.centre = self.features @ self.W

    def squares(self, both) -> np.ndarray:
        """|V - FW|² + |W|² of each column, (K,)."""
        return np.sum((both - self.centre)[self.rated] ** 2, axis=0) + np.sum(self.W**2, axis=0)
