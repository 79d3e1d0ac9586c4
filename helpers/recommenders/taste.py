"""A Gaussian prior over linear preferences, learned from all shoppers.

A shopper's rating of item i is

    r = wᵀ[x_i 1] + b_i + e

with w ~ N(mean, cov) a shopper's taste, b ~ N(0, tau) an item's own part and e ~ N(0, noise).
Given the few items of a history, the posterior mean of w is a ridge regression that shrinks
towards what shoppers like in general, more along the directions in which they differ little.
Prior, item effects and noise are learned by variational expectation-maximization (empirical
Bayes; Dempster, Laird and Rubin 1977). Market research calls this model hierarchical Bayes
conjoint analysis.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch

from helpers.interactions.matrix import liked_only
from helpers.recommenders.base import used_only
from helpers.recommenders.features import with_one
from helpers.recommenders.reader import ReadsContent

LIFT = 0.8  # see `posterior_taste`
TILT = 0.9  # see `posterior_taste`
CENTRE = 3.0  # ratings are counted from here
# Variance of a rating by taste before the first round: wide, since few rounds shrink it enough.
START = 3.0
BLOCK = 256  # shoppers at once: (BLOCK, d, d) is the largest array
PRODUCTS = 1 << 24  # numbers of the largest array of products x xᵀ of histories: 64 MB
KEPT = 1 << 25  # numbers of sums of products that are kept from round to round: 128 MB
APART = (
    0.9  # share by which covariances between groups of features shrink: the log tells few of them
)
LEARNERS = 4000  # shoppers that teach the prior; it has few numbers, so more would teach little
LAST_ROUNDS = 3  # with everyone, for the items' own effects
LEAST_VARIANCE = 1e-4  # of a taste and of the items' effects
LEAST_NOISE = 1e-3


@dataclass(frozen=True)
class Prior:
    """What `learn_taste` finds, with d = n_features + 1; all float32.

    Attributes
    ----------
    mean : (d,)
        Mean of w over shoppers.
    precision : (d, d)
        noise · cov⁻¹ of w.
    effect : (n_items,)
        The items' own part of a rating, b.
    usual : (d,)
        noise · the mean of [x 1] over all likes.
    choice : (d, d)
        noise · the covariance of [x 1] over all likes, within a shop.
    """

    mean: np.ndarray
    precision: np.ndarray
    effect: np.ndarray
    usual: np.ndarray
    choice: np.ndarray


class Taste(ReadsContent):
    """What a shopper values in an item's attributes, as a posterior mean given their history.

    Every shopper has a linear taste w for what the items look like and cost, drawn from one
    Gaussian that all training shoppers teach. A history turns that prior into a posterior
    (`posterior_taste`), whose mean scores the items: s(u, i) = ŵ_uᵀ [x_i 1] + b_i.

    Parameters
    ----------
    axes : int
        Main axes of the item vectors to read, beside category, colour, pattern, gender, platform,
        price and popularity.
    lift, tilt : float
        How much a like counts beyond its rating, and as a choice among others; see
        `posterior_taste`.

    Notes
    -----
    A purchase log gets sampled dislikes (`negatives.py`). Items elsewhere are read by their
    vectors.
    """

    handles_cold_users = True
    handles_cold_items = True
    needs_dislikes = True
    evidence_in_logs = True
    side = True

    mean_: np.ndarray
    precision_: np.ndarray
    effect_: np.ndarray
    usual_: np.ndarray
    choice_: np.ndarray

    def __init__(
        self,
        axes=4,
        lift=LIFT,
        tilt=TILT,
        seed=7,
    ):
        self.axes = axes
        self.lift = lift
        self.tilt = tilt
        self.seed = seed

    def _usable(self, histories):
        return np.ones(len(histories), dtype=bool)  # an empty history has the prior's mean

    def _fit(self, train, items, validate):
        groups = self._read(items)
        n_axes = self.features_.shape[1] - self.side_.shape[1]
        widths = [n_axes]
        for group in groups:
            widths.append(group.shape[1])
        numbers = np.arange(len(widths))
        group_of_feature = np.repeat(numbers, widths)
        platform = items.frame["platform"].astype("category")
        shops = platform.cat.codes.to_numpy(np.int64)
        prior = learn_taste(train.ratings, self.features_, group_of_feature, shops, seed=self.seed)
        for field in fields(prior):
            setattr(self, f"{field.name}_", getattr(prior, field.name))

    def _prior(self) -> Prior:
        return Prior(
            mean=self.mean_,
            precision=self.precision_,
            effect=self.effect_,
            usual=self.usual_,
            choice=self.choice_,
        )

    def _score(self, histories):
        found = np.empty((len(histories), self.n_items_), np.float32)
        prior = self._prior()
        step = self._block_size(histories)
        for start in range(0, len(histories), step):
            rows = slice(start, start + step)
            part = used_only(histories[rows])
            ratings = torch.from_numpy(part.ratings.toarray())
            features = torch.from_numpy(self._features(part))
            taste = posterior_taste(ratings, features, prior, self.lift, self.tilt)
            slope = taste[:, :-1].numpy()
            constant = taste[:, [-1]].numpy()
            by_feature = self.features_ @ slope.T
            found[rows] = by_feature.T + constant + self.effect_
        return found

    def _block_size(self, histories) -> int:
        """How many shoppers at once keep the products x xᵀ of their histories small."""
        d = self.features_.shape[1] + 1
        n_rated = np.diff(histories.ratings.indptr)
        longest = max(1, int(n_rated.max(initial=1)))
        fitting = 4 * PRODUCTS // (d * d * longest)
        return min(BLOCK, max(1, fitting))


@dataclass
class _Estimate:
    """Where the expectation-maximization stands."""

    mean: np.ndarray  # (d,), of w
    cov: np.ndarray  # (d, d), of w
    noise: float  # variance of a rating beside taste and effect
    effect: np.ndarray  # (n_items,), posterior mean of b
    unsure: np.ndarray  # (n_items,), posterior variance of b
    tau: float  # variance of the effects


@dataclass
class _Sums:
    """What the E-step adds up over all shoppers."""

    first: np.ndarray  # (d,), Σ ŵ
    second: np.ndarray  # (d, d), Σ E[w wᵀ]
    error: float  # Σ E[(r - wᵀx - b)²]
    residual: np.ndarray  # (n_items,), Σ r - ŵᵀx - b
    free: np.ndarray  # (n_items,), ratings of an item less those that the tastes use up


def learn_taste(
    ratings,
    features: np.ndarray,
    groups=None,
    shops=None,
    rounds: int = 20,
    seed: int = 7,
) -> Prior:
    """Prior of taste by variational expectation-maximization.

    Parameters
    ----------
    ratings : csr_matrix, (n_users, n_items)
    features : (n_items, n_features)
    groups : (n_features,) int or None
        Which features belong together (the values of one attribute). Covariances between groups
        shrink.
    shops : (n_items,) int or None
        The shop of each item; None is one shop.
    rounds : int
        Rounds of expectation and maximization. Of more than `LEARNERS` shoppers, that many take
        part, and everyone in the last rounds.
    seed : int
        Of who takes part.
    """
    X = with_one(features).astype(np.float32)  # float32 halves the time
    shrink = _shrinkage(groups, X.shape[1])
    now = _start(features)
    grams = _Grams(X)
    for part in _rounds(ratings, rounds, seed):
        sums = _expectation(part, X, now, grams)
        _update_taste(now, sums, part, shrink)
        _update_effects(now, sums, part)
    usual, choice = _choices(ratings, X, shops)
    precision = now.noise * np.linalg.inv(now.cov)
    usual = now.noise * usual
    choice = now.noise * choice
    return Prior(
        mean=now.mean.astype(np.float32),
        precision=precision.astype(np.float32),
        effect=now.effect.astype(np.float32),
        usual=usual.astype(np.float32),
        choice=choice.astype(np.float32),
    )


def _rounds(ratings, rounds: int, seed: int) -> list:
    """The ratings that each round reads."""
    n_users = ratings.shape[0]
    if n_users <= LEARNERS:
        return [ratings] * rounds
    drawn = np.random.default_rng(seed).choice(n_users, LEARNERS, replace=False)
    some = ratings[np.sort(drawn)]
    return [some] * rounds + [ratings] * LAST_ROUNDS


def _shrinkage(groups, d: int) -> np.ndarray:
    """What each covariance is multiplied by, (d, d); the constant is a group of its own."""
    if groups is None:
        return np.ones((d, d))
    groups = np.append(groups, np.max(groups) + 1)
    return np.where(groups[:, None] == groups, 1.0, 1 - APART)


def _start(features: np.ndarray) -> _Estimate:
    """No preference, and as much variance of taste as makes a rating's variance `START`."""
    n_items, n_features = features.shape
    d = n_features + 1
    length = (features**2).sum(axis=1).mean()
    return _Estimate(
        mean=np.zeros(d),
        cov=START / max(length, 1e-9) * np.eye(d),
        noise=1.0,
        effect=np.zeros(n_items),
        unsure=np.zeros(n_items),
        tau=0.1,
    )


