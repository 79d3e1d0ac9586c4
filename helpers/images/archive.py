"""Old pictures packed into one tar and taken out of the store; put back with every byte checked."""

import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath

import fsspec
import pandas as pd

from helpers.images.statuses import HAS_PICTURE
from helpers.images.store import INDEX_NAME, ImageStore, is_whole, locked, tidy

_MOST_BYTES = 20_000_000  # of a member: a standardised picture has a few thousand


def archive_images(dest, archive, *, before=None) -> pd.DataFrame:
    """Pack pictures into a tar, read it back, and only then remove them from the store.

    The index keeps their rows, with `archived` = the tar's name, so that no later fetch asks for
    them again. Called again after it was stopped, it goes on: what a whole tar holds already is not
    packed twice.

    Parameters
    ----------
    dest : path or URL
        As in `fetch_images`.
    archive : path or URL
        The tar to write, through fsspec: `s3://bucket/2026-spring.tar` offloads to a bucket.
    before : timestamp, optional
        Only pictures fetched before then; a picture that a later row needs too stays. All unless
        told.

    Returns
    -------
    DataFrame
        The index's rows that are archived now.

    Raises
    ------
    FileExistsError
        If there is such an archive already, with none of these pictures: it may hold the only copy
        of others.
    FileNotFoundError
        If `dest` has no index of pictures.
    OSError
        If what was written reads back otherwise; the store is then as it was.
    """
    with _opened(dest) as (store, index):
        fs, path = fsspec.core.url_to_fs(str(archive))
        chosen = _older_than(index, store, before)
        is_there = fs.exists(path)
        if is_there:  # stopped between packing and removing: go on with what the tar holds
            packed = {name for name, _ in _members(fs, path)}
            chosen &= index["image_path"].isin(packed)
            if not chosen.any():
                raise FileExistsError(
                    f"{archive} is there already; give the new archive another name"
                )
        names = sorted(set(index.loc[chosen, "image_path"]))
        if not names:
            return index[chosen]
        if not is_there:
            _pack(store, names, fs, path)
        index.loc[chosen, "archived"] = PurePosixPath(path).name
        store.write_index(index)
        for name in names:
            store.remove(name)
        return index[chosen].reset_index(drop=True)


def _older_than(index: pd.DataFrame, store: ImageStore, before) -> pd.Series:
    """Which rows' pictures are in the store, whole, and older than a moment (None: all)."""
    pictured = index["status"].isin(HAS_PICTURE)
    there = store.whole_among(index.loc[pictured, "image_path"])
    here = pictured & index["image_path"].isin(there)
    if before is None:
        return here
    moment = pd.Timestamp(before)
    if moment.tzinfo is None:
        moment = moment.tz_localize("UTC")
    is_old = index["fetched"] < moment
    still_needed = index.loc[here & ~is_old, "image_path"]
    return here & is_old & ~index["image_path"].isin(still_needed)


def restore_images(dest, archive) -> pd.DataFrame:
    """Put an archive's pictures back into the store; the archive stays.

    Parameters
    ----------
    dest, archive
        As in `archive_images`.

    Returns
    -------
    DataFrame
        The index's rows whose pictures came back. Members that the index doesn't name, and members
        whose bytes don't match their name, are left out.

    Raises
    ------
    FileNotFoundError
        If there is no such archive, or no index in `dest`.
    OSError
        If the tar is damaged; what came before the damage is back.
    """
    with _opened(dest) as (store, index):
        fs, path = fsspec.core.url_to_fs(str(archive))
        if not fs.exists(path):
            raise FileNotFoundError(f"{archive}: no such archive")
        pictured = index["status"].isin(HAS_PICTURE)
        wanted = set(index.loc[pictured, "image_path"])
        restored = set()
        try:
            for name, data in _members(fs, path):
                if name in wanted:
                    store.write(name, data)
                    restored.add(name)
        finally:
            back = index["image_path"].isin(restored) & pictured
            index.loc[back, "archived"] = ""
            store.write_index(tidy(index.to_dict("records")))
        return index[back].reset_index(drop=True)


@contextmanager
def _opened(dest) -> Iterator[tuple[ImageStore, pd.DataFrame]]:
    """Yield the store and its index, while no other run writes to it."""
    store = ImageStore(dest)
    if not store.has_index():
        raise FileNotFoundError(f"{dest} holds no {INDEX_NAME}: no pictures were fetched there")
    with locked(store):
        yield store, store.index()


def _pack(store: ImageStore, names: list[str], fs, path: str) -> None:
    """Write a tar beside `path`, read it back, and only then give it its name."""
    aside = f"{path}.part"
    try:
        with fs.open(aside, "wb") as file, tarfile.open(fileobj=file, mode="w|") as tar:
            for name in names:
                data = store.read(name)
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
        packed = {name for name, _ in _members(fs, aside)}
        if packed != set(names):
            raise OSError(f"{path} reads back incomplete; nothing was removed")
        fs.mv(aside, path)
    finally:
        if fs.exists(aside):
            fs.rm_file(aside)


def _members(fs, path: str) -> Iterator[tuple[str, bytes]]:
    """Yield (name, bytes) of the members that are what their name says.

    That is images/<sha256 of the bytes>.<format>.
    """
    try:
        with fs.open(path, "rb") as file, tarfile.open(fileobj=file, mode="r|") as tar:
            for member in tar:
                if not _may_be_picture(member):
                    continue
                content = tar.extractfile(member)
                data = content.read() if content is not None else b""
                if is_whole(member.name, data):
                    yield member.name, data
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        raise OSError(f"{path} is no tar, or is damaged: {error}") from None


def _may_be_picture(member: tarfile.TarInfo) -> bool:
    """Whether a member is an ordinary file in images/, of a size that a picture has.

    A sparse member is of any size in a few bytes of tar; we never write one.
    """
    folder, _, name = member.name.partition("/")
    is_plain_file = member.isreg() and not member.issparse()
    return is_plain_file and folder == "images" and "/" not in name and member.size <= _MOST_BYTES
