"""One notebook in one kernel: its copy on disk, and how the kernel is spoken to."""

import sys
import tempfile
from types import SimpleNamespace

import nbformat
import pytest

from helpers.runner import execute


@pytest.mark.parametrize(("seconds", "n_saves"), [(3600, 0), (0, 5)])
def test_a_running_notebook_is_saved_every_so_many_seconds_and_then_as_before(
    monkeypatch, seconds, n_saves
):
    saves = []
    manager = SimpleNamespace(save=lambda: saves.append("saved"))
    monkeypatch.setattr(execute, "SAVE_SECONDS", seconds)
    with execute._seldom_saved(manager):
        for _ in range(5):
            manager.save()
    assert len(saves) == n_saves
    manager.save()
    assert len(saves) == n_saves + 1


def test_a_notebook_that_fails_leaves_all_outputs_before_the_failure(tmp_path, monkeypatch):
    monkeypatch.setattr(execute, "SAVE_SECONDS", 3600)
    cells = [nbformat.v4.new_code_cell(source) for source in ("print(6 * 7)", "1 / 0", "print(1)")]
    stored = tmp_path / "stored.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), stored)
    job = execute.Job(notebook=stored, output=tmp_path / "executed.ipynb")
    with pytest.raises(execute.ChapterFailed, match="ZeroDivisionError"):
        execute.execute(job, execute.Kernels(), execute.Progress())
    executed = nbformat.read(job.output, as_version=4)
    printed = [output.get("text") for cell in executed.cells for output in cell.get("outputs", [])]
    assert "42\n" in printed
    assert "1\n" not in printed


@pytest.mark.skipif(sys.platform == "win32", reason="kernels use ports on Windows")
@pytest.mark.parametrize(("folder", "transport"), [("short", "ipc"), ("long" * 30, "tcp")])
def test_a_kernel_waits_on_no_port_unless_its_path_is_too_long(
    tmp_path, monkeypatch, folder, transport
):
    ask = "import ipykernel, json; print(json.loads(ipykernel.get_connection_info())['transport'])"
    stored = tmp_path / "stored.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(ask)]), stored)
    if transport == "tcp":
        (tmp_path / folder).mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / folder))
    job = execute.Job(notebook=stored, output=tmp_path / "executed.ipynb")
    execute.execute(job, execute.Kernels(), execute.Progress())
    (cell,) = nbformat.read(job.output, as_version=4).cells
    assert cell.outputs[0].text == f"{transport}\n"


def test_what_a_cell_prints_is_stored_in_one_piece_however_it_arrived(tmp_path):
    told = "import time\nfor line in range(3):\n    print(line, flush=True)\n    time.sleep(0.5)"
    stored = tmp_path / "stored.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(told)]), stored)
    job = execute.Job(notebook=stored, output=tmp_path / "executed.ipynb")
    execute.execute(job, execute.Kernels(), execute.Progress())
    (cell,) = nbformat.read(job.output, as_version=4).cells
    assert [output.text for output in cell.outputs] == ["0\n1\n2\n"]
