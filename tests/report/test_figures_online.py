"""Figures of what happens after the list is shown: they say what the study's file says."""

import matplotlib.pyplot as plt
import pytest

from helpers.report.figures import online as figures


@pytest.fixture
def study():
    return figures.read_study()


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def texts(figure):
    """Titles and other words of a figure."""
    words = [figure.get_suptitle()]
    for axis in figure.axes:
        words += [axis.get_title(loc="left"), axis.get_title()]
        words += [text.get_text() for text in axis.texts]
    return " ".join(words)


def changed(study, name, metric, method, value):
    """The study with one method's rows of a metric set to a value."""
    rows = (study["study"] == name) & (study["metric"] == metric) & (study["method"] == method)
    assert rows.any()
    copy = study.copy()
    copy.loc[rows, "value"] = value
    return copy


@pytest.mark.parametrize(
    ("draw", "change", "said"),
    [
        (figures.places, ("clicks", "attraction", "clicks per time shown", 0.0), "100%"),
        (figures.peeking, ("tests", "false alarms", "peeking", 0.77), "77%"),
        (figures.loop, ("loop", "cumulative regret", "LinUCB", 0.0), "100%"),
        (figures.off_policy, ("off_policy", "coverage", "IPS, right", 0.33), "33%"),
    ],
)
def test_a_title_says_what_the_file_says(study, draw, change, said):
    assert said not in texts(draw(study))
    assert said in texts(draw(changed(study, *change)))


def test_the_title_on_questions_follows_the_file(study):
    before = texts(figures.questions(study))
    more = changed(study, "questions", "ndcg@10", "random", 0.4)
    rows = more["method"].eq("random") & more["x"].eq(0)
    more.loc[rows, "value"] = 0.3
    assert texts(figures.questions(more)) != before


def test_tables_follow_the_file(study):
    table = figures.coverage_table(changed(study, "off_policy", "coverage", "IPS, right", 0.5))
    assert table.loc["IPS, right", "holds the truth"] == "50.0%"
    weeks = figures.loop_table(changed(study, "loop", "ctr", "LinUCB", 0.5))
    assert weeks.loc["LinUCB", "click-through rate"].startswith("0.500 ± ")


def test_a_missing_number_is_named(study):
    with pytest.raises(KeyError, match="no rows of 'height' in study 'loop'"):
        figures.select(study, "loop", "height")


def test_the_study_keeps_its_promises(study):
    """95 % intervals hold the truth 93–97 % of the time; corrected tests alarm in 5 % ± 1."""
    tests = figures.select(study, "tests", "coverage")["value"]
    logs = figures.select(study, "off_policy", "coverage", figures.EXPLORED)
    logs = logs.set_index("method")["value"]
    right = logs[[f"{name}, right" for name in figures.ESTIMATORS]]
    assert tests.between(0.93, 0.97).all() and right.between(0.93, 0.97).all()
    alarms = figures.select(study, "tests", "false alarms").pivot(
        index="x", columns="method", values="value"
    )
    assert alarms["O'Brien-Fleming"].between(0.04, 0.06).all()
    assert (alarms["mixture SPRT"] < 0.06).all()
    assert alarms.loc[10, "peeking"] > 0.15
