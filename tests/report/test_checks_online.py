"""The exercise on IPS: right answers pass in any form, common wrong ones get their own sentence."""

import numpy as np
import pytest

from helpers.evaluation.online import ips
from helpers.report.checks import feedback
from helpers.report.checks.judging import CORRECT, TO_DO


def with_loop(rewards, propensities, chances):
    total = 0.0
    for reward, propensity, chance in zip(rewards, propensities, chances, strict=True):
        total += chance / propensity * reward
    return total / len(rewards)


def by_the_package(rewards, propensities, chances):
    return ips(rewards, chances / propensities).value


@pytest.mark.parametrize("function", [with_loop, by_the_package])
def test_a_right_ips_passes(function):
    assert feedback("07-ips", function) == CORRECT


def test_the_stub_is_to_do():
    def ips_value(rewards, propensities, chances):
        raise NotImplementedError

    assert feedback("07-ips", ips_value) == TO_DO


WRONG = {
    "plain mean": (lambda r, p, c: r.mean(), "today's policy"),
    "upside down": (lambda r, p, c: (r * p / c).mean(), "turn the weights around"),
    "propensities left out": (lambda r, p, c: (r * c).mean(), "divide by the propensities"),
    "chances left out": (lambda r, p, c: (r / p).mean(), "multiply by the chances"),
    "self-normalized": (lambda r, p, c: (r * c / p).sum() / (c / p).sum(), "self-normalized"),
    "sum": (lambda r, p, c: (r * c / p).sum(), "not the sum"),
    "one number per visit": (lambda r, p, c: r * c / p, "return one number"),
    "clipped weights": (lambda r, p, c: (r * np.minimum(c / p, 1)).mean(), "weight of a visit"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_ips_hears_what_went_wrong(name):
    function, says = WRONG[name]
    said = feedback("07-ips", function)
    assert said.startswith("not yet") and says in said
