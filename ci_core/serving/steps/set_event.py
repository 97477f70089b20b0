"""Tell the event who it is: id, key and time out of the body."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from ci_core.serving.identity import parse_time
from ci_core.serving.problems import RequestError, shown
from ci_core.serving.steps.paths import pick

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.serving.event import Event
    from ci_core.types import JsonValue


class SetEvent:
    """Set the event's id, key or time from fields of the body, for what comes after: sticky routers, joins, captures.

    Args:
        id: dotted path of the field that is the event's id.
        key: of its key.
        time: of its time: ISO 8601, or seconds since 1970.

    Example:
        >>> from ci_core.serving import Graph
        >>> graph = Graph("who")
        >>> _ = graph.to(SetEvent(key="user.id")).to(lambda event: event.key, "key", full_event=True)
        >>> graph.test({"user": {"id": 7}})
        '7'
    """

    def __init__(self, id: str | None = None, key: str | None = None, time: str | None = None) -> None:  # noqa: A002 - the event's own word
        given = {"id": id, "key": key, "time": time}
        self.arguments: Mapping[str, JsonValue] = MappingProxyType(
            {name: path for name, path in given.items() if path is not None}
        )
        self._paths = [(name, path.split(".")) for name, path in given.items() if path is not None]

    def do_event(self, event: Event) -> Event:
        """Return the event, which now says who it is.

        Raises:
            RequestError: the body lacks a field, or it holds no text, number or time.
        """
        for name, path in self._paths:
            value = pick(event.body, path)
            field = ".".join(path)
            if name == "time":
                time = parse_time(value)
                if time is None:
                    raise RequestError(f"the field `{field}` is no time: {shown(value)}")
                event.time = time
            elif isinstance(value, bool) or not isinstance(value, str | int) or value == "":
                raise RequestError(f"the field `{field}` is no text or whole number: {shown(value)}")
            else:
                setattr(event, name, str(value))
        return event
