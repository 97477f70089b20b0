"""HTTP/1.1 heads as the door writes them (pure).

Nothing of a message's framing is copied through: a head is written anew from its parsed parts, so that two programs
can never read one request in two ways (request smuggling). Rules: RFC 9110 section 7.6.1, RFC 9112 section 6.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import TYPE_CHECKING

from ci_core.serving.identity import SMOKE_HEADER

if TYPE_CHECKING:
    from collections.abc import Iterable

    Headers = list[tuple[bytes, bytes]]
    """Names as they came, in order."""

LAST_CHUNK = b"0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"expect",  # the door answers it
        b"http2-settings",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)


class Framing(Enum):
    """How the end of a body is known."""

    NONE = "none"
    """There is no body."""
    LENGTH = "length"
    """``content-length`` tells."""
    CHUNKED = "chunked"
    CLOSE = "close"
    """The end of the connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestHead:
    """What a request says before its body."""

    method: bytes
    target: bytes
    headers: Headers
    is_http_1_1: bool
    keeps_alive: bool

    @property
    def framing(self) -> Framing:
        """How the request's body ends; the parser has refused contradictions already."""
        return _framing(self.headers) or Framing.NONE

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for a word before it sends the body."""
        return any(name.lower() == b"expect" and value.lower() == b"100-continue" for name, value in self.headers)

    @property
    def is_repeatable(self) -> bool:
        """Whether sending it twice does no harm and needs nothing kept: a safe method without a body."""
        return self.method in {b"GET", b"HEAD", b"OPTIONS"} and self.framing is Framing.NONE

    def to_server(self, peer: bytes) -> bytes:
        """Return the head for the server process; `peer` is the client's address, added to ``x-forwarded-for``."""
        forwarded = [value for name, value in self.headers if name.lower() == b"x-forwarded-for"]
        ours = {b"x-forwarded-for", SMOKE_HEADER.encode()}
        lines = [b"%s %s HTTP/1.1" % (self.method, self.target)]
        lines += [b"%s: %s" % item for item in end_to_end(self.headers) if item[0].lower() not in ours]
        lines.append(b"x-forwarded-for: %s" % b", ".join([*forwarded, peer]))
        if self.framing is Framing.CHUNKED:
            lines.append(b"transfer-encoding: chunked")
        return b"\r\n".join(lines) + b"\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerHead:
    """What an answer says before its body."""

    status: int
    reason: bytes
    headers: Headers

    def framing_for(self, request: RequestHead) -> Framing:
        """How the answer's body ends on the client's side."""
        if request.method == b"HEAD" or self.status in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}:
            return Framing.NONE
        if _framing(self.headers) is Framing.LENGTH:
            return Framing.LENGTH
        return Framing.CHUNKED if request.is_http_1_1 else Framing.CLOSE

    def to_client(self, framing: Framing, *, keeps_alive: bool) -> bytes:
        """Return the head for the client."""
        lines = [b"HTTP/1.1 %d %s" % (self.status, self.reason)]
        is_chunked = _framing(self.headers) is Framing.CHUNKED
        lines += [
            b"%s: %s" % item
            for item in end_to_end(self.headers)
            if not (is_chunked and item[0].lower() == b"content-length")
        ]
        if framing is Framing.CHUNKED:
            lines.append(b"transfer-encoding: chunked")
        if not keeps_alive:
            lines.append(b"connection: close")
        return b"\r\n".join(lines) + b"\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """Return `data` as one chunk; empty data is no chunk, since an empty one would end the body."""
    return b"%x\r\n%s\r\n" % (len(data), data) if data else b""


def end_to_end(headers: Headers) -> Iterable[tuple[bytes, bytes]]:
    """Yield the headers that are meant for the other end rather than for this connection."""
    dropped = _HOP_BY_HOP
    for name, value in headers:
        if name.lower() == b"connection":
            dropped = dropped.union(token.strip().lower() for token in value.split(b","))
    # Framing is ours to keep even if a peer calls it private to the connection.
    dropped = dropped - {b"content-length", b"host"}
    return ((name, value) for name, value in headers if name.lower() not in dropped)


def door_answer(status: HTTPStatus, slug: str, message: str) -> bytes:
    """Return a whole answer of the door's own; the connection closes after it."""
    body = json.dumps({"error": slug, "message": message}, separators=(",", ":")).encode()
    lines = [
        b"HTTP/1.1 %d %s" % (status, status.phrase.encode()),
        b"content-type: application/json",
        b"content-length: %d" % len(body),
        b"connection: close",
    ]
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        lines.append(b"retry-after: 1")
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _framing(headers: Headers) -> Framing | None:
    found = None
    for name, value in headers:
        lowered = name.lower()
        if lowered == b"transfer-encoding" and value.lower().endswith(b"chunked"):
            return Framing.CHUNKED
        if lowered == b"content-length":
            found = Framing.LENGTH
    return found
