"""One way to evaluate every recommender: full catalogue, seen items excluded, a value a user, then intervals."""

import threading
import time
import warnings
from contextlib import contextmanager

import numpy as np
import pandas as pd
import psutil

from helpers.evaluation import metrics as m
from helpers.evaluation.significance import bootstrap
from helpers.interactions.matrix import REAL, SIMULATED, ItemFeatures
from helpers.recommenders.base import BLOCK, Recommender

KEY = ["recommender", "split", "variant", "n_history", "metric", "k"]
FORMAT = {  # metrics.json: the fields of a result row, and what each may hold
    "recommender": str, "data": str, "split": str, "segment": str, "n_history": (int, type(None)), "metric": str,
    "k": (int, type(None)), "value": (int, float), "low": (int, float, type(None)), "high": (int, float, type(None)),
    "n_users": int, "candidates": int, "variant": str, "seed": int, "fit_seconds": (int, float, type(None)),
    "score_seconds": (int, float, type(None)), "peak_mb": (int, float, type(None)), "shoppers": str,
}  # fmt: skip
RUN = ("profile", "parameters", "seed", "device", "versions", "started", "seconds")


@contextmanager
def metered(every: float = 0.01):
    """Measure a `with` block: yields a dict that then holds `seconds` and `peak_mb` (resident, above the start)."""
    cost, done, process = {}, threading.Event(), psutil.Process()
    before = peak = process.memory_info().rss

    def watch():
        nonlocal peak
        while not done.wait(every):
            peak = max(peak, process.memory_info().rss)

    watcher, start = threading.Thread(target=watch, daemon=True), time.perf_counter()
    watcher.start()
    try:
        yield cost
    finally:
        cost["seconds"] = time.perf_counter() - start
        done.set()
        watcher.join()
        cost["peak_mb"] = (max(peak, process.memory_info().rss) - before) / 2**20


def rank(recommender: Recommender, histories, k: int, candidates) -> tuple[np.ndarray, dict]:
    """Best `k` unseen candidates (n_users, k) and what it cost: `score_seconds`, `peak_mb`, `n_fallback`."""
    ids, n_fallback = np.empty((len(histories), k), np.int64), 0
    with metered() as cost, warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", UserWarning
        )  # falling back to popularity is counted here instead
        for start in range(0, len(histories), BLOCK):
            recommender.n_fallback_ = 0
            ids[start : start + BLOCK] = recommender.recommend(
                histories[start : start + BLOCK], k, candidates
            )[0]
            n_fallback += recommender.n_fallback_
    return ids, {
        "score_seconds": cost["seconds"],
        "peak_mb": cost["peak_mb"],
        "n_fallback": n_fallback,
    }


def evaluate(
    recommenders: dict[str, Recommender],
    split,
    ks=(5, 10),
    metrics=tuple(m.METRICS),
    variants=None,
    items: ItemFeatures | None = None,
    seed: int = 7,
    n_history=None,
    n_users: int | None = None,
) -> pd.DataFrame:
    """Rank every candidate for every test shopper and measure; nothing is sampled, nobody is dropped.

    Parameters
    ----------
    recommenders : fitted, by the name they shall bear.
    split : Split
        Its `histories` by n_history, `relevant` by variant, `candidates`.
    variants : which of `split.relevant`; default all.
    items : if given, `diversity` of the lists by item vectors is measured too; `novelty` always is.
    n_history : which of `split.histories`; default all.
    n_users : only the first so many test shoppers, for what is slow; default all.

    Returns
    -------
    DataFrame
        A row a recommender, n_history, user (position), variant, metric and k: `value`, NaN where undefined. What
        belongs to no single user (costs, coverage, Gini index, rating errors) is in `.attrs["runs"]` for `summarise`.
    """
    variants = list(split.relevant) if variants is None else list(variants)
    popularity = np.asarray((split.train.ratings >= 4).sum(axis=0)).ravel()
    parts, runs = [], []
    for name, recommender in recommenders.items():
        for n in split.histories if n_history is None else n_history:
            histories = split.histories[n][:n_users]
            ids, cost = rank(recommender, histories, max(ks), split.candidates)
            where = {"recommender": name, "split": split.name, "n_history": n}
            values = {}
            for variant in variants:
                found = m.measure(ids, split.relevant[variant][:n_users], ks, metrics)
                values.update({(variant, metric, k): value for (metric, k), value in found.items()})
            for k in ks:
                values["any", "novelty", k] = m.novelty(
                    ids[:, :k], popularity, split.train.shape[0]
                )
                if items is not None:
                    values["any", "diversity", k] = m.diversity(ids[:, :k], items.vectors)
                spread = {"coverage": m.coverage, "gini": m.gini}
                runs += [
                    {
                        **where,
                        **cost,
                        "k": k,
                        "metric": metric,
                        "value": f(ids[:, :k], split.candidates),
                    }
                    for metric, f in spread.items()
                ]
            if n is None and n_users is None and split.test is not None:
                errors = _errors_if_it_predicts(recommender, split)
                runs += [
                    {**where, **cost, "k": None, "metric": metric, "value": error}
                    for metric, error in errors.items()
                ]
            parts.append(_tidy(where, values, len(histories)))
    frame = pd.concat(parts, ignore_index=True)
    for column in ("recommender", "split", "variant", "metric"):
        frame[column] = frame[column].astype("category")
    frame.attrs = {
        "runs": runs,
        "seed": seed,
        "candidates": len(split.candidates),
        "shoppers": split.shoppers,
    }
    return frame


