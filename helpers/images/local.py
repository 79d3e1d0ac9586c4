"""From a folder or tar of photos to the same store of standardised pictures, with the same rows, as
a fetch gives.
"""

import hashlib
import tarfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import pandas as pd
from tqdm import tqdm

from helpers.artefacts import rests_on
from helpers.images.decode import OUTPUT, SIZE
from helpers.images.limits import Limits
from helpers.images.statuses import ImageError
from helpers.images.store import ImageStore, Ledger, digest, locked
from helpers.images.workers import Standardiser

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif", ".bmp")
_AHEAD = 64  # photos in memory at once


@dataclass(frozen=True)
class _Photo:
    """The bytes of one photo file, for the product whose `product_id` is its stem."""

    stem: str
    name: str
    data: bytes


def import_photos(
    catalog: pd.DataFrame,
    archive,
    dest,
    *,
    limits: Limits | None = None,
    size: int = SIZE,
    workers: int | None = None,
) -> pd.DataFrame:
    """Standardise photos that are here already: a folder or a tar of images named by `product_id`.

    Nothing is unpacked to disk: a tar's members are read in memory, links in a tar are left alone.
    Rows, store and index are those of `fetch_images`; a product without photo is `not_found`.

    Parameters
    ----------
    catalog : DataFrame
        Columns image_key and product_id.
    archive : path
        Folder (searched with its subfolders), or tar, compressed or not.
    dest, limits, size, workers
        As in `fetch_images`; of the limits, `bytes`, `pixels` and `decode` count.

    Returns
    -------
    DataFrame
        One row per product, as from `fetch_images`.

    Raises
    ------
    FileNotFoundError
        If there is no such folder or tar.
    ValueError
        If a `product_id` occurs twice.
    OSError
        If the tar is damaged; the photos before the damage are in the store.
    """
    limits = limits or Limits()
    archive = Path(archive)
    store = ImageStore(dest)
    if not archive.exists():
        raise FileNotFoundError(f"{archive}: no such folder or tar of photos")
    wanted = dict(zip(catalog["product_id"].astype(str), catalog["image_key"], strict=True))
    if len(wanted) < len(catalog):
        raise ValueError(
            "product_id repeats in the catalogue: import one platform's photos at a time"
        )
    marks = _marks(archive, set(wanted))
    circumstances = digest(limits.bytes, limits.pixels)
    requests = {}
    for stem, key in wanted.items():
        recipe = digest(archive.name, marks.get(stem, ""), size, OUTPUT)
        requests[key] = f"{recipe}-{circumstances}"
    standardiser = Standardiser(
        workers, limits.decode, size=size, format=OUTPUT, max_pixels=limits.pixels
    )
    with locked(store), standardiser as standardise:
        ledger = Ledger(store, requests)
        missing = {stem: key for stem, key in wanted.items() if key not in ledger.settled}
        load = partial(_load, ledger=ledger, standardise=standardise, most_bytes=limits.bytes)
        photos = _photos(archive, set(missing), limits.bytes)
        try:
            with (
                ThreadPoolExecutor(standardise.workers + 1) as pool,
                tqdm(total=len(missing), disable=None) as bar,
            ):
                for stem, row in _in_order(pool, load, photos):
                    ledger.add(missing.pop(stem), row)
                    bar.update()
            reason = f"no photo of that name in {archive.name}"
            for key in missing.values():
                ledger.add(key, {"status": "not_found", "detail": reason})
        finally:
            ledger.save()
        return ledger.result()


def _marks(archive: Path, stems: set[str]) -> dict[str, str]:
    """For each wanted stem, a text that changes when its photo may have: what is here is kept."""
    if archive.is_file():
        with archive.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        return dict.fromkeys(stems, content)
    marks = {}
    for path in sorted(archive.rglob("*")):
        if path.stem in stems and path.stem not in marks and path.suffix.lower() in _SUFFIXES:
            state = path.stat()
            marks[path.stem] = f"{state.st_size} {state.st_mtime_ns}"
            rests_on(path)
    return marks


def _photos(archive: Path, stems: set[str], most_bytes: int) -> Iterator[_Photo]:
    """The first photo for each wanted stem; at most `most_bytes` + 1 bytes of each."""
    if not stems:
        return
    found = _in_folder(archive) if archive.is_dir() else _in_tar(archive)
    for path, name, read in found:
        if path.suffix.lower() in _SUFFIXES and path.stem in stems:
            stems.discard(path.stem)
            yield _Photo(path.stem, name, read(most_bytes + 1))


_Found = tuple[PurePosixPath, str, Callable[[int], bytes]]


def _in_folder(folder: Path) -> Iterator[_Found]:
    """Path, name and a way to read the beginning of each file of a folder."""

    def read(path: Path, most: int) -> bytes:
        with path.open("rb") as file:
            return file.read(most)

    for path in sorted(folder.rglob("*")):
        if path.is_file():
            inside = PurePosixPath(path.relative_to(folder).as_posix())
            yield inside, str(inside), partial(read, path)


def _in_tar(archive: Path) -> Iterator[_Found]:
    """Path, name and a way to read the beginning of each regular member of a tar."""

    def read(tar: tarfile.TarFile, member: tarfile.TarInfo, most: int) -> bytes:
        file = tar.extractfile(member)
        return file.read(most) if file is not None else b""

    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.isreg():
                    name = f"{archive.name}/{member.name}"
                    yield PurePosixPath(member.name), name, partial(read, tar, member)
    except (tarfile.TarError, EOFError) as error:
        raise OSError(f"{archive} is no tar, or is damaged: {error}") from error


def _load(
    photo: _Photo, ledger: Ledger, standardise: Standardiser, most_bytes: int
) -> tuple[str, dict]:
    """A photo's stem and its row of the index."""
    row = {"source_url": photo.name, "bytes": len(photo.data)}
    try:
        if len(photo.data) > most_bytes:
            raise ImageError("too_large", f"more than {most_bytes} bytes")
        row |= ledger.keep(standardise(photo.data))
    except ImageError as error:
        row |= {"status": error.status, "detail": error.detail}
    return photo.stem, row


def _in_order(
    pool: ThreadPoolExecutor,
    load: Callable[[_Photo], tuple[str, dict]],
    photos: Iterable[_Photo],
) -> Iterator[tuple[str, dict]]:
    """Results in the photos' order, with a limited number of photos in memory."""
    pending: deque[Future[tuple[str, dict]]] = deque()
    for photo in photos:
        pending.append(pool.submit(load, photo))
        if len(pending) >= _AHEAD:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()
