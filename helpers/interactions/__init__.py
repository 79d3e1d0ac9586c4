"""Chapter 02: who rated or bought what, and how it is split."""

from helpers.interactions.loading import LogFacts, load_interactions, load_items, save_orders
from helpers.interactions.matrix import Histories, Interactions, ItemFeatures
from helpers.interactions.orders import OrderError, read_orders
from helpers.interactions.splits import (
    Split,
    by_column,
    cold_item,
    cold_user,
    cross_platform,
    cross_platform_log,
    deal,
    shuffle_log,
    warm,
    warm_by_time,
)

__all__ = [
    "Histories",
    "Interactions",
    "ItemFeatures",
    "LogFacts",
    "OrderError",
    "Split",
    "by_column",
    "cold_item",
    "cold_user",
    "cross_platform",
    "cross_platform_log",
    "deal",
    "load_interactions",
    "load_items",
    "read_orders",
    "save_orders",
    "shuffle_log",
    "warm",
    "warm_by_time",
]
