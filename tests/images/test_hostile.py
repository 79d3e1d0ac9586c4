"""Hosts, cells and files that want to stop or starve a harvest: each ends with its own status."""

import asyncio
import gzip
import io
import signal
import socket
import subprocess
import sys
import tarfile
import textwrap
import threading
from dataclasses import replace
from pathlib import Path

import httpx
import pandas as pd
import psutil
import pytest
from fault_server import FaultServer, gzip_bomb, photo, reply, slow_jpeg
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from helpers.images import fetch, harvest, url_guard
from helpers.images.archive import archive_images, restore_images
from helpers.images.client import Fetcher
from helpers.images.decode import Picture, sha256
from helpers.images.fetch import fetch_images
from helpers.images.headers import declared_length, entity_tag, retry_after
from helpers.images.hosts import Host, Slots
from helpers.images.limits import Limits
from helpers.images.robots import RobotRules
from helpers.images.statuses import STATUSES, HostClosed, ImageError
from helpers.images.url_guard import GuardedBackend, parse_url
from helpers.images.workers import Standardiser

SHOP = "http://shop.test"
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


def catalogue(*links: str) -> pd.DataFrame:
    """Products with one address each, keyed by it."""
    keys = [f"a/{number:03}" for number in range(len(links))]
    return pd.DataFrame({"image_key": keys, "image_urls": [[link] for link in links]})


def finished(coroutine):
    """The result of a coroutine; one that waits for ever fails its test."""
    return asyncio.run(asyncio.wait_for(coroutine, 60))


# What a server can write in its head → the status it must end with.
HEADS = {
    "/superscript": (reply(429, Retry_After="²"), "rate_limited"),
    "/far-date": (reply(503, Retry_After="Fri, 31 Dec 9999 23:59:59 GMT"), "server_error"),
    "/no-date": (reply(503, Retry_After="Fri, 99 Dec 99999 99:99:99 GMT"), "server_error"),
    "/huge-zone": (reply(503, Retry_After="1 Jan 2030 00:00:00 +999999999"), "server_error"),
    "/many-digits": (reply(429, Retry_After="9" * 5000), "rate_limited"),
    "/negative": (reply(429, Retry_After="-1"), "rate_limited"),
    "/304": (b"HTTP/1.1 304 X\r\n\r\n", "http_error"),
    "/etag": (reply(200, photo(21), ETag='"größe"'), "ok"),
    "/long-etag": (reply(200, photo(22), ETag='"' + "x" * 5000 + '"'), "ok"),
    "/etag-of-controls": (reply(200, photo(23), ETag='"a\tb"'), "ok"),
    "/coding": (reply(200, photo(24), Content_Encoding="br"), "not_an_image"),
    "/cut-gzip": (reply(200, gzip.compress(photo(25))[:-9], Content_Encoding="gzip"), "truncated"),
    "/not-gzip": (reply(200, photo(26), Content_Encoding="gzip"), "corrupt"),
    "/empty-gzip": (reply(200, b"", Content_Encoding="gzip"), "empty"),
    "/length": (reply(200, photo(27), Content_Length="²"), "reset"),
    "/lengths": (reply(200, photo(27), Content_Length="1, 2"), "reset"),
    "/to-port": (reply(302, Location="http://shop.test:99999/"), "bad_url"),
    "/to-port-0": (reply(302, Location="http://shop.test:0/"), "bad_url"),
    "/to-bracket": (reply(302, Location="http://[::1"), "bad_url"),
    "/to-nobody": (reply(302, Location="http:///x"), "not_found"),
    "/to-itself": (reply(302, Location=""), "redirect_loop"),
    "/to-accents": (reply(302, Location="/größe"), "not_found"),
    "/to-long": (reply(302, Location="/" + "a" * 70_000), "bad_url"),
    "/to-nul": (reply(302, Location="/a\\x00b"), "not_found"),
    "/nowhere": (reply(302), "http_error"),
    "/code-999": (reply(999), "server_error"),
    "/code-101": (reply(101), "reset"),
    "/code-42": (b"HTTP/1.1 42 X\r\n\r\n", "reset"),
    "/no-http": (b"SSH-2.0-OpenSSH_9.9\r\n\r\n", "reset"),
    "/huge-head": (reply(200, photo(28), X_Long="x" * 300_000), "reset"),
    "/many-heads": (reply(200, photo(29), **{f"X{n}": "y" for n in range(500)}), "ok"),
    "/tag": (reply(200, photo(30), X_Robots_Tag=": ,;\\u00b2:noai:x,"), "ok"),
    "/chunks": (
        b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        "truncated",
    ),
}


