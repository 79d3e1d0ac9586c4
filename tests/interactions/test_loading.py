"""What chapter 02 leaves is what later chapters take up, or they say which chapter to run."""

import json

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from helpers.artefacts import MissingArtefact, data_dir
from helpers.interactions import cross_platform, load_interactions, load_items
from helpers.simulator import load_market, save_market


@pytest.fixture
def profile(tmp_path, monkeypatch, market):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    data_dir("toy").mkdir()
    frame = pd.DataFrame(
        {"image_key": market.items, "product_id": market.items.str.split("/").str[1]}
    )
    frame = frame.assign(title="Striped shirt", description="")
    frame.to_parquet(data_dir("toy") / "catalog.parquet")
    return "toy"


def encode(profile, n):
    vectors = np.ones((n, 4), np.float32)
    save_file({"image": vectors * 0, "text": vectors}, data_dir(profile) / "embeddings.safetensors")
    (data_dir(profile) / "embeddings.json").write_text(json.dumps({"encoder": "toy", "hash": "ab"}))


def test_market_comes_back(profile, market):
    save_market(profile, market)
    pd.testing.assert_frame_equal(load_interactions(profile), market.interactions())
    one, other = (cross_platform(each, market.items) for each in (market, load_market(profile)))
    assert (one.train.ratings != other.train.ratings).nnz == 0
    assert (one.histories[5].ratings != other.histories[5].ratings).nnz == 0


def test_items_are_halves_side_by_side(profile, market):
    encode(profile, len(market.items))
    items = load_items(profile)
    assert items.vectors[3].tolist() == [
        0,
        0,
        0,
        0,
        0.5,
        0.5,
        0.5,
        0.5,
    ]  # no image: zeros; text: length 1
    assert set(items.frame["pattern"]) == {"striped"}
    assert items.encoder == "toy ab" and items.frame["image_key"].tolist() == market.items.tolist()


def test_what_is_missing_or_stale_says_what_to_run(profile):
    with pytest.raises(MissingArtefact, match="--until 02"):
        load_market(profile)
    with pytest.raises(MissingArtefact, match="--until 02"):
        load_items(profile)
    encode(profile, 3)
    with pytest.raises(ValueError, match=r"3 encoded items but 240 .* --only 02"):
        load_items(profile)
