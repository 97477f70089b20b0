"""A release folder that is made in a test, and the serving process that is started from it."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ci_core.testing.prometheus_text import value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_START_S = 60.0


def write_release(folder: Path, graph: Mapping[str, Any], files: Mapping[str, str | bytes]) -> Path:
    """Write a release: `graph` as it stands in ``release.json``, and the files of its bundle by their paths."""
    for path, content in files.items():
        file = folder / "bundle" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    release = {"format": 1, "project": graph["name"], "graph": graph, "bundle": "", "models": [], "settings": {}}
    (folder / "release.json").write_text(json.dumps(release))
    return folder


class ServedRelease:
    """A serving process, its port, and what it said on standard error once it has ended."""

    def __init__(self, process: subprocess.Popen[str], port: int, log: Path) -> None:
        self.process, self.port, self._log = process, port, log

    @property
    def said(self) -> str:
        """Standard error, and standard output."""
        return self._log.read_text()

    def ask(self, body: Any = None, path: str = "/", **headers: str) -> tuple[int, Any]:
        """Return status and answer of one request on a connection of its own."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            raw = None if body is None else json.dumps(body).encode()
            connection.request("GET" if raw is None else "POST", path, raw, headers)
            answer = connection.getresponse()
            content = answer.read()
            is_json = answer.getheader("content-type") == "application/json"
            return answer.status, json.loads(content) if is_json else content.decode()

    def metric(self, name: str, **labels: str) -> float | None:
        """Return one number of ``/metrics``."""
        return value(self.ask(path="/metrics")[1], name, **labels)

    def workers(self) -> list[int]:
        """Return the process ids of the workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def stop(self) -> int:
        """Tell the process to end, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def wait_until_ready(self) -> None:
        """Return once ``/readyz`` says so.

        Raises:
            RuntimeError: the process ended before, or it takes too long.
        """
        until = time.monotonic() + _START_S
        while time.monotonic() < until:
            with suppress(OSError, http.client.HTTPException):
                if self.ask(path="/readyz")[0] == 200:  # noqa: PLR2004 - HTTP
                    return
            if self.process.poll() is not None:
                raise RuntimeError(self.said)
            time.sleep(0.02)
        raise RuntimeError(f"not ready after {_START_S} s: {self.said}")


@contextmanager
def serving(folder: Path, *flags: str) -> Iterator[ServedRelease]:
    """Serve the release in `folder` by a process of its own, which is killed at the end if it did not end before."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder.with_name(f"{folder.name}-{port}.log")
    command = [sys.executable, "-m", "ci_core.serving", str(folder), "--port", str(port), *flags]
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, text=True)  # noqa: S603 - of tests
    server = ServedRelease(process, port, log)
    try:
        server.wait_until_ready()
        yield server
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
