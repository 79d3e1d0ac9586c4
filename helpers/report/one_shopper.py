"""One test shopper with a few liked items, and what some methods show: the picture of the
problem."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers import recommenders
from helpers.artefacts import data_dir, require
from helpers.evaluation import load_exam
from helpers.recommenders import Popularity
from helpers.report.results import FLOOR
from helpers.serving.page import embedded

SHOWN = 5
TYPICAL = 0.9
"""Quantile of the gain over bestsellers at which the shopper stands: helped, not the luckiest."""


@dataclass(frozen=True)
class Picture:
    """An item of the picture.

    Attributes
    ----------
    title, picture : str
        `picture` is a data URI, empty where there is none.
    chance : float or None
        The simulator's probability that the shopper likes it; None in the history.
    """

    title: str
    picture: str
    chance: float | None = None


@dataclass(frozen=True)
class OneShopper:
    """A shopper's history and the methods' lists.

    Attributes
    ----------
    history : list of Picture
    lists : dict of str to list of Picture
    """

    history: list[Picture]
    lists: dict[str, list[Picture]]

    def liked(self, name: str) -> float:
        """How many of a method's items the shopper likes, expected."""
        return sum(item.chance or 0.0 for item in self.lists[name])


def one_shopper(profile: str, names: list[str], n_history: int) -> OneShopper | None:
    """A simulated shopper with `n_history` liked items that all have pictures.

    None where the shoppers are real, or where no item of the shop has a picture.
    """
    exam = load_exam(profile)
    if exam.market is None or not exam.items.frame["image_path"].fillna("").astype(bool).any():
        return None
    split = exam.cross_platform((n_history,))
    histories = split.histories[n_history]
    folder = require(profile, "models", "06")
    found = {}
    for name in names:
        if name == FLOOR:
            model = Popularity().fit(split.train, exam.items)
        else:
            model = recommenders.load(folder / name)
        found[name] = model.recommend(histories, SHOWN, split.candidates)[0]
    order = exam.market.items.get_indexer(exam.names)
    chances = exam.market.probability_liked(histories.users)[:, order]
    shopper = _typical(found, chances, histories, exam.items.frame, names)
    root = data_dir(profile)
    frame = exam.items.frame

    def picture(item: int, chance: float | None = None) -> Picture:
        return Picture(
            frame["title"].iloc[item], embedded(root, frame["image_path"].iloc[item]), chance
        )

    history = [picture(int(item)) for item in histories.ratings[shopper].indices]
    lists = {}
    for name, ids in found.items():
        lists[name] = [picture(int(item), float(chances[shopper, item])) for item in ids[shopper]]
    return OneShopper(history, lists)


def _typical(found, chances, histories, frame: pd.DataFrame, names: list[str]) -> int:
    """Row of the shopper: at a high quantile of the gain, with pictures of what is shown."""
    has_picture = frame["image_path"].fillna("").astype(bool).to_numpy()
    liked = {
        name: np.take_along_axis(chances, ids, axis=1).sum(axis=1) for name, ids in found.items()
    }
    gain = liked[names[-1]] - liked[names[0]]
    all_shown = np.array([has_picture[row.indices].all() for row in histories.ratings])
    for name in names[1:]:  # bestsellers are the same for everybody, with a picture or not
        all_shown &= has_picture[found[name]].all(axis=1)
    candidates = np.flatnonzero(all_shown)
    if not len(candidates):
        candidates = np.arange(len(gain))
    wanted = np.quantile(gain[candidates], TYPICAL)
    return int(candidates[np.abs(gain[candidates] - wanted).argmin()])
