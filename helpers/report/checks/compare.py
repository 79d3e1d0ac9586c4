"""The exercises of chapter 07."""

import numpy as np

from helpers.report.checks.judging import Choice, Function, Mistake, Numbers


def _earned(k: int) -> np.ndarray:
    """What a grade of 1 earns at positions 1 to k."""
    return 1 / np.log2(np.arange(2, k + 2))


def _graded_ndcg(shown_grades, all_grades, k):
    best = np.sort(all_grades)[::-1][:k]
    earned = _earned(k)
    shown = np.asarray(shown_grades)[:k]
    return (earned[: len(shown)] * shown).sum() / (earned[: len(best)] * best).sum()


def _best_of_shown(shown_grades, all_grades, k):
    return _graded_ndcg(shown_grades, shown_grades, k)


def _not_divided(shown_grades, all_grades, k):
    shown = np.asarray(shown_grades)[:k]
    return (_earned(k)[: len(shown)] * shown).sum()


def _whole_list(shown_grades, all_grades, k):
    return _graded_ndcg(shown_grades, all_grades, len(shown_grades))


def _best_not_cut(shown_grades, all_grades, k):
    best = np.sort(all_grades)[::-1]
    return _not_divided(shown_grades, all_grades, k) / (_earned(len(best)) * best).sum()


def _yes_or_no(shown_grades, all_grades, k):
    shown = np.asarray(shown_grades) > 0
    every = np.asarray(all_grades) > 0
    return _graded_ndcg(shown.astype(float), every.astype(float), k)


def _lists() -> list[tuple]:
    """Lists of six of eight items; the best item is not always shown, and k may cut the list."""
    every = np.array([0, 2, 1, 0, 2, 1, 0, 0])
    return [
        (np.array([1, 0, 2, 0, 1, 0]), every, 3),
        (np.array([0, 2, 1, 0, 0, 0]), every, 5),
        (np.array([2, 2, 1, 1, 0, 0]), every, 6),
        (np.array([0, 0, 0, 1, 0, 2]), every, 4),
    ]


EXERCISES: dict[str, Choice | Function | Numbers] = {
    "07-ndcg": Function(
        _graded_ndcg,
        inputs=_lists,
        hint="earn grade / log2(position + 1) over the first k, then divide by what the k highest "
        "grades of all_grades would earn, highest first",
        mistakes=[
            Mistake(
                _best_of_shown,
                says="the best list is made of all candidates, not only of those shown",
            ),
            Mistake(_not_divided, says="divide by what the best possible list would earn"),
            Mistake(_whole_list, says="only the first k positions count, in both lists"),
            Mistake(_best_not_cut, says="the best list has only k positions, too"),
            Mistake(_yes_or_no, says="a grade of 2 earns twice as much as a grade of 1"),
        ],
    ),
    "07-interval": Numbers(
        5.0,
        hint="the width shrinks with the square root of the number of shoppers",
        decimals=0,
        mistakes=[
            Mistake(25.0, says="that is how many times more shoppers; take the square root"),
            Mistake(0.2, says="that is how many times narrower; turn it around"),
            Mistake(1.0, says="more shoppers make the interval narrower"),
        ],
    ),
    "07-pairing": Numbers(
        0.9,
        hint="run the cell with each of the three values and read the last line it prints",
        decimals=1,
        mistakes=[
            Mistake(0.0, says="with 0 the shoppers have nothing in common to cancel out"),
            Mistake(0.5, says="one of the other two values makes the paired interval narrower"),
        ],
    ),
}
