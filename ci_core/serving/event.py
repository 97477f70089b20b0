"""What travels through a serving graph.

An event is made once per request, by the server or by ``graph.test``. Most steps never see it: they get the body and
return a body. Steps that ask for the whole event (``full_event=True``, a ``do_event`` method) get this object.
"""

from __future__ import annotations

import itertools
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from time import time as seconds_since_1970
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ci_core.serving.identity import ID_CHARS, TIME_HEADER, bounded_id, parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.serving.identity import RowKey
    from ci_core.serving.model_request import ModelRequest

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
_VERSION_00_CHARS = 55

_sequence = itertools.count(1)
_prefix = ""


def _draw_prefix() -> None:
    global _prefix  # noqa: PLW0603 - one prefix a process is the point
    _prefix = os.urandom(8).hex()


_draw_prefix()
os.register_at_fork(after_in_child=_draw_prefix)  # workers must not repeat each other


def new_event_id() -> str:
    """Return an id that no other process gives: a random prefix of this process and a counter.

    A counter costs a fifth of a UUID.
    """
    return f"{_prefix}-{next(_sequence):x}"


def _text_id(value: object) -> str:
    return new_event_id() if value is None or value == "" else bounded_id(str(value))


def _point_in_time(value: object) -> datetime:
    time = value if isinstance(value, datetime) else parse_time(value)
    if time is None:
        raise TypeError(f"the time of an event is a datetime, ISO 8601 text or seconds since 1970, not {value!r:.80}")
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFailure:
    """Which step failed on an event, and why."""

    step: str
    exception: Exception

    def __str__(self) -> str:
        return f"{type(self.exception).__name__}: {self.exception}"


class Event:
    """One request on its way through the graph.

    A step that gets it may set ``body``, ``id``, ``key`` and ``time`` for the steps after it, and returns either the
    event or the next body. ``id``, ``time``, ``trace_id`` and ``remaining_s`` are properties.

    Attributes:
        body: what the next step gets; any Python value, usually a dict of columns or a list of such dicts.
        headers: request headers: str → str, names in lower case; those of a notebook's test likewise.
        key: str or None: what sticky routers go by; None when nothing set it.
        path: str: of the request, without the query.
        method: str: of the request, upper case.
        content_type: str or None: of the request body, without its parameters.
        error: the failure that an error handler is called for, with ``error.step`` (full name of the step, str) and
            ``error.exception`` (as it was raised); ``str(error)`` is ``Type: text``. Else None. After a handler that
            leads back into the flow, the steps of that branch still see it.
        arrived: float: when it was made, in seconds since 1970.
        deadline: float or None: when the answer is wanted at the latest, in seconds on the clock of
            ``time.monotonic``; None for never.
        rows: for a list body that is captured and says who or when, one ``(id or number, time)`` a row; else None.
        body_bytes: int: size of the request's body, inflated; 0 when there was no request.
        asked: kept by the graph: of a request to a model, whether it got there; None at ``/``.

    Example:
        >>> event = Event({"x": 1}, headers={"x-event-time": "2026-01-31T12:00:00Z"}, id="e1")
        >>> event.time.isoformat(), event.key, event.remaining_s
        ('2026-01-31T12:00:00+00:00', None, None)
    """

    __slots__ = (
        "_id",
        "_time",
        "arrived",
        "asked",
        "body",
        "body_bytes",
        "content_type",
        "deadline",
        "error",
        "headers",
        "key",
        "method",
        "path",
        "rows",
    )

    def __init__(  # noqa: PLR0917 - the server makes one a request, and keywords would double what that costs
        self,
        body: Any,
        path: str = "/",
        method: str = "POST",
        headers: Mapping[str, str] = _NO_HEADERS,
        id: str | None = None,  # noqa: A002 - the field's own word
        time: datetime | None = None,
        content_type: str | None = None,
        deadline: float | None = None,
    ) -> None:
        self.body = body
        self.headers = headers
        if not id:
            self._id = new_event_id()
        else:
            self._id = id if id.__class__ is str and len(id) <= ID_CHARS else _text_id(id)
        self.key: str | None = None
        self.path = path
        self.method = method
        self.content_type = content_type
        self.deadline = deadline
        self.error: StepFailure | None = None
        self.rows: tuple[RowKey, ...] | None = None
        self.body_bytes = 0
        self.asked: ModelRequest | None = None
        self._time = time
        self.arrived = seconds_since_1970()

    @property
    def id(self) -> str:
        """Never empty: from the header ``x-event-id``, else the body's ``event_id``, else made up.

        A step may set it; whatever it sets becomes text, a number of a database too. Of more than 256 characters, the
        first 223 are kept, ``~``, and the first 32 of the SHA-256 in hexadecimal digits.
        """
        return self._id

    @id.setter  # noqa: A003 - the field's own word
    def id(self, value: object) -> None:
        self._id = value if type(value) is str and 0 < len(value) <= ID_CHARS else _text_id(value)

    @property
    def time(self) -> datetime:
        """The event's own time, with time zone; the time of arrival when the request says nothing.

        Worked out when it is asked for: a request that nobody captures does without. A step may set it: to a point in
        time, to ISO 8601 text or to seconds since 1970; without a zone it is UTC.

        Raises:
            TypeError: when set to anything else.
        """
        if self._time is None:
            given = self.headers.get(TIME_HEADER)
            own = parse_time(given) if given is not None else None
            self._time = own or datetime.fromtimestamp(self.arrived, UTC)
        return self._time

    @time.setter
    def time(self, value: object) -> None:
        self._time = _point_in_time(value)

    @property
    def has_own_time(self) -> bool:
        """Whether :attr:`time` is more than the time of arrival."""
        return self._time is not None or TIME_HEADER in self.headers

    @property
    def trace_id(self) -> str | None:
        """The trace id of a W3C ``traceparent`` header, else None."""
        return trace_id_of(self.headers.get("traceparent"))

    def with_body(self, body: Any) -> Event:
        """Return a copy that carries `body`; branches that run side by side must not share one event."""
        copy = object.__new__(Event)  # a loop over the slots would take three times as long
        copy.body = body
        copy.headers = self.headers
        copy._id = self._id
        copy.key = self.key
        copy.path = self.path
        copy.method = self.method
        copy.content_type = self.content_type
        copy.deadline = self.deadline
        copy.error = self.error
        copy.rows = self.rows
        copy.body_bytes = self.body_bytes
        copy.asked = self.asked
        copy._time = self._time
        copy.arrived = self.arrived
        return copy

    @property
    def remaining_s(self) -> float | None:
        """Seconds until the deadline, negative when it has passed; None without a deadline."""
        return None if self.deadline is None else self.deadline - monotonic()

    def __repr__(self) -> str:
        return f"Event(id={self.id!r}, method={self.method!r}, path={self.path!r}, body={self.body!r})"


def trace_id_of(traceparent: str | None) -> str | None:
    """Return the trace id inside a ``traceparent`` header, or None when it is no valid one.

    Valid is what https://www.w3.org/TR/trace-context/#traceparent-header calls so: lower-case hexadecimal fields, ids
    that are not all zeros, nothing after the flags in version 00.
    """
    if not traceparent:
        return None
    match = _TRACEPARENT.fullmatch(traceparent)
    if match is None or (traceparent.startswith("00") and len(traceparent) != _VERSION_00_CHARS):
        return None
    return match[1]
