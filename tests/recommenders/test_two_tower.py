"""The towers: taste against a textbook solver, pairs as promised, the deck's loss by hand."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from sklearn.linear_model import Ridge

from helpers.interactions import Histories, Interactions, ItemFeatures
from helpers.recommenders import TwoTower
from helpers.recommenders.taste import learn_taste, posterior_taste
from helpers.recommenders.towers import PlainTowers, RandomPairs, SeenPairs

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
    return TwoTower(axes=4, epochs=3).fit(train, items)


def test_learns_a_linear_taste_from_five_likes(shop, towers):
    _, items, utility = shop
    history = np.zeros((N_USERS, N_ITEMS), np.float32)
    best = np.argsort(-utility, axis=1)
    np.put_along_axis(history, best[:, 5:10], 5, axis=1)
    scores = towers.score(Histories(sp.csr_matrix(history), np.arange(N_ITEMS), items.vectors))
    agreement = [np.corrcoef(a, b)[0, 1] for a, b in zip(scores, utility, strict=True)]
    assert np.median(agreement) > 0.75  # chance is 0


def prior_of(mean, precision, usual=0.0, choice=0.0):
    """What `posterior_taste` reads, as tensors."""
    d = len(mean)
    return SimpleNamespace(
        mean=torch.tensor(mean),
        precision=precision,
        usual=torch.full((d,), usual),
        choice=choice * torch.eye(d),
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
    assert prior["mean"] == pytest.approx([1.0, -0.5, 0.2], abs=0.08)
    spread = np.sqrt(0.4**2 * np.diag(np.linalg.inv(prior["precision"])))
    assert spread == pytest.approx([0.5, 0.1, 0.3], abs=0.06)
    assert np.corrcoef(prior["effect"], effect)[0, 1] > 0.9  # 60 ratings an item


def test_what_is_usually_liked_is_told_within_a_shop():
    X = np.array([[1.0], [3.0], [10.0], [10.0]])
    likes = sp.csr_matrix(np.array([[5.0, 5, 4, 2], [5, 1, 0, 0]]))  # 2, 1, 1 and 0 of them
    prior = learn_taste(likes, X, shops=np.array([0, 0, 1, 1]), rounds=1)
    ratio = (
        prior["usual"][0] / prior["usual"][1]
    )  # the last number of each pair is that of the constant, 1
    assert ratio == pytest.approx((1 + 1 + 3 + 10) / 4, rel=1e-5)
    within = ((1 - 5 / 3) ** 2 * 2 + (3 - 5 / 3) ** 2) / 4
    assert prior["choice"][0, 0] / prior["usual"][1] == pytest.approx(within, rel=1e-5)
    assert np.abs(prior["choice"][1]).max() < 1e-6


def test_covariances_between_groups_shrink_and_those_within_do_not():
    rng = np.random.default_rng(3)
    X, shared = rng.standard_normal((100, 3)), rng.standard_normal((300, 1))
    ratings = sp.csr_matrix(
        3 + shared @ X.sum(axis=1, keepdims=True).T + 0.1 * rng.standard_normal((300, 100))
    )
    cov = [
        np.linalg.inv(learn_taste(ratings, X, groups)["precision"])
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


def test_pairs_cross_platforms_and_never_leave_what_was_seen(shop):
    train, items, _ = shop
    platform = (items.frame["platform"] == "left").to_numpy(np.int64)
    pairs = SeenPairs(train, platform, seed=1)
    history, targets, candidates = (part.numpy() for part in pairs.sample(torch.arange(N_USERS)))
    ratings = train.ratings.toarray()
    assert (ratings[history > 0] >= 4).all() and (
        history[history > 0] == ratings[history > 0]
    ).all()
    assert (
        (ratings[targets > 0] >= 4).all()
        and (ratings[candidates > 0] > 0).all()
        and (targets <= candidates).all()
    )
    liked_on_both = [(ratings[:, platform == side] >= 4).any(axis=1) for side in (0, 1)]
    for user in np.flatnonzero(liked_on_both[0] & liked_on_both[1]):
        sides = {platform[i] for i in np.flatnonzero(history[user])}
        assert len(sides) <= 1 and not sides & {
            platform[i] for i in np.flatnonzero(candidates[user])
        }
    lengths = (history > 0).sum(axis=1)
    assert (
        lengths.min() == 0 and 1 in lengths and 2 in lengths
    )  # histories of 0, 1 and 2 are trained for


@pytest.mark.parametrize("hard", [False, True])
def test_in_batch_loss_by_hand(hard):
    likes = sp.csr_matrix(
        np.array([[5, 4, 1], [4, 5, 1], [0, 5, 2], [0, 4, 1]], np.float32)
    )  # of items: 2, 4 and 0
    train = Interactions(likes, pd.RangeIndex(4), pd.RangeIndex(3))
    pairs = SeenPairs(train, np.zeros(3, np.int64), 0, inbatch=True, hard=hard)
    history, targets = (
        torch.tensor([[0.0, 0, 0], [5, 0, 0]]),
        torch.tensor([[1.0, 0, 0], [0, 1, 0]]),
    )
    pairs.sample = lambda rows: (
        history,
        targets,
        torch.tensor([[1.0, 0, 1], [0, 1, 0]]),
    )  # the first saw the third
    net = SimpleNamespace(
        users=lambda *_: torch.tensor([[1.0, 2, 9], [3, 1, 9]]), items=lambda _: torch.eye(3)
    )
    # the first against both targets of the batch; the second's own history is no rival, so it has none; the third item
    # is nobody's target, but seen and not liked
    expected = -np.log(np.e / 2 / (np.e / 2 + np.e**2 / 4 + hard * np.e**9)) / 2
    assert float(pairs.loss(net, torch.eye(3), torch.arange(2), 1.0)) == pytest.approx(
        expected, abs=1e-6
    )


def test_deck_loss_by_hand(shop):
    train, items, _ = shop
    torch.manual_seed(0)
    net = PlainTowers(items.vectors.shape[1], hidden=8, dim=4, dropout=0.0, batch_norm=False)
    catalogue = torch.from_numpy(items.vectors)
    pairs = RandomPairs(train, negatives=1, seed=0)
    batch = torch.tensor([[3, int(train.ratings[3].indices[0]), 1], [5, 7, 0]])
    ratings = train.ratings.toarray()
    z = ratings @ items.vectors / ratings.sum(axis=1, keepdims=True)  # Σ r z / Σ r
    with torch.no_grad():
        user, item = net.user(torch.from_numpy(z[[3, 5]])), net.item(catalogue[batch[:, 1]])
        cosine = torch.nn.functional.cosine_similarity(user, item)
        expected = ((cosine - torch.tensor([1.0, 0.0])) ** 2).mean()
        assert float(pairs.loss(net, catalogue, batch, 1.0)) == pytest.approx(
            float(expected), abs=1e-6
        )


def test_random_pairs_label_what_was_rated(shop):
    train, _, _ = shop
    pairs = torch.cat(RandomPairs(train, negatives=2, seed=0).batches(32)).numpy()
    rated = np.asarray(train.ratings[pairs[:, 0], pairs[:, 1]]).ravel() > 0
    assert (rated == (pairs[:, 2] == 1)).all() and rated.sum() == train.ratings.nnz


def test_deck_scores_are_cosines_and_its_loss_falls(shop):
    train, items, _ = shop
    deck = TwoTower.deck(epochs=4).fit(train, items)
    scores = deck.score(Histories.from_interactions(train, items))
    assert np.abs(scores).max() <= 1 + 1e-5 and deck.losses_[0][-1] < deck.losses_[0][0]
    assert (deck.loss, deck.batch_size, deck.batch_norm, TwoTower.deck().epochs) == (
        "mse",
        32,
        True,
        5,
    )


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

    model = TwoTower(loss="inbatch", axes=4, epochs=15, lr=0.05).fit(train, items, validate)
    assert len(seen) == 3 and np.array_equal(model.items_, seen[1])


def test_encoder_is_stored_with_the_towers(towers, tmp_path):
    towers.save(tmp_path / "t")
    assert TwoTower.load(tmp_path / "t").encoder_ == "enc 1"
