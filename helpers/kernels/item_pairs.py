"""The k items most similar to each item, every pair of items multiplied once (chapter 03).

XᵀX is symmetric. With items in order of popularity, each is multiplied with the more popular ones
only, and a pair's similarity is offered to both. The most popular items form one dense product. The
rest walks through sparse rows, whose inner loop is long and meets few, popular, cached
accumulators. No more than `CELLS` similarities exist at a time. `plain_top_similar_items` is the
same in ten lines.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy.sparse as sp
import torch
from numba import njit
from sklearn.metrics.pairwise import cosine_similarity

DENSE_SHARE = 1 / 16
"""An item that more users than this share rated is multiplied as a dense column."""
CELLS = 16_000_000
"""Similarities held at once (64 MB)."""
USERS_MADE_DENSE = 4096
"""Users made dense at once."""
PIECES_PER_THREAD = 4


def plain_top_similar_items(X, k: int) -> sp.csr_matrix:
    """What the kernel computes, for the cosine: every pair, in plain numpy.

    It holds all (n_items, n_items) similarities, which the kernel never does.
    """
    similarity = cosine_similarity(X.T.toarray())
    np.fill_diagonal(similarity, 0)  # an item is not its own neighbor
    nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
    kept = np.zeros_like(similarity)
    values = np.take_along_axis(similarity, nearest, axis=1)
    np.put_along_axis(kept, nearest, np.maximum(values, 0), axis=1)
    return sp.csr_matrix(kept, dtype=np.float32)


@dataclass(frozen=True)
class _Measure:
    """How products become similarities."""

    similarity: str
    shrinkage: float
    significance: int
    alpha: float

    @property
    def trusts_all(self) -> bool:
        """Whether a similarity counts in full however few ratings it rests on."""
        return not self.shrinkage and not self.significance


def top_similar_items(
    X, k, similarity="cosine", shrinkage=0.0, significance=0, alpha=0.5
) -> sp.csr_matrix:
    """The `k` columns of `X` most similar to each: `neighbors.top_similar` of `X.T` with itself.

    Parameters
    ----------
    X : csr_matrix, (n_users, n_items)
        Ratings without duplicates; absent means unknown.
    similarity : str
        ``cosine``, ``adjusted_cosine`` (of an `X` that is centered already), ``asymmetric_cosine``
        or ``jaccard``.
    shrinkage, significance, alpha
        As in `neighbors.top_similar`.

    Returns
    -------
    csr_matrix, (n_items, n_items) float32
        At most `k` positive entries per row, none on the diagonal. Of equal similarities the more
        popular items' stay. Exact to float32: products of whole ratings are whole numbers, and are
        scaled last.
    """
    n_items = X.shape[1]
    pairs = _Pairs(X, k, _Measure(similarity, shrinkage, significance, alpha))
    step = max(1, CELLS // max(1, n_items))
    block = np.empty((min(step, n_items), n_items), np.float32)
    n_threads = torch.get_num_threads()
    n_pieces = PIECES_PER_THREAD * n_threads
    with ThreadPoolExecutor(n_threads) as pool:
        for first in range(0, n_items, step):
            last = min(first + step, n_items)
            rows = [range(first + piece, last, n_pieces) for piece in range(n_pieces)]
            edges = np.linspace(0, last, n_pieces + 1).astype(int)
            to_rows = [pool.submit(pairs.fill, block, first, some) for some in rows]
            _wait_for(to_rows)
            to_columns = [
                pool.submit(pairs.best.offer_columns, block, first, last, low, high)
                for low, high in pairwise(edges)
            ]
            _wait_for(to_columns)
    return pairs.best.matrix(pairs.order)


def _wait_for(running) -> None:
    for task in running:
        task.result()


def confidence(n, shrinkage, significance):
    """How far a similarity that rests on `n` common ratings is believed, 0-1.

    It is shrunken by n / (n + shrinkage) (Koren 2008), and weighted by min(n, significance) /
    significance (Herlocker et al. 1999). `n` is an array or a tensor.
    """
    weight = 1.0
    if shrinkage:
        weight = n / (n + shrinkage).clip(1e-9)
    if significance:
        weight = weight * (n.clip(max=significance) / significance)
    return weight


class _Pairs:
    """Similarities of each item with the more popular ones, item numbers being ranks."""

    def __init__(self, X, k: int, measure: _Measure):
        self.measure = measure
        n_items = X.shape[1]
        counts = np.bincount(X.indices, minlength=n_items)
        self.order = np.argsort(-counts, kind="stable")
        self.count = counts[self.order].astype(np.float32)
        squares = np.square(X.data, dtype=np.float64)
        squares = np.bincount(X.indices, weights=squares, minlength=n_items)[self.order]
        length = np.sqrt(np.where(squares > 0, squares, 1))
        self.left = (length ** (-2 * measure.alpha)).astype(np.float32)
        self.right = (length ** (-2 * (1 - measure.alpha))).astype(np.float32)
        is_rated = np.ones(X.nnz, np.uint8)
        values = is_rated if measure.similarity == "jaccard" else X.data
        self.dots = _Products(X, values, self.order)
        dots_count = self.dots.values.dtype == np.uint8 and (X.data == 1).all()
        self.common = self.dots
        if not measure.trusts_all and not dots_count:
            self.common = _Products(X, is_rated, self.order)
        self.best = _Best(n_items, k)

    def fill(self, block, first: int, rows) -> None:
        """Similarities of some rows of a block with all more popular items.

        They are offered to the rows' own lists at once, and left in `block` for the others'.
        """
        for i in rows:
            row = block[i - first, :i]
            self.dots.fill(i, row)
            if self.common is self.dots:
                n_common = row.copy()
            else:
                n_common = self.common.fill(i, np.empty_like(row))
            self._scale(i, row, n_common)
            self.best.offer(i, row)
            if self.measure.similarity == "asymmetric_cosine":  # seen from the other item
                row *= self.left[:i] / self.left[i]
                row *= self.right[i] / self.right[:i]

    def _scale(self, i: int, row, n_common) -> None:
        """Turn the products of item `i` into similarities, in place."""
        if self.measure.similarity == "jaccard":
            either = self.count[i] + self.count[:i] - row
            row /= np.maximum(either, 1)
        else:
            row *= self.left[i] * self.right[:i]
        if not self.measure.trusts_all:
            row *= confidence(n_common, self.measure.shrinkage, self.measure.significance)


class _Products:
    """Dot products of a sparse matrix's columns, each with the more popular ones.

    Attributes
    ----------
    user, values : (nnz,)
        The ratings item by item.
    item, rated : (nnz,)
        The ratings user by user, the more popular items first.
    position : (nnz,) int32
        Where in there an item's rating stands. Before it are the same user's more popular ones.
    """

    def __init__(self, X, data, order):
        n_users, n_items = X.shape
        rank = np.empty(n_items, np.int32)
        rank[order] = np.arange(n_items, dtype=np.int32)
        counts = np.bincount(X.indices, minlength=n_items)[order]
        data = _narrowest(data)
        self.start = np.append(0, np.cumsum(counts))
        self.indptr = X.indptr.astype(np.int64)
        self.user = np.empty(X.nnz, np.int32)
        self.position = np.empty(X.nnz, np.int32)
        self.item = np.empty(X.nnz, np.uint16 if n_items < 2**16 else np.int32)
        self.values = np.empty_like(data)
        self.rated = np.empty_like(data)
        indices = X.indices.astype(np.int32, copy=False)
        _arrange(indices, data, rank, *self._arrays())
        is_dense = counts >= max(1, DENSE_SHARE * n_users)
        self.dense = self._dense_block(n_users, int(is_dense.sum()))

    def _arrays(self):
        return self.start, self.user, self.values, self.position, self.indptr, self.item, self.rated

    def _dense_block(self, n_users: int, n_dense: int) -> np.ndarray:
        """Products of the most popular items with each other, (n_dense, n_dense) float32."""
        block = torch.zeros(n_dense, n_dense)
        users = np.empty((min(USERS_MADE_DENSE, n_users), n_dense), np.float32)
        precision = torch.get_float32_matmul_precision()
        if self.rated.dtype == np.uint8:  # bfloat16 holds whole numbers up to 256; sums are float32
            torch.set_float32_matmul_precision("medium")
        try:
            for first in range(0, n_users, USERS_MADE_DENSE):
                part = users[: min(USERS_MADE_DENSE, n_users - first)]
                _densify(self.indptr, self.item, self.rated, first, part)
                rows = torch.from_numpy(part)
                block.addmm_(rows.T, rows)
        finally:
            torch.set_float32_matmul_precision(precision)
        return block.numpy()

    def fill(self, i: int, out) -> np.ndarray:
        """Products of item `i` with the items before it into `out`, (i,) float32."""
        if i < len(self.dense):
            out[:] = self.dense[i, :i]
        else:
            _scatter(i, *self._arrays(), out)  # type: ignore[call-arg]
        return out


def _narrowest(data) -> np.ndarray:
    """One byte per rating where that says it all: loops like these wait for memory."""
    narrow = data.astype(np.uint8)
    return narrow if np.array_equal(narrow, data) else data.astype(np.float32)


class _Best:
    """The `k` best of each item so far, as min-heaps: the worst is first, and must be beaten."""

    def __init__(self, n_items: int, k: int):
        self.values = np.zeros((n_items, k), np.float32)
        self.items = np.zeros((n_items, k), np.int32)
        self.worst = np.zeros(n_items, np.float32)

    def offer(self, i: int, row) -> None:
        """Similarities of item `i` with items 0, 1, …"""
        _offer(row, self.values[i], self.items[i])
        self.worst[i] = self.values[i, 0]

    def offer_columns(self, block, first: int, last: int, low: int, high: int) -> None:
        """Similarities of the items `first` to `last` to the more popular ones in `low` to
        `high`."""
        for i in range(max(first, low), last):
            row = block[i - first, low : min(high, i)]
            _offer_each(i, row, low, self.worst, self.values, self.items)

    def matrix(self, order) -> sp.csr_matrix:
        """Back in the caller's numbering."""
        rows, places = np.nonzero(self.values > 0)
        values = self.values[rows, places]
        columns = self.items[rows, places]
        cells = (order[rows], order[columns])
        n_items = len(order)
        return sp.csr_matrix((values, cells), shape=(n_items, n_items))


