"""Trees that rank: the same numbers as LightGBM's own, a rule that no weighted sum can express, and
arrays that can't lead astray.
"""

from dataclasses import replace

import lightgbm
import numpy as np
import pytest

from helpers.recommenders import blend, trees

N_SHOPPERS = 400
N_ITEMS = 60


def practice(seed: int = 0) -> blend.Rows:
    """Shoppers who like an item if exactly one of two members speaks for it."""
    rng = np.random.default_rng(seed)
    evidence = rng.random((N_SHOPPERS, 3, N_ITEMS)).astype(np.float32)
    first, second = evidence[:, 1] > 0.5, evidence[:, 2] > 0.5
    return blend.Rows(
        z=evidence,
        log_weight=np.zeros((N_SHOPPERS, N_ITEMS), np.float32),
        liked=(first != second) & (rng.random((N_SHOPPERS, N_ITEMS)) < 0.5),
        length=np.full(N_SHOPPERS, 3),
        shopper=np.arange(N_SHOPPERS),
    )


@pytest.fixture(scope="module")
def known():
    rows = practice()
    return rows, *trees.grown(rows, rows.shopper % trees.PARTS, seed=7)


def booster_and_lines():
    rng = np.random.default_rng(3)
    lines = rng.random((2000, 4)).astype(np.float32)
    liked = (lines[:, 0] > 0.5) != (lines[:, 1] > 0.3)
    data = lightgbm.Dataset(lines, liked.astype(int), group=[100] * 20)
    return lightgbm.train(trees.SETTINGS | {"seed": 7}, data, trees.TREES), lines


def test_the_arrays_give_what_lightgbm_gives():
    booster, lines = booster_and_lines()
    found = trees.Forest.of(booster).score(lines)
    np.testing.assert_allclose(found, booster.predict(lines), rtol=1e-5, atol=1e-5)
    assert found.std() > 0.1


def test_trees_find_a_rule_that_no_weighted_sum_can_express(known):
    rows, _, scores = known
    summed = np.einsum("s,nsm->nm", blend.fit_weights(rows).sum(axis=0), rows.z)
    assert blend.ndcg10(scores, rows).mean() > blend.ndcg10(summed, rows).mean() + 0.2


def test_practice_rows_are_scored_by_trees_that_have_not_seen_their_shoppers(known):
    rows, _, scores = known
    part = rows.shopper % trees.PARTS
    other = practice(seed=1)
    mine = part == 0
    changed = replace(rows, liked=np.where(mine[:, None], other.liked, rows.liked))
    _, again = trees.grown(changed, part, seed=7)
    assert np.array_equal(again[mine], scores[mine])
    assert not np.array_equal(again[~mine], scores[~mine])


def test_shoppers_of_one_part_are_dealt_into_several(known):
    rows, forest, scores = known
    again, same = trees.grown(rows, np.zeros(N_SHOPPERS, int), seed=7)
    assert np.array_equal(same, scores) and np.array_equal(again.value, forest.value)


def test_the_forest_is_the_mean_of_its_parts(known):
    rows, forest, _ = known
    part = rows.shopper % trees.PARTS
    alone = [trees._fitted(rows[part != held], seed=7) for held in range(trees.PARTS)]
    mean = np.mean([trees.score(one, rows) for one in alone], axis=0)
    ranked = trees.considered(rows)
    found = trees.score(forest, rows)[ranked]
    np.testing.assert_allclose(found, mean[ranked], rtol=1e-5, atol=1e-5)


def test_what_no_signal_puts_among_its_best_comes_last(known):
    rows, forest, _ = known
    one = rows[:1]
    wide = replace(
        one,
        z=np.concatenate([one.z, np.full((1, 3, 5), -1, np.float32)], axis=2),
        log_weight=np.zeros((1, N_ITEMS + 5), np.float32),
        liked=np.zeros((1, N_ITEMS + 5), bool),
    )
    marked = trees.considered(wide)
    assert marked.any() and not marked[0, N_ITEMS:].any()
    found = trees.score(forest, wide)
    assert (found[~marked] == found[marked].min()).all()


def test_a_shopper_of_whom_nothing_is_ranked_gets_zeros(known):
    rows, forest, _ = known
    blank = replace(rows[:2], z=np.zeros((2, 3, N_ITEMS), np.float32))
    assert (trees.score(forest, blank) == 0).all()


def test_seen_items_are_not_ranked(known):
    rows, _, _ = known
    hidden = rows.log_weight.copy()
    hidden[:, :10] = -np.inf
    assert not trees.considered(replace(rows, log_weight=hidden))[:, :10].any()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("left", 0, "no such child"),  # its own root: never ends
        ("left", 99, "no such child"),
        ("right", -99, "no such child"),
        ("feature", 99, "other columns"),
        ("feature", -1, "other columns"),
    ],
)
def test_arrays_that_would_lead_astray_are_refused(known, name, value, message):
    _, forest, _ = known
    wrong = getattr(forest, name).copy()
    wrong[0, 0] = value
    with pytest.raises(ValueError, match=message):
        replace(forest, **{name: wrong}).score(np.zeros((1, 4), np.float32))


def test_arrays_of_other_shapes_are_refused(known):
    _, forest, _ = known
    with pytest.raises(ValueError, match="don't fit"):
        replace(forest, value=forest.value[:, :3])
