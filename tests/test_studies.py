"""Studies that are kept: each row says from which state of the code it comes."""

import re

import pandas as pd
import pytest

from helpers.artefacts import ROOT

ONE_DATE = r"20\d\d-\d\d-\d\d"
DATES = rf"{ONE_DATE}(; {ONE_DATE})*"
ASSUMED = ("unit_prices.csv",)  # prices that nobody measured; they have reasons instead
COMMITS = r"[0-9a-f]{7,40}\+?(; [0-9a-f]{7,40}\+?)*"  # several where folds were added later
STUDIES = sorted(
    path for path in (ROOT / "data" / "studies").glob("*.csv") if path.name not in ASSUMED
)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_row_says_where_it_comes_from(path):
    table = pd.read_csv(path, dtype=str)
    assert len(table)
    assert {"commit", "date", "versions"} <= set(table.columns)
    is_told = table["commit"].fillna("").str.fullmatch(COMMITS)
    assert is_told.all(), table[~is_told]
    assert table["date"].fillna("").str.fullmatch(DATES).all()
    assert all(re.search(r"\bnumpy \d", versions) for versions in table["versions"])
