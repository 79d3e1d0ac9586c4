"""Chapter 02: who rated what, real or simulated, and how it is split."""

from helpers.interactions.matrix import Histories, Interactions, ItemFeatures

__all__ = ["Histories", "Interactions", "ItemFeatures"]
