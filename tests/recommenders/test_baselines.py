"""Floors and ceilings stand where arithmetic says they stand."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from toy import garments

from helpers.interactions import Histories, Interactions, cross_platform
from helpers.recommenders.baselines import Oracle, Popularity, Random, RecentPopularity
from helpers.simulator import ceiling as posterior
from helpers.simulator import simulate_market


@pytest.fixture(scope="module")
def market():
    return simulate_market(garments(), n_users=300, n_test=200, density=0.1)


@pytest.fixture(scope="module")
def split(market):
    return cross_platform(market, market.items)


@pytest.fixture
def tiny():
    ratings = sp.csr_matrix(np.array([[5, 4, 0], [4, 0, 2], [0, 0, 5]], np.float32))
    return Interactions(ratings, pd.Index(list("abc")), pd.Index(list("xyz")))


def precision(model, split, n, k=10, variant="complete"):
    """Precision at k of each test shopper."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no baseline falls back here
        ids, _ = model.fit(split.train).recommend(split.histories[n], k, split.candidates)
    return np.take_along_axis(split.relevant[variant].toarray(), ids, axis=1).mean(axis=1)


def test_random_hits_the_base_rate(split):
    found = precision(Random(), split, 3)
    base = split.relevant["complete"][:, split.candidates].mean()
    assert found.mean() == pytest.approx(base, abs=3 * found.std() / np.sqrt(len(found)))


def test_random_repeats_and_differs_between_shoppers(split):
    model = Random(seed=1).fit(split.train)
    scores = model.score(split.histories[3])
    assert (scores == Random(seed=1).fit(split.train).score(split.histories[3])).all()
    assert abs(np.corrcoef(scores)[np.triu_indices(len(scores), 1)]).max() < 0.4
    assert (scores != Random(seed=2).fit(split.train).score(split.histories[3])).mean() > 0.99
    assert scores.mean() == pytest.approx(0.5, abs=0.01) and scores.max() < 1 and scores.min() >= 0
    assert (model.score(split.histories[3][:5]) == scores[:5]).all()  # blocks don't matter


def test_popularity_counts_likes(tiny):
    model = Popularity().fit(tiny)
    assert model.score(Histories.from_interactions(tiny))[0].tolist() == [
        2,
        1,
        1,
    ]  # x: 5 and 4; y: 4; z: 5, 2 is no like


def test_recent_popularity_is_the_same_for_everyone_with_a_history_or_without():
    """A like of ten years ago counts next to nothing, also for a shopper of whom nothing is
    known."""
    likes = sp.csr_matrix([[5.0, 0.0], [5.0, 0.0], [0.0, 5.0]])
    days = sp.csr_matrix([[1.0, 0.0], [1.0, 0.0], [0.0, 3650.0]])
    log = Interactions(likes, pd.Index(list("abc")), pd.Index(["old", "new"]), times=days)
    model = RecentPopularity(half_life=30).fit(log)
    known = sp.csr_matrix([[0.0, 0.0], [5.0, 0.0]])
    scores = model.score(Histories(known, np.arange(2)))
    assert model.n_fallback_ == 0
    np.testing.assert_array_equal(scores[0], scores[1])
    assert scores[0, 1] > scores[0, 0]


def test_order_of_floors_and_ceilings(market, split):
    floor = precision(Popularity(), split, 10).mean()
    given = {
        n: precision(Oracle(market, given_history=True, n_draws=3000, n_own=0), split, n).mean()
        for n in (0, 1, 3)
    }
    knows = precision(Oracle(market), split, 10).mean()
    assert precision(Random(), split, 10).mean() < floor < given[1] < given[3] < knows
    assert given[0] > floor - 0.03  # nothing known: the population's mean, no worse than popularity


def test_exposure_oracle_wins_on_observed_likes(market, split):
    plain = precision(Oracle(market), split, 0, variant="observed")
    aware = precision(Oracle(market, exposure=True), split, 0, variant="observed")
    gain = aware - plain
    assert gain.mean() > 3 * gain.std() / np.sqrt(len(gain))
    assert (
        precision(Oracle(market), split, 0).mean()
        > precision(Oracle(market, exposure=True), split, 0).mean()
    )


