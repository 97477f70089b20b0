"""What is said between a caller and the process of a child function: one request and one reply a segment and event.

Both are MessagePack maps; see ``wire.py`` for what a body may hold::

    request  body, event: {id, key, …, headers, rows, is_reached}, remaining_s, error: {step, …}
    reply    body, event: {…}                    the steps ended; `event` has what they may have changed
             body, event: {…}, ended: true       a router answered an operation, and no step comes after that
             failure: {kind, text, …}, step, event    one raised

``error`` is there when the segment is an error handler.
"""

from __future__ import annotations

from time import monotonic
from typing import Any, Final

from ci_core.serving.crashes import OperationAnsweredError
from ci_core.serving.event import Event, StepFailure
from ci_core.serving.functions.failures import read_failure, write_failure
from ci_core.serving.functions.wire import WireError, decode, encode
from ci_core.serving.model_request import ModelRequest

_CARRIED: Final = ("id", "key", "time", "path", "method", "content_type")
"""What of an event travels as it is, in both directions."""


def write_request(event: Event, body: Any, *, segment: str, function: str) -> bytes:
    """Return the request that asks for the steps of a segment.

    Raises:
        WireError: the body, or something in the event, cannot travel.
    """
    request: dict[str, Any] = {"event": _write_event(event), "remaining_s": event.remaining_s}
    if event.error is not None:
        request["error"] = {"step": event.error.step, **write_failure(event.error.exception)}
    return _with_body(request, body, f"what `{segment}` gets, in the function `{function}`")


def read_request(data: bytes) -> Event:
    """Return the event of a request.

    Raises:
        ValueError: it is none.
    """
    try:
        request = decode(data)
        stored = request["event"]
        remaining_s = request["remaining_s"]
        event = Event(
            request["body"],
            headers=stored["headers"],
            deadline=None if remaining_s is None else monotonic() + remaining_s,
        )
        _read_event(event, stored)
        event.body_bytes = len(data)
        if "error" in request:
            event.error = StepFailure(step=request["error"]["step"], exception=read_failure(request["error"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"the request is none of ours: {error}") from error
    return event


def write_reply(event: Event, body: Any, *, segment: str, function: str, has_ended: bool = False) -> bytes:
    """Return the reply of a segment whose steps ended, or with whose result the whole run has ended.

    Raises:
        WireError: the body, or something in the event, cannot travel.
    """
    reply: dict[str, Any] = {"event": _write_event(event)} | ({"ended": True} if has_ended else {})
    return _with_body(reply, body, f"the result of `{segment}`, in the function `{function}`")


def write_failed_reply(event: Event, error: BaseException, *, step: str) -> bytes:
    """Return the reply of a segment of which `step` raised `error`."""
    reply = {"failure": write_failure(error), "step": step}
    try:
        return encode(reply | {"event": _write_event(event)})
    except WireError:
        return encode(reply)  # what is told of the event matters less than the failure


def read_reply(data: bytes, event: Event) -> tuple[Any, Exception | None, str]:
    """Return the body, or the failure and the step that raised it; `event` becomes what the steps made of it.

    Raises:
        OperationAnsweredError: the run ends with the segment.
        ValueError: it is no reply.
    """
    try:
        reply = decode(data)
        if "event" in reply:
            _read_event(event, reply["event"])
        if "failure" in reply:
            return None, read_failure(reply["failure"]), reply["step"]
        body, has_ended = reply["body"], "ended" in reply
    except (KeyError, TypeError) as error:
        raise ValueError(f"the reply is none of ours: {error}") from error
    if has_ended:
        raise OperationAnsweredError(body)
    return body, None, ""


def _with_body(message: dict[str, Any], body: Any, what: str) -> bytes:
    try:
        return encode(message | {"body": body})
    except WireError as error:
        keys = error.keys[1:] if error.keys[:1] == ("body",) else error.keys
        raise WireError(error.kind, f"{error.reason} ({what})", keys) from None


def _write_event(event: Event) -> dict[str, Any]:
    stored = {name: getattr(event, name) for name in _CARRIED}
    is_reached = None if event.asked is None else event.asked.is_reached
    return stored | {"headers": dict(event.headers), "rows": event.rows, "is_reached": is_reached}


def _read_event(event: Event, stored: dict[str, Any]) -> None:
    for name in _CARRIED:
        setattr(event, name, stored[name])
    event.headers = stored["headers"]
    rows = stored["rows"]
    if stored["is_reached"] is not None:
        event.asked = event.asked or ModelRequest()
        event.asked.is_reached |= stored["is_reached"]
    event.rows = None if rows is None else tuple((id_, time) for id_, time in rows)
