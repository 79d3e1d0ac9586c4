"""The best k of many vectors by inner product: exactly, in blocks, or almost exactly, by a graph."""

import numpy as np

BLOCK = 16_384  # item vectors at once: queries × BLOCK floats is the largest array


def exact_top_k(queries: np.ndarray, items: np.ndarray, k: int, allowed: np.ndarray | None = None):
    """Exact top `k` by inner product, never holding all scores at once.

    Parameters
    ----------
    queries, items : (n, d) and (n_items, d) float32
    allowed : (n_items,) bool, optional
        A filter, such as in stock, or below a price.

    Returns
    -------
    ids (n, k) int64 and scores (n, k) float32; where fewer than `k` are allowed, id -1 and score -inf fill up.
    """
    keep = np.arange(len(items)) if allowed is None else np.flatnonzero(allowed)
    ids = np.full((len(queries), k), -1, dtype=np.int64)
    best = np.full((len(queries), k), -np.inf, dtype=np.float32)
    for start in range(0, len(keep), BLOCK):
        block = keep[start : start + BLOCK]
        scores = np.concatenate([best, queries @ items[block].T], axis=1)
        names = np.concatenate([ids, np.broadcast_to(block, (len(queries), len(block)))], axis=1)
        top = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        order = np.take_along_axis(
            top, np.argsort(-np.take_along_axis(scores, top, axis=1), axis=1, kind="stable"), axis=1
        )
        ids, best = np.take_along_axis(names, order, axis=1), np.take_along_axis(scores, order, axis=1)
    return ids, best


class Index:
    """Approximate top k by inner product: faiss's navigable small-world graph (Malkov and Yashunin 2018).

    Parameters
    ----------
    items : (n_items, d) float32
    links : neighbours that each item is linked to
    effort : candidates kept during a search; more finds more and takes longer
    """

    def __init__(self, items: np.ndarray, links: int = 16, effort: int = 64):
        import faiss

        self._faiss = faiss
        self._graph = faiss.IndexHNSWFlat(items.shape[1], links, faiss.METRIC_INNER_PRODUCT)
        self.effort = effort
        self.add(items)

    def __len__(self) -> int:
        return self._graph.ntotal

    def add(self, items: np.ndarray) -> None:
        """Append item vectors; they get the next ids."""
        self._graph.add(np.ascontiguousarray(items, dtype=np.float32))

    def search(self, queries: np.ndarray, k: int, allowed: np.ndarray | None = None):
        """As `exact_top_k`; almost the same answer, sooner. A filter that leaves few items is answered exactly.

        A graph whose nodes are nearly all forbidden is no way to walk to those that aren't.
        """
        keep = None if allowed is None else np.flatnonzero(allowed)
        if keep is not None and len(keep) < max(0.1 * len(self), 10 * k):
            ids, scores = exact_top_k(queries, self._graph.reconstruct_batch(keep), k)
            return np.where(ids < 0, -1, keep[ids]) if len(keep) else ids, scores
        settings = self._faiss.SearchParametersHNSW(efSearch=max(self.effort, k))
        if allowed is not None:  # bits in the order that faiss reads them
            bits = np.packbits(np.asarray(allowed, dtype=bool), bitorder="little")
            settings.sel = self._faiss.IDSelectorBitmap(bits)
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        scores, ids = self._graph.search(queries, k, params=settings)
        return ids.astype(np.int64), np.where(ids < 0, -np.inf, scores).astype(np.float32)


def recall(found: np.ndarray, exact: np.ndarray) -> float:
    """Share of the exact ids (n, k) that were found; -1 counts for nothing."""
    hits = [len(set(row[row >= 0]) & set(truth[truth >= 0])) for row, truth in zip(found, exact, strict=True)]
    return float(sum(hits) / max((exact >= 0).sum(), 1))
