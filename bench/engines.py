"""What Ray costs on one machine: the same pictures fetched and encoded by both engines in one run.

    python bench/engines.py [--pictures 5000] [--write]

Pictures are drawn, served on loopback by a process apart, fetched into an empty folder and encoded
by fashion-lite: first by the local engine, then by Ray. Processor seconds are those of this process
and of all that it started, Ray's own processes included; starting Ray is a row of its own. The
results must be the same: the pictures' files byte by byte, the vectors to 1e-5.
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
    _, start = timed(lambda: engine.chosen().n_workers, server)
    index, fetching = timed(lambda: fetch_images(catalog, dest, resolve=resolve), server)
    products = catalog.merge(index[["image_key", "image_path"]], on="image_key")
    products = products.assign(title="", colour="", category="")
    encoder = ClipEncoder()
    vectors, encoding = timed(
        lambda: encode_catalog(products, dest, encoder, cache=dest / "cache")[0], server
    )
    costs = {"start": start, "fetch": fetching, "encode": encoding}
    rows = [{"engine": name, "step": step, **cost} for step, cost in costs.items()]
    return rows, sorted(index["image_path"]), vectors


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
    if arguments.write:
        write_text(with_provenance(table.round(2)).to_csv(index=False), STUDY)


if __name__ == "__main__":
    main()
