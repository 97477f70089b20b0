"""Worker processes that die, cannot start, or are told to stop at an unlucky moment."""

from __future__ import annotations

import http.client
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ci_core.testing.processes import wait_until
from ci_core.testing.served_release import ServedRelease, serving, write_release

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.e2e
logger = logging.getLogger(__name__)  # figures: seen with `--log-cli-level=INFO`

CODE = """
import asyncio
import os
import time
from pathlib import Path


class Step:
    def start(self):
        if Path("broken").exists():
            os._exit(7)
        if Path("slow").exists():
            Path(f"starts-{os.getpid()}").touch()
            time.sleep(3600)

    async def do(self, body):
        if "die" in body:
            os._exit(body["die"])
        await asyncio.sleep(body.get("sleep", 0))
        return os.getpid()
"""

WITHOUT_ROOM = """
import errno
import os
from pathlib import Path

fork = os.fork


def fork_if_there_is_room():
    if Path("full").exists():
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return fork()


os.fork = fork_if_there_is_room
"""
"""As a system with too many processes does; root, as in most containers, has no such limit that a test could set."""


@pytest.fixture
def release(tmp_path: Path) -> Path:
    steps = [{"name": "step", "step": "code:Step", "after": ["request"], "respond": True}]
    return write_release(tmp_path / "release", {"name": "g", "steps": steps}, {"code.py": CODE})


def kill_requests(server: ServedRelease, n: int) -> int:
    """Send `n` requests that end their worker, each once the server answers; return how many others failed."""
    failed = 0
    for _ in range(n):
        with pytest.raises((http.client.HTTPException, ConnectionResetError)):
            server.ask({"die": 1})
        answered = False
        while not answered:
            try:
                answered = server.ask({})[0] == 200
            except ConnectionRefusedError:  # all workers wait to be replaced
                assert server.process.poll() is None, server.said
                time.sleep(0.02)
            except (http.client.HTTPException, ConnectionResetError):
                failed += 1
    return failed


def test_requests_that_kill_their_worker_right_after_the_start_do_not_stop_the_service(release: Path) -> None:
    with serving(release, "--workers", "2") as server:
        failed = kill_requests(server, 8)
        wait_until(lambda: server.metric("graphship_worker_restarts_total") == 8)
        answered = server.ask({})[0]
        code = server.stop()

    death = r"worker died and is replaced number=[12] exit_code=1 lived_s=\d+\.\d pause_s=\d\.\d"
    deaths = re.findall(death, server.said)
    assert (answered, code, len(deaths)) == (200, 0, 8)
    # a connection that the kernel gave to a worker at the moment it died; the client asks one at a time
    logger.info("requests without an answer, beside the 8 that kill: %d", failed)
    assert failed <= 8


def test_a_worker_that_cannot_start_ends_the_server_with_its_exit_code(release: Path) -> None:
    (release / "bundle/broken").touch()

    with pytest.raises(RuntimeError) as caught, serving(release, "--workers", "2"):
        pass

    assert re.search(
        r"ERROR ci_core\.serving\.workers worker could not start and the server ends number=[12] exit_code=7 lived_s=",
        str(caught.value),
    )


@contextmanager
def started(release: Path, *flags: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "ci_core.serving", str(release), "--port", "0", *flags]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_its_exit_code_is_the_servers_and_that_of_a_signal_is_told_as_shells_do(release: Path) -> None:
    (release / "bundle/broken").touch()
    with started(release, "--workers", "2") as process:
        process.communicate(timeout=60)
    assert process.returncode == 7

    (release / "bundle/broken").rename(release / "bundle/slow")
    with started(release, "--workers", "2") as process:
        wait_until(lambda: len(list((release / "bundle").glob("starts-*"))) == 2)
        os.kill(int(next((release / "bundle").glob("starts-*")).name.partition("-")[2]), signal.SIGKILL)
        said = process.communicate(timeout=60)[1]

    assert process.returncode == 137
    assert "signal=SIGKILL" in said


