"""Matrix completion as a posterior (chapter 05): Gibbs sampling.

Each unknown is drawn in turn, given all the others:

    R_ui ~ N(μ + b_u + b_i + U_u·V_i, 1/α)      P_u = [b_u, U_u],  Q_i = [b_i, V_i]
    P_u ~ N(m + features_u·B, Λ⁻¹)              and Q_i likewise, with an m, B, Λ of its own

After enough sweeps the draws come from the posterior of everything at once (Salakhutdinov & Mnih
2008, "Bayesian Probabilistic Matrix Factorization using Markov Chain Monte Carlo").
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from scipy.stats import wishart
from sklearn.utils.extmath import randomized_svd

from helpers.recommenders.least_squares import Known, ridges

SHRINK = 2.0  # pseudo-rows that hold a side's mean at 0
KAPPA = 5.0  # first guess of the precision of B
ALPHA = 1.5  # first guess of 1 / variance of a rating
VAGUE = 5e-4  # shape and rate of κ's gamma prior


class Prior:
    """Where one side's factors come from: row x ~ N(m + features·B, Λ⁻¹), m, B, Λ being drawn too.

    (m, Λ) are normal-Wishart (Salakhutdinov & Mnih 2008, BPMF). B is N(0, (κΛ)⁻¹) with a gamma
    variable κ, so that features that explain nothing fade by themselves (Simm et al. 2017, Macau).

    Parameters
    ----------
    features : (n_rows, n_features) array
        `n_features` may be 0.
    K : int
        Numbers per row.
    rng : np.random.Generator

    Attributes
    ----------
    m, B, precision, kappa : (K,), (n_features, K), (K, K) arrays, float
        The last draw; `precision` is Λ.
    """

    def __init__(self, features, K: int, rng):
        self.features = features
        self.rng = rng
        self.gram = features.T @ features
        self.m = np.zeros(K)
        self.B = np.zeros((features.shape[1], K))
        self.precision = np.eye(K)
        self.kappa = KAPPA

    def mean(self, features) -> np.ndarray:
        """What is expected of rows with these features before any rating, (n_rows, K)."""
        return self.m + features @ self.B

    def draw(self, P) -> tuple[np.ndarray, np.ndarray]:
        """Draw m, Λ, B and κ anew, given the factors `P` (n_rows, K) tensor.

        Returns
        -------
        mean : (n_rows, K) array
            m + features·B.
        precision : (K, K) array
            Λ.
        """
        P = P.cpu().numpy().astype(np.float64)
        unexplained = P - self.features @ self.B
        center = unexplained.mean(0)
        self._draw_precision(unexplained, center)
        self._draw_m(len(P), center)
        self._draw_B(P)
        self._draw_kappa()
        return self.mean(self.features), self.precision

    def _draw_precision(self, unexplained, center) -> None:
        """Λ from its Wishart distribution; and `_spread`, which turns N(0, I) into N(0, Λ⁻¹)."""
        n, K = unexplained.shape
        away = unexplained - center
        shrunk = SHRINK * n / (SHRINK + n)
        scatter = away.T @ away + shrunk * np.outer(center, center)
        inverse = np.linalg.inv(np.eye(K) + scatter)
        symmetric = (inverse + inverse.T) / 2
        drawn = wishart.rvs(K + n, symmetric, random_state=self.rng)
        self.precision = np.reshape(drawn, (K, K))
        L = np.linalg.cholesky(self.precision)
        self._spread = np.linalg.inv(L)

    def _noise(self, n_rows: int) -> np.ndarray:
        """Rows of N(0, Λ⁻¹), (n_rows, K)."""
        K = len(self.precision)
        return self.rng.standard_normal((n_rows, K)) @ self._spread

    def _draw_m(self, n: int, center) -> None:
        shrunk = n / (SHRINK + n) * center
        noise = self._noise(1)[0]
        self.m = shrunk + noise / np.sqrt(SHRINK + n)

    def _draw_B(self, P) -> None:
        """B by a ridge regression of noisy factors on the features."""
        d = len(self.B)
        noisy = P - self.m + self._noise(len(P))
        right = self.features.T @ noisy
        right = right + np.sqrt(self.kappa) * self._noise(d)
        left = self.gram + self.kappa * np.eye(d)
        self.B = np.linalg.solve(left, right)

    def _draw_kappa(self) -> None:
        size = np.sum((self.B @ self.precision) * self.B)
        drawn = self.rng.gamma(self.B.size / 2 + VAGUE)
        self.kappa = drawn / (size / 2 + VAGUE)


@dataclass
class Draw:
    """One draw of everything: R_ui ~ N(mu + b_u + b_i + U_u·V_i, 1/alpha).

    Attributes
    ----------
    mu : float
    P, Q : (n_users, 1 + rank), (n_items, 1 + rank) tensors
        [b_u, U_u] and [b_i, V_i].
    alpha : float
    users : Prior
        Where the users' factors come from; the next draw overwrites it.
    """

    mu: float
    P: torch.Tensor
    Q: torch.Tensor
    alpha: float
    users: Prior

    def at(self, users, items) -> np.ndarray:
        """μ + b_u + b_i + U_u·V_i of the pairs (users[n], items[n]), (n_pairs,)."""
        P = self.P.cpu().numpy()
        Q = self.Q.cpu().numpy()
        P_u = P.take(users, 0)
        Q_i = Q.take(items, 0)
        U = P_u[:, 1:]
        V = Q_i[:, 1:]
        products = np.einsum("nk,nk->n", U, V)
        biases = self.mu + P_u[:, 0] + Q_i[:, 0]
        return biases + products


class Sampler:
    """Draws from the posterior of a factorization with biases.

    The mean of the draws predicts, and their spread is the uncertainty.

    Parameters
    ----------
    R : csr_matrix, (n_users, n_items)
        Known ratings.
    X_users, X_items : (n_users, d), (n_items, d) arrays or None
        Features that the prior means are regressed on.
    rank : int
        Columns of U and V.
    seed : int
    device : str

    Attributes
    ----------
    residual : (nnz,) tensor
        R - (μ + b_u + b_i + U_u·V_i) after the last sweep.
    offset : (nnz,) tensor
        What explains a rating besides its factors: 0, unless a subclass draws it.
    """

    def __init__(
        self,
        R: sp.csr_matrix,
        X_users=None,
        X_items=None,
        rank=10,
        seed=7,
        device="cpu",
    ):
        self.rng = np.random.default_rng(seed)
        self.known = Known(R, device, torch.float32)
        self.mu = float(R.data.mean())
        self.alpha = ALPHA
        self.y = self.known.values - self.mu
        self.offset = torch.zeros_like(self.y)
        K = rank + 1
        n_users, n_items = R.shape
        self.P = self._small(n_users, K)
        self.Q = self._small(n_items, K)
        self.users = self._prior(n_users, X_users, K)
        self.items = self._prior(n_items, X_items, K)

    def _small(self, n: int, K: int) -> torch.Tensor:
        normal = self.rng.standard_normal((n, K))
        return self.known.tensor(0.1 * normal)

    def _prior(self, n: int, features, K: int) -> Prior:
        if features is None:
            features = np.zeros((n, 0))
        return Prior(features, K, self.rng)

    def draws(self, burn: int, n: int) -> Iterator[Draw]:
        """Sweep `burn` times, then `n` times more, yielding each of those."""
        for sweep in range(burn + n):
            self.sweep()
            if sweep >= burn:
                yield self._present()

    def _present(self) -> Draw:
        return Draw(
            self.mu,
            self.P,
            self.Q,
            self.alpha,
            self.users,
        )

    def sweep(self) -> None:
        """Draw everything once, in turn."""
        self.draw_users()
        self.draw_items()
        self.draw_noise()

    def draw_users(self) -> None:
        """The users' prior, then P."""
        rest = self.y - self.offset
        belief = self.users.draw(self.P)
        self.P = self._rows(self.known, rest, self.Q, belief)

    def draw_items(self) -> None:
        """The items' prior, then Q; and what is left of the ratings."""
        rest = self.y - self.offset
        by_item = rest.index_select(0, self.known.by_column)
        belief = self.items.draw(self.Q)
        self.Q = self._rows(self.known.T, by_item, self.P, belief)
        # [b_u, 1, U_u]·[1, b_i, V_i] is the whole prediction
        P = _with_ones(self.P, 0)
        Q = _with_ones(self.Q, 1)
        self.residual = self.y - self.known.products(P, Q)

    def _rows(self, known, y, Q, belief) -> torch.Tensor:
        mean, precision = belief
        return rows(known, y, Q, mean, precision, self.alpha, self.rng)

    def draw_noise(self) -> None:
        """α, the precision of a rating."""
        squares = (self.residual - self.offset).square().sum()
        drawn = self.rng.gamma(len(self.y) / 2 + 1)
        self.alpha = drawn / (float(squares) / 2 + 1)


