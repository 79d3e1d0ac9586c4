"""The towers: taste against a textbook solver, pairs as promised, the deck's loss by hand."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from sklearn.linear_model import Ridge

from helpers.interactions import Histories, Interactions, ItemFeatures
from helpers.recommenders import Taste, TwoTower
from helpers.recommenders.deck import Dropout, PlainTowers, RandomPairs, weighted_means
from helpers.recommenders.taste import Prior, learn_taste, posterior_taste
from helpers.recommenders.two_tower import (
    Practice,
    cells_softmax_loss,
    corrected,
    softmax_loss,
)

N_USERS, N_ITEMS = 60, 40


@pytest.fixture(scope="module")
def shop():
    """Shoppers with a linear taste over two visible traits, on two platforms."""
    rng = np.random.default_rng(0)
    traits = rng.standard_normal((N_ITEMS, 2))
    utility = rng.standard_normal((N_USERS, 2)) @ traits.T
    ratings = np.where(rng.random(utility.shape) < 0.5, np.clip(np.round(3 + utility), 1, 5), 0)
    vectors = np.concatenate([traits, 0.05 * rng.standard_normal((N_ITEMS, 6))], axis=1).astype(
        np.float32
    )
    keys = pd.Index([f"shop/{i}" for i in range(N_ITEMS)])
    platform = np.where(np.arange(N_ITEMS) % 2, "left", "right")
    frame = pd.DataFrame(
        {"image_key": keys, "platform": platform, "category": "dress", "price_usd": 20.0}
    )
    users = pd.Index([f"u{u}" for u in range(N_USERS)])
    return (
        Interactions(sp.csr_matrix(ratings), users, keys),
        ItemFeatures(vectors, frame, "enc 1"),
        utility,
    )


@pytest.fixture(scope="module")
def towers(shop):
    train, items, _ = shop
    return TwoTower(epochs=3).fit(train, items)


def agreement(model, items, utility) -> float:
    """Median correlation of scores with utility, given each shopper's five favourites as
    history."""
    history = np.zeros((N_USERS, N_ITEMS), np.float32)
    best = np.argsort(-utility, axis=1)
    np.put_along_axis(history, best[:, 5:10], 5, axis=1)
    scores = model.score(Histories(sp.csr_matrix(history), np.arange(N_ITEMS), items.vectors))
    found = [np.corrcoef(a, b)[0, 1] for a, b in zip(scores, utility, strict=True)]
    return float(np.median(found))


def test_taste_learns_a_linear_taste_from_five_likes(shop):
    train, items, utility = shop
    assert agreement(Taste().fit(train, items), items, utility) > 0.75  # chance is 0


@pytest.mark.parametrize("goal", ["chosen", "enjoyed"])
def test_towers_learn_taste_from_five_likes(shop, goal):
    train, items, utility = shop
    settings = {"side": False, "own": False, "axes": 4}
    model = TwoTower(goal, epochs=40, settings=settings).fit(train, items)
    assert agreement(model, items, utility) > 0.4


def test_taste_needs_no_dislikes(shop):
    """Purchases alone: sampled items stand for what was not chosen."""
    train, items, utility = shop
    liked = train.ratings.multiply(train.ratings >= 4).tocsr()
    purchases = Interactions(liked, train.users, train.items)
    assert agreement(Taste().fit(purchases, items), items, utility) > 0.4


def prior_of(mean, precision, usual=0.0, choice=0.0):
    """A prior of taste that was not learned."""
    d = len(mean)
    return Prior(
        mean=np.array(mean, np.float32),
        precision=np.array(precision, np.float32),
        effect=np.zeros(0, np.float32),
        usual=np.full(d, usual, np.float32),
        choice=choice * np.eye(d, dtype=np.float32),
    )


def test_posterior_of_taste_is_a_ridge_regression():
    rng = np.random.default_rng(1)
    X, r = rng.standard_normal((9, 3)).astype(np.float32), rng.integers(1, 6, 9).astype(np.float32)
    design = np.c_[X, np.ones(9)]
    peer = Ridge(alpha=2.0, fit_intercept=False).fit(design, r - 3)
    prior = prior_of(
        [0.0] * 4, 2 * torch.eye(4)
    )  # noise variance over prior variance, prior mean 0
    mine = posterior_taste(torch.from_numpy(r[None]), torch.from_numpy(X), prior)[0].numpy()
    np.testing.assert_allclose(mine, peer.coef_, atol=1e-5)


def test_prior_of_taste_is_recovered():
    rng = np.random.default_rng(2)
    X, effect = rng.standard_normal((200, 2)), 0.3 * rng.standard_normal(200)
    w = np.array([1.0, -0.5, 0.2]) + rng.standard_normal((400, 3)) * [0.5, 0.1, 0.3]
    ratings = 3 + w @ np.c_[X, np.ones(200)].T + effect + 0.4 * rng.standard_normal((400, 200))
    seen = rng.random(ratings.shape) < 0.15
    prior = learn_taste(sp.csr_matrix(np.where(seen, ratings, 0)), X, rounds=30)
    assert prior.mean == pytest.approx([1.0, -0.5, 0.2], abs=0.08)
    spread = np.sqrt(0.4**2 * np.diag(np.linalg.inv(prior.precision)))
    assert spread == pytest.approx([0.5, 0.1, 0.3], abs=0.06)
    assert np.corrcoef(prior.effect, effect)[0, 1] > 0.9  # 60 ratings an item


def test_what_is_usually_liked_is_told_within_a_shop():
    X = np.array([[1.0], [3.0], [10.0], [10.0]])
    likes = sp.csr_matrix(np.array([[5.0, 5, 4, 2], [5, 1, 0, 0]]))  # 2, 1, 1 and 0 of them
    prior = learn_taste(likes, X, shops=np.array([0, 0, 1, 1]), rounds=1)
    ratio = (
        prior.usual[0] / prior.usual[1]
    )  # the last number of each pair is that of the constant, 1
    assert ratio == pytest.approx((1 + 1 + 3 + 10) / 4, rel=1e-5)
    within = ((1 - 5 / 3) ** 2 * 2 + (3 - 5 / 3) ** 2) / 4
    assert prior.choice[0, 0] / prior.usual[1] == pytest.approx(within, rel=1e-5)
    assert np.abs(prior.choice[1]).max() < 1e-6


def test_covariances_between_groups_shrink_and_those_within_do_not():
    rng = np.random.default_rng(3)
    X, shared = rng.standard_normal((100, 3)), rng.standard_normal((300, 1))
    ratings = sp.csr_matrix(
        3 + shared @ X.sum(axis=1, keepdims=True).T + 0.1 * rng.standard_normal((300, 100))
    )
    cov = [
        np.linalg.inv(learn_taste(ratings, X, groups).precision)
        for groups in (None, np.array([0, 0, 1]))
    ]
    free, grouped = (c[:3, :3] / c[0, 0] for c in cov)
    assert free[0, 1] > 0.95 and free[0, 2] > 0.95  # all three tastes are one
    assert grouped[0, 1] > 0.95 and grouped[0, 2] == pytest.approx(0.1, abs=0.05)


def test_an_empty_history_is_the_prior_mean():
    prior = prior_of([1.0, 0.5], torch.tensor([[2.0, 0.0], [0.0, 4.0]]), usual=3.0, choice=5.0)
    assert posterior_taste(torch.zeros(1, 3), torch.ones(3, 1), prior, 0.8, 0.9)[0].tolist() == [
        1.0,
        0.5,
    ]


def test_a_like_counts_as_a_choice_among_others():
    prior = prior_of([0.0, 0.0], 2 * torch.eye(2), usual=0.5, choice=1.0)
    taste = posterior_taste(
        torch.tensor([[5.0]]), torch.tensor([[1.0]]), prior, lift=1.0, tilt=2.0
    )[0]
    # (x xᵀ + (2 + 2² · 1) I) w = x (5 - 3 + 1) - 2 · 0.5, with x = (1, 1)
    assert taste.tolist() == pytest.approx(np.linalg.solve([[7, 1], [1, 7]], [2, 2]).tolist())


def test_practice_crosses_platforms_and_never_leaves_what_was_seen(shop):
    train, items, _ = shop
    platform = (items.frame["platform"] == "left").to_numpy(np.int64)
    practice = Practice(train, platform, seed=1)
    history, targets, candidates = (part.numpy() for part in practice.sample(torch.arange(N_USERS)))
    ratings = train.ratings.toarray()
    assert (ratings[history > 0] >= 4).all() and (
        history[history > 0] == ratings[history > 0]
    ).all()
    assert (ratings[targets > 0] >= 4).all() and (ratings[candidates > 0] > 0).all()
    assert (targets <= candidates).all()
    liked_on_both = [(ratings[:, platform == side] >= 4).any(axis=1) for side in (0, 1)]
    for user in np.flatnonzero(liked_on_both[0] & liked_on_both[1]):
        sides = {platform[i] for i in np.flatnonzero(history[user])}
        asked = {platform[i] for i in np.flatnonzero(candidates[user])}
        assert len(sides) <= 1 and not sides & asked
    lengths = (history > 0).sum(axis=1)
    assert (
        lengths.min() == 0 and 1 in lengths and 2 in lengths
    )  # histories of 0, 1 and 2 are practised


def test_softmax_loss_by_hand():
    scores = torch.tensor([[1.0, 2.0, 9.0], [3.0, 1.0, 0.0]])
    liked = torch.tensor([[1.0, 0, 0], [1, 1, 0]])
    candidates = torch.tensor([[1.0, 1, 0], [1, 1, 1]])
    first = -np.log(np.e / (np.e + np.e**2))
    total = np.log(np.e**3 + np.e + 1)
    second = 2 * total - 3 - 1  # a shopper with two likes counts twice
    assert float(softmax_loss(scores, liked, candidates)) == pytest.approx(
        (first + second) / 2, abs=1e-6
    )


def test_sampled_softmax_agrees_with_the_full_one():
    """Corrected by log Q, a sample of the catalogue gives the full softmax's loss on average."""
    rng = np.random.default_rng(0)
    likes = sp.csr_matrix(5.0 * (rng.random((300, 600)) < np.linspace(0.005, 0.2, 600)))
    train = Interactions(likes, pd.RangeIndex(300).astype(str), pd.RangeIndex(600).astype(str))
    practice = Practice(train, np.zeros(600, np.int64), 0)
    scores = torch.from_numpy(rng.standard_normal((8, 600)).astype(np.float32))
    liked = torch.zeros(8, 600)
    liked[torch.arange(8), torch.arange(8) * 70] = 1
    known = (practice.likes > 0).nonzero()[:, 0]
    full = softmax_loss(scores[:, known], liked[:, known], torch.ones(8, len(known)))
    found = []
    for _ in range(60):
        drawn = practice.negatives(liked, 150)
        wanted = liked[:, drawn.items]
        sampled, allowed = corrected(scores[:, drawn.items], wanted, drawn)
        found.append(float(softmax_loss(sampled, wanted, allowed)))
    assert np.mean(found) == pytest.approx(float(full), abs=0.1)


