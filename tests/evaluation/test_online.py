"""A/B arithmetic against published and scipy's figures; interleaving where the answer is known."""

import numpy as np
import pytest
from scipy import stats

from helpers.evaluation.online import interleave, sample_size, team_draft, two_proportion


def test_sample_size_textbook():
    # Fleiss, Levin & Paik: z = 1.959964 and 0.841621, p = .25 -> .40, mean .325.
    by_hand = (
        (1.959964 * np.sqrt(2 * 0.325 * 0.675) + 0.841621 * np.sqrt(0.25 * 0.75 + 0.4 * 0.6)) / 0.15
    ) ** 2
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
    assert (interleave(bad, good, liked) == 1).all() and (interleave(good, bad, liked) == -1).all()
    assert (interleave(bad, bad, liked) == 0).all()
    tie = interleave(good, good, np.full((400, 20), 0.5))
    assert abs(tie.sum()) < 4 * np.sqrt(np.abs(tie).sum())
    assert (tie == 0).mean() < 0.02  # all ten disliked: one in 1,024


def test_interleaving_reads_from_the_top():
    both = np.tile([[0, 1]], (2000, 1)), np.tile([[1, 0]], (2000, 1))
    credit = interleave(*both, np.tile([0.5, 0.5], (2000, 1)), k=2)
    # whoever picks first is read first: half of all clicks at once, a quarter at the second garment
    assert np.mean(credit != 0) == pytest.approx(0.75, abs=0.04) and abs(
        credit.mean()
    ) < 4 * np.sqrt(0.75 / 2000)


def test_the_first_liked_item_gets_the_click():
    # A offers only item 0. Where A picks first the list is 0 (A), 1 (B), else both are B's;
    # everything is liked.
    credit = interleave(
        np.tile([[0, -1]], (400, 1)), np.tile([[0, 1]], (400, 1)), np.ones((400, 2)), k=2
    )
    assert (credit == -1).mean() == pytest.approx(0.5, abs=0.1) and (credit != 0).all()
