"""Who is examined: every method of the course by one name, as its chapter left it or fitted here.

A new method takes one file in `helpers/recommenders` and one line in that package's `_MODULES`.
It is then fitted with its defaults in chapter 07, and stands in its tables, figures and slides.
"""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from helpers import recommenders
from helpers.interactions.matrix import ItemFeatures
from helpers.interactions.splits import Split
from helpers.recommenders.base import Recommender

FLOORS = ("Popularity", "RecentPopularity")
OF_THE_BLEND = ("SeasonalPopularity", "RandomWalk", "WordWalk")
NOT_COMPARED = ("Random", *FLOORS, *OF_THE_BLEND, "Oracle", "DeckTowers")
"""Chance, floors, parts of the blend that no chapter teaches, the ceiling, and the model that
stands in tables as `TwoTower-deck`."""
STANDS_FOR = {"MatrixCompletion": "MatrixCompletion-content"}
"""The variant that is a method's best, where it isn't the one with the plain name."""
OF_PURCHASES = {
    "MatrixCompletion": "MatrixCompletion-ials-content",
    "NeuralCF": "NeuralCF-bce",
}
"""What a chapter saved in a method's place where the log holds purchases and no ratings."""
SIMPLE_FIRST = (
    "Popularity",
    "RecentPopularity",
    "Attributes",
    "Content",
    "Content-text",
    "ItemKNN",
    "UserKNN",
    "EASE",
    "Bridge",
    "MatrixCompletion-content",
    "Taste",
    "NeuralCF",
    "TwoTower",
    "Hybrid",
)
"""By what they take to explain, run and repair. A method that is not named here comes last."""
IN_TURN = ("NeuralCF", "TwoTower", "DeckTowers", "Hybrid")
"""Methods that draw from torch's one stream of random numbers, or may have a member that does."""
FLOOR = "shows everyone the same"
PEOPLE = "learns who liked what"
ITEMS = "reads the items"
BLEND = "blends both"


@dataclass(frozen=True)
class Contenders:
    """Fitted methods.

    Attributes
    ----------
    models : dict of str to Recommender
        Every method of the course once, floors first.
    family : dict of str to str
        What each method learns from: FLOOR, PEOPLE, ITEMS or BLEND.
    """

    models: dict[str, Recommender]
    family: dict[str, str]


def method_names() -> list[str]:
    """The public names of the methods that are compared, in the order in which they are taught."""
    names = []
    for name in recommenders.__all__:
        found = getattr(recommenders, name)
        is_method = isinstance(found, type) and issubclass(found, Recommender)
        if is_method and found is not Recommender and name not in NOT_COMPARED:
            names.append(name)
    return names


def contenders(
    saved: dict[str, Recommender],
    split: Split,
    items: ItemFeatures,
    settings: dict[str, dict[str, Any] | None] | None = None,
) -> Contenders:
    """Every method once: as a chapter saved it or, where none did, fitted here.

    Parameters
    ----------
    saved : dict of str to Recommender
        As `load_all` reads them.
    split : Split
        Its training log is learned from.
    items : ItemFeatures
    settings : dict of str to (dict or None), optional
        Arguments of methods that are fitted here, by class name; by default their own defaults.
        None leaves a method out.
    """
    if settings is None:
        settings = {}
    models = {"Popularity": recommenders.Popularity()}
    if split.train.times is not None:
        models["RecentPopularity"] = recommenders.RecentPopularity()
    for model in models.values():
        model.fit(split.train, items)
    for method in method_names():
        chosen = settings.get(method, {})
        if chosen is None:
            continue
        name, model = _saved_of(method, saved)
        if model is None:
            if "prior" not in chosen:
                name = method
            model = getattr(recommenders, method)(**chosen)
            model.fit(split.train, items)
        models[name] = model
    family = {name: family_of(model) for name, model in models.items()}
    return Contenders(models, family)


def _saved_of(method: str, saved: dict[str, Recommender]) -> tuple[str, Recommender | None]:
    """A method's name in tables, and what a chapter saved of it."""
    name = STANDS_FOR.get(method, method)
    for known in (name, method):
        if known in saved:
            return known, saved[known]
    return name, saved.get(OF_PURCHASES.get(method, ""))


def again(
    models: dict[str, Recommender],
    names: Iterable[str],
    split: Split,
    items: ItemFeatures | None,
    settings: dict[str, dict[str, Any]] | None = None,
) -> dict[str, Recommender]:
    """The named methods, fitted on another training log.

    They are fitted side by side on the cores that there are, those of `IN_TURN` one after another.

    Parameters
    ----------
    models : dict of str to Recommender
    names : iterable of str
        Those that are not in `models` are left out.
    split : Split
        Its training log is learned from.
    items : ItemFeatures or None
    settings : dict of str to dict, optional
        By name, the arguments in which a method differs from the one in `models`.
    """
    if settings is None:
        settings = {}
    wanted = [name for name in names if name in models]
    in_turn = [name for name in wanted if type(models[name]).__name__ in IN_TURN]
    lanes = [in_turn]
    lanes += [[name] for name in wanted if name not in in_turn]

    def fit(lane: list[str]) -> list[Recommender]:
        fitted = []
        for name in lane:
            arguments = models[name].parameters() | settings.get(name, {})
            fresh = type(models[name])(**arguments)
            fitted.append(fresh.fit(split.train, items))
        return fitted

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(fit, lanes)
    by_name: dict[str, Recommender] = {}
    for lane, fitted in zip(lanes, found, strict=True):
        by_name |= dict(zip(lane, fitted, strict=True))
    return {name: by_name[name] for name in wanted}


def family_of(model: Recommender) -> str:
    """What a method learns from."""
    name = type(model).__name__
    if name in FLOORS:
        return FLOOR
    if name == "Hybrid":
        return BLEND
    return ITEMS if model.handles_cold_items else PEOPLE


def simplicity(name: str) -> int:
    """The place of a method when the simplest comes first."""
    if name in SIMPLE_FIRST:
        return SIMPLE_FIRST.index(name)
    return len(SIMPLE_FIRST)
