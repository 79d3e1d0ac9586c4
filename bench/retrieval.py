"""Top 10 of a million vectors with faiss's flat index and inverted file, beside hnswlib and
usearch.

    python bench/retrieval.py [--items 1000000] [--indexes ivf flat hnswlib …] [--write]

Vectors lie in 2,000 overlapping clusters whose spread falls as j^-0.6 along the axes: on clearly
separated clusters any inverted file shines. All libraries answer the same single queries on one
thread. Times are processor time, which other programs do not lengthen; on an idle machine one
thread's latency is the same. Builds use `--threads` threads, whose times add up. `--write` keeps
the rows in data/studies/retrieval.csv, in place of those of the same index and size, so that the
indexes can be measured one after the other. bench/serving.py times what is built on this.
"""

import argparse
import importlib.metadata
import importlib.util
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import faiss
import numpy as np
import pandas as pd
from provenance import with_provenance

from helpers.artefacts import ROOT, write_text
from helpers.serving.search import Index, IndexSettings, exact_top_k, recall

CLUSTERS = 2000
K = 10
ASKED_RECALL = 0.976  # what plain IVF2048,SQfp16 reached on these vectors
N_WARM_UP = 30
OURS = "faiss IVF2048,SQfp16"
STUDY = ROOT / "data" / "studies" / "retrieval.csv"


@dataclass(frozen=True)
class Measured:
    """One index at one effort.

    Attributes
    ----------
    index : str
        Library and kind.
    n_items : int
    build_seconds : float
        Processor time, of all threads together.
    effort : int
        Lists that are read, or candidates that a graph keeps.
    recall : float
        Share of the exact best 10 that were found.
    p50_ms, p99_ms : float
        Median and 99th percentile of one query's time, on one thread.
    """

    index: str
    n_items: int
    build_seconds: float
    effort: int
    recall: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Task:
    """What every index is asked: items, queries, and the exact answers to them.

    Attributes
    ----------
    items : (n_items, d) float32
    queries : (n_queries, d) float32
    exact : (n_queries, K) int64
    """

    items: np.ndarray
    queries: np.ndarray
    exact: np.ndarray


