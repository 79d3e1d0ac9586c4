"""Cross-validation: every fold fitted afresh, taken up where an interrupted run stopped."""

import hashlib
import json
import multiprocessing
import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from helpers.artefacts import ROOT, write_json, write_parquet
from helpers.evaluation.protocol import Evaluation, as_runs, evaluate, metered
from helpers.interactions.matrix import ItemFeatures
from helpers.interactions.splits import Split
from helpers.recommenders.base import Recommender

ROOMS = ("interactions", "recommenders", "evaluation")
"""Rooms whose code decides what comes out."""


@dataclass(frozen=True)
class _Task:
    """One recommender on one fold, and where its outcome is kept."""

    path: Path
    name: str
    recommender: Recommender
    split: Split
    items: ItemFeatures | None
    settings: dict[str, Any]
    threads: int

    def run(self) -> None:
        """Fit and evaluate, and keep what came out."""
        with threadpool_limits(self.threads):
            fresh = type(self.recommender)(**self.recommender.parameters())
            with metered() as cost:
                fresh.fit(self.split.train, self.items)
            found = evaluate({self.name: fresh}, self.split, items=self.items, **self.settings)
        runs = found.runs.assign(
            fit_seconds=cost["seconds"],
            peak_mb=found.runs["peak_mb"].clip(lower=cost["peak_mb"]),
        )
        _keep(replace(found, runs=runs), self.path)


def cross_validate(
    recommenders: dict[str, Recommender],
    splits: Iterable[Split],
    folder: str | Path,
    jobs: int = 2,
    items: ItemFeatures | None = None,
    **settings: Any,
) -> Evaluation:
    """Fit and evaluate every recommender on every fold.

    Parameters
    ----------
    recommenders : dict of str to Recommender
        By the name they shall bear. Each fold fits a new one with the same hyperparameters.
    splits : iterable of Split
        The folds, for example `warm(interactions)`. Their histories name the shoppers.
    folder : path
        Where what is finished is kept: one file per recommender and fold. It is not done again
        while the method, its hyperparameters, the fold, the settings and the code stay the same.
    jobs : int
        Processes at once, which share the cores; 1 is this process, with the threads that torch has
        here. `peak_mb` is of one process, fitting included.
    **settings
        As for `evaluate`.

    Returns
    -------
    Evaluation
        As from `evaluate`: a shopper's value is the mean over the folds that ask them, and `user`
        is the position among all folds' shoppers, sorted. Coverage, errors and costs in `runs` are
        means over folds.
    """
    splits = list(splits)
    threads = _threads(jobs)
    tasks = []
    for fold, split in enumerate(splits):
        for name, recommender in recommenders.items():
            key = _key(recommender, split, items, settings)
            path = Path(folder) / f"{name}-{fold}-{key}.parquet"
            tasks.append(_Task(path, name, recommender, split, items, settings, threads))
    _run_all([task for task in tasks if not task.path.exists()], jobs)
    parts = [_kept(task.path) for task in tasks]
    return _together(parts, [task.split for task in tasks])


def fewer_shoppers(split: Split, most: int, seed: int = 7) -> Split:
    """The same split with at most so many test shoppers, picked at random; training stays whole.

    It bounds what a test costs in a large shop.
    """
    n_users = len(next(iter(split.histories.values())))
    if n_users <= most:
        return split
    picked = np.random.default_rng(seed).choice(n_users, most, replace=False)
    asked = np.sort(picked)
    return replace(
        split,
        histories={n: histories[asked] for n, histories in split.histories.items()},
        relevant={name: liked[asked] for name, liked in split.relevant.items()},
        test=None if split.test is None else split.test.rows(asked),
        dropped=split.dropped | {"shoppers not asked, to save time": n_users - most},
    )


def _threads(jobs: int) -> int:
    """Threads of one process: the caller's own number, or a share of the cores for each of several.

    Small networks get slower with a second thread, so a caller that limits torch's is obeyed.
    """
    if jobs == 1:
        import torch  # heavy, and only needed here

        return torch.get_num_threads()
    return max(1, (os.cpu_count() or 1) // jobs)


def _run_all(tasks: list[_Task], jobs: int) -> None:
    if jobs == 1 or len(tasks) < 2:
        for task in tasks:
            task.run()
        return
    context = multiprocessing.get_context("spawn")  # a fork would inherit locked threads of BLAS
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        running = [pool.submit(task.run) for task in tasks]
        for done in running:
            done.result()


def _keep(found: Evaluation, path: Path) -> None:
    """Write an evaluation beside `path` and, last, at it: where `path` is there, all is."""
    runs = found.runs.astype(object)
    about = {
        "runs": runs.where(runs.notna(), None).to_dict("records"),
        "seed": found.seed,
        "candidates": found.candidates,
        "shoppers": found.shoppers,
    }
    write_json(about, path.with_suffix(".json"))
    write_parquet(found.per_user, path)


def _kept(path: Path) -> Evaluation:
    """Read what `_keep` wrote."""
    about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    about["runs"] = as_runs(about["runs"])
    return Evaluation(per_user=pd.read_parquet(path), **about)


def _together(parts: list[Evaluation], splits: list[Split]) -> Evaluation:
    """The folds' values as one, one value per shopper."""
    frames = [part.per_user for part in parts]
    names = [_names(split) for split in splits]
    everyone = pd.Index(np.unique(np.concatenate(names)))
    numbered = []
    for frame, users in zip(frames, names, strict=True):
        position = everyone.get_indexer(pd.Index(users))
        numbered.append(frame.assign(user=position[frame["user"]]))
    by = list(frames[0].columns.drop("value"))
    groups = pd.concat(numbered).groupby(by, observed=True, dropna=False, sort=False)
    together = groups["value"].mean().reset_index()
    return replace(parts[0], per_user=together, runs=_mean_runs(parts))


def _names(split: Split) -> np.ndarray:
    """Names of the shoppers that a fold asks."""
    users = next(iter(split.histories.values())).users
    if users is None:
        raise ValueError(
            f"the shoppers of split {split.name!r} have no names to tell them apart by"
        )
    return users.to_numpy()


def _mean_runs(parts: list[Evaluation]) -> pd.DataFrame:
    """One row per recommender, split, n_history, k and metric: means over the folds."""
    runs = pd.concat([part.runs for part in parts], ignore_index=True)
    what = ["recommender", "split", "n_history", "k", "metric"]
    return runs.groupby(what, dropna=False, sort=False, as_index=False).mean()


def _key(
    recommender: Recommender, split: Split, items: ItemFeatures | None, settings: dict[str, Any]
) -> str:
    """A hash of all that the outcome depends on."""
    told = [
        type(recommender).__qualname__,
        recommender.parameters(),
        split.name,
        settings,
        None if items is None else items.encoder,
    ]
    digest = hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode())
    for array in _arrays_of(split, items):
        digest.update(np.ascontiguousarray(array).data)
    for room in ROOMS:
        for path in sorted((ROOT / "helpers" / room).glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _arrays_of(split: Split, items: ItemFeatures | None) -> list[np.ndarray]:
    """Every number that a method may read."""
    matrices = [split.train.ratings]
    matrices += [history.ratings for history in split.histories.values()]
    matrices += list(split.relevant.values())
    if split.test is not None:
        matrices.append(split.test.ratings)
    arrays = []
    for matrix in matrices:
        ordered = matrix.sorted_indices()  # a method may sort them in place
        arrays += [ordered.indptr, ordered.indices, ordered.data]
    arrays.append(split.candidates)
    if items is not None:
        arrays.append(items.vectors)
    return arrays
