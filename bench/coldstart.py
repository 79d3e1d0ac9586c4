"""The headline: NDCG@10 on the other platform after n liked items, all methods between floor and ceilings.

    python bench/coldstart.py [--profile sample] [--seeds 7 8 9] [--methods TwoTower Hybrid …]

A seed draws the market anew and trains every method on it. Shares are of the way from Popularity to
Oracle, and to Oracle(given_history=True), seed by seed and averaged, beside what the project asks of its best method.
"""

import argparse
import time
import warnings

import pandas as pd
import torch

from helpers import recommenders
from helpers.artefacts import require
from helpers.evaluation import evaluate, summarise
from helpers.interactions import cross_platform, load_items, load_market, simulate_market
from helpers.recommenders import EASE, Content, Hybrid, ItemKNN, Oracle, Popularity, TwoTower

METHODS = ("ItemKNN", "EASE", "MatrixCompletion", "Content", "TwoTower-deck", "TwoTower", "Hybrid")
CEILINGS = ("Oracle", "Oracle(given_history=True)")
ASKED = {"Oracle": {3: 58, 10: 80}, "Oracle(given_history=True)": {2: 90, 3: 90, 5: 90, 10: 90}}  # %, by history length
SETTINGS = {"MatrixCompletion": {"rank": 20, "prior": "content"}}  # as chapter 05's best


def fitted(name: str, seed: int, split, items, known: dict):
    """A method fitted on the split; the blend takes the members that are fitted already."""
    if name == "TwoTower-deck":
        model = TwoTower.deck(seed=seed)
    elif name == "Hybrid":
        classes = {"EASE": EASE, "ItemKNN": ItemKNN, "Content": Content, "TwoTower": TwoTower}
        model = Hybrid([known.get(member) or make() for member, make in classes.items()], seed=seed)
    else:
        model = getattr(recommenders, name)(**({"seed": seed} if name == "TwoTower" else SETTINGS.get(name, {})))
    return model.fit(split.train, items)


def one_seed(profile: str, seed: int, methods) -> pd.DataFrame:
    """Summary of a market drawn with `seed`, settings otherwise those that chapter 02 stored."""
    items, settings = load_items(profile), dict(load_market(profile).settings)
    attributes = pd.read_parquet(require(profile, "attributes.parquet", "01"))
    market = simulate_market(attributes, vectors=items.vectors, **{**settings, "seed": seed})
    split = cross_platform(market, items)
    models = {"Popularity": Popularity().fit(split.train, items)}
    for name in methods:
        start = time.process_time()
        models[name] = fitted(name, seed, split, items, models)
        print(f"seed {seed}: {name} fitted in {time.process_time() - start:.1f} s of processor time", flush=True)
    ceilings = {"Oracle": Oracle(market), "Oracle(given_history=True)": Oracle(market, given_history=True)}
    models |= {name: model.fit(split.train, items) for name, model in ceilings.items()}
    per_user = evaluate(models, split, ks=(10,), metrics=("ndcg",), variants=["complete"], seed=seed)
    return summarise(per_user).query("metric == 'ndcg'")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="sample")
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # small matrices: a second thread costs more than it brings
    warnings.simplefilter("ignore")
    runs = pd.concat([one_seed(arguments.profile, seed, arguments.methods) for seed in arguments.seeds])
    settings = load_market(arguments.profile).settings
    print(
        f"\nnoise {settings['noise']}, exposure bias {settings['exposure_bias']}, overlap {settings['overlap']};",
        end=" ",
    )
    print(
        f"{runs['n_users'].min()} test shoppers a seed, {runs['candidates'].max()} candidates, relevant >= 4, complete"
    )
    order = ["Popularity", *arguments.methods, *CEILINGS]
    wide = runs.pivot_table(index=["recommender", "seed"], columns="n_history", values="value")
    half = runs.assign(half=(runs["high"] - runs["low"]) / 2).groupby("recommender")["half"].max()
    print("\nNDCG@10, mean of seeds; ± is the widest half of a 95 % interval of one seed")
    print(wide.groupby("recommender").mean().loc[order].assign(**{"±": half}).round(3).to_string())
    for ceiling in CEILINGS:
        print(f"\n% of the way from Popularity to {ceiling}")
        print(shares(wide, ceiling, arguments.methods).round(1).to_string(na_rep=""))


def shares(wide: pd.DataFrame, ceiling: str, methods) -> pd.DataFrame:
    """Per cent of the way from Popularity to `ceiling`: a row a method and seed, their mean, and what is asked."""
    floor, top = wide.loc["Popularity"], wide.loc[ceiling]
    rows = {}
    for name in methods:
        share = (100 * (wide.loc[name] - floor) / (top - floor)).where((top - floor).abs() > 1e-9)
        rows |= {(name, str(seed)): row for seed, row in share.iterrows()} | {(name, "mean"): share.mean()}
    rows["asked of the best", "mean"] = pd.Series(ASKED[ceiling])
    return pd.DataFrame(rows).T


if __name__ == "__main__":
    main()
