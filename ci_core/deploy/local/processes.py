"""Processes by an identity that outlives the reuse of process ids, and the ending of those whose parent is gone."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ci_core import _process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

MARK = "GRAPHSHIP_SERVER_OF"
"""Environment variable of every server process: the folder of the environment it belongs to."""
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessId:
    """A process id and when that process began: two processes may share the first, never both."""

    pid: int
    started: str
    """Opaque; equal for the same process, different for a later one with the same id."""

    @classmethod
    def of(cls, pid: int) -> ProcessId | None:
        """Return the identity of a running process; None when there is none, or only its zombie."""
        started = _started(pid)
        return None if started is None else cls(pid=pid, started=started)

    @property
    def is_running(self) -> bool:
        """Whether this very process still runs."""
        return _started(self.pid) == self.started

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {"pid": self.pid, "started": self.started}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ProcessId:
        """Build the identity back from :meth:`to_dict`."""
        return cls(pid=int(data["pid"]), started=str(data["started"]))


def end_orphans(
    recorded: Iterable[ProcessId],
    folder: Path,
    *,
    patience_s: float = 5.0,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """End server processes that a dead supervisor left behind, with everything they started; return how many.

    Found by what was recorded and, where the system shows other processes' environments, by their mark: a supervisor
    can die between the start of a process and its record, and a server's workers can outlive it.
    """
    orphans = {process.pid: process for process in recorded if process.is_running}
    for pid in _marked(folder):
        process = ProcessId.of(pid)
        if process is not None:
            orphans[pid] = process
    for how in (signal.SIGTERM, signal.SIGKILL):
        for process in orphans.values():
            if process.is_running:
                _signal(process.pid, how)
        deadline = time.monotonic() + patience_s
        while any(process.is_running for process in orphans.values()) and time.monotonic() < deadline:
            sleep(0.02)
    return len(orphans)


def signal_group(leader: int, how: signal.Signals) -> None:
    """Signal a process group; one that is gone is fine."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, how)


def _signal(pid: int, how: signal.Signals) -> None:
    """Signal a process, and its whole group if it leads one."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.getpgid(pid) == pid:
            os.killpg(pid, how)
        else:
            os.kill(pid, how)


def _started(pid: int) -> str | None:
    if _PROC.joinpath("self", "stat").exists():
        return _started_by_proc(pid)
    finished = _process.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], cwd=Path("/"), check=False)
    stat, _, started = finished.output.strip().partition(" ")
    return None if not started or stat.startswith("Z") else started.strip()


def _started_by_proc(pid: int) -> str | None:
    """Return the start time in clock ticks since boot, with the boot it counts from (proc(5), field 22 of stat)."""
    try:
        stat = _PROC.joinpath(str(pid), "stat").read_text(encoding="utf-8", errors="replace")
        boot = _PROC.joinpath("sys", "kernel", "random", "boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None
    # The second field is the program's name in parentheses and may hold blanks and parentheses itself.
    fields = stat.rpartition(")")[2].split()
    state, started = fields[0], fields[19]
    return None if state in {"Z", "X"} else f"{boot}:{started}"


def _marked(folder: Path) -> Iterable[int]:
    """Yield ids of processes whose environment has the mark of `folder`; none where ``/proc`` is missing."""
    wanted = f"{MARK}={folder}".encode()
    for place in _PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            is_other = int(place.name) != os.getpid()
            if is_other and wanted in place.joinpath("environ").read_bytes().split(b"\0"):
                yield int(place.name)
