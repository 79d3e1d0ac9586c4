"""What the figures of chapters 04 and 06 count, on data small enough to count by hand."""

import io

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from matplotlib.text import Text
from PIL import Image

from helpers.interactions import Histories
from helpers.report.figures import content, two_tower
from helpers.report.figures.cold_start import (
    cold_start_curve,
    paired_gain,
    per_list,
    told_by_length,
    verdict,
)
from helpers.report.figures.people import liked_table, people_sheet
from helpers.report.figures.tables import by_length, rounded
from helpers.report.plots import LEAST_LABEL, SLIDE_WIDTH, use_course_style
from helpers.serving.history import History


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def summary():
    rows = []
    for name, value in {"Popularity": 0.3, "Content": 0.5}.items():
        for n in (0, 3):
            for metric in ("ndcg", "precision"):
                rows.append((name, n, metric, 10, "all", value + n / 100))
    columns = ["recommender", "n_history", "metric", "k", "segment", "value"]
    return pd.DataFrame(rows, columns=columns)


def test_rounded_names_its_axes():
    table = rounded(pd.DataFrame({"a": [0.126]}, index=["x"]), 2, "rows", "columns")
    assert table.loc["x", "a"] == "0.13"
    assert (table.index.name, table.columns.name) == ("rows", "columns")
    assert rounded(pd.Series({"x": 2.0}), 1, columns="share").columns.tolist() == ["share"]


def test_tables_keep_the_order_of_methods_and_count_liked_items():
    assert by_length(summary()).index.tolist() == ["Popularity", "Content"]
    liked = per_list(summary(), ["Content"], 10)
    assert liked.loc["Content"].tolist() == pytest.approx([5.0, 5.3])


def test_a_curve_has_a_line_per_method_and_its_message():
    figure = cold_start_curve(summary(), ["Content", "Popularity"], 10, "message", "nobody")
    axis = figure.axes[0]
    assert len(axis.get_lines()) == 2
    assert "message" in (axis.get_title(loc="left"), axis.get_title())
    assert "nobody" in axis.get_ylabel()


def test_hits_are_items_that_are_all_that_was_asked_for():
    attributes = pd.DataFrame({"category": ["a", "a", "b"], "colour": ["red", "blue", "red"]})
    queries = {"a red one": {"category": "a", "colour": "red"}}
    found = np.array([[0, 1, 2]])
    table, hits = content.described(queries, attributes, found, np.arange(3))
    assert hits.tolist() == [[True, False, False]]
    assert table["found"].tolist() == [2, 2]
    assert table["by chance"].tolist() == pytest.approx([2.0, 2.0])


def test_neighbors_share_what_the_vectors_hold():
    vectors = np.repeat(np.eye(2), 3, axis=0)
    labels = pd.DataFrame({"side": list("aaabbb")})
    shares = content.shares_of_neighbors({"all": vectors}, labels, ["side"], n=2)
    assert shares.loc["side", "all"] == 1.0
    assert shares.loc["side", "chance"] == pytest.approx(0.5)


def test_the_worst_list_is_the_one_with_most_items_of_other_categories():
    category = np.array(["a", "a", "b", "c"])
    ratings = sp.csr_matrix([[5.0, 0, 0, 0], [0, 5.0, 0, 0], [0, 0, 5.0, 0]])
    histories = Histories(ratings, np.arange(4))
    lists = np.array([[1, 2], [2, 3], [0, 1]])
    pictured = np.array([True, True, False, True])
    shopper, liked, n_outside = content.worst_list(lists, histories, category, pictured, [0, 1, 2])
    assert (shopper, liked.tolist(), n_outside) == (1, [1], 2)
    category = np.array(["a", "other", "b", "c"])  # nobody asked for an unknown category
    shopper, liked, n_outside = content.worst_list(lists, histories, category, pictured, [0, 1, 2])
    assert (shopper, liked.tolist(), n_outside) == (0, [0], 2)
    shopper, _, n_outside = content.worst_list(lists, histories, category, pictured, [])
    assert (shopper, n_outside) == (0, 2)


def test_nobody_of_the_toy_knows_both_shops():
    toy = content.two_shops(np.eye(2), [[1, 0], [0, 1], [1, 1]], np.array([[5, 0, 4]]))
    assert toy.items.frame["platform"].tolist() == list("AABBB")
    assert toy.log.ratings.toarray().tolist() == [[0, 0, 5, 0, 4]]
    assert toy.stranger.ratings.toarray().tolist() == [[5, 5]]


def test_made_up_shoppers_rate_by_their_weights():
    mean = np.array([1.0, 2.0])
    exact = content.made_up_shoppers(mean, np.zeros(2), 3, 4, seed=1, noise=0.0)
    ratings, X = exact.people[0]
    assert ratings == pytest.approx(3 + X @ mean)
    assert exact.ratings.shape == (3, 60)
    assert exact.ratings.getnnz() == 12


