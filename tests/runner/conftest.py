"""A tiny course for the runner's tests."""

import shutil
from pathlib import Path

import pytest
from tiny_course import NAMES, PROFILE, build, install

from helpers.runner import course


class Runs:
    """Runs of the tiny course in this process, and what they said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def __call__(self, chapters=tuple(NAMES), jobs: int = 2, **given) -> list[str]:
        """Run chapters with parameters by notebook; returns those that ran."""
        self.said = []
        return course.run(PROFILE, given, list(chapters), jobs, self.said.append)

    @property
    def text(self) -> str:
        """All lines of the last run."""
        return "\n".join(self.said)


@pytest.fixture
def run() -> Runs:
    """Call it to run the tiny course."""
    return Runs()


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Root folder of a course of three small chapters, 01 → {03, 05}, none of which has run."""
    build(tmp_path)
    install(monkeypatch, tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def finished_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny course that has run; never written to, only copied."""
    root = tmp_path_factory.mktemp("finished")
    build(root)
    with pytest.MonkeyPatch.context() as patch:
        install(patch, root)
        assert Runs()() == list(NAMES)
    return root


@pytest.fixture
def finished(finished_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a tiny course that has run: its stamps hold no path, so they stand here too."""
    root = tmp_path / "course"
    shutil.copytree(finished_once, root)
    install(monkeypatch, root)
    return root
