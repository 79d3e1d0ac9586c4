"""How a picture of the catalogue fared: one status per product, decided here and nowhere else.

The module imports nothing, so that a decoding worker can use it without the rest of the package.
"""

HAS_PICTURE = ("ok", "duplicate")
"""Statuses of rows that have a picture.

`duplicate`: an earlier row of the index has the very same picture.
"""

RETRIED = (
    "rate_limited",
    "server_error",
    "timeout",
    "reset",
    "truncated",
    "dns_failure",
    "unreachable",
)
"""Statuses that may turn out better next time: retried within a run and fetched again by the next
run.

They are also the ones that say something about the host and not about one file.
"""

FINAL = (
    "no_url",
    "bad_url",
    "refused_scheme",
    "refused_address",
    "robots",
    "redirect_loop",
    "not_found",
    "gone",
    "forbidden",
    "http_error",
    "empty",
    "not_an_image",
    "corrupt",
    "undecodable",
    "too_large",
    "too_small",
)
"""Statuses that stay as they are until the address, the limits or the picture's size change."""

STATUSES = HAS_PICTURE + RETRIED + FINAL

UNCLAIMED = "unclaimed"
"""Status of a product whose feed row held only pictures of which no product could be found."""

_OF_CODE = {
    204: "empty",
    401: "forbidden",
    403: "forbidden",
    404: "not_found",
    408: "timeout",
    410: "gone",
    425: "rate_limited",
    429: "rate_limited",
    451: "forbidden",
}
_LONGEST_DETAIL = 200


class ImageError(Exception):
    """Why one image failed.

    Parameters
    ----------
    status : str
        One of `STATUSES`.
    detail : str
        What happened, for people. A host may have written it: only printable characters are kept,
        200 at most.
    wait : float, optional
        Seconds of quiet that the server asked for.
    seconds : float
        Processor time that decoding had taken when it failed.
    """

    def __init__(
        self, status: str, detail: str = "", wait: float | None = None, seconds: float = 0.0
    ):
        self.status = status
        self.detail = printable(detail)
        self.wait = wait
        self.seconds = seconds
        super().__init__(f"{status}: {self.detail}")


class HostClosed(ImageError):
    """The image was not asked for: its host has been given up for this run."""


def printable(text: str) -> str:
    """At most 200 characters of a text, "?" for what a terminal or a table could stumble over."""
    beginning = text[:_LONGEST_DETAIL]
    return "".join(character if character.isprintable() else "?" for character in beginning)


def status_of_code(code: int) -> str:
    """Status of an image whose server answered with an HTTP code other than success."""
    if code in _OF_CODE:
        return _OF_CODE[code]
    if code >= 500:
        return "server_error"
    return "http_error"


def image_columns(catalog, index):
    """The catalogue's picture columns, from what the feed said and what the harvest found.

    Parameters
    ----------
    catalog : DataFrame
        Columns image_key and image_status, the latter as the feed left it: "pending", "no_url" or
        "unclaimed".
    index : DataFrame
        Rows of `fetch_images` or `import_photos`, at most one per image_key.

    Returns
    -------
    DataFrame
        image_path ("" without a picture) and image_status, one row per row of `catalog` and with
        its index. The harvest's status counts, except that "unclaimed" says more than the harvest's
        "no_url".
    """
    found = index.set_index("image_key")
    path = catalog["image_key"].map(found["image_path"]).fillna("")
    status = catalog["image_key"].map(found["status"])
    unclaimed = catalog["image_status"] == UNCLAIMED
    return path.to_frame("image_path").assign(image_status=status.mask(unclaimed, UNCLAIMED))
