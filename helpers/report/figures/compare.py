"""Chapter 07's figures and tables, from result rows alone, so that a slide deck shows the same.

Result rows are what `evaluation.summarise` returns and what metrics.json holds: one row per
recommender, history length and metric, with `value`, `low` and `high`. A method that is in the rows
is in every figure and table; none is named here.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from helpers.evaluation.contenders import BLEND, FLOOR, ITEMS, PEOPLE
from helpers.evaluation.guide import Situation
from helpers.report.plots import INK, MUTED, PALETTE, contact_sheet, curve

COLORS = {FLOOR: INK, PEOPLE: PALETTE[1], ITEMS: PALETTE[0], BLEND: PALETTE[2]}
"""One color for each family of methods, in all figures of the chapter."""
CEILINGS = {
    "Oracle": "knows the shopper",
    "Oracle(given_history=True)": "best from the history",
}
"""What the figures call the ceilings."""
SLIDE_FONT = 12.5
"""Points, so that text is at least 16 pixels high where the figure fills a slide."""
LABEL_FONT = 11.5
WIDE = (10, 4.6)
"""Inches of a figure that fills a slide of 1280 x 720 below its title."""
EVERYBODY = "all"


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


def at_length(rows: pd.DataFrame, n_history: int) -> pd.DataFrame:
    """Rows of one history length, by recommender."""
    return rows[rows["n_history"] == n_history].set_index("recommender")


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
    family: dict[str, str],
    xlabel: str = "liked items we know, from the other shop",
    ylabel: str = "NDCG@10",
) -> plt.Figure:
    """NDCG over the number of known items, one panel beside the other, colored by family.

    Floors and ceilings are dashed. A method without a family counts as one that reads the items.
    """
    with plt.rc_context({"font.size": SLIDE_FONT}):
        figure, axes = plt.subplots(1, len(panels), figsize=WIDE, sharey=True, squeeze=False)
        for axis, panel in zip(axes[0], panels, strict=True):
            _one_curve(axis, panel, family, xlabel)
        highest = max(panel.rows["value"].max() for panel in panels)
        axes[0, 0].set(ylim=(0, 1.05 * highest), ylabel=ylabel)
        _family_legend(figure, panels, family)
    return figure


def _one_curve(axis, panel: Panel, family: dict[str, str], xlabel: str) -> None:
    rows = panel.rows.replace({"recommender": CEILINGS})
    floors = [name for name, kind in family.items() if kind == FLOOR]
    colors = {name: COLORS[family.get(name, ITEMS)] for name in rows["recommender"].unique()}
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


def _family_legend(figure, panels, family: dict[str, str]) -> None:
    """Below the figure: what each color means."""
    shown = {name for panel in panels for name in panel.rows["recommender"]}
    kinds = {family.get(name, ITEMS) for name in shown - set(CEILINGS)}
    handles = []
    for kind, color in COLORS.items():
        if kind in kinds:
            style = "--" if kind == FLOOR else "-"
            handles.append(plt.Line2D([], [], color=color, linestyle=style, label=kind))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=len(handles), fontsize=LABEL_FONT
    )


def best_method(rows: pd.DataFrame, family: dict[str, str], n_history: int) -> str:
    """The method, floors included, with the highest value at a history length.

    Of values that agree to two digits, the first by name.
    """
    values = at_length(rows, n_history)["value"]
    values = values[[name for name in values.index if name in family]].round(2)
    return min(values.index[values == values.max()])


def gap_closed(rows: pd.DataFrame, name: str, n_history: int, ceiling: str = "Oracle") -> float:
    """(method - Popularity) / (ceiling - Popularity), the share of the gap that a method closes."""
    values = at_length(rows, n_history)["value"]
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


def method_table(measured: Measured, family: dict[str, str], n_history: int) -> pd.DataFrame:
    """Every method once, best first, as texts.

    Returns
    -------
    DataFrame
        "learns from", "NDCG@10" with its interval, "liked of five", "visits that succeed" and,
        where there is a control, "shuffled log".
    """
    ndcg = at_length(measured.ndcg, n_history)
    names = [name for name in ndcg.index if name in family]
    names = sorted(names, key=lambda name: -ndcg["value"][name])
    half = (ndcg["high"] - ndcg["low"]) / 2
    liked = 5 * at_length(measured.precision, n_history)["value"]
    success = at_length(measured.success, n_history)["value"]
    table = pd.DataFrame(index=pd.Index(names, name="method"))
    table["what it does"] = [family[name] for name in names]
    table["NDCG@10"] = [f"{ndcg['value'][name]:.2f} ± {half[name]:.2f}" for name in names]
    table["liked of five"] = [f"{liked[name]:.1f}" for name in names]
    table["visits that succeed"] = [f"{success[name]:.2f}" for name in names]
    if measured.shuffled is not None:
        control = at_length(measured.shuffled, n_history)["value"]
        texts = [f"{control[name]:.2f}" if name in control else "–" for name in names]
        table["shuffled log"] = texts
    return table


def gap_table(rows: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """NDCG@10 of some methods at each history length, as texts."""
    chosen = rows[rows["recommender"].isin(names)]
    table = chosen.pivot(index="recommender", columns="n_history", values="value").loc[list(names)]
    return table.map("{:.2f}".format).rename_axis(index="NDCG@10", columns="known items")


# ------------------------------------------------------------------------------ luck
def interval_widths(values: np.ndarray, sizes: Sequence[int], interval, seed: int = 7):
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
        shoppers, mean, low, high.
    """
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(values)
    rows = []
    for size in sizes:
        mean, low, high = interval(shuffled[:size])
        rows.append({"shoppers": size, "mean": mean, "low": low, "high": high})
    return pd.DataFrame(rows)


