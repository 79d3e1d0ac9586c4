"""Figures of the appendix on what happens after the list is shown.

They read data/studies/online.csv, which bench/online.py writes: simulated shoppers of the profile
`sample`, whose truth is known. Each title states what the file says.
"""

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import display

from helpers.artefacts import ROOT
from helpers.report.plots import INK, PALETTE, curve

STUDY = ROOT / "data" / "studies" / "online.csv"
FALSE_ALARMS = 0.05
EXPLORED = 0.2
"""Share of random visits in the log that the figure of estimates shows."""
TESTS = {
    "peeking": "|z| > 1.96 at every look",
    "O'Brien-Fleming": "O'Brien–Fleming bounds",
    "mixture SPRT": "mixture SPRT",
}
ESTIMATORS = {
    "IPS": "IPS",
    "SNIPS": "self-normalized IPS",
    "DR with learned": "doubly robust, learned model",
    "DR with the truth": "doubly robust, perfect model",
}
LOOP = {
    "ctr": "Clicks per item shown",
    "cumulative regret": "Clicks missed per shopper so far",
    "coverage": "Share of the shop that is shown",
    "popular_share": "Share of places that the popular tenth gets",
}
PROPENSITIES = {
    "right": "right propensities",
    "uniform": "propensities taken as equal",
    "exploration forgotten": "exploration not logged",
}


def read_study() -> pd.DataFrame:
    """The whole file: study, method, x, metric, value, low, high, and where it comes from."""
    return pd.read_csv(STUDY)


def draw(figure: plt.Figure) -> None:
    """Show a figure now, above what the cell shows next."""
    display(figure)
    plt.close(figure)


def select(
    study: pd.DataFrame,
    name: str,
    metric: str,
    x: float | None = None,
) -> pd.DataFrame:
    """Rows of one study and metric, and of one x where it is given.

    Raises
    ------
    KeyError
        If the file has none.
    """
    of_study = study[study["study"] == name]
    rows = of_study[of_study["metric"] == metric]
    if x is not None:
        rows = rows[rows["x"] == x]
    if rows.empty:
        raise KeyError(f"{STUDY.name} has no rows of {metric!r} in study {name!r}, x {x}")
    return rows


def value_of(
    study: pd.DataFrame,
    name: str,
    metric: str,
    method: str,
    x: float,
) -> float:
    """One number of the file."""
    rows = select(study, name, metric, x)
    by_method = rows.set_index("method")["value"]
    return float(by_method[method])


def places(study: pd.DataFrame) -> plt.Figure:
    """What five items' clicks say of them, with and without their places in mind."""
    rows = select(study, "clicks", "attraction")
    last = rows["x"].max()
    counted = value_of(study, "clicks", "attraction", "clicks per time shown", last)
    true = value_of(study, "clicks", "attraction", "truth", last)
    figure, axis = plt.subplots(figsize=(9, 3.8))
    curve(
        rows,
        "x",
        "value",
        "method",
        xlabel="place in which the item is always shown",
        ylabel="chance of a click",
        dashed=("truth",),
        ax=axis,
    )
    lost = 1 - counted / true
    title = f"Place {last:.0f} makes an item look {lost:.0%} less attractive than it is"
    axis.set(title=title, xticks=rows["x"].unique(), ylim=(0, None))
    return figure


def peeking(study: pd.DataFrame) -> plt.Figure:
    """False alarms of an A/B test of two equal arms, by how often it is looked at."""
    rows = select(study, "tests", "false alarms")
    looks = rows["x"].max()
    peeked = value_of(study, "tests", "false alarms", "peeking", looks)
    rows = rows.assign(method=rows["method"].map(TESTS))
    figure, axis = plt.subplots(figsize=(9, 3.8))
    curve(
        rows,
        "x",
        "value",
        "method",
        xlabel="looks at the running test",
        ylabel="share of tests with a false alarm",
        ax=axis,
    )
    axis.plot([1, looks], [FALSE_ALARMS] * 2, color=INK, linewidth=1, linestyle=":")
    title = f"Looking {looks:.0f} times raises false alarms from {FALSE_ALARMS:.0%} to {peeked:.0%}"
    axis.set(title=title, ylim=(0, None), xscale="log", xticks=rows["x"].unique())
    axis.minorticks_off()
    axis.xaxis.set_major_formatter("{x:.0f}")
    return figure


def loop(study: pd.DataFrame) -> plt.Figure:
    """Half a year under each policy: clicks, clicks missed, coverage, what popular items get."""
    figure, axes = plt.subplots(2, 2, figsize=(7.6, 5.0))
    for axis, metric in zip(axes.flat, LOOP, strict=True):
        _weekly(study, metric, axis)
        axis.set_title(LOOP[metric], fontsize=11)
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4, fontsize=10)
    figure.suptitle(_loop_title(study), fontsize=12, fontweight="bold", x=0.01, ha="left")
    return figure


def _weekly(study: pd.DataFrame, metric: str, axis: plt.Axes) -> None:
    """One line per policy with its 95% interval over seeds; policies that don't learn dashed."""
    rows = select(study, "loop", metric)
    policies = rows.groupby("method", sort=False)
    for number, (method, part) in enumerate(policies):
        name = str(method)
        color = PALETTE[number]
        style = "--" if "Popularity" in name or "fixed" in name else "-"
        axis.plot(part["x"], part["value"], style, color=color, label=name)
        axis.fill_between(part["x"], part["low"], part["high"], color=color, alpha=0.15)
    axis.set(xlabel="week", ylim=(0, None))


