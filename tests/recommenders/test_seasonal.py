"""What sold before the shopper shopped."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from helpers.interactions import Histories, Interactions
from helpers.recommenders import Popularity, SeasonalPopularity, seasonal

N_ITEMS = 3


def log_of(rows) -> Interactions:
    """A log of (shopper, item, day), each pair liked."""
    table = pd.DataFrame(rows, columns=["user", "item", "day"])
    table["rating"] = 5.0
    table["timestamp"] = table["day"] * 86_400.0
    return Interactions.from_frame(table, pd.Index(range(N_ITEMS)))


def history(item: int, day: float | None) -> Histories:
    ratings = sp.csr_matrix(([5.0], ([0], [item])), shape=(1, N_ITEMS))
    times = None if day is None else sp.csr_matrix(([day], ([0], [item])), shape=(1, N_ITEMS))
    return Histories(ratings, np.arange(N_ITEMS), times=times)


@pytest.fixture
def two_seasons():
    """Item 0 sells on day 10, item 1 on day 74; item 2 a bit more, half on either day."""
    rows = [(f"early{u}", 0, 10) for u in range(40)]
    rows += [(f"late{u}", 1, 74) for u in range(40)]
    rows += [(f"any{u}", 2, 10 + 64 * (u % 2)) for u in range(50)]
    return log_of(rows)


def test_a_history_gets_what_sold_in_the_weeks_before(two_seasons):
    model = SeasonalPopularity(half_life=5).fit(two_seasons)
    early, late = (model.recommend(history(2, day), 2)[0][0] for day in (12, 75))
    assert early.tolist() == [0, 1] and late.tolist() == [1, 0]


def test_what_sold_later_does_not_count(two_seasons):
    """The last period ends on day 74: before that, nothing is known of it."""
    model = SeasonalPopularity(half_life=5).fit(two_seasons)
    floor = Popularity().fit(two_seasons)
    before_all = history(2, 10)
    np.testing.assert_allclose(model.score(before_all), floor.score(before_all), rtol=1e-6)
    day_before, day_after = (model.score(history(2, day))[0] for day in (73, 74))
    assert day_before[1] < day_before[0]
    assert day_after[1] > day_after[0]


def test_shares_by_hand(two_seasons):
    """64 periods of a day each; the early likes' ends on day 11, the late ones' on day 74."""
    model = SeasonalPopularity(half_life=8).fit(two_seasons)
    near = 0.5 ** (2 / 8)
    far = 0.5 ** (65 / 8)
    before = np.array([40 * far, 40 * near, 25 * (near + far)])
    likes = np.array([40, 40, 50])
    expected = (before + seasonal.PRIOR * likes / 130) / (before.sum() + seasonal.PRIOR)
    found = model.score(history(2, 76))[0] / 130
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_without_dates_it_is_popularity(two_seasons):
    floor = Popularity().fit(two_seasons)
    model = SeasonalPopularity().fit(two_seasons)
    undated = history(0, None)
    np.testing.assert_allclose(model.score(undated), floor.score(undated), rtol=1e-6)
    np.testing.assert_allclose(model.evidence(undated), floor.evidence(undated), rtol=1e-6)
    bare = Interactions(two_seasons.ratings, two_seasons.users, two_seasons.items)
    blind = SeasonalPopularity().fit(bare)
    np.testing.assert_allclose(blind.evidence(history(0, 10)), floor.evidence(undated), rtol=1e-6)


def test_a_half_life_is_positive():
    with pytest.raises(ValueError, match="not 0"):
        SeasonalPopularity(half_life=0)
