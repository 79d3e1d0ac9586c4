"""Partitions: the local engine and a Ray cluster give the same, and a killed worker costs
nothing."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

from helpers import engine
from helpers.embeddings import ClipEncoder, encode_catalog
from helpers.images.fetch import fetch_images
from helpers.images.limits import Limits
from helpers.images.partitions import balanced, grouped_by_host
from helpers.images.store import ImageStore
from helpers.interactions import Histories, Interactions, ItemFeatures
from helpers.kernels.item_blocks import top_similar_in_blocks
from helpers.recommenders import ItemKNN, TwoTower, neighbors
from helpers.recommenders.crew import Crew, fit_together
from helpers.recommenders.everyone import recommend_all
from helpers.recommenders.two_tower import Practice
from tests.images.fault_server import FaultServer, photo, reply

HOSTS = ("one.example", "two.example", "three.example")
N_PICTURES = 24
QUICK = Limits(backoff=0.01, connect=3.0, first_byte=3.0, whole=5.0)


@pytest.fixture(scope="module")
def cluster():
    """A Ray of two workers on this machine; its tests stand in one process."""
    pytest.importorskip("ray", reason="the extra `cluster` isn't installed")
    import ray

    tests = Path(__file__).parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(tests), str(tests.parent)]))
        engine.start_ray_here(n_workers=2, n_gpus=2)  # Ray only counts them: there needn't be any
        yield engine.RayEngine()
        ray.shutdown()


@pytest.fixture
def on_ray(cluster, monkeypatch):
    """Steps use the cluster."""
    monkeypatch.setenv(engine.NAME, "ray")
    return cluster


def catalogue() -> pd.DataFrame:
    urls = [[f"http://{HOSTS[n % 3]}/{n % 20}.jpg"] for n in range(N_PICTURES)]
    return pd.DataFrame({"image_key": [f"a/{n:02}" for n in range(N_PICTURES)], "image_urls": urls})


def shop() -> FaultServer:
    pictures = {f"/{n}.jpg": reply(200, photo(n)) for n in range(20)}
    del pictures["/7.jpg"]
    return FaultServer(extra=pictures)


def resolved(server: FaultServer) -> dict:
    (address,) = set(server.resolve.values())
    return {host: address for host in HOSTS}


def timeless(index: pd.DataFrame) -> pd.DataFrame:
    return index.drop(columns="fetched")


def fetched_here(dest: Path) -> pd.DataFrame:
    with shop() as server:
        return fetch_images(catalogue(), dest, resolve=resolved(server), limits=QUICK, workers=1)


def test_a_table_is_cut_into_parts_of_nearly_equal_length():
    parts = engine.cut(pd.DataFrame({"n": range(10)}), 4)
    assert [list(part["n"]) for part in parts] == [[0, 1], [2, 3, 4], [5, 6, 7], [8, 9]]
    assert len(engine.cut(pd.DataFrame({"n": [1]}), 5)) == 1


def test_products_that_share_a_host_stay_together():
    links = {
        "p": ["http://a.example/1"],
        "q": ["http://b.example/1", "http://a.example/2"],
        "r": ["http://c.example/1"],
        "s": [],
        "t": ["not a url"],
    }
    assert grouped_by_host(links) == [["p", "q"], ["r"], ["s"], ["t"]]
    assert balanced([["p", "q"], ["r"], ["s"], ["t"]], 2) == [["p", "q", "t"], ["r", "s"]]


def test_the_engine_is_checked_before_anything_starts(monkeypatch, tmp_path):
    monkeypatch.setenv(engine.NAME, "spark")
    with pytest.raises(ValueError, match="no such engine"):
        engine.chosen()
    monkeypatch.setattr(engine.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv(engine.NAME, "ray")
    with pytest.raises(RuntimeError, match=r"pip install -e '\.\[cluster\]'"):
        engine.chosen()
    with pytest.raises(RuntimeError, match=r"pip install -e '\.\[cluster\]'"):
        fit_together(TwoTower(), None, None, tmp_path)


def test_a_failed_start_leaves_no_process(tmp_path):
    wait = "import sys, time; time.sleep(60)"
    mine = subprocess.Popen([sys.executable, "-c", wait, str(tmp_path / "ray" / "gcs")])
    other = subprocess.Popen([sys.executable, "-c", wait, str(tmp_path / "else")])
    try:
        engine.end_children_of(tmp_path / "ray")
        assert mine.wait(10) == -signal.SIGKILL
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_indexes_of_partitions_that_a_killed_run_left_are_joined(tmp_path):
    dest = tmp_path / "here"
    whole = fetched_here(dest)
    store = ImageStore(dest)
    index = store.index()
    store.part("first").write_index(index.iloc[:10])
    store.part("second").write_index(index.iloc[10:])
    store.remove_index()
    with shop() as server:
        again = fetch_images(catalogue(), dest, resolve=resolved(server), limits=QUICK, workers=1)
        assert "/1.jpg" not in server.requests
    pd.testing.assert_frame_equal(timeless(again), timeless(whole))
    assert store.parts() == []


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """The same catalogue, fetched without a cluster: (dest, rows)."""
    dest = tmp_path_factory.mktemp("here")
    return dest, fetched_here(dest)


def test_ray_keeps_order_and_rows(cluster):
    parts = engine.cut(pd.DataFrame({"n": range(100)}), 7)
    doubled = cluster.map(Doubled(), parts)
    assert [list(part["n"]) for part in doubled] == [list(2 * part["n"]) for part in parts]


def test_what_wants_a_gpu_is_computed_by_actors_that_stay(cluster):
    """With two GPUs, no more than two processes see the partitions; each holds a GPU of its own."""
    parts = engine.cut(pd.DataFrame({"n": range(12)}), 6)
    rows = pd.concat(cluster.map(WhereFrom(), parts, gpus=1.0))
    assert list(rows["n"]) == list(range(12))
    assert 1 <= rows["process"].nunique() <= 2
    assert rows.groupby("process")["gpu"].nunique().eq(1).all()
    assert set(rows["gpu"]) <= {"0", "1"}


@dataclass(frozen=True)
class WhereFrom:
    def __call__(self, part):
        gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "none")
        return part.assign(process=os.getpid(), gpu=gpu)


@dataclass(frozen=True)
class Doubled:
    def __call__(self, part):
        return pd.DataFrame({"n": 2 * part["n"]})


def test_ray_fetches_the_same_pictures(on_ray, here, tmp_path):
    dest, rows = here
    with shop() as server:
        far = fetch_images(catalogue(), tmp_path, resolve=resolved(server), limits=QUICK, workers=1)
        asked = server.requests.copy()
    pd.testing.assert_frame_equal(timeless(far), timeless(rows))
    names = {path.name: path.read_bytes() for path in (dest / "images").iterdir()}
    assert {path.name: path.read_bytes() for path in (tmp_path / "images").iterdir()} == names
    assert asked["/1.jpg"] == 2  # two hosts show the same picture, each asked once


@dataclass(frozen=True)
class DiesOnce:
    """Ends its worker's process once, as soon as `folder` holds a few files."""

    function: object
    folder: Path
    mark: Path

    def __call__(self, part):
        threading.Thread(target=self.die, daemon=True).start()
        return self.function(part)

    def die(self):
        while not (self.folder.exists() and len(list(self.folder.iterdir())) >= 3):
            time.sleep(0.005)
        try:
            self.mark.touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)


