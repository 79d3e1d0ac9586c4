"""Bytes from many hosts at once, each at its own pace.

Every way a server can fail becomes one named status.
"""

import asyncio
import contextlib
import email.utils
import random
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpcore
import httpx
import pandas as pd

from helpers.images.headers import (
    declared_length,
    entity_tag,
    refuse_if_not_for_us,
    retry_after,
)
from helpers.images.hosts import Host, Slots
from helpers.images.limits import Limits
from helpers.images.retries import retrying
from helpers.images.robots import AGENT, MOST_BYTES, RobotRules
from helpers.images.statuses import HostClosed, ImageError, status_of_code
from helpers.images.url_guard import GuardedBackend, host_of, parse_url

_LARGE = 1 << 20
_MOST_LARGE = 8
_REDIRECTS = (301, 302, 303, 307, 308)
_SUCCESS = (200, 203)
# RFC 9309: a robots.txt that isn't there, or that can't be had for good, forbids nothing.
_NO_ROBOTS = ("not_found", "gone", "forbidden", "http_error", "empty", "redirect_loop")
_HEADERS = {
    "User-Agent": f"{AGENT}/0.1",
    "Accept": "image/*",
    "Accept-Encoding": "identity",
}
Origin = tuple[str, str, int | None]


@dataclass(frozen=True)
class Body:
    """What came back: the bytes (None if the server says that nothing changed), from where, and its
    ETag.
    """

    data: bytes | None
    url: str
    etag: str


@dataclass(frozen=True)
class _Request:
    """One URL to ask for; `headers` beside the usual ones, `most` the cap in bytes on its body."""

    url: httpx.URL
    headers: dict[str, str]
    most: int
    is_robots: bool = False

    @property
    def is_conditional(self) -> bool:
        return bool(self.headers)


