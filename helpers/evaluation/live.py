"""A real exam that runs in half a minute wherever the course is installed.

Its households come with a Python package, so nothing has to be fetched.
"""

import numpy as np
import pandas as pd

from helpers.embeddings import encode_words, item_vectors
from helpers.evaluation.exam import Exam
from helpers.interactions.loading import DEALT, LogFacts, with_platforms
from helpers.interactions.matrix import REAL, ItemFeatures
from helpers.sample.published import FEWEST_HOUSEHOLDS, groceries

OVERLAP = 0.2  # share of training households kept on both platforms
PURCHASE = 5.0
QUICK_SETTINGS = {
    "MatrixCompletion": {"solver": "ials", "prior": "content"},
    "TwoTower": {"epochs": 10},
    "Hybrid": {"shoppers": 100, "trees": False},
    "NeuralCF": None,
}
"""What fits in a few seconds: fewer passes and fewer practice shoppers for what is trained, no
trees from so few, and no NeuralCF, which knows strangers only as everybody."""


def household_exam(
    seed: int = 7,
    fewest: int = FEWEST_HOUSEHOLDS,
    most: int | None = None,
) -> Exam:
    """Real households of The Complete Journey, whose products are dealt to two platforms.

    Parameters
    ----------
    seed : int
        Of the deal and of who is examined.
    fewest : int
        Households that bought a product. More of them leave fewer products, and a quicker exam.
    most : int or None
        Households, drawn by the seed; None is all.

    Returns
    -------
    Exam
        Items with vectors of their words.
    """
    products, orders = groceries(fewest)
    if most is not None:
        households = np.sort(orders["household"].unique())
        order = np.random.default_rng(seed).permutation(households)
        orders = orders[orders["household"].isin(order[:most])]
    frame = pd.DataFrame(
        {
            "image_key": "groceries/" + products["id"].astype(str),
            "platform": "groceries",
            "title": products["title"],
            "category": products["category"],
            "brand": products["department"],
            "colour": "unknown",
            "description": "",
            "price_usd": products["price"],
        }
    ).reset_index(drop=True)
    image, text, encoder = encode_words(frame)
    items = ItemFeatures(item_vectors(image, text), frame, f"{encoder.name} {encoder.hash}")
    facts = LogFacts(REAL, "A", "B", DEALT, OVERLAP, seed, encoder.name)
    items = with_platforms(items, facts)
    log = pd.DataFrame(
        {
            "user": orders["household"].astype(str),
            "item": "groceries/" + orders["item"].astype(str),
            "rating": PURCHASE,
            "timestamp": orders["time"].astype("datetime64[s]").astype("int64"),
            "event": "purchase",
        }
    )
    platform = items.frame.set_index("image_key")["platform"]
    log = log.assign(platform=log["item"].map(platform))
    sorted_by = ["timestamp", "user", "item"]
    log = log.sort_values(sorted_by, kind="stable", ignore_index=True)
    return Exam("groceries", facts, items, log)
