"""What ``environments.<name>`` says when its target is ``local``; read and judged by ``config/``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.types import JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalOptions:
    """Settings of the local target."""

    host: str = "127.0.0.1"
    """Address the door listens on. Loopback by default: nobody else reaches it until somebody decides so."""
    port: int | None = None
    """Port of the door; by default the one that was used before, else a free one."""
    ready_timeout_s: float = 30.0
    """For a candidate to answer ``/readyz``."""
    drain_timeout_s: float = 10.0
    """For requests in flight on the old server process after the switch; then they are cut off."""

    @classmethod
    def from_settings(cls, options: Mapping[str, JsonValue]) -> LocalOptions:
        """Return the options of one environment, as ``EnvironmentSettings.options`` holds them: all keys are there."""
        return cls(
            host=str(options["host"]),
            port=cast("int", options["port"]) or None,
            ready_timeout_s=cast("float", options["ready-timeout"]),
            drain_timeout_s=cast("float", options["drain-timeout"]),
        )
