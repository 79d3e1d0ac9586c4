"""Chapter 01: feeds in, a catalogue and its photographs out."""

from importlib import import_module

from .attributes import attributes_from_text, patterns_from_text
from .feeds import read_feed
from .harmonise import harmonise, load_vocabulary
from .spec import FeedError, FeedSpec, load_spec

# Loaded when first used: the fetcher brings a network stack along.
_LATER = {
    "fetch_images": "images", "near_duplicates": "images", "import_photos": "photos",
    "archive_images": "archive", "restore_images": "archive", "check_feed": "draft", "draft_spec": "draft",
}  # fmt: skip
__all__ = [
    "FeedError", "FeedSpec", "attributes_from_text", "harmonise", "load_spec", "load_vocabulary",
    "patterns_from_text", "read_feed", *_LATER,
]  # fmt: skip


def __getattr__(name: str):
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_LATER[name]}", __name__), name)
