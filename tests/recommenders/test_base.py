"""The contract, asked of every public recommender alike: one suite for all methods."""

import importlib.util
import json
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import helpers.recommenders as rooms
from helpers.interactions.matrix import Histories, Interactions, ItemFeatures
from helpers.recommenders import Recommender, load, load_all
from helpers.recommenders.base import best_first

N_USERS, N_ITEMS = 40, 24
QUICK = {
    "epochs": 2,
    "n_epochs": 2,
    "rank": 3,
    "k": 5,
}  # what keeps training short, given where a class takes it


def there(name: str) -> bool:
    return importlib.util.find_spec(f"helpers.recommenders.{rooms._MODULES[name]}") is not None


PUBLIC = [
    name for name in rooms._MODULES if name != "Oracle" and there(name)
]  # an Oracle needs a market, not a matrix


@pytest.fixture(scope="module")
def board():
    """A checkerboard: even shoppers like even items, odd ones odd items; a quarter is missing, the
    rest disliked.
    """
    rng = np.random.default_rng(0)
    same = (np.arange(N_USERS)[:, None] + np.arange(N_ITEMS)) % 2 == 0
    ratings = sp.csr_matrix(
        np.where(same, 5, 1) * (rng.random((N_USERS, N_ITEMS)) < np.where(same, 0.7, 0.2))
    )
    users, names = (
        pd.Index([f"u{u}" for u in range(N_USERS)]),
        pd.Index([f"a/{i}" for i in range(N_ITEMS)]),
    )
    train = Interactions(ratings, users, names)
    parity = np.eye(2, dtype=np.float32)[np.arange(N_ITEMS) % 2]
    noise = rng.normal(0, 0.1, (N_ITEMS, 6))
    image, text = (np.hstack([parity, part]) for part in (noise[:, :3], noise[:, 3:]))
    vectors = np.hstack(
        [part / np.linalg.norm(part, axis=1, keepdims=True) for part in (image, text)]
    )
    frame = pd.DataFrame(
        {"image_key": names, "platform": ["a", "b"] * (N_ITEMS // 2), "category": "dress", "price_usd": 20.0,   # noqa: E501
         "title": "x", "gender": "women", "colour": "red", "brand": "b", "image_path": ""}
    )  # fmt: skip
    return train, ItemFeatures(vectors.astype(np.float32), frame, "parity")


@pytest.fixture(scope="module")
def fitted(board):
    return {name: fit(name, board) for name in PUBLIC}


def fit(name, board):
    import inspect

    make = getattr(rooms, name)
    takes = inspect.signature(make).parameters
    chosen = {key: value for key, value in QUICK.items() if key in takes} | (
        {"seed": 3} if "seed" in takes else {}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(**chosen).fit(*board)


def quietly(call, *arguments, **keywords):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return call(*arguments, **keywords)


def histories(board, users=None):
    return Histories.from_interactions(*board, users=users)


every = pytest.mark.parametrize("name", PUBLIC)


@every
def test_scores_have_the_promised_shape_and_are_finite(name, board, fitted):
    scores = quietly(fitted[name].score, histories(board, [3, 0, 7]))
    assert scores.shape == (3, N_ITEMS) and scores.dtype == np.float32 and np.isfinite(scores).all()


@every
def test_recommendations_keep_to_what_was_asked(name, board, fitted):
    candidates = np.array([1, 2, 3, 8, 9, 20])
    ids, scores = quietly(fitted[name].recommend, histories(board), 5, candidates)
    assert (
        ids.shape == scores.shape == (N_USERS, 5) and np.isin(ids, np.append(candidates, -1)).all()
    )
    for user, row in enumerate(ids):
        kept = row[row >= 0]
        assert len(set(kept)) == len(kept)
        assert not set(kept) & set(board[0].ratings[user].indices)
    assert (scores[:, 1:] <= scores[:, :-1]).all() and np.isneginf(scores[ids < 0]).all()
    seen, _ = quietly(fitted[name].recommend, histories(board), 6, candidates, exclude_seen=False)
    assert (np.sort(seen, axis=1) == candidates).all()


@every
def test_empty_history_and_items_from_elsewhere_get_an_answer(name, board, fitted):
    features = board[1]
    own = Histories(sp.csr_matrix((2, N_ITEMS)), np.arange(N_ITEMS), features.vectors)
    away = Histories(sp.csr_matrix(np.array([[5.0]])), np.array([-1]), features.vectors[:1])
    for shoppers in (own, away):
        ids, _ = quietly(fitted[name].recommend, shoppers, 4)
        assert (ids >= 0).all()
    assert quietly(
        fitted[name].recommend,
        Histories(sp.csr_matrix((0, N_ITEMS)), np.arange(N_ITEMS), features.vectors),
        4,
    )[0].shape == (0, 4)


@every
def test_save_and_load_repeat_every_score(name, board, fitted, tmp_path):
    fitted[name].save(tmp_path / name)
    head = json.loads((tmp_path / f"{name}.json").read_text())
    assert head["class"] == name
    again = load(tmp_path / name)
    assert type(again) is type(fitted[name]) and again.parameters() == fitted[name].parameters()
    for users in (None, [5]):
        before, after = (
            quietly(model.score, histories(board, users)) for model in (fitted[name], again)
        )
        np.testing.assert_array_equal(before, after)


@every
def test_the_same_seed_repeats_every_score(name, board, fitted):
    again = quietly(fit(name, board).score, histories(board))
    np.testing.assert_array_equal(again, quietly(fitted[name].score, histories(board)))


@every
def test_predictions_are_ratings(name, board, fitted):
    try:
        predicted = fitted[name].predict(histories(board, [0, 1]), [0, 5, 6])
    except NotImplementedError as error:
        assert "doesn't predict ratings" in str(error)
    else:
        assert predicted.shape == (2, 3) and predicted.dtype == np.float32
        assert predicted.min() >= 1 and predicted.max() <= 5


@every
def test_features_of_another_catalogue_are_refused(name, board):
    train, features = board
    short = ItemFeatures(features.vectors[:-1], features.frame[:-1])
    with pytest.raises(ValueError, match="23 item features for 24 items"):
        fit(name, (train, short))


@pytest.mark.parametrize(
    "name", [name for name in PUBLIC if name in ("UserKNN", "ItemKNN", "EASE", "Content")]
)
def test_checkerboard_is_solved(name, board, fitted):
    """Methods that need no training time must see the board's two colours: one's own come first,
    while any are left.
    """
    ids, _ = quietly(fitted[name].recommend, histories(board), 2)
    own = (np.arange(N_USERS)[:, None] + np.arange(N_ITEMS)) % 2 == 0
    left = (own & (board[0].ratings.toarray() == 0)).sum(axis=1)
    right = [
        own[user, item] for user, row in enumerate(ids) for item in row[: left[user]] if item >= 0
    ]
    assert len(right) > 60 and np.mean(right) > 0.95


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


def test_load_all_names_variants_by_their_file(board, fitted, tmp_path):
    name = next(iter(fitted))
    for file in (name, f"{name}-b1.5"):
        fitted[name].save(tmp_path / file)
    assert list(load_all(tmp_path)) == [name, f"{name}-b1.5"]


@pytest.mark.parametrize("k", [1, 3, 10, 50])
@pytest.mark.parametrize("n_items", [0, 1, 5, 40])
def test_best_first_agrees_with_a_whole_stable_sort(n_items, k):
    rng = np.random.default_rng(k)
    scores = rng.integers(0, 6, (200, n_items)).astype(np.float32)  # full of ties
    scores[rng.random(scores.shape) < 0.3] = -np.inf
    np.testing.assert_array_equal(
        best_first(scores, k), np.argsort(-scores, axis=1, kind="stable")[:, :k]
    )