def intervals_figure(groups: dict[str, pd.DataFrame]) -> plt.Figure:
    """Means and 95 % intervals of some methods over the number of shoppers asked."""
    with plt.rc_context({"font.size": SLIDE_FONT}):
        figure, axis = plt.subplots(figsize=WIDE)
        for number, (name, rows) in enumerate(groups.items()):
            x = np.arange(len(rows)) + 0.18 * (number - (len(groups) - 1) / 2)
            ends = [rows["mean"] - rows["low"], rows["high"] - rows["mean"]]
            axis.errorbar(
                x, rows["mean"], ends, fmt="o", capsize=5, color=PALETTE[number], label=name
            )
        sizes = next(iter(groups.values()))["shoppers"]
        axis.set_xticks(range(len(sizes)), [f"{size:,}" for size in sizes])
        axis.set(xlabel="test shoppers", ylabel="NDCG@10, mean and 95 % interval")
        axis.legend(loc="lower right")
    return figure


def difference_table(tests: pd.DataFrame) -> pd.DataFrame:
    """Paired differences as texts, smallest loss first; `tests` as `significance.against` gives."""
    ordered = tests.sort_values("difference", ascending=False)
    return pd.DataFrame(
        {
            "difference": ordered["difference"].map("{:+.2f}".format),
            "95 % interval": _intervals(ordered),
            "p": ordered["p"].map("{:.4f}".format),
            "p, corrected": ordered["p_holm"].map("{:.4f}".format),
        }
    )


def _intervals(rows: pd.DataFrame) -> list[str]:
    pairs = zip(rows["low"], rows["high"], strict=True)
    return [f"{low:+.2f} to {high:+.2f}" for low, high in pairs]


def differences_figure(
    tests: pd.DataFrame, reference: str, family: dict[str, str], alpha: float = 0.05
) -> plt.Figure:
    """What each method loses against the reference, shopper by shopper, with 95 % intervals."""
    ordered = tests.sort_values("difference")
    with plt.rc_context({"font.size": SLIDE_FONT}):
        figure, axis = plt.subplots(figsize=WIDE)
        for place, (name, row) in enumerate(ordered.iterrows()):
            color = COLORS[family.get(name, ITEMS)]
            ends = [[row["difference"] - row["low"]], [row["high"] - row["difference"]]]
            is_clear = row["p_holm"] < alpha
            face = color if is_clear else "white"
            axis.errorbar(
                row["difference"],
                place,
                xerr=ends,
                fmt="o",
                markersize=8,
                color=color,
                markerfacecolor=face,
                capsize=4,
            )
        axis.axvline(0, color=INK, linewidth=1)
        axis.set_yticks(range(len(ordered)), list(ordered.index))
        axis.set_xlabel(f"NDCG@10 less that of {reference}, same shoppers")
        axis.grid(axis="y", visible=False)
    return figure


