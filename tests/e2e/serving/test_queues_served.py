"""Queues of a graph that is served: real process, real HTTP, with and without Redis."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ci_core.testing.redis_server import RedisServer

pytestmark = pytest.mark.e2e

STEPS = """
import os, time
from pathlib import Path

def double(body):
    return {"n": 2 * body["n"]}

def store(body):
    if body["n"] == -2:
        raise ValueError("the store refuses this")
    time.sleep(float(os.environ.get("STORE_S", "0")))
    with Path(os.environ["STORED"]).open("a") as file:
        file.write(f"{os.getpid()} {body['n']}\\n")
"""


def _graph(stream: str, *, respond: bool, **settings: int) -> dict[str, Any]:
    return {
        "name": "g",
        "steps": [
            {"name": "double", "step": "steps:double", "after": ["request"], **({"respond": True} if respond else {})},
            {"name": "later", "queue": stream, "after": ["double"], **({"with": settings} if settings else {})},
            {"name": "store", "step": "steps:store", "after": ["later"], "blocking": True},
        ],
    }


class Served:
    """A serving process and what its steps wrote down."""

    def __init__(self, process: subprocess.Popen[str], port: int, stored: Path) -> None:
        self.process, self.port, self._stored = process, port, stored

    def ask(self, path: str = "/", body: Any = None) -> tuple[int, dict[str, str], Any]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            raw = None if body is None else json.dumps(body).encode()
            connection.request("GET" if raw is None else "POST", path, raw)
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            content = answer.read()
            return answer.status, headers, json.loads(content) if path == "/" else content.decode()

    def stored(self) -> list[tuple[int, int]]:
        """Return process and number of every message that was worked off."""
        if not self._stored.exists():
            return []
        pairs = (line.split() for line in self._stored.read_text().splitlines())
        return [(int(process), int(number)) for process, number in pairs]

    def until_stored(self, count: int) -> list[int]:
        while len(self.stored()) < count:
            assert self.process.poll() is None
            time.sleep(0.01)
        return [number for _process, number in self.stored()]

    def metric(self, series: str) -> float:
        for line in self.ask("/metrics")[2].splitlines():
            if line.startswith(series):
                return float(line.rpartition(" ")[2])
        raise AssertionError(series)

    def until(self, series: str, value: float) -> None:
        while self.metric(series) != value:
            time.sleep(0.05)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@pytest.fixture
def serve(tmp_path: Path) -> Any:
    @contextmanager
    def serving(graph: dict[str, Any], *flags: str, **environment: str) -> Iterator[Served]:
        folder = tmp_path / "release"
        (folder / "bundle").mkdir(parents=True, exist_ok=True)
        (folder / "bundle/steps.py").write_text(STEPS)
        (folder / "release.json").write_text(json.dumps({"format": 1, "graph": graph, "settings": {}}))
        stored = tmp_path / "stored"
        process = subprocess.Popen(
            [sys.executable, "-m", "ci_core.serving", str(folder), "--port", "0", *flags],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"STORED": str(stored)} | environment,
        )
        assert process.stderr is not None
        said = ""
        try:
            while (found := re.search(r" on http://127.0.0.1:(\d+)", said)) is None:
                line = process.stderr.readline()
                if not line:
                    raise AssertionError(said)
                said += line
            yield Served(process, int(found[1]), stored)
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()

    return serving


def test_the_answer_comes_before_the_steps_behind_the_queue(serve: Any) -> None:
    with serve(_graph("s", respond=True), STORE_S="0.5") as served:
        status, _headers, answer = served.ask(body={"n": 3})
        at_the_answer = served.stored()
        numbers = served.until_stored(1)

    assert (status, answer, at_the_answer, numbers) == (200, {"n": 6}, [], [6])


def test_without_a_responder_the_answer_is_the_events_id(serve: Any) -> None:
    with serve(_graph("s", respond=False)) as served:
        status, headers, answer = served.ask(body={"n": 3})
        numbers = served.until_stored(1)

    assert status == 200
    assert answer == {"id": headers["x-event-id"]}
    assert numbers == [6]


def test_a_process_that_is_told_to_stop_works_off_its_queue_first(serve: Any) -> None:
    with serve(_graph("s", respond=True), STORE_S="0.1") as served:
        for number in range(10):
            served.ask(body={"n": number})
        code = served.stop()
        stored = served.stored()

    assert code == 0
    assert [number for _process, number in stored] == [0, 2, 4, 6, 8, 10, 12, 14, 16, 18]


def test_what_is_left_when_the_time_to_drain_is_over_is_counted(serve: Any) -> None:
    with serve(_graph("s", respond=True), "--drain-time", "0.2", STORE_S="1") as served:
        for number in range(3):
            served.ask(body={"n": number})
        code = served.stop()
        said = served.process.stderr.read()

    assert code == 0
    assert re.search(r"messages are lost, as their queues end with this process count=[23]", said)


def test_a_full_queue_refuses_the_request_and_says_when_to_come_again(serve: Any) -> None:
    with serve(_graph("s", respond=True, **{"max-length": 1}), STORE_S="5") as served:
        taken = served.ask(body={"n": 1})[0]
        status, headers, answer = served.ask(body={"n": 2})

    assert (taken, status) == (200, 503)
    assert headers["retry-after"] == "1"
    assert answer["error"]["slug"] == "overloaded"
    assert answer["error"]["message"] == "the queue `s` is full: 1 messages wait"


def test_metrics_tell_how_messages_fare(serve: Any) -> None:
    with serve(_graph("s", respond=True, **{"max-deliveries": 1})) as served:
        served.ask(body={"n": 1})
        served.ask(body={"n": -1})
        served.until('graphship_queue_messages_total{queue="s",result="delivered"}', 1)
        served.until('graphship_queue_messages_total{queue="s",result="dead"}', 1)
        served.until('graphship_queue_depth{queue="s"}', 0)
        failed = served.metric('graphship_queue_messages_total{queue="s",result="failed"}')

    assert failed == 1


@pytest.mark.redis
def test_messages_in_redis_outlive_the_process_that_took_the_request(
    serve: Any, redis_server: RedisServer, request: pytest.FixtureRequest
) -> None:
    graph = _graph(request.node.name, respond=True)
    with serve(graph, GRAPHSHIP_QUEUE_URL=redis_server.url, STORE_S="0.3") as first:
        for number in range(5):
            first.ask(body={"n": number})
        assert first.stop() == 0
        before = len(first.stored())
    with serve(graph, GRAPHSHIP_QUEUE_URL=redis_server.url) as second:
        numbers = second.until_stored(5)

    assert before < 5
    assert numbers == [0, 2, 4, 6, 8]


@pytest.mark.redis
def test_workers_share_the_messages_of_redis(
    serve: Any, redis_server: RedisServer, request: pytest.FixtureRequest
) -> None:
    stream = request.node.name
    with serve(
        _graph(stream, respond=True), "--workers", "2", GRAPHSHIP_QUEUE_URL=redis_server.url, STORE_S="0.1"
    ) as served:
        for number in range(20):
            served.ask(body={"n": number})
        numbers = served.until_stored(20)
        processes = {process for process, _number in served.stored()}
        served.until(f'graphship_queue_depth{{queue="{stream}"}}', 0)
        served.until(f'graphship_queue_messages_total{{queue="{stream}",result="delivered"}}', 20)

    assert sorted(numbers) == list(range(0, 40, 2))
    assert len(processes) == 2


def test_a_broker_that_is_away_is_a_502_without_its_address(serve: Any, tmp_path: Path) -> None:
    url = f"unix://:geheim@{tmp_path}/nobody.sock"
    with serve(_graph("s", respond=True), GRAPHSHIP_QUEUE_URL=url) as served:
        status, _headers, answer = served.ask(body={"n": 1})
        code = served.stop()
        said = served.process.stderr.read()

    assert (status, code) == (502, 0)
    assert answer["error"]["message"] == "the queue `s` cannot be reached"
    assert "geheim" not in said + json.dumps(answer)


def test_an_address_of_no_broker_ends_the_start_and_is_not_repeated(serve: Any) -> None:
    with (
        pytest.raises(AssertionError) as caught,
        serve(_graph("s", respond=True), GRAPHSHIP_QUEUE_URL="amqp://:geheim@host"),
    ):
        pass

    assert "error[queue-url]: the address of the queues' broker is none that we know" in str(caught.value)
    assert "geheim" not in str(caught.value)