class _Grams:
    """Each shopper's Σ x xᵀ over what they rated. It is the same in every round.

    Parameters
    ----------
    X : (n_items, d)
    """

    def __init__(self, X: np.ndarray):
        self.X = X
        self._kept: dict[tuple[int, int], np.ndarray] = {}
        self._n_kept = 0

    def of_block(self, ratings, start: int) -> np.ndarray:
        """Of the shoppers from `start` on, (n, d, d); kept as long as there is room."""
        where = (id(ratings), start)
        if where in self._kept:
            return self._kept[where]
        gram = _gram(ratings[start : start + BLOCK], self.X)
        if self._n_kept + gram.size <= KEPT:
            self._kept[where] = gram
            self._n_kept += gram.size
        return gram


def _expectation(ratings, X: np.ndarray, now: _Estimate, grams: _Grams) -> _Sums:
    """E-step: each shopper's posterior of w, given the prior and the effects as they stand."""
    n_items, d = X.shape
    precision = now.noise * np.linalg.inv(now.cov)  # · noise, so that each rating counts 1
    pull = precision @ now.mean
    variance_of_effects = _n_ratings(ratings) @ now.unsure  # each rating has its item's
    sums = _Sums(
        first=np.zeros(d),
        second=np.zeros((d, d)),
        error=variance_of_effects,
        residual=np.zeros(n_items),
        free=np.zeros(n_items),
    )
    for start in range(0, ratings.shape[0], BLOCK):
        part = ratings[start : start + BLOCK].astype(np.float32)
        users, items = part.nonzero()
        part.data -= (CENTRE + now.effect[items]).astype(np.float32)
        gram = grams.of_block(ratings, start)
        w, spread = _posterior(gram, part @ X, precision, pull, now.noise)
        predicted = (w[users] * X[items]).sum(axis=1)
        residual = part.data - predicted
        # Σ var(wᵀx) over a shopper's ratings: noise · how many of them the taste uses up
        variance = (spread * gram).sum(axis=(1, 2))
        n_used_up = variance / now.noise
        n_rated = np.maximum(np.diff(part.indptr), 1)
        share = n_used_up / n_rated
        free = 1 - share[users]
        sums.first += w.sum(axis=0)
        sums.second += w.T @ w + spread.sum(axis=0)
        sums.error += (residual**2).sum() + variance.sum()
        sums.residual += np.bincount(items, residual, minlength=n_items)
        sums.free += np.bincount(items, free, minlength=n_items)
    return sums


