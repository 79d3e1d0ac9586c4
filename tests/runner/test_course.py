"""The runner: order, reuse by the bytes of what was read, damage, and failures that say where."""

import json
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from tiny_course import NAMES, PROFILE

from helpers.__main__ import main
from helpers.artefacts import DamagedArtefact, require, write_text
from helpers.recording import READ, Event
from helpers.runner import course, evidence, parameters, stamps
from helpers.runner.stamps import executed_path

EVERY = list(NAMES)


def test_runs_in_order_then_reuses(finished, run):
    log = (finished / "data" / "tiny" / ".log").read_text().split()
    assert log[0] == "01" and sorted(log) == EVERY
    assert (finished / "reports" / "tiny" / "index.html").exists()
    assert run() == []
    assert run.text.count("finished earlier, reused") == 3


def test_finished_chapters_are_published_while_the_last_one_runs(tiny, run, monkeypatch):
    there = []

    def publish(profile, say):
        there.extend(path.name for path in (tiny / "reports" / profile).glob("*.html"))
        real(profile, say)

    real = course.publish
    monkeypatch.setattr(course, "publish", publish)
    run(jobs=3)  # one is free while the last two run
    assert f"{NAMES['01']}.html" in there and "index.html" not in there
    pages = json.loads((tiny / "data" / "tiny" / ".finished" / "pages.json").read_text())
    assert "index.html" in pages and len(pages) == 1 + 2 * len(EVERY)


def test_a_changed_parameter_runs_its_chapter_alone(finished, run):
    assert run(**{"05_completion": {"number": "2"}}) == ["05"]
    assert "05_completion  runs: parameter number changed" in run.text
    result = json.loads((finished / "data" / "tiny" / "results" / "05.json").read_text())
    assert result["number"] == 2


def test_a_changed_feed_runs_its_chapter_and_what_read_its_results(finished, run):
    """Case 03 of the faults by kind: keys are the bytes of what a chapter reads."""
    (finished / "feeds" / "shop.txt").write_text("Green coat")
    assert run() == EVERY
    assert "feeds/shop.txt changed" in run.text
    assert "Green coat" in (finished / "data" / "tiny" / "results" / "03.json").read_text()


def test_what_a_profile_does_not_read_runs_nothing(finished, run):
    """Case 03, the other way round."""
    (finished / "data" / "feeds" / "unrelated.yaml").write_text("columns: b")
    (finished / "data" / "unrelated.yaml").write_text("words: c")
    (finished / "data" / "studies" / "six.csv").write_text("6")
    (finished / "data" / "other profile").mkdir()
    assert run() == []


def test_a_new_feed_counts_and_results_that_stay_the_same_are_built_on(finished, run):
    (finished / "feeds" / "new.txt").write_text("Red dress")  # no YAML: it adds no product
    assert run() == ["01"]
    assert "files were added to feeds or left it" in run.text


def test_of_a_pattern_the_newest_file_counts_and_no_other(tiny, run):
    """Tomorrow's orders beside today's: the feed's chapter, in the same folder, doesn't run."""
    notebook = nbformat.read(parameters.notebook_path("01"), as_version=4)
    notebook.cells[-1].source = notebook.cells[-1].source.replace(
        'sorted(Path(feeds_dir).glob("*.txt"))', '[newest_file(Path(feeds_dir) / "shop_*.txt")]'
    )
    notebook.cells[-1].source = "from helpers.artefacts import newest_file\n" + (
        notebook.cells[-1].source.replace("{path.stem}", "shop")
    )
    nbformat.write(notebook, parameters.notebook_path("01"))
    exports = tiny / "feeds"
    write_text("Blue shirt", exports / "shop_2024-03-01.txt")
    given = {"01_augment": {"feeds_dir": str(exports)}}
    assert run(["01"], **given) == ["01"]
    write_text("1;2", exports / "orders_2024-03-02.txt")
    write_text("Red dress", exports / "shop_2024-02-29.txt")
    assert run(["01"], **given) == []
    write_text("Red dress", exports / "shop_2024-03-02.txt")
    assert run(["01"], **given) == ["01"]
    assert "was shop_2024-03-01.txt, and is shop_2024-03-02.txt" in run.text


def why(chapter: str) -> str:
    return evidence.why_again(PROFILE, chapter, {"profile": PROFILE})


