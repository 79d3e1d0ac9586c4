"""The decision guide: the simplest method that the best one does not clearly beat."""

import numpy as np
import pandas as pd
import pytest

from helpers.evaluation.guide import Situation, advise, guide

RNG = np.random.default_rng(0)
BASE = RNG.uniform(0.2, 0.6, 400)


def situation(liked=None, **gains):
    """Scores of 400 shoppers: the base and each method's mean gain, with a little noise."""
    ndcg = pd.DataFrame({name: BASE + gain for name, gain in gains.items()})
    noise = RNG.normal(0, 0.02, ndcg.shape)
    if liked is None:
        liked = dict(zip(gains, np.arange(len(gains)) + 1.0, strict=True))
    return Situation("three items", "simulated", ndcg + noise, pd.Series(liked))


def test_a_clear_winner_is_shipped():
    advice = advise(situation(Popularity=0.0, Content=0.1, Hybrid=0.3))
    assert advice.ship == "Hybrid"


@pytest.mark.parametrize("simpler", ["Attributes", "Content", "Taste"])
def test_of_level_methods_the_simplest_is_shipped(simpler):
    advice = advise(situation(**{"Popularity": 0.0, "Hybrid": 0.3, simpler: 0.2995}))
    assert advice.ship == simpler


def test_a_small_loss_that_is_clear_but_negligible_does_not_count():
    ndcg = pd.DataFrame({"Hybrid": BASE, "Popularity": BASE - 0.008})  # every shopper loses
    advice = advise(Situation("", "real", ndcg, pd.Series({"Hybrid": 2.0, "Popularity": 1.9})))
    assert advice.ship == "Popularity"


def test_no_method_is_shipped_that_is_worse_than_a_simpler_one():
    """Attributes varies so much that its loss is unclear; bestsellers, clearly beaten, are better.

    The blend differs from bestsellers by the same 0.02 for every shopper.
    """
    varied = BASE - 0.02 + np.resize([0.5, -0.5], len(BASE))
    ndcg = pd.DataFrame({"Popularity": BASE, "Attributes": varied, "Hybrid": BASE + 0.02})
    liked = pd.Series({"Popularity": 0.6, "Attributes": 0.4, "Hybrid": 0.7})
    assert advise(Situation("", "real", ndcg, liked)).ship == "Hybrid"


def test_no_method_is_shipped_that_gains_nothing_over_a_simpler_one_that_is_beaten():
    """Attributes is level with the blend by a hair and with bestsellers, which the blend beats."""
    varied = BASE + 0.012 + np.resize([0.2, -0.2], len(BASE))
    ndcg = pd.DataFrame({"Popularity": BASE, "Attributes": varied, "Hybrid": BASE + 0.02})
    liked = pd.Series({"Popularity": 0.6, "Attributes": 0.65, "Hybrid": 0.7})
    assert advise(Situation("", "real", ndcg, liked)).ship == "Hybrid"
    ndcg["Attributes"] = BASE + 0.012  # now its gain is sure
    assert advise(Situation("", "real", ndcg, liked)).ship == "Attributes"


def test_a_method_that_nobody_ranked_by_simplicity_comes_last():
    advice = advise(situation(Hybrid=0.3, Toy=0.3))
    assert advice.ship == "Hybrid"


def test_the_price_is_that_of_the_worst_usual_choice():
    liked = {"Popularity": 2.0, "ItemKNN": 1.5, "EASE": 0.1, "Hybrid": 3.5}
    told = situation(liked, Popularity=0.1, ItemKNN=0.05, EASE=0.0, Hybrid=0.4)
    advice = advise(told)
    assert (advice.wrong, advice.cost) == ("ItemKNN", 2.0)
    row = guide([told]).loc["three items"]
    assert row["being wrong costs"] == "2.0 fewer liked with ItemKNN"
    assert row["ship"] == "Hybrid" and row["liked of five"] == "3.5"


def test_shipping_the_only_usual_choice_costs_nothing():
    told = situation({"Popularity": 2.0, "EASE": 1.0}, Popularity=0.3, EASE=0.0)
    assert guide([told])["being wrong costs"].item() == "nothing: it is the usual choice"


def test_printed_numbers_can_be_subtracted():
    """4.54 less 1.86 is 2.68; but who reads 4.5 and 1.9 expects 2.6."""
    liked = {"Popularity": 1.86, "Hybrid": 4.54}
    told = situation(liked, Popularity=0.1, Hybrid=0.4)
    assert advise(told).cost == pytest.approx(2.68)
    row = guide([told]).loc["three items"]
    assert row["liked of five"] == "4.5"
    assert row["being wrong costs"] == "2.6 fewer liked with Popularity"
