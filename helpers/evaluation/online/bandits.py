"""A shop that learns from what it shows: static lists, ε-greedy, LinUCB and Thompson sampling.

The same shoppers come back every week. A policy shows each a list of k items, and learns from the
clicks before the next week. What it hasn't shown it can't learn about: that is the feedback loop.

The learning policies share one linear model with a taste θ_u of each shopper's own. With γ_k the
examination of place k,

    P(click on item i in place k by shopper u) = γ_k · θ_uᵀ x_ui

where x_ui = [z_i, s_ui, 1] holds the item's vector and what today's recommender says of the pair
(`visit_features`). Ridge regression around a prior θ₀ gives

    A_u = λ I + Σ γ² x xᵀ        b_u = λ θ₀ + Σ γ x · click        θ̂_u = A_u⁻¹ b_u

so that everybody starts with today's recommender and leaves it as their own clicks say.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from helpers.evaluation.online.clicks import ClickModel, examination

REG = 40.0
"""λ: the prior weighs as much as forty looks at each feature."""
EPSILON = 0.05
WIDTH = 0.05
SPREAD = 0.0125
"""What misses the fewest clicks in the study `choice` of bench/online.py. It uses one half of the
sample's test shoppers; the policies are compared on the other half.
"""


@dataclass(frozen=True)
class Shop:
    """Who visits each week, and the truth that policies never see.

    Attributes
    ----------
    p_liked : (n_shoppers, n_items) float
        Probability that a shopper likes an item.
    popularity : (n_items,) float
        Likes in the log from before the first week.
    clicks : ClickModel
    """

    p_liked: np.ndarray
    popularity: np.ndarray
    clicks: ClickModel

    @property
    def popular(self) -> np.ndarray:
        """The tenth of the items that were most popular before, as positions."""
        n_popular = max(1, len(self.popularity) // 10)
        return np.argsort(-self.popularity, kind="stable")[:n_popular]

    def expected_clicks(self, ids: np.ndarray) -> np.ndarray:
        """Clicks that each shopper's list (n_shoppers, k) is worth, (n_shoppers,)."""
        p_shown = np.take_along_axis(self.p_liked, ids, axis=1)
        return self.clicks.chance_of_click(p_shown).sum(axis=1)


class Weeks(NamedTuple):
    """What a policy achieved; one number per week, (n_weeks,) float64.

    Attributes
    ----------
    ctr : array
        Click-through rate: clicks per item shown.
    regret : array
        Expected clicks per visit that the best possible list would have had more.
    coverage : array
        Share of the items that were shown to anyone in this week.
    popular_share : array
        Share of what was shown that comes from the `Shop.popular` tenth.
    """

    ctr: np.ndarray
    regret: np.ndarray
    coverage: np.ndarray
    popular_share: np.ndarray


