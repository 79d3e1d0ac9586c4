"""Vectors by content, on disk or in a bucket, which no other model can mix with."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors.numpy import load, save

from helpers.embeddings.clip import ClipEncoder, EncoderChanged
from helpers.images.store import ImageStore

HEAD = "encoder.json"
ENDING = ".safetensors"
KEY_BYTES = 32  # of a SHA-256
SHARD = 1_024  # vectors that are written at once, so that a stopped run loses few of them


class VectorCache:
    """One folder per model: `folder/<hash>/`, on a disk or in a bucket. Processes may write in
    parallel.

    A shard is written whole and never changed. It is named by the keys in it, so two writers of the
    same thing agree.

    Raises
    ------
    EncoderChanged
        If the folder holds vectors of another model.
    """

    def __init__(self, folder: str | Path, encoder: ClipEncoder):
        self._files = ImageStore(f"{folder}/{encoder.hash[:16]}", index_name=HEAD)
        if not self._files.has_index():
            head = {"encoder": encoder.name, "hash": encoder.hash}
            self._files.write(HEAD, json.dumps(head, indent=1).encode())
        elif json.loads(self._files.read(HEAD))["hash"] != encoder.hash:
            raise EncoderChanged(
                f"{self.folder} holds other vectors than {encoder.name}'s; delete that folder"
            )

    @property
    def folder(self) -> Path:
        """Where the shards lie: on a disk, or within a bucket."""
        return Path(self._files.root)

    def read(self) -> dict[bytes, np.ndarray]:
        """All vectors by key. A damaged shard counts as absent, and is made again."""
        found: dict[bytes, np.ndarray] = {}
        for name in self._files.names(ENDING):
            try:
                arrays = load(self._files.read(name))
                keys = [key.tobytes() for key in arrays["keys"]]
                found.update(zip(keys, arrays["vectors"], strict=True))
            except Exception:  # safetensors' own error covers only part of what a cut file raises
                continue
        return found

    def write(self, keys: list[bytes], vectors: np.ndarray) -> None:
        """Add a shard."""
        joined = b"".join(keys)
        name = hashlib.sha256(joined).hexdigest()[:16]
        numbers = np.frombuffer(joined, np.uint8)
        rows = numbers.reshape(-1, KEY_BYTES)
        shard = save({"keys": rows, "vectors": np.ascontiguousarray(vectors)})
        self._files.write(f"{name}{ENDING}", shard)

    def fetch(self, keys: list[bytes], make: Callable[[list[int]], np.ndarray]) -> np.ndarray:
        """Vectors (n, d) by key.

        `make(positions)` encodes those that are not here yet, each key once. What it could not
        encode comes back as zeros and is not kept, so it is tried again next time.
        """
        known = self.read()
        new = {key: position for position, key in enumerate(keys) if key not in known}
        names = list(new)
        for start in range(0, len(names), SHARD):
            some = names[start : start + SHARD]
            made = make([new[key] for key in some])
            known.update(zip(some, made, strict=True))
            is_encoded = np.asarray(made.any(axis=1))
            if is_encoded.any():
                kept = [key for key, keep in zip(some, is_encoded, strict=True) if keep]
                self.write(kept, made[is_encoded])
        if not keys:
            return make([])
        return np.stack([known[key] for key in keys])
