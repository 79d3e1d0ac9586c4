"""Pictures and texts as vectors: encoders (`clip.py`), a cache that no other model can mix with, a catalogue's."""

import hashlib
import json
import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

from helpers.artefacts import whole, write_json
from helpers.embeddings.clip import (
    BATCH,
    ClipEncoder,
    EncoderChanged,
    EncoderUnavailable,
    encode_text,
)

__all__ = [
    "BATCH", "ClipEncoder", "EncoderChanged", "EncoderUnavailable", "VectorCache", "encode_catalog", "encode_text",
    "item_text", "item_vectors", "load_embeddings", "save_embeddings",
]  # fmt: skip


class VectorCache:
    """Vectors by content on disk, one folder a model: `folder/<hash>/`; safe for writers in parallel.

    A shard is written whole and never changed, named by the keys in it, so that two writers of the same thing agree.
    """

    def __init__(self, folder: str | Path, encoder: ClipEncoder):
        self.folder, path = (
            Path(folder) / encoder.hash[:16],
            Path(folder) / encoder.hash[:16] / "encoder.json",
        )
        if not path.exists():
            write_json({"encoder": encoder.name, "hash": encoder.hash}, path)
        elif json.loads(path.read_text(encoding="utf-8"))["hash"] != encoder.hash:
            raise EncoderChanged(
                f"{self.folder} holds other vectors than {encoder.name}'s; delete that folder"
            )

    def read(self) -> dict[bytes, np.ndarray]:
        """All vectors by key; a damaged shard counts as absent, and is made again."""
        found = {}
        for shard in sorted(self.folder.glob("*.safetensors")):
            try:
                arrays = load_file(shard)
                found |= zip(
                    (key.tobytes() for key in arrays["keys"]), arrays["vectors"], strict=True
                )
            except (
                Exception
            ):  # safetensors' own error type covers only part of what a cut file raises
                continue
        return found

    def write(self, keys: list[bytes], vectors: np.ndarray) -> None:
        """Add a shard."""
        with whole(
            self.folder / f"{hashlib.sha256(b''.join(keys)).hexdigest()[:16]}.safetensors"
        ) as aside:
            save_file(
                {
                    "keys": np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 32),
                    "vectors": vectors,
                },
                aside,
            )

    def fetch(self, keys: list[bytes], make) -> np.ndarray:
        """Vectors (n, d) by key; `make(positions)` encodes those that aren't here yet, each key once."""
        known = self.read()
        new = {key: row for row, key in enumerate(keys) if key not in known}
        made = make(list(new.values()))
        known |= zip(new, made, strict=True)
        kept = made.any(axis=1)  # a picture that can't be decoded is tried again next time
        if kept.any():
            self.write([key for key, keep in zip(new, kept, strict=True) if keep], made[kept])
        return np.stack([known[key] for key in keys]) if keys else made


def item_text(row) -> str:
    """What the text tower reads of a product: its title, then colour and category where the title lacks their words.

    >>> item_text({"title": "Relaxed Linen Shirts", "colour": "navy", "category": "shirt"})
    'Relaxed Linen Shirts, navy'
    """
    parts = [row.get(column) for column in ("title", "colour", "category")]
    parts = [part if isinstance(part, str) and part != "unknown" else "" for part in parts]
    title, *extra = (
        {re.sub(r"(?<=ss)es$|(?<!s)s$", "", w) for w in re.findall(r"[a-z]+", p.lower())}
        for p in parts
    )
    added = " ".join(
        part for part, words in zip(parts[1:], extra, strict=True) if not words <= title
    )
    return ", ".join(part for part in (parts[0], added) if part)


def encode_catalog(
    catalog: pd.DataFrame, images_root: str | Path, encoder: ClipEncoder, cache=None
):
    """Image and text vectors of each product, (n, d) and (n, d) float32, rows as in `catalog`.

    `image_path` is relative to `images_root`; without a picture, or with a broken one, a product's image row is zeros.
    `cache` is a folder; what was encoded before, by this very model from the same bytes or text, is read from there.
    """
    root, rows, keys = Path(images_root).resolve(), [], []
    named = [
        (row, root / path)
        for row, path in enumerate(catalog["image_path"])
        if isinstance(path, str) and path
    ]
    for row, path in named:
        if not path.resolve().is_relative_to(root):
            raise ValueError(f"image_path {path} leads out of {root}")
        if path.is_file():
            rows.append(row)
            keys.append(hashlib.sha256(b"image" + path.read_bytes()).digest())
    if len(rows) < len(named):
        absent = (
            f"{len(named) - len(rows)} of {len(named)} pictures of the catalogue aren't in {root}"
        )
        warnings.warn(absent, stacklevel=2)
    fetch = (
        VectorCache(cache, encoder).fetch if cache else lambda keys, make: make(range(len(keys)))
    )
    paths, texts = dict(named), [item_text(row) for row in catalog.to_dict("records")]
    image = np.zeros((len(catalog), encoder.dim), np.float32)
    image[rows] = fetch(keys, lambda new: encoder.encode_images([paths[rows[k]] for k in new]))
    keys = [hashlib.sha256(b"text" + text.encode()).digest() for text in texts]
    return image, fetch(keys, lambda new: encoder.encode_texts([texts[k] for k in new]))


def item_vectors(image: np.ndarray, text: np.ndarray) -> np.ndarray:
    """concat(image, text), (n, 2d) float32, each half of length 1; a missing half stays zero."""
    halves = [
        half / np.maximum(np.linalg.norm(half, axis=1, keepdims=True), 1e-12)
        for half in (image, text)
    ]
    return np.concatenate(halves, axis=1).astype(np.float32)


def save_embeddings(
    folder: str | Path, image: np.ndarray, text: np.ndarray, encoder: ClipEncoder
) -> None:
    """Write `embeddings.safetensors` and, beside it, `embeddings.json` with the encoder's name and hash."""
    with whole(Path(folder) / "embeddings.safetensors") as aside:
        save_file({"image": np.ascontiguousarray(image), "text": np.ascontiguousarray(text)}, aside)
    told = {"encoder": encoder.name, "hash": encoder.hash, "shape": list(image.shape)}
    write_json(told, Path(folder) / "embeddings.json")


def load_embeddings(
    folder: str | Path, encoder: ClipEncoder | None = None
) -> tuple[np.ndarray, np.ndarray, dict]:
    """Image and text vectors (n, d) and what `embeddings.json` tells.

    Raises EncoderChanged if `encoder` is given and isn't the one that made them: two models' vectors don't compare.
    """
    told = json.loads((Path(folder) / "embeddings.json").read_text(encoding="utf-8"))
    if encoder is not None and told["hash"] != encoder.hash:
        raise EncoderChanged(
            f"{folder} holds vectors of {told['encoder']} {told['hash'][:8]}, not {encoder.name} {encoder.hash[:8]}: "
            "rerun from chapter 02, whose vectors all later chapters train on"
        )
    arrays = load_file(Path(folder) / "embeddings.safetensors")
    return arrays["image"], arrays["text"], told
