"""What to ship, situation by situation, by one rule from the results of a run."""

from dataclasses import dataclass

import pandas as pd

from helpers.report.results import Results, called

NEGLIGIBLE = 0.005
"""NDCG that nobody would notice."""
SIMPLE_FIRST = (
    "Popularity",
    "RecentPopularity",
    "Attributes",
    "Content",
    "ItemKNN",
    "UserKNN",
    "EASE",
    "Bridge",
    "MatrixCompletion",
    "Taste",
    "NeuralCF",
    "TwoTower",
    "Hybrid",
)
"""By what a method takes to explain, run and repair. One that is not named here comes last."""
USUAL = ("Popularity", "ItemKNN", "Content")
"""What a shop would ship without measuring."""


@dataclass(frozen=True)
class Advice:
    """What to ship in one situation.

    Attributes
    ----------
    has : str
        What the shop has, in words.
    ship : str
    ndcg : float
    liked : float
        Of five items shown; NaN where it was not measured.
    wrong : str
        The usual choice that does worst there.
    cost : float
        How much less the wrong choice gets: of five liked items, or of NDCG@10 where that is all
        there is.
    """

    has: str
    ship: str
    ndcg: float
    liked: float
    wrong: str
    cost: float

    @property
    def price(self) -> str:
        """What being wrong costs, in words."""
        if self.wrong == self.ship:
            return "nothing: it is the usual choice"
        if pd.isna(self.liked):
            return f"{self.cost:.2f} NDCG@10 with {called(self.wrong)}"
        return f"{self.cost:.1f} fewer liked with {called(self.wrong)}"


NO_PICTURES = ("Content-text", "Attributes", "Taste", "Bridge", *("UserKNN", "ItemKNN", "EASE"))
"""Methods that never look at a picture."""
VECTORS = ("Content", "TwoTower")
"""Methods whose items are vectors, which an index searches without ranking them all."""


def choice(results: Results, n_history: int) -> str:
    """The method to ship to newcomers with so many liked items."""
    return simplest_of_best(results.at(n_history).loc[results.methods(n_history)])


def advise(results: Results, few: int) -> list[Advice]:
    """One recommendation for each situation that the run examined.

    Parameters
    ----------
    results : Results
    few : int
        Length of the history of shoppers in a shop without pictures, or with a million products.
    """
    found = []
    for n in results.lengths:
        found.append(_for_length(results, n, results.methods(n), _words(n)))
    among = f"{_words(few)}, "
    told = {"no pictures": NO_PICTURES, "a million products": VECTORS}
    for what, names in told.items():
        examined = set(results.at(few, variants=True).index)
        there = [name for name in names if name in examined]
        if there:
            found.append(_for_length(results, few, there, among + what))
    if len(results.warm):
        found.append(_for_known(results))
    return found


def _for_length(results: Results, n_history: int, names: list[str], has: str) -> Advice:
    rows = results.at(n_history, variants=True).loc[names]
    ship = simplest_of_best(rows)
    liked = 5 * results.at(n_history, "precision", 5, variants=True)["value"]
    usual = [name for name in USUAL if name in liked]
    wrong = str(liked[usual].idxmin())
    cost = max(liked[ship] - liked[wrong], 0.0)
    return Advice(has, ship, rows["value"][ship], liked[ship], wrong, cost)


def _words(n_history: int) -> str:
    if n_history == 0:
        return "no liked item"
    return "1 liked item" if n_history == 1 else f"{n_history} liked items"


def _for_known(results: Results) -> Advice:
    rows = results.warm
    ship = simplest_of_best(rows)
    usual = [name for name in USUAL if name in rows.index]
    wrong = str(rows["value"][usual].idxmin())
    cost = max(rows["value"][ship] - rows["value"][wrong], 0.0)
    has = "a history in our own shop"
    return Advice(has, ship, rows["value"][ship], float("nan"), wrong, cost)


def simplest_of_best(rows: pd.DataFrame) -> str:
    """The simplest method that the best one does not clearly beat.

    A method is beaten clearly if it loses more than `NEGLIGIBLE` and its 95 % interval ends below
    the best value. That is stricter on the best than a paired test, which metrics.json cannot
    repeat.
    """
    best = rows["value"].max()
    level = rows[(rows["value"] >= best - NEGLIGIBLE) | (rows["high"] >= best)]
    names = list(level.index)
    return min(names, key=_simplicity)


def _simplicity(name: str) -> tuple[int, str]:
    place = SIMPLE_FIRST.index(name) if name in SIMPLE_FIRST else len(SIMPLE_FIRST)
    return place, name


def advice_table(found: list[Advice]) -> pd.DataFrame:
    """The advice as texts, one row per situation."""
    rows = []
    for one in found:
        liked = "–" if pd.isna(one.liked) else f"{one.liked:.1f}"
        rows.append(
            {
                "the shopper has": one.has,
                "ship": called(one.ship),
                "liked of five": liked,
                "being wrong costs": one.price,
            }
        )
    return pd.DataFrame(rows)
