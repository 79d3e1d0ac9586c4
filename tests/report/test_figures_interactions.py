"""Figures of chapter 02: tastes as the simulator has them, neighbors, and shares."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.stats import norm
from sklearn.metrics.pairwise import cosine_similarity

from helpers.report.figures import interactions as figures
from helpers.simulator import simulate_market

SETTINGS = {"n_users": 60, "n_test": 20, "density": 0.1, "n_liked": 3, "source": "a", "target": "b"}


@pytest.fixture(scope="module")
def attributes():
    rng = np.random.default_rng(3)
    n = 120
    return pd.DataFrame(
        {
            "image_key": [f"{'ab'[number % 2]}/{number}" for number in range(n)],
            "category": rng.choice(["coats", "jeans", "skirts"], n),
            "colour": rng.choice(["red", "blue", "green", "black"], n),
            "pattern": rng.choice(["solid", "stripe"], n),
            "style": rng.choice(["casual", "formal"], n),
            "price_usd": rng.uniform(10, 90, n).round(2),
        }
    )


@pytest.fixture(scope="module")
def market(attributes):
    return simulate_market(attributes, seed=5, **SETTINGS)


@pytest.mark.parametrize("shopper", [0, 7])
def test_a_taste_gives_the_simulators_own_probabilities(market, attributes, shopper):
    taste = figures.taste_of(market, attributes, shopper)
    signal = taste.attributes @ taste.weights + taste.appeal
    chance = norm.cdf((signal - market.cuts[2]) / market.settings["noise"])
    name = market.test_users[[shopper]]
    np.testing.assert_allclose(chance, market.probability_liked(name)[0], atol=1e-5)


def test_every_value_that_is_sold_has_a_name(market, attributes):
    taste = figures.taste_of(market, attributes, 0)
    for place, row in enumerate(taste.attributes[:5]):
        names = [taste.names[value] for value in np.flatnonzero(row)]
        garment = attributes.iloc[place]
        assert f"category {garment['category']}" in names
        assert f"color {garment['colour']}" in names
    wishes = figures.wishes(taste)
    assert "?" not in set(wishes["likes most"]) | set(wishes["likes least"])
    assert wishes["weight"].is_monotonic_decreasing


def test_nearest_agrees_with_scikit_learn():
    rng = np.random.default_rng(1)
    items = rng.normal(size=(30, 5))
    asked = rng.normal(size=(4, 5))
    among = np.arange(10, 30)
    found = figures.nearest(asked, items, among, k=3)
    similarity = cosine_similarity(asked, items[among])
    np.testing.assert_array_equal(found, among[np.argsort(-similarity, axis=1)[:, :3]])


def test_the_most_similar_item_has_another_title():
    vectors = np.array([[1.0, 0], [1, 0], [1, 0.1], [0, 1], [0.1, 1], [0, 1]])
    titles = ["Milk", "Milk", "Cream", "Bread", "Rolls", "Bread"]
    table = figures.similar_titles(vectors, pd.DataFrame({"title": titles}), n=2)
    assert table.to_numpy().tolist() == [["Milk", "Cream"], ["Bread", "Rolls"]]


def test_sparsity_by_hand():
    ratings = sp.csr_matrix([[5, 0, 0, 1], [4, 0, 0, 0], [3, 2, 0, 0]])
    found = figures.sparsity_of(ratings)
    assert found.n_known == 5 and found.n_unrated == 1
    assert found.share_known == 5 / 12
    assert found.share_of_top_tenth == 3 / 5  # at least one item
    assert found.median_per_shopper == 2


def test_ratings_of_the_seen_and_of_all():
    judged = np.array([[5, 1], [4, 1]])
    seen = np.array([[True, False], [True, False]])
    table = figures.ratings_by_exposure(judged, seen)
    assert table["what they have seen"].tolist() == [0, 0, 0, 50, 50]
    assert table["everything in shop B"].tolist() == [50, 0, 0, 25, 25]


def test_rivals_read_what_they_say(market, attributes):
    """Methods on noise score like a random list; the Oracle beats all."""
    vectors = np.random.default_rng(2).normal(size=(len(attributes), 8)).astype(np.float32)
    scores = figures.Rivals.of(vectors, attributes).scores(market, n=3)
    assert max(scores, key=scores.get) == "Oracle"
    assert scores["shared attributes"] > scores["content"]


def test_only_changes_beyond_chance_are_clear():
    scores = pd.DataFrame(
        {"aided": [0.50, 0.54, 0.20], "unaided": [0.60, 0.65, 0.63]},
        index=["as set", "same", "other"],
    )
    clear, chance = figures.clear_changes(scores, ["as set", "same"], ["unaided"])
    assert chance == pytest.approx(0.05)
    assert clear.loc["other"].to_dict() == {"aided": "-0.30", "unaided": "·"}
    assert "same" not in clear.index


def test_the_words_of_a_signal_add_up():
    taste = figures.Taste(
        attributes=np.array([[1.0, 0, 1]]),
        weights=np.array([0.5, 9, -0.25]),
        appeal=np.array([0.25]),
        names=["color red", "color blue", "style plain"],
    )
    told = "color red (0.50) + style plain (-0.25) + general appeal (0.25) = 0.50"
    assert figures.signal_in_words(taste, 0) == told


def test_a_log_of_purchases_is_not_called_ratings():
    ratings = sp.csr_matrix(np.array([[5.0, 0.0], [5.0, 5.0]]))
    left, right = figures.matrix_figure(ratings, has_ratings=False).axes
    assert [title_of(left), title_of(right)] == ["Each dot is a purchase", "Purchases per item"]
    assert right.get_xlabel() == "items, most bought first"
    assert title_of(figures.matrix_figure(ratings).axes[0]) == "Each dot is a known rating"


def title_of(axes):
    """Its title, which the course's style sets at the left."""
    return axes.get_title("left") + axes.get_title("center")
