"""Exercises of chapter 01: right answers pass, and each usual mistake gets its own sentence."""

import re

import numpy as np
import pandas as pd
import pytest

from helpers.feeds.fields import parse_price
from helpers.report.checks import feedback
from helpers.report.checks.augment import amount
from helpers.report.checks.judging import CORRECT


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Rs. 259", 259),
        ("Now  35.00", 35),
        ("1.299,00 €", 1299),
        ("₹8,599", 8599),
        ("£1,250.50", 1250.5),
        ("12,50", 12.5),
        ("1,234,567", 1_234_567),
    ],
)
def test_the_reference_reads_prices_as_the_package_does(text, expected):
    assert amount(text) == expected == parse_price(text).amount


def test_a_text_without_a_number_has_no_amount():
    assert np.isnan(amount("From")) and parse_price("From") is None


def own_amount(text):
    """Written another way than the reference."""
    digits = "".join(sign for sign in text if sign.isdigit() or sign in ".,").strip(".,")
    if not digits:
        return float("nan")
    parts = re.split("[.,]", digits)
    whole = [parts[0], *(part for part in parts[1:] if len(part) == 3)]
    cents = [part for part in parts[1:] if len(part) != 3]
    return float("".join(whole) + "." + ("".join(cents) or "0"))


def no_rule_at_all(text):
    return 35.0


def fails(text):
    return float(text)


def as_text(text):
    return text


def two_values(text):
    return [1.0, 2.0]


@pytest.mark.parametrize(
    "answer, said",
    [
        (own_amount, CORRECT),
        (lambda text: own_amount(text) if re.search(r"\d", text) else 0, "no amount"),
        (lambda text: float(re.sub(r"[^\d.]", "", text).strip(".") or "nan"), "12,50"),
        (no_rule_at_all, "not yet: look for the number"),
        (fails, "raised ValueError"),
        (as_text, "one number"),
        (two_values, "one number"),
        (42, "the function itself"),
        (lambda text: None, "to do"),
    ],
)
def test_amounts(answer, said):
    assert said in feedback("01-amount", answer)


@pytest.mark.parametrize(
    "answer, said",
    [
        ([3, 2, 1], CORRECT),
        (np.array([3, 2, 1]), CORRECT),
        (pd.Series([3, 2, 1]), CORRECT),
        ([2, 3, 1], "without any price is accepted"),
        ([4, 2, 0], "listed twice"),
        ([3, 3, 0], "merged into the first"),
        ([4, 1, 1], "for different reasons"),
        ([6, 0, 0], "one by one"),
        ([], "3 numbers"),
        (3, "3 numbers"),
        ("3, 2, 1", "3 numbers"),
        (..., "to do"),
    ],
)
def test_six_rows(answer, said):
    assert said in feedback("01-six-rows", answer)


@pytest.mark.parametrize(
    "answer, said",
    [
        (50, CORRECT),
        (0.2 * 2 / 0.008, CORRECT),
        (25, "one process"),
        (250, "decode in a second"),
        (10, "two requests"),
        (5, "one request"),
        (51, "solve for c"),
        ([50], "one number"),
        ("fifty", "one number"),
        (None, "to do"),
    ],
)
def test_requests(answer, said):
    assert said in feedback("01-requests", answer)
