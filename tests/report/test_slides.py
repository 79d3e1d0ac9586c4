"""Printing decks: one at a time, never for ever, and with marp-cli's own words when it fails."""

import sys
import textwrap

import nbformat
import psutil
import pytest
from browser import needs_browser, pdf_pages, pptx_slides
from nbformat.v4 import new_markdown_cell, new_notebook

from helpers.report import slides

# What stands in for marp-cli: it is started as `python fake.py --config-file … --output FOLDER …`.
FAKE = """
    import pathlib, subprocess, sys, time
    arguments = sys.argv[1:]
    folder = pathlib.Path(arguments[arguments.index("--output") + 1])
    kind = next((name for name in ("pdf", "pptx") if "--" + name in arguments), "html")
    sources = sorted(folder.rglob("*.md"))
    here = pathlib.Path(__file__).parent
"""
WRITES = """
    with open(here / "log", "a") as log:
        log.write("start " + " ".join(f"{source.stem}.{kind}" for source in sources) + "\\n")
    time.sleep(0.1)
    for source in sources:
        source.with_suffix("." + kind).write_text(f"<head></head> {source.stem}")
    with open(here / "log", "a") as log:
        log.write("end\\n")
"""
FAILS = """
    print("[ERROR] Failed to launch the browser: libnss3.so is missing", file=sys.stderr)
    sys.exit(1)
"""
HANGS = """
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (here / "child").write_text(str(child.pid))
    print("[INFO] Converting 1 markdown...", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def executed(tmp_path):
    """Two executed notebooks of two slides each."""
    paths = {}
    for chapter in ("03", "05"):
        cells = []
        for title in ("# First", "# Second"):
            cell = new_markdown_cell(title)
            cell.metadata["slideshow"] = {"slide_type": "slide"}
            cells.append(cell)
        paths[chapter] = tmp_path / f"{chapter}.ipynb"
        nbformat.write(new_notebook(cells=cells), paths[chapter])
    return paths


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Put a script in marp-cli's place; returns the function that does."""

    def put(behavior):
        script = tmp_path / "fake.py"
        script.write_text(textwrap.dedent(FAKE) + textwrap.dedent(behavior))
        monkeypatch.setattr(slides, "find_node", lambda: sys.executable)
        monkeypatch.setattr(slides, "find_marp", lambda: script)
        monkeypatch.setattr(slides, "find_browser", lambda: "some-browser")

    return put


def test_decks_are_printed_one_at_a_time(executed, stand_in, tmp_path):
    stand_in(WRITES)
    assert slides.render_decks(executed, tmp_path / "decks", ["pdf", "html", "pptx"]) == ""
    log = (tmp_path / "log").read_text().splitlines()
    assert log[0] == "start 03_collaborative.html 05_completion.html"
    assert log[2::2] == [
        "start 03_collaborative.pdf",
        "start 05_completion.pdf",
        "start 03_collaborative.pptx",
        "start 05_completion.pptx",
    ]
    assert log[1::2] == ["end"] * 5
    written = sorted(path.name for path in (tmp_path / "decks").iterdir())
    assert len(written) == 6 and "05_completion.pptx" in written


def test_a_failure_names_the_deck_and_repeats_marps_words(executed, stand_in, tmp_path):
    stand_in(FAILS)
    with pytest.raises(RuntimeError) as told:
        slides.render_decks(executed, tmp_path / "decks", ["pdf"])
    message = str(told.value)
    assert "03_collaborative.pdf" in message and "status 1" in message
    assert "libnss3.so is missing" in message


def test_a_deck_that_hangs_is_stopped_with_its_browser(executed, stand_in, tmp_path, monkeypatch):
    stand_in(HANGS)
    monkeypatch.setattr(slides, "DECK_SECONDS", 3)
    with pytest.raises(RuntimeError) as told:
        slides.render_decks(executed, tmp_path / "decks", ["pptx"])
    message = str(told.value)
    assert "03_collaborative.pptx" in message and "stopped after 3 s" in message
    assert "Converting 1 markdown" in message
    child = int((tmp_path / "child").read_text())
    alive = psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE
    assert not alive


def test_what_needs_no_browser_is_written_without_one(executed, stand_in, tmp_path, monkeypatch):
    stand_in(WRITES)
    monkeypatch.setattr(slides, "find_browser", lambda: None)
    formats = ["html", "md", "pdf"]
    assert slides.render_decks(executed, tmp_path / "decks", formats) == slides.NO_BROWSER
    endings = {path.suffix for path in (tmp_path / "decks").iterdir()}
    assert endings == {".html", ".md"}


@pytest.mark.parametrize("tool", ["node", "marp"])
def test_markdown_needs_no_tool(executed, stand_in, tmp_path, monkeypatch, tool):
    stand_in(WRITES)
    monkeypatch.setattr(slides, f"find_{tool}", lambda: None)
    problem = slides.render_decks(executed, tmp_path / "decks", ["html", "md"])
    assert problem == {"node": slides.NO_NODE, "marp": slides.NO_MARP}[tool]
    assert {path.suffix for path in (tmp_path / "decks").iterdir()} == {".md"}


@pytest.mark.browser
@needs_browser[1]
@pytest.mark.skipif(
    slides.find_marp() is None, reason="marp-cli is not installed: run make install"
)
def test_a_real_browser_prints_every_slide(executed, tmp_path):
    one = {"05": executed["05"]}
    assert slides.render_decks(one, tmp_path / "decks", ["pdf", "pptx"]) == ""
    assert pdf_pages(tmp_path / "decks" / "05_completion.pdf") == 2
    assert pptx_slides(tmp_path / "decks" / "05_completion.pptx") == 2
