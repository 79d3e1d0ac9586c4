"""Cross-validation: every fold fitted afresh, several side by side, taken up where an interrupted run stopped."""

import hashlib
import json
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd

from helpers.artefacts import ROOT, write_parquet
from helpers.evaluation.protocol import evaluate, metered
from helpers.interactions.matrix import ItemFeatures


def cross_validate(
    recommenders: dict,
    splits,
    folder: str | Path,
    jobs: int = 2,
    items: ItemFeatures | None = None,
    **settings,
) -> pd.DataFrame:
    """Fit and evaluate every recommender on every fold.

    Parameters
    ----------
    recommenders : dict of str to Recommender
        By the name they shall bear; each fold fits a new one with the same hyperparameters.
    splits : iterable of Split
        The folds, for example `warm(interactions)`. Their histories name the shoppers.
    folder : path
        Where what is finished is kept, a file a recommender and fold. It is not done again while the method, its
        hyperparameters, the fold, the settings and these rooms' code stay the same.
    jobs : int
        Processes at once, which share the cores. `peak_mb` is of one process, fitting included.
    settings : as for `evaluate`.

    Returns
    -------
    DataFrame
        As from `evaluate`, for `summarise`: a shopper's value is the mean over the folds that ask them; `user` is the
        position among all folds' shoppers, sorted. Coverage, errors and costs in `.attrs["runs"]` are means over folds;
        `.attrs["fit_seconds"]` holds each recommender's.
    """
    tasks = [
        (
            Path(folder) / f"{name}-{fold}-{_key(recommender, split, items, settings)}.parquet",
            name,
            recommender,
            split,
        )
        for fold, split in enumerate(splits)
        for name, recommender in recommenders.items()
    ]
    todo = [(*task, items, settings) for task in tasks if not task[0].exists()]
    if jobs == 1 or len(todo) < 2:
        for task in todo:
            _one(*task)
    else:  # a fork would inherit locked threads of BLAS and torch
        context, threads = (
            multiprocessing.get_context("spawn"),
            str(max(1, (os.cpu_count() or 1) // jobs)),
        )
        with (
            patch.dict(os.environ, OMP_NUM_THREADS=threads),
            ProcessPoolExecutor(jobs, mp_context=context) as pool,
        ):
            for done in [pool.submit(_one, *task) for task in todo]:
                done.result()
    return _together([pd.read_parquet(task[0]) for task in tasks], [task[3] for task in tasks])


def _one(path: Path, name: str, recommender, split, items, settings: dict) -> None:
    """Fit and evaluate one recommender on one fold, and keep what came out."""
    fresh = type(recommender)(**recommender.parameters())
    with metered() as cost:
        fresh.fit(split.train, items)
    frame = evaluate({name: fresh}, split, items=items, **settings)
    for run in frame.attrs["runs"]:
        run.update(fit_seconds=cost["seconds"], peak_mb=max(cost["peak_mb"], run["peak_mb"]))
    write_parquet(frame, path)


def _together(frames: list[pd.DataFrame], splits: list) -> pd.DataFrame:
    """The folds' frames as one, a value a shopper."""
    named = [next(iter(split.histories.values())).users for split in splits]
    everyone, by = pd.Index(np.unique(np.concatenate(named))), list(frames[0].columns.drop("value"))
    pairs = zip(frames, named, strict=True)
    frame = pd.concat(
        [one.assign(user=everyone.get_indexer(users)[one["user"]]) for one, users in pairs]
    )
    frame = frame.groupby(by, observed=True, dropna=False, sort=False, as_index=False)[
        "value"
    ].mean()
    runs = pd.DataFrame([run for one in frames for run in one.attrs["runs"]])
    what = ["recommender", "split", "n_history", "k", "metric"]
    runs = runs.groupby(what, dropna=False, sort=False, as_index=False).mean()
    fit_seconds = runs.groupby("recommender")["fit_seconds"].first().to_dict()
    runs = runs.astype(object).where(runs.notna(), None).to_dict("records")
    frame.attrs = {**frames[0].attrs, "runs": runs, "fit_seconds": fit_seconds}
    return frame


def _key(recommender, split, items, settings: dict) -> str:
    """A hash of all that the outcome depends on."""
    told = [
        type(recommender).__qualname__,
        recommender.parameters(),
        split.name,
        settings,
        items and items.encoder,
    ]
    digest = hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode())
    matrices = [split.train.ratings, *(history.ratings for history in split.histories.values())]
    matrices += [*split.relevant.values(), *([split.test.ratings] if split.test else [])]
    matrices = [matrix.sorted_indices() for matrix in matrices]  # a method may sort them in place
    arrays = [part for matrix in matrices for part in (matrix.indptr, matrix.indices, matrix.data)]
    for array in [*arrays, split.candidates, *([items.vectors] if items else [])]:
        digest.update(np.ascontiguousarray(array))
    rooms = (ROOT / "helpers" / room for room in ("interactions", "recommenders", "evaluation"))
    for path in sorted(path for room in rooms for path in room.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