# ------------------------------------------------------------------------------ the log
def two_judges(
    complete: pd.Series, observed: pd.Series, family: dict[str, str], n_history: int
) -> plt.Figure:
    """NDCG of the same lists, judged by everything a shopper likes and by what a log shows."""
    order = complete.sort_values().index
    panels = {"judged by all that shoppers like": complete, "judged by the shop's log": observed}
    with plt.rc_context({"font.size": SLIDE_FONT}):
        figure, axes = plt.subplots(1, 2, figsize=WIDE, sharey=True)
        for axis, (title, values) in zip(axes, panels.items(), strict=True):
            colors = [COLORS[family[name]] for name in order]
            axis.barh(list(order), values[order], color=colors)
            axis.set(title=title, xlabel=f"NDCG@10, {n_history} known items")
            axis.grid(axis="y", visible=False)
        axes[0].tick_params(axis="y", labelsize=LABEL_FONT)
    return figure


def place_of(values: pd.Series, name: str) -> int:
    """1 for the highest value. Values that agree to two digits share the better place."""
    rounded = values.round(2)
    return int(1 + (rounded > rounded[name]).sum())


# ------------------------------------------------------------------------------ studies
SPACES = {
    "attributes": "taste counts attributes\n(the course's default)",
    "combinations": "taste counts combinations,\nsuch as black dresses",
    "embedding": "taste lives in the vectors\nthat methods read",
}
"""What the figures call the simulators of data/studies/simulators.csv."""


def read_simulators(path: Path) -> pd.DataFrame:
    """The study of three simulators: means over its seeds, with the widest interval of any seed."""
    study = pd.read_csv(path)
    by = ["space", "log", "recommender", "metric", "n_history"]
    seeds = study.groupby(by, sort=False)
    table = seeds.agg(value=("value", "mean"), low=("low", "min"), high=("high", "max"))
    return table.reset_index()


def simulator_panels(study: pd.DataFrame) -> list[Panel]:
    """One panel per kind of simulated taste, of methods that learned from the true log."""
    is_asked = (study["log"] == "log") & (study["metric"] == "ndcg")
    panels = []
    for space, title in SPACES.items():
        rows = study[is_asked & (study["space"] == space)]
        if len(rows):
            panels.append(Panel(title, rows))
    return panels


def simulator_table(study: pd.DataFrame, n_history: int) -> pd.DataFrame:
    """NDCG@10 of every method in each simulator, beside its control, as texts."""
    is_asked = (study["metric"] == "ndcg") & (study["n_history"] == n_history)
    wide = study[is_asked].pivot(index="recommender", columns=["space", "log"], values="value")
    spaces = [space for space in SPACES if space in wide.columns.get_level_values("space")]
    order = wide[spaces[0], "log"].sort_values(ascending=False).index
    names = [name for name in order if name not in CEILINGS]
    table = pd.DataFrame(index=pd.Index(names, name=f"NDCG@10, {n_history} known items"))
    for space in spaces:
        table[space] = [_or_dash(wide[space, "log"], name) for name in names]
        if (space, "shuffled") in wide:
            texts = [_or_dash(wide[space, "shuffled"], name) for name in names]
            table[f"{space}, shuffled log"] = texts
    return table


def _or_dash(values: pd.Series, name: str) -> str:
    value = values.get(name, np.nan)
    return "–" if pd.isna(value) else f"{value:.2f}"


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
        name = values.idxmax()
        best[space] = (name, float(values[name] - values["Content"]))
        level = values.index[values.round(2) == values.round(2).max()]
        for winner in level:
            wins[winner] = wins.get(winner, 0) + 1
    first = max(sorted(wins), key=lambda name: wins[name])
    return Leaders(best, first, wins[first])


CROSS_EXAMS = ("across 20 %", "action to other", "Ladieswear to Divided", "dresses to gowns")
"""Of each shop in data/studies/real.csv, the exam between two of its platforms."""
SHOPS = {
    "gifts": "gift shop",
    "citeulike": "scientific articles",
    "movielens": "films",
    "groceries": "groceries",
    "fashion": "fashion",
    "renttherunway": "rented dresses",
}


