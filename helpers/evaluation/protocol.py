"""One protocol for every recommender.

Each method ranks the full catalog with seen items excluded. Each metric has one value per shopper,
and each mean has a bootstrap interval.
"""

import json
import platform
import threading
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import psutil
from numpy.typing import ArrayLike

from helpers.artefacts import data_dir
from helpers.evaluation import metrics as m
from helpers.evaluation.significance import bootstrap
from helpers.interactions.matrix import (
    LIKED,
    REAL,
    SIMULATED,
    Histories,
    Interactions,
    ItemFeatures,
)
from helpers.interactions.splits import Split
from helpers.recommenders.base import Recommender, users_at_once

Row = dict[str, Any]  # a row of a table, by its columns
Values = dict[tuple[str, str, int], np.ndarray]  # by variant, metric and k: each (n_users,)
Segments = pd.Series | pd.DataFrame | None  # of users, by position

KEY = ["recommender", "split", "variant", "n_history", "metric", "k"]
GROUP = ["split", "n_history"]  # what has been measured on the same shoppers
COLUMNS = [  # of `evaluate`
    "recommender",
    "split",
    "variant",
    "n_history",
    "user",
    "metric",
    "k",
    "value",
]
ABOUT = ["candidates", "seed", "shoppers"]  # the same for all rows of one evaluation
COST = ["score_seconds", "peak_mb", "n_fallback"]
SUMMARY = [  # columns of `summarise`
    *KEY,
    "segment",
    "value",
    "low",
    "high",
    "n_users",
    "n_undefined",
    *ABOUT,
    *COST,
]
SPREAD = {"coverage": m.coverage, "gini": m.gini}  # metrics of all lists together
Kinds = type | tuple[type, ...]
NUMBER: Kinds = (int, float)
NUMBER_OR_NONE: Kinds = (int, float, type(None))
FORMAT: dict[str, Kinds] = {  # metrics.json: the fields of a result row, and what each may hold
    "recommender": str,
    "data": str,
    "split": str,
    "segment": str,
    "n_history": (int, type(None)),
    "metric": str,
    "k": (int, type(None)),
    "value": NUMBER,
    "low": NUMBER_OR_NONE,
    "high": NUMBER_OR_NONE,
    "n_users": int,
    "candidates": int,
    "variant": str,
    "seed": int,
    "fit_seconds": NUMBER_OR_NONE,
    "score_seconds": NUMBER_OR_NONE,
    "peak_mb": NUMBER_OR_NONE,
    "shoppers": str,
}
RUN = ("profile", "parameters", "seed", "device", "versions", "started", "seconds")


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` or `cross_validate` measured; `summarise` makes means of it.

    Attributes
    ----------
    per_user : DataFrame
        One row per recommender, n_history, user (position), variant, metric and k: `value`, NaN
        where undefined.
    runs : DataFrame
        What belongs to no single user. One row per recommender, n_history, k and metric
        (coverage, Gini index, rating errors): its `value`, and the list's costs `score_seconds`,
        `peak_mb` (MiB) and `n_fallback` (shoppers who got what is popular). `cross_validate` adds
        `fit_seconds`.
    seed : int
        Of the bootstrap in `summarise`.
    candidates : int
        How many items were ranked for each shopper.
    shoppers : str
        "simulated" or "real".
    """

    per_user: pd.DataFrame
    runs: pd.DataFrame
    seed: int
    candidates: int
    shoppers: str


@contextmanager
def metered(every: float = 0.01) -> Iterator[dict[str, float]]:
    """Measure a `with` block.

    Parameters
    ----------
    every : float
        Seconds between two looks at the memory.

    Yields
    ------
    dict
        After the block it holds `seconds` and `peak_mb`, the resident memory above that at the
        start in MiB.
    """
    cost: dict[str, float] = {}
    done = threading.Event()
    process = psutil.Process()
    before = process.memory_info().rss
    peak = before

    def watch() -> None:
        nonlocal peak
        while not done.wait(every):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch, daemon=True)
    start = time.perf_counter()
    watcher.start()
    try:
        yield cost
    finally:
        cost["seconds"] = time.perf_counter() - start
        done.set()
        watcher.join()
        peak = max(peak, process.memory_info().rss)
        cost["peak_mb"] = (peak - before) / 2**20


def rank(
    recommender: Recommender, histories: Histories, k: int, candidates: ArrayLike
) -> tuple[np.ndarray, dict[str, float]]:
    """The best `k` unseen candidates of each shopper, and what it cost to find them.

    Returns
    -------
    ids : (n_users, k) int64
        Item positions, -1 where there are fewer than `k`.
    cost : dict
        `score_seconds`, `peak_mb`, and `n_fallback`: the shoppers who got the most popular items.
    """
    ids = np.empty((len(histories), k), np.int64)
    n_fallback = 0
    with metered() as cost, warnings.catch_warnings():
        # falling back to popularity is counted here instead
        warnings.simplefilter("ignore", UserWarning)
        step = users_at_once(recommender.n_items_)
        for start in range(0, len(histories), step):
            rows = slice(start, start + step)
            recommender.n_fallback_ = 0
            ids[rows], _ = recommender.recommend(histories[rows], k, candidates)
            n_fallback += recommender.n_fallback_
    return ids, {
        "score_seconds": cost["seconds"],
        "peak_mb": cost["peak_mb"],
        "n_fallback": n_fallback,
    }


def evaluate(  # noqa: PLR0913  # the parts of one exam
    recommenders: dict[str, Recommender],
    split: Split,
    ks: Sequence[int] = (5, 10),
    metrics: Iterable[str] = tuple(m.METRICS),
    variants: Iterable[str] | None = None,
    items: ItemFeatures | None = None,
    seed: int = 7,
    n_history: Iterable[int | None] | None = None,
    n_users: int | None = None,
) -> Evaluation:
    """Rank every candidate for every test shopper and measure.

    Nothing is sampled and nobody is dropped.

    Parameters
    ----------
    recommenders : dict of str to Recommender
        Fitted methods by the names that the result shows.
    split : Split
        Its `histories` by n_history, `relevant` by variant, `candidates`.
    ks : sequence of int
        Lengths of the lists.
    metrics : sequence of str
        Names in `metrics.METRICS`.
    variants : sequence of str or None
        Which of `split.relevant`; None is all.
    items : ItemFeatures or None
        If given, `diversity` of the lists by item vectors is measured too; `novelty` always is.
    seed : int
        Of the bootstrap in `summarise`.
    n_history : sequence of (int or None), or None
        Which of `split.histories`; None is all.
    n_users : int or None
        Only so many test shoppers, from the first, for slow methods; None is all.

    Returns
    -------
    Evaluation
        Values of each shopper, and what belongs to no single one.
    """
    if variants is None:
        variants = list(split.relevant)
    if n_history is None:
        n_history = list(split.histories)
    tables = []
    runs: list[Row] = []
    for name, recommender in recommenders.items():
        for n in n_history:
            histories = split.histories[n][:n_users]
            ids, cost = rank(recommender, histories, max(ks), split.candidates)
            where: Row = {"recommender": name, "split": split.name, "n_history": n}
            values = _values_of_metrics(ids, split, ks, metrics, variants)
            values |= _values_of_lists(ids, split, ks, items)
            tables.append(_long_table(where, values, len(histories)))
            found = _values_of_all_lists(ids, split, ks)
            if n is None and n_users is None and split.test is not None:
                found += _errors_if_it_predicts(recommender, split)
            runs += [where | cost | value for value in found]
    frame = pd.concat(tables, ignore_index=True)
    for column in ("recommender", "split", "variant", "metric"):
        frame[column] = frame[column].astype("category")
    return Evaluation(
        per_user=frame,
        runs=as_runs(runs),
        seed=seed,
        candidates=len(split.candidates),
        shoppers=split.shoppers,
    )


def as_runs(rows: list[Row] | pd.DataFrame) -> pd.DataFrame:
    """The table `runs` of an `Evaluation`: lengths of histories and of lists may be missing."""
    return pd.DataFrame(rows).astype({"n_history": "Int64", "k": "Int64"})


def _values_of_metrics(
    ids: np.ndarray,
    split: Split,
    ks: Sequence[int],
    metrics: Iterable[str],
    variants: Iterable[str],
) -> Values:
    """Metrics of each shopper's list by (variant, metric, k), each (n_users,)."""
    values: Values = {}
    for variant in variants:
        relevant = split.relevant[variant][: len(ids)]
        for (metric, k), value in m.measure(ids, relevant, ks, metrics).items():
            values[variant, metric, k] = value
    return values


def _values_of_lists(
    ids: np.ndarray, split: Split, ks: Sequence[int], items: ItemFeatures | None
) -> Values:
    """Novelty and, with `items`, diversity by ("any", metric, k): they need no judgment, each
    (n_users,).
    """
    popularity = np.asarray((split.train.ratings >= LIKED).sum(axis=0)).ravel()
    n_train = split.train.shape[0]
    values: Values = {}
    for k in ks:
        values["any", "novelty", k] = m.novelty(ids[:, :k], popularity, n_train)
        if items is not None:
            values["any", "diversity", k] = m.diversity(ids[:, :k], items.vectors)
    return values


def _values_of_all_lists(ids: np.ndarray, split: Split, ks: Sequence[int]) -> list[Row]:
    """`k`, `metric` and `value` of what the lists of all shoppers say together."""
    found: list[Row] = []
    for k in ks:
        for metric, measure in SPREAD.items():
            value = measure(ids[:, :k], split.candidates)
            found.append({"k": k, "metric": metric, "value": value})
    return found


def _errors_if_it_predicts(recommender: Recommender, split: Split) -> list[Row]:
    """RMSE and MAE, in the same form as `_values_of_all_lists`.

    Nothing of a method that only ranks.
    """
    try:
        errors = rating_errors(recommender, split)
    except NotImplementedError:
        return []
    return [{"k": None, "metric": metric, "value": errors[metric]} for metric in ("rmse", "mae")]


def _long_table(where: Row, values: Values, n_users: int) -> pd.DataFrame:
    """One row per value of each (variant, metric, k) and user."""
    keys = pd.DataFrame(list(values), columns=["variant", "metric", "k"])
    key_of_row = keys.index.repeat(n_users)
    n_history = [where["n_history"]] * len(key_of_row)
    users = np.arange(n_users)
    frame = keys.loc[key_of_row].assign(**where)
    frame["n_history"] = pd.array(n_history, dtype="Int64")
    frame["user"] = np.tile(users, len(keys))
    frame["value"] = np.concatenate(list(values.values()))
    return frame[COLUMNS]


def summarise(
    evaluation: Evaluation, segments: Segments = None, n_resamples: int = 1000
) -> pd.DataFrame:
    """Means over users with bootstrap 95% intervals, for everyone ("all") and for each value of
    `segments`.

    Parameters
    ----------
    evaluation : Evaluation
        From `evaluate` or `cross_validate`.
    segments : Series, DataFrame or None
        User position -> segment name. The segments of a DataFrame are named "column: name".
    n_resamples : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        KEY columns, `segment`, `value`, `low`, `high`, `n_users` (those the metric is defined
        for), `n_undefined`, `candidates`, `seed`, `shoppers` ("simulated" or "real"),
        `score_seconds`, `peak_mb`, `n_fallback`.
    """
    runs = evaluation.runs
    means = _means_of_segments(evaluation, segments, n_resamples)
    means = _with_costs(means, runs)
    whole = _rows_of_runs(evaluation.per_user, runs)
    about = {name: getattr(evaluation, name) for name in ABOUT}
    summary = pd.concat([means, whole], ignore_index=True)
    summary = summary.assign(**about)[SUMMARY]
    return _in_order(summary, runs["recommender"].unique())


def _means_of_segments(
    evaluation: Evaluation, segments: Segments, n_resamples: int
) -> pd.DataFrame:
    """One row per split, n_history, segment, recommender, variant, metric and k."""
    groups = evaluation.per_user.groupby(GROUP, observed=True, dropna=False)
    parts = []
    for (split, n_history), group in groups:
        series = ["recommender", "variant", "metric", "k"]
        wide = group.pivot(index="user", columns=series, values="value")
        for segment, table in _by_segment(wide, segments).items():
            where: Row = {"split": split, "n_history": n_history, "segment": segment}
            parts.append(_means(table, n_resamples, evaluation.seed).assign(**where))
    types: dict[str, Any] = {"n_history": "Int64", "k": "Int64", "recommender": str, "split": str}
    return pd.concat(parts, ignore_index=True).astype(types)


def _by_segment(wide: pd.DataFrame, segments: Segments) -> dict[str, pd.DataFrame]:
    """The rows of each segment's users, by the segment's name; "all" is everyone."""
    tables = {"all": wide}
    if segments is None:
        return tables
    for column, of_user in pd.DataFrame(segments).items():
        names = of_user.reindex(wide.index)
        label = f"{column}: " if isinstance(segments, pd.DataFrame) else ""
        for name in sorted(names.dropna().unique()):
            tables[f"{label}{name}"] = wide[names == name]
    return tables


def _means(table: pd.DataFrame, n_resamples: int, seed: int) -> pd.DataFrame:
    """Mean and interval of each column of (n_users, n_series), one row per column."""
    mean, low, high = bootstrap(table.to_numpy(), n_resamples, seed=seed)
    n_users = table.notna().sum().to_numpy()
    return table.columns.to_frame(index=False).assign(
        value=mean,
        low=low,
        high=high,
        n_users=n_users,
        n_undefined=len(table) - n_users,
    )


def _with_costs(means: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """The means and what their lists cost to make."""
    where = ["recommender", "split", "n_history"]
    costs = runs[where + COST].drop_duplicates(where)
    return means.merge(costs, on=where, how="left")


def _rows_of_runs(per_user: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Rows of the summary for what belongs to no single user; it has no interval."""
    groups = per_user.groupby(GROUP, observed=True, dropna=False)
    n_users = groups["user"].nunique().max()
    return runs.assign(
        variant="any",
        segment="all",
        n_users=int(n_users),
        n_undefined=0,
    )


def _in_order(summary: pd.DataFrame, recommenders: Iterable[str]) -> pd.DataFrame:
    """Sorted by KEY, the recommenders in the order in which they were given."""
    place_of = {name: place for place, name in enumerate(recommenders)}

    def places(column: pd.Series) -> pd.Series:
        if column.name == "recommender":
            return column.map(place_of)
        return column

    return summary.sort_values(KEY, key=places, ignore_index=True)


def segments(split: Split, attributes: pd.DataFrame) -> pd.DataFrame:
    """Gender, style, activity and warmth of each test shopper, for `summarise`.

    Parameters
    ----------
    split : Split
    attributes : DataFrame
        `image_key` and, where known, `gender` and `style`.

    Returns
    -------
    DataFrame, one row per test shopper
        gender, style: the value with the largest share of liked candidates. activity: quiet, usual
        or busy, by thirds of held-out ratings. warmth: hot (at least as many training ratings as
        the median shopper), warm (fewer), cold. The last two are there if ratings are held out.
    """
    found = {}
    for name in {"gender", "style"} & set(attributes.columns):
        of_item = attributes.set_index("image_key").loc[split.train.items, name]
        found[name] = _favorites(split, of_item)
    if split.test is not None:
        found["activity"] = _activity(np.diff(split.test.ratings.indptr))
        found["warmth"] = _warmth(split.train, split.test)
    return pd.DataFrame(found)


def _favorites(split: Split, of_item: pd.Series) -> np.ndarray:
    """The value of an attribute whose candidates each shopper likes the largest share of.

    Shape: (n_users,).
    """
    likes = split.relevant.get("complete", split.relevant.get("observed"))
    indicators = pd.get_dummies(of_item).astype(float)
    n_candidates = indicators.iloc[split.candidates].sum().to_numpy()
    n_liked = likes @ indicators.to_numpy()
    share = n_liked / np.maximum(n_candidates, 1)
    values = indicators.columns.to_numpy()
    return values[share.argmax(axis=1)]


def _activity(n_rated: np.ndarray) -> np.ndarray:
    """Quiet, usual or busy: the third of the shoppers by number of ratings."""
    names = np.array(["quiet", "usual", "busy"])
    thirds = np.quantile(n_rated, [1 / 3, 2 / 3])
    return names[np.searchsorted(thirds, n_rated)]


def _warmth(train: Interactions, test: Interactions) -> np.ndarray:
    """Hot, warm or cold: how many training ratings a test shopper has."""
    n_train = np.diff(train.ratings.indptr)
    row = train.users.get_indexer(test.users)
    known = np.append(n_train, 0)[row]  # a stranger's row is -1: the 0 at the end
    busy = np.where(known >= np.median(n_train), "hot", "warm")
    return np.where(known == 0, "cold", busy)


def share_of_way(
    summary: pd.DataFrame, floor: str = "Popularity", ceiling: str = "Oracle"
) -> pd.DataFrame:
    """`summary` with `share` = (value - floor) / (ceiling - floor), like for like.

    It is NaN where either end is missing or both are equal. Raises KeyError if the summary lacks a
    whole end.
    """
    like = [column for column in KEY if column != "recommender"] + ["segment"]
    wide = summary
    for name in (floor, ceiling):
        end = summary.loc[summary["recommender"] == name, [*like, "value"]]
        if end.empty:
            known = sorted(summary["recommender"].unique())
            raise KeyError(f"no recommender {name!r} in the summary; there are {known}")
        wide = wide.merge(end.rename(columns={"value": name}), on=like, how="left")
    way = wide[ceiling] - wide[floor]
    way = way.where(way.abs() > 1e-12)
    share = (wide["value"] - wide[floor]) / way
    return wide.assign(share=share).drop(columns=[floor, ceiling])


def rating_errors(recommender: Recommender, split: Split) -> dict[str, float]:
    """`rmse`, `mse`, `mae` and `n` of predicted against held-out ratings (`split.test`), nothing
    left out.

    Raises ValueError if the split holds out no ratings.
    """
    if split.test is None:
        raise ValueError(f"split {split.name!r} holds out no ratings")
    histories = split.histories[None]
    held = split.test.ratings
    truth = []
    guess = []
    step = users_at_once(held.shape[1])
    for start in range(0, held.shape[0], step):
        rows = slice(start, start + step)
        part = held[rows].tocoo()
        items, column = np.unique(part.col, return_inverse=True)
        predicted = recommender.predict(histories[rows], items)
        truth.append(part.data)
        guess.append(predicted[part.row, column])
    return m.rating_error(np.concatenate(truth), np.concatenate(guess))


def result_rows(
    summary: pd.DataFrame, data: str, fit_seconds: dict[str, float] | None = None
) -> list[Row]:
    """Rows of metrics.json.

    `variant` names whose judgment counts and, where it is ambiguous, the metric's meaning.
    """
    if fit_seconds is None:
        fit_seconds = {}
    rows = []
    for row in summary.to_dict("records"):
        row["data"] = data
        row["fit_seconds"] = fit_seconds.get(row["recommender"])
        meaning = m.MEANING.get(row["metric"])
        if meaning:
            row["variant"] = f"{row['variant']}, {meaning}"
        rows.append({field: _plain(row[field]) for field in FORMAT})
    return rows


def about_run(parameters: Row, started: pd.Timestamp, seconds: float) -> Row:
    """The `run` of metrics.json: what was run where, and how long it took.

    Parameters
    ----------
    parameters : dict
        With `profile` and `seed`.
    started : Timestamp
    seconds : float
    """
    import torch

    device = "cpu"
    if torch.cuda.is_available():
        device = torch.cuda.get_device_name()
    versions = {"python": platform.python_version()}
    for module in (np, pd, torch):
        versions[module.__name__] = module.__version__
    return {
        "profile": parameters["profile"],
        "parameters": parameters,
        "seed": parameters["seed"],
        "device": device,
        "versions": versions,
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
    }


def chapter_results(profile: str) -> list[Row]:
    """The result rows that chapters 03 to 06 left."""
    rows: list[Row] = []
    for path in sorted((data_dir(profile) / "results").glob("0[3-6]_*.json")):
        rows += json.loads(path.read_text(encoding="utf-8"))
    return rows


def _plain(value: Any) -> Any:
    """A value as JSON can hold it: Python's own numbers rounded to 6 places, None for what is
    missing.
    """
    if value is None or value is pd.NA:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, float):
        return value
    return round(value, 6) if np.isfinite(value) else None


def validate(document: dict[str, Any]) -> dict[str, Any]:
    """Check a metrics.json document against the format and return it.

    Raises ValueError with the row, the field and the value.
    """
    has_both = set(document) == {"run", "results"}
    if not has_both or set(document["run"]) != set(RUN):
        raise ValueError(f"metrics.json holds `run` ({', '.join(RUN)}) and `results`, nothing else")
    for number, row in enumerate(document["results"]):
        _validate_row(row, f"results[{number}]")
    return document


def _validate_row(row: Row, name: str) -> None:
    shoppers = row.get("shoppers")
    if shoppers not in (SIMULATED, REAL):
        raise ValueError(f"{name}.shoppers is {shoppers!r}, not 'simulated' or 'real'")
    unlike = sorted(set(row) ^ set(FORMAT))
    if unlike:
        raise ValueError(f"{name}: missing or unknown fields {unlike}")
    for field, kind in FORMAT.items():
        value = row[field]
        is_nan = value != value
        if not isinstance(value, kind) or isinstance(value, bool) or is_nan:
            raise ValueError(f"{name}.{field}: {value!r} isn't allowed in {row}")
