"""Fetching a catalogue's photos: images a second end to end, against the bare decoding loop on the
same files.

python bench/fetch.py                    # 5,000 photos, drawn first: 5 min on 2 cores
python bench/fetch.py --folder /tmp/p    # keeps the drawn photos for the next run
python bench/fetch.py --write            # and stores the figures for chapter 01

Distinct AVIF photos (870 × 1110 pixels, 40 kB and more) are served on loopback, one in ten by a
host that takes its time, and fetched into an empty folder: checked, decoded, resized, encoded,
hashed, stored, indexed. The peer decodes, resizes and encodes the same files in as many processes,
from the disk and with nothing around it: one half of them before and one half after the fetch, so
that a machine that slows down or warms up slows both.

Then a good host's photos are fetched alone and beside 24 slow hosts, in turns: eight that answer
after two seconds, eight that ask for two seconds between requests, and eight that never answer.
"""

import argparse
import asyncio
import io
import multiprocessing
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from PIL import AvifImagePlugin, Image, ImageOps
from provenance import with_provenance

from helpers.artefacts import ROOT, write_text
from helpers.images import fetch_images
from helpers.images.limits import Limits

STUDIES = ROOT / "data" / "studies"
SPAWN = multiprocessing.get_context("spawn")
SLOW_SECONDS = 0.3
SEED_DECK = 4.9  # images a second: 5,000 in 17 minutes


@dataclass(frozen=True)
class Manners:
    """How a host of the bench answers: after a pause, with a robots.txt, with photos or without."""

    pause: float = 0.0
    robots: str = ""
    has_photos: bool = True


HOSTS = {
    "fast": Manners(),
    "slow": Manners(pause=SLOW_SECONDS),
    "late": Manners(pause=2.0, has_photos=False),
    "paced": Manners(robots="User-agent: *\nCrawl-delay: 2\n", has_photos=False),
    "hanging": Manners(pause=3600.0, has_photos=False),
}
SLOW_KINDS = {"late": 24, "paced": 6, "hanging": 6}  # addresses on each of eight hosts
HOSTS_PER_KIND = 8
# Hosts that never answer are given up within the good host's time.
IMPATIENT = Limits(first_byte=2.0, retries=0, give_up=3)


def draw(job: tuple[Path, int]) -> int:
    """Draw one photo: a smooth backdrop, a garment-like block of texture, a little noise.

    Returns its size in bytes.
    """
    path, seed = job
    if not path.exists():
        rng = np.random.default_rng(seed)
        blocks = Image.fromarray(rng.integers(0, 255, (28, 22, 3), dtype=np.uint8))
        pixels = np.asarray(blocks.resize((870, 1110), Image.Resampling.BICUBIC)).astype(np.int16)
        grain = np.random.default_rng(0).normal(0, 3, pixels.shape).astype(np.int16)
        noise = np.roll(grain, seed * 997)
        image = Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))
        image.save(path.with_suffix(".part"), "AVIF", quality=70, speed=10)
        path.with_suffix(".part").rename(path)
    return path.stat().st_size


