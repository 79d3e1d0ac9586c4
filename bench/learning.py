"""What data and settings buy the towers, measured on the same test shoppers: data/studies/learning.csv.

    python bench/learning.py [--seeds 7 8 9] [--epochs 12] [--studies garments shoppers …] [--kept FOLDER]

Studies, each a change of one thing against the towers of chapter 06 trained on everything:
garments   learned from the ratings of 62 random garments (the seed deck's number) … all; titles alone, or pictures too
shoppers   learned from 30 random shoppers … all
arrivals   a share of the shop came after the last fit: nobody's rating of those garments was known
log        the last part of the log, by time, came after the last fit
towers     what each part of the model buys
freezing   vectors that learn too ("thawed"), where all garments have ratings, and where half of them have none

History, candidates and relevance are those of the headline: cross_platform, full catalogue, complete, rating >= 4.
A seed draws the subset and the towers' start; a shopper's value is the mean over seeds, intervals are over shoppers.
Every fit's values are kept in FOLDER, so that a run that was stopped goes on where it was.
"""

import argparse
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch

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
from helpers.interactions.matrix import ItemFeatures
from helpers.recommenders import Content, TwoTower, two_tower
from helpers.simulator import load_market

STUDIES = ("garments", "shoppers", "arrivals", "log", "towers", "freezing")
N_HISTORY = (1, 3, 10)
WHOLE = "everything"


@dataclass
class Case:
    """One fit: what it is called, where it stands on its study's axis, what it learns from, and how."""

    study: str
    setting: str
    x: float
    train: Interactions
    items: ItemFeatures
    make: type = TwoTower
    settings: dict = field(default_factory=dict)

    @property
    def reference(self) -> bool:
        return self.setting == WHOLE


class ThawedPairs(two_tower.SeenPairs):
    """As SeenPairs, but what the towers read of each garment learns along, by Adam at the towers' own pace."""

    def loss(self, net, catalogue, rows, temperature):
        if not catalogue.requires_grad:
            self.optimiser = torch.optim.Adam(
                [catalogue.requires_grad_()], lr=1e-3
            )  # shares memory with `features_`
        elif catalogue.grad is not None:
            self.optimiser.step()
            self.optimiser.zero_grad()
        return super().loss(net, catalogue, rows, temperature)


class Thawed(TwoTower):
    """TwoTower whose garments' vectors start at the encoder's and are then free."""

    def _fit(self, train, items, validate):
        frozen, two_tower.SeenPairs = two_tower.SeenPairs, ThawedPairs
        try:
            super()._fit(train, items, validate)
        finally:
            two_tower.SeenPairs = frozen

    def _features(self, histories):
        return (
            self.features_[histories.columns]
            if hasattr(self, "features_")
            else super()._features(histories)
        )


class Deck(TwoTower):
    """The seed deck's model."""

    def __new__(cls, **settings):
        return TwoTower.deck(**settings)


def only(train: Interactions, rows=None, columns=None) -> Interactions:
    """Some shoppers' rows, or all rows with the ratings of other garments taken out."""
    ratings, users = train.ratings, train.users
    if columns is not None:
        ratings = ratings @ sp.diags(np.isin(np.arange(train.shape[1]), columns).astype(np.float32))
    if rows is not None:
        ratings, users = ratings[rows], users[rows]
    return Interactions(sp.csr_matrix(ratings), users, train.items)


def drawn(rng, platform, n: int) -> np.ndarray:
    """`n` random garments, each platform by its share."""
    order = rng.permutation(len(platform))
    places = pd.Series(order).groupby(platform[order]).rank(method="first", pct=True)
    return order[np.argsort(places.to_numpy(), kind="stable")[:n]]


