"""Metrics against hand arithmetic, ranx and scikit-learn."""

import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn import config_context
from sklearn.metrics import average_precision_score, ndcg_score

from helpers.evaluation import metrics as m

# One user, five places, relevant items 3, 9 and 4: found in places 2 and 4.
RANKED, RELEVANT = np.array([[7, 3, 1, 9, 8]]), [{3, 9, 4}]


def one(values):
    assert values.shape == (1,) and values.dtype == np.float64
    return values[0]


def test_hand_worked():
    assert one(m.precision(RANKED, RELEVANT, 5)) == 2 / 5
    assert one(m.recall(RANKED, RELEVANT, 5)) == 2 / 3
    assert one(m.f1(RANKED, RELEVANT, 5)) == pytest.approx(
        2 * (2 / 5) * (2 / 3) / (2 / 5 + 2 / 3), abs=1e-15
    )
    assert one(m.average_precision(RANKED, RELEVANT, 5)) == pytest.approx(
        1 / 3 * (1 / 2 + 2 / 4), abs=1e-15
    )
    assert one(m.average_precision(RANKED, RELEVANT, 2)) == pytest.approx(
        1 / 2 * (1 / 2), abs=1e-15
    )
    assert one(m.average_precision(RANKED, RELEVANT, 2, divide="relevant")) == pytest.approx(
        1 / 3 * (1 / 2), abs=1e-15
    )
    assert one(m.mrr(RANKED, RELEVANT, 5)) == 1 / 2
    assert one(m.mrr(RANKED, RELEVANT, 1)) == 0
    assert one(m.hit_rate(RANKED, RELEVANT, 5)) == 1
    assert one(m.hit_rate(RANKED, RELEVANT, 1)) == 0
    dcg, ideal = 1 / np.log2(3) + 1 / np.log2(5), 1 / np.log2(2) + 1 / np.log2(3) + 1 / np.log2(4)
    assert one(m.ndcg(RANKED, RELEVANT, 5)) == pytest.approx(dcg / ideal, abs=1e-15)
    ideal_at_2 = 1 / np.log2(2) + 1 / np.log2(3)  # the ideal list is cut at k too
    assert one(m.ndcg(RANKED, RELEVANT, 2)) == pytest.approx(1 / np.log2(3) / ideal_at_2, abs=1e-15)


def test_graded_gains_differ_only_for_grades():
    graded = sp.csr_matrix(np.array([[0, 3.0, 1.0, 0]]))
    ranked = np.array([[2, 0, 1]])
    linear = (1 / 1 + 3 / np.log2(4)) / (3 / 1 + 1 / np.log2(3))
    exponential = (1 / 1 + 7 / np.log2(4)) / (7 / 1 + 1 / np.log2(3))
    assert one(m.ndcg(ranked, graded, 3)) == pytest.approx(linear, abs=1e-15)
    assert one(m.ndcg(ranked, graded, 3, gain="exponential")) == pytest.approx(
        exponential, abs=1e-15
    )
    assert one(m.ndcg(ranked, graded > 0, 3)) == one(
        m.ndcg(ranked, graded > 0, 3, gain="exponential")
    )


def test_nothing_relevant_is_nan_and_empty_places_are_misses():
    ranked = np.array([[0, 1, 2], [0, -1, -1], [-1, -1, -1]])
    for name, metric in m.METRICS.items():
        values = metric(ranked, [set(), {0}, {5}], 3)
        assert np.isnan(values[0]), name
        assert values[2] == 0, name
    assert m.precision(ranked, [set(), {0}, {5}], 3)[1] == 1 / 3
    assert m.mrr(ranked, [set(), {0}, {5}], 3)[1] == 1
    assert np.isnan(m.recall(ranked, sp.csr_matrix((3, 9), dtype=bool), 3)).all()


