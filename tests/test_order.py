"""The options that the Makefile gives to pytest and to its clock."""

import subprocess
import sys
from pathlib import Path

import pace

ROOT = Path(__file__).resolve().parent.parent


def test_tests_run_in_reverse_when_asked():
    command = [sys.executable, "-m", "pytest", "--collect-only", "-p", "no:cacheprovider"]
    run = subprocess.run(
        [*command, "--order", "reverse", str(Path(__file__).with_name("test_same_outputs.py"))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = [line for line in run.stdout.splitlines() if "::" in line]
    assert "test_rounding_passes[NDCG 0.43-NDCG 0.44]" in names[-1]  # the file's first
    assert len(names) > 50


def test_a_limit_follows_the_machines_pace():
    told = pace.report(["make", "test"], seconds=700.4, limit=600, loop=2 * pace.REFERENCE)
    assert told.startswith("make test: 700 s.")
    assert told.endswith("so 1200 s.")


def test_the_clock_hands_on_the_commands_exit_status(monkeypatch, capsys):
    monkeypatch.setattr(pace, "calibrate", lambda: pace.REFERENCE)
    assert pace.main(["5", sys.executable, "-c", "raise SystemExit(3)"]) == 3
    assert "so 5 s." in capsys.readouterr().out
