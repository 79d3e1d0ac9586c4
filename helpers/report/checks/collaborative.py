"""The exercises of chapter 03."""

import numpy as np

from helpers.report.checks.judging import Choice, Function, Mistake, Numbers

N_SHOPPERS = 40
N_ITEMS = 12
TINY = 1e-12


def user_scores(X, x, k):
    """Scores (n_items,) of a shopper: similar shoppers' likes, weighted by the cosine."""
    similarity = _cosines(X, x)
    nearest = np.argsort(-similarity, kind="stable")[:k]
    return similarity[nearest] @ X[nearest]


def _cosines(X, x) -> np.ndarray:
    """Cosine of `x` (n_items,) with each row of `X` (n_users, n_items)."""
    lengths = np.linalg.norm(X, axis=1) * np.linalg.norm(x)
    return X @ x / np.maximum(lengths, TINY)


def _with_dot_products(X, x, k):
    similarity = X @ x
    nearest = np.argsort(-similarity, kind="stable")[:k]
    return similarity[nearest] @ X[nearest]


def _of_all(X, x, k):
    return _cosines(X, x) @ X


def _without_weights(X, x, k):
    nearest = np.argsort(-_cosines(X, x), kind="stable")[:k]
    return X[nearest].sum(axis=0)


def _averaged(X, x, k):
    similarity = _cosines(X, x)
    nearest = np.argsort(-similarity, kind="stable")[:k]
    return similarity[nearest] @ X[nearest] / similarity[nearest].sum()


def _of_the_least_similar(X, x, k):
    similarity = _cosines(X, x)
    nearest = np.argsort(similarity, kind="stable")[:k]
    return similarity[nearest] @ X[nearest]


def _shops() -> list[tuple]:
    """Likes of shoppers of two tastes, in which no two cosines that matter are equal."""
    rng = np.random.default_rng(7)
    found = []
    for k in (2, 5):
        share = 0.3 + 0.7 * rng.random((N_SHOPPERS, 1))  # nobody likes nothing
        X = (rng.random((N_SHOPPERS, N_ITEMS)) < share).astype(float)
        x = rng.random(N_ITEMS).round(1)  # ratings in place of likes keep cosines apart
        found.append((X, x, k))
    return found


EXERCISES: dict[str, Choice | Function | Numbers] = {
    "03-user-scores": Function(
        user_scores,
        inputs=_shops,
        hint=(
            "find the k rows of X with the highest cosine with x, and add up their likes, "
            "each row weighted by its cosine"
        ),
        mistakes=[
            Mistake(
                _with_dot_products,
                says="that is the dot product; divide by both lengths to get the cosine",
            ),
            Mistake(_of_all, says="all shoppers count here; keep the k most similar ones"),
            Mistake(_without_weights, says="each neighbor counts as much as its cosine, not 1"),
            Mistake(_averaged, says="that is an average, which predicts; a ranking needs the sum"),
            Mistake(_of_the_least_similar, says="these are the k least similar shoppers"),
        ],
    ),
    "03-coat": Choice(
        "up",
        {
            "up": "",
            "down": "who rated the coat, and whose similarity to Ann grows more by it?",
            "stay": "the coat changes both cosines, so it changes both weights",
        },
    ),
    "03-crossing": Numbers(
        20 / 3,
        hint="set 0.9 · 5 / (5 + s) equal to 0.45 · 40 / (40 + s)",
        decimals=1,
        mistakes=[
            Mistake(20.0, says="that is the chapter's s; at which s are the two equal?"),
            Mistake(5.0, says="at s = 5 the first pair counts half; compare both pairs"),
            Mistake(40.0, says="at s = 40 the second pair counts half; compare both pairs"),
        ],
    ),
}
