"""A catalogue's vectors: made once, saved with the model that made them."""

import hashlib
import json
import re
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

from helpers.artefacts import whole, write_json
from helpers.embeddings.cache import VectorCache
from helpers.embeddings.clip import ClipEncoder, EncoderChanged
from helpers.embeddings.words import NAME as WORDS
from helpers.embeddings.words import WordEncoder
from helpers.engine import Engine, LocalEngine, chosen, cut

PLURAL = re.compile(r"(?<=ss)es$|(?<!s)s$")
TEXT_COLUMNS = ("title", "colour", "category")
PARTS_PER_WORKER = 4  # on a cluster, so that no worker waits long for the last one
LEAST_ROWS = 64  # of a partition: the encoder is loaded once for each


def item_text(row) -> str:
    """What the text tower reads of a product.

    It is the title, then color and category where the title lacks their words.

    >>> item_text({"title": "Relaxed Linen Shirts", "colour": "navy", "category": "shirt"})
    'Relaxed Linen Shirts, navy'
    """
    title, *others = (_known_text(row.get(column)) for column in TEXT_COLUMNS)
    in_title = _singular_words(title)
    missing = [text for text in others if not _singular_words(text) <= in_title]
    parts = [title, " ".join(missing)]
    return ", ".join(part for part in parts if part)


def _known_text(value) -> str:
    if not isinstance(value, str) or value == "unknown":
        return ""
    return value


def _singular_words(text: str) -> set[str]:
    return {PLURAL.sub("", word) for word in re.findall(r"[a-z]+", text.lower())}


