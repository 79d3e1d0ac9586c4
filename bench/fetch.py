"""Fetching a catalogue's photos: images a second end to end, against the bare decoding loop on the same files.

python bench/fetch.py                    # 5,000 photos, drawn first: 5 min on 2 cores
python bench/fetch.py --folder /tmp/p    # keeps the drawn photos for the next run
python bench/fetch.py --write            # and stores the figures for chapter 01

Distinct AVIF photos (870 × 1110 pixels, 40 kB and more) are served on loopback, one in ten by a host that takes its
time, and fetched into an empty folder: checked, decoded, resized, encoded, hashed, stored, indexed. The peer decodes,
resizes and encodes the same files in as many processes, from the disk and with nothing around it: one half of them
before and one half after the fetch, so that a machine that slows down or warms up slows both.
"""

import argparse
import asyncio
import io
import multiprocessing
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from PIL import AvifImagePlugin, Image, ImageOps

from helpers.artefacts import ROOT, write_text
from helpers.images import fetch_images

STUDIES = ROOT / "data" / "studies"
SPAWN = multiprocessing.get_context("spawn")
SLOW_SECONDS = 0.3
SEED_DECK = 4.9  # images a second: 5,000 in 17 minutes


def draw(job: tuple[Path, int]) -> int:
    """Draw one photo: a smooth backdrop, a garment-like block of texture, a little noise; its size in bytes."""
    path, seed = job
    if not path.exists():
        rng = np.random.default_rng(seed)
        blocks = Image.fromarray(rng.integers(0, 255, (28, 22, 3), dtype=np.uint8))
        pixels = np.asarray(blocks.resize((870, 1110), Image.Resampling.BICUBIC)).astype(np.int16)
        noise = np.roll(
            np.random.default_rng(0).normal(0, 3, pixels.shape).astype(np.int16), seed * 997
        )
        image = Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))
        image.save(path.with_suffix(".part"), "AVIF", quality=70, speed=10)
        path.with_suffix(".part").rename(path)
    return path.stat().st_size


def bare(path: Path) -> float:
    """Decode, resize, encode: no network, no checks, no hashes. Returns the seconds of processor time it took."""
    begin = time.process_time()
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        small = ImageOps.contain(image.convert("RGB"), (256, 256))
    ImageOps.pad(small, (256, 256), color="white").save(io.BytesIO(), "WEBP", quality=85, method=2)
    return time.process_time() - begin


def _serve(folder: Path, pipe) -> None:
    """A plain asyncio file server in a process of its own; the second port answers slowly."""

    async def answer(reader, writer, pause: float) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                path = folder / head.split()[1].decode().strip("/")
                await asyncio.sleep(pause)
                code, data = (200, path.read_bytes()) if path.suffix == ".avif" else (404, b"")
                writer.write(
                    f"HTTP/1.1 {code} X\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data
                )
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    async def main() -> None:
        servers = []
        for pause in (0.0, SLOW_SECONDS):
            servers.append(
                await asyncio.start_server(lambda r, w, p=pause: answer(r, w, p), "127.0.0.1", 0)
            )
        pipe.send([server.sockets[0].getsockname()[1] for server in servers])
        await asyncio.Event().wait()

    asyncio.run(main())


@contextmanager
def served(folder: Path):
    """While the block runs, serve the folder's photos; yields what `fetch_images` takes as `resolve`."""
    ours, theirs = SPAWN.Pipe()
    server = SPAWN.Process(target=_serve, args=(folder, theirs), daemon=True)
    server.start()
    try:
        yield {
            name: ("127.0.0.1", port)
            for name, port in zip(("fast.test", "slow.test"), ours.recv(), strict=True)
        }
    finally:
        server.terminate()


def catalogue(n: int) -> pd.DataFrame:
    """Products of which one in ten has its photo on the slow host."""
    links = [[f"http://{'slow' if i % 10 == 0 else 'fast'}.test/{i}.avif"] for i in range(n)]
    return pd.DataFrame({"image_key": [f"bench/{i:05}" for i in range(n)], "image_urls": links})


