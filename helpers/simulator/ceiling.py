"""What n liked items tell about a simulated shopper: importance sampling over others of the same population."""

import numpy as np
import scipy.sparse as sp
from scipy.special import ndtr

from helpers.simulator import tastes
from helpers.simulator.market import Market
from helpers.simulator.shoppers import candidates, in_threads

FEW = 50  # histories that fewer draws explain get draws of their own
TILT = 1.4  # how steeply a like counts for a taste when those are proposed: near d log P(seen, liked) / d signal
SWEEPS = 8  # rounds over the attributes
STEPS, REACH = 256, 12  # tables of functions of the signal: steps to a unit, and how far they go


class Posterior:
    """Simulated shoppers, and for each what would be seen and liked; see `mean`.

    Parameters
    ----------
    market : Market
    n_draws : int
        Shoppers drawn from the population that test shoppers come from (their own minimum of likes included).
    n_own : int
        Draws of its own for each history that the others don't explain; 0 for none.
    """

    def __init__(self, market: Market, n_draws: int = 8_000, n_own: int = 64):
        self.market, self.n_own = market, n_own
        self.source = market.platform == market.settings["source"]
        blocks = []
        while sum(len(block["n_seen"]) for block in blocks) < n_draws:
            few = max(1, -(-n_draws // tastes.BLOCK) - len(blocks))
            blocks += in_threads(self._block, range(len(blocks), len(blocks) + few))
        drawn = {key: np.concatenate([block[key] for block in blocks]) for key in blocks[0]}
        self.worth, self.n_seen, self.seen, self.liked = (
            drawn[key] for key in ("worth", "n_seen", "seen", "liked")
        )
        self.log_likes = drawn["log_likes"]
        self.log_rate = {rating: np.ascontiguousarray(drawn[rating].T) for rating in (4, 5)}
        if market.shelf.parts and n_own:
            self._prepare_own(drawn["log_pull"])

    def mean(
        self, ratings: sp.csr_matrix, exposure: bool = False
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Posterior mean of P(rating >= 4), given liked items on the source platform.

        Parameters
        ----------
        ratings : csr_matrix, (n, n_items)
            Histories in the market's item order. Only ratings of 4 and 5 on the source platform tell anything here.
        exposure : bool
            P(seen and rating >= 4) in its place.

        Returns
        -------
        mean : (n, n_items) float32
            On the target platform with today's tastes, elsewhere with those of the item's season.
        effective : (n,) float64
            Effective sample size 1 / sum(weight**2) (Kong 1992).
        error : (n,) float64
            Standard error of the mean, the root mean square over every twentieth item.

        Notes
        -----
        n items drawn at random from all that a shopper likes have the likelihood
        prod_h P(seen h, rated r_h) / (sum_i P(seen i, liked))**n. Where fewer than `FEW` draws explain a
        history, others are drawn whose categories, palette, … each suit it, weighted by likelihood / chance of a draw.
        """
        likes = sp.csr_matrix(ratings[:, np.flatnonzero(self.source)])
        mean, effective, error = np.empty(ratings.shape, np.float32), *np.empty((2, likes.shape[0]))
        blank = np.flatnonzero(np.diff(likes.indptr) == 0)  # without a history all are alike
        todo = np.setdiff1d(np.arange(len(effective)), blank[1:])
        values = self.seen * self.liked if exposure else self.liked
        found = mean, effective, error
        in_threads(
            lambda at: self._answer(likes, todo[at : at + 128], values, exposure, found),
            range(0, len(todo), 128),
        )
        for array in (mean, effective, error):
            array[blank] = array[blank[:1]]
        return mean, effective, error

    def _answer(
        self, likes: sp.csr_matrix, rows: np.ndarray, values: np.ndarray, exposure: bool, found
    ) -> None:
        """Fill in `found` for some histories: from all draws, or from draws of their own where those are few."""
        weight = _normalised(self._log_likelihood(likes[rows]))
        size = 1 / (weight**2).sum(axis=1)
        poor = (
            np.flatnonzero(size < FEW)
            if self.n_own and self.market.shelf.parts
            else np.empty(0, np.int64)
        )
        rest = np.setdiff1d(np.arange(len(rows)), poor)
        answers = [(rest, _estimate(weight[rest], values))]
        if len(poor):
            rng = np.random.default_rng([self.market.settings["seed"], likes.nnz, rows[0]])
            for row, own in zip(poor, self._own(likes[rows[poor]], exposure, rng), strict=True):
                answers.append(
                    ([row], own if own[1] > size[row] else _estimate(weight[[row]], values))
                )
        for which, answer in answers:
            for array, part in zip(found, answer, strict=True):
                array[rows[which]] = part

    def _block(self, number: int) -> dict:
        """A block of shoppers, what their signal makes them see and like, and log sum of what pulls them."""
        market, (some, signal, *_) = self.market, candidates(self.market, "prior", number)[1:]
        n_seen, signal = (
            market.n_seen(some, "test", market.on_sale.sum()),
            signal.astype(np.float32),
        )
        seen, liked = market.seen_rate(signal, n_seen), market.at_least(signal, 4)
        looked, four, five = (
            seen[:, self.source],
            liked[:, self.source],
            market.at_least(signal[:, self.source], 5),
        )
        rate = np.exp(
            market.settings["exposure_bias"] * (market.shelf.popularity + signal).astype(np.float32)
        )
        return {
            "worth": some.worth,
            "n_seen": n_seen,
            "seen": seen,
            "liked": liked,
            4: np.log(np.maximum(looked * (four - five), 1e-30)),
            5: np.log(np.maximum(looked * five, 1e-30)),
            "log_likes": np.log((looked * four).sum(axis=1)),
            "log_pull": np.log((rate[:, self.source] * four).sum(axis=1)),
        }

    def _log_likelihood(self, likes: sp.csr_matrix) -> np.ndarray:
        """Of each history (rows) under each draw (columns)."""
        total = -np.asarray((likes >= 4).sum(axis=1)) * self.log_likes[None]
        for rating in (4, 5):
            total += sp.csr_matrix(likes == rating, dtype=np.float32) @ self.log_rate[rating]
        return total

    def _prepare_own(self, log_pull: np.ndarray) -> None:
        """Learn `log_pull`, the log of sum_i rate_i P(i liked), as a sum over attributes: what `_walk` divides by."""
        market, self.parts = self.market, tastes.columns(self.market.shelf.parts)
        mean, scale = market.calibration
        self.worth = ((self.worth - mean[:-1]) * scale).astype(np.float32)
        self.levels, self.quality = (
            market.levels("test"),
            (market.shelf.quality / mean[-1]).astype(np.float32),
        )
        base = np.exp(market.settings["exposure_bias"] * market.shelf.popularity[self.source])
        terms = [
            np.log(np.exp(TILT * self.worth[:, levels]) @ (base / base.sum()))
            for levels in self.levels[self.source].T
        ]
        weights = np.linalg.lstsq(
            np.stack([np.ones_like(terms[0]), *terms], axis=1), log_pull, rcond=None
        )[0]
        self.pull = np.stack(
            [weight * term for weight, term in zip(weights[1:], terms, strict=True)]
        )
        self.tilt_norm = np.stack(terms)
        self.noise = np.float32(max(market.settings["noise"], 1e-9))
        grid = np.arange(-REACH * STEPS, REACH * STEPS + 1) / STEPS
        self.four, five = market.cuts[2:].astype(np.float32)
        self.phi, above = ndtr(grid).astype(np.float32), ndtr((grid - five) / self.noise)
        below = ndtr((grid - self.four) / self.noise) - above
        self.log_rated = np.log(np.maximum(np.concatenate([below, above]), 1e-30)).astype(
            np.float32
        )

    def _own(self, likes: sp.csr_matrix, exposure: bool, rng):
        """Of each of these histories, what draws of its own say: (mean, size, error), as from `_estimate`."""
        past, parts = _Past(self, likes), list(self.parts.values())
        pick, log_density = self._walk(past, rng)
        n_seen = rng.choice(self.n_seen, log_density.shape)
        for row, size in enumerate(
            past.sizes
        ):  # one at a time: all of it stays in the processor's cache
            worth = np.concatenate(
                [self.worth[pick[p, row], part] for p, part in enumerate(parts)], axis=1
            ).T
            signal = np.repeat(self.quality[:, None], len(n_seen[row]), axis=1)
            for levels in self.levels.T:
                signal += worth[levels]
            seen = self.market.seen_rate(signal.T, n_seen[row]).T
            liked = self.phi[_place((signal - self.four) / self.noise)]
            pull = np.log((seen[self.source] * liked[self.source]).sum(axis=0))
            item = past.item[:size, row]
            rated = self.log_rated[past.offset[:size, row] + _place(signal[item])]
            log_weight = (np.log(np.maximum(seen[item], 1e-30)) + rated - pull).sum(
                axis=0
            ) - log_density[row]
            yield _estimate(_normalised(log_weight[None]), (seen * liked if exposure else liked).T)

    def _walk(self, past: "_Past", rng) -> tuple[np.ndarray, np.ndarray]:
        """Independence Metropolis-Hastings over attributes: whose palette, whose price band, … (n_parts, n, n_own).

        The second result is the log of the density walked on: the likelihood without saturation of exposure, its
        normaliser replaced by `pull`. Proposals favour what suits the history, in proportion to exp(TILT * worth).
        """
        bias, parts = self.market.settings["exposure_bias"], range(len(self.parts))
        offers, odds = zip(*(self._offers(past, part, rng) for part in parts), strict=True)
        pick, odd = np.stack([offer[0] for offer in offers]), np.stack([odd[0] for odd in odds])
        value = [past.worth(part, pick[part]) for part in parts]
        signal, pull = (
            sum(value) + self.quality[past.item][..., None],
            sum(self.pull[p][pick[p]] for p in parts),
        )

        def log_density(signal, pull):
            return past.log_rated(signal, bias) - past.sizes[:, None] * pull

        density = log_density(signal, pull)
        for sweep in range(1, SWEEPS + 1):
            for p in parts:
                new, new_odd = offers[p][sweep], odds[p][sweep]
                new_value, new_pull = (
                    past.worth(p, new),
                    pull + self.pull[p][new] - self.pull[p][pick[p]],
                )
                new_signal = signal - value[p] + new_value
                moved = log_density(new_signal, new_pull)
                yes = (
                    np.log(rng.random(density.shape, np.float32))
                    < moved - density + odd[p] - new_odd
                )
                for old, fresh in (
                    (pick[p], new),
                    (odd[p], new_odd),
                    (pull, new_pull),
                    (density, moved),
                ):
                    np.copyto(old, fresh, where=yes)
                np.copyto(value[p], new_value, where=yes)
                np.copyto(signal, new_signal, where=yes)
        return pick, density

    def _offers(self, past: "_Past", part: int, rng) -> tuple[np.ndarray, np.ndarray]:
        """Proposals for one attribute, (1 + SWEEPS, n, n_own) rows of the pool, and the log of their chances."""
        columns = list(self.parts.values())[part]
        fit = past.counts[:, columns] @ self.worth[:, columns].T
        log_chance = TILT * fit - past.sizes[:, None] * self.tilt_norm[part]
        chance = np.exp(log_chance - log_chance.max(axis=1, keepdims=True))
        heap = np.cumsum(chance, axis=1, dtype=np.float64)
        draw = rng.random((len(heap), (SWEEPS + 1) * self.n_own)) * heap[:, -1:]
        found = np.stack([np.searchsorted(row, u) for row, u in zip(heap, draw, strict=True)])
        found = np.minimum(found, len(self.worth) - 1)
        odds = np.take_along_axis(log_chance, found, axis=1)
        return (
            array.reshape(len(heap), SWEEPS + 1, -1).swapaxes(0, 1).copy()
            for array in (found, odds)
        )


class _Past:
    """Some histories as padded arrays (width, n): position and rating of each liked item."""

    def __init__(self, posterior: Posterior, likes: sp.csr_matrix):
        self.sizes, self.pool, self.table = (
            np.diff(likes.indptr),
            posterior.worth,
            posterior.log_rated,
        )
        place = np.arange(self.sizes.max()) < self.sizes[:, None]
        item, rating = np.zeros(place.shape, np.int64), np.zeros(place.shape)
        item[place], rating[place] = likes.indices, likes.data
        self.item = np.flatnonzero(posterior.source)[item.T]
        self.counted = place.T[..., None].astype(np.float32)
        self.offset = np.where(rating.T >= 5, len(self.table) // 2, 0)[..., None]
        self.levels = posterior.levels[self.item].transpose(2, 0, 1)
        self.counts = np.zeros((len(self.sizes), self.pool.shape[1]), np.float32)
        for levels in self.levels:
            np.add.at(self.counts, (np.nonzero(place)[0], levels.T[place]), 1)

    def worth(self, part: int, pick: np.ndarray) -> np.ndarray:
        """What `part` of the picked shoppers (n, k) is worth in each liked item, (width, n, k)."""
        return self.pool[pick, self.levels[part][..., None]]

    def log_rated(self, signal: np.ndarray, bias: float) -> np.ndarray:
        """Sum over liked items of log P(so rated) + bias * signal, (n, k)."""
        return (
            (self.table[self.offset + _place(signal)] + np.float32(bias) * signal) * self.counted
        ).sum(axis=0)


def _place(signal: np.ndarray) -> np.ndarray:
    """Where a signal's value stands in a table."""
    return ((np.clip(signal, -REACH, REACH) + REACH) * STEPS + 0.5).astype(np.int32)


def _estimate(weight: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weighted means (n, n_items), effective sample sizes (n,), and standard errors (n,) over every twentieth item."""
    mean, square = weight @ values, weight**2
    few, middle = values[:, ::20], mean[:, ::20]
    spread = (
        square @ few**2
        - 2 * (square @ few) * middle
        + square.sum(axis=1, keepdims=True) * middle**2
    )
    return mean, 1 / square.sum(axis=1), np.sqrt(np.maximum(spread, 0).mean(axis=1))


def _normalised(log_weight: np.ndarray) -> np.ndarray:
    weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    return weight / weight.sum(axis=1, keepdims=True)
