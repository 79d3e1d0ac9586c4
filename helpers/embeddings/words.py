"""An encoder that sees no pictures: the main directions of a shop's own words.

The course's picture encoder was trained on clothes. For gifts or groceries the words of the titles
tell products apart better: TF-IDF of words and pairs of words, reduced by a truncated SVD (latent
semantic indexing, Deerwester et al. 1990).
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

from helpers.artefacts import whole, write_json

DIMS = 256
NAME = "words"
FILE = "words"  # words.json and words.safetensors in the profile's folder
TOKEN = r"(?u)\S+"
PAIRS = (1, 2)  # single words, and pairs of neighbors


def _tfidf(terms: list[str] | None = None):
    """Counts words and pairs of words: these, or those that it will learn.

    scikit-learn is imported here and not at the top: every command of the course reads this
    module, and few of them count words.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(ngram_range=PAIRS, token_pattern=TOKEN, vocabulary=terms)


class WordEncoder:
    """Texts as vectors of one catalogue's words; pictures as zeros.

    It has what recommenders and the service ask of `ClipEncoder`: `name`, `hash`, `dim`,
    `encode_texts`, `encode_images`.

    Parameters
    ----------
    terms : list of str
        Words and pairs of words, in the order of the columns.
    idf : (n_terms,) float64
        Inverse document frequencies.
    directions : (dim, n_terms) float32
        Rows of the SVD.
    """

    name = NAME

    def __init__(self, terms: list[str], idf: np.ndarray, directions: np.ndarray):
        self.terms = terms
        self.idf = np.ascontiguousarray(idf, np.float64)
        self.directions = np.ascontiguousarray(directions, np.float32)
        self.dim = len(self.directions)
        self._tfidf = _tfidf(terms)
        self._tfidf.idf_ = self.idf
        digest = hashlib.sha256("\n".join(terms).encode())
        digest.update(self.directions.tobytes())
        self.hash = digest.hexdigest()

    @classmethod
    def fit(cls, texts: Sequence[str], dims: int = DIMS) -> "WordEncoder":
        """Learn the words of a catalogue and their main directions.

        Raises
        ------
        ValueError
            If the texts hold fewer than two different words.
        """
        from sklearn.decomposition import TruncatedSVD

        tfidf = _tfidf()
        weights = tfidf.fit_transform(texts)
        dims = min(dims, weights.shape[0] - 1, weights.shape[1] - 1)
        if dims < 1:
            raise ValueError("the titles hold too few different words to tell products apart")
        svd = TruncatedSVD(dims, random_state=0).fit(weights)
        terms = [str(term) for term in tfidf.get_feature_names_out()]
        return cls(terms, tfidf.idf_, svd.components_)

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors (n, dim) float32; zeros for a text without any known word."""
        if not len(texts):
            return np.zeros((0, self.dim), np.float32)
        vectors = self._tfidf.transform(texts) @ self.directions.T
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        return (vectors / np.maximum(length, 1e-9)).astype(np.float32)

    def encode_images(self, pictures: Sequence) -> np.ndarray:
        """Zeros (n, dim): words see no pictures."""
        return np.zeros((len(pictures), self.dim), np.float32)

    def save(self, folder: str | Path) -> None:
        """Write words.json and words.safetensors."""
        folder = Path(folder)
        write_json({"hash": self.hash, "terms": self.terms}, folder / f"{FILE}.json")
        with whole(folder / f"{FILE}.safetensors") as aside:
            save_file({"idf": self.idf, "directions": self.directions}, aside)

    @classmethod
    def load(cls, folder: str | Path) -> "WordEncoder":
        """What `save` wrote."""
        told = json.loads((Path(folder) / f"{FILE}.json").read_text(encoding="utf-8"))
        arrays = load_file(Path(folder) / f"{FILE}.safetensors")
        return cls(told["terms"], arrays["idf"], arrays["directions"])


def encode_words(catalog: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, WordEncoder]:
    """Vectors of a catalogue by its words: (image, text, encoder), the images all zeros.

    Title, category, brand and description are read, in lower case.
    """
    texts = [text_of(row) for row in catalog.to_dict("records")]
    encoder = WordEncoder.fit(texts)
    text = encoder.encode_texts(texts)
    return np.zeros_like(text), text, encoder


def text_of(row: dict) -> str:
    """All words of a product, each part once, in lower case."""
    parts: list[str] = []
    for name in ("title", "category", "brand", "description"):
        part = row.get(name)
        if isinstance(part, str) and part.lower() not in ("", "other", *parts):
            parts.append(part.lower())
    return " ".join(parts)
