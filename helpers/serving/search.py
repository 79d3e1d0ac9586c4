"""Find the k items with the largest inner products: among all, or in the nearest lists only.

Below `EXACT_BELOW` items a flat index compares the query with every item, which takes about a
millisecond. Above it, an inverted file (Sivic and Zisserman 2003) first finds the lists whose
centroids are nearest and compares the query with the items in those lists alone. Both come from
faiss (Johnson, Douze and Jégou 2019).
"""

from dataclasses import dataclass
from pathlib import Path

import faiss
import fsspec
import numpy as np

from helpers.artefacts import whole

EXACT_BELOW = 50_000
"""With fewer items than this, comparing all of them is fast enough."""

SAMPLE_PER_LIST = 64
"""Vectors per list from which k-means learns the centroids."""

NOTHING = -1
"""The id that faiss gives where fewer than k items were found."""


def exact_top_k(
    queries: np.ndarray, items: np.ndarray, k: int, allowed: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Exact top `k` by inner product.

    Parameters
    ----------
    queries : (n, d) float32
    items : (n_items, d) float32
        May be memory-mapped.
    k : int
    allowed : (n_items,) bool, optional
        A filter, such as in stock, or below a price.

    Returns
    -------
    ids : (n, k) int64
        Positions in `items`, best first; -1 where fewer than `k` are allowed.
    scores : (n, k) float32
        Inner products; -inf where the id is -1.
    """
    kept = np.arange(len(items))
    if allowed is not None:
        kept = np.flatnonzero(allowed)
        items = items[kept]
    ids = np.full((len(queries), k), NOTHING, dtype=np.int64)
    scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
    n_found = min(k, len(kept))
    if n_found == 0 or len(queries) == 0:
        return ids, scores
    best, places = faiss.knn(
        as_rows(queries), as_rows(items), n_found, metric=faiss.METRIC_INNER_PRODUCT
    )
    ids[:, :n_found] = kept[places]
    scores[:, :n_found] = best
    return ids, scores


@dataclass(frozen=True)
class IndexSettings:
    """How an index trades memory and time for recall.

    Attributes
    ----------
    exact_below : int
        Below this many items, all are compared.
    n_lists : int or None
        Lists of the inverted file; None stands for 2 √n_items.
    n_probes : int
        Lists that a search reads. More lists find more and take longer.
    seed : int
        Of the sample of items and of k-means, which place the lists' centroids.
    """

    exact_below: int = EXACT_BELOW
    n_lists: int | None = None
    n_probes: int = 64
    seed: int = 7


class Index:
    """Top `k` by inner product among items that come and go.

    Parameters
    ----------
    items : (n_items, d) float32
        Copied, in 16-bit floats where the index is approximate.
    settings : IndexSettings, optional
    ids : (n_items,) int64, optional
        Names of the items, not negative; positions by default.

    Attributes
    ----------
    n_probes : int
        Lists that a search reads. It can be set at any time. A flat index ignores it.
    """

    def __init__(
        self,
        items: np.ndarray,
        settings: IndexSettings | None = None,
        ids: np.ndarray | None = None,
    ):
        settings = settings or IndexSettings()
        if len(items) < settings.exact_below:
            self._faiss = _flat(items.shape[1])
        else:
            self._faiss = _inverted_file(items, settings)
        self.n_probes = settings.n_probes
        if ids is None:
            ids = np.arange(len(items))
        self.add(items, ids)

    def __len__(self) -> int:
        return self._faiss.ntotal

    @property
    def is_exact(self) -> bool:
        """Whether every item is compared with the query."""
        return not isinstance(self._faiss, faiss.IndexIVF)

    def add(self, items: np.ndarray, ids: np.ndarray) -> None:
        """Put item vectors in under their ids. An item that was there under such an id is replaced.

        Raises
        ------
        ValueError
            If an id is negative, or is given twice.
        """
        ids = np.asarray(ids, dtype=np.int64)
        if (ids < 0).any():
            raise ValueError(f"id {ids.min()} is negative; give each item an id of 0 or more")
        if len(np.unique(ids)) < len(ids):
            values, counts = np.unique(ids, return_counts=True)
            raise ValueError(f"id {values[counts > 1][0]} is given twice; keep one of the items")
        if len(self):
            self.remove(ids)
        if len(ids):
            self._faiss.add_with_ids(as_rows(items), ids)

    def remove(self, ids: np.ndarray) -> None:
        """Take items out. Ids that are not there do not matter."""
        self._faiss.remove_ids(np.asarray(ids, dtype=np.int64))

    def search(
        self, queries: np.ndarray, k: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `exact_top_k`; above `exact_below` items almost the same answer, sooner.

        Parameters
        ----------
        queries : (n, d) float32
        k : int
        allowed : (largest id + 1,) bool, optional
            By id. With a filter, more lists are read, so that about as many allowed items
            are compared as without one.
        """
        if len(queries) == 0 or len(self) == 0:
            no_items = np.empty((0, self._faiss.d), np.float32)
            return exact_top_k(queries, no_items, k)  # ids of -1, or no rows without queries
        scores, ids = self._faiss.search(as_rows(queries), k, params=self._parameters(allowed))
        scores[ids == NOTHING] = -np.inf
        return ids, scores

    def _parameters(self, allowed: np.ndarray | None) -> faiss.SearchParameters:
        chosen = {}
        share_allowed = 1.0
        if allowed is not None:
            bits = np.packbits(allowed, bitorder="little")  # the order that faiss reads
            chosen["sel"] = faiss.IDSelectorBitmap(bits)  # keeps `bits` alive
            # A share of all ids up to the largest, taken for the share of items; never 0
            share_allowed = max(allowed.mean(), 1e-9)
        if self.is_exact:
            return faiss.SearchParameters(**chosen)
        n_probes = min(self.n_probes / share_allowed, self._faiss.nlist)
        return faiss.SearchParametersIVF(nprobe=int(np.ceil(n_probes)), **chosen)

    def save(self, path: str | Path) -> None:
        """Write the index as one file of faiss's own format, atomically: never half a file.

        `path` may be an address in a bucket, such as s3://bucket/items.faiss.
        """
        if is_address(path):
            fs, place = fsspec.core.url_to_fs(str(path))
            fs.pipe_file(place, faiss.serialize_index(self._faiss).tobytes())
            return
        with whole(path) as aside:
            faiss.write_index(self._faiss, str(aside))

    @classmethod
    def open(cls, path: str | Path, n_probes: int = IndexSettings.n_probes) -> "Index":
        """Read what `save` wrote. An inverted file's lists stay on disk and are memory-mapped.

        A mapped index can be searched and is shared by processes. To change it, rebuild it. From a
        bucket the whole index is read into memory.
        """
        index = cls.__new__(cls)
        if is_address(path):
            fs, place = fsspec.core.url_to_fs(str(path))
            stored = np.frombuffer(fs.cat_file(place), np.uint8)
            index._faiss = faiss.deserialize_index(stored)
        else:
            index._faiss = faiss.read_index(str(path), faiss.IO_FLAG_MMAP)
        index.n_probes = n_probes
        return index


def is_address(path: str | Path) -> bool:
    """Whether a path is of a bucket, such as s3://bucket/items.faiss, and not of a disk."""
    return "://" in str(path)


def _flat(d: int) -> faiss.Index:
    return faiss.IndexIDMap2(faiss.IndexFlatIP(d))


def _inverted_file(items: np.ndarray, settings: IndexSettings) -> faiss.IndexIVF:
    """An empty inverted file whose centroids are learned from a sample of `items`."""
    n_lists = settings.n_lists or round(2 * len(items) ** 0.5)
    n_lists = min(n_lists, len(items))
    index = faiss.index_factory(items.shape[1], f"IVF{n_lists},SQfp16", faiss.METRIC_INNER_PRODUCT)
    index.cp.seed = settings.seed
    index.cp.min_points_per_centroid = 1  # don't warn about small lists
    index.parallel_mode = 0  # queries are divided among threads
    rng = np.random.default_rng(settings.seed)
    n_sample = min(len(items), SAMPLE_PER_LIST * n_lists)
    sample = rng.choice(len(items), n_sample, replace=False)
    index.train(as_rows(items[np.sort(sample)]))
    return index


def as_rows(vectors: np.ndarray) -> np.ndarray:
    """The vectors as faiss reads them: float32, one row after another."""
    return np.ascontiguousarray(vectors, dtype=np.float32)


def recall(found: np.ndarray, exact: np.ndarray) -> float:
    """Share of the exact ids (n, k) that were found; -1 is ignored."""
    n_hits = 0
    for row, truth in zip(found, exact, strict=True):
        n_hits += len(set(row[row >= 0]) & set(truth[truth >= 0]))
    n_exact = (exact >= 0).sum()
    return float(n_hits / max(n_exact, 1))
