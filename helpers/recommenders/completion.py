"""Low-rank matrix completion in the Burer-Monteiro form (chapter 05): R is close to U Vᵀ where it is known."""

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.utils.extmath import randomized_svd
from torch.nn import functional as F

from helpers.recommenders.base import LIKED, Recommender

SOLVERS = {"als": 15, "adam": 300, "ials": 10}  # name: default epochs
INITS = ("random", "spectral", "content")
LOSSES = ("squared", "huber", "logistic")


class MatrixCompletion(Recommender):
    """min Σ_Ω loss(R_ui, μ + b_u + b_i + U_u·V_i) + reg (|U|² + |V|² + |b|²), over the known ratings Ω only.

    The deck's objective is ``loss="squared", biases=False``: Σ_Ω (R - UVᵀ)² + λ(|U|² + |V|²).

    Parameters
    ----------
    rank, reg : int, float
        Columns of U and V; λ.
    solver : str
        ``als``: all rows of U in closed form, then all of V (Koren et al. 2009); the objective never rises.
        ``adam``: gradient steps on everything at once (the deck's).
        ``ials``: ranking from likes; all absent items count as 0 with weight 1, a liked one as 1 with weight
        1 + `confidence` (Hu et al. 2008). Has no biases and predicts no ratings.
    init : str
        ``random``: normal with standard deviation `scale`. ``spectral``: the known ratings' leading singular vectors.
        ``content``: V by a ridge projection of item vectors and price onto those; what it learns in the end also
        gives items without ratings their row of V. U follows from V by one solve: item features can't say it.
    loss : str
        ``squared``; ``huber``, which lets a rating that is off by more than 1 pull less; ``logistic`` on ±1 labels
        (liked or not), scored in log-odds.
    epochs : int or None
        None: 15 for als, 10 for ials, 300 for adam.
    patience : int
        With `validate`, stop after that many looks without a better value, and keep the best.
    """

    def __init__(
        self,
        rank=7,
        reg=10.0,
        solver="als",
        init="random",
        loss="squared",
        biases=True,
        epochs=None,
        lr=0.05,
        confidence=1.0,
        scale=0.1,
        patience=3,
        seed=7,
        device="cpu",
    ):
        for value, allowed in ((solver, SOLVERS), (init, INITS), (loss, LOSSES)):
            if value not in allowed:
                raise ValueError(f"{value!r} is not one of {', '.join(allowed)}")
        if rank < 1 or reg < 0 or (solver == "ials" and loss != "squared"):
            raise ValueError(f"rank must be >= 1, reg >= 0, and ials squared, not {rank}, {reg}, {loss}")
        self.rank, self.reg, self.solver, self.init, self.loss, self.biases = rank, reg, solver, init, loss, biases
        self.epochs, self.lr, self.confidence, self.scale = epochs, lr, confidence, scale
        self.patience, self.seed, self.device = patience, seed, device
        self.handles_cold_items = init == "content"

    def _usable(self, histories):
        return np.diff(self._targets(histories.in_catalogue(self.n_items_)).indptr) > 0

    def _targets(self, ratings) -> sp.csr_matrix:
        """What is fitted: ratings, ±1 labels, or 1 for each like; an entry for each element of Ω."""
        R = sp.csr_matrix(ratings).astype(np.float64)  # a copy, its indices too
        if self.solver == "ials":
            R.data = (R.data >= LIKED).astype(np.float64)
            R.eliminate_zeros()
        elif self.loss == "logistic":
            R.data = np.where(R.data >= LIKED, 1.0, -1.0)
        return R

    def _fit(self, train, items, validate):
        R = self._targets(train.ratings)
        self._start(R, items)
        history = [self._objective(R)]
        best, best_epoch, kept, adam = -np.inf, 0, None, self._adam(R) if self.solver == "adam" else None
        for epoch in range(SOLVERS[self.solver] if self.epochs is None else self.epochs):
            next(adam) if adam else self._sweep(R)
            history.append(self._objective(R))
            if validate is not None and (adam is None or epoch % 10 == 9):
                value = validate(self)
                if value > best:
                    best, best_epoch = value, epoch
                    kept = (self.U_, self.V_, self.b_user_, self.b_item_)
                elif epoch - best_epoch >= self.patience * (10 if adam else 1):
                    break
        if kept is not None:
            self.U_, self.V_, self.b_user_, self.b_item_ = kept
        self.objective_, self.mse_ = np.array(history).T.copy()
        self._finish(R, items)

    def _start(self, R, items) -> None:
        """Initial U (n_users, rank), V (n_items, rank), biases and mean."""
        rng = np.random.default_rng(self.seed)
        self.mu_ = 0.0
        if self.biases and self.solver != "ials" and R.nnz:
            self.mu_ = float(R.data.mean())
            if self.loss == "logistic":
                self.mu_ = float(2 * np.arctanh(np.clip(self.mu_, -0.99, 0.99)))  # the log-odds of a like
        self.b_user_, self.b_item_ = np.zeros(R.shape[0]), np.zeros(R.shape[1])
        self.U_, self.V_ = (self.scale * rng.standard_normal((n, self.rank)) for n in R.shape)
        if self.init != "random":
            rank = min(self.rank, *R.shape)
            centred = sp.csr_matrix((R.data - self.mu_, R.indices, R.indptr), shape=R.shape)
            _, s, Vt = randomized_svd(centred, rank, random_state=self.seed)
            self.V_[:, :rank] += Vt.T * np.sqrt(s)
        if self.init == "content":
            self.V_ = _project(_features(items), self.V_, np.bincount(R.indices, minlength=R.shape[1]))
        if self.init != "random":
            self._solve_side(R, "user")

    def _finish(self, R, items) -> None:
        """Items without ratings: 0, which is what the objective asks for, or what their content says."""
        counts = np.bincount(R.indices, minlength=R.shape[1])
        both = np.column_stack([self.b_item_, self.V_])
        both[counts == 0] = _project(_features(items), both, counts)[counts == 0] if self.init == "content" else 0
        self.b_item_, self.V_ = both[:, 0].copy(), both[:, 1:].copy()

    def _fitted(self, R) -> np.ndarray:
        """μ + b_u + b_i + U_u·V_i at the elements of Ω, in the order of `R.data`."""
        rows = np.repeat(np.arange(R.shape[0]), np.diff(R.indptr))
        product = np.einsum("ij,ij->i", self.U_[rows], self.V_[R.indices])
        return self.mu_ + self.b_user_[rows] + self.b_item_[R.indices] + product

    def _objective(self, R) -> tuple[float, float]:
        """The objective, and the mean loss over Ω."""
        x = self._fitted(R)
        penalty = self.reg * sum(float(np.sum(w**2)) for w in (self.U_, self.V_, self.b_user_, self.b_item_))
        if self.solver == "ials":
            known = float(np.sum((1 + self.confidence) * (1 - x) ** 2 - x**2))
            return known + float(np.sum((self.U_.T @ self.U_) * (self.V_.T @ self.V_))) + penalty, known / max(1, R.nnz)
        total = float(_losses(torch.as_tensor(x), torch.as_tensor(R.data), self.loss).sum())
        return total + penalty, total / max(1, R.nnz)

    def _sweep(self, R) -> None:
        self._solve_side(R, "user")
        self._solve_side(R, "item")

    def _solve_side(self, R, side) -> None:
        """Best U and user biases for the present V, or the other way round."""
        x = self._fitted(R)
        if side == "user":
            self.b_user_, self.U_ = self._solve(R, x, self.V_, self.b_item_)
        else:
            order = sp.csr_matrix((np.arange(R.nnz), R.indices, R.indptr), shape=R.shape).T.tocsr().data
            self.b_item_, self.V_ = self._solve(R.T.tocsr(), x[order], self.U_, self.b_user_)

    def _solve(self, R, x, Z, b) -> tuple[np.ndarray, np.ndarray]:
        """Bias and factors of each row of `R` that fit its entries, given the other side's factors `Z` and biases `b`.

        One weighted ridge regression a row, all in one batch: (Σ w z zᵀ + λI)⁻¹ Σ w z t.
        """
        if self.solver == "ials":
            weight, target = np.full(R.nnz, self.confidence), np.full(R.nnz, 1 + 1 / self.confidence)
            return np.zeros(R.shape[0]), _ridges(R, weight, target, Z, self.reg, Z.T @ Z, self.device)
        weight, target = _majorise(x, R.data, self.loss)
        target = target - self.mu_ - b[R.indices]
        if not self.biases:
            return np.zeros(R.shape[0]), _ridges(R, weight, target, Z, self.reg, 0, self.device)
        both = _ridges(R, weight, target, np.column_stack([np.ones(len(Z)), Z]), self.reg, 0, self.device)
        return both[:, 0].copy(), both[:, 1:].copy()

    def _adam(self, R):
        """Generator: one Adam step on U, V and biases together each time."""
        names = ("U_", "V_", "b_user_", "b_item_") if self.biases else ("U_", "V_")
        weights = [torch.tensor(getattr(self, name), device=self.device, requires_grad=True) for name in names]
        U, V = weights[:2]
        rows = torch.as_tensor(np.repeat(np.arange(R.shape[0]), np.diff(R.indptr)), device=self.device)
        columns = torch.as_tensor(R.indices, dtype=torch.long, device=self.device)
        target = torch.as_tensor(R.data, device=self.device)
        optimiser = torch.optim.Adam(weights, lr=self.lr)
        while True:
            x = self.mu_ + (U[rows] * V[columns]).sum(1)
            if self.biases:
                x = x + weights[2][rows] + weights[3][columns]
            objective = _losses(x, target, self.loss).sum() + self.reg * sum(w.square().sum() for w in weights)
            optimiser.zero_grad()
            objective.backward()
            optimiser.step()
            for name, weight in zip(names, weights, strict=True):
                setattr(self, name, weight.detach().cpu().numpy().copy())
            yield

    def fold_in(self, histories) -> tuple[np.ndarray, np.ndarray]:
        """Bias (n_users,) and factors (n_users, rank) of each history, items fixed; a squared loss takes one solve."""
        R = self._targets(histories.in_catalogue(self.n_items_))
        b, U = np.zeros(len(histories)), np.zeros((len(histories), self.rank))
        rows = np.repeat(np.arange(R.shape[0]), np.diff(R.indptr))
        for _ in range(1 if self.loss == "squared" else 30):
            x = self.mu_ + b[rows] + self.b_item_[R.indices] + np.einsum("ij,ij->i", U[rows], self.V_[R.indices])
            b, U = self._solve(R, x, self.V_, self.b_item_)
        return b, U

    def _score(self, histories):
        b, U = self.fold_in(histories)
        return (self.mu_ + b[:, None] + self.b_item_ + U @ self.V_.T).astype(np.float32)

    def _predict(self, histories, items):
        if self.solver == "ials" or self.loss == "logistic":
            raise NotImplementedError("ials and the logistic loss rank items; als and adam on ratings predict them")
        return self._score(histories)[:, items]


