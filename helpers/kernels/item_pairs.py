"""The k items most similar to each item, every pair of items multiplied once (chapter 03).

XᵀX is symmetric. With items in order of popularity, each is multiplied with the more popular ones only, and a pair's
similarity is offered to both. The most popular items form one dense product; the rest walks through sparse rows, whose
inner loop is long and meets few, popular, cached accumulators. No more than `CELLS` similarities exist at a time.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import scipy.sparse as sp
import torch
from numba import njit

DENSE_SHARE = 1 / 16  # an item that more users than this rated is multiplied as a dense column
CELLS = 16_000_000  # similarities held at once (64 MB)
USERS = 4096  # users made dense at once


def top_similar_items(
    X, k, similarity="cosine", shrinkage=0.0, significance=0, alpha=0.5
) -> sp.csr_matrix:
    """The `k` columns of `X` most similar to each column: `neighbors.top_similar` of `X.T` with itself.

    Parameters
    ----------
    X : csr_matrix, (n_users, n_items)
        Ratings without duplicates; absent means unknown.
    similarity : str
        ``cosine``, ``adjusted_cosine`` (of an `X` that is centred already), ``asymmetric_cosine`` or ``jaccard``.

    Returns
    -------
    csr_matrix, (n_items, n_items) float32
        At most `k` positive entries a row, none on the diagonal; of equal similarities the more popular items' stay.
        Exact to float32: products of whole ratings are whole numbers, and are scaled last.
    """
    n_items, threads = X.shape[1], torch.get_num_threads()
    count = np.bincount(X.indices, minlength=n_items)
    order = np.argsort(-count, kind="stable")
    count = count[order].astype(np.float32)
    squares = np.bincount(
        X.indices, weights=np.square(X.data, dtype=np.float64), minlength=n_items
    )[order]
    length = np.sqrt(np.where(squares > 0, squares, 1))
    left, right = ((length**-power).astype(np.float32) for power in (2 * alpha, 2 * (1 - alpha)))
    rated = np.ones(X.nnz, np.uint8)
    dots = _Products(X, rated if similarity == "jaccard" else X.data, order)
    plain = not shrinkage and not significance
    common = (
        dots
        if plain or (dots.values.dtype == np.uint8 and (X.data == 1).all())
        else _Products(X, rated, order)
    )
    best = _Best(n_items, k)

    def fill(S, first, rows):
        """Similarities of some of the rows of block `S` with all more popular items; offered to the rows' own lists."""
        for i in rows:
            row = S[i - first, :i]
            dots.fill(i, row)
            n = row.copy() if common is dots else common.fill(i, np.empty_like(row))
            if similarity == "jaccard":
                row /= np.maximum(count[i] + count[:i] - row, 1)
            else:
                row *= left[i] * right[:i]
            if not plain:
                row *= confidence(n, shrinkage, significance)
            best.offer(i, row)
            if similarity == "asymmetric_cosine":
                row *= (
                    left[:i] / left[i] * (right[i] / right[:i])
                )  # the same pair, seen from the other item

    step = max(1, CELLS // max(1, n_items))
    S = np.empty((min(step, n_items), n_items), np.float32)
    with ThreadPoolExecutor(threads) as pool:
        for first in range(0, n_items, step):
            last = min(first + step, n_items)
            list(
                pool.map(
                    lambda t: fill(S, first, range(first + t, last, 4 * threads)),
                    range(4 * threads),
                )
            )
            edges = np.linspace(0, last, 4 * threads + 1).astype(int)
            list(
                pool.map(
                    lambda lo, hi: best.offer_columns(S, first, last, lo, hi), edges[:-1], edges[1:]
                )
            )
    return best.matrix(order)


def confidence(n, shrinkage, significance):
    """How far a similarity that rests on `n` common ratings is believed, 0-1: shrunken by n / (n + shrinkage) (Koren
    2008), weighted by min(n, significance) / significance (Herlocker et al. 1999); an array or a tensor."""
    weight = n / (n + shrinkage).clip(1e-9) if shrinkage else 1.0
    return weight * (n.clip(max=significance) / significance) if significance else weight


class _Products:
    """Dot products of a sparse matrix's columns, renumbered by popularity, each with the more popular ones.

    `user`, `value` list the ratings item by item; `item`, `rated` user by user, the more popular items first, and
    `position` says where in there an item's rating stands: before it are the more popular ones of the same user.
    """

    def __init__(self, X, data, order):
        rank = np.empty(X.shape[1], np.int32)
        rank[order] = np.arange(X.shape[1], dtype=np.int32)
        count = np.bincount(X.indices, minlength=X.shape[1])[order]
        narrow = data.astype(
            np.uint8
        )  # a byte a rating where that says it all: loops like these wait for memory
        data = narrow if np.array_equal(narrow, data) else data.astype(np.float32)
        self.start, self.indptr = np.append(0, np.cumsum(count)), X.indptr.astype(np.int64)
        self.user, self.position = np.empty(X.nnz, np.int32), np.empty(X.nnz, np.int32)
        self.item = np.empty(X.nnz, np.uint16 if X.shape[1] < 2**16 else np.int32)
        self.values, self.rated = np.empty_like(data), np.empty_like(data)
        _arrange(X.indices.astype(np.int32, copy=False), data, rank, *self._arrays())
        self.dense = self._dense_block(
            X.shape[0], int((count >= max(1, DENSE_SHARE * X.shape[0])).sum())
        )

    def _arrays(self):
        return self.start, self.user, self.values, self.position, self.indptr, self.item, self.rated

    def _dense_block(self, n_users, n_dense) -> np.ndarray:
        """Products of the most popular items with each other, (n_dense, n_dense) float32."""
        block, users = (
            torch.zeros(n_dense, n_dense),
            np.empty((min(USERS, n_users), n_dense), np.float32),
        )
        precision = torch.get_float32_matmul_precision()
        if self.rated.dtype == np.uint8:
            torch.set_float32_matmul_precision(
                "medium"
            )  # bfloat16 holds whole numbers up to 256; sums stay float32
        try:
            for first in range(0, n_users, USERS):
                part = users[: min(USERS, n_users - first)]
                _densify(self.indptr, self.item, self.rated, first, part)
                block.addmm_(torch.from_numpy(part).T, torch.from_numpy(part))
        finally:
            torch.set_float32_matmul_precision(precision)
        return block.numpy()

    def fill(self, i, out) -> np.ndarray:
        """Products of item `i` with the items before it into `out`, (i,) float32."""
        if i < len(self.dense):
            out[:] = self.dense[i, :i]
        else:
            _scatter(i, *self._arrays(), out)
        return out


class _Best:
    """The `k` best of each item so far, as min-heaps: the worst of them is at place 0, and is what must be beaten."""

    def __init__(self, n_items, k):
        self.values, self.items = (
            np.zeros((n_items, k), np.float32),
            np.zeros((n_items, k), np.int32),
        )
        self.worst = np.zeros(n_items, np.float32)

    def offer(self, i, row) -> None:
        """Similarities of item `i` with items 0, 1, …"""
        _offer(row, self.values[i], self.items[i])
        self.worst[i] = self.values[i, 0]

    def offer_columns(self, S, first, last, lo, hi) -> None:
        """Similarities of the items `first` to `last`, as rows of `S`, to the more popular items in `lo` to `hi`."""
        for i in range(max(first, lo), last):
            _offer_each(i, S[i - first, lo : min(hi, i)], lo, self.worst, self.values, self.items)

    def matrix(self, order) -> sp.csr_matrix:
        """Back in the caller's numbering."""
        rows, places = np.nonzero(self.values > 0)
        row, column = order[rows], order[self.items[rows, places]]
        return sp.csr_matrix(
            (self.values[rows, places], (row, column)), shape=(len(order), len(order))
        )


@njit(nogil=True, cache=True)
def _arrange(indices, data, rank, start, user, value, position, indptr, item, rated):
    """Two counting sorts: the ratings item by item, then from those user by user in order of popularity."""
    place = start[:-1].copy()
    for u in range(len(indptr) - 1):
        for e in range(indptr[u], indptr[u + 1]):
            i = rank[indices[e]]
            user[place[i]], value[place[i]] = u, data[e]
            place[i] += 1
    place = indptr[:-1].copy()
    for i in range(len(start) - 1):
        for p in range(start[i], start[i + 1]):
            q = place[user[p]]
            item[q], rated[q], position[p] = i, value[p], q
            place[user[p]] += 1


@njit(nogil=True, cache=True)
def _densify(indptr, item, rated, first, out):
    """Users from `first` on as dense rows of `out`, their most popular items only."""
    out[:] = 0
    for u in range(out.shape[0]):
        for q in range(indptr[first + u], indptr[first + u + 1]):
            if item[q] >= out.shape[1]:
                break
            out[u, item[q]] = rated[q]


@njit(nogil=True, cache=True)
def _scatter(i, start, user, value, position, indptr, item, rated, out):
    """out[j] = Σ_u x_ui x_uj for the items j before i (Gustavson 1978, half of it)."""
    out[:] = 0
    for p in range(start[i], start[i + 1]):
        v = np.float32(value[p])
        u = user[p]
        items, ratings = item[indptr[u] : position[p]], rated[indptr[u] : position[p]]
        for q in range(
            len(items)
        ):  # unsigned: without a check for places from the end, in half the time
            out[np.uint64(items[q])] += v * np.float32(ratings[q])


@njit(nogil=True, cache=True)
def _replace_worst(values, items, value, item):
    """Put `value` where the heap's smallest was, and restore the heap."""
    place, child = 0, 1
    while child < len(values):
        if child + 1 < len(values) and values[child + 1] < values[child]:
            child += 1
        if values[child] >= value:
            break
        values[place], items[place] = values[child], items[child]
        place, child = child, 2 * child + 1
    values[place], items[place] = value, item


@njit(nogil=True, cache=True, fastmath=True)
def _offer(row, values, items):
    """Every entry of `row` to one heap; 32 at a time are skipped if none beats the worst."""
    for j in range(0, len(row), 32):
        top = np.float32(0)
        for value in row[j : j + 32]:
            top = max(top, value)
        if top > values[0]:
            for q in range(j, min(j + 32, len(row))):
                if row[q] > values[0]:
                    _replace_worst(values, items, row[q], q)


@njit(nogil=True, cache=True, fastmath=True)
def _offer_each(i, row, lo, worst, values, items):
    """Each entry of `row` to the heap of its own column."""
    for j in range(0, len(row), 32):
        end, above = min(j + 32, len(row)), False
        for q in range(j, end):
            above |= row[q] > worst[lo + q]
        if above:
            for q in range(j, end):
                if row[q] > worst[lo + q]:
                    _replace_worst(values[lo + q], items[lo + q], row[q], i)
                    worst[lo + q] = values[lo + q, 0]