def test_a_replacement_that_cannot_start_is_tried_again_while_its_sister_serves(release: Path) -> None:
    with serving(release, "--workers", "2") as server:
        wait_until(lambda: server.said.count("(worker ") == 2)
        (release / "bundle/broken").touch()
        killed, sister = server.workers()
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: server.said.count("worker could not start and is tried again") == 2)
        answers = {server.ask({}) for _ in range(20)}
        (release / "bundle/broken").unlink()
        wait_until(lambda: len({server.ask({})[1] for _ in range(10)}) == 2)
        code = server.stop()

    assert answers == {(200, sister)}
    assert re.search(r"worker died and is replaced number=[12] signal=SIGKILL lived_s=", server.said)
    assert re.search(r"is tried again number=[12] exit_code=7 lived_s=\d+\.\d pause_s=0\.4", server.said)
    assert code == 0


@pytest.fixture
def crowded(tmp_path: Path) -> Path:
    """Return a release on a system that has no room for one more process while its folder has a file ``full``."""
    steps = [{"name": "step", "step": "code:Step", "after": ["request"], "respond": True}]
    return write_release(tmp_path / "crowded", {"name": "g", "steps": steps}, {"code.py": CODE + WITHOUT_ROOM})


def test_a_worker_that_the_system_has_no_room_for_is_replaced_once_it_has(crowded: Path) -> None:
    with serving(crowded, "--workers", "2") as server:
        wait_until(lambda: server.said.count("(worker ") == 2)
        (crowded / "bundle/full").touch()
        killed, sister = server.workers()
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: server.said.count("worker could not be forked and is tried again") == 2)
        answers = {server.ask({}) for _ in range(20)}
        before = server.metric("graphship_worker_restarts_total")
        (crowded / "bundle/full").unlink()
        wait_until(lambda: len({server.ask({})[1] for _ in range(10)}) == 2)
        after = server.metric("graphship_worker_restarts_total")
        code = server.stop()

    assert answers == {(200, sister)}
    assert (before, after) == (0, 1)
    assert re.search(r"tried again number=[12] error=Resource temporarily unavailable pause_s=0\.4", server.said)
    assert (code, "Traceback" in server.said) == (0, False)


def test_a_server_that_the_system_has_no_room_for_ends_and_says_why(crowded: Path) -> None:
    (crowded / "bundle/full").touch()
    with started(crowded, "--workers", "2") as process:
        said = process.communicate(timeout=60)[1]

    assert process.returncode == 1
    assert said.count("worker could not be forked and the server ends number=1 error=Resource temporarily") == 1
    assert "Traceback" not in said


def test_when_no_worker_serves_and_none_can_start_the_server_ends(release: Path) -> None:
    with serving(release, "--workers", "2") as server:
        wait_until(lambda: server.said.count("(worker ") == 2)
        (release / "bundle/broken").touch()
        for worker in server.workers():
            os.kill(worker, signal.SIGKILL)
        code = server.process.wait(60)

    assert code == 7
    assert server.said.count("could not start and the server ends") == 1


def test_a_server_that_is_told_to_stop_while_a_worker_waits_to_be_replaced_ends(release: Path) -> None:
    with serving(release, "--workers", "2") as server:
        kill_requests(server, 4)
        wait_until(lambda: len(server.workers()) == 2)
        os.kill(server.workers()[0], signal.SIGKILL)
        wait_until(lambda: server.said.count("is replaced") == 5)
        code = server.stop()

    assert code == 0
    assert server.said.count("is replaced") == 5


REQUEST = b'{"sleep": 0}'
HEAD = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(REQUEST)


@contextmanager
def request_begun(server: ServedRelease) -> Iterator[socket.socket]:
    """Give the connection of a request whose body is still to come, and that the server has begun to read."""
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=60)) as connection:
        connection.sendall(HEAD)
        wait_until(lambda: any(server.metric("graphship_requests_in_flight") == 2 for _ in range(10)))
        yield connection


