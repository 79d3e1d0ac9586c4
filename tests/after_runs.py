"""Runs of the real chapters that are killed, doubled and damaged: `make test` runs this last.

The profile is `seed`, in folders of this test's own.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.artefacts import CHAPTERS
from helpers.runner import evidence, parameters, stamps

PROFILE = "seed"
LAST = "07"
MEASURED = ("data:images.parquet", "data:results/", "reports:")  # they hold times


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Data and reports of this module's own."""
    root = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DATA", str(root / "data"))
        patch.setenv("COURSE_REPORTS", str(root / "reports"))
        yield root


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


def whole_run() -> str:
    """Run to the end; returns what was printed."""
    run = start()
    output = run.communicate(timeout=1800)[0]
    assert run.returncode == 0, output
    return output


def test_a_run_that_is_killed_again_and_again_ends_all_the_same(folders):
    draw = random.Random(7)
    for _ in range(3):
        run = start()
        time.sleep(draw.uniform(3, 25))
        os.kill(run.pid, signal.SIGKILL)
        run.communicate(timeout=60)
    output = whole_run()
    finished = stamps.all_stamps(PROFILE)
    assert list(finished) == [number for number in CHAPTERS if number <= LAST], output
    assert whole_run().count("finished earlier, reused") == len(finished)


def test_a_second_run_touches_nothing_and_says_who_is_first(folders):
    first = start("--fresh")
    holder = folders / "data" / PROFILE / ".run.json"
    while not holder.exists():
        assert first.poll() is None
        time.sleep(0.05)
    second = start("--fresh")
    output = second.communicate(timeout=120)[0]
    assert second.returncode == 1
    assert f"profile {PROFILE} is in use by process {first.pid}" in output
    first.send_signal(signal.SIGINT)
    assert "course: stopped" in first.communicate(timeout=120)[0]


def test_every_artefact_cut_to_half_is_named_and_mended(folders):
    whole_run()  # what the second test stopped
    places = stamps.Places(PROFILE)
    settings = parameters.resolve(PROFILE, {})
    before = stamps.all_stamps(PROFILE)
    marks = {name: mark for stamp in before.values() for name, mark in stamp.artefacts.items()}
    for chapter, stamp in before.items():
        for name in stamp.artefacts:
            path = places.path(name)
            bytes_before = path.read_bytes()
            path.write_bytes(bytes_before[: len(bytes_before) // 2])
            why = evidence.why_again(PROFILE, chapter, settings[chapter])
            assert why.startswith(f"{path} is damaged"), (name, why)
            path.write_bytes(bytes_before)
    for name in marks:
        path = places.path(name)
        path.write_bytes(path.read_bytes()[: marks[name].size // 2])
    output = whole_run()
    for chapter in before:
        assert f"{CHAPTERS[chapter]}  runs: " in output
    after = stamps.all_stamps(PROFILE)
    again = {name: mark for stamp in after.values() for name, mark in stamp.artefacts.items()}
    assert set(again) == set(marks)
    steady = [name for name in marks if not name.startswith(MEASURED)]
    assert [name for name in steady if again[name] != marks[name]] == []
