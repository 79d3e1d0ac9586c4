"""Rating error of matrix completion on MovieLens 100K and RentTheRunway, beside Surprise's SVD in
the same run.

    FASHION_DATA=… python bench/completion.py [--only svd als gibbs single everything rent] [--folds
    5]

Five folds, the same for all. Every hyperparameter is chosen anew in each fold, on a tenth of its
training ratings; the test fold is never looked at. `seconds` are fit and prediction with the chosen
setting, a fold, choice apart. The peer: pip install scikit-surprise (without it, its rows are
skipped). With all five folds, writes the ladder that chapter 05 shows to
data/studies/movielens.csv.
"""

import argparse
import sys
import time
from collections import namedtuple
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from effects import GroupSampler
from provenance import with_provenance
from public_ratings import movielens_100k, rent_the_runway

from helpers.artefacts import MissingArtefact, real_data
from helpers.interactions import Interactions
from helpers.recommenders import MatrixCompletion
from helpers.recommenders.gibbs import components, habits

STEPS = {  # the ladder of chapter 05
    "mean": "offsets only",
    "plain": "PQᵀ, the original report's objective (als)",
    "als": "PQᵀ and offsets (als)",
    "svd": "Surprise's SVD",
    "bayes": "mean of posterior draws (gibbs)",
    "habits": "+ who rated what",
    "single": "+ features of users and films",
    "when": "+ a user's day, a film's two weeks",
    "everything": "+ three chains averaged",
    "quick": "who rated what, 32 sweeps only",
}
PARTS = ("svd", "als", "gibbs", "single", "everything", "rent")
STUDY = Path(__file__).parent.parent / "data" / "studies" / "movielens.csv"
Ratings = namedtuple("Ratings", "u i y day shape X_users X_items")  # sorted by user, then item


def load(frame, X_users=None, X_items=None, users=None, items=None) -> Ratings:
    """Ratings by position; `day` is the timestamp in days."""
    u, users = (
        pd.factorize(frame["user"], sort=True)
        if users is None
        else (users.get_indexer(frame["user"]), users)
    )
    i, items = (
        pd.factorize(frame["item"], sort=True)
        if items is None
        else (items.get_indexer(frame["item"]), items)
    )
    order = np.lexsort((i, u))
    y, day = frame["rating"].to_numpy(float)[order], frame["timestamp"].to_numpy()[order] // 86_400
    return Ratings(u[order], i[order], y, day, (len(users), len(items)), X_users, X_items)