@contextmanager
def watched(every: float = 0.5):
    """Yields a list that grows by (seconds, MB resident in this process and its decoding workers)."""
    seen, done, me, begin = [], threading.Event(), psutil.Process(), time.perf_counter()

    def watch() -> None:
        while not done.wait(every):
            try:
                family = [
                    me,
                    *(
                        child
                        for child in me.children()
                        if "pictures.py" in " ".join(child.cmdline())
                    ),
                ]
                memory = sum(process.memory_info().rss for process in family) / 1e6
            except psutil.NoSuchProcess:
                continue
            seen.append((time.perf_counter() - begin, memory))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()


def cpu_seconds(children: bool = False) -> float:
    """Processor time of this process so far; with `children`, of those of its children that have ended."""
    spent = psutil.Process().cpu_times()
    return spent.children_user + spent.children_system if children else spent.user + spent.system


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--folder", type=Path, help="where drawn photos are kept between runs")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--write", action="store_true", help="store the figures in data/studies/fetch.csv"
    )
    options = parser.parse_args()
    n = options.images
    with (
        tempfile.TemporaryDirectory() as scratch,
        ProcessPoolExecutor(options.workers, SPAWN) as pool,
    ):
        folder = options.folder or Path(scratch) / "photos"
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{i}.avif" for i in range(n)]
        sizes = list(pool.map(draw, zip(paths, range(n), strict=True), chunksize=8))
        bare_cpu, bare_seconds = 0.0, 0.0

        def peer(part: list[Path]) -> None:
            nonlocal bare_cpu, bare_seconds
            begin = time.perf_counter()
            bare_cpu += sum(pool.map(bare, part, chunksize=8))
            bare_seconds += time.perf_counter() - begin

        peer(paths[::2])
        with served(folder) as resolve, watched() as memory:
            begin, cpu, children = time.perf_counter(), cpu_seconds(), cpu_seconds(children=True)
            index = fetch_images(
                catalogue(n), Path(scratch) / "out", resolve=resolve, workers=options.workers
            )
            seconds, cpu = time.perf_counter() - begin, cpu_seconds() - cpu
            children = cpu_seconds(children=True) - children
        peer(paths[1::2])
    rate, bare_rate = n / seconds, n / bare_seconds
    print(
        f"{n} AVIF photos, 870 × 1110, {min(sizes) / 1e3:.0f}–{max(sizes) / 1e3:.0f} kB (≥ 40), one in ten slow"
    )
    print(f"outcomes        {index['status'].value_counts().to_dict()}")
    print(
        f"fetched         {rate:6.1f} images/s in {seconds:.0f} s (target ≥ 60; seed deck {SEED_DECK})"
    )
    print(
        f"bare decoding   {bare_rate:6.1f} images/s in {options.workers} processes on the same files"
    )
    print(f"share of bare   {rate / bare_rate:6.2f} (target ≥ 0.90)")
    print(
        f"processor time  {1e3 * bare_cpu / n:6.1f} ms an image bare; fetching {1e3 * children / n:.1f} in the workers"
    )
    print(f"                {1e3 * cpu / n:6.1f} ms an image in the fetcher itself")
    steps = np.linspace(0, len(memory) - 1, min(12, len(memory))).astype(int)
    print(
        "memory over time (s: MB)  "
        + "  ".join(f"{memory[i][0]:.0f}: {memory[i][1]:.0f}" for i in steps)
    )
    third = max(1, len(memory) // 3)
    early, late = (max(mb for _, mb in part) for part in (memory[:third], memory[-third:]))
    print(
        f"memory          {early:6.0f} MB at most in the first third, {late:.0f} in the last (target: flat, < 1000)"
    )
    if options.write:
        rows = {
            "seed project": SEED_DECK,
            "decoding alone": bare_rate,
            "fetched, decoded, stored": rate,
        }
        table = pd.DataFrame({"what": list(rows), "images_per_second": list(rows.values())}).round(
            1
        )
        write_text(table.to_csv(index=False, lineterminator="\n"), STUDIES / "fetch.csv")


if __name__ == "__main__":
    main()
