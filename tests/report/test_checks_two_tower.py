"""Exercises of chapter 06: right answers pass, and each common mistake gets its own sentence."""

import pytest
import torch

from helpers.report.checks import feedback


def right(users, items, log_q):
    log_p = (users @ items.T - log_q).log_softmax(dim=1)
    return -log_p.diagonal().mean()


def test_right_answers():
    assert feedback("06-in-batch-loss", right) == "correct"
    assert feedback("06-in-batch-loss", lambda u, i, q: float(right(u, i, q))) == "correct"
    assert feedback("06-without-log-q", " Popular") == "correct"
    assert feedback("06-attention", 2.197) == "correct"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda u, i, q: right(u, i, 0 * q), "log_q has no effect"),
        (lambda u, i, q: right(u, i, -q), "log_q is added"),
        (
            lambda u, i, q: -(u @ i.T - q).log_softmax(dim=0).diagonal().mean(),
            "the softmax runs over shoppers",
        ),
        (lambda u, i, q: right(u, i, q[:, None]), "a constant per row cancels"),
        (lambda u, i, q: len(u) * right(u, i, q), "return the mean"),
        (lambda u, i, q: -right(u, i, q), "check the sign"),
        (lambda u, i, q: (u @ i.T - q).log_softmax(dim=1), "return one number"),
        (lambda u, i, q: u @ i, "the function raised RuntimeError"),
        (lambda u, i, q: torch.tensor(0.0), "subtract log_q from each column"),
        (0.4, "give the function itself"),
    ],
)
def test_wrong_functions(answer, says):
    assert says in feedback("06-in-batch-loss", answer)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("rare", "seldom pushed down"),
        ("both", "answer with one of 'popular', 'rare'"),
        ("", "answer with one of 'popular', 'rare'"),
        (1, "this is a number"),
        (["popular"], "this is a list"),
    ],
)
def test_wrong_predictions(answer, says):
    assert says in feedback("06-without-log-q", answer)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (0.9, "0.9 is the weight"),
        (-2.2, "the *other* item"),
        (9, "take its logarithm"),
        (90, "set it to 0.9"),
        ([2.2], "give one number"),
        ("2.2", "leave out the quotes"),
    ],
)
def test_wrong_strengths(answer, says):
    assert says in feedback("06-attention", answer)
