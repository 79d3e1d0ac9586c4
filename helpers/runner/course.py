"""The papermill runner: chapters in order and side by side, finished work reused."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, NoReturn

from helpers.artefacts import CHAPTERS, DamagedArtefact, remedy_for
from helpers.interactions.matrix import REAL, SIMULATED
from helpers.locks import held
from helpers.report.cells import Situation, vectors_in_use
from helpers.runner import evidence, parameters, stamps
from helpers.runner.before import check_before
from helpers.runner.execute import ChapterFailed, Job, Kernels, Progress, execute
from helpers.runner.publish import publish, publish_finished, unpublish
from helpers.runner.stamps import executed_path, record_path

BESIDE = ["03", "04", "05", "06"]  # chapters that need nothing of each other
READS_PICTURES = ["01", "02"]
NEEDS = {
    "01": [],
    "02": ["01"],
    **{chapter: ["02"] for chapter in BESIDE},
    "07": BESIDE,
}
# The longest of those beside each other start first, so that none runs long alone at the end.
LONGEST_FIRST = ["01", "02", "06", "05", "03", "04", "07"]

Say = Callable[[str], None]
Values = dict[str, dict[str, Any]]  # chapter → parameter → value


def run(
    profile: str,
    given: dict[str, dict[str, Any]],
    chapters: list[str],
    jobs: int,
    say: Say,
    fresh: bool = False,
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
    ParameterError, ProfileBusy, DamagedArtefact, KeyMissing, FeedError, FileNotFoundError,
    CatalogueTooSmall
        Before anything starts.
    ChapterFailed
        At the first failing notebook; those already running are finished first.
    KeyboardInterrupt
        At Ctrl-C, when no kernel is left; its text names the chapters that were stopped.
    """
    settings = parameters.resolve(profile, given)
    if not chapters:
        raise parameters.ParameterError("no chapter to run: --from comes after --until")
    with held(profile), _terminated_like_ctrl_c():
        _check_earlier(profile, chapters, settings, say)
        check_before(profile, chapters, settings)
        schedule = _Schedule(profile, settings, max(1, jobs), say, fresh)
        ran = schedule.run(chapters)
        publish(profile, say)
    return ran


def earlier(chapters: list[str]) -> list[str]:
    """The chapters that these build on and that aren't among them, in order."""
    found: set[str] = set()
    waiting = list(chapters)
    while waiting:
        for need in NEEDS[waiting.pop()]:
            if need not in found:
                found.add(need)
                waiting.append(need)
    return sorted(found - set(chapters))


def _check_earlier(profile: str, chapters: list[str], settings: Values, say: Say) -> None:
    """Refuse to build on damaged artefacts; say so where they are out of date."""
    known = stamps.all_stamps(profile)
    places = stamps.Places(profile)
    for chapter in earlier(chapters):
        if chapter not in known:
            continue
        for damage in stamps.damages(known[chapter], places):
            if damage.name.startswith("data:"):
                made = f"{CHAPTERS[chapter]} makes it. {remedy_for(profile, chapter)}"
                raise DamagedArtefact(f"{damage.text}. Chapter {made}")
        why = evidence.out_of_date(profile, chapter, settings[chapter])
        if why:
            say(f"{CHAPTERS[chapter]}  used as it is, though {why}")


