"""Exercises of chapter 04: right answers pass, and each common mistake gets its own sentence."""

import numpy as np
import pytest

from helpers.report.checks import feedback


def cosines(vectors, weights):
    total = np.asarray(weights, float) @ vectors
    return vectors @ total / (np.linalg.norm(vectors, axis=1) * np.linalg.norm(total))


def right(vectors, ratings):
    weights = [rating - 3 if rating else 0 for rating in ratings]
    return cosines(vectors, weights)


def test_right_answers():
    assert feedback("04-rated-scores", right) == "correct"
    assert feedback("04-falls-most", "Dress") == "correct"
    assert feedback("04-pull", 6) == "correct"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda z, r: cosines(z, r - 3), "not rated counts as a strong dislike"),
        (lambda z, r: cosines(z, r), "a rating of 1 still pulls"),
        (lambda z, r: cosines(z, r >= 4), "dislikes have no effect"),
        (lambda z, r: z @ (np.where(r > 0, r - 3, 0) @ z), "these are dot products"),
        (lambda z, r: -right(z, r), "wrong sign"),
        (lambda z, r: right(z, r) ** 3, "weigh each rated item"),
        (lambda z, r: right(z, r)[0], "return 6 numbers; the function returns one number"),
        (lambda z, r: right(z, r)[None], "return 6 numbers; the function returns an array"),
        (lambda z: z, "the function raised TypeError"),
        (lambda z, r: None, "returns nothing yet"),
        (right(np.eye(3), [5, 1, 4]), "give the function itself"),
    ],
)
def test_wrong_functions(answer, says):
    assert says in feedback("04-rated-scores", answer)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("warm", "says nothing about warm things"),
        ("constant", "differ more"),
        ("gown", "answer with one of 'constant', 'dress', 'warm'"),
        (0, "this is a number"),
        (["dress"], "this is a list"),
    ],
)
def test_wrong_predictions(answer, says):
    assert says in feedback("04-falls-most", answer)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (2, "the weight is 0.5"),
        (7, "x·x is 1 + 1"),
        (18, "counts from 3"),
        (0.25, "put in the numbers"),
        ([6.0], "give one number"),
        ("6", "leave out the quotes"),
    ],
)
def test_wrong_pulls(answer, says):
    assert says in feedback("04-pull", answer)
