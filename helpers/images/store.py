"""The folder or bucket of standardised pictures and its index, written in small whole steps: a kill
costs seconds.
"""

import copy
import hashlib
import io
import json
import threading
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas as pd
from filelock import FileLock, Timeout

from helpers.artefacts import whole
from helpers.images.decode import Picture, sha256
from helpers.images.statuses import HAS_PICTURE, RETRIED

SAVE_SECONDS = 2.0
_SAVING_SHARE = 20  # at most one twentieth of the time goes into saving
INDEX_NAME = "images.parquet"
PARTS_FOLDER = "images.parts"
"""Indexes of partitions, while or after a cluster fetched them."""
INDEX: dict[str, Any] = {
    "image_key": "str",
    "status": "str",
    "detail": "str",
    "image_path": "str",
    "sha256": "str",
    "width": "int32",
    "height": "int32",
    "bytes": "int64",
    "phash": "str",
    "host": "str",
    "source_url": "str",
    "etag": "str",
    "fetched": "datetime64[us, UTC]",
    "archived": "str",
    "request": "str",
}
"""Columns of `images.parquet`.

`width`, `height` and `bytes` are the source's, `sha256` is that of the stored file; `request` is a
digest of what was asked for, so that a changed URL or size is fetched again.
"""


class DamagedIndex(OSError):
    """The index of a store can't be read; the message holds the remedy."""


class ImageStore:
    """Pictures under `dest`/images and their index `dest`/images.parquet, through fsspec.

    Parameters
    ----------
    dest : path or URL
        A folder, or `s3://bucket/prefix`, `gs://…`, `memory://…`.
    storage_options : dict, optional
        For the file system, as in pandas.
    """

    def __init__(self, dest, storage_options: dict | None = None, index_name: str = INDEX_NAME):
        self.fs, root = fsspec.core.url_to_fs(str(dest), **(storage_options or {}))
        self.root = root.rstrip("/")
        self.index_name = index_name
        self.local = "file" in np.atleast_1d(self.fs.protocol)

    def part(self, name: str) -> "ImageStore":
        """The same store with a partition's own index."""
        other = copy.copy(self)
        other.index_name = f"{PARTS_FOLDER}/{name}.parquet"
        return other

    def parts(self) -> list[str]:
        """Names of the partitions whose index is here."""
        folder = f"{self.root}/{PARTS_FOLDER}"
        self.fs.invalidate_cache()
        if not self.fs.exists(folder):
            return []
        files = [Path(path) for path in self.fs.ls(folder, detail=False)]
        return sorted(file.stem for file in files if file.suffix == ".parquet")

    def write(self, name: str, data: bytes) -> None:
        """Write one file whole: beside it and renamed on a disk; buckets do so by themselves."""
        path = f"{self.root}/{name}"
        if self.local:
            with whole(path) as aside:
                Path(aside).write_bytes(data)
        else:
            self.fs.pipe_file(path, data)

    def read(self, name: str) -> bytes:
        """Bytes of one file."""
        return self.fs.cat_file(f"{self.root}/{name}")

    def remove(self, name: str) -> None:
        """Delete one file, if it is there."""
        if self.fs.exists(f"{self.root}/{name}"):
            self.fs.rm_file(f"{self.root}/{name}")

    def names(self, ending: str) -> list[str]:
        """Names of the files right in `dest` that end so, sorted."""
        self.fs.invalidate_cache()
        if not self.fs.exists(self.root):
            return []
        names = [Path(path).name for path in self.fs.ls(self.root, detail=False)]
        return sorted(name for name in names if name.endswith(ending))

    def whole_among(self, names: Iterable[str]) -> set[str]:
        """Which of these pictures, as paths relative to `dest`, are in the store and whole.

        A picture is named by the hash of its bytes. On a disk, where files can be cut or
        overwritten, the bytes are read and hashed; a bucket's are taken to be what was put there.
        """
        folder = f"{self.root}/images"
        self.fs.invalidate_cache()
        if not self.fs.exists(folder):
            return set()
        there = {f"images/{Path(path).name}" for path in self.fs.ls(folder, detail=False)}
        found = there.intersection(names)
        if not self.local:
            return found
        return {name for name in found if is_whole(name, self.read(name))}

    def has_index(self) -> bool:
        """Whether anything was ever fetched here."""
        return self.fs.exists(f"{self.root}/{self.index_name}")

    def remove_index(self) -> None:
        """Delete the index, if it is there."""
        self.remove(self.index_name)

    def index(self) -> pd.DataFrame:
        """The index, or an empty one.

        Raises
        ------
        DamagedIndex
            If it can't be read.
        """
        if not self.has_index():
            return tidy([])
        try:
            table = pd.read_parquet(io.BytesIO(self.read(self.index_name)))
        except (ValueError, OSError) as error:
            raise DamagedIndex(
                f"{self.root}/{self.index_name} is damaged ({error}): fetch the pictures again; "
                "what is here already is kept"
            ) from error
        return table.reindex(columns=list(INDEX))

    def write_index(self, index: pd.DataFrame) -> None:
        """Write the index whole."""
        buffer = io.BytesIO()
        index.to_parquet(buffer, index=False, compression="zstd")
        self.write(self.index_name, buffer.getvalue())


def is_whole(name: str, data: bytes) -> bool:
    """Whether bytes are the picture that a path `images/<sha256>.<format>` names."""
    return Path(name).name.partition(".")[0] == sha256(data)


