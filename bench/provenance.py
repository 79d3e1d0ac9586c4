"""What a study's result comes from: columns `commit`, `date` and `versions` of its CSV."""

import importlib.metadata
import subprocess
import time

import pandas as pd

from helpers.artefacts import ROOT

PACKAGES = ("numpy", "scipy", "pandas", "scikit-learn", "torch", "lightgbm")


def with_provenance(table: pd.DataFrame) -> pd.DataFrame:
    """The table, each row with the commit, the date and the versions that it comes from.

    A commit whose files were changed since ends in "+".
    """
    found = [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES]
    return table.assign(commit=_commit(), date=time.strftime("%Y-%m-%d"), versions=", ".join(found))


def _commit() -> str:
    name = _git("rev-parse", "--short", "HEAD")
    is_changed = bool(_git("status", "--porcelain", "--untracked-files=no"))
    return f"{name}+" if is_changed else name


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()
