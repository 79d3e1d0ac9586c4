"""Real shops in chapter 07: what data/studies/real.csv says, whatever its rows are.

`bench/real.py` writes the file. A row is one method's mean over the strangers of all deals or
folds that were run, with its paired gain over Popularity. Some shops, methods or controls may be
missing. The chapter shows exams between two platforms, and its appendix the others, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from helpers.report.figures.compare import (
    ABSENT,
    BLUE,
    GREEN,
    LABEL_FONT,
    WIDE,
    beside,
    known_items,
    points,
    slide_font,
)
from helpers.report.plots import INK, MUTED
from helpers.report.prose import counted, listed

SHOPS = {
    "gifts": "gift shop",
    "citeulike": "scientific articles",
    "movielens": "films",
    "groceries": "groceries",
    "fashion": "fashion",
    "renttherunway": "rented dresses",
}
"""What figures and tables call the shops, in their order."""
DEALT = "across "
BETWEEN = " to "
"""What the names of exams between two platforms hold: dealt ones, and columns of the shop."""
BLEND = "Hybrid"
FLOOR = "Popularity"
NOT_RIVALS = (BLEND, FLOOR, "RecentPopularity", "Random")
TAUGHT = {
    FLOOR: FLOOR,
    "UserKNN": "UserKNN",
    "ItemKNN": "ItemKNN",
    "EASE": "EASE",
    "NeuralCF-bce": "NeuralCF",
    "Content": "Content",
    "Attributes": "Attributes",
    "Bridge": "Bridge",
    "Taste": "Taste",
    "MatrixCompletion-content": "MatrixCompletion-content",
    "TwoTower": "TwoTower",
    BLEND: BLEND,
}
"""The methods that the chapters teach, in that order, and what the chapters call them."""
LEVEL = 0.005
"""NDCG by which a method may be behind another and still count as level with it."""
SHIFT = 0.02
"""Of two points that stand for the same result, to the left and to the right."""
MOST_EXAMS = 6
"""That fit in the figure beside each other."""
USUAL = 20
"""Percent of the customers on both platforms in the exam that stands for a dealt shop."""
WITHIN = {
    "in-shop": "same shop",
    "warm": "known customers",
    "new items": "new items",
}
"""Exams that stay within one shop, and what tables call them."""
WHOLE = 0
"""Stands for the history length where an exam gives each customer's whole history."""
RESULT = ["exam", "n_history"]
KEY = [*RESULT, "control", "recommender"]


def read_shops(path: Path) -> pd.DataFrame:
    """The rows of exams between two platforms; `exam` says the shop, and what was shared.

    A dealt shop's exam is called after the share of customers kept on both platforms, for example
    "gift shop, 20% on both".
    """
    study = pd.read_csv(path)
    exam = study["exam"]
    is_dealt = exam.str.startswith(DEALT)
    is_cross = is_dealt | exam.str.contains(BETWEEN, regex=False)
    study = study[is_cross].copy()
    study["share"] = study["exam"].map(_share)
    study["exam"] = study["shop"].map(SHOPS) + study["share"].map(_on_both)
    return _in_order(study)


def read_within(path: Path) -> pd.DataFrame:
    """The rows of exams within one shop; `exam` says which, for example "films, same shop".

    `n_history` is `WHOLE` where customers have their whole history.
    """
    study = pd.read_csv(path)
    study = study[study["exam"].isin(list(WITHIN))].copy()
    study["share"] = float("nan")
    study["exam"] = study["shop"].map(SHOPS) + ", " + study["exam"].map(WITHIN)
    study["n_history"] = study["n_history"].fillna(WHOLE)
    return _in_order(study)


