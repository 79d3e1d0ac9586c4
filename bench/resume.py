"""Kill `course run` at seeded random moments, start it again each time, and compare with an
undisturbed run.

    python bench/resume.py --kills 10

Each start goes on from what the killed one left, and is killed in its turn, until there were enough
kills; the last one may finish. A run that finishes earlier is compared too, and the next kill
strikes a new one. Prints a row a kill and a row a finished run: whether catalogue, interactions and
metrics are equal. Durations and memory are left out of the comparison, everything else counts.
Exits 1 at any difference.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

MEASURED = ("fit_seconds", "score_seconds", "peak_mb")


def start(folder: Path, profile: str) -> subprocess.Popen:
    """Begin a run whose data and reports lie in `folder`."""
    places = {"COURSE_DATA": str(folder / "data"), "COURSE_REPORTS": str(folder / "reports")}
    return subprocess.Popen(
        [sys.executable, "-m", "helpers", "run", "--profile", profile],
        env={**os.environ, **places},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def results(folder: Path, profile: str) -> dict[str, str]:
    """Hashes of the catalogue, the interactions, and the metrics less what is measured by the
    clock.
    """
    data = folder / "data" / profile
    metrics = json.loads(
        (folder / "reports" / profile / "metrics.json").read_text(encoding="utf-8")
    )
    rows = [
        {name: value for name, value in row.items() if name not in MEASURED}
        for row in metrics["results"]
    ]
    parts = {name: (data / f"{name}.parquet").read_bytes() for name in ("catalog", "interactions")}
    parts["metrics"] = json.dumps(rows, sort_keys=True).encode()
    return {name: hashlib.sha256(content).hexdigest() for name, content in parts.items()}


def killed_after(run: subprocess.Popen, seconds: float) -> bool:
    """Kill the run and all its processes after so long; False if it had ended by then."""
    try:
        run.wait(seconds)
        return False
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        return True


@dataclass
class Tally:
    """How often a run was killed, and how many runs came to their end, equal or not."""

    kills: int = 0
    runs: int = 0
    differences: int = 0


def chapters_finished(folder: Path) -> str:
    """Numbers of the chapters that a run has finished, or "none"."""
    stamps = sorted((folder / "data").glob("*/.finished/0*.json"))
    return " ".join(stamp.stem[:2] for stamp in stamps) or "none"


def run_with_kills(
    folder: Path, profile: str, most: int, whole: float, draw: random.Random, tally: Tally
) -> int:
    """Start a run again and again until one comes to its end; its exit status.

    Each start is killed at a moment drawn from the first half of a whole run's `whole` seconds, as
    long as there were fewer than `most` kills.
    """
    while True:
        is_last = tally.kills == most
        run = start(folder, profile)
        moment = draw.uniform(1, whole / 2)
        if is_last or not killed_after(run, moment):
            return run.wait()
        tally.kills += 1
        finished = chapters_finished(folder)
        print(
            f"kill {tally.kills}: after {moment:.1f} s, chapters finished: {finished}",
            flush=True,
        )


def main() -> int:
    """Run the experiment; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="sample")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    profile = arguments.profile
    draw = random.Random(arguments.seed)
    tally = Tally()
    with tempfile.TemporaryDirectory() as scratch:
        began = time.monotonic()
        if start(Path(scratch) / "whole", profile).wait():
            sys.exit("the undisturbed run failed")
        whole = time.monotonic() - began
        expected = results(Path(scratch) / "whole", profile)
        print(f"undisturbed: {whole:.0f} s", flush=True)
        while tally.kills < arguments.kills:
            folder = Path(scratch) / f"killed-{tally.runs}"
            status = run_with_kills(folder, profile, arguments.kills, whole, draw, tally)
            found = results(folder, profile) if status == 0 else {}
            wrong = [name for name in expected if found.get(name) != expected[name]]
            tally.runs += 1
            tally.differences += bool(wrong)
            verdict = f"DIFFERS: {', '.join(wrong)}" if wrong else "equal"
            print(f"run {tally.runs}: {verdict}", flush=True)
    equal = tally.runs - tally.differences
    print(f"{tally.kills} kills, {tally.runs} runs, {equal} of them equal the undisturbed run")
    return int(tally.differences > 0)


if __name__ == "__main__":
    sys.exit(main())
