"""Runs one notebook in its own kernel; can be watched and stopped."""

import asyncio
import json
import logging
import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import papermill
import psutil
from nbclient.exceptions import DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, papermill_engines

from helpers import recording
from helpers.artefacts import ROOT, write_text
from helpers.report.cells import Situation, applicable

# nbclient logs here, unseen: what goes wrong is raised as an error that names the remedy.
_SILENT = logging.getLogger("helpers.kernels")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False
logging.getLogger("papermill").setLevel(logging.ERROR)  # it warns of comments that it can't parse
# A kernel logs only what is critical (level 50). Warnings concern servers, and an idle kernel that
# is interrupted before it ends would call that an error. A cell's error is raised here, not logged.
QUIET = ["--IPKernelApp.log_level=50"]
START_SECONDS = 120  # a kernel may take this long to start on a busy machine
# At least this long between two saves of a running notebook: one takes as long as a small cell.
SAVE_SECONDS = 5
LONGEST_SOCKET = 90  # bytes of its path, without the number: systems allow about a hundred
MIB = 2**20
GIVEN_BACK = {"MALLOC_MMAP_THRESHOLD_": 4 * MIB, "MALLOC_TRIM_THRESHOLD_": 64 * MIB}
"""Sizes in bytes from which Linux's C library gives freed memory back to the system at once. By
itself it raises them to what a program last freed, and a chapter keeps gigabytes that it no longer
uses. Other systems read no such variables."""
MAIN_FOLDERS = {  # variable → how an executed notebook calls the folder
    "COURSE_DATA": "data",
    "COURSE_REPORTS": "reports",
    "FASHION_DATA": "$FASHION_DATA",
}
LONGEST_ESCAPE = 12  # characters of a terminal's color code, such as \x1b[38;5;231m
# A path doesn't begin right after a word or host name. After a terminal's color code it may, as in
# tracebacks, although such a code ends in the letter m.
_BEFORE = re.compile(r"(?:^|[^\w.-]|\x1b\[[\d;]*m)$")


class ChapterFailed(RuntimeError):
    """A notebook stopped: says in which cell, why, where its half-run copy lies, what to do."""


class Kernels:
    """The kernels of this process, so that all can be ended at once."""

    def __init__(self) -> None:
        self.stopping = False
        self._lock = threading.Lock()
        self._running: set[int] = set()

    def add(self, pid: int) -> None:
        """Register a kernel; kill it if all are being stopped."""
        with self._lock:
            self._running.add(pid)
        if self.stopping:  # looked at after the add, so a concurrent stop() misses no kernel
            self.stop()

    def remove(self, pid: int) -> None:
        """Forget a kernel that has ended."""
        with self._lock:
            self._running.discard(pid)

    def stop(self) -> None:
        """End every kernel with its worker processes, without waiting for the cell that it runs."""
        self.stopping = True
        with self._lock:
            pids = list(self._running)
        for pid in pids:
            _kill_tree(pid)


