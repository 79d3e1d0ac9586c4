"""The folder or bucket of standardised pictures and its index, written in small whole steps: a kill costs seconds."""

import hashlib
import io
import json
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
from filelock import FileLock, Timeout

from helpers.artefacts import whole
from helpers.images.decode import Picture
from helpers.images.statuses import HAS_PICTURE, RETRIED

SAVE_SECONDS = 2.0
INDEX = {
    "image_key": "str", "status": "str", "detail": "str", "image_path": "str", "sha256": "str", "width": "int32",
    "height": "int32", "bytes": "int64", "phash": "str", "host": "str", "source_url": "str", "etag": "str",
    "fetched": "datetime64[us, UTC]", "archived": "str", "request": "str",
}  # fmt: skip
"""Columns of `images.parquet`. `width`, `height` and `bytes` are the source's, `sha256` is that of the stored file;
`request` is a digest of what was asked for, so that a changed URL or size is fetched again."""


class Store:
    """Pictures under `dest`/images and their index `dest`/images.parquet, through fsspec.

    Parameters
    ----------
    dest : path or URL
        A folder, or `s3://bucket/prefix`, `gs://…`, `memory://…`.
    storage_options : dict, optional
        For the file system, as in pandas.
    index : str
        The index's name.
    """

    def __init__(self, dest, storage_options: dict | None = None, index: str = "images.parquet"):
        self.index_name = index
        self.fs, self.root = fsspec.core.url_to_fs(str(dest), **(storage_options or {}))
        self.root = self.root.rstrip("/")
        self.local = "file" in np.atleast_1d(self.fs.protocol)

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

    def names(self) -> set[str]:
        """Paths, relative to `dest`, of the pictures in the store."""
        folder = f"{self.root}/images"
        self.fs.invalidate_cache()
        found = self.fs.ls(folder, detail=False) if self.fs.exists(folder) else []
        return {f"images/{path.rsplit('/', 1)[-1]}" for path in found}

    def index(self) -> pd.DataFrame:
        """The index, or an empty one."""
        path = f"{self.root}/{self.index_name}"
        if not self.fs.exists(path):
            return tidy([])
        return pd.read_parquet(io.BytesIO(self.fs.cat_file(path))).reindex(columns=list(INDEX))

    def write_index(self, index: pd.DataFrame) -> None:
        """Write the index whole."""
        buffer = io.BytesIO()
        index.to_parquet(buffer, index=False, compression="zstd")
        self.write(self.index_name, buffer.getvalue())


@contextmanager
def locked(store: Store):
    """Hold the lock of a store's index: two writers would undo each other's rows. The system frees it at any end.

    On a disk only; a bucket has no locks. Raises RuntimeError where another run writes.
    """
    if not store.local:
        yield
        return
    Path(store.root).mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(f"{store.root}/.{store.index_name}.lock").acquire(timeout=0)
    except Timeout:
        raise RuntimeError(
            f"another run writes to {store.root}: wait for its end, or stop it"
        ) from None
    with lock:
        yield


def tidy(rows: list[dict]) -> pd.DataFrame:
    """Rows as an index: sorted by image_key, later pictures equal to an earlier one marked `duplicate`."""
    frame = pd.DataFrame(rows, columns=list(INDEX))
    for column, kind in INDEX.items():
        empty = 0 if kind.startswith("int") else "" if kind == "str" else pd.NaT
        frame[column] = (
            frame[column].astype(object).where(frame[column].notna(), empty).astype(kind)
        )
    frame = frame.sort_values("image_key", ignore_index=True)
    pictured = frame["status"].isin(HAS_PICTURE)
    again = frame.loc[pictured, "sha256"].duplicated()
    frame.loc[pictured, "status"] = np.where(again, "duplicate", "ok")
    return frame


def digest(*parts) -> str:
    """Eight hex digits that change with any of the parts."""
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:8]


class Ledger:
    """The rows of one run: what is settled from runs before, what this one adds, saved every few seconds.

    Parameters
    ----------
    store : Store
    requests : dict of image_key → "recipe-circumstances"
        Two digests a product. A picture is kept while its recipe is the same, a final failure while both are.
    """

    def __init__(self, store: Store, requests: dict[str, str], refresh: bool = False):
        self.store, self._requests, self._lock = store, requests, threading.Lock()
        self._present = store.names()
        self.rows = {row["image_key"]: row for row in store.index().to_dict("records")}
        self.known = {key: self.rows[key] for key in requests if key in self.rows}
        self.known = {
            key: row
            for key, row in self.known.items()
            if row["status"] not in HAS_PICTURE
            or row["image_path"] in self._present
            or row["archived"]
        }
        self.settled = {
            key for key, row in self.known.items() if self._holds(row, requests[key], refresh)
        }
        self._saved, self._cost, self._changed = time.monotonic(), 0.0, False

    @staticmethod
    def _holds(row: dict, request: str, refresh: bool) -> bool:
        if row["status"] in HAS_PICTURE:
            return row["request"].split("-")[0] == request.split("-")[0] and not refresh
        return row["request"] == request and row["status"] not in RETRIED

    def keep(self, picture: Picture) -> dict:
        """Write a picture unless the store has it; returns its columns of the index. From any thread."""
        row = picture.row
        with self._lock:
            new = row["image_path"] not in self._present
            self._present.add(row["image_path"])
        if new:
            self.store.write(row["image_path"], picture.data)
        return row

    def add(self, key: str, row: dict) -> None:
        """Take a finished row in; at most a twentieth of the time goes into saving."""
        now = pd.Timestamp.now("UTC")
        self.rows[key] = {**row, "image_key": key, "request": self._requests[key], "fetched": now}
        self._changed = True
        if time.monotonic() - self._saved > max(SAVE_SECONDS, 20 * self._cost):
            self.save()

    def save(self) -> None:
        """Write the index, if anything is new."""
        if self._changed:
            begin = time.monotonic()
            self.store.write_index(tidy(list(self.rows.values())))
            self._saved = time.monotonic()
            self._cost, self._changed = self._saved - begin, False

    def result(self) -> pd.DataFrame:
        """The rows asked for, in the order of image_key."""
        index = tidy(list(self.rows.values()))
        return index[index["image_key"].isin(self._requests)].reset_index(drop=True)
