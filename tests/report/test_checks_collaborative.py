"""Exercises of chapter 03: the right answer passes, and wrong ones learn what is wrong."""

import numpy as np
import pytest

from helpers.report.checks import feedback
from helpers.report.checks.collaborative import user_scores
from helpers.report.checks.judging import CORRECT

SCORES = "03-user-scores"


def by_loop(X, x, k):
    """The right answer written another way: neighbor by neighbor."""
    cosines = [row @ x / max(np.sqrt(row @ row) * np.sqrt(x @ x), 1e-12) for row in X]
    scores = np.zeros(len(x))
    for v in sorted(range(len(X)), key=lambda v: -cosines[v])[:k]:
        scores += cosines[v] * X[v]
    return scores


def cosines(X, x):
    return X @ x / np.maximum(np.linalg.norm(X, axis=1) * np.linalg.norm(x), 1e-12)


def dot_products(X, x, k):
    similarity = X @ x
    nearest = np.argsort(-similarity, kind="stable")[:k]
    return similarity[nearest] @ X[nearest]


def all_shoppers(X, x, k):
    return cosines(X, x) @ X


def no_weights(X, x, k):
    return X[np.argsort(-cosines(X, x), kind="stable")[:k]].sum(axis=0)


def averages(X, x, k):
    return by_loop(X, x, k) / np.sort(cosines(X, x))[-k:].sum()


def least_similar(X, x, k):
    nearest = np.argsort(cosines(X, x), kind="stable")[:k]
    return cosines(X, x)[nearest] @ X[nearest]


def test_right_answers():
    assert feedback(SCORES, by_loop) == CORRECT
    assert feedback("03-coat", "up") == CORRECT
    assert feedback("03-crossing", 6.7) == feedback("03-crossing", 6.67) == CORRECT


def test_gus_gets_the_hoodie_as_the_chapter_says():
    X = np.array(
        [
            [1, 1, 1, 0, 0, 0],
            [1, 1, 1, 0, 0, 1],
            [1, 1, 0, 0, 0, 0],
            [1, 0, 0, 1, 1, 0],
            [0, 0, 0, 1, 1, 1],
            [0, 0, 0, 1, 1, 0],
        ]
    )
    gus = np.array([1, 0, 0, 1, 0, 0])
    scores = user_scores(X, gus, k=2)
    assert np.argmax(np.where(gus > 0, -1, scores)) == 4


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (dot_products, "dot product"),
        (all_shoppers, "k most similar"),
        (no_weights, "as much as its cosine"),
        (averages, "that is an average"),
        (least_similar, "least similar"),
        (lambda X, x, k: by_loop(X, x, k)[:3], "return 12 numbers"),
        (lambda X, x, k: X[k + 100], "raised IndexError"),
    ],
)
def test_wrong_functions(wrong, said):
    answer = feedback(SCORES, wrong)
    assert answer.startswith("not yet: ")
    assert said in answer


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("down", "grows more"),
        ("stay", "both cosines"),
        ("sideways", "answer with one of"),
        (4.3, "this is a number"),
        (["up"], "this is a list"),
    ],
)
def test_wrong_directions(wrong, said):
    assert said in feedback("03-coat", wrong)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (20, "the chapter's s"),
        (5, "the first pair counts half"),
        (40, "the second pair counts half"),
        (0, "equal to"),
        ([6.7], "give one number"),
        ("6.7", "leave out the quotes"),
    ],
)
def test_wrong_crossings(wrong, said):
    assert said in feedback("03-crossing", wrong)
