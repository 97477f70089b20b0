"""What travels through a serving graph.

An event is made once per request, by the server or by ``graph.test``. Most steps never see it: they get the body and
return a body. Steps that ask for the whole event (``full_event=True``, a ``do_event`` method) get this object.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_sequence = itertools.count(1)
_prefix: tuple[int, str] = (0, "")


def new_event_id() -> str:
    """Return an id that no other process gives: a random prefix of this process and a counter.

    A counter costs a fifth of a UUID. The prefix is drawn again after a fork, so workers do not repeat each other.
    """
    global _prefix  # noqa: PLW0603 - one prefix a process is the point
    pid = os.getpid()
    if _prefix[0] != pid:
        _prefix = (pid, os.urandom(8).hex())
    return f"{_prefix[1]}-{next(_sequence):x}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFailure:
    """Which step failed on an event, and why."""

    step: str
    exception: Exception

    def __str__(self) -> str:
        return f"{type(self.exception).__name__}: {self.exception}"


class Event:
    """One request on its way through the graph.

    Attributes:
        body: what the next step gets; any Python value, usually a dict of columns or a list of such dicts.
        headers: request headers, names in lower case.
        id: from the header ``x-event-id``, else the body's ``event_id``, else made up.
        key: what sticky routers and joins go by; None when nothing set it.
        time: the event's own time, with time zone; the time of arrival when the request says nothing.
        path: of the request, without the query.
        method: of the request, upper case.
        content_type: of the request body, or None.
        error: the failure that an error handler is called for, else None.
        trace_id: the trace id of a W3C ``traceparent`` header, else None.
        deadline: when the answer is wanted at the latest, on the clock of ``time.monotonic``, in seconds; None for never.
        rows: for a list body that is captured, one ``(id, time)`` a row; else None.
    """

    __slots__ = (
        "body",
        "content_type",
        "deadline",
        "error",
        "headers",
        "id",
        "key",
        "method",
        "path",
        "rows",
        "time",
        "trace_id",
    )

    def __init__(
        self,
        body: Any,
        *,
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
        self.id = id or new_event_id()
        self.key: str | None = None
        self.time = time or datetime.now(UTC)
        self.path = path
        self.method = method
        self.content_type = content_type
        self.deadline = deadline
        self.error: StepFailure | None = None
        self.trace_id = trace_id_of(headers.get("traceparent"))
        self.rows: tuple[tuple[str, datetime], ...] | None = None

    def with_body(self, body: Any) -> Event:
        """Return a copy that carries `body`; branches that run side by side must not share one event."""
        copy = object.__new__(Event)
        for name in Event.__slots__:
            setattr(copy, name, getattr(self, name))
        copy.body = body
        return copy

    @property
    def remaining_s(self) -> float | None:
        """Seconds until the deadline, negative when it has passed; None without a deadline."""
        return None if self.deadline is None else self.deadline - monotonic()

    def __repr__(self) -> str:
        return f"Event(id={self.id!r}, method={self.method!r}, path={self.path!r}, body={self.body!r})"


def trace_id_of(traceparent: str | None) -> str | None:
    """Return the trace id inside a ``traceparent`` header (W3C Trace Context, section 3.2), or None."""
    if not traceparent:
        return None
    parts = traceparent.split("-")
    return parts[1] if len(parts) >= 4 and len(parts[1]) == 32 else None  # noqa: PLR2004 - fields of the standard
