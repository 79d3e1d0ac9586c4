"""One run over many hosts: what is asked for, what is known, and the takers that fetch the rest."""

import asyncio
from collections import defaultdict, deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pandas as pd
from tqdm import tqdm

from helpers.images.client import Fetcher
from helpers.images.decode import OUTPUT, SIZE, Picture
from helpers.images.hosts import Slots
from helpers.images.limits import Limits
from helpers.images.statuses import HAS_PICTURE, RETRIED, ImageError
from helpers.images.store import ImageStore, Ledger, digest
from helpers.images.url_guard import host_of, parse_url
from helpers.images.workers import Standardiser

_WRITERS = 8


@dataclass(frozen=True)
class Order:
    """How pictures are asked for; the same in every partition of a run.

    Attributes
    ----------
    limits : Limits
    resolve : dict of host → (address, port), optional
    size : int
        Side of the square in pixels.
    workers : int, optional
        Decoding processes; as many as cores unless told.
    refresh : bool
        Ask again, conditionally, for pictures that are there.
    """

    limits: Limits
    resolve: dict | None = None
    size: int = SIZE
    workers: int | None = None
    refresh: bool = False

    def requests(self, links: dict[str, list[str]]) -> dict[str, str]:
        """Two digests per product: of what makes its picture, and of the circumstances."""
        limits = self.limits
        circumstances = digest(sorted(self.resolve or {}), limits.bytes, limits.pixels)
        return {
            key: f"{digest(urls, self.size, OUTPUT)}-{circumstances}" for key, urls in links.items()
        }


def harvest(
    links: dict[str, list[str]], store: ImageStore, order: Order, ssl_context=None
) -> pd.DataFrame:
    """Fetch what `store` lacks of `links`; the rows of its index that were asked for.

    The caller holds the lock of the store's index.

    Parameters
    ----------
    links : dict of image_key → URLs
    store : ImageStore
    order : Order
    ssl_context : ssl.SSLContext, optional
    """
    limits = order.limits
    standardiser = Standardiser(
        order.workers, limits.decode, size=order.size, format=OUTPUT, max_pixels=limits.pixels
    )
    with standardiser as standardise:
        ledger = Ledger(store, order.requests(links), order.refresh)
        jobs = {key: urls for key, urls in links.items() if key not in ledger.settled}
        run = _Harvest(jobs, ledger, standardise, limits)
        try:
            if jobs:
                _run(run.run(order.resolve, ssl_context))
        finally:
            ledger.save()
        return ledger.result()


def _run(coroutine) -> None:
    """Run to the end in a thread, for in a notebook's kernel a loop is running already.

    Ctrl-C cancels.
    """
    inside: dict[str, Any] = {}

    async def main() -> None:
        inside["loop"] = asyncio.get_running_loop()
        inside["task"] = asyncio.current_task()
        await coroutine

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(asyncio.run, main())
        try:
            done.result()
        except KeyboardInterrupt:
            if "task" in inside:
                inside["loop"].call_soon_threadsafe(inside["task"].cancel)
            raise