def _losses(x, target, loss):
    if loss == "logistic":
        return F.softplus(-target * x)
    return (x - target).square() if loss == "squared" else 2 * F.huber_loss(x, target, reduction="none")


def _majorise(x, target, loss) -> tuple[np.ndarray, np.ndarray]:
    """Weights and targets of a quadratic that touches the loss at `x` and lies above it, so no solve raises it."""
    if loss == "squared":
        return np.ones_like(target), target
    if loss == "huber":
        return 1 / np.maximum(1, np.abs(x - target)), target
    return np.full_like(target, 1 / 8), x + 4 * target / (1 + np.exp(target * x))  # Böhning & Lindsay 1988


def _ridges(R, weight, target, Z, reg, gram, device) -> np.ndarray:
    """A ridge regression for each row of `R` on the rows of `Z` that it names, (n_rows, Z.shape[1])."""
    K = Z.shape[1]
    a, b = np.triu_indices(K)
    packed = sp.csr_matrix((weight, R.indices, R.indptr), shape=R.shape) @ (Z[:, a] * Z[:, b])
    A = torch.empty(R.shape[0], K, K, dtype=torch.float64, device=device)
    A[:, a, b] = A[:, b, a] = torch.as_tensor(packed, device=device)
    A += torch.as_tensor(gram + (reg + 1e-9) * np.eye(K), device=device)
    right = sp.csr_matrix((weight * target, R.indices, R.indptr), shape=R.shape) @ Z
    solved = torch.cholesky_solve(torch.as_tensor(right, device=device)[:, :, None], torch.linalg.cholesky(A))
    return solved[:, :, 0].cpu().numpy()


def _features(items) -> np.ndarray:
    """Item vectors, log price and a constant, (n_items, d + 2) float64; an unknown price counts as the mean."""
    if items is None:
        raise ValueError("init='content' projects item vectors: give fit the ItemFeatures, or choose another init")
    price = np.log(items.frame["price_usd"].to_numpy(np.float64, na_value=np.nan))
    price = np.where(np.isfinite(price), price, np.nan)
    centre, spread = (np.nanmean(price), np.nanstd(price)) if np.isfinite(price).any() else (0.0, 1.0)
    price = np.nan_to_num((price - centre) / (spread or 1.0))
    return np.column_stack([items.vectors.astype(np.float64), price, np.ones(len(price))])


def _project(features, targets, counts, reg=1.0) -> np.ndarray:
    """Ridge regression of `targets` on `features`, each item weighing as its ratings count; for all items."""
    X = features.T * counts
    return features @ np.linalg.solve(X @ features + reg * np.eye(features.shape[1]), X @ targets)
