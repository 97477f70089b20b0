"""``python -m ci_core.serving`` as a pod or the local target starts it: real process, real HTTP, a real ONNX model."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from ci_core.serving.segments import read_segments
from ci_core.testing.processes import is_alive

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.e2e

GRAPH: dict[str, Any] = {
    "name": "flights",
    "steps": [
        {"name": "impute", "step": "Impute", "with": {"temp": 0.0}, "after": ["request"]},
        {"name": "enrich", "step": "serving.features:enrich", "after": ["impute"]},
        {
            "name": "router",
            "router": "single",
            "routes": [{"name": "late", "model": "models/late.onnx"}],
            "after": ["enrich"],
            "respond": True,
        },
    ],
}
FEATURES = """
import json
from pathlib import Path

LIMITS = json.loads(Path("data/limits.json").read_text())

def enrich(body):
    rows = body if isinstance(body, list) else [body]
    made = [{**row, "wind": LIMITS["wind"]} for row in rows]
    return made if isinstance(body, list) else made[0]
"""
SLOW = """
import asyncio

async def enrich(body):
    await asyncio.sleep(0.7)
    return {**body, "wind": 1.0}
"""


UNCLOSABLE = """
class enrich:
    def do(self, body):
        return _enrich(body)

    def close(self):
        raise OSError("the connection is gone")
