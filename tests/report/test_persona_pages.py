"""Personas: what a simulated shopper makes of their wishes, and what their pages show."""

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup

from helpers.report.personas import (
    Item,
    MethodList,
    PersonaLists,
    _agreed,
    chances_for,
    page_name,
    render_personas,
)
from helpers.serving.history import History
from helpers.serving.personas import Persona
from helpers.simulator import simulate_market

EVIL = "<script>alert(1)</script> $x$"
PIXEL = "data:image/png;base64,QUJD"


@pytest.fixture(scope="module")
def attributes():
    """Items of two shops: every category in every color, plain or striped."""
    rows = []
    for platform in ("a", "b"):
        for category in ("jeans", "dress", "coat", "sweater"):
            for colour in ("blue", "red", "green"):
                for pattern in ("plain", "stripes"):
                    for style in ("minimal", "sporty"):
                        number = len(rows)
                        price = 20.0 + 7 * (number % 11)
                        rows.append(
                            (f"{platform}/{number}", category, colour, pattern, style, price)
                        )
    columns = ["image_key", "category", "colour", "pattern", "style", "price_usd"]
    return pd.DataFrame(rows, columns=columns)


@pytest.fixture(scope="module")
def market(attributes):
    return simulate_market(
        attributes,
        n_users=60,
        n_test=20,
        density=0.2,
        source="a",
        target="b",
        n_liked=2,
        seed=3,
    )


def persona(*titles, **wishes):
    items = pd.DataFrame({"title": titles, "image": "", "rating": 5.0})
    items.index = range(1, len(titles) + 1)
    return Persona("Laura", "jeans", None, History(items), [""] * len(titles), wishes)


def mean_chance(found, attributes, column, value):
    keys = attributes.loc[attributes[column] == value, "image_key"]
    return found[keys].mean()


def test_a_persona_likes_what_the_titles_name(market, attributes):
    found, missing = chances_for(
        persona("Slim blue jeans", "Blue denim jeans", style=["minimal"], price_usd=50),
        market,
        attributes,
    )
    assert missing == ""
    assert found.between(0, 1).all()
    assert mean_chance(found, attributes, "category", "jeans") > 2 * mean_chance(
        found, attributes, "category", "coat"
    )
    assert mean_chance(found, attributes, "colour", "blue") > mean_chance(
        found, attributes, "colour", "red"
    )
    assert mean_chance(found, attributes, "style", "minimal") > mean_chance(
        found, attributes, "style", "sporty"
    )


def test_words_of_the_titles_find_the_simulators_words(market, attributes):
    """Titles speak of sweaters and dresses; the shelf's values are in the singular."""
    found, _ = chances_for(persona("Striped red dress"), market, attributes)
    assert mean_chance(found, attributes, "category", "dress") > mean_chance(
        found, attributes, "category", "jeans"
    )
    assert mean_chance(found, attributes, "pattern", "stripes") > mean_chance(
        found, attributes, "pattern", "plain"
    )


def test_what_nobody_told_counts_as_average_and_is_named(market, attributes):
    found, missing = chances_for(persona("Slim blue jeans"), market, attributes)
    assert missing == "style, price"
    cheap = attributes.loc[attributes["price_usd"] < 40, "image_key"]
    dear = attributes.loc[attributes["price_usd"] > 70, "image_key"]
    asked, _ = chances_for(persona("Slim blue jeans", price_usd=25), market, attributes)
    assert asked[cheap].mean() / asked[dear].mean() > found[cheap].mean() / found[dear].mean()


def test_shoppers_who_prefer_vectors_have_no_wishes(market, attributes):
    from dataclasses import replace

    shelf = replace(market.shelf, parts={}, vectors=np.ones((len(attributes), 2), np.int64))
    found, missing = chances_for(persona("Blue jeans"), replace(market, shelf=shelf), attributes)
    assert found is None and "vectors" in missing


def test_two_products_of_one_title_are_told_apart_by_their_price():
    products = pd.DataFrame(
        {"image_key": ["b/1", "b/2"], "title": "Skirt", "price_usd": [33.38, np.nan]}
    )
    assert _agreed({"A": products, "B": products}) == [
        ("Skirt ($33.38)", ["A", "B"]),
        ("Skirt", ["A", "B"]),
    ]


def test_a_page_shows_every_method_and_why(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_REPORTS", str(tmp_path))
    item = Item(
        "b/1", EVIL, "$9.00", "https://shop.test/1", PIXEL, EVIL, "jeans, blue", 0.61, ["B"]
    )
    bare = Item("b/2", "no picture here", "", "", "", "", "", None)
    lists = [
        MethodList("A", [item] * 5, 3.1),
        MethodList("Bestsellers", [bare] * 5, None, ["EASE"]),
    ]
    one = PersonaLists(persona("Blue jeans"), [(EVIL, "Shop", PIXEL)], lists, [(EVIL, ["A", "B"])])
    render_personas("made", [one])
    page = (tmp_path / "made" / page_name(one.persona)).read_text(encoding="utf-8")
    soup = BeautifulSoup(page, "html.parser")
    assert soup.find("script") is None
    rows = soup.find_all("section", class_="row")
    assert [row.find("b").get_text() for row in rows] == ["A", "Bestsellers"]
    assert len(rows[0].find_all("img")) == 5 and "61%" in rows[0].get_text()
    assert "jeans, blue" in rows[0].get_text() and "also in B" in rows[0].get_text()
    assert rows[0].find("a")["href"] == "https://shop.test/1"
    assert "EASE" in rows[1].get_text() and not rows[1].find_all("img")
    assert "simulated shopper" in soup.get_text()
