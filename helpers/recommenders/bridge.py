"""Content leads into the other shop, and what its customers like together carries on."""

import numpy as np
import scipy.sparse as sp

from helpers.recommenders.base import Recommender, best_first
from helpers.recommenders.parts import build, spec_of

CONTENT = {"name": "Content", "parameters": {}}
INSIDE = {"name": "ItemKNN", "parameters": {"shrinkage": 0.0}}


class Bridge(Recommender):
    """Content into the target shop, followed by co-likes inside it.

    First, content finds the `near` items of each shop that resemble the history most. Then a
    collaborative method, which has learned inside that shop, treats them as the shopper's history
    there:

        score(j) = Σ_{i near} c_i (1[i = j] + similarity(i, j)),   c_i the content score of item i.

    So a shopper nobody knows in this shop is helped by its customers all the same.

    Parameters
    ----------
    content : recommender or spec
        Any method with a score for items from another shop; None is `Content()`.
    inside : recommender or spec
        Any collaborative method; None is `ItemKNN(shrinkage=0)`.
    near : int
        Items per shop that content finds.
    """

    handles_cold_items = True

    def __init__(self, content=None, inside=None, near=20):
        if near < 1:
            raise ValueError(f"near must be at least 1, not {near}")
        self._content = build(content or CONTENT)
        self._inside = build(inside or INSIDE)
        self.near = near

    @property
    def content(self) -> dict:
        """What the constructor needs to build the same content method again."""
        return spec_of(self._content)

    @property
    def inside(self) -> dict:
        """What the constructor needs to build the same collaborative method again."""
        return spec_of(self._inside)

    def parts(self):
        """As in `Recommender`."""
        return {"content": self._content, "inside": self._inside}

    def _fit(self, train, items, validate):
        if items is None:
            raise ValueError("Bridge reads the items' shops and content: call fit(train, items)")
        platform = items.frame["platform"].astype("category")
        self.shop_ = platform.cat.codes.to_numpy(np.int64)
        self._content.fit(train, items)
        self._inside.fit(train, items)

    def _usable(self, histories):
        return self._content._usable(histories)

    def _score(self, histories):
        """Bridge scores; an item that the bridge doesn't reach comes after those it reaches, by
        popularity.
        """
        return self._with_popularity(self._evidence(histories))

    def _evidence(self, histories):
        content = self._content.evidence(histories)
        found = np.zeros_like(content)
        for shop in range(self.shop_.max() + 1):
            mine = np.flatnonzero(self.shop_ == shop)
            weights = self._nearest(content, mine)
            spread = self._inside.spread(weights)
            found[:, mine] = spread[:, mine] + weights[:, mine].toarray()
        return found

    def _nearest(
        self,
        content: np.ndarray,
        mine: np.ndarray,
    ) -> sp.csr_matrix:
        """Positive content scores of the `near` best items of one shop, (n_users, n_items)."""
        there = content[:, mine]
        places = best_first(there, self.near)
        values = np.take_along_axis(there, places, axis=1)
        values = np.maximum(values, 0).ravel()
        row = np.repeat(np.arange(len(content)), places.shape[1])
        column = mine[places].ravel()
        weights = sp.csr_matrix((values, (row, column)), shape=content.shape)
        weights.eliminate_zeros()
        return weights
