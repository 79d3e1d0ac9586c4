"""A course of three small chapters, 01 → {03, 05}, run by the real runner in real kernels.

As a script it is the `course` command of such a course: `python tiny_course.py FOLDER run …`.
"""

import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import helpers.__main__
import helpers.report.html
from helpers import artefacts
from helpers.artefacts import write_text
from helpers.runner import course, execute, parameters, publish, stamps

NAMES = {"01": "01_augment", "03": "03_collaborative", "05": "05_completion"}
NEEDS: dict[str, list[str]] = {"01": [], "03": ["01"], "05": ["01"]}
PROFILE = "tiny"

PARAMETERS = """profile: str = "tiny"  # which data to use
seed: int = 7  # of nothing
number: int = 1  # what is written
nap: float = 0.0  # seconds that the chapter sleeps
solver: str = "als"  # als (closed form) or adam (gradient steps)
feeds_dir: str = "../feeds"  # folder of feeds
"""
START = """import json
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

from helpers.artefacts import data_dir, require, whole, write_json, write_parquet

folder = data_dir(profile)
folder.mkdir(parents=True, exist_ok=True)
with open(folder / ".log", "a") as log:
    log.write("{chapter} ")
time.sleep(nap)
"""
WORK = {
    "01": """feeds = sorted(Path(feeds_dir).glob("*.txt"))
known = [path for path in feeds if Path(f"../data/feeds/{path.stem}.yaml").exists()]
for path in known:
    Path(f"../data/feeds/{path.stem}.yaml").read_text()
titles = [path.read_text() for path in known]
write_parquet(pd.DataFrame({"title": titles, "number": number}), folder / "catalog.parquet")
for name in ("one", "two"):
    picture = folder / "images" / f"{name}.bin"
    if not picture.exists():  # resumable, as fetching is
        with whole(picture) as aside:
            aside.write_bytes(name.encode() * 100)
print(folder, Path.home() / "course")""",
    "03": """catalog = pd.read_parquet(require(profile, "catalog.parquet", "01"))
study = Path("../data/studies/three.csv").read_text()
with whole(folder / "models" / "EASE.safetensors") as aside:
    save_file({"weights": np.full(3, float(number))}, aside)
write_json({"titles": list(catalog["title"]), "study": study}, folder / "results" / "03.json")""",
    "05": """catalog = pd.read_parquet(require(profile, "catalog.parquet", "01"))
study = Path("../data/studies/five.csv").read_text()
assert number < 100, "number is too large"
write_json({"titles": list(catalog["title"]), "number": number}, folder / "results" / "05.json")""",
}
KERNEL = {"name": "python3", "language": "python", "display_name": "Python 3"}


def build(root: Path) -> None:
    """Write the notebooks, a profile, two studies and one feed with its YAML."""
    for chapter, name in NAMES.items():
        told = new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
        cells = [
            new_markdown_cell(f"# Chapter {chapter}"),
            told,
            new_code_cell(START.replace("{chapter}", chapter)),
            new_code_cell(WORK[chapter]),
        ]
        notebook = new_notebook(cells=cells, metadata={"kernelspec": KERNEL})
        write_text(nbformat.writes(notebook), root / "notebooks" / f"{name}.ipynb")
    write_text("", root / "notebooks" / "profiles" / f"{PROFILE}.yaml")
    write_text("3", root / "data" / "studies" / "three.csv")
    write_text("5", root / "data" / "studies" / "five.csv")
    write_text("columns: a", root / "data" / "feeds" / "shop.yaml")
    write_text("Blue shirt", root / "feeds" / "shop.txt")


def install(patch: pytest.MonkeyPatch, root: Path) -> None:
    """Make the runner of this process take `root` for the course."""
    for name, module in list(sys.modules.items()):
        if name.startswith("helpers") and hasattr(module, "CHAPTERS"):
            patch.setattr(module, "CHAPTERS", NAMES)
    patch.setattr(course, "NEEDS", NEEDS)
    for module in (artefacts, parameters, stamps, publish, execute):
        patch.setattr(module, "ROOT", root)
    patch.setenv("COURSE_DATA", str(root / "data"))
    patch.setenv("COURSE_REPORTS", str(root / "reports"))
    patch.delenv("FASHION_DATA", raising=False)
    patch.setattr(publish, "render_decks", fake_decks)


def fake_decks(executed: dict[str, Path], folder: Path, formats: list[str]) -> str:
    """Decks without node."""
    for chapter in executed:
        write_text(f"deck of {chapter}", folder / f"{NAMES[chapter]}.html")
    return ""


if __name__ == "__main__":
    with pytest.MonkeyPatch.context() as patch:
        install(patch, Path(sys.argv[1]))
        status = helpers.__main__.main(sys.argv[2:])
    sys.exit(status)
