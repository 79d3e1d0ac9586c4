"""Feeds as data: a wrong YAML is answered with its line, the shipped ones load."""

import pytest
from shop_feed import spec, write

from helpers.feeds import FeedError, load_spec, read_feed
from helpers.feeds.spec import FEEDS

SHIPPED = sorted(path.stem for path in FEEDS.glob("*.yaml"))


def test_wrong_yaml_names_line_and_field(tmp_path):
    bad = """platform: shop
currency: euro
fields:
  title: name
  price:
    - {column: price, patern: x}
  colour: {column: c, pattern: '('}
"""
    with pytest.raises(FeedError) as error:
        load_spec(write(tmp_path, bad, "shop.yaml"))
    message = str(error.value)
    assert "shop.yaml line 2: currency" in message
    assert "shop.yaml line 6: fields.price.0.patern" in message
    assert "line 7: fields.colour.0.pattern" in message and "no regular expression" in message
    with pytest.raises(FeedError, match="must map `title`"):
        load_spec(write(tmp_path, "platform: shop\nfields: {price: p}\n", "shop.yaml"))
    with pytest.raises(FeedError, match=r"line 2: separator: ';;' is no single character"):
        load_spec(
            write(tmp_path, "platform: shop\nseparator: ;;\nfields: {title: t}\n", "shop.yaml")
        )
    with pytest.raises(FeedError, match=r"line 2: curency: there is no such key"):
        load_spec(
            write(tmp_path, "platform: shop\ncurency: EUR\nfields: {title: t}\n", "shop.yaml")
        )
    with pytest.raises(FeedError, match=r"line 2: encoding: .*no encoding 'klingon'"):
        load_spec(
            write(tmp_path, "platform: shop\nencoding: klingon\nfields: {title: t}\n", "shop.yaml")
        )
    with pytest.raises(FeedError, match=r"shop.yaml line 3: not valid YAML: .*'\\t'"):
        load_spec(write(tmp_path, "platform: shop\nfields:\n\ttitle: t\n", "shop.yaml"))
    with pytest.raises(FeedError, match=r"line 4: title is given twice"):
        load_spec(write(tmp_path, "platform: shop\nfields:\n  title: t\n  title: u\n", "shop.yaml"))
    for text in ("", "just text", "- a\n- b\n"):
        with pytest.raises(FeedError, match="holds no `platform:`"):
            load_spec(write(tmp_path, text, "shop.yaml"))
    with pytest.raises(FeedError, match=r"line 2: currency: .*'euro' is no ISO code"):
        load_spec(
            write(tmp_path, "platform: shop\ncurrency: euro\nfields: {title: t}\n", "shop.yaml")
        )
    with pytest.raises(FeedError, match="shipped feeds are"):
        load_spec("nobody")


def test_a_missing_column_is_named_with_those_there(tmp_path):
    with pytest.raises(FeedError, match=r"for title \(name\); it has id, titel: change"):
        read_feed(write(tmp_path, "id,titel\n1,Coat\n"), spec())


def test_shipped_feeds_load():
    assert {"asos", "myntra_men", "myntra_photos", "brands_photos"} <= set(SHIPPED)
    for name in SHIPPED:
        assert load_spec(name).fields["title"]
