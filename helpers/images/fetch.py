"""From image addresses to a store of standardised pictures: many hosts at once, one status row per
image.
"""

import asyncio
from collections import defaultdict, deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from helpers.images.client import Fetcher
from helpers.images.decode import OUTPUT, SIZE, Picture
from helpers.images.hosts import Slots
from helpers.images.limits import Limits, limits_for
from helpers.images.statuses import HAS_PICTURE, RETRIED, ImageError
from helpers.images.store import ImageStore, Ledger, digest, locked
from helpers.images.url_guard import host_of, parse_url
from helpers.images.workers import Standardiser

MOST_LINKS = 20  # addresses tried for one product
_WRITERS = 8
_HASHES_AT_ONCE = 512


def fetch_images(
    catalog: pd.DataFrame,
    dest,
    *,
    resolve: dict | None = None,
    patience: str = "thorough",
    limits: Limits | None = None,
    size: int = SIZE,
    workers: int | None = None,
    refresh: bool = False,
    ssl_context=None,
    storage_options: dict | None = None,
) -> pd.DataFrame:
    """Fetch a picture for each product: the first of its `image_urls` that gives one.

    Standardised pictures go to `dest`/images, named by the hash of their content; the index
    `dest`/images.parquet is saved every few seconds. A run that was killed goes on where it was; a
    later run fetches only what could still succeed: what failed for a passing reason
    (`statuses.RETRIED`), what is new or changed, and what is missing or damaged.

    Parameters
    ----------
    catalog : DataFrame
        Columns image_key and image_urls (a list of URLs, may be empty or missing; the first 20 are
        tried).
    dest : path or URL
        The profile's folder, or `s3://bucket/prefix`, `gs://…`, `memory://…`.
    resolve : dict of host → (address, port), optional
        As curl's `--resolve`; also permits that host to be a private address. All else that isn't
        public is refused.
    patience : {"thorough", "brief", "interactive"}
        How long hosts are waited for and how often they are asked again; see `limits.PATIENCE`.
    limits : Limits, optional
        Concurrency, pace, time-outs, retries and caps one by one, instead of `patience`.
    size : int
        Side of the padded white square in pixels.
    workers : int, optional
        Decoding processes; as many as cores unless told.
    refresh : bool
        Ask again, conditionally, for pictures that are there.
    ssl_context : ssl.SSLContext, optional
        For hosts with a certificate authority of their own.
    storage_options : dict, optional
        For the file system of `dest`, as in pandas.

    Returns
    -------
    DataFrame
        One row per product in the order of image_key, columns `store.INDEX`. `status` is one of
        `statuses.STATUSES`; with "ok" or "duplicate" there is an `image_path`, relative to `dest`.
        No bad image or host raises.

    Raises
    ------
    RuntimeError
        If another run writes to `dest`.
    OSError
        If `dest` cannot be written to.
    """
    limits = limits or limits_for(patience)
    store = ImageStore(dest, storage_options)
    links = _links_by_key(catalog)
    circumstances = digest(sorted(resolve or {}), limits.bytes, limits.pixels)
    requests = {key: f"{digest(urls, size, OUTPUT)}-{circumstances}" for key, urls in links.items()}
    standardiser = Standardiser(
        workers, limits.decode, size=size, format=OUTPUT, max_pixels=limits.pixels
    )
    with locked(store), standardiser as standardise:
        ledger = Ledger(store, requests, refresh)
        jobs = {key: urls for key, urls in links.items() if key not in ledger.settled}
        harvest = _Harvest(jobs, ledger, standardise, limits)
        try:
            if jobs:
                _run(harvest.run(resolve, ssl_context))
        finally:
            ledger.save()
        return ledger.result()


def _links_by_key(catalog: pd.DataFrame) -> dict[str, list[str]]:
    """Each product's URLs, each once, in their order."""
    links = {}
    for key, urls in zip(catalog["image_key"], catalog["image_urls"], strict=True):
        if urls is None or isinstance(urls, float):
            urls = []
        elif isinstance(urls, str):
            urls = [urls]
        named = dict.fromkeys(str(url) for url in urls if url)
        links[key] = list(named)[:MOST_LINKS]
    return links


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


def near_duplicates(index: pd.DataFrame, distance: int = 4) -> pd.DataFrame:
    """Pairs of pictures that look the same, by the Hamming distance of their perceptual hashes.

    Parameters
    ----------
    index : DataFrame
        Rows of `fetch_images`; those without a picture are left out.
    distance : int
        Greatest number of differing bits, of 64; 0 finds re-encoded copies, above 10 different
        garments meet.

    Returns
    -------
    DataFrame
        image_key, near_key (the later one) and distance, sorted.
    """
    pictured = index[index["status"].isin(HAS_PICTURE)].sort_values("image_key", ignore_index=True)
    keys = pictured["image_key"]
    codes = np.array([int(code, 16) for code in pictured["phash"]], dtype=np.uint64)
    pairs = [np.empty((0, 3), dtype=np.int64)]
    for start in range(0, len(codes), _HASHES_AT_ONCE):
        some = codes[start : start + _HASHES_AT_ONCE]
        apart = np.bitwise_count(some[:, None] ^ codes[None, :])
        first, second = np.nonzero(apart <= distance)
        later = second > first + start
        first, second = first[later], second[later]
        pairs.append(np.column_stack([first + start, second, apart[first, second]]))
    found = np.concatenate(pairs)
    return pd.DataFrame(
        {
            "image_key": keys.take(found[:, 0]).array,
            "near_key": keys.take(found[:, 1]).array,
            "distance": found[:, 2].astype(int),
        }
    )
