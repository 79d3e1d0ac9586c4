"""Ten thousand, a hundred thousand, a million: time and memory of each step, beside implicit's.

    python bench/scale.py [--sizes 10000 100000 1000000] [--only ItemKNN …] [--write]

A size N means N products, and N customers with ten orders each on average. Products and orders are
made up from a seed: products are bought in proportion to rank^-0.8, a long tail. Each step runs in
a process of its own with one thread. `seconds` is that process's processor time without imports and
without making the data. `start_mb` is the memory that it held before the step, and `peak_mb` the
largest during the step (where the system can't tell that, since the process began), both in MiB.

What is measured is kept in --folder and not measured again, so that an interrupted run goes on
where it was. At the end the growth exponents are printed: the slope of log time, and of log memory
above the start, against log size. --write stores the table for reports/scale.md.
"""

import argparse
import importlib.metadata
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
from provenance import with_provenance

from helpers.artefacts import ROOT, write_text

SEED = 7
SIZES = (10_000, 100_000, 1_000_000)
PICTURES = (250, 500, 1000)  # encoding costs the same for each picture: few tell it
TAIL = 0.8  # a product's share of the orders falls as rank^-TAIL
ORDERS = 10  # of a customer, on average
MOST_ORDERS = 200  # of a customer
DIMS = 128  # of an item's vector
CLUSTERS = 2000  # of item vectors
ASKED = 1000  # customers or queries that are answered
K = 10
NEIGHBORS = 100
PIECE = 10_000  # products of a shop whose numbers stay in the processor's cache
RANK = 16
SWEEPS = 2
STUDY = ROOT / "data" / "studies" / "scale.csv"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
START = 1.0  # MB above the start below which a step's memory tells of no growth
SEARCHED = ("index", "1,000 searches")  # below `search.EXACT_BELOW` items they do something else


@dataclass(frozen=True)
class Data:
    """What is made up for one size, each part once, in files under `folder`."""

    folder: Path
    n: int

    def path(self, name: str) -> Path:
        """A file of this size."""
        return self.folder / f"{self.n}-{name}"

    def orders(self) -> sp.csr_matrix:
        """Who bought what, (n customers, n products) of fives."""
        path = self.path("orders.npz")
        if not path.exists():
            _written(path, lambda aside: sp.save_npz(aside, drawn_orders(self.n), compressed=False))
        return sp.load_npz(path)

    def vectors(self) -> np.ndarray:
        """Unit vectors of the products, (n, DIMS) float32."""
        path = self.path("vectors.npy")
        if not path.exists():
            _written(path, lambda aside: np.save(aside, drawn_vectors(self.n)))
        return np.load(path)

    def feed(self) -> Path:
        """A shop's CSV of n products; its YAML lies beside it."""
        path = self.path("feed.csv")
        if not path.exists():
            _written(path, lambda aside: drawn_products(self.n).to_csv(aside, index=False))
        path.with_suffix(".yaml").write_text(FEED_YAML, encoding="utf-8")
        return path

    def order_lines(self) -> Path:
        """A shop's CSV of order lines."""
        path = self.path("lines.csv")
        if not path.exists():
            bought = self.orders().tocoo()
            rng = np.random.default_rng([SEED, 3])
            days = pd.to_timedelta(rng.integers(0, 700, bought.nnz), unit="D")
            lines = pd.DataFrame({"customer": bought.row, "product": bought.col})
            lines["date"] = (pd.Timestamp("2024-01-01") + days).strftime("%Y-%m-%d")
            _written(path, lambda aside: lines.to_csv(aside, index=False))
        return path

    def catalog(self) -> pd.DataFrame:
        """The columns that recommenders and order logs read."""
        number = np.arange(self.n)
        half = np.where(number % 2, "b", "a")
        frame = pd.DataFrame({"platform": half, "product_id": number.astype(str)})
        frame["image_key"] = frame["platform"] + "/" + frame["product_id"]
        frame["title"] = "Item " + frame["product_id"]
        frame["category"] = np.array(CATEGORIES)[number % len(CATEGORIES)]
        frame["colour"] = np.array(COLORS)[number % len(COLORS)]
        frame["price_usd"] = 10.0 + number % 90
        return frame

    def train(self):
        """Orders and items as recommenders take them."""
        from helpers.interactions import Interactions, ItemFeatures

        catalog = self.catalog()
        users = pd.RangeIndex(self.n).astype(str)
        train = Interactions(self.orders(), users, pd.Index(catalog["image_key"]))
        return train, ItemFeatures(self.vectors(), catalog)