def test_nothing_in_a_head_raises_at_the_first_run_or_at_a_later_one(tmp_path, one_worker):
    hosts = [
        f"host{number}.test" for number in range(len(HEADS))
    ]  # a pause asked for holds one alone
    links = [f"http://{host}{path}" for host, path in zip(hosts, HEADS, strict=True)]
    links = [
        link.replace("shop.test:", f"{host}:") for host, link in zip(hosts, links, strict=True)
    ]
    with FaultServer(extra={path: head for path, (head, _) in HEADS.items()}) as server:
        settings = {"resolve": server.at(*hosts, "shop.test"), "limits": QUICK, "workers": 1}
        first = fetch_images(catalogue(*links), tmp_path, **settings)
        found = dict(zip(HEADS, first["status"], strict=True))
        assert found == {path: status for path, (_, status) in HEADS.items()}
        again = fetch_images(catalogue(*links), tmp_path, refresh=True, **settings)
        assert list(again["status"]) == list(first["status"])
        assert "if-none-match" not in server.headers["/etag"]


def test_an_etag_that_an_earlier_version_stored_does_not_raise(tmp_path, one_worker):
    with FaultServer() as server:
        settings = {"resolve": server.resolve, "limits": QUICK, "workers": 1}
        index = fetch_images(catalogue(f"{SHOP}/good.jpg"), tmp_path, **settings)
        index.assign(etag='"größe"').to_parquet(tmp_path / "images.parquet", index=False)
        again = fetch_images(catalogue(f"{SHOP}/good.jpg"), tmp_path, refresh=True, **settings)
    assert list(again["status"]) == ["ok"]
    assert list(again["etag"]) == ['"v1"']


ROBOTS = {
    "unchanged.test": (b"HTTP/1.1 304 X\r\n\r\n", "ok"),  # not a rule in it
    "fails.test": (reply(500), "server_error"),
    "bomb.test": (reply(200, gzip_bomb(), Content_Encoding="gzip"), "ok"),  # a line of zeros
    "loops.test": (reply(302, Location="/robots.txt"), "ok"),
    "inside.test": (reply(302, Location="http://169.254.169.254/robots.txt"), "refused_address"),
    "latin.test": (reply(200, "User-agent: *\nDisallow: /größe".encode("latin-1")), "ok"),
    "agents.test": (
        reply(200, b"User-agent: a\n" * 9000 + b"Disallow: /b\n" * 9000),
        "ok",
    ),
    "endless.test": (reply(200, b"User-agent: *\n" + b"Disallow: /x\n" * 60_000), "robots"),
}


def test_whatever_a_robots_txt_is_its_host_alone_pays(tmp_path, one_worker):
    links = [f"http://{host}/good.webp" for host in ROBOTS] + [f"{SHOP}/good.jpg"]
    robots_of = {host: answer for host, (answer, _) in ROBOTS.items()}
    unhurried = replace(QUICK, first_byte=20, whole=30)  # no host waits here; a busy machine may
    with FaultServer(robots_of=robots_of) as server:
        rows = fetch_images(catalogue(*links), tmp_path, resolve=server.resolve, limits=unhurried)
    found = dict(
        zip([*ROBOTS, "shop.test"], rows["status"].replace("duplicate", "ok"), strict=True)
    )
    assert found == {host: status for host, (_, status) in ROBOTS.items()} | {"shop.test": "ok"}


def test_a_group_of_many_robots_does_not_multiply_its_rules():
    names = [f"User-agent: bot{number}" for number in range(5000)]
    names += [f"User-agent: {'cold-start-course'[:length]}" for length in range(1, 18)]
    names += [f"User-agent: cold{'*' * length}-start-course" for length in range(1, 40)]
    rules = [f"Disallow: /{number}/" for number in range(5000)]
    parsed = RobotRules("\n".join(names + rules).encode())
    kept = sum(len(rule_set._rules) for rule_set in parsed._rules._user_agents.values())
    assert kept == 2 * 5000  # for us and for somebody else
    assert not parsed.allows("/4999/a.jpg")
    assert parsed.allows("/5000/a.jpg")


def test_other_robots_rules_are_not_ours():
    text = b"User-agent: cold\nDisallow: /\n\nUser-agent: Cold-Start-Course*\nDisallow: /b\n"
    assert RobotRules(text).allows("/a")
    assert not RobotRules(text).allows("/b")


