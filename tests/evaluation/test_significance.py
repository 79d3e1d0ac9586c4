"""Intervals and tests against scipy and hand arithmetic."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from helpers.evaluation.significance import against, bootstrap, holm, paired_permutation


def test_exact_permutation_by_hand():
    # Differences 1, 2, 3: of the 8 patterns of signs only + + + and - - - reach |sum| = 6.
    assert paired_permutation([1.0, 2.0, 3.0]) == 2 / 8
    assert paired_permutation([1.0, -1.0]) == 1.0


@pytest.mark.parametrize("n", [8, 300])
def test_permutation_agrees_with_scipy(n):
    rng = np.random.default_rng(n)
    a, b = rng.random(n) + 0.04, rng.random(n)
    theirs = stats.permutation_test(
        (a, b),
        lambda x, y, axis: (x - y).mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=9999,
        rng=1,
    ).pvalue
    ours = paired_permutation(a - b)
    assert 0.001 < ours < 0.9
    assert ours == pytest.approx(
        theirs, abs=1e-12 if n == 8 else 4 * np.sqrt(2 * theirs * (1 - theirs) / 9999)
    )


def test_permutation_of_many_columns_leaves_nan_pairs_out():
    rng = np.random.default_rng(0)
    table = rng.normal(0.1, 1, (200, 2))
    table[5:60, 1] = np.nan
    p = paired_permutation(table)
    assert p[0] == paired_permutation(table[:, 0])
    t = stats.ttest_1samp(table[~np.isnan(table[:, 1]), 1], 0).pvalue
    assert p[1] == pytest.approx(t, abs=0.02)
    assert np.isnan(paired_permutation([np.nan, np.nan]))
    assert paired_permutation(np.zeros(50)) == 1


def test_permutation_keeps_its_level():
    rng = np.random.default_rng(3)
    p = paired_permutation(rng.normal(size=(60, 2000)), n_resamples=499)
    assert (p <= 0.05).mean() == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / 2000))


def test_holm_by_hand():
    # sorted .01 .02 .03 .04 times 4 3 2 1 = .04 .06 .06 .04, kept monotone: .04 .06 .06 .06
    np.testing.assert_allclose(holm([0.04, 0.01, 0.03, 0.02]), [0.06, 0.04, 0.06, 0.06])
    np.testing.assert_allclose(holm([0.9, 0.6]), [1, 1])
    np.testing.assert_allclose(holm([0.01, np.nan, 0.5]), [0.02, np.nan, 0.5])


def test_bootstrap_agrees_with_the_normal_interval_and_scipy():
    values = np.random.default_rng(5).exponential(size=400)
    mean, low, high = bootstrap(values, 4000)
    theirs = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=4000, rng=2
    ).confidence_interval
    assert mean == pytest.approx(values.mean())
    error = values.std() / np.sqrt(400)
    assert low == pytest.approx(theirs.low, abs=0.15 * error) and high == pytest.approx(
        theirs.high, abs=0.15 * error
    )
    assert bootstrap(values, seed=1) == bootstrap(values, seed=1) != bootstrap(values, seed=2)


def test_bootstrap_covers_the_truth_as_often_as_it_says():
    _, low, high = bootstrap(np.random.default_rng(6).normal(size=(80, 1500)), 400)
    assert ((low <= 0) & (0 <= high)).mean() == pytest.approx(0.945, abs=0.025)


def test_bootstrap_leaves_out_undefined_users():
    values = np.array(
        [[1.0, np.nan, np.nan], [3.0, 3.0, np.nan], [3.0, 3.0, np.nan], [3.0, 3.0, np.nan]]
    )
    mean, low, high = bootstrap(values)
    np.testing.assert_allclose(mean, [2.5, 3, np.nan])
    assert low[1] == high[1] == 3 and low[0] < 2.5 < high[0] and np.isnan(low[2])


def test_more_resamples_than_a_block_holds():
    values = np.random.default_rng(0).normal(size=(20_000, 1))
    _, low, high = bootstrap(values, 600)  # 12 million draws: more than one block
    error = values.std() / np.sqrt(20_000)
    assert (high - low)[0] == pytest.approx(2 * 1.96 * error, rel=0.12)


def test_against():
    rng = np.random.default_rng(1)
    base = rng.random(100)
    table = pd.DataFrame(
        {"A": base, "B": base + rng.normal(0.2, 0.1, 100), "C": base + rng.normal(0, 0.1, 100)}
    )
    result = against(table, "A")
    assert list(result.index) == ["B", "C"]
    assert result.loc["B", "p"] == 1 / 10_000 and result.loc["B", "p_holm"] == 2 / 10_000
    assert result.loc["C", "low"] < 0 < result.loc["C", "high"] and result.loc["C", "p_holm"] > 0.05
    assert result.loc["B", "difference"] == pytest.approx((table["B"] - base).mean())
    with pytest.raises(KeyError, match="no recommender 'D'"):
        against(table, "D")


def test_more_users_than_a_float_can_count_patterns_of():
    differences = np.random.default_rng(0).normal(0.2, 1, 2000)
    assert paired_permutation(differences, n_resamples=99) == pytest.approx(1 / 100)
