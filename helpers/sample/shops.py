"""The course's own two shops: drawn garments, feeds with the published schemas' flaws, photos over
real HTTP.
"""

import csv
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pandas as pd

from helpers.artefacts import whole, write_json, write_parquet
from helpers.sample.listings import FEEDS
from helpers.sample.photos import Drawing, draw_photo, end_with_parent, is_picture
from helpers.sample.stock import sample_products

HOSTS = {"asos": "images.asos.test", "myntra": "assets.myntra.test"}
FAULTS = {"gone": 8, "corrupt": 5, "page": 4, "private": 4, "slow": 12}  # photos of a thousand
PHOTO_SIZE = 256  # side in pixels
_HERE = Path(__file__).parent
_MADE_BY = ("shops.py", "photos.py", "stock.py", "listings.py")  # and the garments
_FEW = 64  # photos for which starting processes would take longer than drawing


@dataclass(frozen=True)
class Store:
    """A built store.

    Attributes
    ----------
    folder : Path
    feeds : dict of platform → Path
    truth : DataFrame
        One row per product with its attributes, its photo's fault and its place in the feed.
    """

    folder: Path
    feeds: dict[str, Path]
    truth: pd.DataFrame

    def attributes(self, catalog: pd.DataFrame) -> pd.DataFrame:
        """What the shopper simulator reads, from the store's own truth.

        Returns
        -------
        DataFrame
            image_key, category, colour, pattern, style, price_usd, gender; one row per product of
            the harvested catalogue.

        Raises
        ------
        ValueError
            If the catalogue holds a row that this store never sold.
        """
        places = ["platform", "source_row"]
        rows = catalog[["image_key", *places]].merge(self.truth, how="left", on=places)
        is_stranger = rows["colour"].isna()
        if is_stranger.any():
            stranger = rows.loc[is_stranger, "image_key"].iloc[0]
            raise ValueError(f"{stranger} is not of this store: harvest the store's own feeds")
        return rows[["image_key", "category", "colour", "pattern", "style", "price_usd", "gender"]]


def build_store(dest: str | Path, seed: int = 7, n_asos: int = 800, n_myntra: int = 400) -> Store:
    """Draw two shops: their feeds (asos.csv, myntra_men.csv), photos and truth.

    A store that is there whole, of the same settings and drawings, is taken as it is. store.json is
    written last of all, with the hash of every file: what is gone, cut or changed is made again.
    A store that was interrupted goes on where it was.

    Parameters
    ----------
    dest : path
        Folder of the store; what another setting left there is removed.
    seed : int
    n_asos, n_myntra : int
        Products that a harvest should accept; the feeds hold more rows than that.
    """
    dest = Path(dest)
    counts = {"asos": n_asos, "myntra": n_myntra}
    settings = {"seed": seed, **counts, "size": PHOTO_SIZE, "drawings": _drawings()}
    feeds = {}
    for platform, (name, _) in FEEDS.items():
        feeds[platform] = dest / name
    if _is_finished(dest, settings):
        return Store(dest, feeds, pd.read_parquet(dest / "truth.parquet"))
    if _read_json(dest / "plan.json") != settings:
        shutil.rmtree(dest, ignore_errors=True)
        write_json(settings, dest / "plan.json")
    parts = []
    for platform, path in feeds.items():
        parts.append(write_feed(platform, counts[platform], seed, path))
    truth = pd.concat(parts, ignore_index=True)
    _draw_all(truth, dest / "photos")
    write_parquet(truth, dest / "truth.parquet")
    finished = {"settings": settings, "sha256": _hashes(dest)}
    write_json(finished, dest / "store.json")
    return Store(dest, feeds, truth)


def _drawings() -> str:
    """Digest of what makes a store: the code and the templates."""
    made_by = [_HERE / name for name in _MADE_BY]
    for path in sorted((_HERE / "garments").iterdir()):
        if path.is_file():
            made_by.append(path)
    digest = hashlib.sha256()
    for path in made_by:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _hashes(dest: Path) -> dict[str, str]:
    """SHA-256 of every file of a store that a harvest reads, by its name under `dest`."""
    photos = (dest / "photos").glob("*")
    feeds = dest.glob("*.csv")
    found = {}
    for path in sorted([dest / "truth.parquet", *feeds, *photos]):
        if path.is_file():
            name = path.relative_to(dest).as_posix()
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def _is_finished(dest: Path, settings: dict[str, Any]) -> bool:
    """Whether a store of these settings is there, and all its files are as they were made.

    Files that aren't are taken away.
    """
    finished = _read_json(dest / "store.json")
    if not isinstance(finished, dict) or finished.get("settings") != settings:
        return False
    there = _hashes(dest)
    is_whole = True
    for name, digest in finished["sha256"].items():
        if there.get(name) != digest:
            (dest / name).unlink(missing_ok=True)
            is_whole = False
    return is_whole


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # none, or cut
        return None


def write_feed(platform: str, n: int, seed: int, path: Path) -> pd.DataFrame:
    """Write a platform's feed.

    Returns
    -------
    DataFrame
        `stock.sample_products` with `fault` (of the photo, mostly "") and `source_row`.
    """
    products = sample_products(platform, n, seed)
    rng = np.random.default_rng([seed, len(platform)])
    shares = [share / 1000 for share in FAULTS.values()]
    shares.append(1 - sum(shares))
    products["fault"] = rng.choice([*FAULTS, ""], n, p=shares)
    _, make_feed = FEEDS[platform]
    listing = make_feed(products, rng)
    products["source_row"] = listing.first
    with whole(path) as aside, aside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(listing.rows[0]))
        writer.writeheader()
        writer.writerows(listing.rows)
    return products


def _draw_all(truth: pd.DataFrame, folder: Path) -> None:
    """Draw the photos that aren't there whole, in as many processes as there are cores."""
    from tqdm import tqdm

    folder.mkdir(parents=True, exist_ok=True)
    drawings = []
    for product in truth.to_dict("records"):
        path = folder / f"{product['product_id']}.{product['format']}"
        if not path.exists() or not is_picture(path):
            drawings.append(Drawing(product, path, PHOTO_SIZE))
    if len(drawings) < _FEW:
        for drawing in drawings:
            draw_photo(drawing)
        return
    pool = ProcessPoolExecutor(os.cpu_count(), get_context("spawn"), initializer=end_with_parent)
    with pool, tqdm(total=len(drawings), disable=None) as bar:
        for _ in pool.map(draw_photo, drawings, chunksize=8):
            bar.update()


@contextmanager
def serve(store: Store) -> Iterator[dict[str, tuple[str, int]]]:
    """Serve the photos over HTTP on loopback while the block runs.

    Yields what `fetch_images` takes as `resolve`.

    Some photos are gone, cut short, slow, web pages, or forbidden by robots.txt: `FAULTS` says how
    many.
    """
    from helpers.sample.server import PhotoServer, handler

    server = PhotoServer(("127.0.0.1", 0), handler(store.folder / "photos", store.truth))
    Thread(target=server.serve_forever, daemon=True).start()
    address = ("127.0.0.1", server.server_port)
    try:
        yield dict.fromkeys(HOSTS.values(), address)
    finally:
        server.shutdown()
        server.server_close()
