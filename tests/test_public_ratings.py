"""The benches' readers of public ratings give the published sizes."""

import sys

import pandas as pd
import pytest

from helpers.artefacts import ROOT, fashion_data
from helpers.interactions.matrix import Interactions


@pytest.fixture(scope="module")
def folder():
    if fashion_data() is None:
        pytest.skip("needs FASHION_DATA: the public rating sets in its folder ratings")
    return fashion_data() / "ratings"


@pytest.fixture(scope="module")
def readers():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(ROOT / "bench"), *sys.path])
        import public_ratings

        yield public_ratings


def test_movielens_has_its_published_size(folder, readers):
    frame = readers.movielens_100k(folder)
    train = Interactions.from_frame(frame, pd.Index(frame["item"].unique()))
    assert train.shape == (943, 1682)
    assert train.ratings.nnz == 100_000
    assert frame["rating"].mean() == pytest.approx(3.52986)
    assert pd.to_datetime(frame["timestamp"], unit="s").dt.year.isin([1997, 1998]).all()


def test_rent_the_runway_counts_what_it_drops(folder, readers):
    frame, dropped = readers.rent_the_runway(folder)
    assert dropped["no rating"] == 82
    assert len(frame) + sum(dropped.values()) == 192_544
    assert frame["rating"].between(1, 5).all()
    assert not frame.duplicated(["user", "item"]).any()