def test_a_new_item_is_never_a_negative():
    likes = sp.csr_matrix(np.array([[5.0, 5, 0], [5, 0, 0]]))
    train = Interactions(likes, pd.RangeIndex(2).astype(str), pd.RangeIndex(3).astype(str))
    practice = Practice(train, np.zeros(3, np.int64), 0)
    assert practice.negatives(torch.zeros(1, 3), 10).items.tolist() == [0, 1]


def test_deck_loss_by_hand(shop):
    train, items, _ = shop
    torch.manual_seed(0)
    net = PlainTowers(items.vectors.shape[1], hidden=8, dim=4, dropout=0.0, batch_norm=False)
    ratings = train.ratings.toarray()
    z = ratings @ items.vectors / ratings.sum(axis=1, keepdims=True)  # Σ r z / Σ r
    np.testing.assert_allclose(weighted_means(train.ratings, items.vectors), z, atol=1e-6)
    with torch.no_grad():
        user, item = (
            net.user(torch.from_numpy(z[[3]])),
            net.item(torch.from_numpy(items.vectors[[7]])),
        )
        cosine = torch.nn.functional.cosine_similarity(user, item)
        mine = (
            net.users(torch.from_numpy(z[[3]])) * net.items(torch.from_numpy(items.vectors[[7]]))
        ).sum()
    assert float(mine) == pytest.approx(float(cosine), abs=1e-6)


