"""The address that a server listens on: whether it can be had, and that nobody else gets it.

Workers listen with ``SO_REUSEPORT``, which would let a second server of the same user share the port silently. So the
process that starts them keeps a socket of its own bound to the address, which takes no connections and lets only
sockets with ``SO_REUSEPORT`` beside it. Whoever wants to claim the address asks without that option, and is refused: at
any time, whether workers listen just then or not. The kernel knows which addresses overlap (``0.0.0.0`` and
``127.0.0.1``, ``::`` and both).
"""

from __future__ import annotations

import errno
import random
import socket
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ci_core.errors import ListenAddressError, PortTakenError

if TYPE_CHECKING:
    from collections.abc import Iterator

_HIGHEST_PORT: Final = 65535
_ATTEMPTS: Final = 10
_LONGEST_WAIT_S: Final = 0.02
_NOT_HERE: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
"""What the kernel says of an address that this machine does not have."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str
    """As it was asked for."""
    ip: str
    port: int

    @property
    def url(self) -> str:
        """What a client on this machine asks."""
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"


class ClaimedAddress:
    """An address that no other server can have until it is closed; see :func:`claim`."""

    def __init__(self, address: Address, claim: socket.socket) -> None:
        self.address, self._claim = address, claim

    def close(self) -> None:
        """Let it go, in this process."""
        self._claim.close()


@contextmanager
def claimed(host: str, port: int) -> Iterator[ClaimedAddress]:
    """Claim an address for as long as the context lasts; see :func:`claim`."""
    found = claim(host, port)
    try:
        yield found
    finally:
        found.close()


def claim(host: str, port: int) -> ClaimedAddress:
    """Claim the address to listen on; of two servers that ask at the same instant, one gets it.

    Args:
        host: name or number; of a name that stands for several addresses, the first that is one of this machine.
        port: 0 for any that is free.

    Raises:
        PortTakenError: another program has the address.
        ListenAddressError: this machine does not have it, or the port is not for everyone.
    """
    ips = _look_up(host, port)
    for family, ip in ips:
        try:
            bound = _bind(family, ip, port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortTakenError(host=host, port=port, reason=str(error.strerror)) from error
            if error.errno in _NOT_HERE and ip != ips[-1][1]:
                continue
            raise ListenAddressError(host=host, port=port, reason=str(error.strerror)) from error
        break
    return ClaimedAddress(Address(host, ip, bound.getsockname()[1]), bound)


def _look_up(host: str, port: int) -> list[tuple[int, str]]:
    """Return family and number of the addresses of a host."""
    if not 0 <= port <= _HIGHEST_PORT:
        raise ListenAddressError(host=host, port=port, reason=f"a port is a number from 0 to {_HIGHEST_PORT}")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise ListenAddressError(host=host, port=port, reason=str(error.strerror)) from error
    except UnicodeError as error:  # a name that none can be: with two dots in a row, or a very long part
        raise ListenAddressError(host=host, port=port, reason="this cannot be the name of a host") from error
    return [(family, str(address[0])) for family, _kind, _protocol, _name, address in found]


def _bind(family: int, ip: str, port: int) -> socket.socket:
    """Return a socket that holds an address and takes no connections.

    Raises:
        OSError: it cannot be had.
    """
    for attempts_left in reversed(range(_ATTEMPTS)):
        claim = socket.socket(family, socket.SOCK_STREAM)
        is_bound = False
        try:
            # connections of a server that ended a moment ago are no obstacle
            claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            claim.bind((ip, port or _free_port(family, ip)))
            is_bound = True
            claim.listen(1)  # of several sockets that are bound now, one at most can: this decides who gets the address
        except OSError as error:
            claim.close()
            # somebody tries at this very moment: both may have failed, or it was a free port a moment ago
            if error.errno != errno.EADDRINUSE or not (is_bound or port == 0) or not attempts_left:
                raise
            time.sleep(random.uniform(0, _LONGEST_WAIT_S))  # noqa: S311 - no secret
            continue
        claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)  # nobody may even bind to it from now on
        claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # but the workers
        claim.shutdown(socket.SHUT_RDWR)  # takes no connections any more, and stays bound
        return claim
    raise AssertionError  # the last attempt returns or raises


def _free_port(family: int, ip: str) -> int:
    # a socket that was bound to port 0 would not stay bound once it takes no more connections
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((ip, 0))
        port: int = probe.getsockname()[1]
        return port
