"""The drawn shops' feeds: each product in its shop's own words, with the flaws of the published
files.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.sample.stock import pick, shop_book

RUPEE = 0.01199  # US dollars, as in data/vocabulary.yaml
POUND = 1.265
INITIALS = {"men": "M", "women": "F"}
_SIZES = range(4, 20, 2)
_DISCOUNTS = [0, 20, 30, 35, 40, 50, 60]
_VIEWS = ("4", "1-{shade}", "2", "3", "4")  # the first address is repeated last
_TIMES = {1: 88, 2: 6, 3: 4, 4: 2}  # how often a row is repeated, of a hundred
_ASOS_FLAWS = [{"name": ""}, {"price": "From"}, {"price": "price on request"}]
_MYNTRA_FLAWS = [{"price": "Rs. "}, {"description": "", "price": ""}]


@dataclass
class Listing:
    """A feed's rows, and for each product the row (from 1) at which it first stands."""

    rows: list[dict[str, str]]
    first: list[int]


def _slug(text: str) -> str:
    return re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")


def feed_row(product: dict, rng: np.random.Generator) -> dict[str, str]:
    """One product's row in its shop's feed, in its shop's words.

    Parameters
    ----------
    product : dict
        A row of `stock.sample_products`, and `fault`, that of its photo.
    rng : Generator
        The order of the draws makes the feed: it must not change.

    Returns
    -------
    dict of column → text
        As the shop's `row` in shops.yaml says, each text with the words filled in.
    """
    shop = shop_book()[product["platform"]]
    words = dict(product)
    words |= _description(product, shop, rng)
    words |= _addresses(product, shop, words)
    words |= _offers(product, shop, words, rng)
    details = shop.get("details", {}).get(product["category"], [])
    words["about"] = "".join([words["tagline"], *details, f"{product['fit'].title()} fit"])
    return {column: text.format(**words) for column, text in shop["row"].items()}


def _description(product: dict, shop: dict, rng: np.random.Generator) -> dict:
    """The shop's words for what the product is."""
    if product["pattern"] == "texture":
        pattern = shop["textures"].get(product["category"], "")
    else:
        pattern = pick(rng, shop["patterns"][product["pattern"]])
    noun = pick(rng, shop["nouns"][product["category"]])
    colour = pick(rng, shop["colours"][product["colour"]])
    length = "" if product["length"] == "regular" else product["length"]
    return {
        "noun": noun,
        "pattern": pattern,
        "fit": shop["fits"][product["fit"]],
        "colour": colour,
        "shade": colour.lower().replace("neutral", "beige"),
        "style": shop["style_words"][product["style"]],
        "length": length,
        "Length": length.title(),
        "department": shop["departments"][product["category"]],
        "who": "men's" if product["gender"] == "men" else "",
        "Who": product["gender"].title(),
        "brand_slug": _slug(product["brand"]),
        "initial": INITIALS[product["gender"]],
        "code": 110_000_000 + product["seed"] % 9_999_999,
        "small": int(rng.integers(2, 10)),
        "rupees": f"{product['price_usd'] / RUPEE:.0f}",
    }


def _addresses(product: dict, shop: dict, words: dict) -> dict:
    """Title, and what the addresses of the page and of the photos are made of."""
    title = " ".join(shop["title"].format(**words).split())
    named = title
    if product["platform"] != "asos":
        parts = ("brand", "Who", "colour", "pattern", "noun")
        named = " ".join(words[part] for part in parts)
    return {
        "private": "private/" if product["fault"] == "private" else "",
        "title": title,
        "slug": _slug(named),
    }


def _offers(product: dict, shop: dict, words: dict, rng: np.random.Generator) -> dict:
    """Photos, price, ratings and sizes, some of them missing or dressed up."""
    shade = words["shade"].replace(" ", "")
    views = []
    for view in _VIEWS:
        views.append(shop["photo"].format(view=view.format(shade=shade), **words))
    count = int(np.exp(rng.normal(5, 1.8))) + 3
    off = int(rng.choice(_DISCOUNTS))
    has_no_images = rng.random() < 0.008
    has_no_image = rng.random() < 0.03
    rating = ""
    if rng.random() < 0.8:
        rating = f"{np.clip(rng.normal(4.1, 0.35), 1.5, 5):.1f}"
    before_price = pick(rng, ["", "From  ", "Now  "], [91, 3, 6])
    sizes = [_size(size, rng) for size in _SIZES]
    taglines = shop.get("taglines", {}).get(product["style"], [""])
    return {
        "images": "[]" if has_no_images else repr(views),
        "image": "" if has_no_image else views[0],
        "count": f"{count / 1000:.1f}k" if count >= 1000 else count,
        "discount": f"({off}% OFF)" if off else "0",
        "rating": rating,
        "price": f"{before_price}{product['price_usd'] / POUND:.2f}",
        "sizes": ",".join(sizes),
        "tagline": pick(rng, taglines),
    }


def _size(size: int, rng: np.random.Generator) -> str:
    is_sold_out = rng.random() < 0.25
    return f"UK {size} - Out of stock" if is_sold_out else f"UK {size}"


def asos_feed(products: pd.DataFrame, rng: np.random.Generator) -> Listing:
    """A feed with empty rows, listings that never became products, and repeated rows."""
    rows: list[dict[str, str]] = []
    first = []
    for product in products.to_dict("records"):
        row = feed_row(product, rng)
        if rng.random() < 0.02:
            rows.append(dict.fromkeys(row, ""))
        if rng.random() < 0.012:
            rows.append(row | pick(rng, _ASOS_FLAWS))
        first.append(len(rows) + 1)
        times = pick(rng, list(_TIMES), list(_TIMES.values()))
        rows += [row] * times
    return Listing(rows, first)


def myntra_feed(products: pd.DataFrame, rng: np.random.Generator) -> Listing:
    """As the published file: one block per category, in which each image slipped one row up against
    `url`.
    """
    rows: list[dict[str, str]] = []
    first = [0] * len(products)
    for _, block in products.groupby("category", sort=False):
        listed = [feed_row(product, rng) for product in block.to_dict("records")]
        images = [row["image"] for row in listed]
        slipped = [*images[1:], ""]
        for place, row, image in zip(block.index, listed, slipped, strict=True):
            row["image"] = image
            if rng.random() < 0.015:
                broken = row | pick(rng, _MYNTRA_FLAWS)
                rows.append(broken | {"image": "", "url": ""})
            first[place] = len(rows) + 1
            rows.append(row)
        listed[0]["url"] = ""
        if rng.random() < 0.5:
            rows.append(dict(rows[-1]))
    return Listing(rows, first)


MakeFeed = Callable[[pd.DataFrame, np.random.Generator], Listing]
FEEDS: dict[str, tuple[str, MakeFeed]] = {
    "asos": ("asos.csv", asos_feed),
    "myntra": ("myntra_men.csv", myntra_feed),
}
"""File name and writer of each platform's feed."""
