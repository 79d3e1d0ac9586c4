"""The simulated shop of the online studies, on a small market."""

from dataclasses import replace

import numpy as np
import pytest

from helpers.evaluation.exam import Exam
from helpers.evaluation.online import set_banner, set_stage
from helpers.interactions.loading import LogFacts
from helpers.interactions.matrix import ItemFeatures


@pytest.fixture(scope="module")
def exam(market, attributes):
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((len(attributes), 24)).astype(np.float32)
    frame = attributes.assign(platform=attributes["image_key"].str.split("/").str[0], title="")
    items = ItemFeatures(vectors, frame, "random")
    facts = LogFacts("simulated", "asos", "myntra")
    return Exam("toy", facts, items, market.interactions(), market)


@pytest.fixture(scope="module")
def stage(exam):
    return set_stage(exam)


def test_the_stage_holds_the_markets_truth(stage, market):
    assert stage.p_liked.shape == (len(market.test_users), 80)
    truth = market.probability_liked(market.test_users)
    on_target = np.flatnonzero(market.platform == "myntra")
    assert stage.p_liked == pytest.approx(truth[:, on_target])
    likes = (market.train >= 4).sum(axis=0)
    assert stage.popularity == pytest.approx(np.asarray(likes).ravel()[on_target])
    assert (np.diff(stage.popularity[stage.by_popularity]) <= 0).all()


def test_features_are_vector_score_and_one(stage):
    some = np.array([3, 5])
    features = stage.features(some)
    assert features.shape == (len(stage.p_liked), 2, stage.vectors.shape[1] + 2)
    assert features[4, 1, -2:] == pytest.approx([stage.scores[4, 5], 1])
    assert np.linalg.norm(features[7, 0, :-2]) == pytest.approx(1)
    assert stage.scores.mean() == pytest.approx(0, abs=1e-9)
    assert stage.scores.std() == pytest.approx(1)


def test_regulars_are_some_of_the_shoppers(stage):
    rows = np.array([9, 2])
    few = stage.with_regulars(rows)
    assert few.p_liked.tolist() == stage.p_liked[rows].tolist()
    assert few.features()[0].tolist() == stage.features()[9].tolist()


def test_banner_policies_are_policies(stage):
    banner = set_banner(stage, explored=0.3, n_items=10)
    for policy in (banner.today, banner.greedy, banner.new):
        assert policy.sum(axis=1) == pytest.approx(np.ones(len(policy)))
    assert banner.today == pytest.approx(0.7 * banner.greedy + 0.03)
    assert banner.p_click == pytest.approx(0.05 + 0.4 * stage.p_liked[:, banner.items])
    assert (banner.greedy[0, :-1] >= banner.greedy[0, 1:]).all()


def test_real_customers_have_no_stage(exam):
    with pytest.raises(ValueError, match="real customers"):
        set_stage(replace(exam, market=None))