def _in_order(study: pd.DataFrame) -> pd.DataFrame:
    """Rows of known shops, each once, shop by shop."""
    study = study[study["shop"].isin(list(SHOPS))].copy()
    study["control"] = study["control"].astype(str) == "True"
    study["n_history"] = study["n_history"].astype(int)
    study["shop"] = pd.Categorical(study["shop"], list(SHOPS))
    study = study.sort_values(["shop", "share", *KEY], kind="stable")
    study["shop"] = study["shop"].astype(str)
    study = study.drop_duplicates(KEY, keep="last")
    return study.reset_index(drop=True)


def _share(exam: str) -> float:
    """Percent of customers on both platforms; NaN where the shop itself has platforms."""
    if not exam.startswith(DEALT):
        return float("nan")
    number = exam.removeprefix(DEALT)
    return float(number.removesuffix("%"))


def _on_both(share: float) -> str:
    if pd.isna(share):
        return ""
    return f", {share:.0f}% on both"


def gains(study: pd.DataFrame, name: str = BLEND, control: bool = False) -> pd.DataFrame:
    """A method's rows, on the log or on the shuffled one."""
    is_asked = study["control"] == control
    is_asked &= study["recommender"] == name
    return study[is_asked]


def best_single(study: pd.DataFrame) -> pd.DataFrame:
    """Of each result, the row of the best method that is no blend and no floor."""
    is_rival = ~study["recommender"].isin(NOT_RIVALS)
    rivals = study[is_rival & ~study["control"]]
    of_result = rivals.groupby(RESULT, sort=False)
    return rivals.loc[of_result["value"].idxmax()]


def count_results(study: pd.DataFrame, name: str = BLEND) -> dict[str, int]:
    """How a method does over all results in which it stands.

    Returns
    -------
    dict
        `shops`; `all` results; in how many the paired interval is `above` or `below` Popularity;
        how many have single methods that it can be `compared` with, and in how many of these it
        is `level` with the best of them or better.
    """
    rows = gains(study, name).set_index(RESULT)
    best = best_single(study).set_index(RESULT)
    rival = best["value"].reindex(rows.index)
    is_above = rows["gain_low"] > 0
    is_below = rows["gain_high"] < 0
    is_level = rows["value"] >= rival - LEVEL
    return {
        "shops": rows["shop"].nunique(),
        "all": len(rows),
        "above": int(is_above.sum()),
        "below": int(is_below.sum()),
        "compared": int(rival.notna().sum()),
        "level": int(is_level.sum()),
    }


def clearly_behind(study: pd.DataFrame, shop: str, n_history: int) -> list[str]:
    """Methods that are clearly below Popularity in a dealt shop's exam in `course_table`.

    Parameters
    ----------
    shop : str
        What tables call it, for example "groceries".
    """
    log = study[~study["control"]]
    start = f"{shop}, "
    exams = [exam for exam in _one_per_shop(log) if exam.startswith(start)]
    is_asked = log["exam"].isin(exams) & (log["n_history"] == n_history)
    is_behind = log["gain_high"] < 0
    return sorted(log.loc[is_asked & is_behind, "recommender"])


def shops_without_gain(study: pd.DataFrame, name: str = BLEND) -> list[str]:
    """Names of the shops in which no paired interval of a method lies above Popularity."""
    return without_gain(gains(study, name))


def without_gain(rows: pd.DataFrame) -> list[str]:
    """Names of the shops that have no row whose paired interval lies above Popularity."""
    won = set(rows.loc[rows["gain_low"] > 0, "shop"])
    return [SHOPS.get(shop, shop) for shop in dict.fromkeys(rows["shop"]) if shop not in won]


def further_behind(study: pd.DataFrame, name: str = BLEND) -> str:
    """Where a method is behind the best single one by more than `LEVEL`, as in a sentence.

    "nowhere" where there is no such result.
    """
    best = best_single(study).set_index(RESULT)
    places = []
    for row in gains(study, name).itertuples():
        result = (row.exam, row.n_history)
        if result not in best.index:
            continue
        rival = best.loc[result]
        gap = rival["value"] - row.value
        if gap <= LEVEL:
            continue
        known = "" if row.n_history == WHOLE else f" with {known_items(row.n_history)}"
        places.append(f"{row.exam}{known} ({gap:.4f} behind {rival['recommender']})")
    return "; ".join(places) or "nowhere"


