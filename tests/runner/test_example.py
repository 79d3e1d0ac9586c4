"""`course example`: a finished run that is kept in git, whole or not at all."""

import pytest

from helpers.artefacts import CHAPTERS, MissingArtefact
from helpers.runner import example


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A finished run of the profile `made`, each page a few bytes; returns its folder."""
    monkeypatch.setenv("COURSE_REPORTS", str(tmp_path))
    folder = tmp_path / "made"
    for page in [*example.pages_of(folder), folder / "persona_laura.html"]:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text('{"run": {}, "results": []}' if page.suffix == ".json" else page.name)
    for extra in ("decks/dark/overview.html", "decks/overview.pdf", "notebooks/01.ipynb"):
        path = folder / extra
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("extra")
    monkeypatch.setattr(example, "_draw_result", lambda profile, path: path.write_bytes(b"png"))
    return folder


def test_an_example_has_all_pages_and_nothing_else(run, tmp_path):
    (tmp_path / "example").mkdir()
    (tmp_path / "example" / "old.html").write_text("of an earlier run")
    assert "MB of made" in example.make_example("made")
    made = tmp_path / "example"
    files = {path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file()}
    wanted = {path.relative_to(made).as_posix() for path in example.pages_of(made)}
    assert files == wanted | {"persona_laura.html", "overview.png"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["example", "made"]


def test_an_unfinished_run_is_no_example(run, tmp_path):
    (run / "decks" / f"{CHAPTERS['05']}.html").unlink()
    with pytest.raises(MissingArtefact, match=r"05_completion\.html is missing.*course run"):
        example.make_example("made")
    assert not (tmp_path / "example").exists()


def test_an_example_that_git_should_not_keep_is_refused(run, tmp_path, monkeypatch):
    monkeypatch.setattr(example, "LARGEST", 100)
    (run / "index.html").write_text("x" * 200)
    with pytest.raises(ValueError, match=r"at most 100 fit: index.html \(200 bytes\)"):
        example.make_example("made")
    assert not (tmp_path / "example").exists()
