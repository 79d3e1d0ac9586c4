"""Exercises of chapter 07: right answers pass in any form, common wrong ones get their own
sentence.
"""

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from helpers.report.checks import feedback
from helpers.report.checks.compare import EXERCISES
from helpers.report.checks.judging import CORRECT, TO_DO


def by_scikit_learn(shown_grades, all_grades, k):
    """scikit-learn's NDCG: the shown items first, the other candidates after them."""
    rest = list(all_grades)
    for grade in shown_grades:
        rest.remove(grade)
    grades = np.array([[*shown_grades, *rest]], dtype=float)
    scores = -np.arange(grades.shape[1], dtype=float)[None]
    return ndcg_score(grades, scores, k=k)


def with_loops(shown_grades, all_grades, k):
    total = 0.0
    for position, grade in enumerate(shown_grades[:k], start=1):
        total += grade / np.log2(position + 1)
    best = 0.0
    for position, grade in enumerate(sorted(all_grades, reverse=True)[:k], start=1):
        best += grade / np.log2(position + 1)
    return total / best


@pytest.mark.parametrize("function", [by_scikit_learn, with_loops])
def test_a_right_ndcg_passes(function):
    assert feedback("07-ndcg", function) == CORRECT


def test_the_stub_is_to_do():
    def graded_ndcg(shown_grades, all_grades, k):
        raise NotImplementedError

    assert feedback("07-ndcg", graded_ndcg) == TO_DO


def earned(grades):
    return sum(grade / np.log2(place + 2) for place, grade in enumerate(grades))


WRONG_NDCG = {
    "best of the shown": (
        lambda shown, every, k: earned(shown[:k]) / earned(sorted(shown)[::-1][:k]),
        "made of all candidates",
    ),
    "not divided": (lambda shown, every, k: earned(shown[:k]), "divide by"),
    "k is ignored": (
        lambda shown, every, k: earned(shown) / earned(sorted(every)[::-1][: len(shown)]),
        "only the first k",
    ),
    "best list not cut": (
        lambda shown, every, k: earned(shown[:k]) / earned(sorted(every)[::-1]),
        "has only k positions",
    ),
    "yes or no": (
        lambda shown, every, k: with_loops(1 * (shown > 0), 1 * (every > 0), k),
        "twice as much",
    ),
    "precision": (lambda shown, every, k: (shown[:k] > 0).mean(), "earn grade"),
    "a list": (lambda shown, every, k: shown, "one number"),
}


@pytest.mark.parametrize("mistake", WRONG_NDCG)
def test_a_wrong_ndcg_gets_its_own_sentence(mistake):
    function, said = WRONG_NDCG[mistake]
    answer = feedback("07-ndcg", function)
    assert answer.startswith("not yet") and said in answer


@pytest.mark.parametrize(
    ("exercise", "right"),
    [("07-interval", (5, 5.0, np.float32(5))), ("07-pairing", (0.9, 0.90))],
)
def test_right_numbers_pass(exercise, right):
    assert {feedback(exercise, answer) for answer in right} == {CORRECT}


@pytest.mark.parametrize(
    ("exercise", "answer", "said"),
    [
        ("07-interval", 25, "square root"),
        ("07-interval", 0.2, "turn it around"),
        ("07-interval", 1, "narrower"),
        ("07-interval", 10, "square root"),
        ("07-interval", [5, 5], "one number"),
        ("07-interval", "5", "one number"),
        ("07-pairing", 0, "nothing in common"),
        ("07-pairing", 0.5, "other two"),
        ("07-pairing", 90, "90 is a percentage"),
        ("07-pairing", 0.7, "run the cell"),
        ("07-interval", 31.6, "root of 1,000 / 40"),
        ("07-interval", 6.3, "root of 1,000 / 40"),
        ("07-pairing", [], "one number"),
        ("07-pairing", "0.9", "one number"),
    ],
)
def test_wrong_numbers_get_a_sentence(exercise, answer, said):
    judged = feedback(exercise, answer)
    assert judged.startswith("not yet") and said in judged


def test_every_exercise_of_the_chapter_is_tested():
    elsewhere = {"07-ips"}  # tests/report/test_checks_online.py
    assert set(EXERCISES) == {"07-ndcg", "07-interval", "07-pairing", *elsewhere}
