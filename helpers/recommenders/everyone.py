"""Lists for all shoppers, in partitions: here, or on the machines of a cluster."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.engine import Engine, LocalEngine, cut
from helpers.interactions.matrix import Histories
from helpers.recommenders.base import Recommender

SHOPPERS_PER_PART = 20_000
PARTS_PER_WORKER = 4  # on a cluster, so that no worker waits long for the last one


@dataclass(frozen=True)
class Lists:
    """Makes the lists of some shoppers; travels to a worker.

    Attributes
    ----------
    model : Recommender
        Fitted.
    histories : Histories
        Of everyone.
    k : int
    candidates : (m,) int64 or None
    """

    model: Recommender
    histories: Histories
    k: int
    candidates: np.ndarray | None = None

    def __call__(self, part: pd.DataFrame) -> pd.DataFrame:
        """Take a table with the column `shopper` (positions); return shopper, item and score."""
        shoppers = part["shopper"].to_numpy()
        ids, scores = self.model.recommend(self.histories[shoppers], self.k, self.candidates)
        columns = {
            "shopper": np.repeat(shoppers, self.k),
            "item": ids.ravel(),
            "score": scores.ravel(),
        }
        return pd.DataFrame(columns)


def recommend_all(
    model: Recommender,
    histories: Histories,
    k: int,
    candidates: np.ndarray | None = None,
    engine: Engine | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """As `Recommender.recommend`, in partitions of shoppers.

    What is held at once is the lists, and in each worker the scores of a few shoppers: never all
    shoppers' scores of all items.

    Parameters
    ----------
    engine : Engine, optional
        Where the partitions are computed; by default here.

    Returns
    -------
    ids : (n_shoppers, k) int64
    scores : (n_shoppers, k) float32
    """
    engine = engine or LocalEngine()
    everyone = pd.DataFrame({"shopper": np.arange(len(histories))})
    n_parts = -(-len(histories) // SHOPPERS_PER_PART)
    if engine.n_workers > 1:
        n_parts = max(n_parts, PARTS_PER_WORKER * engine.n_workers)
    found = engine.map(Lists(model, histories, k, candidates), cut(everyone, n_parts))
    table = pd.concat(found, ignore_index=True)
    ids = table["item"].to_numpy(np.int64)
    scores = table["score"].to_numpy(np.float32)
    shape = (len(histories), k)
    return ids.reshape(shape), scores.reshape(shape)
