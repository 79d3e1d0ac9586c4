"""The runner: order, reuse by the bytes of what was read, damage, and failures that say where."""

import json
from pathlib import Path

import nbformat
import pytest
from tiny_course import NAMES, PROFILE

from helpers.__main__ import main
from helpers.artefacts import DamagedArtefact, require, write_text
from helpers.runner import course, parameters, stamps
from helpers.runner.stamps import executed_path

EVERY = list(NAMES)


class Runs:
    """Runs of the tiny course, and what they said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def __call__(self, chapters=EVERY, jobs=2, **given) -> list[str]:
        self.said = []
        return course.run(PROFILE, given, list(chapters), jobs, self.said.append)

    @property
    def text(self) -> str:
        return "\n".join(self.said)


@pytest.fixture
def run(tiny):
    """Call it to run the tiny course; returns the chapters that ran."""
    return Runs()


def test_runs_in_order_reuses_and_reruns_what_changed(tiny, run):
    assert run() == EVERY
    log = (tiny / "data" / "tiny" / ".log").read_text().split()
    assert log[0] == "01" and sorted(log) == EVERY
    assert (tiny / "reports" / "tiny" / "index.html").exists()
    assert run() == []
    assert run.text.count("finished earlier, reused") == 3

    assert run(**{"05_completion": {"number": "2"}}) == ["05"]
    assert "05_completion  runs: parameter number changed" in run.text
    assert json.loads((tiny / "data" / "tiny" / "results" / "05.json").read_text())["number"] == 2


def test_a_changed_feed_runs_its_chapter_and_what_depends_on_it(tiny, run):
    """Case 03 of the faults by kind: keys are the bytes of what a chapter reads."""
    feeds = {"01_augment": {"feeds_dir": str(tiny / "feeds")}}
    assert run(**feeds) == EVERY
    assert run(**feeds) == []
    (tiny / "feeds" / "shop.txt").write_text("Green coat")
    assert run(**feeds) == EVERY
    assert f"{tiny / 'feeds' / 'shop.txt'} changed" in run.text or "feeds/shop.txt" in run.text
    assert "Green coat" in (tiny / "data" / "tiny" / "results" / "03.json").read_text()

    (tiny / "data" / "feeds" / "unrelated.yaml").write_text("columns: b")
    (tiny / "data" / "unrelated.yaml").write_text("words: c")
    assert run(**feeds) == []

    (tiny / "feeds" / "new.txt").write_text("Red dress")  # no YAML: the catalogue stays as it is
    assert run(**feeds) == ["01"]
    assert "files were added to feeds or left it" in run.text

    (tiny / "data" / "feeds" / "shop.yaml").write_text("columns: c")
    assert run(**feeds) == ["01"]
    assert "data/feeds/shop.yaml changed" in run.text


def test_a_study_counts_for_the_chapter_that_reads_it(tiny, run):
    run()
    (tiny / "data" / "studies" / "five.csv").write_text("6")
    assert run() == ["05"]
    assert "data/studies/five.csv changed" in run.text
    notebook = nbformat.read(parameters.notebook_path("03"), as_version=4)
    notebook.cells[-1].source += "\n# and more"
    nbformat.write(notebook, parameters.notebook_path("03"))
    assert run() == ["03"]
    assert "its notebook changed" in run.text


def test_a_feed_that_moves_with_its_folder_is_the_same_feed(tiny, run, monkeypatch):
    first, second = tiny / "here", tiny / "there"
    for folder, text in ((first, "Blue shirt"), (second, "Blue shirt")):
        write_text(text, folder / "shop.txt")
    source = nbformat.read(parameters.notebook_path("01"), as_version=4)
    source.cells[-1].source = source.cells[-1].source.replace(
        "Path(feeds_dir)", 'Path(os.environ["FASHION_DATA"])'
    ).replace(" if feeds_dir else []", "")
    nbformat.write(source, parameters.notebook_path("01"))
    monkeypatch.setenv("FASHION_DATA", str(first))
    assert run(["01"]) == ["01"]
    monkeypatch.setenv("FASHION_DATA", str(second))
    assert run(["01"]) == []
    (second / "shop.txt").write_text("Red dress")
    assert run(["01"]) == ["01"]
    assert str(second / "shop.txt") in run.text


def test_every_artefact_counts_each_damage_is_named_and_mended(tiny, run):
    run()
    owner = {
        name: chapter
        for chapter, stamp in stamps.all_stamps(PROFILE).items()
        for name in stamp.artefacts
    }
    assert {name.rpartition("/")[2].rpartition(":")[2] for name in owner} == {
        "catalog.parquet", "one.bin", "two.bin", "EASE.safetensors", "03.json", "05.json",
        "01_augment.ipynb", "03_collaborative.ipynb", "05_completion.ipynb",
    }  # fmt: skip
    places = stamps.Places(PROFILE)
    for name, chapter in owner.items():
        path = places.path(name)
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        assert run(jobs=1) == [chapter]
        assert f"{path} is damaged: it has {len(whole) // 2:,} bytes" in run.text
        if path.suffix != ".ipynb":  # that one holds times
            assert path.read_bytes() == whole
    assert run() == []


def test_same_size_other_content_is_damage_too(tiny, run):
    run()
    path = tiny / "data" / "tiny" / "images" / "one.bin"
    path.write_bytes(b"x" * path.stat().st_size)
    assert run() == ["01"]
    assert "its content changed after it was written" in run.text
    path.unlink()
    assert run() == ["01"]
    assert f"{path} is gone" in run.text


def test_a_damaged_page_is_written_again_without_a_run(tiny, run):
    run()
    for name in ("01_augment.html", "decks/03_collaborative.html"):
        page = tiny / "reports" / "tiny" / name
        whole = page.read_bytes()
        page.write_bytes(whole[: len(whole) // 2])
        assert run() == []
        assert page.read_bytes() == whole
        assert f"{page} is damaged" in run.text and "written again" in run.text


def test_nothing_is_built_on_a_damaged_artefact(tiny, run, capsys):
    run()
    path = tiny / "data" / "tiny" / "catalog.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DamagedArtefact) as error:
        run(["05"], **{"05_completion": {"number": "3"}})
    assert str(path) in str(error.value)
    assert "course run --profile tiny --until 01" in str(error.value)
    with pytest.raises(DamagedArtefact, match="--until 01"):
        require(PROFILE, "catalog.parquet", "01")
    assert main(["run", "--profile", "tiny", "--until", "01", "--jobs", "1"]) == 0  # the remedy
    assert path.read_bytes() == whole
    assert run(["05"], **{"05_completion": {"number": "3"}}) == ["05"]


@pytest.mark.parametrize("text", ["", '{"notebook": "1', "[]", '{"format": 1}'])
def test_a_cut_stamp_is_named_and_its_chapter_runs_again(tiny, run, text):
    run(["01"])
    stamp = stamps.stamp_path(PROFILE, "01")
    stamp.write_text(text)
    assert run(["01"]) == ["01"]
    assert f"01_augment  runs: its stamp {stamp} is damaged" in run.text
    assert run(["01"]) == []


def test_earlier_results_that_are_out_of_date_are_said_to_be(tiny, run):
    feeds = {"01_augment": {"feeds_dir": str(tiny / "feeds")}}
    run(**feeds)
    (tiny / "feeds" / "shop.txt").write_text("Green coat")
    assert run(["03"], **feeds) == []
    assert "01_augment  used as it is, though" in run.text and "shop.txt changed" in run.text


def test_failure_names_the_cell_and_keeps_the_half_run_copy(tiny, run):
    with pytest.raises(course.ChapterFailed) as error:
        run(["01", "05"], **{"05_completion": {"number": "200"}})
    assert "05_completion stopped in cell" in str(error.value)
    assert "number is too large" in str(error.value)
    copy = nbformat.read(executed_path(PROFILE, "05"), as_version=4)
    outputs = [output for cell in copy.cells for output in cell.get("outputs", [])]
    assert any(output.output_type == "error" for output in outputs)
    assert run(["01", "05"]) == ["05"]


def test_nothing_starts_when_a_parameter_is_wrong(tiny, run):
    with pytest.raises(parameters.ParameterError, match="did you mean `number`"):
        run(["01"], **{"05_completion": {"numbr": "2"}})
    with pytest.raises(parameters.ParameterError, match="solver is one of als, adam; got 'svd'"):
        run(["01"], **{"05_completion": {"solver": "svd"}})
    with pytest.raises(parameters.ParameterError, match="--from comes after --until"):
        run([])
    assert not (tiny / "data" / "tiny").exists()


def test_executed_notebooks_hold_no_path_of_this_machine(tiny, run):
    run(**{"01_augment": {"feeds_dir": str(tiny / "feeds")}})
    with pytest.raises(course.ChapterFailed):
        run(["05"], **{"05_completion": {"number": "200"}})
    for path in (tiny / "reports" / "tiny").rglob("*.*"):
        text = path.read_text(encoding="utf-8")
        assert str(tiny) not in text and str(Path.home() / "course") not in text, path
    printed = nbformat.read(executed_path(PROFILE, "01"), as_version=4).cells[-1].outputs[0].text
    assert printed == "data/tiny ~/course\n"


def test_folders_given_relative_are_the_shell_s(tiny, run, monkeypatch):
    monkeypatch.chdir(tiny)
    monkeypatch.setenv("COURSE_DATA", "my_data")
    monkeypatch.setenv("COURSE_REPORTS", "my_reports")
    assert run(["01"], **{"01_augment": {"feeds_dir": "feeds"}}) == ["01"]
    assert (tiny / "my_data" / "tiny" / "catalog.parquet").exists()
    assert executed_path(PROFILE, "01").is_relative_to(tiny / "my_reports")
    assert run(["01"], **{"01_augment": {"feeds_dir": "feeds"}}) == []
