"""From image addresses, or a folder or tar of photos, to a store of standardised pictures: one status row an image."""

import asyncio
import tarfile
from collections import defaultdict, deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from tqdm import tqdm

from .fetching import Fetcher, Limits
from .pictures import ImageError, Picture, Standardiser
from .safety import HAS_PICTURE, RETRIED, host_of, parse_url
from .store import Ledger, Store, digest

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif", ".bmp")


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

    Returns
    -------
    DataFrame
        A row a product in the order of image_key, columns `store.INDEX`. `status` is one of `safety.STATUSES`; with
        "ok" or "duplicate" there is an `image_path`, relative to `dest`. No bad image raises.
    """
    limits = limits or Limits()
    store = Store(dest, storage_options)
    links = {key: _links(urls) for key, urls in zip(catalog["image_key"], catalog["image_urls"], strict=True)}
    around = digest(sorted(allow), sorted(resolve or {}), limits.bytes, limits.pixels)
    ledger = Ledger(store, {k: f"{digest(urls, size, format)}-{around}" for k, urls in links.items()}, refresh)
    jobs = {key: urls for key, urls in links.items() if key not in ledger.settled}
    with Standardiser(workers, size=size, format=format, max_pixels=limits.pixels) as standardise:
        harvest = _Harvest(jobs, ledger, standardise, limits)
        try:
            if jobs:
                _run(harvest.run(resolve, allow, ssl_context))
        finally:
            ledger.save()
    return ledger.result()


def _links(urls) -> list[str]:
    """A product's URLs, each once, in their order."""
    if urls is None or isinstance(urls, float):
        return []
    return list(dict.fromkeys(str(url) for url in ([urls] if isinstance(urls, str) else urls) if url))


def _run(coroutine) -> None:
    """Run to the end, also where a loop is running already, as in a notebook's kernel; Ctrl-C cancels."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
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

    def __init__(self, jobs: dict[str, list[str]], ledger: Ledger, standardise: Standardiser, limits: Limits):
        self.jobs, self.ledger, self.standardise, self.limits = jobs, ledger, standardise, limits
        self.queues: dict[str, deque] = defaultdict(deque)
        self.takers: dict[str, int] = defaultdict(int)
        self.failures: dict[str, list] = defaultdict(list)
        self.fetched: dict[str, asyncio.Task] = {}
        self.present = ledger.store.names()

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
                tried.append((error, link))
                continue
            self.queues[host].append((key, link))
            if self.takers[host] < self.limits.per_host:
                self.takers[host] += 1
                self.group.create_task(self.take(host))
            return
        passing = [failure for failure in tried if failure[0].status in RETRIED]
        error, link = (passing or tried or [(ImageError("no_url", "the feed names no image"), "")])[0]
        self.settle(key, link, {"status": error.status, "detail": error.detail})

    async def take(self, host: str) -> None:
        while self.queues[host]:
            key, link = self.queues[host].popleft()
            try:
                self.settle(key, link, await self.once(key, link))
            except ImageError as error:
                self.failures[key].append((error, link))
                self.next_link(key)
        self.takers[host] -= 1

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
            row = describe(picture, self.standardise.format) | {"bytes": len(body.data), "etag": body.etag}
            await loop.run_in_executor(
                self.writers, self.ledger.store.keep, row["image_path"], picture.data, self.present
            )
        return row

    def settle(self, key: str, link: str, row: dict) -> None:
        host = ""
        if link:
            try:
                host = host_of(parse_url(link))
            except ImageError:
                pass
        now = pd.Timestamp.now("UTC")
        self.ledger.add({**row, "image_key": key, "host": host, "source_url": link, "fetched": now})
        self.failures.pop(key, None)
        self.progress.update()


def describe(picture: Picture, format: str) -> dict:
    """The index's columns that a picture itself decides."""
    name = f"images/{picture.sha256}.{format.lower()}"
    size = {"width": picture.width, "height": picture.height}
    return {"status": "ok", "image_path": name, "sha256": picture.sha256, "phash": picture.phash, **size}


