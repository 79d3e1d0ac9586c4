"""The three things every recommender reads: who rated what, what the items are, and a shopper's
history.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import ArrayLike

LIKED = 4.0  # a rating of 4 or more counts as liked, in every chapter
SIMULATED = "simulated"  # whose data these are: never mixed in one table
REAL = "real"
DAY = 86_400  # seconds


def liked_only(ratings: sp.csr_matrix) -> sp.csr_matrix:
    """1 for each rating of at least `LIKED`, nothing else; float32."""
    liked = ratings.copy()
    liked.data = (liked.data >= LIKED).astype(np.float32)
    liked.eliminate_zeros()
    return liked


@dataclass(frozen=True)
class Interactions:
    """Ratings 1-5 of users (rows) for items (columns); absent means unknown, never zero.

    Attributes
    ----------
    ratings : csr_matrix, (n_users, n_items) float32
        Sorted indices, no explicit zeros, no duplicates. A purchase is a rating of 5.
    users, items : pandas.Index
        Names of rows and columns, unique. Item names are `image_key`s.
    times : csr_matrix, (n_users, n_items) float64, or None
        When each was rated, in days since 1970. Its cells are those of `ratings`, in the same
        order.
    shoppers : str
        "simulated" or "real".
    """

    ratings: sp.csr_matrix
    users: pd.Index
    items: pd.Index
    times: sp.csr_matrix | None = None
    shoppers: str = SIMULATED

    def __post_init__(self) -> None:
        ratings = sp.csr_matrix(self.ratings, dtype=np.float32)
        ratings.sum_duplicates()
        ratings.eliminate_zeros()
        if ratings.shape != (len(self.users), len(self.items)):
            raise ValueError(
                f"ratings are {ratings.shape}, but there are {len(self.users)} users, "
                f"{len(self.items)} items"
            )
        if not (self.users.is_unique and self.items.is_unique):
            raise ValueError("user and item names must be unique")
        if ratings.nnz and not (
            ratings.data.min() >= 1 and ratings.data.max() <= 5
        ):  # also false for NaN
            raise ValueError(
                f"ratings must lie in 1-5, found {ratings.data.min()} to {ratings.data.max()}"
            )
        if self.shoppers not in (SIMULATED, REAL):
            raise ValueError(f"shoppers must be {SIMULATED!r} or {REAL!r}, not {self.shoppers!r}")
        object.__setattr__(self, "ratings", ratings)
        if self.times is not None:
            object.__setattr__(self, "times", _times_of(self.times, ratings))

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        items: pd.Index,
        users: pd.Index | None = None,
        shoppers: str = SIMULATED,
    ) -> "Interactions":
        """From a table of `user`, `item`, `rating` and, where known, `timestamp` in seconds.

        A later row of the same pair replaces an earlier one.
        """
        # names become numbers once: each look-up of a million strings waits for memory
        user_code, user_names = pd.factorize(frame["user"], use_na_sentinel=False)
        item_code, item_names = pd.factorize(frame["item"], use_na_sentinel=False)
        pair = pd.Series(user_code * np.int64(len(item_names)) + item_code)
        is_last = ~pair.duplicated(keep="last").to_numpy()
        last = frame[is_last]
        if users is None:
            users = pd.Index(np.sort(user_names))
        rows = users.get_indexer(pd.Index(user_names))[user_code[is_last]]
        columns = items.get_indexer(pd.Index(item_names))[item_code[is_last]]
        if (rows < 0).any() or (columns < 0).any():
            missing = last["user"][rows < 0].tolist()
            missing += last["item"][columns < 0].tolist()
            raise KeyError(
                f"{len(missing)} names are not among the given users and items, "
                f"for example {missing[0]!r}"
            )
        shape = (len(users), len(items))
        stars = last["rating"].to_numpy(np.float32)
        ratings = sp.csr_matrix((stars, (rows, columns)), shape=shape)
        times = None
        if "timestamp" in last and (last["timestamp"] != 0).any():
            days = last["timestamp"].to_numpy(np.float64) / DAY
            times = sp.csr_matrix((days, (rows, columns)), shape=shape)
        return cls(ratings, users, items, times, shoppers)

    @property
    def shape(self) -> tuple[int, int]:
        """(n_users, n_items)."""
        return self.ratings.shape

    def rows(self, which: slice | np.ndarray) -> "Interactions":
        """Some of the users, by position or bool mask; the columns stay."""
        times = None if self.times is None else self.times[which]
        return Interactions(
            self.ratings[which], self.users[which], self.items, times, self.shoppers
        )

    def at_most(self, n: int, seed: int) -> "Interactions":
        """`n` of the users, drawn at random; all of them where there are no more."""
        n_users = self.shape[0]
        if n_users <= n:
            return self
        drawn = np.random.default_rng(seed).choice(n_users, n, replace=False)
        return self.rows(np.sort(drawn))

    def cells(self, keep: np.ndarray) -> "Interactions":
        """Some of the ratings, by a bool mask (nnz,) in their stored order; users and items
        stay."""
        times = None if self.times is None else _kept(self.times, keep)
        kept = _kept(self.ratings, keep)
        return Interactions(kept, self.users, self.items, times, self.shoppers)


def _kept(matrix: sp.csr_matrix, keep: np.ndarray) -> sp.csr_matrix:
    """The stored cells that `keep` (nnz,) marks, explicit zeros included."""
    before = np.concatenate([[0], np.cumsum(keep)])
    parts = (matrix.data[keep], matrix.indices[keep], before[matrix.indptr])
    return sp.csr_matrix(parts, shape=matrix.shape)


def _times_of(times: sp.csr_matrix, ratings: sp.csr_matrix) -> sp.csr_matrix:
    """`times` with sorted cells. Raises ValueError where they are not the cells of `ratings`."""
    times = sp.csr_matrix(times, dtype=np.float64)
    times.sort_indices()
    same_rows = np.array_equal(times.indptr, ratings.indptr)
    if (
        times.shape != ratings.shape
        or not same_rows
        or not np.array_equal(times.indices, ratings.indices)
    ):
        raise ValueError(
            f"times are of {times.nnz} cells, which are not the {ratings.nnz} rated ones"
        )
    return times


@dataclass(frozen=True)
class ItemFeatures:
    """What is known of each item, row by row as the columns of `Interactions`.

    Attributes
    ----------
    vectors : (n_items, d) float32
        concat(image, text), each half normalised; a missing image leaves zeros in its half.
    frame : DataFrame, n_items rows
        At least `image_key`, `platform`, `category`, `price_usd`.
    encoder : str
        Name and hash of the encoder that made the vectors.
    """

    vectors: np.ndarray
    frame: pd.DataFrame
    encoder: str = ""

    def __post_init__(self) -> None:
        if len(self.vectors) != len(self.frame):
            raise ValueError(f"{len(self.vectors)} vectors for {len(self.frame)} items")


@dataclass(frozen=True)
class Histories:
    """Shoppers as recommenders see them: by what they liked, wherever they liked it.

    Attributes
    ----------
    ratings : csr_matrix, (n_users, n_history_items) float32
    columns : (n_history_items,) int64
        The catalogue column of each history item, or -1 where the catalogue doesn't hold it.
    vectors : (n_history_items, d) float32 or None
        Item vectors, as in `ItemFeatures`.
    users : pandas.Index or None
        Names, by which an `Oracle` knows shoppers, and `Hybrid` the customers of its log.
    times : csr_matrix like `ratings`, or None
        When each was liked, in days; the cells are those of `ratings`, so that it tells of nothing
        else.
    """

    ratings: sp.csr_matrix
    columns: np.ndarray
    vectors: np.ndarray | None = None
    users: pd.Index | None = None
    times: sp.csr_matrix | None = None

    def __post_init__(self) -> None:
        ratings = sp.csr_matrix(self.ratings, dtype=np.float32)
        columns = np.asarray(self.columns, dtype=np.int64)
        if ratings.shape[1] != len(columns):
            raise ValueError(f"{ratings.shape[1]} history items, but {len(columns)} columns")
        if self.vectors is not None and len(self.vectors) != len(columns):
            raise ValueError(f"{len(columns)} history items, but {len(self.vectors)} vectors")
        object.__setattr__(self, "ratings", ratings)
        object.__setattr__(self, "columns", columns)

    @classmethod
    def from_interactions(
        cls, train: Interactions, items: ItemFeatures | None = None, users: ArrayLike | None = None
    ) -> "Histories":
        """The usual case: history items are the catalogue's own; `users` picks rows by position."""
        rows = slice(None) if users is None else np.asarray(users)
        vectors = None if items is None else items.vectors
        times = None if train.times is None else train.times[rows]
        return cls(
            train.ratings[rows], np.arange(train.shape[1]), vectors, train.users[rows], times
        )

    def __len__(self) -> int:
        return self.ratings.shape[0]

    def __getitem__(self, rows: slice | np.ndarray) -> "Histories":
        """Some of the shoppers, by slice or positions."""
        users = None if self.users is None else self.users[rows]
        times = None if self.times is None else self.times[rows]
        return Histories(self.ratings[rows], self.columns, self.vectors, users, times)

    def in_catalogue(self, n_items: int) -> sp.csr_matrix:
        """Ratings laid out by catalogue column, (n_users, n_items) float32; items outside the
        catalogue drop out.
        """
        inside = np.flatnonzero(self.columns >= 0)
        if not len(inside):
            return sp.csr_matrix(np.zeros((len(self), n_items), dtype=np.float32))
        if self.columns[inside].max() >= n_items:
            raise ValueError(
                f"history names catalogue column {self.columns[inside].max()} of {n_items}"
            )
        place = sp.csr_matrix(
            (np.ones(len(inside), np.float32), (inside, self.columns[inside])),
            (len(self.columns), n_items),
        )
        return sp.csr_matrix(self.ratings @ place)
