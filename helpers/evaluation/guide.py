"""What to ship, situation by situation, chosen from measured results by one rule."""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from helpers.evaluation.contenders import simplicity
from helpers.evaluation.significance import bootstrap

NEGLIGIBLE = 0.01
"""NDCG that nobody would notice, and less than another processor or seed may change."""
USUAL_CHOICES = ("Popularity", "ItemKNN", "Content")
"""What a shop would ship without measuring."""


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


def advise(situation: Situation, seed: int = 7) -> Advice:
    """Ship the simplest method that the best one does not clearly beat.

    A method is clearly beaten if it loses more than `NEGLIGIBLE` on average and the paired 95 %
    interval of the loss lies above 0.
    """
    means = situation.ndcg.mean()
    best = str(means.idxmax())
    ship = best
    for name in sorted(means.index, key=simplicity):
        loss = situation.ndcg[best] - situation.ndcg[name]
        mean, low, _ = bootstrap(loss.to_numpy(), seed=seed)
        if mean <= NEGLIGIBLE or low <= 0:
            ship = name
            break
    usual = [name for name in USUAL_CHOICES if name in means]
    if not usual:
        usual = list(means.index)
    wrong = str(situation.liked[usual].idxmin())
    cost = situation.liked[ship] - situation.liked[wrong]
    return Advice(ship, means[ship], situation.liked[ship], wrong, max(cost, 0.0))


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
        cost = f"{advice.cost:.1f} fewer liked with {advice.wrong}"
        if advice.wrong == advice.ship:
            cost = "nothing: it is the usual choice"
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
