"""Random walks on items: liked together, of similar words, liked together again."""

import numpy as np
import scipy.sparse as sp

from helpers.interactions.matrix import Interactions, liked_only
from helpers.recommenders.base import Recommender, per_like
from helpers.recommenders.neighbors import top_similar
from helpers.recommenders.words import word_vectors

STAY = 0.5  # share of the last step that stays where the words led
SHARP = 2  # power of a cosine of words: the nearest count more


class _Walk(Recommender):
    """What both walks share: steps that are saved, and an order for items out of reach."""

    def _usable(self, histories):
        return self._liked(histories).getnnz(axis=1) > 0

    def _liked(self, histories) -> sp.csr_matrix:
        ratings = histories.in_catalogue(self.n_items_)
        return liked_only(ratings)

    def _score(self, histories):
        """Items that the walk doesn't reach come after all others, by popularity."""
        found = self._evidence(histories)
        most = self.popularity_.max(initial=0)
        popular = self.popularity_ / (most + 1)
        return np.where(found > 0, found, popular - 1).astype(np.float32)

    def _evidence(self, histories):
        first = per_like(self._liked(histories))
        return self.spread(first)

    def _keep(self, step: sp.csr_matrix) -> None:
        """Keep a step as the three arrays that `save` can write."""
        self.step_data_ = step.data.astype(np.float32)
        self.step_indices_ = step.indices.astype(np.int32)
        self.step_indptr_ = step.indptr.astype(np.int64)

    def step(self) -> sp.csr_matrix:
        """Where a step leads from each item, (n_items, n_items)."""
        parts = (self.step_data_, self.step_indices_, self.step_indptr_)
        return sp.csr_matrix(parts, shape=(self.n_items_, self.n_items_))


class RandomWalk(_Walk):
    """From the history to its shoppers, and on to what else they like: RP3β.

        score(j) = Σ_{i liked} S_ij / |history|,   S_ij = Σ_u x_ui x_uj / m_u · 1 / (d_i d_j^β)

    x is 1 for what a shopper likes, m_u the number of those items, and d_i = Σ_u x_ui / m_u. A
    shopper who likes everything leads nowhere in particular. The power β keeps popular items,
    where most walks end, from winning each time (Paudel et al. 2017, "Updatable, accurate, diverse,
    and scalable recommendations for interactive applications", who count d without m).

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
        shares = per_like(likes)
        d = np.asarray(shares.sum(axis=0)).ravel()
        by_item = shares.sqrt().T.tocsr()  # a dot product is Σ x x / m, a squared length d
        step = top_similar(
            by_item,
            by_item,
            self.k,
            "asymmetric_cosine",  # divides by d_i^α d_j^(1 - α)
            alpha=1 - self.beta,
            exclude_self=True,
        )
        rest = np.maximum(d, 1e-12) ** -self.beta
        self._keep(sp.csr_matrix(sp.diags(rest) @ step))

    def spread(self, weights):
        """As in `Recommender`: a step from weighted items."""
        return (weights @ self.step()).toarray().astype(np.float32)


class WordWalk(_Walk):
    """A random walk with a bridge of words in the middle.

        score = h (I + C) W (STAY I + C)

    h holds the shares of the history's items. C leads to items that the same shoppers like (a
    `RandomWalk`), W to items with similar words (squared cosines); the rows of both sum to 1. So a
    short history first grows by what its own shop's customers like together. Words lead on to the
    other shop, whose customers then say what goes with it. `Bridge` takes the last two steps only.

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
        similar = top_similar(words, words, self.k_words)
        self._keep(per_like(similar.power(SHARP)))

    def spread(self, weights):
        """As in `Recommender`: all three steps from weighted items."""
        by_likes = per_like(self._by_likes.step())
        first = weights + weights @ by_likes
        second = first @ self.step()
        third = STAY * second + second @ by_likes
        return third.toarray().astype(np.float32)
