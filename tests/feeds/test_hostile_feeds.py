"""Feeds that want to do harm: time, memory, formulas, terminals, and YAML that grows."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shop_feed import all_rows, spec, write

from helpers.feeds import FeedError, check_feed, draft_spec, harmonise, load_spec, read_feed
from helpers.feeds.fields import (
    clean_text,
    parse_availability,
    parse_count,
    parse_images,
    parse_rating,
    parse_sections,
    parse_sizes,
    parse_text,
)
from helpers.feeds.money import parse_currency, parse_price
from helpers.feeds.text import printable

PARSERS = (
    clean_text,
    parse_text,
    parse_price,
    parse_currency,
    parse_count,
    parse_rating,
    parse_sizes,
    parse_availability,
    parse_images,
    parse_sections,
)
quick = settings(max_examples=150, deadline=None, database=None, derandomize=True)

# What regular expressions and loops stumble over, again and again.
REPEATED = (
    "(", ",", "- ", "<!--", "-->", "&amp;", "amp;", "&#38;", "&#x26;", "<<b>", "<a ", "<script>", "</script ",  # noqa: E501
    "'", '"', "[", "{'a':", "a:", "\\", " ", "https://a.b/c,", "//a ", "$1 ", "1,", "1 ", "out of stock ", "(out of stock",  # noqa: E501
    "&#99999999", "\u200b", "', ", "['a',", "=>", "was ", "1 x ", "RM",
)  # fmt: skip


def seconds(parse, text, tries=3):
    """The shortest of some tries, so that a moment's pause of the machine doesn't count."""
    taken = []
    for _ in range(tries):
        began = time.process_time()
        parse(text)
        taken.append(time.process_time() - began)
    return min(taken)


@pytest.mark.parametrize("parse", PARSERS, ids=lambda parse: parse.__name__)
def test_time_grows_with_the_length_of_a_cell(parse):
    """Four times the length may take eight times as long, where a square would take sixteen."""
    for repeated in REPEATED:
        for before in ("", "[", "{"):
            text = before + repeated * (50_000 // len(repeated))
            long = seconds(parse, text, tries=1)
            if long > 0.1:
                long = seconds(parse, text)
                short = seconds(parse, text[:12_500])
                assert long < 8 * max(short, 0.01), (before + repeated, short, long)


# Halves of characters, controls, direction marks, and the signs that parsers look for.
odd = st.text(
    st.one_of(
        st.characters(),
        st.characters(categories=["Cs", "Cc", "Cf"]),
        st.sampled_from("[]{}'\"\\,:=> ab1$€.-/&;#<>"),
    ),
    max_size=80,
)


@quick
@given(odd)
def test_no_cell_raises_and_all_can_be_written(cell):
    for parse in PARSERS:
        parse(cell)
    clean_text(cell).encode("utf-8")
    parse_text(cell).encode("utf-8")
    assert clean_text(clean_text(cell)) == clean_text(cell)
    assert printable(cell).isprintable()


@settings(quick, max_examples=40)
@given(st.lists(st.fixed_dictionaries({"id": odd, "name": odd, "price": odd}), max_size=5))
def test_json_of_any_text_becomes_a_catalogue_that_can_be_written(items):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shop.json"
        path.write_text(json.dumps([{"id": "1", "name": "Coat", "price": "5"}, *items]))
        feed = read_feed(path, spec())
        assert all_rows(feed.products, feed.rejects) == list(range(1, feed.about.read + 1))
        catalog, merged = harmonise([feed])
        catalog.to_parquet(Path(folder) / "catalog.parquet")
        feed.rejects.to_parquet(Path(folder) / "rejects.parquet")
        assert len(catalog) + len(merged) == len(feed.products)


def test_an_entity_of_thousands_of_digits_is_no_error():
    assert clean_text("&#" + "9" * 5000 + "; coat") == "\ufffd coat"


# --- YAML ---

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(9)
)


def test_a_yaml_that_grows_is_refused_with_its_line(tmp_path):
    with pytest.raises(FeedError, match=r"bomb.yaml line 2: `\*a`: write it out"):
        load_spec(write(tmp_path, BOMB + "platform: p\nfields: {title: t}\n", "bomb.yaml"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("platform: p\nfields: " + "[" * 5000, "lists within lists, too deep"),
        ("platform: p\nfields: {title: t}\n#" + "x" * 110_000, "more than 100,000 characters"),
        ("platform: p\nfields:\n  title: [a, a]\n  price:\n  - {column: a, column: b}\n", "column is given twice"),  # noqa: E501
        ("platform: p\nfields: {title: t}\nkeep: !!python/object/apply:os.system [ls]\n", "not valid YAML"),  # noqa: E501
        ("platform: p\nfields: {title: t}\ncurrency: \x07\n", "not valid YAML"),
        ("? [a, b]\n: c\n", "not valid YAML|line"),
        ("platform: p\nfields: {title: t}\nvocabulary: ../../../etc/passwd2\n", "nor a file of that name"),  # noqa: E501
        ("platform: p\nencoding: undefined\nfields: {title: t}\n", "no encoding 'undefined'"),
    ],
)  # fmt: skip
def test_other_yaml_that_is_refused(tmp_path, text, said):
    path = write(tmp_path, text, "p.yaml")
    with pytest.raises(FeedError, match=said):
        read_feed(write(tmp_path, "t\nCoat\n"), path)


def test_a_pattern_that_backtracks_for_ever_is_an_error_that_names_it(tmp_path, monkeypatch):
    monkeypatch.setattr("helpers.feeds.spec.PATIENCE", 0.2)
    fields = {"title": {"column": "name", "pattern": r"^(a|aa)+$"}, "product_id": "id"}
    path = write(tmp_path, "id,name\n1," + "a" * 60 + "!\n")
    with pytest.raises(FeedError, match=r"pattern .* takes more than 0.2 s on 'aaaa"):
        read_feed(path, spec(fields=fields))


# --- XML ---


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('<!DOCTYPE r [<!ENTITY a "x"><!ENTITY b "&a;&a;">]><r><item><t>&b;</t></item></r>', "entities"),  # noqa: E501
        ('<!DOCTYPE r SYSTEM "file:///etc/passwd"><r><item><t>a</t></item></r>', ""),
        ('<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r><item><t>&x;</t></item></r>', "entities"),  # noqa: E501
        ("<r><item><t>a</t></r>", "not well formed"),
        ("<r>text</r>", "without a list of products"),
        ("<!DOCTYPE html><html><body>Log in</body></html>", "a page"),
    ],
)  # fmt: skip
def test_xml_that_wants_more_than_to_be_read(tmp_path, text, said):
    path = write(tmp_path, text, "shop.xml")
    shop = spec(fields={"title": "t"})
    if not said:
        assert read_feed(path, shop).products["title"].tolist() == ["a"]
        return
    with pytest.raises(FeedError, match=said):
        read_feed(path, shop)


def test_xml_nested_very_deeply_is_read_or_refused(tmp_path):
    path = write(
        tmp_path,
        "<r><item><t>Coat</t>" + "<a>" * 20_000 + "</a>" * 20_000 + "</item></r>",
        "shop.xml",
    )
    try:
        feed = read_feed(path, spec(fields={"title": "t"}))
    except FeedError:
        return
    assert feed.products["title"].tolist() == ["Coat"]


# --- terminals ---

ESCAPES = "\x1b]0;owned\x07\x1b[31mred\x1b[0m \u202eevil\u2066 \x9b2J"


def test_check_and_draft_print_no_control_characters(tmp_path):
    text = (
        f'id,name,price,"bad\u202e\u2066","two\nlines: x"\n'
        f'1,"Coat {ESCAPES}",{ESCAPES},"{ESCAPES}",b\n2,Hat,5,"{ESCAPES}",c\n3,Tee{ESCAPES}\n'
    )
    path = write(tmp_path, text, "shop.csv")
    yaml = draft_spec(path)
    report = str(check_feed(write(tmp_path, yaml, "d.yaml"), path))
    for shown in (yaml, report, str(check_feed(spec(), path))):
        assert all(sign.isprintable() or sign == "\n" for sign in shown)
    assert "\n# lines" not in yaml and "\nlines: x" not in yaml
    with pytest.raises(FeedError) as error:
        read_feed(path, spec(fields={"title": "nowhere"}))
    assert str(error.value).isprintable()


def test_names_of_columns_become_no_keys_of_a_draft(tmp_path):
    text = 'id,name,price,"x\nrequired: [nonsense]\n#"\n1,Coat,$5,a\n'
    path = write(tmp_path, text)
    made = load_spec(write(tmp_path, draft_spec(path), "d.yaml"))
    assert made.required == ["title"]
