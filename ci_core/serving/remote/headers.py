"""Headers as bytes that cannot be more than the headers they were meant to be."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""RFC 9110, section 5.6.2: token."""
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
"""RFC 9110, section 5.5; neither line ends nor other control characters."""

OWN: Final = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "traceparent",
        "tracestate",
        "transfer-encoding",
        "upgrade",
        "x-event-id",
        "x-request-timeout-ms",
    }
)
"""Set by us, or of one connection only (RFC 9110, section 7.6.1): neither fixed nor forwarded by a graph."""

SECRET: Final = frozenset(
    {
        "api-key",
        "authorization",
        "cookie",
        "private-token",
        "proxy-authorization",
        "x-api-key",
        "x-auth-token",
    }
)
"""Their values are secrets, which a graph file must not hold."""


def is_name(name: str) -> bool:
    """Whether `name` may be the name of a header."""
    return _NAME.fullmatch(name) is not None


def header_line(name: str, value: str) -> bytes:
    """Return ``name: value`` with its line end.

    Raises:
        ValueError: name or value has a character that no header may have; the text does not repeat the value.
    """
    if not is_name(name):
        raise ValueError(f"`{name}` is no name of a header")
    if not _VALUE.fullmatch(value):
        raise ValueError(f"the value of the header `{name}` has a character that no header may have")
    return f"{name}: {value}\r\n".encode("latin-1")


def header_lines(headers: Mapping[str, str]) -> bytes:
    """Return the lines of several headers, as :meth:`HttpClient.request` takes them.

    Raises:
        ValueError: see :func:`header_line`.
    """
    return b"".join(header_line(name, value) for name, value in headers.items())
