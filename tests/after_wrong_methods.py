"""Tolerance is not blindness: nbval notices a wrong method in each chapter that measures one.

Each test runs nbval on a copy of a chapter whose first cell spoils a method, on a copy of the
sample profile's data, up to the first cell whose outputs differ from the stored ones. It needs what
the chapters left in data/sample, so `make test` runs it after the notebooks.
"""

import os
import shutil
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from helpers.artefacts import CHAPTERS, ROOT, data_dir

# The names of a spoiling function don't meet those of the notebook.
# Each spoils within a function, whose names the notebook's own don't overwrite.
# Toys stay right: numbers measured on the whole catalogue are those that have tolerances.
TOY = 100  # items
NEGATED_SIMILARITIES = f"""
from helpers.recommenders import ItemKNN

def spoil():
    fit = ItemKNN._fit

    def negated(self, train, *arguments):
        fit(self, train, *arguments)
        if train.shape[1] > {TOY}:
            self.kept_data_ = -self.kept_data_

    ItemKNN._fit = negated

spoil()
"""

SHUFFLED_CATALOGUE = f"""
import numpy as np
from helpers.recommenders import Content

def spoil():
    fit = Content._fit

    def shuffled(self, train, *arguments):
        fit(self, train, *arguments)
        if train.shape[1] > {TOY}:
            self.vectors_ = np.random.default_rng(7).permutation(self.vectors_)

    Content._fit = shuffled

spoil()
"""

RANK_ONE = f"""
from helpers.recommenders import MatrixCompletion

def spoil():
    fit = MatrixCompletion._fit

    def of_rank_one(self, train, *arguments):
        if train.shape[1] > {TOY}:
            self.rank = 1
        fit(self, train, *arguments)

    MatrixCompletion._fit = of_rank_one

spoil()
"""

UNTRAINED_TOWERS = f"""
from dataclasses import replace

from helpers.recommenders import TwoTower

def spoil():
    fit = TwoTower._fit

    def untrained(self, train, *arguments):
        if train.shape[1] > {TOY}:
            self._settings = replace(self._settings, lr=0.0)
        fit(self, train, *arguments)

    TwoTower._fit = untrained

spoil()
"""

# Chapter 07 fits nothing: it loads what the chapters before it have left.
LOADED_SHUFFLED = """
import numpy as np
from helpers.recommenders import Content

def spoil():
    load = Content.load.__func__

    def shuffled(cls, path):
        model = load(cls, path)
        model.vectors_ = np.random.default_rng(7).permutation(model.vectors_)
        return model

    Content.load = classmethod(shuffled)

spoil()
"""

WRONG = {
    "03": NEGATED_SIMILARITIES,
    "04": SHUFFLED_CATALOGUE,
    "05": RANK_ONE,
    "06": UNTRAINED_TOWERS,
    "07": LOADED_SHUFFLED,
}

# A cell may also stop with an error, for instance at an assertion. That isn't what we look for.
STOP_AT_THE_FIRST_DIFFERENCE = f"""
import sys

import pytest

sys.path.insert(0, {str(ROOT / "tests")!r})
import same_outputs

def pytest_configure(config):
    same_outputs.install()

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.excinfo and "Cell outputs differ" in str(call.excinfo.value):
        item.session.shouldfail = "a difference was found"
    return report
"""


@pytest.fixture
def copied_data(tmp_path):
    """A copy of data/sample, so that no spoilt result stays behind; pictures are only read."""
    original = data_dir("sample")
    copy = tmp_path / "data" / "sample"
    copy.mkdir(parents=True)
    for path in original.iterdir():
        if path.name in ("images", "store"):
            (copy / path.name).symlink_to(path, target_is_directory=True)
        elif path.is_dir():
            shutil.copytree(path, copy / path.name)
        else:
            shutil.copy(path, copy)
    return copy.parent


def spoilt_copy(chapter: str, folder):
    """The stored notebook with one more cell in front, in a folder whose nbval stops early."""
    name = f"{CHAPTERS[chapter]}.ipynb"
    notebook = nbformat.read(ROOT / "notebooks" / name, as_version=4)
    notebook.cells.insert(0, new_code_cell(WRONG[chapter]))
    folder.mkdir()
    nbformat.write(notebook, folder / name)
    (folder / "conftest.py").write_text(STOP_AT_THE_FIRST_DIFFERENCE, encoding="utf-8")
    return folder / name


@pytest.mark.slow
@pytest.mark.parametrize("chapter", WRONG)
def test_a_wrong_method_makes_the_chapter_fail(chapter, tmp_path, copied_data):
    notebook = spoilt_copy(chapter, tmp_path / "notebooks")
    environment = os.environ | {
        "COURSE_DATA": str(copied_data),
        "COURSE_REPORTS": str(tmp_path / "reports"),
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    command = [sys.executable, "-m", "pytest", "--nbval", "-p", "no:cacheprovider", "-v"]
    run = subprocess.run(
        [*command, f"--rootdir={notebook.parent}", notebook.name],
        cwd=notebook.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode == 1, run.stdout + run.stderr
    assert "::Cell 0 PASSED" in run.stdout  # the method could be spoilt
    assert "Cell outputs differ" in run.stdout
