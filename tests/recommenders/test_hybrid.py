"""The blend: popularity where nothing holds, the member that knows where one does, and practice
that copies the exam.
"""

import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from helpers.interactions import Histories, Interactions, ItemFeatures
from helpers.recommenders import (
    Content,
    Hybrid,
    ItemKNN,
    Popularity,
    Random,
    RecentPopularity,
    blend,
    choice,
    hybrid,
    load,
    practice,
)
from helpers.recommenders.parts import build

N_USERS = 240
N_ITEMS = 60


def shop_of(personal: bool, dislikes: bool = True):
    """Shoppers who like one of two looks, or items at random by popularity; vectors tell the
    look."""
    rng = np.random.default_rng(0)
    look = np.arange(N_ITEMS) % 2
    taste = np.arange(N_USERS) % 2
    popular = np.linspace(0.1, 0.9, N_ITEMS)[rng.permutation(N_ITEMS)]
    seen = rng.random((N_USERS, N_ITEMS)) < popular
    fits = look[None] == taste[:, None]
    liked = seen & fits if personal else seen
    ratings = np.where(liked, 5, np.where(seen & dislikes, 1, 0))
    vectors = (np.eye(4)[look] + 0.1 * rng.standard_normal((N_ITEMS, 4))).astype(np.float32)
    keys = pd.Index([f"shop/{i}" for i in range(N_ITEMS)])
    platform = np.where(np.arange(N_ITEMS) < N_ITEMS // 2, "a", "b")
    frame = pd.DataFrame({"image_key": keys, "platform": platform, "price_usd": 10.0})
    users = pd.Index([f"u{u}" for u in range(N_USERS)])
    return Interactions(sp.csr_matrix(ratings), users, keys), ItemFeatures(vectors, frame)


@pytest.fixture(scope="module")
def personal():
    train, items = shop_of(personal=True)
    return train, items, Hybrid([Random(), Content()]).fit(train, items)


def histories(*rows) -> Histories:
    positions = [np.array(row, int) for row in rows]
    row = np.repeat(np.arange(len(rows)), [len(p) for p in positions])
    cells = (np.full(len(row), 5.0), (row, np.concatenate(positions)))
    return Histories(sp.csr_matrix(cells, shape=(len(rows), N_ITEMS)), np.arange(N_ITEMS))


def test_leans_on_the_member_that_knows(personal):
    _, _, model = personal
    assert model.signals == ["Popularity", "Random", "Content", "Trees"]
    weight = model.weights([1, 5])
    assert (weight[:, 2] > 4 * weight[:, 1]).all() and (model.alpha_[:3] > 0).all()


def test_a_shop_without_taste_gets_exactly_the_popularity_list():
    train, items = shop_of(personal=False, dislikes=False)
    model = Hybrid([Random(), Content()]).fit(train, items)
    floor = Popularity().fit(train, items)
    new = histories([3, 8, 20], [1], [2, 4])
    on_b = np.flatnonzero(items.frame["platform"] == "b")
    assert (model.alpha_[2] == 0).all()
    assert np.array_equal(model.recommend(new, 10, on_b)[0], floor.recommend(new, 10, on_b)[0])


def test_without_a_signal_it_says_so_and_gives_the_popularity_list():
    train, items = shop_of(personal=True, dislikes=False)
    blank = ItemFeatures(np.zeros_like(items.vectors), items.frame)
    with pytest.warns(UserWarning, match="no member has anything to say"):
        model = Hybrid([Content()]).fit(train, blank)
    floor = Popularity().fit(train, blank)
    new = histories([3, 8, 20], [1])
    assert np.array_equal(model.recommend(new, 10)[0], floor.recommend(new, 10)[0])


def test_a_log_too_small_to_practice_on_is_named():
    train, items = shop_of(personal=True, dislikes=False)
    with pytest.warns(UserWarning, match="fewer than 20 practice histories"):
        model = Hybrid([ItemKNN()]).fit(train.rows(np.arange(4)), items)
    assert np.isfinite(model.score(histories([3], [1, 2]))).all()


def test_it_is_no_worse_than_a_member_that_knows_what_will_be_liked():
    """Vectors tell exactly what each shopper likes; popularity and lots say nothing of it."""
    train, items, model = exact_shop()
    content = Content().fit(train, items)
    on_b = np.flatnonzero(items.frame["platform"] == "b")
    new = histories(*[[taste, taste + 4] for taste in range(4)])
    liked = on_b[None] % 4 == np.arange(4)[:, None]
    for method in (content, model):
        found = method.recommend(new, 5, on_b)[0]
        assert np.take_along_axis(liked, np.searchsorted(on_b, found), axis=1).all(), method


def exact_shop():
    """Shoppers who like all items of one of four looks, and a blend with a member that knows."""
    look = np.arange(N_ITEMS) % 4
    taste = np.arange(N_USERS) % 4
    likes = look[None] == taste[:, None]
    train, items = shop_of(personal=True, dislikes=False)
    log = Interactions(sp.csr_matrix(5.0 * likes), train.users, train.items)
    exact = ItemFeatures(np.eye(4, dtype=np.float32)[look], items.frame)
    return log, exact, Hybrid([Random(), Content()]).fit(log, exact)


def test_an_empty_history_gets_exactly_the_popularity_list(personal):
    train, items, model = personal
    floor = Popularity().fit(train, items)
    nobody = Histories(sp.csr_matrix((1, N_ITEMS)), np.arange(N_ITEMS))
    found = model.recommend(nobody, 10)[0]
    np.testing.assert_array_equal(
        floor.popularity_[found], np.sort(floor.popularity_)[::-1][None, :10]
    )


def test_candidates_of_a_shop_unknown_to_the_history_have_weights_of_their_own(personal):
    train, items, _ = personal
    model = Hybrid([Random(), Content()], trees=False).fit(train, items)
    on_b = np.flatnonzero(items.frame["platform"] == "b")
    model.practiced_[2, :, 1] *= 3  # shop b
    away = histories([2, 4])
    home = histories([2, 40])
    scores = [model.score_candidates(who, on_b) for who in (away, home)]
    whole = [model.score(who)[:, on_b] for who in (away, home)]
    assert not np.allclose(scores[0], whole[0]) and np.allclose(scores[1], whole[1])


def test_what_is_enjoyed_is_learned_from_dislikes_and_a_purchase_log_says_that_it_has_none():
    train, items = shop_of(personal=True)
    model = Hybrid(goal="enjoyed").fit(train, items)
    ids = model.recommend(histories([0, 2], [1, 3]), 5)[0]
    assert (ids[0] % 2 == 0).all() and (ids[1] % 2 == 1).all()
    with pytest.warns(UserWarning, match="has no dislikes"):
        Hybrid([Content()], goal="enjoyed").fit(*shop_of(personal=True, dislikes=False))


def test_fitted_members_are_kept_and_unfitted_ones_fitted(personal):
    train, items, _ = personal
    known = ItemKNN(k=5).fit(train)
    model = Hybrid([known, {"name": "Content", "parameters": {"weighting": "rating"}}]).fit(
        train, items
    )
    assert model._members[0] is known and model._members[1].vectors_.shape == (N_ITEMS, 4)


def test_members_are_saved_in_the_same_two_files(personal, tmp_path):
    _, _, model = personal
    model.save(tmp_path / "blend")
    again = load(tmp_path / "blend")
    some = histories([1, 3], [2])
    assert np.array_equal(again.score(some), model.score(some)) and again.signals == model.signals


def test_only_the_courses_own_classes_are_built():
    with pytest.raises(ValueError, match="'os'"):
        build({"name": "os", "parameters": {}})


def test_many_shops_share_the_practice_shoppers():
    assert Hybrid()._how_many(1) == Hybrid()._how_many(3) == 800
    assert Hybrid()._how_many(6) == 400 and Hybrid()._how_many(50) == 200
    assert Hybrid(goal="enjoyed")._how_many(3) == 400 and Hybrid(shoppers=30)._how_many(50) == 30


def test_a_question_is_practiced_the_same_whatever_else_is_asked(personal):
    train, items, alone = personal
    rows = alone._practise(train, items, [-1, 0, 1])
    fewer = alone._practise(train, items, [1])
    assert np.array_equal(rows[1].z, fewer[1].z) and np.array_equal(rows[1].liked, fewer[1].liked)


def test_the_blend_practices_with_dates_and_reads_them():
    """What is liked depends on the day alone: shoppers come in the first 30 days or from day 100
    on."""
    rng = np.random.default_rng(0)
    late = np.arange(N_USERS) % 2
    in_season = np.arange(N_ITEMS) % 2
    likes = (in_season[None] == late[:, None]) & (rng.random((N_USERS, N_ITEMS)) < 0.7)
    train, items = shop_of(personal=True, dislikes=False)
    ratings = sp.csr_matrix(5.0 * likes)
    times = ratings.copy()
    day = 1 + 100.0 * late + rng.uniform(0, 30, N_USERS)
    times.data[:] = day[ratings.nonzero()[0]]
    log = Interactions(ratings, train.users, train.items, times)
    members = [{"name": "SeasonalPopularity", "parameters": {}}, Random()]
    model = Hybrid(members).fit(log, items)
    odd = histories([1, 3])  # sold from day 100 on only
    on_day_32 = Histories(odd.ratings, odd.columns, times=odd.ratings / 5 * 32)
    assert (model.recommend(on_day_32, 10)[0] % 2 == 0).all()  # its date counts, not its items


# ---------------------------------------------------------------- practice
def test_cuts_copy_the_exam():
    likes = [np.arange(14), np.arange(4), np.arange(20, 26)]
    cuts = practice.within(likes, np.arange(3), at_most=10)
    assert [(cut.shopper, cut.length, len(cut.liked)) for cut in cuts if cut.length == 3] == [
        (0, 3, 4),  # what comes after the tenth
        (2, 3, 1),  # after the fifth
        (1, 3, 1),  # after the third
    ]
    assert cuts[1].history.tolist() == [0, 1] and cuts[1].liked.tolist() == [10, 11, 12, 13]


def test_cuts_across_shops_know_one_shop_and_ask_for_another():
    shop = np.array([0] * 10 + [1] * 10)
    likes = [np.array([0, 12, 1, 13, 2, 3, 4, 14])]
    cuts = practice.across(likes, shop, 1, np.arange(1), at_most=5)
    assert {cut.length for cut in cuts} == {1, 2, 3, 5}
    for cut in cuts:
        assert cut.liked.tolist() == [12, 13, 14]
        assert cut.history.tolist() == [0, 1, 2, 3, 4][: cut.length]


def test_a_dealt_shop_has_no_shopper_in_both_halves_and_loses_no_rating():
    train, items = shop_of(personal=True)
    apart, halves = practice.dealt(train, items, seed=1)
    assert apart.ratings.nnz == train.ratings.nnz and apart.shape[0] == 2 * N_USERS
    names = halves.frame["platform"].to_numpy()
    assert set(names) == {"a 1", "a 2", "b 1", "b 2"}
    first = np.array([name.endswith("1") for name in names])
    in_first = apart.ratings[:, first].getnnz(axis=1) > 0
    in_second = apart.ratings[:, ~first].getnnz(axis=1) > 0
    assert not (in_first & in_second).any()


# ---------------------------------------------------------------- blend
def rows_of(z, liked, length=1) -> blend.Rows:
    n, _, m = z.shape
    return blend.Rows(
        z.astype(np.float32), np.zeros((n, m), np.float32), liked, np.full(n, length), np.arange(n)
    )


def test_weights_minimise_the_total_mass_loss():
    """One signal, three items, by hand: the loss is minimal where its slope by finite differences
    is 0.
    """
    rng = np.random.default_rng(0)
    z = np.stack([np.zeros((40, 3)), rng.standard_normal((40, 3))], axis=1)
    liked = z[:, 1] + rng.standard_normal((40, 3)) > 0.8
    liked[:, 0] |= ~liked.any(axis=1)
    found = blend.fit_weights(rows_of(z, liked))

    def loss(weight):
        p = np.exp(weight * z[:, 1])
        p /= p.sum(axis=1, keepdims=True)
        return -np.log((p * liked).sum(axis=1)).mean()

    weight = found[0, 1] + np.log(2) * found[1, 1]
    around = [loss(weight + step) for step in (-0.2, 0, 0.2)]
    assert around[1] < min(around[0], around[2]) + 1e-4 and weight > 0


def test_the_items_that_are_drawn_stand_for_all_others():
    rng = np.random.default_rng(0)
    evidence = rng.standard_normal((2, 3, 1000)).astype(np.float32)
    allowed = np.ones((2, 1000), bool)
    allowed[:, :100] = False
    liked = np.zeros((2, 1000), bool)
    liked[:, [50, 500]] = True
    z, log_weight, found = blend.pruned(evidence, allowed, liked, rng)
    assert found.sum(axis=1).tolist() == [1, 1]  # item 50 is not allowed
    np.testing.assert_allclose(np.exp(log_weight).sum(axis=1), 900, rtol=1e-4)
    whole = np.exp(evidence[:, 0, 100:]).sum(axis=1)
    np.testing.assert_allclose((np.exp(z[:, 0] + log_weight)).sum(axis=1), whole, rtol=0.1)


def table_of(*means, n=60):
    """NDCG of recipes with these means, whose differences scatter by 0.1."""
    rng = np.random.default_rng(0)
    return np.array(means)[:, None] + 0.1 * rng.standard_normal((len(means), n))


def shares(table, here) -> np.ndarray:
    return choice.shares_of(table, here, np.random.default_rng(0))


def test_a_recipe_counts_by_how_often_it_wins():
    """Two as good as each other share; one that is clearly worse has nothing."""
    found = shares(table_of(0.1, 0.5, 0.3, 0.503, n=200), np.ones(200, bool))
    assert found.sum() == pytest.approx(1) and found[0] == found[2] == 0
    assert 0.05 < found[1] < 0.95
    assert shares(table_of(0.1, 0.5, 0.9), np.ones(60, bool))[2] == 1


def test_popularity_is_taken_where_nothing_is_better():
    here = np.ones(60, bool)
    assert shares(table_of(0.5, 0.5, 0.3), here)[0] == 1
    assert shares(table_of(0.5, 0.7, 0.3), here)[0] == 0


def test_equals_of_popularity_are_ordered_by_what_was_learned():
    """New items have no popularity at all. The catalogue's order must not decide among them."""
    rng = np.random.default_rng(0)
    n = 120
    popularity = np.tile(np.linspace(0, 4, 40), (n, 1))
    noise = rng.normal(size=(n, 40))
    likely = np.exp(popularity)
    liked = rng.random((n, 40)) < likely / likely.sum(axis=1, keepdims=True)
    liked[:, -1] |= ~liked.any(axis=1)
    rows = blend.Rows(
        z=np.stack([popularity, noise], axis=1).astype(np.float32),
        log_weight=np.zeros((n, 40), np.float32),
        liked=liked,
        length=np.ones(n, np.int64),
        shopper=np.arange(n),
    )
    learned = np.array([[1.0, 0.5], [0.0, 0.0]], np.float32)
    found = choice.choose(rows, learned, [1])
    of_popularity, of_member = found.weights[0]
    assert found.alpha[0] == 0
    assert 0 < of_member < 1e-4 * of_popularity


def test_a_length_with_few_rows_borrows_from_the_others():
    table = table_of(0.1, 0.5, 0.9)
    table[2, :2] = 0.0  # in two rows the member fails
    assert shares(table, np.arange(60) < 2)[2] == 1
    assert shares(table, np.zeros(60, bool))[2] == 1  # a length without rows


def test_plain_recipes_are_popularity_the_sum_and_each_member():
    plain = choice.plain_recipes(3)
    assert np.array_equal(plain[0], [1, 0, 0])
    assert np.array_equal(plain[1], [1, 1.25, 1.25])
    assert (plain[2:].argmax(axis=1) == [1, 2]).all()


def test_a_mixture_has_the_scores_of_its_parts_in_equal_spread():
    rng = np.random.default_rng(0)
    z = rng.standard_normal((20, 2, 30)).astype(np.float32)
    rows = rows_of(z, rng.random((20, 30)) < 0.2)
    learned = np.array([0.5, 8], np.float32)
    trial = choice.tried(rows, np.einsum("s,nsm->nm", learned, z), learned)
    half = trial.weights[2]  # popularity and the learned weights, half and half
    assert trial.alpha[2] == 0.5
    plain = 2 * half - learned
    assert plain[1] == pytest.approx(0, abs=1e-5)
    spread = [np.einsum("s,nsm->nm", weight, z).std(axis=1).mean() for weight in (plain, learned)]
    assert spread[0] == pytest.approx(spread[1], rel=1e-4)
    scores = np.einsum("s,nsm->nm", half, z)
    np.testing.assert_allclose(trial.ndcg[2], blend.ndcg10(scores, rows), atol=1e-5)


def test_a_member_that_knows_everything_is_not_diluted():
    """One signal says exactly what is liked, to shoppers with three items; others are noise."""
    rng = np.random.default_rng(0)
    n = 120
    z = rng.random((n, 4, 50)).astype(np.float32)
    liked = rng.random((n, 50)) < 0.1
    liked[:, 0] = True
    length = np.repeat([1, 3], n // 2)
    z[length == 3, 2] = liked[length == 3]
    rows = blend.Rows(z, np.zeros((n, 50), np.float32), liked, length, np.arange(n))
    found = choice.choose(rows, blend.fit_weights(rows), (1, 3))
    scores = np.einsum("s,nsm->nm", found.weights[1], z[length == 3])
    best = blend.ndcg10(z[length == 3, 2], rows[length == 3]).mean()
    assert blend.ndcg10(scores, rows[length == 3]).mean() >= best - 0.005


def test_a_length_has_weights_of_its_own_and_few_rows_keep_the_curve():
    """Signal 1 speaks at length 1 only; length 3 has too few rows to say so."""
    rng = np.random.default_rng(0)
    z = rng.standard_normal((100, 2, 30)).astype(np.float32)
    liked = z[:, 1] > 1
    liked[60:] = rng.random((40, 30)) > 0.8
    length = np.repeat([1, 2, 3], [60, 30, 10])
    rows = rows_of(z, liked)
    rows.length[:] = length
    curve = np.array([[1, 1], [0, 0]], np.float32)
    found = blend.at_lengths(rows, curve, (1, 2, 3))
    assert found[0, 1] > 2 and found[1, 1] < 0.7
    assert np.array_equal(found[2], [1, 1])


def test_ndcg_by_hand():
    liked = np.array([[True, False, True]])
    rows = rows_of(np.zeros((1, 1, 3)), liked)
    value = blend.ndcg10(np.array([[3.0, 2.0, 1.0]]), rows)[0]
    assert value == pytest.approx((1 + 1 / 2) / (1 + 1 / np.log2(3)))


def test_trees_are_one_more_signal_unless_they_are_left_out():
    train, items = shop_of(personal=True, dislikes=False)
    plain = Hybrid([Random(), Content()], trees=False).fit(train, items)
    model = Hybrid([Random(), Content()]).fit(train, items)
    assert plain.signals == ["Popularity", "Random", "Content"] and not plain.has_trees_
    assert model.tree_value_.shape[0] == 4 and model.tree_value_.any()  # own, a, b, new
    some = histories([1, 3], [2])
    assert not np.allclose(plain.score(some), model.score(some))


def test_what_is_enjoyed_has_no_trees():
    train, items = shop_of(personal=True)
    model = Hybrid([Content()], goal="enjoyed").fit(train, items)
    assert model.signals == ["Popularity", "Content"] and not hasattr(model, "tree_value_")


def test_where_lightgbm_does_not_start_the_blend_says_so_and_does_without_trees(monkeypatch):
    class Broken:
        def find_spec(self, name, path=None, target=None):
            if name == "lightgbm":
                raise OSError("libomp.dylib: no such file")

    monkeypatch.delitem(sys.modules, "lightgbm", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    train, items = shop_of(personal=True, dislikes=False)
    with pytest.warns(UserWarning, match="brew install libomp"):
        model = Hybrid([Random(), Content()]).fit(train, items)
    assert model.signals == ["Popularity", "Random", "Content"]
    assert np.isfinite(model.score(histories([3], [1, 2]))).all()


def test_trees_that_know_no_new_items_are_silent_among_them():
    train, items = shop_of(personal=True, dislikes=False)
    new = np.arange(N_ITEMS - 10, N_ITEMS)
    known = train.cells(train.ratings.indices < N_ITEMS - 10)
    model = Hybrid([Random(), Content()]).fit(known, items)
    model.place_of_new_ = -1  # as where new items were not practiced
    some = histories([1, 3], [2])
    among_new = model.score_candidates(some, new)
    among_all = model.score(some)
    model.tree_value_[:] = 0
    assert np.array_equal(model.score_candidates(some, new), among_new)
    assert not np.array_equal(model.score(some), among_all)


def drifting():
    """Item i is sold from day i on for 25 days, and shoppers come at random. So dates tell
    what is chosen next, and nothing else does.
    """
    rng = np.random.default_rng(1)
    day = rng.integers(0, N_ITEMS, (N_USERS, 8))
    item = np.maximum(day - rng.integers(0, 25, day.shape), 0)
    row = np.repeat(np.arange(N_USERS), day.shape[1])
    log = pd.DataFrame({"user": row, "item": item.ravel(), "day": day.ravel() + 1.0})
    log = log.drop_duplicates(["user", "item"])
    cells = (log["user"], log["item"])
    shape = (N_USERS, N_ITEMS)
    ratings = sp.csr_matrix((np.full(len(log), 5.0), cells), shape)
    times = sp.csr_matrix((log["day"], cells), shape)
    _, items = shop_of(personal=False)
    users = pd.Index([f"u{u}" for u in range(N_USERS)])
    return Interactions(ratings, users, pd.Index(items.frame["image_key"]), times), items


def test_what_a_known_customer_chooses_next_is_practiced_in_the_order_of_time(tmp_path):
    train, items = drifting()
    model = Hybrid([RecentPopularity(), Random()]).fit(train, items)
    customers = Histories.from_interactions(train, items)[:50]
    strangers = Histories(customers.ratings, customers.columns, times=customers.times)
    assert (model._questions(customers, np.arange(N_ITEMS)) == model._place(hybrid.NEXT)).all()
    assert (model._questions(strangers, np.arange(N_ITEMS)) == 0).all()
    theirs, _ = model.recommend(customers, 5)
    others, _ = model.recommend(strangers, 5)
    assert theirs.mean() > others.mean() + 5
    model.save(tmp_path / "model")
    assert np.array_equal(load(tmp_path / "model").recommend(customers, 5)[0], theirs)


def test_without_dates_known_customers_are_asked_what_strangers_are(personal):
    train, items, model = personal
    customers = Histories.from_interactions(train, items)
    places = model._questions(customers, np.arange(N_ITEMS))
    assert len(model.customers_) == 0 and (places == 0).all()


def test_new_items_have_weights_of_their_own():
    """Shoppers like one of two looks. Of items that nobody has, only the look is known."""
    train, items = shop_of(personal=True, dislikes=False)
    new = np.arange(N_ITEMS - 6, N_ITEMS)
    known = train.cells(~np.isin(train.ratings.indices, new))
    model = Hybrid([ItemKNN(), Content()]).fit(known, items)
    customers = Histories.from_interactions(known, items)
    assert (model._questions(customers, new) == model._place(hybrid.NEW)).all()
    assert (model._questions(customers, np.arange(N_ITEMS)) == 0).all()
    ids, _ = model.recommend(customers, 3, new)
    assert (ids % 2 == np.arange(N_USERS)[:, None] % 2).mean() > 0.95


def test_hidden_items_stand_for_new_ones():
    train, _ = shop_of(personal=True)
    known, unknown, hidden = practice.split_by_item(train, seed=3)
    assert hidden.sum() == N_ITEMS // 5
    assert known.ratings[:, hidden].nnz == 0 and unknown.ratings[:, ~hidden].nnz == 0
    assert known.ratings.nnz + unknown.ratings.nnz == train.ratings.nnz
    again = practice.split_by_item(train, seed=3)[2]
    assert np.array_equal(again, hidden)


@pytest.fixture(scope="module")
def dated():
    train, items = drifting()
    return train, items, Hybrid([RecentPopularity(), ItemKNN()], trees=False).fit(train, items)


def test_customers_are_known_by_name_be_it_a_number_or_a_string(dated):
    train, items, model = dated
    numbers = pd.Index(range(N_USERS))
    numbered = Interactions(train.ratings, numbers, train.items, train.times)
    of_numbers = Hybrid([RecentPopularity()], trees=False).fit(numbered, items)
    strangers = pd.Index([f"stranger {number}" for number in range(N_USERS)])
    nobody = Histories(sp.csr_matrix((2 * N_USERS, N_ITEMS)), np.arange(N_ITEMS))
    for who, names in (
        (model, train.users),
        (of_numbers, numbers),
        (of_numbers, numbers.astype(str)),
    ):
        named = replace(nobody, users=names.append(strangers))
        assert who._is_customer(named).tolist() == [True] * N_USERS + [False] * N_USERS


def test_what_a_stranger_gets_does_not_depend_on_customers_beside_them(dated):
    train, _, model = dated
    customers = Histories.from_interactions(train)
    is_stranger = np.arange(N_USERS) % 2 == 0
    names = train.users.where(~is_stranger, train.users + " the stranger")
    apart = model.score(replace(customers, users=None))
    beside = model.score(replace(customers, users=names))
    assert np.array_equal(beside[is_stranger], apart[is_stranger])
    assert not np.array_equal(beside, apart)


def test_a_longer_history_of_a_customer_weighs_like_the_longest_practiced_one(dated, monkeypatch):
    _, _, model = dated
    monkeypatch.setattr(model, "alpha_", np.ones_like(model.alpha_))
    monkeypatch.setattr(model, "weights_", np.ones_like(model.weights_))
    next_ten, next_fifty = model.weights([10, 50], hybrid.NEXT)
    else_ten, else_fifty = model.weights([10, 50])
    assert np.array_equal(next_ten, next_fifty) and (else_ten < else_fifty).all()


def test_what_comes_next_has_no_weights_where_it_was_not_practiced(personal):
    _, _, model = personal
    with pytest.raises(ValueError, match="not practiced"):
        model.weights([3], hybrid.NEXT)


def test_to_a_model_saved_before_customers_were_asked_all_are_strangers(personal):
    train, items, model = personal
    customers = Histories.from_interactions(train, items)[:5]
    learned = model.learned()
    del learned["customers_"]
    old = Hybrid(model.members)
    old.take(learned)
    assert np.array_equal(old.score(customers), model.score(customers))


def test_a_shop_that_there_is_not_has_no_weights(dated):
    _, _, model = dated
    assert model.weights([3], 1).shape == (1, 3)
    for shop in (2, 5):
        with pytest.raises(ValueError, match="no such shop"):
            model.weights([3], shop)
    model_of_one_shop = Hybrid([RecentPopularity()], trees=False)
    train, items = drifting()
    one = ItemFeatures(items.vectors, items.frame.assign(platform="a"))
    with pytest.raises(ValueError, match="no such shop"):
        model_of_one_shop.fit(train, one).weights([3], 0)


def test_days_may_be_counted_from_any_day(dated):
    """Day 0 is a date like others, though a sparse matrix could lose it."""
    train, items, model = dated
    times = train.times.copy()
    times.data -= 30
    moved = Interactions(train.ratings, train.users, train.items, times)
    again = Hybrid(model.members, trees=False).fit(moved, items)
    scores = again.score(Histories.from_interactions(moved))
    assert (moved.times.data == 0).any() and len(again.customers_) == N_USERS
    assert np.array_equal(scores, model.score(Histories.from_interactions(train)))


def test_the_last_fifth_of_a_log_answers_what_next():
    """Four shoppers, five days, item d on day d; the last two have nothing to ask or to tell."""
    keys = pd.Index([f"shop/{i}" for i in range(5)])
    ratings = np.array([[5, 5, 0, 0, 5], [5, 0, 2, 0, 4], [5, 0, 0, 0, 2], [0, 0, 0, 0, 5]])
    times = np.where(ratings > 0, np.arange(1, 6), 0)
    train = Interactions(
        sp.csr_matrix(ratings), pd.Index(list("abcd")), keys, sp.csr_matrix(times.astype(float))
    )
    past, late = practice.split_by_date(train)
    assert past.ratings.nnz == 5 and late.ratings.nnz == 4 and set(late.ratings.indices) == {4}
    cuts = practice.from_one_part_to_the_other(past, late, np.arange(4), at_most=9)
    found = [(cut.shopper, list(cut.history), list(cut.liked)) for cut in cuts]
    assert found == [(0, [0, 1], [4]), (1, [0], [4])]
    assert len(practice.from_one_part_to_the_other(past, late, np.arange(4), at_most=1)) == 1


def test_a_log_has_no_past_if_its_first_day_reaches_into_the_last_fifth():
    keys = pd.Index([f"shop/{i}" for i in range(10)])
    ones = sp.csr_matrix(np.full((1, 10), 5.0))
    for n_late, has_past in ((1, False), (2, True), (6, True)):
        days = sp.csr_matrix(np.repeat([1.0, 2.0], [10 - n_late, n_late])[None])
        split = practice.split_by_date(Interactions(ones, pd.Index(["a"]), keys, days))
        assert (split is not None) == has_past
        assert split is None or split[1].ratings.nnz == n_late


def test_a_log_of_one_day_has_no_past():
    keys = pd.Index(["shop/0", "shop/1"])
    ones = sp.csr_matrix(np.full((2, 2), 5.0))
    days = sp.csr_matrix(np.full((2, 2), 3.0))
    assert practice.split_by_date(Interactions(ones, pd.Index(["a", "b"]), keys)) is None
    assert practice.split_by_date(Interactions(ones, pd.Index(["a", "b"]), keys, days)) is None
