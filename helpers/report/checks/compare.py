"""The exercises of chapter 07."""

import numpy as np

from helpers.report.checks.judging import Choice, Function, Mistake, Numbers


def _earned(k: int) -> np.ndarray:
    """What a grade of 1 earns at positions 1 to k."""
    return 1 / np.log2(np.arange(2, k + 2))


def _graded_ndcg(shown_grades, all_grades, k):
    earned = _earned(k)
    shown = np.asarray(shown_grades)[:k]
    best = np.sort(all_grades)[::-1]
    best = best[:k]
    dcg = (earned[: len(shown)] * shown).sum()
    ideal = (earned[: len(best)] * best).sum()
    return dcg / ideal


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
    shown = {"102010": 3, "021000": 5, "221100": 6, "000102": 4}
    cases = []
    for grades, k in shown.items():
        grades_of_list = np.array([int(grade) for grade in grades])
        cases.append((grades_of_list, every, k))
    return cases


def _ips(rewards, propensities, chances):
    """Mean of w r, with w = chances / propensities."""
    return np.mean(chances / propensities * rewards)


def _plain_mean(rewards, propensities, chances):
    return np.mean(rewards)


def _weights_upside_down(rewards, propensities, chances):
    return np.mean(propensities / chances * rewards)


def _not_divided_by_propensities(rewards, propensities, chances):
    return np.mean(chances * rewards)


def _chances_forgotten(rewards, propensities, chances):
    return np.mean(rewards / propensities)


def _self_normalized(rewards, propensities, chances):
    weights = chances / propensities
    return np.sum(weights * rewards) / np.sum(weights)


def _sum_of_weighted(rewards, propensities, chances):
    return np.sum(chances / propensities * rewards)


def _logs() -> list[tuple]:
    """Two logs of a few visits: rewards, propensities, chances under the new policy."""
    return [
        (
            np.array([1.0, 0.0, 1.0, 0.0, 1.0]),
            np.array([0.5, 0.25, 0.2, 0.8, 0.1]),
            np.array([0.2, 0.5, 0.3, 0.6, 0.3]),
        ),
        (
            np.array([0.0, 1.0, 1.0, 0.0]),
            np.array([0.6, 0.3, 0.4, 0.1]),
            np.array([0.3, 0.6, 0.1, 0.05]),
        ),
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
            Mistake(32.0, says="that is the root of 1,000; take the root of 1,000 / 40"),
            Mistake(6.0, says="that is the root of 40; take the root of 1,000 / 40"),
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
    "07-ips": Function(
        _ips,
        inputs=_logs,
        hint="the weight of a visit is its chance under the new policy divided by its propensity; "
        "return the mean of weight times reward",
        mistakes=[
            Mistake(_plain_mean, says="that is what today's policy earns; weight the visits"),
            Mistake(_weights_upside_down, says="turn the weights around: new policy over old"),
            Mistake(_not_divided_by_propensities, says="divide by the propensities, too"),
            Mistake(_chances_forgotten, says="multiply by the chances under the new policy, too"),
            Mistake(
                _self_normalized,
                says="that is self-normalized IPS; plain IPS divides by the number of visits",
            ),
            Mistake(_sum_of_weighted, says="take the mean over the visits, not the sum"),
        ],
    ),
}
