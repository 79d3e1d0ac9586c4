"""What a user's surroundings can be: no home folder, an old terminal, a path with spaces."""

import os
import shutil
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from helpers import __main__ as command
from helpers.artefacts import ROOT, data_dir, reports_dir
from helpers.report import slides
from helpers.runner import environment

NOWHERE = "/proc/nowhere"  # nobody can make a folder there, not even root
SPEC = "platform: corner\ncurrency: USD\nfields: {product_id: id, title: title, price: price}\n"
FEED = "id,title,price\n1,リネンシャツ,$19\n2,Wool coat,free\n"
# Where programs look before they look into the home folder.
BEFORE_HOME = ("IPYTHONDIR", "MPLCONFIGDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")
PARAMETERS = 'profile: str = "toy"  # whose data'


def course(*arguments, checkout=ROOT, cwd=None, **variables) -> subprocess.CompletedProcess:
    """Run the `course` command of a checkout from the folder `cwd`, as a user's terminal does."""
    left_out = {*BEFORE_HOME, *environment.FOLDERS}
    surroundings = {n: value for n, value in os.environ.items() if n not in left_out}
    surroundings["PYTHONPATH"] = str(checkout)
    surroundings |= {name: str(value) for name, value in variables.items()}
    return subprocess.run(
        [sys.executable, "-m", "helpers", *map(str, arguments)],
        cwd=cwd or checkout,
        env=surroundings,
        capture_output=True,
    )


def toy_notebook(path, *sources) -> None:
    """A notebook with a title, a `parameters` cell and one cell per source."""
    parameters = new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    cells = [new_markdown_cell("# Toy"), parameters, *map(new_code_cell, sources)]
    kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
    notebook = new_notebook(cells=cells, metadata={"kernelspec": kernel})
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)


@pytest.fixture
def checkout(tmp_path):
    """A checkout in a folder with spaces and umlauts, whose first chapter is a toy."""
    folder = tmp_path / "Größe 40 – très chic"
    shutil.copytree(ROOT / "helpers", folder / "helpers", ignore=shutil.ignore_patterns("__*__"))
    for source in (ROOT / "helpers").rglob("__*__.py"):
        shutil.copyfile(source, folder / source.relative_to(ROOT))
    shutil.copytree(ROOT / "reports" / "theme", folder / "reports" / "theme")
    shutil.copyfile(ROOT / "marp.config.mjs", folder / "marp.config.mjs")
    if (ROOT / "node_modules").exists():
        (folder / "node_modules").symlink_to(ROOT / "node_modules")
    for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"):
        toy_notebook(folder / "notebooks" / path.name, "print('done')")
    (folder / "notebooks" / "profiles").mkdir()
    (folder / "notebooks" / "profiles" / "toy.yaml").write_text("")
    return folder


def test_relative_folders_are_read_from_the_users_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for variable in environment.FOLDERS:
        monkeypatch.setenv(variable, "mine")
    environment.make_folders_absolute()
    assert data_dir("sample") == tmp_path / "mine" / "sample"
    assert reports_dir("sample") == tmp_path / "mine" / "sample"
    assert os.environ["FASHION_DATA"] == str(tmp_path / "mine")


def test_the_command_settles_relative_folders_first(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COURSE_REPORTS", "mine")
    assert command.main(["deck", "--profile", "sample"]) == 1
    assert "no chapter of sample was run" in capsys.readouterr().err
    assert os.environ["COURSE_REPORTS"] == str(tmp_path / "mine")


def test_absent_variables_stay_absent(monkeypatch):
    monkeypatch.delenv("COURSE_DATA", raising=False)
    environment.make_folders_absolute()
    assert "COURSE_DATA" not in os.environ


def test_a_home_that_can_be_written_to_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert environment.find_a_home() == ""
    assert os.environ["HOME"] == str(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp1252"])
def test_a_terminal_that_is_not_utf8_shows_what_it_can(tmp_path, encoding):
    (tmp_path / "f.yaml").write_text(SPEC, encoding="utf-8")
    (tmp_path / "feed.csv").write_text(FEED, encoding="utf-8")
    check = course(
        *("feed", "check", tmp_path / "f.yaml", tmp_path / "feed.csv"), PYTHONIOENCODING=encoding
    )
    assert check.returncode == 0, check.stderr.decode(encoding)
    report = check.stdout.decode(encoding)
    assert "??????" in report and "read 2, accepted 1, rejected 1" in report


def test_an_error_on_a_terminal_that_is_not_utf8_is_still_told(tmp_path):
    check = course("feed", "check", "シャツ.yaml", "feed.csv", PYTHONIOENCODING="latin-1")
    assert check.returncode == 1
    assert check.stderr.decode("latin-1").startswith("course: ")
    assert "Traceback" not in check.stderr.decode("latin-1")


def test_a_path_with_spaces_relative_folders_and_a_home_that_cannot_be_written_to(
    checkout, tmp_path
):
    """One run shows all three: a chapter and its deck, made from another working folder."""
    toy_notebook(
        checkout / "notebooks" / "01_augment.ipynb",
        "import os, IPython, matplotlib.pyplot\nhome = os.environ['HOME']",
        "from helpers.artefacts import data_dir, write_text",
        "write_text('a result', data_dir(profile) / 'result.txt')",
        "print(home); assert IPython.paths.get_ipython_dir().startswith(home)",
    )
    given = {"COURSE_DATA": "my data", "COURSE_REPORTS": "my reports", "HOME": NOWHERE}
    run = course(
        "run", "--profile", "toy", "--only", "01", checkout=checkout, cwd=tmp_path, **given
    )
    assert run.returncode == 0, run.stderr.decode()
    assert (tmp_path / "my data/toy/result.txt").read_text(encoding="utf-8") == "a result"
    reports = tmp_path / "my reports" / "toy"
    assert "write_text" in (reports / "01_augment.html").read_text(encoding="utf-8")
    can_write_decks = bool(slides.find_marp() and slides.find_node())
    assert (reports / "decks" / "01_augment.html").exists() == can_write_decks
    assert not (checkout / "notebooks" / "my data").exists()
    assert f"HOME is {NOWHERE}" in run.stderr.decode()
    executed = nbformat.read(reports / "notebooks" / "01_augment.ipynb", as_version=4)
    outputs = [output for cell in executed.cells[2:] for output in cell.get("outputs", [])]
    assert [output["name"] for output in outputs] == ["stdout"]
    private = outputs[0]["text"].strip()
    assert private != NOWHERE and not os.path.exists(private), "it is removed afterwards"


def test_a_chapter_that_stopped_gets_no_slides(course_dirs, capsys):
    toy_notebook(reports_dir("sample") / "notebooks" / "02_interactions.ipynb", "1 / 0")
    assert command.main(["deck", "--profile", "sample", "--format", "md"]) == 1
    assert "no chapter of sample was run" in capsys.readouterr().err