NUMBERS = st.from_regex(r"[0-9²٣]{1,400}")
DATES = st.from_regex(r"[A-Z][a-z]{2}, [0-9]+ Jan [0-9]+ [0-9:]+ .{0,9}")


@given(st.text() | NUMBERS | DATES)
def test_no_header_value_raises(value):
    wait = retry_after(value)
    assert wait is None or wait >= 0
    assert entity_tag(value).isascii()
    encoded = httpx.Headers({"content-length": value.encode("utf-8", "surrogatepass")})
    assert declared_length(encoded) >= 0


ODD = st.text(st.characters(exclude_categories=()), max_size=40)  # surrogates and controls too


@given(ODD, st.sampled_from(["", "http://", "http://shop.test/", "//", "https://a:", "http://["]))
def test_no_address_raises_anything_but_an_image_error(text, start):
    for base in (None, httpx.URL("http://shop.test/x/y")):
        try:
            url = parse_url(start + text, base)
        except ImageError as error:
            assert error.status in STATUSES
            assert error.detail.isprintable()
        else:
            assert url.scheme in ("http", "https") and url.raw_host


def test_half_an_emoji_in_an_address_is_one_row_with_a_status(tmp_path, one_worker):
    links = [f"{SHOP}/\ud83d.jpg", "http://\ud83d.test/a.jpg", "\x1b[31m\ud83d", f"{SHOP}/good.jpg"]
    with FaultServer() as server:
        rows = fetch_images(
            catalogue(*links), tmp_path, resolve=server.resolve, limits=QUICK, workers=1
        )
    assert list(rows["status"]) == ["bad_url", "bad_url", "bad_url", "ok"]
    stored = pd.read_parquet(tmp_path / "images.parquet")
    assert stored["detail"].map(str.isprintable).all()


def test_a_cell_of_many_addresses_is_not_tried_for_ever(tmp_path, one_worker):
    many = [f"{SHOP}/404?{number}" for number in range(200)]
    frame = pd.DataFrame({"image_key": ["a/1"], "image_urls": [many]})
    with FaultServer() as server:
        rows = fetch_images(frame, tmp_path, resolve=server.resolve, limits=QUICK, workers=1)
        asked = sum(server.requests.values())
    assert list(rows["status"]) == ["not_found"]
    assert asked == 1 + fetch.MOST_LINKS


def test_a_host_that_only_fails_is_left_alone(tmp_path, one_worker):
    links = [f"{SHOP}/500?{number}" for number in range(60)]
    limits = replace(QUICK, retries=0, give_up=5, per_host=1)
    with FaultServer(extra={f"/500?{n}": reply(500) for n in range(60)}) as server:
        rows = fetch_images(
            catalogue(*links), tmp_path, resolve=server.resolve, limits=limits, workers=1
        )
        assert sum(server.requests.values()) == 1 + 5
    assert set(rows["status"]) == {"server_error"}
    assert "5 failures in a row" in rows["detail"].iloc[-1]


# Sharing


def test_slow_hosts_leave_slots_for_the_others():
    async def run() -> list[int]:
        slots = Slots(64, most=8, reserve=4)
        forever = asyncio.Event()

        async def hold(host: str) -> None:
            async with slots.one(host):
                await forever.wait()

        tasks = [asyncio.create_task(hold(f"slow{n % 24}")) for n in range(24 * 8)]
        await asyncio.sleep(0)
        slow = [slots.held(f"slow{n}") for n in range(24)]
        async with slots.one("good"):  # at once, or this would wait for ever
            held = slots.held("good")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return [min(slow), max(slow), held, slots.free]

    assert finished(run()) == [2, 3, 1, 64]  # all slots are free again in the end


def test_a_lone_host_may_have_as_many_slots_as_one_host_may():
    async def run() -> int:
        slots = Slots(64, most=8, reserve=4)
        held = [slots.one("host") for _ in range(8)]
        for slot in held:
            await slot.__aenter__()
        return slots.held("host")

    assert finished(run()) == 8


def test_a_free_slot_goes_to_the_host_that_has_had_least():
    async def run() -> list[str]:
        slots = Slots(1, most=1, reserve=0)
        order: list[str] = []

        async def use(host: str) -> None:
            async with slots.one(host):
                order.append(host)
                await asyncio.sleep(0.01 if host == "hungry" else 0)

        tasks = [asyncio.create_task(use("hungry")) for _ in range(3)]
        await asyncio.sleep(0)
        tasks += [asyncio.create_task(use("modest")) for _ in range(2)]
        await asyncio.gather(*tasks)
        return order

    assert finished(run()) == ["hungry", "modest", "modest", "hungry", "hungry"]


