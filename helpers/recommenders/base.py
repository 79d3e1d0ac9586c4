"""The one contract of all recommenders: fit, score, recommend, predict, save, load."""

import inspect
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike
from safetensors.numpy import load_file, save_file

from helpers.artefacts import whole, write_json
from helpers.interactions.matrix import LIKED, Histories, Interactions, ItemFeatures, liked_only
from helpers.recommenders.negatives import has_dislikes, with_sampled_dislikes

Validate = Callable[["Recommender"], float]  # how good a method is so far; higher is better

SIGNALS = ("rating", "liked", "seen")
BLOCK = 1024  # users scored at once, at most
CELLS = 1 << 25  # scores held at once (128 MB), in a large shop those of fewer users


def as_signal(ratings: sp.csr_matrix, signal: str) -> sp.csr_matrix:
    """What counts as evidence: the `rating` itself, or 1 for each item `liked` (rating >= 4), or
    `seen` at all.
    """
    if signal not in SIGNALS:
        raise ValueError(f"signal is {signal!r}; choose one of {', '.join(SIGNALS)}")
    if signal == "liked":
        ratings = liked_only(ratings)
    matrix = ratings.astype(np.float64)
    if signal == "seen":
        matrix.data = np.ones_like(matrix.data)
    return matrix


