"""A shopper's own list against a shop of six garments, whose encoder reads words and mean colours."""

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
from helpers.serving import service as serve

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
def service(tmp_path_factory):
    folder, encoder = tmp_path_factory.mktemp("data") / "toy", WordsAndColours()
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
    folder.mkdir()
    catalog.to_parquet(folder / "catalog.parquet")
    pd.DataFrame({"image_key": ["a/0", "a/0", "a/1"], "in_stock": [False, True, False]}).to_parquet(
        folder / "variants.parquet"
    )
    embeddings.save_embeddings(folder, image, text, encoder)
    vectors = embeddings.item_vectors(image, text)
    log = pd.DataFrame(
        {"user": list("uvwuv"), "item": ["a/5", "a/5", "a/5", "a/2", "a/2"], "rating": 5.0}
    )
    train = Interactions.from_frame(log, pd.Index(catalog["image_key"]))
    (folder / "models").mkdir()
    Content().fit(train, ItemFeatures(vectors, catalog, "toy")).save(folder / "models" / "Content")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DATA", str(folder.parent))
        patch.setattr(serve, "ClipEncoder", WordsAndColours)
        patch.setattr(serve, "NEAREST", 1)
        yield serve.Service("toy", "Content")


def listed(*titles, **columns) -> pd.DataFrame:
    return pd.DataFrame({"title": titles, **columns}, index=range(1, len(titles) + 1))


def looks_red(histories) -> list[bool]:
    """Whether the image half of each item is that of a red picture on white, as all pictures are standardised."""
    return [bool(vector[0] > vector[1] + 0.1) for vector in histories.vectors]


def test_a_title_finds_its_like_and_says_why(service):
    found = service.recommend(listed("striped shirt in red"), 3)
    assert found["title"].tolist()[0] == "red shirt striped"
    assert found.loc[0, ["because", "shares"]].tolist() == [
        "striped shirt in red",
        "shirts, red, striped",
    ]
    assert found["rank"].tolist() == [1, 2, 3] and found.attrs["notes"] == []


def test_each_recommendation_names_the_liked_item_that_is_nearest(service):
    found = service.recommend(listed("red dress", "blue jeans", "plain coat", rating=[5, 5, 1]), 6)
    because = dict(zip(found["title"], found["because"], strict=True))
    assert because["red dress"] == "red dress" and because["blue jeans"] == "blue jeans"
    assert "plain coat" not in because.values()  # it was not liked


def test_ratings_weigh(service):
    high, low = (
        service.recommend(listed("red dress", "blue jeans", rating=r), 1)["title"][0]
        for r in ([5, 1], [1, 5])
    )
    assert (high, low) == ("red dress", "blue jeans")


def test_pictures_here_are_read_and_what_fails_is_named(service, tmp_path):
    (tmp_path / "red.png").write_bytes(picture("red", (64, 96)))
    (tmp_path / "torn.png").write_bytes(picture("red")[:40])
    (tmp_path / "note.png").write_text("no picture")
    names = ["red.png", "torn.png", "note.png", "none.png", ""]
    paths = [str(tmp_path / name) if name else "" for name in names]
    histories, notes = service.encode(listed(*["plain coat"] * 5, image=paths))
    assert looks_red(histories) == [True, False, False, False, False]
    assert [note.partition(":")[0] for note in notes] == ["row 2", "row 3", "row 4"]
    assert "corrupt" in notes[0] and "not_an_image" in notes[1] and "No such file" in notes[2]
    assert all("only its title can be used" in note for note in notes)


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
        monkeypatch.setattr(serve, "fetch_images", partial(serve.fetch_images, resolve=there))
        links = ["http://shop.test/red.png", "http://shop.test/gone.png", "file:///etc/passwd"]
        links.append(f"http://127.0.0.1:{server.server_port}/secret.png")
        histories, notes = service.encode(listed(*["plain coat"] * 4, image=links))
        server.shutdown()
    assert looks_red(histories) == [True, False, False, False]
    reasons = ["not_found", "refused_scheme", "refused_address"]
    assert [
        f"row {row}" in note and why in note
        for row, note, why in zip((2, 3, 4), notes, reasons, strict=True)
    ]
    assert all(why in note for why, note in zip(reasons, notes, strict=True))
    assert "/secret.png" not in asked


def test_another_language_counts_by_its_picture_or_not_at_all(service, tmp_path):
    (tmp_path / "red.png").write_bytes(picture("red"))
    found = service.recommend(
        listed("rotes Kleid", "赤いドレス", image=[str(tmp_path / "red.png"), ""]), 2
    )
    assert set(found["title"]) == {"red dress", "red shirt striped"}
    notes = found.attrs["notes"]
    assert "row 1: no word of “rotes Kleid”" in notes[0] and "picture alone" in notes[0]
    assert (
        "row 2: no word of “赤いドレス”" in notes[1] and "left out" in notes[1] and len(notes) == 2
    )


def test_a_missing_half_is_that_of_the_nearest_products(service, tmp_path):
    (tmp_path / "blue.png").write_bytes(picture("blue"))
    histories, notes = service.encode(
        listed("red dress", "Kleid", image=["", str(tmp_path / "blue.png")])
    )
    image, text = np.split(histories.vectors, 2, axis=1)
    images, texts = np.split(service.vectors, 2, axis=1)
    np.testing.assert_allclose(image[0], images[TITLES.index("red dress")], atol=1e-6)
    np.testing.assert_allclose(
        text[1], texts[TITLES.index("blue dress")], atol=1e-6
    )  # the first of all that look blue
    assert len(notes) == 1


@pytest.mark.filterwarnings("ignore:.*no history it can use")
def test_what_matches_nothing_gets_the_favourites_and_the_reason(service):
    found = service.recommend(listed("xyzzy"), 2)
    assert found["title"].tolist() == ["plain coat", "blue jeans"]  # liked by three and by two
    assert "favourites" in found.attrs["notes"][-1] and found["because"].tolist() == ["", ""]


def test_a_long_list_is_cut_to_its_newest(service):
    titles = ["red dress"] * 9_500 + ["blue jeans"] * 500
    found = service.recommend(listed(*titles), 1)
    assert found["title"].tolist() == ["blue jeans"] and found["because"].tolist() == ["blue jeans"]
    assert found.attrs["notes"] == ["10000 items: the last 500 are used"]


def test_an_empty_list_is_refused(service):
    with pytest.raises(ValueError, match="empty"):
        service.recommend(listed(), 3)


@pytest.mark.parametrize(
    "filters, expected",
    [
        ({"gender": "men"}, {2, 3}),
        ({"max_price": 30.0}, {0, 1, 2}),  # an unknown price is not known to be below
        ({"in_stock": True}, {0, 2, 3, 4, 5}),  # 1 has a size, but it is sold out
        ({"gender": "women", "max_price": 15.0, "platform": "a"}, {0}),
    ],
)
def test_filters(service, filters, expected):
    assert set(np.flatnonzero(service.allowed(**filters))) == expected
    found = service.recommend(listed("red dress"), 6, **filters)
    assert set(found["title"]) == {TITLES[row] for row in expected}
    assert f"only {len(expected)} products pass the filters" in found.attrs["notes"]


def test_filters_that_nothing_passes_are_an_error(service):
    with pytest.raises(ValueError, match="no product passes the filters"):
        service.recommend(listed("red dress"), 3, max_price=1.0)


def test_an_unknown_filter_value_is_named(service):
    with pytest.raises(ValueError, match="no gender 'dogs' in the catalogue; it has men, women"):
        service.allowed(gender="dogs")