def test_a_waiter_that_gives_up_takes_no_slot_with_it():
    async def run() -> int:
        slots = Slots(1, most=1, reserve=0)

        async def use() -> None:
            async with slots.one("host"):
                await asyncio.sleep(0)

        async with slots.one("other"):
            tasks = [asyncio.create_task(use()) for _ in range(3)]
            await asyncio.sleep(0)
            tasks[0].cancel()
        tasks[1].cancel()  # it has just been given the slot
        await asyncio.gather(*tasks, return_exceptions=True)
        return slots.free

    assert finished(run()) == 1


def test_waiting_for_a_pace_holds_no_slot():
    """One slot in all, 24 hosts that are to be asked every 30 s: the good host gets it all the
    same.
    """
    slow = [f"slow{number}.test" for number in range(24)]
    crawl = reply(200, b"User-agent: *\nCrawl-delay: 30\n")

    async def run(server: FaultServer) -> bytes | None:
        fetcher = Fetcher(replace(QUICK, total=1), server.resolve)

        async def load(address: str) -> bytes | None:
            async with fetcher.get(address) as body:
                return body.data

        links = [f"http://{host}/good.{suffix}" for host in slow for suffix in ("jpg", "webp")]
        waiting = [asyncio.create_task(load(link)) for link in links]
        while len(fetcher._hosts) < 24:
            await asyncio.sleep(0)
        data = await load(f"{SHOP}/good.jpg")
        for task in waiting:
            task.cancel()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert sum(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes) >= 24
        await fetcher.close()
        return data

    with FaultServer(robots_of=dict.fromkeys(slow, crawl)) as server:
        assert finished(run(server)) == photo(1)


def test_hanging_dns_fails_its_own_hosts_only(tmp_path, one_worker, monkeypatch):
    answered = threading.Event()

    def getaddrinfo(host, port, *_, **__):
        if str(host).startswith("hang"):
            answered.wait(2)
            raise socket.gaierror("too late")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(url_guard, "is_public", lambda address: True)
    with FaultServer() as server:
        hanging = [f"http://hang{number}.test/a.jpg" for number in range(40)]
        links = [*hanging, f"http://good.test:{server.port}/good.jpg"]
        limits = replace(QUICK, connect=0.3, retries=0)
        rows = fetch_images(catalogue(*links), tmp_path, limits=limits, workers=1)
    answered.set()
    assert set(rows["status"].iloc[:-1]) == {"dns_failure"}
    assert rows["status"].iloc[-1] == "ok"


def test_a_name_is_looked_up_once_for_all_who_ask(monkeypatch):
    asked = []

    async def lookup(self, host, port, timeout):
        asked.append(host)
        await asyncio.sleep(0)
        return ["93.184.216.34"]

    monkeypatch.setattr(GuardedBackend, "_lookup", lookup)

    async def run() -> None:
        backend = GuardedBackend()
        await asyncio.gather(*(backend.addresses("shop.test", 80, 1.0) for _ in range(9)))

    finished(run())
    assert asked == ["shop.test"]


def test_a_pause_between_the_turn_and_the_slot_is_kept():
    """The server asks for quiet while a request waits for its slot: it waits again, without the
    slot.
    """

    async def run(server: FaultServer) -> float:
        fetcher = Fetcher(replace(QUICK, total=1), server.resolve)
        host = fetcher.host("shop.test")
        loop = asyncio.get_running_loop()

        async def load() -> None:
            async with fetcher.get(f"{SHOP}/good.webp"):
                pass

        async with fetcher.get(f"{SHOP}/good.jpg"):  # holds the only slot
            waiting = asyncio.create_task(load())
            await asyncio.sleep(0.05)
            host.hold(0.2, "rate_limited")
            until = host.next_start
        await waiting
        await fetcher.close()
        assert loop.time() >= until
        return until

    with FaultServer() as server:
        assert finished(run(server)) > 0


# Decoding


def test_a_picture_that_takes_too_long_costs_its_budget_and_no_more():
    with Standardiser(1, seconds=0.3) as standardise:
        with pytest.raises(ImageError, match="undecodable") as failure:
            standardise(slow_jpeg())
        assert failure.value.seconds == 0.3
        assert standardise(photo(1)).width == 60  # by another worker


