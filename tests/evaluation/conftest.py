"""The small simulated market."""

from drawn_market import attributes, market

__all__ = ["attributes", "market"]
