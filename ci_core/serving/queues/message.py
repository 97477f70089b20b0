"""What a message of a queue holds: the event, as far as the steps behind the queue may know it.

The stored form is a MessagePack map::

    v: 1                    # of this form
    id, key, path, method   # of the event
    content_type            # of the event; not in messages of older releases
    time: …                 # of the event, with time zone
    headers: {…}            # those of `engine.queued.KEPT_HEADERS` that the request had, and x-event-id
    body: …                 # see functions/wire.py

Cookies, credentials and whatever else a client sent stay behind: a queue outlives the request.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from ci_core.serving.engine.queued import kept_headers
from ci_core.serving.event import Event
from ci_core.serving.functions.wire import decode, encode

_FORM: Final = 1

if TYPE_CHECKING:
    from ci_core.types import JsonObject


def write_message(event: Event, body: Any) -> bytes:
    """Return the message that carries `body` for `event`.

    Raises:
        WireError: the body cannot travel.
    """
    return encode(
        {
            "v": _FORM,
            "id": event.id,
            "key": event.key,
            "time": event.time,
            "path": event.path,
            "method": event.method,
            "content_type": event.content_type,
            "headers": kept_headers(event),
            "body": body,
        }
    )


def read_message(payload: bytes) -> Event:
    """Return the event of a message.

    Raises:
        ValueError: the message is none of ours.
    """
    stored = decode(payload)
    if not isinstance(stored, dict) or stored.get("v") != _FORM:
        raise ValueError("the message cannot be read: it has not the form of ours")
    texts: JsonObject = {name: stored.get(name) for name in ("id", "path", "method")}
    headers, key, time = stored.get("headers"), stored.get("key"), stored.get("time")
    content_type = stored.get("content_type")
    has_types = isinstance(headers, dict) and isinstance(time, datetime)
    has_types = has_types and isinstance(key, str | None) and isinstance(content_type, str | None)
    if not has_types or not all(isinstance(text, str) for text in texts.values()):
        raise ValueError("the message cannot be read: it lacks what every message has")
    event = Event(
        stored.get("body"),
        id=stored["id"],
        path=stored["path"],
        method=stored["method"],
        headers=stored["headers"],
        time=stored["time"],
        content_type=content_type,
    )
    event.key = key
    event.body_bytes = len(payload)
    return event