def import_photos(
    catalog: pd.DataFrame,
    archive,
    dest,
    *,
    limits: Limits | None = None,
    size: int = 256,
    format: str = "WEBP",
    workers: int | None = None,
    storage_options: dict | None = None,
) -> pd.DataFrame:
    """Standardise photos that are here already: a folder or a tar of images named by `product_id`.

    Nothing is unpacked to disk: a tar's members are read in memory, links in tars and folders are left alone. Rows,
    store and index are those of `fetch_images`; a product without photo is `not_found`.

    Parameters
    ----------
    catalog : DataFrame
        Columns image_key and product_id.
    archive : path
        Folder (searched with its subfolders), or tar, compressed or not.
    dest, limits, size, format, workers, storage_options
        As in `fetch_images`; of the limits, `bytes` and `pixels` count.

    Raises
    ------
    FileNotFoundError
        If there is no such folder or tar.
    """
    limits, archive, store = limits or Limits(), Path(archive), Store(dest, storage_options)
    if not archive.exists():
        raise FileNotFoundError(f"{archive}: no such folder or tar of photos")
    wanted = dict(zip(catalog["product_id"].astype(str), catalog["image_key"], strict=True))
    if len(wanted) < len(catalog):
        raise ValueError("product_id repeats in the catalogue: import one platform's photos at a time")
    recipe = digest(archive.name, archive.stat().st_size if archive.is_file() else "", size, format)
    ledger = Ledger(store, {key: f"{recipe}-{digest(limits.bytes, limits.pixels)}" for key in wanted.values()})
    missing = {stem: key for stem, key in wanted.items() if key not in ledger.settled}
    if not missing:
        return ledger.result()
    options = {"size": size, "format": format, "max_pixels": limits.pixels}
    with Standardiser(workers, **options) as standardise, ThreadPoolExecutor(standardise.workers + 1) as pool:
        load = partial(_load_photo, store=store, standardise=standardise, present=store.names(), cap=limits.bytes)
        try:
            with tqdm(total=len(missing), unit="image", disable=None) as progress:
                for stem, row in _ahead(pool, load, _photos(archive, set(missing), limits.bytes)):
                    ledger.add({**row, "image_key": missing.pop(stem), "fetched": pd.Timestamp.now("UTC")})
                    progress.update()
            for key in missing.values():
                detail = f"no photo of that name in {archive.name}"
                ledger.add(
                    {"image_key": key, "status": "not_found", "detail": detail, "fetched": pd.Timestamp.now("UTC")}
                )
        finally:
            ledger.save()
    return ledger.result()


def _photos(archive: Path, stems: set[str], cap: int):
    """Yield (stem, name, bytes) of the first photo for each wanted stem; at most `cap` + 1 bytes of each."""
    if archive.is_dir():
        for path in sorted(archive.rglob("*")):
            if path.suffix.lower() in _SUFFIXES and path.stem in stems and path.is_file():
                stems.discard(path.stem)
                with path.open("rb") as file:
                    yield path.stem, path.relative_to(archive).as_posix(), file.read(cap + 1)
        return
    with tarfile.open(archive) as tar:
        for member in tar:
            path = PurePosixPath(member.name)
            if path.suffix.lower() in _SUFFIXES and path.stem in stems and member.isreg():
                stems.discard(path.stem)
                yield path.stem, f"{archive.name}/{member.name}", tar.extractfile(member).read(cap + 1)


def _load_photo(photo: tuple, store: Store, standardise: Standardiser, present: set, cap: int) -> tuple[str, dict]:
    stem, name, data = photo
    row = {"source_url": name, "bytes": len(data)}
    try:
        if len(data) > cap:
            raise ImageError("too_large", f"more than {cap} bytes")
        picture = standardise(data)
        row |= describe(picture, standardise.format)
        store.keep(row["image_path"], picture.data, present)
    except ImageError as error:
        row |= {"status": error.status, "detail": error.detail}
    return stem, row


def _ahead(pool: ThreadPoolExecutor, function, items, window: int = 64):
    """Results in order, with at most `window` items in memory."""
    pending = deque()
    for item in items:
        pending.append(pool.submit(function, item))
        if len(pending) >= window:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


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
        pairs.append(np.column_stack([first[later] + start, second[later], apart[first[later], second[later]]]))
    found = np.concatenate(pairs) if pairs else np.empty((0, 3), dtype=np.int64)
    keys = pictured["image_key"]
    frame = {"image_key": keys.take(found[:, 0]).array, "near_key": keys.take(found[:, 1]).array}
    return pd.DataFrame({**frame, "distance": found[:, 2].astype(int)})
