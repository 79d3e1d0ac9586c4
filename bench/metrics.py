"""Metrics on 100,000 users x 100 ranked items, beside ranx: `python bench/metrics.py`, or fewer
users: `… 20000`.

The target: at least as fast as ranx on each metric, and the same values to 1e-9. Both get what they
read natively, made outside the clock: a csr matrix and an id matrix here, typed lists of arrays for
ranx. ranx is timed warm (its first call compiles for about a minute); the best of three counts.
"""

import sys
import time

import numpy as np
import scipy.sparse as sp

from helpers.evaluation import metrics as m

N_USERS, N_ITEMS, K, N_RELEVANT = int((sys.argv[1:] or [100_000])[0]), 5_000, 100, 50


def inputs(seed: int = 7):
    rng = np.random.default_rng(seed)
    ranked = np.concatenate(
        [
            rng.permuted(np.tile(np.arange(N_ITEMS), (1000, 1)), axis=1)[:, :K]
            for _ in range(N_USERS // 1000)
        ]
    )
    columns = np.concatenate(
        [
            rng.permuted(np.tile(np.arange(N_ITEMS), (1000, 1)), axis=1)[:, :N_RELEVANT]
            for _ in range(N_USERS // 1000)
        ]
    )
    start = np.arange(0, N_USERS * N_RELEVANT + 1, N_RELEVANT)
    relevant = sp.csr_matrix(
        (np.ones(columns.size, bool), columns.ravel(), start), (N_USERS, N_ITEMS)
    )
    relevant.sort_indices()
    return ranked, relevant


def best_of_three(call) -> tuple[float, np.ndarray]:
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        values = call()
        seconds.append(time.perf_counter() - start)
    return min(seconds), values


def main() -> None:
    try:
        import ranx.metrics as peer
        from numba.typed import List
    except ImportError:
        sys.exit("the peer is missing: pip install ranx")

    ranked, relevant = inputs()
    places = np.arange(K, 0, -1.0)
    run = List([np.column_stack([row, places]) for row in ranked.astype(float)])
    truth = relevant.indices.reshape(N_USERS, N_RELEVANT).astype(float)
    qrels = List([np.column_stack([row, np.ones(N_RELEVANT)]) for row in truth])
    pairs = {
        "precision": ("precision", {}), "recall": ("recall", {}), "f1": ("f1", {}),
        "map": ("average_precision", {"divide": "relevant"}),
        "ndcg": ("ndcg", {}), "mrr": ("reciprocal_rank", {}), "hit_rate": ("hit_rate", {}),
    }  # fmt: skip
    print(
        f"{N_USERS:,} users x {K} ranked of {N_ITEMS:,} items, {N_RELEVANT} relevant each; "
        "seconds, best of three"
    )
    print(
        f"{'metric@' + str(K):<12}{'ours':>8}{'ranx':>8}{'ranx/ours':>11}{'largest difference':>21}"
    )
    total, slower, apart = np.zeros(2), [], 0.0
    for ours, (theirs, variant) in pairs.items():
        call = getattr(peer, theirs)
        call(qrels, run, K, 1)  # compile
        a, mine = best_of_three(
            lambda ours=ours, variant=variant: m.METRICS[ours](ranked, relevant, K, **variant)
        )
        b, other = best_of_three(lambda call=call: call(qrels, run, K, 1))
        total += a, b
        slower += [ours] if a > b else []
        apart = max(apart, np.abs(mine - other).max())
        print(f"{ours:<12}{a:>8.3f}{b:>8.3f}{b / a:>11.2f}{np.abs(mine - other).max():>21.1e}")
    together, _ = best_of_three(lambda: m.measure(ranked, relevant, (K,), tuple(pairs)))
    print(f"{'all, apart':<12}{total[0]:>8.3f}{total[1]:>8.3f}{total[1] / total[0]:>11.2f}")
    print(f"{'one look-up':<12}{together:>8.3f}{total[1]:>8.3f}{total[1] / together:>11.2f}")
    print(
        f"slower than ranx: {', '.join(slower) or 'none'} (target none); largest difference "
        f"{apart:.0e} (target 1e-9)"
    )


if __name__ == "__main__":
    main()