def draw(n: int, centers: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """`n` unit vectors (n, d) float32 around random `centers`."""
    vectors = np.empty((n, centers.shape[1]), np.float32)
    for rows in np.array_split(np.arange(n), max(1, n // 100_000)):
        own_centers = centers[rng.integers(0, len(centers), len(rows))]
        moved = own_centers + noise(len(rows), centers.shape[1], rng)
        vectors[rows] = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    return vectors


def noise(n: int, d: int, rng: np.random.Generator) -> np.ndarray:
    """Rows (n, d) of mean length 1 whose deviations fall as j^-0.6."""
    spread = np.arange(1, d + 1) ** -0.6
    return rng.standard_normal((n, d)) * (spread / np.linalg.norm(spread))


def milliseconds(search, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Answers (n, K) to single queries, and the milliseconds that each took (n,)."""
    for query in queries[:N_WARM_UP]:
        search(query[None])
    answers = []
    times = []
    for query in queries:
        start = time.process_time()
        answers.append(search(query[None])[0])
        times.append(1000 * (time.process_time() - start))
    return np.array(answers, dtype=np.int64), np.array(times)


def curve(name: str, build_seconds: float, set_effort, search, efforts, task: Task):
    """Recall and latency at each effort, printed and returned."""
    rows = []
    for effort in efforts:
        set_effort(effort)
        answers, times = milliseconds(search, task.queries)
        median, slow = np.percentile(times, [50, 99])
        row = Measured(
            index=name,
            n_items=len(task.items),
            build_seconds=round(build_seconds, 1),
            effort=effort,
            recall=round(recall(answers, task.exact), 4),
            p50_ms=round(median, 3),
            p99_ms=round(slow, 3),
        )
        print(f"{name:22s} effort {effort:4d}  recall@10 {row.recall:.4f}  ", end="")
        print(f"p50 {row.p50_ms:7.3f} ms  p99 {row.p99_ms:7.3f} ms", flush=True)
        rows.append(row)
    return rows


def inverted_file(task: Task, threads: int) -> list[Measured]:
    """Build, search, filter, save, open, remove and add."""
    items = task.items
    start = time.process_time()
    index = Index(items, IndexSettings(n_lists=2048))
    seconds = time.process_time() - start
    print(f"{OURS} built in {seconds:.1f} s", flush=True)
    faiss.omp_set_num_threads(1)

    def search(query):
        return index.search(query, K)[0]

    def set_probes(n):
        index.n_probes = n

    rows = curve(OURS, seconds, set_probes, search, (16, 32, 64, 96, 128), task)
    set_probes(IndexSettings.n_probes)
    for share in (0.5, 0.01):
        show_filtered(index, items, task.queries[:100], share)
    with tempfile.TemporaryDirectory() as folder:
        show_from_disk(index, Path(folder) / "items.faiss", task.queries)
    gone = np.arange(1000)
    start = time.process_time()
    index.remove(gone)
    removed = time.process_time()
    index.add(items[gone], gone)
    added = time.process_time()
    print(f"1,000 items out in {removed - start:.2f} s, in again in {added - removed:.2f} s")
    faiss.omp_set_num_threads(threads)
    return rows


def show_filtered(index: Index, items, queries, share: float) -> None:
    allowed = np.random.default_rng(1).random(len(items)) < share
    truth, _ = exact_top_k(queries, items, K, allowed)
    found, times = milliseconds(lambda query: index.search(query, K, allowed)[0], queries)
    median, slow = np.percentile(times, [50, 99])
    print(
        f"filter that leaves {share:.0%}: recall@10 {recall(found, truth):.4f}  "
        f"p50 {median:.2f} ms  p99 {slow:.2f} ms"
    )


def show_from_disk(index: Index, path: Path, queries) -> None:
    index.save(path)
    start = time.process_time()
    opened = Index.open(path)
    ready = time.process_time()
    opened.search(queries[:1], K)
    answered = time.process_time()
    print(
        f"{path.stat().st_size / 1e6:.0f} MB on disk, opened in {1000 * (ready - start):.0f} ms, "
        f"first answer after {1000 * (answered - ready):.1f} ms more"
    )


@dataclass(frozen=True)
class Graph:
    """How the peers' graphs are built.

    Attributes
    ----------
    links : int
        Neighbors that an item keeps.
    candidates : int
        Items that are looked at for them.
    """

    links: int = 16
    candidates: int = 64

    def name(self, library: str) -> str:
        """The library's name, with the links where they are fewer than usual."""
        return library if self == Graph() else f"{library}, {self.links} links"


def build_hnswlib(items, built: Graph, threads: int):
    import hnswlib

    graph = hnswlib.Index("ip", items.shape[1])
    graph.init_index(len(items), M=built.links, ef_construction=built.candidates)
    graph.add_items(items, num_threads=threads)

    def search(query):
        ids, _ = graph.knn_query(query, K, num_threads=1)
        return ids

    return graph.set_ef, search


def build_usearch(items, built: Graph, threads: int):
    from usearch.index import Index as Usearch

    graph = Usearch(
        ndim=items.shape[1],
        metric="ip",
        dtype="bf16",
        connectivity=built.links,
        expansion_add=built.candidates,
    )
    graph.add(np.arange(len(items)), items, threads=threads)

    def set_effort(effort):
        graph.expansion_search = effort

    def search(query):
        matches = graph.search(query[0], K, threads=1)
        return np.asarray(matches.keys)[None]

    return set_effort, search


def build_faiss_hnsw(items, built: Graph, threads: int):
    faiss.omp_set_num_threads(threads)
    graph = faiss.IndexHNSWFlat(items.shape[1], built.links, faiss.METRIC_INNER_PRODUCT)
    graph.hnsw.efConstruction = built.candidates
    graph.add(items)

    def set_effort(effort):
        graph.hnsw.efSearch = effort

    def search(query):
        _, ids = graph.search(query, K)
        return ids

    return set_effort, search


def flat(task: Task, threads: int) -> list[Measured]:
    """What it takes to compare the query with every item."""
    start = time.process_time()
    index = Index(task.items, IndexSettings(exact_below=len(task.items) + 1))
    seconds = time.process_time() - start
    faiss.omp_set_num_threads(1)

    def search(query):
        return index.search(query, K)[0]

    rows = curve("faiss Flat", seconds, lambda effort: None, search, (len(task.items),), task)
    faiss.omp_set_num_threads(threads)
    return rows


PEERS = {
    "hnswlib": build_hnswlib,
    "usearch": build_usearch,
    "faiss-hnsw": build_faiss_hnsw,
}
INDEXES = ("ivf", "flat", *PEERS)


def peer(name: str, task: Task, built: Graph, threads: int) -> list[Measured]:
    """Build a peer's graph and search it at growing effort."""
    module = name.removesuffix("-hnsw")
    if importlib.util.find_spec(module) is None:
        print(f"{name} is left out: it is not installed (pip install {module})")
        return []
    start = time.process_time()
    set_effort, search = PEERS[name](task.items, built, threads)
    seconds = time.process_time() - start
    print(f"{name} built in {seconds:.1f} s", flush=True)
    faiss.omp_set_num_threads(1)
    rows = curve(built.name(name), seconds, set_effort, search, (64, 128, 256, 512), task)
    faiss.omp_set_num_threads(threads)
    return rows


def beside_ours(rows: pd.DataFrame) -> pd.DataFrame:
    """Each index at the least effort that reaches the recall asked for, as multiples of ours."""
    enough = rows[rows["recall"] >= ASKED_RECALL]
    table = enough.groupby("index", sort=False).first()
    table = table[["effort", "recall", "p50_ms", "build_seconds"]]
    if OURS not in table.index:
        return table
    for column in ("p50_ms", "build_seconds"):
        table[f"{column} / ours"] = (table[column] / table.loc[OURS, column]).round(2)
    return table


def drawn_task(n_items: int, d: int, n_queries: int) -> Task:
    """Items, queries near the same centers, and the exact answers."""
    rng = np.random.default_rng(0)
    centers = noise(CLUSTERS, d, rng)
    items = draw(n_items, centers, rng)
    queries = draw(n_queries, centers, np.random.default_rng(1))
    start = time.process_time()
    exact, _ = exact_top_k(queries, items, K)
    seconds = time.process_time() - start
    print(f"{n_items} x {d}: exact top 10 of {n_queries} queries in {seconds:.2f} s", flush=True)
    return Task(items, queries, exact)


def measured(task: Task, name: str, graph: Graph, threads: int) -> pd.DataFrame:
    """One of our indexes, or a peer."""
    own: dict[str, Callable] = {"ivf": inverted_file, "flat": flat}
    if name in own:
        rows = own[name](task, threads)
    else:
        rows = peer(name, task, graph, threads)
    return pd.DataFrame([asdict(row) for row in rows])


def kept(new: pd.DataFrame, path: Path, names: list[str]) -> pd.DataFrame:
    """Write rows into a study in place of those with the same `names`; returns the whole table."""
    packages = [f"{module} {version(module)}" for module in ("faiss-cpu", "usearch", "hnswlib")]
    new = with_provenance(new)
    new["versions"] += ", " + ", ".join(packages)
    if path.exists():
        old = pd.read_csv(path, dtype={"commit": str})
        is_replaced = old.set_index(names).index.isin(new.set_index(names).index)
        new = pd.concat([old[~is_replaced], new])
    write_text(new.to_csv(index=False), path)
    return new


def version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--indexes", nargs="+", default=INDEXES, choices=INDEXES)
    parser.add_argument("--links", type=int, default=Graph.links, help="of the peers' graphs")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="keep the rows in data/studies")
    arguments = parser.parse_args()
    faiss.omp_set_num_threads(arguments.threads)
    task = drawn_task(arguments.items, arguments.dim, arguments.queries)
    graph = Graph(arguments.links, Graph.candidates * arguments.links // Graph.links)
    tables = []
    for name in arguments.indexes:
        table = measured(task, name, graph, arguments.threads)
        tables.append(table)
        if arguments.write and len(table):
            kept(table, STUDY, ["index", "n_items"])
    print(beside_ours(pd.concat(tables)))


if __name__ == "__main__":
    main()
