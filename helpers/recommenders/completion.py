"""Low-rank matrix completion in Burer-Monteiro form (chapter 05): R ≈ U Vᵀ where it is known."""

import numpy as np

from helpers.recommenders.base import Recommender
from helpers.recommenders.completion_solvers import SOLVERS, Factors, Posterior, Settings
from helpers.recommenders.least_squares import Known
from helpers.recommenders.stopping import BestSoFar

INITS = ("random", "spectral", "content")
PRIORS = ("zero", "content")
LOSSES = ("squared", "huber", "logistic")


class MatrixCompletion(Recommender):
    """min Σ_Ω loss(R_ui, μ + b_u + b_i + U_u·V_i) + reg (|U|² + |V|² + |b|²), Ω the known ratings.

    The original report's objective is ``loss="squared", biases=False``:
    Σ_Ω (R - UVᵀ)² + λ(|U|² + |V|²). `helpers.recommenders.completion_solvers` holds the solvers.

    Parameters
    ----------
    rank : int
        Columns of U and V.
    reg : float
        λ.
    reg_bias : float or None
        λ of the biases, which rest on more ratings than they have directions and need less. None
        is `reg`.
    solver : str
        ``als``: all rows of U in closed form, then all of V (Koren et al. 2009). The objective
        never rises.
        ``adam``: gradient steps on everything at once, as in the original report.
        ``ials``: ranking from likes. All absent items count as 0 with weight 1, a liked one as 1
        with weight 1 + `confidence` (Hu et al. 2008). It has no biases and predicts no ratings.
        ``gibbs``: not one U and V but draws from their posterior (`helpers.recommenders.gibbs`).
        It needs no `reg`, learns from who rated what at all, and predicts the mean of the draws;
        `uncertainty` says how sure it is.
    init : str
        ``random``: normal with standard deviation `scale`.
        ``spectral``: leading singular vectors of the known ratings.
        ``content``: V by a ridge projection of item vectors and price onto those. What it learns
        in the end also gives items without ratings their row of V. U follows from V by one solve.
    prior : str
        What λ draws an item's factors to.
        ``zero``: the original report's λ|V|².
        ``content``: λ(|V - FW|² + |W|²), where F are item vectors and price, and W is learned with
        the rest. Items that look alike start alike, and an item without ratings gets its row of
        FW. Not for adam.
    loss : str
        ``squared``; ``huber``, in which a rating that is off by more than 1 pulls less;
        ``logistic`` on ±1 labels (liked or not), scored in log-odds.
    biases : bool
        Fit μ, b_u and b_i.
    epochs : int or None
        None is 15 for als, 10 for ials, 300 for adam, and 60 kept draws for gibbs.
    lr : float
        Step of adam.
    confidence : float
        Additional weight of a like in ials.
    scale : float
        Standard deviation of the random start.
    patience : int
        With `validate`, stop after that many looks without a better value, and keep the best.
    seed : int
    device : str

    Raises
    ------
    ValueError
        If a setting does not exist, or not in this combination.
    """

    def __init__(  # noqa: PLR0913  # hyperparameters
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
        self.rank = rank
        self.reg = reg
        self.reg_bias = reg_bias
        self.solver = solver
        self.init = init
        self.prior = prior
        self.loss = loss
        self.biases = biases
        self.epochs = epochs
        self.lr = lr
        self.confidence = confidence
        self.scale = scale
        self.patience = patience
        self.seed = seed
        self.device = device
        self._check()
        self.handles_cold_items = "content" in (init, prior)
        self.needs_dislikes = solver != "ials"

    def _check(self) -> None:
        for value, allowed in (
            (self.solver, SOLVERS),
            (self.init, INITS),
            (self.prior, PRIORS),
            (self.loss, LOSSES),
        ):
            if value not in allowed:
                raise ValueError(f"{value!r} is not one of {', '.join(allowed)}")
        too_small = self.rank < 1 or self.reg < 0 or (self.reg_bias or 0) < 0
        only_squared = self.solver in ("ials", "gibbs")
        if too_small or (only_squared and self.loss != "squared"):
            raise ValueError(
                f"rank must be >= 1, reg >= 0, and {self.solver} squared, "
                f"not {self.rank}, {self.reg}, {self.loss}"
            )
        if self.solver == "adam" and self.prior == "content":
            raise ValueError(
                "prior='content' is for als, ials and gibbs, not one of adam's settings"
            )

    def _make_solver(self):
        return SOLVERS[self.solver](Settings(**self.parameters()))

    def _usable(self, histories):
        return np.diff(self._targets(histories).indptr) > 0

    def _targets(self, histories):
        """What is fitted: ratings, ±1 labels, or 1 for each like."""
        return self._make_solver().targets(histories.in_catalogue(self.n_items_))

    def _fit(self, train, items, validate):
        solver = self._make_solver()
        R = solver.targets(train.ratings)
        if self.solver == "gibbs":
            self._take_posterior(solver.sample(R, items))
            return
        known = Known(R, self.device)
        now = solver.start(R, known, items)
        self._take_factors(now)
        history = [solver.objective(known, now)]
        best = BestSoFar(self.patience * solver.looks_every)
        n_epochs = solver.epochs if self.epochs is None else self.epochs
        for epoch in range(n_epochs):
            now = solver.step(known, now)
            self._take_factors(now)
            history.append(solver.objective(known, now))
            if validate is None or (epoch + 1) % solver.looks_every > 0:
                continue
            if best.says_stop(validate(self), epoch, now):
                break
        if best.state is not None:
            now = best.state
        self._take_factors(solver.finish(known, now, items))
        self._solver = solver
        self.objective_, self.mse_ = np.array(history).T.copy()

    def _take_factors(self, factors: Factors) -> None:
        self.mu_ = factors.mu
        self.U_ = factors.U
        self.V_ = factors.V
        self.b_user_ = factors.b_user
        self.b_item_ = factors.b_item

    def factors(self) -> Factors:
        """What was learned; not for gibbs, whose answer is a distribution."""
        return Factors(self.mu_, self.U_, self.V_, self.b_user_, self.b_item_)

    def _take_posterior(self, posterior: Posterior) -> None:
        self.mu_ = posterior.mu
        self.directions_ = posterior.directions
        self.draw_Q_ = posterior.Q
        self.draw_B_ = posterior.B
        self.draw_precision_ = posterior.precision
        self.draw_alpha_ = posterior.alpha

    def _posterior(self) -> Posterior:
        return Posterior(
            self.mu_,
            self.directions_,
            self.draw_Q_,
            self.draw_B_,
            self.draw_precision_,
            self.draw_alpha_,
        )

    def fold_in(self, histories) -> tuple[np.ndarray, np.ndarray]:
        """Bias (n_users,) and factors (n_users, rank) of each history, items fixed."""
        if self.solver == "gibbs":
            raise NotImplementedError(
                "gibbs has draws, not one b_u and U_u: call score or uncertainty"
            )
        known = Known(self._targets(histories), self.device)
        folded = self._make_solver().fold_in(known, self.factors())
        return folded.b_user, folded.U

    def uncertainty(self, histories, items) -> np.ndarray:
        """How sure a prediction is: its posterior standard deviation in stars; gibbs only.

        That of the expected rating: a single rating scatters by another 1/√α, `draw_alpha_`,
        around it.

        Returns
        -------
        (n_users, len(items)) float32 array

        Raises
        ------
        NotImplementedError
            If the solver is not gibbs.
        """
        if self.solver != "gibbs":
            raise NotImplementedError(
                f"{self.solver} gives one answer; solver='gibbs' gives their distribution"
            )
        rng = np.random.default_rng(self.seed)
        R = self._targets(histories)
        _, spread = self._posterior().moments(R, items, self.device, rng)
        return spread

    def _score(self, histories):
        if self.solver == "gibbs":
            R = self._targets(histories)
            mean, _ = self._posterior().moments(R, slice(None), self.device)
            return mean
        b, U = self.fold_in(histories)
        scores = self.mu_ + b[:, None] + self.b_item_ + U @ self.V_.T
        return scores.astype(np.float32)

    def _predict(self, histories, items):
        if self.solver == "ials" or self.loss == "logistic":
            raise NotImplementedError(
                "ials and the logistic loss rank items; als and adam on ratings predict them"
            )
        return self._score(histories)[:, items]
