"""Low-rank matrix completion in the Burer-Monteiro form (chapter 05): R is close to U Vᵀ where it is known."""

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.utils.extmath import randomized_svd

from helpers.interactions.matrix import LIKED, liked_only
from helpers.recommenders.base import Recommender
from helpers.recommenders.gibbs import components, gibbs, habits, rows
from helpers.recommenders.least_squares import (
    ContentPrior,
    Known,
    item_features,
    losses,
    majorise,
    projection,
    ridges,
)

SOLVERS = {"als": 15, "adam": 300, "ials": 10, "gibbs": 60}  # name: default epochs
BURN, DIRECTIONS = 20, 60  # of gibbs: sweeps thrown away, directions of who rated what
INITS = ("random", "spectral", "content")
PRIORS = ("zero", "content")
LOSSES = ("squared", "huber", "logistic")


class MatrixCompletion(Recommender):
    """min Σ_Ω loss(R_ui, μ + b_u + b_i + U_u·V_i) + reg (|U|² + |V|² + |b|²), over the known ratings Ω only.

    The deck's objective is ``loss="squared", biases=False``: Σ_Ω (R - UVᵀ)² + λ(|U|² + |V|²).

    Parameters
    ----------
    rank, reg : int, float
        Columns of U and V; λ.
    reg_bias : float or None
        λ of the biases, which rest on more ratings than they have directions and need less; None: `reg`.
    solver : str
        ``als``: all rows of U in closed form, then all of V (Koren et al. 2009); the objective never rises.
        ``adam``: gradient steps on everything at once (the deck's).
        ``ials``: ranking from likes; all absent items count as 0 with weight 1, a liked one as 1 with weight
        1 + `confidence` (Hu et al. 2008). Has no biases and predicts no ratings.
        ``gibbs``: not one U and V but draws from their posterior (`helpers.recommenders.gibbs`), which needs no
        `reg`; who rated what at all helps. Predicts the mean of the draws, and `spread` says how sure it is.
    init : str
        ``random``: normal with standard deviation `scale`. ``spectral``: the known ratings' leading singular vectors.
        ``content``: V by a ridge projection of item vectors and price onto those; what it learns in the end also
        gives items without ratings their row of V. U follows from V by one solve: item features can't say it.
    prior : str
        Where λ draws an item's factors. ``zero``: the deck's λ|V|². ``content``: λ(|V - FW|² + |W|²), F being item
        vectors and price and W learned with the rest: items that look alike start alike, and an item without ratings
        gets its row of FW. Not for adam.
    loss : str
        ``squared``; ``huber``, which lets a rating that is off by more than 1 pull less; ``logistic`` on ±1 labels
        (liked or not), scored in log-odds.
    epochs : int or None
        None: 15 for als, 10 for ials, 300 for adam, 60 kept draws for gibbs.
    patience : int
        With `validate`, stop after that many looks without a better value, and keep the best.
    """

    def __init__(
        self,
        rank=7,
        reg=10.0,
        reg_bias=None,
        solver="als",
        init="random",
        prior="zero",
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
        for value, allowed in ((solver, SOLVERS), (init, INITS), (prior, PRIORS), (loss, LOSSES)):
            if value not in allowed:
                raise ValueError(f"{value!r} is not one of {', '.join(allowed)}")
        if (
            rank < 1
            or reg < 0
            or (reg_bias or 0) < 0
            or (solver in ("ials", "gibbs") and loss != "squared")
        ):
            raise ValueError(
                f"rank must be >= 1, reg >= 0, and {solver} squared, not {rank}, {reg}, {loss}"
            )
        if solver == "adam" and prior == "content":
            raise ValueError(
                "prior='content' is for als, ials and gibbs, not one of adam's settings"
            )
        self.rank, self.reg, self.reg_bias, self.biases, self.loss = (
            rank,
            reg,
            reg_bias,
            biases,
            loss,
        )
        self.solver, self.init, self.prior = solver, init, prior
        self.epochs, self.lr, self.confidence, self.scale = epochs, lr, confidence, scale
        self.patience, self.seed, self.device = patience, seed, device
        self.handles_cold_items = "content" in (init, prior)
        self.needs_dislikes = solver != "ials"

    def _usable(self, histories):
        return np.diff(self._targets(histories.in_catalogue(self.n_items_)).indptr) > 0

    def _targets(self, ratings) -> sp.csr_matrix:
        """What is fitted: ratings, ±1 labels, or 1 for each like; an entry for each element of Ω."""
        R = sp.csr_matrix(liked_only(ratings) if self.solver == "ials" else ratings).astype(
            np.float64
        )  # a copy
        if self.loss == "logistic":
            R.data = np.where(R.data >= LIKED, 1.0, -1.0)
        return R

    def _fit(self, train, items, validate):
        R = self._targets(train.ratings)
        if self.solver == "gibbs":
            return self._sample(R, items)
        known = Known(R, self.device)
        self._start(R, known, items)
        history = [self._objective(known)]
        best, best_epoch, kept, adam = (
            -np.inf,
            0,
            None,
            self._adam(known) if self.solver == "adam" else None,
        )
        for epoch in range(SOLVERS[self.solver] if self.epochs is None else self.epochs):
            next(adam) if adam else self._sweep(known)
            history.append(self._objective(known))
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
        self._finish(known.T.counts.cpu().numpy(), items)

    def _start(self, R, known, items) -> None:
        """Initial U (n_users, rank), V (n_items, rank), biases and mean."""
        rng = np.random.default_rng(self.seed)
        self.mu_ = 0.0
        if self.biases and self.solver != "ials" and R.nnz:
            self.mu_ = float(R.data.mean())
            if self.loss == "logistic":
                self.mu_ = float(
                    2 * np.arctanh(np.clip(self.mu_, -0.99, 0.99))
                )  # the log-odds of a like
        self.b_user_, self.b_item_ = np.zeros(R.shape[0]), np.zeros(R.shape[1])
        self.U_, self.V_ = (self.scale * rng.standard_normal((n, self.rank)) for n in R.shape)
        self._content = None
        if self.prior == "content":
            self._content = ContentPrior(item_features(items), known.T.counts, self.rank + 1)
        if self.init != "random":
            rank = min(self.rank, *R.shape)
            centred = sp.csr_matrix((R.data - self.mu_, R.indices, R.indptr), shape=R.shape)
            _, s, Vt = randomized_svd(centred, rank, random_state=self.seed)
            self.V_[:, :rank] += Vt.T * np.sqrt(s)
        if self.init == "content":
            self.V_ = projection(item_features(items), self.V_, known.T.counts.cpu().numpy())
        if self.init != "random":
            x = self._fitted(known, self.b_user_, self.U_)
            self.b_user_, self.U_ = self._solve(known, x, self.V_, self.b_item_)

    def _finish(self, counts, items) -> None:
        """Items without ratings: 0, which is what the objective asks for, or what their content says."""
        both = np.column_stack([self.b_item_, self.V_])
        if self._content is not None:
            both[counts == 0] = self._content.centre[counts == 0]
        elif self.init == "content":
            both[counts == 0] = projection(item_features(items), both, counts)[counts == 0]
        else:
            both[counts == 0] = 0
        self.b_item_, self.V_ = both[:, 0].copy(), both[:, 1:].copy()

    def _lambda(self) -> np.ndarray:
        """λ of the bias, then of each factor, (1 + rank,)."""
        return np.append(
            self.reg if self.reg_bias is None else self.reg_bias, np.full(self.rank, self.reg)
        )

    def _fitted(self, known, b_user, U) -> torch.Tensor:
        """μ + b_u + b_i + U_u·V_i at the elements of Ω, (nnz,)."""
        U, V, b_user, b_item = map(known.tensor, (U, self.V_, b_user, self.b_item_))
        biases = b_user.index_select(0, known.rows) + b_item.index_select(0, known.columns)
        return self.mu_ + biases + known.products(U, V)

    def _objective(self, known) -> tuple[float, float]:
        """The objective, and the mean loss over Ω."""
        x, n = self._fitted(known, self.b_user_, self.U_), max(1, len(known.values))
        users, items = (
            np.column_stack([self.b_user_, self.U_]),
            np.column_stack([self.b_item_, self.V_]),
        )
        squares = (
            np.sum(items**2, axis=0) if self._content is None else self._content.squares(items)
        )
        penalty = float(self._lambda() @ (np.sum(users**2, axis=0) + squares))
        if self.solver == "ials":
            likes = float(((1 + self.confidence) * (1 - x) ** 2 - x**2).sum())
            return likes + float(
                np.sum((self.U_.T @ self.U_) * (self.V_.T @ self.V_))
            ) + penalty, likes / n
        total = float(losses(x, known.values, self.loss).sum())
        return total + penalty, total / n

    def _sweep(self, known) -> None:
        """Best U and user biases for the present V, then the other way round."""
        x = None if self.loss == "squared" else self._fitted(known, self.b_user_, self.U_)
        self.b_user_, self.U_ = self._solve(known, x, self.V_, self.b_item_)
        x = (
            None
            if self.loss == "squared"
            else self._fitted(known, self.b_user_, self.U_)[known.by_column]
        )
        self.b_item_, self.V_ = self._solve(known.T, x, self.U_, self.b_user_, self._content)
        if self._content is not None:
            self._content.update(np.column_stack([self.b_item_, self.V_]))

    def _solve(self, known, x, Z, b, content=None) -> tuple[np.ndarray, np.ndarray]:
        """Bias and factors of each row that fit its entries, given the other side's factors `Z` and biases `b`.

        One weighted ridge regression a row: (Σ w z zᵀ + λI)⁻¹ Σ w z t.
        """
        Z, b = known.tensor(Z), known.tensor(b)
        if self.solver == "ials":
            weight = torch.full_like(known.values, self.confidence)
            target, gram = torch.full_like(known.values, 1 + 1 / self.confidence), Z.T @ Z
        else:
            weight, target = majorise(x, known.values, self.loss)
            target, gram = target - self.mu_ - b.index_select(0, known.columns), 0.0
        with_bias = self.biases and self.solver != "ials"
        if with_bias:
            Z = torch.cat([torch.ones_like(Z[:, :1]), Z], 1)
        lam = known.tensor(self._lambda()[0 if with_bias else 1 :])
        pull = (
            0.0
            if content is None
            else lam * known.tensor(content.centre[:, 0 if with_bias else 1 :])
        )
        both = ridges(known, weight, target, Z, gram + torch.diag(lam + 1e-9), pull).cpu().numpy()
        return (both[:, 0].copy(), both[:, 1:].copy()) if with_bias else (np.zeros(len(both)), both)

    def _adam(self, known):
        """Generator: one Adam step on U, V and biases together each time."""
        names = ("U_", "V_", "b_user_", "b_item_") if self.biases else ("U_", "V_")
        weights = [known.tensor(getattr(self, name)).clone().requires_grad_() for name in names]
        optimiser = torch.optim.Adam(weights, lr=self.lr)
        while True:
            x = self.mu_ + known.products(*weights[:2])
            if self.biases:
                x = (
                    x
                    + weights[2].index_select(0, known.rows)
                    + weights[3].index_select(0, known.columns)
                )
            penalty = sum(
                lam * w.square().sum()
                for lam, w in zip(self._lambda()[[1, 1, 0, 0]], weights, strict=False)
            )
            objective = losses(x, known.values, self.loss).sum() + penalty
            optimiser.zero_grad()
            objective.backward()
            optimiser.step()
            for name, weight in zip(names, weights, strict=True):
                setattr(self, name, weight.detach().cpu().numpy().copy())
            yield

    def fold_in(self, histories) -> tuple[np.ndarray, np.ndarray]:
        """Bias (n_users,) and factors (n_users, rank) of each history, items fixed; a squared loss takes one solve."""
        known = Known(self._targets(histories.in_catalogue(self.n_items_)), self.device)
        b, U = np.zeros(len(histories)), np.zeros((len(histories), self.rank))
        for _ in range(1 if self.loss == "squared" else 30):
            b, U = self._solve(known, self._fitted(known, b, U), self.V_, self.b_item_)
        return b, U

    def _sample(self, R, items) -> None:
        """Keep what each draw needs to fold in any history: item factors, the users' prior, and the noise."""
        self.directions_ = components(R, DIRECTIONS, self.seed)
        T = R.T.tocsr()
        X = habits(T, components(T, DIRECTIONS, self.seed))
        if self.prior == "content":
            X = np.column_stack(
                [X, (content := item_features(items)) / content.std()]
            )  # all of them about 1 in size
        draws = SOLVERS["gibbs"] if self.epochs is None else self.epochs
        kept = [
            (d.Q.cpu().numpy(), np.vstack([d.users.m, d.users.B]), d.users.precision, d.alpha)
            for d in gibbs(
                R,
                habits(R, self.directions_),
                X,
                self.rank,
                BURN,
                draws,
                (),
                self.seed,
                self.device,
            )
        ]
        self.mu_ = float(R.data.mean())
        self.draw_Q_, self.draw_B_, self.draw_precision_, self.draw_alpha_ = map(
            np.array, zip(*kept, strict=True)
        )

    def _draws(self, histories, items, rng=None):
        """Ratings (n_users, len(items)) of each draw, users at their mean given the draw, or with `rng` drawn too."""
        R = self._targets(histories.in_catalogue(self.n_items_))
        known, features = Known(R, self.device, torch.float32), habits(R, self.directions_)
        kept = zip(self.draw_Q_, self.draw_B_, self.draw_precision_, self.draw_alpha_, strict=True)
        for Q, B, precision, alpha in kept:
            mean = B[0] + features @ B[1:]
            P = (
                rows(known, known.values - self.mu_, known.tensor(Q), mean, precision, alpha, rng)
                .cpu()
                .numpy()
            )
            yield self.mu_ + P[:, :1] + Q[items, 0] + P[:, 1:] @ Q[items, 1:].T

    def spread(self, histories, items) -> np.ndarray:
        """How sure a prediction is: its posterior standard deviation in stars, (n_users, len(items)); gibbs only.

        Of the expected rating, that is: a single rating scatters by another 1/√α, `draw_alpha_`, around it.
        """
        if self.solver != "gibbs":
            raise NotImplementedError(
                f"{self.solver} gives one answer; solver='gibbs' gives their distribution"
            )
        return self._moments(histories, items, np.random.default_rng(self.seed))[1]

    def _moments(self, histories, items, rng=None) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation over the draws, each (n_users, len(items)) float32."""
        total = squares = 0.0
        for x in self._draws(histories, items, rng):
            total, squares = total + (x := x.astype(np.float64)), squares + x**2
        mean = total / len(self.draw_Q_)
        spread = np.sqrt(np.maximum(squares / len(self.draw_Q_) - mean**2, 0))
        return mean.astype(np.float32), spread.astype(np.float32)

    def _score(self, histories):
        if self.solver == "gibbs":
            return self._moments(histories, slice(None))[0]
        b, U = self.fold_in(histories)
        return (self.mu_ + b[:, None] + self.b_item_ + U @ self.V_.T).astype(np.float32)

    def _predict(self, histories, items):
        if self.solver == "ials" or self.loss == "logistic":
            raise NotImplementedError(
                "ials and the logistic loss rank items; als and adam on ratings predict them"
            )
        return self._score(histories)[:, items]
