"""Pictures and texts as vectors of one space."""

from helpers.embeddings.cache import VectorCache
from helpers.embeddings.catalog import (
    encode_catalog,
    item_text,
    item_vectors,
    load_embeddings,
    load_encoder,
    save_embeddings,
)
from helpers.embeddings.clip import BATCH, ClipEncoder, EncoderChanged, encode_text
from helpers.embeddings.looks import LookEncoder, Looks, encode_looks
from helpers.embeddings.opening import EncoderUnavailable
from helpers.embeddings.words import WordEncoder, encode_words

__all__ = [
    "BATCH",
    "ClipEncoder",
    "EncoderChanged",
    "EncoderUnavailable",
    "LookEncoder",
    "Looks",
    "VectorCache",
    "WordEncoder",
    "encode_catalog",
    "encode_looks",
    "encode_text",
    "encode_words",
    "item_text",
    "item_vectors",
    "load_embeddings",
    "load_encoder",
    "save_embeddings",
]
