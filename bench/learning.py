"""What data buys Taste, and what each part buys the towers: data/studies/learning.csv.

    python bench/learning.py [--seeds 7 8] [--studies garments shoppers …] [--kept FOLDER]

Rows of studies that are not run again stay in the file.

Studies, each a change of one thing:
garments   Taste learned from the ratings of 62 random garments (the original report's number) … all
shoppers   Taste learned from 30 random shoppers … all
arrivals   Taste where a share of the shop came after the last fit: nobody's rating of it was known
log        Taste where the last part of the log, by time, came after the last fit
towers     TwoTower with one component changed
held out   the same choices as a shop could make them: held-out training shoppers of whom three
           likes in one shop are known, judged on what they rated in the other

History, candidates and relevance are those of the headline: cross_platform, full catalogue,
complete judgments of simulated shoppers, rating >= 4. A seed draws the subset and the towers'
start. A shopper's value is the mean over seeds; intervals are over shoppers. Every fit's values are
kept in FOLDER, so a run that was stopped goes on where it was.
"""

import argparse
import re
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from provenance import with_provenance

from helpers.artefacts import ROOT
from helpers.evaluation import metrics, rank
from helpers.evaluation.significance import bootstrap
from helpers.interactions import (
    Histories,
    Interactions,
    cross_platform,
    load_interactions,
    load_items,
)
from helpers.interactions.matrix import LIKED, ItemFeatures
from helpers.recommenders import Content, Taste, TwoTower
from helpers.recommenders.base import Recommender
from helpers.recommenders.two_tower import TowerSettings
from helpers.simulator import load_market

HELD_OUT = "held out"
STUDIES = ("garments", "shoppers", "arrivals", "log", "towers", HELD_OUT)
N_HISTORY = (1, 3, 10)
EVERYTHING = "everything"
WHOLE_TOWERS = "the towers as they are"
NUMBERS_OF_GARMENTS = (62, 150, 400)
NUMBERS_OF_SHOPPERS = (30, 100, 300)
SHARES_OF_NEW = (0.1, 0.25, 0.5)
TOWERS_WITHOUT = {
    "without category, color, price": {"side": False},
    "without vectors of the items' own": {"own": False},
    "without attention": {"heads": 0},
    "without dropout": {"dropout": 0.0},
    "with the vectors as they are (no main axes)": {"axes": 0},
    "with 8 outputs instead of 32": {"dim": 8},
    "with 128 hidden units instead of 32": {"hidden": 128},
}
OWN = "without vectors of the items' own"
CHOSEN = "asked what was chosen"
FOLDS = 3
KNOWN = 3  # likes of a held-out shopper


@dataclass
class Case:
    """One fit: what it is called, where it stands on its study's axis, what it learns from, how."""

    study: str
    setting: str
    x: float
    train: Interactions
    items: ItemFeatures
    make: Callable[[int], Recommender]


def taste(seed: int) -> Recommender:
    return Taste(seed=seed)


def mean_vector(seed: int) -> Recommender:
    return Content()


def towers(goal: str = "enjoyed", **changes) -> Callable[[int], Recommender]:
    """A maker of towers whose settings differ in `changes`."""
    settings = replace(TowerSettings(), **changes)
    return lambda seed: TwoTower(goal=goal, seed=seed, settings=settings)


def only_garments(train: Interactions, columns: np.ndarray) -> Interactions:
    """All shoppers, with the ratings of other garments taken out."""
    kept = np.isin(np.arange(train.shape[1]), columns).astype(np.float32)
    return Interactions(sp.csr_matrix(train.ratings @ sp.diags(kept)), train.users, train.items)


def only_shoppers(train: Interactions, rows: np.ndarray) -> Interactions:
    return Interactions(train.ratings[rows], train.users[rows], train.items)


