"""Where a service is: what the argument ``url`` of a remote step may say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from ci_core.serving.remote.failures import WordError

_DEFAULT_PORTS = {"http": 80, "https": 443}
_UNIX = "unix:"
_HOST = re.compile(r"[A-Za-z0-9._:-]+")
_BASE_PATH = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@%-]*)*")
# the shortest `sun_path` among the systems we run on, less its closing zero: macOS; Linux takes 107
_SOCKET_PATH_BYTES = 103


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """One service: a host and port, or a Unix socket."""

    host: str = ""
    """Name or address, IPv6 without brackets; empty for a Unix socket."""
    port: int = 0
    is_tls: bool = False
    socket_path: str | None = None
    """Absolute path of a Unix socket."""
    base_path: str = ""
    """What stands before every path, without a slash at its end."""

    @property
    def label(self) -> str:
        """What messages and logs call the service: ``host:port`` or ``unix:/path``, never a path or query."""
        if self.socket_path is not None:
            return f"{_UNIX}{self.socket_path}"
        return f"{_bracketed(self.host)}:{self.port}"

    @property
    def host_header(self) -> str:
        """The value of ``host``, without a port that the scheme implies."""
        if self.socket_path is not None:
            return "localhost"
        is_implied = self.port == _DEFAULT_PORTS["https" if self.is_tls else "http"]
        return _bracketed(self.host) if is_implied else self.label


def parse_origin(url: str) -> Origin:
    """Return the service that `url` names.

    Args:
        url: ``http://host[:port][/base]``, ``https://…``, or ``unix:/path/of/socket``.

    Raises:
        WordError: it is none of these, or holds user and password; the text says what and never repeats `url`, which
            may hold a secret.
    """
    if url.startswith(_UNIX):
        return _unix_origin(url.removeprefix(_UNIX))
    if re.search(r"[\x00-\x20\x7f]", url):
        raise WordError("holds a blank or a control character")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise WordError("is no URL: its host or port cannot be read") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise WordError("begins neither with http:// nor with https:// nor with unix:/")
    if "@" in parts.netloc:
        raise WordError("holds a user or a password")
    _check_parts(parts)
    return Origin(
        host=parts.hostname or "",
        port=_DEFAULT_PORTS[parts.scheme] if port is None else port,
        is_tls=parts.scheme == "https",
        base_path=parts.path.rstrip("/"),
    )


def _check_parts(parts: SplitResult) -> None:
    if not parts.hostname or not _HOST.fullmatch(parts.hostname):
        raise WordError("names no host")
    if parts.port == 0:
        raise WordError("has the port 0")
    if parts.query or parts.fragment:
        raise WordError("holds a query or a fragment")
    if not _BASE_PATH.fullmatch(parts.path) or {".", ".."} & set(parts.path.split("/")):
        raise WordError("has a path with characters that must be percent-encoded, or with `.` or `..`")


def _unix_origin(path: str) -> Origin:
    if not path.startswith("/") or path.startswith("//"):
        raise WordError("names no absolute path of a Unix socket: unix:/run/features.sock")
    if "\0" in path or len(path.encode()) > _SOCKET_PATH_BYTES:
        raise WordError(f"names a Unix socket with a path of more than {_SOCKET_PATH_BYTES} bytes")
    return Origin(socket_path=path)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
