"""Chapter 01: photographs from the network, a folder or a tar, each stored once."""

from importlib import import_module

# Loaded when first used: the fetcher brings a network stack along.
_MODULES = {
    "fetch_images": "fetch",
    "near_duplicates": "fetch",
    "import_photos": "local",
    "archive_images": "archive",
    "restore_images": "archive",
    "image_columns": "statuses",
    "ImageError": "statuses",
    "Standardiser": "workers",
}
__all__ = [*_MODULES]


def __getattr__(name: str):
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
