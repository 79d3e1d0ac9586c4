"""The drawn shops: their feeds' flaws, their photos over HTTP, and a harvest that gets back what
was sold.
"""

import csv
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from types import SimpleNamespace
from urllib.error import HTTPError
from urllib.request import urlopen

import numpy as np
import pandas as pd
import psutil
import pytest

from helpers.feeds import harmonise, read_feed
from helpers.images import fetch_images
from helpers.sample import server as sample_server
from helpers.sample import shops as shop
from helpers.sample.listings import asos_feed, myntra_feed
from helpers.sample.stock import sample_products

ASOS = ["url", "name", "size", "category", "price", "color", "sku", "description", "images"]
MYNTRA = [
    "gender",
    "category",
    "image",
    "brand",
    "description",
    "price",
    "discount",
    "url",
    "rating",
    "reviews",
]


SETTINGS = {"seed": 7, "n_asos": 44, "n_myntra": 28}
SIZE = 64


@pytest.fixture(scope="module", autouse=True)
def small_photos():
    """Photos of a sixteenth of the usual area."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shop, "PHOTO_SIZE", SIZE)
        yield


def build(dest):
    """Build a store in this very process: starting others takes longer than drawing 72 garments."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shop, "ProcessPoolExecutor", lambda *_, **__: ThreadPoolExecutor(1))
        return shop.build_store(dest, **SETTINGS)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return build(tmp_path_factory.mktemp("shops") / "store")


@pytest.fixture(scope="module")
def harvest(store):
    feeds = [read_feed(store.feeds["asos"], "asos"), read_feed(store.feeds["myntra"], "myntra_men")]
    catalog, merged = harmonise(feeds)
    return catalog, merged, pd.concat([feed.rejects for feed in feeds]), feeds


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_feeds_have_the_published_columns(store):
    assert list(rows_of(store.feeds["asos"])[0]) == ASOS
    assert list(rows_of(store.feeds["myntra"])[0]) == MYNTRA


def test_a_large_feed_has_every_flaw_of_the_published_ones():
    products = sample_products("asos", 400, 7).assign(fault="")
    asos = asos_feed(products, np.random.default_rng(1)).rows
    assert any(not any(row.values()) for row in asos)
    assert any(a == b for a, b in pairwise(asos))
    prices = [row["price"] for row in asos]
    assert {"From", "price on request"} & set(prices) and any(
        re.fullmatch(r"(From|Now)  \d+\.\d\d", price) for price in prices
    )
    assert any(row["images"] == "[]" for row in asos) and any(
        row["price"] and not row["name"] for row in asos
    )
    full = next(row for row in asos if row["name"])
    assert (
        "doesn t" in full["description"]
        and "Model's" in full["description"]
        and full["sku"].endswith(".0")
    )
    views = re.findall(r"http[^']+", full["images"])
    assert views[0] == views[-1] and "-1-" in views[1]  # the first address is repeated last


def test_each_myntra_image_stands_one_row_above_its_product():
    products = sample_products("myntra", 300, 7).assign(fault="")
    rows = myntra_feed(products, np.random.default_rng(1)).rows
    ids = [
        (re.findall(r"/images/(\d+)/", row["image"]), re.findall(r"/(\d+)/buy", row["url"]))
        for row in rows
    ]
    slipped = [above[0] == below[1] for above, below in pairwise(ids) if above[0] and below[1]]
    assert sum(slipped) / len(slipped) > 0.95 and not any(a == b for a, b in ids if a and b)
    assert {
        (row["gender"], row["description"].split()[0]) for row in rows if row["description"]
    } == {
        ("M", "Men"),
        ("F", "Women"),
    }
    blocks = [row for before, row in pairwise(rows) if row["category"] != before["category"]]
    assert blocks and not any(row["url"] for row in blocks)


def test_a_harvest_gets_back_every_product_and_no_other(store, harvest):
    catalog, merged, rejects, feeds = harvest
    read = sum(feed.about.read for feed in feeds)
    assert read == len(catalog) + len(merged) + len(rejects)
    assert catalog["platform"].value_counts().to_dict() == {"asos": 44, "myntra": 28}
    ids = set(catalog["image_key"].str.partition("/")[2])
    assert (
        len(ids & set(store.truth["product_id"])) > 72 - len(store.truth["category"].unique()) - 1
    )