def gibbs(
    R: sp.csr_matrix,
    X_users=None,
    X_items=None,
    rank=10,
    burn=20,
    draws=60,
    seed=7,
) -> Iterator[Draw]:
    """Draws of a `Sampler`, which documents the arguments.

    Parameters
    ----------
    burn, draws : int
        Sweeps thrown away, and sweeps yielded after them.
    """
    sampler = Sampler(R, X_users, X_items, rank, seed)
    return sampler.draws(burn, draws)


def rows(
    known: Known,
    y,
    Q,
    mean,
    precision,
    alpha,
    rng=None,
) -> torch.Tensor:
    """Factors of all rows given the other side's, (n_rows, K): their mean, or with `rng` a draw.

    Parameters
    ----------
    known : Known
    y : (nnz,) tensor
        Ratings, less the overall mean.
    Q : (n_columns, K) tensor
        The other side's [b, V].
    mean, precision : (n_rows, K), (K, K) arrays
        What is believed of the rows before any rating.
    alpha : float
        1 / variance of a rating.
    """
    noise = None
    if rng is not None:
        shape = (known.shape[0], Q.shape[1])
        noise = known.tensor(rng.standard_normal(shape, np.float32))
    offsets = Q[:, 0].index_select(0, known.columns)
    return ridges(
        known,
        torch.full_like(y, alpha),
        y - offsets,
        _with_ones(Q[:, 1:], 0),
        known.tensor(precision),
        known.tensor(mean @ precision),
        noise,
    )


