"""A warm `Service` in a shop of a million items, whose index is in memory or mapped from its file.

    python bench/serving.py [--items 1000000] [--places memory disk] [--folder DIR] [--write]

This is what `course recommend` waits for: three titles in, twelve products and their reasons out,
under a filter. "memory" builds the index in the process. "disk" opens the shop's folder as `course
recommend` does; its index is one file that is memory-mapped. The shop is made up: titles of four
words, vectors of the course's encoder with noise, and towers that saw few ratings, whose answers
take as long as any others. `--folder` keeps the shop, so that the places can be timed in separate
runs. Times are processor time of one thread, which other programs do not lengthen. Waiting for a
disk is no processor time, so the first answer's wall time is printed, too. `--write` keeps the rows
in data/studies/serving.csv.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import faiss
import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from retrieval import kept, noise

from helpers import recommenders
from helpers.artefacts import ROOT, data_dir, write_parquet
from helpers.embeddings import (
    ClipEncoder,
    item_vectors,
    load_embeddings,
    load_encoder,
    save_embeddings,
)
from helpers.interactions import Interactions, ItemFeatures
from helpers.recommenders import TwoTower
from helpers.serving.history import History
from helpers.serving.service import Filters, Service

PLACES = ("memory", "disk")
PROFILE = "made_up"
MODEL = "TwoTower"
WORDS = {
    "style": ("slim", "relaxed", "cropped", "oversized", "vintage", "classic"),
    "colour": ("red", "blue", "black", "white", "green", "beige", "navy"),
    "fabric": ("cotton", "linen", "denim", "wool", "silk"),
    "category": ("dress", "jeans", "shirt", "skirt", "sweater", "coat"),
}
N_SHOPPERS = 500
N_RATINGS = 20  # of each shopper
N_WARM_UP = 20
ASKED = Filters(in_stock=True, max_price=150.0)
STUDY = ROOT / "data" / "studies" / "serving.csv"


def make_shop(n_items: int) -> None:
    """Write what chapters 01, 02 and 06 leave of a shop."""
    encoder = ClipEncoder()
    catalog = drawn_catalog(n_items)
    text = drawn_vectors(catalog["title"], encoder, seed=1)
    image = drawn_vectors(catalog["category"], encoder, seed=2)
    items = ItemFeatures(item_vectors(image, text), catalog, encoder.name)
    towers = TwoTower("enjoyed", epochs=1).fit(drawn_ratings(catalog), items)
    folder = data_dir(PROFILE)
    write_parquet(catalog, folder / "catalog.parquet")
    save_embeddings(folder, image, text, encoder)
    towers.save(folder / "models" / MODEL)


def drawn_catalog(n_items: int) -> pd.DataFrame:
    """Products whose titles are four words."""
    rng = np.random.default_rng(0)
    columns = {name: rng.choice(words, n_items) for name, words in WORDS.items()}
    words = pd.DataFrame(columns)
    number = pd.Series(np.arange(n_items).astype(str))
    return pd.DataFrame(
        {
            "image_key": "a/" + number,
            "title": words.agg(" ".join, axis=1),
            "platform": "a",
            "category": words["category"],
            "colour": words["colour"],
            "gender": rng.choice(["women", "men", "unisex"], n_items),
            "price_usd": rng.uniform(5, 200, n_items),
            "image_path": "",
        }
    )


def drawn_vectors(texts: pd.Series, encoder, seed: int) -> np.ndarray:
    """Vectors of the texts with noise, (n, d) float32, so that no two products are the same."""
    codes, kinds = pd.factorize(texts)
    known = encoder.encode_texts(kinds.tolist())
    vectors = known[codes]
    rng = np.random.default_rng(seed)
    for rows in np.array_split(np.arange(len(vectors)), max(1, len(vectors) // 100_000)):
        vectors[rows] += 0.3 * noise(len(rows), vectors.shape[1], rng).astype(np.float32)
    return vectors


def drawn_ratings(catalog: pd.DataFrame) -> Interactions:
    """A few shoppers' ratings, half of them likes."""
    rng = np.random.default_rng(3)
    n_cells = N_SHOPPERS * N_RATINGS
    users = np.repeat(np.arange(N_SHOPPERS), N_RATINGS)
    items = rng.integers(0, len(catalog), n_cells)
    stars = rng.choice([2.0, 5.0], n_cells)
    ratings = sp.csr_matrix((stars, (users, items)), shape=(N_SHOPPERS, len(catalog)))
    ratings.data = ratings.data.clip(1, 5)  # an item drawn twice would have both its stars
    names = pd.RangeIndex(N_SHOPPERS).astype(str)
    return Interactions(ratings, names, pd.Index(catalog["image_key"]))


def opened(place: str) -> Service:
    """The shop, ready for one list after another."""
    if place == "disk":
        return Service(PROFILE, MODEL)
    folder = data_dir(PROFILE)
    catalog = pd.read_parquet(folder / "catalog.parquet")
    encoder = load_encoder(folder)
    image, text, _ = load_embeddings(folder, encoder)
    model = recommenders.load(folder / "models" / MODEL)
    return Service.of(catalog, image, text, encoder, model)


def measured(place: str, n_lists: int) -> dict:
    """One row of the study: what opening the shop and answering a list take."""
    start = time.process_time()
    service = opened(place)
    seconds = time.process_time() - start
    print(f"{place}: opened in {seconds:.1f} s", flush=True)
    rng = np.random.default_rng(4)
    titles = service.catalog["title"].unique()
    times = []
    for number in range(N_WARM_UP + n_lists):
        liked = pd.DataFrame({"title": rng.choice(titles, 3)}, index=[1, 2, 3])
        began = time.perf_counter()
        start = time.process_time()
        service.recommend(History(liked), 12, ASKED)
        times.append(1000 * (time.process_time() - start))
        if number == 0:
            print(f"{place}: first answer after {1000 * (time.perf_counter() - began):.0f} ms")
    median, slow = np.percentile(times[N_WARM_UP:], [50, 99])
    n_items = len(service.catalog)
    print(f"{place}: one of {n_lists} lists among {n_items} items takes ", end="")
    print(f"p50 {median:.1f} ms  p99 {slow:.1f} ms (asked: 30)", flush=True)
    return {
        "index": place,
        "n_items": n_items,
        "n_lists": n_lists,
        "open_seconds": round(seconds, 1),
        "p50_ms": round(median, 1),
        "p99_ms": round(slow, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--lists", type=int, default=200)
    parser.add_argument("--places", nargs="*", default=PLACES, choices=PLACES)
    parser.add_argument("--folder", type=Path, help="where the shop is kept; by default nowhere")
    parser.add_argument("--write", action="store_true", help="keep the rows in data/studies")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    with tempfile.TemporaryDirectory() as nowhere:
        os.environ["COURSE_DATA"] = str(arguments.folder or nowhere)
        if not (data_dir(PROFILE) / "models" / f"{MODEL}.json").exists():
            make_shop(arguments.items)
        rows = [measured(place, arguments.lists) for place in arguments.places]
    if arguments.write:
        kept(pd.DataFrame(rows), STUDY, ["index", "n_items"])


if __name__ == "__main__":
    main()
