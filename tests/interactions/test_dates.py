"""Dates of order logs: forms that can be read two ways are read by a rule, and it is said."""

import datetime

import pandas as pd
import pytest

from helpers.interactions.dates import looks_like_times, read_times


def days_of(cells) -> list[str]:
    """Days that a column is read as."""
    seconds = read_times(pd.Series(cells)).seconds
    return pd.to_datetime(seconds, unit="s").dt.strftime("%Y-%m-%d").tolist()


def test_open_dates_follow_the_order_of_the_log_and_the_rule_is_said():
    cells = ["03/04/2024", "05/04/2024", "01/05/2024", "02/06/2024"]
    assert days_of(cells) == ["2024-04-03", "2024-04-05", "2024-05-01", "2024-06-02"]
    note = read_times(pd.Series(cells)).notes[0]
    assert "'03/04/2024' are read as day/month" in note
    assert "write dates as 2024-04-03" in note
    cells = ["04/03/2024", "04/05/2024", "05/01/2024", "06/02/2024"]
    assert days_of(cells) == ["2024-04-03", "2024-04-05", "2024-05-01", "2024-06-02"]
    assert "are read as month/day" in read_times(pd.Series(cells)).notes[0]


def test_nothing_is_said_where_a_day_above_12_decides():
    times = read_times(pd.Series(["03/04/2024", "25/04/2024"]))
    assert times.notes == []
    assert not times.is_turned.any()
    assert read_times(pd.Series(["2024-03-04", "2024-12-11"])).notes == []


def test_rows_against_most_others_are_marked():
    cells = ["03/04/2024", "25/04/2024", "26/04/2024", "04/27/2024"]
    assert read_times(pd.Series(cells)).is_turned.tolist() == [False, False, False, True]


@pytest.mark.parametrize(
    "cell, day",
    [
        ("3.4.24", "2024-04-03"),
        ("03.04.2024 17:05", "2024-04-03"),
        ("2024-04-03T23:30:00-02:00", "2024-04-04"),  # midnight has passed in UTC
        ("2024-04-03 10:00:00+00:00", "2024-04-03"),
        (datetime.date(2024, 4, 3), "2024-04-03"),
        (45385, "2024-04-03"),  # a spreadsheet's days
        ("45385", "2024-04-03"),
    ],
)
def test_forms_of_one_date(cell, day):
    assert days_of([cell]) == [day]


def test_after_a_year_comes_the_month_also_beside_rows_with_the_day_first():
    cells = ["25.04.2024", "2024-08-12", "2024/8/12 10:00", "12.08.2024", "12 Aug 2024"]
    assert days_of(cells) == ["2024-04-25", *["2024-08-12"] * 4]


def test_a_spreadsheets_days_are_said():
    assert "a spreadsheet's days" in read_times(pd.Series([45385, 45386])).notes[0]
    assert days_of([1706745600, 45386])[0] == "2024-02-01"  # not all are, so none is


@pytest.mark.parametrize(
    "cells, expected",
    [
        (["2024-01-02", "2024-01-03"], True),
        (["02.01.2024 08:15", "03.01.2024 09:00"], True),
        (["12", "13"], False),
        ([1.5, 2.5], False),
        (["T-100", "T-101"], False),
        (["3 Apr 2024", "03.04.2024", "2024-04-03 10:00"], True),
        (["2 pairs", "12 pieces"], False),
        (["1.50", "2.75"], False),
        (["ann", "bob"], False),
    ],
)
def test_a_column_of_dates_is_told_from_others(cells, expected):
    assert looks_like_times(pd.Series(cells)) is expected
