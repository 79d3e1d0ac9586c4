"""Content-based filtering: items by their cosine with the mean of what a shopper liked."""

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
WEIGHTINGS = ("mean", "rating", "recency")
NEUTRAL = 3.0  # the rating that says neither yes nor no
ROUNDS = 10  # of k-means, at most
LOOK_AT = 5  # candidates per place in a diverse list


class Content(Recommender):
    """Content-based filtering by the cosine between a shopper's mean liked item and each item.

    v_u = (1/|L_u|) Σ s_j over the liked items L_u, and score(j) = cos(v_u, s_j).

    Parameters
    ----------
    weighting : "mean", "rating" or "recency"
        "mean" takes liked items alike: the formula above. "rating" takes all rated items, weighted
        by rating - 3. "recency" halves the weight of a liked item with every `half_life` before
        the newest; it needs histories with times.
    half_life : float
        Days.
    n_centroids : int
        Tastes per shopper. With more than one, an item scores by the taste it is nearest to.
    image_weight : None, float or "learned"
        None is the cosine of the whole vectors. A number is w in w cos(images) + (1 - w)
        cos(texts). "learned" finds it from what training shoppers liked among the items they saw.
    price_weight : float
        How much a distance in log price (standard deviations) from the history's mean takes off.
    reads : "vectors" or "words"
        The encoder's vectors, or TF-IDF of title and description, which needs no encoder.
    diversity : float
        0 ranks by score; towards 1, `recommend` avoids near-copies of what it already chose.
        Source: Carbonell and Goldstein 1998, "The use of MMR, diversity-based reranking".
    """

    handles_cold_items = True

    def __init__(
        self,
        weighting="mean",
        n_centroids=1,
        image_weight=None,
        price_weight=0.0,
        diversity=0.0,
        half_life=180.0,
        reads="vectors",
    ):
        if reads not in READS:
            raise ValueError(f"reads must be 'vectors' or 'words', not {reads!r}")
        if weighting not in WEIGHTINGS:
            raise ValueError(f"weighting must be 'mean', 'rating' or 'recency', not {weighting!r}")
        if isinstance(image_weight, str) and image_weight != "learned":
            raise ValueError(
                f"image_weight must be None, a number or 'learned', not {image_weight!r}"
            )
        if not 0 <= diversity < 1:
            raise ValueError(f"diversity must lie in 0 to 1, 1 excluded, not {diversity}")
        self.weighting = weighting
        self.n_centroids = n_centroids
        self.image_weight = image_weight
        self.price_weight = price_weight
        self.diversity = diversity
        self.half_life = half_life
        self.reads = reads

    def recommend(self, histories, k, candidates=None, exclude_seen=True):
        """As in `Recommender`; with `diversity`, the first item is the best and each next the best
        compromise.
        """
        if not self.diversity:
            return super().recommend(histories, k, candidates, exclude_seen)
        ids, scores = super().recommend(histories, LOOK_AT * k, candidates, exclude_seen)
        vectors = unit(self.vectors_[ids])
        order = mmr(scores, vectors, k, self.diversity)
        is_missing = order < 0
        ids = np.take_along_axis(ids, order, axis=1)
        scores = np.take_along_axis(scores, order, axis=1)
        ids = np.where(is_missing, -1, ids)
        scores = np.where(is_missing, -np.inf, scores)
        return ids, scores

    def _fit(self, train, items, validate):
        if items is None:
            raise ValueError(f"{type(self).__name__} reads item vectors: call fit(train, items)")
        if self.reads == "words":
            self._keep_words(word_vectors(items.frame))
            return
        self.vectors_ = np.ascontiguousarray(items.vectors, dtype=np.float32)
        self.image_weight_ = self.image_weight
        if self.image_weight == "learned":
            self.image_weight_ = learned_fusion(train.ratings, self.vectors_)
        if self.price_weight:
            self.price_ = standard_log_price(items.frame)
            self.price_guess_ = ridge(self.vectors_, self.price_[:, None])

    def _weights(self, histories):
        """Weight of each history item for each shopper, csr (n_users, n_history_items).

        Items about which nothing is known have none.
        """
        weights = liked_only(histories.ratings)
        if self.weighting == "rating":
            weights = histories.ratings.copy()
            weights.data = weights.data - NEUTRAL
        if self.weighting == "recency":
            weights.data = self._recency(weights, histories)
        known = self._has_content(histories)
        weights = weights.multiply(known[None, :]).tocsr()
        weights.eliminate_zeros()
        return weights

    def _recency(self, liked, histories) -> np.ndarray:
        """0.5^(days before the shopper's newest like / half_life) of each liked cell, (nnz,)."""
        if histories.times is None:
            raise ValueError(
                "weighting='recency' needs histories that say when: Histories(…, times=…)"
            )
        cells = liked.nonzero()
        when = pd.Series(np.asarray(histories.times[cells]).ravel())
        newest = when.groupby(cells[0]).transform("max")
        age = (newest - when).to_numpy()
        return 0.5 ** (age / self.half_life)

    def _has_content(self, histories) -> np.ndarray:
        """Whether anything is known of each history item, (n_history_items,) bool."""
        if self.reads == "words":
            has_words = self._words().getnnz(axis=1) > 0
            return (histories.columns >= 0) & has_words[histories.columns]
        vectors = history_vectors(histories, self.vectors_)
        return np.linalg.norm(vectors, axis=1) > 0

    def _usable(self, histories):
        return np.diff(self._weights(histories).indptr) > 0

    def _keep_words(self, words: sp.csr_matrix) -> None:
        self.word_data_ = words.data
        self.word_indices_ = words.indices.astype(np.int32)
        self.word_indptr_ = words.indptr.astype(np.int64)
        self.n_words_ = words.shape[1]

    def _words(self) -> sp.csr_matrix:
        """TF-IDF of each item's words, (n_items, n_words)."""
        parts = (self.word_data_, self.word_indices_, self.word_indptr_)
        return sp.csr_matrix(parts, shape=(self.n_items_, self.n_words_))

    def _by_words(self, histories):
        """Cosine of each item's words with the mean of the liked ones'.

        Shape: (n_users, n_items) float32.
        """
        words = self._words()
        inside = histories.columns >= 0
        columns = histories.columns[inside]
        weights = self._weights(histories)[:, inside]
        mean = weights @ words[columns]
        square = mean.multiply(mean).sum(axis=1)
        length = np.sqrt(np.asarray(square))
        products = (mean @ words.T).toarray()
        cosine = products / np.maximum(length, 1e-12)
        return cosine.astype(np.float32)

    def _score(self, histories):
        if self.reads == "words":
            return self._by_words(histories)
        vectors = history_vectors(histories, self.vectors_)
        weights = self._weights(histories)
        if self.n_centroids > 1:
            scores = self._nearest_taste(weights, vectors)
        else:
            scores = self._cosine(weights @ vectors)
        if self.price_weight:
            apart = self._price_distance(histories, weights, vectors)
            scores = scores - self.price_weight * apart
        return scores.astype(np.float32)

    def _price_distance(self, histories, weights, vectors) -> np.ndarray:
        """Distance of each item's standard log price from the history's mean.

        Shape: (n_users, n_items).
        """
        known = self.price_[:, None]
        price = catalogue_or_guess(histories, known, self.price_guess_, vectors)[:, 0]
        mass = np.abs(weights)
        total = np.asarray(mass.sum(axis=1)).ravel()
        usual = (mass @ price) / np.maximum(total, 1e-12)
        return np.abs(usual[:, None] - self.price_[None])

    def _cosine(self, users):
        """Cosine of (n, d) user vectors with every item, halves fused as `image_weight` says: (n,
        n_items).
        """
        half = users.shape[1] // 2
        user_text = users[:, half:]
        item_text = self.vectors_[:, half:]
        user_image = users[:, :half]
        item_image = self.vectors_[:, :half]
        if self.image_weight_ is not None:
            image = cosines(user_image, item_image)
            text = cosines(user_text, item_text)
            return self.image_weight_ * image + (1 - self.image_weight_) * text
        scores = cosines(users, self.vectors_)
        # A list without pictures says nothing of looks. Its image half of zeros would favor items
        # that lack a picture too, so it is compared by text alone.
        blind = ~user_image.any(axis=1) & user_text.any(axis=1)
        scores[blind] = cosines(user_text[blind], item_text)
        return scores

    def _nearest_taste(self, weights, vectors):
        """Cosine of each item with the taste it is nearest to, (n_users, n_items)."""
        centers = []
        for row in range(weights.shape[0]):
            cells = slice(weights.indptr[row], weights.indptr[row + 1])
            mine = vectors[weights.indices[cells]]
            centers.append(tastes(mine, weights.data[cells], self.n_centroids))
        n_centers = [len(some) for some in centers]
        first = np.cumsum([0, *n_centers[:-1]])
        cosine = self._cosine(np.concatenate(centers))
        return np.maximum.reduceat(cosine, first, axis=0)


