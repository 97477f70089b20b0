"""A graph as an ASGI app begins and ends with the server that runs it, or with the first request."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from ci_core.errors import GraphshipError
from ci_core.monitoring.captures import compact, open_captures
from ci_core.serving import Graph, Model, Router, load_graph
from ci_core.serving.asgi import AsgiGraph
from ci_core.serving.limits import Limits
from ci_core.serving.options import ServeOptions
from ci_core.serving.segments import read_segments

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Diary:
    """A step that tells what is done with it."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.fails = False

    def start(self) -> None:
        self.seen.append("start")
        if self.fails:
            raise OSError("no database")

    def do(self, body: Any) -> Any:
        self.seen.append("do")
        return body

    def close(self) -> None:
        self.seen.append("close")


class Sum(Model):
    input_columns = ("a", "b")

    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        return [row["a"] + row["b"] for row in rows]


@pytest.fixture
def diary() -> Diary:
    return Diary()


def graph_of(diary: Diary) -> Graph:
    graph = Graph("g")
    graph.to(diary, "diary").to(Router.single({"sum": Sum}), "models")
    return graph


async def ask(app: AsgiGraph, path: str = "/", body: Any = None, root_path: str = "") -> tuple[int, bytes]:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": orjson.dumps(body)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    method = "GET" if body is None else "POST"
    scope = {"type": "http", "method": method, "path": path, "root_path": root_path, "headers": []}
    await app(scope, receive, send)
    return sent[0]["status"], sent[1]["body"]


async def live(app: AsgiGraph, *bodies: Any) -> tuple[list[str], list[tuple[int, bytes]]]:
    """Run an app as a server with a life span does; return what it told the server, and its answers."""
    told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    running = asyncio.ensure_future(app({"type": "lifespan"}, told.get, heard.put))
    answers: list[tuple[int, bytes]] = []
    told.put_nowait({"type": "lifespan.startup"})
    messages = [await heard.get()]
    if messages[0]["type"] == "lifespan.startup.complete":
        answers = [await ask(app, body=body) for body in bodies]
        told.put_nowait({"type": "lifespan.shutdown"})
        messages.append(await heard.get())
    await running
    return [" ".join(message.values()) for message in messages], answers


COMPLETE = ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_the_life_span_of_the_server_starts_and_closes_the_graph(diary: Diary) -> None:
    app = graph_of(diary).asgi()
    seen_before = list(diary.seen)

    told, answers = asyncio.run(live(app, {"a": 1, "b": 2}, [{"a": 1, "b": 2}]))

    assert (told, answers) == (COMPLETE, [(200, b"3"), (200, b"[3]")])
    assert (seen_before, diary.seen) == ([], ["start", "do", "do", "close"])


def test_without_a_life_span_the_first_request_starts_the_graph(diary: Diary) -> None:
    app = graph_of(diary).asgi()

    async def mounted() -> Sequence[tuple[int, bytes]]:
        answers = [await ask(app, "/api/", {"a": 1, "b": 2}, "/api"), await ask(app, "/api/readyz", None, "/api")]
        await app.close()
        return answers

    first, second = asyncio.run(mounted())

    assert (first, second[0]) == ((200, b"3"), 200)
    assert diary.seen == ["start", "do", "close"]


def test_the_metrics_tell_of_steps_models_and_requests(diary: Diary) -> None:
    app = graph_of(diary).asgi()

    async def measured() -> list[str]:
        await ask(app, body={"a": 1, "b": 2})
        text = (await ask(app, "/metrics"))[1].decode()
        await app.close()
        return text.splitlines()

    lines = asyncio.run(measured())

    assert 'graphship_model_rows_total{model="sum"} 1' in lines
    assert 'graphship_step_calls_total{step="diary"} 1' in lines
    assert 'graphship_step_errors_total{step="diary"} 0' in lines
    assert "graphship_requests_in_flight 1" in lines


def test_a_server_is_told_why_the_graph_cannot_start(diary: Diary, caplog: pytest.LogCaptureFixture) -> None:
    diary.fails = True

    told, answers = asyncio.run(live(graph_of(diary).asgi(), {"a": 1, "b": 2}))

    assert (told, answers) == (["lifespan.startup.failed OSError: no database"], [])
    assert diary.seen == ["start", "close"]
    assert "could not be started" in caplog.text


