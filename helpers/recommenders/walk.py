"""Recommenders that walk from item to item, by shared shoppers or by similar words."""

import numpy as np
import scipy.sparse as sp

from helpers.interactions.matrix import Interactions, liked_only
from helpers.recommenders.base import Recommender, per_like
from helpers.recommenders.neighbors import top_similar
from helpers.recommenders.words import word_vectors

STAY = 0.5  # in the last step, the weight of staying, against 1 for moving on
WORD_POWER = 2  # power applied to the word cosine, so that near items count more


class _Walk(Recommender):
    """What both walks share: a step that can be saved, and an order for items out of reach."""

    def _usable(self, histories):
        return self._liked(histories).getnnz(axis=1) > 0

    def _liked(self, histories) -> sp.csr_matrix:
        ratings = histories.in_catalogue(self.n_items_)
        return liked_only(ratings)

    def _score(self, histories):
        """Items that the walk doesn't reach come after all others, by popularity."""
        return self._with_popularity(self._evidence(histories))

    def _evidence(self, histories):
        first = per_like(self._liked(histories))  # rows sum to 1, or to 0
        return self.spread(first)

    def _set_step(self, step: sp.csr_matrix) -> None:
        """Hold a step as three arrays, which `save` can write."""
        self.step_data_ = step.data.astype(np.float32)
        self.step_indices_ = step.indices.astype(np.int32)
        self.step_indptr_ = step.indptr.astype(np.int64)
        self._shares: sp.csr_matrix | None = None

    def step(self) -> sp.csr_matrix:
        """Where a step leads from each item, (n_items, n_items)."""
        parts = (self.step_data_, self.step_indices_, self.step_indptr_)
        return sp.csr_matrix(parts, shape=(self.n_items_, self.n_items_))

    def shares(self) -> sp.csr_matrix:
        """The step with rows that sum to 1, or to 0; worked out once, not for each list."""
        shares = getattr(self, "_shares", None)  # a loaded walk has none yet
        if shares is None:
            shares = per_like(self.step())
            self._shares = shares
        return shares


class RandomWalk(_Walk):
    """From the history to its shoppers, and on to what else they like: RP3β.

        score(j) = Σ_{i liked} S_ij / |history|,   S_ij = Σ_u x_ui x_uj / m_u · 1 / (d_i d_j^β)

    x is 1 for what a shopper likes, m_u the number of those items, and d_i = Σ_u x_ui / m_u. A
    shopper who likes everything leads nowhere in particular. The power β keeps popular items,
    where most walks end, from winning each time (Paudel et al. 2017, "Updatable, accurate, diverse,
    and scalable recommendations for interactive applications"). The paper defines d_i as Σ_u x_ui,
    without the division by m_u.

    Parameters
    ----------
    k : int
        Items to which a step may lead from each item.
    beta : float
        β, from 0 to 1.

    Raises
    ------
    ValueError
        If k is below 1, or β not in 0 to 1.
    """

    def __init__(self, k=200, beta=0.6):
        if k < 1:
            raise ValueError(f"k must be at least 1, not {k}")
        if not 0 <= beta <= 1:
            raise ValueError(f"beta must lie in 0 to 1, not {beta}")
        self.k = k
        self.beta = beta

    def _fit(self, train: Interactions, items, validate):
        likes = liked_only(train.ratings).astype(np.float64)
        shares = per_like(likes)  # x_ui / m_u: rows sum to 1
        d = np.asarray(shares.sum(axis=0)).ravel()
        # row i · row j = Σ_u x_ui x_uj / m_u, and row i · row i = d_i
        by_item = shares.sqrt().T.tocsr()
        # With α = 1 - β this divides by d_i^(1-β) d_j^β. The missing d_i^-β scales a whole row, so
        # the best k stay the same, and it can be applied afterwards.
        step = top_similar(
            by_item,
            by_item,
            self.k,
            "asymmetric_cosine",
            alpha=1 - self.beta,
            exclude_self=True,
        )
        row_scale = np.maximum(d, 1e-12) ** -self.beta
        self._set_step(sp.csr_matrix(sp.diags(row_scale) @ step))

    def spread(self, weights):
        """As in `Recommender`: a step from weighted items."""
        return (weights @ self.step()).toarray().astype(np.float32)


class WordWalk(_Walk):
    """A random walk with a bridge of words in the middle.

        score = h (I + C) W (STAY I + C)

    h holds the shares of the history's items. C leads to items that the same shoppers like (a
    `RandomWalk`), W to items with similar words (squared cosines). The rows of both sum to 1, or to
    0 for an item that leads nowhere. So a short history first grows by what its own shop's
    customers like together. Words lead on to the other shop, whose customers then say what goes
    with it. `helpers.recommenders.bridge.Bridge` takes only the last two steps.

    Parameters
    ----------
    k_likes, k_words : int
        Items to which a step by likes and by words may lead from each item.

    Raises
    ------
    ValueError
        If one of them is below 1.
    """

    handles_cold_items = True

    def __init__(self, k_likes=50, k_words=100):
        if k_likes < 1:
            raise ValueError(f"k_likes must be at least 1, not {k_likes}")
        if k_words < 1:
            raise ValueError(f"k_words must be at least 1, not {k_words}")
        self._by_likes = RandomWalk(k_likes)
        self.k_likes = k_likes
        self.k_words = k_words

    def parts(self):
        """As in `Recommender`."""
        return {"by_likes": self._by_likes}

    def _fit(self, train, items, validate):
        if items is None:
            raise ValueError("WordWalk reads the items' words: call fit(train, items)")
        self._by_likes.fit(train)
        words = word_vectors(items.frame)
        similar = top_similar(words, words, self.k_words)  # an item keeps itself, with cosine 1
        nearest_count_more = similar.power(WORD_POWER)
        self._set_step(per_like(nearest_count_more))  # rows sum to 1, or to 0

    def spread(self, weights):
        """As in `Recommender`: all three steps from weighted items."""
        by_likes = self._by_likes.shares()
        first = weights + weights @ by_likes
        second = first @ self.step()
        third = STAY * second + second @ by_likes
        return third.toarray().astype(np.float32)
