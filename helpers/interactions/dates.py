"""Dates as order logs write them, in seconds since 1970; what is read by a rule is said."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

_TWO_NUMBERS = r"^(\d{1,2})([./-])(\d{1,2})\2(?:\d{4}|\d{2})(?!\d)"  # 03/04/2024, 3.4.24
_YEAR_FIRST = r"\d{4}[./-]\d"  # 2024-04-03, 2024/4/3
_HAS_PARTS = r"\d[/.:-]\d|\d[ .-]*[^\W\d_]{3}"  # 3.4.24, 12:30, 3 Apr
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
    if pd.api.types.is_datetime64_any_dtype(time):
        seconds = _since_1970(pd.to_datetime(time, utc=True))
        return Times(seconds, _no_row(time))
    text = _stripped(time)
    number = _as_number(text)
    looks_like_a_date = number.between(19_000_101, 21_001_231)  # 20240131
    is_text = number.isna() | looks_like_a_date
    from_number, notes = _from_numbers(number.mask(is_text))
    words = text.where(is_text)
    order = _order_in(words)
    from_text = _since_1970(_dates(words, order.day_first))
    seconds = from_number.mask(is_text, from_text)
    return Times(seconds.astype("float64"), order.is_turned, notes + order.notes)


def looks_like_times(values: pd.Series, enough: float = 0.9) -> bool:
    """Whether a column of unknown name holds dates: typed ones, or text that reads as dates.

    A plain number doesn't count: it may be anything.
    """
    if pd.api.types.is_datetime64_any_dtype(values):
        return True
    if pd.api.types.is_numeric_dtype(values):
        return False
    text = _stripped(values)
    has_parts = text.str.contains(_HAS_PARTS, na=False)
    if has_parts.mean() < enough:
        return False
    is_number = _as_number(text).notna()
    is_date = _dates(text).notna()
    share = (is_date & ~is_number).mean()
    return bool(share >= enough)


def _stripped(values: pd.Series) -> pd.Series:
    return values.astype("string").str.strip()


def _as_number(text: pd.Series) -> pd.Series:
    number = pd.to_numeric(text, errors="coerce")
    return number.astype("float64")


def _dates(text: pd.Series, day_first: bool = False) -> pd.Series:
    """Dates of text. After a year comes the month, whatever the order of other rows is."""
    dates = _parsed(text, day_first)
    if not day_first:
        return dates
    starts_with_year = text.str.match(_YEAR_FIRST, na=False)
    return dates.mask(starts_with_year, _parsed(text.where(starts_with_year), False))


def _parsed(text: pd.Series, day_first: bool) -> pd.Series:
    return pd.to_datetime(
        text,
        errors="coerce",
        utc=True,
        format="mixed",
        dayfirst=day_first,
    )


def _no_row(values: pd.Series) -> pd.Series:
    return pd.Series(False, index=values.index)


def _from_numbers(number: pd.Series) -> tuple[pd.Series, list[str]]:
    """Seconds of numbers; those of a spreadsheet are days since 1900."""
    known = number.dropna()
    are_days = known.between(*_EXCEL_DAYS)
    if len(known) and are_days.all():
        start = _EXCEL_START.timestamp()
        note = f"times such as {known.iloc[0]:g} are read as a spreadsheet's days"
        return start + number * _DAY, [note]
    is_seconds = number.abs() < _MOST_MILLISECONDS
    return number.where(is_seconds, number / 1000), []


def _since_1970(date: pd.Series) -> pd.Series:
    """Seconds since 1970, NaN where there is no date; any year will do, also 2999."""
    seconds = date.dt.as_unit("s").astype("int64")
    return seconds.astype("float64").mask(date.isna())


@dataclass(frozen=True)
class _Order:
    """Whether the day comes first, rows that say the opposite, and how it was decided."""

    day_first: bool
    is_turned: pd.Series
    notes: list[str] = field(default_factory=list)


def _order_in(text: pd.Series) -> _Order:
    """What a column of dates says of the order of day and month."""
    parts = text.str.extract(_TWO_NUMBERS)
    first = _as_number(parts[0])
    second = _as_number(parts[2])
    first_is_day = (first > 12) & (second <= 12)
    second_is_day = (second > 12) & (first <= 12)
    n_first = first_is_day.sum()
    n_second = second_is_day.sum()
    uses_points = bool((parts[1] == ".").any())
    if n_first > n_second:
        return _Order(True, second_is_day)
    if n_second > n_first:
        return _Order(False, first_is_day)
    if uses_points or n_first:
        return _Order(uses_points, second_is_day if uses_points else first_is_day)
    is_open = first.notna() & (first != second)
    if not is_open.any():
        return _Order(False, _no_row(text))
    day_first, why = _by_sorting(text)
    example = text[is_open].iloc[0]
    order = "day/month" if day_first else "month/day"
    note = f"dates such as {example!r} are read as {order}, {why}; {_ISO}"
    return _Order(day_first, _no_row(text), [note])


def _by_sorting(text: pd.Series) -> tuple[bool, str]:
    """Whether more rows follow an earlier one with the day first than with the month first."""
    with_month = _share_in_order(_dates(text))
    with_day = _share_in_order(_dates(text, day_first=True))
    if with_day == with_month:
        return False, "as nothing tells"
    return with_day > with_month, "which puts more rows in the order of time"


def _share_in_order(dates: pd.Series) -> float:
    steps = np.diff(_since_1970(dates.dropna()))
    if not len(steps):
        return 0.0
    return float((steps >= 0).mean())
