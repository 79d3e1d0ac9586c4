"""Exercises of chapter 02: right answers pass, and each usual mistake gets its own sentence."""

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import norm

from helpers.report.checks import feedback
from helpers.report.checks.interactions import chance_next
from helpers.report.checks.judging import CORRECT


def by_softmax(signal, popularity, bias, seen):
    """The same probabilities from scipy."""
    return softmax(np.where(seen, -np.inf, bias * (popularity + signal)))


def all_alike(signal, popularity, bias, seen):
    return np.where(seen, 0, 1) / np.sum(~seen)


def one_short(signal, popularity, bias, seen):
    return by_softmax(signal, popularity, bias, seen)[1:]


def rates(signal, popularity, bias, seen):
    return np.where(seen, 0, np.exp(bias * (popularity + signal)))


def again(signal, popularity, bias, seen):
    return softmax(bias * (popularity + signal))


def too_little(signal, popularity, bias, seen):
    return np.where(seen, 0, again(signal, popularity, bias, seen))


def taste_alone(signal, popularity, bias, seen):
    return by_softmax(signal, 0 * popularity, bias, seen)


def bias_cancels(signal, popularity, bias, seen):
    return by_softmax(signal, popularity, 1, seen)


def changes_what_it_is_given(signal, popularity, bias, seen):
    signal[:] = 0
    return signal


@pytest.mark.parametrize(
    "answer, said",
    [
        (by_softmax, CORRECT),
        (rates, "sum to 1"),
        (again, "cannot be the next"),
        (too_little, "less than 1"),
        (taste_alone, "popular items"),
        (bias_cancels, "exponent"),
        (all_alike, "the rate of an item"),
        (changes_what_it_is_given, "the rate of an item"),
        (one_short, "4 numbers; the function returns a list of 3"),
        (lambda *arguments: "often", "the function returns a text"),
        (lambda *arguments: 1 / 0, "ZeroDivisionError"),
        (0.25, "the function itself"),
        (lambda *arguments: ..., "to do"),
    ],
)
def test_exposure(answer, said):
    assert said in feedback("02-exposure", answer)


def test_the_reference_is_a_draw_without_replacement():
    """numpy's own draw without replacement, given the same rates."""
    rng = np.random.default_rng(5)
    signal = np.array([0.3, -0.5, 1.0, 0.1])
    popularity = np.array([0.0, 1.2, -0.4, 0.5])
    rate = np.exp(0.8 * (signal + popularity))
    draws = [rng.choice(4, 2, replace=False, p=rate / rate.sum()) for _ in range(40_000)]
    second = np.array([later for first, later in draws if first == 2])
    seen = np.arange(4) == 2
    found = np.bincount(second, minlength=4) / len(second)
    np.testing.assert_allclose(found, chance_next(signal, popularity, 0.8, seen), atol=0.02)


@pytest.mark.parametrize(
    "answer, said",
    [
        ("falls", CORRECT),
        (" Falls ", CORRECT),
        ("rises", "below the cut"),
        ("stays", "compute"),
        ("doubles", "one of"),
        (0.69, "one of"),
        ([], "one of"),
        (..., "to do"),
    ],
)
def test_noise(answer, said):
    assert said in feedback("02-noise", answer)


def test_the_chance_does_fall():
    assert norm.cdf(0.5 / 1.0) < norm.cdf(0.5 / 0.5)


@pytest.mark.parametrize(
    "answer, said",
    [
        (4, CORRECT),
        (np.float32(4), CORRECT),
        (2, "pairs grow faster"),
        (16, "fourfold"),
        (0.25, "larger number by the smaller"),
        (3, "count the pairs"),
        ([4, 4], "one number"),
        ("four", "one number"),
        (None, "to do"),
    ],
)
def test_pairs(answer, said):
    assert said in feedback("02-pairs", answer)


def any_of_the_list(lists, bought):
    """The same share, by sets that have nothing in common."""
    return 1 - np.mean([items.isdisjoint(row) for row, items in zip(lists, bought, strict=True)])


def how_many(lists, bought):
    return sum(not items.isdisjoint(row) for row, items in zip(lists, bought, strict=True))


def share_of_the_list(lists, bought):
    return np.mean([np.isin(row, list(items)) for row, items in zip(lists, bought, strict=True)])


def everything(lists, bought):
    return np.mean([items.issubset(row) for row, items in zip(lists, bought, strict=True)])


def at_the_top(lists, bought):
    return np.mean([row[0] in items for row, items in zip(lists, bought, strict=True)])


@pytest.mark.parametrize(
    "answer, said",
    [
        (any_of_the_list, CORRECT),
        (how_many, "divide by the number"),
        (share_of_the_list, "precision"),
        (everything, "not all have to be"),
        (at_the_top, "anywhere on the list"),
        (lambda lists, bought: 0.0, "any item of the list"),
        (lambda lists, bought: lists, "the function returns"),
        (lambda *arguments: 1 / 0, "ZeroDivisionError"),
        (0.6, "the function itself"),
        (lambda *arguments: ..., "to do"),
    ],
)
def test_hit_rate(answer, said):
    assert said in feedback("02-hit-rate", answer)


@pytest.mark.parametrize(
    "answer, said",
    [
        (0.63, CORRECT),
        (1 / np.log2(3), CORRECT),
        (0.5, "reciprocal"),
        (1, "first place"),
        (0.39, "one was bought"),
        (0.7, "divide what"),
        ([0.63, 1], "one number"),
        ("high", "one number"),
        (..., "to do"),
    ],
)
def test_second_place(answer, said):
    assert said in feedback("02-second-place", answer)


@pytest.mark.parametrize(
    "answer, said",
    [
        ("items", CORRECT),
        ("pairs", "two customers"),
        ("customers", "drawn anew"),
        ("nothing", "one of"),
        (3, "one of"),
        ([], "one of"),
        (..., "to do"),
    ],
)
def test_shuffle(answer, said):
    assert said in feedback("02-shuffle", answer)
