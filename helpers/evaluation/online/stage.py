"""The simulated shop that the studies of this package play in."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from helpers.evaluation.exam import Exam
from helpers.evaluation.online.bandits import Shop, visit_features
from helpers.evaluation.online.clicks import ClickModel
from helpers.evaluation.online.off_policy import softmax
from helpers.interactions.matrix import ItemFeatures
from helpers.interactions.splits import N_HISTORY, Split
from helpers.recommenders import Content, Popularity
from helpers.recommenders.features import principal_axes
from helpers.simulator.market import Market

EVERY = slice(None)
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

    def features(self, items: np.ndarray | slice = EVERY) -> np.ndarray:
        """x_ui of all shoppers and of some items; see `visit_features`."""
        return visit_features(self.vectors[items], self.scores[:, items])


class Banner(NamedTuple):
    """Which of a few items the start page shows: a policy that logs, and one to be evaluated.

    Attributes
    ----------
    items : (n_items,) int
        The shop's most popular items, as columns of the stage.
    today : (n_shoppers, n_items) float64
        Prefers popular items, and explores: a share of its visits gets a random item.
    greedy : (n_shoppers, n_items) float64
        The same without the exploration.
    new : (n_shoppers, n_items) float64
        Prefers what resembles the shopper's liked items. To be evaluated.
    p_click : (n_shoppers, n_items) float64
        The truth.
    """

    items: np.ndarray
    today: np.ndarray
    greedy: np.ndarray
    new: np.ndarray
    p_click: np.ndarray


def set_banner(stage: Stage, explored: float = 0.2, n_items: int = 20) -> Banner:
    """Two policies for one banner.

    Parameters
    ----------
    explored : float
        Share of today's visits that get a random item.
    n_items : int
    """
    items = stage.by_popularity[:n_items]
    likes = np.log1p(stage.popularity[items])
    likes = np.broadcast_to(likes, (len(stage.p_liked), n_items))
    greedy = softmax(_standard(likes))
    today = (1 - explored) * greedy + explored / n_items
    new = softmax(_standard(stage.scores[:, items]))
    p_click = stage.shop.clicks.attraction(stage.p_liked[:, items])
    return Banner(items, today, greedy, new, p_click)


def _standard(rows: np.ndarray) -> np.ndarray:
    """Rows with mean 0 and standard deviation 1."""
    apart = rows - rows.mean(axis=1, keepdims=True)
    spread = apart.std(axis=1, keepdims=True)
    return apart / np.maximum(spread, 1e-12)


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
