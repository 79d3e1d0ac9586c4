"""Bytes from many hosts at once, each at its own pace; every way a server can fail becomes one named status."""

import asyncio
import email.utils
import importlib.util
import random
import sys
import zlib
from collections import defaultdict
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpcore
import httpx
import pandas as pd

from helpers.images.decode import ImageError
from helpers.images.robots import Robots
from helpers.images.statuses import RETRIED
from helpers.images.url_guard import GuardedBackend, host_of, parse_url

if (
    importlib.util.find_spec("sniffio") is None
):  # httpcore tries to import it for each lock; now that fails at once
    sys.modules["sniffio"] = None
AGENT = "cold-start-course"
_LARGE = 1 << 20
_CODES = {401: "forbidden", 403: "forbidden", 404: "not_found", 410: "gone", 451: "forbidden"}
_CODES |= {204: "empty", 408: "timeout", 425: "rate_limited", 429: "rate_limited"}


@dataclass(frozen=True)
class Limits:
    """How hard to pull and when to give up; times in seconds.

    Attributes
    ----------
    per_host, total : int
        Requests under way at once, for one host and over all.
    pace : float
        Least time between two requests to a host; a longer Crawl-delay in its robots.txt wins.
    connect, first_byte, whole : float
        Time-outs: to open a connection, for any one wait on the server, and for one response with its body.
    retries, backoff, longest_wait : int, float, float
        Further attempts, the first pause before one (doubled each time), and the longest that is worth waiting,
        be it a server's own Retry-After.
    give_up : int
        Failures in a row after which the rest of a host's images are left for the next run.
    bytes, pixels, redirects : int
        Caps on a body, a picture and the hops of one request.
    """

    per_host: int = 8
    total: int = 64
    pace: float = 0.0
    connect: float = 10.0
    first_byte: float = 20.0
    whole: float = 60.0
    retries: int = 3
    backoff: float = 0.5
    longest_wait: float = 60.0
    give_up: int = 20
    bytes: int = 20_000_000
    pixels: int = 40_000_000
    redirects: int = 5


@dataclass(frozen=True)
class Body:
    """What came back: the bytes (None if the server says that nothing changed), from where, and its ETag."""

    data: bytes | None
    url: str
    etag: str


class _Host:
    """Pace and health of one host."""

    def __init__(self):
        self.next_start = 0.0
        self.failures = 0
        self.closed: tuple[str, str] | None = None  # status and reason for all that is still queued

    async def turn(self, pace: float) -> None:
        """Wait until this host may be asked again."""
        loop = asyncio.get_running_loop()
        while (wait := self.next_start - loop.time()) > 0:
            await asyncio.sleep(wait)
        self.next_start = loop.time() + pace

    def hold(self, seconds: float, error: ImageError, limits: Limits) -> None:
        """The server asked for a pause: keep it, or leave the host for the next run if it is too long."""
        if seconds > limits.longest_wait:
            self.closed = error.status, f"the host asks for {seconds:.0f} s of quiet"
        else:
            self.next_start = max(self.next_start, asyncio.get_running_loop().time() + seconds)

    def failed(self, error: ImageError, limits: Limits) -> None:
        """Count failures of the host, not of a file; enough of them in a row close it for this run."""
        self.failures = (
            self.failures + 1
            if error.status in ("timeout", "reset", "unreachable", "dns_failure")
            else 0
        )
        if self.failures >= limits.give_up:
            self.closed = (
                error.status,
                f"{self.failures} failures in a row, the rest is left for the next run",
            )


