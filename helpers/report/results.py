"""The results of a run, asked by name: what decks and the index page say comes from here."""

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from helpers.artefacts import ROOT, MissingArtefact, remedy_for, reports_dir
from helpers.evaluation.contenders import STANDS_FOR
from helpers.interactions.loading import LogFacts
from helpers.interactions.matrix import REAL, SIMULATED
from helpers.report.cells import vectors_in_use

HEADLINE = "cross_platform"
EVERYBODY = "all"
FEW = 3
"""Items of history that the talk and the first page ask about."""
FLOOR = "Popularity"
ORACLE = "Oracle"
HISTORY_ORACLE = "Oracle(given_history=True)"
CEILINGS = (ORACLE, HISTORY_ORACLE, "Oracle(exposure=True)")
OF_KNOWN = ("warm", "warm_by_time")  # splits that examine shoppers of the training log
FLOORS = ("Random", FLOOR, "RecentPopularity", "SeasonalPopularity")
"""What knows nothing of the items that a shopper likes: chance, and counts of what sold."""
NAMES = {FLOOR: "bestsellers", HISTORY_ORACLE: "best from the history", ORACLE: "knows the shopper"}
"""What decks and pages call floors and ceilings."""
REAL_STUDY = ROOT / "data" / "studies" / "real.csv"
CROSS_EXAMS = ("across 20 %", "action to other", "Ladieswear to Divided", "dresses to gowns")
"""Of each shop in the study of real customers, the exam between two platforms."""
GAINS = ["recommender", "n_history", "difference", "low", "high", "p_holm", "n_users"]
OF_LENGTH = ["shop", "recommender", "n_history"]
"""What tells one result of that study from another."""


