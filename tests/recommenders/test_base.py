"""What the base class does for every method, seen on a toy; what each method must do itself is
asked in test_contract.py."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import helpers.recommenders as rooms
from helpers.interactions.matrix import Histories, Interactions, ItemFeatures
from helpers.recommenders import Popularity, Recommender, load, load_all
from helpers.recommenders.base import best_first

N_USERS, N_ITEMS = 40, 24


@pytest.fixture(scope="module")
def board():
    """Random ratings of 1 or 5, a third of the cells, and items that are told apart by nothing."""
    rng = np.random.default_rng(0)
    rating = rng.choice([1, 5], (N_USERS, N_ITEMS))
    known = rng.random((N_USERS, N_ITEMS)) < 1 / 3
    names = pd.Index([f"a/{i}" for i in range(N_ITEMS)])
    users = pd.Index([f"u{u}" for u in range(N_USERS)])
    train = Interactions(sp.csr_matrix(rating * known), users, names)
    frame = pd.DataFrame({"image_key": names, "platform": "a", "category": "x", "price_usd": 20.0})
    return train, ItemFeatures(np.ones((N_ITEMS, 6), np.float32), frame, "nothing")


def histories(board):
    return Histories.from_interactions(*board)


class Toy(Recommender):
    """Scores an item by its position plus a learned shift."""

    def __init__(self, shift=0.0):
        self.shift = shift

    def _fit(self, train, items, validate):
        self.offset_ = np.full(self.n_items_, self.shift)
        self.note_ = "kept"

    def _score(self, shoppers):
        return np.broadcast_to(
            np.arange(self.n_items_) // 2 + self.offset_, (len(shoppers), self.n_items_)
        )


def test_ties_go_to_the_earlier_item_and_missing_places_are_filled(board):
    toy = Toy().fit(*board)
    shopper = Histories(sp.csr_matrix(([4.0], ([0], [23])), (1, N_ITEMS)), np.arange(N_ITEMS))
    ids, scores = toy.recommend(shopper, 4, [0, 1, 22, 23])
    assert ids.tolist() == [[22, 0, 1, -1]] and scores.tolist() == [[11, 0, 0, -np.inf]]


def test_fallback_is_counted_and_said(board):
    toy = Toy().fit(*board)
    mixed = Histories(sp.csr_matrix(([4.0], ([1], [2])), (3, N_ITEMS)), np.arange(N_ITEMS))
    with pytest.warns(UserWarning, match="2 of 3 shoppers have no history"):
        scores = toy.score(mixed)
    assert toy.n_fallback_ == 2
    liked = (board[0].ratings >= 4).sum(axis=0).A1
    np.testing.assert_array_equal(scores[0], liked)
    np.testing.assert_array_equal(scores[1], np.arange(N_ITEMS) // 2)


def test_blocks_change_nothing(board, monkeypatch):
    toy = Toy().fit(*board)
    whole = toy.recommend(histories(board), 3)
    monkeypatch.setattr("helpers.recommenders.base.BLOCK", 7)
    for before, after in zip(whole, toy.recommend(histories(board), 3), strict=True):
        np.testing.assert_array_equal(before, after)


def test_bad_requests_are_named(board):
    toy = Toy().fit(*board)
    with pytest.raises(ValueError, match="k must be at least 1"):
        toy.recommend(histories(board), 0)
    with pytest.raises(ValueError, match="candidates must lie in"):
        toy.recommend(histories(board), 1, [24])


def test_load_imports_only_the_courses_own(board, tmp_path, monkeypatch):
    Toy().fit(*board).save(tmp_path / "Toy")
    with pytest.raises(ValueError, match="names class 'Toy'"):
        load(tmp_path / "Toy")
    with pytest.raises(ValueError, match="holds a Toy"):
        type("Other", (Toy,), {}).load(tmp_path / "Toy")
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nothing")
    assert load_all(tmp_path / "empty") == {}
    with pytest.raises(AttributeError, match="it has LIKED"):
        rooms.SVD  # noqa: B018


def test_load_all_names_variants_by_their_file(board, tmp_path):
    model = Popularity().fit(*board)
    for file in ("Popularity", "Popularity-b1.5"):
        model.save(tmp_path / file)
    assert list(load_all(tmp_path)) == ["Popularity", "Popularity-b1.5"]


def test_features_of_another_catalogue_are_refused(board):
    train, features = board
    short = ItemFeatures(features.vectors[:-1], features.frame[:-1])
    with pytest.raises(ValueError, match="23 item features for 24 items"):
        Toy().fit(train, short)


@pytest.mark.parametrize("k", [1, 3, 10, 50])
@pytest.mark.parametrize("n_items", [0, 1, 5, 40])
def test_best_first_agrees_with_a_whole_stable_sort(n_items, k):
    rng = np.random.default_rng(k)
    scores = rng.integers(0, 6, (200, n_items)).astype(np.float32)  # full of ties
    scores[rng.random(scores.shape) < 0.3] = -np.inf
    np.testing.assert_array_equal(
        best_first(scores, k), np.argsort(-scores, axis=1, kind="stable")[:, :k]
    )
