"""Tables and figures of chapters 03 and 05: what they say is what they were given."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from helpers.interactions import ItemFeatures
from helpers.report.figures import collaborative, completion, curves
from helpers.serving.history import History
from helpers.serving.personas import Persona


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def test_a_toy_is_read_as_it_is_written():
    table = curves.toy_table("""
             dress  coat
        Ann      5     .
        Ben      .     2
    """)
    expected = pd.DataFrame([[5, 0], [0, 2]], index=["Ann", "Ben"], columns=["dress", "coat"])
    pd.testing.assert_frame_equal(table, expected)


def test_names_at_the_lines_ends_do_not_cover_each_other():
    rows = []
    for number, name in enumerate("abcde"):
        for x in (1, 10):
            rows.append({"x": x, "y": 0.001 * number + 0.1 * (x == 1), "name": name})
    labels = {"title": "close", "xlabel": "x", "ylabel": "y"}
    ax = curves.named_lines(pd.DataFrame(rows), "x", "y", "name", **labels)
    low, high = ax.get_ylim()
    places = sorted(text.get_position()[1] for text in ax.texts)
    assert len(places) == 5
    assert np.diff(places).min() > 0.99 * curves.LINE_GAP * (high - low)
    assert places[0] >= low and places[-1] <= high
    assert ax.get_title(loc="left") == "close"


def test_a_method_is_compared_with_the_floor_shopper_by_shopper():
    rows = []
    for user, (floor, ours) in enumerate([(0.1, 0.3), (0.5, 0.7), (0.2, 0.4)]):
        rows.append({"recommender": "Popularity", "n_history": 1, "user": user, "value": floor})
        rows.append({"recommender": "ours", "n_history": 1, "user": user, "value": ours})
    table = collaborative.against_floor(pd.DataFrame(rows), "Popularity", (1,))
    assert table.to_dict() == {"1 liked item": {"ours": "+0.20 (+0.20 to +0.20)"}}


def test_a_measure_that_is_missing_is_a_dash():
    values = pd.DataFrame({"rmse": [1.25, np.nan], "recall": [0.1, 0.2]}, index=["a", "b"])
    table = collaborative.measures_table(values)
    assert table.to_dict() == {
        "RMSE": {"a": "1.250", "b": "–"},
        "R@5": {"a": "0.100", "b": "0.200"},
    }
    assert completion.with_decimals(values, 1).loc["b", "rmse"] == "–"


def test_no_zero_has_a_minus():
    assert completion.stars(np.array([[-0.01, 4.04]]), ["Ann"], ["a", "b"]).loc["Ann", "a"] == "0.0"


@pytest.mark.parametrize(
    ("given", "title", "gender"),
    [
        ("women", "Men's hoodie", "women"),
        (None, "Men's hoodie", "men"),
        (None, "Pleated midi skirt", "women"),
        (None, "Plain t-shirt", "all"),
    ],
)
def test_gender_is_given_or_read_from_the_titles(given, title, gender):
    history = History(pd.DataFrame({"title": [title]}))
    persona = Persona("Ida", "", given, history)
    assert completion.gender_of_persona(persona) == gender


def test_pictures_of_what_a_newcomer_likes_are_cut_or_filled_up():
    items = pd.DataFrame({"title": list("abc"), "image": ["a.webp", "", "c.webp"]})
    persona = Persona("Ida", "", None, History(items, Path("there")))
    first, second = Path("there/a.webp"), Path("there/c.webp")
    assert persona.pictures == [first, None, second]
    assert curves.pictures_liked(persona, 1) == [first]
    assert curves.pictures_liked(persona, 3) == [first, second, None]


def test_people_see_items_of_their_gender_with_a_picture():
    frame = pd.DataFrame(
        {
            "gender": ["men", "women", "unisex", "men", "men"],
            "image_path": ["a", "b", "c", None, ""],
        }
    )
    items = ItemFeatures(np.zeros((5, 2), np.float32), frame)
    candidates = np.array([0, 1, 2, 3, 4])
    assert completion.suits(items, candidates, "men").tolist() == [0, 2]
    assert completion.suits(items, candidates, "all").tolist() == [0, 1, 2]


def test_strangers_have_likes_in_no_column():
    people = []
    for titles in (["a coat", "a hat"], ["a scarf"]):
        liked = History(pd.DataFrame({"title": titles}))
        people.append(Persona("Ida", "", None, liked))
    histories = collaborative.strangers(people)
    assert histories.in_catalogue(7).nnz == 0
    assert histories.ratings.toarray().tolist() == [[5, 5], [5, 0]]
