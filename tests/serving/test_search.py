"""Exact and approximate top k against numpy's full sort."""

import numpy as np
import pytest
import torch

from helpers.serving import search as retrieval
from helpers.serving.search import Index, exact_top_k, recall

RNG = np.random.default_rng(0)
ITEMS = RNG.standard_normal((700, 16)).astype(np.float32)
QUERIES = RNG.standard_normal((40, 16)).astype(np.float32)
FULL = np.argsort(-(QUERIES @ ITEMS.T), axis=1)


@pytest.mark.parametrize("block, at_once", [(64, 33), (2048, 1024)])
@pytest.mark.parametrize("bf16", [True, False])
def test_exact_equals_a_full_sort_whatever_the_block_and_precision(
    monkeypatch, block, at_once, bf16
):
    monkeypatch.setattr(retrieval, "BLOCK", block)
    monkeypatch.setattr(retrieval, "QUERIES", at_once)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": bf16})
    ids, scores = exact_top_k(QUERIES, ITEMS, 10)
    assert (ids == FULL[:, :10]).all()
    np.testing.assert_allclose(
        scores, np.take_along_axis(QUERIES @ ITEMS.T, ids, axis=1), rtol=1e-5
    )


def test_what_rounding_hides_is_asked_again(monkeypatch):
    """A best item a millionth better than all others: bfloat16, which knows a 256th, can't tell it from the rest."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    items = np.tile(ITEMS[:1], (6000, 1))
    items[4321] *= np.float32(1 + 1e-6)
    ids, _ = exact_top_k(np.tile(items[:1], (40, 1)), items, 1)
    assert (ids == 4321).all()


def test_rounding_moves_no_group_by_more_than_is_allowed_for(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    items, queries = (
        ITEMS * RNG.lognormal(0, 1, (700, 1)).astype(np.float32),
        torch.from_numpy(QUERIES),
    )
    maxima, doubt = retrieval._group_maxima(queries, torch.from_numpy(items).split(64))
    assert maxima.dtype == torch.bfloat16
    truth = np.stack(
        [
            (QUERIES.astype(float) @ part.T).max(axis=1)
            for part in np.split(items, range(32, 700, 32))
        ],
        1,
    )
    error = np.abs(truth - maxima.float().numpy())
    assert 0 < error.max() and (error <= doubt.numpy()[:, None]).all()


def test_filter_leaves_only_what_is_allowed():
    index = Index(ITEMS, n_lists=20, n_probes=10)
    for allowed, least in ((np.arange(700) % 11 == 3, 0.99), (np.arange(700) % 7 != 3, 0.9)):
        expected = np.stack([row[allowed[row]][:10] for row in FULL])
        assert (exact_top_k(QUERIES, ITEMS, 10, allowed)[0] == expected).all()
        found = index.search(QUERIES, 10, allowed)[0]
        assert (
            allowed[found].all() and recall(found, expected) > least
        )  # few allowed: all lists are looked into


@pytest.mark.parametrize("n", [0, 2])
def test_too_few_allowed_are_filled_up(n):
    allowed = np.arange(len(ITEMS)) < n
    for ids, scores in (
        exact_top_k(QUERIES, ITEMS, 4, allowed),
        Index(ITEMS).search(QUERIES, 4, allowed),
    ):
        assert (np.sort(ids, axis=1) == [-1] * (4 - n) + [0, 1][:n]).all() and np.isneginf(
            scores[:, n:]
        ).all()


def test_nobody_asks():
    assert exact_top_k(QUERIES[:0], ITEMS, 10)[0].shape == (0, 10)


def test_more_probes_find_more_and_all_of_them_everything():
    index, found = Index(ITEMS, n_lists=25), []
    for index.n_probes in (1, 5, 24, 25):
        found.append(recall(index.search(QUERIES, 10)[0], FULL[:, :10]))
    assert found[0] < found[1] < found[2] <= found[3] == 1 and found[2] > 0.99


def test_scores_are_exact_and_ordered():
    ids, scores = Index(ITEMS, n_probes=9).search(QUERIES, 10)
    np.testing.assert_allclose(
        scores, np.take_along_axis(QUERIES @ ITEMS.T, ids, axis=1), rtol=1e-5
    )
    assert (np.diff(scores) <= 0).all()


@pytest.mark.parametrize("n, d", [(1, 16), (5, 3), (40, 1)])
def test_few_items_in_odd_dimensions(n, d, capfd):
    items = ITEMS[:n, :d].copy()
    ids, _ = Index(items).search(QUERIES[:, :d].copy(), 3)
    expected = np.argsort(-(QUERIES[:, :d] @ items.T), axis=1)[:, :3]
    assert (ids[:, :n] == expected).all() and (ids[:, n:] == -1).all()
    assert capfd.readouterr() == ("", "")  # no word of faiss's about few points


def test_codes_serve_strong_and_faint_axes_alike():
    """All axes get the same bits: unrotated, faint ones would waste them, and 0.6 be found."""
    items = (RNG.standard_normal((3000, 32)) * np.arange(1, 33) ** -1.0).astype(np.float32)
    queries, index = items[:50].copy(), Index(items, n_lists=4, n_probes=3)
    index.n_rescored = 0  # so 40, four times what is asked for
    assert (
        recall(index.search(queries, 10)[0], np.argsort(-(queries @ items.T), axis=1)[:, :10]) > 0.9
    )


def test_items_come_and_go():
    index = Index(ITEMS[:500], n_probes=40)
    index.add(ITEMS[500:], np.arange(500, 700))
    assert len(index) == 700 and recall(index.search(QUERIES, 10)[0], FULL[:, :10]) > 0.99
    best = FULL[0, 0]
    index.remove([best, 10_000])  # an id that isn't there doesn't matter
    assert len(index) == 699 and best not in index.search(QUERIES, 10)[0]
    index.add(3 * QUERIES[:1], [best])  # back, changed
    index.add(2 * QUERIES[:1], [best])  # changed again: replaced, not doubled
    ids, scores = index.search(QUERIES[:1], 2)
    assert len(index) == 700 and ids[0, 0] == best != ids[0, 1]
    assert scores[0, 0] == pytest.approx(2 * (QUERIES[0] ** 2).sum())
    index.remove([best])
    sieved = index.search(QUERIES[:1], 3, allowed=np.isin(np.arange(700), [best, 7, 8]))[0]
    assert sorted(sieved[0]) == [-1, 7, 8]  # what was taken out is not there for a filter either
    with pytest.raises(ValueError, match="-1 is no position"):
        index.add(QUERIES[:1], [-1])


def test_an_index_opened_from_disk_answers_the_same_and_its_file_stays_as_it_is(tmp_path):
    index = Index(ITEMS, n_probes=7)
    index.save(tmp_path / "items.safetensors")
    written = (tmp_path / "items.safetensors").read_bytes()
    opened = Index.open(tmp_path / "items.safetensors", n_probes=7)
    for one, other in zip(index.search(QUERIES, 10), opened.search(QUERIES, 10), strict=True):
        assert (one == other).all()
    opened.add(9 * QUERIES[:1], [3])
    assert opened.search(QUERIES[:1], 1)[0] == 3 != index.search(QUERIES[:1], 1)[0]
    assert (tmp_path / "items.safetensors").read_bytes() == written


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_exact_on_a_gpu():
    assert (exact_top_k(QUERIES, ITEMS, 10, device="cuda")[0] == FULL[:, :10]).all()


def test_recall_by_hand():
    # 2 of 3 and 1 of 1
    assert recall(
        np.array([[1, 2, 9], [4, 5, 6]]), np.array([[1, 2, 3], [6, -1, -1]])
    ) == pytest.approx(3 / 4)
