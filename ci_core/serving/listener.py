"""The socket that granian listens on, which Python is not shown.

A socket that is closed resets the connections that the kernel has taken for it and that nobody has accepted yet, with
the requests that came on them. So it takes no new ones for a moment before: their clients' kernels ask again after a
second, and meet whoever took over, or a refusal.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ci_core.serving.address import Address

_OPEN_FILES: Final = Path("/proc/self/fd")
_SO_ATTACH_FILTER: Final = 26  # <asm-generic/socket.h>
_LOAD_BYTE, _IF_ANY_BIT, _RETURN = 0x30, 0x45, 0x06  # <linux/bpf_common.h>
_FLAGS, _SYN = 13, 0x02  # of a TCP header
_WITHOUT_SYN: Final = (
    # code, steps to go on by when it holds, and when not, operand; the result is how many bytes are let through
    (_LOAD_BYTE, 0, 0, _FLAGS),
    (_IF_ANY_BIT, 0, 1, _SYN),
    (_RETURN, 0, 0, 0),
    (_RETURN, 0, 0, 0xFFFF),
)


def take_no_more(address: Address) -> None:
    """Let the socket of this process that listens on an address take no connections but those that have begun.

    Where this cannot be done, as on other systems than Linux, nothing is.
    """
    if sys.platform != "linux":
        return
    listener = _listener(address.port)
    if listener is not None:
        with listener, suppress(OSError):
            _attach(listener, b"".join(struct.pack("=HBBI", *one) for one in _WITHOUT_SYN))


def _listener(port: int) -> socket.socket | None:
    # it was opened before all connections, and so has one of the lowest numbers
    for number in sorted(int(entry.name) for entry in _OPEN_FILES.iterdir()):
        with suppress(OSError):  # closed meanwhile
            if not str((_OPEN_FILES / str(number)).readlink()).startswith("socket:"):
                continue
            copy = socket.socket(fileno=os.dup(number))
            if _listens_on(copy, port):
                return copy
            copy.close()
    return None


def _listens_on(one: socket.socket, port: int) -> bool:
    if one.family not in {socket.AF_INET, socket.AF_INET6}:
        return False
    is_listening = one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    return bool(is_listening) and one.getsockname()[1] == port


def _attach(listener: socket.socket, program: bytes) -> None:
    code = ctypes.create_string_buffer(program, len(program))
    listener.setsockopt(
        socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(_WITHOUT_SYN), ctypes.addressof(code))
    )