class _Harvest:
    """One run over many hosts: one queue per host and a few takers per queue, so that a slow host
    holds up only itself.

    Parameters
    ----------
    jobs : dict of image_key → URLs
    ledger : Ledger
    standardise : Standardiser
    limits : Limits
    """

    def __init__(
        self, jobs: dict[str, list[str]], ledger: Ledger, standardise: Standardiser, limits: Limits
    ):
        self.jobs = jobs
        self.ledger = ledger
        self.standardise = standardise
        self.limits = limits
        self.queues: dict[str, deque[tuple[str, str]]] = defaultdict(deque)
        self.takers: dict[str, int] = defaultdict(int)
        self.failures: dict[str, list[tuple[ImageError, str, str]]] = defaultdict(list)
        self.fetched: dict[str, asyncio.Task[dict | ImageError]] = {}

    async def run(self, resolve: dict | None, ssl_context) -> None:
        """Settle every job."""
        self.fetcher = Fetcher(self.limits, resolve, ssl_context)
        self.decoding = Slots(self.standardise.workers, self.standardise.workers, reserve=0)
        self.decoders = ThreadPoolExecutor(self.standardise.workers)
        self.writers = ThreadPoolExecutor(_WRITERS)
        try:
            with tqdm(total=len(self.jobs), unit="image", disable=None) as self.progress:
                async with asyncio.TaskGroup() as self.group:
                    for key in self.jobs:
                        self.next_link(key)
        except BaseExceptionGroup as error:
            raise error.exceptions[0] from None  # a full disk, say; bad images never come this far
        except asyncio.CancelledError:
            self.standardise.kill()  # nobody waits for the pictures under way
            raise
        finally:
            await self.fetcher.close()
            self.decoders.shutdown()
            self.writers.shutdown()

    def next_link(self, key: str) -> None:
        """Queue a product's next URL at that URL's host, or settle the product if there is none
        left.
        """
        tried = self.failures[key]
        while len(tried) < len(self.jobs[key]):
            link = self.jobs[key][len(tried)]
            try:
                host = host_of(parse_url(link))
            except ImageError as error:
                tried.append((error, link, ""))
                continue
            self.queue(key, link, host)
            return
        self.settle_failed(key)

    def queue(self, key: str, link: str, host: str) -> None:
        """Queue a URL, and start another taker for its host if there may be one."""
        self.queues[host].append((key, link))
        if self.takers[host] < self.limits.per_host:
            self.takers[host] += 1
            self.group.create_task(self.take(host))

    async def take(self, host: str) -> None:
        """Fetch what is queued for a host, one after another."""
        while self.queues[host]:
            key, link = self.queues[host].popleft()
            try:
                row = await self.once(key, link, host)
            except ImageError as error:
                self.failures[key].append((error, link, host))
                self.next_link(key)
            else:
                self.settle(key, link, host, row)
        self.takers[host] -= 1
        if self.takers[host] == 0:
            await self.fetcher.rest(host)

    async def once(self, key: str, link: str, host: str) -> dict:
        """A URL that several products share is fetched once."""
        if link not in self.fetched:
            self.fetched[link] = asyncio.create_task(self.outcome(key, link, host))
        outcome = await self.fetched[link]
        if isinstance(outcome, ImageError):
            raise outcome
        return outcome

    async def outcome(self, key: str, link: str, host: str) -> dict | ImageError:
        """Row or failure of a URL, kept for the products that share it.

        The failure is a copy: the one that was raised leads, by its traceback, to the photograph's
        bytes.
        """
        try:
            return await self.load(key, link, host)
        except ImageError as error:
            return ImageError(error.status, error.detail)

    async def load(self, key: str, link: str, host: str) -> dict:
        """Fetch, standardise and store one picture; its columns of the index."""
        known = self.ledger.known.get(key, {})
        conditions = {}
        if self.may_be_unchanged(key, link):
            conditions = {"etag": known["etag"], "since": known["fetched"]}
        async with self.fetcher.get(link, **conditions) as body:
            if body.data is None:
                return known
            picture = await self.decode(body.data, host)
            row = await self.in_thread(self.writers, self.ledger.keep, picture)
            return {**row, "bytes": len(body.data), "etag": body.etag}

    def may_be_unchanged(self, key: str, link: str) -> bool:
        """Whether "nothing changed" is an answer we could use: the picture is here, from there, and
        as asked for.
        """
        known = self.ledger.known.get(key)
        if known is None or known["status"] not in HAS_PICTURE:
            return False
        return known["source_url"] == link and self.ledger.has_same_recipe(key)

    async def decode(self, data: bytes, name: str) -> Picture:
        """Standardise a photograph, in turns with other hosts' and on its own host's account."""
        host = self.fetcher.host(name)
        async with self.decoding.one(name):
            if host.is_over_budget:
                host.raise_if_closed()
            try:
                picture = await self.in_thread(self.decoders, self.standardise, data)
            except ImageError as error:
                host.decoded(error.seconds, len(data))
                raise
        host.decoded(picture.seconds, len(data))
        return picture

    @staticmethod
    async def in_thread(pool: ThreadPoolExecutor, function, argument):
        """Call a function in a pool's thread."""
        return await asyncio.get_running_loop().run_in_executor(pool, function, argument)

    def settle_failed(self, key: str) -> None:
        """No URL is left: of several failures the first that may pass counts, else the first."""
        tried = self.failures[key]
        passing = [failure for failure in tried if failure[0].status in RETRIED]
        known = self.ledger.known.get(key)
        if passing and known is not None and self.may_be_unchanged(key, known["source_url"]):
            self.settle(key, known["source_url"], known["host"], known)  # the refresh loses nothing
            return
        nothing = (ImageError("no_url", "the feed names no image"), "", "")
        error, link, host = (passing + tried + [nothing])[0]
        self.settle(key, link, host, {"status": error.status, "detail": error.detail})

    def settle(self, key: str, link: str, host: str, row: dict) -> None:
        """A product has its row."""
        self.ledger.add(key, {**row, "host": host, "source_url": link})
        self.failures.pop(key, None)
        self.progress.update()
