"""Which paths a host's robots.txt allows us to fetch, read by protego within limits."""

import re

from protego import Protego

from helpers.images.statuses import ImageError

AGENT = "cold-start-course"
MOST_BYTES = 512_000  # RFC 9309 asks for 500 KiB at least; what comes after is not read
MOST_RULES = (
    20_000  # lines and wildcards; a larger file costs megabytes and milliseconds for each path
)
LONGEST_DELAY = 30.0
_AGENT_LINE = re.compile(r"\s*user(?:-?|\s+)agent(?:\s*:|\s)([^#]*)", re.IGNORECASE)


class RobotRules:
    """A robots.txt by RFC 9309.

    Protego holds a copy of a group's rules for each robot that the group names: a file of a few
    hundred kilobytes can grow to gigabytes. Robots that aren't us are therefore given one common
    name before it reads the file.

    Parameters
    ----------
    data : bytes
        The file as it came.

    Attributes
    ----------
    delay : float
        Seconds to leave between two requests, at most 30.
    is_long : bool
        Whether asking about a path takes so long that it should not hold up an event loop.

    Raises
    ------
    ImageError
        `robots`, if the file has more rules than are read: what it forbids is then unknown.
    """

    def __init__(self, data: bytes):
        text = data[:MOST_BYTES].decode("utf-8-sig", "replace")
        lines = text.splitlines()
        if len(lines) + text.count("*") > MOST_RULES:
            raise ImageError("robots", f"robots.txt has more than {MOST_RULES} rules")
        self.is_long = len(lines) > 1000
        self._rules = Protego.parse("\n".join(_without_other_names(line) for line in lines))
        self.delay = min(self._rules.crawl_delay(AGENT) or 0.0, LONGEST_DELAY)

    def allows(self, path: str) -> bool:
        """Whether `path`, with its query, may be fetched."""
        try:
            return self._rules.can_fetch(f"https://host{path}", AGENT)
        except ValueError:
            return False


def _without_other_names(line: str) -> str:
    """The line; if it names a robot, then as one of three: all, us, and somebody else."""
    found = _AGENT_LINE.match(line)
    if not found:
        return line
    name = found[1].strip().lower()
    if name == "*":
        return "User-agent: *"
    if name.replace("*", "") == AGENT:
        return f"User-agent: {AGENT}"
    return "User-agent: somebody-else"
