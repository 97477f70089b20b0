"""``graphship serve`` on a real project folder."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from ci_core.serving.segments import read_segments

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

MODEL = """
from ci_core.serving import Model

class Sum(Model):
    def predict(self, rows):
        return [sum(row.values()) for row in rows]
"""
GRAPH = """
from ci_core.serving import Graph, Router
graph = Graph("sums")
graph.to(Router.single({"sum": "serving.models:Sum"})).respond()
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "serving").mkdir()
    (tmp_path / "serving/models.py").write_text(MODEL)
    (tmp_path / "serving/graph.py").write_text(GRAPH)
    (tmp_path / "graphship.yaml").write_text("name: sums\ngraph: serving/graph.py:graph\n")
    return tmp_path


def start(project: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "ci_core", "serve", "--project", str(project), "--port", "0", *more]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def test_the_projects_graph_is_served_in_the_foreground_until_ctrl_c(project: Path) -> None:
    process = start(project)
    try:
        assert process.stderr is not None
        announced = process.stderr.readline()
        port = int(announced.rpartition(":")[2])
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
            connection.request("POST", "/", b'{"a": 1, "b": 2.5}')
            assert json.loads(connection.getresponse().read()) == 3.5
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    finally:
        process.kill()
        said = process.communicate()[1]

    assert announced == f"serving `sums` on http://127.0.0.1:{port}\n"
    assert said == "stopped\n"
    assert read_segments(sorted((project / ".graphship/captures").rglob("*.arrow")))["_output"] == [3.5]
    assert (project / ".graphship/.gitignore").read_text() == "*\n"


def test_without_capture_nothing_is_written(project: Path) -> None:
    process = start(project, "--no-capture")
    try:
        assert process.stderr is not None
        process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.communicate()

    assert not (project / ".graphship").exists()


def test_a_project_without_a_graph_is_told_so(project: Path) -> None:
    (project / "graphship.yaml").write_text("name: sums\n")

    process = start(project)
    said = process.communicate(timeout=30)[1]

    assert process.returncode == 2
    assert said.startswith("error[no-graph]")


def test_graph_serve_is_the_same_in_python(project: Path) -> None:
    code = (
        "from pathlib import Path; from ci_core.serving import load_graph;"
        f"load_graph('serving/graph.py:graph', Path({str(project)!r})).serve(port=0)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("serving `sums` on http://127.0.0.1:")
        time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.communicate()
