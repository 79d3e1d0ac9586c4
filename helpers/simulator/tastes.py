"""What simulated shoppers want: a worth for each value of each garment attribute.

A shopper u draws a worth for every value of every attribute. The signal of item i is

    s_ui = (Σ_part weight_part · z(worth_u[value of part in i]) + quality_i) / unit

where z standardizes over shoppers and items, and unit makes the signal's standard deviation 1.
Every default below was fixed before any recommender was tuned.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

# What decides: mostly the category that a shopper is after, then color and price.
WEIGHTS = {
    "category": 1.0,
    "colour": 0.8,
    "pattern": 0.5,
    "style": 0.5,
    "price": 0.6,
    "brand": 0.3,
}
COMBINATION = "combination"
"""Pairs of category and color, which matter in the variant that has them."""
COMBINATION_WEIGHT = 1.0

# Dirichlet mass over all values of an attribute. The mass, not the mass per value, stays the same
# when a catalogue has more values: about as many categories matter to a shopper whether the shop
# has 14 or 40.
MASS = {"category": 4.2, "pattern": 4.0, "style": 2.5}
QUALITY = 0.3
"""Standard deviation of what all shoppers agree on."""
DRIFT = 0.15
"""Share of the style mixture, and standard deviation of the price center, that a year changes."""
EIGHTHS = 8
WIDEST = 24
PRICE_BANDS = np.arange(-WIDEST, WIDEST + 1) / EIGHTHS
"""Log price in standard deviations, in eighths."""
SEASONAL = ("style", "price")
"""Attributes whose worth changes over the year."""
SHOPPERS_PER_BLOCK = 512
"""Shoppers drawn at once. Each block has its own seed, so any block can be drawn again alone."""
ITEMS_PER_PIECE = 128
"""Items scored at once, so that a piece stays in the processor's cache."""
FIXED_POINT = 1024
"""Vectors are rounded to this fraction, so that sums are exact integers on every machine."""
STREAMS = {"items": 0, "home": 1, "calibration": 2, "train": 3, "test": 4, "prior": 5}


class Shoppers(NamedTuple):
    """A block of shoppers.

    Attributes
    ----------
    worth : (n, n_values) float64
        Of each attribute value.
    activity : (n,) float64
        Whose mean is 1.
    """

    worth: np.ndarray
    activity: np.ndarray

    def rows(self, which: np.ndarray) -> "Shoppers":
        """Some of the shoppers, by position."""
        return Shoppers(self.worth[which], self.activity[which])


@dataclass(frozen=True)
class Shelf:
    """The items as shoppers see them.

    Attributes
    ----------
    then, now : (n_items, n_parts) int64
        The column of `Shoppers.worth` that each attribute of an item stands for, with the tastes
        of the season the item was in the shops (`then`) and with today's (`now`). (n_items, 0)
        where preferences are driven by embeddings.
    parts : dict of str to int
        How many values each attribute has.
    season : (n_items,) bool
        Whether it came in the second half of the year.
    quality, popularity : (n_items,) float64
    vectors : (n_items, d) int64 or None
        Item vectors in 1/1024ths, for embedding-driven preferences.
    """

    then: np.ndarray
    now: np.ndarray
    parts: dict[str, int]
    season: np.ndarray
    quality: np.ndarray
    popularity: np.ndarray
    vectors: np.ndarray | None = None


def rng_of(seed: int, stream: str, *number: int) -> np.random.Generator:
    """The generator of one block of one stream. Blocks can be drawn in any order, or alone."""
    return np.random.default_rng([seed, STREAMS[stream], *number])


def make_shelf(
    attributes: pd.DataFrame,
    vectors: np.ndarray | None,
    seed: int,
    combinations: bool = False,
) -> Shelf:
    """Number the attributes' values, and draw popularity, quality and season.

    Parameters
    ----------
    attributes : DataFrame, n_items rows
    vectors : (n_items, d) float32 or None
        Given only where they drive preferences.
    combinations : bool
        Whether pairs of category and color are an attribute of their own.
    """
    rng = rng_of(seed, "items")
    n_items = len(attributes)
    popularity = rng.standard_normal(n_items)
    quality = QUALITY * rng.standard_normal(n_items)
    season = rng.random(n_items) < 0.5
    if vectors is not None:
        rounded = np.rint(np.asarray(vectors, np.float64) * FIXED_POINT).astype(np.int64)
        no_levels = np.empty((n_items, 0), np.int64)
        return Shelf(no_levels, no_levels, {}, season, quality, popularity, rounded)
    codes, parts = _number_values(attributes, combinations)
    first = first_columns(parts)
    early = np.stack([first[part, False] + codes[part] for part in parts], axis=1)
    late = np.stack([first[part, True] + codes[part] for part in parts], axis=1)
    then = np.where(season[:, None], late, early)
    return Shelf(then, late, parts, season, quality, popularity)


