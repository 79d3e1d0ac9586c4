"""A catalogue's vectors: made once, saved with the model that made them."""

import hashlib
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

from helpers.artefacts import whole, write_json
from helpers.embeddings.cache import VectorCache
from helpers.embeddings.clip import ClipEncoder, EncoderChanged
from helpers.embeddings.looks import NAME as LOOKS
from helpers.embeddings.looks import LookEncoder
from helpers.embeddings.pictures import encode_pictures, fetch, opened
from helpers.embeddings.words import NAME as WORDS
from helpers.embeddings.words import WordEncoder
from helpers.engine import Engine, LocalEngine, chosen, cut

Encoder = ClipEncoder | WordEncoder | LookEncoder
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
    images_root : path or URL
        A folder, or a bucket that `fetch_images` wrote to, such as `s3://bucket/shop`.
    cache : path or URL, optional
        A folder or a bucket. What this very model encoded before, from the same bytes or text, is
        read there.

    Raises
    ------
    ValueError
        If an image path leads out of `images_root`.
    """
    store = VectorCache(cache, encoder) if cache else None
    engine = chosen()
    if cache and not isinstance(engine, LocalEngine):
        _encode_parts(catalog, EncodePart.of(images_root, cache, encoder), engine)
    image = encode_pictures(catalog, opened(images_root), encoder, store)
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
        """What a worker needs to know; all machines share both places, folders or buckets."""
        return cls(_everywhere(images_root), _everywhere(cache), encoder.recipe, encoder.hash)

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
        encode_pictures(part, opened(self.images_root), encoder, store)
        _encode_texts(part, encoder, store)
        return pd.DataFrame({"rows": [len(part)]})


def _everywhere(place: str | Path) -> str:
    """A folder's path or a bucket's address, whatever a worker's own folder is."""
    if "://" in str(place):
        return str(place)
    return str(Path(place).resolve())


def _encode_parts(catalog: pd.DataFrame, encode: EncodePart, engine: Engine) -> None:
    """Fill the cache from a cluster. What is in it stays, so a lost partition costs only itself."""
    read = catalog[["image_path", *TEXT_COLUMNS]]
    n_parts = min(engine.n_workers * PARTS_PER_WORKER, -(-len(read) // LEAST_ROWS))
    engine.map(encode, cut(read, n_parts), gpus=1.0)


def _encode_texts(catalog, encoder: ClipEncoder, store: VectorCache | None) -> np.ndarray:
    texts = [item_text(row) for row in catalog.to_dict("records")]
    keys = [hashlib.sha256(b"text" + text.encode()).digest() for text in texts]

    def encode(positions):
        return encoder.encode_texts([texts[position] for position in positions])

    return fetch(store, keys, encode)


def item_vectors(image: np.ndarray, text: np.ndarray) -> np.ndarray:
    """concat(image, text), (n, 2d) float32, each half of length 1; a missing half stays zero."""
    halves = []
    for half in (image, text):
        length = np.linalg.norm(half, axis=1, keepdims=True)
        halves.append(half / np.maximum(length, 1e-12))
    return np.concatenate(halves, axis=1).astype(np.float32)


def save_embeddings(
    folder: str | Path, image: np.ndarray, text: np.ndarray, encoder: Encoder
) -> None:
    """Write embeddings.safetensors, and embeddings.json with the encoder's name and hash.

    An encoder of words belongs to the profile and is written, too.
    """
    if isinstance(encoder, WordEncoder | LookEncoder):
        encoder.save(folder)
    arrays = {"image": np.ascontiguousarray(image), "text": np.ascontiguousarray(text)}
    with whole(Path(folder) / "embeddings.safetensors") as aside:
        save_file(arrays, aside)
    told = {"encoder": encoder.name, "hash": encoder.hash, "shape": list(image.shape)}
    write_json(told, Path(folder) / "embeddings.json")


def load_encoder(
    folder: str | Path, name: str = "fashion-lite", weights: str | None = None
) -> Encoder:
    """The encoder of a profile's vectors: looks and words, words alone, else the named one."""
    path = Path(folder) / "embeddings.json"
    told = ""
    if path.exists():
        told = json.loads(path.read_text(encoding="utf-8"))["encoder"]
    if told == WORDS:
        return WordEncoder.load(folder)
    if told == LOOKS:
        return LookEncoder.load(folder)
    return ClipEncoder(name, weights)


def load_embeddings(
    folder: str | Path, encoder: Encoder | None = None
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
