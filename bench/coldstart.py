"""The headline: NDCG@10 on the other platform after n liked items, all methods between floor and
ceilings.

    python bench/coldstart.py [--profile sample] [--seeds 7 8 9] [--methods TwoTower Hybrid …]
    [--write]

A seed draws the market anew and trains every method on it. Shares are of the way from Popularity to
Oracle, and to Oracle(given_history=True), seed by seed and averaged, beside what the project asks
of its best method. What the blend loses against the best single method is paired, shopper by
shopper. `--write` keeps the table for chapter 07; rows of other profiles and seeds stay.
"""

import argparse
import time
import warnings

import pandas as pd
import torch
from provenance import with_provenance

from helpers.artefacts import ROOT, require, write_text
from helpers.evaluation import evaluate, summarise
from helpers.evaluation.significance import bootstrap
from helpers.interactions import cross_platform, load_items
from helpers.recommenders import (
    EASE,
    Attributes,
    Bridge,
    Content,
    Hybrid,
    ItemKNN,
    MatrixCompletion,
    NeuralCF,
    Oracle,
    Popularity,
    Taste,
    TwoTower,
    UserKNN,
)
from helpers.simulator import load_market, simulate_market

METHODS = {  # settings as in chapters 03 to 06
    "UserKNN": lambda seed: UserKNN(k=200),
    "ItemKNN": lambda seed: ItemKNN(),
    "NeuralCF-bce": lambda seed: NeuralCF(loss="bce", batch_size=4096, seed=seed),
    "EASE": lambda seed: EASE(),
    "MatrixCompletion": lambda seed: MatrixCompletion(rank=20, prior="content"),
    "Content": lambda seed: Content(),
    "TwoTower-deck": lambda seed: TwoTower.deck(seed=seed),
    "Attributes": lambda seed: Attributes(),
    "Bridge": lambda seed: Bridge(),
    "Taste": lambda seed: Taste(seed=seed),
    "TwoTower": lambda seed: TwoTower("enjoyed", seed=seed),
    "Hybrid": lambda seed: Hybrid(goal="enjoyed", seed=seed),
}
CEILINGS = ("Oracle", "Oracle(given_history=True)")
ASKED = {
    "Oracle": {3: 58, 10: 80},
    "Oracle(given_history=True)": {2: 90, 3: 90, 5: 90, 10: 90},
}  # %, by history length
LOSS = "best single less Hybrid"
STUDY = ROOT / "data" / "studies" / "coldstart.csv"


def fitted(name: str, seed: int, split, items):
    """A method fitted on the split."""
    return METHODS[name](seed).fit(split.train, items)


def one_seed(profile: str, seed: int, methods) -> pd.DataFrame:
    """Summary of a market drawn with `seed`, settings otherwise those that chapter 02 stored."""
    items, settings = load_items(profile), dict(load_market(profile).settings)
    attributes = pd.read_parquet(require(profile, "attributes.parquet", "01"))
    market = simulate_market(attributes, vectors=items.vectors, **{**settings, "seed": seed})
    split = cross_platform(market, items)
    models = {"Popularity": Popularity().fit(split.train, items)}
    for name in methods:
        start = time.process_time()
        models[name] = fitted(name, seed, split, items)
        print(
            f"seed {seed}: {name} fitted in {time.process_time() - start:.1f} s of processor time",
            flush=True,
        )
    ceilings = {
        "Oracle": Oracle(market),
        "Oracle(given_history=True)": Oracle(market, given_history=True),
    }
    models |= {name: model.fit(split.train, items) for name, model in ceilings.items()}
    evaluation = evaluate(
        models, split, ks=(10,), metrics=("ndcg",), variants=["complete"], seed=seed
    )
    table = summarise(evaluation).query("metric == 'ndcg'")
    return pd.concat([table, loss_of_blend(evaluation.per_user, methods, seed)])


