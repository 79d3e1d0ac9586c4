"""A/B arithmetic against published and scipy's figures; interleaving where the answer is known."""

import numpy as np
import pytest
from scipy import stats

from helpers.evaluation.online import interleave, sample_size, team_draft, two_proportion


def test_sample_size_textbook():
    # Fleiss, Levin & Paik: z = 1.959964 and 0.841621, p = .25 -> .40, mean .325.
    by_hand = ((1.959964 * np.sqrt(2 * 0.325 * 0.675) + 0.841621 * np.sqrt(0.25 * 0.75 + 0.4 * 0.6)) / 0.15) ** 2
    assert sample_size(0.25, 0.15) == int(np.ceil(by_hand)) == 152
    assert sample_size(0.4, -0.15) == 152
    with pytest.raises(ValueError, match="between 0 and 1"):
        sample_size(0.9, 0.2)


def test_sample_size_has_the_power_it_promises():
    rng, n = np.random.default_rng(0), sample_size(0.10, 0.04)
    a, b = rng.binomial(n, 0.10, 4000), rng.binomial(n, 0.14, 4000)
    found = np.mean([two_proportion(x, n, y, n).p < 0.05 for x, y in zip(a, b, strict=True)])
    assert found == pytest.approx(0.80, abs=0.025)


def test_two_proportion_equals_chi_square():
    read = two_proportion(120, 1000, 155, 1100)
    chi = stats.chi2_contingency([[120, 880], [155, 945]], correction=False)
    assert read.z**2 == pytest.approx(chi.statistic) and read.p == pytest.approx(chi.pvalue)
    assert read.lift == pytest.approx(155 / 1100 - 120 / 1000) and read.low < read.lift < read.high
    assert two_proportion(0, 10, 0, 10).p == 1
    with pytest.raises(ValueError, match="11 of 10"):
        two_proportion(11, 10, 1, 10)


def test_team_draft_is_fair_and_complete():
    rng = np.random.default_rng(0)
    for _ in range(50):
        shown, teams = team_draft([1, 2, 3, 4], [3, 1, 9, -1], 4, rng)
        assert len(shown) == len(set(shown)) == 4 and teams[:2].sum() == 1 and teams[2:].sum() == 1
    shown, teams = team_draft([1, 2], [2, 1], 10, rng)
    assert sorted(shown) == [1, 2]
    shown, teams = team_draft([5, 5, 6], [-1], 10, rng)
    assert list(shown) == [5, 6] and list(teams) == [0, 0]


def test_interleaving_credits_the_better_list_and_no_one_on_a_tie():
    liked = np.tile(np.r_[np.ones(10), np.zeros(10)], (400, 1))
    good, bad = np.tile(np.arange(10), (400, 1)), np.tile(np.arange(10, 20), (400, 1))
    clicks = interleave(bad, good, liked)
    assert clicks[:, 0].sum() == 0 and (clicks[:, 1] == 5).all()
    tie = interleave(good, good, np.full((400, 20), 0.5)).sum(axis=0)
    assert abs(tie[0] - tie[1]) < 4 * np.sqrt(tie.sum())
