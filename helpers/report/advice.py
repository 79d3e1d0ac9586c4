"""What to ship, situation by situation, as decks and pages tell it.

Chapter 07 decides by a paired test of the same shoppers (`evaluation.guide`) and saves its rows.
Where they say nothing of a situation, the same rule is applied to the intervals in metrics.json.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.evaluation.contenders import STANDS_FOR, simplicity
from helpers.evaluation.guide import (
    NEGLIGIBLE,
    NO_COST,
    Advice,
    advice_in,
    known_items,
    worst_usual,
)
from helpers.interactions.matrix import REAL, SIMULATED
from helpers.report.figures.shops import SHOPS
from helpers.report.prose import listed
from helpers.report.results import FLOOR, FLOORS, Results, called

if TYPE_CHECKING:  # a run that stops before chapter 07 needs no models
    from helpers.report.personas import MethodList, PersonaLists

OWN_HISTORY = "A history in our own shop?"
PURCHASES = "Purchases instead of ratings?"
SPECIAL = "New items, no pictures, a million items?"
KNOWN_ITEMS = "How many liked items do we know?"
QUESTIONS = (OWN_HISTORY, PURCHASES, SPECIAL, KNOWN_ITEMS)
"""In the order in which a shop should ask them."""


@dataclass(frozen=True)
class Told(Advice):
    """What to ship in one situation, in words.

    Attributes
    ----------
    has : str
        What the shop has.
    liked : float
        Of five items shown; NaN where it was not measured.
    cost : float
        How much less the wrong choice gets: of five liked items, or of NDCG@10 where that is all
        there is.
    shoppers : str
        "simulated" or "real".
    question : str
        Which question of the flowchart leads here: one of `QUESTIONS`.
    """

    has: str
    shoppers: str = SIMULATED
    question: str = KNOWN_ITEMS

    @property
    def price(self) -> str:
        """What being wrong costs, in words."""
        if self.wrong == self.ship:
            return NO_COST
        if pd.isna(self.liked):
            return f"{self.cost:.2f} NDCG@10 with {called(self.wrong)}"
        verb = "bought" if self.shoppers == REAL else "liked"
        return f"{self.fewer:.1f} fewer {verb} with {called(self.wrong)}"


NO_PICTURES = ("Content-text", "Attributes", "Bridge", "UserKNN", "ItemKNN", "EASE")
"""Methods that never look at a picture."""
READS = {
    "Popularity": "what sells",
    "RecentPopularity": "what sells now",
    "SeasonalPopularity": "what sold in the weeks before",
    "UserKNN": "who liked what",
    "ItemKNN": "who liked what",
    "EASE": "who liked what",
    "NeuralCF": "who liked what",
    "MatrixCompletion": "who liked what, pictures, words",
    "Content": "pictures and words",
    "Attributes": "category, color, price",
    "Taste": "category, color, price, pictures",
    "Bridge": "pictures and words, then who liked what",
    "RandomWalk": "who liked what",
    "WordWalk": "who liked what, words",
    "TwoTower": "category, color, price, pictures and words",
    "Hybrid": "several of the others, blended",
}
"""What each method uses. A new method has "–" here until it is named."""
PICTURES = ("pictures and words", "pictures, words", "pictures")
"""How `READS` names pictures, the longest first."""
_LENGTHS = {known_items(n) for n in range(100)}
"""What the guide calls histories of each length."""
MILLION = "a million items"
VECTORS = ("Content", "TwoTower")
"""Methods whose items are vectors, which an index searches without ranking them all."""
OF_PURCHASES = ("gifts", "fashion")
"""Shops of the study whose logs hold purchases and no ratings, but for staples."""


def uses(name: str, reads_pictures: bool) -> str:
    """What a method uses: words in place of pictures where there are none; "" if nobody said."""
    told = READS.get(name, "")
    if reads_pictures:
        return told
    for pictures in PICTURES:
        if pictures in told:
            return told.replace(pictures, "words")
    return told


def choice(results: Results, n_history: int) -> str:
    """The method to ship to newcomers with so many liked items."""
    names = results.methods(n_history)
    for one in saved_advice(results):
        if one.has == known_items(n_history) and one.ship in names:
            return one.ship
    return simplest_of_best(results.at(n_history).loc[names])


def best_rival(results: Results, n_history: int) -> str:
    """The method to hold against bestsellers: the one to ship, or else the best of the others."""
    name = choice(results, n_history)
    if name != FLOOR:
        return name
    return next((one for one in results.methods(n_history) if one not in FLOORS), name)


def first_choice(results: Results, one: "PersonaLists") -> "MethodList":
    """The list of the method to ship to somebody with so many items; else the best list."""
    name = choice(results, results.length_near(len(one.history)))
    found = [made for made in one.lists if made.name == name]
    return found[0] if found else one.lists[0]


def bestsellers(one: "PersonaLists") -> "MethodList":
    """The list that stands for methods which cannot use the history."""
    return next((made for made in one.lists if made.stands_for), one.lists[-1])


def advise(results: Results, few: int, study: pd.DataFrame | None = None) -> list[Told]:
    """One recommendation for each situation that the run examined.

    Parameters
    ----------
    results : Results
    few : int
        Length of the history of shoppers in a shop without pictures, or with a million items.
        It counts only where chapter 07 saved no guide.
    study : DataFrame, optional
        Results of real shops, as `results.real_study` reads them. Beside simulated shoppers they
        answer for logs of purchases.
    """
    found = saved_advice(results)
    if not found:
        found = _by_intervals(results, few)
    if study is not None and results.shoppers != REAL:
        found += _for_purchases(study)
    if len(results.warm):
        found.append(_for_known(results))
    return found


def saved_advice(results: Results) -> list[Told]:
    """The rows of chapter 07's guide; none where it was not saved."""
    plain_names = {variant: plain for plain, variant in STANDS_FOR.items()}
    found = []
    for row in results.guide:
        advice = advice_in(row)
        ship = plain_names.get(advice.ship, advice.ship)
        has = row["you have"]
        question = KNOWN_ITEMS if has in _LENGTHS else SPECIAL
        if row["shoppers"] != results.shoppers:
            has = f"{has} ({row['shoppers']})"
            question = PURCHASES
        found.append(
            Told(
                ship=ship,
                ndcg=advice.ndcg,
                liked=advice.liked,
                wrong=advice.wrong,
                cost=advice.cost,
                has=has,
                shoppers=row["shoppers"],
                question=question,
            )
        )
    return found


