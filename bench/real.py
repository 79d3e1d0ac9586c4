"""The exam on real customers: NDCG@10 of all methods on six shops, in-shop, across platforms, warm
and on new items.

    python bench/real.py [--shops gifts …] [--exams across …] [--methods Hybrid …] [--control]
    [--write]

Strangers are customers that no method has seen; they are known by their first n likes, and all
items of the shop (or of the other platform) are ranked. Nothing is tuned here: a method chooses its
own weights on training customers. Each result is kept in data/real/, one file for each shop, exam,
fold and method, and is not computed again; `--write` puts the summary of all files there into
data/studies/real.csv, where exams without files stay as they are. `--control` examines on the log
shuffled among customers.
"""

import argparse
import hashlib
import importlib.metadata
import subprocess
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from real_peers import ImplicitALS, ImplicitBPR, ImplicitKNN
from real_shops import SHOPS, Shop

from helpers.artefacts import ROOT, data_dir, write_parquet, write_text
from helpers.evaluation import evaluate, metered
from helpers.evaluation.significance import bootstrap
from helpers.interactions import (
    Interactions,
    cold_item,
    cold_user,
    cross_platform_log,
    deal,
    shuffle_log,
    warm_by_time,
)
from helpers.recommenders import (
    EASE,
    Attributes,
    Bridge,
    Content,
    Hybrid,
    ItemKNN,
    MatrixCompletion,
    NeuralCF,
    Popularity,
    Random,
    RandomWalk,
    RecentPopularity,
    SeasonalPopularity,
    Taste,
    TwoTower,
    UserKNN,
    WordWalk,
)
from helpers.recommenders.hybrid import OWN

LENGTHS = (1, 2, 3, 5, 10)
SHORT = (1, 2, 3, 5)
FOLDS = 5
DEALS = (11, 12, 13, 14, 15)  # seeds; methods were developed on other ones
STRANGERS = 500  # of one deal
SEED = 7
PROVENANCE = ("commit", "date", "versions")
STUDY = ROOT / "data" / "studies" / "real.csv"
FLOOR = "Popularity"
WORDS = {"name": "Content", "parameters": {"reads": "words"}}
PEOPLE = {"name": "UserKNN", "parameters": {}}


class OneQuestion(Hybrid):
    """Hybrid that practices for the exam's question alone, which gives the same lists sooner.

    Each question is practiced and learned on its own, with random numbers of its own. So its
    `fit_seconds` are those of one question.

    Attributes
    ----------
    candidates : (n_candidates,) int64
        Of the exam: all of one shop, or else "what else in the shops of the history" is asked.
    exam : str
        The split's name: "warm_by_time" asks what comes next, "cold_item" which of new items.
    """

    def _practise(self, train, items, questions):
        if self.exam in ("warm_by_time", "cold_item"):
            return dict.fromkeys(questions)
        shops = np.unique(self.shop_[self.candidates])
        is_visit = len(shops) == 1 and len(questions) > 1
        asked = shops[0] if is_visit else OWN
        rows = super()._practise(train, items, [asked])
        return {question: rows.get(question) for question in questions}

    def _practise_next(self, train, items):
        return super()._practise_next(train, items) if self.exam == "warm_by_time" else None

    def _practise_new(self, train, items):
        return super()._practise_new(train, items) if self.exam == "cold_item" else None


METHODS: dict[str, Callable] = {
    "Random": lambda: Random(),
    "Popularity": lambda: Popularity(),
    "RecentPopularity": lambda: RecentPopularity(),
    "SeasonalPopularity": lambda: SeasonalPopularity(),
    "Content": lambda: Content(),
    "Content-words": lambda: Content(reads="words"),
    "Attributes": lambda: Attributes(),
    "Attributes-lift": lambda: Attributes("lift"),
    "Taste": lambda: Taste(),
    "UserKNN": lambda: UserKNN(),
    "ItemKNN": lambda: ItemKNN(),
    "EASE": lambda: EASE(),
    "NeuralCF-bce": lambda: NeuralCF(loss="bce", batch_size=4096),
    "MatrixCompletion": lambda: MatrixCompletion(solver="ials"),
    "MatrixCompletion-content": lambda: MatrixCompletion(solver="ials", prior="content"),
    "Bridge": lambda: Bridge(WORDS, PEOPLE, near=50),
    "RandomWalk": lambda: RandomWalk(),
    "WordWalk": lambda: WordWalk(),
    "DeckTowers": lambda: TwoTower.deck(),
    "TwoTower": lambda: TwoTower(),
    "implicit ItemKNN": lambda: ImplicitKNN(),
    "implicit ALS": lambda: ImplicitALS(),
    "implicit BPR": lambda: ImplicitBPR(),
    "Hybrid": lambda: OneQuestion(),
}
SLOW_DECK = (
    "in batches of 32, a deal of the gift shop with its 267,000 purchases takes three minutes"
)
SKIPPED = {  # shop: methods that are not run there, and why
    "gifts": {"DeckTowers": SLOW_DECK},
    "citeulike": {"DeckTowers": SLOW_DECK},
    "groceries": {"DeckTowers": SLOW_DECK},
    "renttherunway": {
        "DeckTowers": "a pass over 190,000 pairs in batches of 32 takes longer than the ten minutes"
    },
}


