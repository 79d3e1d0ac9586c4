"""Simulated shoppers: who sees what, how they rate it, and what they then do."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd

from helpers.simulator import tastes
from helpers.simulator.market import Market

SHARES = (
    0.1,
    0.25,
    0.5,
    0.8,
)  # of what training shoppers see, the share rated below 2, 3, 4, 5: half is liked
PURCHASE = np.array([0.02, 0.05, 0.10, 0.35, 0.60])  # P(purchase | rating 1 … 5)
WISH = np.array([0.02, 0.05, 0.15, 0.30, 0.25])
YEAR_STARTS, HALF_YEAR, MONTH = 1704067200, 182 * 86400, 30 * 86400  # 1 January 2024, seconds


def simulate_market(
    attributes: pd.DataFrame,
    *,
    n_users: int = 1000,
    n_test: int = 1000,
    density: float = 0.025,
    noise: float = 0.5,
    exposure_bias: float = 0.8,
    overlap: float = 0.2,
    preference_space: str = "attributes",
    vectors: np.ndarray | None = None,
    source: str = "asos",
    target: str = "myntra",
    n_liked: int = 10,
    seed: int = 7,
) -> Market:
    """Simulate shoppers of a catalogue.

    Parameters
    ----------
    attributes : DataFrame, n_items rows
        image_key ("platform/id"), category, colour, pattern, style, price_usd; brand too, if it is there.
    n_users, n_test : int
        Training shoppers, and test shoppers disjoint from them.
    density : float
        Share of the catalogue that an average training shopper rates; 0.025 of 1,200 items is 30 ratings.
    noise : float
        Standard deviation of a rating's error, the signal's being 1.
    exposure_bias : float
        How strongly popularity and preference decide what is seen; 0 means missing at random.
    overlap : float
        Share of training shoppers who are active on two platforms; the others know one.
    preference_space : {"attributes", "embedding"}
        What taste is about: garment attributes, or (the circularity trap) the `vectors` that recommenders read.
    n_liked : int
        Liked items that a test shopper must have on `source`, for histories that long; 3 on `target`.

    Raises
    ------
    ValueError
        If a setting is out of its range, or too few shoppers leave `n_liked` likes.

    Notes
    -----
    Why these defaults, fixed before any recommender was tuned. noise 0.5: with the shopper known, nine judgements of
    ten can be told; with three likes known, two thirds of the way. exposure_bias 0.8: what is seen is liked twice as
    often as what is not, and a tenth of the items gets a third of the looks. density 0.025: thirty ratings a shopper.
    overlap 0.2: most shoppers are known on one platform only, which is the problem. Each is varied in chapter 02.
    """
    settings = dict(locals())
    attributes, vectors = settings.pop("attributes"), settings.pop("vectors")
    _check(settings, attributes, vectors)
    shelf = tastes.make_shelf(
        attributes, vectors if preference_space == "embedding" else None, seed
    )
    items = pd.Index(attributes["image_key"].astype(str))
    platform = items.str.split("/").str[0].to_numpy(str)
    nobody, nothing = np.empty(0, np.int64), np.empty((0, len(items)), np.int8)
    scale = tastes.calibrate(shelf, seed)
    market = Market(settings, items, platform, shelf, scale, np.zeros(4), {}, nobody, nothing, {})
    pairs = _training(market)
    cuts = np.quantile(pairs["rated"], SHARES, method="higher")
    market = replace(market, cuts=cuts, log=_events(market, pairs, cuts, "train"))
    rows, opinions, seen = examine(market, "test", n_test)
    users, columns = np.nonzero(seen)
    judged = (1 + np.searchsorted(cuts, opinions, side="right")).astype(np.int8)
    pairs = {"user": users, "item": columns, "rated": opinions[users, columns]}
    return replace(market, test_rows=rows, judged=judged, seen=_events(market, pairs, cuts, "test"))


def examine(market: Market, stream: str, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw shoppers of both platforms until `n` have enough likes.

    Returns their rows in the stream, their noisy opinion of every item (n, n_items) float64, and what they saw (bool).
    On the source platform an opinion is of the item's season; on the target platform it is today's.
    """
    rows, opinions, seen, found, block = [], [], [], 0, 0
    while found < n:
        kept, _, _, opinion, looked = candidates(market, stream, block)
        rows.append(kept + block * tastes.BLOCK)
        opinions.append(opinion)
        seen.append(looked)
        found, block = found + len(kept), block + 1
        if block >= 20 and found < 0.01 * block * tastes.BLOCK:
            raise ValueError(
                f"of {block * tastes.BLOCK} drawn shoppers only {found} like {market.settings['n_liked']} items of "
                f"{market.settings['source']} and 3 of {market.settings['target']}: lower n_liked or use more products"
            )
    return tuple(np.concatenate(parts)[:n] for parts in (rows, opinions, seen))


