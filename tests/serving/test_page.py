"""A shopper's own list: what is read, what is refused with file, row and value named, and the page
that answers.
"""

import json
import os

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup

from helpers.__main__ import main
from helpers.serving import page as pages
from helpers.serving.history import read_history, read_inside
from helpers.serving.service import Recommendations


def test_titles_ratings_and_pictures_are_read(tmp_path):
    (tmp_path / "mine.csv").write_text(
        "Title, rating,image\nred dress,4,dress.jpg\n ,5,\njeans,,\n"
    )
    history = read_history(tmp_path / "mine.csv")
    assert history.items.to_dict("records") == [
        {"title": "red dress", "image": "dress.jpg", "rating": 4},
        {"title": "jeans", "image": "", "rating": 5},
    ]
    assert history.items.index.tolist() == [1, 3]
    assert history.notes == ["row 2: no title; left out"]
    assert history.folder == tmp_path


def test_a_spreadsheet_s_own_csv_and_a_row_that_broke(tmp_path):
    (tmp_path / "mine.csv").write_bytes(
        "title;rating\nrobe d'été;4,5\na;b;c;d\nchemise;\n".encode("cp1252")
    )
    history = read_history(tmp_path / "mine.csv")
    assert history.items["title"].to_dict() == {1: "robe d'été", 3: "chemise"}
    assert history.items["rating"].tolist() == [4.5, 5.0]  # with a decimal comma
    assert history.notes == ["row 2: 4 cells for 2 columns; left out"]


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
    urls = ("javascript:alert(1)", 'https://shop.test/jeans?a=1&b="2')
    pictures = ("../secret.png", "fine.png")

    def __init__(self, profile):
        self.profile = profile

    def recommend(self, history, k, filters):
        Answer.asked = {"k": k, **vars(filters)}
        products = pd.DataFrame(
            {
                "title": [EVIL, "jeans"],
                "price_usd": [np.nan, 9.5],
                "image_path": Answer.pictures,
                "url": Answer.urls,
                "image_key": "a/1",
                "platform": "a",
                "score": [2.0, 1.0],
                "because": EVIL,
                "shares": "its looks",
            }
        )
        return Recommendations(products, [f"row 1: {EVIL}"])


@pytest.fixture
def answered(tmp_path, monkeypatch, capsys):
    """Runs `course recommend` on a list of one item; status, folder of the results, and what was
    said.
    """

    def run(*options, title=EVIL, image="", out="out.html"):
        monkeypatch.setattr(pages, "Service", Answer)
        monkeypatch.setenv("COURSE_DATA", str(tmp_path / "data"))
        (tmp_path / "data" / "sample").mkdir(parents=True)
        (tmp_path / "data" / "secret.png").write_bytes(b"secret")
        (tmp_path / "data" / "sample" / "fine.png").write_bytes(b"fine")
        row = {"title": [title], "rating": [4], "image": [image]}
        pd.DataFrame(row).to_csv(tmp_path / "mine.csv", index=False)
        history = str(tmp_path / "mine.csv")
        status = main(["recommend", "--history", history, "--out", str(tmp_path / out), *options])
        return status, tmp_path, capsys.readouterr()

    return run


def test_nothing_of_a_list_or_a_catalogue_becomes_markup(answered):
    status, folder, _ = answered("--explain")
    page = (folder / "out.html").read_text(encoding="utf-8")
    assert status == 0
    assert "<script" not in page
    assert "<img src=x" not in page
    assert page.count("&lt;script&gt;") == 5  # title, why twice, note, the list


def test_the_page_says_what_each_liked_item_led_to(answered):
    _, folder, _ = answered(title="Blue jeans")
    page = (folder / "out.html").read_text(encoding="utf-8")
    soup = BeautifulSoup(page, "html.parser")
    mine, theirs = soup.find_all("ul")
    assert "no picture: the words alone count" in mine.get_text()
    assert "nothing here is most like it" in mine.get_text()  # both are because of another title
    assert theirs.get_text().count("because you liked") == 2
    intro = " ".join(soup.find("header").get_text().split())
    assert "2 items of the catalog “sample” for the 1 on your list" in intro


