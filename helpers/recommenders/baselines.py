"""Floors and ceilings: what chance gets, what popularity gets, and the best anyone could get."""

import json
import zlib
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from safetensors.numpy import load_file

from helpers.interactions.matrix import LIKED, Interactions
from helpers.recommenders.base import Recommender
from helpers.simulator.ceiling import Posterior
from helpers.simulator.market import Market

# A log spans six half-lives: what is liked on its last day counts 64 times as much as on its first.
SPAN_IN_HALF_LIVES = 6
GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # the step between two states of splitmix64
MIXING = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))  # its shifts and factors
PSEUDO_LIKE = 0.5  # so that an item without likes has a logarithm


class Random(Recommender):
    """Scores by lot: the same shopper with the same history gets the same lot, on any machine.

    Parameters
    ----------
    seed : int
    """

    # As badly as all others: chance never falls back to popularity.
    handles_cold_users = True
    handles_cold_items = True

    def __init__(self, seed: int = 7):
        self.seed = seed

    def _usable(self, histories):
        return np.ones(len(histories), bool)

    def _fit(self, train, items, validate):
        pass

    def _score(self, histories):
        keys = self._keys(histories)
        items = np.arange(self.n_items_, dtype=np.uint64)
        mixed = _splitmix(keys[:, None] * GOLDEN + items)
        highest_bits = mixed >> np.uint64(40)
        return highest_bits.astype(np.float32) / np.float32(2**24)

    def _keys(self, histories) -> np.ndarray:
        """A number for each shopper's name and history, (n_users,) uint64."""
        names = histories.users
        if names is None:
            names = [b""] * len(histories)
        ratings = histories.ratings
        keys = []
        for user, name in enumerate(names):
            first, last = ratings.indptr[user : user + 2]
            row = ratings.indices[first:last].tobytes()
            of_name = zlib.crc32(str(name).encode(), self.seed)
            keys.append(zlib.crc32(row, of_name))
        return np.array(keys, np.uint64)


def _splitmix(mixed) -> np.ndarray:
    """The finalizer of splitmix64 (Steele et al. 2014): every bit depends on all others."""
    for shift, factor in MIXING:
        mixed = mixed ^ (mixed >> np.uint64(shift))
        mixed = mixed * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


class Popularity(Recommender):
    """The items that most training shoppers liked, the same for everyone."""

    evidence_in_logs = True

    def _fit(self, train, items, validate):
        pass

    def _score(self, histories):
        return np.broadcast_to(self.popularity_, (len(histories), self.n_items_))

    def _evidence(self, histories):
        return np.log(self._score(histories) + PSEUDO_LIKE)


class ByDate(Recommender):
    """What methods share that read the dates of likes: a half-life, and evidence in logarithms."""

    evidence_in_logs = True

    def __init__(self, half_life=None):
        if half_life is not None and half_life <= 0:
            raise ValueError(f"half_life is a number of days above 0, not {half_life}")
        self.half_life = half_life

    def _half_life(self, days: np.ndarray, in_span: int) -> float:
        """The half-life in days; where none was given, so many fit the time that `days` span."""
        if self.half_life is None:
            return np.ptp(days) / in_span
        return self.half_life

    def _evidence(self, histories):
        return np.log(self._score(histories) + PSEUDO_LIKE)


def dated_likes(train: Interactions) -> tuple[np.ndarray, np.ndarray] | None:
    """Day and item of each like, (n_likes,) both; None where all are of one day or have none."""
    if train.times is None or train.times.nnz == 0:
        return None
    liked = train.ratings.data >= LIKED
    days = train.times.data[liked]
    if len(days) == 0 or np.ptp(days) == 0:
        return None
    return days, train.ratings.indices[liked]


