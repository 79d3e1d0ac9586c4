"""Random walks on items against walks computed step by step with dense matrices."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from helpers.interactions import Histories, Interactions, ItemFeatures
from helpers.recommenders import RandomWalk, WordWalk, load, walk

TITLES = ("red cup", "blue cup", "red mug", "tea box", "tea tin", "old lamp")
N_ITEMS = len(TITLES)


@pytest.fixture(scope="module")
def shop() -> tuple[Interactions, ItemFeatures]:
    rng = np.random.default_rng(3)
    likes = rng.random((30, N_ITEMS)) < 0.4
    likes[:, 5] = False  # nobody has bought the lamp
    keys = pd.Index([f"shop/{i}" for i in range(N_ITEMS)])
    users = pd.Index([f"u{u}" for u in range(len(likes))])
    frame = pd.DataFrame({"image_key": keys, "platform": "a", "title": TITLES, "price_usd": np.nan})
    vectors = np.zeros((N_ITEMS, 2), np.float32)
    return Interactions(sp.csr_matrix(5.0 * likes), users, keys), ItemFeatures(vectors, frame)


def histories(*rows) -> Histories:
    dense = np.zeros((len(rows), N_ITEMS))
    for number, row in enumerate(rows):
        dense[number, row] = 5
    return Histories(sp.csr_matrix(dense), np.arange(N_ITEMS))


def dense_steps(train: Interactions, beta: float) -> np.ndarray:
    """S of RP3β by its definition, (n_items, n_items)."""
    x = train.ratings.toarray() / 5
    x = x[x.sum(axis=1) > 0]
    to_shopper = x / x.sum(axis=1, keepdims=True)
    d = to_shopper.sum(axis=0)
    d[d == 0] = np.inf
    steps = (x.T @ to_shopper) / d[:, None] / d[None, :] ** beta
    np.fill_diagonal(steps, 0)
    return steps


@pytest.mark.parametrize("beta", [0.0, 0.6, 1.0])
def test_a_random_walk_takes_the_steps_of_its_formula(shop, beta):
    train, _ = shop
    model = RandomWalk(k=N_ITEMS, beta=beta).fit(train)
    steps = dense_steps(train, beta)
    np.testing.assert_allclose(model.step().toarray(), steps, rtol=1e-5)
    found = model.evidence(histories([0, 3], [1]))
    np.testing.assert_allclose(found[0], (steps[0] + steps[3]) / 2, rtol=1e-5)
    np.testing.assert_allclose(found[1], steps[1], rtol=1e-5)


def test_a_word_walk_takes_three_steps(shop):
    train, items = shop
    model = WordWalk(k_likes=N_ITEMS, k_words=N_ITEMS).fit(train, items)
    steps = dense_steps(train, 0.6)
    by_likes = steps / np.maximum(steps.sum(axis=1, keepdims=True), 1e-12)
    words = np.zeros((N_ITEMS, N_ITEMS))
    cosine = walk.word_vectors(items.frame)
    cosine = (cosine @ cosine.T).toarray() ** 2
    known = cosine.sum(axis=1) > 0
    words[known] = cosine[known] / cosine[known].sum(axis=1, keepdims=True)
    start = np.eye(N_ITEMS)[0]
    grown = start + start @ by_likes
    there = grown @ words
    expected = walk.STAY * there + there @ by_likes
    np.testing.assert_allclose(model.evidence(histories([0]))[0], expected, rtol=1e-4, atol=1e-7)
    assert expected[2] > 0  # a mug that is red like the cup


def test_what_no_walk_reaches_comes_last_and_by_popularity(shop):
    train, _ = shop
    model = RandomWalk().fit(train)
    scores = model.score(histories([0]))[0]
    assert scores[5] == scores.min() == -1  # the lamp, which nobody has bought


def test_steps_are_saved(shop, tmp_path):
    train, items = shop
    model = WordWalk().fit(train, items)
    model.save(tmp_path / "walk")
    some = histories([0, 1], [4])
    assert np.array_equal(load(tmp_path / "walk").score(some), model.score(some))


def test_settings_out_of_range_are_named():
    for wrong in ({"k": 0}, {"beta": 1.5}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            RandomWalk(**wrong)
    for wrong in ("k_likes", "k_words"):
        with pytest.raises(ValueError, match=wrong):
            WordWalk(**{wrong: 0})
