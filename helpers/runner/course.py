"""The papermill runner: chapters in order and side by side, finished work reused, a failing cell named."""

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import ClassVar

import nbformat
import papermill
from papermill.engines import NBClientEngine, papermill_engines

from helpers.artefacts import CHAPTERS, ROOT, data_dir, reports_dir, write_json
from helpers.report.html import render_index, render_report
from helpers.report.slides import render_decks
from helpers.runner import parameters

BESIDE = ["03", "04", "05", "06"]  # chapters that need nothing of each other
NEEDS = {"01": [], "02": ["01"], **{chapter: ["02"] for chapter in BESIDE}, "07": BESIDE}
# What a chapter leaves in data/<profile>; where these are gone or changed, its finished work isn't reused.
# images.parquet and results/ hold times of day and durations, so for them being there is enough.
LEAVES = {
    "01": [
        "catalog.parquet",
        "rejects.parquet",
        "merged.parquet",
        "attributes.parquet",
        "images.parquet",
    ],
    "02": ["interactions.parquet", "embeddings.safetensors", "market.safetensors"],
    "03": ["results/03_collaborative.json"],
    "04": ["results/04_content.json"],
    "05": ["results/05_completion.json"],
    "06": ["results/06_two_tower.json"],
    "07": [],
}
LONGEST_FIRST = [
    "01",
    "02",
    "06",
    "05",
    "03",
    "04",
    "07",
]  # so that none runs long alone at the end
TIMED = ("images.parquet", "results/")


class ChapterFailed(RuntimeError):
    """A notebook stopped: says in which cell, why, and where its half-run copy lies."""


class _ReportingEngine(NBClientEngine):
    """papermill's own engine, which also tells a listener where it is."""

    listeners: ClassVar[dict[str, Callable]] = {}

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, **kwargs):
        tell = cls.listeners.get(threading.current_thread().name)
        start = nb_man.cell_start

        def cell_start(cell, cell_index=None, **more):
            if tell:
                tell(cell_index + 1, len(nb_man.nb.cells))
            return start(cell, cell_index, **more)

        nb_man.cell_start = cell_start
        return super().execute_managed_notebook(nb_man, kernel_name, **kwargs)


papermill_engines.register("course", _ReportingEngine)
QUIET = ["--IPKernelApp.log_level=40"]  # of a kernel: it only warns of what concerns servers


def run(
    profile: str, given: dict, chapters: list[str], jobs: int, say, fresh: bool = False
) -> list[str]:
    """Run chapters of a profile, then write their reports, decks, and the index.

    Parameters
    ----------
    profile : str
    given : dict
        notebook name → parameter → value, over the profile's own.
    chapters : list of str
        Numbers, for example `["03", "05"]`.
    jobs : int
        Notebooks run at once.
    say : callable(str)
        Receives a line of progress.
    fresh : bool
        Run again what is finished.

    Returns
    -------
    list of str
        The chapters that ran; the others' finished work was reused.

    Raises
    ------
    ParameterError
        Before anything starts.
    ChapterFailed
        At the first failing notebook; those already running are finished first.
    """
    settings = parameters.resolve(profile, given)
    if not chapters:
        raise parameters.ParameterError("no chapter to run: --from comes after --until")
    keys = _keys(settings)
    todo = [c for c in chapters if fresh or not _finished(profile, c, keys[c])]
    for chapter in set(chapters) - set(todo):
        say(f"{CHAPTERS[chapter]}  finished earlier, reused")
    _run_all(profile, todo, settings, keys, max(1, jobs), say)
    _publish(profile, todo, say)
    return todo


def executed_path(profile: str, chapter: str) -> Path:
    """Where the executed notebook of a chapter lies."""
    return reports_dir(profile) / "notebooks" / f"{CHAPTERS[chapter]}.ipynb"


def _run_all(profile, todo, settings, keys, jobs, say) -> None:
    waiting, running, done = [c for c in LONGEST_FIRST if c in todo], {}, set()
    with ThreadPoolExecutor(jobs, thread_name_prefix="chapter") as pool:
        failed: ChapterFailed | None = None
        while (waiting and not failed) or running:
            for chapter in list(waiting):
                blocked = any(need in todo and need not in done for need in NEEDS[chapter])
                if not failed and not blocked and len(running) < jobs:
                    waiting.remove(chapter)
                    threads = (os.cpu_count() or 1) // (
                        jobs if chapter in BESIDE else 1
                    )  # what kernels inherit
                    os.environ["OMP_NUM_THREADS"] = str(max(1, threads))
                    future = pool.submit(
                        _run_one, profile, chapter, settings[chapter], keys[chapter], say
                    )
                    running[future] = chapter
            finished: set[Future] = wait(running, return_when=FIRST_COMPLETED).done
            for future in finished:
                done.add(running.pop(future))
                if isinstance(future.exception(), ChapterFailed):
                    failed = failed or future.exception()
                else:
                    future.result()
    if failed:
        raise failed


