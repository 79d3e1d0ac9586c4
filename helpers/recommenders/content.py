"""Content-based filtering: a shopper is the mean of what they liked, an item scores by its cosine with that."""

import numpy as np
import pandas as pd
import scipy.sparse as sp

from helpers.interactions.matrix import LIKED, liked_only
from helpers.recommenders.base import Recommender
from helpers.recommenders.features import (
    catalogue_or_guess,
    history_vectors,
    ridge,
    standard_log_price,
    unit,
)
from helpers.recommenders.words import word_vectors

READS = ("vectors", "words")


class Content(Recommender):
    """Cosine between the mean vector of liked items, v_u = (1/|L_u|) Σ s_j, and each item: score(j) = cos(v_u, s_j).

    Parameters
    ----------
    weighting : "mean" (liked items alike: the formula above), "rating" (all rated items, weighted by rating - 3) or
        "recency" (liked items, halved with every `half_life` before the newest; needs histories with times)
    half_life : days
    n_centroids : tastes per shopper; with more than one, an item scores by the taste it is nearest to
    image_weight : None for the cosine of the whole vectors, else w in w cos(images) + (1 - w) cos(texts): a number, or
        "learned" from what training shoppers liked among the items they saw
    price_weight : how much a distance in log price (standard deviations) from the history's mean takes off the score
    reads : "vectors" (the encoder's) or "words" (TF-IDF of title and description, which needs no encoder)
    diversity : 0 ranks by score; towards 1, `recommend` avoids near-copies of what it already chose (MMR: Carbonell
        and Goldstein 1998, "The use of MMR, diversity-based reranking")
    """

    handles_cold_items = True

    def __init__(
        self, weighting="mean", n_centroids=1, image_weight=None, price_weight=0.0, diversity=0.0, half_life=180.0,
        reads="vectors",
    ):  # fmt: skip
        if reads not in READS:
            raise ValueError(f"reads must be 'vectors' or 'words', not {reads!r}")
        self.reads = reads
        if weighting not in ("mean", "rating", "recency"):
            raise ValueError(f"weighting must be 'mean', 'rating' or 'recency', not {weighting!r}")
        if isinstance(image_weight, str) and image_weight != "learned":
            raise ValueError(
                f"image_weight must be None, a number or 'learned', not {image_weight!r}"
            )
        if not 0 <= diversity < 1:
            raise ValueError(f"diversity must lie in 0 to 1, 1 excluded, not {diversity}")
        self.weighting, self.n_centroids, self.image_weight = weighting, n_centroids, image_weight
        self.price_weight, self.diversity, self.half_life = price_weight, diversity, half_life

    def recommend(self, histories, k, candidates=None, exclude_seen=True):
        """As in `Recommender`; with `diversity`, the first item is the best and each next the best compromise."""
        if not self.diversity:
            return super().recommend(histories, k, candidates, exclude_seen)
        ids, scores = super().recommend(histories, 5 * k, candidates, exclude_seen)
        order = mmr(scores, unit(self.vectors_[ids]), k, self.diversity)
        ids, scores = (np.take_along_axis(found, order, axis=1) for found in (ids, scores))
        return np.where(order < 0, -1, ids), np.where(order < 0, -np.inf, scores)

    def _fit(self, train, items, validate):
        if items is None:
            raise ValueError(f"{type(self).__name__} reads item vectors: call fit(train, items)")
        if self.reads == "words":
            words = word_vectors(items.frame)
            self.word_data_ = words.data
            self.word_indices_ = words.indices.astype(np.int32)
            self.word_indptr_ = words.indptr.astype(np.int64)
            self.n_words_ = words.shape[1]
            return
        self.vectors_ = np.ascontiguousarray(items.vectors, dtype=np.float32)
        self.image_weight_ = (
            learned_fusion(train.ratings, self.vectors_)
            if self.image_weight == "learned"
            else self.image_weight
        )
        if self.price_weight:
            self.price_ = standard_log_price(items.frame)
            self.price_guess_ = ridge(self.vectors_, self.price_[:, None])

    def _weights(self, histories):
        """Weight of each history item for each shopper, csr (n_users, n_history_items); items without vector: none."""
        weights = liked_only(histories.ratings)
        if self.weighting == "rating":
            weights = histories.ratings.copy()
            weights.data = weights.data - 3.0
        if self.weighting == "recency":
            if histories.times is None:
                raise ValueError(
                    "weighting='recency' needs histories that say when: Histories(…, times=…)"
                )
            cells = weights.nonzero()
            when = pd.Series(np.asarray(histories.times[cells]).ravel())
            weights.data = 0.5 ** (
                (when.groupby(cells[0]).transform("max") - when).to_numpy() / self.half_life
            )
        if self.reads == "words":
            known = (histories.columns >= 0) & (self._words().getnnz(axis=1) > 0)[histories.columns]
        else:
            known = np.linalg.norm(history_vectors(histories, self.vectors_), axis=1) > 0
        weights = weights.multiply(known[None, :]).tocsr()
        weights.eliminate_zeros()
        return weights

    def _usable(self, histories):
        return np.diff(self._weights(histories).indptr) > 0

    def _words(self) -> sp.csr_matrix:
        parts = (self.word_data_, self.word_indices_, self.word_indptr_)
        return sp.csr_matrix(parts, shape=(self.n_items_, self.n_words_))

    def _by_words(self, histories):
        """Cosine of each item's words with the mean of the liked ones', (n_users, n_items) float32."""
        words = self._words()
        inside = histories.columns >= 0
        mean = self._weights(histories)[:, inside] @ words[histories.columns[inside]]
        length = np.sqrt(np.asarray(mean.multiply(mean).sum(axis=1)))
        return ((mean @ words.T).toarray() / np.maximum(length, 1e-12)).astype(np.float32)

    def _score(self, histories):
        if self.reads == "words":
            return self._by_words(histories)
        vectors, weights = history_vectors(histories, self.vectors_), self._weights(histories)
        scores = (
            self._nearest_taste(weights, vectors)
            if self.n_centroids > 1
            else self._cosine(weights @ vectors)
        )
        if self.price_weight:
            price = catalogue_or_guess(histories, self.price_[:, None], self.price_guess_, vectors)[
                :, 0
            ]
            liked = np.abs(weights)
            usual = (liked @ price) / np.maximum(np.asarray(liked.sum(axis=1)).ravel(), 1e-12)
            scores = scores - self.price_weight * np.abs(usual[:, None] - self.price_[None])
        return scores.astype(np.float32)

    def _cosine(self, users):
        """Cosine of (n, d) user vectors with every item, halves fused as `image_weight` says: (n, n_items)."""
        half = users.shape[1] // 2
        if self.image_weight_ is None:
            scores = unit(users) @ unit(self.vectors_).T
            # a list without pictures says nothing of looks: else items that lack a picture too would come first
            blind = ~users[:, :half].any(axis=1) & users[:, half:].any(axis=1)
            scores[blind] = unit(users[blind, half:]) @ unit(self.vectors_[:, half:]).T
            return scores
        image = unit(users[:, :half]) @ unit(self.vectors_[:, :half]).T
        text = unit(users[:, half:]) @ unit(self.vectors_[:, half:]).T
        return self.image_weight_ * image + (1 - self.image_weight_) * text

    def _nearest_taste(self, weights, vectors):
        cells = [slice(*weights.indptr[row : row + 2]) for row in range(weights.shape[0])]
        centres = [
            tastes(vectors[weights.indices[cell]], weights.data[cell], self.n_centroids)
            for cell in cells
        ]
        first = np.cumsum([0, *map(len, centres[:-1])])
        return np.maximum.reduceat(self._cosine(np.concatenate(centres)), first, axis=0)


