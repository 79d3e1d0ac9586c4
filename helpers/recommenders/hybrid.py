"""A learned blend: how much to trust each method depends on how much history there is."""

import warnings

import numpy as np
import torch
from scipy.optimize import minimize

from helpers import recommenders
from helpers.interactions.matrix import Histories, Interactions, liked_only
from helpers.recommenders.base import Recommender
from helpers.recommenders.features import (
    catalogue_or_guess,
    history_vectors,
    ridge,
    standard_log_price,
)
from helpers.recommenders.towers import SeenPairs

MEMBERS = ("EASE", "ItemKNN", "Content", "TwoTower")
HELD = 0.25  # share of shoppers on whom the blend is learned: the members it is learned from never saw them


class Hybrid(Recommender):
    """Blends the scores of other recommenders: s(u, j) = Σ_m w_m(n_u) · z_m(u, j).

    z are the members' scores, standardised over the catalogue, and one signal more: how far the item's price lies from
    the history's. Each weight follows the length: w(n) = a + b log(1 + n) + c / (1 + n). They are learned on held-out
    shoppers, cut down to short histories, by softmax over what they saw (see `TwoTower`). a, b and c are not negative
    (Breiman 1996, "Stacked regressions"): members agree so often that else one would be played off against another.
    Popularity is no signal of its own: of two items that a shopper saw, the less popular one was sought out.

    Parameters
    ----------
    members : recommenders, fitted or not, or their specs as in `parameters()`; None stands for EASE, ItemKNN, Content
        and TwoTower. Fitted ones are kept as they are; unfitted clones of them serve to learn the blend.
    rounds : times that each held-out shopper is cut down anew
    reg : strength of the pull of all weights towards 0
    """

    handles_cold_users = True
    handles_cold_items = True

    def __init__(self, members=None, rounds=8, reg=0.003, seed=7, device="cpu"):
        specs = [dict(name=name, parameters={}) for name in MEMBERS] if members is None else members
        self._members = [
            member if isinstance(member, Recommender) else build(member) for member in specs
        ]
        self.rounds, self.reg, self.seed, self.device = rounds, reg, seed, device

    @property
    def members(self) -> list[dict]:
        """Class name and parameters of each member: what the constructor needs to build the same again."""
        return [
            dict(name=type(member).__name__, parameters=member.parameters())
            for member in self._members
        ]

    def weights(self, n_history) -> np.ndarray:
        """Weight of each signal, (len(n_history), n_members + 1), in the order of `signals`."""
        return basis(np.asarray(n_history, dtype=np.float32)) @ self.blend_

    @property
    def signals(self) -> list[str]:
        """Names of the blended signals."""
        return [*(member["name"] for member in self.members), "price"]

    def _usable(self, histories):
        return np.ones(len(histories), dtype=bool)

    def _fit(self, train, items, validate):
        if items is None:
            raise ValueError("Hybrid reads prices and item vectors: call fit(train, items)")
        self.vectors_ = np.ascontiguousarray(items.vectors, dtype=np.float32)
        self.price_ = standard_log_price(items.frame)[:, None]
        self.price_guess_ = ridge(self.vectors_, self.price_)
        self.blend_ = np.zeros((3, len(self._members) + 1), np.float32)
        self.blend_[0, : len(self._members)] = (
            1.0  # a plain sum, where there is nobody to learn from
        )
        rng = np.random.default_rng(self.seed)
        order = rng.permutation(train.shape[0])
        held, rest = (
            np.sort(order[: int(HELD * len(order))]),
            np.sort(order[int(HELD * len(order)) :]),
        )
        if len(held) >= 5:
            part = Interactions(train.ratings[rest], train.users[rest], train.items)
            clones = [build(spec).fit(part, items) for spec in self.members]
            self._learn(
                clones,
                Interactions(train.ratings[held], train.users[held], train.items),
                part,
                items,
            )
        for member in self._members:
            if not hasattr(member, "n_items_"):
                member.fit(train, items)

    def _learn(self, clones, held, part, items):
        """Fit the blend on held-out shoppers by L-BFGS-B on the softmax over seen items, which is convex."""
        platform = items.frame["platform"].astype("category").cat.codes.to_numpy(np.int64)
        pairs = SeenPairs(held, platform, self.seed)
        rows = torch.arange(pairs.ratings.shape[0]).repeat(self.rounds)
        history, targets, candidates = pairs.sample(rows)
        as_rated = Histories(history.numpy(), np.arange(self.n_items_), self.vectors_)
        z = torch.from_numpy(self._signals(clones, as_rated))
        place = candidates.topk(
            int(candidates.sum(1).max()), dim=1
        ).indices  # only what was seen enters the loss
        z = z.gather(2, place[:, None].expand(-1, z.shape[1], -1))
        targets, candidates = targets.gather(1, place), candidates.gather(1, place)
        g = torch.from_numpy(basis((history > 0).sum(1).float().numpy()))

        def loss(flat):
            blend = torch.tensor(
                flat.reshape(self.blend_.shape), dtype=torch.float32, requires_grad=True
            )
            scores = torch.einsum("us,usi->ui", g @ blend, z)
            logp = scores.masked_fill(candidates == 0, -1e9).log_softmax(dim=1)
            value = (
                -(logp * targets).sum() / targets.sum().clamp(min=1) + self.reg * (blend**2).sum()
            )
            value.backward()
            return value.item(), blend.grad.numpy().ravel().astype(float)

        bounds = [(0, None)] * self.blend_.size
        found = minimize(loss, self.blend_.ravel(), jac=True, method="L-BFGS-B", bounds=bounds)
        self.blend_ = found.x.reshape(self.blend_.shape).astype(np.float32)

    def _signals(self, members, histories):
        """Standardised scores and signals, (n_users, n_members + 1, n_items) float32."""
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message=".*no history it can use"
            )  # a fallback is a signal like others
            parts = [member.score(histories) for member in members]
        known = catalogue_or_guess(
            histories, self.price_, self.price_guess_, history_vectors(histories, self.vectors_)
        )
        liked = liked_only(histories.ratings)
        n = np.asarray(liked.sum(axis=1)).reshape(-1, 1)
        gap = -np.abs((liked @ known) / np.maximum(n, 1) - self.price_.T) * (n > 0)
        return np.stack([standard(part) for part in [*parts, gap]], axis=1).astype(np.float32)

    def _score(self, histories):
        weights = self.weights(np.asarray(liked_only(histories.ratings).sum(axis=1)).ravel())
        return np.einsum("us,usi->ui", weights, self._signals(self._members, histories))

    def save(self, path):
        """As in `Recommender`, members in the same two files: their arrays and settings under a number each."""
        for number, member in enumerate(self._members):
            for name, value in vars(member).items():
                if name.endswith("_") and not name.startswith("_"):
                    setattr(self, f"member{number}_{name}", value)
        try:
            super().save(path)
        finally:
            for name in [name for name in vars(self) if name.startswith("member")]:
                delattr(self, name)

    @classmethod
    def load(cls, path):
        """As in `Recommender`."""
        model = super().load(path)
        for name in [name for name in vars(model) if name.startswith("member")]:
            number, inner = name.removeprefix("member").split("_", 1)
            setattr(model._members[int(number)], inner, vars(model).pop(name))
        return model


def build(spec: dict) -> Recommender:
    """A recommender from `dict(name=…, parameters=…)`; only the course's own classes are built."""
    if spec["name"] not in recommenders.__all__:
        raise ValueError(f"no recommender {spec['name']!r}")
    return getattr(recommenders, spec["name"])(**spec["parameters"])


def basis(n: np.ndarray) -> np.ndarray:
    """1, log(1 + n) and 1 / (1 + n) of history lengths (k,): (k, 3) float32."""
    return np.stack([np.ones_like(n), np.log1p(n), 1 / (1 + n)], axis=1).astype(np.float32)


def standard(scores: np.ndarray) -> np.ndarray:
    """Rows with mean 0 and variance 1; a constant row becomes zeros."""
    centred = scores - scores.mean(axis=1, keepdims=True)
    return centred / np.maximum(centred.std(axis=1, keepdims=True), 1e-6)