def test_posterior_is_bayes_rule(market, split):
    """One liked item: each draw's weight is P(seen and so rated) / expected number of likes, as
    written out here.
    """
    oracle = Oracle(market, given_history=True, n_draws=1, n_own=0).fit(
        split.train
    )  # one block of draws
    found = oracle.score(split.histories[1][:1])[0]
    prior, ratings = oracle._prior, split.histories[1].ratings[:1]
    place = np.flatnonzero(market.on_source).tolist().index(int(ratings.indices[0]))
    four_or_five = int(ratings.data[0])
    weight = np.exp(prior.pool.log_rate[four_or_five][place].astype(float)) / np.exp(
        prior.pool.log_likes.astype(float)
    )
    weight /= weight.sum()
    assert found == pytest.approx(weight @ prior.pool.liked, abs=1e-5)
    assert oracle.ess_[0] == pytest.approx(1 / (weight**2).sum(), rel=1e-3)


def test_own_draws_agree_with_very_many(market, split, monkeypatch):
    """Draws made for a history differ from a far larger sample by what their stated errors add
    up to, and no more.
    """
    monkeypatch.setattr(
        posterior, "FEWEST_EFFECTIVE", np.inf
    )  # for every history, though here the large sample needs no help
    ratings, target = split.histories[2].ratings[:8], split.candidates
    many, _, error_many = posterior.Posterior(market, 12_000, n_own=0).mean(ratings)
    own, size, error = posterior.Posterior(market, 2_000, n_own=400).mean(ratings)
    apart = np.sqrt(((own - many)[:, target] ** 2).mean(axis=1))
    assert np.mean(apart / np.hypot(error, error_many)) == pytest.approx(1, abs=0.25)
    assert np.median(size) > 310  # of 400; a wrong density walked on makes them count unevenly


def test_posterior_is_calibrated(market, split):
    oracle = Oracle(market, given_history=True, n_draws=3000, n_own=0).fit(split.train)
    chance = oracle.score(split.histories[2])[:, split.candidates]
    liked = split.relevant["complete"][:, split.candidates].toarray()
    for low in (0.0, 0.2, 0.4, 0.6):
        here = (chance >= low) & (chance < low + 0.2)
        assert liked[here].mean() == pytest.approx(chance[here].mean(), abs=0.06)
    assert (oracle.ess_ > 20).mean() > 0.9 and 0 < oracle.error_.max() < 0.2


def test_oracle_knows_names_only(market, split):
    oracle = Oracle(market).fit(split.train)
    strangers = Histories(split.histories[1].ratings[:2], split.histories[1].columns)
    with pytest.warns(UserWarning, match="2 of 2 shoppers"):
        assert (oracle.score(strangers) == oracle.popularity_).all()
    expected = oracle.predict(split.histories[0][:3], split.candidates)
    assert (
        expected.shape == (3, len(split.candidates)) and expected.min() >= 1 and expected.max() <= 5
    )


def test_oracle_has_the_lowest_rating_error(market, split):
    rows, columns = split.test.ratings.nonzero()
    truth = split.test.ratings.data

    predicted = (
        Oracle(market).fit(split.train).predict(split.histories[0], np.arange(split.train.shape[1]))
    )
    error = np.sqrt(np.mean((predicted[rows, columns] - truth) ** 2))
    mean = np.array(
        [truth[columns == column].mean() for column in columns]
    )  # each item's own test mean: an unfair rival
    assert error < np.sqrt(np.mean((mean - truth) ** 2))


@pytest.mark.parametrize(
    "options", [{}, {"exposure": True}, {"given_history": True, "n_draws": 500, "n_own": 8}]
)
def test_oracle_saves_and_loads(market, split, tmp_path, options):
    model = Oracle(market, **options).fit(split.train)
    model.save(tmp_path / "Oracle")
    back = Oracle.load(tmp_path / "Oracle")
    some = split.histories[2][:10]
    assert np.allclose(back.score(some), model.score(some), atol=1e-6)
