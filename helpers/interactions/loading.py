"""What chapters 01 and 02 leave on disk, and how later chapters take it up."""

import pandas as pd

from helpers.artefacts import data_dir, require
from helpers.embeddings import item_vectors, load_embeddings
from helpers.feeds import patterns_from_text
from helpers.interactions.matrix import ItemFeatures


def load_items(profile: str) -> ItemFeatures:
    """Items of a profile in catalogue order: vectors = concat(image, text), the catalogue and the `pattern` it names.

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
    catalog["pattern"] = patterns_from_text(catalog)
    return ItemFeatures(item_vectors(image, text), catalog, f"{told['encoder']} {told['hash']}")


def load_interactions(profile: str) -> pd.DataFrame:
    """Training log of a profile: user, item, rating, timestamp (s), event, platform. Test shoppers are not in it."""
    return pd.read_parquet(require(profile, "interactions.parquet", "02"))
