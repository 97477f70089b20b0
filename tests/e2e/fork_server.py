"""A process that has loaded the command line's libraries, and makes each run of ``graphship`` by a fork of itself.

More than half of a short run is imports, and the tests make hundreds of runs. Each is a process with a folder, an
environment, output and exit code of its own, which goes through ``ci_core/__main__.py`` and ends as any other does.
Started by ``by_command.py``, with the number of a socket to listen on; it ends with its standard input.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
from pathlib import Path

import ci_core

OF_OTHERS = (
    *("dvc.data_cloud", "dvc.repo", "dvc.rwlock", "dvc.scm", "dvc_render.vega_templates", "dulwich.repo", "filelock"),
    *("git", "markdown_it", "networkx", "psutil", "pygit2", "ruamel.yaml", "scmrepo.git"),
)
OURS = (
    *("behaviour", "ci", "config", "gates", "hosts/local", "pipelines", "reports", "versioning", "cli/ci.py"),
    *("cli/diff.py", "cli/promote.py", "cli/register.py", "cli/report.py", "cli/run.py", "cli/snapshot.py"),
    *("operations/ci.py", "operations/change_request.py", "operations/merge.py", "operations/promote.py"),
)
"""Packages and modules of ours without arithmetic, which may begin threads when it is imported."""


def load() -> None:
    """Import what runs need."""
    for name in OF_OTHERS:
        importlib.import_module(name)
    folder = Path(ci_core.__file__).parent
    for place in OURS:
        for file in sorted((folder / place).rglob("*.py")) or [folder / place]:
            importlib.import_module(".".join(file.relative_to(folder.parent).with_suffix("").parts))
    gc.collect()
    gc.freeze()  # a fork shares what is never looked at


def main(listener: socket.socket) -> None:
    """Serve until standard input ends; return in each process that is to be a run."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who wait for the runs
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            sys.exit()
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            break
        connection.close()
    request, streams = receive(connection)
    run = os.fork()
    if run:
        _, status = os.waitpid(run, 0)
        connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
        os._exit(0)
    connection.close()
    become(request, streams)


def receive(connection: socket.socket) -> tuple[dict[str, object], list[int]]:
    """Return what is to be run, and the file descriptors of its output and its errors."""
    data, streams, _, _ = socket.recv_fds(connection, 65536, 2)
    while more := connection.recv(65536):
        data += more
    return json.loads(data), streams


def become(request: dict[str, object], streams: list[int]) -> None:
    """Make this process one that was started with the arguments, folder and environment of the request."""
    folder, environment, arguments = request["folder"], request["environment"], request["arguments"]
    assert isinstance(folder, str)
    assert isinstance(environment, dict)
    assert isinstance(arguments, list)
    with Path(os.devnull).open() as nothing:
        for source, target in zip((nothing.fileno(), *streams), (0, 1, 2), strict=True):
            os.dup2(source, target)
    for stream in streams:
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[1:] = arguments
    sys.path[0] = folder  # as `python -m` has it


if __name__ == "__main__":
    load()
    main(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module("ci_core", run_name="__main__", alter_sys=True)
