import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from sklearn.metrics.pairwise import cosine_similarity

from helpers.interactions import Histories, Interactions
from helpers.kernels.item_pairs import (
    confidence,
    plain_top_similar_items,
    top_similar_items,
)
from helpers.recommenders import ItemKNN, UserKNN, neighbors
from helpers.recommenders.neighbors import SIMILARITIES, as_signal, top_similar

# rows: Ann, Ben, Cat; columns: dress, shirt, jeans, coat
TOY = np.array([[5, 3, 0, 0], [4, 0, 4, 1], [0, 3, 5, 2]])


def sparse(dense):
    return sp.csr_matrix(np.asarray(dense, dtype=float))


def interactions(dense):
    users = pd.Index([f"u{i}" for i in range(len(dense))])
    items = pd.Index([f"i{i}" for i in range(dense.shape[1])])
    return Interactions(sp.csr_matrix(dense, dtype=np.float32), users, items)


def random_ratings(n_users=200, n_items=300, density=0.1, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(1, 6, (n_users, n_items)) * (rng.random((n_users, n_items)) < density)


@pytest.mark.parametrize("transpose", [False, True])
def test_same_neighbours_and_similarities_as_scikit_learn(transpose):
    X = random_ratings().T if transpose else random_ratings()
    ours = top_similar(sparse(X), sparse(X), k=20, exclude_self=True).toarray()
    theirs = cosine_similarity(X)
    np.fill_diagonal(theirs, 0)
    assert np.abs(ours - np.where(ours > 0, theirs, 0)).max() < 1e-6
    best = -np.sort(-theirs, axis=1)[:, :20]
    assert np.abs(-np.sort(-ours, axis=1)[:, :20] - best).max() < 1e-6


@pytest.mark.parametrize("similarity", ["cosine", "asymmetric_cosine"])
def test_without_sparse_dot_topn_the_similarities_are_the_same(similarity, monkeypatch):
    ratings = sparse(random_ratings())
    fast = top_similar(ratings, ratings, k=20, similarity=similarity, exclude_self=True)
    monkeypatch.setattr(neighbors, "sp_matmul_topn", None)
    plain = top_similar(ratings, ratings, k=20, similarity=similarity, exclude_self=True)
    assert fast.nnz == plain.nnz > 0
    best_of_fast = -np.sort(-fast.toarray(), axis=1)
    best_of_plain = -np.sort(-plain.toarray(), axis=1)
    assert np.abs(best_of_fast - best_of_plain).max() < 1e-6


def test_pearson_is_numpy_corrcoef_over_what_both_rated():
    X = random_ratings(30, 60, 0.4)
    ours = top_similar(
        sparse(X), sparse(X), k=30, similarity="pearson", exclude_self=True
    ).toarray()
    for a in range(30):
        for b in np.flatnonzero(ours[a]):
            both = (X[a] > 0) & (X[b] > 0)
            assert ours[a, b] == pytest.approx(np.corrcoef(X[a, both], X[b, both])[0, 1], abs=1e-6)


def test_adjusted_cosine_subtracts_the_means_of_columns():
    X = random_ratings(40, 50, 0.3)
    means = X.sum(0) / (X > 0).sum(0)
    ours = top_similar(
        sparse(X), sparse(X), 40, "adjusted_cosine", means=means, exclude_self=True
    ).toarray()
    theirs = cosine_similarity(np.where(X > 0, X - means, 0))
    assert np.abs(ours - np.where(ours > 0, theirs, 0)).max() < 1e-6
    assert (ours > 0).sum() == (
        (theirs > 1e-12) & ~np.eye(40, dtype=bool)
    ).sum()  # the positive ones, all of them


@pytest.mark.parametrize(
    "similarity, value",
    [
        (
            "cosine",
            20 / (34**0.5 * 33**0.5),
        ),  # Ann (5, 3, -, -), Ben (4, -, 4, 1): 5·4 / (|Ann| |Ben|)
        ("jaccard", 1 / 4),  # one item in common, four between them
        ("asymmetric_cosine", 20 / (34**0.3 * 33**0.7)),  # |Ann|^(2·0.3) = 34^0.3
    ],
)
def test_similarity_by_hand(similarity, value):
    S = top_similar(sparse(TOY[:1]), sparse(TOY[1:2]), 1, similarity, alpha=0.3)
    assert S[0, 0] == pytest.approx(value)
    shrunk = top_similar(sparse(TOY[:1]), sparse(TOY[1:2]), 1, similarity, shrinkage=4, alpha=0.3)
    assert shrunk[0, 0] == pytest.approx(value * 1 / (1 + 4))  # one common item


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("shrinkage", [0, 3])
def test_blocks_and_products_keep_the_best(similarity, shrinkage, monkeypatch):
    """The k best of a long list, in blocks of one row, are the best k of all."""
    monkeypatch.setattr("helpers.recommenders.neighbors.DENSE", 1)
    X = sparse(random_ratings(25, 40, 0.4))
    means = np.full(40, 3.0)
    few, all_ = (
        top_similar(X, X, k, similarity, shrinkage, 0.4, means, True).toarray() for k in (5, 25)
    )
    assert ((few > 0).sum(1) <= 5).all() and (np.diag(few) == 0).all()
    np.testing.assert_allclose(np.sort(few, 1)[:, -5:], np.sort(all_, 1)[:, -5:], atol=1e-12)


def best(S, k):
    """The k best similarities of each row, in order: what must agree where ties may be broken
    differently.
    """
    return -np.sort(-np.where(np.eye(len(S), dtype=bool), 0, S).clip(0), axis=1)[:, :k]


@pytest.mark.parametrize("dense_share", [0.0, 0.1, 2.0])  # all items dense, some, none
@pytest.mark.parametrize("cells", [1, 1000, 16_000_000])  # a row, some rows, all rows at a time
def test_every_pair_once_gives_scikit_learns_neighbours(dense_share, cells, monkeypatch):
    monkeypatch.setattr("helpers.kernels.item_pairs.DENSE_SHARE", dense_share)
    monkeypatch.setattr("helpers.kernels.item_pairs.CELLS", cells)
    X = random_ratings() * (np.random.default_rng(1).random(300) < np.linspace(0.1, 1, 300))
    ours, theirs = top_similar_items(sparse(X), 20).toarray(), cosine_similarity(X.T)
    assert np.abs(ours - theirs)[ours > 0].max() < 1e-6 and (np.diag(ours) == 0).all()
    assert ((ours > 0).sum(1) == np.minimum(20, (best(theirs, 300) > 0).sum(1))).all()
    assert np.abs(best(ours, 20) - best(theirs, 20)).max() < 1e-6


@pytest.mark.parametrize("similarity", [name for name in SIMILARITIES if name != "pearson"])
@pytest.mark.parametrize("trust", [(0, 0), (3, 0), (0, 4), (3, 4)])
@pytest.mark.parametrize("binary", [False, True])
def test_every_pair_once_is_every_pair_twice(similarity, trust, binary, monkeypatch):
    """The symmetric kernel against the blocks of full rows, which share no product with it."""
    monkeypatch.setattr("helpers.kernels.item_pairs.DENSE_SHARE", 0.2)
    X = sparse(random_ratings(60, 40, 0.2) > 0 if binary else random_ratings(60, 40, 0.2))
    if similarity == "adjusted_cosine":
        X.data -= 2.7
    ours = top_similar_items(
        X, 7, similarity, *trust, alpha=0.3 if similarity == "asymmetric_cosine" else 0.5
    )
    rows = X.T.tocsr()
    means = np.zeros(60)
    theirs = top_similar(rows, rows, 40, similarity, trust[0], 0.3, means, True, trust[1]).toarray()
    ours = ours.toarray()
    assert np.abs(ours - theirs)[ours > 0].max() < 1e-6
    assert np.abs(best(ours, 7) - best(theirs, 7)).max() < 1e-6


def test_threads_and_ties_change_nothing():
    X = sparse(random_ratings(80, 70, 0.3) > 0)  # 0 and 1: many equal similarities
    one = top_similar_items(X, 5)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        three = top_similar_items(X, 5)
    finally:
        torch.set_num_threads(threads)
    assert (one != three).nnz == 0


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_torchs_way_is_scipys_way(similarity):
    """Another device multiplies with torch; "cpu:0" takes that way without one."""
    X, queries = sparse(random_ratings(50, 60, 0.3)), sparse(random_ratings(9, 60, 0.3, seed=5))
    means = np.full(60, 3.1)
    for shrinkage, significance in ((0.0, 0), (5.0, 8)):
        setting = (similarity, shrinkage, 0.4, means, False, significance)
        cpu, torchs = (
            top_similar(queries, X, 6, *setting, device).toarray() for device in ("cpu", "cpu:0")
        )
        assert (cpu > 0).sum() > 9 and np.abs(cpu - torchs).max() < 1e-5
    train, new = interactions(X.toarray()), Histories(queries, np.arange(60))
    for cls in (UserKNN, ItemKNN):
        cpu, torchs = (
            cls(60, similarity, device=device).fit(train).score(new) for device in ("cpu", "cpu:0")
        )
        assert np.abs(cpu - torchs).max() < 1e-5


def test_confidence_by_hand():
    n = np.array([0.0, 5.0, 50.0])
    assert confidence(n, 20, 0) == pytest.approx([0, 5 / 25, 50 / 70])
    assert confidence(n, 0, 10) == pytest.approx([0, 0.5, 1])
    assert confidence(n, 20, 10) == pytest.approx([0, 0.1, 50 / 70])
    assert confidence(n, 0, 0) == 1


def test_nothing_in_common_and_nothing_at_all():
    empty = sparse(np.zeros((2, 4)))
    for similarity in SIMILARITIES:
        S = top_similar(empty, sparse(TOY), 2, similarity, means=np.zeros(4))
        assert S.nnz == 0 and S.shape == (2, 3)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # no 0 / 0
            assert similarity == "pearson" or top_similar_items(empty, 2, similarity, 5.0).nnz == 0


def test_user_based_prediction_by_hand():
    train = interactions(TOY)
    new = Histories(sp.csr_matrix([[5, 3, 0, 0]]), np.arange(4))
    sims = cosine_similarity([[5, 3, 0, 0]], TOY)[0]  # to Ann 1, Ben 0.597, Cat 0.250
    predicted = UserKNN(k=3, signal="rating").fit(train).predict(new, [2, 3])[0]
    # jeans: Ben 4 and Cat 5, Ann has none; coat: Ben 1 and Cat 2
    assert predicted[0] == pytest.approx(
        (sims[1] * 4 + sims[2] * 5) / (sims[1] + sims[2]), abs=1e-5
    )
    assert predicted[1] == pytest.approx(
        (sims[1] * 1 + sims[2] * 2) / (sims[1] + sims[2]), abs=1e-5
    )
    scores = UserKNN(k=3, signal="rating").fit(train).score(new)[0]
    assert scores[2] == pytest.approx(sims[1] * 4 + sims[2] * 5, abs=1e-5)  # ranking sums


def test_centred_user_based_prediction_by_hand():
    train = interactions(TOY)
    new = Histories(sp.csr_matrix([[5, 3, 0, 0]]), np.arange(4))
    sims = cosine_similarity([[5, 3, 0, 0]], TOY)[0]
    # own mean 4; Ben's mean 3, Cat's 10/3
    expected = 4 + (sims[1] * (1 - 3) + sims[2] * (2 - 10 / 3)) / (sims[1] + sims[2])
    assert UserKNN(k=3, centre=True, signal="rating").fit(train).predict(new, [3])[
        0, 0
    ] == pytest.approx(expected, abs=1e-5)


def test_item_based_prediction_by_hand():
    train = interactions(TOY)
    new = Histories(sp.csr_matrix([[5, 3, 0, 0]]), np.arange(4))
    sims = cosine_similarity(TOY.T)
    model = ItemKNN(k=3, shrinkage=0, signal="rating").fit(train)
    a, b = sims[2, 0], sims[2, 1]  # jeans with dress, jeans with shirt
    assert model.predict(new, [2])[0, 0] == pytest.approx((a * 5 + b * 3) / (a + b), abs=1e-5)
    assert model.score(new)[0, 2] == pytest.approx(a * 5 + b * 3, abs=1e-5)
    ids, values = model.neighbors(2)
    assert ids[0] == 3 and values == pytest.approx(np.sort(sims[2])[::-1][1:], abs=1e-6)


def test_no_neighbour_means_the_items_mean_and_popularity_order():
    ratings = np.zeros((4, 5))
    ratings[0, :2] = 5  # a world of its own: items 0 and 1
    ratings[1:, 2] = 4, 5, 3
    ratings[1:, 3] = 5, 2, 2
    for cls in (UserKNN, ItemKNN):
        model = cls().fit(interactions(ratings))
        new = Histories(sp.csr_matrix([[5.0, 0, 0, 0, 0]]), np.arange(5))
        predicted = model.predict(new, np.arange(5))[0]
        assert predicted[[2, 3]] == pytest.approx([4, 3]) and model.n_fallback_ >= 2
        assert predicted[4] == pytest.approx(ratings[ratings > 0].mean())  # nobody rated it
        scores = model.score(new)[0]
        # evidence first, then by likes: item 2 has two, item 3 one, item 4 none; all of these
        # below 0
        assert scores[1] > 0 > scores[2] > scores[3] > scores[4]


def test_signals():
    R = sparse([[5, 4, 3, 0, 1]])
    assert as_signal(R, "rating").toarray().tolist() == [[5, 4, 3, 0, 1]]
    assert as_signal(R, "liked").toarray().tolist() == [[1, 1, 0, 0, 0]]
    assert as_signal(R, "seen").toarray().tolist() == [[1, 1, 1, 0, 1]]
    assert R.nnz == 4  # untouched


@pytest.mark.parametrize("setting", [{"similarity": "euclid"}, {"signal": "stars"}])
def test_settings_that_do_not_exist(setting):
    with pytest.raises(ValueError, match="cosine"):
        ItemKNN(**setting)


@pytest.mark.parametrize("k", [1, 20, 300])
def test_the_kernel_is_its_plain_version(k):
    X = sparse(random_ratings())
    ours = top_similar_items(X, k).toarray()
    plain = plain_top_similar_items(X, k).toarray()
    assert np.abs(best(ours, k) - best(plain, k)).max() < 1e-6
