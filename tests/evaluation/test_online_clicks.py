"""Clicks: the simulated ones follow the model, and the estimates find its parameters again."""

import numpy as np
import pytest

from helpers.evaluation.online import (
    ClickModel,
    attraction_of_items,
    examination,
    examination_from_shuffled,
)


def test_examination_by_hand():
    assert examination(4) == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4])
    assert examination(3, fade=2) == pytest.approx([1, 1 / 4, 1 / 9])
    assert examination(3, fade=0) == pytest.approx([1, 1, 1])


def test_a_click_is_a_look_times_attraction():
    model = ClickModel(fade=1.0, idle=0.1, keen=0.5, buys=0.2)
    chance = model.chance_of_click(np.array([[0.5, 1.0, 0.0]]))
    assert chance == pytest.approx(np.array([[0.3, 0.5 / 2, 0.1 / 3]]))
    bought = model.chance_of_purchase(np.array([[0.5, 1.0, 0.0]]))
    assert bought == pytest.approx(np.array([[0.3 * 0.1, 0.25 * 0.2, 0.0]]))


def test_simulated_visits_follow_the_model():
    model = ClickModel()
    p_shown = np.tile([0.9, 0.3, 0.6], (40_000, 1))
    visits = model.visit(p_shown, np.random.default_rng(0))
    error = 4 * np.sqrt(0.25 / len(p_shown))
    assert visits.clicks.mean(axis=0) == pytest.approx(model.chance_of_click(p_shown)[0], abs=error)
    wanted = model.chance_of_purchase(p_shown)[0]
    assert visits.purchases.mean(axis=0) == pytest.approx(wanted, abs=error)
    assert not (visits.purchases & ~visits.clicks).any()


def test_shuffled_lists_tell_the_examination_and_fixed_ones_do_not():
    rng = np.random.default_rng(1)
    model = ClickModel(idle=0.0, keen=1.0)
    p_liked = np.array([0.9, 0.5, 0.1])
    ids = rng.permuted(np.tile([0, 1, 2], (60_000, 1)), axis=1)
    clicks = model.visit(p_liked[ids], rng).clicks
    assert examination_from_shuffled(clicks) == pytest.approx(examination(3), abs=0.02)
    fixed = model.visit(np.tile(p_liked, (60_000, 1)), rng).clicks
    assert examination_from_shuffled(fixed)[1] < 0.35  # 0.5 · 0.5 / 0.9
    with pytest.raises(ValueError, match="first place"):
        examination_from_shuffled(np.zeros((5, 3), bool))


def test_attraction_of_items_by_hand():
    ids = np.array([[0, 1], [1, 0], [0, 2]])
    clicks = np.array([[True, False], [False, True], [True, True]])
    shown = attraction_of_items(ids, clicks, 4)
    assert shown[:3] == pytest.approx([3 / 3, 0 / 2, 1 / 1])
    assert np.isnan(shown[3])
    looked = attraction_of_items(ids, clicks, 4, examined=np.array([1.0, 0.5]))
    assert looked[:3] == pytest.approx([3 / 2.5, 0, 1 / 0.5])


@pytest.mark.parametrize("wrong", [{"idle": 0.6}, {"keen": 1.2}, {"buys": -0.1}, {"idle": -0.1}])
def test_probabilities_that_are_none_are_refused(wrong):
    with pytest.raises(ValueError):
        ClickModel(**wrong)