def _loop_title(study: pd.DataFrame) -> str:
    rows = select(study, "loop", "cumulative regret")
    week = rows["x"].max()
    last = rows[rows["x"] == week]
    missed = last.set_index("method")["value"]
    saved = 1 - missed.min() / missed["Content, fixed"]
    what = f"saves up to {saved:.0%} of what a fixed list misses"
    return f"In {week:.0f} weeks, learning from clicks {what}"


def loop_table(study: pd.DataFrame) -> pd.DataFrame:
    """The last week of each policy, with 95% intervals over seeds."""
    week = select(study, "loop", "ctr")["x"].max()
    columns = {
        "click-through rate": "ctr",
        "clicks missed so far": "cumulative regret",
        "coverage": "coverage",
        "to the popular tenth": "popular_share",
    }
    table = {}
    for heading, metric in columns.items():
        rows = select(study, "loop", metric, week)
        rows = rows.set_index("method")
        half = (rows["high"] - rows["low"]) / 2
        mean = rows["value"].map("{:.3f}".format)
        table[heading] = mean + half.map(" ± {:.3f}".format)
    return pd.DataFrame(table).rename_axis(f"week {week:.0f}")


def off_policy(study: pd.DataFrame) -> plt.Figure:
    """Estimates of the new policy's value under right and wrong propensities."""
    figure, axes = plt.subplots(1, len(PROPENSITIES), figsize=(9.6, 3.6), sharey=True)
    for axis, kind in zip(axes, PROPENSITIES, strict=True):
        _estimates(study, kind, axis)
        axis.set_title(PROPENSITIES[kind], fontsize=10)
    names = list(ESTIMATORS.values())
    first = axes[0]
    first.set_yticks(range(len(names)), names)
    first.set_ylim(len(names) - 0.5, -0.6)
    title = _off_policy_title(study)
    figure.suptitle(title, fontsize=12, fontweight="bold", x=0.01, ha="left")
    return figure


def _estimates(study: pd.DataFrame, kind: str, axis: plt.Axes) -> None:
    """The middle 95% of the estimates of each estimator, with one kind of propensities."""
    estimates = select(study, "off_policy", "estimate", EXPLORED)
    estimates = estimates.set_index("method")
    for place, name in enumerate(ESTIMATORS):
        method = f"{name}, {kind}"
        color = PALETTE[place]
        low = float(estimates["low"][method])
        high = float(estimates["high"][method])
        axis.hlines(place, low, high, color=color, linewidth=4)
        axis.plot(estimates["value"][method], place, "o", color=color, markersize=9)
        share = value_of(study, "off_policy", "coverage", method, EXPLORED)
        label = f"covers {share:.0%}"
        axis.text(low, place - 0.28, label, fontsize=9, color=color)
    truth = value_of(study, "off_policy", "value of the new policy", "truth", EXPLORED)
    axis.axvline(truth, color=INK, linewidth=1.2, linestyle="--")
    axis.set(xlabel="estimated clicks per visit")


def _off_policy_title(study: pd.DataFrame) -> str:
    right = value_of(study, "off_policy", "coverage", "IPS, right", EXPLORED)
    wrong = value_of(study, "off_policy", "coverage", "IPS, uniform", EXPLORED)
    return (
        f"With right propensities {right:.0%} of the IPS intervals hold the truth; "
        f"with equal ones, {wrong:.0%}"
    )


def questions(study: pd.DataFrame) -> plt.Figure:
    """NDCG@10 after a few questions, by how they are chosen, beside items that shoppers bring."""
    rows = select(study, "questions", "ndcg@10")
    figure, axis = plt.subplots(figsize=(9, 4.2))
    curve(
        rows,
        "x",
        "value",
        "method",
        xlabel="items asked about, or brought",
        ylabel="NDCG@10 on platform B",
        dashed=("items she brings",),
        ax=axis,
    )
    axis.set(title=_questions_title(study), xticks=rows["x"].unique())
    return figure


def _questions_title(study: pd.DataFrame) -> str:
    gains = {}
    for method in ("random", "most telling"):
        after = value_of(study, "questions", "ndcg@10", method, 10)
        gains[method] = after - value_of(study, "questions", "ndcg@10", method, 0)
    more = gains["most telling"] / gains["random"] - 1
    return f"Ten well-chosen questions gain {more:.0%} more than ten random ones"


def coverage_table(study: pd.DataFrame) -> pd.DataFrame:
    """How often 95% intervals hold the truth, over all repetitions."""
    tests = select(study, "tests", "coverage")
    logs = select(study, "off_policy", "coverage", EXPLORED)
    names = [f"{name}, right" for name in ESTIMATORS]
    right = logs[logs["method"].isin(names)]
    rows = pd.concat([tests, right])
    rows = rows.set_index("method")[["value", "low", "high"]]
    shown = rows.map("{:.1%}".format)
    shown.columns = ["holds the truth", "low", "high"]
    return shown.rename_axis("95% interval of")
