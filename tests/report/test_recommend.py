"""A shopper's own list: what is read, and what is refused with the file, row and value named."""

import pytest

from helpers.report.recommend import read_history


def test_titles_ratings_and_pictures_are_read(tmp_path):
    (tmp_path / "mine.csv").write_text("Title, rating,image\nred dress,4,dress.jpg\n ,5,\njeans,,\n")
    history = read_history(tmp_path / "mine.csv")
    assert history.to_dict("records") == [
        {"title": "red dress", "image": "dress.jpg", "rating": 4},
        {"title": "jeans", "image": "", "rating": 5},
    ]


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "no CSV that can be read"),
        ("name\njeans\n", "has columns name, but none called `title`"),
        ("title\n", "no row with a title"),
        ("title,rating\njeans,six\n", "row 2: rating 'six' is not a number from 1 to 5"),
        ("title,rating\njeans,5\nshirt,9\n", "row 3: rating '9'"),
    ],
)
def test_mistakes_are_named(tmp_path, text, message):
    (tmp_path / "mine.csv").write_text(text)
    with pytest.raises(ValueError) as error:
        read_history(tmp_path / "mine.csv")
    assert message in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match="does not exist"):
        read_history(tmp_path / "none.csv")
