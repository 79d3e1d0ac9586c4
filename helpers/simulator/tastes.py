"""What simulated shoppers want: a worth for each value of each garment attribute, drawn shopper by shopper.

The signal is sum_parts weight * z(worth of the item's value) + quality, divided so that its standard deviation is one.
Every default below was fixed before any recommender was tuned.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

# What decides, by attribute: mostly the kind of garment a shopper is after, then its colour and price.
WEIGHTS = {"category": 1.0, "colour": 0.8, "pattern": 0.5, "style": 0.5, "price": 0.6, "brand": 0.3}
# Dirichlet mass over all values of an attribute. The mass, not the mass per value, stays the same when a catalogue has
# more values: about as many categories matter to a shopper whether the shop has 14 or 40.
MASS = {"category": 4.2, "pattern": 4.0, "style": 2.5}
QUALITY = 0.3  # standard deviation of what all shoppers agree on
DRIFT = 0.15  # share of the style mixture, and standard deviation of the price centre, that changes over the year
PRICE_BANDS = np.arange(-24, 25) / 8  # log price in standard deviations, in eighths
BLOCK = (
    512  # shoppers drawn at once, each block from its own seed: any block can be drawn again alone
)
STREAMS = {"items": 0, "home": 1, "calibration": 2, "train": 3, "test": 4, "prior": 5}


class Shoppers(NamedTuple):
    """A block of shoppers: worth of each attribute value (n, n_values), and activity (n,), whose mean is 1."""

    worth: np.ndarray
    activity: np.ndarray


@dataclass(frozen=True)
class Shelf:
    """The items as shoppers see them.

    Attributes
    ----------
    then, now : (n_items, n_parts) int64
        The column of `Shoppers.worth` that each attribute of an item stands for, with the tastes of the season the item
        was in the shops (`then`) and with today's (`now`). (n_items, 0) where preferences are driven by embeddings.
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
    """The generator of one block of one stream: blocks can be drawn in any order, or alone."""
    return np.random.default_rng([seed, STREAMS[stream], *number])


def make_shelf(attributes: pd.DataFrame, vectors: np.ndarray | None, seed: int) -> Shelf:
    """Number the attributes' values and draw what no catalogue tells: popularity, quality, season."""
    rng, n = rng_of(seed, "items"), len(attributes)
    popularity, quality, season = (
        rng.standard_normal(n),
        QUALITY * rng.standard_normal(n),
        rng.random(n) < 0.5,
    )
    if vectors is not None:
        whole = np.rint(np.asarray(vectors, np.float64) * 1024).astype(np.int64)
        empty = np.empty((n, 0), np.int64)
        return Shelf(empty, empty, {}, season, quality, popularity, whole)
    codes, parts = {}, {}
    for part in [part for part in WEIGHTS if part == "price" or part in attributes]:
        if part == "price":
            codes[part], parts[part] = _price_band(attributes["price_usd"]), len(PRICE_BANDS)
        else:
            values = (
                attributes[part]
                .astype("object")
                .where(attributes[part].notna(), "unknown")
                .astype(str)
            )
            codes[part], names = pd.factorize(values, sort=True)
            parts[part] = len(names)
    starts = _starts(parts)
    early = np.stack([starts[part, False] + codes[part] for part in parts], axis=1)
    late = np.stack([starts[part, True] + codes[part] for part in parts], axis=1)
    return Shelf(np.where(season[:, None], late, early), late, parts, season, quality, popularity)


def draw(shelf: Shelf, n: int, seed: int, stream: str, block: int) -> Shoppers:
    """Draw a block of shoppers: their raw worths, before `scale`, and how active they are."""
    rng = rng_of(seed, stream, block)
    activity = np.exp(
        0.6 * rng.standard_normal(n) - 0.18
    )  # mean 1, as skewed as purchase counts are
    if shelf.vectors is not None:
        return Shoppers(_anchors(shelf.vectors, n, rng), activity)
    columns = []
    for part, size in shelf.parts.items():
        if part in MASS:
            mixture = rng.dirichlet(np.full(size, MASS[part] / size), n)
            columns.append(np.sqrt(mixture))
            if part == "style":
                other = rng.dirichlet(np.full(size, MASS[part] / size), n)
                columns.append(np.sqrt((1 - DRIFT) * mixture + DRIFT * other))
        elif part == "price":
            centre, width = 0.8 * rng.standard_normal(n), rng.uniform(0.5, 1.2, n)
            for moved in (centre, centre + DRIFT * rng.standard_normal(n)):
                columns.append(
                    -np.minimum(3, np.abs(PRICE_BANDS - moved[:, None]) / width[:, None])
                )
        else:  # a palette of three or four colours in twelve; one to three brands
            few = (
                rng.integers(1, 4, n)
                if part == "brand"
                else rng.integers(3, 5, n) * max(size, 4) / 12
            )
            order = np.argsort(rng.random((n, size)), axis=1)
            columns.append((order < np.maximum(np.rint(few), 1)[:, None]).astype(np.float64))
    return Shoppers(np.concatenate(columns, axis=1), activity)


