"""The sample store's photo hosts: one HTTP server that answers as shops' image hosts do, faults included."""

import re
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TYPES = {"avif": "image/avif", "webp": "image/webp", "jpg": "image/jpeg"}
ROBOTS = b"User-agent: *\nDisallow: /private/\nAllow: /\n"


class PhotoServer(ThreadingHTTPServer):
    """A client may hang up when it likes; anything else that goes wrong in a request is still printed."""

    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def handler(folder: Path, truth) -> type[BaseHTTPRequestHandler]:
    """Request handler for the photos in `folder`; `truth` has product_id, format and fault."""
    plan = {row.product_id: (row.format, row.fault) for row in truth.itertuples()}

    class Photos(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self):
            if self.path == "/robots.txt":
                return self.answer(200, "text/plain", ROBOTS)
            found = re.search(r"/(\d{9,})[-/]", self.path)
            form, fault = plan.get(found[1] if found else "", ("", "gone"))
            if fault == "gone":
                return self.answer(404, "text/plain", b"not found")
            if fault == "page":
                return self.answer(
                    200, "text/html", b"<!doctype html><title>We'll be right back</title>"
                )
            if fault == "slow":  # a pause, not a failure
                time.sleep(0.3)
            data = (folder / f"{found[1]}.{form}").read_bytes()
            self.answer(200, TYPES[form], data[: len(data) // 3] if fault == "corrupt" else data)

        def answer(self, status: int, kind: str, body: bytes):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            """Keep quiet: the harvest's index holds every outcome."""

    return Photos
