"""A small drawn market, made once for all tests of this room."""

import numpy as np
import pandas as pd
import pytest

from helpers.interactions import simulate_market


def garments(n_source: int = 160, n_target: int = 80, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n = n_source + n_target
    keys = [f"asos/{i}" for i in range(n_source)] + [f"myntra/{i}" for i in range(n_target)]
    frame = pd.DataFrame({"image_key": keys})
    for name, size in (("category", 14), ("colour", 12), ("pattern", 8), ("style", 5)):
        frame[name] = [f"{name} {value}" for value in rng.integers(0, size, n)]
    return frame.assign(price_usd=np.exp(rng.normal(3.5, 0.5, n)).round(2))


@pytest.fixture(scope="session")
def attributes():
    return garments()


@pytest.fixture(scope="session")
def market(attributes):
    return simulate_market(attributes, n_users=300, n_test=150, density=0.1, seed=7)
