"""What taste looks like before a history: a Gaussian prior over linear preferences, learned from all shoppers.

A shopper's rating of item i is r = wᵀ[x_i 1] + b_i + e, with w ~ N(mean, cov) a shopper's, b ~ N(0, tau) an item's own
and e ~ N(0, noise). Given the few items of a history, the posterior mean of w is a ridge regression that shrinks
towards what shoppers like in general, more along the directions in which they differ little. Prior, item effects and
noise are learned by variational expectation-maximisation (empirical Bayes; Dempster, Laird and Rubin 1977). Market
research knows the model as hierarchical Bayes conjoint analysis.
"""

from types import SimpleNamespace

import numpy as np
import torch

from helpers.interactions.matrix import liked_only
from helpers.recommenders.reader import ReadsContent, used_only

LIFT, TILT = 0.8, 0.9  # see `posterior_taste`
LEARNED = ("mean", "precision", "effect", "usual", "choice")  # what `learn_taste` finds

CENTRE = 3.0  # ratings are counted from here
START = 3.0  # variance of a rating by taste before the first round: wide, for few rounds shrink it where they should
BLOCK = 256  # shoppers at once: (BLOCK, d, d) is the largest array
PRODUCTS = 1 << 24  # numbers of the largest array of products x xᵀ: 64 MB
APART = 0.9  # share by which covariances between groups of features shrink: a thousand shoppers tell few of them