def movielens(folder) -> Ratings:
    """With age group, gender and occupation of users, genres and decade of films, all as 0/1."""
    people = pd.read_csv(folder / "ml-100k.user", sep="\t", dtype=str).rename(
        columns=lambda name: name.split(":")[0]
    )
    films = pd.read_csv(folder / "ml-100k.item", sep="\t", dtype=str).rename(
        columns=lambda name: name.split(":")[0]
    )
    frame = movielens_100k(folder)
    films = films[films["item_id"].isin(frame["item"])]
    decade = pd.to_numeric(films["release_year"], errors="coerce") // 10
    X_users = pd.concat(
        [pd.get_dummies(people[name]) for name in ("gender", "occupation")]
        + [pd.get_dummies(people["age"].astype(int) // 10)],
        axis=1,
    )
    X_items = pd.concat(
        [films["class"].fillna("").str.get_dummies(" "), pd.get_dummies(decade)], axis=1
    )
    users, items = pd.Index(people["user_id"]), pd.Index(films["item_id"])
    return load(frame, X_users.to_numpy(float), X_items.to_numpy(float), users, items)


def matrix(data, rows) -> sp.csr_matrix:
    return sp.csr_matrix((data.y[rows], (data.u[rows], data.i[rows])), shape=data.shape)


def rmse(guess, data, rows) -> float:
    return float(np.sqrt(np.mean((np.clip(guess, 1, 5) - data.y[rows]) ** 2)))


def svd(data, train, test):
    """Surprise's SVD as it comes."""
    import surprise

    table = pd.DataFrame({"u": data.u[train], "i": data.i[train], "y": data.y[train]})
    known = surprise.Dataset.load_from_df(
        table, surprise.Reader(rating_scale=(1, 5))
    ).build_full_trainset()
    start = time.perf_counter()
    model = surprise.SVD(random_state=0).fit(known)
    guess = np.array(
        [model.predict(u, i).est for u, i in zip(data.u[test], data.i[test], strict=True)]
    )
    return guess, time.perf_counter() - start


def completion(data, train, test, **settings):
    R = Interactions(matrix(data, train), *map(pd.RangeIndex, data.shape))
    start = time.perf_counter()
    model = MatrixCompletion(**settings).fit(R)
    U, V = model.U_[data.u[test]], model.V_[data.i[test]]
    guess = model.mu_ + model.b_user_[data.u[test]] + model.b_item_[data.i[test]] + (U * V).sum(1)
    return guess, time.perf_counter() - start


def posterior(  # noqa: PLR0913  # hyperparameters
    data, train, test, rank, burn, draws, directions=0, side=False, when=False, seeds=(7,)
):
    """Mean of Gibbs draws; features for the prior means, offsets for a user's day and a film's
    fortnight.
    """
    R, groups, asked = matrix(data, train), [], []
    start = time.perf_counter()
    X = [[], []]
    for part, M, given in ((X[0], R, data.X_users), (X[1], R.T.tocsr(), data.X_items)):
        part += [habits(M, components(M, directions))] if directions else []
        part += [given] if side else []
    X = [np.column_stack(part) if part else None for part in X]
    if when:
        for who, step in ((data.u, 1), (data.i, 14)):
            label = np.unique(who * 100_000 + data.day // step, return_inverse=True)[1]
            groups.append((label[train], label.max() + 1))
            asked.append(label[test])
    total = np.zeros(len(test))
    for seed in seeds:
        sampler = GroupSampler(groups, R, X_users=X[0], X_items=X[1], rank=rank, seed=seed)
        for draw in sampler.draws(burn, draws):
            total += draw.at(data.u[test], data.i[test])
            for effect, label in zip(sampler.effects, asked, strict=True):
                total += effect.values[label]
    return total / draws / len(seeds), time.perf_counter() - start


def chosen(method, grid, data, train, seed) -> tuple[dict, float]:
    """The setting of `grid` with the lowest error on a tenth of the training ratings, and the
    seconds it took.
    """
    start = time.perf_counter()
    held = np.random.default_rng(seed).random(len(train)) < 0.1
    errors = [
        rmse(method(data, train[~held], train[held], **one)[0], data, train[held]) for one in grid
    ]
    return grid[int(np.argmin(errors))], time.perf_counter() - start


def cross_validated(name, method, grid, data, folds, scale=1.0, setting_of=None) -> dict:
    """One row of the table: mean error over folds, its spread, and median seconds; prints what was
    chosen.
    """
    fold = np.random.default_rng(0).permutation(len(data.y)) % 5
    errors, seconds, spent, settings = [], [], 0.0, []
    for number in range(folds):
        train, test = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        setting, took = (
            chosen(method, grid, data, train, number) if len(grid) > 1 else (grid[0], 0.0)
        )
        if setting_of is not None:
            setting = setting_of[number] | grid[0]
        guess, one = method(data, train, test, **setting)
        errors.append(scale * rmse(guess, data, test))
        seconds.append(one)
        settings.append(setting)
        spent += took
    row = {
        "step": name,
        "rmse": np.mean(errors),
        "sd": np.std(errors),
        "seconds": np.median(seconds),
    }
    varied = {
        key: [one[key] for one in settings]
        for key in settings[0]
        if len(grid) > 1 and len({g[key] for g in grid}) > 1
    }
    told = "; ".join(f"{key} {values}" for key, values in varied.items())
    print(
        f"{name:<44} RMSE {row['rmse']:.4f} ± {row['sd']:.4f}  {row['seconds']:6.2f} s a fold",
        end="",
    )
    print(f"   chosen in {spent / folds:.1f} s a fold: {told}" if told else "", flush=True)
    return row | {"settings": settings}


def product(**lists) -> list[dict]:
    """Every combination of the lists' values."""
    grid = [{}]
    for name, values in lists.items():
        grid = [one | {name: value} for one in grid for value in values]
    return grid


def ladder(data, only, folds, draws) -> dict[str, dict]:
    """The steps in the order of the chapter, by name."""
    steps = {}

    def add(key, method, grid, setting_of=None):
        steps[key] = cross_validated(STEPS[key], method, grid, data, folds, setting_of=setting_of)

    if "svd" in only:
        try:
            add("svd", svd, [{}])
        except ImportError:
            print("Surprise SVD skipped: pip install scikit-surprise")
    if "als" in only:
        common = {"solver": ["als"], "epochs": [8]}
        add("mean", completion, product(rank=[1], scale=[0.0], reg=[2.0, 4.0, 8.0], **common))
        grid = product(rank=[2, 4, 7], reg=[2.0, 5.0, 10.0], biases=[False], **common)
        add("plain", completion, grid)
        add(
            "als",
            completion,
            product(rank=[7, 10], reg=[10.0, 12.0, 14.0], reg_bias=[4.0, 8.0], **common),
        )
    if "gibbs" in only:
        add("bayes", posterior, product(rank=[10], burn=[20], draws=[draws]))
        quick = product(rank=[7, 8], directions=[20], burn=[20], draws=[12])
        add("quick", posterior, quick)
    if "single" in only or "everything" in only:
        short = product(rank=[8, 10, 14], directions=[40, 60], side=[True], burn=[10], draws=[40])
        long = [{"burn": 20, "draws": draws}]
        found = [chosen(posterior, short, data, *training(data, number)) for number in range(folds)]
        print(
            f"  rank and directions chosen in {np.mean([s for _, s in found]):.1f} s a fold:",
            end=" ",
        )
        print([(one["rank"], one["directions"]) for one, _ in found])
        found = [one for one, _ in found]
    if "single" in only:
        add("habits", posterior, [{**long[0], "side": False}], found)
        add("single", posterior, long, found)
    if "everything" in only:
        add("when", posterior, [{**long[0], "when": True}], found)
        grid = [{**long[0], "when": True, "seeds": (7, 8, 9)}]
        add("everything", posterior, grid, found)
    return steps


def training(data, number):
    fold = np.random.default_rng(0).permutation(len(data.y)) % 5
    return np.flatnonzero(fold != number), number


def verdicts(steps) -> None:
    """One line for each published figure, its target beside it."""

    def line(text, value, target):
        print(f"{'ok  ' if value <= target else 'MISS'} {text}: {value:.4f} (target ≤ {target})")

    print()
    for key, text, target in (
        ("als", "biased ALS, RMSE", 0.911),
        ("quick", "Gibbs within the time of SVD, RMSE", 0.892),
        ("single", "best single model without timestamps, RMSE", 0.878),
        ("everything", "with everything, RMSE", 0.871),
    ):
        if key in steps:
            line(text, steps[key]["rmse"], target)
    for key, share in (("als", 0.25), ("quick", 1.0)):
        if "svd" in steps and key in steps:
            line(
                f"{steps[key]['step']}: time / SVD's",
                steps[key]["seconds"] / steps["svd"]["seconds"],
                share,
            )


def write(steps) -> None:
    """The chapter's table: rows of this run replace those of earlier ones."""
    table = pd.DataFrame(steps.values()).drop(columns="settings")
    table = table.round({"rmse": 4, "sd": 4, "seconds": 2})
    table = with_provenance(table)
    if STUDY.exists():
        old = pd.read_csv(STUDY, dtype={"commit": str})
        table = pd.concat([old, table]).drop_duplicates("step", keep="last")
    place = {name: n for n, name in enumerate(STEPS.values())}
    STUDY.parent.mkdir(exist_ok=True)
    table.sort_values("step", key=lambda names: names.map(place)).to_csv(STUDY, index=False)
    print(f"wrote data/studies/{STUDY.name}")


def rent(folder, folds) -> None:
    """RentTheRunway on its own scale, 2-10: 1.8 ratings a user, so little but biases can be
    learnt."""
    data = load(rent_the_runway(folder)[0])
    print(
        f"\nRentTheRunway: {len(data.y):,} ratings, {data.shape[0]:,} users, {data.shape[1]:,} "
        "dresses; RMSE in 2-10"
    )
    run = partial(cross_validated, data=data, folds=folds, scale=2.0)
    print(f"always the mean: {2 * data.y.std():.4f}")
    try:
        run("Surprise SVD (the peer)", svd, [{}])
    except ImportError:
        print("Surprise SVD skipped: pip install scikit-surprise")
    run("biases only", completion, product(rank=[1], scale=[0.0], reg=[4.0, 8.0], epochs=[8]))
    run("U·V + biases (als)", completion, product(rank=[2], reg=[12.0, 24.0], epochs=[8]))
    run("posterior mean (gibbs)", posterior, [{"rank": 2, "burn": 8, "draws": 24}])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument(
        "--folds", type=int, default=5, choices=range(1, 6), help="how many of the five to run"
    )
    parser.add_argument(
        "--draws", type=int, default=120, help="draws that a posterior mean averages"
    )
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    folder = real_data("ratings")
    data = movielens(folder)
    print(
        f"MovieLens 100K, {arguments.folds} of 5 folds, {arguments.threads} threads; RMSE mean ± "
        "sd over folds"
    )
    posterior(
        data, *(np.arange(1000), np.arange(10)), rank=2, burn=1, draws=1
    )  # libraries load outside the clock
    steps = ladder(data, set(arguments.only), arguments.folds, arguments.draws)
    verdicts(steps)
    if arguments.folds == 5 and steps:
        write(steps)
    if "rent" in arguments.only:
        rent(folder, min(arguments.folds, 2))


if __name__ == "__main__":
    try:
        main()
    except MissingArtefact as missing:
        sys.exit(str(missing))
