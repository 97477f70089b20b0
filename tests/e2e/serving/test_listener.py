"""The socket that granian listens on."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest

from ci_core.serving.address import Address
from ci_core.serving.listener import take_no_more

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize(("family", "ip"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_listener_that_takes_no_more_keeps_the_connections_it_has(family: socket.AddressFamily, ip: str) -> None:
    with closing(socket.socket(family)) as listener, closing(socket.socket(family)) as other:
        for one in (listener, other):
            one.bind((ip, 0))
            one.listen()
        port = listener.getsockname()[1]
        with closing(socket.create_connection((ip, port))) as waiting:
            take_no_more(Address(ip, ip, port))

            with pytest.raises(TimeoutError):
                socket.create_connection((ip, port), timeout=0.2)
            waiting.sendall(b"asked")
            accepted = listener.accept()[0]
            with closing(accepted):
                assert accepted.recv(5) == b"asked"
                accepted.sendall(b"answered")
            assert waiting.recv(8) == b"answered"
        socket.create_connection(other.getsockname()[:2]).close()  # is left as it was


def test_an_address_that_nobody_listens_on_is_left_alone() -> None:
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))

        take_no_more(Address("127.0.0.1", "127.0.0.1", bound.getsockname()[1]))

        bound.listen()
        socket.create_connection(bound.getsockname()).close()
