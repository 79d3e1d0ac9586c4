"""One test shopper with a few liked items, and what some methods show: the picture of the
problem."""

from dataclasses import dataclass

import numpy as np

from helpers import recommenders
from helpers.artefacts import data_dir, require
from helpers.evaluation import load_exam
from helpers.recommenders import Popularity
from helpers.report.results import FLOOR
from helpers.serving.page import embedded

SHOWN = 5
LUCKY = 0.9
"""Quantile of the gain over bestsellers at which the shopper stands: nine in ten gain less or as
much.
"""


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


def one_shopper(
    profile: str,
    names: list[str],
    n_history: int,
) -> OneShopper | None:
    """A simulated shopper with `n_history` liked items that all have pictures.

    None where the shoppers are real, or where no item of the shop has a picture.
    """
    exam = load_exam(profile)
    paths = exam.items.frame["image_path"].fillna("")
    if exam.market is None or not paths.astype(bool).any():
        return None
    split = exam.cross_platform((n_history,))
    histories = split.histories[n_history]
    found = {}
    for name in names:
        model = _fitted(profile, name, split, exam.items)
        ids, _ = model.recommend(histories, SHOWN, split.candidates)
        found[name] = ids
    order = exam.market.items.get_indexer(exam.names)
    chances = exam.market.probability_liked(histories.users)[:, order]
    has_picture = paths.astype(bool).to_numpy()
    shopper = _lucky(found, chances, histories, has_picture)
    return _pictured(profile, exam.items.frame, histories, found, chances, shopper)


def _fitted(profile: str, name: str, split, items):
    """A saved model; bestsellers are counted here."""
    if name == FLOOR:
        return Popularity().fit(split.train, items)
    return recommenders.load(require(profile, "models", "06") / name)


def _pictured(
    profile,
    frame,
    histories,
    found,
    chances,
    shopper: int,
) -> OneShopper:
    """One shopper's history and lists with titles and pictures."""
    root = data_dir(profile)
    titles = frame["title"].to_numpy()
    paths = frame["image_path"].to_numpy()
    history = []
    for item in histories.ratings[shopper].indices:
        picture = embedded(root, paths[item])
        history.append(Picture(titles[item], picture))
    lists: dict[str, list[Picture]] = {name: [] for name in found}
    for name, ids in found.items():
        for item in ids[shopper]:
            picture = embedded(root, paths[item])
            chance = float(chances[shopper, item])
            lists[name].append(Picture(titles[item], picture, chance))
    return OneShopper(history, lists)


def _lucky(found, chances, histories, has_picture: np.ndarray) -> int:
    """Row of a shopper who gains more than nine in ten, with pictures of what is shown."""
    floor, *methods = found
    liked = {}
    for name, ids in found.items():
        of_list = np.take_along_axis(chances, ids, axis=1)
        liked[name] = of_list.sum(axis=1)
    gain = liked[methods[-1]] - liked[floor]
    all_shown = np.array([has_picture[row.indices].all() for row in histories.ratings])
    for name in methods:  # bestsellers are the same for everybody, with a picture or not
        all_shown &= has_picture[found[name]].all(axis=1)
    candidates = np.flatnonzero(all_shown)
    if not len(candidates):
        candidates = np.arange(len(gain))
    wanted = np.quantile(gain[candidates], LUCKY)
    distance = np.abs(gain[candidates] - wanted)
    return int(candidates[distance.argmin()])
