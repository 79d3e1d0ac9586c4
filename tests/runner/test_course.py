"""The runner: order, reuse, and a failure that says where."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from helpers.runner import course, parameters

CELL = 'profile: str = "toy"  # data\nnumber: int = 1  # what is written'
WORK = """import os, pathlib
folder = pathlib.Path(os.environ["COURSE_DATA"]) / profile
folder.mkdir(parents=True, exist_ok=True)
with open(folder / "log.txt", "a") as log:
    log.write("{name} ")
(folder / "{leaves}").write_text(f"{{number}}")
assert number < 100, "number is too large"
"""


@pytest.fixture
def toy(course_dirs, monkeypatch):
    """A course of chapters 01 → {03, 05}, each of which logs its run and leaves a file."""
    monkeypatch.setattr(parameters, "ROOT", course_dirs)
    monkeypatch.setattr(course, "ROOT", course_dirs)
    monkeypatch.setattr(
        parameters,
        "CHAPTERS",
        {"01": "01_augment", "03": "03_collaborative", "05": "05_completion"},
    )
    monkeypatch.setattr(course, "CHAPTERS", parameters.CHAPTERS)
    monkeypatch.setattr(course, "NEEDS", {"01": [], "03": ["01"], "05": ["01"]})
    monkeypatch.setattr(course, "LEAVES", {c: [f"{c}.txt"] for c in parameters.CHAPTERS})
    monkeypatch.setattr(course, "render_decks", lambda *_: "")
    (course_dirs / "notebooks" / "profiles").mkdir(parents=True)
    (course_dirs / "notebooks" / "profiles" / "toy.yaml").write_text("")
    for chapter, name in parameters.CHAPTERS.items():
        cell = new_code_cell(CELL)
        cell.metadata["tags"] = ["parameters"]
        work = new_code_cell(WORK.format(name=name[:2], leaves=f"{chapter}.txt"))
        notebook = new_notebook(cells=[new_markdown_cell(f"# Chapter {name}"), cell, work])
        notebook.metadata["kernelspec"] = {
            "name": "python3",
            "language": "python",
            "display_name": "Python 3",
        }
        nbformat.write(notebook, course_dirs / "notebooks" / f"{name}.ipynb")
    return course_dirs


def test_runs_in_order_reuses_and_reruns_what_changed(toy):
    log = toy / "data" / "toy" / "log.txt"
    every = list(parameters.CHAPTERS)
    assert course.run("toy", {}, every, 2, lambda _: None) == every
    assert log.read_text().split()[0] == "01" and sorted(log.read_text().split()) == every
    assert (toy / "reports" / "toy" / "index.html").exists()

    assert course.run("toy", {}, every, 2, lambda _: None) == []
    assert course.run("toy", {"05_completion": {"number": "2"}}, every, 1, lambda _: None) == ["05"]
    assert (toy / "data" / "toy" / "05.txt").read_text() == "2"
    (toy / "data" / "toy" / "03.txt").unlink()  # somebody removed a result
    assert course.run("toy", {"05_completion": {"number": "2"}}, every, 1, lambda _: None) == ["03"]
    course.executed_path("toy", "01").unlink()  # and the report
    assert course.run("toy", {"05_completion": {"number": "2"}}, ["05"], 1, lambda _: None) == []


def test_a_parameter_s_file_counts_by_what_is_in_it(toy):
    ratings = toy / "my.csv"
    keys = []
    for text in ("a,x,5", "a,x,5", "a,x,4"):
        ratings.write_text(text)
        keys.append(
            course._keys(
                {chapter: {"ratings": "my.csv", "number": 1} for chapter in parameters.CHAPTERS}
            )
        )
    assert keys[0] == keys[1] and all(keys[0][chapter] != keys[2][chapter] for chapter in keys[0])


def test_failure_names_the_cell_and_keeps_the_half_run_copy(toy):
    with pytest.raises(course.ChapterFailed) as error:
        course.run("toy", {"01_augment": {"number": "200"}}, ["01", "03"], 1, lambda _: None)
    assert "01_augment stopped in cell" in str(error.value) and "number is too large" in str(
        error.value
    )
    copy = nbformat.read(course.executed_path("toy", "01"), as_version=4)
    assert any(
        output.output_type == "error" for cell in copy.cells for output in cell.get("outputs", [])
    )
    assert "03" not in (toy / "data" / "toy" / "log.txt").read_text()


def test_nothing_starts_when_a_parameter_is_wrong(toy):
    with pytest.raises(parameters.ParameterError, match="did you mean `number`"):
        course.run("toy", {"05_completion": {"numbr": "2"}}, ["01"], 1, lambda _: None)
    with pytest.raises(parameters.ParameterError, match="--from comes after --until"):
        course.run("toy", {}, [], 1, lambda _: None)
    assert not (toy / "data").exists()
