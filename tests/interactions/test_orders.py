"""A shop's own order log: any columns, nothing lost, every refusal with its remedy."""

import json

import numpy as np
import pandas as pd
import pytest

from helpers.interactions.dates import read_times
from helpers.interactions.orders import (
    OrderError,
    match_items,
    read_orders,
    recognize_columns,
)
from helpers.interactions.privacy import hash_ids

KEY = b"a key of this test only"
NOW = pd.Timestamp("2024-06-01", tz="UTC")
CATALOG = pd.DataFrame(
    {
        "image_key": ["a/0101", "a/102", "b/103", "b/dup", "a/dup"],
        "product_id": ["0101", "102", "103", "dup", "dup"],
        "platform": ["a", "a", "b", "b", "a"],
        "title": ["Blue shirt", "Red dress", "White  Lantern", "One", "Two"],
    }
)
TIDY = [
    {"customer": "ann", "item": "a/0101", "time": "2024-01-01"},
    {"customer": "ann", "item": "102", "time": "2024-01-02"},
    {"customer": "bob", "item": "103", "time": "2024-01-03"},
    {"customer": "bob", "item": "102", "time": "2024-01-04"},
]


def written(folder, rows, name="orders.csv", **options):
    path = folder / name
    pd.DataFrame(rows).to_csv(path, index=False, **options)
    return path


def read(path, **options):
    return read_orders(path, CATALOG, KEY, now=NOW, **options)


def test_a_tidy_log_becomes_likes_in_order_of_time(tmp_path):
    orders = read(written(tmp_path, TIDY))
    ann, bob = hash_ids(["ann", "bob"], KEY)
    assert orders.log["user"].tolist() == [ann, ann, bob, bob]
    assert orders.log["item"].tolist() == ["a/0101", "a/102", "b/103", "a/102"]
    assert orders.log["platform"].tolist() == ["a", "a", "b", "a"]
    assert set(orders.log["rating"]) == {5.0}
    assert set(orders.log["event"]) == {"purchase"}
    assert orders.log["timestamp"].tolist() == [1704067200 + day * 86400 for day in range(4)]
    assert len(orders.left_out) == 0


@pytest.mark.parametrize(
    "names",
    [
        ("Customer ID", "Product-Id", "Order Date"),
        ("CustomerID", "StockCode", "InvoiceDate"),
        ("Email", "Lineitem sku", "Created at"),  # an order export of a well-known shop system
        ("Kundennummer", "Artikelnummer", "Bestelldatum"),
        ("customer", "article_id", "t_dat"),
        ("household_id", "product_id", "transaction_timestamp"),
        ("user_id", "item_id", "timestamp"),
    ],
)
def test_columns_are_recognized_by_the_shop_s_own_words(tmp_path, names):
    rows = pd.DataFrame(TIDY)
    rows.columns = names
    assert len(read(written(tmp_path, rows)).log) == 4


def test_a_column_that_is_not_recognized_can_be_named(tmp_path):
    rows = [{"who": row["customer"], "item": row["item"], "time": row["time"]} for row in TIDY]
    path = written(tmp_path, rows)
    with pytest.raises(
        OrderError, match=r"recognized as customer among who, item, time.* customer="
    ):
        read(path)
    assert len(read(path, columns={"customer": "who"}).log) == 4
    with pytest.raises(OrderError, match="no column 'whom'; it has who, item, time"):
        read(path, columns={"customer": "whom"})


def test_an_item_column_of_ids_comes_before_one_of_titles():
    columns = recognize_columns(["Description", "StockCode", "CustomerID"], "x.csv")
    assert columns.item == "StockCode"


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_separators_and_encodings(tmp_path, separator, encoding):
    rows = [*TIDY, {"customer": "Zoë", "item": "102", "time": "2024-01-05"}]
    orders = read(written(tmp_path, rows, sep=separator, encoding=encoding))
    assert hash_ids(["Zoë"], KEY)[0] in set(orders.log["user"])


def test_json_lines_and_parquet_give_the_same(tmp_path):
    expected = read(written(tmp_path, TIDY)).log
    text = "\n".join(json.dumps(row) for row in TIDY)
    (tmp_path / "orders.jsonl").write_text(text)
    pd.DataFrame(TIDY).assign(time=lambda t: pd.to_datetime(t["time"])).to_parquet(
        tmp_path / "orders.parquet"
    )
    for name in ("orders.jsonl", "orders.parquet"):
        pd.testing.assert_frame_equal(read(tmp_path / name).log, expected)


