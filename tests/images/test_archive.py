"""Archiving takes pictures out of the store only once the archive is read back.

Restoring trusts no member.
"""

import io
import shutil
import subprocess
import sys
import tarfile

import pandas as pd
import pytest
from fault_server import photo

from helpers.__main__ import main
from helpers.images.archive import archive_images, restore_images
from helpers.images.local import import_photos
from helpers.images.store import ImageStore


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two pictures in a store, one of them old, and the photos they were made of.

    Not to be changed.
    """
    made = tmp_path_factory.mktemp("made")
    folder, dest = made / "photos", made / "store"
    folder.mkdir()
    for key in "12":
        (folder / f"{key}.jpg").write_bytes(photo(int(key)))
    frame = pd.DataFrame({"image_key": ["p/1", "p/2"], "product_id": ["1", "2"]})
    import_photos(frame, folder, dest, workers=1)
    index = pd.read_parquet(dest / "images.parquet")
    index.loc[0, "fetched"] = pd.Timestamp("2020-01-01", tz="UTC")
    index.to_parquet(dest / "images.parquet", index=False)
    return made, frame


@pytest.fixture
def store(made, tmp_path):
    """A copy of it for one test: (dest, catalogue, folder of photos)."""
    shutil.copytree(made[0], tmp_path, dirs_exist_ok=True)
    return tmp_path / "store", made[1], tmp_path / "photos"


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
    assert (
        len(archive_images(store[0], tmp_path / "again.tar")) == 0
        and not (tmp_path / "again.tar").exists()
    )


def test_offloading_to_another_file_system(store):
    archive_images(store[0], "memory://offload/all.tar")
    assert not list((store[0] / "images").iterdir())
    assert len(restore_images(store[0], "memory://offload/all.tar")) == 2


def test_restoring_takes_only_what_its_name_says(store, tmp_path):
    dest = store[0]
    good = next((dest / "images").iterdir())
    data = good.read_bytes()
    with tarfile.open(tmp_path / "forged.tar", "w") as tar:
        for name, content in [
            ("../evil.webp", data),
            ("images/../../evil", data),
            (f"images/{good.name}", b"other"),
        ]:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    good.unlink()
    assert restore_images(dest, tmp_path / "forged.tar").empty
    assert not good.exists() and not list(tmp_path.rglob("evil*"))


class Stop(Exception):
    """Stands in for a kill."""


@pytest.mark.parametrize("where", ["write", "write_index", "remove"])
def test_a_stopped_archiving_goes_on_and_loses_nothing(store, tmp_path, monkeypatch, where):
    dest, tar = store[0], tmp_path / "all.tar"
    before = {path.name: path.read_bytes() for path in (dest / "images").iterdir()}

    def stop(*_):
        raise Stop

    with monkeypatch.context() as patch:
        if where == "write":  # while the tar is written
            patch.setattr(tarfile.TarFile, "addfile", stop)
        else:
            patch.setattr(ImageStore, where, stop)
        with pytest.raises(Stop):
            archive_images(dest, tar)
    assert {path.name: path.read_bytes() for path in (dest / "images").iterdir()} == before
    assert tar.exists() == (where != "write") and not list(tmp_path.glob("*.part"))
    assert len(archive_images(dest, tar)) == 2 and not list((dest / "images").iterdir())
    assert len(restore_images(dest, tar)) == 2
    assert {path.name: path.read_bytes() for path in (dest / "images").iterdir()} == before


def test_archiving_again_what_was_restored_packs_nothing_twice(store, tmp_path):
    archive_images(store[0], tmp_path / "all.tar")
    written = (tmp_path / "all.tar").stat().st_mtime_ns
    restore_images(store[0], tmp_path / "all.tar")
    assert len(archive_images(store[0], tmp_path / "all.tar")) == 2
    assert (tmp_path / "all.tar").stat().st_mtime_ns == written and not list(
        (store[0] / "images").iterdir()
    )


def test_a_damaged_archive_gives_back_what_is_whole(store, tmp_path):
    tar = tmp_path / "all.tar"
    archive_images(store[0], tar)
    second = sorted(tarfile.open(tar).getmembers(), key=lambda member: member.offset)[1]
    tar.write_bytes(tar.read_bytes()[: second.offset_data + 100])
    with pytest.raises(OSError, match=r"all\.tar is no tar, or is damaged"):
        restore_images(store[0], tar)
    assert len(list((store[0] / "images").iterdir())) == 1
    assert sorted(pd.read_parquet(store[0] / "images.parquet")["archived"]) == ["", "all.tar"]


def test_two_runs_never_write_one_folder(store, tmp_path):
    dest, frame, folder = store
    lock = str(dest / ".images.parquet.lock")
    hold = f"import filelock, sys; held = filelock.FileLock({lock!r}); held.acquire()"
    with subprocess.Popen(
        [sys.executable, "-c", f"{hold}; print('held', flush=True); sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        other.stdout.readline()
        for run in (
            lambda: archive_images(dest, tmp_path / "all.tar"),
            lambda: import_photos(frame, folder, dest, workers=1),
        ):
            with pytest.raises(RuntimeError, match=r"another run writes to .*: wait for its end"):
                run()
        other.kill()
    assert (
        len(archive_images(dest, tmp_path / "all.tar")) == 2
    )  # the system lets go of a killed run's lock


def test_the_command_packs_and_restores(store, tmp_path, capsys):
    dest, tar = str(store[0]), str(tmp_path / "old.tar")
    assert main(["archive", "pack", tar, "--store", dest, "--before", "2021-01-01"]) == 0
    assert "1 picture packed into" in capsys.readouterr().out
    assert main(["archive", "restore", tar, "--store", dest]) == 0
    assert "1 picture restored from" in capsys.readouterr().out
    for wrong, said in [
        (["pack", tar, "--store", dest, "--before", "yesterday-ish"], "yesterday-ish"),
        (["pack", tar + "2", "--store", dest, "--before", "2001-01-01"], "nothing to pack"),
        (["restore", str(tmp_path / "none.tar"), "--store", dest], "no such archive"),
        (["restore", __file__, "--store", dest], "is no tar, or is damaged"),
        (["pack", tar, "--store", str(tmp_path / "nowhere")], "holds no images.parquet"),
        (["pack", tar, "--profile", "nosuch"], "holds no images.parquet"),
    ]:
        assert main(["archive", *wrong]) == 1
        assert said in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()