def test_words_and_truth_agree(store, harvest):
    catalog = harvest[0]
    truth = store.attributes(catalog)
    assert list(truth["image_key"]) == list(catalog["image_key"])
    assert (truth["gender"].array == catalog["gender"].array).all()
    known = (catalog["colour"] != "unknown").to_numpy()
    assert (truth["colour"].array == catalog["colour"].array)[known].mean() == 1.0
    assert ((truth["price_usd"] / catalog["price_usd"] - 1).abs() < 0.01).all()
    shared = pd.crosstab(truth["category"], catalog["category"])
    assert (shared > 0).sum(
        axis=1
    ).max() == 1  # each of our categories is read as one of the vocabulary's


def test_a_stranger_in_the_catalogue_is_named(store, harvest):
    with pytest.raises(ValueError, match="asos/1 is not of this store"):
        store.attributes(harvest[0].head(1).assign(image_key="asos/1", source_row=10_000))


def test_photos_arrive_over_http(store, harvest, tmp_path):
    with shop.serve(store) as resolve:
        images = fetch_images(harvest[0], tmp_path, resolve=resolve, size=64, workers=1)
    status = images["status"].value_counts()
    failures = {"no_url", "not_found", "not_an_image", "truncated", "corrupt", "undecodable"}
    assert status["ok"] >= 40
    assert set(status.index) <= failures | {"ok", "robots"}
    assert set(store.truth["format"]) == {"avif", "webp", "jpg"}


def answer(resolve, path):
    (_, port) = next(iter(resolve.values()))
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as reply:
            return reply.status, reply.headers["Content-Type"], reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read()


def test_each_fault_is_what_its_name_says(store):
    faults = ["", "gone", "page", "corrupt"]
    truth = store.truth.head(4).assign(fault=faults)
    with shop.serve(shop.Store(store.folder, store.feeds, truth)) as resolve:
        good, gone, page, corrupt = [
            answer(resolve, f"/p/{row.product_id}-1-x?wid=9") for row in truth.itertuples()
        ]
        assert b"Disallow: /private/" in answer(resolve, "/robots.txt")[2]
        assert answer(resolve, "/nothing/here")[0] == 404
        assert answer(resolve, "/../../truth.parquet")[0] == 404
    photo = store.folder / "photos" / f"{truth['product_id'][0]}.{truth['format'][0]}"
    assert (good[0], good[2]) == (200, photo.read_bytes()) and gone[0] == 404
    assert page[:2] == (200, "text/html")
    whole = store.folder / "photos" / f"{truth['product_id'][3]}.{truth['format'][3]}"
    assert len(corrupt[2]) == whole.stat().st_size // 3


def test_a_client_that_hangs_up_leaves_no_traceback_but_a_fault_of_ours_does(
    store, capfd, monkeypatch
):
    def ask(address):
        with socket.create_connection(address) as client:
            client.sendall(b"GET /robots.txt HTTP/1.1\r\nHost: x\r\n\r\n")
            client.recv(1)
            client.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )  # close with a reset

    with shop.serve(store) as resolve:
        for _ in range(5):
            ask(resolve["images.asos.test"])
        time.sleep(0.2)
        assert capfd.readouterr().err == ""
        monkeypatch.setattr(sample_server, "ROBOTS", None)
        ask(resolve["images.asos.test"])
        time.sleep(0.2)
    assert "TypeError" in capfd.readouterr().err


def test_robots_keeps_a_private_photo(store, tmp_path):
    url = f"http://images.asos.test/private/{store.truth['product_id'][0]}-1-x"
    with shop.serve(store) as resolve:
        images = fetch_images(
            pd.DataFrame({"image_key": ["a/1"], "image_urls": [[url]]}), tmp_path, resolve=resolve
        )
    assert images["status"].tolist() == ["robots"]


def test_a_whole_store_is_taken_as_it_is_and_another_seed_is_another_store(store, tmp_path):
    before = {p: p.stat().st_mtime_ns for p in store.folder.rglob("*") if p.is_file()}
    again = shop.build_store(store.folder, **SETTINGS)
    assert before == {p: p.stat().st_mtime_ns for p in store.folder.rglob("*") if p.is_file()}
    pd.testing.assert_frame_equal(again.truth, store.truth)
    other = sample_products("asos", 44, 8)
    assert (other["seed"].to_numpy() != store.truth["seed"].to_numpy()[:44]).all()


