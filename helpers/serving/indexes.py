"""Where an index lives, by one parameter: in a file, in several shards, or in a LanceDB table."""

import hashlib
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import numpy as np

from helpers.serving.search import Index, IndexSettings, as_rows
from helpers.serving.shards import ShardedIndex

STORES = ("file", "shards", "lance")
ENDINGS = {"file": ".faiss", "shards": ".shards", "lance": ".lance"}
DAMAGE = (RuntimeError, OSError, ValueError)  # what faiss, a manifest and LanceDB raise for it


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
        A file for "file", a folder for "shards" and "lance", or an address in a bucket.
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


def kept_index(items: np.ndarray, folder: Path, store: str = "file") -> AnyIndex:
    """The index of `items` (n_items, d) from `folder`, where it is made if it lacks.

    Learning the lists of a million items takes minutes, and opening an index takes none. A faiss
    file is memory-mapped. The name tells the items: other vectors get an index of their own, and
    the one before is removed. What cannot be read is made anew.

    Parameters
    ----------
    items : (n_items, d) float32
    folder : path
        Where the index is kept, such as data/<profile>/cache.
    store : str
        As for `build_index`.
    """
    _check(store)
    digest = hashlib.sha256(as_rows(items).data).hexdigest()[:16]
    path = folder / f"index-{digest}{ENDINGS[store]}"
    if path.exists():
        with suppress(*DAMAGE):
            return open_index(path, store)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="aside-", dir=folder) as aside:
        made = Path(aside) / path.name
        build_index(items, made, store=store)
        for old in folder.glob("index-*"):
            _remove(old)
        made.replace(path)
    return open_index(path, store)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _check(store: str) -> None:
    if store not in STORES:
        raise ValueError(f"there is no store {store!r}; there are {', '.join(STORES)}")
