"""What the content methods read of an item besides its vector, known or guessed from the vector."""

import numpy as np
import pandas as pd

from helpers.interactions.matrix import Histories, ItemFeatures

PRICE_KNOTS = np.linspace(-2.0, 2.0, 6)  # in standard deviations of log price
MOST_VALUES = 40  # of a column that are told apart; rarer ones have too few items to learn from
SIDE_COLUMNS = ("category", "colour", "pattern", "gender", "platform")


def standard_log_price(frame: pd.DataFrame) -> np.ndarray:
    """Log of `price_usd` in standard deviations from its mean, (n_items,) float32; an unknown price is the mean, 0."""
    price = pd.to_numeric(frame["price_usd"], errors="coerce").to_numpy(np.float64, na_value=np.nan)
    logs = np.log(np.where(price > 0, price, np.nan))
    if np.isnan(logs).all():
        return np.zeros(len(frame), np.float32)
    return np.nan_to_num((logs - np.nanmean(logs)) / (np.nanstd(logs) + 1e-6)).astype(np.float32)


def side_features(items: ItemFeatures) -> list[np.ndarray]:
    """Category, colour, pattern, gender and platform as indicators, price as six smooth bumps: (n_items, …) each.

    A missing value leaves zeros. Columns that the frame lacks are skipped.
    """
    parts = []
    for column in SIDE_COLUMNS:
        if column in items.frame and items.frame[column].nunique() > 1:
            parts.append(indicators(items.frame[column]))
    if "price_usd" in items.frame and items.frame["price_usd"].notna().any():
        parts.append(
            np.exp(-0.5 * ((standard_log_price(items.frame)[:, None] - PRICE_KNOTS) / 0.5) ** 2)
        )
    return parts


def indicators(values: pd.Series) -> np.ndarray:
    """Which of the `MOST_VALUES` most frequent values each item has, (n_items, n_values) float32."""
    frequent = values.value_counts().index[:MOST_VALUES]
    return pd.get_dummies(values.where(values.isin(frequent))).to_numpy(np.float32)


def with_one(vectors: np.ndarray) -> np.ndarray:
    """Vectors with a column of ones, so that a linear map has an intercept."""
    return np.concatenate([vectors, np.ones((len(vectors), 1), np.float32)], axis=1)


def ridge(vectors: np.ndarray, targets: np.ndarray, reg: float = 1.0) -> np.ndarray:
    """Weights (d + 1, s) float32 that guess `targets` from `vectors`: argmin ||[V 1] W - T||² + reg ||W||²."""
    V = with_one(vectors).astype(np.float64)
    return np.linalg.solve(V.T @ V + reg * np.eye(V.shape[1]), V.T @ targets).astype(np.float32)


def principal_axes(vectors: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean (d,) and the `n` strongest axes (d, n), scaled so that coordinates along the first have variance 1."""
    mean = vectors.mean(axis=0)
    apart = (vectors - mean).astype(np.float64)
    variance, axes = np.linalg.eigh(
        apart.T @ apart
    )  # ascending; a tenth of the time of an SVD of the vectors
    axes, strength = axes.T[::-1], np.sqrt(max(variance[-1], 0))
    axes = axes[:n] * np.sign(
        axes[:n].sum(axis=1, keepdims=True) + 1e-12
    )  # the sign of an axis is arbitrary: fix it
    scale = np.sqrt(len(vectors)) / max(strength, 1e-6)
    return mean.astype(np.float32), (axes.T * scale).astype(np.float32)


def history_vectors(histories: Histories, vectors: np.ndarray) -> np.ndarray:
    """Vector of each history item, (n_history_items, d): its own, or else the catalogue's; unknown items get zeros."""
    if histories.vectors is not None:
        if histories.vectors.shape[1] != vectors.shape[1]:
            raise ValueError(
                f"history vectors have {histories.vectors.shape[1]} numbers, the catalogue's {vectors.shape[1]}: "
                "encode both with the same encoder"
            )
        return histories.vectors
    return np.where(histories.columns[:, None] >= 0, vectors[histories.columns], 0)


def catalogue_or_guess(
    histories: Histories, known: np.ndarray, guess: np.ndarray, vectors: np.ndarray
) -> np.ndarray:
    """Side features of each history item: the catalogue's own, or guessed from the vector by `guess` (see `ridge`)."""
    inside = histories.columns[:, None] >= 0
    return np.where(inside, known[histories.columns], with_one(vectors) @ guess).astype(np.float32)


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1; rows of zeros stay zeros."""
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)
