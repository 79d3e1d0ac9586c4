"""From a folder or tar of photos to the same store of standardised pictures, with the same rows, as a fetch gives."""

import tarfile
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path, PurePosixPath

import pandas as pd
from tqdm import tqdm

from helpers.images.client import Limits
from helpers.images.decode import ImageError, Standardiser
from helpers.images.store import Ledger, Store, digest, locked

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif", ".bmp")


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

    Nothing is unpacked to disk: a tar's members are read in memory, links in a tar are left alone. Rows,
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
        raise ValueError(
            "product_id repeats in the catalogue: import one platform's photos at a time"
        )
    recipe = digest(archive.name, archive.stat().st_size if archive.is_file() else "", size, format)
    requests = dict.fromkeys(wanted.values(), f"{recipe}-{digest(limits.bytes, limits.pixels)}")
    with (
        locked(store),
        Standardiser(workers, size=size, format=format, max_pixels=limits.pixels) as standardise,
    ):
        ledger = Ledger(store, requests)
        missing = {stem: key for stem, key in wanted.items() if key not in ledger.settled}
        load = partial(_load_photo, ledger=ledger, standardise=standardise, cap=limits.bytes)
        try:
            with (
                ThreadPoolExecutor(standardise.workers + 1) as pool,
                tqdm(total=len(missing), disable=None) as bar,
            ):
                for stem, row in _ahead(pool, load, _photos(archive, set(missing), limits.bytes)):
                    ledger.add(missing.pop(stem), row)
                    bar.update()
            for key in missing.values():
                ledger.add(
                    key,
                    {"status": "not_found", "detail": f"no photo of that name in {archive.name}"},
                )
        finally:
            ledger.save()
        return ledger.result()


def _photos(archive: Path, stems: set[str], cap: int):
    """Yield (stem, name, bytes) of the first photo for each wanted stem; at most `cap` + 1 bytes of each."""
    if not stems:
        return
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
                yield (
                    path.stem,
                    f"{archive.name}/{member.name}",
                    tar.extractfile(member).read(cap + 1),
                )


def _load_photo(
    photo: tuple, ledger: Ledger, standardise: Standardiser, cap: int
) -> tuple[str, dict]:
    stem, name, data = photo
    row = {"source_url": name, "bytes": len(data)}
    try:
        if len(data) > cap:
            raise ImageError("too_large", f"more than {cap} bytes")
        row |= ledger.keep(standardise(data))
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