def _errors_if_it_predicts(recommender: Recommender, split) -> dict[str, float]:
    try:
        errors = rating_errors(recommender, split)
    except NotImplementedError:  # it only ranks
        return {}
    return {name: errors[name] for name in ("rmse", "mae")}


def _tidy(where: dict, values: dict, n_users: int) -> pd.DataFrame:
    keys = pd.DataFrame(list(values), columns=["variant", "metric", "k"])
    frame = keys.loc[keys.index.repeat(n_users)].assign(**where)
    frame["n_history"] = pd.array([where["n_history"]] * len(frame), dtype="Int64")
    frame["user"] = np.tile(np.arange(n_users), len(keys))
    frame["value"] = np.concatenate(list(values.values()))
    return frame[["recommender", "split", "variant", "n_history", "user", "metric", "k", "value"]]


def summarise(per_user: pd.DataFrame, segments=None, n_resamples: int = 1000) -> pd.DataFrame:
    """Means over users with bootstrap 95 % intervals, for everyone ("all") and for each value of `segments`.

    Parameters
    ----------
    per_user : from `evaluate`
    segments : Series, user position -> segment name; or a DataFrame of several, whose segments are "column: name".

    Returns
    -------
    DataFrame
        KEY columns, `segment`, `value`, `low`, `high`, `n_users` (those the metric is defined for), `n_undefined`,
        `candidates`, `seed`, `shoppers` ("simulated" or "real"), `score_seconds`, `peak_mb`, `n_fallback`.
    """
    attrs, parts = per_user.attrs, []
    for (split, n_history), group in per_user.groupby(
        ["split", "n_history"], observed=True, dropna=False
    ):
        wide = group.pivot(
            index="user", columns=["recommender", "variant", "metric", "k"], values="value"
        )
        chosen = {"all": wide}
        for column in [] if segments is None else pd.DataFrame(segments):
            names = pd.DataFrame(segments)[column].reindex(wide.index)
            label = f"{column}: " if isinstance(segments, pd.DataFrame) else ""
            chosen.update(
                {f"{label}{name}": wide[names == name] for name in sorted(names.dropna().unique())}
            )
        for segment, table in chosen.items():
            mean, low, high = bootstrap(table.to_numpy(), n_resamples, seed=attrs["seed"])
            part = table.columns.to_frame(index=False).assign(
                split=split, n_history=n_history, segment=segment
            )
            n_users = table.notna().sum().to_numpy()
            parts.append(
                part.assign(
                    value=mean,
                    low=low,
                    high=high,
                    n_users=n_users,
                    n_undefined=len(table) - n_users,
                )
            )
    runs = pd.DataFrame(attrs["runs"]).astype({"n_history": "Int64", "k": "Int64"})
    n_all = per_user.groupby(["split", "n_history"], observed=True, dropna=False)["user"].nunique()
    spread = runs.assign(variant="any", segment="all", n_users=int(n_all.max()), n_undefined=0)
    cost = ["score_seconds", "peak_mb", "n_fallback"]
    where = ["recommender", "split", "n_history"]
    types = {"n_history": "Int64", "k": "Int64", "recommender": str, "split": str}
    summary = pd.concat(parts, ignore_index=True).astype(types)
    summary = summary.merge(runs[where + cost].drop_duplicates(where), on=where, how="left")
    about = {name: attrs[name] for name in ("candidates", "seed", "shoppers")}
    summary = pd.concat([summary, spread], ignore_index=True).assign(**about)
    first = [*KEY, "segment", "value", "low", "high", "n_users", "n_undefined", *about, *cost]
    order = {name: place for place, name in enumerate(runs["recommender"].unique())}
    return summary[first].sort_values(
        KEY, key=lambda c: c.map(order) if c.name == "recommender" else c, ignore_index=True
    )


