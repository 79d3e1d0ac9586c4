"""import_photos: the same pictures from a tar and from a folder, and nothing unpacked."""

import io
import tarfile

import pandas as pd
import pytest
from fault_server import photo

from helpers.images.local import import_photos


@pytest.fixture
def photos(tmp_path):
    """A tar with good and bad members, and the same photos as a folder."""
    tar_path, folder = tmp_path / "photos.tar", tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    members = {
        "images/1.jpg": photo(1),
        "2.png": photo(2, "PNG"),
        "3.jpg": b"<html>",
        "../../4.jpg": photo(4),
    }
    with tarfile.open(tar_path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("5.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    for name, data in members.items():
        (folder / "deep" / name.split("/")[-1]).write_bytes(data)
    return tar_path, folder


def test_photos_from_a_tar_and_from_a_folder(photos, tmp_path, one_worker):
    keys = ["1", "2", "3", "4", "5"]
    frame = pd.DataFrame({"image_key": [f"p/{key}" for key in keys], "product_id": keys})
    tables = [
        import_photos(frame, source, tmp_path / source.suffix, workers=1) for source in photos
    ]
    for table in tables:
        assert list(table["status"]) == ["ok", "ok", "not_an_image", "ok", "not_found"]
    assert tables[0]["sha256"].equals(tables[1]["sha256"])
    before = sorted(path for path in tmp_path.parent.rglob("4.jpg"))
    assert before == [photos[1] / "deep" / "4.jpg"]  # nothing was unpacked, and nothing outside
    assert (
        import_photos(frame, photos[0], tmp_path / ".tar", workers=1)
        .drop(columns="fetched")
        .iloc[:4]
        .equals(tables[0].drop(columns="fetched").iloc[:4])
    )


def test_photos_say_what_is_missing(tmp_path):
    frame = pd.DataFrame({"image_key": ["p/1", "q/1"], "product_id": ["1", "1"]})
    with pytest.raises(FileNotFoundError, match=r"none\.tar"):
        import_photos(frame, tmp_path / "none.tar", tmp_path)
    with pytest.raises(ValueError, match="one platform"):
        import_photos(frame, tmp_path, tmp_path)


@pytest.mark.parametrize("kind", ["tar", "folder"])
def test_a_changed_photo_is_imported_anew_and_the_others_are_kept(tmp_path, one_worker, kind):
    frame = pd.DataFrame({"image_key": ["p/1", "p/2"], "product_id": ["1", "2"]})
    folder = tmp_path / "photos"
    folder.mkdir()

    def put(name, data):
        (folder / name).write_bytes(data)
        if kind == "folder":
            return folder
        with tarfile.open(tmp_path / "photos.tar", "w") as tar:
            tar.add(folder, arcname=".")
        return tmp_path / "photos.tar"

    put("1.jpg", photo(1))
    source = put("2.jpg", photo(2))
    first = import_photos(frame, source, tmp_path / "store", workers=1)
    again = import_photos(frame, source, tmp_path / "store", workers=1)
    assert again["fetched"].equals(first["fetched"])
    changed = photo(3)
    assert import_photos(frame, put("2.jpg", changed), tmp_path / "store", workers=1)["sha256"].ne(
        first["sha256"]
    ).tolist() == [False, True]
