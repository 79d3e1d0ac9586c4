"""What chapter 02 leaves on disk, and how later chapters take it up."""

import json

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

from helpers.artefacts import data_dir, require, whole, write_json, write_parquet
from helpers.interactions.market import Market
from helpers.interactions.matrix import ItemFeatures


def save_vectors(profile: str, image: np.ndarray, text: np.ndarray, encoder: str) -> None:
    """Write embeddings.safetensors (`image`, `text` (n_items, d) float32, catalogue rows) and embeddings.json."""
    with whole(data_dir(profile) / "embeddings.safetensors") as aside:
        save_file(
            {"image": np.ascontiguousarray(image, np.float32), "text": np.ascontiguousarray(text, np.float32)}, aside
        )
    write_json({"encoder": encoder, "n_items": len(image)}, data_dir(profile) / "embeddings.json")


def load_items(profile: str) -> ItemFeatures:
    """Items of a profile in catalogue order: vectors = concat(image, text), and the catalogue.

    Raises
    ------
    MissingArtefact
        If chapter 01 or 02 hasn't run.
    ValueError
        If the catalogue has changed since it was encoded.
    """
    catalog = pd.read_parquet(require(profile, "catalog.parquet", "01"))
    halves = load_file(require(profile, "embeddings.safetensors", "02"))
    head = json.loads(require(profile, "embeddings.json", "02").read_text(encoding="utf-8"))
    if len(halves["image"]) != len(catalog):
        raise ValueError(
            f"{len(halves['image'])} encoded items but {len(catalog)} in the catalogue: it changed since chapter 02. "
            f"Run:  course run --profile {profile} --only 02"
        )
    return ItemFeatures(np.concatenate([halves["image"], halves["text"]], axis=1), catalog, head["encoder"])


def save_market(profile: str, market: Market) -> None:
    """Write interactions.parquet (training log), market.json and market.safetensors."""
    write_parquet(market.interactions(), data_dir(profile) / "interactions.parquet")
    market.save(data_dir(profile))


def load_interactions(profile: str) -> pd.DataFrame:
    """Training log of a profile: user, item, rating, timestamp (s), event, platform. Test shoppers are not in it."""
    return pd.read_parquet(require(profile, "interactions.parquet", "02"))


def load_market(profile: str) -> Market:
    """The market of a profile, training on what interactions.parquet holds."""
    require(profile, "market.json", "02")
    require(profile, "market.safetensors", "02")
    market = Market.load(data_dir(profile))
    return market.with_ratings(load_interactions(profile)) if market.settings.get("own_ratings") else market
