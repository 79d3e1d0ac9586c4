"""Time and peak memory of simulating 100,000 shoppers of 5,000 items (about 10 million ratings),
and of the ceiling.

python bench/simulator.py            # or: python bench/simulator.py 20000 5000

The target: 30 s, without a dense user x item matrix (that would take 4 GB). The second figure is of
the ceiling that knows a history alone, `Oracle(given_history=True)`: 1,000 test shoppers at each
history length, target 10 s together.
"""

import hashlib
import resource
import sys
import time

import numpy as np
import pandas as pd

from helpers.interactions import cross_platform
from helpers.simulator import simulate_market
from helpers.simulator.ceiling import Posterior


def garments(n: int) -> pd.DataFrame:
    """Random garments, two thirds on the first platform."""
    rng = np.random.default_rng(7)
    platform = np.where(np.arange(n) < 2 * n // 3, "asos", "myntra")
    frame = pd.DataFrame(
        {"image_key": [f"{name}/{number}" for number, name in enumerate(platform)]}
    )
    for name, size in (("category", 14), ("colour", 12), ("pattern", 8), ("style", 5)):
        frame[name] = rng.integers(0, size, n).astype(str)
    return frame.assign(price_usd=np.exp(rng.normal(3.5, 0.5, n)))


def simulator(n_users: int, n_items: int) -> None:
    attributes = garments(n_items)
    start, cpu = time.perf_counter(), time.process_time()
    market = simulate_market(attributes, n_users=n_users, density=0.02)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    digest = hashlib.sha256(
        b"".join(market.log[key].tobytes() for key in sorted(market.log))
    ).hexdigest()[:16]
    print(
        f"{n_users:,} shoppers x {n_items:,} items: {len(market.log['user']):,} ratings, and "
        f"{len(market.judged):,}"
    )
    print(
        f"test shoppers, in {seconds:.1f} s ({cpu:.1f} s of processor time; target 30 s), peak "
        f"{peak:.2f} GiB"
    )
    print(f"log {digest}: the same on every machine")


def ceiling(n_test: int = 1000, n_items: int = 1200) -> None:
    market = simulate_market(garments(n_items), n_users=1000, n_test=n_test)
    split, total = cross_platform(market, market.items), 0.0
    start = time.perf_counter()
    posterior = Posterior(market)
    total += time.perf_counter() - start
    print(
        f"given history, {n_test:,} shoppers x {n_items:,} items; {len(posterior.n_seen):,} draws "
        f"in {total:.1f} s"
    )
    for n, histories in split.histories.items():
        start = time.perf_counter()
        _, size, error = posterior.mean(histories.ratings)
        seconds = time.perf_counter() - start
        total += seconds
        told = f"median effective draws {np.median(size):5.0f}, standard error {error.mean():.3f}"
        print(f"  {n:>2} items: {seconds:5.1f} s, {told}")
    print(f"all lengths: {total:.1f} s (target 10 s)")


if __name__ == "__main__":
    simulator(*map(int, sys.argv[1:] or ("100000", "5000")))
    ceiling()