def _run_one(profile, chapter, values, key, say) -> None:
    name, began = CHAPTERS[chapter], time.monotonic()
    stamp, output = _stamp_path(profile, chapter), executed_path(profile, chapter)
    for stale in (
        stamp,
        reports_dir(profile) / f"{name}.html",
        reports_dir(profile) / "decks" / f"{name}.html",
    ):
        stale.unlink(
            missing_ok=True
        )  # a killed run must not leave an old report beside a new notebook
    output.parent.mkdir(parents=True, exist_ok=True)

    def tell(cell, cells):
        if cell % 8 == 1 or cell == cells:
            say(f"{name}  cell {cell}/{cells}  {time.monotonic() - began:.0f} s")

    _ReportingEngine.listeners[threading.current_thread().name] = tell
    try:
        papermill.execute_notebook(
            str(parameters.notebook_path(chapter)),
            str(output),
            parameters=values,
            engine_name="course",
            kernel_name="python3",
            progress_bar=False,
            log_output=False,
            cwd=str(ROOT / "notebooks"),
            extra_arguments=QUIET,
        )
    except papermill.PapermillExecutionError as error:
        raise ChapterFailed(
            f"{name} stopped in cell {error.cell_index + 1} ({error.source.strip().splitlines()[0][:60]} …): "
            f"{error.ename}: {error.evalue}\n"
            f"The half-run copy, with the error marked, is {output}"
        ) from None
    write_json(
        {"key": key, "left": _left(profile, chapter), "seconds": time.monotonic() - began}, stamp
    )
    say(f"{name}  done in {time.monotonic() - began:.0f} s")


def _publish(profile: str, ran: list[str], say) -> None:
    """Reports and decks of what ran, or has none yet, and the index of all that is there."""
    folder = reports_dir(profile)
    there = [
        c
        for c in CHAPTERS
        if _stamp_path(profile, c).exists() and executed_path(profile, c).exists()
    ]
    executed = {c: executed_path(profile, c) for c in there}
    for chapter, path in executed.items():
        destination = folder / f"{CHAPTERS[chapter]}.html"
        if chapter in ran or not destination.exists():
            render_report(path, chapter, destination)
    missing = [
        c for c in executed if c in ran or not (folder / "decks" / f"{CHAPTERS[c]}.html").exists()
    ]
    problem = render_decks({c: executed[c] for c in missing}, folder / "decks", ["html"])
    if problem:
        say(problem)
    if executed:
        render_index(profile, executed, decks=not problem)
        say(f"open {folder / 'index.html'}")


def _keys(settings: dict) -> dict[str, str]:
    """For each chapter, a hash of what its result depends on: cells, parameters, helpers, data, earlier chapters."""
    shared = hashlib.sha256()
    sources = [
        path for kind in ("py", "svg", "yaml") for path in (ROOT / "helpers").rglob(f"*.{kind}")
    ]
    sources += [path for kind in ("yaml", "csv") for path in (ROOT / "data").glob(f"*.{kind}")]
    for folder in ("feeds", "models", "personas", "studies"):
        sources += (ROOT / "data" / folder).rglob("*.*")
    for path in sorted(sources):
        told = (
            path.name not in ("__main__.py", "README.md")
            and "report" not in path.relative_to(ROOT).parts
        )
        if told and path.is_file():
            shared.update(
                str(path.relative_to(ROOT)).encode() + hashlib.sha256(path.read_bytes()).digest()
            )
    keys: dict[str, str] = {}
    for chapter in CHAPTERS:
        cells = nbformat.read(parameters.notebook_path(chapter), as_version=4).cells
        own = [[cell.cell_type, cell.source] for cell in cells]
        parts = [
            shared.hexdigest(),
            own,
            settings[chapter],
            [keys[need] for need in NEEDS[chapter]],
        ]
        parts.append(os.environ.get("FASHION_DATA", ""))
        given = [
            ROOT / value for value in settings[chapter].values() if isinstance(value, str) and value
        ]
        # one's own ratings
        parts += [hashlib.sha256(path.read_bytes()).hexdigest() for path in given if path.is_file()]
        keys[chapter] = hashlib.sha256(
            json.dumps(parts, sort_keys=True, default=str).encode()
        ).hexdigest()
    return keys


def _stamp_path(profile: str, chapter: str) -> Path:
    return data_dir(profile) / ".finished" / f"{CHAPTERS[chapter]}.json"


def _finished(profile: str, chapter: str, key: str) -> bool:
    stamp = _stamp_path(profile, chapter)
    if not (stamp.exists() and executed_path(profile, chapter).exists()):
        return False
    record = json.loads(stamp.read_text(encoding="utf-8"))
    return record["key"] == key and record["left"] == _left(profile, chapter)


def _left(profile: str, chapter: str) -> dict[str, str]:
    """Name → hash of the files a chapter leaves; "there" for those that hold times, "missing" for what isn't there."""
    left = {}
    for name in LEAVES[chapter]:
        path = data_dir(profile) / name
        if not path.exists():
            left[name] = "missing"
        elif name.startswith(TIMED):
            left[name] = "there"
        else:
            left[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    if chapter == "07":
        left["metrics.json"] = (
            "there" if (reports_dir(profile) / "metrics.json").exists() else "missing"
        )
    return left
