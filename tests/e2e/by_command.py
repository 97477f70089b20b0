"""The command line, run as a user runs it: in a process of its own, which is made by ``fork_server.py``."""

from __future__ import annotations

import atexit
import functools
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.testing.projects import SampleProject


def graphship(project: SampleProject, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run ``graphship`` in the project's work tree, without colours; `variables` are added to the environment."""
    return run(arguments, folder=project.root, environment={**os.environ, "NO_COLOR": "1", **variables})


def run(
    arguments: tuple[str, ...], *, folder: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``graphship`` in `folder` and wait for its end; without `environment` it has this process's."""
    request = {
        "arguments": arguments,
        "folder": str(folder),
        "environment": dict(os.environ if environment is None else environment),
    }
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as output,
        tempfile.TemporaryFile("w+", encoding="utf-8") as errors,
        closing(socket.socket(socket.AF_UNIX)) as connection,
    ):
        connection.connect(str(_server()))
        data = json.dumps(request).encode()
        sent = socket.send_fds(connection, [data], [output.fileno(), errors.fileno()])
        connection.sendall(data[sent:])
        connection.shutdown(socket.SHUT_WR)
        code = connection.recv(16)
        assert code, "the process that starts runs has ended"
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(
            args=["graphship", *arguments], returncode=int(code), stdout=output.read(), stderr=errors.read()
        )


@functools.cache
def _server() -> Path:
    """Start ``fork_server.py`` and return the address of its socket; it ends with this process."""
    folder = Path(tempfile.mkdtemp(prefix="graphship-runs-"))
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(folder / "socket"))
        listener.listen()
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("fork_server.py")), str(listener.fileno())],
            pass_fds=[listener.fileno()],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )

    def end() -> None:
        process.communicate()
        shutil.rmtree(folder)

    atexit.register(end)
    return folder / "socket"
