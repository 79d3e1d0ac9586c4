"""Where a profile's feeds come from: what is missing is named with the remedy."""

import pytest
from PIL import Image

from helpers.feeds import FeedError, harmonise
from helpers.sample import sources


def test_every_feed_of_a_folder_has_a_yaml_or_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no feeds in .*: give another photos_dir"):
        sources.open_source("feeds", tmp_path, photos_dir=str(tmp_path))
    (tmp_path / "zara.csv").write_text("title,price\nCoat,2\n")
    (tmp_path / "notes.md").write_text("no feed")
    source = sources.open_source("feeds", tmp_path, photos_dir=str(tmp_path))
    assert [feed.spec for feed in source.feeds] == ["zara"]
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(
        FeedError,
        match=r"other.json has no data/feeds/other.yaml: write it with `course feed draft`",
    ):
        sources.open_source("feeds", tmp_path, photos_dir=str(tmp_path))
    with pytest.raises(ValueError, match="source 'bazaar' is none of store, photos, feeds"):
        sources.open_source("bazaar", tmp_path)


def test_a_feed_of_nothing_but_rejects_stops_the_chapter(tmp_path):
    (tmp_path / "zara.csv").write_text("title,price\nCoat,free\n")
    with pytest.raises(
        FeedError,
        match=r"no row became a product \(zara.csv row 1: price 'free' is not an amount\)",
    ):
        sources.open_source("feeds", tmp_path, photos_dir=str(tmp_path)).read()


OWN = """platform: own
image_files: true
fields: {product_id: id, title: title, price: price, images: image}
"""


def own_shop(folder):
    (folder / "own.csv").write_text(
        "id,title,price,image\n1,Blue shirt,$20,front.jpg\n2,Red dress,$30,pics/back.jpg\n"
        "3,Green hat,$9,front.jpg\n4,Grey coat,$90,lost.jpg\n"
    )
    (folder / "own.yaml").write_text(OWN)


def test_photos_of_any_shop_come_from_the_folder_of_its_name(tmp_path):
    own_shop(tmp_path)
    with pytest.raises(FeedError, match=r"no folder own/ nor own.tar beside it"):
        sources.open_source("feeds", tmp_path, photos_dir=str(tmp_path))
    (tmp_path / "own" / "pics").mkdir(parents=True)
    for name, colour in (("front", "blue"), ("pics/back", "red")):
        Image.new("RGB", (40, 60), colour).save(tmp_path / "own" / f"{name}.jpg")
    source = sources.open_source("feeds", tmp_path, photos_dir=str(tmp_path))
    feeds, rejects, read = source.read()
    assert (read, len(rejects)) == ({"own": 4}, 0)
    catalog, _ = harmonise(feeds)
    images = source.images(catalog, tmp_path / "dest").set_index("image_key")
    assert images["status"].to_dict() == {
        "own/1": "ok",
        "own/2": "ok",
        "own/3": "duplicate",  # it shows the picture of the first
        "own/4": "not_found",
    }


def test_a_wrong_yaml_is_named_before_anything_is_read(tmp_path):
    own_shop(tmp_path)
    (tmp_path / "own.yaml").write_text(OWN.replace("title: title", "titel: title"))
    with pytest.raises(FeedError, match=r"own.yaml line 3: fields.titel"):
        sources.open_source("feeds", tmp_path, photos_dir=str(tmp_path))
