"""What every public recommender must do, whatever its method.

The matrix is a checkerboard whose answer is known: shopper u loves items of its own parity and
dislikes the others.
"""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

import helpers.recommenders as recommenders
from helpers.interactions import Histories, Interactions, ItemFeatures

torch.set_num_threads(1)  # matrices this small only wait for a second thread
N = 30  # shoppers and items
EVEN = np.arange(N) % 2 == 0
# settings that make a method quick on 30 items; anything not named runs with its defaults
QUICK = {
    "UserKNN": {"k": 10},
    "ItemKNN": {"k": 10},
    **{
        f"{cls}-{similarity}": {
            "k": N,
            "similarity": similarity,
            "signal": "liked"
            if similarity == "jaccard"
            else "rating",  # it counts, and would count dislikes too
            "alpha": 0.4,
            "shrinkage": 2.0,
        }
        for cls in ("UserKNN", "ItemKNN")
        for similarity in ("adjusted_cosine", "pearson", "jaccard", "asymmetric_cosine")
    },
    "UserKNN-centred": {"k": 10, "centre": True, "signal": "rating", "significance": 5},
    "ItemKNN-centred": {"k": 10, "centre": True, "signal": "rating", "significance": 5},
    "EASE": {"reg": 10.0},
    "NeuralCF": {"epochs": 20, "lr": 0.03, "reg": 0.1, "dim": 4, "hidden": 8, "batch_size": 128},
    "NeuralCF-bce": {
        "loss": "bce",
        "epochs": 20,
        "lr": 0.03,
        "reg": 0.5,
        "dim": 4,
        "hidden": 8,
        "batch_size": 128,
    },
    "MatrixCompletion": {"rank": 2, "reg": 1.0},
    "MatrixCompletion-adam": {"rank": 2, "reg": 1.0, "solver": "adam", "epochs": 100},
    "MatrixCompletion-ials": {"rank": 2, "reg": 1.0, "solver": "ials"},
    "MatrixCompletion-content": {"rank": 2, "reg": 1.0, "init": "content"},
    "MatrixCompletion-spectral": {"rank": 2, "reg": 1.0, "init": "spectral", "biases": False},
    "MatrixCompletion-logistic": {"rank": 2, "reg": 0.1, "loss": "logistic"},
    "MatrixCompletion-huber": {"rank": 2, "reg": 1.0, "loss": "huber"},
    "MatrixCompletion-prior": {"rank": 2, "reg": 1.0, "prior": "content"},
    "MatrixCompletion-gibbs": {"rank": 2, "solver": "gibbs", "epochs": 20},
}
QUICK |= {
    "Content-words": {"reads": "words"},
    "Attributes-lift": {"weighting": "lift"},
    "Bridge": {"near": 3},
    "RandomWalk": {"k": N},
    "WordWalk": {"k_likes": N, "k_words": N},
    "TwoTower-enjoyed": {"goal": "enjoyed", "epochs": 40},
    "TwoTower": {"epochs": 40},
    "Hybrid-enjoyed": {"goal": "enjoyed"},
}
LEARNS = sorted({*QUICK, "Content", "Attributes", "Taste", "DeckTowers", "Hybrid"})
ALL = sorted(
    {*LEARNS, "Random", "Popularity", "RecentPopularity", "SeasonalPopularity"}
)  # Oracle needs a simulated market: tests/recommenders/test_baselines.py
PREDICTS = [
    "UserKNN",
    "ItemKNN",
    "NeuralCF",
    "MatrixCompletion",
    "MatrixCompletion-adam",
    "MatrixCompletion-huber",
]


def make(name):
    return getattr(recommenders, name.split("-")[0])(**QUICK.get(name, {}))


