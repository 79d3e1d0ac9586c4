"""For tests and notebooks alike: how outputs are compared, and the order of tests."""

import sys
from pathlib import Path

TESTS = Path(__file__).parent / "tests"
sys.path.insert(0, str(TESTS))  # same_outputs.py, browser.py and their like


def pytest_addoption(parser):
    parser.addoption(
        "--order", choices=("given", "reverse"), default="given", help="order of tests"
    )


def pytest_collection_modifyitems(config, items):
    if config.getoption("order") == "reverse":
        items.reverse()


def pytest_configure(config):
    if config.getoption("nbval", default=False):
        import same_outputs

        same_outputs.install()
