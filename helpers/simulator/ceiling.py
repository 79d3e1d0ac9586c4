"""What n liked items tell about a simulated shopper: the ceiling for anyone who reads the history.

Given a history h of n liked items, the best possible score of item i is

    P(like i | h) = Σ_u w_u P(like i | u),
    w_u ∝ Π_{j in h} P(u sees j and rates it as h says) / Z_u

with the sum over shoppers u drawn from the population and Z_u = Σ_i P(u sees and likes i), the
chance that an item drawn at random from u's likes is any item. This is importance sampling: draws
that explain the history weigh more. Long histories are explained by few draws. For those, shoppers
of their own are drawn by a Markov chain (Metropolis and Hastings) that walks over one attribute of
taste after the other.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.special import ndtr

from helpers.interactions.matrix import LIKED
from helpers.simulator import tastes
from helpers.simulator.market import Market
from helpers.simulator.shoppers import candidates, in_threads

FEWEST_EFFECTIVE = 50
"""Histories that fewer draws explain get draws of their own."""
TILT = 1.4
"""How steeply a like counts for a taste in proposals: near d log P(seen, liked) / d signal."""
N_SWEEPS = 8
"""Rounds of the chain over the attributes."""
STEPS_PER_UNIT = 256
REACH = 12
"""Tables of functions of the signal go from -REACH to REACH."""
HISTORIES_AT_ONCE = 128
EVERY_NTH_ITEM = 20
"""Items whose standard error is computed."""
TINY = 1e-30


class Estimate(NamedTuple):
    """Posterior means of some histories.

    Attributes
    ----------
    mean : (n, n_items) float32
    effective : (n,) float64
        Effective sample size 1 / Σ weight² (Kong 1992).
    error : (n,) float64
        Standard error of the mean: the root mean square over every twentieth item.
    """

    mean: np.ndarray
    effective: np.ndarray
    error: np.ndarray


@dataclass(frozen=True)
class Pool:
    """Shoppers drawn from the population that test shoppers come from.

    Attributes
    ----------
    worth : (n_draws, n_values) float64
    n_seen : (n_draws,) int64
    seen, liked : (n_draws, n_items) float32
        Probabilities.
    log_rate : dict of int to (n_source_items, n_draws) float32
        log P(seen and rated 4) and log P(seen and rated 5), on the source platform.
    log_likes : (n_draws,) float32
        log Z_u.
    log_pull : (n_draws,) float32
        log Σ_i rate_i P(liked i), which a chain's density divides by.
    """

    worth: np.ndarray
    n_seen: np.ndarray
    seen: np.ndarray
    liked: np.ndarray
    log_rate: dict[int, np.ndarray]
    log_likes: np.ndarray
    log_pull: np.ndarray


class Posterior:
    """Simulated shoppers, and for each what would be seen and liked; see `mean`.

    Parameters
    ----------
    market : Market
    n_draws : int
        Shoppers drawn from the population that test shoppers come from, their own minimum of likes
        included.
    n_own : int
        Draws of its own for each history that the others do not explain; 0 for none.
    """

    def __init__(self, market: Market, n_draws: int = 8_000, n_own: int = 64):
        self.market = market
        self.pool = _draw_pool(market, n_draws)
        self.chain = None
        if market.shelf.parts and n_own:
            self.chain = Chain(market, self.pool, n_own)

    def mean(self, ratings: sp.csr_matrix, exposure: bool = False) -> Estimate:
        """Posterior mean of P(rating >= 4), given liked items on the source platform.

        Parameters
        ----------
        ratings : csr_matrix, (n, n_items)
            Histories in the market's item order. Only ratings of 4 and 5 on the source platform
            are read.
        exposure : bool
            Estimate P(seen and rating >= 4) instead.

        Returns
        -------
        Estimate
            On the target platform with today's tastes, elsewhere with those of the item's season.
        """
        likes = sp.csr_matrix(ratings[:, np.flatnonzero(self.market.on_source)])
        n = likes.shape[0]
        found = Estimate(np.empty(ratings.shape, np.float32), np.empty(n), np.empty(n))
        blank = np.flatnonzero(np.diff(likes.indptr) == 0)
        todo = np.setdiff1d(np.arange(n), blank[1:])  # without a history all are alike
        starts = range(0, len(todo), HISTORIES_AT_ONCE)

        def answer(start):
            self._answer(likes, todo[start : start + HISTORIES_AT_ONCE], exposure, found)

        in_threads(answer, starts)
        for values in found:
            values[blank] = values[blank[:1]]
        return found

    def _answer(self, likes, rows: np.ndarray, exposure: bool, found: Estimate) -> None:
        """Fill in `found` for the histories `rows`, from the pool or from draws of their own."""
        weight = _normalized(self._log_likelihood(likes[rows]))
        values = self.pool.liked
        if exposure:
            values = self.pool.seen * self.pool.liked
        from_pool = _estimate(weight, values)
        for target, source in zip(found, from_pool, strict=True):
            target[rows] = source
        if self.chain is None:
            return
        poor = np.flatnonzero(from_pool.effective < FEWEST_EFFECTIVE)
        if not len(poor):
            return
        rng = np.random.default_rng([self.market.settings["seed"], likes.nnz, rows[0]])
        own_estimates = self.chain.estimate(likes[rows[poor]], exposure, rng)
        for row, own in zip(poor, own_estimates, strict=True):
            if own.effective > from_pool.effective[row]:
                for target, source in zip(found, own, strict=True):
                    target[rows[row]] = source[0]

    def _log_likelihood(self, likes: sp.csr_matrix) -> np.ndarray:
        """Of each history (rows) under each draw (columns)."""
        n_likes = np.asarray((likes >= LIKED).sum(axis=1))
        total = -n_likes * self.pool.log_likes[None]
        for rating, log_rate in self.pool.log_rate.items():
            has_rating = likes.copy()
            has_rating.data = (likes.data == rating).astype(np.float32)
            has_rating.eliminate_zeros()
            total += has_rating @ log_rate
        return total


def _draw_pool(market: Market, n_draws: int) -> Pool:
    """Blocks of shoppers until there are `n_draws`."""
    blocks: list[dict[str, np.ndarray]] = []
    n_found = 0
    while n_found < n_draws:
        n_wanted = -(-n_draws // tastes.SHOPPERS_PER_BLOCK) - len(blocks)
        numbers = range(len(blocks), len(blocks) + max(1, n_wanted))
        blocks += in_threads(lambda number: _draw_block(market, number), numbers)
        n_found = sum(len(block["n_seen"]) for block in blocks)
    names = list(blocks[0])
    # each block's part is given up as soon as it is joined: together they are large
    drawn = {name: np.concatenate([block.pop(name) for block in blocks]) for name in names}
    log_rate = {
        4: np.ascontiguousarray(drawn.pop("log_rate_4").T),
        5: np.ascontiguousarray(drawn.pop("log_rate_5").T),
    }
    return Pool(**drawn, log_rate=log_rate)


def _draw_block(market: Market, number: int) -> dict[str, np.ndarray]:
    """One block of the pool: what the shoppers' signal makes them see and like."""
    kept = candidates(market, market.cuts, "prior", number)
    n_seen = market.n_seen(kept.shoppers, "test", market.on_sale.sum())
    signal = kept.signal.astype(np.float32)
    seen = market.seen_rate(signal, n_seen)
    liked = market.at_least(signal, LIKED)
    source = market.on_source
    seen_here = seen[:, source]
    liked_here = liked[:, source]
    rated_5 = market.at_least(signal[:, source], 5)
    rated_4 = liked_here - rated_5
    attraction = (market.shelf.popularity + signal).astype(np.float32)
    rate = np.exp(market.settings["exposure_bias"] * attraction)
    return {
        "worth": kept.shoppers.worth,
        "n_seen": n_seen,
        "seen": seen,
        "liked": liked,
        "log_rate_4": np.log(np.maximum(seen_here * rated_4, TINY)),
        "log_rate_5": np.log(np.maximum(seen_here * rated_5, TINY)),
        "log_likes": np.log((seen_here * liked_here).sum(axis=1)),
        "log_pull": np.log((rate[:, source] * liked_here).sum(axis=1)),
    }


