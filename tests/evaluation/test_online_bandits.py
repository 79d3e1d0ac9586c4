"""Policies by hand, and in a shop where the right answer is known."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from helpers.artefacts import ROOT
from helpers.evaluation.online import (
    ClickModel,
    EpsilonGreedy,
    Greedy,
    LinearThompson,
    LinUCB,
    Recounted,
    Shop,
    Static,
    run_weeks,
    trust_in_scores,
    visit_features,
)
from helpers.evaluation.online.bandits import EPSILON, REG, SPREAD, WIDTH


def shop_of_vectors(seed=0, n_shoppers=60, n_items=40, d=4):
    """What shoppers like is linear in the items' vectors, and today's scores are noise."""
    rng = np.random.default_rng(seed)
    items = rng.standard_normal((n_items, d)) / np.sqrt(d)
    tastes = rng.standard_normal((n_shoppers, d))
    p_liked = np.clip(0.4 + 0.25 * tastes @ items.T, 0, 1)
    scores = rng.standard_normal((n_shoppers, n_items))
    popularity = rng.permutation(n_items).astype(float)
    shop = Shop(p_liked, popularity, ClickModel(idle=0.0, keen=0.9))
    return shop, visit_features(items, scores), scores


PRIOR = trust_in_scores(6, slope=0.1, base=0.3)


def test_features_hold_vector_score_and_one():
    items = np.array([[1.0, 2.0], [3.0, 4.0]])
    features = visit_features(items, np.array([[5.0, 6.0]]))
    assert features.tolist() == [[[1, 2, 5, 1], [3, 4, 6, 1]]]
    assert features[0] @ trust_in_scores(4, 0.1, 0.2) == pytest.approx([0.7, 0.8])


def test_theta_is_scikit_learns_ridge():
    _, features, _ = shop_of_vectors()
    policy = Greedy(features, PRIOR, reg=3.0)
    rng = np.random.default_rng(1)
    examined = np.array([1.0, 0.5, 0.25])
    rows = []
    clicked = []
    for _ in range(4):
        ids = rng.integers(0, 40, (60, 3))
        clicks = rng.random((60, 3)) < 0.4
        policy.learn(ids, examined, clicks)
        rows.append(features[7, ids[7]] * examined[:, None])
        clicked.append(clicks[7])
    x = np.concatenate(rows)
    y = np.concatenate(clicked)
    ridge = Ridge(alpha=3.0, fit_intercept=False).fit(x, y - x @ PRIOR)
    assert policy.theta[7] == pytest.approx(PRIOR + ridge.coef_)


def test_nobody_has_clicked_yet_so_all_follow_todays_scores():
    _, features, scores = shop_of_vectors()
    rng = np.random.default_rng(0)
    for policy in (Greedy(features, PRIOR), LinUCB(features, PRIOR, width=0.0)):
        assert policy.score(rng) == pytest.approx(0.3 + 0.1 * scores)
    assert LinearThompson(features, PRIOR, spread=0.0).score(rng) == pytest.approx(
        0.3 + 0.1 * scores
    )


def test_linucb_adds_the_standard_deviation_by_hand():
    features = visit_features(np.array([[1.0], [2.0]]), np.zeros((1, 2)))
    policy = LinUCB(features, np.zeros(3), reg=4.0, width=2.0)
    # A = 4 I, so x'A⁻¹x = (z² + 1) / 4
    assert policy.score(None) == pytest.approx(np.array([[2 * np.sqrt(2 / 4), 2 * np.sqrt(5 / 4)]]))


def test_thompson_draws_from_the_posterior():
    features = np.tile(visit_features(np.array([[1.0], [2.0]]), np.zeros((1, 2))), (20_000, 1, 1))
    policy = LinearThompson(features, np.zeros(3), reg=4.0, spread=2.0)
    policy.learn(np.zeros((20_000, 1), int), np.ones(1), np.ones((20_000, 1)))
    x = features[0]
    cov = 4 * np.linalg.inv(4 * np.eye(3) + np.outer(x[0], x[0]))
    drawn = policy.score(np.random.default_rng(3))
    assert np.cov(drawn.T) == pytest.approx(x @ cov @ x.T, rel=0.05)
    assert drawn.mean(axis=0) == pytest.approx(x @ policy.theta[0], abs=0.05)


def test_epsilon_is_the_share_of_random_lists():
    features = np.tile(visit_features(np.eye(5), np.arange(5.0)[None]), (8000, 1, 1))
    policy = EpsilonGreedy(features, trust_in_scores(7, 1.0, 0.0), epsilon=0.3)
    best = policy.score(np.random.default_rng(0)).argmax(axis=1)
    # a random list has the best item on top one time in five
    assert (best != 4).mean() == pytest.approx(0.3 * 4 / 5, abs=0.02)


def test_recounted_adds_clicks():
    policy = Recounted(np.array([[3.0, 1.0, 0.0]]))
    policy.learn(np.array([[0, 2]]), np.ones(2), np.array([[False, True]]))
    assert policy.score(None).tolist() == [[3, 1, 1]]


def test_weeks_of_a_static_list_by_hand():
    p_liked = np.array([[0.2, 0.4, 0.8, 0.0]])
    shop = Shop(p_liked, np.array([4.0, 3, 2, 1]), ClickModel(idle=0.0, keen=1.0))
    weeks = run_weeks(Static(np.array([[4.0, 3, 2, 1]])), shop, 3, 2, np.random.default_rng(0))
    best = 0.8 + 0.4 / 2
    shown = 0.2 + 0.4 / 2
    assert weeks.regret == pytest.approx([best - shown] * 3)
    assert weeks.coverage == pytest.approx([0.5] * 3)
    assert weeks.popular_share == pytest.approx([0.5] * 3)  # the popular tenth is item 0


@pytest.mark.parametrize("kind", [Greedy, EpsilonGreedy, LinUCB, LinearThompson])
def test_learning_policies_learn(kind):
    shop, features, scores = shop_of_vectors()
    policy = kind(features, PRIOR, reg=5.0)
    weeks = run_weeks(policy, shop, 60, 5, np.random.default_rng(2))
    still = run_weeks(Static(scores), shop, 60, 5, np.random.default_rng(2))
    assert weeks.regret[-10:].mean() < 0.6 * still.regret[-10:].mean()
    assert weeks.ctr[-10:].mean() > still.ctr[-10:].mean()


def test_settings_are_those_that_missed_the_fewest_clicks_on_other_shoppers():
    """The study `choice` uses one half of the test shoppers, the study `loop` the other half."""
    study = pd.read_csv(ROOT / "data" / "studies" / "online.csv")
    choice = study[study["study"] == "choice"]
    if choice.empty:
        pytest.skip("online.csv has no rows of the study yet: python bench/online.py")
    chosen = {
        "LinUCB": f"LinUCB, width {WIDTH}",
        "ε-greedy": f"ε-greedy, epsilon {EPSILON}",
        "Thompson": f"Thompson, spread {SPREAD}",
        "greedy": "greedy",
    }
    for name, label in chosen.items():
        tried = choice[choice["method"].str.startswith(name)]
        best = tried.loc[tried["value"].idxmin()]
        assert (best["method"], best["x"]) == (label, REG)
