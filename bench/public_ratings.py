"""Readers of two public rating sets, MovieLens 100K and RentTheRunway, for the benches beside this
file.
"""

from pathlib import Path

import pandas as pd


def movielens_100k(folder: str | Path) -> pd.DataFrame:
    """MovieLens 100K (Harper and Konstan 2015): 100,000 ratings 1-5 by 943 users.

    Parameters
    ----------
    folder : path
        Holds ml-100k.inter.

    Returns
    -------
    DataFrame
        user, item (str), rating (float), timestamp (s).
    """
    frame = pd.read_csv(Path(folder) / "ml-100k.inter", sep="\t")
    frame.columns = [name.split(":")[0] for name in frame.columns]
    return _table(frame["user_id"], frame["item_id"], frame["rating"], frame["timestamp"])


def rent_the_runway(folder: str | Path) -> tuple[pd.DataFrame, dict[str, int]]:
    """RentTheRunway rentals (Misra et al. 2018), their 2-10 halved to 1-5, and what was dropped.

    82 rentals without a rating and earlier rentals of the same pair are dropped, and counted.
    """
    frame = pd.read_parquet(Path(folder) / "renttherunway.parquet")
    when = pd.to_datetime(frame["review_date"], format="mixed", errors="coerce")
    seconds = ((when - pd.Timestamp(0)) // pd.Timedelta(seconds=1)).fillna(0)
    rating = pd.to_numeric(frame["rating"], errors="coerce") / 2
    table = _table(frame["user_id"], frame["item_id"], rating, seconds)
    n_unrated = int(table["rating"].isna().sum())
    table = table.dropna(subset="rating").sort_values("timestamp", kind="stable")
    is_earlier = table.duplicated(["user", "item"], keep="last")
    dropped = {"no rating": n_unrated, "earlier rating of the same pair": int(is_earlier.sum())}
    return table[~is_earlier].reset_index(drop=True), dropped


def _table(
    user: pd.Series, item: pd.Series, rating: pd.Series, timestamp: pd.Series
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "user": user.astype(str),
            "item": item.astype(str),
            "rating": rating.astype(float),
            "timestamp": timestamp.astype("int64"),
        }
    ).reset_index(drop=True)