@dataclass(frozen=True)
class Results:
    """What metrics.json of a run holds.

    Attributes
    ----------
    profile : str
    run : dict
        Parameters, versions, when it started.
    rows : DataFrame
        One row per result; see `helpers.evaluation.protocol`.
    guide : list of dict
        The rows of chapter 07's decision guide, in words; empty where it was not saved.
    paired : list of dict
        What each method gained over bestsellers for the same real customers, as chapter 07 saved
        it; see `figures.compare.gains`. Empty where it was not saved.
    """

    profile: str
    run: dict[str, Any]
    rows: pd.DataFrame
    guide: list[dict[str, str]] = field(default_factory=list)
    paired: list[dict[str, Any]] = field(default_factory=list)

    @cached_property
    def shoppers(self) -> str:
        """ "simulated" or "real": whose rows the profile's own headline has."""
        kinds = set(self._own["shoppers"])
        return REAL if kinds == {REAL} else SIMULATED

    @property
    def judged(self) -> str:
        """Which relevance counts: all that simulated shoppers like, or what real customers did."""
        return "observed" if self.shoppers == REAL else "complete"

    @cached_property
    def place(self) -> str:
        """What the headline crosses: "shop", or "platform" where it is a part of one shop."""
        log = self.run.get("parameters", {}).get("market", {}).get("log")
        return LogFacts(**log).place if log else "shop"

    @cached_property
    def reads_pictures(self) -> bool:
        """Whether pictures are among what tells the items apart."""
        log = self.run.get("parameters", {}).get("market", {}).get("log")
        vectors = LogFacts(**log).vectors if log else "clip"
        return vectors_in_use(self.profile, vectors) in ("clip", "looks")

    @property
    def done(self) -> str:
        """What shoppers did with the items that count: "liked" or "bought"."""
        return "bought" if self.shoppers == REAL else "liked"

    @cached_property
    def _own(self) -> pd.DataFrame:
        """The headline's rows of the profile's own shoppers, methods without their variants."""
        return matching(self.rows, split=HEADLINE, data=self.profile)

    def headline(
        self,
        metric: str = "ndcg",
        k: int = 10,
        segment: str | None = EVERYBODY,
        variants: bool = False,
    ) -> pd.DataFrame:
        """Rows of one metric across platforms, by recommender and `n_history`.

        Variants of a method, whose names hold a hyphen, are left out unless asked for. `segment`
        None means the groups of shoppers in place of everybody.
        """
        rows = matching(self._own, metric=metric, k=k)
        variant = rows["variant"].str.split(",").str[0]
        rows = rows[variant.isin([self.judged, "any"])]
        if segment is None:
            rows = rows[rows["segment"] != EVERYBODY]
        else:
            rows = rows[rows["segment"] == segment]
        if variants:
            return rows
        return self._methods_once(rows)

    def _methods_once(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Each method under its plain name, by the variant that is its best."""
        names = rows["recommender"]
        there = set(names)
        hidden = []
        plain_name = {}
        for plain, variant in STANDS_FOR.items():
            plain_name[variant] = plain
            if variant in there:
                hidden.append(plain)
        is_best = names.isin(list(plain_name))
        is_variant = names.str.contains("-") & ~is_best
        is_shown = ~is_variant & ~names.isin(hidden)
        kept = rows[is_shown]
        return kept.assign(recommender=kept["recommender"].replace(plain_name))

    @cached_property
    def lengths(self) -> list[int]:
        """History lengths of the headline."""
        lengths = self.headline()["n_history"].dropna()
        return sorted(lengths.astype(int).unique().tolist())

    def length_near(self, wanted: int) -> int:
        """The longest history of at most `wanted` items."""
        short = [n for n in self.lengths if n <= wanted]
        return max(short, default=self.lengths[0])

    def at(
        self,
        n_history: int,
        metric: str = "ndcg",
        k: int = 10,
        variants: bool = False,
    ) -> pd.DataFrame:
        """Rows of one history length, by recommender."""
        rows = self.headline(metric, k, variants=variants)
        return rows[rows["n_history"] == n_history].set_index("recommender")

    def methods(self, n_history: int) -> list[str]:
        """Recommenders that could be shipped, best first."""
        values = self.at(n_history)["value"]
        ranked = values.sort_values(ascending=False, kind="stable")
        not_shipped = (*CEILINGS, "Random")
        return [name for name in ranked.index if name not in not_shipped]

    def best(self, n_history: int) -> str:
        """The method with the highest NDCG@10; of values that agree to two digits, the first
        name."""
        names = self.methods(n_history)
        values = self.at(n_history)["value"].reindex(names).round(2)
        is_best = values == values.max()
        return min(values.index[is_best])

    def gap_closed(self, name: str, n_history: int, ceiling: str = ORACLE) -> float:
        """(method - bestsellers) / (ceiling - bestsellers); NaN without a ceiling."""
        values = self.at(n_history)["value"]
        if ceiling not in values:
            return np.nan
        floor = values[FLOOR]
        closed = (values[name] - floor) / (values[ceiling] - floor)
        return float(closed)

    @cached_property
    def warm(self) -> pd.DataFrame:
        """NDCG@10 for known shoppers by recommender, judged by their hidden likes."""
        is_known = self.rows["split"].isin(OF_KNOWN)
        rows = matching(
            self.rows[is_known],
            metric="ndcg",
            k=10,
            segment=EVERYBODY,
        )
        is_like = rows["variant"].str.startswith("observed")
        once = self._methods_once(rows[is_like]).drop_duplicates("recommender")
        return once.set_index("recommender")

    @cached_property
    def live(self) -> pd.DataFrame:
        """Headline rows of real customers beside a simulated profile: NDCG@10, all of one log."""
        rows = matching(
            self.rows,
            split=HEADLINE,
            shoppers=REAL,
            metric="ndcg",
            k=10,
            segment=EVERYBODY,
        )
        is_elsewhere = rows["data"] != self.profile
        return self._methods_once(rows[is_elsewhere])

    @cached_property
    def gains(self) -> pd.DataFrame:
        """What each method gained over bestsellers for the real customers of `live`, paired.

        Columns recommender, n_history, difference, low, high, p_holm, n_users; no row where
        chapter 07 saved none.
        """
        return self._methods_once(pd.DataFrame(self.paired, columns=GAINS))

    def fit_seconds(self, name: str) -> float:
        """Seconds to train, as the method's chapter measured them; NaN if no row says."""
        rows = matching(self.rows, recommender=name)
        told = rows["fit_seconds"].dropna()
        return float(told.iloc[0]) if len(told) else np.nan


def matching(rows: pd.DataFrame, **wanted: Any) -> pd.DataFrame:
    """Rows that have these values in these columns."""
    for column, value in wanted.items():
        rows = rows[rows[column] == value]
    return rows


def load_results(profile: str) -> Results:
    """The results of a profile's last run.

    Raises
    ------
    MissingArtefact
        If chapter 07 has not run.
    """
    path = reports_dir(profile) / "metrics.json"
    if not path.exists():
        raise MissingArtefact(f"{path} is missing. {remedy_for(profile, '07')}")
    document = json.loads(path.read_text(encoding="utf-8"))
    rows = pd.DataFrame(document["results"])
    if "shoppers" not in rows:
        rows["shoppers"] = SIMULATED
    guide = _saved(path.with_name("guide.json"))
    paired = _saved(path.with_name("gains.json"))
    return Results(profile, document["run"], rows, guide, paired)


def _saved(path: Path) -> list[dict[str, Any]]:
    """Rows that chapter 07 saved; none where it did not."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def real_study(path: Path = REAL_STUDY) -> pd.DataFrame:
    """Cross-platform rows of the study of real customers; empty where it was not made.

    Columns shop, recommender, n_history, value, low, high, gain, gain_low, gain_high, n_users;
    gains are over bestsellers, paired.
    """
    if not path.exists():
        return pd.DataFrame(columns=[*OF_LENGTH, "value", "gain"])
    study = pd.read_csv(path)
    is_across = study["exam"].str.startswith(CROSS_EXAMS)
    is_control = study["control"].astype(bool)
    across = study[is_across & ~is_control].sort_values(OF_LENGTH)
    return across.drop_duplicates(OF_LENGTH, keep="last")


def called(name: str) -> str:
    """What a deck calls a recommender."""
    return NAMES.get(name, name)
