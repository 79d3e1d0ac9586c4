"""Exact and approximate top k against numpy's full sort."""

import numpy as np
import pytest

from helpers.serving import search
from helpers.serving.indexes import kept_index
from helpers.serving.search import Index, IndexSettings, exact_top_k, recall

RNG = np.random.default_rng(0)
ITEMS = RNG.standard_normal((700, 16)).astype(np.float32)
QUERIES = RNG.standard_normal((40, 16)).astype(np.float32)
SCORES = QUERIES @ ITEMS.T
BEST = np.argsort(-SCORES, axis=1)
APPROXIMATE = IndexSettings(exact_below=1, n_lists=25, n_probes=9)
EVERY_LIST = IndexSettings(exact_below=1, n_lists=25, n_probes=25)


@pytest.fixture(params=["flat", "inverted file"])
def index(request):
    settings = IndexSettings() if request.param == "flat" else EVERY_LIST
    return Index(ITEMS, settings)


def test_exact_equals_a_full_sort():
    ids, scores = exact_top_k(QUERIES, ITEMS, 10)
    assert (ids == BEST[:, :10]).all()
    np.testing.assert_allclose(scores, np.take_along_axis(SCORES, ids, axis=1), rtol=1e-5)


def test_the_flat_index_takes_over_below_the_threshold():
    assert Index(ITEMS).is_exact
    assert not Index(ITEMS, APPROXIMATE).is_exact


def test_an_index_that_reads_everything_equals_a_full_sort(index):
    ids, scores = index.search(QUERIES, 10)
    assert recall(ids, BEST[:, :10]) > 0.99  # 16-bit floats may swap two near neighbors
    np.testing.assert_allclose(scores, np.take_along_axis(SCORES, ids, axis=1), rtol=1e-2)
    assert (np.diff(scores) <= 0).all()


def test_more_probes_find_more():
    index = Index(ITEMS, APPROXIMATE)
    found = []
    for n_probes in (1, 5, 25):
        index.n_probes = n_probes
        ids, _ = index.search(QUERIES, 10)
        found.append(recall(ids, BEST[:, :10]))
    assert found[0] < found[1] < found[2]


@pytest.mark.parametrize("every", [2, 11])
def test_a_filter_leaves_only_what_is_allowed(index, every):
    allowed = np.arange(len(ITEMS)) % every == 1
    expected = np.stack([row[allowed[row]][:10] for row in BEST])
    ids, _ = exact_top_k(QUERIES, ITEMS, 10, allowed)
    assert (ids == expected).all()
    ids, _ = index.search(QUERIES, 10, allowed)
    assert allowed[ids].all()
    assert recall(ids, expected) > 0.99


def test_a_rare_filter_reads_more_lists():
    allowed = np.arange(len(ITEMS)) % 20 == 3
    expected = np.stack([row[allowed[row]][:10] for row in BEST])
    index = Index(ITEMS, IndexSettings(exact_below=1, n_lists=25, n_probes=3))
    ids, _ = index.search(QUERIES, 10, allowed)
    assert recall(ids, expected) > 0.99  # 3 of 25 lists would hold a third of them


@pytest.mark.parametrize("n", [0, 2])
def test_too_few_allowed_are_filled_up(index, n):
    allowed = np.arange(len(ITEMS)) < n
    expected = [-1] * (4 - n) + [0, 1][:n]
    answers = (exact_top_k(QUERIES, ITEMS, 4, allowed), index.search(QUERIES, 4, allowed))
    for ids, scores in answers:
        assert (np.sort(ids, axis=1) == expected).all()
        assert np.isneginf(scores[:, n:]).all()


def test_nobody_asks(index):
    assert exact_top_k(QUERIES[:0], ITEMS, 10)[0].shape == (0, 10)
    assert index.search(QUERIES[:0], 10)[0].shape == (0, 10)


