"""A catalogue's pictures as vectors."""

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from helpers.embeddings.cache import VectorCache
from helpers.images.store import ImageStore

Root = Path | ImageStore  # a folder, or a store in a bucket


@dataclass(frozen=True)
class InBucket:
    """A picture in a bucket: read when it is asked for, and not held."""

    store: ImageStore
    name: str

    def read_bytes(self) -> bytes:
        """The file's bytes."""
        return self.store.read(self.name)


def opened(images_root: str | Path) -> Root:
    """The folder of a catalogue's pictures, or the bucket that an address such as s3://… names."""
    store = ImageStore(images_root)
    return Path(store.root).resolve() if store.local else store


def image_vectors(
    catalog: pd.DataFrame, images_root: str | Path, encoder: Any, cache: str | Path | None = None
) -> np.ndarray:
    """Vectors (n, d) float32 of a catalogue's pictures, zeros where there is none.

    Parameters
    ----------
    catalog : DataFrame, n rows
        `image_path` is relative to `images_root`.
    encoder : ClipEncoder or Looks
        Has `name`, `hash`, `dim` and `encode_images`.
    cache : path, optional
        A folder. What this very encoder encoded before, from the same bytes, is read there.

    Raises
    ------
    ValueError
        If an image path leads out of `images_root`.
    """
    store = VectorCache(cache, encoder) if cache else None
    return encode_pictures(catalog, opened(images_root), encoder, store)


def encode_pictures(catalog, root: Root, encoder, store: VectorCache | None):
    paths = _picture_files(catalog["image_path"], root)
    rows = list(paths)
    keys = [hashlib.sha256(b"image" + path.read_bytes()).digest() for path in paths.values()]

    def encode(positions):
        return encoder.encode_images([_source(paths[rows[position]]) for position in positions])

    image = np.zeros((len(catalog), encoder.dim), np.float32)
    image[rows] = fetch(store, keys, encode)
    return image


def fetch(store: VectorCache | None, keys: list[bytes], encode) -> np.ndarray:
    if store is None:
        return encode(range(len(keys)))
    return store.fetch(keys, encode)


def _source(picture: Path | InBucket) -> Path | bytes:
    """What the encoder takes."""
    return picture.read_bytes() if isinstance(picture, InBucket) else picture


def _picture_files(names: pd.Series, root: Root) -> dict[int, Path] | dict[int, InBucket]:
    """The picture's file by row of the catalogue; a warning counts those that are missing."""
    named = {row: name for row, name in enumerate(names) if isinstance(name, str) and name}
    there = _in_bucket(named, root) if isinstance(root, ImageStore) else _in_folder(named, root)
    n_absent = len(named) - len(there)
    if n_absent:
        place = root.root if isinstance(root, ImageStore) else root
        message = f"{n_absent} of {len(named)} pictures of the catalogue aren't in {place}"
        warnings.warn(message, stacklevel=4)
    return there


def _in_folder(named: dict[int, str], root: Path) -> dict[int, Path]:
    found = {}
    for row, name in named.items():
        path = root / name
        if not path.resolve().is_relative_to(root):
            raise ValueError(f"image_path {path} leads out of {root}")
        if path.is_file():
            found[row] = path
    return found


def _in_bucket(named: dict[int, str], store: ImageStore) -> dict[int, InBucket]:
    for name in named.values():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"image_path {name} leads out of {store.root}")
    there = store.whole_among(named.values())
    return {row: InBucket(store, name) for row, name in named.items() if name in there}