def read_shops(path: Path) -> pd.DataFrame:
    """The cross-platform rows of the study of real shops; see bench/real.py."""
    study = pd.read_csv(path)
    is_cross = study["exam"].str.startswith(CROSS_EXAMS)
    study = study[is_cross].sort_values(["shop", "exam", "control", "recommender", "n_history"])
    of_length = ["shop", "control", "recommender", "n_history"]
    return study.drop_duplicates(of_length, keep="last")


def shop_table(study: pd.DataFrame, n_history: int) -> pd.DataFrame:
    """NDCG@10 of every method in each real shop, as texts; the last row is the control."""
    here = study[study["n_history"] == n_history]
    wide = here[~here["control"]].pivot(index="recommender", columns="shop", values="value")
    shops = [shop for shop in SHOPS if shop in wide]
    order = wide[shops].mean(axis=1).sort_values(ascending=False).index
    table = wide.loc[order, shops].map(lambda value: "–" if pd.isna(value) else f"{value:.3f}")
    shuffled = here[here["control"] & (here["recommender"] == "Hybrid")]
    if len(shuffled):
        values = shuffled.set_index("shop")["value"]
        table.loc["Hybrid, shuffled log"] = [_or_dash_3(values, shop) for shop in shops]
    table.columns = [SHOPS[shop] for shop in shops]
    return table.rename_axis(index=f"NDCG@10, {n_history} known items")


def _or_dash_3(values: pd.Series, name: str) -> str:
    value = values.get(name, np.nan)
    return "–" if pd.isna(value) else f"{value:.3f}"


def shops_figure(study: pd.DataFrame, name: str = "Hybrid") -> plt.Figure:
    """What a method gains over Popularity in each real shop, paired, with 95 % intervals."""
    rows = study[~study["control"] & (study["recommender"] == name)]
    shops = [shop for shop in SHOPS if shop in set(rows["shop"])]
    with plt.rc_context({"font.size": SLIDE_FONT}):
        figure, axis = plt.subplots(figsize=WIDE)
        for number, shop in enumerate(shops):
            part = rows[rows["shop"] == shop].sort_values("n_history")
            x = number + 0.12 * (np.arange(len(part)) - (len(part) - 1) / 2)
            ends = [part["gain"] - part["gain_low"], part["gain_high"] - part["gain"]]
            axis.errorbar(x, part["gain"], ends, fmt="o", capsize=3, color=COLORS[BLEND])
            for place, n in zip(x, part["n_history"], strict=True):
                top = part.set_index("n_history")["gain_high"][n]
                axis.annotate(
                    f"{n:.0f}",
                    (place, top),
                    xytext=(0, 4),
                    textcoords="offset points",
                    ha="center",
                    fontsize=LABEL_FONT,
                    color=MUTED,
                )
        axis.axhline(0, color=INK, linewidth=1)
        axis.set_xticks(range(len(shops)), [SHOPS[shop] for shop in shops])
        axis.set_ylabel(f"NDCG@10 of {name}\nless that of Popularity")
        axis.grid(axis="x", visible=False)
    return figure


def count_gains(study: pd.DataFrame, name: str = "Hybrid") -> dict[str, int]:
    """In how many results a method is clearly above, level with or clearly below Popularity."""
    rows = study[~study["control"] & (study["recommender"] == name)]
    above = int((rows["gain_low"] > 0).sum())
    below = int((rows["gain_high"] < 0).sum())
    return {"above": above, "below": below, "level": len(rows) - above - below, "all": len(rows)}


