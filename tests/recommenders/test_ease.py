import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.linear_model import Ridge

from helpers.interactions import Histories, Interactions
from helpers.recommenders import EASE


def likes(n_users=80, n_items=12, seed=0):
    rng = np.random.default_rng(seed)
    X = (rng.random((n_users, n_items)) < 0.3).astype(float)
    X[:, 1] = X[:, 0]  # a pair that is always liked together
    return X


def interactions(X):
    return Interactions(
        sp.csr_matrix(5 * X, dtype=np.float32),
        pd.RangeIndex(len(X)).astype(str),
        pd.RangeIndex(X.shape[1]).astype(str),
    )


def test_each_column_is_scikit_learns_ridge_on_the_other_items():
    X = likes()
    model = EASE(reg=3.0).fit(interactions(X))
    for item in range(X.shape[1]):
        others = np.delete(np.arange(X.shape[1]), item)
        ridge = Ridge(alpha=3.0, fit_intercept=False).fit(X[:, others], X[:, item])
        np.testing.assert_allclose(model.weights_[others, item], ridge.coef_, atol=1e-6)
    assert (np.diag(model.weights_) == 0).all()


def test_scores_are_the_likes_times_the_weights():
    X = likes()
    train = interactions(X)
    model = EASE(reg=3.0).fit(train)
    rated = X.any(axis=1)
    histories = Histories.from_interactions(train, users=np.flatnonzero(rated))
    np.testing.assert_allclose(model.score(histories), (X @ model.weights_)[rated], atol=1e-5)
    new = Histories(sp.csr_matrix(5 * np.eye(12)[:1]), np.arange(12))
    assert model.recommend(new, k=1)[0][0, 0] == 1


def test_a_disliked_item_is_no_like():
    train = interactions(likes())
    with pytest.warns(UserWarning, match="1 of 1"):
        EASE().fit(train).score(Histories(sp.csr_matrix(1.0 * np.eye(12)[:1]), np.arange(12)))


def test_without_reg_there_is_no_inverse():
    with pytest.raises(ValueError, match="inverse"):
        EASE(reg=0)