def titles_alone(items: ItemFeatures) -> ItemFeatures:
    """The items with the picture half of their vectors blanked out."""
    vectors = items.vectors.copy()
    vectors[:, : vectors.shape[1] // 2] = 0
    return ItemFeatures(vectors, items.frame, items.encoder)


def in_proportion(rng, platform: np.ndarray) -> np.ndarray:
    """All items in random order, in which each platform keeps its share from the start."""
    order = rng.permutation(len(platform))
    place = pd.Series(order).groupby(platform[order]).rank(method="first", pct=True)
    return order[np.argsort(place.to_numpy(), kind="stable")]


def cases(items: ItemFeatures, train: Interactions, log: pd.DataFrame, seed: int) -> list[Case]:
    """All fits of one seed."""
    rng = np.random.default_rng(seed)
    found = [Case("all", EVERYTHING, 1, train, items, taste)]
    found += garment_cases(items, train, rng)
    shoppers = rng.permutation(train.shape[0])
    for n in NUMBERS_OF_SHOPPERS:
        part = only_shoppers(train, shoppers[:n])
        found.append(Case("shoppers", f"{n} shoppers", n, part, items, taste))
    found += later_cases(items, train, log, rng)
    found.append(Case("towers", WHOLE_TOWERS, 0, train, items, towers()))
    for name, changes in TOWERS_WITHOUT.items():
        found.append(Case("towers", name, 0, train, items, towers(**changes)))
    found.append(Case("towers", CHOSEN, 0, train, items, towers("chosen")))
    makers = {WHOLE_TOWERS: towers(), OWN: towers(own=False), CHOSEN: towers("chosen")}
    for name, make in makers.items():
        found.append(Case(HELD_OUT, name, 0, train, items, make))
    return found


def garment_cases(items: ItemFeatures, train: Interactions, rng) -> list[Case]:
    n_items = train.shape[1]
    order = in_proportion(rng, items.frame["platform"].to_numpy())
    words = titles_alone(items)
    found = []
    for n in (*NUMBERS_OF_GARMENTS, n_items):
        part = only_garments(train, order[:n])
        found.append(Case("garments", f"{n} garments, titles", n, part, words, taste))
        if n < n_items:
            name = f"{n} garments, titles and pictures"
            found.append(Case("garments", name, n, part, items, taste))
    name = "nothing learned (mean vector)"
    found.append(Case("garments", name, 0, train, items, mean_vector))
    return found


def later_cases(items: ItemFeatures, train: Interactions, log: pd.DataFrame, rng) -> list[Case]:
    """What came after the last fit: garments, or the latest part of the log."""
    n_items = train.shape[1]
    late = rng.permutation(n_items)
    log = log.sort_values("timestamp", kind="stable")
    found = []
    for share in SHARES_OF_NEW:
        known = only_garments(train, late[int(share * n_items) :])
        name = f"{share:.0%} of the shop is new"
        found.append(Case("arrivals", name, share, known, items, taste))
        past = log.head(int((1 - share) * len(log)))
        part = Interactions.from_frame(past, train.items, train.users)
        name = f"the last {share:.0%} of the log is new"
        found.append(Case("log", name, share, part, items, taste))
    return found


def measured(case: Case, split, seed: int) -> pd.DataFrame:
    """NDCG@10 of each test shopper after each length of history, and the fit's processor time."""
    if case.study == HELD_OUT:
        return measured_by_log(case, seed)
    start = time.process_time()
    model = case.make(seed).fit(case.train, case.items)
    seconds = time.process_time() - start
    parts = []
    for n in N_HISTORY:
        seen = split.histories[n]
        history = Histories(seen.ratings, seen.columns, case.items.vectors, seen.users)
        ids, _ = rank(model, history, 10, split.candidates)
        value = metrics.ndcg(ids, split.relevant["complete"], 10)
        shopper = np.arange(len(value))
        parts.append(pd.DataFrame({"n_history": n, "shopper": shopper, "value": value}))
    return pd.concat(parts).assign(
        study=case.study, setting=case.setting, x=case.x, seed=seed, fit_seconds=seconds
    )


@dataclass
class Crowd:
    """Training shoppers in the light of two shops, each (n_shoppers, n_items) bool.

    Attributes
    ----------
    brings : array
        What they like in the one shop.
    shown : array
        What they rated in the other.
    wanted : array
        What they like of that.
    """

    brings: np.ndarray
    shown: np.ndarray
    wanted: np.ndarray

    @property
    def is_asked(self) -> np.ndarray:
        """Who brings enough and rated things they like and others; nobody else can be ranked
        wrongly.
        """
        brings_enough = self.brings.sum(axis=1) >= KNOWN
        dislikes = self.shown & ~self.wanted
        return brings_enough & self.wanted.any(axis=1) & dislikes.any(axis=1)


def crowd_of(train: Interactions, items: ItemFeatures) -> Crowd:
    """Training shoppers in the light of the first shop and the other one."""
    platform = items.frame["platform"].to_numpy()
    source, target = sorted(set(platform))
    ratings = train.ratings.toarray()
    liked = ratings >= LIKED
    shown = (ratings > 0) & (platform == target)
    return Crowd(liked & (platform == source), shown, liked & shown)


def measured_by_log(case: Case, seed: int) -> pd.DataFrame:
    """NDCG@10 of training shoppers that were held out, among what they rated in the other shop."""
    crowd = crowd_of(case.train, case.items)
    n_shoppers = len(crowd.shown)
    draw = np.random.default_rng(31)  # the same shoppers and histories for every seed
    order = draw.permutation(n_shoppers)
    keys = draw.random(crowd.brings.shape) * crowd.brings
    values = np.full(n_shoppers, np.nan)
    start = time.process_time()
    for held in np.array_split(order, FOLDS):
        rest = np.setdiff1d(order, held)
        model = case.make(seed).fit(case.train.rows(rest), case.items)
        held = held[crowd.is_asked[held]]
        scores = model.score(first_likes(keys[held], case.items))
        scores = np.where(crowd.shown[held], scores, -np.inf)
        order_of_items = np.argsort(-scores, axis=1, kind="stable")
        wanted = sp.csr_matrix(crowd.wanted[held])
        values[held] = metrics.ndcg(order_of_items[:, :10], wanted, 10)
    seconds = (time.process_time() - start) / FOLDS
    shoppers = np.arange(n_shoppers)
    found = pd.DataFrame({"n_history": KNOWN, "shopper": shoppers, "value": values})
    return found.dropna().assign(
        study=case.study,
        setting=case.setting,
        x=case.x,
        seed=seed,
        fit_seconds=seconds,
    )


def first_likes(keys: np.ndarray, items: ItemFeatures) -> Histories:
    """Histories of the `KNOWN` items with the highest keys (n_shoppers, n_items), all liked."""
    ratings = np.zeros(keys.shape, np.float32)
    known = np.argsort(-keys, axis=1)[:, :KNOWN]
    np.put_along_axis(ratings, known, 5.0, axis=1)
    columns = np.arange(keys.shape[1])
    return Histories(sp.csr_matrix(ratings), columns, items.vectors)


def summary(values: pd.DataFrame) -> pd.DataFrame:
    """One row per setting and history length: mean, interval, and the difference from the whole."""
    by = ["study", "setting", "x", "n_history"]
    mean = values.groupby([*by, "shopper"], sort=False)["value"].mean()
    seconds = values.groupby("setting")["fit_seconds"].median()
    rows = []
    for (study, setting, x, n), part in mean.groupby(level=[0, 1, 2, 3], sort=False):
        part = part.droplevel([0, 1, 2, 3])
        reference = ("all", EVERYTHING)
        if study in ("towers", HELD_OUT):
            reference = (study, WHOLE_TOWERS)
        whole = mean.xs((*reference, n), level=["study", "setting", "n_history"])
        whole = whole.droplevel("x")
        value, low, high = bootstrap(part.to_numpy())
        change, change_low, change_high = bootstrap((part - whole).to_numpy())
        rows.append(
            {
                "study": study,
                "setting": setting,
                "x": x,
                "n_history": n,
                "value": round(value, 3),
                "low": round(low, 3),
                "high": round(high, 3),
                "change": round(change, 3),
                "change_low": round(change_low, 3),
                "change_high": round(change_high, 3),
                "fit_seconds": round(seconds[setting], 1),
            }
        )
    return pd.DataFrame(rows)


def kept_or_measured(case: Case, split, seed: int, folder: Path | None) -> pd.DataFrame:
    if folder is None:
        return measured(case, split, seed)
    name = re.sub(r"\W", "_", f"{seed} {case.study} {case.setting}")
    path = folder / f"{name}.parquet"
    if path.exists():
        return pd.read_parquet(path)
    values = measured(case, split, seed)
    folder.mkdir(parents=True, exist_ok=True)
    values.to_parquet(path)
    return values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="sample")
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8])
    parser.add_argument("--studies", nargs="+", default=STUDIES, choices=STUDIES)
    parser.add_argument("--kept", type=Path, help="a folder for the values of single fits")
    parser.add_argument("--out", type=Path, default=ROOT / "data" / "studies" / "learning.csv")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    items = load_items(arguments.profile)
    log = load_interactions(arguments.profile)
    split = cross_platform(load_market(arguments.profile), items)
    values = []
    for seed in arguments.seeds:
        for case in cases(items, split.train, log, seed):
            if case.study not in ("all", *arguments.studies):
                continue
            values.append(kept_or_measured(case, split, seed, arguments.kept))
            means = values[-1].groupby("n_history")["value"].mean().round(3).to_dict()
            seconds = values[-1]["fit_seconds"].iloc[0]
            print(f"seed {seed} {case.setting:45s} {means} {seconds:.1f} s", flush=True)
    found = with_provenance(summary(pd.concat(values)))
    if arguments.out.exists():
        earlier = pd.read_csv(arguments.out)
        others = earlier[~earlier["study"].isin(found["study"])]
        found = pd.concat([others, found])
    found.to_csv(arguments.out, index=False)
    print(f"\nNDCG@10 of simulated shoppers of {arguments.profile}, seeds {arguments.seeds}")
    print(found.to_string(index=False))


if __name__ == "__main__":
    main()
