"""CPU time the local target's front door adds to a request, beside the server process it leads to.

Run: ``python -m bench door``. A bare granian RSGI application answers a constant. The same requests are sent to it
directly and through the door, 8 keep-alive connections, interleaved rounds; user + system time of the processes from
the kernel's counters, median over the rounds.
"""

from __future__ import annotations

import http.client
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROUNDS, CONNECTIONS, REQUESTS = 7, 8, 4000
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")

_APP = """
from granian import Granian
from granian.constants import Interfaces
import sys

async def app(scope, protocol):
    await protocol()
    protocol.response_bytes(200, [("content-type", "application/json")], b'{"prediction": 1}')

if __name__ == "__main__":
    Granian("app:app", address="127.0.0.1", port=int(sys.argv[1]), interface=Interfaces.RSGI, log_enabled=False).serve()
"""
_DOOR = """
import asyncio, sys
from ci_core.deploy.local.door import Door
from ci_core.deploy.local.upstream import Backend
try:
    import uvloop
    run = uvloop.run
except ImportError:
    run = asyncio.run

async def main():
    door = Door()
    door.backend = Backend("127.0.0.1", int(sys.argv[1]))
    await door.listen("127.0.0.1", int(sys.argv[2]))
    await asyncio.Event().wait()

run(main())
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "app.py").write_text(_APP)
        (Path(folder) / "door.py").write_text(_DOOR)
        server_port, door_port = _free_port(), _free_port()
        server = subprocess.Popen([sys.executable, "app.py", str(server_port)], cwd=folder)
        door = subprocess.Popen([sys.executable, "door.py", str(server_port), str(door_port)], cwd=folder)
        try:
            _wait_for(server_port)
            _wait_for(door_port)
            _measure(server.pid, door.pid, server_port, door_port)
        finally:
            for process in (door, server):
                process.terminate()
                process.wait(10)


def _measure(server: int, door: int, server_port: int, door_port: int) -> None:
    direct, origin, added = [], [], []
    _ask(door_port, 200)  # warm both
    for _ in range(ROUNDS):
        before = _cpu_s(server)
        _ask(server_port, REQUESTS)
        direct.append((_cpu_s(server) - before) / REQUESTS)
        before, before_door = _cpu_s(server), _cpu_s(door)
        _ask(door_port, REQUESTS)
        origin.append((_cpu_s(server) - before) / REQUESTS)
        added.append((_cpu_s(door) - before_door) / REQUESTS)
    for name, values in (("server, asked directly", direct), ("server, behind the door", origin), ("door", added)):
        print(f"{name:24} {statistics.median(values) * 1e6:7.0f} us CPU a request")
    total = statistics.median(added) + statistics.median(origin)
    print(f"with door / without      {total / statistics.median(direct):7.2f}")


def _cpu_s(pid: int) -> float:
    """Return user + system seconds of a process and its children that are alive."""
    ticks = 0
    for one in [pid, *_children(pid)]:
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks * _TICK_S


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [descendant for child in map(int, found) for descendant in [child, *_children(child)]]


def _ask(port: int, requests: int) -> None:
    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for _ in range(requests // CONNECTIONS):
            connection.request("POST", "/", b'{"a": 1}', {"content-type": "application/json"})
            assert connection.getresponse().read()
        connection.close()

    threads = [threading.Thread(target=client) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(port)


if __name__ == "__main__":
    main()