@dataclass(frozen=True)
class Exam:
    """One exam of one shop.

    Attributes
    ----------
    name : str
    numbers : tuple of int
        Its folds or deals.
    split : (shop, number) -> (split, items)
    """

    name: str
    numbers: tuple[int, ...]
    split: Callable[[Shop, int], tuple]


def interactions_of(shop: Shop) -> Interactions:
    """The shop's log as a matrix of real customers."""
    return Interactions.from_frame(shop.log, shop.index, shoppers="real")


def in_shop(lengths=LENGTHS) -> Exam:
    """Strangers of one shop, five folds."""

    def split(shop, fold):
        return cold_user(interactions_of(shop), lengths, fold, FOLDS), shop.items

    return Exam("in-shop", tuple(range(FOLDS)), split)


def across_deal(overlap: float, least_history: int) -> Exam:
    """Products dealt to two platforms: five deals, 500 strangers each."""

    def split(shop, seed):
        items = deal(shop.items, seed)
        found = cross_platform_log(
            interactions_of(shop),
            items,
            "A",
            "B",
            LENGTHS,
            overlap,
            least_relevant=5,
            least_history=least_history,
            folds=1,
            at_most=STRANGERS,
            seed=seed,
        )
        return found, items

    return Exam(f"across {100 * overlap:.0f} %", DEALS, split)


def across_column(source: str, target: str, lengths) -> Exam:
    """The platforms that the shop's table names, five folds."""

    def split(shop, fold):
        log = interactions_of(shop)
        found = cross_platform_log(log, shop.items, source, target, lengths, fold=fold, folds=FOLDS)
        return found, shop.items

    return Exam(f"{source} to {target}, n up to {max(lengths)}", tuple(range(FOLDS)), split)


def warm() -> Exam:
    """Known customers, the last fifth of the log."""

    def split(shop, _):
        return warm_by_time(shop.log, shop.index, shoppers="real"), shop.items

    return Exam("warm", (0,), split)


def new_items() -> Exam:
    """Items that nobody has bought, five folds."""

    def split(shop, fold):
        return cold_item(interactions_of(shop), fold, FOLDS), shop.items

    return Exam("new items", tuple(range(FOLDS)), split)


EXAMS = {
    "gifts": [across_deal(0.0, 15), across_deal(0.2, 15), across_deal(1.0, 15), in_shop(), warm()],
    "citeulike": [across_deal(0.0, 10), across_deal(0.2, 10), across_deal(1.0, 10), in_shop()],
    "movielens": [
        across_column("action", "other", SHORT),
        across_column("action", "other", (10,)),
        in_shop(),
        warm(),
    ],
    "groceries": [
        across_deal(0.0, 10),
        across_deal(0.2, 10),
        across_deal(1.0, 10),
        in_shop(),
        warm(),
    ],
    "fashion": [across_column("Ladieswear", "Divided", SHORT), in_shop(), new_items()],
    "renttherunway": [across_column("dresses", "gowns", SHORT), in_shop(), warm()],
}


def one_result(name: str, split, items) -> pd.DataFrame:
    """NDCG@10 of every stranger and history length, with what the method cost."""
    model = METHODS[name]()
    model.candidates = split.candidates
    model.exam = split.name
    with metered() as cost:
        model.fit(split.train, items)
    start = time.perf_counter()
    per_user = evaluate({name: model}, split, ks=(10,), metrics=("ndcg",)).per_user
    found = per_user[(per_user["metric"] == "ndcg") & (per_user["variant"] == "observed")]
    found = found[["n_history", "user", "value"]].reset_index(drop=True)
    return found.assign(
        fit_seconds=cost["seconds"],
        peak_mb=cost["peak_mb"],
        score_seconds=time.perf_counter() - start,
        candidates=len(split.candidates),
    )


def examine(shop: Shop, exam: Exam, methods, folds, control: bool) -> None:
    """Compute what is not there yet of one exam."""
    skipped = SKIPPED.get(shop.name, {})
    for fold in exam.numbers:
        if folds and fold not in folds:
            continue
        paths = {name: place(shop.name, exam.name, fold, name, control) for name in methods}
        missing = [name for name in methods if name not in skipped and not paths[name].exists()]
        if not missing:
            continue
        split, items = exam.split(shop, fold)
        for name in missing:
            found = one_result(name, split, items)
            found = found.assign(
                shop=shop.name,
                exam=exam.name,
                fold=fold,
                recommender=name,
                control=control,
                **about(),
            )
            write_parquet(found, paths[name])
            means = found.groupby("n_history", dropna=False)["value"].mean().round(4)
            took = found["fit_seconds"].iloc[0] + found["score_seconds"].iloc[0]
            print(
                f"{shop.name} | {exam.name} | {fold} | {name}: {list(means)} in {took:.0f} s",
                flush=True,
            )