def test_a_host_whose_pictures_take_too_long_is_left_for_the_next_run():
    host = Host(Limits(overtime=10))
    for _ in range(1000):
        host.decoded(0.2, 50_000)  # as pictures do
        host.decoded(3.0, 10_000_000)  # large ones do
    host.raise_if_closed()
    for _ in range(3):
        host.decoded(4.0, 177_000)
    with pytest.raises(HostClosed, match=r"timeout: its pictures took 1[01] s more"):
        host.raise_if_closed()


class SlowFor:
    """Stands in for the decoding processes: pictures of one size are said to take very long."""

    workers = 1

    def __init__(self, *_, **__):
        self.seen = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def kill(self):
        pass

    def __call__(self, data: bytes) -> Picture:
        self.seen += 1
        seconds = 4.0 if data == photo(2, "AVIF") else 0.01
        return Picture(data, "WEBP", 60, 80, "0" * 16, seconds)


def test_one_hosts_decoding_budget_is_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(harvest, "Standardiser", SlowFor)
    slow = [f"http://slow.test/good.avif?{number}" for number in range(30)]
    good = [f"{SHOP}/good.jpg?{number}" for number in range(30)]
    extra = {f"/good.avif?{number}": reply(200, photo(2, "AVIF")) for number in range(30)}
    extra |= {f"/good.jpg?{number}": reply(200, photo(1)) for number in range(30)}
    limits = replace(QUICK, overtime=10, whole=20, first_byte=20)
    with FaultServer(extra=extra) as server:
        resolve = server.at("slow.test", "shop.test")
        rows = fetch_images(catalogue(*slow, *good), tmp_path, resolve=resolve, limits=limits)
    pictured = rows["status"].isin(["ok", "duplicate"])
    assert pictured.iloc[30:].all()
    assert 3 <= pictured.iloc[:30].sum() < 15
    assert set(rows["status"].iloc[:30]) == {"ok", "duplicate", "timeout"}


# What is there already


