"""What the solvers of chapter 05 share: known entries, losses, and one small ridge per row."""

import warnings
from collections.abc import Iterator
from functools import cached_property

import numpy as np
import scipy.sparse as sp
import torch
from torch.nn import functional as F

from helpers.recommenders.features import standard_log_price

BATCH_CELLS = {"cpu": 1 << 19, "cuda": 1 << 24}
"""Numbers in the largest batch of systems solved at once: what a processor's cache holds, 4 MB; a
GPU wants more, 128 MB."""
WIDE = 20
"""Factors from which on dense products are faster than sparse ones."""

with warnings.catch_warnings():  # torch calls its CSR tensors a beta, once per process
    warnings.simplefilter("ignore")
    torch.sparse_csr_tensor(
        [0, 1],
        [0],
        [1.0],
        (1, 1),
        check_invariants=False,
    )


class Known:
    """The known entries Ω of a sparse matrix R, on one device. R never becomes dense.

    Parameters
    ----------
    R : csr_matrix, (n_rows, n_columns)
    device : str
    dtype : torch.dtype

    Attributes
    ----------
    shape : (n_rows, n_columns)
    rows, columns, values : (nnz,) tensors
        In the order of `R.data`.
    counts : (n_rows,) tensor
        Number of entries of each row.
    """

    def __init__(
        self,
        R: sp.csr_matrix,
        device="cpu",
        dtype=torch.float64,
    ):
        self._R = R
        self.shape = R.shape
        self.device = device
        self.dtype = dtype
        self.indptr = torch.as_tensor(R.indptr, device=device)
        self.columns = torch.as_tensor(R.indices, device=device)
        self.counts = torch.diff(self.indptr)
        n_rows, _ = R.shape
        every_row = torch.arange(n_rows, device=device)
        self.rows = torch.repeat_interleave(every_row, self.counts)
        self.values = torch.as_tensor(R.data, dtype=dtype, device=device)

    @cached_property
    def T(self) -> "Known":
        """The same entries by column; `by_column` says which entry of R each of them is."""
        by_column = self._R.T.tocsr()
        return Known(by_column, self.device, self.dtype)

    @cached_property
    def by_column(self) -> torch.Tensor:
        """For each entry of `T` its position in `R.data`, (nnz,)."""
        R = self._R
        position = np.arange(R.nnz)
        numbered = sp.csr_matrix((position, R.indices, R.indptr), shape=R.shape)
        by_column = numbered.T.tocsr()
        return torch.as_tensor(by_column.data, device=self.device)

    def tensor(self, array) -> torch.Tensor:
        """`array` on this device, in this dtype."""
        return torch.as_tensor(array, dtype=self.dtype, device=self.device)

    def products(self, U, V) -> torch.Tensor:
        """U_u·V_i at each entry (u, i), (nnz,)."""
        ones = U.new_ones(U.shape[1])
        step = max(1, _cells_at_once(U) // len(ones))
        parts = []
        for rows, columns in zip(self.rows.split(step), self.columns.split(step), strict=True):
            of_rows = U.index_select(0, rows)
            of_columns = V.index_select(0, columns)
            parts.append((of_rows * of_columns) @ ones)
        return torch.cat(parts)

    def sums(
        self,
        weight,
        Z,
        start=0,
        stop=None,
    ) -> torch.Tensor:
        """Σ weight · Z[column] over the entries of each row.

        Parameters
        ----------
        weight : (nnz,) tensor
        Z : (n_columns, K) tensor
        start, stop : int
            The rows asked for; by default all.

        Returns
        -------
        (stop - start, K) tensor
        """
        if stop is None:
            stop = self.shape[0]
        indptr = self.indptr[start : stop + 1]
        first = int(indptr[0])
        last = int(indptr[-1])
        entries = slice(first, last)
        W = torch.sparse_csr_tensor(
            indptr - first,
            self.columns[entries],
            weight[entries],
            (len(indptr) - 1, self.shape[1]),
            check_invariants=False,
        )
        return W @ Z


def ridges(
    known: Known,
    weight,
    target,
    Z,
    penalty,
    linear=0.0,
    noise=None,
) -> torch.Tensor:
    """Solve a weighted ridge regression for each row, many rows in one batch.

    The regression of a row is on the rows of `Z` that its entries name.

    Parameters
    ----------
    known : Known
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
    n_rows = known.shape[0]
    K = Z.shape[1]
    right = known.sums(weight * target, Z) + linear
    right = right.unsqueeze(2)
    x = Z.new_empty(n_rows, K)
    for rows, gram in _grams(known, weight, Z):
        L = torch.linalg.cholesky(gram + penalty)
        y = torch.linalg.solve_triangular(L, right[rows], upper=False)
        if noise is not None:
            y = y + noise[rows].unsqueeze(2)
        found = torch.linalg.solve_triangular(L.mT, y, upper=True)
        x[rows] = found.squeeze(2)
    return x


def _cells_at_once(tensor) -> int:
    """Numbers in the largest batch on this tensor's device."""
    return BATCH_CELLS.get(tensor.device.type, BATCH_CELLS["cpu"])


def _rows_at_once(Z) -> int:
    """How many systems of Z's width are solved in one batch."""
    return max(1, _cells_at_once(Z) // Z.shape[1] ** 2)


def _grams(known: Known, weight, Z) -> Iterator[tuple[slice | torch.Tensor, torch.Tensor]]:
    """Some rows of `known` at a time, and Σ weight z zᵀ of each of them, (n, K, K)."""
    if Z.shape[1] < WIDE:
        yield from _sparse_grams(known, weight, Z)
    elif Z.device.type == "cpu":
        yield from _grams_one_by_one(known, weight, Z)
    else:
        yield from _dense_grams(known, weight, Z)


def _sparse_grams(known: Known, weight, Z) -> Iterator[tuple[slice, torch.Tensor]]:
    """As `_grams`, by a sparse product."""
    n_rows = known.shape[0]
    K = Z.shape[1]
    upper, cell = _upper_products(Z)
    step = _rows_at_once(Z)
    for start in range(0, n_rows, step):
        stop = min(n_rows, start + step)
        sums = known.sums(weight, upper, start, stop)
        yield slice(start, stop), sums.index_select(1, cell).view(-1, K, K)


def _grams_one_by_one(known: Known, weight, Z) -> Iterator[tuple[slice, torch.Tensor]]:
    """The same, row after row: what a row needs stays in the processor's cache."""
    n_rows = known.shape[0]
    K = Z.shape[1]
    factors = Z.numpy()
    weights = weight.numpy()
    columns = known.columns.numpy()
    indptr = known.indptr.numpy()
    step = _rows_at_once(Z)
    for start in range(0, n_rows, step):
        stop = min(n_rows, start + step)
        grams = np.empty((stop - start, K, K), factors.dtype)
        for row in range(start, stop):
            entries = slice(indptr[row], indptr[row + 1])
            z = factors[columns[entries]]
            weighted = z * weights[entries, None]
            np.matmul(weighted.T, z, out=grams[row - start])
        yield slice(start, stop), torch.from_numpy(grams)


def _dense_grams(known: Known, weight, Z) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The same for a GPU, from blocks of rows of similar length, filled up with entries of weight
    0.
    """
    rows_left = torch.argsort(known.counts, descending=True)
    while len(rows_left):
        longest = int(known.counts[rows_left[0]])
        n_that_fit = BATCH_CELLS["cuda"] // max(1, longest * Z.shape[1])  # rows may be long
        n_rows = min(_rows_at_once(Z), max(1, n_that_fit))
        rows = rows_left[:n_rows]
        rows_left = rows_left[n_rows:]
        place = torch.arange(longest, device=Z.device)
        is_entry = place < known.counts[rows].unsqueeze(1)
        entry = known.indptr[rows].unsqueeze(1) + place
        entry = torch.where(is_entry, entry, 0)
        block = Z[known.columns[entry].long()]
        weighted = block * (weight[entry] * is_entry).unsqueeze(2)
        yield rows, weighted.mT @ block


def _upper_products(Z) -> tuple[torch.Tensor, torch.Tensor]:
    """z zᵀ of each row z, kept once because it is symmetric.

    Returns
    -------
    products : (n, K(K+1)/2) tensor
        The upper triangle of each z zᵀ.
    cell : (K²,) tensor
        Where each cell of the whole z zᵀ stands in a row of `products`.
    """
    K = Z.shape[1]
    i, j = torch.triu_indices(K, K, device=Z.device)
    position = torch.arange(len(i), device=Z.device)
    cell = i.new_empty(K, K)
    cell[i, j] = position
    cell[j, i] = position
    left = Z.index_select(1, i)
    right = Z.index_select(1, j)
    return left * right, cell.ravel()


def losses(x, target, loss: str) -> torch.Tensor:
    """Loss of each prediction `x`, in the shape of `x`.

    ``squared`` is (x - target)². ``huber`` is the same up to an error of 1 and linear beyond.
    ``logistic`` is log(1 + exp(-target x)), with targets ±1.
    """
    if loss == "squared":
        return (x - target).square()
    if loss == "huber":
        return 2 * F.huber_loss(x, target, reduction="none")
    return F.softplus(-target * x)


def majorize(x, target, loss: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights and targets of a quadratic that touches the loss at `x` and lies above it.

    A solve for that quadratic never raises the loss. The bound of the logistic loss has curvature
    1/4 everywhere (Böhning & Lindsay 1988).
    """
    if loss == "squared":
        return torch.ones_like(target), target
    if loss == "huber":
        error = (x - target).abs()
        return 1 / error.clamp(min=1), target
    weight = torch.full_like(target, 1 / 8)
    slope = torch.sigmoid(-target * x)
    return weight, x + 4 * target * slope


def item_features(items) -> np.ndarray:
    """Item vectors, log price and a constant; an unknown price counts as the mean.

    Returns
    -------
    (n_items, d + 2) float64 array

    Raises
    ------
    ValueError
        If `items` is None.
    """
    if items is None:
        raise ValueError(
            "'content' reads item vectors: give fit the ItemFeatures, "
            "or choose another init and prior"
        )
    vectors = items.vectors.astype(np.float64)
    log_price = standard_log_price(items.frame)
    constant = np.ones(len(vectors))
    return np.column_stack([vectors, log_price, constant])


def projection(features, targets, counts, reg=1.0) -> np.ndarray:
    """Ridge regression of `targets` on `features`, predicted for all items.

    Each item weighs as many times as it has ratings, `counts` (n_items,).
    """
    weighted = features.T * counts
    d = features.shape[1]
    gram = weighted @ features + reg * np.eye(d)
    W = np.linalg.solve(gram, weighted @ targets)
    return features @ W


class ContentPrior:
    """The belief that similar items have similar factors: |V - FW|² + |W|² in place of |V|².

    W is fitted after each sweep on the items that have ratings. An item without any gets its row
    of FW.

    Parameters
    ----------
    features : (n_items, d) array
        F, from `item_features`.
    counts : (n_items,) tensor
        Number of ratings of each item.
    K : int
        Columns of [b, V].

    Attributes
    ----------
    W : (d, K) array
    center : (n_items, K) array
        FW, to which the penalty draws [b, V].
    """

    def __init__(self, features, counts, K: int):
        self.rated = counts.cpu().numpy() > 0
        self.features = features
        F = features[self.rated]
        d = F.shape[1]
        gram = F.T @ F + np.eye(d)
        self._hat = np.linalg.solve(gram, F.T)
        self.W = np.zeros((d, K))
        self.center = np.zeros((len(features), K))

    def update(self, both) -> None:
        """Fit W to [b, V], (n_items, K)."""
        self.W = self._hat @ both[self.rated]
        self.center = self.features @ self.W

    def squares(self, both) -> np.ndarray:
        """|V - FW|² + |W|² of each column, (K,)."""
        away = (both - self.center)[self.rated]
        of_factors = np.sum(away**2, axis=0)
        of_W = np.sum(self.W**2, axis=0)
        return of_factors + of_W