def test_a_killed_build_leaves_no_workers_behind_and_goes_on_to_the_same_end(store, tmp_path):
    dest = tmp_path / "store"
    script = f"""import os
os.cpu_count = lambda: 1  # one worker, so that there is time to kill it
from helpers.sample import shops
shops.PHOTO_SIZE = {SIZE}
shops.build_store({str(dest)!r}, **{SETTINGS})"""
    child = subprocess.Popen([sys.executable, "-c", script])
    while child.poll() is None and len(list(dest.glob("photos/*"))) < 4:
        time.sleep(0.01)
    workers = psutil.Process(child.pid).children(recursive=True)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert workers and psutil.wait_procs(workers, timeout=10)[1] == []
    assert not (dest / "store.json").exists() and len(list(dest.glob("photos/*"))) < 72
    build(dest)
    names = [
        p.relative_to(store.folder)
        for p in sorted(store.folder.rglob("*"))
        if p.suffix in (".csv", ".avif", ".webp", ".jpg")
    ]
    assert len(names) == 74
    assert all((dest / name).read_bytes() == (store.folder / name).read_bytes() for name in names)


@pytest.mark.parametrize("name", ["asos.csv", "truth.parquet", "plan.json", "store.json", "photo"])
def test_a_store_that_lost_a_file_gets_it_back(store, tmp_path, name):
    dest = tmp_path / "store"
    shutil.copytree(store.folder, dest)
    lost = dest / name if name != "photo" else min((dest / "photos").iterdir())
    whole = lost.read_bytes()
    lost.unlink()
    shop.build_store(dest, **SETTINGS)
    if name != "plan.json":  # only needed while a store is being built
        assert lost.read_bytes() == whole
    (dest / "store.json").write_text("{")  # cut
    assert len(shop.build_store(dest, **SETTINGS).truth) == len(store.truth)


@pytest.mark.parametrize("name", ["asos.csv", "truth.parquet", "photo"])
@pytest.mark.parametrize("is_finished", [True, False])
def test_a_file_that_was_cut_is_made_again_and_the_others_stay(store, tmp_path, name, is_finished):
    dest = tmp_path / "store"
    shutil.copytree(store.folder, dest)
    cut = dest / name if name != "photo" else min((dest / "photos").iterdir())
    another = max((dest / "photos").iterdir())
    untouched = another.stat().st_mtime_ns
    whole = cut.read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])
    if not is_finished:
        (dest / "store.json").unlink()
    shop.build_store(dest, **SETTINGS)
    assert cut.read_bytes() == whole
    assert another.stat().st_mtime_ns == untouched


def test_a_photo_that_another_picture_replaced_is_drawn_again(store, tmp_path):
    dest = tmp_path / "store"
    shutil.copytree(store.folder, dest)
    formats = store.truth.groupby("format")["product_id"].agg(list)
    first, second, *_ = [dest / "photos" / f"{number}.webp" for number in formats["webp"]]
    drawn = first.read_bytes()
    first.write_bytes(second.read_bytes())
    shop.build_store(dest, **SETTINGS)
    assert first.read_bytes() == drawn


def test_a_slow_host_waits_before_every_photo_and_takes_many_at_once(store, monkeypatch):
    """The pauses are counted, not timed; more requests than a default queue holds all arrive."""
    pauses = []
    monkeypatch.setattr(sample_server, "time", SimpleNamespace(sleep=pauses.append))
    truth = store.truth
    n = 24
    with sample_server.slow_host(store.folder / "photos", truth, pause=0.25) as host:
        urls = [f"http://{host}/x/{number}-1" for number in truth["product_id"].head(n)]

        def size(url):
            try:
                with urlopen(url, timeout=10) as answer:
                    return len(answer.read())
            except HTTPError:
                return 0

        with ThreadPoolExecutor(n) as pool:
            sizes = list(pool.map(size, urls))
    is_photo = ~truth["fault"].head(n).isin(["gone", "page"])
    assert pauses.count(0.25) == is_photo.sum()
    assert (np.array(sizes)[is_photo] > 0).all()