class Chain:
    """Draws shoppers for one history each, attribute by attribute.

    Parameters
    ----------
    market : Market
        Whose preferences are driven by attributes.
    pool : Pool
        Whose tastes are recombined: one draw's palette with another's price band.
    n_own : int
        Chains per history, each of which gives one draw.
    """

    def __init__(self, market: Market, pool: Pool, n_own: int):
        self.market = market
        self.n_own = n_own
        self.n_seen = pool.n_seen
        self.columns = list(tastes.columns_of(market.shelf.parts).values())
        mean, scale = market.calibration
        self.worth = ((pool.worth - mean[:-1]) * scale).astype(np.float32)
        self.levels = market.levels("test")
        self.quality = (market.shelf.quality / mean[-1]).astype(np.float32)
        self._learn_pull(pool.log_pull)
        self.noise = np.float32(max(market.settings["noise"], 1e-9))
        self.cut_of_4 = np.float32(market.cuts[2])
        self.tables = Tables(self.noise, *market.cuts[2:].astype(np.float32))

    def _learn_pull(self, log_pull: np.ndarray) -> None:
        """Write log Σ_i rate_i P(liked i) as a sum over attributes, which moves of one need."""
        popularity = self.market.shelf.popularity[self.market.on_source]
        base = np.exp(self.market.settings["exposure_bias"] * popularity)
        share = base / base.sum()
        terms = []
        for levels in self.levels[self.market.on_source].T:
            terms.append(np.log(np.exp(TILT * self.worth[:, levels]) @ share))
        ones = np.ones_like(terms[0])
        design = np.stack([ones, *terms], axis=1)
        weights, *_ = np.linalg.lstsq(design, log_pull, rcond=None)
        self.tilt_norm = np.stack(terms)
        self.pull = np.stack(
            [weight * term for weight, term in zip(weights[1:], terms, strict=True)]
        )

    def estimate(self, likes: sp.csr_matrix, exposure: bool, rng):
        """For each history, an `Estimate` of one row from draws of its own."""
        past = Past(self, likes)
        pick, log_density = self._walk(past, rng)
        n_seen = rng.choice(self.n_seen, log_density.shape)
        source = self.market.on_source
        for row, size in enumerate(past.sizes):  # one at a time, to stay in the processor's cache
            signal = self._signal(pick[:, row])
            seen = self.market.seen_rate(signal.T, n_seen[row]).T
            liked = self.tables.normal((signal - self.cut_of_4) / self.noise)
            log_likes = np.log((seen[source] * liked[source]).sum(axis=0))
            item = past.item[:size, row]
            log_seen = np.log(np.maximum(seen[item], TINY))
            log_rated = self.tables.log_rated(signal[item], past.is_5[:size, row])
            log_likelihood = (log_seen + log_rated - log_likes).sum(axis=0)
            weight = _normalized((log_likelihood - log_density[row])[None])
            values = seen * liked if exposure else liked
            yield _estimate(weight, values.T)

    def _signal(self, pick: np.ndarray) -> np.ndarray:
        """Signal (n_items, n_own) of shoppers put together from the picks (n_parts, n_own)."""
        parts = []
        for rows, columns in zip(pick, self.columns, strict=True):
            parts.append(self.worth[rows, columns])
        worth = np.concatenate(parts, axis=1).T
        signal = np.repeat(self.quality[:, None], pick.shape[1], axis=1)
        for levels in self.levels.T:
            signal += worth[levels]
        return signal

    def _walk(self, past: "Past", rng) -> tuple[np.ndarray, np.ndarray]:
        """Independence Metropolis-Hastings over attributes: whose palette, whose price band, …

        Returns
        -------
        pick : (n_parts, n, n_own) int64
            Rows of the pool.
        log_density : (n, n_own) float32
            Of the density walked on: the likelihood without saturation of exposure, its normalizer
            replaced by `pull`.
        """
        n_parts = len(self.columns)
        proposals = []
        for part in range(n_parts):
            proposals.append(self._propose(past, part, rng))
        state = State.start(self, past, proposals)
        for sweep in range(1, N_SWEEPS + 1):
            for part in range(n_parts):
                offered, log_chance = proposals[part]
                state.move(part, offered[sweep], log_chance[sweep], rng)
        return state.pick, state.density

    def _propose(self, past: "Past", part: int, rng) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the pool for one attribute, and the log of their chance.

        Proposals favor what suits the history, in proportion to exp(TILT worth). Both results are
        (1 + N_SWEEPS, n, n_own).
        """
        columns = self.columns[part]
        worth = self.worth[:, columns]
        fit = past.counts[:, columns] @ worth.T
        log_norm = past.sizes[:, None] * self.tilt_norm[part]
        log_chance = TILT * fit - log_norm
        highest = log_chance.max(axis=1, keepdims=True)
        chance = np.exp(log_chance - highest)
        cumulative = np.cumsum(chance, axis=1, dtype=np.float64)
        n_offers = (N_SWEEPS + 1) * self.n_own
        lot = rng.random((len(cumulative), n_offers))
        target = lot * cumulative[:, -1:]
        places = []
        for until, wanted in zip(cumulative, target, strict=True):
            places.append(np.searchsorted(until, wanted))
        found = np.minimum(np.stack(places), len(self.worth) - 1)
        log_odds = np.take_along_axis(log_chance, found, axis=1)
        return self._by_sweep(found), self._by_sweep(log_odds)

    def _by_sweep(self, values: np.ndarray) -> np.ndarray:
        by_history = values.reshape(len(values), N_SWEEPS + 1, self.n_own)
        return by_history.swapaxes(0, 1).copy()


class State:
    """Where the chains stand. Every array is (n, n_own), one entry per chain.

    Attributes
    ----------
    pick, log_chance : (n_parts, n, n_own)
        Row of the pool per attribute, and the log of its chance when proposed.
    value : list of (width, n, n_own)
        What each attribute adds to the signal of the liked items.
    signal : (width, n, n_own)
    pull, density : (n, n_own)
    """

    def __init__(self, chain: Chain, past: "Past", pick: np.ndarray, log_chance: np.ndarray):
        self.chain = chain
        self.past = past
        self.pick = pick
        self.log_chance = log_chance
        self.value = [past.worth(part, rows) for part, rows in enumerate(pick)]
        self.signal = sum(self.value) + chain.quality[past.item][..., None]
        self.pull = sum(chain.pull[part][rows] for part, rows in enumerate(pick))
        self.density = past.log_density(self.signal, self.pull)

    @classmethod
    def start(cls, chain: Chain, past: "Past", proposals: list) -> "State":
        """Each chain begins at its first proposal."""
        pick = np.stack([offered[0] for offered, _ in proposals])
        log_chance = np.stack([chances[0] for _, chances in proposals])
        return cls(chain, past, pick, log_chance)

    def move(self, part: int, offered: np.ndarray, log_chance: np.ndarray, rng) -> None:
        """One step: propose other rows of the pool for `part`, accept some.

        The proposal does not depend on where a chain stands, so a move is accepted with
        probability min(1, density(new) chance(old) / (density(old) chance(new))).
        """
        value = self.past.worth(part, offered)
        signal = self.signal - self.value[part] + value
        pull = self.pull + self.chain.pull[part][offered]
        pull = pull - self.chain.pull[part][self.pick[part]]
        density = self.past.log_density(signal, pull)
        log_ratio = density - self.density + self.log_chance[part] - log_chance
        accepted = np.log(rng.random(density.shape, np.float32)) < log_ratio
        changes = (
            (self.pick[part], offered),
            (self.log_chance[part], log_chance),
            (self.pull, pull),
            (self.density, density),
            (self.value[part], value),
            (self.signal, signal),
        )
        for current, proposed in changes:
            np.copyto(current, proposed, where=accepted)


class Past:
    """Some histories as padded arrays, (width, n): position and rating of each liked item."""

    def __init__(self, chain: Chain, likes: sp.csr_matrix):
        self.chain = chain
        self.sizes = np.diff(likes.indptr)
        is_real = np.arange(self.sizes.max()) < self.sizes[:, None]
        item = np.zeros(is_real.shape, np.int64)
        rating = np.zeros(is_real.shape)
        item[is_real] = likes.indices
        rating[is_real] = likes.data
        self.item = np.flatnonzero(chain.market.on_source)[item.T]
        self.is_5 = rating.T >= 5
        self.is_real = is_real.T[..., None].astype(np.float32)
        self.levels = chain.levels[self.item].transpose(2, 0, 1)
        self.counts = self._count_levels(is_real)
        self.bias = np.float32(chain.market.settings["exposure_bias"])

    def _count_levels(self, is_real: np.ndarray) -> np.ndarray:
        """How many liked items of each history have each attribute value, (n, n_values)."""
        counts = np.zeros((len(self.sizes), self.chain.worth.shape[1]), np.float32)
        rows, _ = np.nonzero(is_real)
        for levels in self.levels:
            np.add.at(counts, (rows, levels.T[is_real]), 1)
        return counts

    def worth(self, part: int, pick: np.ndarray) -> np.ndarray:
        """What `part` of the picked shoppers (n, k) is worth in each liked item, (width, n, k)."""
        return self.chain.worth[pick, self.levels[part][..., None]]

    def log_density(self, signal: np.ndarray, pull: np.ndarray) -> np.ndarray:
        """Sum over liked items of log P(so rated) + bias signal - pull, (n, k)."""
        per_item = self.chain.tables.log_rated(signal, self.is_5) + self.bias * signal
        return (per_item * self.is_real).sum(axis=0) - self.sizes[:, None] * pull


class Tables:
    """Functions of the signal, looked up instead of computed."""

    def __init__(self, noise: np.float32, cut_of_4: np.float32, cut_of_5: np.float32):
        n_steps = REACH * STEPS_PER_UNIT
        steps = np.arange(-n_steps, n_steps + 1)
        grid = steps / STEPS_PER_UNIT
        self._normal = ndtr(grid).astype(np.float32)
        rated_5 = ndtr((grid - cut_of_5) / noise)
        rated_4 = ndtr((grid - cut_of_4) / noise) - rated_5
        both = np.concatenate([rated_4, rated_5])
        self._log_rated = np.log(np.maximum(both, TINY)).astype(np.float32)

    def normal(self, z: np.ndarray) -> np.ndarray:
        """The normal distribution function."""
        return self._normal[_place(z)]

    def log_rated(self, signal: np.ndarray, is_5: np.ndarray) -> np.ndarray:
        """log P(rated 5) where `is_5`, else log P(rated 4); `signal` has one axis more."""
        offset = np.where(is_5, len(self._normal), 0)
        return self._log_rated[offset[..., None] + _place(signal)]


def _place(signal: np.ndarray) -> np.ndarray:
    """Where a signal's value stands in a table."""
    inside = np.clip(signal, -REACH, REACH)
    return ((inside + REACH) * STEPS_PER_UNIT + 0.5).astype(np.int32)


def _estimate(weight: np.ndarray, values: np.ndarray) -> Estimate:
    """Weighted means of `values` (n_draws, n_items) under each row of `weight` (n, n_draws)."""
    mean = weight @ values
    square = weight**2
    few = values[:, ::EVERY_NTH_ITEM]
    middle = mean[:, ::EVERY_NTH_ITEM]
    spread = square @ few**2
    spread -= 2 * (square @ few) * middle
    spread += square.sum(axis=1, keepdims=True) * middle**2
    error = np.sqrt(np.maximum(spread, 0).mean(axis=1))
    return Estimate(mean, 1 / square.sum(axis=1), error)


def _normalized(log_weight: np.ndarray) -> np.ndarray:
    weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    return weight / weight.sum(axis=1, keepdims=True)