def candidates(
    market: Market, stream: str, block: int
) -> tuple[np.ndarray, tastes.Shoppers, *tuple[np.ndarray, ...]]:
    """Those of one block who like enough: rows within the block, shoppers, signal, opinions, and what they saw."""
    seed, noise = market.settings["seed"], market.settings["noise"]
    on = [market.platform == market.settings[name] for name in ("source", "target")]
    shoppers = tastes.draw(market.shelf, tastes.BLOCK, seed, stream, block)
    rng = tastes.rng_of(seed, stream, block, 1)
    signal = market.signal(shoppers, stream)
    clock, items = (
        rng.standard_exponential(signal.shape)[:, market.on_sale],
        np.flatnonzero(market.on_sale),
    )
    n_seen = market.n_seen(shoppers, stream, len(items))
    users, columns = _expose(market, clock, signal[:, items], n_seen, items)
    seen = np.zeros(signal.shape, bool)
    seen[users, items[columns]] = True
    opinion = signal + noise * rng.standard_normal(signal.shape)
    liked = seen & (opinion >= market.cuts[2])
    kept = np.flatnonzero(
        (liked[:, on[0]].sum(1) >= market.settings["n_liked"]) & (liked[:, on[1]].sum(1) >= 3)
    )
    return (
        kept,
        tastes.Shoppers(*(part[kept] for part in shoppers)),
        signal[kept],
        opinion[kept],
        seen[kept],
    )


def in_threads(work, numbers) -> list:
    """`work` of each number, side by side and in order: numpy frees the lock, seeds are the blocks' own."""
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        return list(pool.map(work, numbers))


