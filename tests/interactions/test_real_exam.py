"""The exam of a real log: strangers never train, the first items come first, and a shuffled log
knows nobody.
"""

import numpy as np
import pandas as pd
import pytest

from helpers.interactions import (
    Interactions,
    ItemFeatures,
    by_column,
    cold_item,
    cold_user,
    cross_platform_log,
    deal,
    shuffle_log,
    warm_by_time,
)
from helpers.interactions.splits import in_fold

N_USERS = 120
N_ITEMS = 60


@pytest.fixture(scope="module")
def log() -> pd.DataFrame:
    """Each customer buys 24 of 60 items, one a day."""
    rng = np.random.default_rng(0)
    rows = [
        {"user": f"c{user}", "item": f"shop/{item}", "rating": 5.0, "timestamp": 86_400 * (day + 1)}
        for user in range(N_USERS)
        for day, item in enumerate(rng.permutation(N_ITEMS)[:24])
    ]
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def items() -> ItemFeatures:
    keys = [f"shop/{i}" for i in range(N_ITEMS)]
    frame = pd.DataFrame(
        {"image_key": keys, "platform": "shop", "department": ["x", "y", None] * 20}
    )
    vectors = np.random.default_rng(1).random((N_ITEMS, 4)).astype(np.float32)
    return ItemFeatures(vectors, frame)


@pytest.fixture(scope="module")
def interactions(log, items) -> Interactions:
    return Interactions.from_frame(log, pd.Index(items.frame["image_key"]), shoppers="real")


def test_first_likes_are_the_earliest_ones(log, interactions):
    split = cold_user(interactions, n_history=(1, 3))
    assert split.shoppers == "real" and list(split.relevant) == ["observed"]
    for row, user in enumerate(split.test.users):
        bought = log[log["user"] == user].sort_values("timestamp")["item"].tolist()
        first = set(interactions.items[split.histories[3].ratings[row].indices])
        later = set(interactions.items[split.relevant["observed"][row].indices])
        assert first == set(bought[:3])
        assert later == set(bought[3:])
    assert sorted(split.histories[3].times[0].data) == [1, 2, 3]


def test_every_customer_is_a_stranger_in_one_fold(interactions):
    splits = [cold_user(interactions, n_history=(1,), fold=fold) for fold in range(5)]
    tested = [name for split in splits for name in split.test.users]
    assert sorted(tested) == sorted(interactions.users)
    for split in splits:
        assert not set(split.test.users) & set(split.train.users)
        assert len(split.test.users) + len(split.train.users) == N_USERS


def test_a_fold_does_not_depend_on_the_order_of_names():
    names = pd.Index([f"c{i}" for i in range(50)])
    mixed = names[np.random.default_rng(0).permutation(50)]
    assert set(names[in_fold(names, 2, 5)]) == set(mixed[in_fold(mixed, 2, 5)])


def test_at_most_so_many_strangers(interactions):
    some = cold_user(interactions, n_history=(1,), folds=1, at_most=30)
    assert len(some.test.users) == 30 and some.train.shape[0] == N_USERS - 30
    more = cold_user(interactions, n_history=(1,), folds=1, at_most=40)
    assert set(some.test.users) < set(more.test.users)


@pytest.mark.parametrize("overlap", [0.0, 0.2, 1.0])
def test_dealt_platforms_keep_their_share_of_customers_on_both(interactions, items, overlap):
    dealt = deal(items, seed=3)
    on_b = (dealt.frame["platform"] == "B").to_numpy()
    split = cross_platform_log(interactions, dealt, "A", "B", (1, 3), overlap, folds=4)
    liked_a = split.train.ratings[:, ~on_b].getnnz(axis=1) > 0
    liked_b = split.train.ratings[:, on_b].getnnz(axis=1) > 0
    assert (liked_a | liked_b).all()
    assert (liked_a & liked_b).mean() == pytest.approx(overlap, abs=0.1 if 0 < overlap < 1 else 0)
    if overlap == 0:
        assert 0.3 < liked_a.mean() < 0.7
    assert on_b[split.candidates].all() and len(split.candidates) == on_b.sum()
    assert not on_b[split.histories[3].ratings.indices].any()
    assert on_b[split.relevant["observed"].indices].all()


def test_history_on_a_platform_is_its_earliest_likes_there(log, interactions, items):
    dealt = deal(items, seed=3)
    shop = dict(zip(items.frame["image_key"], dealt.frame["platform"], strict=True))
    split = cross_platform_log(interactions, dealt, "A", "B", (2,))
    user = split.test.users[0]
    bought = log[log["user"] == user].sort_values("timestamp")["item"]
    on_a = [item for item in bought if shop[item] == "A"]
    assert set(interactions.items[split.histories[2].ratings[0].indices]) == set(on_a[:2])


def test_a_column_may_be_the_platform(interactions, items):
    shop = by_column(items, "department")
    assert set(shop.frame["platform"]) == {"x", "y", "unknown"}
    split = cross_platform_log(interactions, shop, "x", "y", (1,))
    assert (shop.frame["platform"].to_numpy()[split.candidates] == "y").all()
    with pytest.raises(ValueError, match="no column 'brand'"):
        by_column(items, "brand")
    with pytest.raises(ValueError, match="no item is on the platform 'z'"):
        cross_platform_log(interactions, shop, "x", "z", (1,))


def test_cold_items_are_all_cold_once(interactions):
    splits = [cold_item(interactions, fold=fold) for fold in range(5)]
    cold = np.concatenate([split.candidates for split in splits])
    assert sorted(cold) == list(range(N_ITEMS))
    assert splits[0].train.ratings[:, splits[0].candidates].nnz == 0
    assert splits[0].train.times.nnz == splits[0].train.ratings.nnz


def test_warm_by_time_of_real_shoppers_says_so(log, items):
    split = warm_by_time(log, pd.Index(items.frame["image_key"]), shoppers="real")
    assert split.shoppers == "real" and split.histories[None].times is not None


def test_a_shuffled_log_keeps_counts_and_loses_the_person(log):
    shuffled = shuffle_log(log, seed=1)
    assert shuffled["item"].tolist() == log["item"].tolist()
    assert shuffled["user"].value_counts().to_dict() == log["user"].value_counts().to_dict()
    assert not shuffled.duplicated(["user", "item"]).any()
    assert (shuffled["user"] == log["user"]).mean() < 0.05
    assert shuffle_log(log, seed=1).equals(shuffled)