@pytest.mark.parametrize("damage", ["cut", "changed", "emptied"])
def test_a_damaged_picture_is_fetched_again(tmp_path, one_worker, damage):
    links = [f"{SHOP}/good.jpg", f"{SHOP}/good.webp"]
    with FaultServer() as server:
        settings = {"resolve": server.resolve, "limits": QUICK, "workers": 1}
        rows = fetch_images(catalogue(*links), tmp_path, **settings)
        path = tmp_path / rows["image_path"].iloc[0]
        whole = path.read_bytes()
        damaged = {"cut": whole[: len(whole) // 2], "changed": whole[:-1] + b"x", "emptied": b""}
        path.write_bytes(damaged[damage])
        server.requests.clear()
        again = fetch_images(catalogue(*links), tmp_path, **settings)
        assert dict(server.requests) == {"/robots.txt": 1, "/good.jpg": 1}
    assert path.read_bytes() == whole
    assert again.drop(columns="fetched").equals(rows.drop(columns="fetched"))


def test_a_damaged_index_is_made_anew_and_an_archive_refuses_it(tmp_path, one_worker):
    links = [f"{SHOP}/good.jpg", f"{SHOP}/good.webp"]
    index = tmp_path / "images.parquet"
    with FaultServer() as server:
        settings = {"resolve": server.resolve, "limits": QUICK, "workers": 1}
        rows = fetch_images(catalogue(*links), tmp_path, **settings)
        index.write_bytes(index.read_bytes()[: index.stat().st_size // 2])
        with pytest.raises(
            OSError, match=r"images\.parquet is damaged .*: fetch the pictures again"
        ):
            archive_images(tmp_path, tmp_path / "all.tar")
        with pytest.warns(UserWarning, match=r"images\.parquet is damaged"):
            again = fetch_images(catalogue(*links), tmp_path, **settings)
    assert again.drop(columns="fetched").equals(rows.drop(columns="fetched"))
    assert len(pd.read_parquet(index)) == 2


def test_another_size_is_made_where_the_host_says_that_nothing_changed(tmp_path):
    with FaultServer() as server:
        settings = {"resolve": server.resolve, "limits": QUICK, "workers": 1}
        fetch_images(catalogue(f"{SHOP}/good.jpg"), tmp_path, size=64, **settings)
        rows = fetch_images(catalogue(f"{SHOP}/good.jpg"), tmp_path, size=32, **settings)
        with Image.open(tmp_path / rows["image_path"].iloc[0]) as image:
            assert image.size == (32, 32)


def test_another_size_is_not_claimed_where_the_host_is_down(tmp_path):
    with FaultServer() as server:
        settings = {"resolve": server.resolve, "limits": replace(QUICK, retries=0), "workers": 1}
        first = fetch_images(catalogue(f"{SHOP}/good.jpg"), tmp_path, size=64, **settings)
        server.fixed["/good.jpg"] = reply(500)
        server.fixed["/robots.txt"] = reply(500)
        refreshed = fetch_images(
            catalogue(f"{SHOP}/good.jpg"), tmp_path, size=64, refresh=True, **settings
        )
        resized = fetch_images(catalogue(f"{SHOP}/good.jpg"), tmp_path, size=32, **settings)
    assert refreshed.drop(columns="fetched").equals(first.drop(columns="fetched"))
    assert list(resized["status"]) == ["server_error"]


# Archives


def with_pictures(dest, one_worker) -> None:
    with FaultServer() as server:
        settings = {"resolve": server.resolve, "limits": QUICK, "workers": 1}
        fetch_images(catalogue(f"{SHOP}/good.jpg", f"{SHOP}/good.webp"), dest, **settings)


def test_a_member_that_the_index_does_not_name_is_not_written(tmp_path, one_worker):
    dest = tmp_path / "store"
    with_pictures(dest, one_worker)
    before = sorted((dest / "images").iterdir())
    stranger = b"not of this store"
    with tarfile.open(tmp_path / "more.tar", "w") as tar:
        member = tarfile.TarInfo(f"images/{sha256(stranger)}.webp")
        member.size = len(stranger)
        tar.addfile(member, io.BytesIO(stranger))
    assert restore_images(dest, tmp_path / "more.tar").empty
    assert sorted((dest / "images").iterdir()) == before


def test_a_sparse_member_of_a_terabyte_is_left_out(tmp_path, one_worker):
    dest = tmp_path / "store"
    with_pictures(dest, one_worker)
    archive_images(dest, tmp_path / "all.tar")
    with tarfile.open(tmp_path / "all.tar") as tar:
        names = tar.getnames()
    with tarfile.open(tmp_path / "sparse.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.pax_headers = {
                "GNU.sparse.map": f"0,0,{2**40},0",
                "GNU.sparse.size": str(2**40),
            }
            tar.addfile(member)
    assert (tmp_path / "sparse.tar").stat().st_size < 20_000
    assert restore_images(dest, tmp_path / "sparse.tar").empty
    assert len(restore_images(dest, tmp_path / "all.tar")) == 2


def test_a_cut_picture_is_not_packed(tmp_path, one_worker):
    dest = tmp_path / "store"
    with_pictures(dest, one_worker)
    cut = min((dest / "images").iterdir())
    cut.write_bytes(cut.read_bytes()[:-10])
    assert len(archive_images(dest, tmp_path / "all.tar")) == 1
    assert cut.exists()


# The end


def heed_ctrl_c() -> None:
    """A shell's background jobs ignore Ctrl-C, and what they start inherits that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interrupt_ends_a_harvest_and_its_workers(tmp_path):
    script = """
        import sys
        import pandas as pd
        from fault_server import FaultServer, reply, slow_jpeg
        from helpers.images.fetch import fetch_images
        from helpers.images.limits import Limits
        links = ["http://shop.test/hang", "http://shop.test/slow.jpg"]
        frame = pd.DataFrame({"image_key": links, "image_urls": [[link] for link in links]})
        with FaultServer(extra={"/slow.jpg": reply(200, slow_jpeg(20_000))}) as server:
            server.when_asked = lambda path: print(path, flush=True)
            limits = Limits(first_byte=300, whole=300, decode=300)
            fetch_images(frame, sys.argv[1], resolve=server.resolve, workers=1, limits=limits)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parent,
        text=True,
        preexec_fn=heed_ctrl_c,
    ) as run:
        asked = {run.stdout.readline().strip() for _ in range(3)}
        assert asked == {"/robots.txt", "/hang", "/slow.jpg"}
        parent = psutil.Process(run.pid)
        while not parent.children():
            assert run.poll() is None
        workers = parent.children()
        run.send_signal(signal.SIGINT)
        try:
            _, complaint = run.communicate(timeout=60)  # left alone, it would take five minutes
        finally:
            run.kill()
    assert complaint.rstrip().endswith("KeyboardInterrupt")
    assert psutil.wait_procs(workers, timeout=10)[1] == []
