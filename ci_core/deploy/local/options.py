"""What ``environments.<name>`` may say when its target is ``local``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci_core.config.durations import parse_duration
from ci_core.config.settings import CONFIG_FILE
from ci_core.errors import ConfigError, Location, Problem, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ci_core.types import JsonValue

_LARGEST_PORT = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalOptions:
    """Settings of the local target; their spelling in ``graphship.yaml`` is kebab-case."""

    host: str = "127.0.0.1"
    """Address the door listens on. Loopback by default: nobody else reaches it until somebody decides so."""
    port: int | None = None
    """Port of the door; by default the one that was used before, else a free one."""
    ready_timeout_s: float = 60.0
    """For a candidate to answer ``/readyz``. 60 s: large models load in it, and a mistake is still noticed soon."""
    drain_timeout_s: float = 30.0
    """For requests in flight on the old server process after the switch; then they are cut off."""

    @classmethod
    def from_mapping(
        cls, options: Mapping[str, JsonValue], locate: Callable[[str], Location] | None = None
    ) -> LocalOptions:
        """Read the options of one environment.

        Args:
            options: key → value, in kebab-case.
            locate: tells where a key stands in ``graphship.yaml``; without it a message names the key alone.

        Raises:
            ConfigError: an unknown key or a wrong value; all of them at once.
        """
        locate = locate or _unknown_place
        problems: list[Problem] = []
        found: dict[str, object] = {}
        for key, value in options.items():
            if key not in _READERS:
                close = nearest(key, _READERS)
                hint = f"did you mean `{close}`?" if close else f"known: {', '.join(_READERS)}"
                problems.append(Problem(fact=f"unknown key `{key}`", location=locate(key), hint=hint))
                continue
            field, read = _READERS[key]
            try:
                found[field] = read(value)
            except ValueError as error:
                problems.append(Problem(fact=str(error), location=locate(key)))
        if problems:
            raise ConfigError(file=CONFIG_FILE, problems=problems)
        return cls(**found)  # type: ignore[arg-type]  # each reader gives its field's type


def _unknown_place(key: str) -> Location:
    return Location(file=CONFIG_FILE, key=key)


def _read_host(value: JsonValue) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("expected an address such as `127.0.0.1` or `0.0.0.0`")
    return value


def _read_port(value: JsonValue) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _LARGEST_PORT:
        raise ValueError(f"expected a port from 1 to {_LARGEST_PORT}")
    return value


def _read_duration(value: JsonValue) -> float:
    if not isinstance(value, str):
        raise ValueError("expected a duration such as `30s`, `15m`, `24h`, `7d`")  # noqa: TRY004 - collected as problems
    return parse_duration(value).total_seconds()


_READERS: dict[str, tuple[str, Callable[[JsonValue], object]]] = {
    "host": ("host", _read_host),
    "port": ("port", _read_port),
    "ready-timeout": ("ready_timeout_s", _read_duration),
    "drain-timeout": ("drain_timeout_s", _read_duration),
}
