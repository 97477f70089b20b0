"""Servers side by side: started, asked for equal answers, loaded in turns, and ended whatever happens."""

from __future__ import annotations

import contextlib
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.serving import load, ours, processes, servers, venvs
from bench.serving.load import LoadError, Sample
from ci_core.errors import GraphshipError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bench.serving.servers import Entry
    from bench.serving.work import Dialect, Work

_START_S = 120.0
_ASK_S = 20.0
_CHECKED_ROWS = (1, 5, 100)
_PORTS = 3
_IDLE_S = 4.0
_NOTED_IDLE_US = 10_000


@dataclass(frozen=True, slots=True, order=True)
class Case:
    """One kind of load."""

    rows: int
    connections: int

    def __str__(self) -> str:
        return f"{self.rows} row{'s' if self.rows > 1 else ''}, {self.connections} conn."


@dataclass(frozen=True, slots=True, kw_only=True)
class Medians:
    """What a server needed for one kind of load: medians over the rounds."""

    cpu_us: float
    """A request, with what the server spends when nobody asks."""
    busy_us: float
    """A request, without that: what ratios are made of, so that no server is charged for the slowness of a round."""
    per_s: float
    p50_ms: float
    p99_ms: float
    failed: int
    rounds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A server that answers."""

    name: str
    """The same for twins."""
    process: subprocess.Popen[bytes]
    url: str
    dialect: Dialect
    log: Path


Measured = dict[tuple[str, Case], Medians]


class Contest:
    """Servers that run at the same time on one core.

    Attributes:
        running: by name, the twins of one as ``name #2``; those that did not start are in :attr:`refused`.
        refused: name → why it could not be measured.
        notes: what a reader should know beside the figures.
    """

    def __init__(self, work: Work, folder: Path) -> None:
        self._work = work
        self._folder = folder
        self._server_core, self._load_core = processes.cores()
        self.running: dict[str, Running] = {}
        self.refused: dict[str, str] = {}
        self.notes: list[str] = []
        work.write(folder / "work.json")

    def start(self, name: str, entry: Entry, twin: int = 1) -> None:
        """Start a server and compare its answers with the model's; what fails is told in :attr:`refused`."""
        label = name if twin == 1 else f"{name} #{twin}"
        try:
            self._start(label, name, entry)
        except (LoadError, venvs.PeerMissingError, ours.NotComparableError, GraphshipError, OSError) as error:
            self.refused[label] = " ".join(str(error).split())
            print(f"{label}: not measured: {error}", file=sys.stderr, flush=True)

    def _start(self, label: str, name: str, entry: Entry) -> None:
        own = self._folder / f"server-{len(self.running) + len(self.refused)}"
        own.mkdir()
        place = servers.Place(folder=own, port=processes.free_port(_PORTS), work=self._work)
        environment = {"WORK": str(self._folder / "work.json"), "PYTHONPATH": servers.python_path()}
        process = processes.start(
            entry.command(place),
            core=self._server_core,
            environment=environment | dict(entry.environment),
            folder=own,
            log=own / "log.txt",
        )
        url = f"http://127.0.0.1:{place.port}{entry.dialect.path}"
        running = Running(name=name, process=process, url=url, dialect=entry.dialect, log=own / "log.txt")
        try:
            self._wait(running)
            self._check(running)
        except BaseException:
            processes.end(process)
            raise
        self.running[label] = running
        print(f"{label}: answers", file=sys.stderr, flush=True)

    def _wait(self, running: Running) -> None:
        rows, _ = self._work.sample(1)
        body = running.dialect.body(rows)
        deadline = time.monotonic() + _START_S
        said = "nothing"
        while time.monotonic() < deadline:
            if running.process.poll() is not None:
                raise LoadError(f"it ended with {running.process.returncode}: {load.log_of(running.log)}")
            with contextlib.suppress(OSError, http.client.HTTPException):
                status, said = ask(running.url, body)
                if status == 200:
                    return
            time.sleep(0.1)
        raise LoadError(f"it said {said[:200]} after {_START_S:.0f} s: {load.log_of(running.log)}")

    def _check(self, running: Running) -> None:
        for count in _CHECKED_ROWS:
            rows, labels = self._work.sample(count)
            status, text = ask(running.url, running.dialect.body(rows))
            if status != 200:
                raise LoadError(f"it answers {status} to {count} rows: {text[:300]}")
            found = running.dialect.labels(json.loads(text))
            if found != labels:
                raise LoadError(f"its answers are not the model's: {found[:5]}, expected {labels[:5]}")

    def measure(self, cases: Sequence[Case], *, rounds: int, seconds: float) -> Measured:
        """Load all servers in turns, forwards and backwards, and return medians; the first, short round warms up.

        The rounds of twins count together.
        """
        idle = self._idle_us_per_s()
        samples: dict[tuple[str, Case], list[tuple[Sample, float]]] = {}
        for number in range(rounds + 1):
            turn = list(self.running.items())
            for case in cases:
                for label, running in turn if number % 2 else reversed(turn):
                    sample = self._load(running, case, seconds if number else 1)
                    if sample is not None and number:
                        samples.setdefault((running.name, case), []).append((sample, idle[label]))
        return {key: _medians(found) for key, found in samples.items()}

    def _idle_us_per_s(self) -> dict[str, float]:
        """Return what each server spends a second when nobody asks, and remember the considerable ones."""
        before = {name: processes.cpu(running.process.pid) for name, running in self.running.items()}
        time.sleep(_IDLE_S)
        idle = {
            name: processes.cpu_between(before[name], processes.cpu(running.process.pid)) / _IDLE_S
            for name, running in self.running.items()
        }
        self.notes += [
            f"{name}: {spent / 1e4:.0f} % of a core when idle" for name, spent in idle.items() if spent > _NOTED_IDLE_US
        ]
        return idle

    def _load(self, running: Running, case: Case, seconds: float) -> Sample | None:
        body = running.dialect.body(self._work.sample(case.rows)[0])
        try:
            return load.run(
                running.process.pid,
                running.url,
                body,
                connections=case.connections,
                seconds=seconds,
                core=self._load_core,
            )
        except (LoadError, subprocess.TimeoutExpired) as error:
            self.refused[f"{running.name}, {case}"] = str(error)
            return None

    def pid(self, name: str) -> int:
        """Return the process id of a server."""
        return self.running[name].process.pid

    def close(self) -> None:
        """End all servers."""
        for running in self.running.values():
            processes.end(running.process)


