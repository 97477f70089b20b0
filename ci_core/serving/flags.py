"""The settings of a server that can be given on a command line.

One table for ``graphship serve``, which click reads, and ``python -m ci_core.serving``, which argparse does: a pod has
no click.
"""

from __future__ import annotations

from argparse import ArgumentTypeError, BooleanOptionalAction
from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Any

from ci_core.serving.limits import Limits
from ci_core.serving.options import ServeOptions

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """One setting."""

    name: str
    """With dashes, without the two in front."""
    field: str
    """Of :class:`ServeOptions`, or of :class:`Limits`."""
    type: type[int | float | bool]
    help: str
    at_least: float = 0
    metavar: str = ""

    @property
    def key(self) -> str:
        """Name of the argument in Python."""
        return self.name.replace("-", "_")

    @property
    def default(self) -> Any:
        """What the server does when nobody says anything."""
        return _DEFAULTS[self.field]

    def read(self, text: str) -> int | float:
        """Return the number that `text` spells.

        Raises:
            ValueError: it is none, not finite, or too small.
        """
        value = self.type(text)
        if not value >= self.at_least or value == float("inf"):
            raise ValueError(text)
        return value


_DEFAULTS = {one.name: one.default for cls in (ServeOptions, Limits) for one in fields(cls) if one.default != MISSING}

FLAGS = (
    Flag(
        name="workers", field="workers", type=int, at_least=1, metavar="N",
        help="Processes that share the port.",
    ),
    Flag(
        name="max-in-flight", field="max_in_flight", type=int, at_least=1, metavar="N",
        help="Requests that one process answers at once; one more gets 429 and Retry-After.",
    ),
    Flag(
        name="request-timeout", field="request_timeout_s", type=float, at_least=0.001, metavar="SECONDS",
        help="How long an answer may take; then it is a 504.",
    ),
    Flag(
        name="body-timeout", field="body_timeout_s", type=float, at_least=0.001, metavar="SECONDS",
        help="How long a client may take to send its body.",
    ),
    Flag(
        name="idle-timeout", field="idle_timeout_s", type=float, at_least=0.001, metavar="SECONDS",
        help="How long a connection may be open without sending a whole request head.",
    ),
    Flag(
        name="body-limit", field="body_bytes", type=int, at_least=1, metavar="BYTES",
        help="Size of a request body, as sent and inflated.",
    ),
    Flag(
        name="header-limit", field="header_bytes", type=int, at_least=1024, metavar="BYTES",
        help="Size of all headers of a request.",
    ),
    Flag(
        name="max-connections", field="max_connections", type=int, at_least=1, metavar="N",
        help="Open connections of one process.",
    ),
    Flag(
        name="drain-time", field="drain_s", type=float, metavar="SECONDS",
        help="How long requests in flight may take to finish when the server is told to stop.",
    ),
    Flag(
        name="batching", field="batching", type=bool,
        help="Whether requests that are ready together may share a model call.",
    ),
    Flag(
        name="access-log", field="access_log", type=bool,
        help="Whether each request is logged, as a line of JSON on standard output.",
    ),
)  # fmt: skip


def add_to(parser: ArgumentParser) -> None:
    """Add the flags to a parser of the standard library."""
    for flag in FLAGS:
        default = "no limit" if flag.default is None else "on" if flag.default is True else flag.default or "off"
        text = f"{flag.help} (default: {default})"
        if flag.type is bool:
            parser.add_argument(f"--{flag.name}", action=BooleanOptionalAction, default=flag.default, help=text)
        else:
            read = _reader(flag)
            parser.add_argument(f"--{flag.name}", type=read, default=flag.default, metavar=flag.metavar, help=text)


def _reader(flag: Flag) -> Callable[[str], int | float]:
    def read(text: str) -> int | float:
        try:
            return flag.read(text)
        except ValueError as error:
            raise ArgumentTypeError(f"{text!r} is no number of at least {flag.at_least:g}") from error

    return read


def serve_options(values: Mapping[str, Any], **others: Any) -> ServeOptions:
    """Return the options that flags spell.

    Args:
        values: by :attr:`Flag.key`; others are ignored, a missing one has its default.
        others: fields of :class:`ServeOptions` that are no flags.
    """
    of_limits = {one.name for one in fields(Limits)}
    given = {flag.field: values.get(flag.key, flag.default) for flag in FLAGS}
    limits = Limits(**{name: value for name, value in given.items() if name in of_limits})
    return ServeOptions(
        limits=limits, **{name: value for name, value in given.items() if name not in of_limits}, **others
    )
