"""Kill `course run` at seeded random moments, start it again, and compare what comes out with an undisturbed run.

    python bench/resume.py --kills 10

Prints a row a kill: when, how many chapters were finished, and whether catalogue, interactions and metrics are equal.
Durations and memory are left out of the comparison, everything else counts. Exits 1 at any difference.
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
from pathlib import Path

MEASURED = ("fit_seconds", "score_seconds", "peak_mb")


def start(folder: Path, profile: str) -> subprocess.Popen:
    """Begin a run whose data and reports lie in `folder`."""
    places = {"COURSE_DATA": str(folder / "data"), "COURSE_REPORTS": str(folder / "reports")}
    command = [sys.executable, "-m", "helpers", "run", "--profile", profile]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, env={**os.environ, **places}, start_new_session=True, **quiet)


def results(folder: Path, profile: str) -> dict[str, str]:
    """Hashes of the catalogue, the interactions, and the metrics less what is measured by the clock."""
    data = folder / "data" / profile
    metrics = json.loads((folder / "reports" / profile / "metrics.json").read_text(encoding="utf-8"))
    rows = [{name: value for name, value in row.items() if name not in MEASURED} for row in metrics["results"]]
    parts = {name: (data / f"{name}.parquet").read_bytes() for name in ("catalog", "interactions")}
    parts["metrics"] = json.dumps(rows, sort_keys=True).encode()
    return {name: hashlib.sha256(content).hexdigest() for name, content in parts.items()}


def main() -> int:
    """Run the experiment; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="sample")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    draw, differences = random.Random(arguments.seed), 0
    with tempfile.TemporaryDirectory() as scratch:
        began = time.monotonic()
        if start(Path(scratch) / "whole", arguments.profile).wait():
            sys.exit("the undisturbed run failed")
        seconds = time.monotonic() - began
        expected = results(Path(scratch) / "whole", arguments.profile)
        print(f"undisturbed: {seconds:.0f} s")
        for trial in range(arguments.kills):
            folder, moment = Path(scratch) / f"killed-{trial}", draw.uniform(1, seconds)
            run = start(folder, arguments.profile)
            time.sleep(moment)
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
            finished = sorted(path.stem for path in (folder / "data" / arguments.profile / ".finished").glob("0*.json"))
            status = start(folder, arguments.profile).wait()
            found = results(folder, arguments.profile) if status == 0 else {}
            wrong = [name for name in expected if found.get(name) != expected[name]]
            differences += bool(wrong)
            verdict = f"DIFFERS: {', '.join(wrong)}" if wrong else "equal"
            print(f"killed at {moment:5.1f} s, {len(finished)} chapters finished: {verdict}")
    print(f"{arguments.kills - differences} of {arguments.kills} restarts equal the undisturbed run")
    return int(differences > 0)


if __name__ == "__main__":
    sys.exit(main())
