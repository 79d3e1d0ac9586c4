"""The k items most similar to each item of a block, however many items there are (chapter 03).

`item_pairs` looks at every pair of items, which is quickest for a shop of some ten thousand. Of a
million items nearly all pairs have no shopper in common. This kernel walks through the pairs that
have one: for each item through its shoppers, and through what else they rated (Gustavson 1978). Its
time grows with Σ_u n_u², n_u being the ratings of shopper u, and not with the square of the items.
A block needs no other block, so that blocks can be computed anywhere.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from numba import njit

from helpers.engine import Engine, LocalEngine, cut

BLOCKS_PER_WORKER = 4
"""On a cluster, so that no worker waits long for the last one."""
PIECES_PER_THREAD = 4
DOT, COMMON, RIGHT, COUNT = range(4)
"""What the kernel keeps of an item: the product with the present one, shoppers of both, the item's
factor, and its own shoppers."""


@dataclass(frozen=True)
class Pull:
    """How products become similarities; `neighbors.top_similar` documents the fields."""

    similarity: str = "cosine"
    shrinkage: float = 0.0
    significance: int = 0
    alpha: float = 0.5


@dataclass(frozen=True)
class NearestItems:
    """Finds the neighbors of a block of items; travels to a worker.

    Items are numbered by popularity, the most popular first.

    Attributes
    ----------
    X : csr_matrix, (n_users, n_items)
        Ratings, items by their popularity.
    by_item : csr_matrix, (n_items, n_users)
        The same, item by item.
    left, right : (n_items,) float32
        What a product is multiplied by, of the item and of its neighbor.
    k : int
    pull : Pull
    """

    X: sp.csr_matrix
    by_item: sp.csr_matrix
    left: np.ndarray
    right: np.ndarray
    k: int
    pull: Pull

    @classmethod
    def of(cls, X, k: int, pull: Pull) -> tuple["NearestItems", np.ndarray]:
        """With the items' positions in the order of popularity, (n_items,)."""
        n_items = X.shape[1]
        counts = np.bincount(X.indices, minlength=n_items)
        order = np.argsort(-counts, kind="stable")
        rank = np.empty(n_items, np.int32)
        rank[order] = np.arange(n_items, dtype=np.int32)
        values = X.data.astype(np.float32)
        ranked = sp.csr_matrix((values, rank[X.indices], X.indptr), X.shape)
        by_item = ranked.T.tocsr()
        squares = np.square(X.data, dtype=np.float64)
        squares = np.bincount(X.indices, weights=squares, minlength=n_items)
        squares = squares[order]
        length = np.sqrt(np.where(squares > 0, squares, 1))
        left = length ** (-2 * pull.alpha)
        right = length ** (-2 * (1 - pull.alpha))
        nearest = cls(
            ranked,
            by_item,
            left.astype(np.float32),
            right.astype(np.float32),
            k,
            pull,
        )
        return nearest, order

    def __call__(self, block: pd.DataFrame) -> pd.DataFrame:
        """Take a table with the column `item`; return item, neighbor and similarity, row by row.

        Within an item the order of the rows is the same on every machine.
        """
        items = block["item"].to_numpy(np.int64)
        n_threads = torch.get_num_threads()
        pieces = np.array_split(items, max(1, min(len(items), PIECES_PER_THREAD * n_threads)))
        with ThreadPoolExecutor(n_threads) as pool:
            parts = list(pool.map(self._nearest, pieces))
        return pd.concat(parts, ignore_index=True)

    def _nearest(self, items: np.ndarray) -> pd.DataFrame:
        values = np.zeros((len(items), self.k), np.float32)
        neighbors = np.zeros((len(items), self.k), np.int32)
        _walk(
            items,
            (self.by_item.indptr, self.by_item.indices, self.by_item.data),
            (self.X.indptr, self.X.indices, self.X.data),
            (self.left, self.right, np.diff(self.by_item.indptr).astype(np.float32)),
            self.pull.similarity == "jaccard",
            np.float32(self.pull.shrinkage),
            np.float32(self.pull.significance),
            values,
            neighbors,
        )
        row, place = np.nonzero(values > 0)
        columns = {
            "item": items[row].astype(np.int32),
            "neighbor": neighbors[row, place],
            "similarity": values[row, place],
        }
        return pd.DataFrame(columns)


