"""Ctrl-C, a killed run, a dead kernel, two runs at once: a process of its own for each run."""

import json
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from tiny_course import PROFILE

from helpers.locks import HOLDER, ProfileBusy
from helpers.runner import evidence, stamps
from helpers.runner.execute import Job, Kernels, kernel_environment

SCRIPT = Path(__file__).with_name("tiny_course.py")


def heed_ctrl_c() -> None:
    """A shell's background jobs ignore Ctrl-C, and what they start inherits that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(root: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start `course run` of a tiny course."""
    command = [sys.executable, str(SCRIPT), str(root), "run", "--profile", PROFILE, *arguments]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=heed_ctrl_c,
    )


def wait_for(condition, seconds: float = 120.0) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to pass"
        time.sleep(0.05)


def kernels_of(run: subprocess.Popen[str]) -> list[psutil.Process]:
    """The kernels that a run started."""
    children = psutil.Process(run.pid).children(recursive=True)
    return [child for child in children if "ipykernel_launcher" in child.cmdline()]


def logged(root: Path) -> list[str]:
    """Chapters that began, in order."""
    log = root / "data" / PROFILE / ".log"
    return log.read_text().split() if log.exists() else []


def napping(root: Path) -> subprocess.Popen[str]:
    """A run whose chapter 01 has begun and sleeps for long."""
    run = start(root, "-p", "01.nap=600", "--until", "01")
    wait_for(lambda: logged(root) == ["01"])
    return run


def test_ctrl_c_names_the_chapter_and_leaves_no_kernel(tiny, run):
    first = napping(tiny)
    kernels = kernels_of(first)
    assert len(kernels) == 1
    a_second_run_is_refused_at_once(tiny, run, first.pid)
    first.send_signal(signal.SIGINT)
    output = first.communicate(timeout=60)[0]
    assert first.returncode == 130
    assert "course: stopped: 01_augment in cell 4 of 5 (import json" in output
    assert "run the same command again" in output
    assert not any(kernel.is_running() for kernel in kernels)
    assert not (tiny / "data" / PROFILE / HOLDER).exists()
    assert not stamps.stamp_path(PROFILE, "01").exists()


def a_second_run_is_refused_at_once(tiny: Path, run, pid: int) -> None:
    """Case 25 of the faults by kind: it touches nothing, and says who is first."""
    before = {path: path.stat().st_mtime_ns for path in (tiny / "data" / PROFILE).rglob("*")}
    with pytest.raises(ProfileBusy, match=f"{PROFILE} is in use by process {pid}, since 2") as busy:
        run(["01"])
    assert "tiny_course.py" in str(busy.value) and "Nothing was touched" in str(busy.value)
    after = {path: path.stat().st_mtime_ns for path in (tiny / "data" / PROFILE).rglob("*")}
    assert after == before
    assert json.loads((tiny / "data" / PROFILE / HOLDER).read_text())["pid"] == pid


def test_the_stop_waits_for_no_cell():
    """Ending the kernels is what ends a run: no cell is waited for, so the time is the poll's."""
    kernels = Kernels()
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    kernels.add(sleeper.pid)
    kernels.stop()
    assert sleeper.wait(timeout=30) == -signal.SIGKILL
    late = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    kernels.add(late.pid)  # it started while all were being ended
    assert late.wait(timeout=30) == -signal.SIGKILL


def test_a_killed_run_is_taken_up_again_and_its_lock_holds_nobody_up(tiny, run):
    killed = start(tiny, "-p", "03.nap=600", "--jobs", "1")
    wait_for(lambda: logged(tiny)[:1] == ["01"] and "03" in logged(tiny))
    kernels = kernels_of(killed)
    killed.kill()
    killed.communicate(timeout=60)
    wait_for(lambda: not any(kernel.is_running() for kernel in kernels))
    assert stamps.record_path(PROFILE, "03").exists()
    assert (tiny / "data" / PROFILE / HOLDER).exists()
    ran = run()
    assert "03" in ran and "01" not in ran
    catalog = stamps.read_stamp(PROFILE, "03").inputs["data:catalog.parquet"]
    assert catalog == stamps.read_stamp(PROFILE, "01").artefacts["data:catalog.parquet"].sha256
    assert not (tiny / "data" / PROFILE / HOLDER).exists()
    assert run() == []


def test_what_a_killed_attempt_left_is_known_to_the_next(finished):
    """Pictures that are there already are not written again; they are the chapter's still."""
    evidence.begin(PROFILE, "01")  # and the run is killed at once
    evidence.begin(PROFILE, "01")
    stamp = evidence.finish(PROFILE, "01", {}, 1.0)
    assert "data:images/one.bin" in stamp.artefacts


def test_a_polite_end_is_like_ctrl_c(tiny):
    run = napping(tiny)
    kernels = kernels_of(run)
    run.terminate()
    assert "course: stopped: 01_augment" in run.communicate(timeout=60)[0]
    assert run.returncode == 130
    assert not any(kernel.is_running() for kernel in kernels)


def test_a_dead_kernel_names_chapter_and_remedy(tiny):
    run = napping(tiny)
    kernels_of(run)[0].kill()
    output = run.communicate(timeout=60)[0]
    assert run.returncode == 1
    assert "01_augment stopped in cell 4 of 5 (import json" in output
    assert "its kernel was killed" in output and "--jobs 1" in output


def test_a_kernel_s_environment_is_its_own(monkeypatch):
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "1000")
    before = dict(os.environ)
    job = Job(Path("a.ipynb"), Path("b.ipynb"), threads=0)
    environment = kernel_environment(job, "scratch")
    assert environment["TMPDIR"] == "scratch" and environment["OMP_NUM_THREADS"] == "1"
    assert environment["MALLOC_TRIM_THRESHOLD_"] == "1000"  # as the user has it
    assert dict(os.environ) == before


IS_GLIBC = sys.platform == "linux" and platform.libc_ver()[0] == "glibc"
FREES = """
import numpy as np


def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096


before = resident()
np.ones(3_000_000)  # 24 MB: from now on, the library keeps what is smaller
large = [np.ones(3_000_000) for _ in range(20)]
above = np.ones(2_500_000)  # too large for any gap below: the heap can't shrink past it
del large
print(resident() - before - above.nbytes)
"""


@pytest.mark.skipif(not IS_GLIBC, reason="the variables are those of Linux's C library")
def test_a_kernel_gives_back_what_it_has_freed():
    def kept(environment: dict[str, str]) -> float:
        """MB after an interpreter has freed 480 MB."""
        command = [sys.executable, "-c", FREES]
        told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return int(told.stdout) / 1e6

    plain = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    assert kept(plain) > 300
    job = Job(Path("a.ipynb"), Path("b.ipynb"))
    assert kept(plain | kernel_environment(job, os.environ.get("TMPDIR", "/tmp"))) < 50
