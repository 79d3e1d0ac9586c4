"""What to ship, situation by situation, chosen from measured results by one rule."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.evaluation.contenders import simplicity
from helpers.evaluation.significance import bootstrap

NEGLIGIBLE = 0.01
"""NDCG that nobody would notice, and less than another processor or seed may change."""
USUAL_CHOICES = ("Popularity", "ItemKNN", "Content")
"""What a shop would ship without measuring."""
NO_COST = "nothing: it is the usual choice"
FEWER = " fewer liked with "
NUMBER_WORDS = {1: "one", 2: "two", 3: "three", 5: "five", 10: "ten"}


def in_words(n: int) -> str:
    """A small number as a word."""
    return NUMBER_WORDS.get(n, str(n))


def known_items(n: int) -> str:
    """A history length in words: "no history", "one known item", "three known items"."""
    if n == 0:
        return "no history"
    word = in_words(n)
    return f"{word} known item" if n == 1 else f"{word} known items"


@dataclass(frozen=True)
class Situation:
    """What a shop has, and how each method that it could ship did there.

    Attributes
    ----------
    has : str
        In words, for example "three liked items from another shop".
    shoppers : str
        "simulated" or "real".
    ndcg : DataFrame, (n_shoppers, n_methods)
        NDCG@10 of the same shoppers under each method; NaN where undefined.
    liked : Series, (n_methods,)
        Of five items shown, how many are liked on average.
    """

    has: str
    shoppers: str
    ndcg: pd.DataFrame
    liked: pd.Series


@dataclass(frozen=True)
class Advice:
    """What to ship in a situation.

    Attributes
    ----------
    ship : str
    ndcg : float
        NaN where the advice was read from a saved guide, which doesn't tell it.
    liked : float
        Of five items shown.
    wrong : str
        The usual choice that does worst here; where none of them is possible, the worst method.
    cost : float
        How many fewer of five items would be liked with it.
    """

    ship: str
    ndcg: float
    liked: float
    wrong: str
    cost: float

    @property
    def fewer(self) -> float:
        """`cost` as the difference of the two numbers of liked items, each with one decimal.

        So a reader's own subtraction of what is printed gives what is printed.
        """
        return round(self.liked, 1) - round(self.liked - self.cost, 1)


def advise(situation: Situation, seed: int = 7) -> Advice:
    """Ship the simplest method that the best one does not clearly beat.

    A method is clearly beaten if it loses more than `NEGLIGIBLE` on average and the paired 95%
    interval of the loss lies above 0. Nor is a method shipped that is not above the best of the
    simpler ones that are clearly beaten, with an interval that excludes 0: few shoppers, or scores
    that vary, excuse nothing.
    """
    ndcg = situation.ndcg
    means = ndcg.mean()
    best = str(means.idxmax())
    ship = best
    beaten = None  # the best of the simpler ones
    for name in sorted(means.index, key=simplicity):
        if beaten is not None and not _gains(ndcg[name] - ndcg[beaten], seed):
            continue
        loss = ndcg[best] - ndcg[name]
        if loss.mean() <= NEGLIGIBLE or not _gains(loss, seed):
            ship = name
            break
        beaten = name
    wrong = worst_usual(situation.liked[means.index])
    cost = situation.liked[ship] - situation.liked[wrong]
    return Advice(ship, means[ship], situation.liked[ship], wrong, max(cost, 0.0))


def _gains(difference: pd.Series, seed: int) -> bool:
    """Whether the 95% interval of a mean difference over shoppers lies above 0."""
    _, low, _ = bootstrap(difference.to_numpy(), seed=seed)
    return low > 0


def worst_usual(values: pd.Series) -> str:
    """The usual choice with the lowest value; where none is possible, the worst method."""
    usual = [name for name in USUAL_CHOICES if name in values]
    among = values[usual] if usual else values
    return str(among.idxmin())


def guide(situations: Iterable[Situation]) -> pd.DataFrame:
    """One row per situation, as a table to print.

    Returns
    -------
    DataFrame
        Indexed by "you have": "shoppers", "ship", "liked of five", "being wrong costs".
    """
    rows = []
    for situation in situations:
        advice = advise(situation)
        cost = f"{advice.fewer:.1f}{FEWER}{advice.wrong}"
        if advice.wrong == advice.ship:
            cost = NO_COST
        rows.append(
            {
                "you have": situation.has,
                "shoppers": situation.shoppers,
                "ship": advice.ship,
                "liked of five": f"{advice.liked:.1f}",
                "being wrong costs": cost,
            }
        )
    return pd.DataFrame(rows).set_index("you have")


def advice_in(row: dict[str, str]) -> Advice:
    """The advice that a row of `guide` tells, as it was saved."""
    ship = row["ship"]
    wrong = ship
    cost = "0"
    if row["being wrong costs"] != NO_COST:
        cost, _, wrong = row["being wrong costs"].partition(FEWER)
    liked = float(row["liked of five"])
    return Advice(ship, np.nan, liked, wrong, float(cost))
