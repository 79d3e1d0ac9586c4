"""The methods of the library implicit, as recommenders of this course: strangers are known by their
history.
"""

import implicit
import numpy as np
import scipy.sparse as sp

from helpers.interactions.matrix import liked_only
from helpers.recommenders.base import Recommender, per_like


class _Peer(Recommender):
    """A model of implicit; an item that it gives no score is ordered by popularity."""

    def _usable(self, histories):
        return liked_only(histories.in_catalogue(self.n_items_)).getnnz(axis=1) > 0

    def _fit(self, train, items, validate):
        self._model = self._make()
        self._model.fit(liked_only(train.ratings).tocsr(), show_progress=False)

    def _score(self, histories):
        popular = self.popularity_ / (self.popularity_.max(initial=0) + 1)
        liked = liked_only(histories.in_catalogue(self.n_items_))
        return (self._scores(liked) + 1e-6 * popular).astype(np.float32)


class ImplicitKNN(_Peer):
    """implicit's CosineRecommender, 200 neighbours."""

    def _make(self):
        return implicit.nearest_neighbours.CosineRecommender(K=200, num_threads=1)

    def _scores(self, liked):
        return (liked @ sp.csr_matrix(self._model.similarity)).toarray()


class ImplicitALS(_Peer):
    """implicit's alternating least squares, 64 factors."""

    def _make(self):
        return implicit.als.AlternatingLeastSquares(factors=64, random_state=7, num_threads=1)

    def _scores(self, liked):
        numbers = np.arange(liked.shape[0])
        people = self._model.recalculate_user(numbers, liked)
        return np.atleast_2d(people) @ self._model.item_factors.T


class ImplicitBPR(_Peer):
    """implicit's Bayesian personalised ranking; a stranger is the mean of their items' factors."""

    def _make(self):
        return implicit.bpr.BayesianPersonalizedRanking(factors=64, random_state=7, num_threads=1)

    def _scores(self, liked):
        factors = self._model.item_factors
        return (
            per_like(liked) @ factors[:, :-1] @ factors[:, :-1].T + factors[:, -1]
        )  # the last one is the item's bias
