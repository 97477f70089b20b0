"""Whose event is this, and when did it happen? Read from the request's headers and body."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ci_core.serving.event import Event

SMOKE_HEADER = "x-graphship-smoke"
"""A request that carries it is a rehearsal: it is answered like any other and never captured. The local target's door
takes it off what clients send, so nobody outside can hide from the monitoring."""

ID_HEADER, TIME_HEADER = "x-event-id", "x-event-time"
ID_FIELD = "event_id"
"""Field of a body with the event's own id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventIdentity:
    """Where a project's requests say who and when."""

    time_column: str | None = None
    """Field of the body with the event's own time: ISO 8601, or seconds since 1970; without a zone it is UTC."""

    def event_id(self, body: Any, headers: Mapping[str, str]) -> str | None:
        """Return the header ``x-event-id``, else the body's ``event_id``, else None."""
        return headers.get(ID_HEADER) or (_id_in(body) if type(body) is dict else None)

    def event_time(self, body: Any, headers: Mapping[str, str]) -> datetime | None:
        """Return the header ``x-event-time``, else the body's time field, else None; what cannot be read is None."""
        given = headers.get(TIME_HEADER)
        if given is not None:
            return parse_time(given)
        return self._time_in(body) if type(body) is dict else None

    def rows(self, body: list[Any], event: Event) -> tuple[tuple[str, datetime], ...]:
        """Return id and time of each row of a list body; a row without its own has the event's id and its number."""
        header_time = TIME_HEADER in event.headers
        keys = []
        for index, row in enumerate(body):
            named = type(row) is dict
            row_id = (_id_in(row) if named else None) or (f"{event.id}/{index}" if len(body) > 1 else event.id)
            row_time = (self._time_in(row) if named and not header_time else None) or event.time
            keys.append((row_id, row_time))
        return tuple(keys)

    def is_in_rows(self, body: list[Any]) -> bool:
        """Return whether a row of a list body may say who or when; much cheaper than :meth:`rows`."""
        try:
            if self.time_column is None:
                return any([ID_FIELD in row for row in body])  # noqa: C419 - a generator takes twice as long
            return any([ID_FIELD in row or self.time_column in row for row in body])  # noqa: C419
        except TypeError:  # a row that is a number
            return True

    def is_in(self, columns: Sequence[str]) -> bool:
        """Return whether rows with these columns say who or when."""
        return ID_FIELD in columns or self.time_column in columns

    def _time_in(self, row: dict[str, Any]) -> datetime | None:
        return parse_time(row.get(self.time_column)) if self.time_column is not None else None


def _id_in(row: dict[str, Any]) -> str | None:
    value = row.get(ID_FIELD)
    return str(value) if isinstance(value, str | int) and value != "" else None


def parse_time(value: Any) -> datetime | None:
    """Return a point in time with its zone; None when `value` is none."""
    try:
        if isinstance(value, str):
            time = datetime.fromisoformat(value)
            return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None
