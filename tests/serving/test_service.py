"""A shopper's own list against a shop of six garments, whose encoder reads words and mean
colours."""

import io
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from helpers import embeddings
from helpers.interactions import Interactions, ItemFeatures
from helpers.recommenders import Content
from helpers.serving import encoding
from helpers.serving import service as serving
from helpers.serving.history import History
from helpers.serving.service import Filters, Service

WORDS = ["red", "blue", "dress", "jeans", "shirt", "striped", "coat", "plain"]
TITLES = ["red dress", "blue dress", "blue jeans", "red shirt striped", "blue shirt", "plain coat"]
COLOURS = {"red": (220, 20, 20), "blue": (20, 20, 220), "grey": (128, 128, 128)}


class WordsAndColours:
    """Text: which of the eight words; picture: its mean colour less grey."""

    name, hash, dim = "toy", "toy", len(WORDS)

    def encode_texts(self, texts):
        found = [[word in text.split() for word in WORDS] for text in texts]
        found = [
            row if any(row) else [word == "coat" for word in WORDS] for row in found
        ]  # as nets do: never nothing
        return np.array(found, dtype=np.float32)

    def encode_images(self, sources):
        out = np.zeros((len(sources), self.dim), np.float32)
        for row, source in enumerate(sources):
            if source is not None:
                out[row, :3] = (
                    np.asarray(Image.open(io.BytesIO(source))).mean(axis=(0, 1)) / 255 - 0.5
                )
        return out


