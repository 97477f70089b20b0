"""Steps in processes of their own: real processes, real sockets, real HTTP."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ci_core.testing.processes import is_alive

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.e2e

STEPS = """
import os, time
from ci_core.serving import RequestError

def begin(body):
    return {**body, "begin": os.getpid()}

def first(body):
    if body.get("fail") == "user":
        raise RequestError("no amount", status=422)
    if body.get("fail") == "ours":
        raise ValueError("a secret detail")
    if body.get("fail") == "object":
        return {"made": object()}
    if body.get("fail") == "die":
        os._exit(3)
    return {**body, "first": os.getpid()}

def second(event):
    time.sleep(event.body.get("sleep", 0))
    event.key = "changed"
    return {**event.body, "second": os.getpid(), "id": event.id, "tenant": event.headers.get("x-tenant")}

def end(event):
    return {**event.body, "end": os.getpid(), "key": event.key}
"""
MODEL = """
from ci_core.serving import Model

class Doubler(Model):
    input_columns = ("x",)

    def load(self):
        pass

    def predict(self, rows):
        return [2 * row["x"] for row in rows]
"""


def _graph() -> dict[str, Any]:
    return {
        "name": "g",
        "steps": [
            {"name": "begin", "step": "steps:begin", "after": ["request"]},
            {"name": "first", "step": "steps:first", "after": ["begin"], "function": "heavy"},
            {"name": "second", "step": "steps:second", "after": ["first"], "function": "heavy", "full-event": True},
            {"name": "end", "step": "steps:end", "after": ["second"], "full-event": True, "respond": True},
        ],
    }


class Served:
    """A serving process."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process, self.port = process, port

    def ask(self, path: str = "/", body: Any = None, **headers: str) -> tuple[int, dict[str, str], Any]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            raw = None if body is None else json.dumps(body).encode()
            connection.request("GET" if raw is None else "POST", path, raw, headers)
            answer = connection.getresponse()
            lowered = {name.lower(): value for name, value in answer.getheaders()}
            content = answer.read()
            is_json = lowered.get("content-type") == "application/json"
            return answer.status, lowered, json.loads(content) if is_json else content.decode()

    def until_ready(self) -> Served:
        while self.ask("/readyz")[0] != 200:
            assert self.process.poll() is None
            time.sleep(0.02)
        return self

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextmanager
def _serving(folder: Path, *flags: str) -> Iterator[Served]:
    process = subprocess.Popen(
        [sys.executable, "-m", "ci_core.serving", str(folder), "--port", "0", *flags], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    said = ""
    try:
        while (found := re.search(r" on http://127.0.0.1:(\d+)", said)) is None:
            line = process.stderr.readline()
            if not line:
                raise AssertionError(said)
            said += line
        yield Served(process, int(found[1]))
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate()


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return _release(tmp_path / "release", _graph())


def _release(folder: Path, graph: dict[str, Any]) -> Path:
    (folder / "bundle").mkdir(parents=True)
    (folder / "bundle/steps.py").write_text(STEPS)
    (folder / "bundle/doubler.py").write_text(MODEL)
    (folder / "release.json").write_text(json.dumps({"format": 1, "graph": graph, "settings": {}}))
    return folder


def test_steps_of_a_function_run_in_one_process_of_their_own_and_the_event_with_them(release: Path) -> None:
    with _serving(release) as served:
        status, _headers, answer = served.until_ready().ask(body={"x": 1}, **{"x-event-id": "e-1", "x-tenant": "t"})

    assert status == 200
    assert answer["first"] == answer["second"] != answer["begin"] == answer["end"]
    assert {name: answer[name] for name in ("x", "id", "tenant", "key")} == {
        "x": 1,
        "id": "e-1",
        "tenant": "t",
        "key": "changed",
    }


def test_a_failure_in_a_function_is_told_as_one_in_the_server_itself(release: Path) -> None:
    with _serving(release) as served:
        served.until_ready()
        refused = served.ask(body={"fail": "user"})
        failed = served.ask(body={"fail": "ours"}, **{"x-event-id": "e-2"})
        served.stop()
        assert served.process.stderr is not None
        said = served.process.stderr.read()

    assert (refused[0], refused[2]["error"]["message"]) == (422, "no amount")
    assert failed[0] == 500
    assert failed[2] == {
        "error": {"slug": "step-failed", "message": "the step `first` failed", "step": "first", "event_id": "e-2"}
    }
    assert "step failed function=heavy step=first event=e-2" in said
    assert "a secret detail" in said


def test_a_result_that_cannot_travel_is_a_failure_of_its_segment(release: Path) -> None:
    with _serving(release) as served:
        served.until_ready()
        graph = _graph()
        graph["steps"][2]["step"] = "steps:first"
        status, _headers, answer = served.ask(body={"fail": "object"})

    assert status == 500
    assert answer["error"]["step"] == "second"


def test_a_function_that_dies_is_replaced_and_its_calls_fail_as_those_of_a_dependency(release: Path) -> None:
    with _serving(release) as served:
        before = served.until_ready().ask(body={})[2]["first"]
        status, headers, answer = served.ask(body={"fail": "die"})
        is_ready = served.ask("/readyz")[0]
        while (again := served.ask(body={}))[0] != 200:
            assert again[0] == 502
            time.sleep(0.02)

    assert (status, headers["retry-after"], is_ready) == (502, "1", 200)
    assert answer["error"]["message"] == "the function `heavy` cannot be reached"
    assert again[2]["first"] not in {before, again[2]["begin"]}


def test_the_time_of_a_request_is_over_while_a_function_works(release: Path) -> None:
    with _serving(release) as served:
        served.until_ready()
        status, _headers, answer = served.ask(body={"sleep": 1}, **{"x-request-timeout-ms": "200"})
        again = served.ask(body={})[0]

    assert (status, answer["error"]["slug"], again) == (504, "deadline-exceeded", 200)


def test_a_killed_function_is_replaced(release: Path) -> None:
    with _serving(release) as served:
        before = served.until_ready().ask(body={})[2]["first"]
        os.kill(before, signal.SIGKILL)
        while (again := served.ask(body={}))[0] != 200:
            time.sleep(0.02)

    assert again[2]["first"] != before


def test_who_is_told_to_stop_finishes_its_calls_and_leaves_no_process_behind(release: Path) -> None:
    outcomes: list[Any] = []
    with _serving(release, "--workers", "2") as served:
        function = served.until_ready().ask(body={})[2]["first"]
        asking = threading.Thread(target=lambda: outcomes.append(served.ask(body={"sleep": 1})[::2]))
        asking.start()
        time.sleep(0.3)
        code = served.stop()
        asking.join()

    [(status, answer)] = outcomes
    assert (code, status, answer["first"]) == (0, 200, function)
    assert not is_alive(function)


SLOW = """
import os, sys, time

class Slow:
    def __init__(self):
        print("compiling", os.getpid(), file=sys.stderr, flush=True)
        time.sleep(600)

    def do(self, body):
        return body

def same(body):
    return body
"""


@pytest.mark.parametrize("slow", ["server", "function"])
def test_who_is_told_to_stop_while_a_graph_compiles_leaves_no_folder_and_no_process_behind(
    tmp_path: Path, slow: str
) -> None:
    first, second = ("Slow", "same") if slow == "server" else ("same", "Slow")
    steps = [
        {"name": "a", "step": f"slow:{first}", "after": ["request"]},
        {"name": "b", "step": f"slow:{second}", "after": ["a"], "function": "heavy", "respond": True},
    ]
    release = _release(tmp_path / "release", {"name": "g", "steps": steps})
    (release / "bundle/slow.py").write_text(SLOW)

    with tempfile.TemporaryDirectory() as folder:  # not `tmp_path`: addresses of sockets must be short
        command = [sys.executable, "-m", "ci_core.serving", str(release), "--port", "0"]
        with subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": folder}
        ) as server:
            assert server.stderr is not None
            while not (line := server.stderr.readline()).startswith("compiling"):
                assert line, "it ended"
            server.terminate()
            server.stderr.read()

        assert not is_alive(int(line.split()[1]))
        assert list(Path(folder).iterdir()) == []


