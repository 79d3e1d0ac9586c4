"""TF-IDF of the words of an item's title and description, which needs no encoder."""

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.feature_extraction.text import TfidfVectorizer

TEXTS = ("title", "description")


def word_vectors(frame: pd.DataFrame) -> sp.csr_matrix:
    """TF-IDF of the words and pairs of words of each item, (n_items, n_words) float32, rows of
    length 1.

    Words of one item only say nothing of others and are left out. Without any text the matrix has
    no columns.
    """
    text = pd.Series("", index=frame.index)
    for name in TEXTS:
        if name in frame:
            text = text + " " + frame[name].fillna("").astype(str)
    vectorizer = TfidfVectorizer(
        ngram_range=(1, 2),
        min_df=2,
        token_pattern=r"[^\W_]+",
        sublinear_tf=True,
        dtype=np.float32,
    )
    try:
        return sp.csr_matrix(vectorizer.fit_transform(text))
    except ValueError:  # scikit-learn's answer to an empty vocabulary
        return sp.csr_matrix(np.zeros((len(frame), 0), np.float32))
