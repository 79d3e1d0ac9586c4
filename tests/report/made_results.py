"""Invented results of a run, so that decks and pages can be tested without one."""

from dataclasses import replace

import pandas as pd

from helpers.report.results import Results

LENGTHS = (0, 1, 3, 10)
METHODS = ("Popularity", "Content", "ItemKNN", "Taste", "TwoTower", "Hybrid", "Random")
CEILINGS = ("Oracle", "Oracle(given_history=True)")
GROUPS = ("classic", "sporty")


def results(shift=0.0, shoppers="simulated", n_users=871, candidates=613) -> Results:
    """Results whose every number moves with `shift`."""
    judged = "observed" if shoppers == "real" else "complete"
    rows = []
    for place, name in enumerate([*METHODS, *([] if shoppers == "real" else CEILINGS)]):
        for n in LENGTHS:
            value = (
                0.2137
                + 0.0513 * place
                + (0.0171 + shift) * n * (place > 0)
                + shift * (1 + place**2 / 20)
            )
            common = {"recommender": name, "n_history": n, "n_users": n_users, "seed": 7}
            common |= {"data": "made", "shoppers": shoppers, "candidates": candidates}
            common |= {"score_seconds": 0.317 + 10 * shift + place / 9, "peak_mb": 6.6 + 90 * shift}
            common |= {"fit_seconds": 1.234 + 9 * shift + place, "split": "cross_platform"}
            for metric, k, factor, kind in (
                ("ndcg", 10, 1.0, f"{judged}, binary gain, ideal cut at k"),
                ("precision", 5, 1.07, judged),
                ("hit_rate", 5, 1.13, judged),
            ):
                told = {"metric": metric, "k": k, "variant": kind, "segment": "all"}
                rows.append({**common, **told, **interval(factor * value, shift)})
                if metric == "ndcg" and shoppers == "simulated":
                    for number, group in enumerate(GROUPS):
                        of_group = value + 0.0237 * number
                        rows.append(
                            {**common, **told, **interval(of_group, shift), "segment": group}
                        )
    for place, name in enumerate(("Popularity", "ItemKNN", "Content")):
        warm = {"recommender": name, "n_history": None, "n_users": n_users, "data": "made"}
        warm |= {"shoppers": shoppers, "split": "warm", "metric": "ndcg", "k": 10, "segment": "all"}
        warm |= {"variant": "observed, binary gain", "candidates": candidates}
        rows.append({**warm, **interval(0.0431 + 0.0211 * place + shift * (1 + place), shift)})
    run = {"started": "2026-03-04T05:06:07+00:00", "device": "cpu", "profile": "made"}
    return Results("made", run, pd.DataFrame(rows))


def interval(value, shift):
    return {"value": value, "low": value - 0.0123 - shift / 7, "high": value + 0.0123 + shift / 7}


def study(shift=0.0) -> pd.DataFrame:
    """Invented results of real shops, as `real_study` returns them."""
    rows = []
    for number, shop in enumerate(("gifts", "films")):
        for place, name in enumerate(("Popularity", "Hybrid")):
            for n in (1, 3):
                value = 0.1119 + 0.0313 * place + 0.0077 * n + 0.0217 * number
                value += shift * (1 + place)
                gain = 0.0313 * place + shift / 3
                row = {"shop": shop, "recommender": name, "n_history": n, **interval(value, shift)}
                row |= {"gain": gain, "gain_low": gain - 0.02, "gain_high": gain + 0.02}
                rows.append({**row, "n_users": 432 + int(100 * shift)})
    return pd.DataFrame(rows)


def gains(shift=0.0) -> list[dict]:
    """Invented gains of real customers over bestsellers, as chapter 07 saves them."""
    rows = []
    for place, name in enumerate(("Content", "ItemKNN", "Hybrid")):
        for n in (1, 3, 10):
            difference = 0.0353 * place - 0.0227 + 0.0013 * n + shift / 2
            row = {"recommender": name, "n_history": n, "difference": difference}
            row |= {"low": difference - 0.0191 - shift / 9, "high": difference + 0.0191 + shift / 9}
            rows.append({**row, "p_holm": 0.0237 - shift / 8, "n_users": 187 + int(100 * shift)})
    return rows


def with_customers(shift=0.0, **settings) -> Results:
    """Results of simulated shoppers beside those of real customers of "groceries"."""
    plain = results(shift, **settings)
    live = results(0.03 + shift, shoppers="real").rows.assign(
        data="groceries", split="cross_platform"
    )
    rows = pd.concat([plain.rows, live[live["n_history"] > 0]], ignore_index=True)
    return replace(plain, rows=rows, paired=gains(shift))
