"""Item-kNN (cosine, k = 100) beside implicit, similaripy and sparse_dot_topn: same neighbors, time
and memory.

    FASHION_DATA=… python bench/neighbors.py [--sizes 1M 5M 20M] [--runs 3] [--threads 2] [--peers
    similaripy …]

Every method starts from the same sparse matrix (users x items) and ends with its 100 neighbors of
every item, so conversions count. Methods take turns; the median of the runs is compared. numba
compiles before the clock starts (some seconds, kept on disk from then on). Peers that aren't
installed are left out: pip install implicit similaripy First, on MovieLens 100K, neighbors and
predicted ratings are compared with implicit's and Surprise's; that table,
data/studies/neighbors.csv, is what chapter 03 shows.
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import scipy.sparse as sp
import torch
from provenance import with_provenance
from public_ratings import movielens_100k

from helpers.artefacts import real_data, write_text
from helpers.evaluation import metered
from helpers.interactions import Histories, Interactions
from helpers.recommenders import ItemKNN, UserKNN

K = 100
SIZES = {  # users, items, ratings, allowed share of the fastest peer's time
    "1M": (6_040, 3_706, 1_000_000, 1.0),
    "5M": (60_000, 12_000, 5_000_000, 0.9),
    "20M": (138_493, 26_744, 20_000_000, 0.7),
}
PEERS = ("sparse_dot_topn", "similaripy", "implicit")
STUDY = Path(__file__).parent.parent / "data" / "studies" / "neighbors.csv"
MEMORY = 4096  # MiB


def power_law(n_users: int, n_items: int, n_ratings: int, seed: int = 0) -> sp.csr_matrix:
    """Random ratings 1-5: users' activity lognormal, the r-th item's popularity as (r +
    30)^-1.05."""
    rng = np.random.default_rng(seed)
    users, items = rng.lognormal(0, 1.1, n_users), (np.arange(n_items) + 30.0) ** -1.05
    pairs = np.empty(0, np.int64)
    while len(pairs) < n_ratings:
        drawn = rng.choice(n_users, n_ratings // 2, p=users / users.sum()) * n_items
        pairs = np.unique(
            np.append(pairs, drawn + rng.choice(n_items, n_ratings // 2, p=items / items.sum()))
        )
    pairs = np.sort(rng.permutation(pairs)[:n_ratings])
    stars, names = rng.integers(1, 6, n_ratings).astype(np.float32), rng.permutation(n_items)
    return sp.csr_matrix(
        (stars, (pairs // n_items, names[pairs % n_items])), shape=(n_users, n_items)
    )


def own(X, users, items) -> sp.csr_matrix:
    model = ItemKNN(k=K, similarity="cosine", shrinkage=0, signal="rating").fit(
        Interactions(X, users, items)
    )
    return model._kept()


def peers(threads: int) -> dict:
    """Name: function of the ratings. Each keeps K + 1, an item being its own nearest neighbor."""
    found = {}
    try:
        from sparse_dot_topn import sp_matmul_topn

        def topn(X):
            length = np.sqrt(
                np.bincount(X.indices, weights=np.square(X.data, dtype=float), minlength=X.shape[1])
            )
            Y = sp.csr_matrix(
                ((X.data / length[X.indices]).astype(np.float32), X.indices, X.indptr),
                shape=X.shape,
            )
            return sp_matmul_topn(Y.T.tocsr(), Y, top_n=K + 1, n_threads=threads, sort=True)

        found["sparse_dot_topn"] = topn
    except ImportError:
        print("sparse_dot_topn left out: pip install sparse_dot_topn")
    try:
        import similaripy

        found["similaripy"] = lambda X: similaripy.cosine(
            X.T.tocsr(), k=K + 1, num_threads=threads, verbose=False
        )
    except ImportError:
        print("similaripy left out: pip install similaripy")
    try:
        from implicit.nearest_neighbours import CosineRecommender

        def cosine(X):
            model = CosineRecommender(K=K + 1, num_threads=threads)
            model.fit(X, show_progress=False)
            return model.similarity

        found["implicit"] = cosine
    except ImportError:
        print("implicit left out: pip install implicit")
    return found


def best(S) -> tuple[sp.csr_matrix, np.ndarray]:
    """The K best of each row but itself: as a matrix, and their values in order, 0 where there are
    fewer.
    """
    S = sp.coo_matrix(S)
    keep = (S.row != S.col) & (S.data > 0)
    row, column, value = S.row[keep], S.col[keep], S.data[keep].astype(np.float64)
    order = np.lexsort((-value, row))
    row, column, value = row[order], column[order], value[order]
    place = np.arange(len(row)) - np.searchsorted(row, row)
    first = place < K
    values = np.zeros((S.shape[0], K))
    values[row[first], place[first]] = value[first]
    return sp.csr_matrix((value[first], (row[first], column[first])), shape=S.shape), values


def compare(ours, theirs) -> tuple[float, float, int]:
    """Largest difference of a similarity, share of pairs in both, and pairs in one only that are no
    tie at the end.
    """
    (A, a), (B, b) = best(ours), best(theirs)
    alone, strangers = 0, 0
    for one, other, last in ((A, B, b[:, -1]), (B, A, a[:, -1])):
        only = sp.coo_matrix(one - one.multiply(other > 0))
        only.eliminate_zeros()
        alone += only.nnz
        strangers += int((np.abs(only.data - last[only.row]) > 1e-5).sum())
    return np.abs(a - b).max(), 1 - alone / (A.nnz + B.nnz), strangers


def cross_check() -> None:
    """Largest difference from implicit's similarities and from Surprise's predictions on MovieLens
    100K.
    """
    try:
        import surprise
        from implicit.nearest_neighbours import CosineRecommender

        frame = movielens_100k(real_data("ratings")).sample(frac=1, random_state=0)
    except (ImportError, FileNotFoundError) as missing:
        print(
            f"cross-check left out: {missing}; pip install implicit scikit-surprise, and set "
            "FASHION_DATA"
        )
        return
    (u, users), (i, items) = (pd.factorize(frame[name]) for name in ("user", "item"))
    shape, held = (len(users), len(items)), np.arange(len(frame)) < 2000
    R = sp.csr_matrix((frame["rating"][~held].astype(float), (u[~held], i[~held])), shape=shape)
    train = Interactions(R, *(pd.RangeIndex(n).astype(str) for n in shape))
    model = CosineRecommender(K=K + 1)
    model.fit(R, show_progress=False)
    found = [
        (
            "100 neighbors of each film, cosine",
            "implicit",
            compare(own(R, train.users, train.items), model.similarity)[0],
        )
    ]
    reader = surprise.Reader(rating_scale=(1, 5))
    theirs = surprise.Dataset.load_from_df(
        frame[~held][["user", "item", "rating"]], reader
    ).build_full_trainset()
    known = np.asarray(R.sum(axis=0)).ravel()[i[held]] > 0
    for name, centre in (("KNNBasic", False), ("KNNWithMeans", True)):
        knn = UserKNN(k=len(users), similarity="pearson", signal="rating", centre=centre).fit(train)
        ours = knn.predict(Histories.from_interactions(train), np.arange(shape[1]))[
            u[held], i[held]
        ]
        peer = getattr(surprise, name)(
            k=len(users), sim_options={"name": "pearson"}, verbose=False
        ).fit(theirs)
        guesses = [
            peer.predict(*row) for row in frame[held][["user", "item"]].itertuples(index=False)
        ]
        rated = np.array(
            [
                not guess.details["was_impossible"] and guess.details["actual_k"] > 0
                for guess in guesses
            ]
        )
        gap = np.abs(ours - [guess.est for guess in guesses])[rated & known].max()
        found.append(
            (
                f"user-based ratings, Pearson{', mean-centered' if centre else ''}",
                f"Surprise {name}",
                gap,
            )
        )
    table = pd.DataFrame(found, columns=["compared", "with", "largest difference"])
    for what, peer, gap in found:
        print(f"{what}, with {peer}: differ by {gap:.1e} at most (target <= 1e-05)")
    text = with_provenance(table).to_csv(index=False, float_format="%.0e")
    write_text(text, STUDY)


def measure(size: str, runs: int, threads: int, asked: list[str]) -> None:
    *shape, share = SIZES[size]
    X = power_law(*shape)
    users, items = (pd.RangeIndex(n).astype(str) for n in X.shape)
    others = {name: method for name, method in peers(threads).items() if name in asked}
    contenders = {"ItemKNN": lambda X: own(X, users, items), **others}
    print(
        f"\n{X.shape[0]:,} x {X.shape[1]:,}, {X.nnz:,} ratings, {threads} threads, median of {runs}"
    )
    own(X[:200], users[:200], items)  # compile
    seconds, cpu, peak, found = (
        {name: [] for name in contenders},
        {name: [] for name in contenders},
        {},
        {},
    )
    for _ in range(runs):
        for name, method in contenders.items():
            busy, before = time.process_time(), psutil.Process().memory_info().rss / 2**20
            with metered() as cost:
                found[name] = method(X)
            seconds[name].append(cost["seconds"])
            cpu[name].append(time.process_time() - busy)
            peak[name] = max(peak.get(name, 0), before + cost["peak_mb"])
    for name in contenders:
        print(
            f"{name:16s} {np.median(seconds[name]):7.2f} s   processor {np.median(cpu[name]):7.2f} "
            "s   ",
            end="",
        )
        print(f"process at most {peak[name]:5.0f} MiB")
    for name in contenders:
        if name != "ItemKNN":
            target = (
                "no target: it adds in float32" if name == "sparse_dot_topn" else "target <= 1e-05"
            )
            worst, same, strangers = compare(found["ItemKNN"], found[name])
            print(
                f"against {name:16s} values differ by {worst:.1e} ({target}), {same:.3%} of pairs "
                "the same, ",
                end="",
            )
            print(f"{strangers} of the others no tie (target 0)")
    if len(contenders) > 1:
        of = {name: np.median(times) for name, times in seconds.items()}
        fastest = min((name for name in of if name != "ItemKNN"), key=of.get)
        print(f"time: {of['ItemKNN'] / of[fastest]:.2f} of {fastest}'s (target <= {share})")
    print(
        f"memory: {peak['ItemKNN']:.0f} MiB, the ratings and all else in the process (target <= "
        f"{MEMORY})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="*", choices=SIZES, default=list(SIZES))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    warnings.filterwarnings("ignore", module="implicit")
    cross_check()
    for size in arguments.sizes:
        measure(size, arguments.runs, arguments.threads, arguments.peers)


if __name__ == "__main__":
    main()