def top_similar_in_blocks(
    X, k: int, pull: Pull | None = None, engine: Engine | None = None
) -> sp.csr_matrix:
    """As `item_pairs.top_similar_items`, in time that doesn't grow with the square of the items.

    Parameters
    ----------
    X : csr_matrix, (n_users, n_items)
        Ratings without duplicates; absent means unknown.
    k : int
    pull : Pull, optional
    engine : Engine, optional
        Where the blocks are computed; by default here.
    """
    engine = engine or LocalEngine()
    n_items = X.shape[1]
    nearest, order = NearestItems.of(X, k, pull or Pull())
    numbers = pd.DataFrame({"item": np.arange(n_items, dtype=np.int32)})
    # popular items take longest: deal them to all blocks
    n_blocks = BLOCKS_PER_WORKER * engine.n_workers
    dealt = numbers.sort_values("item", key=lambda item: item % n_blocks, kind="stable")
    found = engine.map(nearest, cut(dealt, n_blocks))
    table = pd.concat(found, ignore_index=True)
    cells = (order[table["item"]], order[table["neighbor"]])
    return sp.csr_matrix((table["similarity"].to_numpy(), cells), shape=(n_items, n_items))


@njit(nogil=True, cache=True)
def _walk(  # noqa: PLR0913  # numba takes arrays, no objects
    items, by_item, by_user, scale, is_jaccard, shrinkage, significance, values, neighbors
):
    """The best of each of `items` as min-heaps: rows of `values` and `neighbors`."""
    start, user, rating_by = by_item
    indptr, item, rating_of = by_user
    left, right, count = scale
    n_items = len(left)
    # Of a million items most are not in the processor's cache. What belongs to one stands
    # together, so that a visit waits for memory once and not four times.
    known = np.zeros((n_items, 4), np.float32)
    known[:, RIGHT] = right
    known[:, COUNT] = count
    touched = np.empty(n_items, np.int32)
    for row in range(len(items)):
        i = items[row]
        n_touched = 0
        for p in range(start[i], start[i + 1]):
            u = user[p]
            for q in range(indptr[u], indptr[u + 1]):
                j = item[q]
                if known[j, COMMON] == 0:
                    touched[n_touched] = j
                    n_touched += 1
                known[j, COMMON] += 1
                known[j, DOT] += rating_by[p] * rating_of[q]
        for t in range(n_touched):
            j = touched[t]
            n = known[j, COMMON]
            if is_jaccard:
                similarity = n / (count[i] + known[j, COUNT] - n)
            else:
                similarity = known[j, DOT] * (left[i] * known[j, RIGHT])
            if shrinkage > 0:
                similarity *= n / (n + shrinkage)
            if significance > 0:
                similarity *= min(n, significance) / significance
            known[j, COMMON] = 0
            known[j, DOT] = 0
            if j != i and similarity > 0:
                offer(similarity, j, values[row], neighbors[row])


@njit(nogil=True, cache=True)
def _is_worse(value, neighbor, other_value, other):
    """Smaller, or equal and less popular."""
    return value < other_value or (value == other_value and neighbor > other)


@njit(nogil=True, cache=True)
def offer(value, neighbor, values, neighbors):
    """Put a neighbor where the heap's worst was, if it is better, and restore the heap."""
    if not _is_worse(values[0], neighbors[0], value, neighbor):
        return
    place = 0
    child = 1
    while child < len(values):
        other = child + 1
        if other < len(values) and _is_worse(
            values[other], neighbors[other], values[child], neighbors[child]
        ):
            child = other
        if not _is_worse(values[child], neighbors[child], value, neighbor):
            break
        values[place] = values[child]
        neighbors[place] = neighbors[child]
        place = child
        child = 2 * place + 1
    values[place] = value
    neighbors[place] = neighbor
