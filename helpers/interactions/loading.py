"""What chapter 02 leaves on disk, and how later chapters take it up."""

import pandas as pd

from helpers.artefacts import data_dir, require, write_parquet
from helpers.embeddings import item_vectors, load_embeddings
from helpers.interactions.market import Market
from helpers.interactions.matrix import ItemFeatures


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
    for name in ("embeddings.safetensors", "embeddings.json"):
        require(profile, name, "02")
    image, text, told = load_embeddings(data_dir(profile))
    if len(image) != len(catalog):
        raise ValueError(
            f"{len(image)} encoded items but {len(catalog)} in the catalogue: it changed since chapter 02. "
            f"Run:  course run --profile {profile} --only 02"
        )
    return ItemFeatures(item_vectors(image, text), catalog, f"{told['encoder']} {told['hash']}")


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