class Fetcher:
    """GETs over kept-alive HTTP/1.1 and, where TLS offers it, HTTP/2 connections; use it inside one event loop.

    httpcore (httpx's engine) is driven directly, because redirects have to be followed by hand, each one checked.
    """

    def __init__(self, limits: Limits, resolve=None, allow=(), ssl_context=None):
        self.limits = limits
        self._backend, self._tls = GuardedBackend(resolve, allow), ssl_context
        self._pools: dict[
            tuple, httpcore.AsyncConnectionPool
        ] = {}  # one an origin: a pool's own work is quadratic
        self._slots = asyncio.Semaphore(limits.total)
        self._large = asyncio.Semaphore(8)  # bodies over a megabyte in memory at once
        self._hosts: dict[str, _Host] = defaultdict(_Host)
        self._robots: dict[tuple, asyncio.Task] = {}
        self._jitter = random.Random(0)

    async def close(self) -> None:
        """Close every connection."""
        for task in self._robots.values():
            task.cancel()
        await asyncio.gather(*self._robots.values(), return_exceptions=True)
        for origin in list(self._pools):
            await self._pools.pop(origin).aclose()

    async def rest(self, host: str) -> None:
        """Nothing is queued for this host: give its connections back."""
        for origin in [origin for origin in self._pools if origin[1] == host]:
            if all(
                connection.is_idle() for connection in self._pools[origin].connections
            ):  # else: a redirect's
                await self._pools.pop(origin).aclose()

    def _pool(self, url: httpx.URL) -> httpcore.AsyncConnectionPool:
        origin = (url.scheme, host_of(url), url.port)
        if origin not in self._pools:
            if url.scheme == "https" and self._tls is None:
                self._tls = httpx.create_ssl_context()
            self._pools[origin] = httpcore.AsyncConnectionPool(
                ssl_context=self._tls,
                http2=True,
                max_connections=self.limits.total,
                network_backend=self._backend,
            )
        return self._pools[origin]

    @asynccontextmanager
    async def get(self, address: str, etag: str = "", since: pd.Timestamp | None = None):
        """Fetch one URL, with retries; the body counts against the memory limits until the block is left.

        With `etag` or `since` (the time of the last fetch) the request is conditional, and `Body.data` may be None.

        Raises
        ------
        ImageError
            With the status of the last attempt.
        """
        url = parse_url(address)
        host = self._hosts[host_of(url)]
        headers = {"If-None-Match": etag} if etag else {}
        if since is not None:
            headers["If-Modified-Since"] = email.utils.formatdate(since.timestamp(), usegmt=True)
        async with AsyncExitStack() as held:
            yield await self._attempts(url, host, headers, held)

    async def _attempts(
        self, url: httpx.URL, host: _Host, headers: dict, held: AsyncExitStack
    ) -> Body:
        for attempt in range(self.limits.retries + 1):
            if host.closed:
                raise ImageError(*host.closed)
            try:
                async with AsyncExitStack() as stack:
                    await stack.enter_async_context(self._slots)
                    body = await self._follow(url, headers, stack)
                    held.push_async_exit(stack.pop_all())
                host.failures = 0
                return body
            except ImageError as error:
                pause = self.limits.backoff * 2**attempt * (1 + self._jitter.random() / 2)
                if error.wait is not None:
                    pause = error.wait
                    host.hold(pause, error, self.limits)
                if (
                    error.status not in RETRIED
                    or attempt == self.limits.retries
                    or pause > self.limits.longest_wait
                ):
                    host.failed(error, self.limits)
                    raise
            await asyncio.sleep(pause)

    async def _follow(
        self, url: httpx.URL, headers: dict, stack: AsyncExitStack, robots: bool = True
    ) -> Body:
        seen = set()
        for _ in range(self.limits.redirects + 1):
            if url in seen:
                break
            seen.add(url)
            delay = await self._permission(url) if robots else 0.0
            await self._hosts[host_of(url)].turn(max(self.limits.pace, delay))
            answer = await self._exchange(url, headers, stack, robots)
            if isinstance(answer, Body):
                return answer
            url = parse_url(answer, base=url)
        raise ImageError("redirect_loop", f"{len(seen)} redirects, last to {str(url)[:80]}")

    async def _exchange(
        self, url: httpx.URL, headers: dict, stack: AsyncExitStack, robots: bool
    ) -> Body | str:
        """One request: a body, or where the server sends us instead."""
        limits, begun = self.limits, False
        target = httpcore.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
        )
        headers = {
            "User-Agent": f"{AGENT}/0.1",
            "Accept": "image/*",
            "Accept-Encoding": "identity",
            **headers,
        }
        waits = {
            "connect": limits.connect,
            "read": limits.first_byte,
            "write": limits.first_byte,
            "pool": limits.whole,
        }
        try:
            async with asyncio.timeout(limits.whole):
                stream = self._pool(url).stream(
                    "GET", target, headers=headers, extensions={"timeout": waits}
                )
                async with stream as response:
                    begun = True
                    head = httpx.Headers(response.headers)
                    if response.status in (301, 302, 303, 307, 308) and "location" in head:
                        return head["location"]
                    if response.status == 304:
                        return Body(None, str(url), head.get("etag", ""))
                    self._judge(response.status, head, robots)
                    return Body(
                        await self._read(response, head, stack),
                        str(url),
                        head.get("etag", "")[:200],
                    )
        except (TimeoutError, httpcore.TimeoutException) as error:
            raise ImageError("timeout", type(error).__name__) from error
        except httpcore.ConnectError as error:
            raise ImageError("unreachable", str(error)[:120]) from error
        except httpcore.RemoteProtocolError as error:
            raise ImageError("truncated" if begun else "reset", str(error)[:120]) from error
        except (httpcore.NetworkError, OSError) as error:
            raise ImageError("reset", str(error)[:120]) from error
        except (httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
            raise ImageError("bad_url", str(error)[:120]) from error

    def _judge(self, code: int, head: httpx.Headers, robots: bool) -> None:
        if code not in (200, 203):
            name = _CODES.get(code, "server_error" if code >= 500 else "http_error")
            raise ImageError(name, f"HTTP {code}", wait=_retry_after(head.get("retry-after")))
        length = head.get("content-length", "")
        if length.isdigit() and int(length[:20]) > self.limits.bytes:
            raise ImageError("too_large", f"{length} bytes")
        for value in head.get_list("x-robots-tag", split_commas=True) if robots else ():
            agent, _, rule = value.lower().rpartition(":")
            if rule.strip() in ("noai", "noimageai") and agent.strip() in ("", AGENT):
                raise ImageError("robots", f"X-Robots-Tag: {value[:80]}")

    async def _read(self, response, head: httpx.Headers, stack: AsyncExitStack) -> bytes:
        """The body, unpacked if it came packed, never more of it than the cap."""
        data, cap, large = bytearray(), self.limits.bytes, False
        async for chunk in response.aiter_stream():
            data += chunk
            if len(data) > cap:
                raise ImageError("too_large", f"more than {cap} bytes")
            if len(data) > _LARGE and not large:
                large = await stack.enter_async_context(self._large) is None
        coding = head.get("content-encoding", "identity").lower()
        if coding in ("gzip", "deflate"):
            try:
                data = zlib.decompressobj(47 if coding == "gzip" else 15).decompress(data, cap + 1)
            except zlib.error as error:
                raise ImageError("corrupt", str(error)) from error
            if len(data) > cap:
                raise ImageError("too_large", f"unpacks to more than {cap} bytes")
        return bytes(data)

    async def _permission(self, url: httpx.URL) -> float:
        """The host's pace, or ImageError `robots`; one robots.txt is read an origin, however many images wait."""
        origin = (url.scheme, host_of(url), url.port)
        if origin not in self._robots:
            self._robots[origin] = asyncio.create_task(self._read_robots(url))
        robots = await asyncio.shield(self._robots[origin])
        if not robots.allows(url.raw_path.decode("ascii")):
            raise ImageError("robots", f"robots.txt of {origin[1]}")
        return robots.delay

    async def _read_robots(self, url: httpx.URL) -> Robots:
        """RFC 9309: none (4xx) allows everything; a host that can't tell is left alone, with its failure's status."""
        for attempt in range(self.limits.retries + 1):
            try:
                async with AsyncExitStack() as stack:
                    body = await self._follow(
                        url.copy_with(raw_path=b"/robots.txt"), {}, stack, robots=False
                    )
                return Robots(body.data[:512_000].decode("utf-8", "replace"), AGENT)
            except ImageError as error:
                if error.status in (
                    "not_found",
                    "gone",
                    "forbidden",
                    "http_error",
                    "empty",
                    "redirect_loop",
                ):
                    return Robots("", AGENT)
                if error.status not in RETRIED or attempt == self.limits.retries:
                    raise
            await asyncio.sleep(self.limits.backoff * 2**attempt)
        raise AssertionError("unreachable")


def _retry_after(value: str | None) -> float | None:
    """Seconds from a Retry-After header, given as seconds or as a date."""
    if not value:
        return None
    if value.strip().isdigit():
        return float(value.strip()[:9])
    try:
        when = pd.Timestamp(email.utils.parsedate_to_datetime(value))
        return max(0.0, (when - pd.Timestamp.now(when.tz)).total_seconds())
    except (ValueError, TypeError):
        return None