def test_explicit_zeros_are_not_relevant():
    stored = sp.csr_matrix((np.array([0.0, 1.0]), np.array([0, 1]), np.array([0, 2])), shape=(1, 3))
    assert one(m.recall(np.array([[0, 2]]), stored, 2)) == 0
    assert one(m.recall(np.array([[1, 2]]), stored, 2)) == 1


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="k must lie in 1"):
        m.precision(RANKED, RELEVANT, 6)
    with pytest.raises(ValueError, match="2 users"):
        m.precision(RANKED, [{1}, {2}], 2)
    with pytest.raises(ValueError, match="negative"):
        m.ndcg(RANKED, sp.csr_matrix(np.array([[-1.0, 2.0]])), 2)
    with pytest.raises(ValueError, match="divide"):
        m.average_precision(RANKED, RELEVANT, 5, divide="k")
    with pytest.raises(ValueError, match="gain"):
        m.ndcg(RANKED, RELEVANT, 5, gain="square")
    with pytest.raises(ValueError, match="no metric 'dcg'"):
        m.measure(RANKED, RELEVANT, (5,), ("dcg",))


def random_cases(n_users=1000, n_items=60, k=20, seed=7):
    """Scores rounded so that many tie, ordered as `recommend` orders them; relevant sets of any
    size, some empty."""
    rng = np.random.default_rng(seed)
    scores = np.round(rng.random((n_users, n_items)), 1)
    ranked = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    relevant = rng.random((n_users, n_items)) < rng.choice([0, 0.02, 0.1, 0.5, 1], (n_users, 1))
    grade = relevant * rng.integers(1, 5, (n_users, n_items))
    return ranked, relevant, grade


RANX = """
import sys, numpy as np, ranx.metrics as r
case = np.load(sys.argv[1])
some, ranked, grade = np.flatnonzero(case["grade"].any(axis=1)), case["ranked"], case["grade"]
places = np.arange(ranked.shape[1], 0, -1.0)
runs = [np.column_stack([ranked[u], places]) for u in some]
qrels = [np.column_stack([np.flatnonzero(grade[u]), grade[u][grade[u] > 0]]).astype(float) for u in some]
qrels = [q[np.argsort(-q[:, 1], kind="stable")] for q in qrels]
values = {}
names = ["precision", "recall", "f1", "average_precision", "reciprocal_rank", "hit_rate", "ndcg", "ndcg_burges"]
for name in names:
    for k in (1, 5, 20):
        values[f"{name}@{k}"] = np.full(len(ranked), np.nan)
        values[f"{name}@{k}"][some] = getattr(r, name)(qrels, runs, k, 1)
np.savez(sys.argv[2], **values)
"""  # noqa: E501


@pytest.fixture(scope="module")
def peers(tmp_path_factory):
    """What ranx says on 1,000 random cases, NaN for users with nothing relevant (ranx has no word
    for them).

    In a process of its own with numba's compiler off: compiling ranx takes over a minute,
    interpreting it seconds.
    """
    pytest.importorskip("ranx")
    ranked, relevant, grade = random_cases()
    case, values = (tmp_path_factory.mktemp("ranx") / name for name in ("case.npz", "values.npz"))
    np.savez(case, ranked=ranked, grade=grade)
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RANX, case, values], check=True, env=environment
    )
    return ranked, relevant, grade, dict(np.load(values))


@pytest.mark.parametrize("k", [1, 5, 20])
def test_agrees_with_ranx(peers, k):
    ranked, relevant, grade, theirs = peers
    yes, graded = sp.csr_matrix(relevant), sp.csr_matrix(grade)
    assert 100 < np.isnan(theirs[f"recall@{k}"]).sum() < 900
    ours = {
        name: m.METRICS[name](ranked, yes, k) for name in ("precision", "recall", "f1", "hit_rate")
    }
    ours["reciprocal_rank"] = m.mrr(ranked, yes, k)
    ours["average_precision"] = m.average_precision(ranked, yes, k, divide="relevant")
    ours["ndcg"] = m.ndcg(ranked, graded, k)
    ours["ndcg_burges"] = m.ndcg(ranked, graded, k, gain="exponential")
    for name, values in ours.items():
        np.testing.assert_allclose(values, theirs[f"{name}@{k}"], rtol=0, atol=1e-9, err_msg=name)


