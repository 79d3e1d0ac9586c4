"""What n liked items tell about a simulated shopper: importance sampling over others of the same population."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import scipy.sparse as sp
from scipy.special import ndtr

from helpers.interactions import tastes
from helpers.interactions.market import Market
from helpers.interactions.shoppers import candidates

FEW = 50  # histories that fewer draws explain get draws of their own
TILT = 1.4  # how steeply a like counts for a taste when those are proposed: near d log P(seen, liked) / d signal
SWEEPS = 8  # rounds over the attributes


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
        worth, n_seen, looks, pull, block = [], [], [], [], 0
        while len(looks) == 0 or sum(map(len, n_seen)) < n_draws:
            kept = candidates(market, "prior", block)[0]
            everyone = tastes.draw(market.shelf, tastes.BLOCK, market.settings["seed"], "prior", block)
            some = tastes.Shoppers(*(part[kept] for part in everyone))
            worth.append(some.worth)
            n_seen.append(market.n_seen(some, "test", market.on_sale.sum()))
            signal = market.signal(some, "test").astype(np.float32)
            looks.append(self._look(signal, n_seen[-1]))
            rate = np.exp(market.settings["exposure_bias"] * (market.shelf.popularity + signal))
            pull.append(np.log((rate * looks[-1][3])[:, self.source].sum(axis=1)))
            block += 1
        self.worth, self.n_seen = np.concatenate(worth), np.concatenate(n_seen)
        self.log_rate, self.log_likes, self.seen, self.liked = (
            {rating: np.concatenate([look[0][rating] for look in looks]) for rating in (4, 5)},
            *(np.concatenate([look[number] for look in looks]) for number in (1, 2, 3)),
        )
        if market.shelf.parts and n_own:
            self._prepare_own(np.concatenate(pull))

    def mean(self, ratings: sp.csr_matrix, exposure: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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
        values = self.seen * self.liked if exposure else self.liked
        for at in range(0, len(effective), 256):
            rows = np.arange(at, min(at + 256, len(effective)))
            weight = _normalised(self._log_likelihood(likes[rows]))
            mean[rows], effective[rows] = weight @ values, 1 / np.sum(weight.astype(np.float64) ** 2, axis=1)
            few, middle = values[:, ::20], mean[rows][:, ::20]  # a twentieth of the items is enough for an error
            spread = weight**2 @ few**2 - 2 * (weight**2 @ few) * middle
            spread += np.sum(weight**2, axis=1, keepdims=True) * middle**2
            error[rows] = np.sqrt(np.maximum(spread, 0).mean(axis=1))
        poor = np.flatnonzero(effective < FEW) if self.market.shelf.parts and self.n_own else []

        def improve(at):  # blocks with seeds of their own: threads change nothing
            rows, rng = poor[at : at + 32], np.random.default_rng([self.market.settings["seed"], likes.nnz, at])
            weight, own = self._own(likes[rows], exposure, rng)
            size = 1 / np.sum(weight**2, axis=1)
            for row in np.flatnonzero(size > effective[rows]):
                here, answer = rows[row], weight[row] @ own[row]
                spread = weight[row] ** 2 @ (own[row][:, ::20] - answer[::20]) ** 2
                mean[here], effective[here], error[here] = answer, size[row], np.sqrt(spread.mean())

        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            list(pool.map(improve, range(0, len(poor), 32)))
        return mean, effective, error

    def _look(self, signal: np.ndarray, n_seen: np.ndarray):
        """From shoppers' signal: log P(seen, rated r) of source items, log sum of their likes, P(seen), P(liked)."""
        seen = self.market.seen_rate(signal, n_seen)
        liked, five = self.market.at_least(signal, 4), self.market.at_least(signal[:, self.source], 5)
        four, looked = liked[:, self.source], seen[:, self.source]
        log_rate = {4: np.log(np.maximum(looked * (four - five), 1e-30)), 5: np.log(np.maximum(looked * five, 1e-30))}
        return log_rate, np.log((looked * four).sum(axis=1)), seen, liked

    def _log_likelihood(self, likes: sp.csr_matrix) -> np.ndarray:
        """Of each history (rows) under each draw (columns)."""
        total = -np.asarray((likes >= 4).sum(axis=1)) * self.log_likes[None]
        for rating in (4, 5):
            total += sp.csr_matrix(likes == rating, dtype=np.float32) @ self.log_rate[rating].T
        return total

    def _prepare_own(self, log_pull: np.ndarray) -> None:
        """Learn `log_pull`, the log of sum_i rate_i P(i liked), as a sum over attributes: what `_walk` divides by."""
        market, self.parts = self.market, tastes.columns(self.market.shelf.parts)
        mean, scale = market.calibration
        self.worth = ((self.worth - mean[:-1]) * scale).astype(np.float32)
        self.levels, self.quality = market.levels("test"), (market.shelf.quality / mean[-1]).astype(np.float32)
        base = np.exp(market.settings["exposure_bias"] * market.shelf.popularity[self.source])
        terms = [
            np.log(np.exp(TILT * self.worth[:, levels]) @ (base / base.sum())) for levels in self.levels[self.source].T
        ]
        weights = np.linalg.lstsq(np.stack([np.ones_like(terms[0]), *terms], axis=1), log_pull, rcond=None)[0]
        self.pull = np.stack([weight * term for weight, term in zip(weights[1:], terms, strict=True)])
        self.tilt_norm = np.stack(terms)

    def _own(self, likes: sp.csr_matrix, exposure: bool, rng) -> tuple[np.ndarray, np.ndarray]:
        """Draws for these histories: weights (n, n_own) and P(liked) (n, n_own, n_items)."""
        n, k, past = likes.shape[0], self.n_own, _Past(self, likes)
        pick, log_density = self._walk(past, rng)
        worth = np.empty((n * k, self.worth.shape[1]), np.float32)
        for number, columns in enumerate(self.parts.values()):
            worth[:, columns] = self.worth[pick[number].ravel(), columns]
        signal = np.tile(self.quality, (n * k, 1))
        for levels in self.levels.T:
            signal += np.take(worth, levels, axis=1)
        seen = self.market.seen_rate(signal, rng.choice(self.n_seen, n * k))
        liked = self.market.at_least(signal, 4)
        pull = np.log((seen[:, self.source] * liked[:, self.source]).sum(axis=1)).reshape(n, k)
        seen, liked, signal = (array.reshape(n, k, -1) for array in (seen, liked, signal))
        looked, felt = (np.take_along_axis(array, past.item[:, None], axis=2) for array in (seen, signal))
        log_weight = past.log_likelihood(np.log(np.maximum(looked, 1e-30)), felt, pull) - log_density
        return _normalised(log_weight), seen * liked if exposure else liked

    def _walk(self, past: "_Past", rng) -> tuple[np.ndarray, np.ndarray]:
        """Independence Metropolis-Hastings over attributes: whose palette, whose price band, … (n_parts, n, n_own).

        The second result is the log of the density walked on: the likelihood without saturation of exposure, its
        normaliser replaced by `pull`. Proposals favour what suits the history, in proportion to exp(TILT * worth).
        """
        bias, parts = self.market.settings["exposure_bias"], range(len(self.parts))
        offers, odds = zip(*(self._offers(past, part, rng) for part in parts), strict=True)
        pick, odd = np.stack([offer[..., 0] for offer in offers]), np.stack([odd[..., 0] for odd in odds])
        value = [past.worth(part, pick[part]) for part in parts]
        signal, pull = sum(value) + self.quality[past.item][:, None], sum(self.pull[p][pick[p]] for p in parts)
        density = past.log_likelihood(bias * signal, signal, pull)
        for sweep in range(1, SWEEPS + 1):
            for p in parts:
                new, new_odd = offers[p][..., sweep], odds[p][..., sweep]
                new_value, new_pull = past.worth(p, new), pull + self.pull[p][new] - self.pull[p][pick[p]]
                new_signal = signal - value[p] + new_value
                moved = past.log_likelihood(bias * new_signal, new_signal, new_pull)
                yes = np.log(rng.random(density.shape)) < moved - density + odd[p] - new_odd
                pick[p][yes], odd[p][yes], value[p][yes] = new[yes], new_odd[yes], new_value[yes]
                signal[yes], pull[yes], density[yes] = new_signal[yes], new_pull[yes], moved[yes]
        return pick, density

    def _offers(self, past: "_Past", part: int, rng) -> tuple[np.ndarray, np.ndarray]:
        """Proposals for one attribute, (n, n_own, 1 + SWEEPS) rows of the pool, and the log of their chances."""
        fit = sum(past.counted[:, h, None] * self.worth[:, level].T for h, level in enumerate(past.levels[part].T))
        chance = _normalised(TILT * fit - past.counted.sum(axis=1, keepdims=True) * self.tilt_norm[part])
        heap = np.cumsum(chance, axis=1, dtype=np.float64)
        draw = rng.random((len(heap), self.n_own * (SWEEPS + 1))) * heap[:, -1:]
        found = np.stack([np.searchsorted(row, u) for row, u in zip(heap, draw, strict=True)])
        found = np.minimum(found, len(self.worth) - 1)
        odds = np.log(np.maximum(np.take_along_axis(chance, found, axis=1), 1e-38))
        return (array.reshape(len(heap), self.n_own, -1) for array in (found, odds))


