"""Chapter 02: who rated what, real or simulated, and how it is split."""

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
    "temporal",
    "warm",
]
