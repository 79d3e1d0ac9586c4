"""Chapter 07's tables and figures, from result rows whose numbers are known."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from helpers.evaluation.contenders import BLEND, FLOOR, ITEMS, PEOPLE
from helpers.evaluation.significance import bootstrap
from helpers.report.figures import compare as show

FAMILY = {"Popularity": FLOOR, "ItemKNN": PEOPLE, "Content": ITEMS, "Hybrid": BLEND}


@pytest.fixture(autouse=True)
def no_open_figures():
    yield
    plt.close("all")


def rows(values: dict[str, float], n_history=3, **columns) -> pd.DataFrame:
    """Result rows of one metric, whose intervals are 0.1 wide."""
    table = pd.DataFrame({"recommender": list(values), "value": list(values.values())})
    table = table.assign(low=table["value"] - 0.05, high=table["value"] + 0.05)
    table = table.assign(n_history=n_history, split="cross_platform", segment="all")
    table = table.assign(metric="ndcg", k=10, variant="complete")
    return table.assign(**columns)


VALUES = {"Popularity": 0.4, "ItemKNN": 0.3, "Content": 0.6, "Hybrid": 0.7, "Oracle": 1.0}


def words_of(figure) -> set[str]:
    figure.canvas.draw()
    return {text.get_text() for text in figure.findobj(plt.Text)}


def test_rows_are_found_in_a_summary_and_in_a_results_file():
    table = pd.concat([rows(VALUES), rows(VALUES, segment="classic"), rows(VALUES, k=5)])
    assert len(show.rows_of(table)) == len(VALUES)
    filed = table.assign(variant="complete, binary gain, ideal cut at k")
    assert len(show.rows_of(filed)) == len(VALUES)
    assert show.rows_of(table, judged="observed").empty


def test_the_method_table_names_every_method_once_and_no_ceiling():
    measured = show.Measured(
        rows(VALUES), rows({name: 0.5 for name in VALUES}), rows(VALUES), rows({"Content": 0.55})
    )
    table = show.method_table(measured, FAMILY, 3)
    assert list(table.index) == ["Hybrid", "Content", "Popularity", "ItemKNN"]
    assert table["NDCG@10"]["Content"] == "0.60 ± 0.05"
    assert set(table["liked of five"]) == {"2.5"}
    assert list(table["shuffled log"]) == ["–", "0.55", "–", "–"]


def test_the_best_method_is_the_simplest_of_those_level_to_two_digits():
    level = rows({"Hybrid": 0.704, "Content": 0.697, "Popularity": 0.4, "Oracle": 1.0})
    assert show.best_method(level, FAMILY, 3) == "Content"
    assert show.gap_closed(level, "Hybrid", 3) == pytest.approx((0.704 - 0.4) / 0.6)
    assert show.gain_over_floor(level, "Hybrid", 3) == pytest.approx(0.304)


def test_every_line_is_named_and_colored_by_family():
    table = pd.concat([rows(VALUES), rows(VALUES, n_history=10)])
    figure = show.cold_start([show.Panel("here", table), show.Panel("there", table)], FAMILY)
    assert {"Hybrid", "Content", "knows the shopper", "here", "there"} <= words_of(figure)
    colors = {line.get_color() for line in figure.axes[0].lines}
    assert colors == set(show.COLORS.values())


def test_names_at_the_lines_ends_stand_apart_and_near_their_line():
    close = {f"method {number}": 0.5 + 0.001 * number for number in range(6)} | {"far": 1.0}
    table = pd.concat([rows(close), rows(close, n_history=10)])
    figure = show.cold_start([show.Panel("here", table)], dict.fromkeys(close, ITEMS))
    figure.canvas.draw()
    axis = figure.axes[0]
    places = sorted(text.xyann[1] for text in axis.texts)
    assert min(np.diff(places)) > 0.05
    assert np.mean(places[:6]) == pytest.approx(0.5025)
    assert places[6] == pytest.approx(1.0)


def test_a_place_is_shared_by_values_that_agree_to_two_digits():
    values = pd.Series({"a": 0.501, "b": 0.498, "c": 0.7})
    assert show.place_of(values, "c") == 1
    assert show.place_of(values, "a") == show.place_of(values, "b") == 2


def study_of_simulators(path):
    seeds = []
    for seed, shift in ((7, 0.0), (8, 0.1)):
        for space in show.SPACES:
            for log, loss in (("log", 0.0), ("shuffled", 0.2)):
                values = {name: value + shift - loss for name, value in VALUES.items()}
                seeds.append(rows(values, seed=seed, space=space, log=log))
    pd.concat(seeds).to_csv(path, index=False)
    return show.read_simulators(path)


def test_simulators_are_means_of_their_seeds_beside_the_control(tmp_path):
    read = study_of_simulators(tmp_path / "study.csv")
    assert read.n_markets == 2
    study = read.rows
    table = show.simulator_table(study, 3)
    assert table["attributes"]["Hybrid"] == "0.75"
    assert table["attributes, shuffled log"]["Hybrid"] == "0.55"
    assert "Oracle" not in table.index
    won = show.leaders(study, 3)
    assert (won.first, won.times) == ("Hybrid", 3)
    assert won.best["embedding"] == ("Hybrid", pytest.approx(0.1))
    assert "Hybrid by 0.10 (embedding)" in won.in_words()
    assert {"Hybrid", "vectors decide"} <= words_of(show.simulators_figure(study, 3))
    assert read.in_words() == "two simulated markets"


def test_fewer_shoppers_leave_wider_intervals():
    values = np.random.default_rng(0).uniform(size=400)
    widths = show.interval_widths(values, [10, 400], bootstrap)
    assert list(widths["shoppers"]) == [10, 400]
    width = widths["high"] - widths["low"]
    assert width[0] > 3 * width[1]
    assert {"10", "400", "Content"} <= words_of(show.intervals_figure({"Content": widths}))


def test_segments_stand_beside_each_other():
    table = pd.concat([rows(VALUES, segment="plain"), rows(VALUES, segment="loud")])
    assert {"plain", "loud", "Content"} <= words_of(show.segments_figure(table))


def test_history_lengths_in_words():
    assert [show.known_items(n) for n in (0, 1, 3, 7)] == [
        "no history",
        "one known item",
        "three known items",
        "7 known items",
    ]


def test_a_list_that_is_too_short_leaves_places_empty():
    lists = {"history": np.array([0]), "Content": np.array([1, 2, 3, 0, 1])}
    figure = show.shopper_lists(lists, [None] * 4, np.array([0.5, 0.25, 0.5, 0.5]))
    assert {"25%", "no picture", "history", "Content"} <= words_of(figure)
    assert sum(axis.get_visible() for axis in figure.axes) == 6


def test_gains_are_paired_and_corrected():
    """Shoppers differ far more than methods do: only pairs show the gain."""
    rng = np.random.default_rng(0)
    ease = rng.uniform(0.0, 0.9, 60)  # how easy a shopper is for any method
    luck = rng.normal(0.0, 0.01, 60)
    parts = []
    for n in (1, 3):
        values = {"Popularity": ease, "Hybrid": ease + 0.02 + luck, "Content": ease - 0.02 - luck}
        for name, of_user in values.items():
            part = pd.DataFrame({"user": np.arange(60), "value": of_user, "recommender": name})
            parts.append(part.assign(n_history=n, metric="ndcg", k=10, variant="observed"))
    found = pd.DataFrame(show.gains(pd.concat(parts, ignore_index=True), "observed"))
    assert found.groupby("n_history")["recommender"].agg(set).tolist() == 2 * [
        {"Hybrid", "Content"}
    ]
    hybrid = found[found["recommender"] == "Hybrid"]
    assert hybrid["difference"].tolist() == pytest.approx(2 * [0.02 + luck.mean()], abs=1e-6)
    assert (hybrid["low"] > 0.01).all() and (hybrid["high"] < 0.03).all()
    assert (found["p_holm"] < 0.01).all() and (found["n_users"] == 60).all()


def test_what_rounds_to_zero_has_no_sign():
    table = pd.DataFrame(
        {"difference": [-0.001], "low": [-0.004], "high": [0.003], "p": [0.7], "p_holm": [0.7]},
        index=["Hybrid"],
    )
    told = show.difference_table(table).loc["Hybrid"]
    assert told["difference"] == "0.00" and told["95% interval"] == "0.00 to 0.00"


def test_dashed_ceilings_have_a_legend_entry():
    def keys(values):
        figure = show.cold_start([show.Panel("strangers", rows(values))], FAMILY)
        return [text.get_text() for text in figure.legends[0].get_texts()]

    assert keys(VALUES)[0] == f"{FLOOR}, or a ceiling" and FLOOR not in keys(VALUES)
    assert keys({"Popularity": 0.4, "Content": 0.6}) == [FLOOR, ITEMS]
    assert keys({"Content": 0.6, "Oracle": 1.0}) == ["a ceiling", ITEMS]


def test_the_method_that_moves_most_is_named_with_both_places():
    strangers = pd.Series({"Taste": 0.7, "Content": 0.6, "EASE": 0.1, "Popularity": 0.3})
    known = pd.Series({"Taste": 0.2, "Content": 0.1, "EASE": 0.3})
    assert show.moves_most(strangers, known) == show.Move("EASE", 3, 1, 3)


def test_the_closest_call_is_the_smallest_gain_of_what_is_shipped():
    def told(has, **ndcg):
        table = pd.DataFrame({name: np.full(20, value) for name, value in ndcg.items()})
        return show.Situation(has, "real", table, pd.Series(dict.fromkeys(ndcg, 1.0)))

    far = told("far", Popularity=0.3, Content=0.6)
    near = told("near", Popularity=0.3, Content=0.32)
    floor = told("floor", Popularity=0.3, Content=0.305)
    has, name, gain = show.closest_call([far, near, floor])
    assert (has, name) == ("near", "Content") and gain == pytest.approx(0.02)
    assert show.closest_call([floor]) is None
