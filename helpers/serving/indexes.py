"""Where an index lives, by one parameter: in a file, in several shards, or in a LanceDB table."""

from pathlib import Path
from typing import Protocol

import numpy as np

from helpers.serving.search import Index, IndexSettings
from helpers.serving.shards import ShardedIndex

STORES = ("file", "shards", "lance")


class AnyIndex(Protocol):
    """What all of them answer to; `Index` documents it."""

    def __len__(self) -> int: ...

    def add(self, items: np.ndarray, ids: np.ndarray) -> None:
        """Put items in; those under the same ids are replaced."""

    def remove(self, ids: np.ndarray) -> None:
        """Take items out."""

    def search(
        self, queries: np.ndarray, k: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Ids and scores of the best k, (n, k) each."""

    def save(self, path: str | Path) -> None:
        """Write it whole."""


def build_index(
    items: np.ndarray,
    path: str | Path,
    settings: IndexSettings | None = None,
    ids: np.ndarray | None = None,
    store: str = "file",
) -> AnyIndex:
    """An index over `items` (n_items, d), saved at `path`.

    Parameters
    ----------
    path : path
        A file for "file", a folder for "shards", a folder or a bucket's address for "lance".
    store : str
        "file": all vectors in one faiss file; "shards": in several, whose answers are merged;
        "lance": in a LanceDB table, which needs the extra `lancedb`.

    Raises
    ------
    ValueError
        If there is no such store.
    RuntimeError
        If LanceDB is asked for and isn't installed.
    """
    _check(store)
    if store == "lance":
        from helpers.serving.lance import LanceIndex

        return LanceIndex(items, settings, ids, place=path)
    index = ShardedIndex(items, settings, ids) if store == "shards" else Index(items, settings, ids)
    index.save(path)
    return index


def open_index(
    path: str | Path, store: str = "file", n_probes: int = IndexSettings.n_probes
) -> AnyIndex:
    """What `build_index` saved."""
    _check(store)
    if store == "lance":
        from helpers.serving.lance import LanceIndex

        return LanceIndex.open(path, n_probes)
    kind = ShardedIndex if store == "shards" else Index
    return kind.open(path, n_probes)


def _check(store: str) -> None:
    if store not in STORES:
        raise ValueError(f"there is no store {store!r}; there are {', '.join(STORES)}")
