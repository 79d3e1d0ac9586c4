"""The one contract of all recommenders: fit, score, recommend, predict, save, load."""

import inspect
import json
import warnings
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from safetensors.numpy import load_file, save_file

from helpers.artefacts import whole, write_json
from helpers.interactions.matrix import Histories, Interactions, ItemFeatures, liked_only

SIGNALS = ("rating", "liked", "seen")
BLOCK = 1024  # users scored at once: (BLOCK, n_items) float32 is the largest dense array


def as_signal(ratings: sp.csr_matrix, signal: str) -> sp.csr_matrix:
    """What counts as evidence: the `rating` itself, or 1 for each item `liked` (rating >= 4), or `seen` at all."""
    if signal not in SIGNALS:
        raise ValueError(f"signal is {signal!r}; choose one of {', '.join(SIGNALS)}")
    matrix = (liked_only(ratings) if signal == "liked" else ratings).astype(np.float64)
    if signal == "seen":
        matrix.data = np.ones_like(matrix.data)
    return matrix


def best_first(scores: np.ndarray, k: int) -> np.ndarray:
    """Positions of the `k` largest of each row, equal ones in order of position: (n, min(k, m)) int64."""
    k = min(k, scores.shape[1])
    cut = np.partition(scores, -k, axis=1)[:, [-k]] if k else scores
    above, level = scores > cut, scores == cut
    keep = above | (level & (level.cumsum(axis=1) <= k - above.sum(axis=1, keepdims=True)))
    places = np.nonzero(keep)[1].reshape(len(scores), k)
    order = np.argsort(-np.take_along_axis(scores, places, axis=1), axis=1, kind="stable")
    return np.take_along_axis(places, order, axis=1)


class Recommender:
    """Base of every method. A subclass writes `_fit`, `_score` and, where it predicts ratings, `_predict`.

    Constructor arguments are the hyperparameters, kept under their own names as attributes. What `fit` learns is kept
    in attributes that end in an underscore; arrays and numbers among them are saved and loaded as they are.
    """

    handles_cold_users = (
        False  # can score a user it never saw from an empty history better than popularity
    )
    handles_cold_items = False  # can score an item that nobody has rated

    def fit(
        self, train: Interactions, items: ItemFeatures | None = None, validate=None
    ) -> "Recommender":
        """Learn from `train`; `validate(self) -> float`, higher is better, is for methods that stop early."""
        if items is not None and len(items.frame) != train.shape[1]:
            raise ValueError(f"{len(items.frame)} item features for {train.shape[1]} items")
        self.n_items_ = train.shape[1]
        self.popularity_ = np.asarray(
            liked_only(train.ratings).sum(axis=0), dtype=np.float32
        ).ravel()
        self._fit(train, items, validate)
        return self

    def score(self, histories: Histories) -> np.ndarray:
        """Scores (n_users, n_items) float32, higher is better; users without usable history get popularity.

        The rows that fell back are counted in `n_fallback_`, and a warning says so.
        """
        usable = self._usable(histories)
        scores = np.broadcast_to(self.popularity_, (len(histories), self.n_items_)).copy()
        if usable.any():
            scores[usable] = self._score(
                histories if usable.all() else histories[np.flatnonzero(usable)]
            )
        self.n_fallback_ = int((~usable).sum())
        if self.n_fallback_:
            warnings.warn(
                f"{type(self).__name__}: {self.n_fallback_} of {len(usable)} shoppers have no history it can use; "
                "they get the most popular items",
                stacklevel=2,
            )
        return scores

    def recommend(self, histories: Histories, k: int, candidates=None, exclude_seen: bool = True):
        """The best `k` items of each user: ids (n_users, k) int64 and scores (n_users, k) float32.

        `candidates` are item positions (default: all). Where fewer than `k` are left, id -1 and score -inf fill up.
        Equal scores are ordered by item position.
        """
        candidates = (
            np.arange(self.n_items_)
            if candidates is None
            else np.unique(np.asarray(candidates, dtype=np.int64))
        )
        if k < 1:
            raise ValueError(f"k must be at least 1, not {k}")
        if len(candidates) and not (0 <= candidates[0] and candidates[-1] < self.n_items_):
            raise ValueError(f"candidates must lie in 0..{self.n_items_ - 1}")
        ids = np.full((len(histories), k), -1, dtype=np.int64)
        best = np.full((len(histories), k), -np.inf, dtype=np.float32)
        for start in range(0, len(histories), BLOCK):
            part = histories if len(histories) <= BLOCK else histories[start : start + BLOCK]
            scores = self.score(part)[:, candidates]
            if exclude_seen and (part.columns >= 0).any():
                scores[part.in_catalogue(self.n_items_)[:, candidates].toarray() > 0] = -np.inf
            order = best_first(scores, k)
            found = np.take_along_axis(scores, order, axis=1)
            rows = slice(start, start + len(part))
            ids[rows, : order.shape[1]] = np.where(np.isneginf(found), -1, candidates[order])
            best[rows, : order.shape[1]] = found
        return ids, best

    def predict(self, histories: Histories, items) -> np.ndarray:
        """Predicted ratings (n_users, len(items)) float32 in 1-5 for item positions `items`."""
        return np.clip(self._predict(histories, np.asarray(items)), 1, 5).astype(np.float32)

    def parameters(self) -> dict:
        """Hyperparameters by name, as given to the constructor."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def save(self, path: str | Path) -> None:
        """Write `path`.safetensors and `path`.json; nothing in them can run code."""
        learned = {
            name: value
            for name, value in vars(self).items()
            if name.endswith("_") and not name.startswith("_")
        }
        arrays = {
            name: np.ascontiguousarray(value)
            for name, value in learned.items()
            if isinstance(value, np.ndarray)
        }
        rest = {name: value for name, value in learned.items() if name not in arrays}
        with whole(f"{path}.safetensors") as aside:
            save_file(arrays, aside)
        write_json(
            {"class": type(self).__name__, "parameters": self.parameters(), "learned": rest},
            f"{path}.json",
        )

    @classmethod
    def load(cls, path: str | Path) -> "Recommender":
        """Read what `save` wrote. Raises ValueError if it was another class."""
        head = json.loads(Path(f"{path}.json").read_text(encoding="utf-8"))
        if head["class"] != cls.__name__:
            raise ValueError(f"{path} holds a {head['class']}, not a {cls.__name__}")
        model = cls(**head["parameters"])
        vars(model).update(head["learned"], **load_file(f"{path}.safetensors"))
        return model

    def _usable(self, histories: Histories) -> np.ndarray:
        """Which users the method can score, (n_users,) bool; by default those with a history item in the catalogue."""
        return np.diff(histories.in_catalogue(self.n_items_).indptr) > 0

    def _fit(self, train, items, validate) -> None:
        raise NotImplementedError

    def _score(self, histories) -> np.ndarray:
        raise NotImplementedError

    def _predict(self, histories, items) -> np.ndarray:
        raise NotImplementedError(f"{type(self).__name__} ranks items; it doesn't predict ratings")
