"""Real ratings: counted drops, clear errors, and the published sizes of the public sets."""

import pandas as pd
import pytest

from helpers.artefacts import fashion_data
from helpers.interactions.matrix import Interactions
from helpers.interactions.ratings import (
    join,
    movielens_100k,
    own_ratings,
    read_ratings,
    rent_the_runway,
)


@pytest.fixture
def write(tmp_path):
    def _write(text: str):
        path = tmp_path / "my.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return _write


@pytest.fixture(scope="module")
def folder():
    if fashion_data() is None:
        pytest.skip("needs FASHION_DATA: the public rating sets in its folder ratings")
    return fashion_data() / "ratings"


def test_movielens_has_its_published_size(folder):
    frame = movielens_100k(folder)
    train = Interactions.from_frame(frame, pd.Index(frame["item"].unique()))
    assert train.shape == (943, 1682) and train.ratings.nnz == 100_000
    assert frame["rating"].mean() == pytest.approx(3.52986)
    assert pd.to_datetime(frame["timestamp"], unit="s").dt.year.isin([1997, 1998]).all()


def test_rent_the_runway_counts_what_it_drops(folder):
    frame, dropped = rent_the_runway(folder)
    assert dropped["no rating"] == 82 and set(dropped) == {
        "no rating",
        "earlier rating of the same pair",
    }
    assert len(frame) + sum(dropped.values()) == 192_544
    assert frame["rating"].between(1, 5).all() and not frame.duplicated(["user", "item"]).any()


def test_every_bad_row_is_counted(write):
    table, dropped = read_ratings(
        write(
            "user,item,rating,timestamp\na,x,5,10\na,x,3,20\nb,x,4,\nb,y,7,1\nb,y,good,1\n,y,3,1\nc,y,NaN,1\nc,x,2,2024-01-02\n"
        )
    )
    assert table.to_dict("list") == {
        "user": ["b", "a", "c"], "item": ["x", "x", "x"], "rating": [4, 3, 2], "timestamp": [0, 20, 1704153600]
    }  # fmt: skip
    assert dropped == {
        "no user or item": 1,
        "rating is not a number": 2,
        "timestamp unreadable (kept, at 0)": 1,
        "rating outside 1-5": 1,
        "earlier rating of the same pair": 1,
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "can't be read"),
        ("user,item,rating\n", "it is empty"),
        ("who,item,rating\na,x,5\n", r"lacks the columns \['user'\]; it has \['who'"),
        ("user,item,rating\na,x,9\n", "rating outside 1-5': 1.*row 2 is"),
    ],
)
def test_files_without_ratings_say_why(write, text, message):
    with pytest.raises(ValueError, match=message):
        read_ratings(write(text))


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such ratings file"):
        read_ratings(tmp_path / "none.csv")


def test_one_user_one_item_is_a_matrix(write):
    table, dropped = read_ratings(write("user,item,rating\na,x,5\n"))
    assert Interactions.from_frame(table, pd.Index(table["item"])).shape == (1, 1) and not dropped


def test_parquet_as_well(tmp_path):
    pd.DataFrame({"user": [1, 2], "item": ["x", "y"], "rating": [1, 5]}).to_parquet(
        tmp_path / "r.parquet"
    )
    assert read_ratings(tmp_path / "r.parquet")[0]["user"].tolist() == ["1", "2"]


def test_join_by_key_or_product_id():
    catalog = pd.DataFrame(
        {
            "image_key": ["asos/1", "asos/2", "myntra/2", "myntra/3"],
            "product_id": ["1", "2", "2", "3"],
        }
    )
    ratings = pd.DataFrame(
        {"user": list("abcde"), "item": ["1", "2", "asos/2", "3", "4"], "rating": [5.0] * 5}
    )
    joined, dropped = join(ratings, catalog)
    assert joined["item"].tolist() == ["asos/1", "asos/2", "myntra/3"]
    assert dropped == {
        "product id on several platforms: write platform/id": 1,
        "product not in the catalogue": 1,
    }
    with pytest.raises(ValueError, match="none of 1 ratings"):
        join(ratings[-1:], catalog)


def test_a_pair_under_two_names_counts_once():
    catalog = pd.DataFrame({"image_key": ["asos/1", "asos/2"], "product_id": ["1", "2"]})
    ratings = pd.DataFrame(
        {"user": list("aab"), "item": ["asos/1", "1", "2"], "rating": [5.0, 3.0, 4.0]}
    )
    joined, dropped = join(ratings, catalog)
    assert joined["rating"].tolist() == [3, 4]
    assert dropped == {"earlier rating of the same pair, under the product's other name": 1}


def test_spaces_are_no_part_of_a_name(write):
    table, dropped = read_ratings(write("user, item ,rating\n a , x , 4\na,x,5\n  ,x,3\n"))
    assert table[["user", "item", "rating"]].values.tolist() == [["a", "x", 5]]
    assert dropped == {"earlier rating of the same pair": 1, "no user or item": 1}


def test_times_of_parquet_files_and_times_that_cannot_be(tmp_path, write):
    when = pd.to_datetime(["2024-01-02", None])
    pd.DataFrame(
        {"user": [1, 2], "item": ["x", "y"], "rating": [1, 5], "timestamp": when}
    ).to_parquet(tmp_path / "r.parquet")
    table, dropped = read_ratings(tmp_path / "r.parquet")
    assert sorted(table["timestamp"]) == [0, 1704153600] and dropped == {
        "timestamp unreadable (kept, at 0)": 1
    }
    table, dropped = read_ratings(
        write("user,item,rating,timestamp\na,x,5,1e30\nb,x,4,2024-02-30\n")
    )
    assert table["timestamp"].tolist() == [0, 0] and dropped == {
        "timestamp unreadable (kept, at 0)": 2
    }


@pytest.mark.parametrize(
    ("text", "what"), [("a,x,5\na,y,4\n", "shopper"), ("a,x,5\nb,x,4\nb,z,1\n", "product")]
)
def test_one_shopper_or_one_product_is_nothing_to_learn_from(write, monkeypatch, text, what):
    monkeypatch.setenv("COURSE_USER_KEY", "k" * 32)
    catalog = pd.DataFrame({"image_key": ["s/x", "s/y"], "product_id": ["x", "y"]})
    with pytest.raises(
        ValueError, match=rf"my\.csv: its usable ratings \(2\) are all of one {what}"
    ):
        own_ratings(write("user,item,rating\n" + text), catalog)


def test_a_relative_path_is_looked_for_in_the_project_too(monkeypatch, tmp_path, write):
    path = write("user,item,rating\na,x,5\n")
    monkeypatch.setattr("helpers.interactions.ratings.ROOT", tmp_path)
    monkeypatch.chdir("/")
    assert len(read_ratings(path.name)[0]) == 1