def takes_connections(server: ServedRelease) -> bool:
    try:
        socket.create_connection(("127.0.0.1", server.port), timeout=60).close()
    except ConnectionError:
        return False
    return True


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_that_finishes_requests_takes_no_connections(workers: str, release: Path) -> None:
    with serving(release, "--workers", workers) as server, request_begun(server) as connection:
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not takes_connections(server))
        connection.sendall(REQUEST)
        head = connection.recv(1000)
        code = server.process.wait(60)

    assert (head.startswith(b"HTTP/1.1 200 "), b"\r\nconnection: close\r\n" in head, code) == (True, True, 0)
    assert server.said.count("draining in_flight=") == 1
    assert "draining in_flight=1 at_most_s=30" in server.said


@pytest.mark.parametrize("workers", ["1", "2"])
def test_signals_that_come_together_are_one_order_to_stop(workers: str, release: Path) -> None:
    with serving(release, "--workers", workers) as server, request_begun(server) as connection:
        everyone = [server.process.pid, *server.workers()]
        for number in (signal.SIGINT, signal.SIGTERM):
            for pid in everyone:
                os.kill(pid, number)
        wait_until(lambda: not takes_connections(server))
        for pid in server.workers():  # what these mean is their parent's to say
            os.kill(pid, signal.SIGTERM)
        connection.sendall(REQUEST)
        head = connection.recv(1000)
        code = server.process.wait(60)

    assert (head.startswith(b"HTTP/1.1 200 "), code) == (True, 0)
    assert "told again" not in server.said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_that_is_told_again_to_stop_ends_at_once(workers: str, number: signal.Signals, release: Path) -> None:
    with serving(release, "--workers", workers, "--drain-time", "3600") as server, request_begun(server) as connection:
        everyone = [server.process.pid, *server.workers()]
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not takes_connections(server))
        server.process.send_signal(number)
        code = server.process.wait(60)
        got = connection.recv(100)

    assert (code, got) == (128 + number, b"")
    assert "told again to stop and ends at once" in server.said
    assert not any(Path(f"/proc/{pid}").exists() for pid in everyone)


def test_a_server_that_is_told_to_stop_before_any_worker_has_started_ends(release: Path) -> None:
    (release / "bundle/slow").touch()
    with started(release, "--workers", "2") as process:
        wait_until(lambda: len(list((release / "bundle").glob("starts-*"))) == 2)
        process.terminate()
        said = process.communicate(timeout=60)[1]

    assert (process.returncode, said) == (0, "")
    for note in (release / "bundle").glob("starts-*"):
        assert not Path(f"/proc/{note.name.partition('-')[2]}").exists()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_requests_that_outlive_the_time_to_drain_are_cut(workers: str, release: Path) -> None:
    flags = ("--workers", workers, "--drain-time", "0.2", "--body-timeout", "3600")
    begun = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{"
    with (
        serving(release, *flags) as server,
        closing(socket.create_connection(("127.0.0.1", server.port), timeout=60)) as connection,
    ):
        connection.sendall(begun)
        wait_until(lambda: (server.metric("graphship_requests_in_flight") or 0) >= 2)
        code = server.stop()
        got = connection.recv(100)

    assert code == 0
    assert got.startswith(b"HTTP/1.1 500 ") or got == b""
    assert "requests did not end in time and are cut count=1" in server.said
    assert "Traceback" not in server.said


@pytest.mark.parametrize("n", [5, pytest.param(200, marks=[pytest.mark.faults, pytest.mark.slow])])
def test_a_server_that_ends_with_open_connections_is_not_aborted(
    n: int, release: Path, record_property: Callable[[str, object], None]
) -> None:
    ends = []
    for _ in range(n):
        with serving(release) as server:
            request = json.dumps({"sleep": 0.05}).encode()
            head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(request)
            connections = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(8)]
            for connection in connections:
                connection.sendall(head + request)
            for connection in connections[:4]:
                connection.recv(1000)
            ends.append((server.stop(), server.said.splitlines()[1:]))
            for connection in connections:
                connection.close()

    record_property("servers that were told to stop", n)
    record_property("servers that did not end well", n - ends.count((0, [])))
    assert ends == [(0, [])] * n
