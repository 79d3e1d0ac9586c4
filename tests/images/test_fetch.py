"""fetch_images: one named status an image whatever a server does, and resumable."""

import asyncio
import contextlib
import io
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import psutil
import pytest
from fault_server import FaultServer, gzip_bomb, photo, reply
from PIL import Image

from helpers.images import hosts
from helpers.images.fetch import fetch_images, near_duplicates
from helpers.images.limits import Limits
from helpers.images.statuses import RETRIED, STATUSES

QUICK = Limits(
    connect=2,
    first_byte=0.5,
    whole=1.0,
    retries=1,
    backoff=0.02,
    longest_wait=2,
    bytes=2_000_000,
    give_up=99,
)
SHOP = "http://shop.test"
# path or URL → the one status it must end with
EXPECTED = {
    "/good.jpg": "duplicate",  # /again.jpg sorts before it and is the same photo
    "/again.jpg": "ok",
    "/good.avif": "ok",
    "/good.webp": "ok",
    "/wrong.jpg": "ok",
    "/gzipped": "ok",
    "/ü ñ.jpg": "ok",
    "/500-then-good": "ok",
    "/busy-then-good": "ok",
    "/to-good": "duplicate",
    "/404": "not_found",
    "/403": "forbidden",
    "/410": "gone",
    "/418": "http_error",
    "http://busy.test/busy": "rate_limited",
    "/500": "server_error",
    "/hang": "timeout",
    "/hang-within": "timeout",
    "/drip": "timeout",
    "/truncated": "truncated",
    "/broken.jpg": "corrupt",
    "/reset": "reset",
    "/html": "not_an_image",
    "/empty": "empty",
    "/endless": "too_large",
    "/huge": "too_large",
    "/bomb": "too_large",
    "/gzipbomb": "too_large",
    "/dot.png": "too_small",
    "/loop/a": "redirect_loop",
    "/noai": "robots",
    "/secret/a.jpg": "robots",
    "/to-private": "refused_address",
    "/to-metadata": "refused_address",
    "/to-decimal": "refused_address",
    "/to-file": "refused_scheme",
    "http://127.0.0.1/a.jpg": "refused_address",
    "http://[::1]/a.jpg": "refused_address",
    "http://localhost./a.jpg": "refused_address",
    "http://nobody.invalid/a.jpg": "dns_failure",
    "file:///etc/passwd": "refused_scheme",
    "data:image/png;base64,iVBORw0KGgo=": "refused_scheme",
    "ftp://shop.test/a.jpg": "refused_scheme",
    "http://a b/x.jpg": "bad_url",
    "shop.test/a.jpg": "bad_url",
    "": "no_url",
}


def catalogue(links) -> pd.DataFrame:
    urls = [[SHOP + link if link.startswith("/") else link] if link else [] for link in links]
    return pd.DataFrame({"image_key": [f"a/{link}" for link in links], "image_urls": urls})


def timeless(index: pd.DataFrame) -> pd.DataFrame:
    return index.drop(columns="fetched")


@pytest.fixture(scope="module")
def faults(tmp_path_factory):
    """One run against every fault, and one more: (dest, first rows, second rows, requests of each
    run).
    """
    dest = tmp_path_factory.mktemp("faults")
    with FaultServer(robots="User-agent: *\nDisallow: /secret\n") as server:
        settings = {"resolve": server.resolve, "limits": QUICK, "workers": 1}
        first = fetch_images(catalogue(EXPECTED), dest, **settings)
        asked = dict(server.requests)
        server.requests.clear()
        second = fetch_images(catalogue(EXPECTED), dest, **settings)
        return dest, first, second, asked, dict(server.requests)


def test_every_fault_ends_in_its_status(faults):
    _, first, *_ = faults
    assert dict(zip(first["image_key"].str[2:], first["status"], strict=True)) == EXPECTED
    assert set(first["status"]) <= set(STATUSES)


