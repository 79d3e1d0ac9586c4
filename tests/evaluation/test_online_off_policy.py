"""Off-policy estimates against Open Bandit Pipeline, by hand, and against a truth that is known."""

import numpy as np
import pytest

from helpers.evaluation.online import (
    Log,
    direct_method,
    doubly_robust,
    draw_log,
    effective_size,
    ips,
    self_normalized_ips,
    softmax,
    true_value,
)

# Two shoppers, three items, five visits.
POLICY = np.array([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]])
MODEL = np.array([[0.4, 0.2, 0.6], [0.7, 0.1, 0.3]])
LOG = Log(
    shoppers=np.array([0, 0, 0, 1, 1]),
    items=np.array([0, 1, 2, 0, 1]),
    propensities=np.array([0.5, 0.25, 0.25, 0.8, 0.1]),
    rewards=np.array([1.0, 0.0, 1.0, 1.0, 0.0]),
)


def test_estimates_equal_open_bandit_pipelines():
    weights = LOG.weights(POLICY)
    expected = (POLICY * MODEL).sum(axis=1)[LOG.shoppers]
    predicted = MODEL[LOG.shoppers, LOG.items]
    # obp 0.4.1: estimate_policy_value of the four estimators on this log
    assert ips(LOG.rewards, weights).value == pytest.approx(0.47)
    assert self_normalized_ips(LOG.rewards, weights).value == pytest.approx(0.3197278911564626)
    assert direct_method(expected).value == pytest.approx(0.408)
    robust = doubly_robust(LOG.rewards, weights, predicted, expected)
    assert robust.value == pytest.approx(0.457)


def test_estimates_by_hand():
    weights = LOG.weights(POLICY)
    assert weights == pytest.approx([0.4, 2.0, 1.2, 0.75, 3.0])
    earned = (0.4 + 1.2 + 0.75) / 5
    assert ips(LOG.rewards, weights).value == pytest.approx(earned)
    assert self_normalized_ips(LOG.rewards, weights).value == pytest.approx(5 * earned / 7.35)
    squares = 0.4**2 + 2**2 + 1.2**2 + 0.75**2 + 3**2
    assert effective_size(weights) == pytest.approx(7.35**2 / squares)
    assert LOG.weights(POLICY, np.full(5, 0.5)) == pytest.approx([0.4, 1.0, 0.6, 1.2, 0.6])


def test_interval_is_that_of_a_mean():
    values = np.array([0.0, 1.0, 2.0, 5.0])
    found = ips(values, np.ones(4))
    error = np.std(values, ddof=1) / 2
    assert [found.low, found.high] == pytest.approx([2 - 1.959964 * error, 2 + 1.959964 * error])
    assert found.covers(2.1) and not found.covers(7.0)


def test_softmax_and_true_value():
    policy = softmax(np.log([[1.0, 2.0, 5.0]]))
    assert policy == pytest.approx(np.array([[1, 2, 5]]) / 8)
    flatter = softmax(np.log([[1.0, 4.0, 25.0]]), temperature=2)
    assert flatter == pytest.approx(policy)
    assert softmax(np.array([[1000.0, 0.0]])) == pytest.approx(np.array([[1.0, 0.0]]))
    assert true_value(POLICY, MODEL) == pytest.approx((0.36 + 0.48) / 2)


def test_drawn_log_follows_policy_and_truth():
    log = draw_log(POLICY, MODEL, 60_000, np.random.default_rng(2))
    assert log.propensities == pytest.approx(POLICY[log.shoppers, log.items])
    for shopper in range(2):
        mine = log.shoppers == shopper
        shown = np.bincount(log.items[mine], minlength=3) / mine.sum()
        assert shown == pytest.approx(POLICY[shopper], abs=0.012)
        for item in range(3):
            rewards = log.rewards[mine & (log.items == item)]
            assert rewards.mean() == pytest.approx(MODEL[shopper, item], abs=0.04)


@pytest.fixture(scope="module")
def repeated():
    """400 logs of 1,500 visits, with a policy to evaluate and its true value."""
    rng = np.random.default_rng(4)
    worth = rng.standard_normal((50, 8))
    p_reward = 0.3 + 0.25 * np.tanh(worth)
    today = softmax(worth + 0.5 * rng.standard_normal((50, 8)), temperature=2)
    new = softmax(rng.standard_normal((50, 8)), temperature=2)
    log = draw_log(today, p_reward, (400, 1500), rng)
    return log, new, p_reward, true_value(new, p_reward)


def test_intervals_cover_the_truth_with_right_propensities(repeated):
    log, new, p_reward, truth = repeated
    weights = log.weights(new)
    wrong_model = np.full(p_reward.shape, 0.3)
    robust = doubly_robust(log.rewards, weights, *_model(log, new, wrong_model))
    for found in (ips(log.rewards, weights), self_normalized_ips(log.rewards, weights), robust):
        assert found.covers(truth).mean() == pytest.approx(0.95, abs=0.035)
        error = found.value.std() / 20
        assert found.value.mean() == pytest.approx(truth, abs=4 * error)


def test_wrong_propensities_mislead_unless_the_model_is_right(repeated):
    log, new, p_reward, truth = repeated
    wrong = log.weights(new, np.full(log.items.shape, 1 / 8))
    assert ips(log.rewards, wrong).covers(truth).mean() < 0.8
    robust = doubly_robust(log.rewards, wrong, *_model(log, new, p_reward))
    assert robust.covers(truth).mean() > 0.9


def _model(log, new, q):
    expected = (new * q).sum(axis=1)
    return q[log.shoppers, log.items], expected[log.shoppers]