# ------------------------------------------------------------------------------ lists and advice
def shopper_lists(
    lists: dict[str, np.ndarray], pictures: Sequence, liked: np.ndarray, columns: int = 5
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
    history = next(iter(lists))
    for label, ids in lists.items():
        padded = np.pad(ids[:columns], (0, columns - len(ids[:columns])), constant_values=-1)
        for item in padded:
            is_item = item >= 0
            paths.append(pictures[item] if is_item else None)
            said = "" if label == history else f"liked: {liked[item]:.0%}"
            titles.append(said if is_item else "")
    labels = [textwrap.fill(label, 14) for label in lists]
    figure = contact_sheet(paths, titles, columns=columns, size=0.95, row_labels=labels)
    for axis, path in zip(figure.axes, paths, strict=False):
        axis.set_visible(path is not None)
    return figure


NUMBER_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def known_items(n: int) -> str:
    """A history length in words: "no history", "one known item", "three known items"."""
    if n == 0:
        return "no history"
    word = NUMBER_WORDS[n] if n < len(NUMBER_WORDS) else str(n)
    return f"{word} known item" if n == 1 else f"{word} known items"


def situation(
    has: str,
    per_user: pd.DataFrame,
    names: Sequence[str],
    n_history: int,
    judged: str,
    shoppers: str | None = None,
) -> Situation:
    """A situation of the decision guide from what `evaluate` returned.

    NDCG@10 and the precision of the first five must be among its metrics. `shoppers` is by default
    what `evaluate` noted.
    """
    rows = per_user[(per_user["n_history"] == n_history) & (per_user["variant"] == judged)]
    rows = rows[rows["recommender"].isin(names)].astype({"recommender": str})
    ndcg = rows[(rows["metric"] == "ndcg") & (rows["k"] == 10)]
    wide = ndcg.pivot(index="user", columns="recommender", values="value").astype(float)
    precision = rows[(rows["metric"] == "precision") & (rows["k"] == 5)]
    liked = 5 * precision.groupby("recommender")["value"].mean()
    if shoppers is None:
        shoppers = per_user.attrs["shoppers"]
    return Situation(has, shoppers, wide, liked)


def advice_in_words(advice: pd.DataFrame) -> str:
    """The guide in one sentence: which methods it names, most often first."""
    counts = advice["ship"].value_counts()
    names = sorted(counts.index, key=lambda name: (-counts[name], name))
    if len(names) == 1:
        return f"{names[0]} is enough in every situation"
    return f"{len(advice)} situations, {len(names)} answers: {', '.join(names)}"


def as_records(advice: pd.DataFrame) -> list[dict]:
    """The guide as rows of a JSON file, for slides."""
    return advice.reset_index().to_dict("records")


def favorites(relevant, values: np.ndarray, candidates: np.ndarray) -> pd.Series:
    """The value of an item attribute of which each shopper likes the largest share, (n_users,).

    Parameters
    ----------
    relevant : csr_matrix, (n_users, n_items)
    values : (n_items,) str
    candidates : (n,) int
    """
    indicators = pd.get_dummies(pd.Series(values)).astype(float)
    n_on_sale = indicators.iloc[candidates].sum().to_numpy()
    share = (relevant @ indicators.to_numpy()) / np.maximum(n_on_sale, 1)
    return pd.Series(indicators.columns.to_numpy()[share.argmax(axis=1)])


def segments_figure(rows: pd.DataFrame) -> plt.Figure:
    """NDCG@10 of some methods by segment of shoppers, with 95 % intervals."""
    segments = sorted(rows["segment"].unique())
    names = list(dict.fromkeys(rows["recommender"]))
    with plt.rc_context({"font.size": SLIDE_FONT}):
        figure, axis = plt.subplots(figsize=WIDE)
        for number, name in enumerate(names):
            part = rows[rows["recommender"] == name].set_index("segment").loc[segments]
            x = np.arange(len(part)) + 0.12 * (number - (len(names) - 1) / 2)
            ends = [part["value"] - part["low"], part["high"] - part["value"]]
            axis.errorbar(x, part["value"], ends, fmt="o", color=PALETTE[number], label=name)
        axis.set_xticks(range(len(segments)), segments)
        axis.set(xlabel="style that the shopper likes most", ylabel="NDCG@10")
        figure.legend(loc="outside lower center", ncols=len(names), fontsize=LABEL_FONT)
    return figure


def guide_figure(guide: pd.DataFrame) -> plt.Figure:
    """How many of five items are liked in each situation, with the method to ship beside it."""
    with plt.rc_context({"font.size": SLIDE_FONT}):
        figure, axis = plt.subplots(figsize=WIDE)
        rows = guide.iloc[::-1]
        values = rows["liked of five"].astype(float)
        is_real = rows["shoppers"] == "real"
        colors = [PALETTE[1] if real else PALETTE[0] for real in is_real]
        axis.barh(list(rows.index), values, color=colors)
        for place, (name, value) in enumerate(zip(rows["ship"], values, strict=True)):
            axis.annotate(f" {name}", (value, place), va="center", fontsize=LABEL_FONT)
        axis.set(xlabel="of five items shown, how many are liked", xlim=(0, 5.9))
        axis.grid(axis="y", visible=False)
    return figure
