"""What the content methods read of an item besides its vector, known or guessed from the vector."""

import numpy as np
import pandas as pd

from helpers.interactions.matrix import Histories, ItemFeatures

PRICE_KNOTS = np.linspace(-2.0, 2.0, 6)  # in standard deviations of log price
PRICE_WIDTH = 0.5  # of a bump, in the same unit
MOST_VALUES = 40  # of a column that are told apart; rarer ones have too few items to learn from
SIDE_COLUMNS = (
    "category",
    "colour",
    "pattern",
    "gender",
    "platform",
)


def standard_log_price(frame: pd.DataFrame) -> np.ndarray:
    """Log of `price_usd` in standard deviations from its mean, (n_items,) float32.

    An unknown price is the mean, 0.
    """
    price = prices(frame)
    logs = np.log(np.where(price > 0, price, np.nan))
    if np.isnan(logs).all():
        return np.zeros(len(frame), np.float32)
    mean = np.nanmean(logs)
    scale = np.nanstd(logs) + 1e-6
    standard = (logs - mean) / scale
    return np.nan_to_num(standard).astype(np.float32)


def prices(frame: pd.DataFrame) -> np.ndarray:
    """`price_usd` as numbers, (n_items,) float64; NaN where it is missing or no number."""
    price = pd.to_numeric(frame["price_usd"], errors="coerce")
    return price.to_numpy(np.float64, na_value=np.nan)


def side_features(items: ItemFeatures) -> list[np.ndarray]:
    """Category, colour, pattern, gender and platform as indicators, price as six smooth bumps:
    (n_items, …) each.

    A missing value leaves zeros. Columns that the frame lacks are skipped.
    """
    frame = items.frame
    parts = []
    for column in SIDE_COLUMNS:
        if column in frame and frame[column].nunique() > 1:
            parts.append(indicators(frame[column]))
    if "price_usd" in frame and frame["price_usd"].notna().any():
        parts.append(price_bumps(frame))
    return parts


def price_bumps(frame: pd.DataFrame) -> np.ndarray:
    """Six Gaussians of the log price, (n_items, 6): a smooth price band each."""
    apart = standard_log_price(frame)[:, None] - PRICE_KNOTS
    return np.exp(-0.5 * (apart / PRICE_WIDTH) ** 2)


def indicators(values: pd.Series) -> np.ndarray:
    """Which of the `MOST_VALUES` most frequent values each item has.

    Shape: (n_items, n_values) float32.
    """
    by_frequency = values.value_counts().index
    frequent = by_frequency[:MOST_VALUES]
    kept = values.where(values.isin(frequent))
    return pd.get_dummies(kept).to_numpy(np.float32)


def with_one(vectors: np.ndarray) -> np.ndarray:
    """Vectors with a column of ones, so that a linear map has an intercept."""
    n = len(vectors)
    ones = np.ones((n, 1), np.float32)
    return np.concatenate([vectors, ones], axis=1)


def ridge(
    vectors: np.ndarray,
    targets: np.ndarray,
    reg: float = 1.0,
) -> np.ndarray:
    """Weights (d + 1, s) float32 that guess `targets` from `vectors`: argmin ||[V 1] W - T||² +
    reg ||W||².
    """
    V = with_one(vectors).astype(np.float64)
    penalty = reg * np.eye(V.shape[1])
    system = V.T @ V + penalty
    W = np.linalg.solve(system, V.T @ targets)
    return W.astype(np.float32)


def principal_axes(vectors: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean (d,) and the `n` strongest axes (d, n), scaled so that coordinates along the first have
    variance 1.
    """
    mean = vectors.mean(axis=0)
    apart = (vectors - mean).astype(np.float64)
    scatter = apart.T @ apart
    # ascending; this takes a tenth of the time of an SVD of the vectors
    variance, columns = np.linalg.eigh(scatter)
    strongest = max(variance[-1], 0)
    strength = np.sqrt(strongest)
    axes = columns.T[::-1]
    axes = axes[:n]
    # the sign of an axis is arbitrary: fix it
    total = axes.sum(axis=1, keepdims=True)
    axes = axes * np.sign(total + 1e-12)
    scale = np.sqrt(len(vectors)) / max(strength, 1e-6)
    directions = axes.T * scale
    return mean.astype(np.float32), directions.astype(np.float32)


def history_vectors(histories: Histories, vectors: np.ndarray) -> np.ndarray:
    """Vector of each history item, (n_history_items, d): its own, or else the catalogue's.

    Unknown items get zeros.
    """
    given = histories.vectors
    if given is None:
        inside = histories.columns[:, None] >= 0
        return np.where(inside, vectors[histories.columns], 0)
    if given.shape[1] != vectors.shape[1]:
        raise ValueError(
            f"history vectors have {given.shape[1]} numbers, the catalog's {vectors.shape[1]}: "
            "encode both with the same encoder"
        )
    return given


def catalogue_or_guess(
    histories: Histories,
    known: np.ndarray,
    guess: np.ndarray,
    vectors: np.ndarray,
) -> np.ndarray:
    """Side features of each history item: the catalogue's own, or guessed from the vector by
    `guess` (see `ridge`).
    """
    inside = histories.columns[:, None] >= 0
    guessed = with_one(vectors) @ guess
    found = np.where(inside, known[histories.columns], guessed)
    return found.astype(np.float32)


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1; rows of zeros stay zeros."""
    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    return rows / np.maximum(length, 1e-12)