def test_dropout_draws_uniform_numbers_and_keeps_the_mean():
    layer = Dropout(0.2)
    ones = torch.ones(300, 400)
    torch.manual_seed(5)
    out = layer(ones)
    torch.manual_seed(5)
    kept = torch.rand(300, 400, dtype=torch.float64) < 0.8
    assert torch.equal(out > 0, kept)  # the same on every CPU, as uniform numbers are
    assert set(out.unique().tolist()) == {0.0, 1.25}
    assert float(out.mean()) == pytest.approx(1, abs=0.01)
    assert torch.equal(layer.eval()(ones), ones)


def test_random_pairs_label_what_was_rated(shop):
    train, _, _ = shop
    batches = RandomPairs(train, negatives=2, seed=0).batches(32)
    users, items, labels = torch.cat([torch.stack(list(batch)) for batch in batches], dim=1).numpy()
    rated = np.asarray(train.ratings[users, items]).ravel() > 0
    assert (rated == (labels == 1)).all() and rated.sum() == train.ratings.nnz


def test_deck_scores_are_cosines_and_its_loss_falls(shop):
    train, items, _ = shop
    deck = TwoTower.deck(epochs=4).fit(train, items)
    scores = deck.score(Histories.from_interactions(train, items))
    assert np.abs(scores).max() <= 1 + 1e-5 and deck.losses_[0][-1] < deck.losses_[0][0]
    assert (deck.batch_size, deck.batch_norm, TwoTower.deck().epochs) == (32, True, 5)


