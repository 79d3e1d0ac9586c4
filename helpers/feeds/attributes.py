"""What a garment is like, read from the words of its title and description."""

from collections.abc import Sequence

import pandas as pd

from helpers.feeds.harmonise import stacked
from helpers.feeds.products import FeedResult
from helpers.feeds.vocabulary import Terms, load_vocabulary

ATTRIBUTES = ["image_key", "category", "colour", "pattern", "style", "price_usd", "gender"]
NO_PATTERN = "solid"
NO_STYLE = "casual"


def attributes_from_text(
    catalog: pd.DataFrame, feeds: FeedResult | Sequence[FeedResult]
) -> pd.DataFrame:
    """What the shopper simulator reads, from harmonised columns and the words of the texts.

    Parameters
    ----------
    catalog : DataFrame
        As `harmonise` returns it.
    feeds : FeedResult or list of FeedResult
        As `read_feed` returns them: where a feed names a style (the photos' `usage`), it is taken.

    Returns
    -------
    DataFrame
        `ATTRIBUTES`, one row per catalogue row. A missing price becomes the median of its
        category, else of all, in dollars; with no price anywhere it is 0.
    """
    out = catalog[["image_key", "category", "colour"]].copy()
    out["pattern"] = patterns_from_text(catalog)
    out["style"] = _styles(catalog, feeds)
    out["price_usd"] = _prices(catalog)
    out["gender"] = catalog["gender"]
    return out[ATTRIBUTES]


def patterns_from_text(catalog: pd.DataFrame) -> list[str]:
    """The pattern that each row's title, else its description, names; "solid" if none."""
    terms = load_vocabulary().patterns
    texts = zip(catalog["title"], catalog["description"], strict=True)
    return [_first_of(terms, NO_PATTERN, *text) for text in texts]


def _styles(
    catalog: pd.DataFrame,
    feeds: FeedResult | Sequence[FeedResult],
) -> list[str]:
    """The feed's own style, else what title or description name."""
    terms = load_vocabulary().styles
    products = stacked(feeds)
    given = products[products["style"] != ""].drop_duplicates("image_key")
    style_of = dict(zip(given["image_key"], given["style"], strict=True))
    styles = []
    for row in catalog.to_dict("records"):
        own = terms.exact(style_of.get(row["image_key"], ""))
        title = f"{row['category']} {row['title']}"
        styles.append(own or _first_of(terms, NO_STYLE, title, row["description"]))
    return styles


def _prices(catalog: pd.DataFrame) -> pd.Series:
    price = catalog["price_usd"]
    by_category = price.groupby(catalog["category"])
    filled = price.fillna(by_category.transform("median"))
    filled = filled.fillna(price.median())
    return filled.fillna(0.0).round(2)


def _first_of(terms: Terms, otherwise: str, *texts: str) -> str:
    """The section's earliest label (its order ranks them) in the first text that names any."""
    for text in texts:
        found = terms.find(text)
        if found:
            return min(found, key=terms.labels.index)
    return otherwise
