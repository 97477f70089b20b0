"""A real serving process that is killed, starved, flooded and told to stop, under load."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import socket
import statistics
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ci_core.serving.segments import read_segments
from ci_core.testing.http_load import Load
from ci_core.testing.processes import wait_until
from ci_core.testing.prometheus_text import parse
from ci_core.testing.served_release import ServedRelease, serving, write_release

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.e2e

CODE = """
import os
import time
from pathlib import Path

from ci_core.serving import Model

IMPORTED_BY = os.getpid()


def note(what):
    with open(os.environ.get("NOTES", os.devnull), "a") as file:
        file.write(what + "\\n")


class Sum(Model):
    input_columns = ("a", "b")

    def load(self):
        note("loaded")

    def predict(self, rows):
        if rows[0]["a"] == "hang":
            note("hangs")
            time.sleep(3600)
        return [row["a"] + row["b"] for row in rows]


def processes(body):
    return {"imported_by": IMPORTED_BY, "answered_by": os.getpid()}


class Counted:
    def __init__(self, context):
        self.seen = context.counter("bodies_seen", "Bodies.", kind="any")

    def do(self, body):
        self.seen.inc()
        return body


def threads(body):
    import numpy
    import sklearn
    from threadpoolctl import threadpool_info

    numpy.ones((2, 2)) @ numpy.ones((2, 2))
    return {info["internal_api"]: info["num_threads"] for info in threadpool_info()}