def visit_features(items: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """x_ui = [z_i, s_ui, 1] of every pair, (n_shoppers, n_items, d + 2) float64.

    Parameters
    ----------
    items : (n_items, d) float
        z_i.
    scores : (n_shoppers, n_items) float
        s_ui, what today's recommender says; best with mean 0 and standard deviation 1.
    """
    n_shoppers = len(scores)
    vectors = np.broadcast_to(items, (n_shoppers, *items.shape))
    score = scores[..., None]
    ones = np.ones_like(score)
    return np.concatenate([vectors, score, ones], axis=2)


def trust_in_scores(n_features: int, slope: float, base: float) -> np.ndarray:
    """θ₀ that believes today's recommender: attraction = base + slope · s_ui, (n_features,)."""
    prior = np.zeros(n_features)
    prior[-2] = slope
    prior[-1] = base
    return prior


class Static:
    """The same ranking every week.

    Parameters
    ----------
    scores : (n_shoppers, n_items) float
    """

    def __init__(self, scores: np.ndarray):
        self.scores = np.array(scores, np.float64)

    def score(self, rng: np.random.Generator) -> np.ndarray:
        """This week's scores, (n_shoppers, n_items)."""
        return self.scores

    def learn(
        self,
        ids: np.ndarray,
        examined: np.ndarray,
        clicks: np.ndarray,
    ) -> None:
        """Nothing."""


class Recounted(Static):
    """Popularity, counted again every week: what was shown gets clicked, and is shown again."""

    def learn(
        self,
        ids: np.ndarray,
        examined: np.ndarray,
        clicks: np.ndarray,
    ) -> None:
        """Add the week's clicks on each item to its score."""
        clicked = ids[clicks.astype(bool)]
        n_items = self.scores.shape[1]
        self.scores += np.bincount(clicked, minlength=n_items)


class Greedy:
    """The linear model, followed as it stands. It never explores on purpose.

    Parameters
    ----------
    features : (n_shoppers, n_items, n_features) float
        x_ui.
    prior : (n_features,) float
        θ₀.
    reg : float
        λ.
    """

    def __init__(
        self,
        features: np.ndarray,
        prior: np.ndarray,
        reg: float = REG,
    ):
        n_shoppers = len(features)
        nothing_seen = reg * np.eye(len(prior))
        self.features = features
        self.gram = np.stack([nothing_seen] * n_shoppers)
        self.clicked = np.stack([reg * prior] * n_shoppers)

    @property
    def theta(self) -> np.ndarray:
        """θ̂_u, (n_shoppers, n_features)."""
        solved = np.linalg.solve(self.gram, self.clicked[..., None])
        return solved[..., 0]

    def score(self, rng: np.random.Generator) -> np.ndarray:
        """This week's scores, (n_shoppers, n_items)."""
        return self._worth(self.theta)

    def learn(
        self,
        ids: np.ndarray,
        examined: np.ndarray,
        clicks: np.ndarray,
    ) -> None:
        """Add a week.

        Parameters
        ----------
        ids : (n_shoppers, k) int
            What was shown.
        examined : (k,) float
            Examination of each place.
        clicks : (n_shoppers, k) bool
        """
        shown = np.take_along_axis(self.features, ids[..., None], axis=1)
        looks = examined[:, None]
        x = shown * looks
        transposed = x.transpose(0, 2, 1)
        self.gram += transposed @ x
        self.clicked += np.einsum("nkf,nk->nf", x, clicks)

    def _worth(self, theta: np.ndarray) -> np.ndarray:
        return np.einsum("nmf,nf->nm", self.features, theta)


class EpsilonGreedy(Greedy):
    """Greedy, but a share `epsilon` of the visits gets a random list (Sutton and Barto 2018)."""

    def __init__(
        self,
        features: np.ndarray,
        prior: np.ndarray,
        reg: float = REG,
        epsilon: float = EPSILON,
    ):
        super().__init__(features, prior, reg)
        self.epsilon = epsilon

    def score(self, rng: np.random.Generator) -> np.ndarray:
        """As `Greedy`; random numbers for the visits that explore."""
        scores = super().score(rng)
        explores = rng.random(len(scores)) < self.epsilon
        noise = rng.random(scores.shape)
        return np.where(explores[:, None], noise, scores)


class LinUCB(Greedy):
    """Optimistic: score = θ̂ᵀ x + width · √(xᵀ A⁻¹ x) (Li, Chu, Langford and Schapire 2010)."""

    def __init__(
        self,
        features: np.ndarray,
        prior: np.ndarray,
        reg: float = REG,
        width: float = WIDTH,
    ):
        super().__init__(features, prior, reg)
        self.width = width

    def score(self, rng: np.random.Generator) -> np.ndarray:
        """The upper end of what each pair's attraction may be."""
        inverse = np.linalg.inv(self.gram)
        toward = self.features @ inverse
        variance = np.einsum("nmf,nmf->nm", toward, self.features)
        return super().score(rng) + self.width * np.sqrt(variance)


class LinearThompson(Greedy):
    """Thompson sampling: draw θ ~ N(θ̂, spread² A⁻¹) and believe it (Agrawal and Goyal 2013)."""

    def __init__(
        self,
        features: np.ndarray,
        prior: np.ndarray,
        reg: float = REG,
        spread: float = SPREAD,
    ):
        super().__init__(features, prior, reg)
        self.spread = spread

    def score(self, rng: np.random.Generator) -> np.ndarray:
        """Scores under a model drawn anew for each visit."""
        root = np.linalg.cholesky(np.linalg.inv(self.gram))
        noise = rng.standard_normal(self.clicked.shape)
        step = np.einsum("nfg,ng->nf", root, noise)
        return self._worth(self.theta + self.spread * step)


def run_weeks(
    policy: Static | Greedy,
    shop: Shop,
    n_weeks: int,
    k: int,
    rng: np.random.Generator,
) -> Weeks:
    """Let a policy run a shop in which every shopper comes once a week.

    Parameters
    ----------
    policy : Static or Greedy
        Learns, so it is changed.
    k : int
        Length of the lists.
    """
    examined = examination(k, shop.clicks.fade)
    best = shop.expected_clicks(_top(shop.p_liked, k))
    rows = []
    for _ in range(n_weeks):
        ids = _top(policy.score(rng), k)
        p_shown = np.take_along_axis(shop.p_liked, ids, axis=1)
        clicks = shop.clicks.visit(p_shown, rng).clicks
        policy.learn(ids, examined, clicks)
        missed = best - shop.expected_clicks(ids)
        coverage = len(np.unique(ids)) / len(shop.popularity)
        is_popular = np.isin(ids, shop.popular)
        week = [clicks.mean(), missed.mean(), coverage, is_popular.mean()]
        rows.append(week)
    ctr, regret, coverages, popular_share = np.array(rows).T
    return Weeks(ctr, regret, coverages, popular_share)


def _top(scores: np.ndarray, k: int) -> np.ndarray:
    """The k highest of each row, in order, (n, k)."""
    some = np.argpartition(-scores, k - 1, axis=1)
    some = some[:, :k]
    values = np.take_along_axis(scores, some, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(some, order, axis=1)
