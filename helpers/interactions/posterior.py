"""What n liked items tell about a simulated shopper: importance sampling over others of the same population."""

import numpy as np
import scipy.sparse as sp

from helpers.interactions import tastes
from helpers.interactions.market import Market
from helpers.interactions.shoppers import candidates


class Posterior:
    """Simulated shoppers, and for each what would be liked; see `mean`.

    Parameters
    ----------
    market : Market
    n_draws : int
        Shoppers drawn from the population that test shoppers come from (their own minimum of likes included).
    """

    def __init__(self, market: Market, n_draws: int = 20_000):
        source = market.platform == market.settings["source"]
        self.source, self.n = source, 0
        chance, log_rate = [], {4: [], 5: []}
        self.liked, self.seen_liked, block = [], [], 0
        while self.n < n_draws:
            kept = candidates(market, "prior", block)[0]
            everyone = tastes.draw(market.shelf, tastes.BLOCK, market.settings["seed"], "prior", block)
            some = tastes.Shoppers(*(part[kept] for part in everyone))
            signal = market.signal(some, "test").astype(np.float32)
            seen = market.seen_rate(signal, market.n_seen(some, "test", market.on_sale.sum()))
            four, five = (market.at_least(signal[:, source], rating) for rating in (4, 5))
            chance.append(np.log((seen[:, source] * four).sum(axis=1)))
            for rating, share in ((4, four - five), (5, five)):
                log_rate[rating].append(np.log(np.maximum(seen[:, source] * share, 1e-30)).astype(np.float32))
            today = market.at_least(market.today(some).astype(np.float32), 4)
            self.liked.append(today.astype(np.float32))
            self.seen_liked.append((seen * today).astype(np.float32))
            self.n, block = self.n + len(kept), block + 1
        self.log_likes = np.concatenate(chance)
        self.log_rate = {rating: np.concatenate(parts) for rating, parts in log_rate.items()}

    def mean(self, ratings: sp.csr_matrix, exposure: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Posterior mean of P(rating >= 4) today, given liked items on the source platform.

        Parameters
        ----------
        ratings : csr_matrix, (n, n_items)
            Histories in the market's item order. Only ratings of 4 and 5 on the source platform tell anything here.
        exposure : bool
            P(seen and rating >= 4) in its place.

        Returns
        -------
        mean : (n, n_items) float32
        effective : (n,) float64
            Effective sample size 1 / sum(weight**2) (Kong 1992).
        error : (n,) float64
            Standard error of the mean, the root mean square over 50 items.

        Notes
        -----
        A history of n items drawn at random from all a shopper likes has the likelihood
        prod_h P(seen h, rated r_h) / (sum_i P(seen i, liked))**n, up to what all shoppers share.
        """
        likes = sp.csr_matrix(ratings[:, np.flatnonzero(self.source)])
        n_likes = np.asarray((likes >= 4).sum(axis=1)).ravel()
        log_weight = -n_likes[:, None] * self.log_likes[None].astype(np.float32)
        for rating in (4, 5):
            log_weight += sp.csr_matrix(likes == rating, dtype=np.float32) @ self.log_rate[rating].T
        weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
        weight /= weight.sum(axis=1, keepdims=True)
        total, spread, at = 0.0, 0.0, 0
        for block in self.seen_liked if exposure else self.liked:
            part = weight[:, at : at + len(block)]
            total, at = total + part @ block, at + len(block)
        some, at = (
            np.linspace(0, total.shape[1] - 1, min(50, total.shape[1])).astype(int),
            0,
        )  # enough items for an error
        for block in self.seen_liked if exposure else self.liked:
            part, few, middle = weight[:, at : at + len(block)] ** 2, block[:, some], total[:, some]
            spread += part @ few**2 - 2 * (part @ few) * middle + part.sum(axis=1, keepdims=True) * middle**2
            at += len(block)
        error = np.sqrt(np.maximum(spread, 0).mean(axis=1))
        return total.astype(np.float32), 1 / (weight.astype(np.float64) ** 2).sum(axis=1), error.astype(np.float64)
