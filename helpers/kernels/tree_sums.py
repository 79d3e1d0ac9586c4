"""What a forest of decision trees says of each line, compiled: NumPy has no fast way to walk a
tree, and LightGBM reads none from plain arrays.
"""

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def sums(
    lines: np.ndarray,
    feature: np.ndarray,
    threshold: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    value: np.ndarray,
) -> np.ndarray:
    """Sum of the leaves that each line (n, n_features) reaches, (n,) float32.

    The arrays are those of `helpers.recommenders.trees.Forest`, which has checked them.
    """
    found = np.zeros(len(lines), np.float32)
    for line in range(len(lines)):
        total = 0.0
        for tree in range(len(feature)):
            node = 0
            while node >= 0:
                if lines[line, feature[tree, node]] <= threshold[tree, node]:
                    node = left[tree, node]
                else:
                    node = right[tree, node]
            total += value[tree, ~node]
        found[line] = total
    return found
