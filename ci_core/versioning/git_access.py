"""How a remote is spoken to: which addresses are allowed, and what Git is told for it (pure).

Git gets everything by environment variables of the one command, which other users of the machine cannot read and which
end with it: nothing is written to a configuration, an address or an argument. ``GIT_CONFIG_COUNT`` and its neighbours
add settings that come after those of all files (``git help config``, "ENVIRONMENT").
"""

from __future__ import annotations

import base64
import binascii
import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, unquote, urlsplit

from ci_core.errors import InvalidVariableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ci_core.types import GitCredentials

Setting = tuple[str, str]
"""Key and value of Git's configuration."""

_PROTOCOLS: Final = ("file", "https", "ssh")
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_HELPER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.-]*::")
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SCP_LIKE: Final = re.compile(r"[^/:]+:")
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}
_SILENCE_S: Final = 300
"""After so many seconds without a byte a remote has gone away; Git itself waits for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What one command that speaks to a remote is given."""

    variables: Mapping[str, str] = field(repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """What must be in no text: the header's value, and the token in it."""


def refusal(address: str) -> str | None:
    """Return why nothing is sent to or taken from an address of a remote, in one sentence; None when it is allowed.

    Allowed are folders, ``file``, ``https`` and ``ssh``; ``http`` on this machine only, since everybody on the way
    could read and change what goes through it.
    """
    if address.startswith("-"):
        return "an address that begins with `-` is an option"
    if _HELPER.match(address):
        return f"`{address.partition('::')[0]}::` would run a program"
    protocol = _protocol(address)
    if protocol == "http":
        parts = _split(address)
        if parts is not None and parts.hostname in _LOOPBACK:
            return None
        return "`http` is not encrypted, and is used on this machine only: take `https` or `ssh`"
    return None if protocol in _PROTOCOLS else f"`{protocol}` is not among the protocols {', '.join(_PROTOCOLS)}"


def access(addresses: Sequence[str], credentials: GitCredentials | None, environment: Mapping[str, str]) -> Access:
    """Return what a command that speaks to `addresses` is given.

    The header goes only to those addresses that are below the credentials' own, and replaces any other header that is
    configured for them: the one that GitHub's checkout action leaves would be sent beside it. No program that keeps
    passwords is asked then, and no redirection followed, since Git would take the header along.

    Args:
        addresses: of the remote, allowed ones.
        credentials: who we are; None to leave it to the address, the machine's own helpers and keys.
        environment: of this process.

    Raises:
        InvalidVariableError: ``GIT_CONFIG_COUNT`` is no number.
    """
    protocols = [*_PROTOCOLS, *(["http"] if any(_protocol(address) == "http" for address in addresses) else [])]
    narrower = environment.get("GIT_ALLOW_PROTOCOL")
    if narrower is not None:
        protocols = [protocol for protocol in protocols if protocol in narrower.split(":")]
    variables = {
        "GIT_ALLOW_PROTOCOL": ":".join(protocols),
        "GIT_HTTP_LOW_SPEED_LIMIT": environment.get("GIT_HTTP_LOW_SPEED_LIMIT", "1"),
        "GIT_HTTP_LOW_SPEED_TIME": environment.get("GIT_HTTP_LOW_SPEED_TIME", str(_SILENCE_S)),
    }
    ours = [address for address in addresses if credentials is not None and is_below(address, credentials.url)]
    if credentials is None or not ours:
        return Access(variables=variables)
    variables |= {"GIT_ASKPASS": "", "GIT_TRACE_REDACT": "1"}  # an empty program asks nobody
    settings = [setting for address in dict.fromkeys(ours) for setting in _settings(address, credentials.header)]
    return Access(variables=variables | with_settings(settings, environment), secrets=_secrets(credentials.header))


def with_settings(settings: Sequence[Setting], environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that tell Git `settings`, after those that `environment` tells it already.

    Raises:
        InvalidVariableError: ``GIT_CONFIG_COUNT`` is no number.
    """
    count = environment.get("GIT_CONFIG_COUNT") or "0"
    if not (count.isascii() and count.isdigit()):
        raise InvalidVariableError(variable="GIT_CONFIG_COUNT", value=count, expected="a number")
    first = int(count)
    variables = {"GIT_CONFIG_COUNT": str(first + len(settings))}
    for number, (key, value) in enumerate(settings, start=first):
        variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return variables


def is_below(address: str, url: str) -> bool:
    """Whether an address is at `url` or below it: same protocol, name and port, and a path that begins alike."""
    one, other = _split(address), _split(url)
    if one is None or other is None or _origin(one) != _origin(other):
        return False
    path, start = (posixpath.normpath(f"/{unquote(parts.path).strip('/')}") for parts in (one, other))
    return path == start or path.startswith(f"{start.rstrip('/')}/")


def _settings(address: str, header: str) -> list[Setting]:
    """Return what Git is told for exactly this address: nothing that is configured can be more specific."""
    parts = urlsplit(address)
    place = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
    return [
        (f"http.{place}.extraHeader", ""),  # an empty one takes back those before
        (f"http.{place}.extraHeader", header),
        (f"http.{place}.followRedirects", "false"),
        (f"credential.{place}.helper", ""),
    ]


def _secrets(header: str) -> tuple[str, ...]:
    """Return everything in a header that gives it away, the longest first."""
    value = header.partition(":")[2].strip()
    token = value.rpartition(" ")[2]
    found = {value, token}
    with_name = _decoded(token)
    if with_name is not None:
        found |= {with_name, with_name.partition(":")[2]}
    return tuple(sorted(filter(None, found), key=len, reverse=True))


def _decoded(token: str) -> str | None:
    """Return ``name:password`` of a Basic header."""
    try:
        text = base64.b64decode(token, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    return text if ":" in text else None


def _protocol(address: str) -> str:
    scheme = _SCHEME.match(address)
    if scheme:
        return scheme[1].lower()
    return "ssh" if _SCP_LIKE.match(address) else "file"


def _split(address: str) -> SplitResult | None:
    """Return the parts of a web address; None for anything else."""
    if _protocol(address) not in _DEFAULT_PORTS:
        return None
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        return None
    return parts if parts.hostname else None


def _origin(parts: SplitResult) -> tuple[str, str | None, int]:
    return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS[parts.scheme]
