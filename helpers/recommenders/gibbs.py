"""Matrix completion as a posterior: each unknown drawn in turn, given all the others (Gibbs sampling, chapter 05)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from scipy.stats import wishart
from sklearn.utils.extmath import randomized_svd

from helpers.recommenders.least_squares import Known, ridges

SHRINK = 2.0  # pseudo-rows that hold a side's mean at 0


class Prior:
    """Where one side's factors come from: row x ~ N(m + features·B, Λ⁻¹), and m, B, Λ are drawn as well.

    (m, Λ) are normal-Wishart (Salakhutdinov & Mnih 2008, BPMF); B is N(0, (κΛ)⁻¹), κ a gamma variable, so that features
    that explain nothing fade by themselves (Simm et al. 2017, Macau).

    Parameters
    ----------
    features : (n_rows, n_features) array
        None of them: `n_features` = 0.
    """

    def __init__(self, features, K: int, rng):
        self.features, self.rng, self.kappa = features, rng, 5.0
        self.gram = features.T @ features
        self.m, self.B, self.precision = np.zeros(K), np.zeros((features.shape[1], K)), np.eye(K)

    def mean(self, features) -> np.ndarray:
        """What is expected of rows with these features before any rating, (n_rows, K)."""
        return self.m + features @ self.B

    def draw(self, P) -> tuple[np.ndarray, np.ndarray]:
        """Draw m, Λ, B and κ anew, given the factors `P` (n_rows, K); the rows' means (n_rows, K), and Λ."""
        P = P.cpu().numpy().astype(np.float64)
        n, K = P.shape
        rest = P - self.features @ self.B
        centre = rest.mean(0)
        scatter = (rest - centre).T @ (rest - centre) + SHRINK * n / (SHRINK + n) * np.outer(
            centre, centre
        )
        inverse = np.linalg.inv(np.eye(K) + scatter)
        self.precision = np.reshape(
            wishart.rvs(K + n, (inverse + inverse.T) / 2, random_state=self.rng), (K, K)
        )
        spread = np.linalg.inv(
            np.linalg.cholesky(self.precision)
        )  # a row of N(0, I) times this is of N(0, Λ⁻¹)

        def noise(rows):
            return self.rng.standard_normal((rows, K)) @ spread

        self.m = n / (SHRINK + n) * centre + noise(1)[0] / np.sqrt(SHRINK + n)
        d = len(self.B)
        right = self.features.T @ (P - self.m + noise(n)) + np.sqrt(self.kappa) * noise(d)
        self.B = np.linalg.solve(self.gram + self.kappa * np.eye(d), right)
        self.kappa = self.rng.gamma(d * K / 2 + 5e-4) / (
            np.sum((self.B @ self.precision) * self.B) / 2 + 5e-4
        )
        return self.mean(self.features), self.precision


class Effects:
    """An offset for each group of ratings (a shopper's day, an item's fortnight): N(0, 1/τ), τ drawn as well.

    Parameters
    ----------
    groups : (n_ratings,) int array
    n_groups : int
        Groups without a rating keep 0.
    """

    def __init__(self, groups, n_groups: int, rng):
        self.groups, self.rng, self.tau = groups, rng, 20.0
        self.counts, self.values = np.bincount(groups, minlength=n_groups), np.zeros(n_groups)

    def draw(self, residual, alpha) -> None:
        seen = self.counts > 0
        precision = self.tau + alpha * self.counts[seen]
        total = np.bincount(self.groups, residual, len(self.counts))[seen]
        self.values[seen] = alpha * total / precision + self.rng.standard_normal(
            seen.sum()
        ) / np.sqrt(precision)
        self.tau = self.rng.gamma(seen.sum() / 2 + 1) / (np.sum(self.values**2) / 2 + 0.5)


@dataclass
class Draw:
    """One draw of everything: R_ui ~ N(mu + b_u + b_i + U_u·V_i + effects, 1/alpha), P = [b_u, U_u], Q = [b_i, V_i]."""

    mu: float
    P: torch.Tensor
    Q: torch.Tensor
    alpha: float
    users: Prior
    effects: list[Effects]

    def at(self, users, items) -> np.ndarray:
        """μ + b_u + b_i + U_u·V_i of the pairs (users[n], items[n]), (n_pairs,)."""
        P, Q = self.P.cpu().numpy().take(users, 0), self.Q.cpu().numpy().take(items, 0)
        return self.mu + P[:, 0] + Q[:, 0] + np.einsum("nk,nk->n", P[:, 1:], Q[:, 1:])


