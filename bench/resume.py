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
from pathlib import Path

MEASURED = ("fit_seconds", "score_seconds", "peak_mb")


def start(folder: Path, profile: str) -> subprocess.Popen:
    """Begin a run whose data and reports lie in `folder`."""
    places = {"COURSE_DATA": str(folder / "data"), "COURSE_REPORTS": str(folder / "reports")}
    command = [sys.executable, "-m", "helpers", "run", "--profile", profile]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, env={**os.environ, **places}, start_new_session=True, **quiet)


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


def main() -> int:
    """Run the experiment; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="sample")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    draw, kills, runs, differences = random.Random(arguments.seed), 0, 0, 0
    with tempfile.TemporaryDirectory() as scratch:
        began = time.monotonic()
        if start(Path(scratch) / "whole", arguments.profile).wait():
            sys.exit("the undisturbed run failed")
        whole = time.monotonic() - began
        expected = results(Path(scratch) / "whole", arguments.profile)
        print(f"undisturbed: {whole:.0f} s", flush=True)
        while kills < arguments.kills:
            folder, status = Path(scratch) / f"killed-{runs}", None
            while status is None:
                run, last = start(folder, arguments.profile), kills == arguments.kills
                moment = draw.uniform(1, whole / 2)
                if not last and killed_after(run, moment):
                    kills += 1
                    done = sorted(
                        path.stem[:2] for path in (folder / "data").glob("*/.finished/0*.json")
                    )
                    print(
                        f"kill {kills}: after {moment:.1f} s, chapters finished: {' '.join(done) or 'none'}",
                        flush=True,
                    )
                else:
                    status = run.wait()
            found = results(folder, arguments.profile) if status == 0 else {}
            wrong = [name for name in expected if found.get(name) != expected[name]]
            differences, runs = differences + bool(wrong), runs + 1
            print(f"run {runs}: {'DIFFERS: ' + ', '.join(wrong) if wrong else 'equal'}", flush=True)
    print(f"{kills} kills, {runs} runs, {runs - differences} of them equal the undisturbed run")
    return int(differences > 0)


if __name__ == "__main__":
    sys.exit(main())
