"""The exercises of chapter 02."""

import numpy as np

from helpers.report.checks.judging import Choice, Function, Mistake, Numbers


def chance_next(signal, popularity, bias, seen):
    """Probability of each item to be the next that is seen, (n,)."""
    rate = np.exp(bias * (popularity + signal))
    rate = np.where(seen, 0, rate)
    return rate / rate.sum()


def _not_normalized(signal, popularity, bias, seen):
    return np.where(seen, 0, np.exp(bias * (popularity + signal)))


def _seen_again(signal, popularity, bias, seen):
    rate = np.exp(bias * (popularity + signal))
    return rate / rate.sum()


def _zeroed_late(signal, popularity, bias, seen):
    """Seen items get zero after the division, so that the chances sum to less than 1."""
    return np.where(seen, 0, _seen_again(signal, popularity, bias, seen))


def _without_popularity(signal, popularity, bias, seen):
    return chance_next(signal, 0 * popularity, bias, seen)


def _bias_outside(signal, popularity, bias, seen):
    """bias · exp(…): the bias cancels."""
    return chance_next(signal, popularity, 1, seen)


def _shoppers() -> list[tuple]:
    rng = np.random.default_rng(2)
    inputs = []
    for n, bias in ((4, 0.8), (6, 0.0), (9, 2.0)):
        seen = np.arange(n) % 3 == 1
        inputs.append((rng.normal(size=n), rng.normal(size=n), bias, seen))
    return inputs


def hit_rate(lists, bought):
    """Share of the customers who bought at least one item of their list."""
    hits = [len(set(row) & items) > 0 for row, items in zip(lists, bought, strict=True)]
    return np.mean(hits)


def _count_of_hits(lists, bought):
    return hit_rate(lists, bought) * len(bought)


def _share_of_list(lists, bought):
    """Precision: the share of the list, not of the customers."""
    shares = [len(set(row) & items) / len(row) for row, items in zip(lists, bought, strict=True)]
    return np.mean(shares)


def _all_bought(lists, bought):
    """Asks that everything bought is on the list."""
    return np.mean([items <= set(row) for row, items in zip(lists, bought, strict=True)])


def _first_item(lists, bought):
    """Looks at the first item alone."""
    return np.mean([row[0] in items for row, items in zip(lists, bought, strict=True)])


def _customers() -> list[tuple]:
    """Five customers with lists of four items; then two, of whom one bought nothing of the list."""
    five = np.array([[1, 2, 3, 4], [5, 6, 7, 8], [1, 2, 3, 4], [9, 2, 4, 6], [3, 1, 7, 9]])
    bought = [{2, 4, 11}, {1}, {1}, {6, 2, 4}, {8, 5}]
    return [(five, bought), (five[:2], bought[:2])]


EXERCISES: dict[str, Choice | Function | Numbers] = {
    "02-exposure": Function(
        chance_next,
        _shoppers,
        "the rate of an item is exp(bias · (popularity + signal)), and 0 if it was seen before",
        mistakes=[
            Mistake(_not_normalized, "these are rates; probabilities sum to 1"),
            Mistake(_seen_again, "an item that was seen before cannot be the next"),
            Mistake(_zeroed_late, "the probabilities sum to less than 1: remove seen items first"),
            Mistake(_without_popularity, "popular items are seen more often, too"),
            Mistake(_bias_outside, "the bias belongs into the exponent, otherwise it cancels"),
        ],
    ),
    "02-noise": Choice(
        "falls",
        {
            "rises": "that would be right for a garment below the cut; this one is above it",
            "stays": "compute norm.cdf(0.5 / sigma) for sigma = 0.5 and for sigma = 1",
        },
    ),
    "02-pairs": Numbers(
        4,
        "count the pairs for a density and for its double, and divide",
        decimals=0,
        mistakes=[
            Mistake(2, "that is the factor of the ratings; pairs grow faster"),
            Mistake(16, "that is the factor when the density grows fourfold"),
            Mistake(0.25, "divide the larger number by the smaller"),
        ],
    ),
    "02-hit-rate": Function(
        hit_rate,
        _customers,
        "a customer counts as 1 if any item of the list was bought, and as 0 if none was",
        mistakes=[
            Mistake(_count_of_hits, "that is how many customers; divide by the number of all"),
            Mistake(_share_of_list, "that is the precision; one bought item on the list is enough"),
            Mistake(_all_bought, "one bought item on the list is enough; not all have to be there"),
            Mistake(_first_item, "the bought item may stand anywhere on the list"),
        ],
    ),
    "02-second-place": Numbers(
        0.63,
        "divide what a liked item in second place is worth by what the best list collects",
        decimals=2,
        mistakes=[
            Mistake(0.5, "that is one half, the reciprocal of the place; NDCG takes a logarithm"),
            Mistake(1.0, "that would be the first place"),
            Mistake(0.39, "the best list has one liked item only, because one was bought"),
        ],
    ),
    "02-shuffle": Choice(
        "items",
        {
            "pairs": "two items that one customer bought now go to two customers",
            "customers": "a row keeps its item; the customer is drawn anew",
        },
    ),
}
