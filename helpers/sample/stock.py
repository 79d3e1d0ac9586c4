"""What the drawn shops stock: garments with their attributes, as a shop would choose and price
them.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from helpers.sample.garments import COLOURS, PATTERNS, STYLES

FIRST_ID = {"asos": 200_000_000, "myntra": 300_000_000}
FITS = ["slim", "regular", "relaxed", "oversized"]
_IDS_APART = 4_000


@cache
def shop_book() -> dict:
    """garments/shops.yaml: what the shops stock and how each of them talks."""
    path = Path(__file__).parent / "garments" / "shops.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def pick(rng: np.random.Generator, values: Sequence[Any], weights: Sequence | None = None) -> Any:
    """One of the values, each as likely as its weight says; all alike without weights."""
    chances = None
    if weights is not None:
        chances = np.asarray(weights, float) / np.sum(weights)
    return values[int(rng.choice(len(values), p=chances))]


def pick_by_weight(rng: np.random.Generator, weights: dict[str, float]) -> str:
    """One of the keys, each as likely as its weight says."""
    return pick(rng, list(weights), list(weights.values()))


def sample_products(platform: str, n: int, seed: int) -> pd.DataFrame:
    """Attributes of garments as a shop would stock them.

    Style follows category, colour follows style, and the price follows all of them.

    Parameters
    ----------
    platform : {"asos", "myntra"}
    n : int
        Garments; the first ones stay the same for a larger n.
    seed : int

    Returns
    -------
    DataFrame
        platform, product_id, gender, category, colour, pattern, style, fit, length, brand,
        price_usd, seed (of the drawing) and format (of the photo); one row per garment.
    """
    rng = np.random.default_rng([seed, sum(platform.encode())])
    return pd.DataFrame([_product(platform, number, rng) for number in range(n)])


def _product(platform: str, number: int, rng: np.random.Generator) -> dict:
    """The garment of that number. The order of the draws makes the shop: it must not change."""
    book = shop_book()
    shop = book[platform]
    gender = "women" if rng.random() < shop["women"] else "men"
    category = pick_by_weight(rng, book["categories"][gender])
    style = pick(rng, STYLES, book["styles"][category])
    pattern = pick(rng, PATTERNS, book["patterns"][category])
    colours = book["denim"] if category == "jeans" else book["colours"][style]
    colour = pick(rng, COLOURS, colours)
    lengths = "by_hem" if category in ("dress", "skirt") else "by_cut"
    length = pick_by_weight(rng, book["lengths"][lengths])
    brand, level = _brand(shop["brands"], style, rng)
    price = book["prices"][category] * level
    price *= np.exp(rng.normal(0, 0.18))
    price *= book["style_price"][style]
    price *= book["pattern_price"].get(pattern, 1) * book["length_price"].get(length, 1)
    first_id = FIRST_ID[platform] + _IDS_APART * number
    return {
        "platform": platform,
        "product_id": str(first_id + int(rng.integers(_IDS_APART))),
        "gender": gender,
        "category": category,
        "colour": colour,
        "pattern": pattern,
        "style": style,
        "fit": pick(rng, FITS, book["fits"][style]),
        "length": length,
        "brand": brand,
        "price_usd": round(float(price), 2),
        "seed": int(rng.integers(2**31)),
        "format": pick_by_weight(rng, shop["formats"]),
    }


def _brand(brands: list, style: str, rng: np.random.Generator) -> tuple[str, float]:
    """Name and price level of one of a shop's brands, rather one that makes this style."""
    place = STYLES.index(style)
    weights = [weight_by_style[place] + 0.05 for _, _, weight_by_style in brands]
    name, level, _ = pick(rng, brands, weights)
    return name, level
