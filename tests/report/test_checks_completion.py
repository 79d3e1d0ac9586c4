"""Exercises of chapter 05: the right answer passes, and wrong ones learn what is wrong."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from helpers.report.checks import feedback
from helpers.report.checks.judging import CORRECT

STEP = "05-shopper-step"


def by_library(ratings, Q, b_item, mu, reg):
    """The right answer from scikit-learn."""
    known = ratings > 0
    if not known.any():
        return np.zeros(1 + Q.shape[1])
    A = np.column_stack([np.ones(known.sum()), Q[known]])
    ridge = Ridge(alpha=reg, fit_intercept=False)
    return ridge.fit(A, ratings[known] - mu - b_item[known]).coef_


def solved(A, target, reg):
    return np.linalg.solve(A.T @ A + reg * np.eye(A.shape[1]), A.T @ target)


def ones(Q):
    return np.column_stack([np.ones(len(Q)), Q])


def unknown_as_zero(ratings, Q, b_item, mu, reg):
    return solved(ones(Q), ratings - mu - b_item, reg)


def no_item_offsets(ratings, Q, b_item, mu, reg):
    known = ratings > 0
    return solved(ones(Q[known]), ratings[known] - mu, reg)


def no_mean(ratings, Q, b_item, mu, reg):
    known = ratings > 0
    return solved(ones(Q[known]), ratings[known] - b_item[known], reg)


def no_penalty(ratings, Q, b_item, mu, reg):
    known = ratings > 0
    target = ratings[known] - mu - b_item[known]
    return np.linalg.lstsq(ones(Q[known]), target, rcond=None)[0]


def offset_last(ratings, Q, b_item, mu, reg):
    return np.roll(by_library(ratings, Q, b_item, mu, reg), -1)


def no_offset_at_all(ratings, Q, b_item, mu, reg):
    return by_library(ratings, Q, b_item, mu, reg)[1:]


def test_right_answers():
    assert feedback(STEP, by_library) == CORRECT
    assert feedback("05-penalty", "Down") == CORRECT
    assert feedback("05-recovery", 0.3) == CORRECT


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (unknown_as_zero, "unknown ratings"),
        (no_item_offsets, "item offsets"),
        (no_mean, "the mean mu"),
        (no_penalty, "penalty reg is missing"),
        (offset_last, "offset first"),
        (no_offset_at_all, "return 3 numbers"),
        (lambda *arguments: 1 / 0, "raised ZeroDivisionError"),
    ],
)
def test_wrong_functions(wrong, said):
    answer = feedback(STEP, wrong)
    assert answer.startswith("not yet: ")
    assert said in answer


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("up", "to zero"),
        ("stay", "denominator"),
        ("left", "answer with one of"),
        (2.67, "this is a number"),
        ({"down"}, "this is a set"),
    ],
)
def test_wrong_directions(wrong, said):
    assert said in feedback("05-penalty", wrong)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (30, "not a percentage"),
        (0.11, "free numbers"),
        (0.5, "a smaller share"),
        (0.4, "a smaller share"),
        (0.2, "far above 0.05"),
        (0.6, "run recovery_error"),
        ([0.3], "give one number"),
    ],
)
def test_wrong_shares(wrong, said):
    assert said in feedback("05-recovery", wrong)