class Fetcher:
    """GETs over kept-alive HTTP/1.1 and, where TLS offers it, HTTP/2 connections.

    Use it inside one event loop.

    httpcore (httpx's engine) is driven directly, because redirects have to be followed by hand,
    each one checked.

    A request waits for its host's name, its robots.txt and its pace without holding anything; then
    it takes one of the slots that all hosts share, and keeps it until its body has been used.

    Parameters
    ----------
    limits : Limits
    resolve : dict of host → (address, port), optional
        As curl's `--resolve`.
    ssl_context : ssl.SSLContext, optional
    """

    def __init__(self, limits: Limits, resolve: dict | None = None, ssl_context=None):
        self.limits = limits
        self._backend = GuardedBackend(resolve)
        self._tls = ssl_context
        # One pool per origin: a pool's own work is quadratic.
        self._pools: dict[Origin, httpcore.AsyncConnectionPool] = {}
        self._slots = Slots(limits.total, limits.per_host, reserve=4)
        self._large = Slots(_MOST_LARGE, _MOST_LARGE, reserve=1)  # bodies over a megabyte
        self._hosts: dict[str, Host] = {}
        self._robots: dict[Origin, asyncio.Task[RobotRules | None]] = {}
        self._retrying = retrying(limits, random.Random(0))

    def host(self, name: str) -> Host:
        """Pace and health of a host."""
        if name not in self._hosts:
            self._hosts[name] = Host(self.limits)
        return self._hosts[name]

    async def close(self) -> None:
        """Close every connection."""
        for task in self._robots.values():
            task.cancel()
        await asyncio.gather(*self._robots.values(), return_exceptions=True)
        await self._backend.close()
        for origin in list(self._pools):
            await self._close_pool(origin)

    async def rest(self, host: str) -> None:
        """Nothing is queued for this host: give its connections back."""
        for origin in list(self._pools):
            if origin[1] != host:
                continue
            connections = self._pools[origin].connections
            if all(connection.is_idle() for connection in connections):  # else: a redirect's
                await self._close_pool(origin)

    async def _close_pool(self, origin: Origin) -> None:
        with contextlib.suppress(
            Exception
        ):  # whatever is wrong with connections nobody needs any more
            await self._pools.pop(origin).aclose()

    @asynccontextmanager
    async def get(
        self, address: str, etag: str = "", since: pd.Timestamp | None = None
    ) -> AsyncIterator[Body]:
        """Fetch one URL, with retries.

        The body counts against the memory limits until the block is left.

        With `etag` or `since` (the time of the last fetch) the request is conditional, and
        `Body.data` may be None.

        Raises
        ------
        ImageError
            With the status of the last attempt.
        """
        headers = {}
        if entity_tag(etag):
            headers["If-None-Match"] = entity_tag(etag)
        if since is not None and not pd.isna(since):
            headers["If-Modified-Since"] = email.utils.formatdate(since.timestamp(), usegmt=True)
        request = _Request(parse_url(address), headers, self.limits.bytes)
        async with AsyncExitStack() as held:
            yield await self._with_retries(request, held)

    async def _with_retries(self, request: _Request, held: AsyncExitStack) -> Body:
        host = self.host(host_of(request.url))
        try:
            body: Body = await self._retrying(self._attempt, request, host, held)
        except ImageError as error:
            host.failed(error)
            raise
        host.answered()
        return body

    async def _attempt(self, request: _Request, host: Host, held: AsyncExitStack) -> Body:
        """One attempt; what its body holds (a slot, memory) goes over to `held`."""
        host.raise_if_closed()
        try:
            async with AsyncExitStack() as stack:
                body = await self._follow(request, stack)
                held.push_async_exit(stack.pop_all())
                return body
        except ImageError as error:
            if error.wait is not None:
                host.hold(error.wait, error.status)
            raise

    async def _follow(self, request: _Request, held: AsyncExitStack) -> Body:
        """Follow redirects, each hop checked as the first one was."""
        url = request.url
        seen: set[httpx.URL] = set()
        while url not in seen and len(seen) <= self.limits.redirects:
            seen.add(url)
            hop = _Request(url, request.headers, request.most, request.is_robots)
            async with AsyncExitStack() as stack:
                await self._turn(hop, stack)
                answer = await self._exchange(hop, stack)
                if isinstance(answer, Body):
                    held.push_async_exit(stack.pop_all())
                    return answer
            url = parse_url(answer, base=url)
        raise ImageError("redirect_loop", f"{len(seen)} redirects, last to {url}")

    async def _turn(self, request: _Request, stack: AsyncExitStack) -> None:
        """Wait until the request may be sent, and take a slot for it."""
        pace = self.limits.pace
        if not request.is_robots:
            pace = max(pace, await self._permission(request.url))
        name = host_of(request.url)
        host = self.host(name)
        await self._backend.addresses(name, _port_of(request.url), self.limits.connect)
        async with host.gate:
            await host.due()
            await stack.enter_async_context(self._slots.one(name))
            while not host.is_due():  # the server asked for quiet while we waited for the slot
                await stack.aclose()
                await host.due()
                await stack.enter_async_context(self._slots.one(name))
            host.started(pace)

    async def _exchange(self, request: _Request, stack: AsyncExitStack) -> Body | str:
        """One request: a body, or where the server sends us instead."""
        begun = False
        try:
            async with (
                asyncio.timeout(self.limits.whole) as clock,
                self._stream(request) as response,
            ):
                begun = True
                head = httpx.Headers(response.headers)
                if response.status in _REDIRECTS and "location" in head:
                    return head["location"]
                etag = entity_tag(head.get("etag"))
                if response.status == 304 and request.is_conditional:
                    return Body(None, str(request.url), etag)
                self._judge(request, response.status, head)
                data = await self._read(request, response, head, stack, clock)
                return Body(data, str(request.url), etag)
        except ImageError:
            raise
        except (TimeoutError, httpcore.TimeoutException) as error:
            raise ImageError("timeout", type(error).__name__) from error
        except httpcore.ConnectError as error:
            raise ImageError("unreachable", str(error)) from error
        except httpcore.RemoteProtocolError as error:
            raise ImageError("truncated" if begun else "reset", str(error)) from error
        except (httpcore.NetworkError, OSError) as error:
            raise ImageError("reset", str(error)) from error
        except (httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
            raise ImageError("bad_url", str(error)) from error
        except (
            Exception
        ) as error:  # whatever else a server's bytes bring a protocol library to raise
            raise ImageError("server_error", f"{type(error).__name__}: {error}") from error

    def _stream(self, request: _Request):
        """The response to one GET, as an asynchronous context."""
        url = request.url
        target = httpcore.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
        )
        timeouts = {
            "connect": self.limits.connect,
            "read": self.limits.first_byte,
            "write": self.limits.first_byte,
            "pool": self.limits.whole,
        }
        return self._pool(url).stream(
            "GET",
            target,
            headers=list({**_HEADERS, **request.headers}.items()),
            extensions={"timeout": timeouts},
        )

    def _pool(self, url: httpx.URL) -> httpcore.AsyncConnectionPool:
        origin = _origin_of(url)
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

    def _judge(self, request: _Request, code: int, head: httpx.Headers) -> None:
        """Raise ImageError unless the head promises a body that we may use."""
        if code not in _SUCCESS:
            wait = retry_after(head.get("retry-after"))
            raise ImageError(status_of_code(code), f"HTTP {code}", wait=wait)
        length = declared_length(head)
        if length > request.most and not request.is_robots:
            raise ImageError("too_large", f"{length} bytes")
        if not request.is_robots:
            refuse_if_not_for_us(head, AGENT)

    async def _read(
        self,
        request: _Request,
        response: httpcore.Response,
        head: httpx.Headers,
        stack: AsyncExitStack,
        clock: asyncio.Timeout,
    ) -> bytes:
        """The body, unpacked if it came packed, never more of it than the cap."""
        unpack = _unpacker(head.get("content-encoding", ""))
        data = bytearray()
        n_sent = 0
        is_large = False
        async for chunk in response.aiter_stream():
            n_sent += len(chunk)
            for piece in _pieces(chunk, unpack):
                data += piece
                if max(len(data), n_sent) > request.most:
                    if request.is_robots:
                        return bytes(data[: request.most])
                    raise ImageError("too_large", f"more than {request.most} bytes")
                if len(data) > _LARGE and not is_large:
                    is_large = True
                    await self._memory(request, stack, clock)
        if unpack is not None and n_sent > 0:
            data += _last_piece(unpack)
        return bytes(data)

    async def _memory(
        self, request: _Request, stack: AsyncExitStack, clock: asyncio.Timeout
    ) -> None:
        """Wait for memory for a large body; its clock stands still meanwhile."""
        loop = asyncio.get_running_loop()
        deadline = clock.when()
        begin = loop.time()
        clock.reschedule(None)
        await stack.enter_async_context(self._large.one(host_of(request.url)))
        if deadline is not None:
            clock.reschedule(deadline + loop.time() - begin)

    async def _permission(self, url: httpx.URL) -> float:
        """The host's pace, or ImageError `robots`.

        One robots.txt is read per origin, however many images wait.
        """
        origin = _origin_of(url)
        if origin not in self._robots:
            self._robots[origin] = asyncio.create_task(self._read_robots(url))
        robots = await asyncio.shield(self._robots[origin])
        if robots is None:
            return 0.0
        path = url.raw_path.decode("ascii")
        if robots.is_long:
            allowed = await asyncio.to_thread(robots.allows, path)
        else:
            allowed = robots.allows(path)
        if not allowed:
            raise ImageError("robots", f"robots.txt of {origin[1]}")
        return robots.delay

    async def _read_robots(self, url: httpx.URL) -> RobotRules | None:
        """Read a host's robots.txt; None if it has none, which allows everything (RFC 9309).

        A host that can't tell is left alone, with its failure's status.
        """
        address = url.copy_with(raw_path=b"/robots.txt")
        request = _Request(address, {}, MOST_BYTES, is_robots=True)
        host = self.host(host_of(url))
        try:
            async with AsyncExitStack() as held:
                body: Body = await self._retrying(self._attempt, request, host, held)
        except ImageError as error:
            if error.status in _NO_ROBOTS:
                return None
            raise HostClosed(error.status, f"robots.txt: {error.detail}") from error
        return await asyncio.to_thread(RobotRules, body.data or b"")


