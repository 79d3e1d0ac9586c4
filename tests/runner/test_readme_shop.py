"""README's "Your own shop in ten minutes", word for word, on a tea shop that is made up here."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.artefacts import ROOT
from helpers.interactions.privacy import KEY_VARIABLE, traces

KINDS = {"tea": ("Oolong", "Green", "Earl Grey", "Rooibos"), "mug": ("Blue", "Stoneware", "Travel")}
SECTION = "## Your own shop in ten minutes"


def section() -> str:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return text.partition(SECTION)[2].partition("\n## ")[0]


def blocks() -> tuple[str, str]:
    """The two files as the README shows them, and its commands."""
    shown, commands = re.findall(r"```(?:sh)?\n(.*?)```", section(), re.DOTALL)
    return shown, commands


def columns_of(name: str) -> list[str]:
    """The header that the README gives a file."""
    lines = blocks()[0].splitlines()
    start = lines[0].index(name)
    end = lines[0].find("orders.csv") if name == "products.csv" else None
    return lines[1][start:end].strip().split(";")


def write_tea_shop(folder: Path) -> None:
    """Both files with the README's columns: 60 products, 240 customers with ten orders each."""
    rng = np.random.default_rng(1)
    kinds = list(KINDS)
    rows = []
    for number in range(60):
        kind = kinds[number % 2]
        name = f"{KINDS[kind][number // 2 % len(KINDS[kind])]} {kind} {number // 8 + 1}"
        price = f"{4 + number % 9}.90"
        rows.append((f"{kind[0].upper()}-{100 + number}", name, kind, "Leaf & Co", price))
    products = pd.DataFrame(rows, columns=columns_of("products.csv"))
    products.to_csv(folder / "products.csv", sep=";", index=False)
    orders = []
    for customer in range(240):
        is_liked = np.arange(60) % 2 == customer % 2
        chance = np.where(is_liked, 5.0, 1.0)
        bought = rng.choice(60, 10, replace=False, p=chance / chance.sum())
        for day, item in enumerate(bought):
            date = f"2024-03-{1 + day:02d}"
            orders.append((len(orders) + 1, f"C-{customer}", date, rows[item][0], 1))
    log = pd.DataFrame(orders, columns=columns_of("orders.csv"))
    log.to_csv(folder / "orders.csv", sep=";", index=False)


PARTS = ("helpers", "notebooks", "data/feeds", "data/models", "data/studies", "data/personas")
FILES = ("data/*.yaml", "data/*.csv", "*.json", "*.mjs", "*.toml", "README.md")


@pytest.fixture
def clone(tmp_path, monkeypatch) -> Path:
    """A copy of the course with the tea shop's files in it, and `course` as the README calls it."""
    root = tmp_path / "course"
    skip = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
    for part in (*PARTS, "reports/theme"):
        shutil.copytree(ROOT / part, root / part, ignore=skip)
    for pattern in FILES:
        for path in ROOT.glob(pattern):
            shutil.copy(path, root / path.relative_to(ROOT))
    if (ROOT / "node_modules").exists():
        (root / "node_modules").symlink_to((ROOT / "node_modules").resolve())
    write_tea_shop(root)
    script = root / "bin" / "course"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m helpers "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    path = f"{script.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    monkeypatch.setenv("PYTHONPATH", str(root))
    for name in (KEY_VARIABLE, "COURSE_DATA", "COURSE_REPORTS", "FASHION_DATA"):
        monkeypatch.delenv(name, raising=False)
    return root


def test_the_readme_s_commands_run_on_a_shop_of_their_own(clone):
    """All commands as they stand; the run stops after the chapters that read the shop's files."""
    commands = blocks()[1].splitlines()
    assert commands[-1] == "course run --profile my_shop"
    script = "\n".join(["set -e", *commands]) + " --until 02"
    done = subprocess.run(
        ["bash", "-c", script], cwd=clone, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert commands[-1] in done.stdout  # what it says to run next is what the README says
    assert "60 rows read, 60 products, 0 rejected" in done.stdout
    assert "240 customers and 60 products" in done.stdout
    for name in re.findall(r"`((?:data|notebooks)/[\w/.]+)`", section()):
        assert (clone / name).is_file(), name
    facts = json.loads((clone / "data" / "my_shop" / "interactions.json").read_text())
    assert (facts["shoppers"], facts["orders"]["pairs"]) == ("real", 2400)
    assert (clone / "reports" / "my_shop" / "02_interactions.html").is_file()
    made = [clone / name / "my_shop" for name in ("data", "reports")]
    assert [found for folder in made for found in traces(folder, ["C-17,", '"C-17"'])] == []
