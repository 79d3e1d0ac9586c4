"""The headline under three kinds of simulated taste, each beside a control that owes nothing to
taste.

    python bench/simulators.py [--spaces attributes …] [--seeds 7 8 9] [--methods Hybrid …]

| space | what a simulated shopper's taste is about |
|---|---|
| attributes | each attribute of a garment counts by itself (the course's default) |
| combinations | so does each pair of category and color |
| embedding | the vectors that recommenders read, which flatters the methods that read them |

A seed draws a market of its own, and every method is trained on it. The control trains the same
method on the log whose rows were dealt to its shoppers at random. Rows go into
data/studies/simulators.csv as soon as they are known, in place of what it had of them, with the
commit, the date and the versions that they come from.
"""

import argparse
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pandas as pd
import torch
from coldstart import METHODS as FITTED_AS_IN_CHAPTERS
from filelock import FileLock
from real import about

from helpers.artefacts import ROOT, data_dir, require, write_text
from helpers.evaluation import evaluate, summarise
from helpers.interactions import Interactions, cross_platform, load_items, shuffle_log
from helpers.interactions.splits import Split
from helpers.recommenders import Oracle, Popularity
from helpers.simulator import load_market, simulate_market
from helpers.simulator.market import Market
from helpers.simulator.settings import PREFERENCE_SPACES

STUDY = ROOT / "data" / "studies" / "simulators.csv"
METHODS = (
    "UserKNN",
    "ItemKNN",
    "EASE",
    "MatrixCompletion",
    "Content",
    "Attributes",
    "Bridge",
    "Taste",
    "TwoTower",
    "Hybrid",
)
SHOWN_AS = {"MatrixCompletion": "MatrixCompletion-content"}
CEILING_SHOPPERS = 100
LENGTHS = (0, 1, 3, 10)
KEY = ["space", "log", "seed", "recommender"]
NUMBERS = ["n_history", "metric", "k", "value", "low", "high", "n_users", "candidates"]


@dataclass(frozen=True)
class Draw:
    """One market: its exam and the same exam with a shuffled training log."""

    market: Market
    split: Split
    shuffled: Split


def draw(profile: str, space: str, seed: int) -> Draw:
    """A market with the profile's settings, but its own seed and kind of taste."""
    items = load_items(profile)
    settings = dict(load_market(profile).settings)
    settings |= {"seed": seed, "preference_space": space}
    attributes = pd.read_parquet(require(profile, "attributes.parquet", "01"))
    market = simulate_market(attributes, vectors=items.vectors, **settings)
    split = cross_platform(market, items, n_history=LENGTHS)
    return Draw(market, split, replace(split, train=shuffled_log(split.train, seed)))


def shuffled_log(train: Interactions, seed: int) -> Interactions:
    """The same ratings, dealt to the shoppers at random."""
    cells = train.ratings.tocoo()
    log = pd.DataFrame(
        {
            "user": train.users.to_numpy()[cells.row],
            "item": train.items.to_numpy()[cells.col],
            "rating": cells.data,
        }
    )
    return Interactions.from_frame(shuffle_log(log, seed), train.items, shoppers="simulated")


def measured(model, name: str, split: Split, seed: int, n_users=None) -> pd.DataFrame:
    """NDCG@10, precision of the first five, and whether any of them is liked."""
    evaluation = evaluate(
        {name: model},
        split,
        ks=(5, 10),
        metrics=("ndcg", "precision", "hit_rate"),
        variants=["complete"],
        seed=seed,
        n_users=n_users,
    )
    table = summarise(evaluation)
    is_wanted = (table["metric"] == "ndcg") & (table["k"] == 10)
    is_wanted |= table["metric"].isin(["precision", "hit_rate"]) & (table["k"] == 5)
    return table[is_wanted]


def results(profile: str, space: str, seed: int, methods) -> Iterator[pd.DataFrame]:
    """One table after another: floors and ceilings, then each method on both logs."""
    items = load_items(profile)
    market = draw(profile, space, seed)
    common = {"space": space, "seed": seed}
    ends = {
        "Popularity": (Popularity(), None),
        "Oracle": (Oracle(market.market), None),
        "Oracle(given_history=True)": (
            Oracle(market.market, given_history=True),
            CEILING_SHOPPERS,
        ),
    }
    for name, (model, n_users) in ends.items():
        model.fit(market.split.train, items)
        table = measured(model, name, market.split, seed, n_users)
        yield table.assign(log="log", **common)
    for name in methods:
        for log, split in (("log", market.split), ("shuffled", market.shuffled)):
            model = FITTED_AS_IN_CHAPTERS[name](seed).fit(split.train, items)
            table = measured(model, SHOWN_AS.get(name, name), split, seed)
            yield table.assign(log=log, **common)


def keep(table: pd.DataFrame) -> None:
    """Put these rows into the study, in place of what it had of them."""
    new = table[[*KEY, *NUMBERS]].assign(shoppers="simulated", **about())
    new[["value", "low", "high"]] = new[["value", "low", "high"]].round(4)
    with FileLock(data_dir("sample") / ".simulators.lock"):
        if STUDY.exists():
            old = pd.read_csv(STUDY, dtype={"commit": str})
            is_fresh = old.set_index(KEY).index.isin(new.set_index(KEY).index)
            new = pd.concat([old[~is_fresh], new])
        order = [*KEY, "metric", "n_history"]
        write_text(new.sort_values(order).to_csv(index=False), STUDY)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="sample")
    parser.add_argument("--spaces", nargs="+", default=PREFERENCE_SPACES, choices=PREFERENCE_SPACES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # small matrices: a second thread costs more than it brings
    warnings.simplefilter("ignore")
    for seed in arguments.seeds:
        for space in arguments.spaces:
            for table in results(arguments.profile, space, seed, arguments.methods):
                keep(table)
                at_three = table.query("metric == 'ndcg' and n_history == 3").iloc[0]
                print(
                    f"seed {seed}, {space}, {at_three['log']}: {at_three['recommender']} "
                    f"{at_three['value']:.3f} with three items",
                    flush=True,
                )


if __name__ == "__main__":
    main()
