"""Where the real data are looked for, and what is said if they aren't there."""

import runpy
import sys

import pytest

from helpers.artefacts import ROOT, MissingArtefact, real_data

BENCHES = sorted((ROOT / "bench").glob("*.py"))


def test_real_data_are_found_by_name(tmp_path, monkeypatch):
    (tmp_path / "ratings").mkdir()
    monkeypatch.setenv("FASHION_DATA", str(tmp_path))
    assert real_data("ratings") == tmp_path / "ratings"


@pytest.mark.parametrize("folder", ["", "absent"])
def test_absent_real_data_are_named_with_the_remedy(tmp_path, monkeypatch, folder):
    monkeypatch.setenv("FASHION_DATA", str(tmp_path / folder))
    with pytest.raises(MissingArtefact) as told:
        real_data("ratings")
    message = str(told.value)
    assert "ratings" in message and str(tmp_path / folder) in message
    assert "Set FASHION_DATA" in message


def test_a_variable_that_is_not_set_is_said_so(tmp_path, monkeypatch):
    monkeypatch.delenv("FASHION_DATA", raising=False)
    monkeypatch.setattr("helpers.artefacts.ROOT", tmp_path)
    with pytest.raises(MissingArtefact, match="FASHION_DATA is not set"):
        real_data("photos")


def test_a_bench_without_its_data_says_what_it_needs(tmp_path, monkeypatch):
    script = ROOT / "bench" / "topn.py"
    monkeypatch.setenv("FASHION_DATA", str(tmp_path))
    monkeypatch.syspath_prepend(script.parent)
    monkeypatch.setattr(sys, "argv", [str(script)])
    with pytest.raises(SystemExit) as stop:  # its text is printed, and the exit status is 1
        runpy.run_path(str(script), run_name="__main__")
    assert str(stop.value).startswith("this needs ratings of the real data")


@pytest.mark.parametrize("path", BENCHES, ids=lambda path: path.stem)
def test_benches_ask_for_real_data_by_name(path):
    """`fashion_data()` is None where there are none: a bench may ask whether, not build on it."""
    source = path.read_text(encoding="utf-8")
    assert "fashion_data() /" not in source and "(fashion_data())" not in source
    assert (
        "real_data(" not in source or "MissingArtefact" in source or "FileNotFoundError" in source
    )
