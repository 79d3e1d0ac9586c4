"""Neighbors by blocks of items: the same as by all pairs, and as scikit-learn's."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.metrics.pairwise import cosine_similarity

from helpers.interactions import Histories, Interactions
from helpers.kernels.item_blocks import NearestItems, Pull, top_similar_in_blocks
from helpers.kernels.item_pairs import top_similar_items
from helpers.recommenders import ItemKNN, base, neighbors


def ratings(n_users=200, n_items=300, density=0.1, seed=0) -> sp.csr_matrix:
    rng = np.random.default_rng(seed)
    stars = rng.integers(1, 6, (n_users, n_items))
    known = rng.random((n_users, n_items)) < density
    return sp.csr_matrix(stars * known, dtype=float)


def best_of_each(matrix: sp.csr_matrix, k: int) -> np.ndarray:
    """The similarities of each row, largest first."""
    return -np.sort(-matrix.toarray(), axis=1)[:, :k]


def test_the_same_similarities_as_scikit_learn():
    X = ratings()
    theirs = cosine_similarity(X.T)
    np.fill_diagonal(theirs, 0)
    ours = top_similar_in_blocks(X, 20)
    np.testing.assert_allclose(best_of_each(ours, 20), -np.sort(-theirs)[:, :20], atol=1e-6)
    row, column = ours.nonzero()
    np.testing.assert_allclose(ours.data, theirs[row, column], atol=1e-6)


@pytest.mark.parametrize("similarity", ["cosine", "jaccard", "asymmetric_cosine"])
@pytest.mark.parametrize(("shrinkage", "significance"), [(0.0, 0), (20.0, 0), (5.0, 3)])
def test_the_same_as_by_all_pairs(similarity, shrinkage, significance):
    X = ratings(seed=1)
    alpha = 0.3 if similarity == "asymmetric_cosine" else 0.5
    pull = Pull(similarity, shrinkage, significance, alpha)
    ours = top_similar_in_blocks(X, 15, pull)
    theirs = top_similar_items(X, 15, similarity, shrinkage, significance, alpha)
    np.testing.assert_allclose(best_of_each(ours, 15), best_of_each(theirs, 15), atol=1e-6)


def test_of_equal_similarities_the_more_popular_items_stay():
    X = sp.csr_matrix([[1.0, 1, 1, 1], [0, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0]])
    found = top_similar_in_blocks(X, 2, Pull(alpha=0.0, similarity="asymmetric_cosine"))
    alike = found[3].toarray()[0]  # its product with each other item is 1, divided by |b|² alone
    assert list(np.flatnonzero(alike)) == [0, 2]
    twins = sp.csr_matrix([[1.0, 1, 1, 1]])
    for row in range(4):
        expected = [item for item in range(4) if item != row][:2]
        assert list(top_similar_in_blocks(twins, 2)[row].indices) == expected


def test_a_block_needs_no_other():
    X = ratings(seed=2)
    nearest, _ = NearestItems.of(X, 10, Pull())
    whole = nearest(pd.DataFrame({"item": np.arange(300)}))
    part = nearest(pd.DataFrame({"item": [7, 250]}))
    expected = whole[whole["item"].isin([7, 250])].reset_index(drop=True)
    pd.testing.assert_frame_equal(part, expected)


def test_a_large_shop_gets_the_same_lists_by_blocks_of_items_and_few_users(monkeypatch):
    X = ratings(seed=3)
    train = Interactions(X, pd.RangeIndex(200).astype(str), pd.RangeIndex(300).astype(str))
    everyone = Histories.from_interactions(train)
    ids, scores = ItemKNN(k=299).fit(train).recommend(everyone, 10)
    monkeypatch.setattr(neighbors, "MANY_ITEMS", 300)
    monkeypatch.setattr(base, "CELLS", 7 * 300)
    assert base.users_at_once(300) == 7
    found, value = ItemKNN(k=299).fit(train).recommend(everyone, 10)
    np.testing.assert_allclose(value, scores, rtol=1e-5)
    assert (found == ids).mean() > 0.99  # but for sums that differ in the last digit
