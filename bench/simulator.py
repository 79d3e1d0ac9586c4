"""Time and peak memory of simulating 100,000 shoppers of 5,000 items: about 10 million ratings.

python bench/simulator.py            # or: python bench/simulator.py 20000 5000
"""

import hashlib
import resource
import sys
import time

import numpy as np
import pandas as pd

from helpers.interactions import simulate_market


def garments(n: int) -> pd.DataFrame:
    """Random garments, two thirds on the first platform."""
    rng = np.random.default_rng(7)
    platform = np.where(np.arange(n) < 2 * n // 3, "asos", "myntra")
    frame = pd.DataFrame({"image_key": [f"{name}/{number}" for number, name in enumerate(platform)]})
    for name, size in (("category", 14), ("colour", 12), ("pattern", 8), ("style", 5)):
        frame[name] = rng.integers(0, size, n).astype(str)
    return frame.assign(price_usd=np.exp(rng.normal(3.5, 0.5, n)))


def main(n_users: int = 100_000, n_items: int = 5_000) -> None:
    attributes = garments(n_items)
    start = time.perf_counter()
    market = simulate_market(attributes, n_users=n_users, density=0.02)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    digest = hashlib.sha256(b"".join(market.log[key].tobytes() for key in sorted(market.log))).hexdigest()[:16]
    print(f"{n_users:,} shoppers x {n_items:,} items: {len(market.log['user']):,} ratings, and {len(market.judged):,}")
    print(f"test shoppers, in {seconds:.1f} s, peak {peak:.2f} GiB; log {digest}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
