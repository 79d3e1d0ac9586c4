"""Published shops of real customers: their published sizes, and files that the readers take as they
are.
"""

import pandas as pd
import pytest

from helpers.artefacts import MissingArtefact, fashion_data
from helpers.feeds import harmonise
from helpers.interactions.orders import read_orders
from helpers.interactions.privacy import PUBLISHED_KEY
from helpers.sample import published
from helpers.sample.sources import open_source

needs_data = pytest.mark.skipif(
    fashion_data() is None, reason="needs FASHION_DATA: its folder orders"
)


@pytest.fixture(scope="module")
def grocery():
    return published.groceries()


def test_groceries_are_what_the_package_holds(grocery):
    products, orders = grocery
    assert products["id"].is_unique
    assert set(orders["item"]) == set(products["id"])
    assert not orders.duplicated(["household", "item"]).any()
    households = orders.groupby("item")["household"].nunique()
    assert households.min() >= published.FEWEST_HOUSEHOLDS
    assert 2_400 < orders["household"].nunique() <= 2_469  # the published number of households
    assert products["price"].ge(0).all()


def test_a_grocery_is_read_like_any_shop(tmp_path):
    source = open_source("groceries", tmp_path)
    harvest = source.read()
    n_products = sum(harvest.read.values())
    assert f"{n_products:,} products are left" in source.prepared  # the chapter says what was cut
    catalog, merged = harmonise(harvest.feeds)
    catalog = source.categories(catalog, harvest.feeds)
    assert len(catalog) + len(merged) + len(harvest.rejects) == harvest.read["groceries"]
    assert len(harvest.rejects) < 10  # coupons, which cost nothing
    assert catalog["category"].nunique() > 50  # the shop's own words, not "other"
    log = read_orders(
        tmp_path / published.FOLDER / published.ORDERS, catalog, PUBLISHED_KEY, merged=merged
    )
    assert set(log.left_out["reason"]) == {"product not in the catalog"}
    assert log.left_out["item"].nunique() == len(harvest.rejects)  # merged products' orders count
    assert log.log["timestamp"].gt(0).all()


@needs_data
def test_gifts_have_titles_prices_and_returns():
    products, orders = published.gifts()
    assert 3_000 < len(products) < 3_500
    assert 4_300 < orders["customer"].nunique() < 4_372  # 4,372 with an id, some only of remarks
    assert (orders["quantity"] < 0).any()
    assert set(orders["item"]) <= set(products["id"])


@needs_data
def test_fashion_has_a_photo_for_each_article(tmp_path):
    feed = open_source("fashion", tmp_path).feeds[0]
    assert feed.photos.name == "fashion_photos.tar"
    result = open_source("fashion", tmp_path).read().feeds[0]
    assert len(result.products) == 9_282
    assert set(result.products["brand"]) >= {"Ladieswear", "Divided", "Menswear"}


def test_what_is_missing_says_where_it_comes_from(monkeypatch, tmp_path):
    monkeypatch.setattr(published, "DOWNLOADED", tmp_path / "none.parquet")
    monkeypatch.setattr(published, "fashion_data", lambda: None)
    with pytest.raises(MissingArtefact, match="course data online-retail"):
        published.gifts()


def test_the_live_exam_asks_real_households():
    from helpers.evaluation.live import household_exam

    exam = household_exam()
    split = exam.cross_platform((1, 3))
    assert (exam.shoppers, split.shoppers, exam.market) == ("real", "real", None)
    assert len(split.histories[1]) > 300
    assert isinstance(exam.log, pd.DataFrame)
    assert set(exam.log["platform"]) == {"A", "B"}
    assert not set(split.histories[1].users) & set(split.train.users)


def test_fewer_households_are_drawn_from_all_of_them():
    from helpers.evaluation.live import household_exam

    everybody = household_exam(fewest=400)
    few = household_exam(fewest=400, most=200)
    assert set(few.log["user"]) < set(everybody.log["user"])
    assert 150 < few.log["user"].nunique() <= 200
    assert list(few.items.frame["image_key"]) == list(everybody.items.frame["image_key"])