def _origin_of(url: httpx.URL) -> Origin:
    return url.scheme, host_of(url), url.port


def _port_of(url: httpx.URL) -> int:
    if url.port is not None:
        return url.port
    return 443 if url.scheme == "https" else 80


def _unpacker(coding: str):
    """What unpacks a body of this Content-Encoding; None if it came as it is.

    Raises
    ------
    ImageError
        `not_an_image` for a coding that we didn't ask for and can't read.
    """
    name = coding.strip().lower()
    if name in ("", "identity"):
        return None
    if name in ("gzip", "x-gzip"):
        return zlib.decompressobj(16 + zlib.MAX_WBITS)
    if name == "deflate":
        return zlib.decompressobj()
    raise ImageError("not_an_image", f"content-encoding {coding}")


def _pieces(chunk: bytes, unpack) -> Iterator[bytes]:
    """A chunk of the body, unpacked a megabyte at a time.

    Raises
    ------
    ImageError
        `corrupt`.
    """
    if unpack is None:
        yield chunk
        return
    try:
        while chunk:
            yield unpack.decompress(chunk, _LARGE)
            chunk = unpack.unconsumed_tail
    except zlib.error as error:
        raise ImageError("corrupt", str(error)) from error


def _last_piece(unpack) -> bytes:
    """What is left to unpack when the whole body has come.

    Raises
    ------
    ImageError
        `truncated`, or `corrupt`.
    """
    try:
        piece = unpack.flush()
    except zlib.error as error:
        raise ImageError("corrupt", str(error)) from error
    if not unpack.eof:
        raise ImageError("truncated", "the packed body breaks off")
    return piece
