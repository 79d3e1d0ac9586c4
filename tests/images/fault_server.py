"""A server on loopback that fails in every way a shop's image host can, and counts what it is
asked.
"""

import asyncio
import gzip
import io
import socket
import struct
import threading
import urllib.parse
import zlib
from collections import Counter
from functools import cache

import numpy as np
from PIL import Image


@cache
def photo(seed: int, format: str = "JPEG", size: tuple[int, int] = (60, 80), **options) -> bytes:
    """A small photograph-like picture; another for each seed."""
    blocks = np.random.default_rng(seed).integers(0, 255, (6, 5, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(blocks).resize(size, Image.Resampling.BICUBIC).save(out, format, **options)
    return out.getvalue()


@cache
def gzip_bomb(size: int = 30_000_000) -> bytes:
    """Thirty million bytes, packed; or fewer, as many as are let through."""
    return gzip.compress(bytes(size), 9)


@cache
def slow_jpeg(scans: int = 300) -> bytes:
    """A progressive JPEG of some kilobytes that says the same of its nine million pixels again and
    again.
    """
    out = io.BytesIO()
    Image.new("RGB", (3000, 3000), "gray").save(out, "JPEG", progressive=True)
    whole = out.getvalue()
    starts = [at for at in range(len(whole)) if whole[at : at + 2] == b"\xff\xda"]
    ends = [*starts[1:], len(whole) - 2]
    scan = min((whole[start:end] for start, end in zip(starts, ends, strict=True)), key=len)
    return whole[:-2] + scan * scans + whole[-2:]


def bomb() -> bytes:
    """A PNG of a few bytes that claims 60,000 × 60,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


def reply(code: int = 200, body: bytes = b"", **headers: str) -> bytes:
    """An HTTP/1.1 response; `_` in header names stands for `-`."""
    fields = {"Content-Length": str(len(body)), "Content-Type": "image/jpeg"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {code} X\r\n{lines}\r\n".encode() + body


class FaultServer:
    """Runs in a thread of its own while in a `with` block.

    `requests` counts paths, `headers` holds the last ones.
    """

    def __init__(
        self,
        robots: str = "",
        extra: dict[str, bytes] | None = None,
        robots_of: dict[str, bytes] | None = None,
    ):
        self.requests: Counter = Counter()
        self.when_asked = lambda path: None
        self.robots_of = robots_of or {}  # host → its whole answer to /robots.txt
        self.headers: dict[str, dict[str, str]] = {}
        whole = photo(1)
        self.fixed = {
            "/robots.txt": reply(200, robots.encode()) if robots else reply(404),
            "/good.jpg": reply(200, whole, ETag='"v1"'),
            "/again.jpg": reply(200, whole),
            "/good.avif": reply(200, photo(2, "AVIF")),
            "/good.webp": reply(200, photo(3, "WEBP")),
            "/wrong.jpg": reply(200, photo(4, "PNG")),
            "/404": reply(404, b"no such page"),
            "/403": reply(403),
            "/410": reply(410),
            "/418": reply(418),
            "/html": reply(200, b"<!doctype html><title>Just a moment</title>"),
            "/empty": reply(200),
            "/bomb": reply(200, bomb()),
            "/gzipbomb": reply(200, gzip_bomb(), Content_Encoding="gzip"),
            "/gzipped": reply(200, gzip.compress(photo(5)), Content_Encoding="gzip"),
            "/broken.jpg": reply(200, whole[: len(whole) // 2]),
            "/dot.png": reply(200, photo(1, "PNG", (1, 1))),
            "/huge": reply(200, b"", Content_Length="999999999999"),
            "/noai": reply(200, whole, X_Robots_Tag="noindex, noimageai"),
            "/secret/a.jpg": reply(200, whole),
            "/loop/a": reply(302, Location="/loop/b"),
            "/loop/b": reply(302, Location="/loop/a"),
            "/to-good": reply(301, Location="good.jpg"),
            "/to-private": reply(302, Location="http://10.0.0.1/a.jpg"),
            "/to-metadata": reply(302, Location="http://169.254.169.254/latest/meta-data/"),
            "/to-decimal": reply(302, Location="http://2130706433/a.jpg"),
            "/to-file": reply(302, Location="file:///etc/passwd"),
            "/busy": reply(429, Retry_After="3600"),
            "/500": reply(500),
            "/ü ñ.jpg": reply(200, photo(6)),
            **(extra or {}),
        }

    def __enter__(self):
        ready = threading.Event()

        async def serve() -> None:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
            self.port = server.sockets[0].getsockname()[1]
            ready.set()
            await self._stop.wait()
            server.close()

        self._thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
        self._thread.start()
        ready.wait()
        self.resolve = self.at("shop.test", "busy.test", *self.robots_of)
        return self

    def at(self, *hosts: str) -> dict[str, tuple[str, int]]:
        """What `fetch_images` takes as `resolve`, for hosts of these names."""
        return dict.fromkeys(hosts, ("127.0.0.1", self.port))

    def __exit__(self, *exc):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _connection(self, reader, writer) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode("latin-1").rstrip().split("\r\n")
                path = urllib.parse.unquote(first.split()[1])
                self.requests[path] += 1
                self.when_asked(path)
                self.headers[path] = {
                    k.lower(): v for k, v in (line.split(": ", 1) for line in lines)
                }
                if not await self._answer(path, writer):
                    break
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _answer(self, path: str, writer) -> bool:
        count, body = self.requests[path], photo(7)
        headers = self.headers[path]
        host = headers.get("host", "")
        path = path.partition("?")[0]
        if path == "/robots.txt" and host in self.robots_of:
            writer.write(self.robots_of[host])
        elif path == "/hang":
            await asyncio.sleep(60)
        elif path == "/hang-within":
            writer.write(reply(200, body)[:-100])
            await asyncio.sleep(60)
        elif path == "/drip":
            writer.write(reply(200, b"", Content_Length="100000"))
            while not writer.is_closing():
                writer.write(b"x")
                await asyncio.sleep(0.1)
        elif path == "/truncated":
            writer.write(reply(200, body)[:-100])
            return False
        elif path == "/endless":
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while not writer.is_closing():
                writer.write(b"10000\r\n" + bytes(65536) + b"\r\n")
                await writer.drain()
        elif path == "/reset":
            writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            return False
        elif path == "/500-then-good":
            writer.write(reply(500) if count == 1 else reply(200, photo(8)))
        elif path == "/busy-then-good":
            writer.write(reply(429, Retry_After="1") if count == 1 else reply(200, photo(9)))
        elif path == "/good.jpg" and headers.get("if-none-match") == '"v1"':
            writer.write(b'HTTP/1.1 304 Not Modified\r\nETag: "v1"\r\n\r\n')
        else:
            writer.write(self.fixed.get(path, reply(404)))
        await writer.drain()
        return True
