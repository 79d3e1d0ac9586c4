"""Which items to ask about: designs whose answer is known, and posteriors by another formula."""

import numpy as np
import pytest

from helpers.evaluation.online import most_telling, questions_for, scores_after
from helpers.recommenders import Taste


def total_variance(cov, asked, targets):
    """Variance of the targets' scores around their mean, after exact answers with noise 1."""
    gain = asked.T @ asked
    after = np.linalg.inv(np.linalg.inv(cov) + gain)
    apart = targets - targets.mean(axis=0)
    return np.trace(apart @ after @ apart.T)


def test_the_first_question_is_the_best_of_all():
    rng = np.random.default_rng(0)
    for _ in range(5):
        questions = rng.standard_normal((12, 4))
        targets = rng.standard_normal((30, 4))
        root = rng.standard_normal((4, 4))
        cov = root @ root.T + 0.1 * np.eye(4)
        left = [total_variance(cov, x[None], targets) for x in questions]
        assert most_telling(cov, questions, targets, 1)[0] == np.argmin(left)


def test_later_questions_take_earlier_ones_into_account():
    rng = np.random.default_rng(1)
    questions = rng.standard_normal((15, 3))
    targets = rng.standard_normal((20, 3))
    chosen = most_telling(np.eye(3), questions, targets, 4)
    for place in range(1, 4):
        before = chosen[:place]
        left = {}
        for question in set(range(15)) - set(before.tolist()):
            asked = np.append(before, question)
            left[question] = total_variance(np.eye(3), questions[asked], targets)
        assert min(left, key=left.get) == chosen[place]


def test_what_tells_nothing_about_rankings_is_asked_last():
    # The constant moves all scores alike; the second axis is the one in which targets differ.
    questions = np.array([[0.0, 0.1, 5.0], [1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    targets = np.array([[0.0, 1.0, 1.0], [0.0, -1.0, 1.0], [0.1, 0.0, 1.0]])
    assert most_telling(np.diag([1.0, 1.0, 9.0]), questions, targets, 1)[0] == 2
    with pytest.raises(ValueError, match="there are 3 items"):
        most_telling(np.eye(3), questions, targets, 4)


@pytest.fixture
def taste():
    """A Taste that has learned from nobody, with numbers of its own."""
    rng = np.random.default_rng(2)
    model = Taste()
    root = rng.standard_normal((4, 4))
    model.features_ = rng.standard_normal((10, 3)).astype(np.float32)
    model.mean_ = rng.standard_normal(4).astype(np.float32)
    model.effect_ = rng.standard_normal(10).astype(np.float32)
    model.precision_ = (root @ root.T + np.eye(4)).astype(np.float32)
    return model


def test_scores_after_are_gaussian_conditioning(taste):
    rng = np.random.default_rng(3)
    asked = np.array([[0, 3, 7], [9, 1, 2]])
    answers = rng.integers(1, 6, (2, 3)).astype(float)
    scores = scores_after(taste, asked, answers)
    cov = np.linalg.inv(taste.precision_.astype(float))
    everything = np.c_[taste.features_.astype(float), np.ones(10)]
    prior = everything @ taste.mean_
    joint = everything @ cov @ everything.T
    for row in range(2):
        some = asked[row]
        surprise = answers[row] - 3 - taste.effect_[some] - prior[some]
        weight = np.linalg.solve(joint[np.ix_(some, some)] + np.eye(3), surprise)
        expected = prior + joint[:, some] @ weight + taste.effect_
        assert scores[row] == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_no_question_leaves_the_prior(taste):
    scores = scores_after(taste, np.empty((2, 0), int), np.empty((2, 0)))
    everything = np.c_[taste.features_, np.ones(10)]
    assert scores[0] == pytest.approx(everything @ taste.mean_ + taste.effect_, abs=1e-5)
    assert scores[1] == pytest.approx(scores[0])


def test_questions_are_columns_of_the_catalogue(taste):
    askable = np.array([2, 5, 6, 8])
    found = questions_for(taste, askable, np.array([0, 1, 3]), 3)
    assert set(found) <= set(askable) and len(set(found)) == 3
