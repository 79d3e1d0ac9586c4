"""What Taste and the towers read of an item: its vector and the columns of its table."""

import numpy as np
import scipy.sparse as sp

from helpers.interactions.matrix import Histories, ItemFeatures
from helpers.recommenders.base import Recommender
from helpers.recommenders.features import (
    catalogue_or_guess,
    history_vectors,
    principal_axes,
    ridge,
    side_features,
)


class ReadsContent(Recommender):
    """A recommender that reads `features_`, (n_items, n_features) float32, and can guess those of
    a stranger's items.

    A subclass has the attributes `axes` (main axes of the vectors to read) and `side` (read the
    table, too). An item from elsewhere has a vector but no row in the table: what the table would
    say is guessed from the vector by `ridge`.
    """

    axes: int
    side: bool

    def _read(self, items: ItemFeatures | None) -> list[np.ndarray]:
        """Learn to read these items; returns the groups of features, one for each attribute."""
        if items is None:
            raise ValueError(f"{type(self).__name__} reads item vectors: call fit(train, items)")
        self.encoder_ = items.encoder
        self.vectors_ = np.ascontiguousarray(items.vectors, dtype=np.float32)
        self.centre_, self.directions_ = principal_axes(self.vectors_, max(self.axes, 1))
        known = np.log1p(self.popularity_)[:, None]
        scale = max(known.std(), 1e-6)
        known = (known - known.mean()) / scale
        groups = [*side_features(items), known]
        self.side_ = np.concatenate(groups, axis=1).astype(np.float32)
        self.guess_ = ridge(self.vectors_, self.side_)
        nobody = sp.csr_matrix((0, self.n_items_))
        everything = Histories(nobody, np.arange(self.n_items_), self.vectors_)
        self.features_ = self._features(everything)
        return groups

    def _features(self, histories: Histories) -> np.ndarray:
        """Features of each history item, (n_history_items, n_features) float32."""
        vectors = history_vectors(histories, self.vectors_)
        read = vectors
        if self.axes:
            read = (vectors - self.centre_) @ self.directions_
        if self.side:
            side = catalogue_or_guess(histories, self.side_, self.guess_, vectors)
            read = np.concatenate([read, side], axis=1)
        return np.ascontiguousarray(read, dtype=np.float32)