def draw_all(folder: Path, n: int, pool: ProcessPoolExecutor) -> list[int]:
    """Draw the first `n` photos into a folder, those that aren't there yet.

    Returns their sizes in bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [(folder / f"{number}.avif", number) for number in range(n)]
    return list(pool.map(draw, jobs, chunksize=8))


def bare(path: Path) -> float:
    """Decode, resize, encode: no network, no checks, no hashes.

    Returns the seconds of processor time it took.
    """
    begin = time.process_time()
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        small = ImageOps.contain(image.convert("RGB"), (256, 256))
    square = ImageOps.pad(small, (256, 256), color="white")
    square.save(io.BytesIO(), "WEBP", quality=85, method=2)
    return time.process_time() - begin


def _serve(folder: Path, pipe) -> None:
    """A plain asyncio file server in a process of its own, one port for each of `HOSTS`."""

    async def answer(reader, writer, manners: Manners) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                path = folder / head.split()[1].decode().strip("/")
                code, data = 404, b""
                if path.name == "robots.txt" and manners.robots:
                    code, data = 200, manners.robots.encode()
                elif path.suffix == ".avif":
                    await asyncio.sleep(manners.pause)
                    if manners.has_photos:
                        code, data = 200, path.read_bytes()
                line = f"HTTP/1.1 {code} X\r\nContent-Length: {len(data)}\r\n\r\n"
                writer.write(line.encode() + data)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    def answering(manners: Manners):
        async def talk(reader, writer) -> None:
            await answer(reader, writer, manners)

        return talk

    async def main() -> None:
        ports = {}
        servers = []  # a server that nobody refers to is closed
        for name, manners in HOSTS.items():
            server = await asyncio.start_server(answering(manners), "127.0.0.1", 0)
            servers.append(server)
            ports[name] = server.sockets[0].getsockname()[1]
        pipe.send(ports)
        await asyncio.Event().wait()

    asyncio.run(main())


@contextmanager
def served(folder: Path) -> Iterator[dict[str, tuple[str, int]]]:
    """While the block runs, serve the folder's photos.

    Yields what `fetch_images` takes as `resolve`.
    """
    ours, theirs = SPAWN.Pipe()
    server = SPAWN.Process(target=_serve, args=(folder, theirs), daemon=True)
    server.start()
    ports = ours.recv()
    addresses = {
        "fast.test": ("127.0.0.1", ports["fast"]),
        "slow.test": ("127.0.0.1", ports["slow"]),
    }
    for kind in SLOW_KINDS:
        for number in range(HOSTS_PER_KIND):
            addresses[f"{kind}{number}.test"] = ("127.0.0.1", ports[kind])
    try:
        yield addresses
    finally:
        server.terminate()


def catalogue(n: int) -> pd.DataFrame:
    """Products of which one in ten has its photo on the slow host."""
    links = []
    for number in range(n):
        host = "slow" if number % 10 == 0 else "fast"
        links.append(f"http://{host}.test/{number}.avif")
    return products("bench", links)


def products(shop: str, links: list[str]) -> pd.DataFrame:
    """Products of a shop with one address each."""
    keys = [f"{shop}/{number:05}" for number in range(len(links))]
    return pd.DataFrame({"image_key": keys, "image_urls": [[link] for link in links]})


@contextmanager
def watched(every: float = 0.5) -> Iterator[list[tuple[float, float]]]:
    """Yields a growing list of (seconds, MB resident in this process and its workers)."""
    seen: list[tuple[float, float]] = []
    done = threading.Event()
    me = psutil.Process()
    begin = time.perf_counter()

    def watch() -> None:
        while not done.wait(every):
            try:
                family = [me, *(child for child in me.children() if is_worker(child))]
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


def is_worker(process: psutil.Process) -> bool:
    """Whether a process decodes pictures."""
    return "decode.py" in " ".join(process.cmdline())


def cpu_seconds(children: bool = False) -> float:
    """Processor time of this process so far.

    With `children`, of those of its children that have ended.
    """
    spent = psutil.Process().cpu_times()
    if children:
        return spent.children_user + spent.children_system
    return spent.user + spent.system


class Peer:
    """The bare decoding loop, timed over several calls."""

    def __init__(self, pool: ProcessPoolExecutor):
        self.pool = pool
        self.cpu = 0.0
        self.seconds = 0.0

    def decode(self, paths: list[Path]) -> None:
        """Decode some more photos."""
        begin = time.perf_counter()
        self.cpu += sum(self.pool.map(bare, paths, chunksize=8))
        self.seconds += time.perf_counter() - begin


@dataclass(frozen=True)
class Measured:
    """One fetch: its index, its seconds by the wall and by processors, and its memory over time."""

    index: pd.DataFrame
    seconds: float
    cpu: float
    cpu_workers: float
    memory: list[tuple[float, float]]


def measure(n: int, dest: Path, resolve: dict, workers: int) -> Measured:
    """Fetch the first `n` photos into an empty folder."""
    with watched() as memory:
        begin = time.perf_counter()
        cpu = cpu_seconds()
        cpu_workers = cpu_seconds(children=True)
        index = fetch_images(catalogue(n), dest, resolve=resolve, workers=workers)
        return Measured(
            index=index,
            seconds=time.perf_counter() - begin,
            cpu=cpu_seconds() - cpu,
            cpu_workers=cpu_seconds(children=True) - cpu_workers,
            memory=memory,
        )


def good_host_seconds(n: int, beside_slow: bool, dest: Path, resolve: dict, workers: int) -> float:
    """Seconds until the last of a good host's `n` photos is there, by the index.

    A host that answers after 0.3 s: what it needs is slots, not processors.
    """
    links = [f"http://slow.test/{number}.avif" for number in range(n)]
    good = products("good", links)
    slow = []
    if beside_slow:
        for kind, count in SLOW_KINDS.items():
            for number in range(HOSTS_PER_KIND):
                links = [f"http://{kind}{number}.test/{image}.avif" for image in range(count)]
                slow.append(products(f"a-{kind}{number}", links))  # before the good host's
    frame = pd.concat([*slow, good], ignore_index=True)
    begin = pd.Timestamp.now("UTC")
    index = fetch_images(frame, dest, resolve=resolve, workers=workers, limits=IMPATIENT)
    mine = index[index["image_key"].str.startswith("good/")]
    if not mine["status"].isin(["ok", "duplicate"]).all():
        raise RuntimeError(f"the good host lost photos: {mine['status'].value_counts().to_dict()}")
    return (mine["fetched"].max() - begin).total_seconds()


def report(measured: Measured, peer: Peer, sizes: list[int], workers: int) -> None:
    """Print what the fetch took beside its peer."""
    n = len(sizes)
    rate = n / measured.seconds
    bare_rate = n / peer.seconds
    smallest, largest = min(sizes) / 1e3, max(sizes) / 1e3
    print(
        f"{n} AVIF photos, 870 × 1110, {smallest:.0f}–{largest:.0f} kB (≥ 40), "
        "one in ten slow\n"
        f"outcomes        {measured.index['status'].value_counts().to_dict()}\n"
        f"fetched         {rate:6.1f} images/s in {measured.seconds:.0f} s "
        f"(target ≥ 60; seed deck {SEED_DECK})\n"
        f"bare decoding   {bare_rate:6.1f} images/s in {workers} processes on the same files\n"
        f"share of bare   {rate / bare_rate:6.2f} (target ≥ 0.90)\n"
        f"processor time  {1e3 * peer.cpu / n:6.1f} ms an image bare; "
        f"fetching {1e3 * measured.cpu_workers / n:.1f} in the workers\n"
        f"                {1e3 * measured.cpu / n:6.1f} ms an image in the fetcher itself"
    )
    report_memory(measured.memory)


def report_memory(memory: list[tuple[float, float]]) -> None:
    """Print the memory over time, and its peak early and late."""
    if not memory:
        return
    steps = np.linspace(0, len(memory) - 1, min(12, len(memory))).astype(int)
    course = "  ".join(f"{memory[step][0]:.0f}: {memory[step][1]:.0f}" for step in steps)
    third = max(1, len(memory) // 3)
    early = max(mb for _, mb in memory[:third])
    late = max(mb for _, mb in memory[-third:])
    print(f"memory over time (s: MB)  {course}")
    print(
        f"memory          {early:6.0f} MB at most in the first third, {late:.0f} in the last "
        "(target: flat, < 1000)"
    )


def report_sharing(n: int, rounds: int, scratch: Path, resolve: dict, workers: int) -> None:
    """Print how much 24 slow hosts slow down a good one; alone and beside them in turns."""
    alone, beside = [], []
    for number in range(rounds):
        alone.append(good_host_seconds(n, False, scratch / f"alone{number}", resolve, workers))
        beside.append(good_host_seconds(n, True, scratch / f"beside{number}", resolve, workers))
    ratio = np.median(beside) / np.median(alone)
    print(
        f"a good host     {n} photos alone in {np.median(alone):.1f} s, "
        f"beside 24 slow hosts in {np.median(beside):.1f} s: × {ratio:.2f} (target ≤ 1.20)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--folder", type=Path, help="where drawn photos are kept between runs")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3, help="turns of the test beside slow hosts")
    parser.add_argument(
        "--write", action="store_true", help="store the figures in data/studies/fetch.csv"
    )
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as scratch,
        ProcessPoolExecutor(options.workers, SPAWN) as pool,
    ):
        folder = options.folder or Path(scratch) / "photos"
        sizes = draw_all(folder, options.images, pool)
        paths = [folder / f"{number}.avif" for number in range(options.images)]
        peer = Peer(pool)
        with served(folder) as resolve:
            peer.decode(paths[::2])
            measured = measure(options.images, Path(scratch) / "out", resolve, options.workers)
            peer.decode(paths[1::2])
            report(measured, peer, sizes, options.workers)
            few = min(240, options.images)
            report_sharing(few, options.rounds, Path(scratch), resolve, options.workers)
    if options.write:
        rates = {
            "seed project": SEED_DECK,
            "decoding alone": options.images / peer.seconds,
            "fetched, decoded, stored": options.images / measured.seconds,
        }
        table = pd.DataFrame({"what": list(rates), "images_per_second": list(rates.values())})
        table = with_provenance(table.round(1))
        text = table.to_csv(index=False, lineterminator="\n")
        write_text(text, STUDIES / "fetch.csv")


if __name__ == "__main__":
    main()
