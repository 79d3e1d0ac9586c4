"""The plain rival of every content method: count what an item has in common with the liked ones."""

import numpy as np
import pandas as pd
import scipy.sparse as sp

from helpers.interactions.matrix import liked_only
from helpers.recommenders.base import Recommender, per_like
from helpers.recommenders.features import prices, standard_log_price

COUNTED = ("category", "colour")  # beside the price band
LIFTED = (
    "category",
    "type",
    "section",
    "colour",
    "pattern",
    "gender",
    "brand",
    "season",
    "platform",
)
PRICE_BANDS = 5
PRIOR = 20.0  # pairs of likes that stand for "no relation" in a lift
WEIGHTINGS = ("count", "lift")


class Attributes(Recommender):
    """Counts the attributes that an item shares with the liked ones.

    Among equals the more popular item comes first.

    With ``weighting="count"``

        score(j) = Σ_{i liked} (same category + same colour + same price band).

    With ``weighting="lift"``, the attributes need not be the same. Training shoppers tell how much
    likelier an item with value w is liked by those who like value v:

        lift(v, w) = P(w | v) / P(w)
        score(j) = Σ_attributes log mean_{i liked} lift(v_i, w_j).

    Parameters
    ----------
    weighting : "count" or "lift"
        "lift" also reads type, section, pattern, gender, brand, season and platform where the
        table has them.

    Notes
    -----
    Price bands hold a fifth of the items each. A missing value is shared with no item.
    """

    handles_cold_items = True

    def __init__(self, weighting="count"):
        if weighting not in WEIGHTINGS:
            raise ValueError(f"weighting must be 'count' or 'lift', not {weighting!r}")
        self.weighting = weighting
        self.evidence_in_logs = weighting == "lift"

    def _fit(self, train, items, validate):
        if items is None:
            raise ValueError("Attributes reads the items' table: call fit(train, items)")
        self.codes_ = self._codes(items.frame)
        if self.weighting == "lift":
            likes = liked_only(train.ratings)
            tables = [np.zeros(0, np.float32)]
            for column in self.codes_:
                log_lift = np.log(lifts(likes, column))
                tables.append(log_lift.ravel())
            self.log_lifts_ = np.concatenate(tables)

    def _codes(self, frame: pd.DataFrame) -> np.ndarray:
        """Values of each attribute that has more than one, (n_attributes, n_items) int64."""
        names = COUNTED if self.weighting == "count" else LIFTED
        columns = [value_codes(frame[name]) for name in names if name in frame]
        columns.append(price_bands(frame))
        kept = [column for column in columns if column.max(initial=-1) > 0]
        if not kept:
            return np.zeros((0, self.n_items_), np.int64)
        return np.stack(kept)

    def _usable(self, histories):
        liked = liked_only(histories.in_catalogue(self.n_items_))
        return (liked.getnnz(axis=1) > 0) & (len(self.codes_) > 0)

    def _score(self, histories):
        most = self.popularity_.max(initial=0)
        popular = self.popularity_ / (most + 1)
        liked = liked_only(histories.in_catalogue(self.n_items_))
        if self.weighting == "count":
            scores = self._shared(liked) + popular
        else:
            scores = self._evidence(histories) + 1e-3 * popular
        return scores.astype(np.float32)

    def _evidence(self, histories):
        liked = per_like(liked_only(histories.in_catalogue(self.n_items_)))
        if self.weighting == "count":
            return self._shared(liked)
        found = np.zeros(liked.shape, np.float32)
        start = 0
        for column in self.codes_:
            size = column.max() + 1
            end = start + size * size
            log_lift = self.log_lifts_[start:end].reshape(size, size)
            start = end
            values = liked @ flags(column)
            known = np.asarray(values.sum(axis=1)).reshape(-1, 1)
            lift = np.exp(log_lift)
            mean_lift = values @ lift + (1 - known)
            # the last column: an item without a value
            padded = np.pad(np.log(mean_lift), ((0, 0), (0, 1)))
            found += padded[:, column]
        return found

    def _shared(self, liked) -> np.ndarray:
        """Attributes that each item shares with the liked ones, weighted.

        Shape: (n_users, n_items) float32.
        """
        found = np.zeros(liked.shape, np.float32)
        for column in self.codes_:
            values = liked @ flags(column)
            padded = np.pad(values.toarray(), ((0, 0), (0, 1)))
            found += padded[:, column]
        return found


def value_codes(values: pd.Series) -> np.ndarray:
    """Numbers of a column's values, (n,) int64; -1 where the value is missing."""
    return values.astype("category").cat.codes.to_numpy(np.int64)


def price_bands(frame: pd.DataFrame) -> np.ndarray:
    """Fifths of the items by price, (n,) int64 from 0; -1 where the price is missing."""
    if "price_usd" not in frame:
        return np.full(len(frame), -1)
    known = prices(frame) > 0
    bands = np.full(len(frame), -1)
    if known.any():
        logs = standard_log_price(frame)
        shares = np.linspace(0, 1, PRICE_BANDS + 1)[1:-1]
        edges = np.quantile(logs[known], shares)
        bands[known] = np.searchsorted(edges, logs[known], side="right")
    return bands


def flags(codes: np.ndarray) -> sp.csr_matrix:
    """Indicators of the values, (n_items, n_values) float32; a row of zeros for a missing value."""
    known = np.flatnonzero(codes >= 0)
    n_values = codes.max(initial=0) + 1
    shape = (len(codes), n_values)
    ones = np.ones(len(known), np.float32)
    return sp.csr_matrix((ones, (known, codes[known])), shape=shape)


def lifts(likes: sp.csr_matrix, codes: np.ndarray) -> np.ndarray:
    """How much likelier value w is among the other likes of who likes value v.

    Shape: (n_values, n_values) float32.

    A pair of likes of a shopper with m likes counts 1 / (m - 1), so that everyone counts by their
    likes.
    """
    by_shopper = likes @ flags(codes)  # (n_users, n_values)
    n_likes = np.asarray(likes.sum(axis=1)).ravel()
    others = np.maximum(n_likes - 1, 1)
    weight = sp.diags(np.where(n_likes > 1, 1 / others, 0))
    total = by_shopper.sum(axis=0)
    total = np.asarray(total).ravel()
    # each like paired with itself is no pair
    itself = np.asarray((weight @ by_shopper).sum(axis=0)).ravel()
    pairs = (by_shopper.T @ weight @ by_shopper).toarray()
    pairs = pairs - np.diag(itself)
    share = (total + 1) / (total + 1).sum()
    n_pairs = pairs.sum(axis=1, keepdims=True)
    counted = pairs + PRIOR * share
    given = counted / (n_pairs + PRIOR)
    return (given / share).astype(np.float32)
