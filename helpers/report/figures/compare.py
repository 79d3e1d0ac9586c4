"""Chapter 07's figures and tables, from result rows alone, so that a slide deck shows the same.

Result rows are what `evaluation.summarise` returns and what metrics.json holds: one row per
recommender, history length and metric, with `value`, `low` and `high`. A method that is in the rows
is in every figure and table; none is named here.
"""

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from helpers.evaluation import rank, significance
from helpers.evaluation.contenders import BLEND, FLOOR, ITEMS, PEOPLE, simplicity
from helpers.evaluation.guide import Situation, advise, in_words
from helpers.evaluation.guide import known_items as known_items  # cells find it here
from helpers.evaluation.protocol import Evaluation
from helpers.interactions.splits import Split
from helpers.recommenders.base import Recommender
from helpers.report.plots import INK, PALETTE, contact_sheet, curve
from helpers.report.plots import pictures_of as pictures_of  # cells find it here
from helpers.report.prose import counted

Families = Mapping[str, str]
"""Of each method, what it learns from; see `evaluation.contenders`."""
BLUE, ORANGE, GREEN = PALETTE[:3]
COLORS = {
    FLOOR: INK,
    PEOPLE: ORANGE,
    ITEMS: BLUE,
    BLEND: GREEN,
}
"""One color for each family of methods, in all figures of the chapter."""
CEILINGS = {
    "Oracle": "knows the shopper",
    "Oracle(given_history=True)": "best from the history",
}
"""What the figures call the ceilings."""
SLIDE_FONT = 12.5
"""Points, so that text is at least 16 pixels high where the figure fills a slide."""
LABEL_FONT = 10.5
POINT_DISTANCE = 0.13
"""Between points that stand beside each other."""
WIDE = (10, 4.2)
"""Inches of a figure that fills a slide of 1280 x 720 below its title."""
EVERYBODY = "all"
ABSENT = "–"
"""What a table says where nothing was measured."""


@contextmanager
def slide_font() -> Iterator[None]:
    """Larger text for one figure.

    `plt.rc_context` would also undo that a notebook shows its figures by itself.
    """
    before = plt.rcParams["font.size"]
    plt.rcParams["font.size"] = SLIDE_FONT
    try:
        yield
    finally:
        plt.rcParams["font.size"] = before


def rows_of(
    results: pd.DataFrame,
    metric: str = "ndcg",
    k: int = 10,
    judged: str = "complete",
    split: str = "cross_platform",
) -> pd.DataFrame:
    """The rows of one metric for everybody, whether from `summarise` or from metrics.json."""
    is_asked = (results["split"] == split) & (results["segment"] == EVERYBODY)
    is_asked &= (results["metric"] == metric) & (results["k"] == k)
    is_asked &= results["variant"].str.split(",").str[0] == judged
    return results[is_asked]


def scores(
    per_user: pd.DataFrame,
    n_history: int,
    judged: str,
    metric: str = "ndcg",
    k: int = 10,
) -> pd.DataFrame:
    """One metric of an evaluation's `per_user`, (n_users, n_methods) float64."""
    asked = {"metric": metric, "k": k, "n_history": n_history, "variant": judged}
    rows = per_user
    for column, value in asked.items():
        rows = rows[rows[column] == value]
    rows = rows.astype({"recommender": str})
    return _wide(rows, "recommender", index="user").astype(float)


def gains(
    per_user: pd.DataFrame,
    judged: str,
    reference: str = "Popularity",
    seed: int = 7,
) -> list[dict]:
    """What each method gains in NDCG@10 over `reference` for the same shoppers.

    Parameters
    ----------
    per_user : DataFrame
        Of an evaluation.
    judged : str
        Whose judgment counts: a value of the column `variant`.

    Returns
    -------
    list of dict
        Rows of gains.json, one per history length and method: recommender, n_history, difference,
        its 95% interval low and high, p_holm (corrected for the methods of one length), n_users.
    """
    rows: list[dict] = []
    for n in sorted(per_user["n_history"].dropna().unique().tolist()):
        tests = significance.against(scores(per_user, n, judged), reference, seed=seed)
        told = tests[["difference", "low", "high", "p_holm", "n_users"]].round(6)
        told = told.rename_axis("recommender").reset_index()
        rows += told.assign(n_history=n).to_dict("records")
    return rows