def test_ids_that_a_spreadsheet_made_numbers_still_match(tmp_path):
    table = pd.DataFrame({"customer": [17850.0, 17850.0, 3.0], "item": [101.0, 102.0, 103.0]})
    table.to_parquet(tmp_path / "orders.parquet")
    orders = read(tmp_path / "orders.parquet")
    assert sorted(orders.log["item"]) == ["a/0101", "a/102", "b/103"]  # 101 is 0101
    assert hash_ids(["17850"], KEY)[0] in set(orders.log["user"])


def test_every_row_is_accounted_for(tmp_path):
    rows = [
        *TIDY,
        {"customer": "ann", "item": "102", "time": "2024-01-05"},  # bought again
        {"customer": "", "item": "102", "time": "2024-01-05"},
        {"customer": "ann", "item": "", "time": "2024-01-05"},
        {"customer": "ann", "item": "999", "time": "2024-01-05"},
        {"customer": "ann", "item": "dup", "time": "2024-01-05"},
        {"customer": "ann", "item": "103", "time": "soon"},
        {"customer": "ann", "item": "103", "time": "2031-01-05"},
    ]
    orders = read(written(tmp_path, rows))
    assert orders.n_read == 11
    assert len(orders.log) + orders.n_joined + len(orders.left_out) == orders.n_read
    reasons = orders.left_out.set_index("row")["reason"].to_dict()
    assert reasons == {
        6: "no customer",
        7: "no product",
        8: "product not in the catalog",
        9: "product name that several share: write platform/id",
        10: "the time is not a date",
        11: "the time lies in the future",
    }
    assert "11 rows read: 4 customer-item pairs of 2 customers" in orders.report()


def test_a_first_purchase_counts_and_a_last_rating(tmp_path):
    again = {"customer": "ann", "item": "102", "time": "2023-01-01"}
    log = read(written(tmp_path, [*TIDY, again])).log
    ann = log[(log["user"] == hash_ids(["ann"], KEY)[0]) & (log["item"] == "a/102")]
    assert ann["timestamp"].tolist() == [1672531200]
    rated = [{**row, "rating": 2} for row in TIDY] + [
        {**TIDY[0], "time": "2024-03-01", "rating": 4}
    ]
    log = read(written(tmp_path, rated)).log
    assert log.set_index(["user", "item"])["rating"].max() == 4


def test_what_was_sent_back_is_no_like(tmp_path):
    rows = [
        *({**row, "quantity": 1} for row in TIDY),
        {**TIDY[0], "quantity": -1, "time": "2024-01-09"},  # all of it
        {**TIDY[2], "quantity": 3},
        {**TIDY[2], "quantity": -1},  # some of it
    ]
    orders = read(written(tmp_path, rows))
    assert "a/0101" not in set(orders.log["item"])
    assert "b/103" in set(orders.log["item"])
    assert (orders.left_out["reason"] == "returned").sum() == 2


def test_a_flag_says_what_was_sent_back(tmp_path):
    rows = [{**row, "returned": "no"} for row in TIDY] + [{**TIDY[0], "returned": "Yes"}]
    assert "a/0101" not in set(read(written(tmp_path, rows)).log["item"])


def test_views_are_no_likes_and_wishes_are_weaker(tmp_path):
    events = ["purchase", "view", "add_to_cart", "Buy"]
    rows = [{**row, "event": event} for row, event in zip(TIDY, events, strict=True)]
    orders = read(written(tmp_path, rows))
    assert orders.log["rating"].tolist() == [5.0, 4.0, 5.0]
    assert orders.left_out["reason"].tolist() == ["the event is no purchase or wish"]


def test_a_column_named_type_may_tell_of_something_else(tmp_path):
    orders = read(written(tmp_path, [{**row, "type": "simple"} for row in TIDY]))
    assert len(orders.log) == 4
    assert "every row counts as a purchase" in orders.notes[0]


def test_ratings_of_ten_are_halved_and_said_so(tmp_path):
    rows = [{**row, "rating": rating} for row, rating in zip(TIDY, [10, 8, 2, 1], strict=True)]
    orders = read(written(tmp_path, rows))
    assert orders.log["rating"].tolist() == [5, 4, 1]
    assert orders.left_out["reason"].tolist() == ["the rating is outside 1-5"]
    assert "halved" in orders.notes[0]


@pytest.mark.parametrize(
    "cells, expected",
    [
        (["2024-02-01", "2024-02-01T00:00:00Z", "2024/02/01"], [1706745600] * 3),
        (["01.02.2024", "13.02.2024"], [1706745600, 1707782400]),
        (["13/02/2024", "01/02/2024"], [1707782400, 1706745600]),
        (["1706745600", "1706745600000"], [1706745600] * 2),  # seconds, milliseconds
        (["20240201"], [1706745600]),
        (["never", ""], [np.nan] * 2),
    ],
)
def test_times_as_shops_write_them(cells, expected):
    assert read_times(pd.Series(cells)).seconds.tolist() == pytest.approx(expected, nan_ok=True)