@dataclass(frozen=True)
class _Line:
    """One method's gains in the figure.

    Attributes
    ----------
    rows : DataFrame
    color : str
    face : str
        Of the points; white where they are hollow.
    shift : float
        To the right of where its group stands.
    """

    rows: pd.DataFrame
    color: str
    face: str
    shift: float


def shops_figure(study: pd.DataFrame, name: str = BLEND) -> plt.Figure:
    """Paired gains over Popularity, with 95% intervals: a method, and the best single one.

    Hollow points learned from a log that was shuffled among the customers.
    """
    own = gains(study, name)
    control = gains(study, name, control=True)
    lines = {
        name: _Line(own, GREEN, GREEN, -SHIFT),
        "best single method": _Line(best_single(study), BLUE, BLUE, SHIFT),
        f"{name}, shuffled log": _Line(control, GREEN, "white", 0.0),
    }
    exams = _exams_that_fit(own)
    with slide_font():
        figure, axis = plt.subplots(figsize=WIDE)
        for label, line in lines.items():
            _draw_line(axis, label, line, exams)
        _name_lengths(axis, own, exams)
        axis.axhline(0, color=INK, linewidth=1)
        below = [exam.replace(", ", "\n") for exam in exams]
        axis.set_xticks(range(len(exams)), below)
        axis.set_ylabel(f"NDCG@10 minus\n{FLOOR}'s")
        axis.grid(axis="x", visible=False)
        figure.legend(
            loc="outside upper center",
            ncols=len(lines),
            fontsize=LABEL_FONT,
        )
    return figure


def _exams_that_fit(rows: pd.DataFrame) -> list[str]:
    """All exams or, where they are many, of each dealt shop the one nearest to `USUAL`."""
    exams = list(dict.fromkeys(rows["exam"]))
    if len(exams) <= MOST_EXAMS:
        return exams
    return _one_per_shop(rows)


def _one_per_shop(rows: pd.DataFrame) -> list[str]:
    """Of each dealt shop the exam nearest to `USUAL`, of others all."""
    exams = list(dict.fromkeys(rows["exam"]))
    distance = (rows["share"] - USUAL).abs()
    rows = rows.assign(distance=distance.fillna(0))
    nearest = rows.sort_values("distance", kind="stable")
    kept = set(nearest.drop_duplicates("shop")["exam"])
    return [exam for exam in exams if exam in kept]


def _draw_line(axis, label: str, line: _Line, exams: list[str]) -> None:
    """A method's points in all exams; named in the legend if there are any."""
    names = {"gain": "value", "gain_low": "low", "gain_high": "high"}
    named = False
    for number, exam in enumerate(exams):
        rows = _of_exam(line.rows, exam)
        if rows.empty:
            continue
        x = number + line.shift + beside(len(rows))
        drawn = rows[list(names)].rename(columns=names)
        style = {"markerfacecolor": line.face}
        if not named:
            style["label"] = label
            named = True
        points(axis, x, drawn, line.color, **style)


def _name_lengths(axis, rows: pd.DataFrame, exams: list[str]) -> None:
    """Above each point of a method: how many items were known."""
    for number, exam in enumerate(exams):
        part = _of_exam(rows, exam)
        x = number - SHIFT + beside(len(part))
        for place, row in zip(x, part.itertuples(), strict=True):
            axis.annotate(
                f"{row.n_history}",
                (place, row.gain_high),
                xytext=(0, 4),
                textcoords="offset points",
                ha="center",
                fontsize=LABEL_FONT,
                color=MUTED,
            )


