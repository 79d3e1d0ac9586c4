"""Photo vectors before the projection: same on every call, zeros without a picture, one space."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from safetensors.numpy import load_file

from helpers.embeddings import (
    ClipEncoder,
    LookEncoder,
    Looks,
    encode_looks,
    load_embeddings,
    load_encoder,
    save_embeddings,
)
from helpers.embeddings.looks import fit_axes


def picture(color: str, size=(120, 160)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def looks():
    return Looks()


def test_vectors_have_length_one_and_are_zero_without_a_picture(looks):
    vectors = looks.encode_images([picture("red"), None, b"no picture", picture("blue")])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 0, 0, 1], atol=1e-5)
    assert vectors.shape == (4, looks.dim) and vectors.dtype == np.float32
    assert vectors[0] @ vectors[3] < 0.99


def test_pooled_features_project_to_the_encoders_own_vectors():
    import torch

    encoder = ClipEncoder()
    pooled = encoder.encode_pooled([picture("red"), picture("green")])
    with torch.inference_mode():
        projected = encoder.model.visual.head(torch.from_numpy(pooled)).numpy()
    projected /= np.linalg.norm(projected, axis=1, keepdims=True)
    own = encoder.encode_images([picture("red"), picture("green")])
    np.testing.assert_allclose(projected, own, atol=1e-5)


def test_axes_make_features_uncorrelated_and_of_unit_variance(tmp_path):
    rng = np.random.default_rng(7)
    mixed = rng.standard_normal((400, 12)) @ rng.standard_normal((12, 12)) + 5
    fit_axes(mixed, 4, tmp_path / "axes.safetensors")
    axes = load_file(tmp_path / "axes.safetensors")
    turned = (mixed - axes["mean"]) @ axes["axes"].T
    np.testing.assert_allclose(np.cov(turned.T, bias=True), np.eye(4), atol=1e-3)


def test_a_catalogue_by_looks_and_words_is_saved_and_read(tmp_path):
    (tmp_path / "red.png").write_bytes(picture("red"))
    catalog = pd.DataFrame(
        {
            "title": ["Red mug", "Blue mug", "Green tea"],
            "category": "other",
            "brand": "",
            "description": "",
            "image_path": ["red.png", "", ""],
        }
    )
    image, text, encoder = encode_looks(catalog, tmp_path, cache=tmp_path / "cache")
    assert image.shape == text.shape
    assert list(image.any(axis=1)) == [True, False, False]
    again, _, _ = encode_looks(catalog, tmp_path, cache=tmp_path / "cache")
    np.testing.assert_array_equal(again, image)
    save_embeddings(tmp_path, image, text, encoder)
    read = load_encoder(tmp_path)
    assert isinstance(read, LookEncoder) and read.hash == encoder.hash
    load_embeddings(tmp_path, read)
    np.testing.assert_allclose(read.encode_texts(["red mug"]), encoder.encode_texts(["red mug"]))


def test_a_tower_without_a_trunk_says_so(looks):
    class Bare:
        name = "bare"
        model = type("Model", (), {"visual": object()})()

    with pytest.raises(ValueError, match="bare: its picture tower has no features"):
        ClipEncoder.encode_pooled(Bare(), [])
