"""Pictures and texts as vectors of one space."""

from helpers.embeddings.cache import VectorCache
from helpers.embeddings.catalog import (
    encode_catalog,
    item_text,
    item_vectors,
    load_embeddings,
    save_embeddings,
)
from helpers.embeddings.clip import BATCH, ClipEncoder, EncoderChanged, encode_text
from helpers.embeddings.opening import EncoderUnavailable

__all__ = [
    "BATCH",
    "ClipEncoder",
    "EncoderChanged",
    "EncoderUnavailable",
    "VectorCache",
    "encode_catalog",
    "encode_text",
    "item_text",
    "item_vectors",
    "load_embeddings",
    "save_embeddings",
]