def users_at_once(n_items: int) -> int:
    """How many users to score at once: their dense scores are no larger for a larger shop."""
    return max(1, min(BLOCK, CELLS // max(1, n_items)))


def used_only(histories: Histories) -> Histories:
    """The same shoppers without the columns that none of them rated."""
    used = np.unique(histories.ratings.indices)
    vectors = None if histories.vectors is None else histories.vectors[used]
    times = None if histories.times is None else histories.times[:, used]
    ratings = histories.ratings[:, used]
    return Histories(ratings, histories.columns[used], vectors, histories.users, times)


def per_like(liked: sp.csr_matrix) -> sp.csr_matrix:
    """Rows divided by their sum: each like of a shopper counts 1 / (number of likes)."""
    total = np.asarray(liked.sum(axis=1)).ravel()
    weight = sp.diags(1 / np.maximum(total, 1e-12))
    return sp.csr_matrix(weight @ liked)


def best_first(scores: np.ndarray, k: int) -> np.ndarray:
    """Positions of the `k` largest of each row, equal ones in order of position: (n, min(k, m))
    int64.
    """
    n, m = scores.shape
    k = min(k, m)
    if k == 0:
        return np.zeros((n, 0), np.int64)
    cut = np.partition(scores, -k, axis=1)[:, [-k]]  # the k-th largest of each row
    above = scores > cut
    level = scores == cut
    n_open = k - above.sum(axis=1, keepdims=True)  # places left for those level with the cut
    first_level = level & (level.cumsum(axis=1) <= n_open)
    _, found = np.nonzero(above | first_level)
    places = found.reshape(n, k)
    chosen = np.take_along_axis(scores, places, axis=1)
    order = np.argsort(-chosen, axis=1, kind="stable")
    return np.take_along_axis(places, order, axis=1)


class Recommender:
    """Base of every method.

    A subclass writes `_fit`, `_score` and, where it predicts ratings, `_predict`.

    Constructor arguments are the hyperparameters, kept under their own names as attributes. What
    `fit` learns is kept in attributes that end in an underscore; arrays and numbers among them are
    saved and loaded as they are.
    """

    # can score a user it never saw from an empty history better than popularity
    handles_cold_users = False
    handles_cold_items = False  # can score an item that nobody has rated
    needs_dislikes = False  # learns from low ratings; a purchase log gets sampled ones
    evidence_in_logs = False  # `evidence` is a logit or log odds; else an amount, and 0 is nothing

    def fit(
        self,
        train: Interactions,
        items: ItemFeatures | None = None,
        validate: Validate | None = None,
    ) -> "Recommender":
        """Learn from `train`; `validate(self) -> float`, higher is better, is for methods that
        stop early.
        """
        if items is not None and len(items.frame) != train.shape[1]:
            raise ValueError(f"{len(items.frame)} item features for {train.shape[1]} items")
        self.n_items_ = train.shape[1]
        n_likes = liked_only(train.ratings).sum(axis=0)
        self.popularity_ = np.asarray(n_likes, dtype=np.float32).ravel()
        if not self.popularity_.any():
            warnings.warn(
                f"{type(self).__name__}: nobody likes anything in this log "
                f"({train.ratings.nnz} ratings, none of {LIKED:g} or more); "
                "there is nothing to learn a ranking from",
                stacklevel=2,
            )
        if self.needs_dislikes and not has_dislikes(train.ratings):
            seed = getattr(self, "seed", 7)
            train = with_sampled_dislikes(train, items, seed=seed)
        self._fit(train, items, validate)
        return self

    def score(self, histories: Histories) -> np.ndarray:
        """Scores (n_users, n_items) float32, higher is better.

        Users without usable history get popularity.

        The rows that fell back are counted in `n_fallback_`, and a warning says so.
        """
        usable = self._usable(histories)
        scores = np.tile(self.popularity_, (len(histories), 1))
        if usable.any():
            scores[usable] = self._score(_only(histories, usable))
        self.n_fallback_ = int((~usable).sum())
        if self.n_fallback_:
            warnings.warn(
                f"{type(self).__name__}: {self.n_fallback_} of {len(usable)} shoppers have no "
                "history it can use; they get the most popular items",
                stacklevel=2,
            )
        return scores

    def evidence(self, histories: Histories) -> np.ndarray:
        """What the method itself has to say, (n_users, n_items) float32, for a blend: nothing
        falls back.

        A shopper without usable history has zeros, and so has an item of which the method knows
        nothing.
        """
        usable = self._usable(histories)
        found = np.zeros((len(histories), self.n_items_), np.float32)
        if usable.any():
            found[usable] = self._evidence(_only(histories, usable))
        return found

    def spread(self, weights: sp.csr_matrix) -> np.ndarray:
        """Scores (n, n_items) float32 of shoppers known by positive `weights` (n, n_items) on
        items.

        By default an item with a weight counts as liked; a method that is linear in the history
        reads the weights.
        """
        liked = weights.copy()
        liked.data = np.full_like(liked.data, 5.0)
        return self.evidence(Histories(liked, np.arange(self.n_items_)))

    def recommend(
        self,
        histories: Histories,
        k: int,
        candidates: ArrayLike | None = None,
        exclude_seen: bool = True,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The best `k` items of each user: ids (n_users, k) int64 and scores (n_users, k) float32.

        `candidates` are item positions (default: all). Where fewer than `k` are left, id -1 and
        score -inf fill up. Equal scores are ordered by item position.
        """
        if k < 1:
            raise ValueError(f"k must be at least 1, not {k}")
        positions = self._positions(candidates)
        n_users = len(histories)
        ids = np.full((n_users, k), -1, dtype=np.int64)
        best = np.full((n_users, k), -np.inf, dtype=np.float32)
        step = users_at_once(self.n_items_)
        for start in range(0, n_users, step):
            part = used_only(histories[start : start + step])
            scores = self.score_candidates(part, positions)
            if exclude_seen:
                self._hide_seen(scores, part, positions)
            order = best_first(scores, k)
            found = np.take_along_axis(scores, order, axis=1)
            is_missing = np.isneginf(found)
            rows = slice(start, start + len(part))
            width = order.shape[1]
            ids[rows, :width] = np.where(is_missing, -1, positions[order])
            best[rows, :width] = found
        return ids, best

    def _positions(self, candidates: ArrayLike | None) -> np.ndarray:
        """The candidates sorted, each once; ValueError for a position that no item has."""
        if candidates is None:
            return np.arange(self.n_items_)
        positions = np.unique(np.asarray(candidates, dtype=np.int64))
        if len(positions) and not 0 <= positions[0] <= positions[-1] < self.n_items_:
            raise ValueError(f"candidates must lie in 0..{self.n_items_ - 1}")
        return positions

    def _hide_seen(self, scores: np.ndarray, histories: Histories, candidates: np.ndarray) -> None:
        """Write -inf where a shopper has a candidate already."""
        if (histories.columns < 0).all():
            return
        seen = histories.in_catalogue(self.n_items_)[:, candidates]
        scores[seen.toarray() > 0] = -np.inf

    def _popular(self) -> np.ndarray:
        """Scores of items without evidence, (n_items,) float32: from -1 to below 0."""
        most = self.popularity_.max(initial=0)
        return self.popularity_ / (most + 1) - 1

    def _with_popularity(self, scores: np.ndarray) -> np.ndarray:
        """Items without evidence come after all others, by popularity."""
        return np.where(scores > 0, scores, self._popular()).astype(np.float32)

    def score_candidates(
        self,
        histories: Histories,
        candidates: np.ndarray,
    ) -> np.ndarray:
        """Scores (n_users, len(candidates)) float32 of items at these positions.

        A method may answer differently where all candidates are of a shop that the history doesn't
        know.
        """
        return self.score(histories)[:, candidates]

    def predict(self, histories: Histories, items: ArrayLike) -> np.ndarray:
        """Predicted ratings (n_users, len(items)) float32 in 1-5 for item positions `items`."""
        predicted = self._predict(histories, np.asarray(items))
        return np.clip(predicted, 1, 5).astype(np.float32)

    def parameters(self) -> dict[str, Any]:
        """Hyperparameters by name, as given to the constructor."""
        names = inspect.signature(type(self)).parameters
        return {name: getattr(self, name) for name in names}

    def parts(self) -> dict[str, "Recommender"]:
        """The recommenders that this one is made of, by name; most have none."""
        return {}

    def learned(self) -> dict[str, Any]:
        """What `fit` has learned, by name.

        What a part has learned bears the part's name and a dot in front.
        """
        found = {}
        for name, value in vars(self).items():
            if name.endswith("_") and not name.startswith("_"):
                found[name] = value
        for part, model in self.parts().items():
            for name, value in model.learned().items():
                found[f"{part}.{name}"] = value
        return found

    def take(self, learned: dict[str, Any]) -> None:
        """Take up what `learned` gave, each part its own."""
        parts = self.parts()
        for name, value in learned.items():
            part, dot, rest = name.partition(".")
            if dot:
                parts[part].take({rest: value})
            else:
                setattr(self, name, value)

    def save(self, path: str | Path) -> None:
        """Write `path`.safetensors and `path`.json; nothing in them can run code."""
        arrays = {}
        rest = {}
        for name, value in self.learned().items():
            if isinstance(value, np.ndarray):
                arrays[name] = np.ascontiguousarray(value)
            else:
                rest[name] = value
        with whole(f"{path}.safetensors") as aside:
            save_file(arrays, aside)
        head = {
            "class": type(self).__name__,
            "parameters": self.parameters(),
            "learned": rest,
        }
        write_json(head, f"{path}.json")

    @classmethod
    def load(cls, path: str | Path) -> "Recommender":
        """Read what `save` wrote. Raises ValueError if it was another class."""
        head = json.loads(Path(f"{path}.json").read_text(encoding="utf-8"))
        if head["class"] != cls.__name__:
            raise ValueError(f"{path} holds a {head['class']}, not a {cls.__name__}")
        model = cls(**head["parameters"])
        model.take(head["learned"] | load_file(f"{path}.safetensors"))
        return model

    def _usable(self, histories: Histories) -> np.ndarray:
        """Which users the method can score, (n_users,) bool.

        By default those with a history item in the catalogue.
        """
        known = histories.in_catalogue(self.n_items_)
        return np.diff(known.indptr) > 0

    def _fit(
        self, train: Interactions, items: ItemFeatures | None, validate: Validate | None
    ) -> None:
        raise NotImplementedError

    def _score(self, histories: Histories) -> np.ndarray:
        raise NotImplementedError

    def _evidence(self, histories: Histories) -> np.ndarray:
        return self._score(histories)

    def _predict(self, histories: Histories, items: np.ndarray) -> np.ndarray:
        raise NotImplementedError(f"{type(self).__name__} ranks items; it doesn't predict ratings")


def _only(histories: Histories, which: np.ndarray) -> Histories:
    """The shoppers that `which` (n_users,) marks."""
    return histories if which.all() else histories[np.flatnonzero(which)]
