"""Readers of real ratings: MovieLens 100K, RentTheRunway, and anyone's user,item,rating table."""

from pathlib import Path

import numpy as np
import pandas as pd

from helpers.artefacts import ROOT
from helpers.interactions.privacy import hash_ids, secret_key


def movielens_100k(folder: str | Path) -> pd.DataFrame:
    """MovieLens 100K (Harper and Konstan 2015) from `folder`/ml-100k.inter: 100,000 ratings 1-5 by 943 users."""
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
    table = _table(
        frame["user_id"],
        frame["item_id"],
        pd.to_numeric(frame["rating"], errors="coerce") / 2,
        seconds,
    )
    return _clean(table, {})


def read_ratings(path: str | Path) -> tuple[pd.DataFrame, dict[str, int]]:
    """Anyone's ratings from a CSV or parquet file: (table, what was dropped and how often).

    Parameters
    ----------
    path : path
        Columns user, item, rating and, if there is one, timestamp (seconds, or a date).

    Returns
    -------
    table : DataFrame
        user, item (str), rating (float in 1-5), timestamp (int64, 0 if unknown).
    dropped : dict of str to int
        Rows without a user, item or numeric rating, ratings outside 1-5, earlier ratings of a pair.

    Raises
    ------
    ValueError
        If columns are missing, or nothing usable is left; the message names the file and the first bad row.
    """
    given, path = (
        path,
        Path(path) if Path(path).exists() else ROOT / path,
    )  # notebooks run in a folder of their own
    if not path.exists():
        raise FileNotFoundError(
            f"{given}: no such ratings file; give a CSV or parquet file with user,item,rating"
        )
    try:
        frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, dtype=str)
    except (
        pd.errors.ParserError,
        pd.errors.EmptyDataError,
        UnicodeDecodeError,
        OSError,
        ValueError,
    ) as error:
        raise ValueError(f"{path.name} can't be read as {path.suffix or 'CSV'}: {error}") from None
    frame.columns = [str(name).strip().lower() for name in frame.columns]
    for column in frame.select_dtypes(["object", "string"]):
        frame[column] = frame[column].map(
            lambda cell: (cell.strip() or None) if isinstance(cell, str) else cell
        )
    missing = [name for name in ("user", "item", "rating") if name not in frame]
    if missing:
        raise ValueError(f"{path.name} lacks the columns {missing}; it has {list(frame.columns)}")
    dropped: dict[str, int] = {}
    blank = frame[["user", "item"]].isna().any(axis=1)
    rating = pd.to_numeric(frame["rating"], errors="coerce")
    _count(dropped, "no user or item", blank)
    _count(dropped, "rating is not a number", ~blank & rating.isna())
    kept = frame[~blank & rating.notna()]
    time = kept["timestamp"] if "timestamp" in frame else pd.Series(0, index=kept.index)
    table = _table(kept["user"], kept["item"], rating[kept.index], _seconds(time, dropped))
    table, dropped = _clean(table, dropped)
    if table.empty:
        first = f"; row 2 is {frame.iloc[0].to_dict()}" if len(frame) else ""
        raise ValueError(
            f"{path.name} holds no usable rating in 1-5 (dropped: {dropped or 'it is empty'}){first}"
        )
    return table, dropped


def join(ratings: pd.DataFrame, catalog: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """Ratings of products that the catalogue holds, by `image_key` or by product id: (table, what didn't join).

    A product id that two platforms share can't be told apart: such ratings are dropped, and counted.
    """
    by_id = catalog["product_id"].astype(str)
    once = catalog[~by_id.duplicated(keep=False)]
    key = dict(zip(once["product_id"].astype(str), once["image_key"], strict=True))
    key |= dict(zip(catalog["image_key"], catalog["image_key"], strict=True))
    found = ratings["item"].map(key)
    dropped: dict[str, int] = {}
    shared = ratings["item"].isin(set(by_id[by_id.duplicated(keep=False)])) & found.isna()
    _count(dropped, "product id on several platforms: write platform/id", shared)
    _count(dropped, "product not in the catalogue", found.isna() & ~shared)
    joined = ratings.assign(item=found)[found.notna()]
    twice = joined.duplicated(["user", "item"], keep="last")
    _count(dropped, "earlier rating of the same pair, under the product's other name", twice)
    joined = joined[~twice]
    if joined.empty:
        raise ValueError(
            f"none of {len(ratings)} ratings is of a product in the catalogue: item {ratings['item'].iloc[0]!r} is no "
            f"image_key or product_id such as {catalog['image_key'].iloc[0]!r}"
        )
    return joined.reset_index(drop=True), dropped


def own_ratings(path: str | Path, catalog: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """A ratings file ready to train on, as `interactions.parquet`: users hashed with the key from the environment."""
    table, dropped = read_ratings(path)
    table, unjoined = join(table.assign(user=hash_ids(table["user"], secret_key())), catalog)
    for column, what in (("user", "shopper"), ("item", "product of the catalogue")):
        if table[column].nunique() < 2:
            raise ValueError(
                f"{Path(path).name}: its usable ratings ({len(table)}) are all of one {what}, and learning from others "
                f"takes two or more; left out: {dropped | unjoined or 'none'}"
            )
    return table.assign(
        event="browse", platform=table["item"].str.split("/").str[0]
    ), dropped | unjoined


def _table(user, item, rating, timestamp) -> pd.DataFrame:
    columns = {"user": user.astype(str), "item": item.astype(str), "rating": rating.astype(float)}
    return pd.DataFrame(columns | {"timestamp": timestamp.astype("int64")}).reset_index(drop=True)


def _clean(table: pd.DataFrame, dropped: dict[str, int]) -> tuple[pd.DataFrame, dict[str, int]]:
    """Keep the last rating of a pair, and ratings in 1-5 only."""
    inside = table["rating"].between(1, 5)
    _count(dropped, "no rating", table["rating"].isna())
    _count(dropped, "rating outside 1-5", table["rating"].notna() & ~inside)
    table = table[inside].sort_values("timestamp", kind="stable")
    earlier = table.duplicated(["user", "item"], keep="last")
    _count(dropped, "earlier rating of the same pair", earlier)
    return table[~earlier].reset_index(drop=True), dropped


def _seconds(time: pd.Series, dropped: dict[str, int]) -> pd.Series:
    """Seconds since 1970 from numbers or dates; what is neither becomes 0, and is counted."""
    number = pd.to_numeric(time.astype(object), errors="coerce").where(
        lambda seconds: seconds.abs() < 2**40
    )
    date = pd.to_datetime(time.where(number.isna()), errors="coerce", utc=True, format="mixed")
    seconds = number.fillna(
        pd.Series((date - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(seconds=1), index=time.index)
    )
    _count(dropped, "timestamp unreadable (kept, at 0)", seconds.isna())
    return seconds.fillna(0)


def _count(dropped: dict[str, int], why: str, rows) -> None:
    if n := int(np.sum(rows)):
        dropped[why] = dropped.get(why, 0) + n
