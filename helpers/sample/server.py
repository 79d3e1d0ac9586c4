"""The sample store's photo hosts: one HTTP server that answers as shops' image hosts do, faults
included.
"""

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pandas as pd

TYPES = {"avif": "image/avif", "webp": "image/webp", "jpg": "image/jpeg"}
ROBOTS = b"User-agent: *\nDisallow: /private/\nAllow: /\n"
PAGE = b"<!doctype html><title>We'll be right back</title>"
SLOW_SECONDS = 0.3  # a pause, not a failure


class PhotoServer(ThreadingHTTPServer):
    """A client may hang up when it likes.

    Anything else that goes wrong in a request is still printed.
    """

    daemon_threads = True
    request_queue_size = 128  # requests that wait to be accepted; one too many waits a second

    def handle_error(self, request, client_address):
        """Print the traceback, unless the client has gone."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def handler(folder: Path, truth: pd.DataFrame) -> type[BaseHTTPRequestHandler]:
    """Request handler for the photos in `folder`; `truth` has product_id, format and fault."""
    formats = dict(zip(truth["product_id"], truth["format"], strict=True))
    faults = dict(zip(truth["product_id"], truth["fault"], strict=True))

    class Photos(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self):
            if self.path == "/robots.txt":
                self.answer(200, "text/plain", ROBOTS)
                return
            found = re.search(r"/(\d{9,})[-/]", self.path)
            product = found[1] if found else ""
            fault = faults.get(product, "gone")
            if fault == "gone":
                self.answer(404, "text/plain", b"not found")
            elif fault == "page":
                self.answer(200, "text/html", PAGE)
            else:
                self.photo(product, fault)

        def photo(self, product: str, fault: str):
            if fault == "slow":
                time.sleep(SLOW_SECONDS)
            suffix = formats[product]
            data = (folder / f"{product}.{suffix}").read_bytes()
            if fault == "corrupt":
                data = data[: len(data) // 3]
            self.answer(200, TYPES[suffix], data)

        def answer(self, status: int, kind: str, body: bytes):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            """Keep quiet: the harvest's index holds every outcome."""

    return Photos


@contextmanager
def slow_host(folder: Path, truth: pd.DataFrame, pause: float = 0.0) -> Iterator[str]:
    """Serve photos on loopback while the block runs, as a host at some distance would.

    Parameters
    ----------
    folder : Path
        The photos.
    truth : DataFrame
        As for `handler`.
    pause : float
        Seconds that every photo waits before it is answered.

    Yields
    ------
    str
        The host's address, "127.0.0.1:PORT".
    """

    class Distant(handler(folder, truth)):  # type: ignore[misc]
        def photo(self, product: str, fault: str):
            time.sleep(pause)
            super().photo(product, fault)

    server = PhotoServer(("127.0.0.1", 0), Distant)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
