"""Imports point one way only, and `import helpers` stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import helpers

HELPERS = Path(helpers.__file__).parent
ORDER = [
    "engine",
    "recording",
    "artefacts",
    "locks",
    "templates",
    "feeds",
    "images",
    "sample",
    "embeddings",
    "interactions",
    "simulator",
    "kernels",
    "recommenders",
    "evaluation",
    "serving",
    "report",
    "runner",
    "__main__",
]
FILES = sorted(path for path in HELPERS.rglob("*.py") if path != HELPERS / "__init__.py")


def room(path: Path) -> str:
    return path.relative_to(HELPERS).parts[0].removesuffix(".py")


def imported_rooms(source: str, path: Path) -> set[str]:
    """Rooms that a file imports anywhere, functions included."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = ["helpers", *path.relative_to(HELPERS).parts[:-1]]
            start = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*start, *([node.module] if node.module else [])])
            names = [f"{module}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("helpers.")}
    return found & set(ORDER)


def wrong_way(source: str, path: Path) -> list[str]:
    own = ORDER.index(room(path))
    return [name for name in sorted(imported_rooms(source, path)) if ORDER.index(name) > own]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HELPERS)))
def test_no_room_imports_a_later_one(path):
    assert room(path) in ORDER, f"{path} is in no room that DESIGN names"
    assert wrong_way(path.read_text(encoding="utf-8"), path) == []


def test_the_rule_bites():
    path = HELPERS / "interactions" / "splits.py"
    assert wrong_way("def f():\n    from helpers.evaluation import metrics", path) == ["evaluation"]
    assert wrong_way("import helpers.report.plots", path) == ["report"]
    assert wrong_way("from helpers import recommenders, feeds", path) == ["recommenders"]
    assert wrong_way("from ..evaluation import metrics", path) == ["evaluation"]
    assert wrong_way("from .. import report", path) == ["report"]
    assert wrong_way("from .matrix import Histories", path) == []
    assert wrong_way("from helpers.feeds import read_feed\nimport numpy", path) == []


LIGHT = ("artefacts", "interactions", "simulator", "recommenders", "evaluation")
STATEMENTS = (
    "import " + ", ".join(f"helpers.{name}" for name in LIGHT),
    "from helpers.recommenders import Popularity, EASE",
    "import faiss",
)


def test_light_rooms_stay_light():
    """What a fresh interpreter holds of the heavy modules after each statement."""
    heavy = "('torch', 'numba', 'faiss', 'open_clip', 'sklearn')"
    show = f"print(*(name for name in {heavy} if name in sys.modules), sep=' ')"
    code = "import sys; " + "; ".join(f"{statement}; {show}" for statement in STATEMENTS)
    command = [sys.executable, "-c", code]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rooms, methods_without_torch, what_is_heavy = told.split("\n")[:3]
    assert rooms == ""
    assert "torch" not in methods_without_torch
    assert "faiss" in what_is_heavy  # the check sees what it looks for
