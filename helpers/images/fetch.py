"""From image addresses to a store of standardised pictures: many hosts at once, one status row an image."""

import asyncio
from collections import defaultdict, deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
from tqdm import tqdm

from helpers.images.client import Fetcher, Limits
from helpers.images.decode import ImageError, Standardiser
from helpers.images.statuses import HAS_PICTURE, RETRIED
from helpers.images.store import Ledger, Store, digest, locked
from helpers.images.url_guard import host_of, parse_url


def fetch_images(
    catalog: pd.DataFrame,
    dest,
    *,
    resolve: dict | None = None,
    allow=(),
    limits: Limits | None = None,
    size: int = 256,
    format: str = "WEBP",
    workers: int | None = None,
    refresh: bool = False,
    ssl_context=None,
    storage_options: dict | None = None,
    index: str = "images.parquet",
) -> pd.DataFrame:
    """Fetch a picture for each product: the first of its `image_urls` that gives one.

    Standardised pictures go to `dest`/images, named by the hash of their content; the index `dest`/images.parquet is
    saved every few seconds. A run that was killed goes on where it was; a later run fetches only what could still
    succeed: what failed for a passing reason (`safety.RETRIED`), what is new or changed, and what is missing.

    Parameters
    ----------
    catalog : DataFrame
        Columns image_key and image_urls (a list of URLs, may be empty or missing).
    dest : path or URL
        The profile's folder, or `s3://bucket/prefix`, `gs://…`, `memory://…`.
    resolve : dict of host → (address, port), optional
        As curl's `--resolve`; also permits that host to be a private address.
    allow : iterable of str
        Further hosts that may be private addresses. All else that isn't public is refused.
    limits : Limits, optional
        Concurrency, pace, time-outs, retries and caps.
    size, format : int, str
        Side of the padded white square in pixels; "WEBP", "PNG" or "JPEG".
    workers : int, optional
        Decoding processes; as many as cores unless told.
    refresh : bool
        Ask again, conditionally, for pictures that are there.
    ssl_context : ssl.SSLContext, optional
        For hosts with a certificate authority of their own.
    storage_options : dict, optional
        For the file system of `dest`, as in pandas.
    index : str
        The index's name in `dest`. An engine that maps this function over partitions gives each its own.

    Returns
    -------
    DataFrame
        A row a product in the order of image_key, columns `store.INDEX`. `status` is one of `safety.STATUSES`; with
        "ok" or "duplicate" there is an `image_path`, relative to `dest`. No bad image raises.
    """
    limits = limits or Limits()
    store = Store(dest, storage_options, index)
    links = {
        key: _links(urls)
        for key, urls in zip(catalog["image_key"], catalog["image_urls"], strict=True)
    }
    around = digest(sorted(allow), sorted(resolve or {}), limits.bytes, limits.pixels)
    requests = {key: f"{digest(urls, size, format)}-{around}" for key, urls in links.items()}
    with (
        locked(store),
        Standardiser(workers, size=size, format=format, max_pixels=limits.pixels) as standardise,
    ):
        ledger = Ledger(store, requests, refresh)
        jobs = {key: urls for key, urls in links.items() if key not in ledger.settled}
        try:
            if jobs:
                _run(_Harvest(jobs, ledger, standardise, limits).run(resolve, allow, ssl_context))
        finally:
            ledger.save()
        return ledger.result()


def _links(urls) -> list[str]:
    """A product's URLs, each once, in their order."""
    if urls is None or isinstance(urls, float):
        return []
    return list(
        dict.fromkeys(str(url) for url in ([urls] if isinstance(urls, str) else urls) if url)
    )


def _run(coroutine) -> None:
    """Run to the end in a thread, for in a notebook's kernel a loop is running already; Ctrl-C cancels."""
    inside = {}

    async def main() -> None:
        inside.update(loop=asyncio.get_running_loop(), task=asyncio.current_task())
        await coroutine

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(asyncio.run, main())
        try:
            done.result()
        except KeyboardInterrupt:
            inside["loop"].call_soon_threadsafe(inside["task"].cancel)
            raise


