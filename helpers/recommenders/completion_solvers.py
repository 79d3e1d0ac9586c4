"""The solvers behind `MatrixCompletion` (chapter 05): one class for each way to fit U and V.

All of them minimize  Σ_Ω loss(R_ui, μ + b_u + b_i + U_u·V_i) + reg (|U|² + |V|² + |b|²),  except
for `Gibbs`, which draws U and V from their posterior.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.utils.extmath import randomized_svd

from helpers.interactions.matrix import LIKED, liked_only
from helpers.recommenders.gibbs import Sampler, components, habits, rows
from helpers.recommenders.least_squares import (
    ContentPrior,
    Known,
    item_features,
    losses,
    majorize,
    projection,
    ridges,
)

BURN = 20  # sweeps of gibbs thrown away
DIRECTIONS = 60  # of who rated what, for gibbs
MAJORIZED_SOLVES = 30  # that fold in a history where the loss is not squared


@dataclass(frozen=True)
class Settings:
    """The constructor arguments of `MatrixCompletion`, where they are documented."""

    rank: int
    reg: float
    reg_bias: float | None
    solver: str
    init: str
    prior: str
    loss: str
    biases: bool
    epochs: int | None
    lr: float
    confidence: float
    scale: float
    patience: int
    seed: int
    device: str

    def penalties(self) -> np.ndarray:
        """λ of the bias, then of each factor, (1 + rank,)."""
        of_bias = self.reg
        if self.reg_bias is not None:
            of_bias = self.reg_bias
        return np.append(of_bias, np.full(self.rank, self.reg))


@dataclass(frozen=True)
class Factors:
    """One answer: R_ui is close to mu + b_user[u] + b_item[i] + U[u]·V[i].

    Attributes
    ----------
    mu : float
    U, V : (n_users, rank), (n_items, rank) arrays
    b_user, b_item : (n_users,), (n_items,) arrays
    """

    mu: float
    U: np.ndarray
    V: np.ndarray
    b_user: np.ndarray
    b_item: np.ndarray

    def users(self) -> np.ndarray:
        """[b_user, U], (n_users, 1 + rank)."""
        return np.column_stack([self.b_user, self.U])

    def items(self) -> np.ndarray:
        """[b_item, V], (n_items, 1 + rank)."""
        return np.column_stack([self.b_item, self.V])

    def fitted(self, known: Known) -> torch.Tensor:
        """The formula at the elements of Ω, (nnz,)."""
        U = known.tensor(self.U)
        V = known.tensor(self.V)
        b_user = known.tensor(self.b_user).index_select(0, known.rows)
        b_item = known.tensor(self.b_item).index_select(0, known.columns)
        return self.mu + (b_user + b_item) + known.products(U, V)

    def with_users(self, b_user, U) -> "Factors":
        return Factors(self.mu, U, self.V, b_user, self.b_item)

    def with_items(self, b_item, V) -> "Factors":
        return Factors(self.mu, self.U, V, self.b_user, b_item)


class ALS:
    """Alternating least squares (Koren et al. 2009), and what the other solvers share with it.

    With V fixed, each row of U is a ridge regression in closed form, and the other way round. The
    objective never rises. Where the loss is not squared, each regression is on a quadratic that
    lies above the loss.

    Parameters
    ----------
    settings : Settings

    Attributes
    ----------
    epochs : int
        Sweeps by default.
    looks_every : int
        Epochs between two looks at the validation data.
    content : ContentPrior or None
        Set by `start` where the prior is ``content``.
    """

    epochs = 15
    looks_every = 1

    def __init__(self, settings: Settings):
        self.settings = settings
        self.content: ContentPrior | None = None

    @property
    def has_biases(self) -> bool:
        return self.settings.biases

    def targets(self, ratings) -> sp.csr_matrix:
        """The numbers to fit, one for each element of Ω: ratings, or ±1 labels."""
        R = sp.csr_matrix(ratings).astype(np.float64)  # a copy
        if self.settings.loss == "logistic":
            R.data = np.where(R.data >= LIKED, 1.0, -1.0)
        return R

    # Start

    def start(
        self,
        R: sp.csr_matrix,
        known: Known,
        items,
    ) -> Factors:
        """Initial factors, biases and mean."""
        s = self.settings
        if s.prior == "content":
            features = item_features(items)
            self.content = ContentPrior(features, known.T.counts, s.rank + 1)
        now = self._random(R)
        if s.init == "random":
            return now
        V = now.V + self._singular_vectors(R, now.mu)
        if s.init == "content":
            counts = known.T.counts.cpu().numpy()
            V = projection(item_features(items), V, counts)
        now = now.with_items(now.b_item, V)
        return self.fit_users(known, now)

    def _random(self, R) -> Factors:
        """Normal factors with standard deviation `scale`, biases of 0, and the mean."""
        s = self.settings
        n_users, n_items = R.shape
        rng = np.random.default_rng(s.seed)
        U = s.scale * rng.standard_normal((n_users, s.rank))
        V = s.scale * rng.standard_normal((n_items, s.rank))
        b_user = np.zeros(n_users)
        b_item = np.zeros(n_items)
        return Factors(self._mean(R), U, V, b_user, b_item)

    def _mean(self, R) -> float:
        """μ: the mean rating, or the log-odds of a like."""
        if not self.has_biases or R.nnz == 0:
            return 0.0
        mean = float(R.data.mean())
        if self.settings.loss == "logistic":
            inside = np.clip(mean, -0.99, 0.99)
            return float(2 * np.arctanh(inside))
        return mean

    def _singular_vectors(self, R, mu: float) -> np.ndarray:
        """Leading right singular vectors of the known R - μ times √(singular value)."""
        s = self.settings
        rank = min(s.rank, *R.shape)
        centered = R.copy()
        centered.data = R.data - mu
        _, values, Vt = randomized_svd(centered, rank, random_state=s.seed)
        n_items = R.shape[1]
        V = np.zeros((n_items, s.rank))
        V[:, :rank] = Vt.T * np.sqrt(values)
        return V

    # One sweep

    def step(self, known: Known, now: Factors) -> Factors:
        """Best U and user biases for the present V, then the other way round."""
        now = self.fit_users(known, now)
        now = self.fit_items(known, now)
        if self.content is not None:
            self.content.update(now.items())
        return now

    def fit_users(self, known: Known, now: Factors) -> Factors:
        """The best U and user biases while V and the item biases stay."""
        fitted = self._fitted(known, now)
        b, U = self._ridges(known, fitted, now.V, now.b_item, now.mu)
        return now.with_users(b, U)

    def fit_items(self, known: Known, now: Factors) -> Factors:
        """The best V and item biases while U and the user biases stay."""
        fitted = self._fitted(known, now)
        if fitted is not None:
            fitted = fitted[known.by_column]
        b, V = self._ridges(
            known.T,
            fitted,
            now.U,
            now.b_user,
            now.mu,
            self.content,
        )
        return now.with_items(b, V)

    def _fitted(self, known, now):
        """Where the quadratic touches the loss; None if the loss is a quadratic itself."""
        if self.settings.loss == "squared":
            return None
        return now.fitted(known)

    def _ridges(
        self,
        known,
        fitted,
        Z,
        b,
        mu,
        content=None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Bias and factors of each row, given the other side's factors `Z` and biases `b`.

        One weighted ridge regression per row: (Σ w z zᵀ + λI)⁻¹ Σ w z t.
        """
        Z = known.tensor(Z)
        offsets = known.tensor(b).index_select(0, known.columns)
        weight, target, gram = self._weighted(known, fitted, Z, mu, offsets)
        columns = slice(1, None)
        if self.has_biases:
            columns = slice(0, None)
            ones = torch.ones_like(Z[:, :1])
            Z = torch.cat([ones, Z], 1)
        lam = known.tensor(self.settings.penalties()[columns])
        pull = 0.0
        if content is not None:
            pull = lam * known.tensor(content.center[:, columns])
        penalty = gram + torch.diag(lam + 1e-9)
        both = ridges(known, weight, target, Z, penalty, pull).cpu().numpy()
        if self.has_biases:
            b = both[:, 0].copy()
            return b, both[:, 1:].copy()
        return np.zeros(len(both)), both

    def _weighted(self, known, fitted, Z, mu, offsets):
        """Weight and target of each entry, and what all entries add to Σ w z zᵀ."""
        weight, target = majorize(fitted, known.values, self.settings.loss)
        return weight, target - mu - offsets, 0.0

    # The objective

    def objective(self, known: Known, now: Factors) -> tuple[float, float]:
        """The objective, and the mean loss over Ω."""
        fitted = now.fitted(known)
        each = losses(fitted, known.values, self.settings.loss)
        total = float(each.sum())
        mean = total / max(1, len(known.values))
        return total + self._penalty(now), mean

    def _penalty(self, now) -> float:
        """λ (|U|² + |V|² + |b|²), or with the content prior's term in place of |V|²."""
        of_users = np.sum(now.users() ** 2, axis=0)
        if self.content is None:
            of_items = np.sum(now.items() ** 2, axis=0)
        else:
            of_items = self.content.squares(now.items())
        return float(self.settings.penalties() @ (of_users + of_items))

    # The end

    def finish(self, known: Known, now: Factors, items) -> Factors:
        """Give items without ratings what the objective asks for: 0, or what their content says."""
        counts = known.T.counts.cpu().numpy()
        unrated = counts == 0
        both = now.items()
        if self.content is not None:
            both[unrated] = self.content.center[unrated]
        elif self.settings.init == "content":
            both[unrated] = projection(item_features(items), both, counts)[unrated]
        else:
            both[unrated] = 0
        b_item = both[:, 0].copy()
        V = both[:, 1:].copy()
        return now.with_items(b_item, V)

    def fold_in(self, known: Known, trained: Factors) -> Factors:
        """Factors of new rows, items fixed; a squared loss takes one solve."""
        n_users = known.shape[0]
        b = np.zeros(n_users)
        U = np.zeros((n_users, self.settings.rank))
        now = trained.with_users(b, U)
        n_solves = MAJORIZED_SOLVES
        if self.settings.loss == "squared":
            n_solves = 1
        for _ in range(n_solves):
            now = self.fit_users(known, now)
        return now


