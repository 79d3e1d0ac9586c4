"""Fetching a catalogue's photos: images a second end to end, against the bare decoding loop on the same files.

`python bench/fetch.py` serves distinct AVIF photos (870 × 1110 pixels, 40 kB and more) on loopback, one in ten from a
host that takes its time, fetches them into a folder, and prints what the same two processes reach without a network.
"""

import argparse
import asyncio
import io
import multiprocessing
import resource
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from PIL import AvifImagePlugin, Image, ImageOps

from helpers.catalog import fetch_images

SLOW_SECONDS = 0.3


def draw(job: tuple[Path, int]) -> int:
    """Draw one photo: a smooth backdrop, a garment-like block of texture, a little noise."""
    path, seed = job
    if path.exists():
        return path.stat().st_size
    rng = np.random.default_rng(seed)
    blocks = Image.fromarray(rng.integers(0, 255, (28, 22, 3), dtype=np.uint8))
    pixels = np.asarray(blocks.resize((870, 1110), Image.Resampling.BICUBIC)).astype(np.int16)
    noise = np.roll(np.random.default_rng(0).normal(0, 3, pixels.shape).astype(np.int16), seed * 997)
    image = Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))
    image.save(path, "AVIF", quality=70, speed=10)
    return path.stat().st_size


def bare(path: Path) -> int:
    """Decode, resize, encode: no network, no checks, no hashes."""
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        small = ImageOps.contain(image.convert("RGB"), (256, 256))
    out = io.BytesIO()
    ImageOps.pad(small, (256, 256), color="white").save(out, "WEBP", quality=85, method=2)
    return len(out.getvalue())


def serve(folder: Path, pipe) -> None:
    """A plain asyncio file server in a process of its own; the second port answers slowly."""

    async def answer(reader, writer, pause: float) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                path = folder / head.split()[1].decode().strip("/")
                await asyncio.sleep(pause)
                code, data = (200, path.read_bytes()) if path.suffix == ".avif" else (404, b"")
                writer.write(f"HTTP/1.1 {code} X\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    async def main() -> None:
        servers = []
        for pause in (0.0, SLOW_SECONDS):
            servers.append(await asyncio.start_server(lambda r, w, p=pause: answer(r, w, p), "127.0.0.1", 0))
        pipe.send([server.sockets[0].getsockname()[1] for server in servers])
        await asyncio.Event().wait()

    asyncio.run(main())


def watch(peak: list[float], done: threading.Event) -> None:
    """Resident memory of this process and its decoding workers, in MB, twice a second."""
    me = psutil.Process()
    while not done.wait(0.5):
        family = [me, *(child for child in me.children() if "pictures.py" in " ".join(child.cmdline()))]
        peak.append(sum(process.memory_info().rss for process in family) / 1e6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--folder", type=Path, help="where drawn photos are kept between runs")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch) / "photos"
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{n}.avif" for n in range(options.images)]
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(options.workers, context) as pool:
            sizes = list(pool.map(draw, zip(paths, range(len(paths)), strict=True), chunksize=8))
            begin = time.perf_counter()
            list(pool.map(bare, paths, chunksize=8))
            bare_rate = len(paths) / (time.perf_counter() - begin)
        ours, theirs = context.Pipe()
        server = context.Process(target=serve, args=(folder, theirs), daemon=True)
        server.start()
        fast, slow = ours.recv()
        hosts = {"fast.test": ("127.0.0.1", fast), "slow.test": ("127.0.0.1", slow)}
        links = [[f"http://{'slow' if n % 10 == 0 else 'fast'}.test/{n}.avif"] for n in range(len(paths))]
        catalog = pd.DataFrame({"image_key": [f"bench/{n:05}" for n in range(len(paths))], "image_urls": links})
        memory, done = [], threading.Event()
        threading.Thread(target=watch, args=(memory, done), daemon=True).start()
        begin, cpu = time.perf_counter(), time.process_time()
        index = fetch_images(catalog, Path(scratch) / "out", resolve=hosts, workers=options.workers)
        seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
        done.set()
        server.terminate()
    third = max(1, len(memory) // 3)
    print(f"{len(paths)} AVIF photos, 870 × 1110, {min(sizes) / 1e3:.0f}–{max(sizes) / 1e3:.0f} kB, one in ten slow")
    print(f"fetched        {len(paths) / seconds:6.1f} images/s   ({dict(index['status'].value_counts())})")
    print(f"bare decoding  {bare_rate:6.1f} images/s   in {options.workers} processes")
    print(f"share          {len(paths) / seconds / bare_rate:6.2f}")
    print(f"fetcher itself {1e3 * cpu / len(paths):6.2f} ms of CPU an image")
    early, late = max(memory[:third]), max(memory[-third:])
    print(f"memory         {early:6.0f} MB at most in the first third, {late:.0f} in the last")
    print(f"seed deck      {4.9:6.1f} images/s")
    print(f"children's CPU {resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime:6.0f} s with drawing")


if __name__ == "__main__":
    main()