@njit(nogil=True, cache=True)
def _arrange(indices, data, rank, start, user, value, position, indptr, item, rated):  # noqa: PLR0913  # numba takes arrays, no objects
    """Two counting sorts: ratings item by item, then user by user in order of popularity."""
    place = start[:-1].copy()
    for u in range(len(indptr) - 1):
        for e in range(indptr[u], indptr[u + 1]):
            i = rank[indices[e]]
            user[place[i]] = u
            value[place[i]] = data[e]
            place[i] += 1
    place = indptr[:-1].copy()
    for i in range(len(start) - 1):
        for p in range(start[i], start[i + 1]):
            q = place[user[p]]
            item[q] = i
            rated[q] = value[p]
            position[p] = q
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
def _scatter(i, start, user, value, position, indptr, item, rated, out):  # noqa: PLR0913  # numba takes arrays, no objects
    """out[j] = Σ_u x_ui x_uj for the items j before i (Gustavson 1978, half of it)."""
    out[:] = 0
    for p in range(start[i], start[i + 1]):
        v = np.float32(value[p])
        u = user[p]
        items = item[indptr[u] : position[p]]
        ratings = rated[indptr[u] : position[p]]
        for q in range(len(items)):
            j = np.uint64(
                items[q]
            )  # unsigned: without a check for negative places, in half the time
            out[j] += v * np.float32(ratings[q])


@njit(nogil=True, cache=True)
def _replace_worst(values, items, value, item):
    """Put `value` where the heap's smallest was, and restore the heap."""
    place = 0
    child = 1
    while child < len(values):
        if child + 1 < len(values) and values[child + 1] < values[child]:
            child += 1
        if values[child] >= value:
            break
        values[place] = values[child]
        items[place] = items[child]
        place = child
        child = 2 * child + 1
    values[place] = value
    items[place] = item


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
        end = min(j + 32, len(row))
        above = False
        for q in range(j, end):
            above |= row[q] > worst[lo + q]
        if above:
            for q in range(j, end):
                if row[q] > worst[lo + q]:
                    _replace_worst(values[lo + q], items[lo + q], row[q], i)
                    worst[lo + q] = values[lo + q, 0]
