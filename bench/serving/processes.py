"""Programs that a benchmark starts: pinned to a core, measured by the kernel's counters, ended by id.

CPU time comes from ``/proc/<pid>/task/<tid>/schedstat``: nanoseconds on a core, of every thread of the whole tree of
processes. Other load on the machine makes a run longer, and changes this figure little.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_PR_SET_CHILD_SUBREAPER = 36  # <sys/prctl.h>
_PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)
_PATIENCE_S = 8.0

CpuByThread = dict[tuple[int, int], int]


def adopt_orphans() -> None:
    """Make grandchildren whose parent ended children of this process, so that :func:`end_all` finds them."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, frame: object) -> None:
    del number, frame
    raise KeyboardInterrupt


def cores() -> tuple[int, int]:
    """Return the core of the server and the core of the load; the same one where there is only one."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


def start(
    command: Sequence[str], *, core: int, environment: Mapping[str, str], folder: Path, log: Path
) -> subprocess.Popen[bytes]:
    """Start a program on `core`, in a session of its own so that Ctrl-C reaches only the benchmark."""
    with log.open("wb") as output:
        return subprocess.Popen(
            ["taskset", "-c", str(core), *command],
            env=_environment(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**kept, **one_thread, **extra}


def end(process: subprocess.Popen[Any]) -> None:
    """End a program and all that it started: asked first, then killed, each by its id."""
    family = tree(process.pid)
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_PATIENCE_S)
    _kill(family)
    process.wait()
    reap()


def end_all() -> None:
    """Kill every process that descends from this one."""
    _kill(tree(os.getpid())[1:])
    reap()


def _kill(pids: Iterable[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def reap() -> None:
    """Take note of ended orphans, which would stay in the table of processes."""
    for pid in tree(os.getpid())[1:]:
        with contextlib.suppress(OSError, IndexError):
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            if state[0] == "Z" and int(state[1]) == os.getpid():
                os.waitpid(pid, os.WNOHANG)


def tree(pid: int) -> list[int]:
    """Return a process and its descendants."""
    found = [pid]
    for one in found:  # grows while it is walked
        for task in _tasks(one):
            with contextlib.suppress(OSError):
                found += [int(child) for child in Path(f"/proc/{one}/task/{task}/children").read_text().split()]
    return found


def _tasks(pid: int) -> list[str]:
    try:
        return [task.name for task in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return []


def cpu(pid: int) -> CpuByThread:
    """Return the nanoseconds every thread of a process tree has been on a core."""
    spent: CpuByThread = {}
    for one in tree(pid):
        for task in _tasks(one):
            with contextlib.suppress(OSError):
                spent[one, int(task)] = int(Path(f"/proc/{one}/task/{task}/schedstat").read_text().split()[0])
    return spent


def cpu_between(before: CpuByThread, after: CpuByThread) -> float:
    """Return the microseconds spent between two readings; what a thread spent that ended in between is not in them."""
    return sum(spent - before.get(thread, 0) for thread, spent in after.items()) / 1e3


def pss_mb(pids: Iterable[int]) -> float:
    """Return the memory of processes in MB, pages they share counted in proportion."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            found = _PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_text())
            total += int(found[1]) if found else 0
    return total / 1024


def free_port(count: int = 1) -> int:
    """Return the first of `count` free ports in a row."""
    while True:
        with contextlib.ExitStack() as stack:
            first = _bind(stack, 0)
            try:
                for port in range(first + 1, first + count):
                    _bind(stack, port)
            except OSError:
                continue
            return first


def _bind(stack: contextlib.ExitStack, port: int) -> int:
    probe = stack.enter_context(socket.socket())
    probe.bind(("127.0.0.1", port))
    taken: int = probe.getsockname()[1]
    return taken
