"""Hybrid beside a ranker of gradient-boosted trees, and both stacked: data/studies/ranker.csv.

    python bench/ranker.py [--shops gifts …] [--write]

Hybrid's score is a weighted sum of its members' evidence. Trees may find what a sum can't: that one
member counts only where another has nothing to say. So LightGBM's LambdaRank (Burges 2010, "From
RankNet to LambdaRank to LambdaMART") learns here from the same practice rows and the same evidence,
and all three rank the same candidates for the same strangers:

blend   Hybrid as it is
ranker  the trees alone: the mean of three, each learned from two thirds of the practice shoppers
stack   Hybrid's way of learning with one more signal: the trees' score, for each practice shopper
        by the trees that have not seen them

Nothing was chosen on these folds and deals. The settings of the trees were tried on other ones.
LightGBM is not in the lock; `pip install -e '.[ranker]'` brings it.
"""

import argparse
import importlib.metadata
import warnings
from dataclasses import dataclass, replace

import lightgbm
import numpy as np
import pandas as pd
import torch
from provenance import with_provenance
from real import EXAMS, SEED, Exam, OneQuestion
from real_shops import SHOPS, Shop

from helpers.artefacts import ROOT, write_text
from helpers.evaluation.metrics import measure
from helpers.evaluation.significance import bootstrap
from helpers.recommenders import blend, choice
from helpers.recommenders.base import best_first
from helpers.recommenders.hybrid import _Crowd, _stacked
from helpers.recommenders.practice import LENGTHS

STUDY = ROOT / "data" / "studies" / "ranker.csv"
FOLD = {"movielens": 2, "gifts": 11}  # of the tests; trees were set up on other folds and deals
EXAMINED = {
    "movielens": ("in-shop", "action to other, n up to 5"),
    "gifts": ("across 0 %", "across 20 %", "across 100 %"),
}
BLEND = "blend"
K = 10  # items of a list
TREES = 100
PARTS = 3  # of the practice shoppers; each is scored by trees that learned from the two others
SETTINGS = {
    "objective": "lambdarank",
    "lambdarank_truncation_level": 15,
    "label_gain": [0, 1],
    "num_leaves": 15,
    "min_data_in_leaf": 100,
    "learning_rate": 0.05,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.5,
    "bagging_freq": 1,
    "max_bin": 31,
    "seed": SEED,
    "deterministic": True,
    "num_threads": 1,
    "verbose": -1,
}


class KeptRows(OneQuestion):
    """Hybrid that keeps what it learned from.

    Attributes
    ----------
    place : int
        Of the exam's question among all.
    rows : Rows
        Its practice rows, evidence in logarithms.
    part : (n_rows,) int64
        Which part of the training shoppers was unknown to the members that say this evidence.
    """

    def _practise(self, train, items, questions):
        self._part_of_shopper = _Crowd.of(train, self.seed).part
        return super()._practise(train, items, questions)

    def _learn(self, rows_of_questions):
        super()._learn(rows_of_questions)
        for place, rows in enumerate(rows_of_questions.values()):
            if rows is not None:
                self.place = place
                self.rows = rows
                self.part = self._part_of_shopper[rows.shopper]

    def in_logs(self, histories, candidates) -> np.ndarray:
        """Evidence as in its practice rows, (n_users, n_signals, n_candidates)."""
        evidence = _stacked([self, *self._members], histories, candidates)
        return blend.in_logs(evidence, self.scale_[self.place], self._already_logs())

    def weights_at(self, n: int) -> np.ndarray:
        """Weights (n_signals,) of the blend at a history length."""
        return self._weights_of(np.array([self.place]), np.array([n]))[0]


@dataclass(frozen=True)
class Trees:
    """Rankers of gradient-boosted trees, and what they say of the rows that they learned from.

    Attributes
    ----------
    models : list of Booster
        One for each part of the practice shoppers, learned from the other parts.
    held : (n, m) float32
        Scores of the practice rows by the model that has not seen their shoppers.
    """

    models: list[lightgbm.Booster]
    held: np.ndarray

    @classmethod
    def learned(cls, rows: blend.Rows, part: np.ndarray) -> "Trees":
        """Rankers of some practice rows; each row is a query, and what was liked is relevant.

        Where all rows are of one `part`, their shoppers are dealt into several.
        """
        if len(np.unique(part)) == 1:
            part = rows.shopper % PARTS
        held = np.zeros(rows.liked.shape, np.float32)
        models = []
        for out in np.unique(part):
            model = _fitted(rows[part != out])
            models.append(model)
            held[part == out] = _scores(model, rows[part == out])
        return cls(models, held)

    def score(self, rows: blend.Rows) -> np.ndarray:
        """Mean score of all models, (n, m)."""
        return np.mean([_scores(model, rows) for model in self.models], axis=0)


def considered(rows: blend.Rows) -> np.ndarray:
    """The candidates that trees rank, (n, m) bool: the best of each signal. Others come after them.

    Practice rows hold all that a shopper liked, however little spoke for it, but only a few of the
    others of which that is true. Trees would learn that what nothing speaks for is liked.
    """
    is_candidate = np.isfinite(rows.log_weight)
    found = np.zeros_like(is_candidate)
    for number in range(rows.z.shape[1]):
        evidence = np.where(is_candidate, rows.z[:, number], -np.inf)
        last = np.partition(evidence, -blend.KEPT, axis=1)[:, [-blend.KEPT]]
        found |= evidence > last
    return found


