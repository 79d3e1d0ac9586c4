"""What response headers say, read so that nothing a server can write raises."""

import email.utils
import re
from datetime import UTC, datetime

import httpx

from helpers.images.statuses import ImageError

_LONGEST_ETAG = 200
_NO_AI = ("noai", "noimageai")


def retry_after(value: str | None) -> float | None:
    """Seconds of quiet that a Retry-After header asks for, as seconds or as a date.

    None if it can't be read.

    RFC 9110, section 10.2.3.
    """
    text = (value or "").strip()
    if re.fullmatch(r"[0-9]+", text):
        return float(text[:9])
    try:
        when = email.utils.parsedate_to_datetime(text)
        if when.tzinfo is None:
            when = when.replace(tzinfo=UTC)
        return max(0.0, (when - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def entity_tag(value: str | None) -> str:
    """An ETag that can be sent back as it came (RFC 9110, section 8.8.3), else ""."""
    text = (value or "").strip()
    well_formed = re.fullmatch(r'(W/)?"[\x21\x23-\x7e]*"', text)
    if well_formed and len(text) <= _LONGEST_ETAG:
        return text
    return ""


def declared_length(head: httpx.Headers) -> int:
    """Content-Length, or 0 if there is none that can be read."""
    text = head.get("content-length", "").strip()
    if re.fullmatch(r"[0-9]+", text):
        return int(text[:20])
    return 0


def refuse_if_not_for_us(head: httpx.Headers, agent: str) -> None:
    """Heed `X-Robots-Tag: noai` and `noimageai`, for every robot or for ours.

    Raises
    ------
    ImageError
        `robots`.
    """
    for value in head.get_list("x-robots-tag", split_commas=True):
        name, _, rule = value.lower().rpartition(":")
        if rule.strip() in _NO_AI and name.strip() in ("", agent):
            raise ImageError("robots", f"X-Robots-Tag: {value}")
