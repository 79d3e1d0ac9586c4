"""A Content-Security-Policy for pages and decks: no network, and no script but the deck's own."""

import base64
import hashlib
import re

SCRIPT = re.compile(r"<script\b[^>]*>(.*?)</script>", re.DOTALL | re.IGNORECASE)
PAGE = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:"
"""For pages without any script."""


def with_policy(page: str) -> str:
    """The page of a deck with a policy in its head.

    Scripts that marp-cli wrote before the first or after the last slide may run, each named by its
    hash. Whatever else looks like a script came from data, and the browser refuses it.
    """
    hashes = " ".join(_hash(body) for body in _own_scripts(page))
    policy = PAGE
    if hashes:
        policy = f"{PAGE}; script-src {hashes}"
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    return re.sub(r"(<head[^>]*>)", lambda found: found.group(1) + meta, page, count=1)


def _own_scripts(page: str) -> list[str]:
    first = page.find("<section")
    last = page.rfind("</section>")
    if first < 0 or last < 0:
        return SCRIPT.findall(page)
    return SCRIPT.findall(page[:first]) + SCRIPT.findall(page[last:])


def _hash(body: str) -> str:
    digest = hashlib.sha256(body.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
