"""Simulated shoppers: who sees what, how they rate it, and what they then do."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers.simulator import tastes
from helpers.simulator.market import LIKES_ON_TARGET, Market, Population
from helpers.simulator.settings import MarketSettings

SHARES_BELOW = (0.1, 0.25, 0.5, 0.8)
"""Of what training shoppers see, the share rated below 2, 3, 4 and 5. Half is liked."""
P_PURCHASE = np.array([0.02, 0.05, 0.10, 0.35, 0.60])
"""P(purchase | rating 1 … 5)."""
P_WISH = np.array([0.02, 0.05, 0.15, 0.30, 0.25])
BROWSE, WISH, PURCHASE = range(3)

DAY = 86_400
YEAR_STARTS = 1_704_067_200  # 1 January 2024, in seconds since 1970
HALF_YEAR = 182 * DAY
MONTH = 30 * DAY

LIKED_CUT = 2  # position in `cuts` of the signal at which a rating becomes 4
SHOPPERS_PER_PIECE = 32  # raced at once, so that a piece stays in the processor's cache
FEWEST_KEPT = 0.01  # of the shoppers drawn; with fewer, the settings are refused
BLOCKS_BEFORE_GIVING_UP = 20


class Candidates(NamedTuple):
    """Shoppers of one block who like enough on both platforms.

    Attributes
    ----------
    rows : (n,) int64
        Within the block.
    shoppers : Shoppers
    signal, opinion : (n, n_items) float64
        What they would think of each item without and with noise. On the source platform it is of
        the item's season; on the target platform it is today's.
    seen : (n, n_items) bool
    """

    rows: np.ndarray
    shoppers: tastes.Shoppers
    signal: np.ndarray
    opinion: np.ndarray
    seen: np.ndarray


class Pairs(NamedTuple):
    """Shoppers and items that they saw, with their noisy opinion; one entry per pair."""

    user: np.ndarray
    item: np.ndarray
    opinion: np.ndarray


def simulate_market(
    attributes: pd.DataFrame, *, vectors: np.ndarray | None = None, **settings
) -> Market:
    """Simulate shoppers of a catalogue.

    Parameters
    ----------
    attributes : DataFrame, n_items rows
        image_key ("platform/id"), category, colour, pattern, style, price_usd; brand if known.
    vectors : (n_items, d) float32, optional
        Read only with `preference_space="embedding"`.
    **settings
        As in `MarketSettings`.

    Raises
    ------
    ValueError
        If a setting is out of its range, or too few shoppers leave `n_liked` likes.
    """
    chosen = MarketSettings(**settings)
    chosen.check_catalogue(attributes, vectors)
    population = _populate(attributes, vectors, chosen)
    pairs = _training_pairs(population)
    cuts = np.quantile(pairs.opinion, SHARES_BELOW, method="higher")
    log = _events(population, pairs, cuts, "train")
    rows, opinions, seen = examine(population, cuts, "test", chosen.n_test)
    judged = _ratings(opinions, cuts)
    users, items = np.nonzero(seen)
    seen_pairs = Pairs(users, items, opinions[users, items])
    return Market(
        **vars(population),
        cuts=cuts,
        log=log,
        test_rows=rows,
        judged=judged,
        seen=_events(population, seen_pairs, cuts, "test"),
    )


def _populate(attributes, vectors, settings: MarketSettings) -> Population:
    driven_by = vectors if settings.preference_space == "embedding" else None
    combinations = settings.preference_space == "combinations"
    shelf = tastes.make_shelf(attributes, driven_by, settings.seed, combinations)
    items = pd.Index(attributes["image_key"].astype(str))
    platform = items.str.split("/").str[0].to_numpy(str)
    calibration = tastes.calibrate(shelf, settings.seed)
    return Population(asdict(settings), items, platform, shelf, calibration)


def _ratings(opinions: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """Ratings 1-5 from noisy signals."""
    return (1 + np.searchsorted(cuts, opinions, side="right")).astype(np.int8)


def examine(
    population: Population, cuts: np.ndarray, stream: str, n: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw shoppers of both platforms until `n` have enough likes.

    Returns
    -------
    rows : (n,) int64
        In the stream.
    opinions : (n, n_items) float64
        Of every item.
    seen : (n, n_items) bool
    """
    found = []
    n_found = 0
    block = 0
    while n_found < n:
        kept = candidates(population, cuts, stream, block)
        rows = kept.rows + block * tastes.SHOPPERS_PER_BLOCK
        found.append((rows, kept.opinion, kept.seen))
        n_found += len(rows)
        block += 1
        _give_up_if_too_few(population, n_found, block)
    rows, opinions, seen = map(np.concatenate, zip(*found, strict=True))
    return rows[:n], opinions[:n], seen[:n]


