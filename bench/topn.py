"""Top ten on MovieLens 100K: ItemKNN, EASE and iALS beside implicit's and cornac's own.

    FASHION_DATA=… python bench/topn.py [--seeds 3]

A fifth of each user's ratings is held out at random; all films that the user has not rated in
training are ranked, and a rating of 4 or more is relevant. All learn from the likes of the training
part (cornac's ItemKNN, which averages, from its ratings). Each method's setting is chosen from the
grid it shares with its twins, by NDCG@10 on a fifth of each user's training ratings. Peers that
aren't installed are left out: pip install implicit cornac
"""

import argparse
import sys
import warnings

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from public_ratings import movielens_100k

from helpers.artefacts import MissingArtefact, real_data
from helpers.evaluation.metrics import ndcg
from helpers.interactions import Histories, Interactions
from helpers.interactions.matrix import liked_only
from helpers.recommenders import EASE, ItemKNN, MatrixCompletion, Popularity

K = 10
GRIDS = {
    "ItemKNN": [{"k": k} for k in (20, 50, 100, 200, 500)],
    "EASE": [{"reg": reg} for reg in (50.0, 100.0, 200.0, 400.0, 800.0)],
    "iALS": [
        {"rank": 32, "reg": reg, "confidence": c} for reg in (3.0, 10.0, 30.0) for c in (1.0, 4.0)
    ],
}


def held_out(R, seed: int) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """A fifth of each row's ratings apart from the rest."""
    draw, rows = (
        np.random.default_rng(seed).random(R.nnz),
        np.repeat(np.arange(R.shape[0]), np.diff(R.indptr)),
    )
    order = np.lexsort((draw, rows))
    place = np.empty(R.nnz)
    place[order] = np.arange(R.nnz) - R.indptr[:-1][rows]
    last = place < np.diff(R.indptr)[rows] // 5
    parts = (
        sp.csr_matrix((R.data[keep], (rows[keep], R.indices[keep])), shape=R.shape)
        for keep in (~last, last)
    )
    return tuple(parts)


def ours(make):
    def scores(R, **setting):
        train = Interactions(R, *(pd.RangeIndex(n).astype(str) for n in R.shape))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # users without a like get popularity
            return make(**setting).fit(train).score(Histories.from_interactions(train))

    return scores


def implicit_knn(R, k):
    from implicit.nearest_neighbours import CosineRecommender

    model = CosineRecommender(K=k + 1)  # an item is its own nearest
    model.fit(liked_only(R), show_progress=False)
    return (liked_only(R) @ model.similarity).toarray()


def implicit_als(R, rank, reg, confidence):
    from implicit.cpu.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(
        rank, regularization=reg, alpha=1 + confidence, iterations=10, random_state=7
    )
    model.fit(liked_only(R), show_progress=False)
    return model.user_factors @ model.item_factors.T


def cornac_scores(name, binary, **fixed):
    def scores(R, **setting):
        import cornac

        X = liked_only(R) if binary else R
        rows = [(str(u), str(i), float(r)) for u, i, r in zip(*sp.find(X), strict=True)]
        data = cornac.data.Dataset.build(rows)
        names = {"k": "k", "reg": "lamb"}
        setting = {names[key]: value for key, value in setting.items()}
        model = getattr(cornac.models, name)(**setting, **fixed, verbose=False).fit(data)
        users, items = (np.array(list(ids), dtype=int) for ids in (data.uid_map, data.iid_map))
        out = np.full(R.shape, -np.inf)
        for place, user in enumerate(users):
            out[user, items] = model.score(place)
        return out

    return scores


METHODS = {  # family: name: scores(ratings, **setting) -> (n_users, n_items)
    "ItemKNN": {
        "ItemKNN": ours(lambda k: ItemKNN(k=k, shrinkage=0)),
        "implicit CosineRecommender": implicit_knn,
        "cornac ItemKNN": cornac_scores("ItemKNN", binary=False),
    },
    "EASE": {
        "EASE": ours(EASE),
        "cornac EASE": cornac_scores("EASE", binary=True, posB=False),
        "cornac EASE, positive weights": cornac_scores("EASE", binary=True),
    },
    "iALS": {
        "MatrixCompletion ials": ours(lambda **setting: MatrixCompletion(solver="ials", **setting)),
        "implicit ALS": implicit_als,
    },
}


def value(scores, train, test) -> float:
    """Mean NDCG@10 over users with a relevant film held out, in full ranking."""
    scores = np.where(train.toarray() > 0, -np.inf, scores)
    ranked = np.argsort(-scores, axis=1, kind="stable")[:, :K]
    return float(np.nanmean(ndcg(ranked, liked_only(test), K)))


def examine(R, seed: int) -> dict[str, tuple[float, dict]]:
    """NDCG@10 and chosen setting by method."""
    train, test = held_out(R, seed)
    inner, validation = held_out(train, seed + 1)
    found = {"Popularity": (value(ours(Popularity)(train), train, test), {})}
    for family, methods in METHODS.items():
        for name, scores in methods.items():
            try:
                chosen = max(
                    GRIDS[family],
                    key=lambda setting: value(scores(inner, **setting), inner, validation),
                )
            except ImportError as missing:
                print(f"{name} left out: pip install {missing.name}")
                continue
            found[name] = value(scores(train, **chosen), train, test), chosen
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", module="implicit")
    frame = movielens_100k(real_data("ratings"))
    (u, users), (i, items) = (pd.factorize(frame[name], sort=True) for name in ("user", "item"))
    R = sp.csr_matrix(
        (frame["rating"].to_numpy(np.float32), (u, i)), shape=(len(users), len(items))
    )
    R.sort_indices()
    runs = [examine(R, seed) for seed in range(arguments.seeds)]
    print(
        f"NDCG@10, {R.shape[0]} users, {R.shape[1]} films, mean of {len(runs)} seeds; settings of "
        "the first"
    )
    mean = {name: np.mean([run[name][0] for run in runs]) for name in runs[0]}
    for name, (_, setting) in runs[0].items():
        print(f"{name:30s} {mean[name]:.4f}   {setting}")
    for methods in METHODS.values():
        own, *twins = methods
        for twin in set(twins) & set(mean):
            print(f"{own} is at {mean[own] / mean[twin]:.4f} of {twin} (target >= 1)")


if __name__ == "__main__":
    try:
        main()
    except MissingArtefact as missing:
        sys.exit(str(missing))
