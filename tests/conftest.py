"""Shared by all tests: no test reads or writes a user's data and reports."""

import sys

import pytest


@pytest.fixture
def course_dirs(tmp_path, monkeypatch):
    """Empty data and reports folders of this test's own."""
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COURSE_REPORTS", str(tmp_path / "reports"))
    return tmp_path


def pytest_unconfigure():
    """End the browser that this process's tests shared."""
    if "browser" in sys.modules:
        sys.modules["browser"].close_browser()