def _give_up_if_too_few(population: Population, n_found: int, n_blocks: int) -> None:
    n_drawn = n_blocks * tastes.SHOPPERS_PER_BLOCK
    if n_blocks < BLOCKS_BEFORE_GIVING_UP or n_found >= FEWEST_KEPT * n_drawn:
        return
    settings = population.settings
    raise ValueError(
        f"of {n_drawn} drawn shoppers only {n_found} like {settings['n_liked']} items of "
        f"{settings['source']} and {LIKES_ON_TARGET} of {settings['target']}: "
        "lower n_liked or use more products"
    )


def candidates(population: Population, cuts: np.ndarray, stream: str, block: int) -> Candidates:
    """Those of one block who like enough on both platforms."""
    settings = population.settings
    seed = settings["seed"]
    shoppers = tastes.draw(population.shelf, tastes.SHOPPERS_PER_BLOCK, seed, stream, block)
    rng = tastes.rng_of(seed, stream, block, 1)
    signal = population.signal(shoppers, stream)
    items = np.flatnonzero(population.on_sale)
    clock = rng.standard_exponential(signal.shape)[:, items]
    n_seen = population.n_seen(shoppers, stream, len(items))
    users, columns = _expose(population, clock, signal[:, items], n_seen, items)
    seen = np.zeros(signal.shape, bool)
    seen[users, items[columns]] = True
    opinion = signal + settings["noise"] * rng.standard_normal(signal.shape)
    liked = seen & (opinion >= cuts[LIKED_CUT])
    n_on_source = liked[:, population.on_source].sum(axis=1)
    n_on_target = liked[:, population.on_target].sum(axis=1)
    enough = (n_on_source >= settings["n_liked"]) & (n_on_target >= LIKES_ON_TARGET)
    rows = np.flatnonzero(enough)
    return Candidates(rows, shoppers.rows(rows), signal[rows], opinion[rows], seen[rows])


def in_threads(work: Callable, numbers: Iterable) -> list:
    """`work` of each number, side by side and in order.

    numpy releases the interpreter's lock, and each block has its own seed.
    """
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        return list(pool.map(work, numbers))


