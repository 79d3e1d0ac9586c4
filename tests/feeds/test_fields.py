"""Cell parsers: the notations of real shops, and anything else without raising."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.feeds.fields import (
    clean_text,
    parse_count,
    parse_images,
    parse_price,
    parse_rating,
    parse_sections,
    parse_sizes,
    read_literal,
)
from helpers.feeds.money import CODES, SIGNS

quick = settings(max_examples=150, deadline=None, database=None, derandomize=True)
cells = st.one_of(
    st.text(max_size=200), st.none(), st.floats(), st.text("[]{}'\"\\,:=> ab1$€.-/", max_size=60)
)


@pytest.mark.parametrize(
    ("cell", "amount", "currency"),
    [
        ("49.99", 49.99, "GBP"),
        ("From  42.50", 42.5, "GBP"),
        ("Now  35.00", 35, "GBP"),
        ("Rs. 259", 259, "INR"),
        ("Rs.1,299", 1299, "INR"),
        ("₹8,599", 8599, "INR"),
        ("₹1,29,999.50", 129999.5, "INR"),
        ("49.90 USD", 49.9, "USD"),
        ("$34.99", 34.99, "USD"),
        ("CA$ 12", 12, "CAD"),
        ("1.299,00 €", 1299, "EUR"),
        ("€ 1.299", 1299, "EUR"),
        ("1 299,00 €", 1299, "EUR"),
        ("12,5 zł", 12.5, "PLN"),
        ("£1,234", 1234, "GBP"),
        ("Was £50.00 Now £30.00", 30, "GBP"),
        ("Rs. 259Rs. 399(35% OFF)", 259, "INR"),
        ("35% off 20.00", 20, "GBP"),
        ("19.99 - 29.99", 19.99, "GBP"),
        ("&pound;12.00", 12, "GBP"),
    ],
)
def test_price_notations(cell, amount, currency):
    assert parse_price(cell, "GBP") == (amount, currency)


@pytest.mark.parametrize(
    "cell", ["From", "", None, "0", "-1.0", "Save ₹720 (72%)", "(35% OFF)", "unknown", "9" * 400]
)
def test_no_price(cell):
    assert parse_price(cell, "GBP") is None


@quick
@given(cells)
def test_no_cell_raises(cell):
    for parse in (
        clean_text,
        parse_price,
        parse_count,
        parse_rating,
        parse_sizes,
        parse_images,
        parse_sections,
    ):
        parse(cell)


@quick
@given(st.integers(1, 10**8))
def test_prices_printed_back_parse_to_the_same(cents):
    amount = cents / 100
    for text in (f"{amount:.2f}", f"${amount:,.2f}", f"Rs. {amount:,.2f}", f"{amount:.2f} USD"):
        assert parse_price(text, "EUR").amount == amount
    german = f"{amount:,.2f}".translate(str.maketrans(",.", ".,"))
    assert parse_price(f"{german} €") == (amount, "EUR")


@quick
@given(
    st.integers(1, 10**7),
    st.sampled_from(sorted(SIGNS)),
    st.booleans(),
    st.booleans(),
)
def test_any_currency_before_or_behind_the_amount(amount, sign, before, spaced):
    space = " " if spaced or sign[-1].isalpha() else ""
    text = f"{sign}{space}{amount}" if before else f"{amount}{space}{sign}"
    assert parse_price(text.upper() if spaced else text, "CHF") == (amount, SIGNS[sign])
    code = sorted(CODES)[amount % len(CODES)]
    assert parse_price(f"{code} {amount}", "CHF").currency == code
    assert parse_price(f"{amount}{code}", "CHF").currency == code


sections = st.dictionaries(
    st.text(max_size=15).map(clean_text), st.text(max_size=40).map(clean_text), max_size=4
)


@quick
@given(sections)
def test_descriptions_printed_back_parse_to_the_same(sections):
    parts = [{heading: text} for heading, text in sections.items()]
    for cell in (
        repr(parts),
        json.dumps(parts),
        repr(sections),
        json.dumps(sections, ensure_ascii=False),
    ):
        assert parse_sections(cell) == sections
    for text in sections.values():
        if read_literal(text) is None:
            assert parse_sections(text) == {"": text}


@quick
@given(st.dictionaries(st.sampled_from(["XS", "UK 4", "39", "S - M", "One size"]), st.booleans()))
def test_sizes_printed_back_parse_to_the_same(sizes):
    said = [size + " - Out of stock" * (not left) for size, left in sizes.items()]
    assert parse_sizes(",".join(said)) == parse_sizes(repr(said)) == sizes


@quick
@given(cells)
def test_cleaning_twice_is_cleaning_once(cell):
    assert clean_text(clean_text(cell)) == clean_text(cell)


def test_text():
    assert (
        clean_text("100&percnt cotton,<br>soft &amp;amp; warm <b>now</b>")
        == "100% cotton, soft & warm now"
    )
    assert clean_text("The Fave &amp; Fair  <script>alert(1)</script> Tee") == "The Fave & Fair Tee"
    assert clean_text("H&M sizes 3 < 4") == "H&M sizes 3 < 4"
    assert clean_text(" NaN ") == clean_text("unknown") == ""


path = st.text("abcdefgXYZ0189-_~.,=$&?()[]{}'\" é", max_size=30).map(
    lambda t: t.replace("&amp;", "")
)
urls = st.lists(st.builds("https://x.test/a{}b".format, path), unique=True, max_size=5)


@quick
@given(urls)
def test_image_lists_printed_back_parse_to_the_same(urls):
    wanted = [url.replace(" ", "%20") for url in urls]
    assert parse_images(repr(urls)) == wanted
    assert parse_images(json.dumps(urls)) == wanted
    assert parse_images(json.dumps([{"src": url} for url in urls])) == wanted


@quick
@given(
    st.lists(
        st.builds("https://x.test/dpr_2,q_{}/a,b{}.jpg".format, st.integers(0), st.integers(0)),
        unique=True,
    )
)
def test_separated_addresses_keep_their_commas(urls):
    for separator in (",", ", ", " | ", "\n", ";"):
        assert parse_images(separator.join(urls)) == urls


def test_image_fields_of_real_shops():
    hm = "//lp2.hm.com/hmgoepprod?set=source[/f6/1f/a.jpg],origin[dam],res[m],hmver[2]&call=url[file:/product/style]"  # noqa: E501
    assert parse_images(hm) == ["https:" + hm]
    assert parse_images("[https://a.test/1.jpg]") == ["https://a.test/1.jpg"]
    assert parse_images(
        "['https://a.test/1?$n$&w=1', 'https://a.test/2', 'https://a.test/1?$n$&w=1']"
    ) == [
        "https://a.test/1?$n$&w=1",
        "https://a.test/2",
    ]
    zara = "https://static.zara.net/photos///2021/I/0/2/p/4087314800_1_1_1.jpg?ts=1629124839549"
    assert parse_images(zara) == [zara]
    assert parse_images('["http://a.test/1.jpg", "//b.test/2.jpg"]') == [
        "http://a.test/1.jpg",
        "https://b.test/2.jpg",
    ]
    assert parse_images("soon") == parse_images("[]") == parse_images(None) == []


plain = st.text(max_size=20)
literals = st.recursive(
    st.one_of(plain, st.booleans(), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(plain, inner, max_size=3)),
    max_leaves=8,
)


@quick
@given(st.one_of(st.lists(literals, max_size=4), st.dictionaries(plain, literals, max_size=4)))
def test_literals_printed_back_parse_to_the_same(value):
    assert read_literal(json.dumps(value)) == value
    assert read_literal(json.dumps(value, ensure_ascii=False)) == value
    assert read_literal(repr(value)) == value


def test_ruby_and_depth():
    assert read_literal('{:alt=>"Front", "src"=>"//a.test/1.jpg", :n=>nil}') == {
        "alt": "Front",
        "src": "//a.test/1.jpg",
        "n": None,
    }
    assert read_literal("[" * 5000 + "]" * 5000) is None
    assert read_literal("[__import__('os')]") is None


def test_description_with_lost_apostrophes_and_mixed_quotes():
    cell = (
        "[{'Product Details': 'Coats & Jackets by Nike Running This item is excluded'}, "
        "{'Brand': 'If it doesn t get you moving, \"nothing\" will'}, "
        "{'Size & Fit': 'Model\\'s height: 174cm/5\\'8.5\" Model is wearing: S'}, {\"About Me\": "
        '"It\'s soft"}]'
    )
    sections = parse_sections(cell)
    assert list(sections) == ["Product Details", "Brand", "Size & Fit", "About Me"]
    assert sections["Size & Fit"] == "Model's height: 174cm/5'8.5\" Model is wearing: S"
    assert sections["Brand"].endswith('"nothing" will')
    unescaped = "[{'Size & Fit': 'Model's height: 5'8\", size S'}, {'About Me': 'Soft'}]"
    assert parse_sections(unescaped) == {
        "Size & Fit": "Model's height: 5'8\", size S",
        "About Me": "Soft",
    }
    assert parse_sections("Plain words") == {"": "Plain words"}


def test_counts_ratings_sizes():
    cells = ["6.7k Verified Buyers", "|68k", "4,044 ratings", "1 rating", "1.2m", "[reviewsLabel]"]
    assert [parse_count(cell) for cell in cells] == [6700, 68000, 4044, 1, 1200000, None]
    assert [parse_rating(cell) for cell in ("3.8 out of 5", "4.1", "8/10", "unknown", "97")] == [
        3.8,
        4.1,
        4.0,
        None,
        None,
    ]
    assert parse_sizes("UK 4,UK 6,UK 14 - Out of stock") == {
        "UK 4": True,
        "UK 6": True,
        "UK 14": False,
    }
    assert parse_sizes("Sizes: 39") == {"39": True}
    assert parse_sizes("['S', 'M (Sold out)']") == {"S": True, "M": False}
    assert parse_sizes("XXS - XXL") == {"XXS - XXL": True}
    assert parse_sizes("") == {}