def killing_once(monkeypatch, folder, mark, gpus=0.0):
    plain = engine.RayEngine.map

    def map_(self, function, parts, **_):
        return plain(self, DiesOnce(function, folder, mark), parts, gpus)

    monkeypatch.setattr(engine.RayEngine, "map", map_)


def test_a_worker_killed_while_fetching_costs_its_own_partition_at_most(
    on_ray, here, tmp_path, monkeypatch
):
    _, rows = here
    mark = tmp_path / "died"
    killing_once(monkeypatch, tmp_path / "far" / "images", mark)
    slow = replace(QUICK, pace=0.05)
    with shop() as server:
        far = fetch_images(
            catalogue(), tmp_path / "far", resolve=resolved(server), limits=slow, workers=1
        )
        asked = server.requests.copy()
    assert mark.exists()
    pd.testing.assert_frame_equal(timeless(far), timeless(rows))
    n_asked = sum(asked[f"/{n}.jpg"] for n in range(20))
    largest_part = 2 * N_PICTURES // 3  # two hosts of three
    assert N_PICTURES < n_asked <= N_PICTURES + largest_part


@pytest.mark.parametrize("gpus", [0.0, 1.0])
def test_a_worker_killed_while_encoding_changes_no_vector(
    gpus, on_ray, here, tmp_path, monkeypatch
):
    dest, rows = here
    products = rows.assign(title=[f"Item {n}" for n in range(len(rows))], colour="", category="")
    encoder = ClipEncoder()
    monkeypatch.setenv(engine.NAME, "local")
    image, text = encode_catalog(products, dest, encoder)
    monkeypatch.setenv(engine.NAME, "ray")
    mark = tmp_path / "died"
    killing_once(monkeypatch, dest / "images", mark, gpus)
    far_image, far_text = encode_catalog(products, dest, encoder, cache=tmp_path / "cache")
    assert mark.exists()
    np.testing.assert_allclose(far_image, image, atol=1e-5)
    np.testing.assert_allclose(far_text, text, atol=1e-5)


