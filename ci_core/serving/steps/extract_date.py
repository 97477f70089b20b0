"""Parts of a point in time as columns of their own."""

from __future__ import annotations

import calendar
from typing import TYPE_CHECKING, Any

from ci_core.errors import InvalidStepError, quoted
from ci_core.serving.identity import parse_time
from ci_core.serving.missing import is_missing
from ci_core.serving.problems import RequestError, shown
from ci_core.serving.steps.row_step import RowStep

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from ci_core.serving.base import Row

_QUARTER_MONTHS = 3


def _quarter(time: datetime) -> int:
    return (time.month - 1) // _QUARTER_MONTHS + 1


def _days_in_month(time: datetime) -> int:
    return calendar.monthrange(time.year, time.month)[1]


PARTS: Mapping[str, Callable[[datetime], int | bool]] = {
    "year": lambda time: time.year,
    "quarter": _quarter,
    "month": lambda time: time.month,
    "week": lambda time: time.isocalendar().week,
    "day": lambda time: time.day,
    "day_of_week": lambda time: time.weekday(),
    "day_of_year": lambda time: time.timetuple().tm_yday,
    "days_in_month": _days_in_month,
    "hour": lambda time: time.hour,
    "minute": lambda time: time.minute,
    "second": lambda time: time.second,
    "is_leap_year": lambda time: calendar.isleap(time.year),
    "is_month_start": lambda time: time.day == 1,
    "is_month_end": lambda time: time.day == _days_in_month(time),
    "is_quarter_start": lambda time: time.day == 1 and time.month % _QUARTER_MONTHS == 1,
    "is_quarter_end": lambda time: time.day == _days_in_month(time) and time.month % _QUARTER_MONTHS == 0,
    "is_year_start": lambda time: (time.month, time.day) == (1, 1),
    "is_year_end": lambda time: (time.month, time.day) == (12, 31),
}
"""Part → its value. Weeks are ISO 8601's; Monday is day 0 of the week; the first day, month and quarter are 1."""


class ExtractDate(RowStep):
    """Add parts of a time as columns ``<column>_<part>``.

    The time is ISO 8601 text, or seconds since 1970; parts are those of its own zone, UTC when it has none. Of a
    missing time every part is None.

    Args:
        column: that holds the time.
        parts: any of ``year``, ``quarter``, ``month``, ``week`` (of ISO 8601), ``day``, ``day_of_week`` (Monday is 0),
            ``day_of_year``, ``days_in_month``, ``hour``, ``minute``, ``second`` (whole numbers), ``is_leap_year``,
            ``is_month_start``, ``is_month_end``, ``is_quarter_start``, ``is_quarter_end``, ``is_year_start`` and
            ``is_year_end`` (true or false).

    Example:
        >>> ExtractDate("time", ["hour", "day_of_week"]).do({"time": "2013-01-01T05:15:00"})
        {'time': '2013-01-01T05:15:00', 'time_hour': 5, 'time_day_of_week': 1}
    """

    def __init__(self, column: str, parts: Sequence[str]) -> None:
        super().__init__(column=column, parts=list(parts))
        unknown = [part for part in parts if part not in PARTS]
        if unknown:
            raise InvalidStepError(
                step="ExtractDate", reason=f"extracts `{unknown[0]}`, which is no part", hint=f"parts: {quoted(PARTS)}"
            )
        self._column = column
        self._parts = tuple((f"{column}_{part}", PARTS[part]) for part in parts)

    def change(self, row: Row, index: int) -> Row:
        """Return the row with the parts of its time.

        Raises:
            RequestError: the row lacks the column, or its value is no time.
        """
        if self._column not in row:
            raise RequestError(f"row {index} lacks the column `{self._column}`")
        value: Any = row[self._column]
        if is_missing(value):
            row.update({name: None for name, _part in self._parts})
            return row
        time = parse_time(value)
        if time is None:
            raise RequestError(f"row {index}, column `{self._column}`: expected a time, found {shown(value)}")
        row.update({name: part(time) for name, part in self._parts})
        return row
