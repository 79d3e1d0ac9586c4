"""What chapters 04 and 06 share: how well a shop answers by how much it knows."""

import matplotlib.pyplot as plt
import pandas as pd

from helpers.evaluation.significance import bootstrap
from helpers.report.figures.tables import by_length
from helpers.report.plots import curve
from helpers.report.prose import counted, listed

MARGINS = ("Popularity", "Oracle", "Random")


def cold_start_curve(
    summary: pd.DataFrame,
    names: list[str],
    k: int,
    title: str = "",
    whose: str = "",
) -> plt.Figure:
    """NDCG over the number of liked items known, one line per method.

    Parameters
    ----------
    summary : DataFrame
        As `summarise` gives it, of one variant.
    names : list of str
        The methods shown, in this order; floors and ceilings are dashed.
    k : int
        Length of a list.
    title : str
        What the figure says.
    whose : str
        Whose shoppers these are; part of the label.
    """
    lines = summary.query("metric == 'ndcg' and segment == 'all' and k == @k")
    lines = lines.astype({"n_history": int, "recommender": str})
    order = {name: number for number, name in enumerate(names)}
    lines = lines[lines["recommender"].isin(names)]
    lines = lines.sort_values("recommender", key=lambda column: column.map(order), kind="stable")
    figure, axis = plt.subplots(figsize=(8.2, 4.2))
    dashed = [name for name in names if name in MARGINS]
    curve(
        lines,
        "n_history",
        "value",
        "recommender",
        dashed=dashed,
        xlabel="liked items known from platform A",
        ylabel=f"NDCG@{k} on platform B\n({whose})",
        ax=axis,
    )
    axis.set(xticks=sorted(lines["n_history"].unique()), title=title)
    for name in axis.texts:
        name.set_fontsize(11)
    return figure


def per_list(summary: pd.DataFrame, names: list[str], k: int) -> pd.DataFrame:
    """Liked items among the first `k` shown, one row per method, one column per history length."""
    return k * by_length(summary, "precision", k).loc[names]


def paired_gain(per_user: pd.DataFrame, ours: str, rival: str, k: int) -> pd.DataFrame:
    """By how much `ours` is ahead of `rival` in NDCG, shopper by shopper.

    Parameters
    ----------
    per_user : DataFrame
        Of one `Evaluation` or of several, with one variant.
    ours, rival : str
        Names of methods.
    k : int
        Length of a list.

    Returns
    -------
    DataFrame
        One row per history length: `gain`, the mean difference, and its 95% interval, `low` and
        `high`.
    """
    is_asked = (per_user["metric"] == "ndcg") & (per_user["k"] == k)
    rows = per_user[is_asked].astype({"recommender": str, "n_history": int})
    shopper = ["n_history", "user"]
    wide = rows.pivot(index=shopper, columns="recommender", values="value")
    difference = wide[ours] - wide[rival]
    found = {}
    for n, part in difference.groupby("n_history"):
        found[n] = bootstrap(part.to_numpy())
    columns = ["gain", "low", "high"]
    return pd.DataFrame.from_dict(found, orient="index", columns=columns)


def verdict(low: float, high: float) -> str:
    """What an interval of a difference says: "ahead", "behind", or "level" if it contains 0."""
    if low > 0:
        return "ahead"
    return "behind" if high < 0 else "level"


def told_by_length(gains: pd.DataFrame) -> str:
    """Verdicts in a sentence: "level at 0 items (+0.000) and ahead at 3 items (+0.020)"."""
    parts = []
    for n, row in gains.iterrows():
        word = verdict(row["low"], row["high"])
        parts.append(f"{word} at {counted(n, 'item')} ({row['gain']:+z.3f})")
    return listed(parts)