def test_score_is_the_inner_product_of_the_cached_towers(shop, towers):
    train, items, _ = shop
    histories = Histories.from_interactions(train, items)
    product = towers.user_embeddings(histories) @ towers.item_embeddings().T
    np.testing.assert_allclose(towers.score(histories), product, rtol=1e-5, atol=1e-5)


def test_validation_keeps_the_best_epoch(shop):
    train, items, _ = shop
    seen = []

    def validate(model):
        seen.append(model.items_.copy())
        return [0.2, 0.9, 0.1][len(seen) - 1]

    model = TwoTower(epochs=15).fit(train, items, validate)
    assert len(seen) == 3 and np.array_equal(model.items_, seen[1])


def test_encoder_is_stored_with_the_towers(towers, tmp_path):
    towers.save(tmp_path / "t")
    assert TwoTower.load(tmp_path / "t").encoder_ == "enc 1"


def test_the_loss_of_listed_candidates_is_that_of_the_matrix():
    torch.manual_seed(2)
    candidates = (torch.rand(5, 12) < 0.5).float()
    candidates[4] = 0  # nothing is asked of this shopper
    liked = candidates * (torch.rand(5, 12) < 0.6)
    scores = 3 * torch.randn(5, 12)
    row, item = candidates.nonzero(as_tuple=True)
    listed = cells_softmax_loss(scores[row, item], liked[row, item] > 0, row, 5)
    assert float(listed) == pytest.approx(float(softmax_loss(scores, liked, candidates)), rel=1e-5)


def test_some_shoppers_teach_the_prior_of_taste_and_all_of_them_the_effects(monkeypatch):
    rng = np.random.default_rng(5)
    X = rng.standard_normal((100, 2))
    effect = 0.5 * rng.standard_normal(100)
    w = np.array([1.0, -0.5, 0.2]) + 0.4 * rng.standard_normal((600, 3))
    ratings = 3 + w @ np.c_[X, np.ones(100)].T + effect + 0.4 * rng.standard_normal((600, 100))
    seen = sp.csr_matrix(ratings * (rng.random(ratings.shape) < 0.2))
    by_all = learn_taste(seen, X)
    monkeypatch.setattr("helpers.recommenders.taste.LEARNERS", 150)
    by_some = learn_taste(seen, X)
    np.testing.assert_allclose(by_some.mean, by_all.mean, atol=0.05)
    np.testing.assert_allclose(by_some.effect, by_all.effect, atol=0.1)
    assert not np.array_equal(by_some.mean, by_all.mean)
