"""What chapter 06 says of trees in Hybrid, on a made-up study."""

import pandas as pd
import pytest

from helpers.report.figures import ranker


def row(exam, method, n, value, gain=0.0, shop="gifts") -> dict:
    """One result as bench/ranker.py writes it; its paired interval is 0.01 wide on each side."""
    return {
        "shop": shop,
        "exam": exam,
        "n_history": n,
        "method": method,
        "value": value,
        "gain": gain,
        "gain_low": gain - 0.01,
        "gain_high": gain + 0.01,
    }


@pytest.fixture
def study(tmp_path):
    """In films the trees are ahead with ten items, with gifts behind; with both, it is level."""
    rows = [
        row("in-shop", "sum", 10, 0.35, shop="movielens"),
        row("in-shop", "trees", 10, 0.37, 0.02, shop="movielens"),
        row("in-shop", "Hybrid", 10, 0.355, 0.005, shop="movielens"),
        row("in-shop", "sum", 3, 0.30, shop="movielens"),
        row("in-shop", "trees", 3, 0.30, shop="movielens"),
        row("in-shop", "Hybrid", 3, 0.30, shop="movielens"),
        row("across 20 %", "sum", 3, 0.34),
        row("across 20 %", "trees", 3, 0.30, -0.04),
        row("across 20 %", "Hybrid", 3, 0.345, 0.005),
        row("across 20 %", "trees", 5, 0.30, -0.04),  # counted, and not in the table
    ]
    path = tmp_path / "ranker.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return ranker.read_ranker(path)


def test_clear_gains_and_losses_are_counted(study):
    assert ranker.count_gains(study, "trees alone") == {"all": 4, "ahead": 1, "behind": 2}
    assert ranker.count_gains(study, "Hybrid: sum with trees") == {
        "all": 3,
        "ahead": 0,
        "behind": 0,
    }


def test_the_table_shows_all_three_by_exam_and_history(study):
    table = ranker.ranker_table(study)
    assert list(table.columns) == ["sum without trees", "trees alone", "Hybrid: sum with trees"]
    assert list(table.index) == [
        ("films, same platform", 3),
        ("films, same platform", 10),
        ("gift shop, 20% on both", 3),
    ]
    gifts = table.loc[("gift shop, 20% on both", 3)]
    assert gifts.tolist() == ["0.340", "0.300 (-0.040 ± 0.010)", "0.345 (+0.005 ± 0.010)"]