def _update_taste(
    now: _Estimate,
    sums: _Sums,
    ratings,
    shrink: np.ndarray,
) -> None:
    """M-step for the prior of w, its covariances between groups shrunk, and for the noise."""
    n_users = max(ratings.shape[0], 1)
    n_ratings = max(ratings.nnz, 1)
    now.mean = sums.first / n_users
    square = np.outer(now.mean, now.mean)
    cov = sums.second / n_users - square
    floor = LEAST_VARIANCE * np.eye(len(cov))
    now.cov = shrink * cov + floor
    now.noise = max(sums.error / n_ratings, LEAST_NOISE)


def _update_effects(now: _Estimate, sums: _Sums, ratings) -> None:
    """Posterior of the items' effects b ~ N(0, tau), and tau from the items that have ratings."""
    now.unsure = 1 / (sums.free / now.noise + 1 / now.tau)
    # residuals are taken with the effects as they stand, so this is the log posterior's slope there
    step = sums.residual / now.noise - now.effect / now.tau
    now.effect = now.effect + step * now.unsure
    if ratings.nnz:
        squares = now.effect**2 + now.unsure
        now.tau = squares[_n_ratings(ratings) > 0].mean()
    now.tau = max(now.tau, LEAST_VARIANCE)


def _n_ratings(ratings) -> np.ndarray:
    """Ratings of each item, (n_items,)."""
    return np.bincount(ratings.indices, minlength=ratings.shape[1])


