"""Runs of real chapters that are killed, damaged and doubled: `make test` runs this last.

They are the first two chapters of the profile `seed`, in folders of this test's own, run twice in
all. Models and results of later chapters are damaged and mended in tests/runner/test_course.py, on
a course of small ones; tests/runner/test_stop.py holds Ctrl-C and the like to account.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers.artefacts import CHAPTERS
from helpers.runner import evidence, parameters, stamps
from helpers.runner.stamps import Mark

PROFILE = "seed"
LAST = "02"
MEASURED = ("data:images.parquet", "data:results/", "reports:")  # they hold times
pytestmark = pytest.mark.xdist_group("runs")  # one process, in this order


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Data and reports of this module's own."""
    root = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DATA", str(root / "data"))
        patch.setenv("COURSE_REPORTS", str(root / "reports"))
        yield root


@pytest.fixture(scope="module")
def second(folders: Path) -> Iterator[tuple[int, str]]:
    """A run that is killed in chapter 02; yields its process, and what a second run beside it
    says."""
    first = start()
    wait_for(stamps.record_path(PROFILE, "01").exists, first)
    refused = start("--fresh")
    output = refused.communicate(timeout=120)[0]
    assert refused.returncode == 1, output
    wait_for(stamps.record_path(PROFILE, "02").exists, first)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate(timeout=60)
    yield first.pid, output


@pytest.fixture(scope="module")
def mended(second: tuple[int, str]) -> tuple[str, dict[str, Mark], dict[str, Mark]]:
    """The run after it, which finds all of chapter 01 cut to half: what it prints, marks before and
    after.
    """
    places = stamps.Places(PROFILE)
    before = stamps.read_stamp(PROFILE, "01").artefacts
    for name, mark in before.items():
        path = places.path(name)
        path.write_bytes(path.read_bytes()[: mark.size // 2])
    output = whole_run()
    return output, before, stamps.read_stamp(PROFILE, "01").artefacts


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "helpers", "run", "--profile", PROFILE, "--until", LAST]
    return subprocess.Popen(
        [*command, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=parameters.ROOT,
        start_new_session=True,
    )


def wait_for(condition: Callable[[], bool], run: subprocess.Popen[str]) -> None:
    """Wait until something is so, while a run goes on."""
    end = time.monotonic() + 300
    while not condition():
        assert run.poll() is None, run.communicate()[0]
        assert time.monotonic() < end, "it never came to pass"
        time.sleep(0.05)


def whole_run() -> str:
    """Run to the end; returns what was printed."""
    run = start()
    output = run.communicate(timeout=900)[0]
    assert run.returncode == 0, output
    return output


def test_a_second_run_touches_nothing_and_says_who_is_first(second):
    pid, output = second
    assert f"profile {PROFILE} is in use by process {pid}" in output
    assert "Nothing was touched" in output


def test_a_killed_run_with_damage_ends_all_the_same(mended):
    output, before, after = mended
    assert "01_augment  runs: " in output and " is damaged: it has " in output
    assert list(stamps.all_stamps(PROFILE)) == [number for number in CHAPTERS if number <= LAST]
    assert len(before) > 60  # tables, a notebook, and a picture of each product
    assert set(after) == set(before)
    steady = [name for name in before if not name.startswith(MEASURED)]
    assert [name for name in steady if after[name] != before[name]] == []


def test_every_artefact_cut_to_half_is_named(mended):
    places = stamps.Places(PROFILE)
    settings = parameters.resolve(PROFILE, {})
    for chapter, stamp in stamps.all_stamps(PROFILE).items():
        assert evidence.why_again(PROFILE, chapter, settings[chapter]) == ""
        for name in stamp.artefacts:
            path = places.path(name)
            whole = path.read_bytes()
            path.write_bytes(whole[: len(whole) // 2])
            why = evidence.why_again(PROFILE, chapter, settings[chapter])
            assert why.startswith(f"{path} is damaged"), (name, why)
            path.write_bytes(whole)