class RecentPopularity(ByDate):
    """The items that most training shoppers liked lately.

    A like counts half as much with every `half_life` that passes. A log without times has no
    "lately": then this is Popularity.

    Parameters
    ----------
    half_life : float or None
        Days; None is a sixth of the time that the log spans.

    Raises
    ------
    ValueError
        If `half_life` is not above 0.
    """

    handles_cold_users = True  # with or without a history, everyone gets the same

    def _usable(self, histories):
        return np.ones(len(histories), bool)

    def _fit(self, train, items, validate):
        self.recent_ = self.popularity_
        likes = dated_likes(train)
        if likes is None:
            return
        days, columns = likes
        age = days.max() - days
        weight = 0.5 ** (age / self._half_life(days, SPAN_IN_HALF_LIVES))
        total = np.bincount(columns, weight, self.n_items_)
        self.recent_ = total.astype(np.float32)

    def _score(self, histories):
        return np.broadcast_to(self.recent_, (len(histories), self.n_items_))


class Oracle(Recommender):
    """The ceiling: ranks by what only the simulator knows.

    Parameters
    ----------
    market : Market
    exposure : bool
        Rank by P(seen and liked), for tests on observed likes, in place of P(liked).
    given_history : bool
        Forget who the shopper is and know only their history: the posterior mean of that
        probability, by importance sampling. `ess_` then holds each scored shopper's effective
        sample size, and `error_` the standard error of their probabilities, averaged over items.
    n_draws, n_own : int
        Simulated shoppers behind the posterior, and own draws for each history that they don't
        explain.

    Notes
    -----
    Without `given_history`, shoppers are known by the names in `Histories.users`; strangers get
    popularity.
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
        self.market = market
        self.exposure = exposure
        self.given_history = given_history
        self.n_draws = n_draws
        self.n_own = n_own

    def _fit(self, train, items, validate):
        self.columns_ = self.market.items.get_indexer(train.items)
        n_strange = (self.columns_ < 0).sum()
        if n_strange:
            raise KeyError(f"{n_strange} of the items are not of this market")

    def _usable(self, histories):
        if self.given_history:
            return np.ones(len(histories), bool)
        if histories.users is None:
            return np.zeros(len(histories), bool)
        return self.market.knows(histories.users)

    def _score(self, histories):
        if self.given_history:
            return self._posterior(histories)
        if self.exposure:
            chances = self.market.probability_seen_and_liked(histories.users)
        else:
            chances = self.market.probability_liked(histories.users)
        return chances[:, self.columns_]

    def _predict(self, histories, items):
        expected = self.market.expected_rating(histories.users)
        return expected[:, self.columns_[items]]

    def _posterior(self, histories) -> np.ndarray:
        """Posterior mean of the probabilities, (n_users, n_items)."""
        if not hasattr(self, "_prior"):
            self._prior = Posterior(self.market, self.n_draws, self.n_own)
        ratings = self._in_market(histories)
        scores, self.ess_, self.error_ = self._prior.mean(ratings, self.exposure)
        return scores[:, self.columns_]

    def _in_market(self, histories) -> sp.csr_matrix:
        """The histories with one column per item of the market."""
        theirs = histories.in_catalogue(self.n_items_).tocoo()
        cells = (theirs.row, self.columns_[theirs.col])
        shape = (len(histories), len(self.market.items))
        return sp.csr_matrix((theirs.data, cells), shape=shape)

    def parameters(self):
        """Hyperparameters; the market is saved beside them."""
        named = super().parameters()
        del named["market"]
        return named

    def save(self, path: str | Path) -> None:
        """As in `Recommender`, and the market in the folder `path`-market."""
        self.market.save(f"{path}-market")
        super().save(path)

    @classmethod
    def load(cls, path: str | Path) -> "Oracle":
        """Read what `save` wrote."""
        text = Path(f"{path}.json").read_text(encoding="utf-8")
        head = json.loads(text)
        if head["class"] != "Oracle":
            raise ValueError(f"{path} holds a {head['class']}, not an Oracle")
        model = cls(Market.load(f"{path}-market"), **head["parameters"])
        arrays = load_file(f"{path}.safetensors")
        vars(model).update(head["learned"] | arrays)
        return model
