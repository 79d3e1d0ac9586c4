"""reports/scale.md is what the study and the prices say, and the arithmetic is right."""

import importlib.util
import sys

import numpy as np
import pandas as pd
import pytest

from helpers.artefacts import ROOT

BENCH = ROOT / "bench"


@pytest.fixture(scope="module")
def bench():
    """The scripts of bench/, which import one another by name."""
    sys.path.insert(0, str(BENCH))
    try:
        spec = importlib.util.spec_from_file_location("scale_report", BENCH / "scale_report.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules["scale_report"] = module
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(BENCH))


@pytest.fixture
def study() -> pd.DataFrame:
    return pd.read_csv(ROOT / "data" / "studies" / "scale.csv")


@pytest.fixture
def prices() -> pd.DataFrame:
    return pd.read_csv(ROOT / "data" / "studies" / "unit_prices.csv")


def test_the_page_is_the_one_that_the_study_makes(bench, study, prices):
    stored = (ROOT / "reports" / "scale.md").read_text(encoding="utf-8")
    assert bench.report(study, prices) == stored


def test_another_price_makes_another_page(bench, study, prices):
    dearer = prices.assign(value=prices["value"].where(prices["name"] != "core_hour", 0.1))
    assert bench.report(study, dearer) != bench.report(study, prices)


def rows(step, seconds, peak, sizes=(10, 100, 1000)):
    return pd.DataFrame(
        {"step": step, "size": sizes, "seconds": seconds, "peak_mb": peak, "start_mb": 100.0}
    )


def test_exponents_are_slopes(bench):
    sizes = np.array([10, 100, 1000])
    square = rows("square", 3.0 * sizes**2, 100 + 2.0 * sizes)
    found = bench.exponents(square).loc["square"]
    assert found["time"] == pytest.approx(2) and found["memory"] == pytest.approx(1)


def test_a_small_index_tells_nothing_of_how_a_large_one_grows(bench):
    sizes = np.array([10_000, 100_000, 1_000_000])
    seconds = np.array([0.001, 1.0, 20.0])  # the first compares all items, and has no lists
    found = bench.exponents(rows("index", seconds, 100 + sizes / 1000, sizes)).loc["index"]
    assert found["time"] == pytest.approx(np.log10(20))
    other = bench.exponents(rows("orders", seconds, 100 + sizes / 1000, sizes)).loc["orders"]
    assert other["time"] > 2


def test_numbers_have_three_digits_that_count(bench):
    shown = [bench.short(value) for value in (0.009, 0.0991, 1.3, 12.0, 1234.5, 2_230_000)]
    assert shown == ["0.009", "0.0991", "1.3", "12", "1,230", "2,230,000"]
    assert [bench.money(value) for value in (0.004, 0.5, 98_233)] == [
        "under 0.01",
        "0.50",
        "98,200",
    ]


def test_steep_steps_have_a_reason(bench, study):
    text = bench._steep(bench.steps_of(study), study)
    assert "Not explained" not in text


def test_a_step_is_carried_on_by_its_exponent_and_never_below_linear(bench):
    step = pd.Series({"seconds": 5.0, "size": 1000, "time": 1.5})
    assert bench.seconds_at(step, 100_000) == pytest.approx(5 * 100**1.5)
    slow = pd.Series({"seconds": 5.0, "size": 1000, "time": 0.4})
    assert bench.seconds_at(slow, 100_000) == pytest.approx(500)


def test_a_machine_is_too_small_where_the_memory_line_meets_it(bench):
    step = pd.Series({"peak_mb": 1100.0, "start_mb": 100.0, "size": 1000, "memory": 1.0})
    machine_gb = (100 + 4000) * 2**20 / 1e9  # the start, and four times what 1,000 take
    assert bench.breaks_at(step, machine_gb) == pytest.approx(4000)
    assert bench.breaks_at(pd.concat([step.drop("peak_mb"), pd.Series({"peak_mb": 150.0})]), 1) == (
        np.inf
    )  # 50 MB tell nothing
    step["memory"] = 0.3  # a fixed part hides the growth: taken as linear
    assert bench.breaks_at(step, machine_gb) == pytest.approx(4000)
    step["memory"] = np.nan
    assert bench.breaks_at(step, machine_gb) == np.inf


def test_no_step_of_the_study_grows_with_shoppers_times_items(study):
    for step, part in study.groupby("step"):
        more = (part["peak_mb"] - part["start_mb"]).clip(lower=1)
        if part["size"].nunique() < 2 or more.max() < 100:
            continue
        slope = np.polyfit(np.log(part["size"]), np.log(more), 1)[0]
        assert slope < 1.3, f"{step}: memory grows as n^{slope:.2f}"
    assert study["peak_mb"].max() < 16 * 1024