class _Past:
    """Some histories as padded arrays: catalogue position, attribute levels and cuts of each liked item, (n, width)."""

    def __init__(self, posterior: Posterior, likes: sp.csr_matrix):
        sizes = np.diff(likes.indptr)
        place = np.arange(sizes.max()) < sizes[:, None]
        item, rating = np.zeros(place.shape, np.int64), np.zeros(place.shape)
        item[place], rating[place] = likes.indices, likes.data
        self.item, self.counted = np.flatnonzero(posterior.source)[item], (rating >= 4).astype(np.float32)
        self.levels, self.pool = posterior.levels[self.item].transpose(2, 0, 1), posterior.worth
        four, five = posterior.market.cuts[2:]
        self.noise = max(posterior.market.settings["noise"], 1e-9)
        self.low = np.where(rating >= 5, five, four)[:, None]
        self.high = np.where(rating >= 5, np.inf, five)[:, None]

    def worth(self, part: int, pick: np.ndarray) -> np.ndarray:
        """What `part` of the picked shoppers (n, k) is worth in each liked item, (n, k, width)."""
        return self.pool[pick[..., None], self.levels[part][:, None]]

    def log_likelihood(self, log_seen: np.ndarray, signal: np.ndarray, pull: np.ndarray) -> np.ndarray:
        """Sum over liked items of log P(seen, so rated) - pull, (n, k)."""
        chance = ndtr((signal - self.low) / self.noise) - ndtr((signal - self.high) / self.noise)
        each = log_seen + np.log(np.maximum(chance, 1e-30)) - pull[..., None]
        return np.einsum("nkh,nh->nk", each, self.counted)


def _normalised(log_weight: np.ndarray) -> np.ndarray:
    weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    return weight / weight.sum(axis=1, keepdims=True)
