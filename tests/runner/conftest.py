"""A tiny course for the runner's tests."""

from pathlib import Path

import pytest
from tiny_course import build, install


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Root folder of a course of three small chapters, 01 → {03, 05}."""
    build(tmp_path)
    install(monkeypatch, tmp_path)
    return tmp_path
