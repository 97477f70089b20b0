"""What the processes of a server use, from ``/proc``; nothing where there is none."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ci_core.serving.metrics.series import Family

if TYPE_CHECKING:
    from collections.abc import Iterable

_CPU_TICKS = slice(11, 15)
"""Fields of ``stat`` behind the command's name: own user and system time, and those of children that ended: workers
that were replaced."""
_RSS_PAGES = 1
"""Field of ``statm``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Of one process."""

    cpu_s: float
    resident_bytes: int
    open_files: int


def usage(process_id: int) -> Usage | None:
    """Return what a process uses; None when it has ended, or the system does not tell."""
    folder = Path("/proc") / str(process_id)
    try:
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        pages = int((folder / "statm").read_text().split()[_RSS_PAGES])
        open_files = len(os.listdir(folder / "fd"))  # noqa: PTH208 - only their number is wanted
    except OSError:
        return None
    ticks = sum(map(int, fields[_CPU_TICKS]))
    return Usage(
        cpu_s=ticks / os.sysconf("SC_CLK_TCK"),
        resident_bytes=pages * os.sysconf("SC_PAGE_SIZE"),
        open_files=open_files,
    )


class ProcessMetrics:
    """The ``process_*`` metrics of all processes of a server together."""

    def __init__(self) -> None:
        self._started = time.time()

    def read(self, process_ids: Iterable[int]) -> list[tuple[Family, dict[str, list[float]]]]:
        """Return the families, of the processes that are alive."""
        found = [one for process_id in process_ids if (one := usage(process_id)) is not None]
        if not found:
            return []
        return [
            _one(
                "process_cpu_seconds_total", "counter", "CPU time of the server's processes.",
                sum(one.cpu_s for one in found),
            ),
            _one(
                "process_resident_memory_bytes", "gauge",
                "Memory of the server's processes; what workers share is counted once for each.",
                sum(one.resident_bytes for one in found),
            ),
            _one(
                "process_open_fds", "gauge", "Open files and connections of the server's processes.",
                sum(one.open_files for one in found),
            ),
            _one("process_start_time_seconds", "gauge", "When the server started, since 1970.", self._started),
            _one("graphship_processes", "gauge", "Processes of the server that are alive.", len(found)),
        ]  # fmt: skip


def _one(name: str, kind: str, text: str, value: float) -> tuple[Family, dict[str, list[float]]]:
    return Family(name, "counter" if kind == "counter" else "gauge", text), {"": [float(value)]}
