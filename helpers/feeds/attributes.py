"""What a garment is like, read from the words of its title and description."""

import pandas as pd

from helpers.feeds.harmonise import stacked
from helpers.feeds.vocabulary import Terms, load_vocabulary

ATTRIBUTES = ["image_key", "category", "colour", "pattern", "style", "price_usd", "gender"]


def attributes_from_text(catalog: pd.DataFrame, products) -> pd.DataFrame:
    """What the shopper simulator reads, from harmonised columns and the words of title and description.

    Parameters
    ----------
    catalog : DataFrame
        As `harmonise` returns it.
    products : DataFrame or list of DataFrame
        As `read_feed` returns them: where a feed names a style (the photos' `usage`), it is taken.

    Returns
    -------
    DataFrame
        `ATTRIBUTES`, a row a catalogue row. A missing price becomes the median of its category, else of all, in
        dollars; with no price anywhere it is 0.
    """
    styles, given = load_vocabulary().styles, stacked(products)
    given = given[given["style"] != ""].drop_duplicates("image_key").set_index("image_key")["style"]
    own = [given.get(key, "") for key in catalog["image_key"]]
    out = catalog[["image_key", "category", "colour"]].copy()
    texts = list(zip(catalog["title"], catalog["description"], strict=True))
    out["pattern"] = patterns_from_text(catalog)
    out["style"] = [
        styles.exact(style) or _first_of(styles, "casual", f"{category} {title}", text)
        for style, category, (title, text) in zip(own, catalog["category"], texts, strict=True)
    ]
    price = catalog["price_usd"]
    price = (
        price.fillna(price.groupby(catalog["category"]).transform("median"))
        .fillna(price.median())
        .fillna(0.0)
    )
    return out.assign(price_usd=price.round(2), gender=catalog["gender"])[ATTRIBUTES]


def patterns_from_text(catalog: pd.DataFrame) -> list[str]:
    """The pattern that each row's title, else its description, names in the vocabulary's words; "solid" if none."""
    terms = load_vocabulary().patterns
    return [
        _first_of(terms, "solid", *text)
        for text in zip(catalog["title"], catalog["description"], strict=True)
    ]


def _first_of(terms: Terms, otherwise: str, *texts: str) -> str:
    """The section's earliest label (its order ranks them) named in the first text that names any."""
    for text in texts:
        found = terms.find(text)
        if found:
            return min(found, key=terms.labels.index)
    return otherwise
