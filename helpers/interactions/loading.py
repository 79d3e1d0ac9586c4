"""What chapters 01 and 02 leave on disk, and how later chapters take it up."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from helpers.artefacts import data_dir, require, write_json, write_parquet
from helpers.embeddings import item_vectors, load_embeddings
from helpers.feeds import patterns_from_text
from helpers.feeds.quality import write_csv
from helpers.interactions.forgotten import without_forgotten
from helpers.interactions.matrix import REAL, SIMULATED, ItemFeatures
from helpers.interactions.orders import Orders
from helpers.interactions.splits import by_column, deal

DEALT = "dealt"  # platforms that are no column: products dealt to A and B at random
OWN = "platform"  # the catalogue's own platforms
FACTS = "interactions.json"
LEFT_OUT = "orders_left_out.csv"


@dataclass(frozen=True)
class LogFacts:
    """Whose log a profile has, and which platforms its exam crosses.

    Attributes
    ----------
    shoppers : str
        "simulated" or "real".
    source, target : str
        Platform of the histories, platform that recommends.
    platforms : str
        Column of the catalogue whose values are the platforms; `DEALT` where products are dealt.
    overlap : float or None
        Share of real training customers who stay known on both platforms; None keeps all.
    seed : int
    vectors : str
        "clip" (pictures and titles), "looks" (pictures before the projection, words) or "words":
        what tells the items apart.
    orders : dict
        What became of the rows of an order log; empty for simulated shoppers.
    """

    shoppers: str
    source: str
    target: str
    platforms: str = OWN
    overlap: float | None = None
    seed: int = 7
    vectors: str = "clip"
    orders: dict[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """What the exam crosses: "shop", or "platform" where it is a part of one shop."""
        return "shop" if self.platforms == OWN else "platform"

    def __post_init__(self) -> None:
        if self.shoppers not in (SIMULATED, REAL):
            raise ValueError(f"shoppers must be {SIMULATED!r} or {REAL!r}, not {self.shoppers!r}")


def load_items(profile: str) -> ItemFeatures:
    """Items of a profile in catalogue order.

    Their vectors are concat(image, text), their table is the catalogue and the `pattern` it names.

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
            f"{len(image)} encoded items but {len(catalog)} in the catalogue: "
            "it changed since chapter 02. "
            f"Run:  course run --profile {profile} --only 02"
        )
    catalog["pattern"] = patterns_from_text(catalog)
    return ItemFeatures(item_vectors(image, text), catalog, f"{told['encoder']} {told['hash']}")


def with_platforms(items: ItemFeatures, facts: LogFacts) -> ItemFeatures:
    """The same items with the platforms that the exam of a profile crosses."""
    if facts.platforms == DEALT:
        return deal(items, facts.seed)
    if facts.platforms == OWN:
        return items
    return by_column(items, facts.platforms)


def load_interactions(profile: str) -> pd.DataFrame:
    """Log of a profile: user, item, rating, timestamp (s), event, platform.

    Simulated test shoppers are not in it. Real customers are all in it: the exam sets some apart.
    """
    return pd.read_parquet(require(profile, "interactions.parquet", "02"))


def load_facts(profile: str) -> LogFacts:
    """Whose log a profile has."""
    path = require(profile, FACTS, "02")
    return LogFacts(**json.loads(path.read_text(encoding="utf-8")))


def save_log(profile: str, log: pd.DataFrame, facts: LogFacts) -> None:
    """Write interactions.parquet and interactions.json."""
    write_parquet(log, data_dir(profile) / "interactions.parquet")
    write_json(asdict(facts), data_dir(profile) / FACTS)


def save_orders(profile: str, orders: Orders, facts: LogFacts) -> pd.DataFrame:
    """Write a shop's own log, its facts, and the rows that were left out with their reasons.

    Who asked to be forgotten is not written. What simulated shoppers left is removed, so that the
    two are never mixed.

    Returns
    -------
    DataFrame
        The log that was written.
    """
    folder = data_dir(profile)
    log = without_forgotten(profile, orders.log)
    for name in ("market.json", "market.safetensors"):
        (folder / name).unlink(missing_ok=True)
    save_log(profile, log, facts)
    write_left_out(orders, folder / LEFT_OUT)
    return log


def write_left_out(orders: Orders, path: Path) -> None:
    """Write the rows that are no interaction; no cell of the CSV starts a formula."""
    write_csv(orders.left_out, path)
