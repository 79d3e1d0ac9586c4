"""The encoder of a shop's own words: what scikit-learn makes of them, and the same after
loading."""

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from helpers.embeddings import (
    WordEncoder,
    encode_words,
    load_embeddings,
    load_encoder,
    save_embeddings,
)

TITLES = ["red lantern", "blue lantern", "white mug", "red mug", "tea towel", "tea cosy red"]


def test_vectors_are_latent_semantic_indexing():
    encoder = WordEncoder.fit(TITLES, dims=3)
    weights = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\S+").fit_transform(TITLES)
    expected = normalize(TruncatedSVD(3, random_state=0).fit_transform(weights))
    np.testing.assert_allclose(encoder.encode_texts(TITLES), expected, atol=1e-5)


def test_unknown_words_and_pictures_are_zeros():
    encoder = WordEncoder.fit(TITLES)
    assert not encoder.encode_texts(["garden gnome"]).any()
    assert encoder.encode_images([None, None]).shape == (2, encoder.dim)
    assert encoder.encode_texts([]).shape == (0, encoder.dim)


def test_a_profile_keeps_the_encoder_of_its_words(tmp_path):
    catalog = pd.DataFrame({"title": TITLES, "category": "other", "brand": "", "description": ""})
    image, text, encoder = encode_words(catalog)
    assert not image.any()
    save_embeddings(tmp_path, image, text, encoder)
    again = load_encoder(tmp_path)
    assert again.hash == encoder.hash
    np.testing.assert_array_equal(again.encode_texts(TITLES), text)
    np.testing.assert_array_equal(load_embeddings(tmp_path, again)[1], text)


def test_one_word_for_all_tells_nothing_apart():
    with pytest.raises(ValueError, match="too few different words"):
        WordEncoder.fit(["thing", "thing"])