def _by_intervals(results: Results, few: int) -> list[Told]:
    found = []
    for n in results.lengths:
        found.append(_for_length(results, n, results.methods(n), known_items(n)))
    told = {"no pictures": NO_PICTURES, MILLION: VECTORS}
    for has, names in told.items():
        examined = set(results.at(few, variants=True).index)
        there = [name for name in names if name in examined]
        if there:
            told_by = _for_length(results, few, there, has)
            found.append(replace(told_by, question=SPECIAL))
    return found


def _for_length(results: Results, n_history: int, names: list[str], has: str) -> Told:
    rows = results.at(n_history, variants=True).loc[names]
    precision = results.at(n_history, "precision", 5, variants=True)["value"]
    liked = 5 * precision
    ship = simplest_of_best(rows)
    wrong = worst_usual(liked)
    cost = max(liked[ship] - liked[wrong], 0.0)
    ndcg = rows["value"][ship]
    return Told(ship, ndcg, liked[ship], wrong, cost, has, results.shoppers)


def _for_known(results: Results) -> Told:
    values = results.warm["value"]
    ship = simplest_of_best(results.warm)
    wrong = worst_usual(values)
    cost = max(values[ship] - values[wrong], 0.0)
    has = "a history in our own shop"
    return Told(ship, values[ship], np.nan, wrong, cost, has, results.shoppers, OWN_HISTORY)


def _for_purchases(study: pd.DataFrame) -> list[Told]:
    """The method that gains most in real shops that sell no staples and know only purchases.

    Shops in which none of its results is clearly above bestsellers are left out.
    """
    if not len(study):
        return []
    rows = study[study["shop"].isin(OF_PURCHASES)]
    if not len(rows):
        return []
    ship = most_gain(rows)
    is_clear = (rows["recommender"] == ship) & (rows["gain_low"] > 0)
    rows = rows[rows["shop"].isin(rows.loc[is_clear, "shop"])]
    if not len(rows):
        return []
    values = rows.groupby("recommender")["value"].mean()
    wrong = worst_usual(values)
    cost = max(values[ship] - values[wrong], 0.0)
    shops = listed([SHOPS[shop] for shop in OF_PURCHASES if shop in set(rows["shop"])])
    has = f"{shops}, purchases ({REAL})"
    return [Told(ship, values[ship], np.nan, wrong, cost, has, REAL, PURCHASES)]


def simplest_of_best(rows: pd.DataFrame) -> str:
    """The simplest method that the best one does not clearly beat, by intervals alone.

    A method is beaten clearly if it loses more than `NEGLIGIBLE` and its 95% interval ends below
    the best value. That is stricter on the best than a paired test, which metrics.json cannot
    repeat.
    """
    best = rows["value"].max()
    is_level = (rows["value"] >= best - NEGLIGIBLE) | (rows["high"] >= best)
    return min(rows.index[is_level], key=_simplicity)


def _simplicity(name: str) -> tuple[int, str]:
    return simplicity(STANDS_FOR.get(name, name)), name


def advice_table(found: list[Told]) -> pd.DataFrame:
    """The advice as texts, one row per situation."""
    rows = []
    for one in found:
        liked = "–" if pd.isna(one.liked) else f"{one.liked:.1f}"
        rows.append(
            {
                "you have": one.has,
                "ship": called(one.ship),
                "liked of five": liked,
                "being wrong costs": one.price,
            }
        )
    return pd.DataFrame(rows)


def most_gain(study: pd.DataFrame) -> str:
    """The method that gains most over bestsellers, of those that sat most exams.

    A method that sat fewer, perhaps only the easy ones, can't be compared by its mean.
    """
    gains = study[study["recommender"] != FLOOR].groupby("recommender")["gain"]
    n_exams = gains.count()
    return str(gains.mean()[n_exams == n_exams.max()].idxmax())