def segments(split, attributes: pd.DataFrame) -> pd.DataFrame:
    """What kind of shopper each test shopper is: gender, style, activity, warmth, for `summarise`.

    Parameters
    ----------
    attributes : DataFrame with image_key and, where known, gender and style.

    Returns
    -------
    DataFrame, a row a test shopper
        gender, style: the value of whose candidates they like the largest share. activity: quiet, usual or busy, thirds
        by held-out ratings. warmth: hot (at least as many training ratings as the median shopper), warm (fewer), cold.
    """
    found, likes = {}, split.relevant.get("complete", split.relevant.get("observed"))
    for name in {"gender", "style"} & set(attributes.columns):
        kinds = pd.get_dummies(
            attributes.set_index("image_key").loc[split.train.items, name]
        ).astype(float)
        there = np.maximum(kinds.iloc[split.candidates].sum().to_numpy(), 1)
        found[name] = kinds.columns.to_numpy()[(likes @ kinds.to_numpy() / there).argmax(axis=1)]
    n_rated, n_train = np.diff(split.test.ratings.indptr), np.diff(split.train.ratings.indptr)
    thirds = np.quantile(n_rated, [1 / 3, 2 / 3])
    found["activity"] = np.array(["quiet", "usual", "busy"])[np.searchsorted(thirds, n_rated)]
    known = np.append(n_train, 0)[
        split.train.users.get_indexer(split.test.users)
    ]  # a stranger's place is -1
    found["warmth"] = np.where(
        known == 0, "cold", np.where(known >= np.median(n_train), "hot", "warm")
    )
    return pd.DataFrame(found)


def share_of_way(
    summary: pd.DataFrame, floor: str = "Popularity", ceiling: str = "Oracle"
) -> pd.DataFrame:
    """`summary` with `share` = (value - floor) / (ceiling - floor), like for like; NaN where either is missing."""
    like = [column for column in KEY if column != "recommender"] + ["segment"]
    ends = {
        name: summary.loc[summary["recommender"] == name, [*like, "value"]].rename(
            columns={"value": name}
        )
        for name in (floor, ceiling)
    }
    for name, end in ends.items():
        if end.empty:
            raise KeyError(
                f"no recommender {name!r} in the summary; there are {sorted(summary['recommender'].unique())}"
            )
    wide = summary.merge(ends[floor], on=like, how="left").merge(ends[ceiling], on=like, how="left")
    way = (wide[ceiling] - wide[floor]).where(lambda span: span.abs() > 1e-12)
    return wide.assign(share=(wide["value"] - wide[floor]) / way).drop(columns=[floor, ceiling])


def rating_errors(recommender: Recommender, split) -> dict[str, float]:
    """`rmse`, `mse`, `mae` and `n` of predicted against held-out ratings (`split.test`), nothing left out.

    Raises ValueError if the split holds out no ratings.
    """
    if split.test is None:
        raise ValueError(f"split {split.name!r} holds out no ratings")
    histories, held, truth, guess = split.histories[None], split.test.ratings, [], []
    for start in range(0, held.shape[0], BLOCK):
        part = held[start : start + BLOCK].tocoo()
        items, column = np.unique(part.col, return_inverse=True)
        predicted = recommender.predict(histories[start : start + BLOCK], items)
        truth.append(part.data)
        guess.append(predicted[part.row, column])
    return m.rating_error(np.concatenate(truth), np.concatenate(guess))


def result_rows(
    summary: pd.DataFrame, data: str, fit_seconds: dict[str, float] | None = None
) -> list[dict]:
    """Rows of metrics.json; `variant` names whose judgement counts and, where it is ambiguous, the metric's meaning."""
    fit_seconds, rows = fit_seconds or {}, []
    for row in summary.to_dict("records"):
        row["variant"] = ", ".join(filter(None, [row["variant"], m.MEANING.get(row["metric"])]))
        row.update(data=data, fit_seconds=fit_seconds.get(row["recommender"]))
        rows.append({field: _plain(row[field]) for field in FORMAT})
    return rows


def _plain(value):
    """A value as JSON can hold it: Python's own numbers rounded to 6 places, None for what is missing."""
    if value is None or value is pd.NA or (isinstance(value, float) and not np.isfinite(value)):
        return None
    value = value.item() if isinstance(value, np.generic) else value
    return round(value, 6) if isinstance(value, float) else value


def validate(document: dict) -> dict:
    """Check a metrics.json document against the format and return it. Raises ValueError naming row, field and value."""
    if set(document) != {"run", "results"} or set(document["run"]) != set(RUN):
        raise ValueError(f"metrics.json holds `run` ({', '.join(RUN)}) and `results`, nothing else")
    for number, row in enumerate(document["results"]):
        if row.get("shoppers") not in (SIMULATED, REAL):
            raise ValueError(
                f"results[{number}].shoppers is {row.get('shoppers')!r}, not 'simulated' or 'real'"
            )
        if set(row) != set(FORMAT):
            raise ValueError(
                f"results[{number}]: missing or unknown fields {sorted(set(row) ^ set(FORMAT))}"
            )
        for field, kind in FORMAT.items():
            if (
                not isinstance(row[field], kind)
                or isinstance(row[field], bool)
                or row[field] != row[field]
            ):
                raise ValueError(
                    f"results[{number}].{field}: {row[field]!r} isn't allowed in {row}"
                )
    return document