def _of_exam(rows: pd.DataFrame, exam: str) -> pd.DataFrame:
    """One exam's rows, the shortest history first."""
    return rows[rows["exam"] == exam].sort_values("n_history")


def course_table(study: pd.DataFrame, lengths: Sequence[int]) -> pd.DataFrame:
    """NDCG@10 of the methods that the chapters teach, in one exam per shop, as texts.

    Columns are exams and, below them, those of the history lengths that the exam has.
    """
    log = study[~study["control"]]
    exams = _one_per_shop(log)
    is_shown = log["exam"].isin(exams) & log["n_history"].isin(lengths)
    is_shown &= log["recommender"].isin(list(TAUGHT))
    shown = log[is_shown]
    wide = shown.pivot(index="recommender", columns=RESULT, values="value")
    wide = wide.reindex([name for name in TAUGHT if name in wide.index])
    columns = [(exam, n) for exam in exams for n in lengths if (exam, n) in wide.columns]
    texts = wide[columns].map("{:.3f}".format, na_action="ignore").fillna(ABSENT)
    texts = texts.rename(index=TAUGHT)
    texts.columns = texts.columns.set_names(["real customers", "known items"])
    return texts.rename_axis(index="NDCG@10")


def winners(study: pd.DataFrame, n_history: int) -> str:
    """The best single method of each exam in `course_table`, as in a sentence."""
    best = best_single(study)
    is_in_table = best["exam"].isin(_one_per_shop(best))
    is_asked = best["n_history"] == n_history
    places: dict[str, list[str]] = {}
    for row in best[is_in_table & is_asked].itertuples():
        method = str(row.recommender)
        name = TAUGHT.get(method, method)
        shop = SHOPS[str(row.shop)]
        places.setdefault(name, []).append(shop)
    return "; ".join(f"{name} ({listed(shops)})" for name, shops in places.items())


def shop_table(study: pd.DataFrame, n_history: int) -> pd.DataFrame:
    """NDCG@10 of every method in each exam, as texts, with half its 95% interval.

    The last rows are the shuffled log, the strangers, and the deals or folds that were run.
    """
    here = study[study["n_history"].isin([n_history, WHOLE])]
    exams = list(dict.fromkeys(here["exam"]))
    log = here[~here["control"]]
    control = here[here["control"]]
    texts = _texts(log)[exams].loc[_best_first(log)]
    for name in (FLOOR, BLEND):
        rows = control[control["recommender"] == name]
        if len(rows):
            shuffled = _texts(rows).loc[name]
            texts.loc[f"{name}, shuffled log"] = shuffled.reindex(exams)
    of_exam = log.assign(runs=_runs(log)).groupby("exam")
    strangers = of_exam["n_users"].max()
    texts.loc["strangers"] = strangers.map("{:,}".format)
    texts.loc["deals or folds"] = of_exam["runs"].max().map(str)
    head = f"NDCG@10, {counted(n_history, 'known item')}"
    return texts.fillna(ABSENT).rename_axis(index=head, columns="real customers")


def _best_first(rows: pd.DataFrame) -> pd.Index:
    """Methods by their mean place over the exams in which they stand."""
    wide = rows.pivot(index="recommender", columns="exam", values="value")
    place = wide.rank(ascending=False).mean(axis=1)
    return place.sort_values(kind="stable").index


def _texts(rows: pd.DataFrame) -> pd.DataFrame:
    """ "0.344 ± 0.020" of each method (rows) and exam (columns)."""
    half = (rows["high"] - rows["low"]) / 2
    text = rows["value"].map("{:.3f}".format)
    text = text + half.map(" ± {:.3f}".format)
    rows = rows.assign(text=text)
    return rows.pivot(index="recommender", columns="exam", values="text")


def _runs(rows: pd.DataFrame) -> pd.Series:
    """How many deals or folds each row is the mean of."""
    names = rows["folds"].astype(str)
    return names.str.split().str.len()
