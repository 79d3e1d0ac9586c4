"""Figures of chapter 01: what they count and which pictures they pair."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from PIL import Image
from scipy.stats import chi2_contingency

from helpers.artefacts import ROOT
from helpers.report.figures import augment as figures
from helpers.report.plots import GRID, mosaic


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def test_flaws_are_counted_by_row():
    raw = pd.DataFrame(
        {
            "name": ["Coat", "", "Dress", "Skirt"],
            "price": ["Now  35.00", "", "From", "12.00"],
            "text": ["it doesn t fit", "", "", "you re in a hurry, they aren t"],
        }
    )
    flaws = figures.flaw_table({"shop": raw})["shop"]
    assert flaws["rows"] == 4
    assert flaws["blank"] == 1
    assert flaws["a price that starts with Now or From"] == 2
    assert flaws["a price without a number"] == 1
    assert flaws["an apostrophe that got lost (doesn t)"] == 2  # a row counts once


@pytest.mark.parametrize("name", ["RRP incl VAT", "Preis brutto", "sold_price", "prix TTC"])
def test_a_price_is_looked_for_under_the_shops_own_name(name):
    raw = pd.DataFrame({"title": ["Coat", "Dress"], name: ["12,00", "on request"]})
    assert figures.flaw_table({"shop": raw})["shop"]["a price without a number"] == 1


def test_a_slipped_row_has_the_picture_of_the_next_rows_product():
    raw = pd.DataFrame(
        {
            "image": ["/111111/a.jpg", "/222222/b.jpg", "/333333/c.jpg", "/444444/d.jpg"],
            "url": ["", "/111111/buy", "/222222/buy", "/444444/buy"],
        }
    )
    assert figures.slipped_rows(raw) == 2  # the last row's picture is its own
    assert figures.slipped_rows(raw[["image"]]) == 0


def test_titles_stand_side_by_side_where_both_shops_sell_a_category():
    catalog = pd.DataFrame(
        {
            "platform": ["a", "a", "b", "b", "a"],
            "category": ["jeans", "jeans", "jeans", "coats", "skirts"],
            "title": ["Long blue jeans", "Jeans", "Denims", "Coat", "Skirt"],
        }
    )
    named = pd.DataFrame({"platform": ["a", "b"], "category": "other", "title": ["Ida", "Minna"]})
    catalog = pd.concat([catalog, named])  # two products of no known category have none in common
    pairs = figures.title_pairs(catalog, ["a", "b"])
    assert pairs.to_dict("index") == {"jeans": {"a": "Jeans", "b": "Denims"}}


def test_shelves_agree_with_scipy():
    catalog = pd.DataFrame(
        {
            "platform": ["a"] * 50 + ["b"] * 40,
            "category": ["x"] * 30 + ["y"] * 20 + ["x"] * 10 + ["y"] * 30,
            "price_usd": np.arange(90.0),
        }
    )
    shelves = figures.shelves_of(catalog, ["a", "b"])
    expected = chi2_contingency([[30, 10], [20, 30]]).pvalue
    assert shelves.p_value == pytest.approx(expected)
    assert shelves.medians == {"a": 24.5, "b": 69.5}
    without = catalog["price_usd"].where(catalog["platform"] == "a")
    shelves = figures.shelves_of(catalog.assign(price_usd=without), ["a", "b"])
    assert shelves.medians == {"a": 24.5}  # nothing is said of prices that nobody gave


def test_shelves_leave_out_what_only_a_third_shop_sells():
    catalog = pd.DataFrame(
        {
            "platform": ["a", "b", "b", "c"],
            "category": ["coats", "coats", "skirts", "lamps"],
            "price_usd": 10.0,
        }
    )
    shelves = figures.shelves_of(catalog, ["a", "b"])
    assert sorted(shelves.counts.index) == ["coats", "skirts"]


def test_each_bar_names_what_became_of_its_rows():
    accounts = pd.DataFrame(
        {"read": [10, 5], "accepted": [7, 5], "rejected": [2, 0], "merged": [1, 0]},
        index=["a", "b"],
    )
    axis = figures.account_bars(accounts).axes[0]
    told = [text.get_text().strip() for text in axis.texts]
    assert told == ["7 accepted", "2 rejected, 1 merged", "5 accepted", "0 rejected, 0 merged"]
    widths = np.array([bar.get_width() for bar in axis.patches]).reshape(3, 2).sum(axis=0)
    assert widths.tolist() == [10, 5]


def test_a_short_bar_has_all_its_counts_beside_it():
    accounts = pd.DataFrame(
        {"read": [1000, 60], "accepted": [990, 50], "rejected": [10, 4], "merged": [0, 6]},
        index=["large", "small"],
    )
    texts = figures.account_bars(accounts).axes[0].texts
    told = [text.get_text().strip() for text in texts]
    assert told == [
        "990 accepted",
        "10 rejected, 0 merged",
        "50 accepted, 4 rejected, 6 merged",
    ]
    assert texts[-1].get_position()[0] == 60


def test_slipped_pairs_show_the_wrong_picture_above_the_right_one(tmp_path):
    colors = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    for number, color in enumerate(colors):
        Image.new("RGB", (8, 8), color).save(tmp_path / f"{number}.png")
    catalog = pd.DataFrame(
        {
            "image_key": ["b/0", "b/1", "b/2"],
            "platform": "b",
            "title": ["Striped shirt", "Plain shirt", "Dotted shirt"],
            "image_path": ["0.png", "1.png", "2.png"],
            "source_row": [1, 2, 3],
        }
    )
    attributes = catalog[["image_key"]].assign(pattern=["stripes", "plain", "dots"])
    axes = figures.slipped_pairs(catalog, attributes, "b", tmp_path, n=1).axes
    wrong, right = (axis.images[0].get_array()[0, 0].tolist() for axis in axes)
    assert (right, wrong) == ([255, 0, 0], [0, 255, 0])
    assert axes[0].get_title() == "Striped shirt"


def test_every_persona_has_a_row_and_pictures():
    path = ROOT / "data" / "personas.yaml"
    table = figures.persona_table(path)
    assert list(table.index) == ["Laura", "Matt", "Vivian", "Megan"]
    assert "Slim high rise jeans in dark blue (Uniqlo)" in table.loc["Laura", "brings"]
    drawn = [axis for axis in figures.persona_figure(path).axes if axis.images]
    assert len(drawn) == 8


def test_the_study_names_its_best_and_worst_treatment():
    study = pd.read_csv(ROOT / "data" / "studies" / "standardize.csv")
    assert figures.worst_and_best(study) == ("weave", "trimmed, padded white")
    table = figures.study_table(study)
    assert table.loc["weave", "text → image R@1"] == "-0.155 [-0.185, -0.123]"


def test_a_sheets_caption_counts_its_pictures_or_says_that_there_are_none():
    paths = ["1.png", "2.png", ""]
    catalog = pd.DataFrame({"platform": ["a", "a", "b"], "image_path": paths})
    told = figures.sheet_caption(catalog, "a", show=1).data
    assert told == "*1 of the 2 pictures of a, chosen at random.*"
    assert "No picture of b arrived" in figures.sheet_caption(catalog, "b", show=1).data
    assert figures.sheet_of(catalog, "b", figures.Sheet(ROOT, 1, 7)) is None


def test_a_mosaic_has_each_picture_at_its_place(tmp_path):
    """Two rows of two: a red picture, one that is missing, a wide blue one, and nothing."""
    red = tmp_path / "red.png"
    blue = tmp_path / "blue.png"
    Image.new("RGB", (300, 300), "red").save(red)
    Image.new("RGB", (300, 100), "blue").save(blue)
    figure = mosaic([red, tmp_path / "gone.png", blue], columns=2, size=1.0)
    image = figure.axes[0].images[0].get_array()
    place = image.shape[1] // 2
    middle = place // 2
    assert image.shape == (2 * place, 2 * place, 3)
    assert tuple(image[middle, middle]) == (255, 0, 0)
    assert tuple(image[middle, place + middle]) == tuple(round(255 * part) for part in to_rgb(GRID))
    assert tuple(image[place + middle, middle]) == (0, 0, 255)
    assert tuple(image[place + 5, middle]) == (255, 255, 255)  # a wide picture leaves room
    assert (image[place:, place:] == 255).all()


def test_a_merged_row_stands_beside_the_row_it_repeats():
    products = pd.DataFrame(
        {
            "source_file": "a.csv",
            "source_row": [4, 7],
            "product_id": ["1", "1"],
            "title": ["Coat", "coat"],
            "colour": ["red", "red"],
            "price": [5.0, 6.0],
        }
    )
    reasons = ["no row is named", "a.csv row 7: same id as a.csv row 4"]
    merged = pd.DataFrame({"source_file": "a.csv", "source_row": [9, 7], "reason": reasons})
    pair = figures.merged_pair(merged, products)
    assert pair.loc["title"].to_dict() == {"a.csv row 4": "Coat", "a.csv row 7": "coat"}
    assert figures.merged_pair(merged.head(1), products) is None


def test_what_is_missing_most_comes_first_with_its_cost():
    rows = [("title", "a", 1.0), ("colour", "a", 0.75), ("rating", "b", 0.0), ("brand", "b", 0.9)]
    complete = pd.DataFrame(rows, columns=["field", "platform", "share"])
    first, second = figures.most_missing(complete)
    assert first.startswith("All of b's products lack a rating: ")
    assert second.startswith("25.0% of a's products lack a color: ")
    assert figures.most_missing(complete.head(1)) == []
    (alone,) = figures.most_missing(complete.query("platform == 'b'"), 1)
    assert alone.startswith("All of the shop's products lack a rating: ")
