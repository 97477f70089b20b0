"""How much one request may ask of a server. Read by the doors and the core; set by whoever starts the server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of a server; what is over one of them is refused with a 4xx that names the limit."""

    body_bytes: int = 8 * 1024 * 1024
    """Of a request body, as sent and again after it was inflated (413). 8 MiB are 100 000 rows of ten numbers."""
    header_bytes: int = 32 * 1024
    """Names and values of all headers together (431); twice what browsers and proxies send at most."""
    headers: int = 100
    """Number of headers (431); also the number at which granian itself gives up."""
    url_chars: int = 8192
    """Path and query together (414), as most proxies have it."""
    max_in_flight: int | None = None
    """Requests that are being read or answered; one more is told to come back (429). None: no limit. Health and
    metrics are always answered."""
    request_timeout_s: float | None = None
    """How long an answer may take, in seconds (504). None: no limit but that of the graph and of the request."""
    body_timeout_s: float = 30.0
    """How long a client may take to send its body, in seconds (408)."""