def loss_of_blend(per_user: pd.DataFrame, methods, seed: int) -> pd.DataFrame:
    """NDCG that Hybrid lacks to the single method with the best mean, at each history length,
    paired by shopper.
    """
    wide = per_user.query("metric == 'ndcg'").pivot_table(
        index=["n_history", "user"], columns="recommender", values="value"
    )
    singles, rows = [name for name in methods if name != "Hybrid"], []
    for n, users in wide.groupby(level="n_history") if "Hybrid" in wide and singles else ():
        best = users[singles].mean().idxmax()
        value, low, high = bootstrap(users[best] - users["Hybrid"], seed=seed)
        rows.append(dict(recommender=LOSS, n_history=n, seed=seed, value=value, low=low, high=high))
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="sample")
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    parser.add_argument(
        "--write", action="store_true", help=f"keep the table in {STUDY.relative_to(ROOT)}"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # small matrices: a second thread costs more than it brings
    warnings.simplefilter("ignore")
    runs = pd.concat(
        [one_seed(arguments.profile, seed, arguments.methods) for seed in arguments.seeds]
    )
    if arguments.write:
        write(runs.assign(profile=arguments.profile))
    lost, runs = runs[runs["recommender"] == LOSS], runs[runs["recommender"] != LOSS]
    settings, (n_users, candidates) = (
        load_market(arguments.profile).settings,
        runs[["n_users", "candidates"]].min(),
    )
    print(
        f"\nnoise {settings['noise']}, exposure bias {settings['exposure_bias']}, overlap "
        f"{settings['overlap']};",
        end=" ",
    )
    print(
        f"{n_users:.0f} test shoppers a seed, {candidates:.0f} candidates, relevant >= 4, complete"
    )
    order = ["Popularity", *arguments.methods, *CEILINGS]
    wide = runs.pivot_table(index=["recommender", "seed"], columns="n_history", values="value")
    half = runs.assign(half=(runs["high"] - runs["low"]) / 2).groupby("recommender")["half"].max()
    print("\nNDCG@10, mean of seeds; ± is the widest half of a 95 % interval of one seed")
    print(wide.groupby("recommender").mean().loc[order].assign(**{"±": half}).round(3).to_string())
    for ceiling in CEILINGS:
        print(f"\n% of the way from Popularity to {ceiling}")
        print(shares(wide, ceiling, arguments.methods).round(1).to_string(na_rep=""))
    if len(lost):
        print(
            "\nNDCG@10 lost by Hybrid to the best single method: upper end of the paired 95 % "
            "interval (0.01 asked)"
        )
        print(
            lost.pivot_table(index="seed", columns="n_history", values="high").round(4).to_string()
        )


def write(runs: pd.DataFrame) -> None:
    """Put these profiles' and seeds' rows into the study, in place of what it had of them."""
    columns = [
        "profile",
        "seed",
        "recommender",
        "n_history",
        "n_users",
        "candidates",
        "value",
        "low",
        "high",
    ]
    new = runs.reindex(columns=columns).astype({"n_users": "Int64", "candidates": "Int64"}).round(4)
    new = with_provenance(new)
    if STUDY.exists():
        old = pd.read_csv(STUDY, dtype={"commit": str}).astype(
            {"n_users": "Int64", "candidates": "Int64"}
        )
        fresh = old.set_index(["profile", "seed"]).index.isin(
            new.set_index(["profile", "seed"]).index
        )
        new = pd.concat([old[~fresh], new])
    new = new.sort_values(["profile", "seed", "recommender", "n_history"])
    write_text(new.to_csv(index=False), STUDY)


def shares(wide: pd.DataFrame, ceiling: str, methods) -> pd.DataFrame:
    """Per cent of the way from Popularity to `ceiling`: a row a method and seed, their mean, and
    what is asked.
    """
    floor, top = wide.loc["Popularity"], wide.loc[ceiling]
    rows = {}
    for name in methods:
        share = (100 * (wide.loc[name] - floor) / (top - floor)).where((top - floor).abs() > 1e-9)
        rows |= {(name, str(seed)): row for seed, row in share.iterrows()} | {
            (name, "mean"): share.mean()
        }
    rows["asked of the best", "mean"] = pd.Series(ASKED[ceiling])
    return pd.DataFrame(rows).T


if __name__ == "__main__":
    main()
