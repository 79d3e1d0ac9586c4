"""An index cut into shards: each is searched by itself, and the best of all are merged.

A shard holds the items whose id leaves the same remainder, so that every machine knows where an
item is. Shards can lie on several machines; here they lie side by side in one folder.
"""

import json
from pathlib import Path

import numpy as np

from helpers.images.store import ImageStore
from helpers.serving.search import NOTHING, Index, IndexSettings

N_SHARDS = 4
MANIFEST = "shards.json"


class ShardedIndex:
    """Top `k` by inner product among items that come and go, in several shards.

    Parameters
    ----------
    items : (n_items, d) float32
    settings : IndexSettings, optional
        Of each shard; one of fewer than `exact_below` items compares all of them.
    ids : (n_items,) int64, optional
        Names of the items, not negative; positions by default.
    n_shards : int
    """

    def __init__(
        self,
        items: np.ndarray,
        settings: IndexSettings | None = None,
        ids: np.ndarray | None = None,
        n_shards: int = N_SHARDS,
    ):
        if n_shards < 1:
            raise ValueError(f"an index needs a shard or more, not {n_shards}")
        if ids is None:
            ids = np.arange(len(items))
        shard_of = np.asarray(ids) % n_shards
        self._shards = []
        for number in range(n_shards):
            mine = np.flatnonzero(shard_of == number)
            self._shards.append(Index(items[mine], settings, np.asarray(ids)[mine]))

    def __len__(self) -> int:
        return sum(len(shard) for shard in self._shards)

    @property
    def is_exact(self) -> bool:
        """Whether every item is compared with the query."""
        return all(shard.is_exact for shard in self._shards)

    def add(self, items: np.ndarray, ids: np.ndarray) -> None:
        """As `Index.add`."""
        ids = np.asarray(ids, dtype=np.int64)
        for number, shard in enumerate(self._shards):
            mine = np.flatnonzero(ids % len(self._shards) == number)
            shard.add(items[mine], ids[mine])

    def remove(self, ids: np.ndarray) -> None:
        """As `Index.remove`."""
        ids = np.asarray(ids, dtype=np.int64)
        for number, shard in enumerate(self._shards):
            shard.remove(ids[ids % len(self._shards) == number])

    def search(
        self, queries: np.ndarray, k: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `Index.search`: the best k of each shard, merged."""
        found = [shard.search(queries, k, allowed) for shard in self._shards]
        ids = np.concatenate([ids for ids, _ in found], axis=1)
        scores = np.concatenate([scores for _, scores in found], axis=1)
        return merged(ids, scores, k)

    def save(self, path: str | Path) -> None:
        """Write a folder, or a place in a bucket, with a file for each shard; the manifest comes
        last.
        """
        n_shards = len(self._shards)
        for number, shard in enumerate(self._shards):
            shard.save(f"{path}/{_file_name(number, n_shards)}")
        manifest = json.dumps({"n_shards": n_shards})
        ImageStore(path).write(MANIFEST, manifest.encode())

    @classmethod
    def open(cls, path: str | Path, n_probes: int = IndexSettings.n_probes) -> "ShardedIndex":
        """Read what `save` wrote; as `Index.open`."""
        n_shards = json.loads(ImageStore(path).read(MANIFEST))["n_shards"]
        index = cls.__new__(cls)
        names = [_file_name(number, n_shards) for number in range(n_shards)]
        index._shards = [Index.open(f"{path}/{name}", n_probes) for name in names]
        return index


def _file_name(number: int, n_shards: int) -> str:
    return f"shard-{number}-of-{n_shards}.faiss"


def merged(ids: np.ndarray, scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The best `k` of several answers that stand side by side, (n, m) each; -1 is no answer."""
    scores = np.where(ids == NOTHING, -np.inf, scores)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(ids, best, axis=1), np.take_along_axis(scores, best, axis=1)
