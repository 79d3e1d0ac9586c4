"""Floors and ceilings: what chance gets, what popularity gets, and the best that the simulator would let anyone get."""

import json
import zlib
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from helpers.interactions.matrix import LIKED
from helpers.recommenders.base import Recommender
from helpers.simulator.ceiling import Posterior
from helpers.simulator.market import Market

SPAN_IN_HALF_LIVES = (
    6  # of RecentPopularity: what is liked today counts 64 times as much as on the log's first day
)


class Random(Recommender):
    """Scores by lot: the same shopper with the same history gets the same lot, on any machine."""

    handles_cold_users = handles_cold_items = (
        True  # as badly as all others: chance never falls back to popularity
    )

    def __init__(self, seed: int = 7):
        self.seed = seed

    def _usable(self, histories):
        return np.ones(len(histories), bool)

    def _fit(self, train, items, validate):
        pass

    def _score(self, histories):
        ratings = histories.ratings
        names = histories.users if histories.users is not None else [b""] * len(histories)
        rows = [
            ratings.indices[a:b].tobytes()
            for a, b in zip(ratings.indptr, ratings.indptr[1:], strict=False)
        ]
        pairs, items = zip(names, rows, strict=True), np.arange(self.n_items_, dtype=np.uint64)
        key = [zlib.crc32(row, zlib.crc32(str(name).encode(), self.seed)) for name, row in pairs]
        mixed = np.array(key, np.uint64)[:, None] * np.uint64(0x9E3779B97F4A7C15) + items
        for shift, factor in (
            (30, 0xBF58476D1CE4E5B9),
            (27, 0x94D049BB133111EB),
        ):  # splitmix64's finaliser
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        return ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(40)).astype(
            np.float32
        ) / np.float32(2**24)


class Popularity(Recommender):
    """The items that most training shoppers liked, the same for everyone."""

    evidence_in_logs = True

    def _fit(self, train, items, validate):
        pass

    def _score(self, histories):
        return np.broadcast_to(self.popularity_, (len(histories), self.n_items_))

    def _evidence(self, histories):
        return np.log(self._score(histories) + 0.5)


class RecentPopularity(Recommender):
    """The items that most training shoppers liked lately: a like counts half as much with every `half_life` that passes.

    A log without times has no "lately": then this is Popularity.

    Parameters
    ----------
    half_life : float or None
        Days; None is a sixth of the time that the log spans.
    """

    evidence_in_logs = True

    def __init__(self, half_life=None):
        if half_life is not None and half_life <= 0:
            raise ValueError(f"half_life is a number of days above 0, not {half_life}")
        self.half_life = half_life

    def _fit(self, train, items, validate):
        self.recent_ = self.popularity_
        if train.times is None or train.times.nnz == 0:
            return
        liked = train.ratings.data >= LIKED
        days = train.times.data[liked]
        if len(days) == 0 or np.ptp(days) == 0:
            return
        half_life = self.half_life or np.ptp(days) / SPAN_IN_HALF_LIVES
        weight = 0.5 ** ((days.max() - days) / half_life)
        columns = train.ratings.indices[liked]
        self.recent_ = np.bincount(columns, weight, self.n_items_).astype(np.float32)

    def _score(self, histories):
        return np.broadcast_to(self.recent_, (len(histories), self.n_items_))

    def _evidence(self, histories):
        return np.log(self._score(histories) + 0.5)


class Oracle(Recommender):
    """The ceiling: ranks by what only the simulator knows.

    Parameters
    ----------
    market : Market
    exposure : bool
        Rank by P(seen and rating >= 4), for tests on observed likes, in place of P(rating >= 4).
    given_history : bool
        Forget who the shopper is and know only their history: the posterior mean of that probability, by importance
        sampling. `ess_` then holds each scored shopper's effective sample size and `error_` the standard error of their
        probabilities, averaged over the items.
    n_draws, n_own : int
        Simulated shoppers behind the posterior, and draws of its own for each history that they don't explain.

    Notes
    -----
    Without `given_history`, shoppers are known by the names in `Histories.users`; strangers fall back to popularity.
    """

    handles_cold_users = True
    handles_cold_items = True

    def __init__(
        self,
        market: Market,
        exposure: bool = False,
        given_history: bool = False,
        n_draws: int = 8_000,
        n_own: int = 64,
    ):
        self.market, self.exposure, self.given_history = market, exposure, given_history
        self.n_draws, self.n_own = n_draws, n_own

    def _fit(self, train, items, validate):
        self.columns_ = self.market.items.get_indexer(train.items)
        if (self.columns_ < 0).any():
            raise KeyError(f"{(self.columns_ < 0).sum()} of the items are not of this market")

    def _usable(self, histories):
        if self.given_history:
            return np.ones(len(histories), bool)
        if histories.users is None:
            return np.zeros(len(histories), bool)
        return self.market.knows(histories.users)

    def _score(self, histories):
        if self.given_history:
            return self._posterior(histories)
        ask = (
            self.market.probability_seen_and_liked
            if self.exposure
            else self.market.probability_liked
        )
        return ask(histories.users)[:, self.columns_]

    def _predict(self, histories, items):
        return self.market.expected_rating(histories.users)[:, self.columns_[items]]

    def _posterior(self, histories):
        if not hasattr(self, "_prior"):
            self._prior = Posterior(self.market, self.n_draws, self.n_own)
        theirs = histories.in_catalogue(self.n_items_).tocoo()
        shape = (len(histories), len(self.market.items))
        ratings = type(theirs)(
            (theirs.data, (theirs.row, self.columns_[theirs.col])), shape=shape
        ).tocsr()
        scores, self.ess_, self.error_ = self._prior.mean(ratings, self.exposure)
        return scores[:, self.columns_]

    def parameters(self):
        """Hyperparameters; the market is saved beside them."""
        return {name: value for name, value in super().parameters().items() if name != "market"}

    def save(self, path: str | Path) -> None:
        """As in `Recommender`, and the market in the folder `path`-market."""
        self.market.save(f"{path}-market")
        super().save(path)

    @classmethod
    def load(cls, path: str | Path) -> "Oracle":
        """Read what `save` wrote."""
        head = json.loads(Path(f"{path}.json").read_text(encoding="utf-8"))
        if head["class"] != "Oracle":
            raise ValueError(f"{path} holds a {head['class']}, not an Oracle")
        model = cls(Market.load(f"{path}-market"), **head["parameters"])
        vars(model).update(head["learned"], **load_file(f"{path}.safetensors"))
        return model