"""


@pytest.fixture(scope="module")
def onnx() -> bytes:
    table = np.random.default_rng(1).normal(size=(50, 2))
    model = make_pipeline(ColumnTransformer([("all", "passthrough", [0, 1])]), LogisticRegression()).fit(
        table, (table.sum(axis=1) > 0).astype(int)
    )
    columns = [("temp", FloatTensorType([None, 1])), ("wind", FloatTensorType([None, 1]))]
    stored: bytes = convert_sklearn(model, initial_types=columns, options={"zipmap": False}).SerializeToString()
    return stored


@pytest.fixture
def release(tmp_path: Path, onnx: bytes) -> Path:
    """A release folder in a path with blanks and letters beyond ASCII."""
    folder = tmp_path / "the rélease"
    for name in ("serving", "models", "data"):
        (folder / "bundle" / name).mkdir(parents=True)
    (folder / "bundle/serving/features.py").write_text(FEATURES)
    (folder / "bundle/models/late.onnx").write_bytes(onnx)
    (folder / "bundle/data/limits.json").write_text('{"wind": 1.0}')
    write_release(folder, GRAPH)
    return folder


def write_release(folder: Path, graph: dict[str, Any]) -> None:
    stored = {
        "format": 1,
        "project": "flights",
        "graph": graph,
        "bundle": "sha256:0",
        "models": [],
        "lock": None,
        "settings": {"capture": {"time-column": "time_hour"}},
    }
    (folder / "release.json").write_text(json.dumps(stored))


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A serving process that was started, and its address."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process, self.port = process, port

    def ask(self, path: str = "/", body: Any = None, **headers: str) -> tuple[int, dict[str, str], Any]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            raw = json.dumps(body).encode() if body is not None else None
            connection.request("GET" if raw is None else "POST", path, raw, headers)
            answer = connection.getresponse()
            content = answer.read()
            is_json = answer.getheader("content-type") == "application/json"
            lowered = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, lowered, json.loads(content) if is_json else content.decode()

    def wait_until_ready(self) -> None:
        for _ in range(600):
            with suppress(OSError):
                if self.ask("/readyz")[0] == 200:
                    return
            assert self.process.poll() is None, self.process.communicate()[1]
            time.sleep(0.05)
        pytest.fail("the server did not get ready")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


def command(folder: Path, port: int, *more: str) -> list[str]:
    return [sys.executable, "-m", "ci_core.serving", str(folder), "--port", str(port), *more]


@contextmanager
def serving(folder: Path, *more: str) -> Iterator[Server]:
    port = free_port()
    process = subprocess.Popen(command(folder, port, *more), stderr=subprocess.PIPE, text=True)
    server = Server(process, port)
    try:
        server.wait_until_ready()
        yield server
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def captured(folder: Path) -> dict[str, list[Any]]:
    return read_segments(sorted(folder.rglob("*.arrow")))


def test_a_release_is_served_captured_and_stopped_cleanly(release: Path, tmp_path: Path) -> None:
    captures = tmp_path / "captures"
    with serving(release, "--captures", str(captures)) as server:
        status, headers, one = server.ask(body={"temp": 1.5, "time_hour": "2013-06-15T10:00:00Z", "event_id": "e1"})
        _status, _headers, many = server.ask(body=[{"temp": None}, {"temp": 2}], **{"x-event-id": "l"})
        tensors = server.ask(
            "/v2/models/late/infer",
            {"inputs": [{"name": "temp", "shape": [1], "datatype": "FP32", "data": [1.5]}]},
        )[2]
        release_id = server.ask("/graph")[2]["release"]
        assert server.stop() == 0
        assert server.process.stderr is not None
        said = server.process.stderr.read()

    assert status == 200
    assert set(one) == {"prediction", "probability"}
    assert (headers["x-graphship-release"], headers["x-event-id"]) == (release_id, "e1")
    assert len(many) == 2
    assert tensors["outputs"][1]["data"] == [one["probability"]]
    table = captured(captures)
    assert table["_event_id"][:3] == ["e1", "l/0", "l/1"]
    assert table["temp"] == [1.5, 0.0, 2.0, 1.5]
    assert table["wind"] == [1.0] * 4
    assert table["_output"][:3] == [one["probability"], many[0]["probability"], many[1]["probability"]]
    assert table["_event_time"][0].isoformat() == "2013-06-15T10:00:00+00:00"
    assert set(table["_release"]) == {release_id}
    assert said == f"serving `flights` release {release_id[:12]} on http://127.0.0.1:{server.port}\n"
    assert list(release.rglob("*.pyc")) == []


def test_captures_are_written_though_a_step_cannot_be_closed(release: Path, tmp_path: Path) -> None:
    captures = tmp_path / "captures"
    (release / "bundle/serving/features.py").write_text(FEATURES.replace("def enrich", "def _enrich") + UNCLOSABLE)

    with serving(release, "--captures", str(captures)) as server:
        status, _headers, _answer = server.ask("/", {"temp": 1.0})
        exit_code = server.stop()
        assert server.process.stderr is not None
        told = server.process.stderr.read()

    assert (status, exit_code) == (200, 0)
    assert len(list(captures.rglob("*.arrow"))) == 1
    assert "could not be closed part=steps" in told
    assert "OSError: the connection is gone" in told


def test_a_request_in_flight_is_answered_and_captured_after_sigterm(release: Path, tmp_path: Path) -> None:
    (release / "bundle/serving/features.py").write_text(SLOW)
    captures = tmp_path / "captures"
    answers: list[tuple[int, dict[str, str], Any]] = []
    with serving(release, "--captures", str(captures)) as server:
        client = threading.Thread(target=lambda: answers.append(server.ask(body={"temp": 1, "event_id": "slow"})))
        client.start()
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        draining = server.ask("/readyz")
        client.join()
        assert server.process.wait(20) == 0

    assert draining[0] == 503
    assert answers[0][0] == 200
    assert answers[0][1]["connection"] == "close"
    assert captured(captures)["_event_id"] == ["slow"]


def test_no_request_is_lost_when_clients_go_over_to_a_second_server(release: Path, tmp_path: Path) -> None:
    results: Counter[str] = Counter()
    target = {"port": 0, "stop": False}

    def client() -> None:
        while not target["stop"]:
            with closing(http.client.HTTPConnection("127.0.0.1", target["port"], timeout=20)) as connection:
                connection.connect()
                assert connection.sock is not None
                while not target["stop"]:
                    try:
                        connection.request("POST", "/", b'{"temp": 1}')
                        answer = connection.getresponse()
                        answer.read()
                    except (OSError, http.client.HTTPException) as error:
                        results[repr(error)] += 1
                        break
                    results[str(answer.status)] += 1
                    if answer.getheader("connection") == "close":
                        break

    captures = tmp_path / "captures"
    with serving(release, "--captures", str(captures)) as old, serving(release, "--captures", str(captures)) as new:
        target["port"] = old.port
        clients = [threading.Thread(target=client) for _ in range(4)]
        for one in clients:
            one.start()
        time.sleep(0.7)
        target["port"] = new.port
        assert old.stop() == 0
        time.sleep(0.3)
        target["stop"] = True
        for one in clients:
            one.join()
        assert new.stop() == 0

    assert set(results) == {"200"}
    ids = captured(captures)["_event_id"]
    assert len(ids) == len(set(ids)) == results["200"]


def test_two_workers_share_the_port_a_killed_one_comes_back_and_both_stop(release: Path, tmp_path: Path) -> None:
    captures = tmp_path / "captures"
    with serving(release, "--workers", "2", "--captures", str(captures)) as server:
        for number in range(40):
            assert server.ask(body={"temp": number})[0] == 200
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
        workers = children.read_text().split()
        assert len(workers) == 2
        os.kill(int(workers[0]), signal.SIGKILL)
        for _ in range(200):
            now = children.read_text().split()
            if len(now) == 2 and workers[0] not in now:
                break
            time.sleep(0.05)
        server.wait_until_ready()
        assert server.ask(body={"temp": 1})[0] == 200
        assert len(now) == 2
        assert server.stop() == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in {*workers, *now})


def test_workers_end_with_their_parent(release: Path) -> None:
    with serving(release, "--workers", "2") as server:
        workers = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
        server.process.kill()
        server.process.wait()
        for _ in range(200):
            if not any(is_alive(int(pid)) for pid in workers):
                break
            time.sleep(0.05)

        assert [pid for pid in workers if is_alive(int(pid))] == []


def run_to_its_end(folder: Path, *more: str, port: int | None = None) -> tuple[int, str]:
    done = subprocess.run(
        command(folder, free_port() if port is None else port, *more),
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


def test_a_port_that_is_taken_is_one_clear_error(release: Path) -> None:
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        code, said = run_to_its_end(release, port=port)

    assert code == 2
    assert said == (
        f"error[port-taken]: cannot listen on port {port}: Address already in use\n"
        f"  --> 127.0.0.1:{port}\n\nhint: choose another with `--port`, or `--port 0` for any free one\n"
    )


def test_a_second_server_does_not_share_the_first_ones_port(release: Path) -> None:
    with serving(release) as server:
        code, said = run_to_its_end(release, port=server.port)

    assert (code, said.splitlines()[0].partition(":")[0]) == (2, "error[port-taken]")


def test_captures_that_cannot_be_written_are_refused_at_the_start(release: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    code, said = run_to_its_end(release, "--captures", str(tmp_path / "file" / "captures"))

    assert code == 2
    assert said.startswith("error[capture-not-writable]: captures cannot be written: Not a directory\n")


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("rate = {}['eur']\n", "the module of step `enrich` raised KeyError: 'eur'"),
        (
            "class enrich:\n    def __init__(self): {}['eur']\n    def do(self, body): return body\n",
            "the constructor of step `enrich` raised KeyError: 'eur'",
        ),
    ],
)
def test_graph_code_that_raises_is_exit_code_3_and_shows_the_users_line(
    code: str, message: str, workers: str, release: Path
) -> None:
    (release / "bundle/serving/features.py").write_text(code)

    exit_code, said = run_to_its_end(release, "--workers", workers)

    assert exit_code == 3
    assert f"error[graph-code-failed]: {message}" in said
    assert "{}['eur']" in said
    assert "Traceback" not in said


def test_a_missing_model_and_a_folder_that_is_no_release_are_exit_code_2(release: Path, tmp_path: Path) -> None:
    (release / "bundle/models/late.onnx").unlink()

    code, said = run_to_its_end(release)
    assert (code, said.splitlines()[0]) == (
        2,
        "error[missing-graph-file]: router `router` opens the model file `models/late.onnx`, which does not exist",
    )
    code, said = run_to_its_end(tmp_path)
    assert (code, said.splitlines()[0]) == (
        2,
        "error[invalid-release]: this is not a release that can be served: `release.json`: No such file or directory",
    )


def test_a_body_over_the_limit_is_a_413_with_and_without_a_length(release: Path) -> None:
    big = b"[" + b"0," * 5_000_000 + b"0]"
    with serving(release) as server:
        for body in (big, iter([big[:6_000_000], big[6_000_000:]])):
            with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)) as connection:
                connection.request("POST", "/", body)
                answer = connection.getresponse()
                assert answer.status == 413
                assert json.loads(answer.read())["error"]["slug"] == "body-too-large"
        assert server.ask(body={"temp": 1})[0] == 200


def test_importing_the_package_imports_nothing_heavy_and_nothing_of_the_command_line() -> None:
    code = "import sys, ci_core.serving as s; s.Graph, s.load_graph; print(*sys.modules)"

    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )

    heavy = {"click", "pydantic", "dvc", "sklearn", "onnxruntime", "skops", "numpy", "granian", "yaml", "nanoarrow"}
    assert loaded & heavy == set()
    ours = {name for name in loaded if name.startswith("ci_core") and not name.startswith("ci_core.serving")}
    assert ours == {"ci_core", "ci_core.errors"} | (ours & {"ci_core.types"})


def test_a_serving_process_imports_no_more_than_it_serves(release: Path) -> None:
    code = (
        "import sys, runpy; sys.argv = ['serving', sys.argv[1], '--port', '0'];"
        "import ci_core.serving.process as p; p.serve = lambda g, options: p.ServedGraph(g, options).start() or 0;"
        "import ci_core.serving.__main__ as m; m.main(sys.argv[1:]); print(*sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code, str(release)], capture_output=True, text=True, check=True)

    loaded = set(done.stdout.split())
    assert loaded & {"click", "pydantic", "dvc", "sklearn", "skops", "yaml", "pandas", "scipy", "duckdb"} == set()
    assert "onnxruntime" in loaded
