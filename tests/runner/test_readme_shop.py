"""README's "Your own shop in ten minutes", word for word, on a tea shop that is made up here."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.artefacts import ROOT
from helpers.interactions.privacy import KEY_VARIABLE

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


@pytest.fixture
def course_folder(tmp_path, monkeypatch):
    """A course of its own: `course` as the README calls it, whose profiles and feeds lie in
    `tmp_path`.
    """
    write_tea_shop(tmp_path)
    script = tmp_path / "bin" / "course"
    script.parent.mkdir()
    code = (
        "import sys\nfrom pathlib import Path\nfrom helpers.runner import shop, parameters\n"
        f"shop.PROFILES = Path({str(tmp_path)!r}) / 'profiles'\n"
        f"shop.FEEDS = Path({str(tmp_path)!r}) / 'feeds'\n"
        "from helpers.__main__ import main\nsys.exit(main(sys.argv[1:]))\n"
    )
    script.write_text(f"#!{sys.executable}\n{code}", encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{Path(sys.executable).parent}:/usr/bin:/bin")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "data"))
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    return tmp_path


def test_the_readme_s_commands_make_a_profile(course_folder):
    commands = blocks()[1].splitlines()
    assert commands[-1] == "course run --profile my_shop"
    script = "\n".join(["set -e", *commands[:-1]])  # the run itself: tests/after_runs.py
    done = subprocess.run(
        ["bash", "-c", script], cwd=course_folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert commands[-1] in done.stdout  # what it says to run next is what the README says
    assert "60 rows read, 60 products, 0 rejected" in done.stdout
    assert "240 customers and 60 products" in done.stdout
    for name in re.findall(r"`((?:data|notebooks)/[\w/.]+)`", section()):
        place = name.replace("data/feeds", "feeds").replace("notebooks/profiles", "profiles")
        assert (course_folder / place).is_file(), name