def _training(market: Market) -> dict[str, np.ndarray]:
    """Who among the training shoppers saw what, and their noisy opinion of it."""
    blocks = range(-(-market.settings["n_users"] // tastes.BLOCK))
    visits, on = _visits(market)
    parts = in_threads(lambda block: _training_block(market, block, visits, on), blocks)
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def _training_block(market: Market, block: int, visits, on) -> dict[str, np.ndarray]:
    seed, start = market.settings["seed"], block * tastes.BLOCK
    visits = visits[start : start + tastes.BLOCK]
    shoppers = tastes.draw(market.shelf, tastes.BLOCK, seed, "train", block)
    rng = tastes.rng_of(seed, "train", block, 1)
    clock = rng.standard_exponential((len(visits), len(market.items)))
    pairs = []
    for pair in np.unique(visits, axis=0):  # only what these shoppers can see is worked out
        rows, items = (
            np.flatnonzero((visits == pair).all(axis=1)),
            np.flatnonzero(np.isin(on, pair)),
        )
        some = tastes.Shoppers(*(part[rows] for part in shoppers))
        signal = market.signal(some, "train", items)
        n_seen = market.n_seen(some, "train", len(items))
        users, columns = _expose(market, clock[rows].take(items, axis=1), signal, n_seen, items)
        pairs.append((rows[users], items[columns], signal[users, columns]))
    users, columns, signal = (np.concatenate(part) for part in zip(*pairs, strict=True))
    order = np.argsort(users, kind="stable")
    rated = signal[order] + market.settings["noise"] * rng.standard_normal(len(users))
    return {"user": users[order] + start, "item": columns[order], "rated": rated}


def _expose(market: Market, clock, signal, n_seen, items) -> tuple[np.ndarray, np.ndarray]:
    """Which of `items` each shopper sees: the first `n_seen` in a race of exponential clocks, which are used up.

    The rates exp(bias * (popularity + signal)) make the first k a draw without replacement in proportion to the rates
    (the Gumbel top-k trick, Efraimidis and Spirakis 2006).
    """
    bias, popularity, most = (
        market.settings["exposure_bias"],
        market.shelf.popularity[items],
        int(n_seen.max()),
    )
    seen = np.empty((len(clock), most), np.int64)
    for start in range(0, len(clock), 32):  # pieces that stay in the processor's cache
        rows = slice(start, start + 32)
        clock[rows] *= np.exp(-bias * (signal[rows] + popularity))
        first = np.argpartition(clock[rows], most - 1, axis=1)[:, :most]
        times = np.take_along_axis(clock[rows], first, axis=1)
        seen[rows] = np.take_along_axis(first, np.argsort(times, axis=1), axis=1)
    keep = np.arange(most) < n_seen[:, None]
    return np.nonzero(keep)[0], seen[keep]


def _visits(market: Market) -> tuple[np.ndarray, np.ndarray]:
    """The platforms, by number, that each training shopper visits (n_users, 2), and each item's (n_items,).

    Exactly the share `overlap` of shoppers visits a second one; the others' two are the same.
    """
    names, on = np.unique(market.platform, return_inverse=True)
    n, n_platforms = market.settings["n_users"], len(names)
    rng = tastes.rng_of(market.settings["seed"], "home")
    home = rng.permutation(n) % n_platforms
    second = home.copy()
    both = rng.permutation(n)[: int(market.settings["overlap"] * n + 1e-9)]
    if n_platforms > 1:
        second[both] = (home[both] + rng.integers(1, n_platforms, len(both))) % n_platforms
    return np.sort(np.stack([home, second], axis=1), axis=1), on


def _events(
    market: Market, pairs: dict[str, np.ndarray], cuts, stream: str
) -> dict[str, np.ndarray]:
    """Ratings, times and kinds of event, sorted by shopper and time. Times are drawn as integers: exact everywhere."""
    rng, n = tastes.rng_of(market.settings["seed"], stream, 0, 2), len(pairs["user"])
    rating = (1 + np.searchsorted(cuts, pairs["rated"], side="right")).astype(np.int8)
    time = (
        YEAR_STARTS + market.shelf.season[pairs["item"]] * HALF_YEAR + rng.integers(0, HALF_YEAR, n)
    )
    if stream == "test":  # they come to the target platform after everything in the training log
        arrival = YEAR_STARTS + 2 * HALF_YEAR + rng.integers(0, MONTH, n)
        time = np.where(market.platform[pairs["item"]] == market.settings["target"], arrival, time)
    draw = rng.random(n)
    bought, wished = PURCHASE[rating - 1], WISH[rating - 1]
    event = np.where(draw < bought, 2, np.where(draw < bought + wished, 1, 0)).astype(np.int8)
    if (
        market.settings["n_users"] * len(market.items) < 2**37
    ):  # one number to sort by: many times faster
        order = np.argsort(
            (pairs["user"] * 2**26 + (time - YEAR_STARTS)) * len(market.items) + pairs["item"]
        )
    else:
        order = np.lexsort((pairs["item"], time, pairs["user"]))
    columns = {"user": np.int32, "item": np.int32}
    log = {key: pairs[key].astype(kind)[order] for key, kind in columns.items()}
    return log | {
        "rating": rating[order],
        "timestamp": time.astype(np.int64)[order],
        "event": event[order],
    }


def _check(settings: dict, attributes: pd.DataFrame, vectors) -> None:
    """Refuse what can't be simulated, saying which setting and what it may be."""
    for name, low, high in (
        ("n_users", 1, 10**7),
        ("n_test", 1, 10**6),
        ("density", 1e-6, 0.5),
        ("noise", 0, 100),
        ("exposure_bias", 0, 10),
        ("overlap", 0, 1),
        ("n_liked", 1, 1000),
    ):
        if not low <= settings[name] <= high:
            raise ValueError(f"{name} must lie in {low}..{high}, not {settings[name]}")
    missing = {"image_key", "category", "colour", "pattern", "style", "price_usd"} - set(
        attributes.columns
    )
    if missing:
        raise ValueError(
            f"attributes lack the columns {sorted(missing)}: chapter 01 writes them to attributes.parquet"
        )
    if settings["preference_space"] not in ("attributes", "embedding"):
        raise ValueError(
            f"preference_space must be attributes or embedding, not {settings['preference_space']!r}"
        )
    if settings["preference_space"] == "embedding" and (
        vectors is None or len(vectors) != len(attributes)
    ):
        raise ValueError(
            "preference_space='embedding' needs `vectors`, one for each row of attributes"
        )
    platforms = sorted(attributes["image_key"].astype(str).str.split("/").str[0].unique())
    for side in ("source", "target"):
        if settings[side] not in platforms:
            raise ValueError(
                f"{side} platform {settings[side]!r} is not in the catalogue, which has {platforms}"
            )
    if settings["source"] == settings["target"]:
        raise ValueError(
            f"source and target are both {settings['source']!r}: a cross-platform test needs two platforms"
        )