def _training_pairs(population: Population) -> Pairs:
    """Who among the training shoppers saw what, and their noisy opinion of it."""
    n_blocks = -(-population.settings["n_users"] // tastes.SHOPPERS_PER_BLOCK)
    visits, item_platform = _visits(population)

    def block_pairs(block):
        start = block * tastes.SHOPPERS_PER_BLOCK
        visited = visits[start : start + tastes.SHOPPERS_PER_BLOCK]
        return _training_block(population, block, visited, item_platform)

    parts = in_threads(block_pairs, range(n_blocks))
    return Pairs(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def _training_block(population: Population, block: int, visited, item_platform) -> Pairs:
    """Pairs of one block. `visited` (n, 2) holds the two platforms of each shopper."""
    seed = population.settings["seed"]
    shoppers = tastes.draw(population.shelf, tastes.SHOPPERS_PER_BLOCK, seed, "train", block)
    rng = tastes.rng_of(seed, "train", block, 1)
    clock = rng.standard_exponential((len(visited), len(population.items)))
    found = []
    for two_platforms in np.unique(visited, axis=0):  # only what these shoppers can see is computed
        rows = np.flatnonzero((visited == two_platforms).all(axis=1))
        items = np.flatnonzero(np.isin(item_platform, two_platforms))
        some = shoppers.rows(rows)
        signal = population.signal(some, "train", items)
        n_seen = population.n_seen(some, "train", len(items))
        own_clock = clock[rows].take(items, axis=1)
        users, columns = _expose(population, own_clock, signal, n_seen, items)
        found.append((rows[users], items[columns], signal[users, columns]))
    users, items, signal = (np.concatenate(values) for values in zip(*found, strict=True))
    order = np.argsort(users, kind="stable")
    error = population.settings["noise"] * rng.standard_normal(len(users))
    first_user = block * tastes.SHOPPERS_PER_BLOCK
    return Pairs(users[order] + first_user, items[order], signal[order] + error)


def _expose(population: Population, clock, signal, n_seen, items) -> tuple[np.ndarray, np.ndarray]:
    """Which of `items` each shopper sees: (user, column) of each pair.

    The first `n_seen` in a race of exponential clocks are seen. Rates exp(bias (popularity +
    signal)) make the first k a draw without replacement in proportion to the rates (the Gumbel
    top-k trick, Efraimidis and Spirakis 2006). `clock` is used up.
    """
    bias = population.settings["exposure_bias"]
    popularity = population.shelf.popularity[items]
    most = int(n_seen.max())
    seen = np.empty((len(clock), most), np.int64)
    for start in range(0, len(clock), SHOPPERS_PER_PIECE):
        rows = slice(start, start + SHOPPERS_PER_PIECE)
        clock[rows] *= np.exp(-bias * (signal[rows] + popularity))
        first = np.argpartition(clock[rows], most - 1, axis=1)[:, :most]
        times = np.take_along_axis(clock[rows], first, axis=1)
        order = np.argsort(times, axis=1)
        seen[rows] = np.take_along_axis(first, order, axis=1)
    keep = np.arange(most) < n_seen[:, None]
    users, _ = np.nonzero(keep)
    return users, seen[keep]


def _visits(population: Population) -> tuple[np.ndarray, np.ndarray]:
    """The platforms, by number, that each training shopper visits, and each item's.

    Exactly the share `overlap` of shoppers visits a second one. The others' two are the same.

    Returns
    -------
    visits : (n_users, 2) int64
    item_platform : (n_items,) int64
    """
    names, item_platform = np.unique(population.platform, return_inverse=True)
    settings = population.settings
    n_users = settings["n_users"]
    rng = tastes.rng_of(settings["seed"], "home")
    home = rng.permutation(n_users) % len(names)
    second = home.copy()
    n_both = int(settings["overlap"] * n_users + 1e-9)
    both = rng.permutation(n_users)[:n_both]
    if len(names) > 1:
        steps = rng.integers(1, len(names), n_both)
        second[both] = (home[both] + steps) % len(names)
    return np.sort(np.stack([home, second], axis=1), axis=1), item_platform


def _events(
    population: Population, pairs: Pairs, cuts: np.ndarray, stream: str
) -> dict[str, np.ndarray]:
    """Ratings, times and kinds of event, sorted by shopper and time.

    Times are drawn as integers, which are exact everywhere.
    """
    n = len(pairs.user)
    rng = tastes.rng_of(population.settings["seed"], stream, 0, 2)
    rating = _ratings(pairs.opinion, cuts)
    time = _times(population, pairs.item, stream, rng)
    event = _kinds(rating, rng.random(n))
    order = _by_user_and_time(pairs, time, population)
    return {
        "user": pairs.user.astype(np.int32)[order],
        "item": pairs.item.astype(np.int32)[order],
        "rating": rating[order],
        "timestamp": time.astype(np.int64)[order],
        "event": event[order],
    }


def _times(population: Population, item: np.ndarray, stream: str, rng) -> np.ndarray:
    """When each item was seen, in seconds since 1970.

    Test shoppers come to the target platform after everything in the training log.
    """
    in_season = population.shelf.season[item] * HALF_YEAR
    time = YEAR_STARTS + in_season + rng.integers(0, HALF_YEAR, len(item))
    if stream != "test":
        return time
    arrival = YEAR_STARTS + 2 * HALF_YEAR + rng.integers(0, MONTH, len(item))
    return np.where(population.on_target[item], arrival, time)


def _kinds(rating: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Purchase, wish or browse, by uniform draws `chance` (n,)."""
    bought = P_PURCHASE[rating - 1]
    wished = P_WISH[rating - 1]
    event = np.where(chance < bought + wished, WISH, BROWSE)
    return np.where(chance < bought, PURCHASE, event).astype(np.int8)


def _by_user_and_time(pairs: Pairs, time: np.ndarray, population: Population) -> np.ndarray:
    """Order by user, then time, then item."""
    n_items = len(population.items)
    if population.settings["n_users"] * n_items >= 2**37:
        return np.lexsort((pairs.item, time, pairs.user))
    moment = pairs.user * 2**26 + (time - YEAR_STARTS)
    return np.argsort(moment * n_items + pairs.item)  # one number sorts many times faster