def place(shop: str, exam: str, fold: int, name: str, control: bool):
    """The file of one result; a name of its own for any text in it."""
    key = f"{shop}|{exam}|{fold}|{name}|{control}"
    mark = hashlib.sha256(key.encode()).hexdigest()[:8]
    tidy = "".join(letter if letter.isalnum() else "-" for letter in f"{shop}-{exam}-{fold}-{name}")
    return data_dir("real") / "results" / f"{tidy}-{mark}.parquet"


def summary() -> pd.DataFrame:
    """Means over all strangers of all folds, with 95 % intervals, alone and paired against
    popularity.
    """
    results = pd.concat(
        [pd.read_parquet(path) for path in sorted((data_dir("real") / "results").glob("*.parquet"))]
    )
    rows = []
    like = ["shop", "exam", "control", "n_history"]
    for key, group in on_common_folds(results).groupby(like, dropna=False):
        wide = group.pivot_table(index=["fold", "user"], columns="recommender", values="value")
        of_method = group.groupby("recommender")
        cost = of_method[["fit_seconds", "score_seconds", "peak_mb"]].max()
        folds = of_method["fold"].unique()
        source = of_method[list(PROVENANCE)].agg(lambda values: "; ".join(sorted(set(values))))
        if FLOOR not in wide:
            continue
        for name in wide.columns:
            both = pd.DataFrame({"own": wide[name], "floor": wide[FLOOR]}).dropna()
            mean, low, high = bootstrap(both["own"].to_numpy()[:, None], seed=SEED)
            gain, gain_low, gain_high = bootstrap(
                (both["own"] - both["floor"]).to_numpy()[:, None], seed=SEED
            )
            rows.append(
                dict(zip(like, key, strict=True))
                | {"recommender": name, "value": mean[0], "low": low[0], "high": high[0]}
                | {"gain": gain[0], "gain_low": gain_low[0], "gain_high": gain_high[0]}
                | {"n_users": len(both)}
                | {"folds": " ".join(str(fold) for fold in sorted(folds[name]))}
                | {**cost.loc[name].round(1), **source.loc[name]}
            )
    return pd.DataFrame(rows).round(4)


def write(table: pd.DataFrame) -> None:
    """Put these results into the study, in place of what it had of them.

    Other exams stay, and so do other methods that have sat the same folds of these exams.
    """
    if STUDY.exists():
        old = pd.read_csv(STUDY, dtype={"commit": str, "folds": str})
        table = pd.concat([still_valid(old, table), table])
    table = table.astype({"n_history": "Int64"})
    order = ["shop", "exam", "control", "n_history", "recommender"]
    write_text(table.sort_values(order).to_csv(index=False), STUDY)


def still_valid(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """The rows of `old` that can stand beside `new`: same exam and folds but another method, or
    another exam.
    """
    exam = ["shop", "exam", "control"]
    method = [*exam, "recommender"]
    sat_anew = old.set_index(exam).index.isin(new.set_index(exam).index)
    same_folds = old.set_index([*exam, "folds"]).index.isin(new.set_index([*exam, "folds"]).index)
    replaced = old.set_index(method).index.isin(new.set_index(method).index)
    return old[~sat_anew | (same_folds & ~replaced)]


def on_common_folds(results: pd.DataFrame) -> pd.DataFrame:
    """The results of folds that all methods of an exam have sat: other means don't compare.

    Where no fold has all methods, the folds with the most of them are kept.
    """
    exam = ["shop", "exam", "control"]
    n_methods = results.groupby([*exam, "fold"])["recommender"].transform("nunique")
    most = n_methods.groupby([results[name] for name in exam]).transform("max")
    return results[n_methods == most]


def about() -> dict[str, str]:
    """Commit, date and versions that a result comes from."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
    )
    names = ("numpy", "scipy", "torch", "scikit-learn", "lightgbm", "implicit")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    return {
        "commit": commit.stdout.strip(),
        "date": time.strftime("%Y-%m-%d"),
        "versions": versions,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shops", nargs="+", default=list(SHOPS), choices=list(SHOPS))
    parser.add_argument("--exams", nargs="+", help="only exams whose name begins so")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--folds", nargs="+", type=int, help="only these folds or deals")
    parser.add_argument(
        "--control", action="store_true", help="shuffle the log among customers first"
    )
    parser.add_argument("--write", action="store_true", help=f"write {STUDY.relative_to(ROOT)}")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for name in arguments.shops:
        shop = SHOPS[name]()
        if arguments.control:
            shop = Shop(shop.name, shuffle_log(shop.log, SEED), shop.items)
        for exam in EXAMS[name]:
            if arguments.exams and not exam.name.startswith(tuple(arguments.exams)):
                continue
            examine(shop, exam, arguments.methods, arguments.folds, arguments.control)
    table = summary()
    if arguments.write:
        write(table.assign(shoppers="real"))
    shown = table.pivot_table(
        index=["shop", "exam", "control", "recommender"],
        columns="n_history",
        values="value",
        dropna=False,
    )
    print(shown.dropna(how="all").round(3).to_string())


if __name__ == "__main__":
    main()