def test_a_picture_for_each_good_row_and_for_no_other(faults):
    dest, first, *_ = faults
    good = first["status"].isin(["ok", "duplicate"])
    assert (first["image_path"].ne("") == good).all()
    assert {f"images/{path.name}" for path in (dest / "images").iterdir()} == set(
        first["image_path"]
    ) - {""}
    for path in first.loc[good, "image_path"]:
        with Image.open(dest / path) as image:
            assert (image.size, image.format) == ((256, 256), "WEBP")
    assert (first.loc[good, ["width", "height"]] == [60, 80]).all(axis=None)


def test_a_rerun_asks_only_for_what_could_still_succeed(faults):
    _, first, second, _, again = faults
    hoped = {
        url.removeprefix(SHOP) for url in first.loc[first["status"].isin(RETRIED), "source_url"]
    }
    hoped -= {"http://nobody.invalid/a.jpg", "http://busy.test/busy"}
    assert set(again) == hoped | {"/robots.txt", "/busy"}
    assert timeless(first).drop(columns="detail").equals(timeless(second).drop(columns="detail"))


def test_retries_are_counted_and_final_answers_are_not_retried(faults):
    *_, asked, _ = faults
    assert asked["/500"] == asked["/reset"] == asked["/truncated"] == 1 + QUICK.retries
    assert asked["/404"] == asked["/html"] == asked["/endless"] == 1
    assert asked["/robots.txt"] == 2  # one a host
    assert asked["/busy"] == 1  # asked to wait an hour: longer than a run may
    assert asked["/busy-then-good"] == asked["/500-then-good"] == 2
    assert "/secret/a.jpg" not in asked