def test_an_empty_shop_answers_with_nothing():
    index = Index(ITEMS)
    index.remove(np.arange(len(ITEMS)))
    ids, _ = index.search(QUERIES, 3)
    assert (ids == -1).all()


@pytest.mark.parametrize("n, d", [(1, 16), (5, 3), (40, 1)])
def test_few_items_in_few_dimensions(n, d, capfd):
    items = ITEMS[:n, :d]
    ids, _ = Index(items, IndexSettings(exact_below=1, n_probes=40)).search(QUERIES[:, :d], 3)
    expected = np.argsort(-(QUERIES[:, :d] @ items.T), axis=1)[:, :3]
    assert (ids[:, :n] == expected).all()
    assert (ids[:, n:] == -1).all()
    assert capfd.readouterr() == ("", "")  # faiss says nothing about few points


def test_items_come_and_go(index):
    best = BEST[0, 0]
    index.remove([best, 10_000])  # an id that is not there does not matter
    assert len(index) == 699
    assert best not in index.search(QUERIES, 10)[0]
    index.add(3 * QUERIES[:1], [best])  # back, changed
    index.add(2 * QUERIES[:1], [best])  # changed again: replaced, not doubled
    ids, scores = index.search(QUERIES[:1], 2)
    assert len(index) == 700
    assert ids[0, 0] == best != ids[0, 1]
    assert scores[0, 0] == pytest.approx(2 * (QUERIES[0] ** 2).sum(), rel=1e-3)
    index.remove([best])
    allowed = np.isin(np.arange(700), [best, 7, 8])
    ids, _ = index.search(QUERIES[:1], 3, allowed)
    assert sorted(ids[0]) == [-1, 7, 8]  # a filter does not bring back what was taken out


def test_ids_must_be_names(index):
    with pytest.raises(ValueError, match="id -1 is negative"):
        index.add(QUERIES[:1], [-1])
    with pytest.raises(ValueError, match="id 5 is given twice"):
        index.add(QUERIES[:2], [5, 5])


def test_ids_may_be_any_numbers():
    index = Index(ITEMS[:3], ids=np.array([10**12, 5, 77]))
    ids, _ = index.search(QUERIES[:1], 3)
    assert sorted(ids[0]) == [5, 77, 10**12]


def test_an_index_opened_from_disk_answers_the_same(index, tmp_path):
    path = tmp_path / "items.faiss"
    index.save(path)
    opened = Index.open(path, n_probes=25)
    assert opened.is_exact == index.is_exact
    for one, other in zip(index.search(QUERIES, 10), opened.search(QUERIES, 10), strict=True):
        assert (one == other).all()


def test_an_index_is_built_once_and_for_its_items_alone(tmp_path, monkeypatch):
    built = []
    real = search.Index.__init__

    def counted(self, items, *arguments):
        built.append(len(items))
        real(self, items, *arguments)

    monkeypatch.setattr(search.Index, "__init__", counted)
    expected = BEST[:, :10]
    for _ in range(2):
        assert (kept_index(ITEMS, tmp_path).search(QUERIES, 10)[0] == expected).all()
    assert built == [700]
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:1000])  # damaged
    assert (kept_index(ITEMS, tmp_path).search(QUERIES, 10)[0] == expected).all()
    kept_index(ITEMS[:600], tmp_path)
    assert built == [700, 700, 600]
    assert len(list(tmp_path.iterdir())) == 1 and not path.exists()


def test_the_same_seed_gives_the_same_index():
    answers = [Index(ITEMS, APPROXIMATE).search(QUERIES, 10)[0] for _ in range(2)]
    assert (answers[0] == answers[1]).all()


def test_recall_by_hand():
    found = np.array([[1, 2, 9], [4, 5, 6]])
    exact = np.array([[1, 2, 3], [6, -1, -1]])
    assert recall(found, exact) == pytest.approx(3 / 4)  # 2 of 3, and 1 of 1
