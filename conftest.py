"""Notebooks, too, are compared by this project's own rules, from whatever folder pytest starts."""

import sys
from pathlib import Path

TESTS = Path(__file__).parent / "tests"
sys.path.insert(0, str(TESTS))  # same_outputs.py, browser.py and their like


def pytest_configure(config):
    if config.getoption("nbval", default=False):
        import same_outputs

        same_outputs.install()
