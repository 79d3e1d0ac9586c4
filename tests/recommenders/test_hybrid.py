"""The blend: leans on who is right, more on the one who is right for that length of history."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from helpers.interactions import Histories, Interactions, ItemFeatures
from helpers.recommenders import Content, Hybrid, ItemKNN, Random, load
from helpers.recommenders.hybrid import basis, build, standard


@pytest.fixture(scope="module")
def shop():
    """80 shoppers who like one of two looks; vectors tell the look."""
    rng = np.random.default_rng(0)
    look, taste = np.arange(50) % 2, np.arange(80) % 2
    ratings = np.where(look[None] == taste[:, None], 5, 1) * (rng.random((80, 50)) < 0.4)
    vectors = (np.eye(4)[look] + 0.1 * rng.standard_normal((50, 4))).astype(np.float32)
    keys = pd.Index([f"shop/{i}" for i in range(50)])
    frame = pd.DataFrame(
        {"image_key": keys, "platform": np.where(np.arange(50) < 25, "a", "b"), "price_usd": 10.0}
    )
    return Interactions(
        sp.csr_matrix(ratings), pd.Index([f"u{u}" for u in range(80)]), keys
    ), ItemFeatures(vectors, frame)


@pytest.fixture(scope="module")
def blend(shop):
    return Hybrid([Random(), Content()]).fit(*shop)


def test_leans_on_the_member_that_knows(blend):
    weights = blend.weights([1, 5])
    assert blend.signals == ["Random", "Content", "price"]
    assert (weights[:, 1] > 4 * np.abs(weights[:, 0])).all()


def test_weights_follow_the_history():
    blend = Hybrid([Random()])
    blend.blend_ = np.array([[0, 0], [1, 0], [0, 2]], np.float32)  # a, b log(1 + n), c / (1 + n)
    np.testing.assert_allclose(blend.weights([0, 3]), [[0, 2], [np.log(4), 0.5]], rtol=1e-6)
    assert basis(np.zeros(1, np.float32)).tolist() == [[1, 0, 1]]


def test_score_is_the_weighted_sum_of_standardised_signals(shop, blend):
    train, items = shop
    histories = Histories.from_interactions(train, items)[:5]
    z = [standard(member.score(histories)) for member in blend._members]
    z.append(np.zeros_like(z[0]))  # prices are all alike: nothing to add
    n = (histories.ratings.toarray() >= 4).sum(axis=1)
    expected = sum(blend.weights(n)[:, [m]] * z[m] for m in range(3))
    np.testing.assert_allclose(blend.score(histories), expected, rtol=1e-4, atol=1e-4)


def test_fitted_members_are_kept_and_unfitted_ones_fitted(shop):
    train, items = shop
    known = ItemKNN(k=5).fit(train)
    similar = vars(known).copy()
    blend = Hybrid([known, {"name": "Content", "parameters": {"weighting": "rating"}}]).fit(
        train, items
    )
    assert blend._members[0] is known and all(
        vars(known)[name] is value for name, value in similar.items()
    )
    assert blend._members[1].weighting == "rating" and blend._members[1].vectors_.shape == (50, 4)


def test_members_are_saved_in_the_same_two_files(shop, blend, tmp_path):
    train, items = shop
    blend.save(tmp_path / "blend")
    again = load(tmp_path / "blend")
    histories = Histories.from_interactions(train, items)
    assert (
        np.array_equal(again.score(histories), blend.score(histories))
        and again.signals == blend.signals
    )
    assert not [name for name in vars(blend) if name.startswith("member")]


def test_only_the_courses_own_classes_are_built():
    with pytest.raises(ValueError, match="'os'"):
        build({"name": "os", "parameters": {}})
