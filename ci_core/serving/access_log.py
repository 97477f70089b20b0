"""One line of JSON a request, for those who run the service; off unless it is asked for.

Keys: ``time`` (of the answer, UTC), ``method``, ``path`` (without the query), ``status``, ``ms``, ``bytes`` (of the
answer's body), ``event_id``, ``trace_id``, ``release``. Nothing of the body, of the query or of who asked is written.
The line is ASCII without control characters, whatever the client sent, so that no request can forge a line.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ci_core.serving.event import Event

logger = logging.getLogger("ci_core.serving.access")

_TEXT_CHARS = 512


class AccessLog:
    """Writes the lines.

    Args:
        release: id of the release that answers, or None.
    """

    def __init__(self, release: str | None) -> None:
        self._release = release

    def write(  # noqa: PLR0917 - once a request: keywords would cost half as much again as the call
        self, method: str, path: str, status: int, n_bytes: int, event: Event | None, seconds: float
    ) -> None:
        """Write the line of one answered request."""
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "method": method[:_TEXT_CHARS],
            "path": path[:_TEXT_CHARS],
            "status": status,
            "ms": round(seconds * 1000, 3),
            "bytes": n_bytes,
            "event_id": event and event.id[:_TEXT_CHARS],
            "trace_id": event and event.trace_id,
            "release": self._release,
        }
        # `json` leaves this one control character as it is
        logger.info("%s", json.dumps(line).replace("\x7f", "\\u007f"))


def printable(text: str) -> str:
    """Return `text` fit for a line of a log: escaped when it holds control or other odd characters."""
    short = text[:_TEXT_CHARS]
    return short if short.isascii() and short.isprintable() else ascii(short)