def test_agrees_with_scikit_learn():
    ranked, relevant, grade = random_cases(n_users=1000, k=60)
    places = np.empty(ranked.shape)
    np.put_along_axis(
        places, ranked, -np.arange(60.0)[None].repeat(len(ranked), 0), axis=1
    )  # the ranking as scores
    gain, precision = (
        m.ndcg(ranked, sp.csr_matrix(grade), 10),
        m.average_precision(ranked, sp.csr_matrix(relevant), 60),
    )
    with config_context(
        assume_finite=True, skip_parameter_validation=True
    ):  # half of its time, not its arithmetic
        for u in np.flatnonzero(relevant.any(axis=1)):
            theirs = ndcg_score(grade[[u]], places[[u]], k=10, ignore_ties=True)
            assert gain[u] == pytest.approx(theirs, abs=1e-9)
            assert precision[u] == pytest.approx(
                average_precision_score(relevant[u], places[u]), abs=1e-9
            )


def test_measure_equals_the_single_metrics():
    ranked, relevant, _ = random_cases(n_users=200)
    yes = sp.csr_matrix(relevant)
    for (name, k), values in m.measure(ranked, yes, (3, 20)).items():
        np.testing.assert_array_equal(
            values, m.METRICS[name](ranked, yes, k), err_msg=f"{name}@{k}"
        )


def test_sets_and_csr_and_wide_catalogues_agree(monkeypatch):
    ranked, relevant, _ = random_cases(n_users=50)
    sets = [set(np.flatnonzero(row)) for row in relevant]
    dense = m.ndcg(ranked, sp.csr_matrix(relevant), 10)
    np.testing.assert_array_equal(m.ndcg(ranked, sets, 10), dense)
    monkeypatch.setattr(m, "MAX_DENSE_ITEMS", 1)
    np.testing.assert_array_equal(m.ndcg(ranked, sp.csr_matrix(relevant), 10), dense)


def test_rating_error_by_hand():
    errors = m.rating_error([1, 2, 5], [2, 2, 3])  # errors 1, 0, -2
    assert errors == {
        "rmse": pytest.approx(np.sqrt(5 / 3)),
        "mse": pytest.approx(5 / 3),
        "mae": 1.0,
        "n": 3,
    }
    assert np.isnan(m.rating_error([], [])["rmse"])


def test_catalogue_wide_measures_by_hand():
    ranked, candidates = np.array([[0, 1], [0, -1]]), np.array([0, 1, 2, 5])
    np.testing.assert_array_equal(m.exposure(ranked, candidates), [2, 1, 0, 0])
    assert m.coverage(ranked, candidates) == 2 / 4
    # exposures sorted 0 0 1 2: sum of (2i - n - 1) x_i = (-3)0 + (-1)0 + 1*1 + 3*2 = 7, over n *
    # total = 4 * 3
    assert m.gini(ranked, candidates) == 7 / 12
    assert m.gini(np.array([[0, 1, 2, 5]]), candidates) == 0


def test_list_measures_by_hand():
    vectors = np.array([[2.0, 0], [0, 1], [1, 1]])
    ranked = np.array([[0, 1, 2], [0, 0, -1], [1, -1, -1]])
    cosines = (0 + 1 / np.sqrt(2) + 1 / np.sqrt(2)) / 3
    np.testing.assert_allclose(m.diversity(ranked, vectors), [1 - cosines, 0, np.nan], atol=1e-12)
    # 7 users; likes 0, 1, 3 -> shares (0+1)/8, (1+1)/8, (3+1)/8 -> 3, 2, 1 bits
    np.testing.assert_allclose(m.novelty(ranked, [0, 1, 3], 7), [(3 + 2 + 1) / 3, (3 + 3) / 2, 2])
    assert np.isnan(m.novelty(np.array([[-1]]), [0], 1)[0])


def test_calibration_by_hand():
    groups, liked = (
        np.array(["coat", "coat", "shoe"]),
        sp.csr_matrix(np.array([[5, 0, 5], [5, 0, 5], [0, 0, 0]])),
    )
    values = m.calibration(np.array([[1, 2], [1, 0], [0, 1]]), liked, groups)
    # the second list is all coats where half was shoes: p = (.5, .5), q = (1, 0), mixed .99 q + .01
    # p = (.995, .005)
    np.testing.assert_allclose(
        values, [0, 0.5 * np.log(0.5 / 0.995) + 0.5 * np.log(0.5 / 0.005), np.nan], atol=1e-12
    )