def _lines(rows: blend.Rows, which: np.ndarray) -> np.ndarray:
    """What the trees read of the candidates marked in `which` (n, m): each member's evidence, less
    its most for this shopper, and the length of the history.

    The logarithm of popularity as it is would tell each item apart, and grows with the log.
    """
    is_candidate = np.isfinite(rows.log_weight)
    hidden = np.where(is_candidate[:, None], rows.z, -np.inf)
    evidence = rows.z - hidden.max(axis=2, keepdims=True)
    evidence = np.moveaxis(evidence, 1, 2)[which]
    n_history = np.repeat(rows.length, which.sum(axis=1))
    return np.column_stack([evidence, n_history])


def _fitted(rows: blend.Rows) -> lightgbm.Booster:
    which = considered(rows)
    data = lightgbm.Dataset(
        _lines(rows, which),
        rows.liked[which].astype(int),
        group=which.sum(axis=1),
    )
    return lightgbm.train(SETTINGS, data, TREES)


def _scores(model: lightgbm.Booster, rows: blend.Rows) -> np.ndarray:
    """Scores (n, m) of the candidates; what the trees don't rank comes last."""
    which = considered(rows)
    found = model.predict(_lines(rows, which))
    scores = np.full(rows.liked.shape, found.min() - 1, np.float32)
    scores[which] = found
    return scores


def with_signal(rows: blend.Rows, scores: np.ndarray) -> blend.Rows:
    """The rows with one more signal."""
    return replace(rows, z=np.concatenate([rows.z, scores[:, None]], axis=1))


def stacked_weights(rows: blend.Rows) -> np.ndarray:
    """Weights (n_lengths, n_signals), learned and chosen as Hybrid's are."""
    learned = blend.fit_weights(rows)
    return choice.choose(rows, learned, LENGTHS).weights


@dataclass(frozen=True)
class Rivals:
    """What ranks the strangers of one exam."""

    hybrid: KeptRows
    trees: Trees
    stack: np.ndarray  # weights (n_lengths, n_signals + 1)

    @classmethod
    def learned(cls, hybrid: KeptRows) -> "Rivals":
        """The ranker and the stack, from the practice rows of a fitted Hybrid."""
        trees = Trees.learned(hybrid.rows, hybrid.part)
        both = with_signal(hybrid.rows, trees.held)
        return cls(hybrid, trees, stacked_weights(both))

    def scores(self, histories, candidates, n: int) -> dict[str, np.ndarray]:
        """Scores (n_users, n_candidates) of each for shoppers with `n` known items."""
        is_seen = histories.in_catalogue(self.hybrid.n_items_)[:, candidates].toarray() > 0
        rows = _exam_rows(self.hybrid.in_logs(histories, candidates), is_seen, n)
        of_trees = self.trees.score(rows)
        both = with_signal(rows, of_trees)
        return {
            BLEND: _mixed(self.hybrid.weights_at(n), rows),
            "ranker": of_trees,
            "stack": _mixed(self.stack[LENGTHS.index(n)], both),
        }


def _exam_rows(z: np.ndarray, is_seen: np.ndarray, n: int) -> blend.Rows:
    """Strangers with `n` known items as rows, without what they have seen; what they like is not
    told.
    """
    return blend.Rows(
        z=z,
        log_weight=np.where(is_seen, -np.inf, 0).astype(np.float32),
        liked=np.zeros(is_seen.shape, bool),
        length=np.full(len(z), n),
        shopper=np.arange(len(z)),
    )


def _mixed(weight: np.ndarray, rows: blend.Rows) -> np.ndarray:
    """Scores (n, m) by the same weights (n_signals,) for all rows."""
    return np.einsum("s,nsm->nm", weight, rows.z)


def lists_of(rivals: Rivals, histories, candidates, n: int) -> dict[str, np.ndarray]:
    """The ten best unseen candidates of each shopper by each rival, (n_users, 10)."""
    found: dict[str, list] = {}
    step = rivals.hybrid._rows_at_once()
    for start in range(0, len(histories), step):
        part = histories[start : start + step]
        for name, scores in rivals.scores(part, candidates, n).items():
            rivals.hybrid._hide_seen(scores, part, candidates)
            best = best_first(scores, K)
            found.setdefault(name, []).append(candidates[best])
    return {name: np.concatenate(parts) for name, parts in found.items()}


def examined(shop: Shop, exam: Exam) -> pd.DataFrame:
    """NDCG@10 of each rival (columns) for each stranger and history length."""
    split, items = exam.split(shop, FOLD[shop.name])
    hybrid = KeptRows()
    hybrid.candidates = split.candidates
    hybrid.fit(split.train, items)
    rivals = Rivals.learned(hybrid)
    tables = []
    for n, histories in split.histories.items():
        lists = lists_of(rivals, histories, split.candidates, n)
        values = {
            name: measure(ids, split.relevant["observed"], (K,), ("ndcg",))["ndcg", K]
            for name, ids in lists.items()
        }
        tables.append(pd.DataFrame(values).assign(n_history=n))
    return pd.concat(tables)


def summary(values: pd.DataFrame) -> pd.DataFrame:
    """Means with 95 % intervals, alone and paired against the blend, by history length."""
    rows = []
    for n, part in values.groupby("n_history"):
        for name in part.columns.drop("n_history"):
            mean, low, high = bootstrap(part[name], seed=SEED)
            gain, gain_low, gain_high = bootstrap(part[name] - part[BLEND], seed=SEED)
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
        found["versions"] += f", lightgbm {importlib.metadata.version('lightgbm')}"
        write_text(found.to_csv(index=False), STUDY)


if __name__ == "__main__":
    main()
