"""Images that have slipped against the other columns, put back to the products they show."""

import bisect
from collections.abc import Iterable
from typing import NamedTuple

from helpers.feeds.rows import Row
from helpers.feeds.spec import Owner, matches

NOBODY = -1


class Mended(NamedTuple):
    """Addresses of each row, and how many of a row's own addresses went to nobody."""

    images: list[list[str]]
    unclaimed: list[int]


def to_owners(
    rows: list[Row | None],
    images: list[list[str]],
    owner: Owner,
) -> Mended:
    """Move each image to the row whose product it shows.

    An id inside the address decides. An address without one moves as its neighbors did, if the
    nearest ones on both sides (within an unbroken run of rows with images) agree; otherwise it is
    given to nobody.
    """
    slipped = _Slipped(rows, images, owner)
    mended: list[list[str]] = [[] for _ in rows]
    unclaimed = [0] * len(rows)
    for at, urls in enumerate(images):
        for url in urls:
            target = slipped.target(at, url)
            is_row = 0 <= target < len(rows) and rows[target] is not None
            if not is_row:
                unclaimed[at] += 1
            elif url not in mended[target]:
                mended[target].append(url)
    return Mended(mended, unclaimed)


class _Slipped:
    """Where images belong: by the ids in their addresses, or by their neighbors."""

    def __init__(
        self,
        rows: list[Row | None],
        images: list[list[str]],
        owner: Owner,
    ):
        self._owner = owner
        self._rows_of = _rows_of(rows, owner)
        shift: dict[int, int] = {}
        for at, urls in enumerate(images):
            places = [self._nearest(self._id(url), at) for url in urls]
            known = [place for place in places if place != NOBODY]
            if known:
                shift[at] = min(known) - at
        places_down = range(len(images))
        self._above = _carried(places_down, images, shift)
        self._below = _carried(reversed(places_down), images, shift)

    def target(self, at: int, url: str) -> int:
        """The row that an image of row `at` belongs to, or `NOBODY`."""
        product = self._id(url)
        if product:
            return self._nearest(product, at)
        above = self._above[at]
        below = self._below[at]
        steps = {step for step in (above, below) if step is not None}
        return at + steps.pop() if len(steps) == 1 else NOBODY

    def _id(self, url: str) -> str:
        return next(matches(self._owner.image, url), "")

    def _nearest(self, product: str, at: int) -> int:
        """The row of a product that is nearest to `at`; of two as near, the later."""
        places = self._rows_of.get(product)
        if not places:
            return NOBODY
        after = bisect.bisect_left(places, at)
        around = places[max(after - 1, 0) : after + 1]
        return min(around, key=lambda place: (abs(place - at), -place))


def _rows_of(
    rows: list[Row | None],
    owner: Owner,
) -> dict[str, list[int]]:
    """Rows of each product, ascending."""
    rows_of: dict[str, list[int]] = {}
    for position, row in enumerate(rows):
        product = owner.product.read(row) if row else ""
        if product:
            rows_of.setdefault(product, []).append(position)
    return rows_of


def _carried(
    places: Iterable[int], images: list[list[str]], shift: dict[int, int]
) -> list[int | None]:
    """For each row how far the images last met have slipped, within its unbroken run of images."""
    met: list[int | None] = [None] * len(images)
    last = None
    for place in places:
        met[place] = last
        if not images[place]:
            last = None
        elif place in shift:
            last = shift[place]
    return met
