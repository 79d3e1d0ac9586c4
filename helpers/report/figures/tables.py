"""Tables as a reader sees them: numbers with fixed decimals, and heads that say what they are."""

import pandas as pd


def rounded(
    frame: pd.DataFrame | pd.Series, decimals: int = 2, rows: str | None = None, columns=None
) -> pd.DataFrame:
    """A table whose numbers have so many decimals, as text.

    Parameters
    ----------
    frame : DataFrame or Series
        A series becomes one column, whose name is `columns`.
    decimals : int
    rows, columns : str, optional
        What the index and the columns are.
    """
    if isinstance(frame, pd.Series):
        frame = frame.to_frame(columns or "")
        columns = None
    text = frame.map(f"{{:.{decimals}f}}".format)
    text.index.name = rows
    if text.columns.nlevels == 1:
        text.columns.name = columns
    return text


def by_length(
    summary: pd.DataFrame,
    metric: str = "ndcg",
    k: int = 10,
) -> pd.DataFrame:
    """Values of one metric: one row per recommender, one column per history length."""
    part = summary[(summary["metric"] == metric) & (summary["k"] == k)]
    if "segment" in part:
        part = part[part["segment"] == "all"]
    names = part["recommender"].astype(str).unique()
    table = part.pivot_table(
        index="recommender", columns="n_history", values="value", observed=True
    )
    return table.loc[names]
