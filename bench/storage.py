"""A local disk against a bucket: the same photos fetched into each, and their pictures written and
read one by one.

python bench/storage.py           # 1,000 photos; drawn first, some 30 s on 2 cores
python bench/storage.py --write   # and stores the figures for chapter 01
python bench/storage.py --bucket s3://my-bucket/try   # a real one, with your credentials

The bucket is moto's, an S3-compatible server on loopback, in a process of its own (`pip install
'moto[server]' s3fs`): it has no distance and no disk, so what it costs is the protocol: a signed
HTTP request a picture.
"""

import argparse
import logging
import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from fetch import SPAWN, STUDIES, catalogue, draw_all, served
from provenance import with_provenance

from helpers.artefacts import write_text
from helpers.images import fetch_images
from helpers.images.store import ImageStore


def _moto(pipe) -> None:
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    pipe.send("http://{}:{}".format(*server.get_host_and_port()))
    pipe.recv()
    server.stop()


@contextmanager
def bucket(address: str | None):
    """(URL, storage options) of a bucket: the one named, or an empty one of moto's, or (None, None)
    without moto.
    """
    if address:
        yield address, {}
        return
    try:
        import moto.server  # noqa: F401
        import s3fs
    except ImportError:
        print("bucket: skipped; pip install 'moto[server]' s3fs")
        yield None, None
        return
    ours, theirs = multiprocessing.Pipe()
    server = SPAWN.Process(target=_moto, args=(theirs,), daemon=True)
    server.start()
    options = {"key": "x", "secret": "x", "endpoint_url": ours.recv()}
    s3fs.S3FileSystem(**options).mkdir("course")
    try:
        yield "s3://course/run", options
    finally:
        ours.send("stop")
        server.join(5)
        server.kill()


@dataclass(frozen=True)
class Rates:
    """How many photos per second a place takes and gives."""

    place: str
    fetched: float
    written: float
    read: float


def measure(place: str, dest, options: dict | None, n: int, resolve: dict, workers: int) -> Rates:
    """Fetch `n` photos into `dest`, write their pictures once more and read them."""
    begin = time.perf_counter()
    index = fetch_images(
        catalogue(n), dest, resolve=resolve, workers=workers, storage_options=options
    )
    fetched = n / (time.perf_counter() - begin)
    store = ImageStore(dest, options)
    again = ImageStore(f"{dest}-again", options)
    names = list(index["image_path"])
    with ThreadPoolExecutor(8) as pool:  # as many as the fetcher has writing
        begin = time.perf_counter()
        data = list(pool.map(store.read, names))
        read = n / (time.perf_counter() - begin)
        begin = time.perf_counter()
        list(pool.map(again.write, names, data))
        written = n / (time.perf_counter() - begin)
    size = sum(map(len, data)) / n / 1e3
    outcomes = index["status"].value_counts().to_dict()
    print(
        f"{place:18s} fetched {fetched:6.1f} images/s   "
        f"written {written:7.0f}/s   read {read:7.0f}/s   "
        f"({size:.1f} kB a picture; {outcomes})"
    )
    return Rates(place, round(fetched, 1), round(written), round(read))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument(
        "--folder", type=Path, help="where drawn photos are kept between runs, as in bench/fetch.py"
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--bucket", help="s3://… or gs://…; by default a local one")
    parser.add_argument(
        "--write", action="store_true", help="store the figures in data/studies/storage.csv"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch) / "photos"
        with ProcessPoolExecutor(options.workers, SPAWN) as pool:
            draw_all(folder, options.images, pool)
        with served(folder) as resolve, bucket(options.bucket) as (address, access):
            settings = options.images, resolve, options.workers
            rows = [measure("local disk", Path(scratch) / "out", None, *settings)]
            if address:
                rows.append(measure("bucket", address, access, *settings))
                share = rows[1].fetched / rows[0].fetched
                print(f"bucket against disk: {share:.2f} of the images a second, decoding included")
                rows.append(measure("local disk, again", Path(scratch) / "out2", None, *settings))
    if options.write:
        table = with_provenance(pd.DataFrame(rows))
        text = table.to_csv(index=False, lineterminator="\n")
        write_text(text, STUDIES / "storage.csv")


if __name__ == "__main__":
    main()