def cosines(users, items):
    """Cosine of each row of (n, d) with each of (m, d), (n, m); 0 for a row of zeros."""
    length = np.sqrt(np.einsum("md,md->m", items, items))
    return (unit(users) @ items.T) / np.maximum(length, 1e-12)


def tastes(vectors, weights, n, rounds=ROUNDS):
    """Centers of a shopper's tastes by weighted spherical k-means, at most `n`.

    Parameters
    ----------
    vectors : (m, d)
        Of the history items.
    weights : (m,)

    Returns
    -------
    (n_centers, d) float32
    """
    rows = unit(vectors)
    centers = _far_apart(rows, n)
    nearest = None
    for _ in range(rounds):
        before = nearest
        nearest = np.argmax(rows @ centers.T, axis=1)
        if np.array_equal(before, nearest):
            break
        numbers = np.arange(len(centers))
        belongs = nearest[None, :] == numbers[:, None]
        mine = belongs * weights[None, :]
        has_any = mine.any(axis=1)[:, None]
        centers = np.where(has_any, unit(mine @ rows), centers)
    return centers.astype(np.float32)


def _far_apart(rows, n):
    """The first of some unit vectors, and each time the one least like those chosen, at most
    `n`.
    """
    chosen = rows[:1]
    while len(chosen) < min(n, len(rows)):
        likeness = (rows @ chosen.T).max(axis=1)
        farthest = rows[[np.argmin(likeness)]]
        chosen = np.concatenate([chosen, farthest])
    return chosen