def picture(colour, size=(64, 64)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, COLOURS[colour]).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def service():
    encoder = WordsAndColours()
    catalog = pd.DataFrame(
        {
            "image_key": [f"a/{number}" for number in range(6)],
            "platform": ["a"] * 6,
            "title": TITLES,
            "category": ["dresses", "dresses", "jeans", "shirts", "shirts", "coats"],
            "colour": ["red", "blue", "blue", "red", "blue", "unknown"],
            "gender": ["women", "women", "men", "men", "women", "women"],
            "price_usd": [10.0, 20.0, 30.0, 40.0, np.nan, 60.0],
            "image_path": [""] * 6,
        }
    )
    image = encoder.encode_images(
        [picture("red" if "red" in title else "blue") for title in TITLES]
    )
    text = encoder.encode_texts(TITLES)
    stock = pd.DataFrame({"image_key": ["a/0", "a/0", "a/1"], "in_stock": [False, True, False]})
    vectors = embeddings.item_vectors(image, text)
    log = pd.DataFrame(
        {"user": list("uvwuv"), "item": ["a/5", "a/5", "a/5", "a/2", "a/2"], "rating": 5.0}
    )
    train = Interactions.from_frame(log, pd.Index(catalog["image_key"]))
    model = Content().fit(train, ItemFeatures(vectors, catalog, "toy"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoding, "NEAREST", 1)
        yield Service.of(catalog, image, text, encoder, model, stock)


def listed(*titles, folder=None, **columns) -> History:
    index = range(1, len(titles) + 1)
    return History(pd.DataFrame({"title": titles, **columns}, index=index), folder)


def looks_red(histories) -> list[bool]:
    """Whether the image half of each item is that of a red picture on white, as all pictures are
    standardised.
    """
    return [bool(vector[0] > vector[1] + 0.1) for vector in histories.vectors]


def test_a_title_finds_its_like_and_says_why(service):
    found = service.recommend(listed("striped shirt in red"), 3)
    best = found.products.loc[0]
    assert best["title"] == "red shirt striped"
    assert best["because"] == "striped shirt in red"
    assert best["shares"] == "shirts, red, striped"
    assert found.products["rank"].tolist() == [1, 2, 3]
    assert found.notes == []


def test_each_recommendation_names_the_liked_item_that_is_nearest(service):
    found = service.recommend(listed("red dress", "blue jeans", "plain coat", rating=[5, 5, 1]), 6)
    because = dict(zip(found.products["title"], found.products["because"], strict=True))
    assert because["red dress"] == "red dress"
    assert because["blue jeans"] == "blue jeans"
    assert "plain coat" not in because.values()  # it was not liked


@pytest.mark.parametrize("ratings, best", [([5, 1], "red dress"), ([1, 5], "blue jeans")])
def test_ratings_weigh(service, ratings, best):
    found = service.recommend(listed("red dress", "blue jeans", rating=ratings), 1)
    assert found.products["title"].tolist() == [best]


def test_each_liked_item_is_represented(service):
    liked = listed("red dress", "red dress", "red dress", "blue jeans")
    first = service.model.recommend(service.lists.encode(liked)[0], 2)[0][0]
    assert TITLES.index("blue jeans") not in first  # the ranking alone would leave it out
    found = service.recommend(liked, 2)
    assert set(found.products["because"]) == {"red dress", "blue jeans"}


def test_products_without_a_picture_come_last(service, monkeypatch):
    pictured = np.ones(6, dtype=bool)
    pictured[TITLES.index("red dress")] = False
    monkeypatch.setattr(service, "_has_picture", pictured)
    found = service.recommend(listed("red dress"), 6)
    assert found.products["title"].tolist()[-1] == "red dress"


def test_a_list_that_names_a_gender_gets_it(service):
    found = service.recommend(listed("Men's blue jeans", "Men's red shirt striped"), 6)
    assert set(found.products["gender"]) == {"men"}
    assert any("for men; --gender all shows everything" in note for note in found.notes)
    everything = service.recommend(listed("Men's blue jeans"), 6, Filters(gender="all"))
    assert set(everything.products["gender"]) == {"men", "women"}
    both = service.recommend(listed("Men's blue jeans", "Women's red dress"), 6)
    assert set(both.products["gender"]) == {"men", "women"}


def test_pictures_here_are_read_and_what_fails_is_named(service, tmp_path):
    (tmp_path / "red.png").write_bytes(picture("red", (64, 96)))
    (tmp_path / "torn.png").write_bytes(picture("red")[:40])
    (tmp_path / "note.png").write_text("no picture")
    names = ["red.png", "torn.png", "note.png", "none.png", ""]
    histories, notes = service.lists.encode(
        listed(*["plain coat"] * 5, image=names, folder=tmp_path)
    )
    assert looks_red(histories) == [True, False, False, False, False]
    assert [note.partition(":")[0] for note in notes] == ["row 2", "row 3", "row 4"]
    assert "corrupt" in notes[0]
    assert "not_an_image" in notes[1]
    assert "No such file" in notes[2]
    assert all("only its title can be used" in note for note in notes)


@pytest.mark.parametrize("name", ["/etc/passwd", "../outside.png", "/dev/zero"])
def test_pictures_elsewhere_on_this_machine_are_not_read(service, tmp_path, name):
    (tmp_path / "outside.png").write_bytes(picture("red"))
    folder = tmp_path / "list"
    folder.mkdir()
    histories, notes = service.lists.encode(listed("plain coat", image=[name], folder=folder))
    assert looks_red(histories) == [False]
    assert "row 1: no picture from" in notes[0]
    assert "outside list, so it is not read" in notes[0]


def test_addresses_are_fetched_as_safely_as_the_catalogue_s(service, monkeypatch):
    asked = []

    class Photos(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            body = picture("red") if self.path == "/red.png" else b""
            self.send_response(200 if body else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Photos) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        there = {"shop.test": ("127.0.0.1", server.server_port)}
        fetch = partial(encoding.fetch_images, resolve=there)
        monkeypatch.setattr(encoding, "fetch_images", fetch)
        links = [
            "http://shop.test/red.png",
            "http://shop.test/gone.png",
            "file:///etc/passwd",
            f"http://127.0.0.1:{server.server_port}/secret.png",
        ]
        histories, notes = service.lists.encode(listed(*["plain coat"] * 4, image=links))
        server.shutdown()
    assert looks_red(histories) == [True, False, False, False]
    reasons = ["not_found", "refused_scheme", "refused_address"]
    for row, note, reason in zip((2, 3, 4), notes, reasons, strict=True):
        assert note.startswith(f"row {row}:")
        assert reason in note
    assert "/secret.png" not in asked


def test_another_language_counts_by_its_picture_or_not_at_all(service, tmp_path):
    (tmp_path / "red.png").write_bytes(picture("red"))
    found = service.recommend(
        listed("rotes Kleid", "赤いドレス", image=["red.png", ""], folder=tmp_path), 2
    )
    assert set(found.products["title"]) == {"red dress", "red shirt striped"}
    first, second = found.notes
    assert "row 1: no word of “rotes Kleid”" in first
    assert "picture alone" in first
    assert "row 2: no word of “赤いドレス”" in second
    assert "left out" in second


def test_a_missing_half_is_that_of_the_nearest_products(service, tmp_path):
    (tmp_path / "blue.png").write_bytes(picture("blue"))
    histories, notes = service.lists.encode(
        listed("red dress", "Kleid", image=["", "blue.png"], folder=tmp_path)
    )
    image, text = np.split(histories.vectors, 2, axis=1)
    images, texts = np.split(service.vectors, 2, axis=1)
    first_blue = TITLES.index("blue dress")
    np.testing.assert_allclose(image[0], images[TITLES.index("red dress")], atol=1e-6)
    np.testing.assert_allclose(text[1], texts[first_blue], atol=1e-6)
    assert len(notes) == 1


@pytest.mark.filterwarnings("ignore:.*no history it can use")
def test_what_matches_nothing_gets_the_favourites_and_the_reason(service):
    found = service.recommend(listed("xyzzy"), 2)
    assert found.products["title"].tolist() == ["plain coat", "blue jeans"]  # liked by three, two
    assert "favourites" in found.notes[-1]
    assert found.products["because"].tolist() == ["", ""]


def test_a_long_list_is_cut_to_its_newest(service):
    titles = ["red dress"] * 9_500 + ["blue jeans"] * 500
    found = service.recommend(listed(*titles), 1)
    assert found.products["title"].tolist() == ["blue jeans"]
    assert found.products["because"].tolist() == ["blue jeans"]
    assert found.notes == ["10000 items: the last 500 are used"]


def test_an_empty_list_is_refused(service):
    with pytest.raises(ValueError, match="empty"):
        service.recommend(listed(), 3)


@pytest.mark.parametrize(
    "filters, expected",
    [
        (Filters(gender="men"), {2, 3}),
        (Filters(max_price=30.0), {0, 1, 2}),  # an unknown price is not known to be below
        (Filters(in_stock=True), {0, 2, 3, 4, 5}),  # 1 has a size, but it is sold out
        (Filters(gender="women", max_price=15.0, platform="a"), {0}),
    ],
)
def test_filters(service, filters, expected):
    assert set(np.flatnonzero(service.allowed(filters))) == expected
    found = service.recommend(listed("red dress"), 6, filters)
    assert set(found.products["title"]) == {TITLES[row] for row in expected}
    assert f"only {len(expected)} products pass the filters" in found.notes


def test_what_the_shop_calls_sold_out_is_not_in_stock(service):
    catalog = service.catalog.assign(availability=["out of stock"] + ["in stock"] * 5)
    shop = Service.of(
        catalog,
        *np.split(service.vectors, 2, axis=1),
        service.lists.encoder,
        service.model,
    )
    assert shop.allowed(Filters(in_stock=True)).tolist() == [False] + [True] * 5


def test_filters_that_nothing_passes_are_an_error(service):
    with pytest.raises(ValueError, match="no product passes the filters"):
        service.recommend(listed("red dress"), 3, Filters(max_price=1.0))


def test_an_unknown_filter_value_is_named(service):
    with pytest.raises(ValueError, match="no gender 'dogs' in the catalogue; it has men, women"):
        service.allowed(Filters(gender="dogs"))


def another(service) -> Service:
    """A second service of the same shop."""
    halves = np.split(service.vectors, 2, axis=1)
    return Service.of(service.catalog, *halves, service.lists.encoder, service.model)


def test_a_large_catalogue_is_answered_from_the_index(service, monkeypatch):
    monkeypatch.setattr("helpers.serving.service.EXACT_BELOW", 3)
    large = another(service)
    asked = []
    real = large._index.search
    monkeypatch.setattr(large._index, "search", lambda *a: asked.append(1) or real(*a))
    for title in TITLES:
        found = large.recommend(listed(title), 1)
        assert found.products["title"].tolist() == [title]
    assert len(asked) == len(TITLES)


def test_each_liked_category_is_represented(service):
    """Also where the model would rather fill the list with one of them."""
    liked = listed("red dress", "red dress", "coat")
    found = service.recommend(liked, 2, Filters(gender="all"))
    assert set(found.products["category"]) == {"dresses", "coats"}


def test_a_category_for_one_gender_tells_whom_the_list_is_for(service, monkeypatch):
    """Where no title names a gender: whoever likes a dress in a shop whose dresses are for
    women."""
    everything = service.recommend(listed("red dress"), 6)
    assert set(everything.products["gender"]) == {"women", "men"}  # two dresses tell little
    monkeypatch.setattr(serving, "FEWEST_TO_TELL", 2)
    service = another(service)
    found = service.recommend(listed("red dress"), 6)
    assert set(found.products["gender"]) == {"women"}
    assert any("your list names dresses, so these are for women" in note for note in found.notes)
    asked = service.recommend(listed("red dress"), 6, Filters(gender="all"))
    assert set(asked.products["gender"]) == {"women", "men"}
    undecided = service.recommend(listed("blue jeans"), 6)
    assert set(undecided.products["gender"]) == {"women", "men"}
