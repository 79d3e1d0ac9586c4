"""Chapter 01's tables against counts made by hand."""

import csv

import pandas as pd

from helpers.feeds import harmonise, quality, read_feed


def shop(tmp_path, lines):
    path = tmp_path / "shop.csv"
    path.write_text("id,name,price,color\n" + "\n".join(lines) + "\n")
    fields = {"product_id": "id", "title": "name", "price": "price", "colour": "color"}
    from helpers.feeds import FeedSpec

    return read_feed(path, FeedSpec(platform="shop", currency="USD", fields=fields))


def test_tables_add_up(tmp_path):
    lines = [
        "1,Red dress,10,red",
        "1,Red dress,10,red",
        "2,Jeans,30,",
        "3,Tee,free,",
        "4,Tee,gratis,",
        ",,,",
    ]
    feed = shop(tmp_path, lines)
    rejects = feed.rejects
    catalog, merged = harmonise([feed])
    table = quality.accounts({"shop": feed.about.read}, catalog, rejects, merged)
    assert table.loc["shop"].tolist() == [6, 2, 3, 1, True]
    assert not quality.accounts({"shop": 7}, catalog, rejects, merged)["adds_up"].any()
    share = quality.completeness(catalog).set_index("field")["share"]
    assert share[["title", "price_usd", "colour", "rating", "image_urls"]].tolist() == [
        1,
        1,
        0.5,
        0,
        0,
    ]
    reasons = quality.rejects_by_reason(rejects)
    assert reasons[["reason", "rows"]].to_numpy().tolist() == [
        ["price … is not an amount", 2],
        ["blank row", 1],
    ]


def test_no_rejects_no_rows(tmp_path):
    rejects = shop(tmp_path, ["1,Red dress,10,red"]).rejects
    assert len(quality.rejects_by_reason(rejects)) == 0


def test_outcomes_by_host():
    images = pd.DataFrame(
        {
            "host": ["a.test", "a.test", "b.test", "", "", ""],
            "status": ["ok", "ok", "timeout", "ok", "no_url", "bad_url"],
        }
    )
    rows = quality.image_outcomes(images)[["host", "status", "images"]].to_numpy().tolist()
    assert rows == [
        ["(no address)", "bad_url", 1],
        ["(no address)", "no_url", 1],
        ["a.test", "ok", 2],
        ["b.test", "timeout", 1],
        ["local", "ok", 1],
    ]


def test_written_csv_starts_no_formula(tmp_path):
    frame = pd.DataFrame(
        {"=head": ["=HYPERLINK(1)", "+1", "-2", "@x", "\tx", "plain"], "n": [-1.5, 2, 3, 4, 5, 6]}
    )
    quality.write_csv(frame, tmp_path / "out.csv")
    with open(tmp_path / "out.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert not [cell for row in rows for cell in row[:1] if cell[:1] in tuple("=+-@\t")]
    assert rows[1][0] == "'=HYPERLINK(1)"
    assert rows[1][1] == "-1.5"  # a number is a number


def test_no_line_of_a_written_cell_starts_a_formula(tmp_path):
    cells = [
        "a\r=cmd|' /C calc'!A0",
        "a\r\n+1",
        "＝1+1",
        "＋1",
        "－1",
        "＠x",
        " =1",
        "\u200b=1",
        "%x",
        "a\x85=1",
    ]
    quality.write_csv(pd.DataFrame({"text": cells, "n": range(len(cells))}), tmp_path / "out.csv")
    raw = (tmp_path / "out.csv").read_bytes()
    assert b"\r" not in raw
    with open(tmp_path / "out.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert len(rows) == len(cells) + 1
    for text, _ in rows[1:]:
        for line in text.splitlines():
            assert line.lstrip(" \u200b")[:1] not in tuple("=+-@%＝＋－＠")