def _wide(rows: pd.DataFrame, columns, index: str = "recommender") -> pd.DataFrame:
    """A table of the values, with a column for each value of `columns`."""
    return rows.pivot(index=index, columns=columns, values="value")


def at_length(rows: pd.DataFrame, n_history: int) -> pd.DataFrame:
    """Rows of one history length, by recommender."""
    return rows[rows["n_history"] == n_history].set_index("recommender")


def values_at(rows: pd.DataFrame, n_history: int) -> pd.Series:
    """Values of one history length, by recommender."""
    return at_length(rows, n_history)["value"]


# ------------------------------------------------------------------------------ the exam
def toy_lists(
    lists: dict[str, Sequence[int]],
    names: Sequence[str],
    liked: set[int],
) -> pd.DataFrame:
    """Short lists beside each other; a tick marks what is liked, the last column what it earns."""
    columns = {}
    for title, ids in lists.items():
        columns[title] = [f"{names[item]} ✓" if item in liked else names[item] for item in ids]
    table = pd.DataFrame(columns)
    table.index = pd.RangeIndex(1, len(table) + 1, name="position")
    earned = 1 / np.log2(table.index + 1)
    table["a like earns"] = [f"{value:.2f}" for value in earned]
    return table


def on_target(split: Split) -> np.ndarray:
    """Which items are candidates, (n_items,) bool."""
    return np.isin(np.arange(split.train.shape[1]), split.candidates)


def exam_table(split: Split, judged: str) -> pd.DataFrame:
    """How many shoppers and items an exam has, as texts."""
    train = split.train.ratings
    on_b = on_target(split)
    on_both = train[:, on_b].getnnz(axis=1) > 0
    on_both &= train[:, ~on_b].getnnz(axis=1) > 0
    relevant = split.relevant[judged]
    n_liked = relevant.sum() / relevant.shape[0]
    counts = {
        "shoppers in the training log": train.shape[0],
        "of those, known on both platforms": on_both.sum(),
        "test shoppers, all strangers": relevant.shape[0],
        "candidates, all of them ranked": len(split.candidates),
        "candidates that a test shopper likes, on average": round(n_liked),
    }
    return pd.Series(counts).map("{:,}".format).to_frame("number")


# ------------------------------------------------------------------------------ curves
@dataclass(frozen=True)
class Panel:
    """One cold-start curve of a figure.

    Attributes
    ----------
    title : str
        Whose shoppers it shows.
    rows : DataFrame
        recommender, n_history, value, low, high.
    """

    title: str
    rows: pd.DataFrame


def cold_start(
    panels: Sequence[Panel],
    family: Families,
    xlabel: str = "known items",
    ylabel: str = "NDCG@10",
) -> plt.Figure:
    """NDCG over the number of known items, one panel beside the other, colored by family.

    Floors and ceilings are dashed. A method without a family counts as one that reads the items.
    """
    with slide_font():
        figure, grid = plt.subplots(
            1,
            len(panels),
            figsize=WIDE,
            sharey=True,
            squeeze=False,
        )
        axes = grid[0]
        highest = max(panel.rows["value"].max() for panel in panels)
        end_of_bands = max(panel.rows["high"].max() for panel in panels)
        top = max(1.05 * highest, end_of_bands)
        axes[0].set_ylim(0, top)  # first: names are placed by the axis
        for axis, panel in zip(axes, panels, strict=True):
            _one_curve(axis, panel, family, xlabel)
        axes[0].set_ylabel(ylabel)
        _family_legend(figure, panels, family)
    return figure


