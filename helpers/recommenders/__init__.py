"""Chapters 03-06: the recommenders, one file a method, one contract (`base.Recommender`) for all.

The public names are imported when first asked for, so that a method that needs no torch doesn't
load it.
"""

import importlib
import json
from pathlib import Path

from helpers.interactions.matrix import LIKED
from helpers.recommenders.base import Recommender

_MODULES = {
    "Random": "baselines",
    "Popularity": "baselines",
    "RecentPopularity": "baselines",
    "SeasonalPopularity": "seasonal",
    "Oracle": "baselines",
    "UserKNN": "neighbors",
    "ItemKNN": "neighbors",
    "EASE": "ease",
    "NeuralCF": "neural_cf",
    "Content": "content",
    "Attributes": "attributes",
    "Taste": "taste",
    "Bridge": "bridge",
    "RandomWalk": "walk",
    "WordWalk": "walk",
    "MatrixCompletion": "completion",
    "DeckTowers": "deck",
    "TwoTower": "two_tower",
    "Hybrid": "hybrid",
}
__all__ = ["LIKED", "Recommender", "load", "load_all", *_MODULES]


def __getattr__(name: str):
    if name not in _MODULES:
        raise AttributeError(f"helpers.recommenders has no {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(f"helpers.recommenders.{_MODULES[name]}"), name)


def __dir__():
    return sorted(__all__)


def load(path: str | Path) -> Recommender:
    """Read a recommender of any public class from what `save(path)` wrote (`path` without suffix).

    Raises
    ------
    FileNotFoundError
        If `path`.json isn't there.
    ValueError
        If it names a class that isn't one of the course's; nothing else is ever imported.
    """
    name = json.loads(Path(f"{path}.json").read_text(encoding="utf-8")).get("class")
    if name not in _MODULES:
        raise ValueError(f"{path}.json names class {name!r}; known are {', '.join(_MODULES)}")
    return __getattr__(name).load(path)


def load_all(folder: str | Path) -> dict[str, Recommender]:
    """Every recommender saved in `folder`, by file name ("ItemKNN", "ItemKNN-pearson", …),
    sorted."""
    names = sorted(head.name[: -len(".json")] for head in Path(folder).glob("*.json"))
    return {name: load(Path(folder) / name) for name in names}