@contextmanager
def locked(store: ImageStore) -> Iterator[None]:
    """Hold the lock of a store's index: two writers would undo each other's rows.

    The system frees it at any end.

    On a disk only; a bucket has no locks.

    Raises
    ------
    RuntimeError
        Where another run writes.
    """
    if not store.local:
        yield
        return
    index = Path(store.root) / store.index_name
    index.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(index.with_name(f".{index.name}.lock")).acquire(timeout=0)
    except Timeout:
        raise RuntimeError(
            f"another run writes to {store.root}: wait for its end, or stop it"
        ) from None
    with lock:
        yield


def tidy(rows: list[dict]) -> pd.DataFrame:
    """Rows as an index: sorted by image_key, later pictures equal to an earlier one marked
    `duplicate`.
    """
    frame = pd.DataFrame(rows, columns=list(INDEX))
    for column, kind in INDEX.items():
        values = frame[column].astype(object)
        frame[column] = values.where(frame[column].notna(), _empty(kind)).astype(kind)
    frame = frame.sort_values("image_key", ignore_index=True)
    pictured = frame["status"].isin(HAS_PICTURE)
    again = frame.loc[pictured, "sha256"].duplicated()
    frame.loc[pictured, "status"] = np.where(again, "duplicate", "ok")
    return frame


def _empty(kind: str):
    if kind.startswith("int"):
        return 0
    if kind == "str":
        return ""
    return pd.NaT


def digest(*parts) -> str:
    """Eight hex digits that change with any of the parts."""
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:8]


def recipe_of(request: str) -> str:
    """The part of a request's digests that decides what a picture looks like: its addresses, size
    and format.
    """
    return request.split("-")[0]


class Ledger:
    """The rows of one run: what is settled from runs before, what this one adds, saved every few
    seconds.

    Parameters
    ----------
    store : ImageStore
    requests : dict of image_key → "recipe-circumstances"
        Two digests per product. A picture is kept while its recipe is the same, a final failure
        while both are.
    refresh : bool
        Whether pictures that are there are asked for again.

    Attributes
    ----------
    rows : dict of image_key → dict
        All rows of the index, also those not asked for.
    known : dict of image_key → dict
        The rows asked for, except those whose picture is gone or damaged.
    settled : set of image_key
        Those of `known` that need nothing more.
    """

    def __init__(self, store: ImageStore, requests: dict[str, str], refresh: bool = False):
        self.store = store
        self._requests = requests
        self._lock = threading.Lock()
        self.rows = {row["image_key"]: row for row in _index_or_new(store).to_dict("records")}
        self.known = {}
        self.settled = set()
        asked_for = [self.rows[key] for key in requests if key in self.rows]
        self._whole = store.whole_among(row["image_path"] for row in asked_for)
        for key in requests:
            if key in self.rows and self._is_sound(self.rows[key]):
                self.known[key] = self.rows[key]
                if self._holds(key, refresh):
                    self.settled.add(key)
        self._saved = time.monotonic()
        self._cost = 0.0
        self._changed = False

    def has_same_recipe(self, key: str) -> bool:
        """Whether a known row was made from the same addresses, in the same size and format, as
        asked for now.
        """
        return recipe_of(self.known[key]["request"]) == recipe_of(self._requests[key])

    def keep(self, picture: Picture) -> dict:
        """Write a picture unless it is known to be here, whole; returns its columns of the index.

        From any thread.
        """
        row = picture.row
        with self._lock:
            is_new = row["image_path"] not in self._whole
            self._whole.add(row["image_path"])
        if is_new:
            self.store.write(row["image_path"], picture.data)
        return row

    def add(self, key: str, row: dict) -> None:
        """Take a finished row in, and save all of them now and then."""
        finished = {name: _storable(value) for name, value in row.items()}
        finished["image_key"] = key
        finished["request"] = self._requests[key]
        finished["fetched"] = pd.Timestamp.now("UTC")
        self.rows[key] = finished
        self._changed = True
        pause = max(SAVE_SECONDS, _SAVING_SHARE * self._cost)
        if time.monotonic() - self._saved > pause:
            self.save()

    def save(self) -> None:
        """Write the index, if anything is new."""
        if not self._changed:
            return
        begin = time.monotonic()
        self.store.write_index(tidy(list(self.rows.values())))
        self._saved = time.monotonic()
        self._cost = self._saved - begin
        self._changed = False

    def result(self) -> pd.DataFrame:
        """The rows asked for, in the order of image_key."""
        index = tidy(list(self.rows.values()))
        return index[index["image_key"].isin(self._requests)].reset_index(drop=True)

    def _is_sound(self, row: dict) -> bool:
        if row["status"] not in HAS_PICTURE or row["archived"]:
            return True
        return row["image_path"] in self._whole

    def _holds(self, key: str, refresh: bool) -> bool:
        row = self.known[key]
        if row["status"] in HAS_PICTURE:
            return self.has_same_recipe(key) and not refresh
        return row["request"] == self._requests[key] and row["status"] not in RETRIED


def _index_or_new(store: ImageStore) -> pd.DataFrame:
    """The index; where it is damaged, an empty one, and a warning that names the file."""
    try:
        return store.index()
    except DamagedIndex as error:
        warnings.warn(f"{error}. All pictures are asked for anew.", stacklevel=2)
        return tidy([])


def _storable(value):
    """A text without half characters, which no table can hold; anything else as it is."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    return value
