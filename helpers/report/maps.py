"""A flat map of vectors: a figure on which items that are alike lie close together."""

import numpy as np

try:
    import openTSNE
except ImportError:  # it has no wheel for ARM Linux: scikit-learn's t-SNE is slower, and there
    openTSNE = None
from sklearn.manifold import TSNE


def flat_map(vectors, perplexity: float = 30, seed: int = 0) -> np.ndarray:
    """Positions of items on a t-SNE map that starts from the first two principal components.

    Distances between neighbors mean something, distances between groups and the axes don't
    (van der Maaten and Hinton 2008).

    Parameters
    ----------
    vectors : (n, d) array
    perplexity : float
        About the number of neighbors that an item keeps close; less than n / 3.
    seed : int

    Returns
    -------
    (n, 2) float64
    """
    rows = np.asarray(vectors, dtype=np.float64)
    if openTSNE is None:
        map_maker = TSNE(perplexity=perplexity, init="pca", random_state=seed, n_jobs=1)
        return map_maker.fit_transform(rows).astype(np.float64)
    map_maker = openTSNE.TSNE(
        perplexity=perplexity,
        early_exaggeration_iter=120,
        n_iter=300,
        initialization="pca",
        neighbors="exact",
        negative_gradient_method="bh",
        random_state=seed,
        n_jobs=1,
    )
    return np.asarray(map_maker.fit(rows))