def _kill_tree(pid: int) -> None:
    try:
        kernel = psutil.Process(pid)
        family = [kernel, *kernel.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in family:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


class Progress:
    """Where a notebook is: which cell of how many, and how that cell begins."""

    def __init__(self, tell: Callable[[int, int], None] | None = None) -> None:
        self.cell = 0
        self.cells = 0
        self.first_line = ""
        self.tell = tell

    def start(self, index: int, cells: list[nbformat.NotebookNode]) -> None:
        """Note that a cell starts."""
        self.cell = index + 1
        self.cells = len(cells)
        self.first_line = first_line(cells[index].source)
        if self.tell:
            self.tell(self.cell, self.cells)

    def __str__(self) -> str:
        if not self.cell:
            return "before its first cell"
        return f"in cell {self.cell} of {self.cells} ({self.first_line} …)"


def first_line(source: str) -> str:
    """The first line of a cell, cut to 60 characters."""
    lines = source.strip().splitlines()
    return lines[0][:60] if lines else ""


def speak_through_files(manager: Any, sockets: Path) -> None:
    """Let a kernel that has not started be spoken to through files of its own, `sockets`-1 and so
    on.

    By itself it gets free port numbers, and opens them a second later. By then another program may
    have taken one, and the kernel ends before its first cell. It still gets ports on Windows, which
    has no such files, and where their path would be too long.
    """
    is_short = len(os.fsencode(sockets)) <= LONGEST_SOCKET
    if sys.platform != "win32" and is_short:
        manager.transport = "ipc"
        manager.ip = str(sockets)


class _Client(PapermillNotebookClient):
    """papermill's client, which tells which process its kernel is."""

    kernels: Kernels
    kernel_options: dict[str, Any]
    sockets: Path
    kernel_pid = 0

    def create_kernel_manager(self) -> Any:
        """The manager of a kernel that needs no ports."""
        manager = super().create_kernel_manager()
        speak_through_files(manager, self.sockets)
        return manager

    def start_new_kernel(self, **options: Any) -> None:
        """Start the kernel with its own environment and folder."""
        super().start_new_kernel(**options, **self.kernel_options)
        self.kernel_pid = self.km.provisioner.pid
        self.kernels.add(self.kernel_pid)

    async def _async_poll_kernel_alive(self) -> None:
        """Notice within a tenth of a second that the kernel has ended; nbclient takes a second."""
        while await self.km.is_alive():
            await asyncio.sleep(0.1)
        if self.task_poll_for_reply:  # nbclient waits for an answer, which won't come any more
            self.task_poll_for_reply.cancel()


class _Engine(Engine):
    """papermill's own engine, with a kernel that can be watched and ended."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,
        *,
        kernels: Kernels,
        progress: Progress,
        kernel_options: dict[str, Any],
        sockets: Path,
        **_: Any,
    ) -> None:
        """Run all cells."""
        original_cell_start = nb_man.cell_start

        def cell_start(cell: Any, cell_index: int | None = None, **options: Any) -> None:
            progress.start(cell_index or 0, nb_man.nb.cells)
            original_cell_start(cell, cell_index, **options)

        nb_man.cell_start = cell_start
        client = _Client(
            nb_man, kernel_name=kernel_name, log=_SILENT, timeout=None, extra_arguments=QUIET
        )
        client.startup_timeout = START_SECONDS
        client.coalesce_streams = True  # else printed lines are stored in pieces, as they arrived
        client.kernels = kernels
        client.kernel_options = kernel_options
        client.sockets = sockets
        try:
            with _seldom_saved(nb_man):
                client.execute()
        finally:
            kernels.remove(client.kernel_pid)  # pid 0, which is no kernel's, if it never started


@contextmanager
def _seldom_saved(manager: Any) -> Iterator[None]:
    """Let papermill, which saves a notebook twice per cell, save it every `SAVE_SECONDS`.

    When the notebook ends, whatever the reason, papermill saves once more.
    """
    save = manager.save
    last = time.monotonic()

    def save_if_due(**options: Any) -> None:
        nonlocal last
        if time.monotonic() - last >= SAVE_SECONDS:
            save(**options)
            last = time.monotonic()

    manager.save = save_if_due
    try:
        yield
    finally:
        manager.save = save


papermill_engines.register("course", _Engine)


@dataclass
class Job:
    """One notebook to run.

    Attributes
    ----------
    notebook, output : Path
        The notebook, and where its executed copy goes.
    parameters : dict
    record : Path or None
        Where the kernel writes down which files it reads and writes.
    threads : int
        Of the libraries in its kernel.
    situation : Situation or None
        Cells that don't apply to it are left out; None runs all.
    """

    notebook: Path
    output: Path
    parameters: dict[str, Any] = field(default_factory=dict)
    record: Path | None = None
    threads: int = 1
    situation: Situation | None = None


def execute(job: Job, kernels: Kernels, progress: Progress) -> None:
    """Run a notebook; its executed copy holds no path of this machine, whatever happens.

    Raises
    ------
    ChapterFailed
        If a cell fails, or the kernel dies.
    KeyboardInterrupt
        If all kernels are being ended.
    """
    job.output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="course-") as scratch:
        try:
            _papermill(job, kernels, progress, scratch)
        finally:
            if job.output.exists():
                forget_paths(job.output, job.parameters, scratch)


def _papermill(job: Job, kernels: Kernels, progress: Progress, scratch: str) -> None:
    name = job.notebook.stem
    options = {"env": kernel_environment(job, scratch), "cwd": str(job.notebook.parent)}
    try:
        papermill.execute_notebook(
            str(_to_run(job, scratch)),
            str(job.output),
            parameters=job.parameters,
            engine_name="course",
            kernel_name="python3",
            progress_bar=False,
            kernels=kernels,
            progress=progress,
            kernel_options=options,
            sockets=Path(scratch) / "kernel",
        )
    except papermill.PapermillExecutionError as error:
        raise ChapterFailed(
            f"{name} stopped in cell {error.cell_index + 1} ({first_line(error.source)} …): "
            f"{error.ename}: {error.evalue}\n"
            f"The half-run copy, with the error marked, is {job.output}"
        ) from None
    except (DeadKernelError, RuntimeError) as error:
        if kernels.stopping:
            raise KeyboardInterrupt from None
        raise ChapterFailed(_kernel_failure_text(name, progress, error)) from None


def _to_run(job: Job, scratch: str) -> Path:
    """The notebook, or a copy of it with the cells that apply."""
    if job.situation is None:
        return job.notebook
    notebook = nbformat.read(job.notebook, as_version=4)
    copy = Path(scratch) / job.notebook.name
    nbformat.write(applicable(notebook, job.situation), copy)
    return copy


def _kernel_failure_text(name: str, progress: Progress, error: Exception) -> str:
    if isinstance(error, DeadKernelError):
        why = "its kernel was killed, most often for want of memory"
    else:
        why = f"its kernel can't be used: {error}"
    return (
        f"{name} stopped {progress}: {why}. Run the same command again, with --jobs 1 if memory is "
        "short: finished chapters are reused, and this one starts over"
    )


def kernel_environment(job: Job, scratch: str) -> dict[str, str]:
    """A kernel's environment: this process's, folders in full, its threads, when it gives memory
    back, and its record.
    """
    environment = dict(os.environ)
    for variable in MAIN_FOLDERS:  # the kernel's working directory is another
        if environment.get(variable):
            environment[variable] = os.path.abspath(environment[variable])
    environment["OMP_NUM_THREADS"] = str(max(1, job.threads))
    environment["TMPDIR"] = scratch
    for variable, size in GIVEN_BACK.items():
        environment.setdefault(variable, str(size))
    environment.pop(recording.VARIABLE, None)
    if job.record:
        environment[recording.VARIABLE] = str(job.record)
    return environment


def forget_paths(path: Path, values: dict[str, Any], scratch: str) -> None:
    """Take this machine's folders out of an executed notebook: its paths become relative."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    names = _short_names(values, scratch)
    shortened = _shortened(notebook, names)
    text = json.dumps(shortened, ensure_ascii=False, indent=1, sort_keys=True)  # as nbformat does
    write_text(text + "\n", path)


def _short_names(values: dict[str, Any], scratch: str) -> dict[str, str]:
    """Folder of this machine → what stands for it."""
    found = {}
    for value in values.values():
        if isinstance(value, str) and os.path.isabs(value):
            found[value] = f"…/{Path(value).name}"
    found[tempfile.gettempdir()] = "$TMPDIR"
    found[scratch] = "$TMPDIR"
    found[str(Path.home())] = "~"
    found[sys.prefix] = "$PREFIX"
    found[str(ROOT)] = "."
    for variable, name in MAIN_FOLDERS.items():
        if os.environ.get(variable):
            found[os.path.abspath(os.environ[variable])] = name
    real = {os.path.realpath(folder): name for folder, name in found.items()}
    found = real | found  # on a clash, the folder as named wins
    found.pop(os.sep, None)  # never replace "/", which may be the home folder
    return found


def _shortened(value: Any, names: dict[str, str]) -> Any:
    """A notebook, or a part of it, with folders replaced in all its strings."""
    longest_first = sorted(names, key=len, reverse=True)
    folders = "|".join(map(re.escape, longest_first))
    pattern = re.compile(rf"({folders})(?![\w.-])(/?)")

    def replace(match: re.Match[str]) -> str:
        folder, slash = match.groups()
        before = match.string[: match.start()]
        if not _BEFORE.search(before[-LONGEST_ESCAPE:]):
            return match.group()
        if names[folder] == "." and slash:
            return ""
        return names[folder] + slash

    def walk(part: Any) -> Any:
        if isinstance(part, str):
            return pattern.sub(replace, part)
        if isinstance(part, dict):
            return {key: walk(inner) for key, inner in part.items()}
        if isinstance(part, list):
            return [walk(inner) for inner in part]
        return part

    return walk(value)
