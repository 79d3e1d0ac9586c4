"""Cross-validation: the folds' own values, whoever computes them and however often the run breaks
off.
"""

import time

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from helpers.evaluation import cross_validate, evaluate, fewer_shoppers, summarise
from helpers.interactions import Interactions, warm
from helpers.recommenders import ItemKNN, Popularity


@pytest.fixture(scope="module")
def folds():
    rng = np.random.default_rng(0)
    ratings = sp.csr_matrix((rng.random((60, 25)) < 0.4) * rng.integers(1, 6, (60, 25)))
    users = pd.Index([f"u{number:02d}" for number in range(60)])
    return list(
        warm(
            Interactions(ratings, users, pd.Index([f"i{number}" for number in range(25)])), folds=3
        )
    )


METHODS = {"Popularity": Popularity(), "ItemKNN": ItemKNN(k=5)}


@pytest.fixture(scope="module")
def run(folds, tmp_path_factory):
    folder = tmp_path_factory.mktemp("folds")
    return folder, cross_validate(METHODS, folds, folder, jobs=1, ks=(5,))


def finished(folder):
    """Files of the folds that are done; beside each lies its JSON."""
    return sorted(folder.glob("*.parquet"))


def assert_same(found, expected):
    pd.testing.assert_frame_equal(found.per_user, expected.per_user)
    measured = ["recommender", "split", "n_history", "k", "metric", "value", "n_fallback"]
    pd.testing.assert_frame_equal(found.runs[measured], expected.runs[measured])
    about = (found.seed, found.candidates, found.shoppers)
    assert about == (expected.seed, expected.candidates, expected.shoppers)


def test_a_shopper_s_value_is_the_mean_over_the_folds_that_ask_them(folds, run):
    name = folds[0].histories[None].users[3]
    values = []
    for split in folds:
        frame = evaluate({"ItemKNN": ItemKNN(k=5).fit(split.train)}, split, ks=(5,)).per_user
        place = split.histories[None].users.get_loc(name)
        values.append(frame.query(f"metric == 'ndcg' and user == {place}")["value"].item())
    everyone = pd.Index(sorted(set().union(*(split.histories[None].users for split in folds))))
    where = f"recommender == 'ItemKNN' and metric == 'ndcg' and user == {everyone.get_loc(name)}"
    assert run[1].per_user.query(where)["value"].item() == pytest.approx(np.nanmean(values))


def test_processes_change_nothing(folds, run, tmp_path):
    beside = cross_validate(METHODS, folds, tmp_path, jobs=2, ks=(5,))
    assert_same(beside, run[1])


def test_it_summarises_with_costs(run):
    summary = summarise(run[1], n_resamples=50)
    errors = summary.query("metric == 'rmse'").set_index("recommender")["value"]
    assert 0.8 < errors["ItemKNN"] < 2.5 and summary["n_users"].max() == 59  # one has no rating
    seconds = run[1].runs.groupby("recommender")["fit_seconds"].min()
    assert set(seconds.index) == set(METHODS) and seconds.min() > 0
    assert (summary["score_seconds"] > 0).all() and (summary["peak_mb"] >= 0).all()


def test_what_is_finished_is_not_done_again(folds, run):
    folder, first = run
    before = {path: path.stat().st_mtime_ns for path in finished(folder)}
    assert len(before) == 2 * 3
    lost = sorted(before)[0]
    lost.unlink()  # as if the run had broken off
    time.sleep(0.01)
    again = cross_validate(METHODS, folds, folder, jobs=1, ks=(5,))
    after = {path: path.stat().st_mtime_ns for path in finished(folder)}
    assert {path for path in after if after[path] != before[path]} == {lost}
    assert_same(again, first)
    cross_validate(
        {"ItemKNN": ItemKNN(k=6)}, folds, folder, jobs=1, ks=(5,)
    )  # another k, another fold: anew
    cross_validate({"ItemKNN": ItemKNN(k=5)}, folds[1:2], folder, jobs=1, ks=(10,))
    assert len(finished(folder)) == 6 + 3 + 1


class Stops(Popularity):
    """Fails on the second fold it sees."""

    seen = 0

    def _fit(self, train, items, validate):
        Stops.seen += 1
        if Stops.seen == 2:
            raise RuntimeError("power cut")


def test_a_failure_keeps_what_was_finished(folds, tmp_path):
    with pytest.raises(RuntimeError, match="power cut"):
        cross_validate({"Stops": Stops()}, folds, tmp_path, jobs=1, ks=(5,))
    assert len(finished(tmp_path)) == 1
    cross_validate({"Stops": Stops()}, folds, tmp_path, jobs=1, ks=(5,))
    assert Stops.seen == 4  # folds 0 and 1 (failed), then 1 and 2


def test_fewer_shoppers_are_asked_the_same(folds):
    everyone = folds[0]
    some = fewer_shoppers(everyone, most=10, seed=3)
    names = everyone.histories[None].users
    places = names.get_indexer(some.histories[None].users)
    assert len(places) == 10
    assert (np.diff(places) > 0).all()
    assert some.train is everyone.train
    assert some.dropped["shoppers not asked, to save time"] == len(names) - 10
    rivals = {"ItemKNN": ItemKNN(k=5).fit(everyone.train)}
    of_all = evaluate(rivals, everyone, ks=(5,), metrics=("ndcg",)).per_user.query(
        "metric == 'ndcg'"
    )
    of_some = evaluate(rivals, some, ks=(5,), metrics=("ndcg",)).per_user.query("metric == 'ndcg'")
    expected = of_all["value"].to_numpy()[places]
    np.testing.assert_array_equal(of_some["value"], expected)
    np.testing.assert_array_equal(
        some.test.ratings.toarray(), everyone.test.ratings[places].toarray()
    )


def test_a_small_shop_is_asked_whole(folds):
    assert fewer_shoppers(folds[0], most=60) is folds[0]
