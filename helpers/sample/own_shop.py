"""Your own shop's files as the source of chapter 01: each feed beside the YAML that reads it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from helpers.artefacts import ROOT, newest_file
from helpers.feeds.harmonise import stacked
from helpers.feeds.products import FeedResult
from helpers.feeds.spec import FeedError
from helpers.sample.sources import Feed, Source

UNNAMED = "other"  # what the vocabulary says of a category that it doesn't know


@dataclass(frozen=True)
class OwnShop(Source):
    """A source whose products may be anything, so that its own categories count."""

    def categories(self, catalog: pd.DataFrame, feeds: Sequence[FeedResult]) -> pd.DataFrame:
        """The catalogue with the shop's own word where the vocabulary of clothes has none."""
        return with_own_categories(catalog, feeds)


def open_shop(feeds: Sequence[str], photos: str = "") -> OwnShop:
    """Source of your own feed files.

    Parameters
    ----------
    feeds : list of str
        `SPEC=FILE` each: a YAML of data/feeds by name, or by its path, and a file or a pattern such
        as `products_*.csv`, of which the newest file counts.
    photos : str
        A folder or tar of pictures named by product id; empty if the feeds name addresses.

    Raises
    ------
    FeedError
        If an entry has no `=`, or there is no such file; says what to write.
    """
    if not feeds:
        raise FeedError(
            "source shop wants `feed_files`: SPEC=FILE for each; `course shop` writes them"
        )
    pictures = Path(photos).expanduser() if photos else None
    return OwnShop([_feed(entry, pictures) for entry in feeds])


def _feed(entry: str, photos: Path | None) -> Feed:
    spec, equals, pattern = entry.partition("=")
    if not equals:
        raise FeedError(f"feed_files: {entry!r} wants SPEC=FILE, for example my_shop=products.csv")
    path = newest_file(pattern.strip(), ROOT)
    if path is None:
        raise FeedError(
            f"feed_files: no file {pattern.strip()}; give another, or run `course shop` again"
        )
    return Feed(path, spec.strip(), photos)


def with_own_categories(catalog: pd.DataFrame, feeds: Sequence[FeedResult]) -> pd.DataFrame:
    """The catalogue with a shop's own category, in lower case, where the vocabulary has none.

    Parameters
    ----------
    catalog : DataFrame
        As `harmonise` returns it.
    feeds : list of FeedResult
        As `read_feed` returns them, with the shop's own words.
    """
    rows = stacked(feeds).drop_duplicates("image_key")
    own_category = rows.set_index("image_key")["category"]
    own = catalog["image_key"].map(own_category).fillna("")
    words = own.str.strip().str.lower()
    is_unnamed = catalog["category"] == UNNAMED
    has_own = words != ""
    category = catalog["category"].mask(is_unnamed & has_own, words)
    return catalog.assign(category=category)
