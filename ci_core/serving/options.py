"""How a graph is served: what ``graphship serve`` and ``python -m ci_core.serving`` take, under the same names."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from ci_core.serving.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """How a graph is served."""

    host: str = "127.0.0.1"
    port: int = 8080
    """0 is any free port; the address is printed."""
    workers: int = 1
    """Processes that share the port. One answers in the process itself; more are forked once the graph is compiled."""
    release: str | None = None
    captures: Path | None = None
    """Folder for captures; None for none."""
    capture_sample: float = 1.0
    time_column: str | None = None
    """Field of the body with the event's own time."""
    functions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Child function → URL of whoever runs it; the others get a process of this server each."""
    socket: Path | None = None
    """Unix socket to listen on, instead of host and port."""
    queue_url: str | None = field(default=None, repr=False)
    """Address of the broker that keeps the messages of queues; may hold a password. None: each process keeps them."""
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    """What steps may take secrets from; only those who start a server read the process's own."""
    batching: bool = True
    """Whether requests that are ready together may share one call of a model that gains from it."""
    limits: Limits = field(default_factory=Limits)
    """What one request may ask of the server."""
    access_log: bool = False
    """Whether a line of JSON is written to stdout for each request."""
    idle_timeout_s: float = 75.0
    """How long a connection may be open without sending a whole request head: the slow client and the idle one. Longer
    than the minute that load balancers keep idle connections, so that it is they who close them."""
    max_connections: int = 16_384
    """Open connections of one process; more wait to be accepted. Each costs about 3 KB. No more than the process may
    open files."""
    lame_duck_s: float = 0.3
    """How long a process that was told to stop still takes requests: longer than a client on a kept connection needs
    to see ``connection: close``."""
    drain_s: float = 30.0
    """How long requests in flight may take to finish once the process was told to stop."""
