"""Lists of a large shop without its scores: those of all scores, bit by bit."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from helpers.interactions import Histories, Interactions
from helpers.recommenders import ItemKNN, neighbors
from helpers.recommenders.base import Recommender

N_USERS = 60
N_ITEMS = 90


def log(n_users=N_USERS, seed=0) -> Interactions:
    """Few ratings, so that most items have no evidence; the last ten items have no rating."""
    rng = np.random.default_rng(seed)
    stars = rng.integers(3, 6, (n_users, N_ITEMS)) * (rng.random((n_users, N_ITEMS)) < 0.05)
    stars[:, -10:] = 0
    stars[:, 0] = 5  # someone likes something
    names = [pd.RangeIndex(n).astype(str) for n in stars.shape]
    return Interactions(sp.csr_matrix(stars, dtype=np.float32), *names)


SOME = np.arange(0, N_ITEMS, 3)


@pytest.fixture
def large(monkeypatch):
    """Every shop counts as a large one."""
    monkeypatch.setattr(neighbors, "MANY_ITEMS", 1)


@pytest.mark.parametrize("candidates", [None, SOME, SOME[:2]])
@pytest.mark.parametrize("k", [1, 5, 20, 200])
@pytest.mark.parametrize("signal", ["liked", "rating"])
def test_the_lists_of_all_scores(large, candidates, k, signal):
    train = log()
    histories = Histories.from_interactions(log(40, seed=1))
    model = ItemKNN(k=4, shrinkage=0, signal=signal).fit(train)
    ids, scores = Recommender.recommend(model, histories, k, candidates)
    found, values = model.recommend(histories, k, candidates)
    np.testing.assert_array_equal(found, ids)
    np.testing.assert_array_equal(values, scores)
    assert (scores < 0).any() or k < 20  # some places are filled by popularity


def test_no_score_is_written(large, monkeypatch):
    train = log()
    model = ItemKNN(k=4).fit(train)
    monkeypatch.setattr(model, "score", None)  # calling it would fail
    ids, _ = model.recommend(Histories.from_interactions(train), 3)
    assert ids.shape == (N_USERS, 3) and model.n_fallback_ == 0


def test_shoppers_without_a_usable_history_get_what_is_popular(large):
    train = log()
    model = ItemKNN(k=4).fit(train)
    histories = Histories.from_interactions(train)[:3]
    histories.ratings.data[:] = 1  # nothing is liked
    with pytest.warns(UserWarning, match="most popular items"):
        ids, _ = model.recommend(histories, 3)
    assert model.n_fallback_ == 3 and (ids >= 0).all()
