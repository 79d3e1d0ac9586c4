"""A feed's file: dialects, encodings, what is no feed at all, and every row in its place."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shop_feed import all_rows, spec, write

from helpers.feeds import FeedError, check_feed, draft_spec, read_feed
from helpers.feeds.files import read_rows


@pytest.mark.parametrize(
    "second", ['2,"Hat,2', '2,Hat,"2']
)  # the latter, with all that follows, has as many cells
def test_an_open_quote_loses_no_row(tmp_path, second):
    path = write(tmp_path, f"id,name,price\n1,Coat,1\n{second}\n3,Tee,3\n4,Top,4\n")
    products, rejects, _about = read_feed(path, spec())
    assert products["product_id"].tolist() == ["1"]
    assert rejects["value"].tolist() == [second, "3,Tee,3", "4,Top,4"]
    assert rejects["reason"].str.endswith("a quote opens in row 2 and never closes").all()
    assert "# Row 2: a quote opens in row 2 and never closes" in draft_spec(path)


def test_nothing_is_drafted_where_an_open_quote_takes_all(tmp_path):
    for text, problem in (
        (
            'id,name,price\n1,"Coat,1\n2,Hat,2\n',
            "none of 2 rows can be read, row 1: a quote opens in row 1",
        ),
        ('id,"name,price\n1,Coat,1\n', "opens a quote in its first line that never closes"),
    ):
        with pytest.raises(FeedError, match=problem):
            draft_spec(write(tmp_path, text))


def test_a_last_row_cut_off_within_its_quotes_is_read(tmp_path):
    products, rejects, _about = read_feed(
        write(tmp_path, 'id,price,name\n1,1,"Coat, long\nand warm"\n2,2,"Hat, wi'), spec()
    )
    assert products["title"].tolist() == ["Coat, long and warm", "Hat, wi"]
    assert rejects.empty


@pytest.mark.parametrize(
    ("text", "encoding", "said", "separator"),
    [
        ("id;name;price\r\n1;Mütze, rot;1.299,00 €\r\n\r\n", "utf-8", "utf-8", ";"),
        ("id\tname\tprice\n1\tMütze, rot\t1299\n", "utf-8-sig", "utf-8-sig", "\t"),
        ("id|name|price\n1|Mütze, rot|1299\n", "utf-16", "utf-16", "|"),
        (
            'id,name,price\n1,"Mütze, rot",1299\n'
            + "2,größere Hüte für schöne Mädchen und Jungs,5\n" * 9,
            "cp1252",
            "cp1252",
            ",",
        ),
    ],
)
def test_dialects_are_found_and_stated(tmp_path, text, encoding, said, separator):
    products, rejects, about = read_feed(write(tmp_path, text, encoding=encoding), spec())
    assert (products["title"][0], products["price"][0], len(rejects)) == ("Mütze, rot", 1299, 0)
    assert (about.encoding, about.separator) == (
        said,
        separator,
    )


def test_json_and_json_lines(tmp_path):
    items = [{"id": 1, "name": "Coat", "price": 3.5}, {"id": 2, "name": None, "price": "4"}]
    for text in (
        json.dumps(items),
        json.dumps({"items": items}),
        "\n".join(map(json.dumps, items)),
    ):
        products, rejects, _ = read_feed(write(tmp_path, text, "shop.json"), spec())
        assert (products["price"].tolist(), rejects["reason"].tolist()) == (
            [3.5],
            ["shop.json row 2: no title"],
        )
    products, rejects, _about = read_feed(
        write(tmp_path, json.dumps(items[0]) + "\n{broken\n[1]\n", "shop.json"), spec()
    )
    assert (len(products), rejects["source_row"].tolist()) == (1, [2, 3])


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "shop.csv holds nothing"),
        (b"id,name,price\n", "shop.csv holds no rows"),
        (b"\x1f\x8b\x08\x08id,name\n1,2\n", "shop.csv begins like no text"),
        (b"\x1fid,name\n1,2\n", "shop.csv begins like no text"),
        (b"PAR1\x15\x04\x15", "shop.csv begins like no text"),
        ("id,name\n1,2\n".encode("utf-16")[2:], "shop.csv begins like no text"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "shop.csv begins like no text"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "shop.csv begins like no text"),
        (b"\n<!doctype html>\n<title>Log in</title>\n", "shop.csv is HTML or XML"),
        (
            b'[{"id": 1},\n{"id": ',
            r"shop.csv is neither JSON \(.*line 2 column 8.*\) nor JSON lines",
        ),
        (b"x" * 60_000, "shop.csv has more than 50,000 characters in its first line"),
    ],
)
def test_a_file_that_is_no_feed_says_so(tmp_path, raw, said):
    for read in (
        lambda path: read_feed(path, spec()),
        draft_spec,
        lambda path: check_feed(spec(), path),
    ):
        with pytest.raises(FeedError, match=said):
            read(write(tmp_path, raw))
    for missing, said in (
        (tmp_path / "none.csv", "no such file"),
        (tmp_path, "is a folder: name a file in it"),
    ):
        with pytest.raises(FeedError, match=said):
            read_feed(missing, spec())


HATS = "id,name,price\n" + "1,größere Mütze für Mädchen,2\n" * 9


def test_a_yaml_that_names_another_encoding_is_an_error(tmp_path):
    for written, told in (("cp1252", "utf-8"), ("utf-8", "cp1252"), ("utf-8", "utf-16")):
        with pytest.raises(FeedError, match=rf"shop\.csv is not in {told}.*change `encoding`"):
            read_feed(write(tmp_path, HATS, encoding=written), spec(encoding=told))
    for told in ("utf-8", "utf-8-sig", "auto"):
        assert (
            read_feed(write(tmp_path, HATS, encoding="utf-8-sig"), spec(encoding=told))[0]["title"][
                0
            ][:2]
            == "gr"
        )


def test_a_broken_byte_is_counted_and_costs_no_other_letter(tmp_path):
    path = write(tmp_path, HATS.encode().replace("ä".encode(), b"\xc3", 1))
    products, _, about = read_feed(path, spec())
    assert products["title"].tolist() == [
        "größere Mütze für M�dchen",
        *["größere Mütze für Mädchen"] * 8,
    ]
    assert about.encoding == "utf-8"
    assert "1 characters can't be read as utf-8" in str(check_feed(spec(), path))


def test_two_columns_of_one_name_are_both_read(tmp_path):
    assert read_rows(write(tmp_path, "a,b,a\n1,2,3\n")).rows == [{"a": "1", "b": "2", "a (3)": "3"}]


@settings(max_examples=60, deadline=None, database=None, derandomize=True)
@given(
    st.one_of(
        st.binary(max_size=120), st.text('id,"\n\r;[{}]name1€é\x00', max_size=120).map(str.encode)
    )
)
def test_whatever_the_bytes_every_row_is_accounted_for(raw):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shop.csv"
        path.write_bytes(b"id,name,price\n1,Coat,2\n" + raw)
        products, rejects, about = read_feed(path, spec())
        assert all_rows(products, rejects) == list(range(1, about.read + 1))
        path.write_bytes(raw)
        try:
            products, rejects, about = read_feed(path, spec())
        except FeedError:
            return
        assert all_rows(products, rejects) == list(range(1, about.read + 1))


def test_rows_keep_their_places(tmp_path):
    rows, broken, about = read_rows(write(tmp_path, 'id,name\n1,"a\nb"\n2\n3,c\n'))
    assert [row and row["id"] for row in rows] == ["1", None, "3"]
    assert (broken[0].row, about.read) == (2, 3)
