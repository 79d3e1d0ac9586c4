"""The protocol on a market of 200 shoppers whose answers are known."""

import json
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from helpers.evaluation import (
    evaluate,
    metered,
    metrics,
    rank,
    rating_errors,
    result_rows,
    segments,
    share_of_way,
    summarise,
    validate,
)
from helpers.interactions.matrix import Histories, Interactions, ItemFeatures
from helpers.interactions.splits import Split
from helpers.recommenders.base import Recommender

N_USERS, N_ITEMS = 200, 40


class Fixed(Recommender):
    """Scores given in advance, (n_users, n_items); everyone usable."""

    def __init__(self, scores=None):
        self.scores = scores

    def _fit(self, train, items, validate):
        pass

    def _usable(self, histories):
        return np.ones(len(histories), bool)

    def _score(self, histories):
        return self.scores[histories.users.astype(int)].astype(np.float32)

    def _predict(self, histories, items):
        return self.scores[histories.users.astype(int)][:, items]


class Popular(Fixed):
    """Scores nobody, so that everyone falls back to popularity."""

    def _usable(self, histories):
        return np.zeros(len(histories), bool)


@pytest.fixture(scope="module")
def market():
    rng = np.random.default_rng(0)
    taste = rng.random((N_USERS, N_ITEMS))
    complete = sp.csr_matrix(
        (taste > 0.7) & (np.arange(N_USERS) != 3)[:, None]
    )  # shopper 3 likes nothing
    ratings = sp.csr_matrix(
        (rng.random((N_USERS, N_ITEMS)) < 0.2) * rng.integers(1, 6, (N_USERS, N_ITEMS))
    )
    users, items = (
        pd.Index([str(u) for u in range(N_USERS)]),
        pd.Index([f"i{i}" for i in range(N_ITEMS)]),
    )
    train = Interactions(ratings, users, items)
    seen = np.zeros((N_USERS, N_ITEMS))
    seen[:, 35] = 5  # history from outside the candidates
    seen[:, 6] = 4  # and a candidate already seen
    histories = {
        n: Histories(sp.csr_matrix(seen * (n > 0)), np.arange(N_ITEMS), None, users) for n in (0, 2)
    }
    observed = sp.csr_matrix(complete.multiply(rng.random((N_USERS, N_ITEMS)) < 0.3))
    relevant = {"complete": complete, "observed": sp.csr_matrix(observed > 0)}
    split = Split("cross_platform", train, histories, relevant, np.arange(30), train)
    models = {
        "Popularity": Popular().fit(train),
        "Oracle": Fixed(taste).fit(train),
        "Noisy": Fixed(taste + rng.normal(0, 0.5, taste.shape)).fit(train),
    }
    return split, models


