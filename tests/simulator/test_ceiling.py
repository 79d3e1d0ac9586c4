"""On complete judgements the ceilings are ceilings and the floor is the base rate, for methods that
fit in seconds.
"""

import numpy as np
import pandas as pd
import pytest
from toy import garments

from helpers.evaluation import evaluate, summarise
from helpers.evaluation.significance import against
from helpers.interactions import ItemFeatures, cross_platform
from helpers.recommenders import (
    EASE,
    Content,
    ItemKNN,
    MatrixCompletion,
    Oracle,
    Popularity,
    Random,
    UserKNN,
)
from helpers.simulator import simulate_market

LENGTHS = (0, 1, 3, 10)


@pytest.fixture(scope="module")
def exam():
    """Six hundred shoppers of 240 garments; the vectors that Content reads are the attributes
    themselves, in noise.
    """
    frame = garments()
    market = simulate_market(frame, n_users=600, n_test=500, density=0.1)
    traits = pd.get_dummies(frame[["category", "colour", "pattern", "style"]]).to_numpy(np.float32)
    vectors = traits + np.random.default_rng(0).normal(0, 0.1, traits.shape).astype(np.float32)
    split = cross_platform(market, market.items, n_history=LENGTHS)
    items = ItemFeatures(vectors, frame.assign(platform=market.platform))
    models = {
        "Random": Random(),
        "Popularity": Popularity(),
        "UserKNN": UserKNN(),
        "ItemKNN": ItemKNN(),
        "EASE": EASE(),
        "Content": Content(),
        "MatrixCompletion": MatrixCompletion(),
        "given history": Oracle(market, given_history=True, n_draws=4000),
        "Oracle": Oracle(market),
    }
    vectored = cross_platform(market, items, n_history=LENGTHS)
    fitted = {name: model.fit(split.train, items) for name, model in models.items()}
    return vectored, evaluate(fitted, vectored, ks=(10,), variants=["complete"])


@pytest.fixture(scope="module")
def values(exam):
    """ndcg@10 and precision@10 of each shopper (rows) by each method (columns), for each length of
    history.
    """
    chosen = exam[1].per_user.query("metric in ('ndcg', 'precision')")
    return {
        key: part.pivot(index="user", columns="recommender", values="value")
        for key, part in chosen.groupby(["metric", "n_history"], observed=True)
    }


@pytest.mark.parametrize("metric", ["ndcg", "precision"])
@pytest.mark.parametrize("n", LENGTHS)
def test_nobody_beats_the_oracle(values, metric, n):
    table = values[metric, n].astype(float)
    tests = against(table, "Oracle", n_resamples=999)
    assert (tests["difference"] < 0).all() and (tests["p_holm"] < 0.05).all()


@pytest.mark.parametrize("metric", ["ndcg", "precision"])
@pytest.mark.parametrize("n", LENGTHS)
def test_nobody_significantly_beats_who_knows_the_same_history(values, metric, n):
    tests = against(
        values[metric, n].astype(float).drop(columns="Oracle"), "given history", n_resamples=999
    )
    beaten = tests[(tests["difference"] > 0) & (tests["p_holm"] < 0.05)]
    assert beaten.empty, beaten
    if n:  # and what it knows is worth something: it leads whoever doesn't read the history
        assert tests.loc["Popularity", "difference"] < -0.03


@pytest.mark.parametrize("n", LENGTHS)
def test_chance_is_the_base_rate(exam, values, n):
    split, found = exam[0], values["precision", n]["Random"].astype(float).dropna()
    base = split.relevant["complete"][:, split.candidates].toarray()[found.index].mean()
    assert found.mean() == pytest.approx(base, abs=3 * found.std() / np.sqrt(len(found)))


def test_ceilings_and_floors_bound_the_summary(exam):
    summary = summarise(exam[1], n_resamples=50).query("metric == 'ndcg' and segment == 'all'")
    for _, part in summary.groupby("n_history"):
        ranking = part.sort_values("value")["recommender"].tolist()
        assert ranking[-1] == "Oracle" and ranking[0] == "Random"