@contextlib.contextmanager
def watched_memory():
    """Yields a list that grows by the bytes that this process and its decoding workers have taken
    meanwhile.
    """
    me = psutil.Process()
    before, command = me.memory_info().rss, me.cmdline()
    taken: list[int] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            with contextlib.suppress(psutil.NoSuchProcess):
                children = me.children()
                # a child that has not yet begun its own program still has our memory: not twice
                workers = [child for child in children if child.cmdline() not in ([], command)]
                taken.append(sum(one.memory_info().rss for one in (me, *workers)) - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield taken
    finally:
        done.set()
        watcher.join()


def test_memory_stays_under_a_gigabyte_at_the_full_limits(tmp_path):
    # every body and every picture as large as is let through, and several of each at once
    flat = io.BytesIO()
    Image.new("RGB", (6000, 6000)).save(flat, "PNG", compress_level=1)
    packed = reply(200, gzip_bomb(19_900_000), Content_Encoding="gzip")
    extra = {"/flat.png": reply(200, flat.getvalue()), "/packed": packed}
    expected = {
        "endless": ("too_large", 4),
        "gzipbomb": ("too_large", 4),
        "bomb": ("too_large", 4),
        "flat.png": ("ok", 2),
        "packed": ("not_an_image", 64),  # 19 kB each, and 20 MB unpacked
    }
    hosts = [f"host{number}.test" for number in range(8)]
    links = []
    for name, (_, count) in expected.items():
        links += [f"http://{hosts[number % 8]}/{name}?{number}" for number in range(count)]
    with FaultServer(extra=extra) as server, watched_memory() as taken:
        settings = {"resolve": server.at(*hosts), "limits": Limits(retries=0), "workers": 2}
        rows = fetch_images(catalogue(links), tmp_path, **settings)
    name = rows["source_url"].str.extract(r"test/(.*)\?")[0]
    found = rows["status"].replace("duplicate", "ok").groupby(name).agg(["unique", "size"])
    assert {row.Index: (*row.unique, row.size) for row in found.itertuples()} == expected
    assert 100e6 < max(taken) < 1e9


def test_a_host_that_asks_for_an_hour_or_keeps_failing_is_left_alone(tmp_path, one_worker):
    limits = replace(QUICK, per_host=1, give_up=2, retries=0)
    with FaultServer() as server:
        links = [
            "http://busy.test/busy",
            "http://busy.test/good.webp",
            "/good.avif",
            "/reset",
            "/hang",
            "/good.webp",
        ]
        rows = fetch_images(
            catalogue(links), tmp_path, resolve=server.resolve, limits=limits, workers=1
        )
        assert list(rows.set_index("image_key").loc[[f"a/{link}" for link in links], "status"]) == [
            *("rate_limited", "rate_limited", "ok", "reset", "timeout", "timeout"),
        ]
        assert not server.requests["/good.webp"]


def test_the_first_link_that_works_is_kept(tmp_path, one_worker):
    with FaultServer() as server:
        links = [f"{SHOP}/404", f"{SHOP}/html", f"{SHOP}/good.webp", f"{SHOP}/good.jpg"]
        frame = pd.DataFrame(
            {"image_key": ["a/1", "a/2"], "image_urls": [links, [f"{SHOP}/404", f"{SHOP}/500"]]}
        )
        rows = fetch_images(frame, tmp_path, resolve=server.resolve, limits=QUICK, workers=1)
        assert list(rows["status"]) == [
            "ok",
            "server_error",
        ]  # of two failures, the one that may pass
        assert list(rows["source_url"]) == [links[2], f"{SHOP}/500"]
        assert "/good.jpg" not in server.requests


def test_a_changed_link_is_fetched_and_a_lost_file_too(tmp_path, one_worker):
    with FaultServer() as server:
        settings = {"resolve": server.resolve, "limits": QUICK, "workers": 1}
        fetch_images(catalogue(["/404", "/good.jpg", "/good.webp"]), tmp_path, **settings)
        frame = catalogue(["/404", "/good.jpg", "/good.webp"])
        frame["image_urls"] = [[f"{SHOP}/good.avif"], [f"{SHOP}/good.jpg"], [f"{SHOP}/good.webp"]]
        lost = (
            fetch_images(frame, tmp_path, **settings)
            .set_index("image_key")
            .loc["a//good.webp", "image_path"]
        )
        (tmp_path / lost).unlink()
        server.requests.clear()
        rows = fetch_images(frame, tmp_path, **settings)
        assert list(rows["status"]) == ["ok"] * 3
        assert dict(server.requests) == {"/robots.txt": 1, "/good.webp": 1}


def test_refresh_is_conditional(tmp_path, one_worker):
    with FaultServer() as server:
        settings = {"resolve": server.resolve, "limits": QUICK, "workers": 1}
        first = fetch_images(catalogue(["/good.jpg"]), tmp_path, **settings)
        second = fetch_images(catalogue(["/good.jpg"]), tmp_path, refresh=True, **settings)
        assert server.requests["/good.jpg"] == 2
        assert server.headers["/good.jpg"]["if-none-match"] == '"v1"'
        assert timeless(first).equals(timeless(second))


def test_pace_and_crawl_delay_are_kept(tmp_path, one_worker, monkeypatch):
    """By the fetcher's own clock: when a busy machine lets the server see a request says little."""
    started, allowed = hosts.Host.started, []

    def watched(self, pace):
        started(self, pace)
        allowed.append(self.next_start)  # the earliest moment of the next request

    monkeypatch.setattr(hosts.Host, "started", watched)
    with FaultServer(robots="User-agent: *\nCrawl-delay: 0.2\n") as server:
        links = ["/good.jpg", "/good.avif", "/good.webp"]
        fetch_images(catalogue(links), tmp_path, resolve=server.resolve, limits=QUICK, workers=1)
    assert (
        len(allowed) == 4 and (np.diff(allowed[1:]) >= 0.2).all()
    )  # the first is robots.txt's own


def test_a_store_in_memory_and_inside_a_running_loop_gives_the_same(tmp_path, one_worker):
    with FaultServer() as server:
        settings = {"resolve": server.resolve, "limits": QUICK, "workers": 1}
        frame = catalogue(["/good.jpg", "/good.avif", "/404"])

        async def notebook():
            return fetch_images(frame, "memory://shop", **settings)

        here, there = fetch_images(frame, tmp_path, **settings), asyncio.run(notebook())
    assert timeless(here).equals(timeless(there))


def test_a_bucket(one_worker):
    pytest.importorskip("s3fs")
    server_module = pytest.importorskip("moto.server")
    bucket = server_module.ThreadedMotoServer(port=0, verbose=False)
    bucket.start()
    try:
        host, port = bucket.get_host_and_port()
        options = {"key": "x", "secret": "x", "endpoint_url": f"http://{host}:{port}"}
        import s3fs

        s3fs.S3FileSystem(**options).mkdir("shop")
        with FaultServer() as server:
            settings = {
                "resolve": server.resolve,
                "limits": QUICK,
                "workers": 1,
                "storage_options": options,
            }
            first = fetch_images(catalogue(["/good.jpg", "/404"]), "s3://shop/run", **settings)
            server.requests.clear()
            second = fetch_images(catalogue(["/good.jpg", "/404"]), "s3://shop/run", **settings)
            assert not server.requests
        assert list(first["status"]) == ["not_found", "ok"] and first.equals(second)
        assert s3fs.S3FileSystem(**options).exists("shop/run/" + first["image_path"].iloc[1])
    finally:
        bucket.stop()


def test_a_killed_run_resumes_to_the_same_index(tmp_path, one_worker):
    extra = {f"/{n}.jpg": reply(200, photo(n)) for n in range(40)}
    script = """
        import sys, time
        import pandas as pd
        import helpers.images.store as store
        from helpers.images.limits import Limits
        from helpers.images.fetch import fetch_images
        dest, port = sys.argv[1], int(sys.argv[2])
        store.SAVE_SECONDS = 0.1
        frame = pd.DataFrame({"image_key": [f"a//{n}.jpg" for n in range(40)],
                              "image_urls": [[f"http://shop.test/{n}.jpg"] for n in range(40)]})
        fetch_images(frame, dest, limits=Limits(pace=0.03), workers=1,
                     resolve={name: ("127.0.0.1", port) for name in ("shop.test", "busy.test")})
    """
    with FaultServer(extra=extra) as server:
        command = [sys.executable, "-c", textwrap.dedent(script)]
        run = subprocess.Popen([*command, tmp_path / "killed", str(server.port)])
        deadline = time.monotonic() + 30
        while not (tmp_path / "killed" / "images.parquet").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        saved = len(pd.read_parquet(tmp_path / "killed" / "images.parquet"))
        frame = catalogue([f"/{n}.jpg" for n in range(40)])
        server.requests.clear()
        rows = fetch_images(frame, tmp_path / "killed", resolve=server.resolve, workers=1)
        assert 0 < saved < 40 and set(rows["status"]) == {"ok"}
        assert sum(server.requests.values()) == 40 - saved + 1
        fetch_images(frame, tmp_path / "whole", resolve=server.resolve, workers=1)
    killed, undisturbed = (
        pd.read_parquet(tmp_path / name / "images.parquet") for name in ("killed", "whole")
    )
    assert timeless(killed).equals(timeless(undisturbed))


def test_near_duplicates_by_hand():
    codes = {
        "a": "00000000000000ff",
        "b": "00000000000000fe",
        "c": "ff000000000000ff",
        "d": "0000000000000000",
    }
    rows = {"image_key": list(codes), "phash": list(codes.values()), "status": "ok"}
    index = pd.concat(
        [pd.DataFrame(rows), pd.DataFrame({"image_key": ["e"], "phash": [""], "status": ["gone"]})]
    )
    assert near_duplicates(index, 1).values.tolist() == [["a", "b", 1]]  # 0xff ^ 0xfe has one bit
    assert near_duplicates(index, 8).values.tolist() == [
        ["a", "b", 1],
        ["a", "c", 8],
        ["a", "d", 8],
        ["b", "d", 7],
    ]
    assert near_duplicates(index.iloc[:0]).empty