def market(ratings) -> tuple[Interactions, ItemFeatures]:
    """Interactions from a dense matrix (0 = unknown) and item vectors that know the parity, with a
    little noise.
    """
    n_users, n_items = ratings.shape
    rng = np.random.default_rng(0)
    parity = np.arange(n_items) % 2
    vectors = np.eye(8)[parity] + 0.05 * rng.standard_normal((n_items, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    keys = pd.Index([f"shop/{i:03d}" for i in range(n_items)])
    frame = pd.DataFrame(
        {
            "image_key": keys,
            "platform": np.where(np.arange(n_items) < n_items // 2, "left", "right"),
            "category": np.where(parity, "shirt", "dress"),
            "colour": np.where(parity, "red", "blue"),
            "title": [f"{'shirt' if i % 2 else 'dress'} {i}" for i in range(n_items)],
            "price_usd": 10.0 + parity,
        }
    )
    users = pd.Index([f"user{u:03d}" for u in range(n_users)])
    # two halves a vector: image and text
    features = ItemFeatures(np.hstack([vectors, vectors]).astype(np.float32), frame, "test")
    return Interactions(sp.csr_matrix(ratings, dtype=np.float32), users, keys), features


def checkerboard() -> np.ndarray:
    """5 for items of the shopper's parity but its own number (held out); 1 for half of the others,
    the rest unknown.
    """
    u, i = np.indices((N, N))
    own = (u + i) % 2 == 0
    return np.where(own, np.where(u == i, 0, 5), np.where((u + i) % 4 == 1, 1, 0))


_FITTED = {}


@pytest.fixture
def fitted(request):
    """Fitted once a method: tests must not change it."""
    name = request.param
    if name not in _FITTED:
        train, items = market(checkerboard())
        _FITTED[name] = (make(name).fit(train, items), train, items)
    return _FITTED[name]


def histories(items, *rows) -> Histories:
    """Histories from {item: rating} dicts."""
    ratings = sp.lil_matrix((len(rows), N), dtype=np.float32)
    for row, given in enumerate(rows):
        for item, rating in given.items():
            ratings[row, item] = rating
    return Histories(
        ratings.tocsr(),
        np.arange(N),
        items.vectors,
        pd.Index([f"new{r}" for r in range(len(rows))]),
    )


def quietly(call, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return call(*args, **kwargs)


every = pytest.mark.parametrize("fitted", ALL, indirect=True)
learners = pytest.mark.parametrize("fitted", LEARNS, indirect=True)
by_name = pytest.mark.parametrize("name", ALL)


def test_no_method_is_left_out():
    """A method whose module has vanished is an error here, and in whoever asks for it."""
    for name in recommenders.__all__:
        assert getattr(recommenders, name) is not None
    assert {name.split("-")[0] for name in ALL} == set(recommenders.__all__) - {
        "LIKED",
        "Recommender",
        "Oracle",
        "load",
        "load_all",
    }


@learners
def test_finds_the_item_held_out_of_the_checkerboard(fitted):
    model, train, items = fitted
    ids, _ = model.recommend(Histories.from_interactions(train, items), k=1)
    # a shopper has 14 loved items to learn from; the 15th of its parity is the only loved one left
    assert (ids[:, 0] == np.arange(N)).mean() == 1


@learners
def test_folds_in_an_unseen_shopper(fitted):
    model, _, items = fitted
    # correlation needs shoppers who differ on both items: on this board, items a multiple of 4
    # apart
    steps = range(0, 20, 2) if getattr(model, "similarity", "") == "pearson" else range(0, 24, 4)
    even, odd = ({first + step: 5 for step in steps} for first in (0, 1))
    new = histories(items, {**even, 3: 1}, {**odd, 2: 1})
    ids, _ = model.recommend(new, k=5)
    assert EVEN[ids[0]].all() and not EVEN[ids[1]].any()


@every
def test_empty_history_is_counted_and_gets_popularity_or_better(fitted):
    model, _, items = fitted
    empty = histories(items, {}, {0: 5, 2: 5})
    if model.handles_cold_users:
        assert np.isfinite(model.score(empty)).all()
        return
    with pytest.warns(UserWarning, match="1 of 2 shoppers"):
        scores = model.score(empty)
    assert model.n_fallback_ == 1
    assert np.array_equal(scores[0], model.popularity_) and np.isfinite(scores).all()


@every
def test_nobody_is_answered_with_nothing(fitted):
    model, _, items = fitted
    nobody = Histories(sp.csr_matrix((0, N)), np.arange(N), items.vectors)
    ids, scores = model.recommend(nobody, k=4)
    assert ids.shape == scores.shape == (0, 4)


@by_name
def test_a_log_of_purchases_alone(name):
    """All that is known is bought, and the board is still found."""
    train, items = market(np.where(checkerboard() == 5, 5, 0))
    model = quietly(make(name).fit, train, items)
    everyone = Histories.from_interactions(train, items)
    scores = quietly(model.score, everyone)
    assert np.isfinite(scores).all()
    if name in LEARNS and not reads_differences(name):
        ids, _ = quietly(model.recommend, everyone, k=1)
        assert (EVEN[ids[:, 0]] == EVEN).mean() > 0.9


def reads_differences(name: str) -> bool:
    """Whether a setting compares ratings with each other: without dislikes all are equal."""
    return any(word in name for word in ("pearson", "adjusted", "centred", "TwoTower-enjoyed"))


@every
def test_one_rating(fitted):
    model, _, items = fitted
    one = histories(items, {6: 5}, {6: 1})
    ids, scores = quietly(model.recommend, one, k=N)
    assert (ids[:, -1] == -1).all() and (
        ids[:, :-1] >= 0
    ).all()  # 29 are left when the one seen is taken out
    assert not (ids == 6).any() and np.isfinite(scores[:, :-1]).all()


@every
def test_scores_have_the_promised_shape_and_do_not_depend_on_company(fitted):
    model, train, items = fitted
    everyone = Histories.from_interactions(train, items)
    scores = model.score(everyone)
    assert scores.shape == (N, N) and scores.dtype == np.float32
    if type(model).__name__ != "Random":
        np.testing.assert_allclose(model.score(everyone[[7]])[0], scores[7], rtol=1e-4, atol=1e-4)


@every
def test_duplicate_calls_agree_and_change_nothing(fitted):
    model, train, items = fitted
    everyone = Histories.from_interactions(train, items)
    before = everyone.ratings.copy()
    first, second = model.score(everyone), model.score(everyone)
    assert np.array_equal(first, second)
    assert (before != everyone.ratings).nnz == 0 and (
        sp.csr_matrix(checkerboard()) != train.ratings
    ).nnz == 0


@every
def test_candidates_and_seen_items(fitted):
    model, train, items = fitted
    everyone = Histories.from_interactions(train, items)
    candidates = np.array([3, 4, 5, 20, 21])
    ids, scores = model.recommend(everyone, k=6, candidates=candidates)
    seen = train.ratings.toarray() > 0
    for user in range(N):
        left = set(candidates) - set(np.flatnonzero(seen[user]))
        assert set(ids[user][ids[user] >= 0]) == left
        assert (np.diff(scores[user][: len(left)]) <= 0).all() and np.isneginf(
            scores[user][len(left) :]
        ).all()
    ids, _ = model.recommend(everyone, k=5, candidates=candidates, exclude_seen=False)
    assert (np.sort(ids, axis=1) == candidates).all()


@by_name
def test_seed_repeats(name):
    train, items = market(checkerboard())
    everyone = Histories.from_interactions(train, items)
    first, second = (make(name).fit(train, items).score(everyone) for _ in range(2))
    assert np.array_equal(first, second)


@every
def test_saved_and_loaded_scores_are_the_same(fitted, tmp_path):
    model, train, items = fitted
    everyone = Histories.from_interactions(train, items)
    before = model.score(everyone)
    model.save(tmp_path / "model")
    again = recommenders.load(tmp_path / "model")
    assert type(again) is type(model) and again.parameters() == model.parameters()
    assert np.array_equal(again.score(everyone), before)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".safetensors"]


@by_name
def test_item_that_nobody_rated(name):
    ratings = checkerboard()
    ratings[:, 10] = 0
    train, items = market(ratings)
    scores = make(name).fit(train, items).score(Histories.from_interactions(train, items))
    assert np.isfinite(scores).all()


@by_name
def test_all_ratings_equal(name):
    train, items = market(np.where(checkerboard() == 5, 3, 0))
    scores = quietly(make(name).fit(train, items).score, Histories.from_interactions(train, items))
    assert np.isfinite(scores).all()


@by_name
@pytest.mark.parametrize("shape", [(1, 6), (6, 1), (1, 1)])
def test_single_shopper_or_single_item(name, shape):
    train, items = market(np.full(shape, 4))
    model = make(name).fit(train, items)
    everyone = Histories.from_interactions(train, items)
    assert np.isfinite(quietly(model.score, everyone)).all()
    ids, _ = quietly(model.recommend, everyone, k=2)
    assert (ids == -1).all()  # everything is seen


@every
def test_history_items_from_another_shop(fitted):
    """Items with column -1 are known by their vectors alone; methods that can't use them say so."""
    model, _, items = fitted
    outside = Histories(
        sp.csr_matrix(np.array([[5, 5, 0], [5, 0, 5]], dtype=np.float32)),
        np.array([-1, -1, 2]),
        items.vectors[[0, 4, 2]],
        pd.Index(["a", "b"]),
    )
    ids, scores = quietly(model.recommend, outside, k=5)
    assert np.isfinite(scores).all() and not (ids[1] == 2).any()
    reads_vectors = ("Content", "Bridge", "Taste", "DeckTowers", "TwoTower", "Hybrid")
    if type(model).__name__ in reads_vectors and getattr(model, "reads", "vectors") == "vectors":
        assert EVEN[ids[0]].all()
    elif type(model).__name__ not in ("Random", "RecentPopularity"):  # which need no history
        assert (
            np.array_equal(quietly(model.score, outside[[0]])[0], model.popularity_)
            and model.n_fallback_ == 1
        )


@pytest.mark.parametrize("fitted", PREDICTS, indirect=True)
def test_predicted_ratings(fitted):
    model, train, items = fitted
    predicted = model.predict(Histories.from_interactions(train, items), np.arange(N))
    assert predicted.shape == (N, N) and predicted.min() >= 1 and predicted.max() <= 5
    # the held-out diagonal is loved, the unknown rest disliked
    unknown = (checkerboard() == 0) & ~np.eye(N, dtype=bool)
    assert np.diag(predicted).mean() > 4 and predicted[unknown].mean() < 2


def test_rankers_say_that_they_predict_no_ratings():
    train, items = market(checkerboard())
    for name in (
        "EASE",
        "NeuralCF-bce",
        "MatrixCompletion-ials",
        "MatrixCompletion-logistic",
        "Popularity",
    ):
        with pytest.raises(NotImplementedError, match="rank"):
            make(name).fit(train, items).predict(Histories.from_interactions(train, items), [0])
