"""The best items of each shopper by item-based filtering, in a shop of any size (chapter 03).

Of a million items, a history of ten reaches some thousand through its neighbors. All others have no
evidence and come in the order of popularity. This kernel adds up the evidence of those it reaches,
keeps the best, and fills up from the popular ones. Its time grows with the neighbors of what the
shoppers have, and not with shoppers × items. Lists and scores are those of `Recommender.recommend`,
which writes all scores of all items.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from numba import njit

from helpers.kernels.item_blocks import offer

PIECES_PER_THREAD = 4


@dataclass(frozen=True)
class Links:
    """What leads from a history to items.

    Attributes
    ----------
    to_items : csr_matrix, (n_items, n_items) float64
        Row j: the items that have j among their neighbors, and their similarities.
    popular : (n_items,) float32
        Scores of items without evidence, below 0.
    allowed : (n_items,) bool
        Candidates.
    """

    to_items: sp.csr_matrix
    popular: np.ndarray
    allowed: np.ndarray


def best_by_links(
    histories: sp.csr_matrix, seen: sp.csr_matrix, links: Links, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """The `k` best items that each shopper has not seen.

    Parameters
    ----------
    histories : csr_matrix, (n, n_items) float64
        Weights of the items in each history, above 0.
    seen : csr_matrix, (n, n_items)
        Items that are not recommended.
    links : Links
    k : int

    Returns
    -------
    ids : (n, k) int64
        Best first, equal ones in the order of position; -1 where fewer are left.
    scores : (n, k) float32
        -inf where the id is -1.
    """
    n, n_items = histories.shape
    k_there = min(k, n_items)
    values = np.full((n, k_there), -np.inf, np.float32)
    places = np.full((n, k_there), n_items, np.int32)
    by_popularity = np.argsort(-links.popular, kind="stable").astype(np.int32)
    n_threads = torch.get_num_threads()
    pieces = np.array_split(np.arange(n), max(1, min(n, PIECES_PER_THREAD * n_threads)))

    def fill(rows: np.ndarray) -> None:
        _best(
            rows,
            (histories.indptr, histories.indices, histories.data),
            (links.to_items.indptr, links.to_items.indices, links.to_items.data),
            (seen.indptr, seen.indices),
            (by_popularity, links.popular, links.allowed),
            values,
            places,
        )

    with ThreadPoolExecutor(n_threads) as pool:
        list(pool.map(fill, pieces))
    return _best_first(values, places, k)


def _best_first(values: np.ndarray, places: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Heaps in order, filled up to `k` columns."""
    n, width = values.shape
    order = np.lexsort((places, -values), axis=1)
    best = np.take_along_axis(values, order, axis=1)
    found = np.take_along_axis(places, order, axis=1)
    is_missing = np.isneginf(best)
    ids = np.full((n, k), -1, np.int64)
    ids[:, :width] = np.where(is_missing, -1, found)
    scores = np.full((n, k), -np.inf, np.float32)
    scores[:, :width] = best
    return ids, scores


@njit(nogil=True, cache=True)
def _best(rows, histories, to_items, seen, shop, values, places):
    """Fill the heaps `values` and `places` of the shoppers `rows`; the worst stands first."""
    start, item, weight = histories
    link_start, linked, similarity = to_items
    seen_start, seen_item = seen
    by_popularity, popular, allowed = shop
    n_items = len(popular)
    evidence = np.zeros(n_items, np.float64)
    is_open = allowed.copy()
    touched = np.empty(n_items, np.int32)
    for u in rows:
        n_touched = 0
        for p in range(start[u], start[u + 1]):
            j = item[p]
            for q in range(link_start[j], link_start[j + 1]):
                i = linked[q]
                if evidence[i] == 0:
                    touched[n_touched] = i
                    n_touched += 1
                evidence[i] += weight[p] * similarity[q]
        for p in range(seen_start[u], seen_start[u + 1]):
            is_open[seen_item[p]] = False
        n_found = 0
        for t in range(n_touched):
            i = touched[t]
            if is_open[i]:
                offer(np.float32(evidence[i]), i, values[u], places[u])
                n_found += 1
        for place in range(n_items):
            if n_found >= values.shape[1]:
                break
            i = by_popularity[place]
            if is_open[i] and evidence[i] == 0:
                offer(popular[i], i, values[u], places[u])
                n_found += 1
        for t in range(n_touched):
            evidence[touched[t]] = 0
        for p in range(seen_start[u], seen_start[u + 1]):
            j = seen_item[p]
            is_open[j] = allowed[j]
