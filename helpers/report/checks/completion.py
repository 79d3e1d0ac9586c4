"""The exercises of chapter 05."""

import numpy as np

from helpers.report.checks.judging import Choice, Function, Mistake, Numbers

N_ITEMS = 9


def shopper_step(ratings, Q, b_item, mu, reg):
    """[b_u, p_u] of one shopper, (1 + f,): one ridge regression on the items they rated."""
    known = ratings > 0
    return _ridge(_with_ones(Q[known]), ratings[known] - mu - b_item[known], reg)


def _with_ones(Q) -> np.ndarray:
    return np.column_stack([np.ones(len(Q)), Q])


def _ridge(A, target, reg) -> np.ndarray:
    left = A.T @ A + reg * np.eye(A.shape[1])
    return np.linalg.solve(left, A.T @ target)


def _on_all_items(ratings, Q, b_item, mu, reg):
    return _ridge(_with_ones(Q), ratings - mu - b_item, reg)


def _without_item_offsets(ratings, Q, b_item, mu, reg):
    known = ratings > 0
    return _ridge(_with_ones(Q[known]), ratings[known] - mu, reg)


def _without_mean(ratings, Q, b_item, mu, reg):
    known = ratings > 0
    return _ridge(_with_ones(Q[known]), ratings[known] - b_item[known], reg)


def _without_penalty(ratings, Q, b_item, mu, reg):
    known = ratings > 0
    target = ratings[known] - mu - b_item[known]
    solution, *_ = np.linalg.lstsq(_with_ones(Q[known]), target, rcond=None)
    return solution


def _offset_unpenalized(ratings, Q, b_item, mu, reg):
    known = ratings > 0
    A = _with_ones(Q[known])
    penalty = reg * np.eye(A.shape[1])
    penalty[0, 0] = 0
    target = ratings[known] - mu - b_item[known]
    return np.linalg.pinv(A.T @ A + penalty) @ (A.T @ target)


def _offset_last(ratings, Q, b_item, mu, reg):
    return np.roll(shopper_step(ratings, Q, b_item, mu, reg), -1)


def _shoppers() -> list[tuple]:
    """A shopper who rated some items, one who rated many, and one who rated nothing."""
    rng = np.random.default_rng(7)
    found = []
    for share, rank in ((0.6, 2), (0.9, 3), (0.0, 2)):
        ratings = rng.integers(1, 6, N_ITEMS) * (rng.random(N_ITEMS) < share)
        Q = rng.standard_normal((N_ITEMS, rank))
        b_item = 0.3 * rng.standard_normal(N_ITEMS)
        found.append((ratings.astype(float), Q, b_item, 3.4, 0.5))
    return found


EXERCISES: dict[str, Choice | Function | Numbers] = {
    "05-shopper-step": Function(
        shopper_step,
        inputs=_shoppers,
        hint=(
            "put a column of ones before the factors of the rated items, and regress the "
            "ratings less mu and less the item offsets on it"
        ),
        mistakes=[
            Mistake(_on_all_items, says="unknown ratings count as 0 here; keep the known ones"),
            Mistake(_without_item_offsets, says="take the item offsets off the ratings, too"),
            Mistake(_without_mean, says="take the mean mu off the ratings, too"),
            Mistake(_without_penalty, says="the penalty reg is missing"),
            Mistake(_offset_unpenalized, says="the offset has a penalty, too"),
            Mistake(_offset_last, says="return the offset first, then the factors"),
        ],
    ),
    "05-penalty": Choice(
        "down",
        {
            "up": "a penalty pulls Ben's factor to zero; what does the product do then?",
            "down": "",
            "stay": "λ stands in the denominator of Ben's factor",
        },
    ),
    "05-recovery": Numbers(
        0.3,
        hint="run recovery_error(share) for each of the five shares and compare with 0.05",
        mistakes=[
            Mistake(30, says="give a share, not a percentage"),
            Mistake(0.11, says="that is the share of free numbers; recovery needs more"),
            Mistake(0.1, says="0.1 is less than the share of free numbers; read its error again"),
            Mistake(0.2, says="the error at 0.2 is still far above 0.05"),
            Mistake(0.25, says="the appendix shows that 0.25 is too little"),
            Mistake(0.5, says="0.5 recovers, but a smaller share does, too"),
            Mistake(0.4, says="0.4 recovers, but a smaller share does, too"),
        ],
    ),
}