class IALS(ALS):
    """Least squares on all pairs (Hu et al. 2008), for ranking from likes.

    An absent item counts as 0 with weight 1, a liked one as 1 with weight 1 + `confidence`. The
    absent ones cost nothing: together they add ZᵀZ to each row's regression. There are no biases.
    """

    epochs = 10

    @property
    def has_biases(self) -> bool:
        return False

    def targets(self, ratings) -> sp.csr_matrix:
        """1 for each like."""
        return sp.csr_matrix(liked_only(ratings)).astype(np.float64)

    def _weighted(self, known, fitted, Z, mu, offsets):
        confidence = self.settings.confidence
        weight = torch.full_like(known.values, confidence)
        target = torch.full_like(known.values, 1 + 1 / confidence)
        return weight, target, Z.T @ Z

    def objective(self, known: Known, now: Factors) -> tuple[float, float]:
        """Σ over all pairs, the absent ones through UᵀU and VᵀV; and the likes' mean share."""
        fitted = now.fitted(known)
        weight = 1 + self.settings.confidence
        more = weight * (1 - fitted) ** 2 - fitted**2
        likes = float(more.sum())
        gram_U = now.U.T @ now.U
        gram_V = now.V.T @ now.V
        everything = float(np.sum(gram_U * gram_V))
        mean = likes / max(1, len(known.values))
        return likes + everything + self._penalty(now), mean