def log(n_users=300, n_items=120) -> Interactions:
    rng = np.random.default_rng(4)
    stars = rng.integers(1, 6, (n_users, n_items)) * (rng.random((n_users, n_items)) < 0.1)
    names = [pd.RangeIndex(n).astype(str) for n in stars.shape]
    return Interactions(sp.csr_matrix(stars, dtype=np.float32), *names)


def test_lists_in_partitions_are_those_of_one_call(monkeypatch):
    train = log()
    everyone = Histories.from_interactions(train)
    model = ItemKNN(k=20).fit(train)
    ids, scores = model.recommend(everyone, 5)
    monkeypatch.setattr("helpers.recommenders.everyone.SHOPPERS_PER_PART", 70)
    far_ids, far_scores = recommend_all(model, everyone, 5)
    np.testing.assert_array_equal(far_ids, ids)
    np.testing.assert_allclose(far_scores, scores, rtol=1e-6)


def test_ray_finds_the_same_neighbors_and_makes_the_same_lists(cluster, monkeypatch):
    train = log()
    here = top_similar_in_blocks(train.ratings, 20)
    far = top_similar_in_blocks(train.ratings, 20, engine=cluster)
    assert far.nnz == here.nnz > 0 and (far != here).nnz == 0
    monkeypatch.setattr(neighbors, "MANY_ITEMS", 100)
    everyone = Histories.from_interactions(train)
    model = ItemKNN(k=20).fit(train)
    monkeypatch.setenv(engine.NAME, "ray")
    on_ray = ItemKNN(k=20).fit(train)
    ids, scores = recommend_all(model, everyone, 5)
    far_ids, far_scores = recommend_all(on_ray, everyone, 5, engine=cluster)
    np.testing.assert_array_equal(far_ids, ids)
    np.testing.assert_allclose(far_scores, scores, rtol=1e-6)


def test_a_worker_killed_among_the_blocks_changes_no_neighbor(cluster, tmp_path, monkeypatch):
    train = log()
    here = top_similar_in_blocks(train.ratings, 20)
    full = tmp_path / "full"
    full.mkdir()
    for number in range(3):
        (full / str(number)).touch()
    mark = tmp_path / "died"
    killing_once(monkeypatch, full, mark)
    far = top_similar_in_blocks(train.ratings, 20, engine=cluster)
    assert mark.exists() and (far != here).nnz == 0


def test_a_batch_is_shared_among_the_crew():
    train = log()
    practice = Practice(train, np.arange(train.shape[1]) % 2, seed=1)
    cells = practice.cells(torch.arange(7))
    shares = [Crew(rank, 3).mine(cells) for rank in range(3)]
    assert [share.n_shoppers for share in shares] == [3, 2, 2]
    assert sum(len(share.row) for share in shares) == len(cells.row)
    second = shares[1]
    np.testing.assert_array_equal(second.item[second.row == 1], cells.item[cells.row == 4])
    assert Crew(1, 3).weight(2, 7) == pytest.approx(3 * 2 / 7)


def apart(scores: np.ndarray) -> np.ndarray:
    """Scores less each shopper's mean, which no softmax sees and rounding moves."""
    return scores - scores.mean(axis=1, keepdims=True)


def test_two_workers_train_the_towers_that_one_trains(cluster, tmp_path):
    """On the same batches; `sampled` is small, so that candidates must be gathered."""
    train = log()
    rng = np.random.default_rng(3)
    vectors = rng.standard_normal((train.shape[1], 8)).astype(np.float32)
    frame = pd.DataFrame({"image_key": train.items, "platform": ["a", "b"] * 60})
    items = ItemFeatures(vectors, frame)
    settings = {"dropout": 0.0, "sampled": 10, "batch_size": 64, "axes": 0, "side": False}
    model = TwoTower(epochs=2, settings=settings)
    together = fit_together(model, train, items, tmp_path, n_workers=2)
    alone = model.fit(train, items)
    untrained = TwoTower(epochs=0, settings=settings).fit(train, items)
    histories = Histories.from_interactions(train, items)[:20]
    scores = apart(alone.score(histories))
    np.testing.assert_allclose(apart(together.score(histories)), scores, atol=1e-4)
    np.testing.assert_allclose(together.losses_[0], alone.losses_[0], rtol=1e-4)
    assert np.abs(apart(untrained.score(histories)) - scores).max() > 1