class _Harvest:
    """One run over many hosts: a queue a host, a few takers a queue, so that a slow host holds up only itself."""

    def __init__(
        self, jobs: dict[str, list[str]], ledger: Ledger, standardise: Standardiser, limits: Limits
    ):
        self.jobs, self.ledger, self.standardise, self.limits = jobs, ledger, standardise, limits
        self.queues: dict[str, deque] = defaultdict(deque)
        self.takers: dict[str, int] = defaultdict(int)
        self.failures: dict[str, list] = defaultdict(list)
        self.fetched: dict[str, asyncio.Task] = {}

    async def run(self, resolve, allow, ssl_context) -> None:
        self.fetcher = Fetcher(self.limits, resolve, allow, ssl_context)
        self.decoders = ThreadPoolExecutor(self.standardise.workers)
        self.writers = ThreadPoolExecutor(8)
        try:
            with tqdm(total=len(self.jobs), unit="image", disable=None) as self.progress:
                async with asyncio.TaskGroup() as self.group:
                    for key in self.jobs:
                        self.next_link(key)
        except BaseExceptionGroup as error:
            raise error.exceptions[0] from None  # a full disk, say; bad images never come this far
        finally:
            await self.fetcher.close()
            self.decoders.shutdown()
            self.writers.shutdown()

    def next_link(self, key: str) -> None:
        """Queue a product's next URL at that URL's host, or settle the product if there is none left."""
        tried = self.failures[key]
        while len(tried) < len(self.jobs[key]):
            link = self.jobs[key][len(tried)]
            try:
                host = host_of(parse_url(link))
            except ImageError as error:
                tried.append((error, link, ""))
                continue
            self.queues[host].append((key, link))
            if self.takers[host] < self.limits.per_host:
                self.takers[host] += 1
                self.group.create_task(self.take(host))
            return
        passing = [failure for failure in tried if failure[0].status in RETRIED]
        known = self.ledger.known.get(key, {})
        if passing and known.get("status") in HAS_PICTURE and known["source_url"] in self.jobs[key]:
            return self.settle(
                key, known["source_url"], known["host"], known
            )  # a refresh that failed loses nothing
        nothing = ImageError("no_url", "the feed names no image"), "", ""
        error, link, host = (passing or tried or [nothing])[0]
        self.settle(key, link, host, {"status": error.status, "detail": error.detail})

    async def take(self, host: str) -> None:
        while self.queues[host]:
            key, link = self.queues[host].popleft()
            try:
                self.settle(key, link, host, await self.once(key, link))
            except ImageError as error:
                self.failures[key].append((error, link, host))
                self.next_link(key)
        self.takers[host] -= 1
        if not self.takers[host]:
            await self.fetcher.rest(host)

    async def once(self, key: str, link: str) -> dict:
        """A URL that several products share is fetched once."""
        if link not in self.fetched:
            self.fetched[link] = asyncio.create_task(self.load(key, link))
        return await self.fetched[link]

    async def load(self, key: str, link: str) -> dict:
        loop, known = asyncio.get_running_loop(), self.ledger.known.get(key, {})
        unchanged = known.get("source_url") == link and known.get("status") in HAS_PICTURE
        conditions = {"etag": known["etag"], "since": known["fetched"]} if unchanged else {}
        async with self.fetcher.get(link, **conditions) as body:
            if body.data is None:
                return known
            picture = await loop.run_in_executor(self.decoders, self.standardise, body.data)
            row = await loop.run_in_executor(self.writers, self.ledger.keep, picture)
        return row | {"bytes": len(body.data), "etag": body.etag}

    def settle(self, key: str, link: str, host: str, row: dict) -> None:
        self.ledger.add(key, {**row, "host": host, "source_url": link})
        self.failures.pop(key, None)
        self.progress.update()


def near_duplicates(index: pd.DataFrame, distance: int = 4) -> pd.DataFrame:
    """Pairs of pictures that look the same, by the Hamming distance of their perceptual hashes.

    Parameters
    ----------
    index : DataFrame
        Rows of `fetch_images`; those without picture are left out.
    distance : int
        Greatest number of differing bits, of 64; 0 finds re-encoded copies, above 10 different garments meet.

    Returns
    -------
    DataFrame
        image_key, near_key (the later one) and distance, sorted.
    """
    pictured = index[index["status"].isin(HAS_PICTURE)].sort_values("image_key", ignore_index=True)
    codes = np.array([int(code, 16) for code in pictured["phash"]], dtype=np.uint64)
    pairs = []
    for start in range(0, len(codes), 512):
        apart = np.bitwise_count(codes[start : start + 512, None] ^ codes[None, :])
        first, second = np.nonzero(apart <= distance)
        later = second > first + start
        pairs.append(
            np.column_stack(
                [first[later] + start, second[later], apart[first[later], second[later]]]
            )
        )
    found = np.concatenate(pairs) if pairs else np.empty((0, 3), dtype=np.int64)
    keys = pictured["image_key"]
    frame = {"image_key": keys.take(found[:, 0]).array, "near_key": keys.take(found[:, 1]).array}
    return pd.DataFrame({**frame, "distance": found[:, 2].astype(int)})