def test_a_person_is_a_row_of_liked_and_shown_items(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    items = pd.DataFrame({"title": ["red dress", "blue jeans"], "image": ["a.png", ""]})
    liked = liked_table(History(items, tmp_path))
    assert liked["picture"].tolist() == [tmp_path / "a.png", ""]
    found = pd.DataFrame({"title": ["coat"], "image_path": ["a.png"]})
    figure = people_sheet({"Ida": (liked, found)}, tmp_path, n_liked=3, n_shown=2)
    words = [" ".join(text.get_text().split()) for axis in figure.axes for text in axis.texts]
    assert "blue jeans" in words
    assert len(figure.axes) == 5


def test_a_rotation_keeps_lengths_and_grows_with_the_angle():
    vectors = np.random.default_rng(0).standard_normal((5, 8)).astype(np.float32)
    histories = Histories(sp.csr_matrix(np.ones((1, 5))), np.arange(5))
    same = two_tower.rotated(histories, vectors, 0.0, seed=1)
    turned = two_tower.rotated(histories, vectors, 1.0, seed=1)
    np.testing.assert_allclose(same.vectors, vectors, rtol=1e-5)
    lengths = np.linalg.norm(turned.vectors, axis=1)
    np.testing.assert_allclose(lengths, np.linalg.norm(vectors, axis=1), rtol=1e-4)
    assert np.abs(turned.vectors - vectors).max() > 0.1
    assert (turned.columns == -1).all()


def test_weights_of_methods_with_one_name_are_told_apart():
    weights = pd.DataFrame(np.ones((3, 2)), columns=["Content", "Content"])
    figure = two_tower.blend_weights(weights, "message")
    labels = [text.get_text() for text in figure.axes[0].texts]
    assert sorted(labels) == ["Content", "Content 2"]


TWO_LINES = 466
"""Pixels of height that a slide leaves a figure below a title of two lines, above a caption of two:
measured in a browser."""


def smallest_letters(figure):
    """Pixels of a figure's smallest letters on such a slide, as the notebook saves it."""
    file = io.BytesIO()
    figure.savefig(file, bbox_inches="tight", dpi=figure.dpi)
    width, height = Image.open(file).size
    zoom = min(SLIDE_WIDTH / width, TWO_LINES / height)
    points = [text.get_fontsize() for text in figure.findobj(Text) if text.get_text().strip()]
    return min(points) * figure.dpi / 72 * zoom


@pytest.mark.parametrize("n", [4, 7, 10])
def test_the_letters_of_chapter_figures_can_be_read_from_the_back(n):
    use_course_style()
    names = [f"a method's name {number}" for number in range(n)]
    values = pd.Series(np.linspace(0.2, 0.6, n), names)
    parts = pd.DataFrame({"setting": names, "change": values.to_numpy() - 0.4})
    parts = parts.assign(change_low=parts["change"] - 0.01, change_high=parts["change"] + 0.01)
    drawn = [
        two_tower.bars(values, "NDCG@10", "a title"),
        two_tower.ablation(parts, "a title"),
        cold_start_curve(summary(), ["Content", "Popularity"], 10, "a title", "nobody"),
    ]
    assert min(map(smallest_letters, drawn)) >= LEAST_LABEL
    drawn[0].set_size_inches(8.2, 7)
    assert smallest_letters(drawn[0]) < LEAST_LABEL  # the measurement itself


def test_a_gain_is_paired_and_told_by_length():
    rows = []
    for n in (0, 3):
        for user, value in enumerate((0.2, 0.4, 0.9)):
            ahead = 0.1 * (n > 0)
            rows.append(("ours", n, user, "ndcg", 10, value + ahead))
            rows.append(("rival", n, user, "ndcg", 10, value))
    columns = ["recommender", "n_history", "user", "metric", "k", "value"]
    gains = paired_gain(pd.DataFrame(rows, columns=columns), "ours", "rival", 10)
    assert gains.loc[3, "low"] == pytest.approx(0.1)
    assert told_by_length(gains) == "level at 0 items (+0.000) and ahead at 3 items (+0.100)"
    swapped = paired_gain(pd.DataFrame(rows, columns=columns), "rival", "ours", 10)
    assert verdict(*swapped.loc[3, ["low", "high"]]) == "behind"


def test_methods_near_zero_share_a_line():
    weights = pd.DataFrame({"Taste": [1.0, 2.0], "EASE": [0.0, 0.03], "Content": [0.0, 0.0]})
    assert two_tower.near_zero(weights) == ["EASE", "Content"]
    figure = two_tower.blend_weights(weights, "message")
    labels = [text.get_text() for text in figure.axes[0].texts]
    assert sorted(labels) == ["2 others", "Taste"]


def test_the_share_beside_alike_looks_at_the_nearest_neighbor():
    vectors = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]])
    assert two_tower.share_beside_alike(vectors, ["a", "a", "b", "b"]) == 1
    assert two_tower.share_beside_alike(vectors, ["a", "b", "b", "b"]) == 0.5
