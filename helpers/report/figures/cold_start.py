"""The figure that chapters 04 and 06 share: how well a shop answers by how much it knows."""

import matplotlib.pyplot as plt
import pandas as pd

from helpers.report.figures.tables import by_length
from helpers.report.plots import curve

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
        xlabel="liked items known from the other shop",
        ylabel=f"NDCG@{k} on the new shop\n({whose})",
        ax=axis,
    )
    axis.set(xticks=sorted(lines["n_history"].unique()), title=title)
    for name in axis.texts:
        name.set_fontsize(11)
    return figure


def per_list(summary: pd.DataFrame, names: list[str], k: int) -> pd.DataFrame:
    """Liked items among the first `k` shown, one row per method, one column per history length."""
    return k * by_length(summary, "precision", k).loc[names]
