"""A shopper's own list: what is read, what is refused with file, row and value named, and the page that answers."""

import json

import numpy as np
import pandas as pd
import pytest

from helpers.__main__ import main
from helpers.serving import service as serve
from helpers.serving.page import read_history


def test_titles_ratings_and_pictures_are_read(tmp_path):
    (tmp_path / "mine.csv").write_text(
        "Title, rating,image\nred dress,4,dress.jpg\n ,5,\njeans,,\n"
    )
    history = read_history(tmp_path / "mine.csv")
    assert history.to_dict("records") == [
        {"title": "red dress", "image": "dress.jpg", "rating": 4},
        {"title": "jeans", "image": "", "rating": 5},
    ]
    assert history.index.tolist() == [1, 3] and history.attrs["notes"] == [
        "row 2: no title; left out"
    ]


def test_a_spreadsheet_s_own_csv_and_a_row_that_broke(tmp_path):
    (tmp_path / "mine.csv").write_bytes(
        "title;rating\nrobe d'été;4\na;b;c;d\nchemise;\n".encode("cp1252")
    )
    history = read_history(tmp_path / "mine.csv")
    assert history["title"].to_dict() == {1: "robe d'été", 3: "chemise"}
    assert history.attrs["notes"] == ["row 2: 4 cells for 2 columns; left out"]


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "mine.csv holds nothing"),
        ("title\n", "mine.csv holds no rows"),
        ("name\njeans\n", "has columns name, but none called `title`"),
        ("title,rating\n,4\n", "no row with a title"),
        ("title,rating\njeans,six\n", "row 1: rating 'six' is not a number from 1 to 5"),
        ("title,rating\njeans,5\n,3\nshirt,9\n", "row 3: rating '9'"),
    ],
)
def test_mistakes_are_named(tmp_path, text, message):
    (tmp_path / "mine.csv").write_text(text)
    with pytest.raises(ValueError) as error:
        read_history(tmp_path / "mine.csv")
    assert message in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"none\.csv: no such file"):
        read_history(tmp_path / "none.csv")


EVIL = '"><img src=x onerror=alert(1)><script>alert(2)</script>'


class Answer:
    """Stands in for the shop: two products, one with a hostile title and no price."""

    asked: dict

    def __init__(self, profile):
        self.profile = profile

    def recommend(self, history, k, **filters):
        Answer.asked = {"k": k, **filters}
        found = pd.DataFrame(
            {"title": [EVIL, "jeans"], "price_usd": [np.nan, 9.5], "image_path": ["none.webp"] * 2}
        )
        found = found.assign(
            image_key="a/1", platform="a", score=[2.0, 1.0], because=EVIL, shares="its looks"
        )
        found.attrs["notes"] = [f"row 1: {EVIL}"]
        return found


@pytest.fixture
def answered(tmp_path, monkeypatch, capsys):
    def run(*options, title=EVIL):
        monkeypatch.setattr(serve, "Service", Answer)
        pd.DataFrame({"title": [title], "rating": [4]}).to_csv(tmp_path / "mine.csv", index=False)
        out = tmp_path / "out.html"
        status = main(
            ["recommend", "--history", str(tmp_path / "mine.csv"), "--out", str(out), *options]
        )
        return status, out, capsys.readouterr()

    return run


def test_nothing_of_a_list_or_a_catalogue_becomes_markup(answered):
    status, out, _ = answered("--explain")
    page = out.read_text(encoding="utf-8")
    assert status == 0 and "<script" not in page and "<img" not in page
    assert page.count("&lt;script&gt;") == 5  # product, why twice, note, and the list itself


def test_the_json_is_json_where_a_price_is_unknown(answered):
    status, out, _ = answered("--k", "2", "--gender", "men", "--max-price", "20", "--in-stock")
    told = json.loads(
        out.with_suffix(".json").read_text(encoding="utf-8"), parse_constant=pytest.fail
    )
    assert status == 0 and [row["price_usd"] for row in told["recommendations"]] == [None, 9.5]
    assert "because" not in told["recommendations"][0]
    assert Answer.asked == {
        "k": 2,
        "platform": None,
        "gender": "men",
        "max_price": 20.0,
        "in_stock": True,
    }


def test_a_wrong_number_is_refused_before_anything_is_loaded(answered):
    status, out, text = answered("--k", "0")
    assert status == 1 and "--k is 0" in text.err and not out.exists()
