"""Photo vectors for recommending: what the picture tower sees before its projection.

The encoder's projection keeps what words can say of a picture, for it was trained to find pictures
by words. Two garments that no word tells apart lie on one spot. The features before it, averaged
over the picture, keep more. They are turned to their principal axes and scaled to unit variance
(PCA whitening), with axes that were fitted once, on the photos that the encoder was trained on.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

from helpers.artefacts import ROOT, whole
from helpers.embeddings.clip import ClipEncoder
from helpers.embeddings.opening import DEFAULT
from helpers.embeddings.pictures import image_vectors
from helpers.embeddings.words import WordEncoder, text_of

NAME = "looks"
AXES_FILE = ROOT / "data" / "models" / DEFAULT / "looks.safetensors"


class Looks:
    """Pictures as what the course's picture tower sees before its projection.

    Attributes
    ----------
    name : str
    hash : str
        Changes with the tower and with the axes.
    dim : int
    """

    name = NAME

    def __init__(self) -> None:
        axes = load_file(AXES_FILE)
        self.mean = axes["mean"]
        self.axes = axes["axes"]
        self.tower = ClipEncoder()
        self.dim = len(self.axes)
        digest = hashlib.sha256(self.tower.hash.encode())
        digest.update(self.mean.tobytes() + self.axes.tobytes())
        self.hash = digest.hexdigest()

    def encode_images(self, sources: Sequence) -> np.ndarray:
        """Unit vectors (n, dim) float32; zeros where there is no picture."""
        pooled = self.tower.encode_pooled(sources)
        is_there = pooled.any(axis=1)
        vectors = (pooled - self.mean) @ self.axes.T
        vectors[~is_there] = 0
        return _of_unit_length(vectors)


class LookEncoder:
    """Pictures as `Looks`, texts as one catalogue's words.

    The two halves share no space: a text finds no picture, but likes find what looks and reads like
    them. It has what recommenders and the service ask of `ClipEncoder`: `name`, `hash`, `dim`,
    `encode_texts`, `encode_images`.

    Parameters
    ----------
    looks : Looks
    words : WordEncoder
    """

    name = NAME

    def __init__(self, looks: Looks, words: WordEncoder):
        self.looks = looks
        self.words = words
        self.dim = looks.dim
        self.hash = hashlib.sha256((looks.hash + words.hash).encode()).hexdigest()

    def encode_images(self, sources: Sequence) -> np.ndarray:
        """Unit vectors (n, dim) float32; zeros where there is no picture."""
        return self.looks.encode_images(sources)

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors (n, dim) float32 of the catalogue's words, filled up with zeros."""
        vectors = self.words.encode_texts(texts)
        n_lacking = self.dim - vectors.shape[1]
        return np.pad(vectors, ((0, 0), (0, n_lacking)))

    def save(self, folder: str | Path) -> None:
        """Write the words. The looks are the course's own, the same for every catalogue."""
        self.words.save(folder)

    @classmethod
    def load(cls, folder: str | Path) -> "LookEncoder":
        """What `save` wrote."""
        return cls(Looks(), WordEncoder.load(folder))


def encode_looks(
    catalog: pd.DataFrame, images_root: str | Path, cache: str | Path | None = None
) -> tuple[np.ndarray, np.ndarray, LookEncoder]:
    """Vectors of a catalogue by its photos and words: (image, text, encoder).

    Parameters
    ----------
    catalog : DataFrame, n rows
        `image_path` is relative to `images_root`.
    cache : path, optional
        A folder. What was encoded before, from the same bytes, is read there.

    Returns
    -------
    image, text : (n, dim) float32
        Rows of zeros where there is no picture.
    encoder : LookEncoder
    """
    texts = [text_of(row) for row in catalog.to_dict("records")]
    looks = Looks()
    encoder = LookEncoder(looks, WordEncoder.fit(texts, looks.dim))
    image = image_vectors(catalog, images_root, looks, cache)
    return image, encoder.encode_texts(texts), encoder


def fit_axes(pooled: np.ndarray, n_axes: int, path: str | Path = AXES_FILE) -> None:
    """Fit the axes on pooled features (n, f) and write them: mean (f,) and axes (n_axes, f).

    Rows of the axes are divided by the standard deviation along them.
    """
    mean = pooled.mean(axis=0)
    _, sizes, directions = np.linalg.svd(pooled - mean, full_matrices=False)
    deviation = sizes[:n_axes] / np.sqrt(len(pooled))
    axes = directions[:n_axes] / deviation[:, None]
    arrays = {"mean": mean.astype(np.float32), "axes": axes.astype(np.float32)}
    with whole(path) as aside:
        save_file(arrays, aside)


def _of_unit_length(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(length, 1e-9)).astype(np.float32)
