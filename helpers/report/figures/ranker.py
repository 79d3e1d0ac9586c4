"""What trees add to Hybrid's sum in chapter 06: what data/studies/ranker.csv says.

`bench/ranker.py` writes the file. A row is one method's mean over the strangers of an exam, with
its paired gain over the sum without trees.
"""

from pathlib import Path

import pandas as pd

from helpers.report.figures.shops import SHOPS

SUM = "sum without trees"
TREES = "trees alone"
BOTH = "Hybrid: sum with trees"
NAMES = {"sum": SUM, "trees": TREES, "Hybrid": BOTH}
"""What the table calls the methods, in their order."""
IN_SHOP = "in-shop"
DEALT = "across "
SHOWN = (1, 3, 10)
"""Numbers of known items in the table."""


def read_ranker(path: Path) -> pd.DataFrame:
    """The study, its exams named as in a table and its methods as in `NAMES`."""
    study = pd.read_csv(path)
    study["exam"] = study["shop"].map(SHOPS) + ", " + study["exam"].map(_kind)
    study["method"] = study["method"].map(NAMES)
    return study


def _kind(exam: str) -> str:
    """What an exam asks: for items of the same platform or of another one."""
    if exam == IN_SHOP:
        return "same platform"
    if exam.startswith(DEALT):
        share = exam.removeprefix(DEALT)
        return f"{share.replace(' ', '')} on both"
    return "other platform"


def count_gains(study: pd.DataFrame, name: str) -> dict[str, int]:
    """Results in which a method is clearly `ahead` of the sum or `behind` it, of `all`.

    That is where the paired 95% interval leaves out zero.
    """
    rows = study[study["method"] == name]
    return {
        "all": len(rows),
        "ahead": int((rows["gain_low"] > 0).sum()),
        "behind": int((rows["gain_high"] < 0).sum()),
    }


def where_ahead(study: pd.DataFrame, name: str) -> list[str]:
    """Exams in which a method is clearly ahead of the sum in most of the results."""
    rows = study[study["method"] == name]
    share = (rows["gain_low"] > 0).groupby(rows["exam"], sort=False).mean()
    return list(share.index[share > 1 / 2])


def ranker_table(study: pd.DataFrame) -> pd.DataFrame:
    """NDCG@10 of each method (columns) by exam and known items, as texts; beside all but the
    sum without trees stands the paired gain over it with half its 95% interval.
    """
    study = study[study["n_history"].isin(SHOWN)]
    texts = study.assign(text=_texts(study))
    table = texts.pivot(index=["exam", "n_history"], columns="method", values="text")
    order = []
    for exam, rows in study.groupby("exam", sort=False):
        lengths = sorted(rows["n_history"].unique())
        order += [(exam, n) for n in lengths]
    table = table.reindex(index=order, columns=list(NAMES.values()))
    heads = ["real customers", "known items"]
    return table.rename_axis(index=heads, columns="NDCG@10")


def _texts(study: pd.DataFrame) -> pd.Series:
    """ "0.344", and of all but the sum "0.344 (+0.010 ± 0.004)"."""
    value = study["value"].map("{:.3f}".format)
    half = (study["gain_high"] - study["gain_low"]) / 2
    gain = study["gain"].map(" ({:+.3f}".format)
    gain += half.map(" ± {:.3f})".format)
    is_rival = study["method"] != SUM
    return value + gain.where(is_rival, "")
