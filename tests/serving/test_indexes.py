"""Indexes beyond one file give the flat index's answers."""

import importlib.util

import numpy as np
import pytest

from helpers.serving import indexes, lance
from helpers.serving.indexes import build_index, kept_index, open_index
from helpers.serving.search import IndexSettings, exact_top_k, recall
from helpers.serving.shards import ShardedIndex, merged

N_ITEMS = 600
NEEDS_LANCE = pytest.mark.skipif(
    importlib.util.find_spec("lancedb") is None, reason="the extra `lancedb` isn't installed"
)
ELSEWHERE = ["shards", pytest.param("lance", marks=NEEDS_LANCE)]


def vectors(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, 16)).astype(np.float32)


ITEMS = vectors(N_ITEMS, 0)
QUERIES = vectors(8, 1)


def same_answers(index, k=10, allowed=None, gone=()):
    """The index answers as comparing all items does; `gone` are not there."""
    there = np.ones(N_ITEMS, bool)
    there[list(gone)] = False
    if allowed is not None:
        there &= allowed
    ids, scores = exact_top_k(QUERIES, ITEMS, k, there)
    found, values = index.search(QUERIES, k, allowed)
    np.testing.assert_array_equal(found, ids)
    np.testing.assert_allclose(values, scores, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("store", ["file", *ELSEWHERE])
def test_the_same_answers_as_a_flat_index(store, tmp_path):
    index = build_index(ITEMS, tmp_path / "index", store=store)
    assert len(index) == N_ITEMS
    same_answers(index)
    same_answers(open_index(tmp_path / "index", store))


@pytest.mark.parametrize("store", ["file", "shards"])
def test_an_index_lies_in_a_bucket_as_in_a_folder(store, tmp_path):
    place = f"memory://{tmp_path.name}/index"
    build_index(ITEMS, place, store=store)
    same_answers(open_index(place, store))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("store", ELSEWHERE)
@pytest.mark.parametrize("share", [0.005, 0.3, 0.9, 0.0, 1.0])
def test_filters(store, share, tmp_path):
    allowed = np.random.default_rng(2).random(N_ITEMS) < share
    same_answers(build_index(ITEMS, tmp_path / "index", store=store), allowed=allowed)


@pytest.mark.parametrize("store", ELSEWHERE)
def test_items_come_and_go(store, tmp_path):
    index = build_index(ITEMS, tmp_path / "index", store=store)
    gone = exact_top_k(QUERIES, ITEMS, 2)[0].ravel()
    index.remove(gone)
    index.remove(gone)  # ids that are not there do not matter
    assert len(index) == N_ITEMS - len(set(gone))
    same_answers(index, gone=gone)
    index.add(ITEMS[gone[:3]], gone[:3])
    index.add(ITEMS[:5], np.arange(5))  # replaced, not doubled
    same_answers(index, gone=set(gone) - set(gone[:3]) - set(range(5)))
    with pytest.raises(ValueError, match="given twice"):
        index.add(ITEMS[:2], np.array([4, 4]))
    with pytest.raises(ValueError, match="negative"):
        index.add(ITEMS[:1], np.array([-4]))


@pytest.mark.parametrize("store", ELSEWHERE)
def test_a_copy_is_the_same(store, tmp_path):
    index = build_index(ITEMS, tmp_path / "index", store=store)
    index.save(tmp_path / "copy")
    same_answers(open_index(tmp_path / "copy", store))


@pytest.mark.parametrize("store", ELSEWHERE)
def test_an_index_is_kept_for_its_items_alone(store, tmp_path, monkeypatch):
    built = []
    real = indexes.build_index

    def counted(items, *arguments, **options):
        built.append(len(items))
        return real(items, *arguments, **options)

    monkeypatch.setattr(indexes, "build_index", counted)
    for _ in range(2):
        same_answers(kept_index(ITEMS, tmp_path, store))
    assert built == [N_ITEMS]
    (folder,) = tmp_path.iterdir()
    files = [path for path in folder.rglob("*") if path.is_file()]
    for path in files:  # damaged
        path.unlink()
    same_answers(kept_index(ITEMS, tmp_path, store))
    kept_index(ITEMS[:400], tmp_path, store)
    assert built == [N_ITEMS, N_ITEMS, 400]
    assert len(list(tmp_path.iterdir())) == 1 and not folder.exists()


@pytest.mark.parametrize("store", ELSEWHERE)
def test_an_approximate_index_finds_nearly_all(store, tmp_path):
    settings = IndexSettings(exact_below=100, n_lists=8, n_probes=6)
    index = build_index(ITEMS, tmp_path / "index", settings, store=store)
    exact, _ = exact_top_k(QUERIES, ITEMS, 10)
    found, _ = index.search(QUERIES, 10)
    assert not index.is_exact and recall(found, exact) > 0.8


def test_shards_need_not_be_full():
    index = ShardedIndex(ITEMS[:3], ids=np.array([0, 4, 8]), n_shards=4)
    ids, scores = index.search(QUERIES, 5)
    assert (np.sort(ids[:, :3], axis=1) == [0, 4, 8]).all() and (ids[:, 3:] == -1).all()
    assert np.isneginf(scores[:, 3:]).all()
    with pytest.raises(ValueError, match="a shard or more"):
        ShardedIndex(ITEMS, n_shards=0)


def test_answers_are_merged_by_score():
    ids, scores = merged(np.array([[7, -1, 3, 5]]), np.array([[0.5, 9.0, 0.9, 0.5]]), 3)
    assert ids.tolist() == [[3, 7, 5]] and scores.tolist() == [[0.9, 0.5, 0.5]]


def test_an_unknown_store_is_named(tmp_path):
    with pytest.raises(ValueError, match="no store 'milvus'; there are file, shards, lance"):
        build_index(ITEMS, tmp_path / "index", store="milvus")


def test_without_the_extra_its_name_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(lance.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match=r"pip install -e '\.\[lancedb\]'"):
        build_index(ITEMS, tmp_path / "index", store="lance")
