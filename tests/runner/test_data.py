"""`course data`: up to the wire, from a server on loopback that also fails."""

import io
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from images.fault_server import FaultServer, reply

from helpers.__main__ import main
from helpers.artefacts import fashion_data
from helpers.runner import data
from helpers.sample import published

needs_data = pytest.mark.skipif(
    fashion_data() is None, reason="needs FASHION_DATA: its folder orders"
)
ROWS = """InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
536365,85123A,WHITE  HANGING HEART ,6,12/1/2010 8:26,2.55,17850.0,United Kingdom
536365,71053,,-1,12/13/2010 8:26,3.39,,United Kingdom
536366,84406B,"CUPIDS, CREAM £5",8,1/2/2011 17:01,0.001,13047,EIRE
"""


@pytest.fixture
def wanted(tmp_path, monkeypatch):
    """The data set with the three rows above for its content, and no pause between attempts."""
    original = data.known()[data.ONLINE_RETAIL]
    table = data.table_of(ROWS.encode(), "a test", original)
    small = replace(
        original, sha256=data.content_of(table), rows=3, place=tmp_path / "online_retail.parquet"
    )
    monkeypatch.setattr(data, "known", lambda: {small.name: small})
    monkeypatch.setattr(data, "fashion_data", lambda: None)
    monkeypatch.setattr(data, "wait_exponential", lambda **_: lambda _: 0.0)
    return small


def served(server: FaultServer, wanted: data.Published, path: str, monkeypatch) -> list[str]:
    """What the command says where the archive is the server's `path`."""
    there = replace(wanted, url=f"http://127.0.0.1:{server.port}{path}")
    monkeypatch.setattr(data, "known", lambda: {there.name: there})
    lines: list[str] = []
    data.get_data(there.name, lines.append)
    return lines


def test_a_table_is_fetched_checked_and_attributed(wanted, monkeypatch):
    with FaultServer(extra={"/data.csv": reply(200, ROWS.encode())}) as server:
        lines = served(server, wanted, "/data.csv", monkeypatch)
        again = served(server, wanted, "/data.csv", monkeypatch)
    assert server.requests["/data.csv"] == 1
    assert again[0] == f"online-retail is here already: {wanted.place}"
    assert any("CC BY 4.0" in line for line in lines)
    assert lines[-1] == "next:  course run --profile orders"
    table = pd.read_parquet(wanted.place)
    assert list(table["Quantity"]) == [6, -1, 8]
    assert list(table["InvoiceDate"].dt.day) == [1, 13, 2]  # the month comes first
    assert table["Description"].isna().tolist() == [False, True, False]
    assert table["CustomerID"].isna().tolist() == [False, True, False]
    assert "Chen" in wanted.place.with_suffix(".txt").read_text()
    assert sorted(path.name for path in wanted.place.parent.iterdir()) == [
        "online_retail.parquet",
        "online_retail.txt",
    ]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (reply(404), "the server answers 404"),
        (reply(200, ROWS.replace(",6,", ",7,").encode()), "not what was published: 3 rows of 3"),
        (reply(200, ROWS[:150].encode()), "not what was published: 1 rows of 3"),
        (reply(200, b"<!doctype html><title>Log in</title>"), "it begins '<!doctype html>"),
        (reply(200, b""), "holds no such table"),
        (reply(200, ROWS.replace("12/13", "13/13").encode()), "holds no such table"),
    ],
)
def test_what_is_wrong_is_told_with_a_remedy_and_nothing_is_written(
    wanted, monkeypatch, answer, why
):
    with FaultServer(extra={"/data.csv": answer}) as server:
        with pytest.raises(data.DownloadError, match=why) as caught:
            served(server, wanted, "/data.csv", monkeypatch)
    assert "course data online-retail --file data.csv" in str(caught.value)
    assert "FASHION_DATA" in str(caught.value)
    assert list(wanted.place.parent.iterdir()) == []


@pytest.mark.parametrize("path", ["/500", "/reset", "/truncated"])
def test_what_may_pass_is_tried_three_times(wanted, monkeypatch, path):
    with FaultServer() as server:
        with pytest.raises(data.DownloadError, match="can't be fetched"):
            served(server, wanted, path, monkeypatch)
    assert server.requests[path] == data.ATTEMPTS


def test_an_answer_has_an_end(wanted, monkeypatch):
    monkeypatch.setattr(data, "MAX_BYTES", 1_000_000)
    with FaultServer() as server:
        with pytest.raises(data.DownloadError, match="more than 1 MB came"):
            served(server, wanted, "/endless", monkeypatch)
        monkeypatch.setattr(data, "SECONDS", 0.3)
        with pytest.raises(data.DownloadError, match="not done after"):
            served(server, wanted, "/drip", monkeypatch)


def test_a_machine_without_a_network_is_told_what_to_do(wanted, monkeypatch, capsys):
    there = replace(wanted, url="http://127.0.0.1:9/data.csv")
    monkeypatch.setattr(data, "known", lambda: {there.name: there})
    assert main(["data", "online-retail"]) == 1
    assert "ConnectError" in capsys.readouterr().err
    assert main(["data", "gifts"]) == 1
    assert "there are online-retail" in capsys.readouterr().err


def test_a_file_fetched_by_hand_will_do(wanted, tmp_path, capsys):
    by_hand = tmp_path / "data.csv"
    by_hand.write_bytes(ROWS.encode("cp1252"))
    assert main(["data", "online-retail", "--file", str(by_hand)]) == 0
    assert "3 rows of" in capsys.readouterr().out
    assert wanted.place.is_file()
    assert main(["data", "online-retail", "--file", str(tmp_path / "none.csv")]) == 1
    assert "can't be read: No such file" in capsys.readouterr().err


@needs_data
def test_the_checksum_is_that_of_the_published_rows_in_any_order():
    original = data.known()[data.ONLINE_RETAIL]
    folder = fashion_data()
    assert folder is not None
    table = pd.read_parquet(folder / original.beside)
    assert len(table) == original.rows
    assert data.content_of(table) == original.sha256
    assert data.where_it_is(original) in (folder / original.beside, original.place)


def test_the_order_of_rows_and_columns_does_not_matter(wanted):
    table = pd.read_csv(io.StringIO(ROWS), dtype=str, keep_default_na=False)
    other = table.iloc[::-1, ::-1].to_csv(index=False).encode()
    assert data.content_of(data.table_of(other, "a test", wanted)) == wanted.sha256


def test_the_profile_that_needs_the_data_reads_the_place_they_are_put():
    assert data.known()[data.ONLINE_RETAIL].place == Path(published.DOWNLOADED)
