"""The exercises of chapter 04."""

import numpy as np

from helpers.interactions.matrix import LIKED
from helpers.report.checks.judging import Choice, Function, Mistake, Numbers

NEUTRAL = 3.0


def _cosines(vectors, weights):
    total = weights @ vectors
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(total)
    return vectors @ total / np.maximum(lengths, 1e-12)


def rated_scores(item_vectors, ratings):
    """Cosine of every item with the sum of the rated ones, weighted by rating - 3."""
    weights = np.where(ratings > 0, ratings - NEUTRAL, 0)
    return _cosines(item_vectors, weights)


def _unknown_as_dislike(item_vectors, ratings):
    return _cosines(item_vectors, ratings - NEUTRAL)


def _by_rating(item_vectors, ratings):
    return _cosines(item_vectors, ratings)


def _likes_alone(item_vectors, ratings):
    return _cosines(item_vectors, (ratings >= LIKED).astype(float))


def _dot_products(item_vectors, ratings):
    weights = np.where(ratings > 0, ratings - NEUTRAL, 0)
    return item_vectors @ (weights @ item_vectors)


def _cases():
    rng = np.random.default_rng(4)
    shoppers = [
        [5, 0, 1, 0, 4, 0],
        [4, 2, 0, 0, 0, 5],
        [1, 0, 0, 4, 0, 0],
    ]
    cases = []
    for ratings in np.array(shoppers, dtype=float):
        vectors = rng.standard_normal((6, 3))
        cases.append((vectors, ratings))
    return cases


EXERCISES: dict[str, Choice | Function | Numbers] = {
    "04-rated-scores": Function(
        rated_scores,
        inputs=_cases,
        hint="weigh each rated item by its rating minus 3, add them up, and take cosines with that",
        mistakes=[
            Mistake(
                _unknown_as_dislike,
                says="an item that is not rated counts as a strong dislike (0 - 3); "
                "give it weight 0",
            ),
            Mistake(
                _by_rating,
                says="a rating of 1 still pulls towards the item; subtract 3 first",
            ),
            Mistake(_likes_alone, says="dislikes have no effect yet; they should push away"),
            Mistake(
                _dot_products,
                says="these are dot products; divide by both lengths to get cosines",
            ),
        ],
    ),
    "04-falls-most": Choice(
        "dress",
        {
            "warm": "a plain dress has 0 there, so this rating says nothing about warm things "
            "(except through a covariance); look at the standard deviations again",
            "constant": "shoppers differ in their constant, but there is a weight in which they "
            "differ more",
        },
    ),
    "04-pull": Numbers(
        6.0,
        hint="with one item, the weights are x (r - 3) / (λ + x·x): put in the numbers and solve",
        decimals=1,
        mistakes=[
            Mistake(2.0, says="at this λ the weight is 0.5, half of what it is without a pull"),
            Mistake(7.0, says="x·x is 1 + 1 = 2, not 1"),
            Mistake(18.0, says="the rating counts from 3: a 5 is a surprise of 2, not of 5"),
        ],
    ),
}