def _number_values(
    attributes: pd.DataFrame, combinations: bool
) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """Each item's value of each attribute as a number, and how many values there are."""
    codes = {}
    parts = {}
    for part in WEIGHTS:
        if part == "price":
            codes[part] = _price_band(attributes["price_usd"])
            parts[part] = len(PRICE_BANDS)
        elif part in attributes:
            codes[part], parts[part] = _number_words(attributes[part])
    if combinations:
        pairs = _words(attributes["category"]) + " " + _words(attributes["colour"])
        codes[COMBINATION], parts[COMBINATION] = _number_words(pairs)
    return codes, parts


def _words(column: pd.Series) -> pd.Series:
    known = column.astype("object").where(column.notna(), "unknown")
    return known.astype(str)


def _number_words(column: pd.Series) -> tuple[np.ndarray, int]:
    codes, names = pd.factorize(_words(column), sort=True)
    return codes, len(names)


def _price_band(price: pd.Series) -> np.ndarray:
    """Band of each price on the log scale. An unknown price sits in the middle."""
    price = price.astype(float)
    log = np.log(price.where(price > 0))
    spread = log.std(ddof=0)
    if not spread > 0:
        spread = 1.0
    z = ((log - log.mean()) / spread).fillna(0.0).to_numpy()
    band = np.rint(z * EIGHTHS)
    return np.clip(band, -WIDEST, WIDEST).astype(np.int64) + WIDEST


def draw(shelf: Shelf, n: int, seed: int, stream: str, block: int) -> Shoppers:
    """Draw a block of `n` shoppers: their raw worths, before `calibrate`, and their activity."""
    rng = rng_of(seed, stream, block)
    activity = np.exp(0.6 * rng.standard_normal(n) - 0.18)  # as skewed as purchase counts are
    if shelf.vectors is not None:
        return Shoppers(_anchors(shelf.vectors, n, rng), activity)
    columns = []
    for part, n_values in shelf.parts.items():
        columns += _draw_worth(part, n_values, n, rng)
    return Shoppers(np.concatenate(columns, axis=1), activity)


def _draw_worth(part: str, n_values: int, n: int, rng) -> list[np.ndarray]:
    """Worth (n, n_values) of each value, early and late where the part changes over the year."""
    if part == "style":
        early = _mixture(part, n_values, n, rng)
        other = _mixture(part, n_values, n, rng)
        return [np.sqrt(early), np.sqrt((1 - DRIFT) * early + DRIFT * other)]
    if part in MASS:
        return [np.sqrt(_mixture(part, n_values, n, rng))]
    if part == "price":
        return _price_worth(n, rng)
    if part == COMBINATION:
        return [rng.standard_normal((n, n_values))]
    return [_palette(part, n_values, n, rng)]


def _mixture(part: str, n_values: int, n: int, rng) -> np.ndarray:
    return rng.dirichlet(np.full(n_values, MASS[part] / n_values), n)


def _price_worth(n: int, rng) -> list[np.ndarray]:
    """A shopper's own price, and how far from it is still fine; early and late in the year."""
    center = 0.8 * rng.standard_normal(n)
    width = rng.uniform(0.5, 1.2, n)
    later = center + DRIFT * rng.standard_normal(n)
    worth = []
    for own in (center, later):
        distance = np.abs(PRICE_BANDS - own[:, None]) / width[:, None]
        worth.append(-np.minimum(3, distance))
    return worth


def _palette(part: str, n_values: int, n: int, rng) -> np.ndarray:
    """1 for the values a shopper goes for: three or four colors in twelve, or up to three
    brands."""
    if part == "brand":
        n_chosen = rng.integers(1, 4, n)
    else:
        n_chosen = rng.integers(3, 5, n) * max(n_values, 4) / 12
    n_chosen = np.maximum(np.rint(n_chosen), 1)
    order = np.argsort(rng.random((n, n_values)), axis=1)
    return (order < n_chosen[:, None]).astype(np.float64)