@pytest.fixture(scope="module")
def evaluation(market):
    split, models = market
    features = ItemFeatures(np.eye(N_ITEMS, dtype=np.float32), pd.DataFrame(index=range(N_ITEMS)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return evaluate(models, split, ks=(5, 10), items=features)


@pytest.fixture(scope="module")
def per_user(evaluation):
    return evaluation.per_user


@pytest.fixture(scope="module")
def summary(evaluation):
    return summarise(evaluation)


def test_every_user_candidate_and_metric_counts(market, per_user):
    split, models = market
    n_measures = 2 * 2 * 7 + 2 * 2  # 7 metrics x 2 variants x 2 k, diversity and novelty x 2 k
    assert len(per_user) == len(models) * 2 * N_USERS * n_measures
    assert not per_user.duplicated(
        ["recommender", "variant", "n_history", "user", "metric", "k"]
    ).any()
    undefined = per_user[(per_user["variant"] == "complete") & per_user["value"].isna()]
    empty = np.flatnonzero(np.diff(split.relevant["complete"].indptr) == 0)
    assert 3 in empty and set(undefined["user"]) == set(empty)


def test_values_are_those_of_the_metric_on_the_recommended_items(market, per_user):
    split, models = market
    ids = models["Noisy"].recommend(split.histories[2], 10, split.candidates)[0]
    expected = metrics.ndcg(ids, split.relevant["observed"], 10)
    where = "recommender == 'Noisy' and variant == 'observed' and n_history == 2 and metric == 'ndcg' and k == 10"  # noqa: E501
    np.testing.assert_array_equal(per_user.query(where).sort_values("user")["value"], expected)


def test_a_part_of_the_exam_gives_the_same_values(market, per_user):
    split, models = market
    part = evaluate({"Noisy": models["Noisy"]}, split, ks=(5,), n_history=[2], n_users=60)
    part = part.per_user
    assert set(part["user"]) == set(range(60)) and set(part["n_history"]) == {2}
    where = "recommender == 'Noisy' and n_history == 2 and user < 60 and k == 5 and metric != 'diversity'"  # noqa: E501
    columns = ["variant", "metric", "user"]
    expected = per_user.query(where).set_index(columns)["value"].sort_index()
    np.testing.assert_array_equal(part.set_index(columns)["value"].sort_index(), expected)


def test_rank_keeps_to_candidates_and_what_is_new(market):
    split, models = market
    ids, cost = rank(models["Oracle"], split.histories[2], 30, split.candidates)
    assert ids.max() < 30 and not (ids == 6).any() and (ids[:, -1] == -1).all()
    assert cost["n_fallback"] == 0 and cost["score_seconds"] > 0
    assert (
        rank(models["Popularity"], split.histories[2], 5, split.candidates)[1]["n_fallback"]
        == N_USERS
    )


def test_summary_by_hand_and_by_segment(evaluation, per_user):
    segments = pd.Series(np.where(np.arange(N_USERS) < 50, "few", "many"))
    summary = summarise(evaluation, segments)
    one = summary.query(
        "recommender == 'Noisy' and variant == 'complete' and n_history == 0 and metric == "
        "'precision' and k == 5"
    )
    assert list(one["segment"]) == ["all", "few", "many"]
    values = per_user.query(
        "recommender == 'Noisy' and variant == 'complete' and n_history == 0 and metric == "
        "'precision' and k == 5"
    )
    assert one["value"].iloc[0] == pytest.approx(values["value"].mean())
    assert one["value"].iloc[1] == pytest.approx(values[values["user"] < 50]["value"].mean())
    assert (one["low"] < one["value"]).all() and (one["value"] < one["high"]).all()
    assert (
        one["n_users"].iloc[0] + one["n_undefined"].iloc[0] == N_USERS
        and one["n_undefined"].iloc[0] >= 1
    )
    assert set(summary["metric"]) >= {"coverage", "gini", "diversity", "novelty"}
    assert (summary.loc[summary["metric"] == "diversity", "value"] == 1).all()  # orthogonal vectors
    popular = summary.query("recommender == 'Popularity' and metric == 'coverage' and k == 5")
    assert set(popular["value"]) == {5 / 30}  # everyone gets the same five of 30 candidates


def test_order_of_rows_and_repetition_change_nothing(evaluation, summary):
    shuffled = evaluation.per_user.sample(frac=1, random_state=1)
    shuffled = replace(evaluation, per_user=shuffled)
    pd.testing.assert_frame_equal(summary, summarise(shuffled))


def test_share_of_way(summary):
    shares = share_of_way(summary)
    one = shares.query(
        "variant == 'complete' and metric == 'ndcg' and k == 10 and n_history == 2"
    ).set_index("recommender")
    assert one.loc["Popularity", "share"] == 0 and one.loc["Oracle", "share"] == 1
    value = one["value"]
    by_hand = (value["Noisy"] - value["Popularity"]) / (value["Oracle"] - value["Popularity"])
    assert 0 < one.loc["Noisy", "share"] == pytest.approx(by_hand)
    with pytest.raises(KeyError, match="no recommender 'Best'"):
        share_of_way(shares, ceiling="Best")


def test_rating_errors_by_hand(market):
    split, _ = market
    whole = Split(
        "warm", split.train, {None: split.histories[0]}, {}, split.candidates, split.train
    )
    three = Fixed(np.full((N_USERS, N_ITEMS), 3.0)).fit(split.train)
    errors = rating_errors(three, whole)
    error = split.train.ratings.data - 3.0
    assert errors["n"] == split.train.ratings.nnz
    assert errors["mse"] == pytest.approx((error**2).mean()) and errors["mae"] == pytest.approx(
        np.abs(error).mean()
    )
    perfect = Fixed(split.train.ratings.toarray()).fit(split.train)
    assert rating_errors(perfect, whole)["rmse"] == 0
    with pytest.raises(ValueError, match="holds out no ratings"):
        rating_errors(three, Split("warm", split.train, {}, {}, split.candidates))


def test_evaluate_adds_rating_errors_where_they_are_defined(market):
    split, _ = market
    relevant = {"observed": split.relevant["observed"]}
    warm = Split(
        "warm", split.train, {None: split.histories[0]}, relevant, split.candidates, split.train
    )

    class Ranker(Popular):
        _predict = Recommender._predict

    three = {
        "Three": Fixed(np.full((N_USERS, N_ITEMS), 3.0)).fit(split.train),
        "Ranker": Ranker().fit(split.train),
    }
    rows = result_rows(summarise(evaluate(three, warm, ks=(5,))), "sample")
    errors = {(row["recommender"], row["metric"]): row for row in rows if row["k"] is None}
    error = split.train.ratings.data - 3.0
    assert set(errors) == {("Three", "rmse"), ("Three", "mae")}
    assert errors["Three", "rmse"]["value"] == pytest.approx(np.sqrt((error**2).mean()), abs=1e-6)
    assert all(row["n_history"] is None for row in rows) and validate(document(rows))


def document(rows):
    run = {
        "profile": "sample",
        "parameters": {},
        "seed": 7,
        "device": "cpu",
        "versions": {},
        "started": "",
        "seconds": 1.0,
    }
    return {"run": run, "results": rows}


def test_result_rows_are_what_the_format_says(summary):
    rows = result_rows(summary, "sample", {"Noisy": 1.25})
    assert validate(json.loads(json.dumps(document(rows), allow_nan=False)))["results"] == rows
    assert {row["variant"] for row in rows if row["metric"] == "ndcg"} == {
        "complete, binary gain, ideal cut at k", "observed, binary gain, ideal cut at k",
    }  # fmt: skip
    assert {row["fit_seconds"] for row in rows} == {1.25, None}
    assert {row["candidates"] for row in rows} == {30} and {row["seed"] for row in rows} == {7}


@pytest.mark.parametrize(
    ("field", "value"),
    [("k", "5"), ("value", float("nan")), ("value", None), ("n_users", 2.5), ("low", True)],
)
def test_validate_names_what_is_wrong(summary, field, value):
    rows = result_rows(summary, "sample")[:2]
    rows[1][field] = value
    with pytest.raises(ValueError, match=rf"results\[1\].{field}"):
        validate(document(rows))


def test_validate_wants_every_field_and_no_other(summary):
    rows = result_rows(summary, "sample")[:1]
    with pytest.raises(ValueError, match="peak_mb"):
        validate(document([{key: value for key, value in rows[0].items() if key != "peak_mb"}]))
    with pytest.raises(ValueError, match="nothing else"):
        validate({**document(rows), "more": 1})


def test_metered_sees_time_and_memory():
    with metered() as cost:
        block = np.ones(2**24)  # 128 MiB
        del block
    assert cost["seconds"] > 0 and 0 <= cost["peak_mb"] < 4096
    with metered(0.001) as cost:
        block = np.ones(2**24)
    assert cost["peak_mb"] > 100 and block[0] == 1


def test_segments_by_hand():
    items, users = pd.Index(list("wxyz")), pd.Index(list("abc"))
    train = Interactions(sp.csr_matrix([[5, 4, 3, 0], [5, 4, 0, 0], [1, 0, 0, 0]]), users, items)
    test_users = pd.Index(["c", "a", "stranger"])
    held = Interactions(
        sp.csr_matrix([[0, 5, 0, 0], [0, 0, 5, 4], [5, 4, 5, 1]]), test_users, items
    )
    relevant = {"observed": sp.csr_matrix(held.ratings >= 4)}
    split = Split("warm", train, {}, relevant, np.arange(3), held)
    attributes = pd.DataFrame(
        {"image_key": list("zyxw"), "gender": ["men", "women", "men", "women"]}
    )
    found = segments(split, attributes)
    # candidates w (women's), x (men's), y (women's). c likes x, all of men's; a likes y, half of
    # women's, and z, as many as there are men's; the stranger likes w, x, y, all of both: first by
    # name, though women's are two
    assert found["gender"].tolist() == ["men", "men", "men"]
    assert found["activity"].tolist() == ["quiet", "usual", "busy"]  # 1, 2 and 4 ratings
    assert found["warmth"].tolist() == [
        "warm",
        "hot",
        "cold",
    ]  # 1 and 3 training ratings, the median is 2; none


def test_without_held_out_ratings_there_are_favorites_alone():
    items = pd.Index(list("wxyz"))
    train = Interactions(sp.csr_matrix(np.ones((1, 4))), pd.Index(["a"]), items)
    likes = {"complete": sp.csr_matrix([[1, 0, 0, 1], [1, 1, 0, 0]])}
    split = Split("cross_platform", train, {}, likes, np.arange(4), None)
    styles = pd.DataFrame({"image_key": items, "style": ["plain", "plain", "plain", "loud"]})
    found = segments(split, styles)
    assert found.to_dict("list") == {"style": ["loud", "plain"]}


def test_several_kinds_of_segment_at_once(evaluation, per_user):
    kinds = pd.DataFrame(
        {"gender": np.where(np.arange(N_USERS) < 50, "women", "men"), "warmth": "cold"}
    )
    where = "recommender == 'Noisy' and variant == 'complete' and n_history == 0 and metric == 'ndcg' and k == 5"  # noqa: E501
    one = summarise(evaluation, kinds, n_resamples=20).query(where).set_index("segment")["value"]
    assert set(one.index) == {"all", "gender: men", "gender: women", "warmth: cold"}
    assert one["warmth: cold"] == one["all"]
    assert one["gender: women"] == pytest.approx(
        per_user.query(where + " and user < 50")["value"].mean()
    )


def test_rows_say_whose_data_they_are(market):
    split, models = market
    real = replace(split, shoppers="real")
    one = evaluate({"Noisy": models["Noisy"]}, real, ks=(10,), metrics=("ndcg",))
    rows = result_rows(summarise(one, n_resamples=5), "a shop")
    assert {row["shoppers"] for row in rows} == {"real"}
    run = dict.fromkeys(
        ("profile", "parameters", "seed", "device", "versions", "started", "seconds")
    )
    validate({"run": run, "results": rows})
    with pytest.raises(ValueError, match="shoppers is 'both'"):
        validate({"run": run, "results": [rows[0] | {"shoppers": "both"}]})
