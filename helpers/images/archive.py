"""Old pictures packed into one tar and taken out of the store; put back with every byte checked."""

import io
import tarfile
from contextlib import contextmanager
from pathlib import PurePosixPath

import fsspec
import pandas as pd

from helpers.images.decode import sha256
from helpers.images.statuses import HAS_PICTURE
from helpers.images.store import Store, locked, tidy


def archive_images(
    dest, archive, *, before=None, storage_options: dict | None = None
) -> pd.DataFrame:
    """Pack pictures into a tar, read it back, and only then remove them from the store.

    The index keeps their rows, with `archived` = the tar's name, so that no later fetch asks for them again. Called
    again after it was stopped, it goes on: what a whole tar holds already is not packed twice.

    Parameters
    ----------
    dest : path or URL
        As in `fetch_images`.
    archive : path or URL
        The tar to write, through fsspec: `s3://bucket/2026-spring.tar` offloads to a bucket.
    before : timestamp, optional
        Only pictures fetched before then; a picture that a later row needs too stays. All unless told.
    storage_options : dict, optional
        For the file system of both, as in pandas.

    Returns
    -------
    DataFrame
        The index's rows that are archived now.

    Raises
    ------
    FileExistsError
        If there is such an archive already, with none of these pictures: it may hold the only copy of others.
    FileNotFoundError
        If `dest` has no index of pictures.
    OSError
        If what was written reads back otherwise; the store is then as it was.
    """
    with _opened(dest, storage_options) as (store, index):
        present = store.names()
        fs, path = fsspec.core.url_to_fs(str(archive), **(storage_options or {}))
        here = index["status"].isin(HAS_PICTURE) & index["image_path"].isin(present)
        when = pd.Timestamp(before) if before is not None else pd.Timestamp.max.tz_localize("UTC")
        old = index["fetched"] < (when if when.tzinfo else when.tz_localize("UTC"))
        chosen = here & old & ~index["image_path"].isin(index.loc[here & ~old, "image_path"])
        if fs.exists(path):  # stopped between packing and removing: go on with what the tar holds
            chosen &= index["image_path"].isin({name for name, _ in _members(fs, path)})
            if not chosen.any():
                raise FileExistsError(
                    f"{archive} is there already; give the new archive another name"
                )
        names = sorted(set(index.loc[chosen, "image_path"]))
        if not names:
            return index[chosen]
        if not fs.exists(path):
            _pack(store, names, fs, path)
        index.loc[chosen, "archived"] = PurePosixPath(path).name
        store.write_index(index)
        for name in names:
            store.remove(name)
        return index[chosen].reset_index(drop=True)


def restore_images(dest, archive, *, storage_options: dict | None = None) -> pd.DataFrame:
    """Put an archive's pictures back into the store; the archive stays.

    Returns
    -------
    DataFrame
        The index's rows whose pictures came back. Members whose bytes don't match their name are left out.

    Raises
    ------
    FileNotFoundError
        If there is no such archive, or no index in `dest`.
    OSError
        If the tar is damaged; what came before the damage is back.
    """
    with _opened(dest, storage_options) as (store, index):
        fs, path = fsspec.core.url_to_fs(str(archive), **(storage_options or {}))
        if not fs.exists(path):
            raise FileNotFoundError(f"{archive}: no such archive")
        restored = set()
        try:
            for name, data in _members(fs, path):
                store.write(name, data)
                restored.add(name)
        finally:
            back = index["image_path"].isin(restored) & index["status"].isin(HAS_PICTURE)
            index.loc[back, "archived"] = ""
            store.write_index(tidy(index.to_dict("records")))
        return index[back].reset_index(drop=True)


@contextmanager
def _opened(dest, storage_options):
    """Yield the store and its index, while no other run writes to it."""
    store = Store(dest, storage_options)
    if not store.fs.exists(f"{store.root}/{store.index_name}"):
        raise FileNotFoundError(
            f"{dest} holds no {store.index_name}: no pictures were fetched there"
        )
    with locked(store):
        yield store, store.index()


def _pack(store: Store, names: list[str], fs, path: str) -> None:
    """Write a tar beside `path`, read it back, and only then give it its name."""
    aside = f"{path}.part"
    try:
        with fs.open(aside, "wb") as file, tarfile.open(fileobj=file, mode="w|") as tar:
            for name in names:
                data = store.read(name)
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
        if {name for name, _ in _members(fs, aside)} != set(names):
            raise OSError(f"{path} reads back incomplete; nothing was removed")
        fs.mv(aside, path)
    finally:
        if fs.exists(aside):
            fs.rm_file(aside)


def _members(fs, path: str):
    """Yield (name, bytes) of the members that are what their name says: images/<sha256 of the bytes>.<format>."""
    try:
        with fs.open(path, "rb") as file, tarfile.open(fileobj=file, mode="r|") as tar:
            for member in tar:
                folder, _, name = member.name.partition("/")
                if member.isreg() and folder == "images" and "/" not in name:
                    data = tar.extractfile(member).read()
                    if name.partition(".")[0] == sha256(data):
                        yield member.name, data
    except tarfile.TarError as error:
        raise OSError(f"{path} is no tar, or is damaged: {error}") from None