def test_items_may_be_named_by_their_title():
    found = match_items(pd.Series(["blue SHIRT ", "white lantern", "other"]), CATALOG)
    assert found.tolist() == ["a/0101", "b/103", ""]


@pytest.mark.parametrize(
    "rows, message",
    [
        ([], "holds nothing: export it again"),
        ([{**row, "customer": "ann"} for row in TIDY], "all of one customer"),
        ([{**row, "item": "102"} for row in TIDY], "all of one product"),
        (
            [{**row, "item": "x" + row["item"]} for row in TIDY],
            "none of its products is in the cat",
        ),
        ([{**row, "time": "2031-01-01"} for row in TIDY], "the time lies in the future: 4"),
        ([{**row, "customer": ""} for row in TIDY], "no customer: 4"),
    ],
)
def test_what_cannot_teach_is_refused(tmp_path, rows, message):
    with pytest.raises(OrderError, match=message):
        read(written(tmp_path, rows))


def test_other_files_are_refused_with_their_remedy(tmp_path):
    (tmp_path / "orders.xlsx").write_bytes(b"PK")
    with pytest.raises(OrderError, match=r"none of \.csv.*export the log as CSV"):
        read(tmp_path / "orders.xlsx")
    with pytest.raises(OrderError, match="no such order log"):
        read(tmp_path / "none.csv")
    (tmp_path / "shifted.csv").write_text("customer,item\nann,102\nbob,102,103\n")
    with pytest.raises(OrderError, match="line 3"):
        read(tmp_path / "shifted.csv")
    (tmp_path / "torn.parquet").write_bytes(b"PAR1")
    with pytest.raises(OrderError, match=r"torn\.parquet can't be read"):
        read(tmp_path / "torn.parquet")


def test_customers_with_one_product_are_counted(tmp_path):
    single = {"customer": "cid", "item": "102", "time": "2024-01-05"}
    orders = read(written(tmp_path, [*TIDY, single]))
    assert any("1 of 3 customers bought one product only" in note for note in orders.notes)


def test_no_customer_s_name_is_left(tmp_path):
    orders = read(written(tmp_path, TIDY))
    text = orders.log.to_csv() + orders.left_out.to_csv() + orders.report()
    assert "ann" not in text and "bob" not in text


def test_orders_of_a_merged_row_count_for_the_product_that_it_became(tmp_path):
    rows = [*TIDY, {"customer": "ann", "item": "0999", "time": "2024-01-05"}]
    merged = pd.DataFrame({"image_key": ["b/0999", "b/103"], "merged_into": ["b/103", "b/103"]})
    path = written(tmp_path, rows)
    assert read(path).left_out["reason"].tolist() == ["product not in the catalog"]
    log = read(path, merged=merged).log
    assert log["item"].tolist() == ["a/0101", "a/102", "b/103", "a/102", "b/103"]


def test_a_date_that_no_clock_knows_is_in_the_future(tmp_path):
    rows = [*TIDY, {"customer": "ann", "item": "102", "time": "2999-12-24"}]
    left_out = read(written(tmp_path, rows)).left_out
    assert left_out["reason"].tolist() == ["the time lies in the future"]


def test_an_item_column_of_any_name_is_found_by_its_values(tmp_path):
    rows = [{"client": row["customer"], "xyz": row["item"], "n": 1} for row in TIDY]
    orders = read(written(tmp_path, rows))
    assert (orders.columns.item, len(orders.log)) == ("xyz", 4)


def test_rows_add_up_where_a_part_was_sent_back(tmp_path):
    rows = [{**row, "quantity": 2} for row in TIDY] + [{**TIDY[0], "quantity": -1}]
    orders = read(written(tmp_path, rows))
    assert len(orders.log) == 4
    assert orders.n_joined == 1
    assert len(orders.log) + orders.n_joined + len(orders.left_out) == orders.n_read


@pytest.mark.parametrize("sent_back", ["-2,00", "(2)", "2-", "\u22122", -2])
def test_quantities_as_people_write_them(tmp_path, sent_back):
    rows = [{**row, "Menge": "2,00"} for row in TIDY] + [{**TIDY[0], "Menge": sent_back}]
    orders = read(written(tmp_path, rows, sep=";"))
    assert orders.left_out["reason"].tolist() == ["returned", "returned"]
    assert "a/0101" not in set(orders.log["item"])


def test_quantities_that_are_none_are_told(tmp_path):
    rows = [{**row, "quantity": 1} for row in TIDY]
    rows[1]["quantity"] = 0
    rows[2]["quantity"] = "a few"
    orders = read(written(tmp_path, rows))
    assert orders.left_out["reason"].tolist() == ["the quantity is 0"]
    note = "1 quantities are no numbers (row 3 has 'a few') and count as one piece"
    assert note in orders.notes