def test_each_chapter_counts_what_it_reads(finished):
    """Data, specs, studies and notebooks, each for the chapters that read them."""
    notebook = parameters.notebook_path("03")
    cells = nbformat.read(notebook, as_version=4)
    cells.cells[-1].source += "\n# and more"
    changes = {
        finished / "data" / "feeds" / "shop.yaml": ("c", "01", "data/feeds/shop.yaml changed"),
        finished / "data" / "studies" / "five.csv": ("6", "05", "data/studies/five.csv changed"),
        finished / "data" / "studies" / "three.csv": ("6", "03", "data/studies/three.csv changed"),
        notebook: (nbformat.writes(cells), "03", "its notebook changed"),
    }
    for path, (text, reader, said) in changes.items():
        before = path.read_bytes()
        path.write_text(text)
        assert {chapter: why(chapter) for chapter in EVERY if why(chapter)} == {reader: said}
        path.write_bytes(before)
        assert not any(why(chapter) for chapter in EVERY)


def test_the_code_that_a_chapter_imports_counts(finished):
    """A chapter depends on the helpers it imported, compiled or not, and on no others."""
    inputs = stamps.read_stamp(PROFILE, "03").inputs
    code = {Path(name).name for name in inputs if name.endswith(".py")}
    assert {"artefacts.py", "recording.py"} <= code
    assert "two_tower.py" not in code


def test_the_same_files_elsewhere_are_the_same(tiny, run, monkeypatch):
    for folder in ("here", "there"):
        write_text("Blue shirt", tiny / folder / "shop.txt")
    source = nbformat.read(parameters.notebook_path("01"), as_version=4)
    source.cells[-1].source = source.cells[-1].source.replace(
        "Path(feeds_dir)", 'Path(os.environ["FASHION_DATA"])'
    )
    nbformat.write(source, parameters.notebook_path("01"))
    monkeypatch.setenv("FASHION_DATA", str(tiny / "here"))
    run(["01"])
    monkeypatch.setenv("FASHION_DATA", str(tiny / "there"))
    assert not why("01")
    (tiny / "there" / "shop.txt").write_text("Red dress")
    assert why("01") == f"{tiny / 'there' / 'shop.txt'} changed"


def test_a_folder_that_is_filled_while_it_is_read_is_no_change(finished):
    """Its size and time change with what a chapter puts there; its names are what counts."""
    evidence.begin(PROFILE, "01")
    with stamps.record_path(PROFILE, "01").open("a") as record:
        record.write(Event(READ, str(finished / "feeds"), size=1, changed=2).line())
    evidence.finish(PROFILE, "01", {"profile": PROFILE}, 1.0)
    assert not why("01")


ARTEFACTS = {
    "data:catalog.parquet": "01",
    "data:images/one.bin": "01",
    "data:images/two.bin": "01",
    "data:models/EASE.safetensors": "03",
    "data:results/03.json": "03",
    "data:results/05.json": "05",
    "reports:notebooks/01_augment.ipynb": "01",
    "reports:notebooks/03_collaborative.ipynb": "03",
    "reports:notebooks/05_completion.ipynb": "05",
}


