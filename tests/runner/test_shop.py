"""`course shop`: a profile from files nobody has seen before, or a clear answer and nothing
written.
"""

import re
from pathlib import Path

import pandas as pd
import pytest
import yaml
from invented_shop import orders, products, write_shop

from helpers.__main__ import _parser, main
from helpers.artefacts import newest_file, pattern_of
from helpers.feeds.spec import FeedError
from helpers.interactions.orders import OrderError
from helpers.interactions.privacy import KEY_VARIABLE, traces
from helpers.runner import before, shop
from helpers.runner.shop import ShopError, ShopFiles, choose_platforms, make_shop
from helpers.sample.own_shop import open_shop

COLUMNS = {"customer": "Kd-Nr.", "item": "Art-Nr.", "time": "Bestelldatum", "quantity": "Stück"}


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """An empty course, and a folder with the invented shop's two files."""
    monkeypatch.setattr(shop, "PROFILES", tmp_path / "profiles")
    monkeypatch.setattr(shop, "FEEDS", tmp_path / "feeds")
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv(KEY_VARIABLE, "a key of this test only")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "export").mkdir()
    write_shop(tmp_path / "export")
    return tmp_path


def made(home: Path, **changes) -> str:
    given = {"feeds": ("export/artikel.csv",), "orders": "export/bestellungen.csv"}
    return make_shop(ShopFiles(**{**given, "name": "garten", **changes}))


def written(home: Path) -> list[str]:
    """Files that `course shop` left."""
    folders = [home / name for name in ("profiles", "feeds", "data")]
    return sorted(path.name for folder in folders for path in folder.rglob("*") if path.is_file())


def test_two_unknown_files_become_a_profile(home):
    report = made(home)
    assert "90 rows read, 90 products, 0 rejected" in report
    assert "3640 customer-item pairs of 260 customers and 90 products" in report
    assert "course run --profile garten" in report
    examined = re.search(r"exam: (\d+) customers, known by up to \d+ products on A", report)
    assert 30 <= int(examined.group(1)) <= 260 // 4  # of the fifth who are examined
    assert "few customers: expect wide intervals" in report
    assert written(home) == [
        "garten.yaml", "garten.yaml", "orders_left_out.csv", "shop_check.txt"
    ]  # fmt: skip
    profile = yaml.safe_load((home / "profiles" / "garten.yaml").read_text(encoding="utf-8"))
    feed = home / "export" / "artikel.csv"
    assert profile["01_augment"] == {"source": "shop", "feed_files": [f"garten={feed}"]}
    told = profile["02_interactions"]
    assert told["orders"] == str(home / "export" / "bestellungen.csv")
    assert (told["platforms"], told["source"], told["target"]) == ("dealt", "A", "B")
    assert told["vectors"] == "words"
    spec = yaml.safe_load((home / "feeds" / "garten.yaml").read_text(encoding="utf-8"))
    assert spec["platform"] == "garten"
    assert spec["fields"]["product_id"] == "Artikelnummer"  # found by its values, not its name
    assert (home / "data" / "garten" / "shop_check.txt").read_text(
        encoding="utf-8"
    ) in report + "\n"


def test_the_source_of_the_profile_reads_the_feed(home):
    made(home)
    source = open_shop([f"{home / 'feeds' / 'garten.yaml'}=export/artikel.csv"])
    assert sum(source.read().read.values()) == 90


def change(home: Path, **columns) -> None:
    """Write the log with other cells."""
    log = orders()
    for name, values in columns.items():
        log[COLUMNS[name]] = values(log) if callable(values) else values
    log.to_csv(home / "export" / "bestellungen.csv", sep=";", index=False)


def cut_in_two(path: Path, row: int) -> None:
    """One more separator in a row."""
    lines = path.read_bytes().splitlines(keepends=True)
    lines[row] = lines[row].replace(b";", b";;", 1)
    path.write_bytes(b"".join(lines))


