"""A small catalogue that the tests of three rooms simulate shoppers on."""

import numpy as np
import pandas as pd


def garments() -> pd.DataFrame:
    """Attributes of 160 products of one shop and 80 of another, drawn at random."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"image_key": [f"asos/{i}" for i in range(160)] + [f"myntra/{i}" for i in range(80)]}
    )
    for name, size in (("category", 14), ("colour", 12), ("pattern", 8), ("style", 5)):
        frame[name] = [f"{name} {value}" for value in rng.integers(0, size, len(frame))]
    return frame.assign(price_usd=np.exp(rng.normal(3.5, 0.5, len(frame))).round(2))