class Taste(ReadsContent):
    """What a shopper values in an item's attributes, as a posterior mean given their history.

    Every shopper has a linear taste w for what the items look like and cost, drawn from one Gaussian that all training
    shoppers teach. A history turns that prior into a posterior (`posterior_taste`), whose mean scores the items:
    s(u, i) = ŵ_uᵀ [x_i 1] + b_i.

    Parameters
    ----------
    axes : int
        Main axes of the item vectors to read, beside category, colour, pattern, gender, platform, price and popularity.
    lift, tilt : float
        How much a like counts beyond its rating, and as a choice among others; see `posterior_taste`.

    Notes
    -----
    A purchase log gets sampled dislikes (`negatives.py`). Items elsewhere are read by their vectors.
    """

    handles_cold_users = True
    handles_cold_items = True
    needs_dislikes = True
    evidence_in_logs = True
    side = True

    def __init__(self, axes=4, lift=LIFT, tilt=TILT, seed=7):
        self.axes = axes
        self.lift = lift
        self.tilt = tilt
        self.seed = seed

    def _usable(self, histories):
        return np.ones(len(histories), dtype=bool)  # an empty history has the prior's mean

    def _fit(self, train, items, validate):
        groups = self._read(items)
        widths = [
            self.features_.shape[1] - self.side_.shape[1],
            *(group.shape[1] for group in groups),
        ]
        number = np.repeat(np.arange(len(widths)), widths)
        shops = items.frame["platform"].astype("category").cat.codes.to_numpy(np.int64)
        for name, value in learn_taste(train.ratings, self.features_, number, shops).items():
            setattr(self, f"{name}_", value)

    def _score(self, histories):
        found = np.empty((len(histories), self.n_items_), np.float32)
        prior = SimpleNamespace(
            **{name: torch.from_numpy(getattr(self, f"{name}_")) for name in LEARNED}
        )
        d = self.features_.shape[1] + 1
        longest = max(1, int(np.diff(histories.ratings.indptr).max(initial=1)))
        step = min(BLOCK, max(1, 4 * PRODUCTS // (d * d * longest)))
        for start in range(0, len(histories), step):
            part = used_only(histories[start : start + step])
            ratings = torch.from_numpy(part.ratings.toarray())
            features = torch.from_numpy(self._features(part))
            taste = posterior_taste(ratings, features, prior, self.lift, self.tilt).numpy()
            known = self.features_ @ taste[:, :-1].T
            found[start : start + step] = known.T + taste[:, [-1]] + self.effect_
        return found


def learn_taste(
    ratings, features: np.ndarray, groups=None, shops=None, rounds: int = 20
) -> dict[str, np.ndarray]:
    """Prior of taste from ratings (n_users, n_items) csr and features (n_items, f).

    `groups` (f,) says which features belong together (the values of one attribute): covariances between groups shrink.
    `shops` (n_items,) numbers the shop of each item. Returns, with d = f + 1, `mean` (d,); `precision` (d, d), which is
    noise · cov⁻¹; `effect` (n_items,), the items' own part; and of all likes the mean `usual` (d,) and the covariance
    within a shop `choice` (d, d), both times the noise.
    """
    X = np.concatenate([features, np.ones((len(features), 1))], axis=1).astype(
        np.float32
    )  # halves the time
    n, d = ratings.shape[0], X.shape[1]
    mean, noise, tau = np.zeros(d), 1.0, 0.1
    cov = START / max((features**2).sum(axis=1).mean(), 1e-9) * np.eye(d)
    shrink = np.ones((d, d))
    if groups is not None:
        groups = np.append(groups, np.max(groups) + 1)
        shrink = np.where(groups[:, None] == groups, 1.0, 1 - APART)
    count = np.bincount(ratings.indices, minlength=len(X))
    effect, unsure = np.zeros(len(X)), np.zeros(len(X))
    for _ in range(rounds):
        precision = noise * np.linalg.inv(cov)
        first, second, error, left = (
            np.zeros(d),
            np.zeros((d, d)),
            count @ unsure,
            np.zeros((2, len(X))),
        )
        for start in range(0, n, BLOCK):
            part = ratings[start : start + BLOCK].astype(np.float32)
            users, items = part.nonzero()
            part.data -= (CENTRE + effect[items]).astype(np.float32)
            w, spread, gram = _posterior(part, X, precision, precision @ mean, noise)
            first += w.sum(axis=0)
            second += w.T @ w + spread.sum(axis=0)
            residual = part.data - (w[users] * X[items]).sum(axis=1)
            fitted = (spread * gram).sum(
                axis=(1, 2)
            )  # times 1 / noise: how many of a shopper's ratings taste uses up
            free = 1 - (fitted / noise / np.maximum(np.diff(part.indptr), 1))[users]
            left += [np.bincount(items, value, minlength=len(X)) for value in (residual, free)]
            error += (residual**2).sum() + fitted.sum()
        mean = first / max(n, 1)
        cov = shrink * (second / max(n, 1) - np.outer(mean, mean)) + 1e-4 * np.eye(d)
        noise = max(error / max(ratings.nnz, 1), 1e-3)
        unsure = 1 / (left[1] / noise + 1 / tau)
        effect += (left[0] / noise - effect / tau) * unsure
        tau = max((effect**2 + unsure)[count > 0].mean() if ratings.nnz else tau, 1e-4)
    found = dict(
        mean=mean,
        precision=noise * np.linalg.inv(cov),
        effect=effect,
        **_choices(ratings, X, shops, noise),
    )
    return {name: value.astype(np.float32) for name, value in found.items()}


def _choices(ratings, X, shops, noise):
    """Mean of what is liked (d,) and its covariance within a shop (d, d), times the noise."""
    likes = np.asarray(liked_only(ratings).sum(axis=0), np.float64).ravel() + 1e-9
    shops = np.zeros(len(X), np.int64) if shops is None else shops
    of = np.eye(shops.max() + 1)[shops] * likes[:, None]
    apart = X - (of.T @ X / np.maximum(of.sum(axis=0), 1e-9)[:, None])[shops]
    return dict(
        usual=noise * (likes @ X) / likes.sum(),
        choice=noise * (apart.T * likes) @ apart / likes.sum(),
    )


def _posterior(centred, X, precision, pull, noise):
    """Posterior means (n, d) and covariances (n, d, d) of taste, and each shopper's Σ x xᵀ (n, d, d)."""
    seen = centred.copy()
    seen.data = np.ones_like(seen.data)
    gram = _gram(seen, X)
    factor = torch.linalg.cholesky(torch.from_numpy((gram + precision).astype(np.float32)))
    inverse = torch.cholesky_inverse(factor).numpy()  # a third of numpy's time for its inverse
    return np.einsum("nij,nj->ni", inverse, centred @ X + pull), np.float32(noise) * inverse, gram


def _gram(seen, X) -> np.ndarray:
    """Σ x xᵀ over what each shopper saw, (n, d, d), some items at a time."""
    d = X.shape[1]
    total = np.zeros((seen.shape[0], d * d), np.float32)
    used = np.unique(seen.indices)
    step = max(1, PRODUCTS // (d * d))
    for start in range(0, len(used), step):
        some = used[start : start + step]
        x = X[some]
        total += seen[:, some] @ (x[:, :, None] * x[:, None, :]).reshape(len(some), -1)
    return total.reshape(-1, d, d)


def posterior_taste(
    ratings: torch.Tensor, features: torch.Tensor, prior, lift=0.0, tilt=0.0
) -> torch.Tensor:
    """Posterior mean of taste (n, f + 1) given `ratings` (n, m; 0 is unknown) of items with features (m, f).

    A history is what someone came to and liked, and that tells more than its ratings: `lift` is added to each, and
    each is also a choice among all that could have been liked, in proportion to exp(tilt · wᵀx), which to second order
    adds tilt² · noise · Cov(x) to the precision and tilt · noise · (x's mean, at the prior's mean of w) to be outdone.
    `prior` has the tensors `mean`, `precision`, `usual` and `choice` of `learn_taste`.
    """
    users, items = ratings.nonzero(as_tuple=True)
    x = torch.nn.functional.pad(features[items], (0, 1), value=1.0)
    n, d = len(ratings), x.shape[1]
    gram = torch.zeros(n, d * d, device=x.device)
    gram = gram.index_add(
        0, users, (x[:, :, None] * x[:, None, :] + tilt**2 * prior.choice).reshape(-1, d * d)
    )
    value = (ratings[users, items] - CENTRE + lift - x @ prior.mean)[:, None]
    evidence = torch.zeros(n, d, device=x.device).index_add(
        0, users, value * x - tilt * prior.usual
    )
    return prior.mean + torch.linalg.solve(gram.view(n, d, d) + prior.precision, evidence)
