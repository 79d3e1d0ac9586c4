"""What a process reads and writes is written down, whichever library opens the file."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from helpers import recording
from helpers.artefacts import DamagedArtefact, data_dir, is_whole, require, write_json
from helpers.locks import ProfileBusy, held
from helpers.recording import KEPT, LISTED, READ, SOUGHT, WRITTEN, Event, read_events

SCRIPT = """
import glob, os
import numpy as np, pandas as pd
from multiprocessing import get_context
from pathlib import Path
from helpers.artefacts import newest_file, rests_on, whole
from helpers.sample import sources
import safetensors.numpy

def main():
    open("table.csv").read()
    pd.read_parquet("table.parquet")
    safetensors.numpy.load_file("arrays.safetensors")
    list(Path("folder").iterdir())
    open(newest_file("exports/orders_*.csv")).read()
    rests_on(Path("photo.jpg"))
    inside = os.open("folder", os.O_RDONLY)
    os.close(os.open("inner.txt", os.O_RDONLY, dir_fd=inside))
    with whole("result.txt") as aside:
        aside.write_text("1")
    try:
        open("nothing.txt")
    except FileNotFoundError:
        pass
    try:
        open(b"\\xff\\xfe", 17)
    except Exception:
        pass
    with get_context("spawn").Pool(1) as pool:
        pool.map(read, ["worker.txt"])

def read(name):
    return Path(name).read_text()

if __name__ == "__main__":
    main()
"""


@pytest.fixture(scope="module")
def events(tmp_path_factory) -> list[tuple[str, str]]:
    """Kind and name of what a script in a folder of its own did."""
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "folder").mkdir()
    (folder / "exports").mkdir()
    (folder / "exports" / "orders_1.csv").write_text("a")
    for name in ("table.csv", "worker.txt", "photo.jpg", "folder/inner.txt"):
        (folder / name).write_text("a")
    pd.DataFrame({"a": [1]}).to_parquet(folder / "table.parquet")
    save_file({"a": np.zeros(2)}, folder / "arrays.safetensors")
    (folder / "script.py").write_text(SCRIPT)
    environment = os.environ | {recording.VARIABLE: str(folder / "record.jsonl")}
    subprocess.run([sys.executable, "script.py"], cwd=folder, env=environment, check=True)
    found = read_events(folder / "record.jsonl")
    return [(event.kind, event.path.removeprefix(f"{folder}/")) for event in found]


@pytest.mark.parametrize(
    "event",
    [
        (READ, "table.csv"),
        (READ, "table.parquet"),
        (READ, "arrays.safetensors"),
        (READ, "photo.jpg"),
        (READ, "nothing.txt"),
        (READ, "worker.txt"),
        (LISTED, "folder"),
        (SOUGHT, "exports/orders_*.csv"),
        (READ, "exports/orders_1.csv"),
        (WRITTEN, "result.txt"),
        (READ, str(Path(recording.__file__))),  # imported before the recording began
        (READ, str(Path(recording.__file__).parent / "sample" / "sources.py")),  # compiled or not
    ],
)
def test_it_is_written_down_once(events, event):
    assert events.count(event) >= 1
    if event != (READ, "worker.txt"):
        assert len([one for one in events if one == event]) <= 2  # the worker imports code too


def test_nothing_else_is(events):
    read = {path for kind, path in events if kind == READ}
    assert not [path for path in read if "site-packages" in path or path.startswith("/usr")]
    assert not [path for path in read if "__pycache__" in path]
    assert (LISTED, "exports") not in events  # of which one pattern's newest file counts
    assert "inner.txt" not in read  # a name in a folder that only its number tells


@pytest.mark.parametrize(
    "event, arguments",
    [("open", ("a",)), ("open", (None, None, None)), ("os.listdir", ()), ("os.rename", (1, object()))],  # noqa: E501
)  # fmt: skip
def test_odd_arguments_never_raise(tmp_path, event, arguments):
    file = os.open(tmp_path / "record", os.O_WRONLY | os.O_CREAT)
    recording.Recorder(file)(event, arguments)
    os.close(file)


def test_a_line_that_was_cut_is_left_out(tmp_path):
    record = tmp_path / "record.jsonl"
    events = [Event(KEPT, "/a"), Event(READ, "/ü", 3, 4)]
    record.write_text("".join(event.line() for event in events) + '["read", "/c')
    assert read_events(record) == events
    assert read_events(tmp_path / "none") == []


@pytest.mark.parametrize("name", ["table.parquet", "arrays.safetensors", "result.json"])
def test_a_cut_file_is_told_by_its_own_format(course_dirs, name):
    path = data_dir("toy") / name
    path.parent.mkdir(parents=True)
    pd.DataFrame({"a": range(100)}).to_parquet(data_dir("toy") / "table.parquet")
    save_file({"a": np.zeros(20), "b": np.ones(3)}, data_dir("toy") / "arrays.safetensors")
    write_json({"a": [1, 2]}, data_dir("toy") / "result.json")
    assert require("toy", name, "03") == path
    content = path.read_bytes()
    for length in (0, 3, len(content) // 2, len(content) - 2):
        path.write_bytes(content[:length])
        assert not is_whole(path)
        with pytest.raises(DamagedArtefact) as error:
            require("toy", name, "03")
        assert str(path) in str(error.value)
        assert "course run --profile toy --until 03" in str(error.value)


def test_a_profile_is_held_by_one(course_dirs):
    with held("toy"):
        holder = json.loads((data_dir("toy") / ".run.json").read_text())
        assert holder["pid"] == os.getpid()
        with pytest.raises(ProfileBusy, match=f"in use by process {os.getpid()}, since 2"):
            with held("toy"):
                pass
        with held("other"):
            pass
    with held("toy"):
        pass


def test_source_that_is_compiled_is_read_and_not_written(tmp_path):
    """Python leaves compiled code beside a module, and that is no artefact of a chapter."""
    (tmp_path / "changed.py").write_text("VALUE = 1\n")
    script = "from helpers import recording\nrecording.start_if_asked()\nimport changed\n"
    environment = os.environ | {
        recording.VARIABLE: str(tmp_path / "record.jsonl"),
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(recording.__file__).parents[1])]),
    }
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, check=True)
    assert list((tmp_path / "__pycache__").glob("changed.*.pyc"))
    events = read_events(tmp_path / "record.jsonl")
    kinds = {event.kind for event in events if event.path == str(tmp_path / "changed.py")}
    assert kinds == {READ}