def cases(
    studies, items: ItemFeatures, train: Interactions, log: pd.DataFrame, seed: int
) -> list[Case]:
    """All fits of one seed."""
    rng, (n_users, n_items) = np.random.default_rng(seed), train.shape
    platform, half = items.frame["platform"].to_numpy(), items.vectors.shape[1] // 2
    halves = {"text": slice(half), "pictures": slice(half, None)}  # what is blanked out
    alone = {}
    for name, blank in halves.items():
        vectors = items.vectors.copy()
        vectors[:, blank] = 0
        alone[name] = ItemFeatures(vectors, items.frame, items.encoder)
    by_size = drawn(rng, platform, n_items)
    shoppers, late = rng.permutation(n_users), rng.permutation(n_items)
    found = [Case("all", WHOLE, 1, train, items)]
    for n in (62, 150, 400, n_items):
        part = only(train, columns=by_size[:n])
        found.append(Case("garments", f"{n} garments, titles", n, part, alone["text"]))
        if n < n_items:
            found.append(Case("garments", f"{n} garments, titles and pictures", n, part, items))
    found.append(
        Case("garments", f"{n_items} garments, pictures", n_items, train, alone["pictures"])
    )
    for name, features in {"titles": alone["text"], "titles and pictures": items}.items():
        bare = dict(side=False)
        found.append(
            Case("garments", f"{name}, no attributes", n_items, train, features, settings=bare)
        )
        found.append(
            Case("garments", f"{name}, nothing learned (mean vector)", 0, train, features, Content)
        )
    for n in (30, 100, 300):
        found.append(Case("shoppers", f"{n} shoppers", n, only(train, rows=shoppers[:n]), items))
    for share in (0.1, 0.25, 0.5):
        part = only(train, columns=late[int(share * n_items) :])
        found.append(Case("arrivals", f"{share:.0%} of the shop is new", share, part, items))
    log = log.sort_values("timestamp", kind="stable")
    for share in (0.1, 0.25, 0.5):
        part = Interactions.from_frame(
            log.head(int((1 - share) * len(log))), train.items, train.users
        )
        found.append(Case("log", f"the last {share:.0%} of the log is new", share, part, items))
    changed = {
        "without the prior of taste": dict(taste=False, lr=4e-3),
        "without category, colour, price": dict(side=False),
        "with in-batch negatives": dict(loss="inbatch"),
        "no prior, in-batch negatives": dict(taste=False, lr=4e-3, loss="inbatch"),
        "no prior, in-batch and hard negatives": dict(
            taste=False, lr=4e-3, loss="inbatch", hard_negatives=True
        ),
        "without attention": dict(heads=0),
        "without dropout": dict(dropout=0.0),
        "with batch norm": dict(batch_norm=True),
        "with squared error on 0/1": dict(loss="mse", epochs=5, batch_size=32, reg=0.0),
    }
    found += [
        Case("towers", name, 0, train, items, settings=settings)
        for name, settings in changed.items()
    ]
    half_new = only(train, columns=late[n_items // 2 :])
    found.append(Case("freezing", "thawed", 0, train, items, Thawed))
    found.append(Case("freezing", "thawed, 50% of the shop is new", 0.5, half_new, items, Thawed))
    found.append(Case("towers", "the deck's model", 0, train, items, Deck))
    found.append(
        Case(
            "towers",
            "the deck's model, no batch norm",
            0,
            train,
            items,
            Deck,
            dict(batch_norm=False),
        )
    )
    return [case for case in found if case.reference or case.study in studies]


def measured(case: Case, split, seed: int, epochs: int) -> pd.DataFrame:
    """NDCG@10 of each test shopper after each length of history, and the processor time of the fit."""
    start = time.process_time()
    given = {Content: {}, Deck: {"seed": seed}}.get(case.make, {"seed": seed, "epochs": epochs})
    model = case.make(**{**given, **case.settings}).fit(case.train, case.items)
    seconds, parts = time.process_time() - start, []
    for n in N_HISTORY:
        seen = split.histories[n]
        ids, _ = rank(
            model,
            Histories(seen.ratings, seen.columns, case.items.vectors, seen.users),
            10,
            split.candidates,
        )
        value = metrics.ndcg(ids, split.relevant["complete"], 10)
        parts.append(
            pd.DataFrame({"n_history": n, "shopper": np.arange(len(value)), "value": value})
        )
    return pd.concat(parts).assign(
        study=case.study, setting=case.setting, x=case.x, seed=seed, fit_seconds=seconds
    )


def table(values: pd.DataFrame) -> pd.DataFrame:
    """A row a setting and history length: mean, interval, and the same of the difference from everything."""
    rows = []
    mean = values.groupby(["study", "setting", "x", "n_history", "shopper"], sort=False)[
        "value"
    ].mean()
    seconds = values.groupby("setting")["fit_seconds"].median()
    whole = mean.xs(WHOLE, level="setting").droplevel(["study", "x"])
    for (study, setting, x, n), part in mean.groupby(level=[0, 1, 2, 3], sort=False):
        part = part.droplevel([0, 1, 2, 3])
        value, low, high = bootstrap(part.to_numpy())
        change, least, most = bootstrap((part - whole.xs(n, level="n_history")).to_numpy())
        told = dict(
            value=value, low=low, high=high, change=change, change_low=least, change_high=most
        )
        row = dict(study=study, setting=setting, x=x, n_history=n) | {
            k: round(v, 3) for k, v in told.items()
        }
        rows.append(row | {"fit_seconds": round(seconds[setting], 1)})
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="sample")
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    parser.add_argument(
        "--epochs", type=int, default=12, help="of each fit but the deck's; chapter 06 takes 30"
    )
    parser.add_argument("--studies", nargs="+", default=STUDIES, choices=STUDIES)
    parser.add_argument(
        "--kept", type=Path, help="a folder for the values of single fits; without it none are kept"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "data" / "studies" / "learning.csv")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    items, log = load_items(arguments.profile), load_interactions(arguments.profile)
    split, values = cross_platform(load_market(arguments.profile), items), []
    for seed in arguments.seeds:
        for number, case in enumerate(cases(arguments.studies, items, split.train, log, seed)):
            name = "".join(
                letter if letter.isalnum() else "_"
                for letter in f"{seed} {case.study} {case.setting}"
            )
            kept = arguments.kept and arguments.kept / f"{name}.parquet"
            if kept and kept.exists():
                values.append(pd.read_parquet(kept))
                continue
            values.append(measured(case, split, seed, arguments.epochs))
            if kept:
                kept.parent.mkdir(parents=True, exist_ok=True)
                values[-1].to_parquet(kept)
            means = values[-1].groupby("n_history")["value"].mean().round(3).to_dict()
            print(
                f"seed {seed} {number:2d} {case.setting:45s} {means} {values[-1]['fit_seconds'].iloc[0]:.1f} s",
                flush=True,
            )
    found = table(pd.concat(values))
    found.to_csv(arguments.out, index=False)
    print(
        f"\n{split.train.shape[0]} shoppers, {split.train.shape[1]} garments, {split.relevant['complete'].shape[0]}",
        end=" ",
    )
    print(f"test shoppers, {len(split.candidates)} candidates, seeds {arguments.seeds}: NDCG@10")
    print(found.to_string(index=False))


if __name__ == "__main__":
    main()