def learned_fusion(ratings, vectors):
    """How much the pictures' cosine should count beside the texts', 0 to 1.

    Least squares within each shopper: of the items they rated, which did they like, given each
    one's cosines with the mean of the *others* that they liked? What nobody saw tells nothing of
    taste.

    Parameters
    ----------
    ratings : csr_matrix, (n_users, n_items)
    vectors : (n_items, d)
        concat(image, text).
    """
    users, items = ratings.nonzero()
    likes = liked_only(ratings)
    liked = (ratings.data >= LIKED).astype(np.float32)
    image, text = np.split(vectors, 2, axis=1)
    columns = {"liked": liked}
    for name, half in (("image", image), ("text", text)):
        mine = half[items]
        others = (likes @ half)[users] - liked[:, None] * mine
        columns[name] = (unit(others) * unit(mine)).sum(axis=1)
    table = pd.DataFrame(columns)
    table -= table.groupby(users).transform("mean")
    cosine = table[["image", "text"]].to_numpy()
    slopes, *_ = np.linalg.lstsq(cosine, table["liked"].to_numpy())
    gain = slopes.clip(0)
    if not gain.any():
        return 0.5
    return float(gain[0] / gain.sum())


def mmr(scores, vectors, k, diversity):
    """Maximal marginal relevance (Carbonell and Goldstein 1998): a list without near-copies.

    Each choice maximizes (1 - diversity) score - diversity · (largest cosine with those chosen
    before).

    Parameters
    ----------
    scores : (n_users, m)
        -inf where an item isn't to be had.
    vectors : (n_users, m, d)
        Of length 1.

    Returns
    -------
    (n_users, k) int64
        Positions in order of choice, -1 where there are too few.
    """
    n_users, m = scores.shape
    rows = np.arange(n_users)
    chosen = np.full((n_users, k), -1)
    closest = np.full(scores.shape, -1.0, np.float32)
    left = scores.copy()
    worth = scores
    for place in range(min(k, m)):
        best = worth.argmax(axis=1)
        is_there = np.isfinite(left[rows, best])
        chosen[:, place] = np.where(is_there, best, -1)
        left[rows, best] = -np.inf
        cosine = np.einsum("nmd,nd->nm", vectors, vectors[rows, best])
        closest = np.maximum(closest, cosine)
        worth = (1 - diversity) * left - diversity * closest
    return chosen
