"""Load on a server by Debian's ``wrk``, and what it cost the server."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.serving import processes

if TYPE_CHECKING:
    from pathlib import Path

_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One round of load on one server."""

    cpu_us: float
    """A request, of the server's whole process tree."""
    per_s: float
    p50_ms: float
    p99_ms: float
    requests: int
    failed: int


class LoadError(Exception):
    """The load could not be made, or the server did not stand it."""


def need_wrk() -> None:
    """Make sure that there is ``wrk``; root installs it from Debian."""
    if shutil.which("wrk"):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "install", "-y", "-qq", "wrk"], check=False, stdout=subprocess.DEVNULL)
    if not shutil.which("wrk"):
        raise LoadError("`wrk` is not installed; on Debian: apt-get install wrk")


def run(pid: int, url: str, body: bytes, *, connections: int, seconds: float, core: int) -> Sample:
    """Send `body` over and over, each connection one request at a time, and return what came of it.

    Args:
        pid: of the server; its whole tree is measured.
        url: to post to.
        body: JSON.
        connections: kept alive.
        seconds: whole ones.
        core: of the load.

    Raises:
        LoadError: no request was answered.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_script(body))
        script.flush()
        command = [
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{max(1, round(seconds))}s",
            "--latency",
            "-s",
            script.name,
            url,
        ]
        before = processes.cpu(pid)
        said = subprocess.run(
            ["taskset", "-c", str(core), *command],
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + 60,
            env={"PATH": os.environ["PATH"]},
        )
        after = processes.cpu(pid)
    return _sample(said.stdout + said.stderr, processes.cpu_between(before, after))


def _script(body: bytes) -> str:
    headers = 'wrk.headers["content-type"] = "application/json"\n'
    return f'wrk.method = "POST"\nwrk.body = {json.dumps(body.decode())}\n{headers}'


def _sample(text: str, cpu_us: float) -> Sample:
    answered = re.search(r"(\d+) requests in", text)
    requests = int(answered[1]) if answered else 0
    if not requests:
        raise LoadError(text.strip()[-300:] or "wrk said nothing")
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    return Sample(
        cpu_us=cpu_us / requests,
        per_s=float(rate[1]) if rate else 0.0,
        p50_ms=_quantile(text, "50%"),
        p99_ms=_quantile(text, "99%"),
        requests=requests,
        failed=(int(refused[1]) if refused else 0) + (sum(map(int, broken.groups())) if broken else 0),
    )


def _quantile(text: str, name: str) -> float:
    found = re.search(rf"^\s+{name}\s+([\d.]+)(us|ms|s|m)$", text, re.MULTILINE)
    return float(found[1]) * _MS[found[2]] if found else float("nan")


def log_of(path: Path) -> str:
    """Return the last lines a server wrote."""
    return path.read_text(errors="replace")[-800:] if path.is_file() else ""
