"""What trees add to Hybrid: its weighted sum without them, they alone, and both together, in
data/studies/ranker.csv.

    python bench/ranker.py [--shops gifts …] [--write]

Hybrid's score is a weighted sum of its members' evidence. Trees may find what a sum can't: that one
member counts only where another has nothing to say (`helpers/recommenders/trees.py`). All three
learn from the same practice shoppers and rank the same candidates for the same strangers:

sum     Hybrid(trees=False)
trees   the trees of Hybrid alone: the mean of three forests
Hybrid  as it is: the trees are one more signal of the sum

Nothing was chosen on these folds and deals. The settings of the trees were tried on other ones.
"""

import argparse
import warnings

import numpy as np
import pandas as pd
import torch
from provenance import with_provenance
from real import EXAMS, SEED, Exam, OneQuestion
from real_shops import SHOPS, Shop

from helpers.artefacts import ROOT, write_text
from helpers.evaluation import evaluate
from helpers.evaluation.significance import bootstrap
from helpers.recommenders import choice

STUDY = ROOT / "data" / "studies" / "ranker.csv"
FOLD = {"movielens": 2, "gifts": 11, "citeulike": 11}  # trees were set up on other folds and deals
EXAMINED = {
    "movielens": ("in-shop", "action to other, n up to 5"),
    "gifts": ("across 0 %", "across 20 %", "across 100 %"),
    "citeulike": ("across 20 %",),
}
SUM = "sum"
RIVALS = (SUM, "trees", "Hybrid")
METRIC = "ndcg"
K = 10  # items of a list


class TreesAlone(OneQuestion):
    """A fitted Hybrid whose trees alone rank; popularity orders what they call equal."""

    @classmethod
    def of(cls, hybrid: OneQuestion) -> "TreesAlone":
        """The same trees and members."""
        alone = cls()
        vars(alone).update(vars(hybrid))
        return alone

    def _weights_of(self, place, n) -> np.ndarray:
        weight = np.zeros((len(n), len(self.signals)), np.float32)
        weight[:, 0] = choice.TIE
        weight[:, -1] = 1
        return weight


def examined(shop: Shop, exam: Exam) -> pd.DataFrame:
    """NDCG@10 of each rival (columns) for each stranger and history length."""
    split, items = exam.split(shop, FOLD[shop.name])
    plain = OneQuestion(trees=False)
    hybrid = OneQuestion()
    for model in (plain, hybrid):
        model.candidates = split.candidates
        model.exam = split.name
        model.fit(split.train, items)
    rivals = {SUM: plain, "trees": TreesAlone.of(hybrid), "Hybrid": hybrid}
    found = evaluate(rivals, split, metrics=(METRIC,), ks=(K,)).per_user
    found = found[found["variant"] == "observed"]
    return found.pivot(index=["n_history", "user"], columns="recommender", values="value")


def summary(values: pd.DataFrame) -> pd.DataFrame:
    """Means with 95 % intervals, alone and paired against the sum, by history length."""
    rows = []
    for n, part in values.groupby("n_history"):
        for name in RIVALS:
            mean, low, high = bootstrap(part[name], seed=SEED)
            gain, gain_low, gain_high = bootstrap(part[name] - part[SUM], seed=SEED)
            rows.append(
                {"n_history": n, "method": name, "value": mean, "low": low, "high": high}
                | {"gain": gain, "gain_low": gain_low, "gain_high": gain_high}
                | {"n_users": len(part)}
            )
    return pd.DataFrame(rows).round(4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shops", nargs="+", default=list(EXAMINED), choices=list(EXAMINED))
    parser.add_argument("--write", action="store_true", help=f"write {STUDY.relative_to(ROOT)}")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    tables = []
    for name in arguments.shops:
        shop = SHOPS[name]()
        for exam in EXAMS[name]:
            if exam.name not in EXAMINED[name]:
                continue
            table = summary(examined(shop, exam))
            table.insert(0, "shop", name)
            table.insert(1, "exam", exam.name)
            table.insert(2, "fold", FOLD[name])
            tables.append(table)
            print(table.to_string(), flush=True)
    if arguments.write:
        found = with_provenance(pd.concat(tables)).assign(shoppers="real")
        write_text(found.to_csv(index=False), STUDY)


if __name__ == "__main__":
    main()
