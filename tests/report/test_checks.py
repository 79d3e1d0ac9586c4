"""Exercises: each check answers every value with a sentence, and knows wrong answers."""

import numpy as np
import pandas as pd
import pytest

from helpers.report.checks import CHAPTERS, exercises_of, feedback
from helpers.report.checks.judging import CORRECT, Choice, Function, Mistake, Numbers

ODD_ANSWERS = [
    [],
    "",
    "a word",
    0,
    -1.0,
    float("nan"),
    float("inf"),
    [1, 2, 3],
    [[1, 2], [3]],
    {"a": 1},
    {1, 2},
    object(),
    pd.Series([1.0, 2.0]),
    pd.DataFrame({"a": ["x"]}),
    np.zeros((2, 0)),
    True,
    10**400,
    lambda *arguments: None,
    lambda: 1,
    print,
]

EXERCISES = {}
for chapter in CHAPTERS:
    EXERCISES |= exercises_of(chapter)
half = Numbers(0.5, hint="count again", mistakes=[Mistake(50, says="give a share")])
two = Numbers([1.0, 2.0], hint="count again")
more = Choice("more", {"more": "", "less": "look at the last column"})


def doubled(numbers):
    return 2 * numbers


double = Function(
    doubled,
    inputs=lambda: [(np.array([1.0, 2.0]),)],
    hint="multiply by two",
    mistakes=[Mistake(lambda numbers: numbers**2, says="that is the square")],
)


@pytest.mark.parametrize("judge", [half, two, more, double, *EXERCISES.values()])
@pytest.mark.parametrize("answer", ODD_ANSWERS, ids=range(len(ODD_ANSWERS)))
def test_any_answer_gets_a_sentence(judge, answer):
    said = judge.judge(answer)
    assert said == CORRECT or said.startswith(("not yet: ", "to do: "))


@pytest.mark.parametrize("judge", [half, two, more, double, *EXERCISES.values()])
def test_nothing_answered_is_to_do(judge):
    assert judge.judge(None).startswith("to do")
    assert judge.judge(...).startswith("to do")


def test_numbers_may_be_rounded_but_not_have_another_shape():
    assert half.judge(0.5) == half.judge(np.float32(0.504)) == CORRECT
    assert half.judge(0.52) == "not yet: count again"
    assert half.judge([0.5]) == "not yet: give one number; this is 1 number"
    assert half.judge([]) == "not yet: give one number; this is 0 numbers"
    assert half.judge("0.5") == "not yet: give one number; this is a str"
    assert half.judge(50.0) == "not yet: give a share"
    assert two.judge([1, 2, 3]) == "not yet: give 2 numbers; this is 3 numbers"
    assert two.judge(pd.Series([1, 2])) == CORRECT


def test_a_prediction_is_one_of_the_words():
    assert more.judge("More ") == CORRECT
    assert more.judge("less") == "not yet: look at the last column"
    assert more.judge("a lot") == "not yet: answer with one of 'more', 'less'"


def test_a_function_is_tried_on_its_inputs():
    assert double.judge(lambda numbers: numbers + numbers) == CORRECT
    assert double.judge(lambda numbers: numbers**2) == "not yet: that is the square"
    assert double.judge(lambda numbers: numbers + 1) == "not yet: multiply by two"
    assert double.judge(lambda numbers: [2.0]).startswith("not yet: return 2 numbers")
    assert double.judge(lambda numbers: numbers[7]).startswith("not yet: the function raised Index")


def test_an_unknown_exercise_is_named():
    with pytest.raises(KeyError, match="no exercise 'nine'"):
        feedback("nine", 1)
