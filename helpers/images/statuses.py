"""How a picture of the catalogue fared: one status per product, each with its meaning."""

HAS_PICTURE = ("ok", "duplicate")
"""Statuses of rows that have a picture; `duplicate`: another product, earlier in the index, has the very same."""
RETRIED = (
    "rate_limited",
    "server_error",
    "timeout",
    "reset",
    "truncated",
    "dns_failure",
    "unreachable",
)
"""Statuses that may turn out better next time: retried within a run, and fetched again by the next run."""
FINAL = (
    *("no_url", "bad_url", "refused_scheme", "refused_address", "robots", "redirect_loop"),
    *("not_found", "gone", "forbidden", "http_error"),
    *("empty", "not_an_image", "corrupt", "undecodable", "too_large", "too_small"),
)
STATUSES = HAS_PICTURE + RETRIED + FINAL