def _choices(
    ratings,
    X: np.ndarray,
    shops,
) -> tuple[np.ndarray, np.ndarray]:
    """Mean (d,) of what is liked, and its covariance (d, d) within a shop."""
    if shops is None:
        shops = np.zeros(len(X), np.int64)
    n_likes = liked_only(ratings).sum(axis=0)
    likes = np.asarray(n_likes, np.float64).ravel() + 1e-9
    in_shop = np.eye(shops.max() + 1)[shops]
    likes_of_shop = in_shop * likes[:, None]
    total = np.maximum(likes_of_shop.sum(axis=0), 1e-9)
    mean_of_shop = likes_of_shop.T @ X / total[:, None]
    apart = X - mean_of_shop[shops]
    n_likes = likes.sum()
    mean = likes @ X / n_likes
    cov = (apart.T * likes) @ apart / n_likes
    return mean, cov


def _posterior(
    gram: np.ndarray,
    evidence: np.ndarray,
    precision: np.ndarray,
    pull: np.ndarray,
    noise: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Posterior of w, whose mean is (Σ x xᵀ + precision)⁻¹ (Σ r x + pull).

    Parameters
    ----------
    gram : (n, d, d)
        Each shopper's Σ x xᵀ.
    evidence : (n, d)
        Each shopper's Σ r x.

    Returns
    -------
    w : (n, d)
        Posterior means.
    spread : (n, d, d)
        Posterior covariances.
    """
    system = torch.from_numpy((gram + precision).astype(np.float32))
    factor = torch.linalg.cholesky(system)
    inverse = torch.cholesky_inverse(factor).numpy()  # a third of numpy's time for its inverse
    w = np.einsum("nij,nj->ni", inverse, evidence + pull)
    return w, np.float32(noise) * inverse


def _gram(seen, X: np.ndarray) -> np.ndarray:
    """Σ x xᵀ over what each shopper saw, (n, d, d)."""
    n_users = seen.shape[0]
    d = X.shape[1]
    total = np.empty((n_users, d, d), np.float32)
    for user in range(n_users):
        mine = seen.indices[seen.indptr[user] : seen.indptr[user + 1]]
        x = X[mine]
        np.matmul(x.T, x, out=total[user])
    return total


def posterior_taste(
    ratings: torch.Tensor,
    features: torch.Tensor,
    prior: Prior,
    lift=0.0,
    tilt=0.0,
) -> torch.Tensor:
    """Posterior mean of taste given a history.

    A history is what someone came to and liked, and that tells more than its ratings. `lift` is
    added to each. Each is also a choice among all that could have been liked, in proportion to
    exp(tilt · wᵀx). To second order this adds tilt² · noise · Cov(x) to the precision, and
    tilt · noise · (x's mean, at the prior's mean of w) to what a like has to outdo.

    Parameters
    ----------
    ratings : (n, m)
        0 is unknown.
    features : (m, n_features)
        Of the m history items.
    prior : Prior
        Its `mean`, `precision`, `usual` and `choice` are read.
    lift, tilt : float

    Returns
    -------
    (n, n_features + 1)
    """
    mean = torch.from_numpy(prior.mean)
    precision = torch.from_numpy(prior.precision)
    usual = torch.from_numpy(prior.usual)
    choice = torch.from_numpy(prior.choice)
    n = len(ratings)
    d = len(mean)
    users, items = ratings.nonzero(as_tuple=True)
    x = torch.nn.functional.pad(features[items], (0, 1), value=1.0)
    outer = x[:, :, None] * x[:, None, :]
    products = outer + tilt**2 * choice
    gram = torch.zeros(n, d * d)
    gram = gram.index_add(0, users, products.reshape(-1, d * d))
    value = ratings[users, items] - CENTRE + lift - x @ mean
    gain = value[:, None] * x - tilt * usual
    evidence = torch.zeros(n, d)
    evidence = evidence.index_add(0, users, gain)
    system = gram.view(n, d, d) + precision
    return mean + torch.linalg.solve(system, evidence)
