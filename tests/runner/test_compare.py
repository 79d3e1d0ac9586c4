"""Two runs side by side: what moved beyond its interval, and errors that name the file."""

import copy
import json

import pytest

from helpers.__main__ import main
from helpers.runner.compare import compare_runs

ROW = {
    "recommender": "Content", "data": "sample", "split": "cross_platform", "segment": "all", "n_history": 3,  # noqa: E501
    "metric": "ndcg", "k": 10, "value": 0.5, "low": 0.48, "high": 0.52, "n_users": 100, "candidates": 400,  # noqa: E501
    "variant": "complete", "seed": 7, "fit_seconds": 0.1, "score_seconds": 0.2, "peak_mb": None,
    "shoppers": "simulated",
}  # fmt: skip
RUN = {
    "profile": "sample", "parameters": {"k": 10, "market": {"noise": 0.5}}, "seed": 7, "device": "cpu",  # noqa: E501
    "versions": {"numpy": "2.4"}, "started": "2026-01-01T00:00:00+00:00", "seconds": 9.0,
}  # fmt: skip
METRICS = {
    "run": RUN,
    "results": [
        ROW,
        ROW | {"recommender": "EASE"},
        ROW | {"metric": "mae", "k": None, "low": None, "high": None},
        ROW | {"recommender": "UserKNN"},
    ],
}


@pytest.fixture
def runs(tmp_path):
    """Writes metrics.json of a run A, and of B after `change`; returns their paths."""

    def write(change=lambda metrics: None):
        changed = copy.deepcopy(METRICS)
        change(changed)
        for name, metrics in (("a", METRICS), ("b", changed)):
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / "metrics.json").write_text(json.dumps(metrics))
        return str(tmp_path / "a"), str(tmp_path / "b" / "metrics.json")

    return write


def verdicts(found):
    return found.results.reset_index().set_index(["recommender", "metric"])["verdict"].to_dict()


def test_a_run_equals_itself(runs, capsys):
    found = compare_runs(*runs())
    assert len(found.settings) == 0 and not found.changed
    assert set(verdicts(found).values()) == {"same"}
    assert main(["compare", *runs()]) == 0
    assert "4 same" in capsys.readouterr().out


def test_times_of_day_and_durations_are_no_change(runs):
    found = compare_runs(
        *runs(lambda m: m["run"].update(started="2027-01-01T00:00:00+00:00", seconds=1.0))
    )
    assert len(found.settings) == 0


def test_what_moved_beyond_its_interval(runs, capsys):
    def change(metrics):
        metrics["run"]["versions"]["numpy"] = "2.5"
        metrics["run"]["parameters"]["market"]["noise"] = 0.6
        metrics["results"][0].update(value=0.45, low=0.43, high=0.4799)  # ends just below A's 0.48
        metrics["results"][1].update(value=0.53, low=0.52, high=0.54)  # touches A's 0.52
        metrics["results"][3].update(
            value=0.47, low=0.45, high=0.49
        )  # below A's, but its own interval reaches in
        metrics["results"][2].update(value=0.7)  # no interval: it moved, no more can be said

    found = compare_runs(*runs(change))
    assert found.settings.to_numpy().tolist() == [
        ["parameters.market.noise", 0.5, 0.6],
        ["versions.numpy", "2.4", "2.5"],
    ]
    assert verdicts(found) == {
        ("Content", "ndcg"): "down",
        ("EASE", "ndcg"): "moved",
        ("Content", "mae"): "moved",
        ("UserKNN", "ndcg"): "moved",
    }
    assert main(["compare", *runs(change)]) == 1
    shown = capsys.readouterr().out
    assert "Content ndcg@10" in shown and "0.500 (0.480–0.520) -> 0.450 (0.430–0.480)" in shown
    assert "3 moved, 1 down" in shown and "EASE" not in shown
    assert main(["compare", "--all", *runs(change)]) == 1
    assert "EASE ndcg@10" in capsys.readouterr().out
    assert verdicts(compare_runs(*runs(change)[::-1]))["Content", "ndcg"] == "up"


def test_results_that_only_one_run_has(runs):
    found = compare_runs(
        *runs(lambda m: m["results"].append(m["results"].pop(0) | {"recommender": "New"}))
    )
    assert (
        verdicts(found)["Content", "ndcg"] == "only in A"
        and verdicts(found)["New", "ndcg"] == "only in B"
    )
    assert found.changed and "only in B New ndcg@10" in found.text()


def test_another_seed_is_a_setting_not_another_result(runs):
    found = compare_runs(
        *runs(lambda m: (m["run"].update(seed=8), [row.update(seed=8) for row in m["results"]]))
    )
    assert found.settings["what"].tolist() == ["seed"] and set(verdicts(found).values()) == {"same"}


def test_errors_name_the_file(runs, tmp_path, capsys):
    good, bad = runs()[0], tmp_path / "bad.json"
    for text, said in [
        ("{", "bad.json is no metrics.json of a run"),
        ("[]", "bad.json is no metrics.json of a run"),
        (
            json.dumps({"run": RUN, "results": [{"value": 1}]}),
            "bad.json is no metrics.json of a run: ",
        ),
        (json.dumps({"run": RUN, "results": [ROW, ROW]}), "bad.json: result 2 is there twice"),
    ]:
        bad.write_text(text)
        assert main(["compare", good, str(bad)]) == 2
        assert said in capsys.readouterr().err
    assert main(["compare", good, "nobody"]) == 2
    assert "no such run; chapter 07_compare writes metrics.json" in capsys.readouterr().err


def test_the_headline_comes_before_segments(runs, capsys):
    """However much a segment moved, the headline's result for all shoppers stands first."""

    def change(metrics):
        rows = metrics["results"]
        for name, split, segment, value in (
            ("InSegment", "cross_platform", "style: minimal", 0.01),
            ("Warm", "warm", "all", 0.1),
            ("Headline", "cross_platform", "all", 0.4),
        ):
            row = ROW | {"recommender": name, "split": split, "segment": segment}
            METRICS["results"].append(row)
            rows.append(row | {"value": value, "low": value, "high": value})

    before = list(METRICS["results"])
    try:
        found = compare_runs(*runs(change))
    finally:
        METRICS["results"][:] = before
    lines = [line.split()[1] for line in found.text().splitlines() if line.startswith("down")]
    assert lines == ["Headline", "Warm", "InSegment"]


def test_signs_that_a_terminal_obeys_are_shown_as_escapes(runs, tmp_path, capsys):
    def change(metrics):
        metrics["run"]["device"] = "cpu\x1b[2J\x1b]0;owned\x07"
        metrics["results"].append(ROW | {"recommender": "Evil\x1b[31m\r\u009b", "value": 0.1})

    assert main(["compare", *runs(change)]) == 1
    said = capsys.readouterr().out
    assert all(sign.isprintable() or sign == "\n" for sign in said)
    assert "\\x1b[31m" in said and "\\x1b[2J" in said
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps({"run": RUN, "results": [{"recommender": "\x1b[2J"}]}))
    assert main(["compare", str(bad), str(bad)]) == 2
    assert "\x1b" not in capsys.readouterr().err
