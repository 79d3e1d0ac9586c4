"""Real shops in chapter 07: what data/studies/real.csv says, whatever its rows are.

`bench/real.py` writes the file. A row is one method's mean over the strangers of all deals or
folds that were run, with its paired gain over Popularity. Some shops, methods or controls may be
missing. Only exams between two platforms are shown here.
"""

from collections.abc import Sequence
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
    points,
    slide_font,
)
from helpers.report.plots import INK, MUTED

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
LEVEL = 0.005
"""NDCG by which a method may be behind another and still count as level with it."""
MOST_EXAMS = 6
"""That fit in the figure beside each other."""
USUAL = 20
"""Percent of the customers on both platforms in the exam that stands for a dealt shop."""
RESULT = ["exam", "n_history"]


def read_shops(path: Path) -> pd.DataFrame:
    """The rows of exams between two platforms; `exam` says the shop, and what was shared.

    A dealt shop's exam is called after the share of customers kept on both platforms, for example
    "gift shop, 20 % on both".
    """
    study = pd.read_csv(path)
    is_dealt = study["exam"].str.startswith(DEALT)
    is_cross = is_dealt | study["exam"].str.contains(BETWEEN, regex=False)
    study = study[is_cross & study["shop"].isin(list(SHOPS))].copy()
    study["control"] = study["control"].astype(str) == "True"
    study["n_history"] = study["n_history"].astype(int)
    study["exam"] = [_title(row.shop, row.exam) for row in study.itertuples()]
    key = [*RESULT, "control", "recommender"]
    study["place"] = study["shop"].map({shop: place for place, shop in enumerate(SHOPS)})
    study["share"] = study["exam"].str.extract(r"(\d+) %").astype(float)
    study = study.sort_values(["place", "share", *key], kind="stable")
    return study.drop_duplicates(key, keep="last").reset_index(drop=True)


def _title(shop: str, exam: str) -> str:
    name = SHOPS[shop]
    if not exam.startswith(DEALT):
        return name
    share = float(exam.removeprefix(DEALT).removesuffix("%"))
    return f"{name}, {share:.0f} % on both"


def gains(study: pd.DataFrame, name: str = BLEND, control: bool = False) -> pd.DataFrame:
    """A method's rows, on the log or on the shuffled one."""
    return study[(study["control"] == control) & study["recommender"].eq(name)]


def best_single(study: pd.DataFrame) -> pd.DataFrame:
    """Of each result, the row of the best method that is no blend and no floor."""
    rivals = study[~study["control"] & ~study["recommender"].isin(NOT_RIVALS)]
    return rivals.loc[rivals.groupby(RESULT, sort=False)["value"].idxmax()]


def count_results(study: pd.DataFrame, name: str = BLEND) -> dict[str, int]:
    """How a method does over all results in which it stands.

    Returns
    -------
    dict
        `shops`; `all` results; in how many the paired interval is `above` or `below` Popularity;
        how many have single methods that it can be `compared` with, and in how many of these it
        is `level` with the best of them or better.
    """
    rows = gains(study, name)
    best = best_single(study).set_index(RESULT)["value"]
    rivals = best.reindex(pd.MultiIndex.from_frame(rows[RESULT])).to_numpy()
    return {
        "shops": rows["shop"].nunique(),
        "all": len(rows),
        "above": int(rows["gain_low"].gt(0).sum()),
        "below": int(rows["gain_high"].lt(0).sum()),
        "compared": int(pd.notna(rivals).sum()),
        "level": int((rows["value"].to_numpy() >= rivals - LEVEL).sum()),
    }


def shops_figure(study: pd.DataFrame, name: str = BLEND) -> plt.Figure:
    """Paired gains over Popularity, with 95 % intervals: a method, and the best single one.

    Hollow points learned from a log that was shuffled among the customers.
    """
    exams = _exams_that_fit(gains(study, name))
    lines = {
        name: (gains(study, name), GREEN, None),
        "best single method": (best_single(study), BLUE, None),
        f"{name}, shuffled log": (gains(study, name, control=True), GREEN, "white"),
    }
    with slide_font():
        figure, axis = plt.subplots(figsize=WIDE)
        for number, exam in enumerate(exams):
            for shift, (rows, color, face) in zip((-0.02, 0.02, 0.0), lines.values(), strict=True):
                part = rows[rows["exam"] == exam].sort_values("n_history")
                _gains_of_exam(axis, number, shift, part, color, face)
        for label, (rows, color, face) in lines.items():
            if rows["exam"].isin(exams).any():
                style = {"marker": "o", "linestyle": "", "color": color}
                axis.plot([], [], label=label, markerfacecolor=face or color, **style)
        axis.axhline(0, color=INK, linewidth=1)
        axis.set_xticks(range(len(exams)), [exam.replace(", ", "\n") for exam in exams])
        axis.set_ylabel(f"NDCG@10 less that of\n{FLOOR}")
        axis.grid(axis="x", visible=False)
        figure.legend(loc="outside upper center", ncols=len(lines), fontsize=LABEL_FONT)
    return figure