"""


def graph(*steps: dict[str, Any]) -> dict[str, Any]:
    """Return a chain of `steps`, the last of which answers."""
    named = [{"name": f"s{number}", "after": [f"s{number - 1}" if number else "request"], **step}
             for number, step in enumerate(steps)]  # fmt: skip
    return {"name": "sums", "steps": [*named[:-1], {**named[-1], "respond": True}]}


ROUTER: dict[str, Any] = {"router": "single", "routes": [{"name": "sum", "model": "code:Sum"}]}
COUNTED: dict[str, Any] = {"step": "code:Counted"}


@pytest.fixture
def release(tmp_path: Path) -> Callable[..., Path]:
    def write(*steps: dict[str, Any]) -> Path:
        return write_release(tmp_path / "release", graph(*(steps or (COUNTED, ROUTER))), {"code.py": CODE})

    return write


def row(number: int) -> bytes:
    return json.dumps({"a": number, "b": 1, "event_id": f"e{number}"}).encode()


def captured_ids(folder: Path) -> list[str]:
    ids: list[str] = read_segments(sorted(folder.rglob("*.arrow"))).get("_event_id", [])
    return ids


def open_head(port: int, sent: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=60)
    connection.sendall(sent)
    return connection


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_that_is_told_to_stop_under_load_loses_no_request_on_a_kept_connection(
    workers: str, release: Callable[..., Path], tmp_path: Path
) -> None:
    captures = tmp_path / "captures"
    # it ends because it is done: clients that come back go on asking for as long as it takes connections
    flags = ("--workers", workers, "--captures", str(captures), "--drain-time", "3600")
    with serving(release(), *flags) as server, Load(lambda: server.port, row, connections=16) as load:
        load.wait_for(2000)
        code = server.stop()

    assert code == 0
    assert load.outcomes.lost_on_kept == 0
    assert set(load.outcomes.statuses) == {200}
    ids = captured_ids(captures)
    assert len(ids) == len(set(ids))
    # a request whose answer met a connection that was just opened, and closed, is captured all the same
    assert 0 <= len(ids) - load.outcomes.statuses[200] <= load.outcomes.lost_on_new


@pytest.mark.parametrize("kills", [1, pytest.param(5, marks=[pytest.mark.faults, pytest.mark.slow])])
def test_when_a_worker_is_killed_under_load_its_sisters_answer_and_it_comes_back(
    kills: int, release: Callable[..., Path], record_property: Callable[[str, object], None]
) -> None:
    with serving(release(), "--workers", "2") as server:
        with Load(lambda: server.port, row, connections=16) as load:
            for _ in range(kills):
                load.wait_for(load.outcomes.answered + 1000)
                before = server.metric("bodies_seen_total", kind="any")
                killed = server.workers()[0]
                os.kill(killed, signal.SIGKILL)
                load.wait_for(load.outcomes.answered + 500)
                wait_until(lambda killed=killed: len(server.workers()) == 2 and killed not in server.workers())  # type: ignore[misc]
            lost = load.outcomes.lost
            load.wait_for(load.outcomes.answered + 1000)
        seen = server.metric("bodies_seen_total", kind="any")
        rows = server.metric("graphship_model_rows_total", model="sum")
        restarts = server.metric("graphship_worker_restarts_total")
        processes = server.metric("graphship_processes")
        code = server.stop()

    record_property("workers killed", kills)
    record_property("requests answered", load.outcomes.answered)
    record_property("requests lost on kill", load.outcomes.lost)
    assert set(load.outcomes.statuses) == {200}
    assert load.outcomes.lost == lost  # none any more once it is back
    assert load.outcomes.lost_on_kept <= 16 * kills  # the one that each connection had on its way
    assert before is not None
    assert seen is not None
    assert before < seen
    assert load.outcomes.answered <= seen <= load.outcomes.answered + load.outcomes.lost
    assert rows is not None
    assert load.outcomes.answered <= rows <= seen
    assert (restarts, processes, code) == (kills, 3, 0)
    assert server.said.count("worker died and is replaced") == kills


def test_code_is_imported_once_whatever_the_number_of_workers(release: Callable[..., Path]) -> None:
    with serving(release({"step": "code:processes"}), "--workers", "3") as server:
        answers = [server.ask({"a": 1})[1] for _ in range(60)]
        parent, workers = server.process.pid, server.workers()

    assert {answer["imported_by"] for answer in answers} == {parent}
    assert {answer["answered_by"] for answer in answers} <= set(workers)


def test_a_model_is_loaded_once_and_every_worker_tells_the_sums_of_all(
    release: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))
    with serving(release(), "--workers", "3") as server:
        for number in range(60):
            assert server.ask({"a": number, "b": 1}) == (200, number + 1)
        told = [parse(server.ask(path="/metrics")[1]) for _ in range(20)]

    assert (tmp_path / "notes").read_text() == "loaded\n"
    for name, labels in (
        ("graphship_events_total", ()),
        ("graphship_model_rows_total", (("model", "sum"),)),
        ("bodies_seen_total", (("kind", "any"),)),
    ):
        assert {families[name].samples[name, labels] for families in told} == {60.0}


def test_numeric_libraries_have_one_thread_each(release: Callable[..., Path]) -> None:
    with serving(release({"step": "code:threads"})) as server:
        threads = server.ask({"a": 1})[1]

    assert threads
    assert set(threads.values()) == {1}


def test_when_the_disk_is_full_answers_go_on_and_lost_captures_are_counted(
    release: Callable[..., Path], tmp_path: Path
) -> None:
    captures = tmp_path / "captures"
    with serving(release(), "--captures", str(captures)) as server:
        assert server.ask({"a": 1, "b": 1, "event_id": "before"})[0] == 200
        wait_until(lambda: rows_of_captures(server) == (1, 0, 0))
        # no file may grow by a byte; what was at hand when it was said goes the same way as a full disk
        _soft, hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (0, hard))
        answers = [server.ask({"a": number, "b": 1})[0] for number in range(50)]
        wait_until(lambda: rows_of_captures(server) == (1, 0, 50))
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        assert server.ask({"a": 1, "b": 1, "event_id": "after"})[0] == 200
        assert server.stop() == 0

    assert set(answers) == {200}
    assert captured_ids(captures) == ["before", "after"]
    assert [path.suffix for path in captures.rglob("*") if path.is_file()] == [".arrow", ".arrow"]


def rows_of_captures(server: ServedRelease) -> tuple[float | None, ...]:
    name = "graphship_capture_rows_total"
    return tuple(server.metric(name, result=result) for result in ("written", "dropped", "failed"))


def test_requests_of_a_model_that_hangs_end_at_their_deadline_while_others_go_on(
    release: Callable[..., Path],
) -> None:
    with serving(release(COUNTED, {**ROUTER, "timeout": 0.5})) as server:
        with Load(lambda: server.port, row, connections=4) as load:
            hung = [server.ask({"a": "hang", "b": 1}) for _ in range(3)]
            load.wait_for(load.outcomes.answered + 100)
        stuck = server.metric("graphship_stuck_calls")
        failed = server.metric("graphship_step_errors_total", step="s1")
        code = server.stop()

    assert [(status, answer["error"]["slug"]) for status, answer in hung] == [(504, "step-timeout")] * 3
    assert set(load.outcomes.statuses) == {200}
    assert load.outcomes.lost == 0
    assert (stuck, failed) == (3, 3)
    assert code == 0  # though three threads never end


def test_a_client_that_sends_its_head_byte_by_byte_is_cut(release: Callable[..., Path]) -> None:
    with serving(release(), "--idle-timeout", "1") as server, closing(open_head(server.port, b"")) as slow:
        slow.settimeout(0.2)
        sent = 0
        for byte in b"POST / HTTP/1.1\r\nx-long: " + b"a" * 1000:
            try:
                slow.sendall(bytes([byte]))
                sent += 1
                if slow.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break

        assert server.ask({"a": 1, "b": 1}) == (200, 2)

    assert 0 < sent < 500


@pytest.mark.parametrize(
    "begun", [b"", b"P", b"POST / HTTP/1.1\r\nhost: a\r\n", b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n"]
)
def test_a_connection_that_asks_nothing_more_is_closed(begun: bytes, release: Callable[..., Path]) -> None:
    with serving(release(), "--idle-timeout", "0.3") as server, closing(open_head(server.port, begun)) as idle:
        got = b""
        while part := idle.recv(65536):
            got += part

    assert got.startswith(b"HTTP/1.1 200" if begun.endswith(b"\r\n\r\n") else b"")


def test_headers_that_are_too_large_are_refused(release: Callable[..., Path]) -> None:
    head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\nx-long: %b\r\n\r\n{}" % (b"a" * 100_000)
    with serving(release()) as server, closing(open_head(server.port, head)) as connection:
        assert connection.recv(12) == b"HTTP/1.1 431"
        assert server.ask({"a": 1, "b": 1})[0] == 200


@pytest.mark.parametrize("n_connections", [500, pytest.param(10_000, marks=[pytest.mark.faults, pytest.mark.slow])])
def test_idle_connections_keep_nobody_out(n_connections: int, release: Callable[..., Path]) -> None:
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < n_connections + 500:
        n_connections = hard - 500
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with serving(release()) as server, ExitStack() as idle:
        before = server.metric("process_resident_memory_bytes")
        for _ in range(n_connections):
            idle.enter_context(closing(open_head(server.port, b"POST / HTTP/1.1\r\n")))
        answers = {server.ask({"a": 1, "b": 1}) for _ in range(20)}
        after = server.metric("process_resident_memory_bytes")

    assert answers == {(200, 2)}
    assert before is not None
    assert after is not None
    assert after - before < 50_000_000 + n_connections * 20_000


def test_connections_beyond_the_limit_wait_until_one_ends(release: Callable[..., Path]) -> None:
    with serving(release(), "--max-connections", "20", "--idle-timeout", "1") as server, ExitStack() as idle:
        for _ in range(50):
            idle.enter_context(closing(open_head(server.port, b"")))

        assert server.ask({"a": 1, "b": 1}) == (200, 2)


def test_more_requests_than_may_be_in_flight_are_told_to_come_back(release: Callable[..., Path]) -> None:
    flags = ("--max-in-flight", "4", "--request-timeout", "5")
    body = b'{"a": 1, "b": 1}'
    unfinished = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(body)
    with serving(release(), *flags) as server, ExitStack() as others:
        waiting = [others.enter_context(closing(open_head(server.port, unfinished))) for _ in range(4)]
        wait_until(lambda: server.metric("graphship_requests_in_flight") == 4 + 1)
        refused = server.ask({"a": 1, "b": 1})
        for connection in waiting:
            connection.sendall(body)
        answers = {connection.recv(12) for connection in waiting}

    assert (refused[0], refused[1]["error"]["slug"]) == (429, "overloaded")
    assert answers == {b"HTTP/1.1 200"}


def test_each_request_is_a_line_of_json_on_standard_output_when_asked_for(release: Callable[..., Path]) -> None:
    with serving(release(), "--access-log", "--workers", "2") as server:
        for number in range(10):
            server.ask({"a": number, "b": 1}, **{"x-event-id": f"e{number}"})
        server.stop()

    lines = [json.loads(line) for line in server.said.splitlines() if line.startswith("{")]
    assert sorted(line["event_id"] for line in lines if line["path"] == "/") == [f"e{number}" for number in range(10)]


@pytest.mark.faults
@pytest.mark.slow
def test_a_worker_that_hangs_is_killed_when_the_time_to_drain_is_over(
    release: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = tmp_path / "notes"
    monkeypatch.setenv("NOTES", str(notes))
    with serving(release(), "--workers", "2", "--drain-time", "0.1") as server:
        body = b'{"a": "hang", "b": 1}'
        head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(body)
        with closing(open_head(server.port, head + body)):
            wait_until(lambda: "hangs" in notes.read_text())
            code = server.stop()

    assert code == 0
    assert "workers did not stop in time and are killed count=1" in server.said


@pytest.mark.faults
@pytest.mark.slow
def test_workers_that_die_over_and_over_are_replaced_with_pauses_while_others_answer(
    release: Callable[..., Path],
) -> None:
    with serving(release(), "--workers", "2") as server:
        first, second = server.workers()
        for _ in range(4):
            victim = next(pid for pid in server.workers() if pid != first)
            os.kill(victim, signal.SIGKILL)
            wait_until(lambda victim=victim: victim not in server.workers())  # type: ignore[misc]
            assert server.ask({"a": 1, "b": 1}) == (200, 2)
            wait_until(lambda: len(server.workers()) == 2)
        restarts = server.metric("graphship_worker_restarts_total")
        assert server.stop() == 0

    assert first != second
    assert restarts == 4
    assert [float(pause) for pause in re.findall(r"pause_s=([0-9.]+)", server.said)] == [0.2, 0.4, 0.8, 1.6]


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(25, marks=[pytest.mark.faults, pytest.mark.slow]),
        pytest.param(600, marks=[pytest.mark.soak, pytest.mark.slow]),
    ],
)
def test_at_half_its_capacity_a_server_loses_nothing_and_does_not_grow(
    seconds: float, release: Callable[..., Path], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    captures = tmp_path / "captures"
    with serving(release(), "--workers", "2", "--captures", str(captures)) as server:
        with Load(lambda: server.port, row, connections=8) as warm_up:
            warm_up.wait_for(1000)
            began, answered = time.monotonic(), warm_up.outcomes.answered
            warm_up.wait_for(answered + 4000)
            capacity = 4000 / (time.monotonic() - began)
        sizes: list[tuple[float, float]] = []
        with Load(lambda: server.port, row, connections=8, per_s=capacity / 2) as load:
            began = time.monotonic()
            while (elapsed := time.monotonic() - began) < seconds:
                time.sleep(0.5)
                if elapsed > min(60.0, seconds / 4):
                    sizes.append((elapsed / 60, memory_mb(server)))
                    del load.outcomes.latencies_s[:-100_000]
        written = warm_up.outcomes.answered + load.outcomes.answered
        lost = warm_up.outcomes.lost + load.outcomes.lost
        _written, dropped, failed = rows_of_captures(server)
        assert server.stop() == 0

    ids = captured_ids(captures)
    slope, _ = statistics.linear_regression(*zip(*sizes, strict=True))
    latencies = sorted(load.outcomes.latencies_s)
    figures: dict[str, float | None] = {
        "seconds": round(seconds),
        "capacity of the client and the server, requests/s": round(capacity),
        "requests answered": written,
        "requests lost": lost,
        "captured rows": len(ids),
        "captured rows dropped": dropped,
        "captured rows failed": failed,
        "memory, MB": round(sizes[-1][1], 1),
        "p50, ms": round(1000 * latencies[len(latencies) // 2], 2),
        "p99, ms": round(1000 * latencies[len(latencies) * 99 // 100], 2),
    }
    if seconds > 60:  # a short run grows for other reasons
        figures["growth of memory, MB/min"] = round(slope, 3)
    for name, figure in figures.items():
        record_property(name, figure)
    assert (lost, dropped, failed) == (0, 0, 0)
    assert set(load.outcomes.statuses) == {200}
    assert len(ids) == written
    # a leak of 100 bytes a request is some 20 MB a minute; buffers that grew to their size are no leak, and a short
    # run cannot tell one from the other by the slope
    assert slope < 1.0 if seconds > 60 else sizes[-1][1] - sizes[0][1] < 25.0


def memory_mb(server: ServedRelease) -> float:
    """Return the proportional memory of all processes of a server."""
    total = 0
    for pid in (server.process.pid, *server.workers()):
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += int(rollup.partition("Pss:")[2].split()[0])
    return total / 1024
