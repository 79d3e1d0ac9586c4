"""One host's pace and health, and how hosts share what there is only so much of."""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from helpers.images.limits import Limits
from helpers.images.statuses import RETRIED, HostClosed, ImageError

_QUICK_SECONDS = 1.0
_FAIR_SECONDS = 0.25
_FAIR_SECONDS_PER_BYTE = 1e-6


class Host:
    """Pace and health of one host.

    Attributes
    ----------
    gate : asyncio.Lock
        Held by the one request that waits for its turn.
    closed : tuple of str or None
        Status and reason for all that is still queued, once the host has been given up.
    is_over_budget : bool
        Whether its pictures took too long to decode: then those that came are not decoded, either.
    """

    def __init__(self, limits: Limits):
        self.gate = asyncio.Lock()
        self.closed: tuple[str, str] | None = None
        self.next_start = 0.0
        self._limits = limits
        self.is_over_budget = False
        self._failures = 0
        self._overtime = 0.0

    def raise_if_closed(self) -> None:
        """Raise `HostClosed` if the host has been given up."""
        if self.closed is not None:
            raise HostClosed(*self.closed)

    def is_due(self) -> bool:
        """Whether the host may be asked now."""
        return self.next_start <= asyncio.get_running_loop().time()

    async def due(self) -> None:
        """Wait until the host may be asked again."""
        loop = asyncio.get_running_loop()
        while not self.is_due():
            await asyncio.sleep(self.next_start - loop.time())

    def started(self, pace: float) -> None:
        """A request starts now; the next one may do so `pace` seconds later."""
        self.next_start = asyncio.get_running_loop().time() + pace

    def hold(self, seconds: float, status: str) -> None:
        """The server asked for a pause: keep it, or give the host up if it is too long."""
        if seconds > self._limits.longest_wait:
            self.closed = (status, f"the host asks for {seconds:.0f} s of quiet")
            return
        until = asyncio.get_running_loop().time() + seconds
        self.next_start = max(self.next_start, until)

    def answered(self) -> None:
        """A request came to a good end."""
        self._failures = 0

    def failed(self, error: ImageError) -> None:
        """Count failures of the host, not of a file.

        Enough of them in a row close it for this run.
        """
        if isinstance(error, HostClosed):
            return
        if error.status not in RETRIED:
            self._failures = 0
            return
        self._failures += 1
        if self._failures >= self._limits.give_up:
            reason = f"{self._failures} failures in a row, the rest is left for the next run"
            self.closed = (error.status, reason)

    def decoded(self, seconds: float, n_bytes: int) -> None:
        """Count the processor time that a picture took beyond what its size explains.

        Too much closes the host.
        """
        fair = _FAIR_SECONDS + _FAIR_SECONDS_PER_BYTE * n_bytes
        self._overtime += max(0.0, seconds - fair)
        if self._overtime > self._limits.overtime:
            reason = f"its pictures took {self._overtime:.0f} s more to decode than pictures do"
            self.closed = ("timeout", f"{reason}, the rest is left for the next run")
            self.is_over_budget = True


@dataclass
class _Share:
    """What one host has of the slots, and who of it waits."""

    held: int = 0
    seconds: float = 0.0  # for which slots have been held
    typical: float = math.inf  # seconds for which a slot is held, lately
    line: deque[asyncio.Future[None]] = field(default_factory=deque)


class Slots:
    """A number of slots that hosts share, so that slow hosts cannot take them all.

    A host's first slot is limited by the total alone. A host that holds some already gets another
    if `reserve` times as many as it holds stay free (the dynamic threshold of Choudhury and Hahne,
    1998), or if it has been giving them back within a second. A free slot goes to the waiting host
    that holds fewest and, of several, has used least.

    Parameters
    ----------
    total : int
    most : int
        Slots that one host may hold at once.
    reserve : float
        0 lets a lone host take all of them.
    """

    def __init__(self, total: int, most: int, reserve: float):
        self.free = total
        self._most = most
        self._reserve = reserve
        self._shares: dict[str, _Share] = {}
        self._waiting: dict[str, _Share] = {}

    @asynccontextmanager
    async def one(self, host: str) -> AsyncIterator[None]:
        """Hold a slot in a `with` block, after waiting for it."""
        await self._take(host)
        begin = asyncio.get_running_loop().time()
        try:
            yield
        finally:
            self._give_back(host, asyncio.get_running_loop().time() - begin)

    def held(self, host: str) -> int:
        """Slots that a host holds."""
        share = self._shares.get(host)
        return share.held if share else 0

    async def _take(self, host: str) -> None:
        share = self._shares.setdefault(host, _Share())
        if not share.line and self._admits(share):
            self._grant(share)
            return
        granted = asyncio.get_running_loop().create_future()
        share.line.append(granted)
        self._waiting[host] = share
        try:
            await granted
        except asyncio.CancelledError:
            if granted.cancelled():
                self._leave(host, granted)
            else:
                self._give_back(host, 0.0)
            raise

    def _admits(self, share: _Share) -> bool:
        if self.free < 1 or share.held >= self._most:
            return False
        is_quick = share.typical < _QUICK_SECONDS
        return share.held == 0 or is_quick or share.held * self._reserve < self.free

    def _grant(self, share: _Share) -> None:
        share.held += 1
        self.free -= 1

    def _give_back(self, host: str, seconds: float) -> None:
        share = self._shares[host]
        share.held -= 1
        share.seconds += seconds
        if math.isinf(share.typical):
            share.typical = seconds
        share.typical += 0.2 * (seconds - share.typical)
        self.free += 1
        self._serve()

    def _serve(self) -> None:
        """Give free slots to those in line, the host that has had least first."""
        while self.free > 0:
            admitted = [host for host, share in self._waiting.items() if self._admits(share)]
            if not admitted:
                return
            host = min(admitted, key=self._had)
            share = self._waiting[host]
            granted = share.line.popleft()
            if not share.line:
                del self._waiting[host]
            if not granted.done():
                self._grant(share)
                granted.set_result(None)

    def _had(self, host: str) -> tuple[int, float]:
        share = self._shares[host]
        return share.held, share.seconds

    def _leave(self, host: str, granted: asyncio.Future) -> None:
        share = self._shares[host]
        if granted in share.line:
            share.line.remove(granted)
        if not share.line:
            self._waiting.pop(host, None)
