"""`course deck`: which decks, in which theme and formats, once or on every change."""

import pytest

from helpers.__main__ import main
from helpers.artefacts import MissingArtefact
from helpers.runner import decks


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Chapters 03 and 05 of a profile were run; returns what render_decks was asked for."""
    monkeypatch.setenv("COURSE_REPORTS", str(tmp_path))
    calls = []
    executed = {}
    for number in ("03", "05"):
        executed[number] = tmp_path / "made" / "notebooks" / f"{number}.ipynb"
        executed[number].parent.mkdir(parents=True, exist_ok=True)
        executed[number].write_text("{}")

    def render(chapters, folder, formats, dark, written):
        calls.append((sorted(chapters), folder, formats, dark, sorted(written)))
        return ""

    def overview(results, people, dark):
        return f"{results} {people} {dark}"

    monkeypatch.setattr(decks, "executed_notebooks", lambda profile: executed)
    monkeypatch.setattr(decks, "render_decks", render)
    monkeypatch.setattr(decks.overview, "deck", overview)
    monkeypatch.setattr(decks, "load_results", lambda profile: "results")
    monkeypatch.setattr(decks, "persona_lists", lambda profile: [])
    return calls


def test_all_decks_and_the_overview(asked, tmp_path, capsys):
    assert main(["deck", "--profile", "made", "--format", "html,pdf"]) == 0
    folder = tmp_path / "made" / "decks"
    assert asked == [(["03", "05"], folder, ["html", "pdf"], False, ["overview"])]
    assert f"3 decks in {folder}" in capsys.readouterr().out


def test_one_deck_and_the_dark_theme(asked, tmp_path, capsys):
    assert main(["deck", "--profile", "made", "--only", "05"]) == 0
    assert main(["deck", "--profile", "made", "--only", "overview", "--theme", "dark"]) == 0
    assert asked[0] == (["05"], tmp_path / "made" / "decks", ["html"], False, [])
    dark = tmp_path / "made" / "decks" / "dark"  # the light ones stay
    assert asked[1] == ([], dark, ["html"], True, ["overview"])
    assert "1 deck in" in capsys.readouterr().out


def test_a_deck_of_what_was_not_run_names_the_command(asked, monkeypatch, capsys):
    assert main(["deck", "--profile", "made", "--only", "07"]) == 1
    said = capsys.readouterr().err
    assert "chapter 07_compare of made was not run" in said
    assert "course run --profile made" in said

    def missing(profile):
        raise MissingArtefact("metrics.json is missing. Run:  course run")

    monkeypatch.setattr(decks, "load_results", missing)
    assert main(["deck", "--profile", "made", "--only", "overview"]) == 1
    assert "metrics.json is missing" in capsys.readouterr().err
    assert main(["deck", "--profile", "made"]) == 0  # the chapters' decks are made anyway
    assert asked[-1][0] == ["03", "05"] and asked[-1][4] == []


def test_watching_writes_again_on_a_change_and_only_then(asked, tmp_path, monkeypatch, capsys):
    looks = []

    def sleep(seconds):
        looks.append(seconds)
        if len(looks) == 2:
            (tmp_path / "made" / "metrics.json").write_text("{}")
        if len(looks) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(decks.time, "sleep", sleep)
    assert main(["deck", "--profile", "made", "--only", "03", "--watch"]) == 130
    assert len(asked) == 2