def test_a_request_ten_seconds_after_one_that_could_not_start_the_graph_starts_it(diary: Diary) -> None:
    now = [100.0]
    app = AsgiGraph(graph_of(diary), ServeOptions(), clock=lambda: now[0])
    diary.fails = True

    async def fail_and_recover() -> tuple[int, bytes]:
        with pytest.raises(OSError, match="no database"):
            await ask(app, body={"a": 1, "b": 2})
        diary.fails = False
        now[0] = 101.0
        for _ in range(3):
            with pytest.raises(RuntimeError) as caught:
                await ask(app, body={"a": 1, "b": 2})
            assert str(caught.value) == "the graph could not be started, tried again in 9 s: OSError: no database"
        now[0] = 110.0
        answer = await ask(app, body={"a": 1, "b": 2})
        await app.close()
        return answer

    assert asyncio.run(fail_and_recover()) == (200, b"3")
    assert diary.seen == ["start", "close", "start", "do", "close"]


def test_who_mounts_an_app_may_start_it_again_at_once(diary: Diary) -> None:
    app = graph_of(diary).asgi()
    diary.fails = True

    async def start_twice() -> tuple[int, bytes]:
        with pytest.raises(OSError, match="no database"):
            await app.start()
        diary.fails = False
        await app.start()
        answer = await ask(app, body={"a": 1, "b": 2})
        await app.close()
        return answer

    assert asyncio.run(start_twice()) == (200, b"3")


def test_an_app_may_live_more_than_once(diary: Diary) -> None:
    app = graph_of(diary).asgi()

    lives = [asyncio.run(live(app, {"a": 1, "b": 2})) for _ in range(2)]

    assert lives == [(COMPLETE, [(200, b"3")])] * 2
    assert diary.seen == ["start", "do", "close"] * 2


def test_a_mistake_in_the_graph_is_told_when_the_app_is_made() -> None:
    graph = Graph("g")
    graph.to("nowhere_to_be_found:step", "step")

    with pytest.raises(GraphshipError, match="nowhere_to_be_found"):
        graph.asgi()


def test_limits_secrets_and_captures_are_what_was_given(tmp_path: Path) -> None:
    class Secretive:
        def __init__(self, context: Any) -> None:
            self.token = context.secret("TOKEN")

        def do(self, body: Any) -> Any:
            return {"a": 1, "b": int(self.token)}

    graph = Graph("g")
    graph.to(Secretive, "secretive").to(Router.single({"sum": Sum}), "models")
    app = graph.asgi(limits=Limits(body_bytes=20), environment={"TOKEN": "41"}, captures=tmp_path / "captures")

    told, answers = asyncio.run(live(app, {}, {"a": "x" * 20}))

    assert (told, answers[0], answers[1][0]) == (COMPLETE, (200, b"42"), 413)
    assert read_segments((tmp_path / "captures").rglob("*.arrow"))["_output"] == [42.0]


def test_a_relative_folder_for_captures_is_one_of_who_asks_and_not_of_the_project_that_the_graph_is_loaded_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, here = tmp_path / "project", tmp_path / "here"
    project.mkdir()
    here.mkdir()
    (project / "sums.py").write_text(
        "from ci_core.serving import Graph\ngraph = Graph('g')\ngraph.to(lambda body: body).respond()\n",
        encoding="utf-8",
    )
    monkeypatch.chdir(here)
    monkeypatch.setattr(sys, "path", [*sys.path])
    graph = load_graph("sums.py:graph", project)

    try:
        graph.asgi(captures="captures")
    finally:
        sys.modules.pop("sums", None)

    assert ((here / "captures").exists(), (project / "captures").exists()) == (True, False)


def test_messages_of_queues_are_worked_off_before_the_app_ends(diary: Diary) -> None:
    graph = Graph("g")
    graph.queue("later").to(diary, "diary")

    told, answers = asyncio.run(live(graph.asgi(), {"a": 1}))

    assert (told, answers[0][0]) == (COMPLETE, 200)
    assert diary.seen == ["start", "do", "close"]


def test_what_a_graph_captured_anywhere_is_what_monitoring_reads(tmp_path: Path) -> None:
    graph = Graph("g")
    graph.to(Router.single({"sum": Sum}))

    asyncio.run(live(graph.asgi(captures=tmp_path), *({"a": number, "b": 1} for number in range(3))))
    compact(tmp_path)

    with open_captures(tmp_path) as table:
        assert table is not None
        rows = table.query(f"SELECT a, b, _output FROM {table.relation} ORDER BY a")
    assert rows == [(0, 1, 1), (1, 1, 2), (2, 1, 3)]