def test_a_wrong_address_of_one_function_leaves_no_folder_for_another(tmp_path: Path) -> None:
    steps = [
        {"name": "a", "step": "steps:begin", "after": ["request"], "function": "here"},
        {"name": "b", "step": "steps:first", "after": ["a"], "function": "there", "respond": True},
    ]
    release = _release(tmp_path / "release", {"name": "g", "steps": steps})
    (tmp_path / "tmp").mkdir()

    ended = subprocess.run(
        [sys.executable, "-m", "ci_core.serving", str(release), "--port", "0", "--function", "there=ftp://x"],
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "error[function-address]" in ended.stderr
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_function_ends_with_a_server_that_was_killed_and_removes_their_folder(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory() as folder:  # not `tmp_path`: addresses of sockets must be short
        monkeypatch.setenv("TMPDIR", folder)
        with _serving(release) as served:
            function = served.until_ready().ask(body={})[2]["first"]
            sockets = [one.name for one in Path(folder).rglob("*.sock")]
            served.process.kill()
            served.process.wait()
            while is_alive(function):
                time.sleep(0.02)

        assert (sockets, list(Path(folder).iterdir())) == (["0.sock"], [])


def test_a_function_may_run_elsewhere(release: Path) -> None:
    with (
        _serving(release, "--function", "heavy") as heavy,
        _serving(release, "--function", f"heavy=http://127.0.0.1:{heavy.port}") as served,
    ):
        answer = served.until_ready().ask(body={"x": 1})[2]

    assert (answer["first"], answer["begin"]) == (heavy.process.pid, served.process.pid)


def test_a_function_of_another_release_is_not_called(release: Path, tmp_path: Path) -> None:
    other = _graph()
    other["steps"][2]["timeout"] = 3.0
    with (
        _serving(_release(tmp_path / "other", other), "--function", "heavy") as heavy,
        _serving(release, "--function", f"heavy=http://127.0.0.1:{heavy.port}") as served,
    ):
        status, _headers, answer = served.until_ready().ask(body={"x": 1})

    assert (status, answer["error"]["message"]) == (502, "the function `heavy` refused the call (status 409)")


def test_a_server_is_not_ready_before_its_functions_are(release: Path) -> None:
    with _serving(release, "--function", "heavy=http://127.0.0.1:1") as served:
        status, _headers, answer = served.ask("/readyz")
        failed = served.ask(body={})

    assert (status, answer["models"]) == (503, {"function heavy": "not reached yet"})
    assert failed[0] == 502


def test_a_models_function_is_asked_by_the_protocol_as_a_model_of_the_server(tmp_path: Path) -> None:
    graph = {
        "name": "g",
        "steps": [
            {
                "name": "router",
                "router": "single",
                "routes": {"twice": "doubler:Doubler"},
                "after": ["request"],
                "function": "heavy",
                "respond": True,
            }
        ],
    }
    request = {"inputs": [{"name": "x", "shape": [2], "datatype": "FP64", "data": [1.5, 2.0]}]}
    with _serving(_release(tmp_path / "models", graph)) as served:
        served.until_ready()
        listed = served.ask("/v2/models")[2]
        described = served.ask("/v2/models/twice")[2]
        status, _headers, answer = served.ask("/v2/models/twice/infer", request)
        metrics = served.ask("/metrics")[2]

    assert listed == {"models": ["twice"]}
    assert [one["name"] for one in described["inputs"]] == ["x"]
    assert status == 200
    assert answer["outputs"][0]["data"] == [3.0, 4.0]
    assert 'graphship_model_rows_total{model="twice"} 2\n' in metrics
    assert "graphship_events_total 1\n" in metrics


def test_the_calls_of_steps_are_counted_in_whichever_process_they_run(release: Path) -> None:
    told: dict[str, str] = {}
    with _serving(release) as served:
        served.until_ready()
        statuses = [served.ask(body=body)[0] for body in ({}, {"fail": "user"}, {})]
        while told.get("second") != "2":  # what another process counts is told once a second
            assert served.process.poll() is None
            time.sleep(0.05)
            told = dict(re.findall(r'graphship_step_calls_total\{step="(.*)"\} (\d+)', served.ask("/metrics")[2]))

    assert statuses == [200, 422, 200]
    assert told == {"begin": "3", "first": "3", "second": "2", "first..second": "3", "end": "2"}


def test_one_process_serves_one_function(release: Path) -> None:
    with (
        pytest.raises(AssertionError, match=r"error\[two-functions\]"),
        _serving(release, "--function", "a", "--function", "b"),
    ):
        pass


def test_a_function_that_no_step_names_is_refused_with_those_there_are(release: Path) -> None:
    with pytest.raises(AssertionError) as caught, _serving(release, "--function", "havy"):
        pass

    assert "error[unknown-function-name]: no step of the graph `g` has the function `havy`" in str(caught.value)
    assert "did you mean `heavy`?" in str(caught.value)
