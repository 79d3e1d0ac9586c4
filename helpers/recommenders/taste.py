"""What taste looks like before a history: a Gaussian prior over linear preferences, learned from all shoppers.

A shopper's rating of an item is r = wᵀ[x 1] + e, with w ~ N(mean, cov) and e ~ N(0, noise). Given the few items of a
history, the posterior mean of w is a ridge regression that shrinks towards what shoppers like in general, more along
the directions in which they differ little. Prior and noise are learned by expectation-maximisation
(empirical Bayes; Dempster, Laird and Rubin 1977).
"""

import numpy as np
import torch

CENTRE = 3.0  # ratings are counted from here
START = 10.0  # variance of a rating by taste before the first round: wide, for few rounds shrink it where they should
BLOCK = 256  # shoppers at once: (BLOCK, d, d) is the largest array


def learn_taste(ratings, features: np.ndarray, rounds: int = 12) -> dict[str, np.ndarray]:
    """Prior of taste from ratings (n_users, n_items) csr and features (n_items, f).

    Returns `mean` (f + 1,), `precision` (f + 1, f + 1), both times the noise variance where that saves a division:
    `precision` is noise · cov⁻¹ and `pull` is precision @ mean, so that the posterior mean solves
    (Σ x xᵀ + precision) w = Σ x r + pull.
    """
    X = np.concatenate([features, np.ones((len(features), 1))], axis=1)
    d, n = X.shape[1], ratings.shape[0]
    mean, noise = np.zeros(d), 1.0
    cov = START / max((features**2).sum(axis=1).mean(), 1e-9) * np.eye(d)
    for _ in range(rounds):
        inverse = np.linalg.inv(cov)
        first, second, error = np.zeros(d), np.zeros((d, d)), 0.0
        for start in range(0, n, BLOCK):
            part = ratings[start : start + BLOCK]
            w, spread, gram = _posterior(part, X, noise * inverse, noise * inverse @ mean, noise)
            first += w.sum(axis=0)
            second += w.T @ w + spread.sum(axis=0)
            users, items = part.nonzero()
            residual = part.data - CENTRE - (w[users] * X[items]).sum(axis=1)
            error += (residual**2).sum() + (spread * gram).sum()
        mean = first / n
        cov = second / n - np.outer(mean, mean) + 1e-4 * np.eye(d)
        noise = max(error / max(ratings.nnz, 1), 1e-3)
    precision = noise * np.linalg.inv(cov)
    return {name: value.astype(np.float32) for name, value in dict(precision=precision, pull=precision @ mean).items()}


def _posterior(ratings, X, precision, pull, noise):
    """Posterior means (n, d) and covariances (n, d, d) of taste, and each shopper's Σ x xᵀ (n, d, d)."""
    centred = ratings.copy()
    centred.data = centred.data - CENTRE
    seen = ratings.copy()
    seen.data = np.ones_like(seen.data)
    gram = (seen @ (X[:, :, None] * X[:, None, :]).reshape(len(X), -1)).reshape(-1, X.shape[1], X.shape[1])
    inverse = np.linalg.inv(gram + precision)
    return np.einsum("nij,nj->ni", inverse, centred @ X + pull), noise * inverse, gram


def posterior_taste(ratings: torch.Tensor, lift, features: torch.Tensor, precision, pull) -> torch.Tensor:
    """Posterior mean of taste (n, f + 1) given `ratings` (n, m; 0 is unknown) of items with features (m, f).

    `lift` is added to each rating: that someone came to an item at all tells that they like such items.
    """
    users, items = ratings.nonzero(as_tuple=True)
    x = torch.nn.functional.pad(features[items], (0, 1), value=1.0)
    d = x.shape[1]
    gram = torch.zeros(len(ratings), d * d, device=x.device)
    gram = gram.index_add(0, users, (x[:, :, None] * x[:, None, :]).reshape(-1, d * d))
    value = (ratings[users, items] - CENTRE + lift)[:, None]
    evidence = torch.zeros(len(ratings), d, device=x.device).index_add(0, users, value * x)
    return torch.linalg.solve(gram.view(-1, d, d) + precision, evidence + pull)
