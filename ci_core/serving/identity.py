"""Whose event is this, and when did it happen? Read from the request's headers and body."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from ci_core.serving.event import Event
    from ci_core.serving.table import Table

SMOKE_HEADER = "x-graphship-smoke"
"""A request that carries it is a rehearsal: it is answered like any other and never captured. The local target's door
takes it off what clients send, so nobody outside can hide from the monitoring."""

ID_HEADER, TIME_HEADER = "x-event-id", "x-event-time"
ID_FIELD = "event_id"
"""Field of a body with the event's own id."""
ID_CHARS: Final = 256
"""No id is longer. It is written down with each row of its event, and a row may be much shorter than a header."""
_DIGEST_CHARS: Final = 32

RowKey: TypeAlias = "tuple[str | int | None, datetime | None]"
"""What a row says of itself: its id, else its number, or None for the only row of an event; its time, else None."""


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

    def rows(self, body: list[Any] | Table, event: Event) -> tuple[RowKey, ...] | None:
        """Return what each row of a body says of itself; None when no row says who or when.

        The ids of rows that have only a number are made where they are written down: a request of many small rows
        would hold a text for each.
        """
        if isinstance(body, list):
            if not self._is_in_rows(body):
                return None
            ids = [_id_in(row) if type(row) is dict else None for row in body]
            times = [self._time_in(row) if type(row) is dict else None for row in body]
        elif not self._is_in(body.names):
            return None
        else:
            ids = [_as_id(value) for value in _column(body, ID_FIELD)]
            times = [parse_time(value) for value in _column(body, self.time_column)]
        if TIME_HEADER in event.headers:
            times = [None] * len(ids)
        numbers: Iterable[int | None] = range(len(ids)) if len(ids) > 1 else [None]
        return tuple([(own or number, time) for own, number, time in zip(ids, numbers, times, strict=True)])

    def _is_in_rows(self, body: list[Any]) -> bool:
        """Return whether a row of a list body may say who or when; much cheaper than to look what."""
        try:
            if self.time_column is None:
                return any([ID_FIELD in row for row in body])  # noqa: C419 - a generator takes twice as long
            return any([ID_FIELD in row or self.time_column in row for row in body])  # noqa: C419
        except TypeError:  # a row that is a number
            return any(type(row) is dict and self._is_in(row) for row in body)

    def _is_in(self, columns: Collection[str]) -> bool:
        return ID_FIELD in columns or self.time_column in columns

    def _time_in(self, row: dict[str, Any]) -> datetime | None:
        return parse_time(row.get(self.time_column)) if self.time_column is not None else None


def _id_in(row: dict[str, Any]) -> str | None:
    return _as_id(row.get(ID_FIELD))


def _as_id(value: Any) -> str | None:
    if value is None or value.__class__ is str:
        return value or None
    return str(value) if value.__class__ is int else None


def _column(table: Table, name: str | None) -> list[Any]:
    """Return the values of a column; None for each row when there is none."""
    if name is None or name not in table.names:
        return [None] * len(table)
    values = table.column(name)
    return values if isinstance(values, list) else values.tolist()


def bounded_id(given: str) -> str:
    """Return an id as it is kept: of a long one its beginning, ``~`` and the beginning of its SHA-256.

    So long ids that differ stay different, and who knows one can say what it became.
    """
    if len(given) <= ID_CHARS:
        return given
    digest = hashlib.sha256(given.encode("utf-8", "replace")).hexdigest()[:_DIGEST_CHARS]
    return f"{given[: ID_CHARS - 1 - _DIGEST_CHARS]}~{digest}"


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