def ask(url: str, body: bytes) -> tuple[int, str]:
    """Post a body and return status and text of the answer."""
    host, _, path = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=_ASK_S)
    try:
        connection.request("POST", f"/{path}", body, {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()


@contextlib.contextmanager
def contest(work: Work, entries: Mapping[str, Entry], *, twins: int = 1) -> Iterator[Contest]:
    """Start servers, and end them and all that they left behind.

    Args:
        work: that they do.
        entries: the servers, by name.
        twins: processes of each. Two processes of one server differ by a tenth, for as long as they live: where things
            lie in their memory. A difference that small takes several of each.
    """
    load.need_wrk()
    processes.adopt_orphans()
    with tempfile.TemporaryDirectory(prefix="graphship-bench-", ignore_cleanup_errors=True) as folder:
        arena = Contest(work, Path(folder))
        try:
            for twin in range(1, twins + 1):
                for name, entry in entries.items():
                    arena.start(name, entry, twin)
            yield arena
        finally:
            try:
                arena.close()
            finally:
                processes.end_all()


def _medians(samples: list[tuple[Sample, float]]) -> Medians:
    """Return the medians of samples, each with what its server spends when idle, in us a second."""

    def median(name: str) -> float:
        return float(statistics.median(getattr(one, name) for one, _ in samples))

    return Medians(
        cpu_us=median("cpu_us"),
        busy_us=statistics.median(max(0.0, one.cpu_us - idle / max(one.per_s, 1e-9)) for one, idle in samples),
        per_s=median("per_s"),
        p50_ms=median("p50_ms"),
        p99_ms=median("p99_ms"),
        failed=sum(one.failed for one, _ in samples),
        rounds=len(samples),
    )


def cpu_of(measured: Measured, name: str, case: Case) -> float | None:
    """Return the CPU microseconds a request costs beyond idling, or None when the server was not measured."""
    return figure_of(measured, name, case, "busy_us")


def figure_of(measured: Measured, name: str, case: Case, figure: str) -> float | None:
    """Return one of the figures of :class:`Medians`, or None when the server was not measured."""
    found = measured.get((name, case))
    return None if found is None else float(getattr(found, figure))


def rows_of(measured: Measured) -> list[tuple[Any, ...]]:
    """Return rows for a table with :data:`COLUMNS`, cheapest first within a case."""
    in_order = sorted(measured.items(), key=lambda item: (item[0][1], item[1].cpu_us))
    return [(str(case), name, *_figures(one)) for (name, case), one in in_order]


def _figures(one: Medians) -> tuple[float, ...]:
    return one.cpu_us, one.busy_us, one.per_s, one.p50_ms, one.p99_ms, one.failed


COLUMNS = ("load", "server", "CPU us a request", "without idling", "requests/s", "p50 ms", "p99 ms", "failed")