def tastes(vectors, weights, n, rounds=10):
    """Weighted spherical k-means of (m, d) vectors: at most `n` centres, started from items far apart."""
    rows = unit(vectors)
    centres = rows[:1]
    while len(centres) < min(n, len(rows)):
        centres = np.concatenate([centres, rows[[np.argmin((rows @ centres.T).max(axis=1))]]])
    nearest = None
    for _ in range(rounds):
        before, nearest = nearest, np.argmax(rows @ centres.T, axis=1)
        if np.array_equal(before, nearest):
            break
        mine = (nearest[None, :] == np.arange(len(centres))[:, None]) * weights[None, :]
        centres = np.where(mine.any(axis=1)[:, None], unit(mine @ rows), centres)
    return centres.astype(np.float32)


def learned_fusion(ratings, vectors):
    """How much the pictures' cosine should count beside the texts', 0 to 1.

    By least squares within each shopper: of the items they rated, csr (n_users, n_items), which did they like, given
    each one's cosines with the mean of the *others* that they liked? What nobody saw tells nothing of taste.
    """
    users, items = ratings.nonzero()
    liked = (ratings.data >= LIKED).astype(np.float32)
    table = {"liked": liked}
    for name, half in zip(("image", "text"), np.split(vectors, 2, axis=1), strict=True):
        others = (liked_only(ratings) @ half)[users] - liked[:, None] * half[items]
        table[name] = (unit(others) * unit(half[items])).sum(axis=1)
    table = pd.DataFrame(table)
    table -= table.groupby(users).transform("mean")
    gain = np.linalg.lstsq(table[["image", "text"]].to_numpy(), table["liked"].to_numpy())[0].clip(
        0
    )
    return float(gain[0] / gain.sum()) if gain.any() else 0.5


def mmr(scores, vectors, k, diversity):
    """Maximal marginal relevance: for each user the positions of up to `k` of m items in order of choice, else -1.

    Each choice maximises (1 - diversity) score - diversity · (largest cosine with those chosen before); `scores` are
    (n_users, m), -inf where an item isn't to be had, and `vectors` (n_users, m, d) of length 1.
    """
    chosen, rows = np.full((len(scores), k), -1), np.arange(len(scores))
    left, worth, closest = scores.copy(), scores, np.full(scores.shape, -1.0, np.float32)
    for place in range(min(k, scores.shape[1])):
        best = worth.argmax(axis=1)
        chosen[:, place] = np.where(np.isfinite(left[rows, best]), best, -1)
        left[rows, best] = -np.inf
        closest = np.maximum(closest, np.einsum("nmd,nd->nm", vectors, vectors[rows, best]))
        worth = (1 - diversity) * left - diversity * closest
    return chosen
