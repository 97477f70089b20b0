"""The address that a server listens on: claimed by one, refused to all others."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from ci_core.errors import ListenAddressError, PortTakenError
from ci_core.serving.address import claim, claimed
from ci_core.testing.served_release import serving, write_release

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

CODE = "def step(body):\n    return body\n"


@pytest.fixture
def release(tmp_path: Path) -> Path:
    steps = [{"name": "step", "step": "code:step", "after": ["request"], "respond": True}]
    return write_release(tmp_path / "release", {"name": "g", "steps": steps}, {"code.py": CODE})


def start(release: Path, *flags: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "ci_core.serving", str(release), *flags]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_of_two_servers_that_are_started_at_the_same_instant_one_serves(workers: str, release: Path) -> None:
    for _ in range(5):
        with claimed("127.0.0.1", 0) as found:
            port = found.address.port
        both = [start(release, "--port", str(port), "--workers", workers) for _ in range(2)]
        try:
            while all(process.poll() is None for process in both):
                time.sleep(0.02)
            loser, winner = sorted(both, key=lambda process: process.poll() is None)
            refused = loser.communicate(timeout=60)[1]
            assert winner.stderr is not None
            announced = winner.stderr.readline()
            winner.terminate()
            winner.communicate(timeout=60)
        finally:
            for process in both:
                process.kill()
                process.communicate()

        assert (loser.returncode, winner.returncode) == (2, 0)
        assert refused.startswith(f"error[port-taken]: cannot listen on port {port}: ")
        assert announced.startswith("serving `g` release ")
        assert f":{port}" in announced


def test_the_port_stays_taken_while_no_worker_listens(release: Path) -> None:
    with serving(release, "--workers", "2") as server:
        for started in (2, 4):
            # one that was killed before it had started would end the server
            while server.said.count("(worker ") < started:
                time.sleep(0.02)
            for worker in server.workers():
                os.kill(worker, signal.SIGKILL)
            while server.said.count("(worker ") == started:
                for host in ("127.0.0.1", "0.0.0.0", "::"):
                    with pytest.raises(PortTakenError):
                        claim(host, server.port).close()
        server.wait_until_ready()
        code = server.stop()

    assert code == 0
    claim("127.0.0.1", server.port).close()


OVERLAPS = [
    ("127.0.0.1", "127.0.0.1", True),
    ("127.0.0.1", "0.0.0.0", True),
    ("0.0.0.0", "127.0.0.1", True),
    ("127.0.0.1", "127.0.0.2", False),
    ("127.0.0.1", "::", True),
    ("::", "127.0.0.1", True),
    ("::", "0.0.0.0", True),
    ("::1", "::", True),
    ("::1", "127.0.0.1", False),
]


@pytest.mark.parametrize(("first", "second", "is_taken"), OVERLAPS)
def test_an_address_is_taken_by_those_that_overlap_with_it(first: str, second: str, is_taken: bool) -> None:
    try:
        one = claim(first, 0)
    except ListenAddressError:
        pytest.skip(f"this machine has no {first}")
    try:
        if is_taken:
            with pytest.raises(PortTakenError):
                claim(second, one.address.port)
        else:
            claim(second, one.address.port).close()
    finally:
        one.close()


def test_a_claimed_address_takes_no_connections_and_lets_workers_listen() -> None:
    with claimed("127.0.0.1", 0) as found:
        port = found.address.port
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        with socket.socket() as worker, socket.socket() as sister:
            for one in (worker, sister):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                one.bind(("127.0.0.1", port))
                one.listen()
            socket.create_connection(("127.0.0.1", port)).close()


def test_connections_that_ended_a_moment_ago_do_not_keep_the_next_server_out(release: Path) -> None:
    with serving(release) as server:
        server.ask({})
        server.stop()  # closes its side first, so that the connections stay with the kernel for a while

    claim("127.0.0.1", server.port).close()


def test_a_name_of_this_machine_can_be_served(release: Path) -> None:
    process = start(release, "--host", "localhost", "--port", "0")
    try:
        assert process.stderr is not None
        announced = process.stderr.readline()
        found = re.fullmatch(r"serving `g` release \w{12} on http://localhost:(\d+)\n", announced)
        assert found is not None, announced + process.stderr.read()
        socket.create_connection(("localhost", int(found[1]))).close()
    finally:
        process.terminate()
        process.communicate(timeout=60)

    assert process.returncode == 0


@pytest.mark.parametrize(
    ("host", "port", "reason"),
    [
        ("no-such-host.invalid", 8080, None),
        ("192.0.2.1", 0, "Cannot assign requested address"),  # of documentation, and of no machine
        ("a..b", 0, "this cannot be the name of a host"),
        ("127.0.0.1", 65536, "a port is a number from 0 to 65535"),
    ],
)
def test_a_host_that_is_none_of_ours_is_named(host: str, port: int, reason: str | None) -> None:
    with pytest.raises(ListenAddressError) as caught:
        claim(host, port)

    assert caught.value.fact.startswith(f"cannot listen on the host `{host}`, port {port}: ")
    assert reason is None or caught.value.reason == reason


def test_serving_on_an_unknown_host_is_an_error_of_the_configuration(release: Path) -> None:
    process = start(release, "--host", "no-such-host.invalid", "--port", "8080")
    said = process.communicate(timeout=60)[1]

    assert process.returncode == 2
    assert said.startswith("error[listen-address]: cannot listen on the host `no-such-host.invalid`, port 8080: ")
    assert "hint: give `--host` an address of this machine" in said
