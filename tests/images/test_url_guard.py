"""No address inside is reached, by whatever name; robots.txt is read as RFC 9309 says."""

import asyncio

import pytest

from helpers.images.robots import RobotRules
from helpers.images.statuses import ImageError
from helpers.images.url_guard import GuardedBackend, host_of, is_public, parse_url


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34", "8.8.8.8"]
)
def test_public(address):
    assert is_public(address)


INSIDE = """
127.0.0.1 127.9.9.9 10.1.2.3 172.16.0.1 192.168.0.1 169.254.169.254 100.100.100.200
0.0.0.0 255.255.255.255 224.0.0.1 240.0.0.1 168.63.129.16 ::1 :: fe80::1 fe80::1%eth0
fc00::1 fd00:ec2::254 ff02::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 64:ff9b::7f00:1
64:ff9b::a9fe:a9fe 2002:7f00:1:: 2001:db8::1 fec0::1 fecf::1 192.0.0.8 192.88.99.1
3fff::1 3fff:fff:ffff::1 100.64.0.1 198.18.0.1 203.0.113.9 64:ff9b:1::7f00:1 100::1
2001:10::1 5f00::1 ::127.0.0.1 2002:a9fe:a9fe::1
"""


@pytest.mark.parametrize("address", INSIDE.split())
def test_not_public(address):
    assert not is_public(address)


class Recorder:
    """Stands in for the network: remembers what would have been connected to."""

    def __init__(self):
        self.connected = []

    async def connect_tcp(self, address, port, *rest):
        self.connected.append((address, port))


def connect(backend: GuardedBackend, host: str, port: int = 80, answers: list | None = None):
    backend._inner = Recorder()
    if answers:

        async def lookup(*_):
            return answers.pop(0)

        backend._lookup = lookup
    asyncio.run(backend.connect_tcp(host, port, 1.0))
    return backend._inner.connected


def test_only_the_checked_address_is_connected_to():
    # Rebinding: the second answer would be loopback, but there is no second lookup.
    assert connect(GuardedBackend(), "shop.test", 80, [["93.184.216.34"], ["127.0.0.1"]]) == [
        ("93.184.216.34", 80)
    ]


@pytest.mark.parametrize(
    "answer", [["127.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["::ffff:169.254.169.254"]]
)
def test_one_private_answer_refuses_the_host(answer):
    with pytest.raises(ImageError, match="refused_address"):
        connect(GuardedBackend(), "shop.test", 80, [answer])


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f.1", "127.1", "localhost", "LOCALHOST.", "0", "::1"]
)
def test_other_spellings_of_loopback(host):
    with pytest.raises(ImageError, match=r"refused_address|dns_failure"):
        connect(GuardedBackend(), host)


def test_resolve_is_by_name():
    assert connect(GuardedBackend({"Shop.test": ("127.0.0.1", 81)}), "shop.test") == [
        ("127.0.0.1", 81)
    ]
    with pytest.raises(ImageError, match="refused_address"):
        connect(GuardedBackend({"shop.test": ("127.0.0.1", 81)}), "127.0.0.1")
    with pytest.raises(ImageError, match="refused_address"):
        asyncio.run(GuardedBackend().connect_unix_socket("/run/docker.sock"))


def test_urls():
    assert (
        str(parse_url("//cdn.test/a b.jpg?set=x[1],y#z")) == "https://cdn.test/a%20b.jpg?set=x[1],y"
    )
    assert parse_url("http://u:p@cdn.test/a").userinfo == b""
    assert host_of(parse_url("http://BÜCHER.test./a")) == "xn--bcher-kva.test"
    assert str(parse_url("../c.jpg", parse_url("http://a.test/x/y"))) == "http://a.test/c.jpg"


@pytest.mark.parametrize(
    "rules, path, allowed",
    [
        ("User-agent: *\nDisallow: /a", "/ab", False),
        ("User-agent: *\nDisallow: /a\nAllow: /ab", "/abc", True),  # the longest match
        ("User-agent: *\nAllow: /ab\nDisallow: /a", "/abc", True),  # wherever it stands
        ("User-agent: *\nDisallow: /a\nAllow: /a", "/a", True),  # equally long: allow
        ("User-agent: *\nDisallow:", "/a", True),
        ("User-agent: *\nDisallow: /*.jpg$", "/x/a.jpg", False),
        ("User-agent: *\nDisallow: /*.jpg$", "/x/a.jpg?w=1", True),
        ("User-agent: *\nDisallow: /p*q*r", "/paqbr", False),
        ("User-agent: *\nDisallow: /p*qq$", "/pq", True),  # the two q's may not overlap with one
        ("User-agent: other\nDisallow: /", "/a", True),
        ("User-agent: *\nDisallow: /\n\nUser-agent: Cold-Start-Course\nDisallow: /b", "/a", True),
        ("User-agent: other\nUser-agent: cold-start-course\nDisallow: /", "/a", False),
        ("﻿# a page\n<html>no rules: at all</html>", "/a", True),
    ],
)
def test_robots(rules, path, allowed):
    assert RobotRules(rules.encode()).allows(path) is allowed


def test_crawl_delay():
    assert RobotRules(b"User-agent: *\nCrawl-delay: 1.5").delay == 1.5
    assert RobotRules(b"User-agent: *\nCrawl-delay: 86400").delay == 30.0
    assert RobotRules(b"User-agent: *\nCrawl-delay: soon").delay == 0.0
    assert RobotRules("User-agent: *\nCrawl-delay: ²".encode()).delay == 0.0
