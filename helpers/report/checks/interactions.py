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
}
