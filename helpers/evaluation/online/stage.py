"""The simulated shop that the studies of this package play in."""

from dataclasses import dataclass

import numpy as np

from helpers.evaluation.exam import Exam
from helpers.evaluation.online.bandits import Shop, visit_features
from helpers.evaluation.online.clicks import ClickModel
from helpers.interactions.matrix import ItemFeatures
from helpers.interactions.splits import N_HISTORY, Split
from helpers.recommenders import Content, Popularity
from helpers.recommenders.features import principal_axes
from helpers.simulator.market import Market

AXES = 16
"""Main axes of the item vectors that policies read."""


@dataclass(frozen=True)
class Stage:
    """Test shoppers (rows) and the items of the target shop (columns).

    Attributes
    ----------
    split : Split
        `cross_platform`; its `candidates` are the columns' places in the catalogue.
    market : Market
    items : ItemFeatures
        The whole catalogue.
    scores : (n_shoppers, n_items) float64
        s_ui: what `Content` says after a short history, with mean 0 and standard deviation 1.
    vectors : (n_items, AXES) float64
        z_i along the main axes, of length 1.
    shop : Shop
    """

    split: Split
    market: Market
    items: ItemFeatures
    scores: np.ndarray
    vectors: np.ndarray
    shop: Shop

    @property
    def p_liked(self) -> np.ndarray:
        """The truth: P(shopper likes item)."""
        return self.shop.p_liked

    @property
    def popularity(self) -> np.ndarray:
        """Likes of each item in the training log, (n_items,)."""
        return self.shop.popularity

    @property
    def by_popularity(self) -> np.ndarray:
        """Items from the most to the least popular, (n_items,) int."""
        return np.argsort(-self.popularity, kind="stable")

    def with_regulars(self, shoppers: np.ndarray) -> "Stage":
        """The same shop with only these shoppers, by row."""
        shop = Shop(self.p_liked[shoppers], self.popularity, self.shop.clicks)
        return Stage(
            split=self.split,
            market=self.market,
            items=self.items,
            scores=self.scores[shoppers],
            vectors=self.vectors,
            shop=shop,
        )

    def features(self, items=slice(None)) -> np.ndarray:
        """x_ui of all shoppers and of some items; see `visit_features`."""
        return visit_features(self.vectors[items], self.scores[:, items])


def set_stage(exam: Exam, known: int = 3) -> Stage:
    """The stage of a profile with simulated shoppers.

    Parameters
    ----------
    known : int
        Liked items that each shopper brings.

    Raises
    ------
    ValueError
        If the shoppers are real customers: nobody knows what they would have clicked.
    """
    if exam.market is None:
        raise ValueError(
            f"profile {exam.profile!r} has real customers, whose clicks on other lists nobody "
            "knows; choose one with simulated shoppers, such as 'sample'"
        )
    split = exam.cross_platform(N_HISTORY)
    histories = split.histories[known]
    places = exam.market.items.get_indexer(split.train.items)
    everything = exam.market.probability_liked(histories.users)[:, places]
    popular = Popularity().fit(split.train, exam.items)
    content = Content().fit(split.train, exam.items)
    shop = Shop(
        p_liked=_columns(everything, split.candidates),
        popularity=popular.popularity_[split.candidates].astype(np.float64),
        clicks=ClickModel(),
    )
    scores = _columns(content.score(histories), split.candidates)
    return Stage(
        split=split,
        market=exam.market,
        items=exam.items,
        scores=(scores - scores.mean()) / scores.std(),
        vectors=_along_axes(exam.items.vectors)[split.candidates],
        shop=shop,
    )


def _columns(table: np.ndarray, which: np.ndarray) -> np.ndarray:
    return table[:, which].astype(np.float64)


def _along_axes(vectors: np.ndarray) -> np.ndarray:
    center, directions = principal_axes(vectors, AXES)
    reduced = (vectors - center) @ directions
    length = np.linalg.norm(reduced, axis=1, keepdims=True)
    return reduced / np.maximum(length, 1e-12)