def _array(weight: torch.Tensor) -> np.ndarray:
    """A copy that the next step leaves as it is."""
    return weight.detach().cpu().numpy().copy()


class Adam(ALS):
    """Gradient steps on everything at once (Kingma & Ba 2015), as in the original report.

    A new history is folded in by least squares, as in `ALS`.
    """

    epochs = 300
    looks_every = 10

    def start(self, R, known, items) -> Factors:
        now = super().start(R, known, items)
        arrays = [now.U, now.V]
        if self.has_biases:
            arrays += [now.b_user, now.b_item]
        weights = [known.tensor(array).clone().requires_grad_() for array in arrays]
        self._weights = weights
        self._optimizer = torch.optim.Adam(weights, lr=self.settings.lr)
        return now

    def step(self, known: Known, now: Factors) -> Factors:
        """One Adam step on U, V and biases together."""
        fitted = self._forward(known, now.mu)
        loss = losses(fitted, known.values, self.settings.loss).sum()
        objective = loss + self._penalty_of_weights()
        self._optimizer.zero_grad()
        objective.backward()
        self._optimizer.step()
        U, V, *biases = [_array(weight) for weight in self._weights]
        if not biases:
            biases = [now.b_user, now.b_item]
        return Factors(now.mu, U, V, *biases)

    def _forward(self, known, mu):
        """The formula at the elements of Ω, (nnz,), as a function of the weights."""
        U, V, *biases = self._weights
        fitted = mu + known.products(U, V)
        if biases:
            b_user, b_item = biases
            fitted = fitted + b_user.index_select(0, known.rows)
            fitted = fitted + b_item.index_select(0, known.columns)
        return fitted

    def _penalty_of_weights(self):
        lam_bias, lam = self.settings.penalties()[:2]
        penalty = 0.0
        for weight in self._weights:
            lam_weight = lam if weight.ndim == 2 else lam_bias
            penalty = penalty + float(lam_weight) * weight.square().sum()
        return penalty


