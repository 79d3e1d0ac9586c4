"""The course in JupyterLab, as `make lab` opens it: right kernel, links that lead somewhere, a
chapter that runs, and an exercise that can be solved.

The server works on a copy. Without a Chromium these tests are skipped. LAB_CHAPTERS="02 05" or
"all" runs those chapters as well as the quick one.
"""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from urllib.parse import quote

import nbformat
import pytest
from browser import CHROMIUM, needs_browser
from chapter_links import links_of, pages

from helpers.artefacts import CHAPTERS, ROOT, data_dir

QUICK = "04"
SECONDS = 300
"""Before a chapter is given up."""
KERNEL = "python3"
pytestmark = [*needs_browser, pytest.mark.xdist_group("lab")]


def chapters_to_run() -> list[str]:
    asked = os.environ.get("LAB_CHAPTERS", "")
    if asked == "all":
        return list(CHAPTERS)
    return list(dict.fromkeys([QUICK, *asked.split()]))


def flags_of_make_lab() -> list[str]:
    """The options that the Makefile gives to `jupyter lab`."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "\tjupyter lab $(LAB)\n" in makefile
    return shlex.split(re.search(r"^LAB := (.*)$", makefile, re.MULTILINE)[1])


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A copy of what the notebooks link to, and of what a run left."""
    folder = tmp_path_factory.mktemp("course")
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    shutil.copytree(ROOT / ".lab", folder / ".lab")
    shutil.copyfile(ROOT / "README.md", folder / "README.md")
    (folder / "data").mkdir()
    shutil.copyfile(ROOT / "data" / "vocabulary.yaml", folder / "data" / "vocabulary.yaml")
    shutil.copytree(data_dir("sample"), folder / "made" / "sample")
    return folder


@pytest.fixture(scope="module")
def server(root):
    """Address of a Jupyter server that was started as `make lab` starts it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", *flags_of_make_lab()]
    command += ["--no-browser", f"--port={port}", "--ip=127.0.0.1", "--allow-root"]
    command += ["--IdentityProvider.token=", "--expose-app-in-browser"]
    settings = {"JUPYTER_CONFIG_DIR": str(root / "config"), "COURSE_DATA": str(root / "made")}
    settings |= {"COURSE_REPORTS": str(root / "reports"), "JUPYTER_RUNTIME_DIR": str(root / "run")}
    with open(root / "server.log", "wb") as log:
        process = subprocess.Popen(
            command, cwd=root, env={**os.environ, **settings}, stdout=log, stderr=log
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(address, process, root / "server.log")
        yield address
    finally:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:  # an extension may wait for a page that has gone
            process.kill()
            process.wait()


def _wait_for(address, process, log):
    for _ in range(600):
        if process.poll() is not None:
            break
        try:
            return json.load(urllib.request.urlopen(f"{address}/api/status", timeout=5))
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise AssertionError(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def tab(server):
    """A browser's tab."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(1000 * SECONDS)
        yield page
        browser.close()


# Waits until the notebook in front has a kernel; returns its path and the kernel's name.
IN_FRONT = """async () => {
  const app = window.jupyterapp;
  await app.restored;
  for (let tries = 0; tries < 600; tries++) {
    const panel = app.shell.currentWidget, session = panel?.sessionContext?.session;
    if (session?.kernel) return [panel.context.path, session.kernel.name];
    await new Promise(done => setTimeout(done, 100));
  }
  return ['', ''];
}"""
OPEN = """async path => {
  await window.jupyterapp.commands.execute('docmanager:open', {path});
}"""
RUN_ALL = """async () => {
  await window.jupyterapp.commands.execute('notebook:run-all-cells');
}"""
ERRORS = """() => window.jupyterapp.shell.currentWidget.content.widgets.flatMap(cell =>
  (cell.model.type === 'code' ? cell.model.outputs.toJSON() : [])
    .filter(out => out.output_type === 'error').map(out => out.ename + ': ' + out.evalue))"""
COUNTS = """() => window.jupyterapp.shell.currentWidget.content.widgets
  .filter(cell => cell.model.type === 'code' && cell.model.sharedModel.getSource().trim())
  .map(cell => cell.model.executionCount)"""
# Puts a source into a cell, runs it as Shift-Enter does, and returns what it printed.
ANSWER = """async ([id, source]) => {
  const app = window.jupyterapp, notebook = app.shell.currentWidget.content;
  const place = notebook.widgets.findIndex(cell => cell.model.id === id);
  notebook.activeCellIndex = place;
  notebook.deselectAll();
  const cell = notebook.widgets[place];
  if (source) cell.model.sharedModel.setSource(source);
  await app.commands.execute('notebook:run-cell');
  return cell.model.outputs.toJSON().map(out => [out.text ?? ''].flat().join('')).join('');
}"""


