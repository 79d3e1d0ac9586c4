"""Where a profile's feeds come from: what is missing is named with the remedy."""

import pytest

from helpers.feeds import FeedError
from helpers.sample import sources


def test_every_feed_of_a_folder_has_a_yaml_or_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no feeds in .*: give another photos_dir"):
        sources.open_source("feeds", tmp_path, photos_dir=str(tmp_path))
    (tmp_path / "zara.csv").write_text("title,price\nCoat,2\n")
    (tmp_path / "notes.md").write_text("no feed")
    assert [
        feed.spec for feed in sources.open_source("feeds", tmp_path, photos_dir=str(tmp_path)).feeds
    ] == ["zara"]
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(
        FeedError,
        match=r"other.json has no data/feeds/other.yaml: write it with `course feed draft`",
    ):
        sources.open_source("feeds", tmp_path, photos_dir=str(tmp_path))
    with pytest.raises(ValueError, match="source 'shop' is none of store, photos, feeds"):
        sources.open_source("shop", tmp_path)


def test_a_feed_of_nothing_but_rejects_stops_the_chapter(tmp_path):
    (tmp_path / "zara.csv").write_text("title,price\nCoat,free\n")
    with pytest.raises(
        FeedError,
        match=r"no row became a product \(zara.csv row 1: price 'free' is not an amount\)",
    ):
        sources.open_source("feeds", tmp_path, photos_dir=str(tmp_path)).read()