def encode_catalog(
    catalog: pd.DataFrame,
    images_root: str | Path,
    encoder: ClipEncoder,
    cache: str | Path | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Image and text vectors of each product, (n, d) and (n, d) float32.

    Parameters
    ----------
    catalog : DataFrame, n rows
        `image_path` is relative to `images_root`. Without a picture, or with a broken one, a
        product's image row is zeros.
    cache : path, optional
        A folder. What this very model encoded before, from the same bytes or text, is read there.

    Raises
    ------
    ValueError
        If an image path leads out of `images_root`.
    """
    store = VectorCache(cache, encoder) if cache else None
    engine = chosen()
    if cache and not isinstance(engine, LocalEngine):
        _encode_parts(catalog, EncodePart.of(images_root, cache, encoder), engine)
    image = _encode_pictures(catalog, Path(images_root).resolve(), encoder, store)
    text = _encode_texts(catalog, encoder, store)
    return image, text


@lru_cache(maxsize=1)
def _encoder_of(recipe: tuple[str, str | None, str]) -> ClipEncoder:
    """The encoder, loaded once per worker."""
    model, pretrained, precision = recipe
    return ClipEncoder(model, pretrained, precision=precision)


@dataclass(frozen=True)
class EncodePart:
    """Encodes one partition of a catalogue into the cache; travels to a worker."""

    images_root: str
    cache: str
    recipe: tuple[str, str | None, str]
    hash: str

    @classmethod
    def of(cls, images_root: str | Path, cache: str | Path, encoder: ClipEncoder) -> "EncodePart":
        """What a worker needs to know; paths are of a folder that all machines share."""
        root = str(Path(images_root).resolve())
        return cls(root, str(Path(cache).resolve()), encoder.recipe, encoder.hash)

    def __call__(self, part: pd.DataFrame) -> pd.DataFrame:
        """Take a catalogue's rows; return how many there were.

        Raises
        ------
        EncoderChanged
            If this machine has other weights under the encoder's name.
        """
        encoder = _encoder_of(self.recipe)
        if encoder.hash != self.hash:
            raise EncoderChanged(f"a worker's {encoder.name} has other weights than the driver's")
        store = VectorCache(self.cache, encoder)
        _encode_pictures(part, Path(self.images_root), encoder, store)
        _encode_texts(part, encoder, store)
        return pd.DataFrame({"rows": [len(part)]})


def _encode_parts(catalog: pd.DataFrame, encode: EncodePart, engine: Engine) -> None:
    """Fill the cache from a cluster. What is in it stays, so a lost partition costs only itself."""
    read = catalog[["image_path", *TEXT_COLUMNS]]
    n_parts = min(engine.n_workers * PARTS_PER_WORKER, -(-len(read) // LEAST_ROWS))
    engine.map(encode, cut(read, n_parts), gpus=1.0)


def _encode_pictures(catalog, root: Path, encoder: ClipEncoder, store: VectorCache | None):
    paths = _picture_files(catalog["image_path"], root)
    rows = list(paths)
    keys = [hashlib.sha256(b"image" + path.read_bytes()).digest() for path in paths.values()]

    def encode(positions):
        return encoder.encode_images([paths[rows[position]] for position in positions])

    image = np.zeros((len(catalog), encoder.dim), np.float32)
    image[rows] = _fetch(store, keys, encode)
    return image


def _encode_texts(catalog, encoder: ClipEncoder, store: VectorCache | None) -> np.ndarray:
    texts = [item_text(row) for row in catalog.to_dict("records")]
    keys = [hashlib.sha256(b"text" + text.encode()).digest() for text in texts]

    def encode(positions):
        return encoder.encode_texts([texts[position] for position in positions])

    return _fetch(store, keys, encode)


def _fetch(store: VectorCache | None, keys: list[bytes], encode) -> np.ndarray:
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


def item_vectors(image: np.ndarray, text: np.ndarray) -> np.ndarray:
    """concat(image, text), (n, 2d) float32, each half of length 1; a missing half stays zero."""
    halves = []
    for half in (image, text):
        length = np.linalg.norm(half, axis=1, keepdims=True)
        halves.append(half / np.maximum(length, 1e-12))
    return np.concatenate(halves, axis=1).astype(np.float32)


def save_embeddings(
    folder: str | Path, image: np.ndarray, text: np.ndarray, encoder: ClipEncoder | WordEncoder
) -> None:
    """Write embeddings.safetensors, and embeddings.json with the encoder's name and hash.

    An encoder of words belongs to the profile and is written, too.
    """
    if isinstance(encoder, WordEncoder):
        encoder.save(folder)
    arrays = {"image": np.ascontiguousarray(image), "text": np.ascontiguousarray(text)}
    with whole(Path(folder) / "embeddings.safetensors") as aside:
        save_file(arrays, aside)
    told = {"encoder": encoder.name, "hash": encoder.hash, "shape": list(image.shape)}
    write_json(told, Path(folder) / "embeddings.json")


def load_encoder(
    folder: str | Path, name: str = "fashion-lite", weights: str | None = None
) -> ClipEncoder | WordEncoder:
    """The encoder of a profile's vectors: the shop's own words, else the named one of pictures."""
    path = Path(folder) / "embeddings.json"
    if path.exists() and json.loads(path.read_text(encoding="utf-8"))["encoder"] == WORDS:
        return WordEncoder.load(folder)
    return ClipEncoder(name, weights)


def load_embeddings(
    folder: str | Path, encoder: ClipEncoder | WordEncoder | None = None
) -> tuple[np.ndarray, np.ndarray, dict]:
    """Image and text vectors (n, d), and what embeddings.json tells.

    Raises
    ------
    EncoderChanged
        If `encoder` is given and is not the one that made them. Two models' vectors cannot be
        compared.
    """
    folder = Path(folder)
    told = json.loads((folder / "embeddings.json").read_text(encoding="utf-8"))
    if encoder is not None and told["hash"] != encoder.hash:
        raise EncoderChanged(
            f"{folder} holds vectors of {told['encoder']} {told['hash'][:8]}, "
            f"not {encoder.name} {encoder.hash[:8]}: "
            "rerun from chapter 02, whose vectors all later chapters train on"
        )
    arrays = load_file(folder / "embeddings.safetensors")
    return arrays["image"], arrays["text"], told
