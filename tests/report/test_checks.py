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
    assert half.judge([0.5]) == "not yet: give one number; this is a list of 1 number"
    assert half.judge([]) == "not yet: give one number; this is an empty list"
    assert half.judge(50.0) == "not yet: give a share"
    assert two.judge([1, 2, 3]) == "not yet: give 2 numbers; this is a list of 3 numbers"
    assert two.judge(pd.Series([1, 2])) == CORRECT


def test_what_is_no_number_is_called_by_a_word():
    assert half.judge("0.5") == "not yet: give one number; this is a text; leave out the quotes"
    assert two.judge("[1, 2]").endswith("leave out the quotes")
    assert half.judge("half") == "not yet: give one number; this is a text"
    assert half.judge(doubled) == "not yet: give one number; this is a function"
    assert two.judge(pd.DataFrame({"a": ["x"]})) == "not yet: give 2 numbers; this is a table"
    assert double.judge(7) == "not yet: give the function itself; this is a number"


def test_a_percentage_and_another_order_are_named_without_a_mistake_of_their_own():
    third = Numbers(0.33, hint="count again")
    assert third.judge(33) == "not yet: 33 is a percentage; give a share"
    assert third.judge(0.4) == "not yet: count again"
    assert two.judge([2, 1]) == "not yet: these are the right numbers, but in another order"
    assert Numbers(6.0, hint="count again").judge(600) == "not yet: count again"  # no share


def test_a_prediction_is_one_of_the_words():
    assert more.judge("More ") == CORRECT
    assert more.judge("less") == "not yet: look at the last column"
    assert more.judge("a lot") == "not yet: answer with one of 'less', 'more'"
    assert more.judge(5) == "not yet: answer with one of 'less', 'more'; this is a number"
    assert more.judge("more or less") == "not yet: answer with one of 'less', 'more'"
    falls = Choice("falls", {"rises": "look again"})  # the right word stands in no option
    assert falls.judge("It falls.") == falls.judge("fall") == CORRECT
    assert falls.judge("rise") == "not yet: look again"
    assert falls.judge("") == "not yet: answer with one of 'falls', 'rises'"


def test_a_function_is_tried_on_its_inputs():
    assert double.judge(lambda numbers: numbers + numbers) == CORRECT
    assert double.judge(lambda numbers: numbers**2) == "not yet: that is the square"
    assert double.judge(lambda numbers: numbers + 1) == "not yet: multiply by two"
    assert double.judge(lambda numbers: [2.0]).startswith("not yet: return 2 numbers")
    raised = double.judge(lambda numbers: numbers[7])
    assert raised.startswith("not yet: the function raised Index")
    assert raised.endswith("(with numbers of shape (2,))")
    assert double.judge(lambda numbers: None if numbers.any() else 1).startswith("to do")


def test_slips_that_any_function_may_have_are_named():
    third = Function(
        lambda numbers: numbers / 3,
        inputs=lambda: [(np.array([1.0, 2.0]),)],
        hint="divide by three",
    )
    assert third.judge(lambda numbers: (numbers / 3).astype(np.float32)) == CORRECT
    assert "return shares" in third.judge(lambda numbers: 100 * numbers / 3)
    assert "rounded" in third.judge(lambda numbers: (numbers / 3).round(2))
    assert "sign" in third.judge(lambda numbers: -numbers / 3)
    assert third.judge(lambda numbers: numbers) == "not yet: divide by three"
    assert third.judge(lambda numbers: 0 * numbers) == "not yet: all values are 0; divide by three"
    assert "NaN" in third.judge(lambda numbers: numbers * np.nan)
    assert "100 times" in double.judge(lambda numbers: 200 * numbers)


def test_the_text_that_fails_is_shown():
    length = Function(len, inputs=lambda: [("ab",), ("",)], hint="count the letters")
    assert length.judge(lambda text: 1 / len(text) * 2).endswith("by zero (with obj '')")
    assert length.judge(lambda text: 2) == "not yet: count the letters (with '')"


def test_an_unknown_exercise_is_named():
    with pytest.raises(KeyError, match="no exercise 'nine'"):
        feedback("nine", 1)
