"""Archiving takes pictures out of the store only once the archive is read back; restoring trusts no member."""

import io
import tarfile

import pandas as pd
import pytest
from fault_server import photo

from helpers.catalog.archive import archive_images, restore_images
from helpers.catalog.photos import import_photos


@pytest.fixture
def store(tmp_path):
    """Two pictures in a store, one of them old: (dest, catalogue, folder of photos)."""
    folder, dest = tmp_path / "photos", tmp_path / "store"
    folder.mkdir()
    for key in "12":
        (folder / f"{key}.jpg").write_bytes(photo(int(key)))
    frame = pd.DataFrame({"image_key": ["p/1", "p/2"], "product_id": ["1", "2"]})
    import_photos(frame, folder, dest, workers=1)
    index = pd.read_parquet(dest / "images.parquet")
    index.loc[0, "fetched"] = pd.Timestamp("2020-01-01", tz="UTC")
    index.to_parquet(dest / "images.parquet", index=False)
    return dest, frame, folder


def test_archive_and_restore(store, tmp_path):
    dest, frame, folder = store
    before = {path.name: path.read_bytes() for path in (dest / "images").iterdir()}
    rows = archive_images(dest, tmp_path / "old.tar", before="2021-01-01")
    assert list(rows["image_key"]) == ["p/1"] and list(rows["archived"]) == ["old.tar"]
    assert len(list((dest / "images").iterdir())) == 1
    kept = import_photos(frame, folder, dest, workers=1)  # an archived picture is not made again
    assert list(kept["archived"]) == ["old.tar", ""] and len(list((dest / "images").iterdir())) == 1
    assert list(restore_images(dest, tmp_path / "old.tar")["image_key"]) == ["p/1"]
    assert {path.name: path.read_bytes() for path in (dest / "images").iterdir()} == before
    assert (pd.read_parquet(dest / "images.parquet")["archived"] == "").all()


def test_an_archive_is_never_overwritten(store, tmp_path):
    archive_images(store[0], tmp_path / "all.tar")
    with pytest.raises(FileExistsError, match=r"all\.tar"):
        archive_images(store[0], tmp_path / "all.tar")
    assert len(archive_images(store[0], tmp_path / "again.tar")) == 0 and not (tmp_path / "again.tar").exists()


def test_offloading_to_another_file_system(store):
    archive_images(store[0], "memory://offload/all.tar")
    assert not list((store[0] / "images").iterdir())
    assert len(restore_images(store[0], "memory://offload/all.tar")) == 2


def test_restoring_takes_only_what_its_name_says(store, tmp_path):
    dest = store[0]
    good = next((dest / "images").iterdir())
    data = good.read_bytes()
    with tarfile.open(tmp_path / "forged.tar", "w") as tar:
        for name, content in [("../evil.webp", data), ("images/../../evil", data), (f"images/{good.name}", b"other")]:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    good.unlink()
    assert restore_images(dest, tmp_path / "forged.tar").empty
    assert not good.exists() and not list(tmp_path.rglob("evil*"))