def color_of(name: str, family: Families) -> str:
    """A method's color; one of no known family reads items."""
    return COLORS[family.get(name, ITEMS)]


def _one_curve(axis, panel: Panel, family: Families, xlabel: str) -> None:
    rows = panel.rows.replace({"recommender": CEILINGS})
    floors = [name for name, kind in family.items() if kind == FLOOR]
    colors = {name: color_of(name, family) for name in rows["recommender"].unique()}
    curve(
        rows,
        "n_history",
        "value",
        "recommender",
        xlabel=xlabel,
        ylabel="",
        dashed=[*floors, *CEILINGS.values()],
        colors=colors,
        label_size=LABEL_FONT,
        ax=axis,
    )
    axis.set_title(panel.title)
    axis.set_xticks(sorted(rows["n_history"].unique()))


def _family_legend(figure, panels, family: Families) -> None:
    """Below the figure: what each color and each dashed line means."""
    kinds = set()
    for panel in panels:
        names = set(panel.rows["recommender"]) - set(CEILINGS)
        kinds |= {family.get(name, ITEMS) for name in names}
    handles = []
    for kind in COLORS:
        if kind in kinds:
            handles.append(_key(kind))
    drawn = {name for panel in panels for name in panel.rows["recommender"]}
    if drawn & set(CEILINGS):
        style = {"color": INK, "linestyle": "--"}  # as `curve` draws whatever is dashed
        label = f"{FLOOR}, or a ceiling" if FLOOR in kinds else "a ceiling"
        ceiling = plt.Line2D([], [], label=label, **style)
        handles = [ceiling, *handles[FLOOR in kinds :]]
    where = "outside lower center"
    figure.legend(
        handles=handles,
        loc=where,
        ncols=len(handles),
        fontsize=LABEL_FONT,
    )


def _key(kind: str):
    """A family's line for the legend."""
    line = plt.Line2D([], [], color=COLORS[kind], label=kind)
    if kind == FLOOR:
        line.set_linestyle("--")
    return line


def best_method(rows: pd.DataFrame, family: Families, n_history: int) -> str:
    """The method, floors included, with the highest value at a history length.

    Of values that agree to two digits, the simplest method's.
    """
    values = values_at(rows, n_history)
    is_method = values.index.isin(list(family))
    values = values[is_method].round(2)
    level = values.index[values == values.max()]
    return min(level, key=simplicity)


def gain_over_floor(rows: pd.DataFrame, name: str, n_history: int) -> float:
    """How much higher a method's value is than that of Popularity."""
    values = values_at(rows, n_history)
    return float(values[name] - values["Popularity"])


def gap_closed(
    rows: pd.DataFrame,
    name: str,
    n_history: int,
    ceiling: str = "Oracle",
) -> float:
    """(method - Popularity) / (ceiling - Popularity), the share of the gap that a method closes."""
    values = values_at(rows, n_history)
    gap = values[ceiling] - values["Popularity"]
    return float((values[name] - values["Popularity"]) / gap)


# ------------------------------------------------------------------------------ one table
@dataclass(frozen=True)
class Measured:
    """What the table of all methods is made from; each frame as `summarise` returns it.

    Attributes
    ----------
    ndcg, precision, success : DataFrame
        NDCG@10; precision of the first five; whether any of the first five is liked.
    shuffled : DataFrame or None
        NDCG@10 of methods that learned from a shuffled log.
    """

    ndcg: pd.DataFrame
    precision: pd.DataFrame
    success: pd.DataFrame
    shuffled: pd.DataFrame | None = None


