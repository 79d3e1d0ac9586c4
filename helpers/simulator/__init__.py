"""Chapter 02: a simulated market whose shoppers' tastes, and so the best possible list, are
known."""

from helpers.simulator.loading import forget, load_market, save_market
from helpers.simulator.market import Market
from helpers.simulator.shoppers import simulate_market

__all__ = ["Market", "forget", "load_market", "save_market", "simulate_market"]
