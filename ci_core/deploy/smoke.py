"""Smoke requests: recorded requests that a candidate must answer before it gets traffic.

The file holds one JSON value a line. A line is a request when it is an object with the key ``body`` and no other keys
than these; any other value is the body itself::

    {"body": …, "path": "/", "method": "POST", "headers": {"x-event-id": "smoke-1"}, "status": 200}

``path``, ``method``, ``headers`` and ``status`` have the defaults shown (no headers). Blank lines are skipped.
"""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ci_core.errors import Location, SmokeFailedError, SmokeFileError
from ci_core.masking import CUT
from ci_core.serving.identity import SMOKE_HEADER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ci_core.types import JsonObject, JsonValue

_SHOWN_CHARACTERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeRequest:
    """One recorded request."""

    body: JsonValue
    path: str = "/"
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    status: int = 200
    """The status that the answer must have."""

    @classmethod
    def from_json(cls, value: Any) -> SmokeRequest:
        """Return the request that one line of the file means.

        Raises:
            ValueError: a key has the wrong type; the message names it.
        """
        if not isinstance(value, dict) or "body" not in value or not set(value) <= {"body", *_OPTIONAL}:
            return cls(body=value)
        for key, (kind, name) in _OPTIONAL.items():
            if key in value and (not isinstance(value[key], kind) or isinstance(value[key], bool)):
                raise ValueError(f"`{key}` must be {name}")
        if not all(isinstance(item, str) for item in value.get("headers", {}).values()):
            raise ValueError("`headers` must hold only text values")
        if not value.get("path", "/").startswith("/"):
            raise ValueError("`path` must start with `/`")
        return cls(**value)


_OPTIONAL: dict[str, tuple[type, str]] = {
    "path": (str, "text"),
    "method": (str, "text"),
    "headers": (dict, "an object"),
    "status": (int, "a whole number"),
}


def read_smoke_requests(root: Path, file: str | None) -> tuple[JsonObject, ...]:
    """Return the requests of the project's smoke file, as ``DeployTarget.apply`` takes them.

    Args:
        root: the project's folder.
        file: path relative to it; None gives no requests.

    Raises:
        SmokeFileError: the file is missing, or a line is not what it should be; names the line.
    """
    if file is None:
        return ()
    try:
        lines = (root / file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SmokeFileError(where=Location(file=file), problem=f"cannot be read ({error})") from error
    requests = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            request = SmokeRequest.from_json(json.loads(line))
        except ValueError as error:
            raise SmokeFileError(where=Location(file=file, line=number), problem=str(error)) from error
        requests.append(_to_dict(request))
    return tuple(requests)


def replay(base_url: str, requests: Sequence[JsonObject], *, timeout_s: float = 30.0) -> int:
    """Send the requests one after the other and return how many were answered as expected: all of them.

    Raises:
        SmokeFailedError: one was not; names the request, its status and the start of the answer.
    """
    address = urlsplit(base_url)
    connection = http.client.HTTPConnection(address.hostname or "127.0.0.1", address.port, timeout=timeout_s)
    try:
        for number, data in enumerate(requests, start=1):
            _replay_one(connection, number, SmokeRequest.from_json(data))
    finally:
        connection.close()
    return len(requests)


def _replay_one(connection: http.client.HTTPConnection, number: int, request: SmokeRequest) -> None:
    # A GET with a body is legal and confuses many; one that was recorded with `"body": null` has none.
    body = None if request.body is None else json.dumps(request.body).encode()
    headers = {"content-type": "application/json", **request.headers, SMOKE_HEADER: "1"}
    try:
        connection.request(request.method, request.path, body=body, headers=headers)
        response = connection.getresponse()
        answer = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise SmokeFailedError(
            number=number, expected=request.status, status=None, answer=str(error) or type(error).__name__
        ) from error
    if response.status != request.status:
        text = answer.decode("utf-8", errors="replace")
        text = text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + CUT
        raise SmokeFailedError(number=number, expected=request.status, status=response.status, answer=text)


def _to_dict(request: SmokeRequest) -> JsonObject:
    return {
        "body": request.body,
        "path": request.path,
        "method": request.method,
        "headers": dict(request.headers),
        "status": request.status,
    }