def _written(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` make a file, which is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"aside-{path.name}")
    write(aside)
    aside.replace(path)


# ------------------------------------------------------------------ what is made up
CATEGORIES = ("dresses", "shirts", "jeans", "coats", "skirts", "shoes", "bags", "jumpers")
COLORS = ("black", "white", "navy", "red", "green", "beige", "pink", "grey")
WORDS = ("linen", "cotton", "wool", "slim", "relaxed", "cropped", "printed", "striped", "basic")
FEED_YAML = """platform: made_up
currency: USD
fields:
  product_id: id
  title: title
  price: price
  colour: color
  images: images
"""


def drawn_orders(n: int) -> sp.csr_matrix:
    """Orders of n customers for n products, fives; what is bought twice counts once."""
    rng = np.random.default_rng([SEED, 1])
    n_orders = np.minimum(rng.geometric(1 / ORDERS, n), MOST_ORDERS)
    share = np.arange(1, n + 1) ** -TAIL
    until = np.cumsum(share / share.sum())
    bought = np.searchsorted(until, rng.random(n_orders.sum()))
    bought = np.minimum(bought, n - 1)
    product_of_rank = rng.permutation(n)  # popularity has nothing to do with a product's number
    user = np.repeat(np.arange(n), n_orders)
    cells = (user, product_of_rank[bought])
    matrix = sp.csr_matrix((np.ones(len(user), np.float32), cells), shape=(n, n))
    matrix.data[:] = 5
    return matrix


def drawn_vectors(n: int) -> np.ndarray:
    """Unit vectors around CLUSTERS centers, whose spread falls along the axes."""
    rng = np.random.default_rng([SEED, 2])
    spread = np.arange(1, DIMS + 1) ** -0.6
    centers = rng.standard_normal((CLUSTERS, DIMS)) * spread
    vectors = np.empty((n, DIMS), np.float32)
    for rows in np.array_split(np.arange(n), max(1, n // 100_000)):
        noise = rng.standard_normal((len(rows), DIMS)) * spread
        around = centers[rng.integers(0, CLUSTERS, len(rows))] + noise
        vectors[rows] = around / np.linalg.norm(around, axis=1, keepdims=True)
    return vectors


def drawn_products(n: int) -> pd.DataFrame:
    """Rows of a feed."""
    rng = np.random.default_rng([SEED, 4])
    word = np.array(WORDS)[rng.integers(0, len(WORDS), n)]
    color = np.array(COLORS)[rng.integers(0, len(COLORS), n)]
    category = np.array(CATEGORIES)[rng.integers(0, len(CATEGORIES), n)]
    number = pd.Series(np.arange(n).astype(str))
    table = pd.DataFrame({"id": number})
    table["title"] = word + np.array(" ") + category + np.array(" ") + number.to_numpy(str)
    table["price"] = rng.integers(500, 20_000, n) / 100
    table["color"] = color
    table["images"] = "https://pictures.example/" + number + ".jpg"
    return table


# ------------------------------------------------------------------ the steps
Step = Callable[[], dict[str, float]]  # what it found, by name


def catalogue(data: Data) -> Step:
    """A feed read, harmonized and written as Parquet."""
    from helpers.artefacts import write_parquet
    from helpers.feeds import harmonise, read_feed

    feed = data.feed()

    def run() -> dict[str, float]:
        read = read_feed(feed, feed.with_suffix(".yaml"))
        catalog, _ = harmonise([read])
        path = data.path("catalog.parquet")
        write_parquet(catalog, path)
        return {"products": len(catalog), "bytes": path.stat().st_size}

    return run


def pictures(data: Data) -> Step:
    """Pictures encoded by fashion-lite."""
    import io

    from PIL import Image

    from helpers.embeddings import ClipEncoder

    encoder = ClipEncoder()
    rng = np.random.default_rng([SEED, 5])
    coded = []
    for _ in range(data.n):
        buffer = io.BytesIO()
        coarse = Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8))
        coarse.resize((256, 256), Image.Resampling.BICUBIC).save(buffer, "WEBP", quality=84)
        coded.append(buffer.getvalue())
    encoder.encode_images(coded[:8])

    def run() -> dict[str, float]:
        vectors = encoder.encode_images(coded)
        size = np.mean([len(picture) for picture in coded])
        return {"pictures": len(vectors), "bytes": float(size)}

    return run


def index(data: Data) -> Step:
    """An index built over the products' vectors and written."""
    from helpers.serving.search import Index

    vectors = data.vectors()

    def run() -> dict[str, float]:
        path = data.path("index.faiss")
        Index(vectors).save(path)
        return {"bytes": path.stat().st_size}

    return run


def search(data: Data) -> Step:
    """A thousand single queries of the index."""
    from helpers.serving.search import Index, exact_top_k, recall

    vectors = data.vectors()
    rng = np.random.default_rng([SEED, 6])
    noise = rng.standard_normal((ASKED, DIMS)) * np.arange(1, DIMS + 1) ** -0.6
    queries = vectors[rng.integers(0, data.n, ASKED)] + 0.1 * noise.astype(np.float32)
    exact, _ = exact_top_k(queries[:200], vectors, K)
    del vectors
    found = Index.open(data.path("index.faiss"))
    found.search(queries[:50], K)

    def run() -> dict[str, float]:
        ids = np.concatenate([found.search(query[None], K)[0] for query in queries])
        return {"recall": recall(ids[:200], exact), "queries": ASKED}

    return run


def orders(data: Data) -> Step:
    """A log of orders read, matched to the catalogue, and made a matrix."""
    from helpers.interactions import Interactions
    from helpers.interactions.orders import read_orders

    lines = data.order_lines()
    catalog = data.catalog()

    def run() -> dict[str, float]:
        log = read_orders(lines, catalog, b"a key of this study").log
        train = Interactions.from_frame(log, pd.Index(catalog["image_key"]))
        return {"rows": train.ratings.nnz}

    return run


def item_knn(data: Data) -> Step:
    """Each product's hundred nearest."""
    from helpers.recommenders import ItemKNN

    train, _ = data.train()
    _compile()

    def run() -> dict[str, float]:
        model = ItemKNN(k=NEIGHBORS, shrinkage=0).fit(train)
        visits = _visits(train.ratings)
        return {"neighbors": len(model.kept_data_), "rows": train.ratings.nnz, "visits": visits}

    return run


def _visits(ratings: sp.csr_matrix) -> float:
    """How often the kernel comes to an item: Σ n² over shoppers, n being what they bought."""
    n_bought = np.diff(ratings.indptr).astype(float)
    return float((n_bought**2).sum())


def item_knn_in_pieces(data: Data) -> Step:
    """The same work in shops of `PIECE` products that share no customer: it stays in the cache."""
    from helpers.recommenders import ItemKNN

    train, _ = Data(data.folder, PIECE).train()
    _compile()

    def run() -> dict[str, float]:
        n_pieces = data.n // PIECE
        for _ in range(n_pieces):
            ItemKNN(k=NEIGHBORS, shrinkage=0).fit(train)
        return {"pieces": n_pieces, "visits": n_pieces * _visits(train.ratings)}

    return run


def lists_for_everyone(data: Data) -> Step:
    """Lists of ten for all customers, in partitions of customers."""
    from helpers.interactions import Histories
    from helpers.recommenders import ItemKNN
    from helpers.recommenders.everyone import recommend_all

    train, _ = data.train()
    model = ItemKNN(k=NEIGHBORS, shrinkage=0).fit(train)
    everyone = Histories.from_interactions(train)
    model.recommend(everyone[:10], K)  # compiles the kernel

    def run() -> dict[str, float]:
        ids, _ = recommend_all(model, everyone, K)
        return {"lists": len(ids), "links": _links(model, train.ratings)}

    return run


def _links(model, ratings: sp.csr_matrix) -> float:
    """How many links all lists follow: from each item bought to those that it is a neighbor of."""
    n_links = np.bincount(model.kept_indices_, minlength=ratings.shape[1])
    n_bought = np.bincount(ratings.indices, minlength=ratings.shape[1])
    return float(n_links @ n_bought)


def item_knn_of_implicit(data: Data) -> Step:
    """The same by implicit."""
    from implicit.nearest_neighbours import CosineRecommender

    matrix = (data.orders() > 0).astype(np.float64)

    def run() -> dict[str, float]:
        model = CosineRecommender(K=NEIGHBORS + 1, num_threads=1)  # an item is its own nearest
        model.fit(matrix, show_progress=False)
        return {"neighbors": model.similarity.nnz - data.n, "rows": matrix.nnz}

    return run


def ials(data: Data) -> Step:
    """Factors of likes by least squares."""
    from helpers.recommenders import MatrixCompletion

    train, _ = data.train()

    def run() -> dict[str, float]:
        model = MatrixCompletion(RANK, reg=1.0, solver="ials", epochs=SWEEPS, seed=SEED)
        model.fit(train)
        return {"loss": float(model.objective_[-1]) / data.n, "rows": train.ratings.nnz}

    return run


def ials_of_implicit(data: Data) -> Step:
    """The same by implicit, whose sweeps are a few steps of conjugate gradients."""
    from implicit.cpu.als import AlternatingLeastSquares

    matrix = (data.orders() > 0).astype(np.float32)

    def run() -> dict[str, float]:
        model = AlternatingLeastSquares(
            RANK, regularization=1.0, alpha=2, iterations=SWEEPS, num_threads=1, random_state=SEED
        )
        model.fit(matrix, show_progress=False)
        return {"rows": matrix.nnz}

    return run


def towers(data: Data) -> Step:
    """One epoch of the two towers."""
    from helpers.recommenders import TwoTower

    train, items = data.train()

    def run() -> dict[str, float]:
        model = TwoTower(epochs=1, seed=SEED).fit(train, items)
        return {"loss": model.losses_[0][-1], "rows": train.ratings.nnz}

    return run


def lists_of(make) -> Callable[[Data], Step]:
    """Lists of ten for a thousand customers; the method is fitted before."""

    def step(data: Data) -> Step:
        from helpers.interactions import Histories

        train, items = data.train()
        model = make().fit(train, items)
        some = Histories.from_interactions(train, items, np.arange(ASKED))

        def run() -> dict[str, float]:
            ids, _ = model.recommend(some, K)
            return {"lists": len(ids)}

        return run

    return step


def _content():
    from helpers.recommenders import Content

    return Content()


def _bridge():
    from helpers.recommenders import Bridge

    inside = {"name": "ItemKNN", "parameters": {"k": NEIGHBORS, "shrinkage": 0.0}}
    return Bridge(inside=inside)


def _compile() -> None:
    """Compile the kernel, which takes seconds once."""
    from helpers.kernels.item_blocks import top_similar_in_blocks

    top_similar_in_blocks(sp.identity(3, np.float32, "csr"), 1)


@dataclass(frozen=True)
class Measured:
    """A step, what it works on, and whose it is."""

    make: Callable[[Data], Step]
    whose: str = "ours"
    sizes: tuple[int, ...] = ()  # where they are not those asked for


STEPS = {
    "catalogue": Measured(catalogue),
    "encode pictures": Measured(pictures, sizes=PICTURES),
    "index": Measured(index),
    "1,000 searches": Measured(search),
    "orders": Measured(orders),
    "ItemKNN": Measured(item_knn),
    "ItemKNN in pieces": Measured(item_knn_in_pieces),
    "ItemKNN, lists for everyone": Measured(lists_for_everyone),
    "ItemKNN, implicit": Measured(item_knn_of_implicit, "implicit"),
    "iALS": Measured(ials),
    "iALS, implicit": Measured(ials_of_implicit, "implicit"),
    "towers, one epoch": Measured(towers),
    "Content, 1,000 lists": Measured(lists_of(_content)),
    "Bridge, 1,000 lists": Measured(lists_of(_bridge)),
}


# ------------------------------------------------------------------ measuring
def measure(name: str, data: Data) -> dict:
    """Time and memory of one step, here and now."""
    run = STEPS[name].make(data)
    start_mb = _resident_mb()
    forget_peak()
    began = time.process_time()
    found = run()
    seconds = time.process_time() - began
    return {"seconds": seconds, "peak_mb": _peak_mb(), "start_mb": start_mb, "found": found}


def forget_peak() -> None:
    """Let Linux count the largest resident memory from now on: fitting a model before the step
    may have taken more than the step does."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_mb() -> float:
    with suppress(OSError):
        status = Path("/proc/self/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _resident_mb() -> float:
    import psutil

    return psutil.Process().memory_info().rss / 2**20


def measured_apart(name: str, folder: Path, n: int) -> dict | None:
    """The same in a process of its own; None if it broke, with its last words printed."""
    command = [sys.executable, __file__, "--folder", str(folder), "--measure", name, str(n)]
    one_thread = dict.fromkeys(THREADS, "1")
    done = subprocess.run(
        command, env=os.environ | one_thread, capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(f"{name} at {n:,} broke ({done.returncode}): {done.stderr.strip()[-400:]}")
        return None
    return json.loads(done.stdout.strip().splitlines()[-1])


def row_of(name: str, n: int, result: dict) -> dict:
    """A row of the study."""
    found = result.pop("found")
    what = ", ".join(f"{key} {value:.6g}" for key, value in found.items())
    return {"step": name, "whose": STEPS[name].whose, "size": n, **result, "found": what}


def exponents(table: pd.DataFrame) -> pd.DataFrame:
    """Slope of log time, and of log memory above the start, against log size, by step.

    A small index compares the query with all items, and building it takes no time. So the slopes of
    `SEARCHED` are of the sizes that divide the items into lists.

    Parameters
    ----------
    table : DataFrame
        step, size, seconds, peak_mb, start_mb.

    Returns
    -------
    DataFrame
        By step: time, memory (NaN with fewer than two sizes), and the largest size.
    """
    from helpers.serving.search import EXACT_BELOW  # faiss, which no other step should hold

    rows = {}
    for step, part in table.groupby("step", sort=False):
        if step in SEARCHED:
            part = part[part["size"] >= EXACT_BELOW]
        more = (part["peak_mb"] - part["start_mb"]).clip(lower=START)
        rows[step] = {
            "time": slope(part["size"], part["seconds"]),
            "memory": slope(part["size"], more),
            "largest": part["size"].max(),
        }
    return pd.DataFrame(rows).T


def slope(size, value) -> float:
    """Of the line through log value against log size."""
    if len(size) < 2:
        return float("nan")
    x = np.log(np.asarray(size, float))
    y = np.log(np.asarray(value, float))
    return float(np.polyfit(x, y, 1)[0])


def kept(folder: Path) -> pd.DataFrame:
    """What was measured before."""
    rows = [json.loads(path.read_text()) for path in sorted(folder.glob("result-*.json"))]
    if not rows:
        return pd.DataFrame(columns=["step", "size"])
    table = pd.DataFrame(rows)
    place = table["step"].map({name: place for place, name in enumerate(STEPS)})
    return table.assign(place=place).sort_values(["place", "size"]).drop(columns="place")


def run_all(folder: Path, sizes: list[int], only: list[str]) -> None:
    """Measure what isn't there yet."""
    for name, step in STEPS.items():
        if only and name not in only:
            continue
        for n in step.sizes or sizes:
            path = folder / f"result-{name.replace(' ', '-')}-{n}.json"
            if path.exists():
                continue
            result = measured_apart(name, folder, n)
            if result is None:
                continue
            row = row_of(name, n, result)
            table = with_provenance(pd.DataFrame([row]))
            row = table.iloc[0].to_dict() | {"size": n}
            write_text(json.dumps(row), path)
            print(f"{name:22} {n:9,} {row['seconds']:9.2f} s {row['peak_mb']:8.0f} MB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES))
    parser.add_argument("--only", nargs="*", default=[], help=", ".join(STEPS))
    parser.add_argument("--folder", type=Path, default=ROOT / "data" / "scale")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help="store the study")
    arguments = parser.parse_args()
    if arguments.measure:
        name, n = arguments.measure
        print(json.dumps(measure(name, Data(arguments.folder, int(n)))))
        return
    arguments.folder.mkdir(parents=True, exist_ok=True)
    run_all(arguments.folder, arguments.sizes, arguments.only)
    table = kept(arguments.folder)
    if table.empty:
        print("nothing was measured")
        return
    print(exponents(table).to_string(float_format="{:.2f}".format))
    if arguments.write:
        implicit = f"implicit {importlib.metadata.version('implicit')}"
        table["versions"] = table["versions"] + ", " + implicit
        digits = {"seconds": 4, "peak_mb": 1, "start_mb": 1}
        write_text(table.round(digits).to_csv(index=False), STUDY)


if __name__ == "__main__":
    main()