REFUSED = {
    "wrong column names": (
        lambda home: (
            orders()
            .rename(columns={"Kd-Nr.": "wer"})
            .to_csv(home / "export" / "bestellungen.csv", index=False)
        ),
        r"no column is recognized as customer among .*wer.*--columns customer=",
    ),
    "unmatched ids": (
        lambda home: change(home, item=lambda log: "Z" + log["Art-Nr."]),
        r"none of its products is in the catalogue. It names 'ZG-\d+'; .*--columns item=",
    ),
    "ids that the two files write differently, in a column that no name tells": (
        lambda home: (
            products()
            .rename(columns={"Artikelnummer": "GartenNr"})
            .to_csv(home / "export" / "artikel.csv", sep=";", index=False),
            orders()
            .rename(columns={"Art-Nr.": "GartenNr"})
            .assign(GartenNr=lambda frame: "Z" + frame["GartenNr"])
            .to_csv(home / "export" / "bestellungen.csv", sep=";", index=False),
        ),
        r"none holds the catalogue's ids or titles, such as 'G-1000' or .*--columns item=",
    ),
    "a catalogue without overlap": (
        lambda home: (
            products()
            .assign(Artikelnummer=lambda frame: "X" + frame["Artikelnummer"])
            .to_csv(home / "export" / "artikel.csv", sep=";", index=False)
        ),
        r"none of its products is in the catalogue",
    ),
    "customers with one order": (
        lambda home: change(home, customer=lambda log: log["Bestellung"]),
        r"each of its 3640 customers bought one product only",
    ),
    "a log in the future": (
        lambda home: change(home, time="24.12.2999"),
        r"none of 3640 rows can be used \(the time lies in the future: 3640\)\. "
        r"Row 1 has '24.12.2999'\. .*--columns time=NAME",
    ),
    "a log of one customer": (
        lambda home: change(home, customer="K0001"),
        r"usable rows are all of one customer \(column 'Kd-Nr.'\).*left out: nothing.*"
        r"--columns customer=NAME",
    ),
    "no dates": (
        lambda home: change(home, time="gestern"),
        r"\(the time is not a date: 3640\)\. Row 1 has 'gestern'\. .*--columns time=NAME",
    ),
    "a row with a cell too many": (
        lambda home: cut_in_two(home / "export" / "bestellungen.csv", 9),
        r"bestellungen.csv can't be read: .*Expected 5 fields in line 10, saw 6\. Mend",
    ),
    "a first row with a cell too many": (
        lambda home: cut_in_two(home / "export" / "bestellungen.csv", 1),
        r"bestellungen.csv can't be read: row 1 has more cells than the header has names\. Mend",
    ),
    "one row many times": (
        lambda home: change(home, customer="K0001", item="G-1001"),
        r"its 1 usable rows are all of one customer",
    ),
    "no such log": (
        lambda home: (home / "export" / "bestellungen.csv").unlink(),
        r"bestellungen.csv: no such order log",
    ),
    "a feed of few products": (
        lambda home: products(12).to_csv(home / "export" / "artikel.csv", sep=";", index=False),
        r"artikel.csv: 12 products; the chapters want 20 or more",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_is_told_and_nothing_is_written(home, case):
    spoil, message = REFUSED[case]
    spoil(home)
    with pytest.raises((ShopError, OrderError, FeedError), match=message):
        made(home)
    assert written(home) == []


def test_rows_that_are_left_out_go_to_a_file_with_their_reasons(home):
    log = orders()
    log.loc[:4, "Art-Nr."] = "Gutschein"
    log.loc[5:6, "Bestelldatum"] = "01.01.2999"
    log = pd.concat([log, log.tail(3)])
    log.to_csv(home / "export" / "bestellungen.csv", sep=";", index=False)
    report = made(home)
    assert "left out, product not in the catalog: 5" in report
    assert "left out, the time lies in the future: 2" in report
    assert "3 more rows of the same pairs" in report
    left_out = pd.read_csv(home / "data" / "garten" / "orders_left_out.csv")
    assert left_out["row"].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert set(left_out.columns) == {"row", "item", "reason"}  # nobody is named


def test_what_was_rejected_is_shown_by_its_row_and_its_orders_are_counted(home):
    feed = products()
    feed.loc[17, "Bezeichnung"] = ""
    feed.loc[30, "Preis in EUR"] = "auf Anfrage"
    feed.to_csv(home / "export" / "artikel.csv", sep=";", index=False)
    log = orders()
    log.loc[:4, "Art-Nr."] = "Gutschein"
    log.to_csv(home / "export" / "bestellungen.csv", sep=";", index=False)
    n_of_rejected = log["Art-Nr."].isin(["G-1017", "G-1030"]).sum()
    report = made(home)
    assert "rejected, no title: 1 (first: artikel.csv row 18: no title)" in report
    assert f"{n_of_rejected} of the rows left out are orders of the products rejected" in report
    assert f"left out, product not in the catalog: {n_of_rejected + 5} " in report


def log_with_titles(home: Path) -> Path:
    """An order log that names each item by its title, and no feed beside it."""
    by_id = products().set_index("Artikelnummer")
    log = orders()
    known = log["Art-Nr."].map(by_id["Bezeichnung"])
    named = log.drop(columns="Art-Nr.").assign(Produkt=known, Preis="9,90 €")
    path = home / "export" / "verkauf.csv"
    named.to_csv(path, sep=";", index=False)
    return path


def test_no_customer_is_named_in_what_is_written_of_a_log_taken_for_a_feed(home):
    path = log_with_titles(home)
    log = pd.read_csv(path, sep=";")
    log["E-Mail"] = log.pop("Kd-Nr.") + "@haus.test"
    log["Name"] = "Berta Blum"
    log["Telefon"] = "0171 2345678"
    log.to_csv(path, sep=";", index=False)
    report = made(home, feeds=(), orders="export/verkauf.csv")
    personal = ["@haus.test", "Berta", "2345678"]
    assert not any(word in report for word in personal)
    for folder in ("feeds", "data", "profiles"):
        assert traces(home / folder, personal) == []
    spec = yaml.safe_load((home / "feeds" / "garten.yaml").read_text(encoding="utf-8"))
    assert "Name" not in spec["fields"].values()


def test_columns_that_are_not_used_are_told(home):
    feed = products().assign(Regal="R1", Lieferant="post@lieferant.test")
    feed.to_csv(home / "export" / "artikel.csv", sep=";", index=False)
    report = made(home)
    assert "columns that are not used: Regal, Lieferant (data/feeds/garten.yaml" in report
    assert "columns that are not used: Bestellung" in report
    assert traces(home / "feeds", ["lieferant.test"]) == []


def test_a_feed_without_prices_says_so(home):
    feed = products().drop(columns="Preis in EUR")
    feed.to_csv(home / "export" / "artikel.csv", sep=";", index=False)
    report = made(home)
    assert "no price was read" in report
    assert "currency: nothing tells it" not in report


def vectors_of(home: Path) -> str:
    """What the profile says of vectors."""
    profile = yaml.safe_load((home / "profiles" / "garten.yaml").read_text(encoding="utf-8"))
    return profile["02_interactions"]["vectors"]


def test_the_encoder_of_clothes_reads_clothes_only(home):
    made(home)
    assert vectors_of(home) == "words"
    (home / "fotos").mkdir()
    report = made(home, photos="fotos")
    assert vectors_of(home) == "looks"  # spades with photos
    assert "what their pictures look like and by their words" in report
    clothes = products().assign(Warengruppe="Kleid")
    clothes.to_csv(home / "export" / "artikel.csv", sep=";", index=False, encoding="cp1252")
    made(home)
    assert vectors_of(home) == "clip"


def test_danish_columns_are_read(home):
    names = {
        "Artikelnummer": "varenr",
        "Bezeichnung": "navn",
        "Warengruppe": "gruppe",
        "Marke": "fabrikat",
        "Preis in EUR": "pris",
    }
    feed = products().rename(columns=names).assign(valuta="DKK")
    feed.to_csv(home / "export" / "artikel.csv", sep=";", index=False)
    log = orders().rename(columns={"Kd-Nr.": "kunde", "Art-Nr.": "varenr", "Bestelldatum": "dato"})
    log.to_csv(home / "export" / "bestellungen.csv", sep=";", index=False)
    report = made(home)
    assert "title = navn, price = pris, product_id = varenr" in report
    assert "currency: DKK" in report
    assert "customer = kunde, item = varenr, time = dato" in report


@pytest.mark.parametrize("feeds", [(), ("export/verkauf.csv",)])
def test_an_order_log_with_titles_is_a_feed_too(home, feeds):
    path = log_with_titles(home)
    titles = pd.read_csv(path, sep=";")["Produkt"].nunique()
    report = made(home, feeds=feeds, orders="export/verkauf.csv")
    assert "3640 rows read, 3640 products, 0 rejected" in report
    assert f"catalogue: {titles} products" in report
    assert "currency: EUR" in report
    spec = yaml.safe_load((home / "feeds" / "garten.yaml").read_text(encoding="utf-8"))
    assert spec["fields"]["product_id"] == spec["fields"]["title"] == "Produkt"
    profile = yaml.safe_load((home / "profiles" / "garten.yaml").read_text(encoding="utf-8"))
    assert profile["01_augment"]["feed_files"] == [f"garten={path}"]


def test_swapped_files_are_told(home):
    with pytest.raises(ShopError, match=r"swapped\?  course shop artikel.csv --orders bestell"):
        made(home, feeds=("export/bestellungen.csv",), orders="export/artikel.csv")
    assert written(home) == []


def test_an_order_log_of_numbers_alone_is_no_feed(home):
    with pytest.raises(ShopError, match=r"'Art-Nr\.' alone.*course shop products\.csv --orders"):
        made(home, feeds=())
    assert written(home) == []


def test_an_id_is_not_taken_for_a_price_that_the_log_repeats(home):
    """Half of the ids are of another shop, and every row bears the product's price."""
    log = orders()
    price = log["Art-Nr."].map(products().set_index("Artikelnummer").iloc[:, -1])
    log = log.assign(Einzelpreis=price)
    log.loc[log.index % 2 == 0, "Art-Nr."] = "other"
    log.to_csv(home / "export" / "bestellungen.csv", sep=";", index=False)
    report = made(home)
    assert "left out, product not in the catalog: 1820 (first: row 1, item 'other')" in report
    spec = yaml.safe_load((home / "feeds" / "garten.yaml").read_text(encoding="utf-8"))
    assert spec["fields"]["product_id"] == "Artikelnummer"


def test_the_key_is_asked_for_before_anything_is_read(home, monkeypatch):
    monkeypatch.delenv(KEY_VARIABLE)
    with pytest.raises(ShopError, match=KEY_VARIABLE):
        made(home, feeds=("no such file.csv",))
    settings = {"02": {"orders": "orders.csv"}}
    with pytest.raises(before.KeyMissing, match=KEY_VARIABLE):
        before.check_key("garten", ["01", "02"], settings)
    before.check_key("garten", ["03"], settings)
    before.check_key("gifts", ["02"], {"02": {"orders": "orders.csv", "people": "public"}})
    before.check_key("sample", ["02"], {"02": {}})


def test_a_shipped_profile_is_not_overwritten_and_an_edited_feed_yaml_is_kept(home):
    (home / "profiles").mkdir()
    (home / "profiles" / "sample.yaml").write_text("# shipped\n")
    with pytest.raises(ShopError, match="there is a profile of that name"):
        made(home, name="sample")
    made(home)
    spec = home / "feeds" / "garten.yaml"
    spec.write_text(spec.read_text() + "# mine\n")
    assert "kept as it was" in made(home)
    assert spec.read_text().endswith("# mine\n")


def test_a_write_that_fails_takes_the_earlier_ones_back(home, monkeypatch):
    def full(orders, path):
        raise OSError("no space left on device")

    monkeypatch.setattr(shop, "write_left_out", full)
    with pytest.raises(OSError, match="no space left"):
        made(home)
    assert written(home) == []


def test_tomorrows_export_takes_over(home):
    for date in ("_2024-03-01", "_2024-03-02"):
        write_shop(home / "export", date)
    first = home / "export" / "artikel_2024-03-01.csv"
    made(home, feeds=(str(first),), orders="export/bestellungen_2024-03-01.csv")
    profile = yaml.safe_load((home / "profiles" / "garten.yaml").read_text(encoding="utf-8"))
    spec, _, pattern = profile["01_augment"]["feed_files"][0].partition("=")
    assert spec == "garten"
    assert newest_file(pattern).name == "artikel_2024-03-02.csv"
    newest = newest_file(profile["02_interactions"]["orders"])
    assert newest.name == "bestellungen_2024-03-02.csv"


@pytest.mark.parametrize(
    ("names", "newest"),
    [
        (["o_2023-12-31.csv", "o_2024-01-01.csv"], "o_2024-01-01.csv"),
        (["o_31.12.2023.csv", "o_01.01.2024.csv"], "o_01.01.2024.csv"),
        (["o20240102.csv", "o20240101.csv"], "o20240102.csv"),
    ],
)
def test_the_newest_is_told_by_the_date_in_the_name(tmp_path, names, newest):
    for name in names:
        (tmp_path / name).touch()
    assert newest_file(pattern_of(tmp_path / names[0])).name == newest


def test_a_name_without_a_date_is_its_own_pattern(tmp_path):
    path = tmp_path / "all [new].csv"
    path.touch()
    assert pattern_of(path) == str(path)
    assert newest_file(path) == path
    assert newest_file(tmp_path / "none.csv") is None


def test_a_column_can_be_the_platforms():
    keys = [f"s/{n}" for n in range(40)]
    catalog = pd.DataFrame({"image_key": keys, "platform": "s", "brand": ["north", "south"] * 20})
    log = pd.DataFrame({"user": ["ann"] * 4, "item": ["s/0", "s/2", "s/4", "s/1"]})
    assert choose_platforms(catalog, log).column == "dealt"
    found = choose_platforms(catalog, log, "brand")
    assert {found.source, found.target} == {"north", "south"}
    with pytest.raises(ShopError, match="no such column; there are brand"):
        choose_platforms(catalog, log, "department")


def test_the_command_prints_the_report_and_names_a_wrong_option(home, capsys):
    files = ["export/artikel.csv", "--orders", "export/bestellungen.csv", "--name", "garten"]
    assert main(["shop", *files, "--columns", "customer=Kd-Nr."]) == 0
    assert "next:" in capsys.readouterr().out
    assert main(["shop", *files, "--columns", "Kd-Nr."]) == 1
    assert "wants MEANING=COLUMN" in capsys.readouterr().err


def test_columns_may_be_named_at_once_or_one_by_one():
    at_once = ["--columns", "customer=wer", "item=was"]
    one_by_one = ["--columns", "customer=wer", "--columns", "item=was"]
    for given in (at_once, one_by_one):
        command = ["shop", "feed.csv", "--orders", "log.csv", *given]
        assert _parser().parse_args(command).columns == ["customer=wer", "item=was"]
