"""Top 10 of a million vectors, exact and from the inverted file, beside faiss-cpu, hnswlib and usearch in the same run.

    python bench/retrieval.py [--items 1000000] [--peers faiss-hnsw hnswlib usearch]

Vectors lie in 2,000 overlapping clusters on a spectrum that falls as j^-0.6: on plainly clustered ones any inverted
file shines. Their intrinsic dimension is printed. Batches, builds and our single queries use `--threads`
threads; ours are shown with one thread too, and a peer's single query, which can't use more, with one.
Beside the time on the clock stands the processor's, all threads together, which a busy machine lengthens less.
"""

import argparse
import importlib.util
import tempfile
import time
import warnings
from pathlib import Path

import faiss
import numpy as np
import pandas as pd
import torch

from helpers.artefacts import data_dir
from helpers.serving.search import Index, exact_top_k, recall

CLUSTERS, K = 2000, 10
PEERS = ("faiss-hnsw", "hnswlib", "usearch")


def draw(n: int, centres: np.ndarray, rng) -> np.ndarray:
    """`n` unit vectors (n, d) float32 around random `centres`."""
    out = np.empty((n, centres.shape[1]), np.float32)
    for part in np.array_split(np.arange(n), max(1, n // 100_000)):
        rows = centres[rng.integers(0, len(centres), len(part))] + noise(
            len(part), centres.shape[1], rng
        )
        out[part] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return out


def noise(n: int, d: int, rng) -> np.ndarray:
    """Rows (n, d) of mean length 1 whose deviations fall as j^-0.6."""
    spread = np.arange(1, d + 1) ** -0.6
    return rng.standard_normal((n, d)) * (spread / np.linalg.norm(spread))


def dimensions(items: np.ndarray) -> tuple[float, float]:
    """Participation ratio of the covariance, and the local dimension by two nearest neighbours (Facco et al. 2017)."""
    values = np.linalg.eigvalsh(np.cov(items[:20_000].T))
    near, _ = exact_top_k(items[:1000], items, 3)
    gaps = np.sort(np.linalg.norm(items[near] - items[:1000, None], axis=2), axis=1)
    return values.sum() ** 2 / (values**2).sum(), 1000 / np.log(
        gaps[:, 2] / np.maximum(gaps[:, 1], 1e-9)
    ).sum()


def said(what: str, value: float, unit: str, aim: float, least: bool = False) -> None:
    """One line for a figure that has an aim."""
    met, bound = (value >= aim, "at least") if least else (value <= aim, "at most")
    print(f"AIM  {what}: {value:.3f} {unit} ({bound} {aim} asked): {'met' if met else 'NOT met'}")


def exact_search(items, queries, repeats: int = 3) -> np.ndarray:
    """The exact answer, found by us and by faiss's flat index in turn; says how long each took."""
    flat = faiss.IndexFlatIP(items.shape[1])
    flat.add(items)
    times, found = {"ours": [], "faiss flat": []}, {}
    for _ in range(repeats + 1):  # the first round warms up
        for name, search in (
            ("ours", lambda: exact_top_k(queries, items, K)[0]),
            ("faiss flat", lambda: flat.search(queries, K)[1]),
        ):
            start, busy = time.perf_counter(), time.process_time()
            found[name] = search()
            times[name].append((time.perf_counter() - start, time.process_time() - busy))
    seconds, busy = (
        {name: np.median(values[1:], 0)[n] for name, values in times.items()} for n in (0, 1)
    )
    same = recall(found["ours"], found["faiss flat"])
    print(
        f"exact, {len(queries)} queries: ours {seconds['ours']:.2f} s, faiss flat {seconds['faiss flat']:.2f} s,",
        end=" ",
    )
    print(f"of the processor {busy['ours']:.2f} and {busy['faiss flat']:.2f} s,", end=" ")
    print(f"same ids {same:.5f} (where they differ, two scores are one in float32)")
    bf16 = torch.cpu.get_capabilities().get("avx512_bf16")
    with_bf16 = "with bf16" if bf16 else "without bf16"
    said(
        f"exact, {with_bf16}, against faiss flat",
        seconds["ours"] / seconds["faiss flat"],
        "of its time",
        0.85 if bf16 else 1.2,
    )
    return found["faiss flat"]


def latency(search, queries) -> tuple[list, np.ndarray]:
    """Answers to single queries; milliseconds each took, by the clock and of the processor (n, 2), after a warm-up."""
    for query in queries[:100]:
        search(query[None])
    found, times = [], []
    for query in queries:
        start, busy = time.perf_counter(), time.process_time()
        found.append(search(query[None])[0])
        times.append((1000 * (time.perf_counter() - start), 1000 * (time.process_time() - busy)))
    return found, np.array(times)


def curve(
    name: str, set_effort, search, efforts, queries, exact
) -> tuple[float, float, float] | None:
    """A line an effort; the first that reaches recall 0.98, as (effort, recall, p99)."""
    reached = None
    for effort in efforts:
        set_effort(effort)
        found, times = latency(search, queries)
        got, ((median, busy), (slow, busiest)) = (
            recall(np.array(found), exact),
            np.percentile(times, [50, 99], axis=0),
        )
        print(
            f"{name:14s} effort {effort:4d}  recall@10 {got:.4f}  p50 {median:6.3f} ms  p99 {slow:6.3f} ms",
            end="  ",
        )
        print(f"of the processor p50 {busy:6.3f} ms  p99 {busiest:6.3f} ms", flush=True)
        if got >= 0.98:
            reached = reached or (effort, got, slow)
        if got >= 0.99:
            break
    return reached


def ours(items, queries, exact, threads) -> None:
    start, busy = time.perf_counter(), time.process_time()
    index = Index(items)
    seconds = time.perf_counter() - start
    print(
        f"inverted file built in {seconds:.1f} s, {time.process_time() - busy:.1f} s of the processor",
        flush=True,
    )
    said("inverted file, built", seconds, "s", 20)
    ask = lambda query: index.search(query, K)[0]  # noqa: E731
    efforts, reached = (16, 32, 64, 80, 96, 104, 112, 120, 128, 144, 160, 192), None
    for n in sorted({1, threads}):
        faiss.omp_set_num_threads(n)
        shown = [effort for effort in efforts if reached is None or effort >= reached[0]]
        reached = curve(
            f"ours, {n} thr",
            lambda effort: setattr(index, "n_probes", effort),
            ask,
            shown,
            queries,
            exact,
        )
    if reached:
        said(f"inverted file, recall@10 at {reached[0]} probes", reached[1], "", 0.98, least=True)
        said(f"inverted file, p99 at {reached[0]} probes, {n} threads", reached[2], "ms", 1.5)
        index.n_probes = reached[0]
    for share in (0.5, 0.01):
        allowed = np.random.default_rng(1).random(len(items)) < share
        truth = exact_top_k(queries[:200], items, K, allowed)[0]
        found, times = latency(
            lambda query, allowed=allowed: index.search(query, K, allowed)[0], queries[:200]
        )
        got, (slow, busiest) = recall(np.array(found), truth), np.percentile(times, 99, axis=0)
        print(
            f"filter that leaves {share:.0%}: recall@10 {got:.4f}  p99 {slow:.2f} ms, {busiest:.2f} of the processor"
        )
    with tempfile.TemporaryDirectory() as folder:
        index.save(Path(folder) / "items.safetensors")
        start = time.perf_counter()
        opened = Index.open(Path(folder) / "items.safetensors", index.n_probes)
        first = time.perf_counter()
        opened.search(queries[:1], K)
        size = (Path(folder) / "items.safetensors").stat().st_size / 1e6
        print(f"{size:.0f} MB on disk, opened in {1000 * (first - start):.0f} ms,", end=" ")
        print(f"first answer after {1000 * (time.perf_counter() - first):.1f} ms more")
    gone = np.arange(1000)
    start = time.perf_counter()
    index.remove(gone)
    middle = time.perf_counter()
    index.add(items[gone], gone)
    print(
        f"1,000 items out in {middle - start:.2f} s, in again in {time.perf_counter() - middle:.2f} s"
    )
    faiss.omp_set_num_threads(threads)


def peer(name: str, items, queries, exact, threads) -> None:
    """Build a peer's graph and search it at growing effort."""
    module = {"faiss-hnsw": "faiss"}.get(name, name)
    if importlib.util.find_spec(module) is None:
        print(f"{name} is not installed (pip install {name}): left out")
        return
    start, busy = time.perf_counter(), time.process_time()
    d, efforts = items.shape[1], (64, 128, 256, 512)
    if name == "faiss-hnsw":
        index = faiss.IndexHNSWFlat(d, 16, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = 64
        index.add(items)
        set_effort, search = (
            lambda ef: setattr(index.hnsw, "efSearch", ef),
            lambda q: index.search(q, K)[1],
        )
    elif name == "hnswlib":
        import hnswlib

        index = hnswlib.Index("ip", d)
        index.init_index(len(items), M=16, ef_construction=64)
        index.add_items(items, num_threads=threads)
        set_effort, search = (
            index.set_ef,
            lambda q: index.knn_query(q, K, num_threads=1)[0].astype(np.int64),
        )
    else:
        from usearch.index import Index as Graph

        index = Graph(ndim=d, metric="ip", dtype="bf16", connectivity=16, expansion_add=64)
        index.add(np.arange(len(items)), items, threads=threads)
        set_effort = lambda ef: setattr(index, "expansion_search", ef)  # noqa: E731
        search = lambda q: np.asarray(index.search(q[0], K, threads=1).keys, np.int64)[None]  # noqa: E731
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    print(f"{name} built in {seconds:.1f} s, {busy:.1f} s of the processor", flush=True)
    faiss.omp_set_num_threads(1)
    curve(name, set_effort, search, efforts, queries, exact)
    faiss.omp_set_num_threads(threads)


def machine_alone(repeats: int) -> None:
    """How far the machine itself scatters: 150 small linear layers, none of our code, about as long as an answer."""
    import torch

    layers, x = (
        torch.nn.Sequential(*(torch.nn.Linear(256, 256) for _ in range(150))),
        torch.zeros(3, 256),
    )
    times = []
    with torch.inference_mode():
        for _ in range(20 + repeats):
            start = time.perf_counter()
            layers(x)
            times.append(time.perf_counter() - start)
    p50, p99 = 1000 * np.percentile(times[20:], [50, 99])
    print(
        f"beside it, 150 linear layers of torch: p50 {p50:.2f} ms, p99 {p99:.2f} ms ({p99 / p50:.1f} times)"
    )


def end_to_end(profile: str, repeats: int = 300) -> None:
    """A shopper's list in, ids out, by the warm service of `course recommend`."""
    if not (data_dir(profile) / "models" / "Hybrid.json").exists():
        print(
            f"no models of {profile}: run  course run --profile {profile}  for the end-to-end time"
        )
        return
    from helpers.serving.service import Service

    machine_alone(repeats)
    for model in ("TwoTower", "Hybrid"):
        service = Service(profile, model)
        rng = np.random.default_rng(0)
        for n in (1, 3, 10):
            lists = [
                service.catalog["title"].iloc[rng.integers(0, len(service.catalog), n)]
                for _ in range(repeats)
            ]
            times = []
            for number, titles in enumerate(lists[:20] + lists):
                start = time.perf_counter()
                histories, _ = service.encode(pd.DataFrame({"title": titles.to_numpy()}))
                encoded = time.perf_counter()
                service.model.recommend(histories, K)
                times.append(
                    (encoded - start, time.perf_counter() - encoded) if number >= 20 else (0, 0)
                )
            encode, whole = np.array(times[20:])[:, 0], np.array(times[20:]).sum(axis=1)
            print(
                f"{model}, {n:2d} titles in, ids out: encoding p50 {1000 * np.median(encode):.2f} ms,",
                end=" ",
            )
            print(
                f"whole p50 {1000 * np.median(whole):.2f} ms, p99 {1000 * np.percentile(whole, 99):.2f} ms"
            )
            if n == 3:
                said(
                    f"{model} end to end on {profile}, p99",
                    1000 * np.percentile(whole, 99),
                    "ms",
                    10,
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--peers", nargs="*", default=PEERS, choices=PEERS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--profile", default="sample", help="whose warm service is timed end to end"
    )
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    end_to_end(arguments.profile)
    torch.set_num_threads(arguments.threads)
    faiss.omp_set_num_threads(arguments.threads)
    rng = np.random.default_rng(0)
    centres = noise(CLUSTERS, arguments.dim, rng)
    items = draw(arguments.items, centres, rng)
    queries = draw(
        1000, centres, np.random.default_rng(1)
    )  # the index's settings were chosen on others
    ratio, local = dimensions(items)
    print(f"{len(items)} x {arguments.dim}, {CLUSTERS} overlapping clusters;", end=" ")
    print(
        f"intrinsic dimension {ratio:.1f} (participation ratio), {local:.1f} (two nearest neighbours)",
        flush=True,
    )
    exact = exact_search(items, queries)
    ours(items, queries, exact, arguments.threads)
    for name in arguments.peers:
        peer(name, items, queries, exact, arguments.threads)


if __name__ == "__main__":
    main()