def method_table(measured: Measured, family: Families, n_history: int) -> pd.DataFrame:
    """Every method once, best first, as texts.

    Returns
    -------
    DataFrame
        "what it does", "NDCG@10" with its interval, "liked of five", "visits that succeed" and,
        where there is a control, "shuffled log".
    """
    ndcg = at_length(measured.ndcg, n_history)
    names = [name for name in ndcg.index if name in family]
    names = sorted(names, key=lambda name: -ndcg["value"][name])
    half = (ndcg["high"] - ndcg["low"]) / 2
    interval = ndcg["value"].map("{:.2f}".format)
    interval = interval + half.map(" ± {:.2f}".format)
    liked = 5 * values_at(measured.precision, n_history)
    success = values_at(measured.success, n_history)
    table = pd.DataFrame(
        {
            "what it does": pd.Series(family),
            "NDCG@10": interval,
            "liked of five": liked.map("{:.1f}".format),
            "visits that succeed": success.map("{:.2f}".format),
        }
    )
    if measured.shuffled is not None:
        control = values_at(measured.shuffled, n_history)
        table["shuffled log"] = control.map("{:.2f}".format)
    head = counted(n_history, "known item")
    return table.loc[names].fillna(ABSENT).rename_axis(index="method", columns=head)


def gap_table(rows: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """NDCG@10 of some methods at each history length, as texts."""
    table = _wide(rows[rows["recommender"].isin(names)], "n_history")
    table = table.loc[list(names)]
    return table.map("{:.2f}".format).rename_axis(index="NDCG@10", columns="known items")


# ------------------------------------------------------------------------------ luck
def interval_widths(
    values: np.ndarray,
    sizes: Sequence[int],
    interval: Callable,
    seed: int = 7,
) -> pd.DataFrame:
    """How a mean and its interval look with fewer shoppers.

    Parameters
    ----------
    values : (n_shoppers,) float
        NDCG of each shopper under one method.
    sizes : sequence of int
        How many of the shoppers are asked.
    interval : function
        values -> (mean, low, high).

    Returns
    -------
    DataFrame
        shoppers, value, low, high.
    """
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(values)
    rows = []
    for size in sizes:
        rows.append((size, *interval(shuffled[:size])))
    return pd.DataFrame(rows, columns=["shoppers", "value", "low", "high"])


def intervals_figure(groups: dict[str, pd.DataFrame]) -> plt.Figure:
    """Means and 95% intervals of some methods over the number of shoppers asked."""
    offsets = beside(len(groups))
    with slide_font():
        figure, axis = plt.subplots(figsize=WIDE)
        for offset, color, name in zip(offsets, PALETTE, groups, strict=False):
            rows = groups[name]
            x = np.arange(len(rows)) + offset
            points(axis, x, rows, color, label=name)
            sizes = rows["shoppers"]
        axis.set_xticks(range(len(sizes)), [f"{size:,}" for size in sizes])
        axis.set(xlabel="test shoppers", ylabel="NDCG@10, mean and 95% interval")
        axis.legend(loc="upper right")  # where intervals are narrow
    return figure


def difference_table(tests: pd.DataFrame) -> pd.DataFrame:
    """Paired differences as texts, smallest loss first; `tests` as `significance.against` gives."""
    ordered = tests.sort_values("difference", ascending=False)
    return pd.DataFrame(
        {
            "difference": ordered["difference"].map("{:z.2f}".format),
            "95% interval": _intervals(ordered),
            "p": ordered["p"].map("{:.4f}".format),
            "p, corrected": ordered["p_holm"].map("{:.4f}".format),
        }
    )


def _intervals(rows: pd.DataFrame) -> list[str]:
    pairs = zip(rows["low"], rows["high"], strict=True)
    return [f"{low:z.2f} to {high:z.2f}" for low, high in pairs]


def differences_figure(
    tests: pd.DataFrame,
    reference: str,
    family: Families,
    alpha: float = 0.05,
) -> plt.Figure:
    """What each method loses against the reference, shopper by shopper, with 95% intervals.

    A filled point has a corrected p-value below `alpha`.
    """
    ordered = tests.sort_values("difference")
    with slide_font():
        figure, axis = plt.subplots(figsize=WIDE)
        for place, (name, row) in enumerate(ordered.iterrows()):
            color = color_of(str(name), family)
            face = color if row["p_holm"] < alpha else "white"
            axis.hlines(place, row["low"], row["high"], color=color)
            axis.scatter(
                row["difference"],
                place,
                s=80,
                color=face,
                edgecolor=color,
                zorder=3,
            )
        axis.axvline(0, color=INK, linewidth=1)
        axis.set_yticks(range(len(ordered)), list(ordered.index))
        axis.set_xlabel(f"NDCG@10 minus {reference}'s, same shoppers")
        axis.grid(axis="y", visible=False)
    return figure


# ------------------------------------------------------------------------------ the log
def two_judges(
    complete: pd.Series,
    observed: pd.Series,
    family: Families,
    n_history: int,
) -> plt.Figure:
    """NDCG of the same lists, judged by everything a shopper likes and by what a log shows."""
    order = complete.sort_values().index
    judges = {"judged by all that shoppers like": complete, "judged by the shop's log": observed}
    colors = [color_of(name, family) for name in order]
    with slide_font():
        figure, axes = plt.subplots(1, 2, figsize=WIDE, sharey=True)
        for axis, title in zip(axes, judges, strict=True):
            values = judges[title][order]
            axis.barh(list(order), values, color=colors)
            axis.set(title=title, xlabel=f"NDCG@10, {counted(n_history, 'known item')}")
            axis.grid(axis="y", visible=False)
        axes[0].tick_params(axis="y", labelsize=LABEL_FONT)
    return figure


def place_of(values: pd.Series, name: str) -> int:
    """1 for the highest value. Values that agree to two digits share the better place."""
    rounded = values.round(2)
    return int(1 + (rounded > rounded[name]).sum())


@dataclass(frozen=True)
class Move:
    """A method's place in two exams.

    Attributes
    ----------
    name : str
    first, second : int
        1 for the highest value. Values that agree to three digits share the better place.
    n_methods : int
        That took both exams.
    """

    name: str
    first: int
    second: int
    n_methods: int


def moves_most(first: pd.Series, second: pd.Series) -> Move:
    """The method whose place differs most between two exams, by its values in both."""
    both = [name for name in first.index if name in second.index]
    before = _places(first[both])
    after = _places(second[both])
    moved = (before - after).abs()
    name = str(moved.idxmax())
    return Move(name, int(before[name]), int(after[name]), len(both))


def _places(values: pd.Series) -> pd.Series:
    """1 for the highest value; values that agree to three digits share the better place."""
    return values.round(3).rank(ascending=False, method="min")


# ------------------------------------------------------------------------------ studies
SPACES = {
    "attributes": "attributes decide (default)",
    "combinations": "combinations decide",
    "embedding": "vectors decide",
}
"""What the figures call the simulators of data/studies/simulators.csv."""


@dataclass(frozen=True)
class Simulators:
    """The study of three simulators.

    Attributes
    ----------
    rows : DataFrame
        space, log, recommender, metric, n_history; `value`, the mean over markets, and the lowest
        `low` and highest `high` of any market.
    n_markets : int
        Markets of each kind of taste.
    """

    rows: pd.DataFrame
    n_markets: int

    def in_words(self) -> str:
        """How many markets."""
        if self.n_markets == 1:
            return "one simulated market"
        return f"{in_words(self.n_markets)} simulated markets"


def read_simulators(path: Path) -> Simulators:
    """Means over the markets in which every method was examined."""
    study = pd.read_csv(path)
    by_market = study.groupby("seed")
    n_rows = by_market["value"].transform("size")
    study = study[n_rows == n_rows.max()]
    by = ["space", "log", "recommender", "metric", "n_history"]
    of_markets = study.groupby(by, sort=False)
    table = pd.DataFrame(
        {
            "value": of_markets["value"].mean(),
            "low": of_markets["low"].min(),
            "high": of_markets["high"].max(),
        }
    )
    return Simulators(table.reset_index(), study["seed"].nunique())


def simulators_figure(study: pd.DataFrame, n_history: int) -> plt.Figure:
    """NDCG@10 of every method under each kind of taste; hollow points learned from a shuffled log.

    `study` is the `rows` of `Simulators`.
    """
    asked = study["metric"].eq("ndcg") & study["n_history"].eq(n_history)
    asked &= ~study["recommender"].isin(CEILINGS)
    wide = _wide(study[asked], ["space", "log"])
    spaces = [space for space in SPACES if space in wide]
    order = wide[spaces[0], "log"].sort_values().index
    with slide_font():
        figure, axis = plt.subplots(figsize=WIDE)
        offsets = beside(len(spaces))
        for offset, color, space in zip(offsets, PALETTE, spaces, strict=False):
            places = np.arange(len(order)) - 1.6 * offset
            values = wide[space].loc[order]
            style = {"s": 60, "edgecolor": color, "zorder": 3}
            axis.scatter(
                values["log"],
                places,
                color=color,
                label=SPACES[space],
                **style,
            )
            if "shuffled" in values:
                axis.scatter(values["shuffled"], places, color="white", **style)
        axis.set_yticks(range(len(order)), list(order))
        axis.set_xlabel("NDCG@10")
        figure.legend(loc="outside upper center", ncols=len(spaces), fontsize=LABEL_FONT)
    return figure


def simulator_table(study: pd.DataFrame, n_history: int) -> pd.DataFrame:
    """NDCG@10 of every method in each simulator, beside its control, as texts."""
    is_asked = study["metric"].eq("ndcg") & study["n_history"].eq(n_history)
    is_asked &= ~study["recommender"].isin(CEILINGS)
    wide = _wide(study[is_asked], ["space", "log"])
    columns = {}
    for space in SPACES:
        for log, added in (("log", ""), ("shuffled", ", shuffled log")):
            if (space, log) in wide:
                columns[space + added] = wide[space, log]
    table = pd.DataFrame(columns)
    table = table.sort_values(table.columns[0], ascending=False)
    head = f"NDCG@10, {counted(n_history, 'known item')}"
    return table.map(_two_digits).rename_axis(index=head)


@dataclass(frozen=True)
class Leaders:
    """Who wins in each simulator.

    Attributes
    ----------
    best : dict of str to (str, float)
        Of each kind of taste: the best method and its lead in NDCG@10 over plain Content.
    first : str
        The method that is best, or level with the best to two digits, most often.
    times : int
        In how many kinds of taste it is.
    """

    best: dict[str, tuple[str, float]]
    first: str
    times: int

    def in_words(self) -> str:
        """The leads, one kind of taste after the other."""
        parts = [f"{name} by {lead:.2f} ({space})" for space, (name, lead) in self.best.items()]
        return "; ".join(parts)


def leaders(study: pd.DataFrame, n_history: int) -> Leaders:
    """Winners of the study of three simulators at a history length."""
    is_asked = (study["metric"] == "ndcg") & (study["n_history"] == n_history)
    is_asked &= (study["log"] == "log") & ~study["recommender"].isin(CEILINGS)
    best = {}
    wins: dict[str, int] = {}
    for space in SPACES:
        rows = study[is_asked & (study["space"] == space)]
        values = rows.set_index("recommender")["value"]
        if values.empty:
            continue
        lead = values.max() - values["Content"]
        best[space] = (str(values.idxmax()), float(lead))
        rounded = values.round(2)
        for winner in rounded.index[rounded == rounded.max()]:
            wins[winner] = wins.get(winner, 0) + 1
    first = max(sorted(wins, key=simplicity), key=lambda name: wins[name])
    return Leaders(best, first, wins[first])


def _two_digits(value: float) -> str:
    return ABSENT if pd.isna(value) else f"{value:.2f}"


def beside(n: int) -> np.ndarray:
    """Offsets of n points that stand beside each other, (n,)."""
    middle = (n - 1) / 2
    return POINT_DISTANCE * (np.arange(n) - middle)


def points(
    axis,
    x,
    rows: pd.DataFrame,
    color: str,
    **style,
) -> None:
    """Points with their intervals: value, low and high of each row."""
    below = rows["value"] - rows["low"]
    above = rows["high"] - rows["value"]
    style |= {"fmt": "o", "capsize": 4, "color": color}
    axis.errorbar(x, rows["value"], [below, above], **style)


# ------------------------------------------------------------------------------ known shoppers
REPORTED = (
    ("collaborative", "precision", 0.64, "UserKNN"),
    ("collaborative", "recall", 0.59, "UserKNN"),
    ("content", "map", 0.86, "Content"),
    ("content", "ndcg", 0.84, "Content"),
    ("completion", "precision", 0.60, "MatrixCompletion-content"),
    ("two towers", "precision", 0.78, "TwoTower"),
    ("two towers", "ndcg", 0.76, "TwoTower"),
)
"""Method, metric at 5 and score in the original report; and our method of that kind."""
SHORT = {"precision": "P@5", "recall": "recall@5", "map": "MAP@5", "ndcg": "NDCG@5"}


def warm_values(summary: pd.DataFrame, metric: str, k: int) -> pd.Series:
    """One metric of known shoppers by recommender, judged by the log.

    `summary` is of one split.
    """
    split = summary["split"].iloc[0]
    rows = rows_of(summary, metric, k, "observed", split)
    return rows.set_index("recommender")["value"]


def report_table(
    warm: pd.DataFrame,
    strangers: pd.DataFrame,
    judged: str,
    n_history: int,
) -> pd.DataFrame:
    """The original report's scores beside those of known shoppers and of strangers, as texts."""
    rows = []
    for method, metric, score, name in REPORTED:
        known = warm_values(warm, metric, 5)
        others = values_at(rows_of(strangers, metric, 5, judged), n_history)
        row = {"method": method, "metric": SHORT[metric], "original report": f"{score:.2f}"}
        row["ours, known shoppers"] = f"{known[name]:.2f}"
        row["ours, strangers"] = f"{others[name]:.2f}"
        rows.append(row)
    return pd.DataFrame(rows).set_index(["method", "metric"])


# ------------------------------------------------------------------------------ lists and advice
def position_of_median(values: pd.Series) -> int:
    """Where the middle one of the values stands; of equal ones, the first in order counts."""
    order = np.argsort(values.to_numpy(), kind="stable")
    return int(order[len(order) // 2])


SPREAD = 1.4
"""Five pictures in four rows are nearly square; so much wider, they fill a slide."""


def shopper_lists(
    lists: dict[str, np.ndarray],
    pictures: Sequence,
    liked: np.ndarray,
    columns: int = 5,
) -> plt.Figure:
    """What one shopper is shown: a row of pictures per method, each with its chance to be liked.

    Parameters
    ----------
    lists : dict of str to (n,) int
        Item positions, best first; the first entry is the history.
    pictures : sequence of Path or None
        Of all items.
    liked : (n_items,) float
        Probability that the shopper likes each item.
    """
    paths: list = []
    titles: list[str] = []
    shown: list[int] = []
    history = next(iter(lists))
    for label, ids in lists.items():
        padded = np.full(columns, -1)
        padded[: len(ids)] = ids[:columns]
        for item in padded:
            is_item = item >= 0
            paths.append(pictures[item] if is_item else None)
            said = "" if label == history else f"{liked[item]:.0%}"
            titles.append(said if is_item else "")
        shown += list(padded)
    labels = [textwrap.fill(label, 14) for label in lists]
    figure = contact_sheet(
        paths,
        titles,
        columns=columns,
        size=0.9,
        row_labels=labels,
        font_size=LABEL_FONT,
        spread=SPREAD,
    )
    for axis, item in zip(figure.axes, shown, strict=False):
        axis.set_visible(item >= 0)
    return figure


@dataclass(frozen=True)
class OneShopper:
    """One simulated test shopper, and what methods show her.

    Attributes
    ----------
    models : dict of str to Recommender
    split : Split
    row : int
        Her row among the test shoppers.
    liked : (n_items,) float
        Probability that she likes each item.
    pictures : sequence of Path or None
        Of all items.
    """

    models: Mapping[str, Recommender]
    split: Split
    row: int
    liked: np.ndarray
    pictures: Sequence

    def first_five(self, method: str, known_items: int) -> np.ndarray:
        """Positions of what a method shows her when it knows that many of her items, (5,)."""
        history = self.split.histories[known_items][[self.row]]
        ids, _ = rank(self.models[method], history, 5, self.split.candidates)
        return ids[0]

    def n_liked(self, method: str, known_items: int) -> float:
        """How many of these five she is expected to like."""
        return float(self.liked[self.first_five(method, known_items)].sum())

    def draw(self, method: str, known_items: int) -> plt.Figure:
        """Pictures of her history, and of what Popularity, Content and a method show."""
        history = self.split.histories[known_items][[self.row]]
        lists = {"she likes, in the other shop": history.ratings.indices}
        for name in dict.fromkeys(["Popularity", "Content", method]):
            lists[name] = self.first_five(name, known_items)
        return shopper_lists(lists, self.pictures, self.liked)


def situation(
    has: str,
    evaluation: Evaluation,
    names: Sequence[str],
    n_history: int,
    judged: str,
) -> Situation:
    """A situation of the decision guide from what `evaluate` returned.

    NDCG@10 and the precision of the first five must be among its metrics.
    """
    ndcg = scores(evaluation.per_user, n_history, judged)
    names = [name for name in names if name in ndcg]
    precision = scores(evaluation.per_user, n_history, judged, "precision", 5)
    return Situation(has, evaluation.shoppers, ndcg[names], 5 * precision[names].mean())


def closest_call(situations: Sequence[Situation]) -> tuple[str, str, float] | None:
    """Where the guide ships another method than Popularity for the smallest gain.

    Returns
    -------
    (str, str, float) or None
        What the shop has, the method, and its mean gain in NDCG@10 over Popularity; None where
        Popularity is shipped in all situations.
    """
    calls = []
    for told in situations:
        advice = advise(told)
        if advice.ship != "Popularity" and "Popularity" in told.ndcg:
            gain = advice.ndcg - told.ndcg["Popularity"].mean()
            calls.append((told.has, advice.ship, float(gain)))
    return min(calls, key=lambda call: call[2], default=None)


def as_records(advice: pd.DataFrame) -> list[dict]:
    """The guide as rows of a JSON file, for slides."""
    return advice.reset_index().to_dict("records")


def segments_figure(rows: pd.DataFrame) -> plt.Figure:
    """NDCG@10 of some methods by segment of shoppers, with 95% intervals."""
    segments = sorted(rows["segment"].unique())
    names = list(dict.fromkeys(rows["recommender"]))
    with slide_font():
        figure, axis = plt.subplots(figsize=WIDE)
        offsets = beside(len(names))
        for offset, color, name in zip(offsets, PALETTE, names, strict=False):
            part = rows[rows["recommender"] == name]
            part = part.set_index("segment").loc[segments]
            x = np.arange(len(part)) + offset
            points(axis, x, part, color, label=name)
        axis.set_xticks(range(len(segments)), segments)
        axis.set(xlabel="style that the shopper likes most", ylabel="NDCG@10")
        figure.legend(loc="outside lower center", ncols=len(names), fontsize=LABEL_FONT)
    return figure
