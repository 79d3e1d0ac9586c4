"""Chapter 01: feeds in, a catalogue and its photographs out.

Names are loaded when first used, so that `import helpers.catalog` stays fast.
"""

from importlib import import_module

_HOME = {
    "read_feed": "feeds", "load_spec": "feeds", "FeedSpec": "feeds", "FeedError": "feeds",
    "check_feed": "draft", "draft_spec": "draft",
    "harmonise": "harmonise", "attributes_from_text": "harmonise", "load_vocabulary": "harmonise",
    "accounts": "quality", "completeness": "quality", "rejects_by_reason": "quality", "image_outcomes": "quality",
    "category_counts": "quality", "prices": "quality", "write_csv": "quality",
    "fetch_images": "images", "import_photos": "images",
}  # fmt: skip
__all__ = sorted(_HOME)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)
