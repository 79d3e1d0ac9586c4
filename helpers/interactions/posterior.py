"""What n liked items tell about a simulated shopper: importance sampling over others of the same population."""

import numpy as np
import scipy.sparse as sp

from helpers.interactions import tastes
from helpers.interactions.market import Market
from helpers.interactions.shoppers import candidates

FEW = 100  # histories that fewer draws explain get draws of their own
TILT = 1.4  # how steeply a like counts for a taste in those draws: near d log P(seen, liked) / d signal


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
        worth, n_seen, looks, block = [], [], [], 0
        while len(looks) == 0 or sum(map(len, n_seen)) < n_draws:
            kept = candidates(market, "prior", block)[0]
            everyone = tastes.draw(market.shelf, tastes.BLOCK, market.settings["seed"], "prior", block)
            some = tastes.Shoppers(*(part[kept] for part in everyone))
            worth.append(some.worth)
            n_seen.append(market.n_seen(some, "test", market.on_sale.sum()))
            looks.append(self._look(market.signal(some, "test").astype(np.float32), n_seen[-1]))
            block += 1
        self.worth, self.n_seen = np.concatenate(worth), np.concatenate(n_seen)
        self.log_rate, self.log_likes, self.seen, self.liked = (
            {rating: np.concatenate([look[0][rating] for look in looks]) for rating in (4, 5)},
            *(np.concatenate([look[number] for look in looks]) for number in (1, 2, 3)),
        )
        if market.shelf.parts and n_own:
            self._prepare_own()

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
        rng = np.random.default_rng([self.market.settings["seed"], likes.nnz])
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
        for at in range(0, len(poor), 32):
            rows = poor[at : at + 32]
            weight, own = self._own(likes[rows], exposure, rng)
            better = 1 / np.sum(weight**2, axis=1) > effective[rows]
            rows, weight, own = rows[better], weight[better], own[better]
            mean[rows], effective[rows] = np.einsum("nk,nki->ni", weight, own), 1 / np.sum(weight**2, axis=1)
            spread = np.einsum("nk,nki->ni", weight**2, (own[:, :, ::20] - mean[rows, None, ::20]) ** 2)
            error[rows] = np.sqrt(spread.mean(axis=1))
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

    def _prepare_own(self) -> None:
        """What a value's worth adds to the number of likes, attribute by attribute: the tilt's normaliser."""
        market, self.parts = self.market, tastes.columns(self.market.shelf.parts)
        self.levels = market.levels("test")
        mean, scale = market.calibration
        self.worth = ((self.worth - mean[:-1]) * scale).astype(np.float32)
        base = np.exp(market.settings["exposure_bias"] * market.shelf.popularity[self.source])
        here = self.levels[self.source]
        self.log_norm = {
            part: np.log(np.exp(TILT * self.worth[:, here[:, number]]) @ (base / base.sum())).astype(np.float32)
            for number, part in enumerate(self.parts)
        }
        n_levels = self.worth.shape[1]
        rows = np.repeat(np.arange(len(here)), here.shape[1])
        self.one_hot = sp.csr_matrix((np.ones(here.size, np.float32), (rows, here.ravel())), (len(here), n_levels))

    def _own(self, likes: sp.csr_matrix, exposure: bool, rng) -> tuple[np.ndarray, np.ndarray]:
        """Draws for these histories: weights (n, n_own) and P(liked) (n, n_own, n_items)."""
        n, k = likes.shape[0], self.n_own
        liked = sp.csr_matrix(likes >= 4, dtype=np.float32)
        n_likes, counts = np.asarray(liked.sum(axis=1)), (liked @ self.one_hot).toarray()
        worth, log_weight = np.empty((n, k, self.worth.shape[1]), np.float32), np.zeros((n, k))
        for part, columns in self.parts.items():
            chance = _normalised(TILT * (counts[:, columns] @ self.worth[:, columns].T) - n_likes * self.log_norm[part])
            even = (rng.permuted(np.tile(np.arange(k), (n, 1)), axis=1) + rng.random((n, k))) / k
            heap = np.cumsum(chance.astype(np.float64), axis=1)
            pick = np.stack([np.searchsorted(row, u * row[-1]) for row, u in zip(heap, even, strict=True)])
            worth[:, :, columns] = self.worth[pick][:, :, columns]
            log_weight -= np.log(np.take_along_axis(chance, pick, axis=1))
        worth = worth.reshape(n * k, -1)
        signal = np.tile((self.market.shelf.quality / self.market.calibration[0][-1]).astype(np.float32), (n * k, 1))
        for number in range(self.levels.shape[1]):
            signal += np.take(worth, self.levels[:, number], axis=1)
        rates, log_likes, seen, today = self._look(signal, rng.choice(self.n_seen, n * k))
        log_weight -= n_likes * log_likes.reshape(n, k)
        for rating in (4, 5):
            log_weight += np.einsum("nki,ni->nk", rates[rating].reshape(n, k, -1), (likes == rating).toarray())
        return _normalised(log_weight), (seen * today if exposure else today).reshape(n, k, -1)


def _normalised(log_weight: np.ndarray) -> np.ndarray:
    weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    return weight / weight.sum(axis=1, keepdims=True)
