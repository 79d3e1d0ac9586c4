"""Exact and approximate top k against numpy's full sort."""

import numpy as np
import pytest

from helpers.recommenders import retrieval
from helpers.recommenders.retrieval import Index, exact_top_k, recall

RNG = np.random.default_rng(0)
ITEMS = RNG.standard_normal((700, 16)).astype(np.float32)
QUERIES = RNG.standard_normal((20, 16)).astype(np.float32)
FULL = np.argsort(-(QUERIES @ ITEMS.T), axis=1)


@pytest.mark.parametrize("block", [64, 1000])
def test_exact_equals_a_full_sort_whatever_the_block(monkeypatch, block):
    monkeypatch.setattr(retrieval, "BLOCK", block)
    ids, scores = exact_top_k(QUERIES, ITEMS, 10)
    assert (ids == FULL[:, :10]).all()
    np.testing.assert_allclose(scores, np.take_along_axis(QUERIES @ ITEMS.T, ids, axis=1), rtol=1e-5)


def test_filter_leaves_only_what_is_allowed():
    allowed = np.arange(len(ITEMS)) % 11 == 3
    expected = np.stack([row[allowed[row]][:10] for row in FULL])
    assert (exact_top_k(QUERIES, ITEMS, 10, allowed)[0] == expected).all()
    found = Index(ITEMS).search(QUERIES, 10, allowed)[0]
    assert allowed[found].all() and recall(found, expected) == 1  # few are allowed: answered exactly
    allowed = np.arange(len(ITEMS)) % 7 != 3
    expected = np.stack([row[allowed[row]][:10] for row in FULL])
    found = Index(ITEMS).search(QUERIES, 10, allowed)[0]
    assert allowed[found].all() and recall(found, expected) > 0.95


def test_too_few_allowed_are_filled_up():
    allowed = np.arange(len(ITEMS)) < 2
    for ids, scores in (exact_top_k(QUERIES, ITEMS, 4, allowed), Index(ITEMS).search(QUERIES, 4, allowed)):
        assert (np.sort(ids, axis=1) == [-1, -1, 0, 1]).all() and np.isneginf(scores[:, 2:]).all()


def test_graph_finds_nearly_all_and_grows():
    index = Index(ITEMS[:500], effort=100)
    index.add(ITEMS[500:])
    assert len(index) == 700
    assert recall(index.search(QUERIES, 10)[0], FULL[:, :10]) > 0.97


def test_recall_by_hand():
    # 2 of 3 and 1 of 1
    assert recall(np.array([[1, 2, 9], [4, 5, 6]]), np.array([[1, 2, 3], [6, -1, -1]])) == pytest.approx(3 / 4)
