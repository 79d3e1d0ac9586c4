"""Top 10 of many vectors: exact in blocks and the graph, beside faiss's flat index.

    python bench/retrieval.py [--items 100000] [--dim 64]

Vectors lie in 2,000 overlapping clusters on a spectrum that falls as j^-0.6: on plainly clustered ones all shine.
"""

import argparse
import time

import faiss
import numpy as np

from helpers.recommenders.retrieval import Index, exact_top_k, recall


def draw(n: int, dim: int, centres: np.ndarray, rng) -> np.ndarray:
    """`n` unit vectors around random `centres`."""
    spread = np.arange(1, dim + 1) ** -0.6
    rows = centres[rng.integers(0, len(centres), n)] + rng.standard_normal((n, dim)) * spread / np.linalg.norm(spread)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=64)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    spread = np.arange(1, arguments.dim + 1) ** -0.6
    centres = rng.standard_normal((2000, arguments.dim)) * spread / np.linalg.norm(spread)
    items, queries = (draw(n, arguments.dim, centres, rng) for n in (arguments.items, 1000))
    values = np.linalg.eigvalsh(np.cov(items[:20_000].T))
    print(f"{len(items)} x {arguments.dim}, participation ratio {values.sum() ** 2 / (values**2).sum():.1f} dimensions")

    flat = faiss.IndexFlatIP(arguments.dim)
    flat.add(items)
    for name, search in (
        ("exact, in blocks", lambda: exact_top_k(queries, items, 10)[0]),
        ("faiss flat", lambda: flat.search(queries, 10)[1]),
    ):
        times = []
        for _ in range(3):
            start = time.perf_counter()
            exact = search()
            times.append(time.perf_counter() - start)
        print(f"{name:20s} 1,000 queries in {np.median(times):.2f} s")

    start = time.perf_counter()
    index = Index(items, links=16)
    print(f"graph built in {time.perf_counter() - start:.1f} s")
    faiss.omp_set_num_threads(1)
    for effort in (32, 64, 128, 256):
        index.effort, found, times = effort, [], []
        for query in queries[:, None]:
            start = time.perf_counter()
            found.append(index.search(query, 10)[0][0])
            times.append(1000 * (time.perf_counter() - start))
        median, slow = np.percentile(times, [50, 99])
        got = recall(np.array(found), exact)
        print(f"graph, effort {effort:4d}   recall {got:.3f}   p50 {median:.2f} ms   p99 {slow:.2f} ms")


if __name__ == "__main__":
    main()