def _exams_that_fit(rows: pd.DataFrame) -> list[str]:
    """All exams or, where they are many, of each dealt shop the one nearest to `USUAL`."""
    exams = list(dict.fromkeys(rows["exam"]))
    if len(exams) <= MOST_EXAMS:
        return exams
    distance = (rows["share"] - USUAL).abs().fillna(0)
    nearest = rows.assign(distance=distance).sort_values("distance", kind="stable")
    kept = set(nearest.drop_duplicates("shop")["exam"])
    return [exam for exam in exams if exam in kept]


def _gains_of_exam(
    axis,
    number: int,
    shift: float,
    part: pd.DataFrame,
    color: str,
    face: str | None,
) -> None:
    """Points of one exam, one per history length, beside each other at `number`."""
    if part.empty:
        return
    x = number + shift + beside(len(part))
    names = {"gain": "value", "gain_low": "low", "gain_high": "high"}
    rows = part[["n_history", *names]].rename(columns=names)
    points(axis, x, rows, color, markerfacecolor=face or color)
    if face is None and shift < 0:
        for place, gain in zip(x, rows.itertuples(), strict=True):
            where = {"xytext": (0, 4), "textcoords": "offset points", "ha": "center"}
            text = f"{gain.n_history:.0f}"
            axis.annotate(text, (place, gain.high), fontsize=LABEL_FONT, color=MUTED, **where)


def shop_table(study: pd.DataFrame, n_history: int) -> pd.DataFrame:
    """NDCG@10 of every method in each exam, as texts, with half its 95 % interval.

    The last rows are the shuffled log, the strangers, and the deals or folds that were run.
    """
    here = study[study["n_history"] == n_history]
    exams = list(dict.fromkeys(here["exam"]))
    log = here[~here["control"]]
    wide = log.pivot(index="recommender", columns="exam", values="value")[exams]
    order = wide.rank(ascending=False).mean(axis=1).sort_values(kind="stable").index
    texts = _texts(log).loc[order, exams]
    control = here[here["control"]]
    for name in (FLOOR, BLEND):
        rows = control[control["recommender"] == name]
        if len(rows):
            texts.loc[f"{name}, shuffled log"] = _texts(rows).loc[name].reindex(exams)
    texts.loc["strangers"] = _of_exams(log, "n_users").map("{:,.0f}".format)
    texts.loc["deals or folds"] = _of_exams(log.assign(runs=_runs(log)), "runs").map(str)
    return texts.fillna(ABSENT).rename_axis(
        index=f"NDCG@10, {n_history} known items", columns="real customers"
    )


def _texts(rows: pd.DataFrame) -> pd.DataFrame:
    """ "0.344 ± 0.020" of each method (rows) and exam (columns)."""
    half = (rows["high"] - rows["low"]) / 2
    text = rows["value"].map("{:.3f}".format) + half.map(" ± {:.3f}".format)
    return rows.assign(text=text).pivot(index="recommender", columns="exam", values="text")


def _of_exams(rows: pd.DataFrame, column: str) -> pd.Series:
    """The largest value of a column in each exam."""
    return rows.groupby("exam", sort=False)[column].max()


def _runs(rows: pd.DataFrame) -> pd.Series:
    """How many deals or folds each row is the mean of."""
    return rows["folds"].astype(str).str.split().str.len()


def in_words(names: Sequence[str]) -> str:
    """A list of names as in a sentence."""
    if len(names) < 2:
        return "".join(names)
    return ", ".join(names[:-1]) + " and " + names[-1]


def names_of_shops(study: pd.DataFrame) -> str:
    """The shops of a study, as in a sentence."""
    shops = dict.fromkeys(study["shop"])
    return in_words([SHOPS[shop] for shop in shops])
