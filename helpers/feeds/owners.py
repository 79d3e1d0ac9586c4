"""Images that have slipped against the other columns, put back to the products they show."""

import bisect

from helpers.feeds.rows import Row
from helpers.feeds.spec import Owner, matches


def to_owners(
    rows: list[Row | None], images: list[list[str]], owner: Owner
) -> tuple[list[list[str]], list[int]]:
    """Move each image to the row whose product it shows.

    An id inside the address decides. An address without one moves as its neighbors did, if the
    nearest ones on both sides (within an unbroken run of rows with images) agree; otherwise it is
    given to nobody.

    Returns
    -------
    mended : list of list of str
        Addresses of each row.
    unclaimed : list of int
        How many of a row's own addresses went to nobody.
    """
    rows_of = _rows_of(rows, owner)
    ids = [[next(matches(owner.image, url), "") for url in urls] for urls in images]
    near = [_nearest(names, rows_of, at) for at, names in enumerate(ids)]
    shift = {at: min(found.values()) - at for at, found in enumerate(near) if found}
    settled = _Neighbors(images, shift)
    mended: list[list[str]] = [[] for _ in rows]
    unclaimed = [0] * len(rows)
    for at, urls in enumerate(images):
        for url, name in zip(urls, ids[at], strict=True):
            target = near[at].get(name, -1) if name else settled.target(at)
            if not 0 <= target < len(rows) or rows[target] is None:
                unclaimed[at] += 1
            elif url not in mended[target]:
                mended[target].append(url)
    return mended, unclaimed


def _rows_of(rows: list[Row | None], owner: Owner) -> dict[str, list[int]]:
    """Rows of each product, ascending."""
    rows_of: dict[str, list[int]] = {}
    for position, row in enumerate(rows):
        product = owner.product.read(row) if row else ""
        if product:
            rows_of.setdefault(product, []).append(position)
    return rows_of


def _nearest(names: list[str], rows_of: dict[str, list[int]], at: int) -> dict[str, int]:
    """The row nearest to `at` of each product named; of two as near, the later."""
    found = {}
    for name in names:
        if name in rows_of:
            places = rows_of[name]
            after = bisect.bisect_left(places, at)
            around = places[max(after - 1, 0) : after + 1]
            found[name] = min(around, key=lambda place: (abs(place - at), -place))
    return found


class _Neighbors:
    """How far the nearest images of known owner have slipped, before and after each row."""

    def __init__(self, images: list[list[str]], shift: dict[int, int]):
        places = range(len(images))
        self._before = self._carried(places, images, shift)
        self._after = self._carried(reversed(places), images, shift)

    def target(self, at: int) -> int:
        """Where an image of row `at` belongs by its neighbors; -1 if they don't agree or aren't."""
        steps = {step for step in (self._before[at], self._after[at]) if step is not None}
        return at + steps.pop() if len(steps) == 1 else -1

    @staticmethod
    def _carried(places, images: list[list[str]], shift: dict[int, int]) -> list[int | None]:
        """For each row the shift last met, within its unbroken run of rows with images."""
        met: list[int | None] = [None] * len(images)
        last = None
        for place in places:
            met[place] = last
            if not images[place]:
                last = None
            elif place in shift:
                last = shift[place]
        return met
