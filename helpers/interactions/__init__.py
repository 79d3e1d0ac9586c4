"""Chapter 02: who rated or bought what, and how it is split."""

from helpers.interactions.loading import load_interactions, load_items
from helpers.interactions.matrix import Histories, Interactions, ItemFeatures
from helpers.interactions.splits import Split, cold_item, cold_user, cross_platform, temporal, warm

__all__ = [
    "Histories",
    "Interactions",
    "ItemFeatures",
    "Split",
    "cold_item",
    "cold_user",
    "cross_platform",
    "load_interactions",
    "load_items",
    "temporal",
    "warm",
]