def test_an_item_that_led_to_some_is_counted(answered):
    _, folder, _ = answered()
    page = (folder / "out.html").read_text(encoding="utf-8")
    mine = BeautifulSoup(page, "html.parser").find("ul")
    assert "2 items below" in mine.get_text() and "(4 of 5)" in mine.get_text()


@pytest.mark.parametrize(
    "note, said",
    [
        ("your list names dresses; --gender all shows everything", "Your list names dresses."),
        ("row 2: no title; left out", "Row 2: no title; left out."),
    ],
)
def test_notes_are_sentences_without_options(note, said):
    assert pages._for_readers(note) == said


@pytest.mark.parametrize("rating, words", [(5.0, "nothing here is most like it"), (2.0, "")])
def test_only_a_liked_item_is_missed(rating, words):
    assert pages._answers({"title": "a", "rating": rating}, [{"because": "b"}]) == words


def test_only_web_addresses_become_links(answered):
    _, folder, _ = answered()
    page = (folder / "out.html").read_text(encoding="utf-8")
    assert "javascript:" not in page
    assert page.count("<a ") == 1
    assert 'href="https://shop.test/jeans?a=1&amp;b=&#34;2"' in page


def test_a_catalogue_shows_only_pictures_of_its_own_folder(answered):
    _, folder, _ = answered()
    page = (folder / "out.html").read_text(encoding="utf-8")
    assert "c2VjcmV0" not in page  # "secret" in base64
    assert "data:image/png;base64,ZmluZQ==" in page


def test_a_list_s_own_picture_is_looked_for_beside_it(answered, tmp_path):
    (tmp_path / "pics").mkdir()
    (tmp_path / "pics" / "1.jpg").write_bytes(b"mine")
    _, folder, _ = answered(image="pics/1.jpg")
    assert "data:image/jpeg;base64,bWluZQ==" in (folder / "out.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("out", ["page.json", "page", "page.html", "my.page"])
def test_page_and_data_never_share_a_file(answered, out):
    status, folder, text = answered(out=out)
    stem = "my.page" if out == "my.page" else "page"
    assert status == 0
    assert (folder / f"{stem}.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert json.loads((folder / f"{stem}.json").read_text(encoding="utf-8"))["recommendations"]
    assert f"{stem}.html" in text.out and f"{stem}.json" in text.out


def test_the_json_is_json_where_a_price_is_unknown(answered):
    status, folder, _ = answered("--k", "2", "--gender", "men", "--max-price", "20", "--in-stock")
    text = (folder / "out.json").read_text(encoding="utf-8")
    told = json.loads(text, parse_constant=pytest.fail)
    assert status == 0
    assert [row["price_usd"] for row in told["recommendations"]] == [None, 9.5]
    assert "because" not in told["recommendations"][0]
    assert Answer.asked == {
        "k": 2,
        "platform": None,
        "gender": "men",
        "max_price": 20.0,
        "in_stock": True,
    }


def test_a_wrong_number_is_refused_before_anything_is_loaded(answered):
    status, folder, text = answered("--k", "0")
    assert status == 1
    assert "--k is 0" in text.err
    assert not (folder / "out.html").exists()


def test_only_regular_files_below_the_folder_are_read(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "fine").write_bytes(b"fine")
    (tmp_path / "secret").write_bytes(b"secret")
    (inside / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(inside / "pipe")
    assert read_inside(inside, "fine") == b"fine"
    for name in ("../secret", str(tmp_path / "secret"), "link", "/dev/zero"):
        with pytest.raises(ValueError, match="outside inside"):
            read_inside(inside, name)
    with pytest.raises(ValueError, match="no regular file"):
        read_inside(inside, "pipe")
    with pytest.raises(ValueError, match="at most 3 are read"):
        read_inside(inside, "fine", largest=3)