def _with_ones(P, place: int) -> torch.Tensor:
    """`P` with a column of ones put in at `place`."""
    left = P[:, :place]
    right = P[:, place:]
    ones = torch.ones_like(P[:, :1])
    return torch.cat([left, ones, right], 1)


def components(R: sp.csr_matrix, n: int, seed=7) -> np.ndarray:
    """Main directions of who rated what at all, (n_columns, at most n).

    `habits` says where each row lies on them.
    """
    shares = _shares(R)
    n = min(n, *R.shape)
    _, _, Vt = randomized_svd(shares, n, random_state=seed)
    spread = float((shares @ Vt.T).std())
    return Vt.T / max(spread, 1e-9)


def habits(R: sp.csr_matrix, directions) -> np.ndarray:
    """What a row's choice of columns says, whatever the ratings.

    Returns
    -------
    (n_rows, n + 1) array
        Coordinates along the `directions`, and log(1 + count) - 3.
    """
    counts = np.diff(R.indptr)
    coordinates = _shares(R) @ directions
    return np.column_stack([coordinates, np.log1p(counts) - 3])


def _shares(R) -> sp.csr_matrix:
    """1/√count where rated: with rows of length 1, diligent raters don't make up the directions."""
    counts = np.diff(R.indptr)
    of_row = 1 / np.sqrt(np.maximum(counts, 1))
    values = np.repeat(of_row, counts)
    return sp.csr_matrix((values, R.indices, R.indptr), shape=R.shape)