def gibbs(
    R: sp.csr_matrix,
    X_users=None,
    X_items=None,
    rank=10,
    burn=20,
    draws=60,
    groups=(),
    seed=7,
    device="cpu",
) -> Iterator[Draw]:
    """Draws from the posterior of a factorisation with biases; their mean predicts, their spread is the uncertainty.

    Parameters
    ----------
    R : csr_matrix, (n_users, n_items)
        Known ratings.
    X_users, X_items : (n_users, d), (n_items, d) arrays or None
        Features that the prior means are regressed on.
    burn, draws : int
        Sweeps thrown away, and sweeps yielded after them.
    groups : list of ((nnz,) int array in the order of `R.data`, int)
        Groups of ratings that share an offset, and how many there are.
    """
    rng, known = np.random.default_rng(seed), Known(R, device, torch.float32)
    mu, alpha, K = float(R.data.mean()), 1.5, rank + 1
    P, Q = (known.tensor(0.1 * rng.standard_normal((n, K))) for n in R.shape)
    users, items = (
        Prior(np.zeros((n, 0)) if X is None else X, K, rng)
        for n, X in zip(R.shape, (X_users, X_items), strict=True)
    )
    effects, y = [Effects(*group, rng) for group in groups], known.values - mu
    offset = torch.zeros_like(y)
    for sweep in range(burn + draws):
        rest = y - offset
        P = rows(known, rest, Q, *users.draw(P), alpha, rng)
        Q = rows(known.T, rest.index_select(0, known.by_column), P, *items.draw(Q), alpha, rng)
        residual = y - known.products(_beside(P, 0), _beside(Q, 1))
        for effect in effects:
            others = sum(e.values[e.groups] for e in effects if e is not effect)
            effect.draw(residual.cpu().numpy() - others, alpha)
        if effects:
            offset = known.tensor(sum(e.values[e.groups] for e in effects))
        alpha = rng.gamma(R.nnz / 2 + 1) / (float((residual - offset).square().sum()) / 2 + 1)
        if sweep >= burn:
            yield Draw(mu, P, Q, alpha, users, effects)


def rows(known: Known, y, Q, mean, precision, alpha, rng=None) -> torch.Tensor:
    """Factors of all rows given the other side's `Q`, (n_rows, K): their mean, or with `rng` a draw.

    Parameters
    ----------
    y : (nnz,) tensor
        Ratings, less the overall mean.
    mean, precision : (n_rows, K), (K, K) arrays
        What is believed of the rows before any rating.
    """
    Z = torch.cat([torch.ones_like(Q[:, :1]), Q[:, 1:]], 1)
    noise = (
        None
        if rng is None
        else known.tensor(rng.standard_normal((known.shape[0], Q.shape[1]), np.float32))
    )
    target, weight = y - Q[:, 0].index_select(0, known.columns), torch.full_like(y, alpha)
    return ridges(
        known, weight, target, Z, known.tensor(precision), known.tensor(mean @ precision), noise
    )


def _beside(P, place: int) -> torch.Tensor:
    """A column of ones put in, so that [b_u, 1, U_u]·[1, b_i, V_i] is the whole prediction."""
    return torch.cat([P[:, :place], torch.ones_like(P[:, :1]), P[:, place:]], 1)


def components(R: sp.csr_matrix, n: int, seed=7) -> np.ndarray:
    """Main directions of who rated what at all, (n_columns, at most n); `habits` says where each row lies on them."""
    _, _, Vt = randomized_svd(_shares(R), min(n, *R.shape), random_state=seed)
    return Vt.T / max(float((_shares(R) @ Vt.T).std()), 1e-9)


def habits(R: sp.csr_matrix, directions) -> np.ndarray:
    """What a row's choice of columns says, whatever the ratings: (n_rows, n + 1) features, the last one log(count)."""
    return np.column_stack([_shares(R) @ directions, np.log1p(np.diff(R.indptr)) - 3])


def _shares(R):
    """1/√count where rated: with all rows of length 1, diligent raters don't make up every direction."""
    counts = np.diff(R.indptr)
    return sp.csr_matrix(
        (np.repeat(1 / np.sqrt(np.maximum(counts, 1)), counts), R.indices, R.indptr), shape=R.shape
    )
