"""A small simulated market, made once for all tests that ask for it."""

import pytest
from toy import garments

from helpers.simulator import simulate_market


@pytest.fixture(scope="session")
def attributes():
    return garments()


@pytest.fixture(scope="session")
def market(attributes):
    return simulate_market(attributes, n_users=300, n_test=150, density=0.1, seed=7)