def calibrate(shelf: Shelf, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and scale of each column of worth.

    With them each part has its weight, and the signal has standard deviation 1. The mean's last
    entry is the unit that divides the signal.
    """
    blocks = [
        draw(shelf, SHOPPERS_PER_BLOCK, seed, "calibration", block).worth for block in range(4)
    ]
    worth = np.concatenate(blocks)
    if shelf.vectors is not None:
        return _calibrate_likeness(worth, shelf.vectors)
    weights = {part: _weight(part) for part in shelf.parts}
    unit = np.sqrt(sum(weight**2 for weight in weights.values()) + QUALITY**2)
    mean = np.zeros(worth.shape[1])
    scale = np.zeros(worth.shape[1])
    first = first_columns(shelf.parts)
    for number, (part, n_values) in enumerate(shelf.parts.items()):
        start = first[part, True]
        today = worth[:, start : start + n_values]
        counts = np.bincount(shelf.now[:, number] - start, minlength=n_values)
        share = counts / len(shelf.now)
        middle = (today * share).sum(axis=1).mean()
        variance = (((today - middle) ** 2) * share).sum(axis=1).mean()
        spread = max(np.sqrt(variance), 1e-9)
        for late in (False, True):
            columns = slice(first[part, late], first[part, late] + n_values)
            mean[columns] = middle
            scale[columns] = weights[part] / spread / unit
    return np.append(mean, unit), scale


def _weight(part: str) -> float:
    return COMBINATION_WEIGHT if part == COMBINATION else WEIGHTS[part]


def _calibrate_likeness(worth, vectors) -> tuple[np.ndarray, np.ndarray]:
    """As `calibrate`, for preferences that are a cosine with a taste vector."""
    weights = np.array(list(WEIGHTS.values()))
    weight = np.sqrt(sum(weights**2))
    unit = np.sqrt(weight**2 + QUALITY**2)
    raw = _likeness(worth, vectors, now=True)
    mean = np.array([raw.mean(), unit])
    scale = np.array([weight / raw.std() / unit])
    return mean, scale


def utility(
    shelf: Shelf, shoppers: Shoppers, mean, scale, levels, now=True, items=slice(None)
) -> np.ndarray:
    """Signal (n, n_items) float64 of each of `items` to each shopper.

    Sums run over attributes one after the other, never through BLAS. The float64 results of two
    machines then differ by the last bit at most, which decides a sampled rating about once in a
    billion runs.
    """
    quality = shelf.quality[items] / mean[-1]
    if shelf.vectors is not None:
        raw = _raw_likeness(shelf, shoppers, now, items)
        return (raw - mean[0]) * scale[0] + quality
    centered = (shoppers.worth - mean[:-1]) * scale
    worth = np.ascontiguousarray(centered.T)  # a value's row copies faster than its column
    if levels is None:
        raise ValueError("a shelf without vectors needs the levels of its items' attributes")
    levels = levels[items]
    signal = np.empty((worth.shape[1], len(quality)))
    for start in range(0, len(quality), ITEMS_PER_PIECE):
        piece = slice(start, start + ITEMS_PER_PIECE)
        total = np.repeat(quality[piece, None], worth.shape[1], axis=1)
        for part in range(levels.shape[1]):
            total += worth[levels[piece, part]]
        signal[:, piece] = total.T
    return signal


def _raw_likeness(shelf: Shelf, shoppers: Shoppers, now: bool, items) -> np.ndarray:
    if shelf.vectors is None:
        raise ValueError("a shelf of attributes has no vectors to be like")
    vectors = shelf.vectors[items]
    today = _likeness(shoppers.worth, vectors, now=True)
    if now:
        return today
    early = _likeness(shoppers.worth, vectors, now=False)
    return np.where(shelf.season[items], today, early)


def first_columns(parts: dict[str, int]) -> dict[tuple[str, bool], int]:
    """First column of each (part, late). Seasonal parts have columns of their own for late."""
    first = {}
    column = 0
    for part, n_values in parts.items():
        first[part, False] = column
        first[part, True] = column
        column += n_values
        if part in SEASONAL:
            first[part, True] = column
            column += n_values
    return first


def columns_of(parts: dict[str, int]) -> dict[str, slice]:
    """All columns of each part in `Shoppers.worth`, both seasons'."""
    first = first_columns(parts)
    return {
        part: slice(first[part, False], first[part, True] + n_values)
        for part, n_values in parts.items()
    }


def _anchors(vectors: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Taste vectors (n, 2 d), early and late: weighted sums of three garments.

    One of the three changes over the year for some shoppers.
    """
    picks = rng.integers(0, len(vectors), (n, 4))
    weights = rng.integers(1, 4, (n, 3))
    garments = vectors[picks]
    weighted = garments[:, :3] * weights[:, :, None]
    early = weighted.sum(axis=1)
    changes = rng.random(n) < DRIFT
    exchange = garments[:, 3] - garments[:, 0]
    late = early + exchange * weights[:, :1]
    late = np.where(changes[:, None], late, early)
    return np.concatenate([early, late], axis=1).astype(np.float64)


def _likeness(tastes: np.ndarray, vectors: np.ndarray, now: bool) -> np.ndarray:
    """Cosine of taste and item (n, n_items).

    Integers below 2**53 make the product exact, whatever order BLAS adds in.
    """
    early, late = np.split(tastes, 2, axis=1)
    taste = late if now else early
    items = vectors.astype(np.float64)
    product = taste @ items.T
    return product / _length(taste)[:, None] / _length(items)


def _length(rows: np.ndarray) -> np.ndarray:
    squares = (rows**2).sum(axis=1)
    return np.sqrt(squares + 1)
