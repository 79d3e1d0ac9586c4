"""Maps of items: neighbors stay neighbors, with either library."""

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from helpers.report import maps


@pytest.fixture
def groups():
    """Four tight groups of forty vectors in 32 dimensions."""
    rng = np.random.default_rng(7)
    centers = rng.normal(size=(4, 32))
    return np.repeat(centers, 40, axis=0) + 0.1 * rng.normal(size=(160, 32))


@pytest.mark.parametrize("library", ["openTSNE", "scikit-learn"])
def test_neighbors_stay_neighbors(groups, library, monkeypatch):
    if library == "scikit-learn":
        monkeypatch.setattr(maps, "openTSNE", None)
    elif maps.openTSNE is None:
        pytest.skip("openTSNE has no wheel for this machine")
    flat = maps.flat_map(groups, perplexity=15, seed=3)
    assert flat.shape == (160, 2) and flat.dtype == np.float64
    assert trustworthiness(groups, flat, n_neighbors=10) > 0.85
    labels = np.repeat(np.arange(4), 40)
    distances = np.linalg.norm(flat[:, None] - flat[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (labels[distances.argmin(axis=1)] == labels).all()


def test_a_seed_repeats_its_map(groups):
    first = maps.flat_map(groups, perplexity=15, seed=3)
    assert np.array_equal(first, maps.flat_map(groups, perplexity=15, seed=3))