@dataclass
class _Schedule:
    """Chapters of one run: which wait, which run, which are done."""

    profile: str
    settings: Values
    jobs: int
    say: Say
    fresh: bool
    kernels: Kernels = field(default_factory=Kernels)
    waiting: list[str] = field(default_factory=list)
    running: dict[Future[None], str] = field(default_factory=dict)
    progress: dict[str, Progress] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    ran: list[str] = field(default_factory=list)
    failed: ChapterFailed | None = None

    def run(self, chapters: list[str]) -> list[str]:
        """Run all that is not finished; returns those that ran."""
        self.waiting = [chapter for chapter in LONGEST_FIRST if chapter in chapters]
        with ThreadPoolExecutor(self.jobs, thread_name_prefix="chapter") as pool:
            try:
                self._start_ready(pool)
                while self.running:
                    self._publish_if_idle()
                    self._await_one()
                    self._start_ready(pool)
            except BaseException as error:
                self._stop_all(error)
        if self.failed:
            raise self.failed
        return sorted(self.ran)

    def _start_ready(self, pool: ThreadPoolExecutor) -> None:
        """Start or reuse whatever waits for nothing any more."""
        ready = self._next_ready()
        while ready:
            self.waiting.remove(ready)
            self._start_or_reuse(ready, pool)
            ready = self._next_ready()

    def _next_ready(self) -> str | None:
        if self.failed or len(self.running) >= self.jobs:
            return None
        unfinished = {*self.waiting, *self.running.values()}
        for chapter in self.waiting:
            if not unfinished.intersection(NEEDS[chapter]):
                return chapter
        return None

    def _start_or_reuse(self, chapter: str, pool: ThreadPoolExecutor) -> None:
        name = CHAPTERS[chapter]
        why = evidence.why_again(self.profile, chapter, self.settings[chapter])
        if not why and not self.fresh:
            self.say(f"{name}  finished earlier, reused")
            return
        self.say(f"{name}  runs: {why or 'asked for afresh'}")
        self.ran.append(chapter)
        self.progress[chapter] = Progress()
        self.running[pool.submit(self._run_one, chapter)] = chapter

    def _publish_if_idle(self) -> None:
        """Write the pages of finished chapters while the last one runs and a core is free."""
        if self.waiting or self.failed or len(self.running) >= self.jobs or not self.done:
            return
        with suppress(Exception):  # `publish` meets it again, when no chapter runs any more
            publish_finished(self.profile, self.say)

    def _await_one(self) -> None:
        """Wait until a chapter ends; short waits, for Windows delivers Ctrl-C only between them."""
        ended: set[Future[None]] = set()
        while not ended:
            ended = wait(self.running, timeout=0.5, return_when=FIRST_COMPLETED).done
        for future in ended:
            chapter = self.running.pop(future)
            error = future.exception()
            if isinstance(error, ChapterFailed):
                self.failed = self.failed or error
            elif error:
                raise error
            self.done.add(chapter)

    def _stop_all(self, error: BaseException) -> NoReturn:
        """End all kernels, wait for their threads, and pass the error on."""
        where = [f"{CHAPTERS[c]} {self.progress[c]}" for c in self.running.values()]
        while self.running:
            self.kernels.stop()
            ended = wait(self.running, timeout=0.1).done
            for future in ended:
                del self.running[future]
        if isinstance(error, KeyboardInterrupt) and where:
            raise KeyboardInterrupt(", ".join(where)) from None
        raise error

    def _run_one(self, chapter: str) -> None:
        name, values = CHAPTERS[chapter], self.settings[chapter]
        began = time.monotonic()
        progress = self.progress[chapter]

        def tell(cell: int, cells: int) -> None:
            if cell % 8 == 1 or cell == cells:
                self.say(f"{name}  cell {cell}/{cells}  {time.monotonic() - began:.0f} s")

        progress.tell = tell
        evidence.begin(self.profile, chapter)
        unpublish(self.profile, chapter)
        job = Job(
            notebook=parameters.notebook_path(chapter),
            output=executed_path(self.profile, chapter),
            parameters=values,
            record=record_path(self.profile, chapter),
            threads=self._threads(chapter),
            situation=situation_of(self.profile, self.settings),
        )
        execute(job, self.kernels, progress)
        seconds = time.monotonic() - began
        evidence.finish(self.profile, chapter, values, seconds)
        self.say(f"{name}  done in {seconds:.0f} s")

    def _threads(self, chapter: str) -> int:
        """All cores for chapters that read pictures; one for those that train small networks.

        With two threads a small network mostly waits: beside another program, thirty times longer.
        """
        return os.cpu_count() or 1 if chapter in READS_PICTURES else 1


def situation_of(profile: str, settings: Values) -> Situation:
    """What a run is about, by chapter 02's parameters and the pictures that have arrived."""
    market = settings.get("02", {})
    shoppers = REAL if market.get("orders") else SIMULATED
    vectors = vectors_in_use(profile, market.get("vectors", "clip"))
    return Situation(profile, shoppers, vectors)


@contextmanager
def _terminated_like_ctrl_c() -> Iterator[None]:
    """Whoever ends this process politely (a scheduler, a container) leaves no kernels either."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
