"""What sold when the shopper shopped."""

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


def test_a_history_gets_what_sold_in_its_own_weeks(two_seasons):
    model = SeasonalPopularity(half_life=5).fit(two_seasons)
    early, late = (model.recommend(history(2, day), 2)[0][0] for day in (10, 74))
    assert early.tolist() == [0, 1] and late.tolist() == [1, 0]


def test_shares_by_hand(two_seasons):
    """64 periods of a day each; the early likes lie half a day from day 10, the late ones 63.5."""
    model = SeasonalPopularity(half_life=8).fit(two_seasons)
    near = 0.5 ** (0.5 / 8)
    far = 0.5 ** (63.5 / 8)
    around = np.array([40 * near, 40 * far, 25 * (near + far)])
    likes = np.array([40, 40, 50])
    expected = (around + seasonal.PRIOR * likes / 130) / (around.sum() + seasonal.PRIOR)
    found = model.score(history(2, 10))[0] / 130
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
