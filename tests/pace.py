"""Run a command, and print how long it took beside what this machine takes for a fixed loop.

    python tests/pace.py 600 make lint unit notebooks

Machines differ by a factor of two, so a limit in seconds means little without the machine's pace.
The limits are those of the README, for two cores that take REFERENCE seconds for the loop. Nothing
fails here: the numbers are for whoever reads the log.
"""

import os
import shlex
import subprocess
import sys
import time

REFERENCE = 1.0  # seconds that the loop takes on the two cores on which the limits were set
ROUNDS = 3
SIZE = 700


def calibrate() -> float:
    """Seconds for one round of plain Python and matrix products, the fastest of three."""
    return min(one_round() for _ in range(ROUNDS))


def one_round() -> float:
    """Seconds of processor time, which other programs lengthen little."""
    import numpy as np  # after OMP_NUM_THREADS is set

    matrix = np.random.default_rng(7).random((SIZE, SIZE), dtype=np.float32)
    start = time.process_time()
    total = 0
    for number in range(14_000_000):
        total += number & 7
    for _ in range(84):
        matrix = np.tanh(matrix @ matrix)
    return time.process_time() - start


def report(command: list[str], seconds: float, limit: float, loop: float) -> str:
    """One line: the command's time, its limit, and the limit at this machine's pace."""
    pace = loop / REFERENCE
    at_this_pace = limit * pace
    return (
        f"{shlex.join(command)}: {seconds:.0f} s. The limit is {limit:.0f} s where the calibration "
        "loop "
        f"takes {REFERENCE:.1f} s; here it takes {loop:.1f} s, so {at_this_pace:.0f} s."
    )


def main(arguments: list[str]) -> int:
    """Run the command after the limit; its exit status is ours."""
    limit = float(arguments[0])
    command = arguments[1:]
    start = time.perf_counter()
    status = subprocess.run(command, check=False).returncode
    seconds = time.perf_counter() - start
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    print(report(command, seconds, limit, calibrate()))
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
