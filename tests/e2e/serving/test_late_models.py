"""Models that are not there yet when the port opens, in a server that a user starts: what is answered meanwhile."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.e2e

CODE = """
import time
from pathlib import Path
from ci_core.serving import Model

class Now(Model):
    def predict(self, rows):
        return ["now"] * len(rows)

class Late(Model):
    def load(self):
        Path("begun").open("a").write("loaded\\n")
        while not Path("go").exists():
            time.sleep(0.01)

    def predict(self, rows):
        return ["late"] * len(rows)
"""
GRAPH = """
name: g
steps:
  - router: single
    routes:
      now: code:Now
      late: {{model: code:Late, load: {load}}}
"""


class Server:
    """A server, and the folder of its project."""

    def __init__(self, folder: Path, process: subprocess.Popen[str], port: int) -> None:
        self.folder, self.process, self._port = folder, process, port

    def ask(self, path: str, body: Any = None) -> tuple[int, Any, str | None]:
        """Return status, answer and `Retry-After`."""
        with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)) as connection:
            connection.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read()), answer.getheader("retry-after")

    def infer(self, model: str) -> tuple[int, Any, str | None]:
        return self.ask(f"/v2/models/{model}/infer_dict", [{"x": 1}])

    def loads(self) -> int:
        """Return how often the late model began to be loaded."""
        begun = self.folder / "begun"
        return len(begun.read_text().splitlines()) if begun.exists() else 0

    def let_it_load(self) -> None:
        (self.folder / "go").touch()


@contextmanager
def served(folder: Path, load: str) -> Iterator[Server]:
    (folder / "code.py").write_text(CODE)
    (folder / "graph.yaml").write_text(GRAPH.format(load=load))
    (folder / "graphship.yaml").write_text("name: g\ngraph: graph.yaml\n")
    command = [sys.executable, "-m", "ci_core", "serve", "--port", "0", "--no-capture"]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        yield Server(folder, process, int(process.stderr.readline().rpartition(":")[2]))
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()


def test_a_model_in_the_background_refuses_its_requests_and_readiness_until_it_is_there(tmp_path: Path) -> None:
    with served(tmp_path, "background") as server:
        unready = server.ask("/readyz")
        refused = server.infer("late")
        told = server.ask("/v2/models/late/ready")
        other = server.infer("now")
        server.let_it_load()
        while server.ask("/readyz")[0] != 200:
            assert server.process.poll() is None
            time.sleep(0.02)
        answered = server.infer("late")

    assert (unready[0], list(unready[1]["models"])) == (503, ["late"])
    assert (refused[0], refused[2]) == (503, "1")
    assert told[0] == 503
    assert (other[0], other[1]["outputs"]) == (200, ["now"])
    assert (answered[0], answered[1]["outputs"]) == (200, ["late"])
    assert server.loads() == 1


def test_a_model_on_first_use_is_loaded_by_the_first_request_while_others_are_answered(tmp_path: Path) -> None:
    answers: list[tuple[int, Any, str | None]] = []
    with served(tmp_path, "first-use") as server:
        ready, before = server.ask("/readyz")[0], server.loads()
        first = threading.Thread(target=lambda: answers.append(server.infer("late")))
        first.start()
        while not server.loads():
            assert first.is_alive()
            time.sleep(0.02)
        other, waiting = server.infer("now"), first.is_alive()
        server.let_it_load()
        first.join()
        answers.append(server.infer("late"))

    assert (ready, before) == (200, 0)
    assert (other[0], waiting) == (200, True)
    assert [(status, answer["outputs"]) for status, answer, _retry_after in answers] == [(200, ["late"])] * 2
    assert server.loads() == 1
