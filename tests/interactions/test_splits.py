"""Splits leak nothing: no test pair, no later event, no cold item or shopper in training."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from helpers.interactions import (
    Interactions,
    cold_item,
    cold_user,
    cross_platform,
    warm,
    warm_by_time,
)


@pytest.fixture(scope="module")
def interactions(market):
    return Interactions(market.train, market.train_users, market.items)


def pairs(matrix) -> set:
    return set(zip(*matrix.nonzero(), strict=True))


def test_warm_holds_every_rating_out_once(interactions):
    seen = sp.csr_matrix(interactions.shape)
    for split in warm(interactions, folds=5):
        assert not pairs(split.train.ratings) & {
            (interactions.users.get_loc(split.test.users[r]), c)
            for r, c in pairs(split.test.ratings)
        }
        assert (split.test.users == split.histories[None].users).all()
        known = interactions.users.get_indexer(split.test.users)
        assert (split.train.ratings[known] != split.histories[None].ratings).nnz == 0
        assert split.train.ratings.nnz == pytest.approx(0.8 * interactions.ratings.nnz, abs=1)
        seen = seen + split.train.ratings
    assert (seen != 4 * interactions.ratings).nnz == 0  # each rating trains in four folds of five


def test_warm_relevance_is_liked(interactions):
    split = next(warm(interactions))
    assert (split.relevant["observed"] != (split.test.ratings >= 4)).nnz == 0


def test_warm_by_time_asks_only_about_the_future(market):
    log = market.interactions()
    split = warm_by_time(log, market.items, share=0.2)
    time = log.set_index(["user", "item"])["timestamp"]
    rows, columns = split.train.ratings.nonzero()
    last = time.loc[
        list(zip(split.train.users[rows], split.train.items[columns], strict=True))
    ].max()
    rows, columns = split.test.ratings.nonzero()
    first = time.loc[
        list(zip(split.test.users[rows], split.test.items[columns], strict=True))
    ].min()
    assert last < first
    n_test = split.test.ratings.nnz + split.dropped["ratings of shoppers unseen before the cut"]
    assert split.train.ratings.nnz + n_test + split.dropped["repeats"] == len(log)


def test_warm_by_time_drops_what_was_rated_before():
    log = pd.DataFrame(
        {
            "user": list("aaaab"),
            "item": list("xyxzx"),
            "rating": [5, 4, 3, 4, 5],
            "timestamp": [1, 2, 8, 9, 10],
        }
    )
    split = warm_by_time(log, pd.Index(list("xyz")), share=0.5)
    assert split.test.ratings.toarray().tolist() == [
        [0, 0, 4]
    ]  # x was rated before the cut, b is unseen before it
    assert (
        split.dropped["repeats"] == 1
        and split.dropped["ratings of shoppers unseen before the cut"] == 1
    )


def test_cold_users_are_strangers_with_nested_histories(interactions):
    lengths = (0, 1, 2, 3, 5, 10)
    split = cold_user(interactions, n_history=lengths, folds=3)
    assert not set(split.train.users) & set(split.test.users)
    assert len(split.train.users) + len(split.test.users) == interactions.shape[0]
    previous = set()
    for n in lengths:
        history = split.histories[n].ratings
        assert (np.diff(history.indptr) == n).all() and (n == 0 or history.data.min() >= 4)
        assert previous <= pairs(history)
        assert not pairs(history) & pairs(split.test.ratings)
        previous = pairs(history)
    assert np.diff(split.relevant["observed"].indptr).min() >= 1
    theirs = interactions.users.get_indexer(split.test.users)
    held = (
        split.test.ratings + split.histories[10].ratings
    )  # all they rated is history or held out, nothing else
    assert (held != interactions.ratings[theirs]).nnz == 0 and (
        split.histories[5].users == split.test.users
    ).all()


def test_cold_user_needs_likes(interactions):
    with pytest.raises(ValueError, match="more than 500 liked"):
        cold_user(interactions, n_history=(500,))


def test_cold_items_have_no_rating_in_training(interactions):
    split = cold_item(interactions, folds=4)
    assert 40 <= len(split.candidates) <= 80  # about a quarter of 240
    assert split.train.ratings[:, split.candidates].nnz == 0
    assert set(split.test.ratings.nonzero()[1]) <= set(split.candidates)
    assert split.train.shape[1] == interactions.shape[1]


def test_cross_platform_history_here_candidates_there(market):
    split = cross_platform(market, market.items)
    assert set(split.histories) == {0, 1, 2, 3, 5, 10}
    assert {market.items[c].split("/")[0] for c in split.candidates} == {"myntra"}
    previous = set()
    for n, histories in split.histories.items():
        assert (np.diff(histories.ratings.indptr) == n).all()
        assert {market.items[c].split("/")[0] for c in histories.ratings.indices} <= {"asos"}
        assert n == 0 or histories.ratings.data.min() >= 4
        assert previous <= pairs(histories.ratings)
        previous = pairs(histories.ratings)
    assert not set(split.train.users) & set(split.histories[0].users)
    target = market.platform == "myntra"
    assert (
        split.relevant["complete"].toarray()[:, target] == (market.judged[:, target] >= 4)
    ).all()
    assert not pairs(split.relevant["observed"]) - pairs(split.relevant["complete"])
    assert split.relevant["complete"][:, ~target].nnz == 0


def test_cross_platform_histories_say_when_and_of_nothing_else(market):
    """Times of other cells would tell which garments of the other platform a test shopper has
    seen."""
    when = dict(
        zip(
            zip(market.seen["user"], market.seen["item"], strict=True),
            market.seen["timestamp"],
            strict=True,
        )
    )
    histories = cross_platform(market, market.items).histories[3]
    assert pairs(histories.times) == pairs(histories.ratings) == pairs(histories[:].times)
    assert all(
        round(histories.times[cell] * 86_400) == when[cell] for cell in pairs(histories.ratings)
    )


def test_cross_platform_follows_the_catalogue_order(market):
    mixed = market.items[np.random.default_rng(0).permutation(len(market.items))]
    one, other = cross_platform(market, market.items), cross_platform(market, mixed)
    back = other.train.items.get_indexer(one.train.items)
    assert (one.train.ratings != other.train.ratings[:, back]).nnz == 0
    assert (one.relevant["complete"] != other.relevant["complete"][:, back]).nnz == 0


def test_cross_platform_refuses_another_pair_or_catalogue(market):
    with pytest.raises(ValueError, match="run chapter 02"):
        cross_platform(market, market.items, source="myntra", target="asos")
    with pytest.raises(KeyError, match="240 items"):
        cross_platform(market, market.items[:-1])


def test_a_sample_s_histories_stay_the_same(market):
    """One draw for each observed rating, of either platform: the order that all published figures
    had.
    """
    observed = market.observed.tocsr()
    observed.sort_indices()
    draws = np.random.default_rng(market.settings["seed"]).random(observed.nnz)
    split = cross_platform(market, market.items)
    for shopper in (0, 7, 40):
        cells = slice(*observed.indptr[shopper : shopper + 2])
        items = observed.indices[cells]
        is_liked = (observed.data[cells] >= 4) & (market.platform[items] == "asos")
        order = np.argsort(draws[cells][is_liked])
        expected = items[is_liked][order[:3]]
        assert set(split.histories[3].ratings[shopper].indices) == set(expected)


def test_at_most_so_many_shoppers_are_drawn(interactions):
    n_users = interactions.shape[0]
    assert interactions.at_most(n_users, seed=1) is interactions
    some = interactions.at_most(20, seed=1)
    assert some.shape == (20, interactions.shape[1]) and some.users.is_unique
    rows = interactions.users.get_indexer(some.users)
    assert (np.diff(rows) > 0).all()
    assert (some.ratings != interactions.ratings[rows]).nnz == 0
    assert list(some.users) == list(interactions.at_most(20, seed=1).users)
    assert list(some.users) != list(interactions.at_most(20, seed=2).users)