def cut(path: Path) -> bytes:
    """Cut a file to half; returns what it was."""
    before = path.read_bytes()
    path.write_bytes(before[: len(before) // 2])
    return before


def test_every_artefact_is_known_by_its_chapter(finished):
    owners = {
        name: chapter
        for chapter, stamp in stamps.all_stamps(PROFILE).items()
        for name in stamp.artefacts
    }
    assert owners == ARTEFACTS


@pytest.mark.parametrize("name", ARTEFACTS)
def test_each_damage_is_named(finished, name):
    path = stamps.Places(PROFILE).path(name)
    whole = cut(path)
    assert why(ARTEFACTS[name]).startswith(
        f"{path} is damaged: it has {len(whole) // 2:,} bytes, and had {len(whole):,}"
    )
    path.write_bytes(b"x" * len(whole))
    assert why(ARTEFACTS[name]) == f"{path} is damaged: its content changed after it was written"
    path.unlink()
    assert why(ARTEFACTS[name]) == f"{path} is gone"
    path.write_bytes(whole)
    assert not why(ARTEFACTS[name])


def test_each_damage_is_mended(finished, run):
    """The remedy is to run again: also where a chapter keeps what it finds, such as pictures."""
    paths = {name: stamps.Places(PROFILE).path(name) for name in ARTEFACTS}
    whole = {name: cut(path) for name, path in paths.items()}
    assert run() == EVERY
    for name, path in paths.items():
        if path.suffix != ".ipynb":  # those hold times
            assert path.read_bytes() == whole[name]
    assert run() == []


def test_a_damaged_page_is_written_again_without_a_run(finished, run):
    for name in ("01_augment.html", "decks/03_collaborative.html"):
        page = finished / "reports" / "tiny" / name
        whole = page.read_bytes()
        page.write_bytes(whole[: len(whole) // 2])
        assert run() == []
        assert page.read_bytes() == whole
        assert f"{page} is damaged" in run.text and "written again" in run.text


def test_nothing_is_built_on_a_damaged_artefact(finished, run):
    path = finished / "data" / "tiny" / "catalog.parquet"
    whole = cut(path)
    with pytest.raises(DamagedArtefact) as error:
        run(["05"], **{"05_completion": {"number": "3"}})
    assert str(path) in str(error.value)
    assert "course run --profile tiny --until 01" in str(error.value)
    with pytest.raises(DamagedArtefact, match="--until 01"):
        require(PROFILE, "catalog.parquet", "01")
    assert main(["run", "--profile", "tiny", "--until", "01", "--jobs", "1"]) == 0  # the remedy
    assert path.read_bytes() == whole
    assert run(["05"], **{"05_completion": {"number": "3"}}) == ["05"]


def test_a_cut_stamp_is_named_and_its_chapter_runs_again(finished, run):
    stamp = stamps.stamp_path(PROFILE, "03")
    whole = stamp.read_text()
    for text in ("", whole[: len(whole) // 2], "[]", '{"format": 1}'):
        stamp.write_text(text)
        assert why("03") == f"its stamp {stamp} is damaged"
    assert run() == ["03"]
    assert f"03_collaborative  runs: its stamp {stamp} is damaged" in run.text
    assert run() == []


def test_earlier_results_that_are_out_of_date_are_said_to_be(finished, run):
    (finished / "feeds" / "shop.txt").write_text("Green coat")
    assert run(["03"]) == []
    assert "01_augment  used as it is, though feeds/shop.txt changed" in run.text


def test_failure_names_the_cell_and_keeps_the_half_run_copy(finished, run):
    with pytest.raises(course.ChapterFailed) as error:
        run(**{"05_completion": {"number": "200"}})
    assert "05_completion stopped in cell" in str(error.value)
    assert "number is too large" in str(error.value)
    copy = nbformat.read(executed_path(PROFILE, "05"), as_version=4)
    outputs = [output for cell in copy.cells for output in cell.get("outputs", [])]
    assert any(output.output_type == "error" for output in outputs)
    text = executed_path(PROFILE, "05").read_text(encoding="utf-8")
    assert str(finished) not in text
    assert run() == ["05"]


def test_nothing_starts_when_a_parameter_is_wrong(tiny, run):
    with pytest.raises(parameters.ParameterError, match="did you mean `number`"):
        run(["01"], **{"05_completion": {"numbr": "2"}})
    with pytest.raises(parameters.ParameterError, match="solver is one of als, adam; got 'svd'"):
        run(["01"], **{"05_completion": {"solver": "svd"}})
    with pytest.raises(parameters.ParameterError, match="--from comes after --until"):
        run([])
    assert not (tiny / "data" / "tiny").exists()


def test_what_is_published_holds_no_path_of_this_machine(finished, finished_once):
    places = sorted((finished / "reports" / "tiny").rglob("*.*"))
    assert len([path for path in places if path.suffix == ".ipynb"]) == 3
    for path in places:
        text = path.read_text(encoding="utf-8")
        assert str(finished_once) not in text and str(Path.home() / "course") not in text, path
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


def test_pictures_that_were_archived_on_purpose_are_no_damage(finished):
    reader = stamps.read_stamp(PROFILE, "03")
    inputs = reader.inputs | {
        "data:images/one.bin": "as it was",
        "data:images/two.bin": "as it was",
    }
    stamps.write_stamp(PROFILE, "03", replace(reader, inputs=inputs))
    (finished / "data" / "tiny" / "images" / "one.bin").unlink()
    assert why("01") and why("03")
    evidence.accept_pictures(PROFILE)
    assert not why("01") and not why("03")
    cut(finished / "data" / "tiny" / "images" / "two.bin")
    assert "two.bin is damaged" in why("01")
