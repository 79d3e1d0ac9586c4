"""Dates as order logs write them, in seconds since 1970; what is read by a rule is said."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

_TWO_NUMBERS = r"^(\d{1,2})([./-])(\d{1,2})\2(?:\d{4}|\d{2})(?!\d)"  # 03/04/2024, 3.4.24
_EXCEL_DAYS = (30_000, 60_000)  # 1982 to 2064 as a spreadsheet counts its days
_EXCEL_START = pd.Timestamp("1899-12-30", tz="UTC")
_DAY = 86_400
_MOST_MILLISECONDS = 1e11  # from here on a number counts milliseconds
_ISO = "write dates as 2024-04-03 to be sure"


@dataclass(frozen=True)
class Times:
    """A log's column of times.

    Attributes
    ----------
    seconds : Series of float
        Since 1970; NaN for what is no date.
    is_turned : Series of bool
        Rows whose day and month stand the other way round than in most rows.
    notes : list of str
        Rules that were needed to read the column.
    """

    seconds: pd.Series
    is_turned: pd.Series
    notes: list[str] = field(default_factory=list)


def read_times(time: pd.Series) -> Times:
    """Times of a log: dates in any form, seconds or milliseconds since 1970, a spreadsheet's days.

    Which of two numbers is the day follows from the rows in which one of them is above 12, from
    points between them (3.4.2024), or from the order in which the log would be sorted. A date
    without a zone counts as UTC.

    Parameters
    ----------
    time : Series
        Text, numbers, or dates.
    """
    nobody = pd.Series(False, index=time.index)
    if pd.api.types.is_datetime64_any_dtype(time):
        return Times(_since_1970(pd.to_datetime(time, utc=True)), nobody)
    text = time.astype("string").str.strip()
    number = pd.to_numeric(text, errors="coerce").astype("float64")
    looks_like_a_date = number.between(19_000_101, 21_001_231)  # 20240131
    is_text = number.isna() | looks_like_a_date
    from_number, notes = _from_numbers(number.mask(is_text))
    words = text.where(is_text)
    day_first, is_turned, more_notes = _which_is_the_day(words)
    dates = pd.to_datetime(words, errors="coerce", utc=True, format="mixed", dayfirst=day_first)
    seconds = from_number.mask(is_text, _since_1970(dates)).astype("float64")
    return Times(seconds, is_turned, notes + more_notes)


def looks_like_times(values: pd.Series, enough: float = 0.9) -> bool:
    """Whether a column of unknown name holds dates: typed ones, or text that reads as dates.

    A plain number doesn't count: it may be anything.
    """
    if pd.api.types.is_datetime64_any_dtype(values):
        return True
    if pd.api.types.is_numeric_dtype(values):
        return False
    text = values.astype("string").str.strip()
    has_parts = text.str.contains(r"\d[/.:-]\d", regex=True, na=False)
    if has_parts.mean() < enough:
        return False
    is_number = pd.to_numeric(text, errors="coerce").notna()
    dates = pd.to_datetime(text, errors="coerce", utc=True, format="mixed")
    return bool((dates.notna() & ~is_number).mean() >= enough)


def _from_numbers(number: pd.Series) -> tuple[pd.Series, list[str]]:
    """Seconds of numbers; those of a spreadsheet are days since 1900."""
    known = number.dropna()
    if len(known) and known.between(*_EXCEL_DAYS).all():
        first = _EXCEL_START.timestamp()
        note = f"times such as {known.iloc[0]:g} are read as a spreadsheet's days"
        return first + number * _DAY, [note]
    return number.where(number.abs() < _MOST_MILLISECONDS, number / 1000), []


def _since_1970(date: pd.Series) -> pd.Series:
    """Seconds since 1970, NaN where there is no date; any year will do, also 2999."""
    return date.dt.as_unit("s").astype("int64").astype("float64").mask(date.isna())


def _which_is_the_day(text: pd.Series) -> tuple[bool, pd.Series, list[str]]:
    """Whether the day comes first, rows that say the opposite, and how it was decided."""
    parts = text.str.extract(_TWO_NUMBERS)
    first = pd.to_numeric(parts[0], errors="coerce")
    second = pd.to_numeric(parts[2], errors="coerce")
    first_is_day = (first > 12) & (second <= 12)
    second_is_day = (second > 12) & (first <= 12)
    uses_points = bool((parts[1] == ".").any())
    n_first = int(first_is_day.sum())
    n_second = int(second_is_day.sum())
    if n_first or n_second or uses_points:
        day_first = n_first > n_second or (n_first == n_second and uses_points)
        is_turned = second_is_day if day_first else first_is_day
        return day_first, is_turned, []
    nobody = pd.Series(False, index=text.index)
    is_open = first.notna() & (first != second)
    if not is_open.any():
        return False, nobody, []
    day_first, why = _by_order(text)
    example = text[is_open].iloc[0]
    order = "day/month" if day_first else "month/day"
    note = f"dates such as {example!r} are read as {order}, {why}; {_ISO}"
    return day_first, nobody, [note]


def _by_order(text: pd.Series) -> tuple[bool, str]:
    """Whether more rows follow an earlier one with the day first than with the month first."""
    sorted_share = {}
    for day_first in (False, True):
        dates = pd.to_datetime(text, errors="coerce", utc=True, format="mixed", dayfirst=day_first)
        steps = np.diff(_since_1970(dates.dropna()))
        sorted_share[day_first] = float((steps >= 0).mean()) if len(steps) else 0.0
    if sorted_share[True] == sorted_share[False]:
        return False, "as nothing tells"
    return sorted_share[True] > sorted_share[False], "which puts more rows in the order of time"