def calibrate(shelf: Shelf, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and scale of each column of worth: each part gets its weight, and the signal unit deviation."""
    worth = np.concatenate(
        [draw(shelf, BLOCK, seed, "calibration", block).worth for block in range(4)]
    )
    weights = {part: WEIGHTS[part] for part in shelf.parts} or {
        "likeness": np.sqrt(sum(w * w for w in WEIGHTS.values()))
    }
    unit = np.sqrt(sum(weight**2 for weight in weights.values()) + QUALITY**2)
    if shelf.vectors is not None:
        raw = _likeness(worth, shelf.vectors, now=True)
        return np.array([raw.mean(), unit]), np.array([weights["likeness"] / raw.std() / unit])
    mean, scale = np.zeros(worth.shape[1]), np.zeros(worth.shape[1])
    starts = _starts(shelf.parts)
    for number, (part, size) in enumerate(shelf.parts.items()):
        today = slice(starts[part, True], starts[part, True] + size)
        share = np.bincount(shelf.now[:, number] - today.start, minlength=size) / len(shelf.now)
        middle = (worth[:, today] * share).sum(axis=1).mean()
        spread = max(np.sqrt((((worth[:, today] - middle) ** 2) * share).sum(axis=1).mean()), 1e-9)
        for late in (False, True):
            columns = slice(starts[part, late], starts[part, late] + size)
            mean[columns], scale[columns] = middle, weights[part] / spread / unit
    return np.append(mean, unit), scale


def utility(
    shelf: Shelf, shoppers: Shoppers, mean, scale, levels, now=True, items=slice(None)
) -> np.ndarray:
    """Signal (n, n_items) float64 of each of `items` to each shopper, standard deviation about one.

    Sums run over attributes one after the other, never through BLAS: float64 results on two machines then differ by the
    last bit at most, which decides a sampled rating about once in a billion runs.
    """
    quality = shelf.quality[items] / mean[-1]
    if shelf.vectors is not None:
        vectors = shelf.vectors[items]
        raw = _likeness(shoppers.worth, vectors, now=True)
        if not now:
            raw = np.where(shelf.season[items], raw, _likeness(shoppers.worth, vectors, now=False))
        return (raw - mean[0]) * scale[0] + quality
    # a value's row copies faster than its column
    worth = np.ascontiguousarray(((shoppers.worth - mean[:-1]) * scale).T)
    levels, signal = levels[items], np.empty((worth.shape[1], len(quality)))
    for start in range(0, len(quality), 128):  # pieces that stay in the processor's cache
        here = slice(start, start + 128)
        total = np.repeat(quality[here, None], worth.shape[1], axis=1)
        for part in range(levels.shape[1]):
            total += worth[levels[here, part]]
        signal[:, here] = total.T
    return signal


def _starts(parts: dict[str, int]) -> dict[tuple[str, bool], int]:
    """First column of each part; style and price have columns of their own for the late season."""
    starts, at = {}, 0
    for part, size in parts.items():
        starts[part, False] = starts[part, True] = at
        at += size
        if part in ("style", "price"):
            starts[part, True] = at
            at += size
    return starts


def columns(parts: dict[str, int]) -> dict[str, slice]:
    """All columns of each part in `Shoppers.worth`, both seasons'."""
    starts = _starts(parts)
    return {
        part: slice(starts[part, False], starts[part, True] + size) for part, size in parts.items()
    }


def _price_band(price: pd.Series) -> np.ndarray:
    """Band of each price on the log scale; an unknown price sits in the middle."""
    log = np.log(price.astype(float).where(price.astype(float) > 0))
    spread = log.std(ddof=0)
    z = ((log - log.mean()) / (spread if spread > 0 else 1.0)).fillna(0.0).to_numpy()
    return np.clip(np.rint(z * 8), -24, 24).astype(np.int64) + 24


def _anchors(vectors: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Taste vectors (n, 2 d), early and late: weighted sums of three garments, one of which changes over the year."""
    picks, weights = rng.integers(0, len(vectors), (n, 4)), rng.integers(1, 4, (n, 3))
    early = (vectors[picks[:, :3]] * weights[:, :, None]).sum(axis=1)
    swap = (rng.random(n) < DRIFT)[:, None]
    late = np.where(
        swap, early + (vectors[picks[:, 3]] - vectors[picks[:, 0]]) * weights[:, :1], early
    )
    return np.concatenate([early, late], axis=1).astype(np.float64)


def _likeness(tastes: np.ndarray, vectors: np.ndarray, now: bool) -> np.ndarray:
    """Cosine of taste and item; integers below 2**53 make the product exact, whatever order BLAS adds in."""
    d = vectors.shape[1]
    taste, items = tastes[:, d:] if now else tastes[:, :d], vectors.astype(np.float64)
    return (
        (taste @ items.T) / np.sqrt((taste**2).sum(1) + 1)[:, None] / np.sqrt((items**2).sum(1) + 1)
    )