@dataclass(frozen=True)
class Posterior:
    """Draws from all factors that fit the ratings: what each needs to fold in any history.

    Attributes
    ----------
    mu : float
    directions : (n_items, n_directions) array
        Of who rated what; see `helpers.recommenders.gibbs.habits`.
    Q : (n_draws, n_items, 1 + rank) array
        [b_i, V_i].
    B : (n_draws, 1 + n_features, 1 + rank) array
        The users' expected factors, as a constant and a slope per feature.
    precision : (n_draws, 1 + rank, 1 + rank) array
        How closely users keep to that.
    alpha : (n_draws,) array
        1 / variance of a rating.
    """

    mu: float
    directions: np.ndarray
    Q: np.ndarray
    B: np.ndarray
    precision: np.ndarray
    alpha: np.ndarray

    def ratings(
        self,
        R: sp.csr_matrix,
        items,
        device,
        rng=None,
    ) -> Iterator[np.ndarray]:
        """Ratings (n_users, len(items)) of each draw.

        Users are at their mean given the draw, or with `rng` drawn too.
        """
        known = Known(R, device, torch.float32)
        features = habits(R, self.directions)
        y = known.values - self.mu
        for n in range(len(self.Q)):
            Q = self.Q[n]
            B = self.B[n]
            mean = B[0] + features @ B[1:]
            belief = (mean, self.precision[n], self.alpha[n])
            P = rows(known, y, known.tensor(Q), *belief, rng).cpu().numpy()
            b_user = P[:, :1]
            b_item = Q[items, 0]
            U = P[:, 1:]
            V = Q[items, 1:]
            yield self.mu + b_user + b_item + U @ V.T

    def moments(
        self,
        R,
        items,
        device,
        rng=None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation over the draws, each (n_users, len(items)) float32."""
        total = np.zeros(1)
        squares = np.zeros(1)
        for x in self.ratings(R, items, device, rng):
            x = x.astype(np.float64)
            total = total + x
            squares = squares + x**2
        mean = total / len(self.Q)
        variance = squares / len(self.Q) - mean**2
        spread = np.sqrt(np.maximum(variance, 0))
        return mean.astype(np.float32), spread.astype(np.float32)


class Gibbs:
    """Not one U and V but draws from their posterior (`helpers.recommenders.gibbs`).

    Parameters
    ----------
    settings : Settings
    """

    epochs = 60

    def __init__(self, settings: Settings):
        self.settings = settings

    def targets(self, ratings) -> sp.csr_matrix:
        """The ratings."""
        return sp.csr_matrix(ratings).astype(np.float64)

    def sample(self, R: sp.csr_matrix, items) -> Posterior:
        """Run the sampler and keep what each draw needs to fold in any history."""
        s = self.settings
        directions = components(R, DIRECTIONS, s.seed)
        X_users = habits(R, directions)
        X_items = self._item_features(R, items)
        sampler = Sampler(R, X_users, X_items, s.rank, s.seed, s.device)
        n_draws = self.epochs if s.epochs is None else s.epochs
        Q = []
        B = []
        precision = []
        alpha = []
        for draw in sampler.draws(BURN, n_draws):
            Q.append(draw.Q.cpu().numpy())
            users = draw.users
            B.append(np.vstack([users.m, users.B]))
            precision.append(users.precision)
            alpha.append(draw.alpha)
        arrays = map(np.array, (Q, B, precision, alpha))
        return Posterior(float(R.data.mean()), directions, *arrays)

    def _item_features(self, R, items) -> np.ndarray:
        """Who rated an item and, with that prior, its content; all features are about 1 in size."""
        T = R.T.tocsr()
        features = habits(T, components(T, DIRECTIONS, self.settings.seed))
        if self.settings.prior != "content":
            return features
        content = item_features(items)
        return np.column_stack([features, content / content.std()])


SOLVERS = {"als": ALS, "adam": Adam, "ials": IALS, "gibbs": Gibbs}