def go(tab, address):
    """Open a page of Lab, whose application starts after the page has loaded."""
    tab.goto(address)
    tab.wait_for_function("() => Boolean(window.jupyterapp)")


def test_make_lab_opens_chapter_01(server, tab):
    go(tab, server)
    path, kernel = tab.evaluate(IN_FRONT)
    assert (path, kernel) == (f"notebooks/{CHAPTERS['01']}.ipynb", KERNEL)


def test_nothing_lies_over_the_first_chapter(server, tab):
    """Lab asks whether to fetch news, unless `.lab` answers."""
    go(tab, server)
    tab.evaluate(IN_FRONT)
    tab.wait_for_timeout(3000)  # the question comes after the page
    assert tab.locator(".jp-toastContainer, .Toastify__toast").all_inner_texts() in ([], [""])


@pytest.mark.parametrize("chapter", list(CHAPTERS))
def test_a_chapter_opens_with_its_kernel_and_no_dialog(server, tab, chapter):
    path = f"notebooks/{CHAPTERS[chapter]}.ipynb"
    go(tab, f"{server}/lab/tree/{path}?reset")
    assert tab.evaluate(IN_FRONT) == [path, KERNEL]
    assert tab.locator("dialog.jp-Dialog").count() == 0  # such as "Select Kernel"
    tab.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")


def test_contents_notation_and_solutions_open_on_a_click(server, tab):
    start = f"notebooks/{CHAPTERS[QUICK]}.ipynb"
    go(tab, f"{server}/lab/tree/{start}?reset")
    assert tab.evaluate(IN_FRONT)[0] == start
    wanted = {
        "README.md": "README.md",
        "notation.md": "notebooks/notation.md",
        "solutions/": f"notebooks/solutions/{CHAPTERS[QUICK]}.ipynb",
    }
    for part, path in wanted.items():
        tab.evaluate(OPEN, start)
        link = tab.locator(f".jp-NotebookPanel:not(.lm-mod-hidden) a[href*='{part}']").first
        link.click()
        tab.wait_for_function(
            "path => window.jupyterapp.shell.currentWidget?.context?.path === path", arg=path
        )
    tab.evaluate("() => window.jupyterapp.serviceManager.sessions.shutdownAll()")


@pytest.mark.parametrize("chapter", chapters_to_run())
def test_a_chapter_runs_and_an_exercise_is_solved(server, tab, chapter):
    path = f"notebooks/{CHAPTERS[chapter]}.ipynb"
    go(tab, f"{server}/lab/tree/{path}?reset")
    assert tab.evaluate(IN_FRONT)[0] == path
    tab.evaluate(RUN_ALL)
    assert tab.evaluate(ERRORS) == []
    counts = tab.evaluate(COUNTS)
    assert counts == list(range(1, len(counts) + 1))
    cell, name, solution = first_exercise(chapter)
    assert tab.evaluate(ANSWER, [cell, ""]).startswith("to do")
    assert tab.evaluate(ANSWER, [cell, solution]).endswith("correct\n"), name
    tab.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")


def first_exercise(chapter):
    """Id of the cell of a chapter's first exercise, its name, and the cell that solves it."""
    asked = re.compile(r'feedback\("([^"]+)"')
    name = ""
    for cell in nbformat.read(notebook_of(chapter), as_version=4).cells:
        found = asked.search(cell.source)
        if cell.cell_type == "code" and found:
            name = found[1]
            break
    for solved in nbformat.read(notebook_of(chapter, "solutions"), as_version=4).cells:
        if solved.cell_type == "code" and f'feedback("{name}"' in solved.source:
            return cell.id, name, solved.source
    raise AssertionError(f"exercise {name} of chapter {chapter} has no solution")


def notebook_of(chapter, folder="."):
    return ROOT / "notebooks" / folder / f"{CHAPTERS[chapter]}.ipynb"


@pytest.mark.parametrize("path", pages(), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_link_of_a_chapter_exists_in_lab(server, path):
    """Lab serves what lies below its root; "../README.md" from a chapter is inside it."""
    links = links_of(path)
    assert links
    for link in sorted(links):
        target = (path.parent / link).resolve()
        assert target.is_relative_to(ROOT) and target.exists(), link
        address = quote(target.relative_to(ROOT).as_posix())
        answer = urllib.request.urlopen(f"{server}/api/contents/{address}?content=0", timeout=30)
        assert answer.status == 200
