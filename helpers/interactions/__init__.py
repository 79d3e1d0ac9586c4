"""Chapter 02: who rated what, real or simulated, and how it is split."""

from helpers.interactions.loading import forget, load_interactions, load_items, load_market, save_market
from helpers.interactions.market import Market
from helpers.interactions.matrix import Histories, Interactions, ItemFeatures
from helpers.interactions.shoppers import simulate_market
from helpers.interactions.splits import Split, cold_item, cold_user, cross_platform, temporal, warm

__all__ = [
    "Histories",
    "Interactions",
    "ItemFeatures",
    "Market",
    "Split",
    "cold_item",
    "cold_user",
    "cross_platform",
    "forget",
    "load_interactions",
    "load_items",
    "load_market",
    "save_market",
    "simulate_market",
    "temporal",
    "warm",
]