def test_an_event_that_takes_a_purchase_back_leaves_no_like(tmp_path):
    rows = [{**row, "event": "purchase"} for row in TIDY]
    rows.append({**TIDY[0], "event": "return", "time": "2024-02-01"})
    orders = read(written(tmp_path, rows))
    assert "a/0101" not in set(orders.log["item"])
    assert orders.left_out["row"].tolist() == [1, 5]
    assert set(orders.left_out["reason"]) == {"returned"}


def test_a_column_of_times_is_found_by_its_values(tmp_path):
    rows = [{"customer": row["customer"], "item": row["item"], "n": 1} for row in TIDY]
    for row, tidy in zip(rows, TIDY, strict=True):
        row["when?"] = tidy["time"]
    orders = read(written(tmp_path, rows))
    assert orders.columns.time == "when?"
    assert "columns that are not used: n" in orders.notes


def test_a_log_without_times_says_how_to_name_them(tmp_path):
    rows = [{"customer": row["customer"], "item": row["item"]} for row in TIDY]
    notes = read(written(tmp_path, rows)).notes
    assert "--columns time=NAME" in notes[0]


def test_one_address_is_one_customer_whatever_its_case(tmp_path):
    rows = [{**TIDY[0], "customer": "Ann@Shop.test"}, {**TIDY[1], "customer": "ann@shop.test "}]
    rows += TIDY[2:]
    log = read(written(tmp_path, rows)).log
    assert log["user"].nunique() == 2
    assert hash_ids(["ann@shop.test"], KEY)[0] in set(log["user"])


def test_an_address_in_the_items_column_is_not_repeated(tmp_path):
    rows = [*TIDY, {**TIDY[0], "item": "ann@shop.test"}]
    orders = read(written(tmp_path, rows))
    assert orders.left_out["item"].tolist() == ["[removed]"]
    assert "ann@shop.test" not in orders.report()


def test_a_missing_item_column_names_what_was_looked_for(tmp_path):
    rows = [{"customer": row["customer"], "what": "x" + row["item"]} for row in TIDY]
    with pytest.raises(
        OrderError, match=r"none holds the catalogue's ids .*'0101' or 'Blue shirt'"
    ):
        read(written(tmp_path, rows))


def test_an_array_of_json_objects_is_a_log_too(tmp_path):
    expected = read(written(tmp_path, TIDY)).log
    (tmp_path / "orders.json").write_text(json.dumps(TIDY), encoding="utf-8")
    pd.testing.assert_frame_equal(read(tmp_path / "orders.json").log, expected)


def test_a_spreadsheets_unicode_text_is_read(tmp_path):
    rows = [*TIDY, {"customer": "Zoë", "item": "102", "time": "2024-01-05"}]
    orders = read(written(tmp_path, rows, sep="\t", encoding="utf-16"))
    assert hash_ids(["Zoë"], KEY)[0] in set(orders.log["user"])


def test_a_customer_of_very_many_rows_may_be_a_placeholder(tmp_path):
    guests = [{**TIDY[0], "customer": "guest"}] * 40
    others = [{**TIDY[1], "customer": f"c{number}"} for number in range(20)]
    notes = read(written(tmp_path, guests + others)).notes
    assert any("one customer has 67% of all rows" in note for note in notes)


def test_rows_whose_day_and_month_are_turned_are_left_out(tmp_path):
    dates = ["13/01/2024", "14/01/2024", "15/01/2024", "01/16/2024"]
    rows = [{**row, "time": date} for row, date in zip(TIDY, dates, strict=True)]
    orders = read(written(tmp_path, rows))
    reasons = orders.left_out["reason"].tolist()
    assert reasons == ["the day and the month are turned against most other rows"]


def test_a_column_of_events_is_found_by_its_words(tmp_path):
    events = ["purchase", "Add to cart", "purchase", "purchase"]
    rows = [{**row, "hvad": event} for row, event in zip(TIDY, events, strict=True)]
    rows.append({**TIDY[0], "item": "103", "hvad": "view"})
    rows.append({**TIDY[0], "hvad": "return"})
    orders = read(written(tmp_path, rows))
    assert orders.columns.event == "hvad"
    assert orders.log["rating"].tolist() == [4.0, 5.0, 5.0]
    reasons = ["returned", "the event is no purchase or wish", "returned"]
    assert orders.left_out["reason"].tolist() == reasons


def test_a_column_of_other_words_is_no_event(tmp_path):
    rows = [{**row, "channel": word} for row, word in zip(TIDY, ["web", "view"] * 2, strict=True)]
    assert read(written(tmp_path, rows)).columns.event is None
