"""What Ray costs on one machine: the same pictures fetched and encoded by both engines in one run.

    python bench/engines.py [--pictures 5000] [--write]

Pictures are drawn, served on loopback by a process apart, fetched into an empty folder and encoded
by fashion-lite: first by the local engine, then by Ray. Processor seconds are those of this process
and of all that it started, Ray's own processes included. What is paid once is a row of its own,
`start`: Ray's start, and that its workers load the encoder, for which a few pictures are fetched
and encoded. The results must be the same: the pictures' files byte by byte, the vectors to 1e-5.
"""

import argparse
import io
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from fetch import served
from PIL import Image
from provenance import with_provenance

from helpers import engine
from helpers.artefacts import ROOT, write_text
from helpers.embeddings import ClipEncoder, encode_catalog
from helpers.images import fetch_images

STUDY = ROOT / "data" / "studies" / "engines.csv"
MOST_APART = 1e-5
MOST_OVERHEAD = 0.25
WARM = 128  # pictures that let every worker load what it needs


def draw(folder: Path, n: int) -> None:
    """Smooth random colors as JPEG; the server of bench/fetch.py asks for the ending .avif."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(7)
    for number in range(n):
        coarse = Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8))
        buffer = io.BytesIO()
        coarse.resize((256, 256), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
        (folder / f"{number}.avif").write_bytes(buffer.getvalue())


def processor_seconds(apart: set[int]) -> float:
    """Of this process and of all that it started, those that ended included; not of `apart`."""
    total = 0.0
    me = psutil.Process()
    for process in (me, *me.children(recursive=True)):
        try:
            if process.pid in apart:
                continue
            total += sum(process.cpu_times()[:4])  # own, and of children that it waited for
        except psutil.NoSuchProcess:
            continue
    return total


def timed(step, apart: set[int]) -> tuple[object, dict[str, float]]:
    """What a step returns, and its seconds by the clock and of processors."""
    began = time.perf_counter()
    before = processor_seconds(apart)
    found = step()
    seconds = time.perf_counter() - began
    return found, {"seconds": seconds, "processor_seconds": processor_seconds(apart) - before}


def run_engine(
    name: str, catalog: pd.DataFrame, dest: Path, resolve: dict, server: set[int]
) -> tuple:
    """Rows of the study, and the pictures' names and vectors."""
    os.environ[engine.NAME] = name
    encoder = ClipEncoder()

    def fetched(rows: pd.DataFrame, folder: Path) -> pd.DataFrame:
        index = fetch_images(rows, folder, resolve=resolve)
        products = rows.merge(index[["image_key", "image_path"]], on="image_key")
        return products.assign(title="", colour="", category="")

    def encoded(products: pd.DataFrame, folder: Path) -> np.ndarray:
        return encode_catalog(products, folder, encoder, cache=folder / "cache")[0]

    def begin() -> None:
        few = dest / "first"
        encoded(fetched(catalog.head(WARM), few), few)

    _, start = timed(begin, server)
    products, fetching = timed(lambda: fetched(catalog, dest), server)
    vectors, encoding = timed(lambda: encoded(products, dest), server)
    costs = {"start": start, "fetch": fetching, "encode": encoding}
    rows = [{"engine": name, "step": step, **cost} for step, cost in costs.items()]
    return rows, sorted(products["image_path"]), vectors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--write", action="store_true", help="store the figures")
    arguments = parser.parse_args()
    n = arguments.pictures
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw(folder / "photos", n)
        urls = [[f"http://{number % 8}.pictures.example/{number}.avif"] for number in range(n)]
        keys = [f"shop/{number}" for number in range(n)]
        catalog = pd.DataFrame({"image_key": keys, "image_urls": urls})
        with served(folder / "photos") as addresses:
            resolve = {f"{number}.pictures.example": addresses["fast.test"] for number in range(8)}
            server = {child.pid for child in psutil.Process().children()}
            rows, names, vectors = run_engine("local", catalog, folder / "local", resolve, server)
            far_rows, far_names, far = run_engine("ray", catalog, folder / "ray", resolve, server)
    assert names == far_names, "Ray fetched other pictures"
    apart = np.abs(vectors - far).max()
    assert apart <= MOST_APART, f"Ray's vectors are {apart:.1e} apart"
    table = pd.DataFrame(rows + far_rows).assign(pictures=n)
    print(table.round(1).to_string(index=False))
    work = table[table["step"] != "start"].groupby("engine")["processor_seconds"].sum()
    overhead = work["ray"] / work["local"] - 1
    verdict = "within" if overhead <= MOST_OVERHEAD else "above"
    print(f"Ray's overhead in processor time: {overhead:.0%}, {verdict} {MOST_OVERHEAD:.0%}")
    once = table[table["step"] == "start"].set_index("engine")["processor_seconds"]
    with_start = (work + once)["ray"] / (work + once)["local"] - 1
    print(f"with what is paid once: {with_start:.0%}")
    if arguments.write:
        write_text(with_provenance(table.round(2)).to_csv(index=False), STUDY)


if __name__ == "__main__":
    main()
