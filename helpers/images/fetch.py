"""From image addresses to a store of standardised pictures: many hosts at once, one status row per
image.
"""

import numpy as np
import pandas as pd

from helpers.engine import LocalEngine, chosen
from helpers.images.decode import SIZE
from helpers.images.harvest import Order, harvest
from helpers.images.limits import Limits, limits_for
from helpers.images.partitions import collect_parts, fetch_parts
from helpers.images.statuses import HAS_PICTURE
from helpers.images.store import ImageStore, Ledger, locked

MOST_LINKS = 20  # addresses tried for one product
_HASHES_AT_ONCE = 512


def fetch_images(  # noqa: PLR0913  # a harvest's options, each with a default
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
    order = Order(limits or limits_for(patience), resolve, size, workers, refresh)
    store = ImageStore(dest, storage_options)
    links = _links_by_key(catalog)
    engine = chosen()
    with locked(store):
        collect_parts(store)  # of a run that was killed
        if isinstance(engine, LocalEngine):
            return harvest(links, store, order, ssl_context)
        if ssl_context is not None:
            raise ValueError("an ssl_context can't travel to other machines: use the local engine")
        fetch_parts(links, store, order, engine)
        return Ledger(store, order.requests(links)).result()


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
