"""How hard hosts are pulled and when they are given up, and the three sets of limits that the
course uses.
"""

from dataclasses import dataclass, replace


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
        Time-outs: to look up a host or open a connection, for any one wait on the server, and for
        one response with its body.
    retries, backoff, longest_wait : int, float, float
        Further attempts, the first pause before one (doubled each time), and the longest pause that
        is worth waiting for, be it a server's own Retry-After.
    give_up : int
        Failures in a row after which the rest of a host's images are left for the next run.
    bytes, pixels, redirects : int
        Caps on a body (as sent and unpacked), a picture and the hops of one request.
    decode, overtime : float
        Processor time that one picture may take to decode, and that all pictures of a host may take
        together beyond what their size explains (a quarter of a second each, and a second per
        megabyte).
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
    decode: float = 5.0
    overtime: float = 30.0


_THOROUGH = Limits()
PATIENCE = {
    "thorough": _THOROUGH,
    # Most hosts are out of reach, as on a machine without a network: don't wait long for any of
    # them.
    "brief": replace(_THOROUGH, connect=4.0, retries=0, give_up=5),
    # Somebody waits for the answer.
    "interactive": replace(
        _THOROUGH, connect=5.0, first_byte=10.0, whole=20.0, retries=1, give_up=3
    ),
}


def limits_for(patience: str) -> Limits:
    """The limits that a word for patience stands for.

    Raises
    ------
    ValueError
        If the word is none of `PATIENCE`.
    """
    if patience not in PATIENCE:
        raise ValueError(f"patience {patience!r} is none of {', '.join(PATIENCE)}")
    return PATIENCE[patience]
