"""A catalogue's pictures as vectors."""

import hashlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from helpers.embeddings.cache import VectorCache


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
    return encode_pictures(catalog, Path(images_root).resolve(), encoder, store)


def encode_pictures(catalog, root: Path, encoder, store: VectorCache | None):
    paths = _picture_files(catalog["image_path"], root)
    rows = list(paths)
    keys = [hashlib.sha256(b"image" + path.read_bytes()).digest() for path in paths.values()]

    def encode(positions):
        return encoder.encode_images([paths[rows[position]] for position in positions])

    image = np.zeros((len(catalog), encoder.dim), np.float32)
    image[rows] = fetch(store, keys, encode)
    return image


def fetch(store: VectorCache | None, keys: list[bytes], encode) -> np.ndarray:
    if store is None:
        return encode(range(len(keys)))
    return store.fetch(keys, encode)


def _picture_files(names: pd.Series, root: Path) -> dict[int, Path]:
    """The picture's file by row of the catalogue; a warning counts those that are missing."""
    named = {}
    for row, name in enumerate(names):
        if not isinstance(name, str) or not name:
            continue
        path = root / name
        if not path.resolve().is_relative_to(root):
            raise ValueError(f"image_path {path} leads out of {root}")
        named[row] = path
    there = {row: path for row, path in named.items() if path.is_file()}
    n_absent = len(named) - len(there)
    if n_absent:
        message = f"{n_absent} of {len(named)} pictures of the catalogue aren't in {root}"
        warnings.warn(message, stacklevel=4)
    return there
