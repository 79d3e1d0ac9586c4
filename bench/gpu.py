"""What a GPU saves: each step that can use one, on the CPU and on the GPU, with the same result.

    python bench/gpu.py [--pictures 2000]

Every row names the largest difference of the two results, which must stay under 1e-3 of the
result's own scale, and how many times faster the GPU is. Takes under five minutes. Where there is
no GPU, it says so and measures nothing.
"""

import argparse
import io
import sys
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from PIL import Image

from helpers.embeddings import ClipEncoder
from helpers.interactions import Histories, Interactions, ItemFeatures
from helpers.recommenders import DeckTowers, MatrixCompletion, TwoTower
from helpers.recommenders.neighbors import top_similar

MOST_DIFFERENCE = 1e-3
N_USERS = 4000
N_ITEMS = 3000
LIKES_PER_USER = 40
DIMS = 256


def photos(n: int) -> list[bytes]:
    """Pictures of smooth random colors, as JPEG."""
    rng = np.random.default_rng(7)
    found = []
    for _ in range(n):
        coarse = rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(coarse).resize((256, 256), Image.Resampling.BICUBIC).save(buffer, "JPEG")
        found.append(buffer.getvalue())
    return found


def log() -> tuple[Interactions, ItemFeatures]:
    """Shoppers whose ratings follow a hidden taste, and the items' vectors."""
    rng = np.random.default_rng(7)
    vectors = rng.standard_normal((N_ITEMS, DIMS)).astype(np.float32)
    taste = rng.standard_normal((N_USERS, DIMS)).astype(np.float32)
    rows = np.repeat(np.arange(N_USERS), LIKES_PER_USER)
    columns = np.concatenate(
        [rng.choice(N_ITEMS, LIKES_PER_USER, replace=False) for _ in range(N_USERS)]
    )
    fit = (taste[rows] * vectors[columns]).sum(axis=1) / np.sqrt(DIMS)
    stars = np.clip(np.round(3 + fit), 1, 5)
    ratings = sp.csr_matrix((stars, (rows, columns)), shape=(N_USERS, N_ITEMS))
    names = pd.Index([f"i{n}" for n in range(N_ITEMS)])
    train = Interactions(ratings, pd.Index([f"u{n}" for n in range(N_USERS)]), names)
    frame = pd.DataFrame({"image_key": names, "platform": "a", "category": "all"})
    return train, ItemFeatures(vectors, frame)


def encoded(n: int) -> Callable[[str], np.ndarray]:
    """Vectors of pictures."""
    pictures = photos(n)

    def on(device: str) -> np.ndarray:
        return ClipEncoder(device=device).encode_images(pictures)

    return on


def neighbors(train: Interactions) -> Callable[[str], np.ndarray]:
    """Similarities of each item's hundred nearest."""
    likes = train.ratings.T.tocsr()

    def on(device: str) -> np.ndarray:
        near = top_similar(likes, likes, 100, exclude_self=True, device=device)
        return -np.sort(-near.toarray(), axis=1)[:, :100]

    return on


def completed(train: Interactions, items: ItemFeatures) -> Callable[[str], np.ndarray]:
    """Scores of matrix completion by alternating least squares."""
    few = Histories.from_interactions(train)[:200]

    def on(device: str) -> np.ndarray:
        return MatrixCompletion(rank=20, device=device).fit(train, items).score(few)

    return on


def towers(model, train: Interactions, items: ItemFeatures) -> Callable[[str], np.ndarray]:
    """Mean loss of one epoch; dropout is off, for its draws differ by device.

    Scores are not compared: Adam's steps turn differences of 1e-7 in the vectors into some 5e-3 of
    the scores, on one and the same device.
    """

    def on(device: str) -> np.ndarray:
        fitted = model(device).fit(train, items)
        return np.ravel(fitted.losses_)

    return on


def two_tower(device: str) -> TwoTower:
    """The course's towers."""
    return TwoTower(epochs=1, settings={"dropout": 0.0}, device=device)


def deck_towers(device: str) -> DeckTowers:
    """The original report's."""
    return DeckTowers(epochs=1, dropout=0.0, batch_size=1024, device=device)


def measured(step: Callable[[str], np.ndarray]) -> dict[str, float]:
    """Seconds on each device, once warm, and how far the results are apart."""
    results = {}
    seconds = {}
    for device in ("cpu", "cuda"):
        step(device)  # models are loaded, kernels compiled and memory reserved at the first call
        torch.cuda.synchronize()
        begin = time.perf_counter()
        results[device] = step(device)
        torch.cuda.synchronize()
        seconds[device] = time.perf_counter() - begin
    apart = np.abs(results["cpu"] - results["cuda"]).max()
    scale = np.abs(results["cpu"]).max()
    return {
        "CPU, s": seconds["cpu"],
        "GPU, s": seconds["cuda"],
        "times faster": seconds["cpu"] / seconds["cuda"],
        "difference": apart / scale,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=2000)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("no GPU here: nothing was measured")
        return
    train, items = log()
    steps = {
        f"encode {arguments.pictures} pictures": encoded(arguments.pictures),
        f"100 neighbors of {N_ITEMS} items": neighbors(train),
        f"complete {N_USERS} × {N_ITEMS}": completed(train, items),
        "TwoTower, one epoch": towers(two_tower, train, items),
        "TwoTower-deck, one epoch": towers(deck_towers, train, items),
    }
    table = pd.DataFrame({name: measured(step) for name, step in steps.items()}).T
    print(f"{torch.cuda.get_device_name()} beside {torch.get_num_threads()} CPU threads")
    print(table.to_string(float_format="{:.4g}".format))
    too_far = table.index[table["difference"] > MOST_DIFFERENCE]
    if len(too_far):
        sys.exit(f"differ by more than {MOST_DIFFERENCE}: {', '.join(too_far)}")


if __name__ == "__main__":
    main()
