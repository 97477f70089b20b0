"""Answers of projects and serving graphs of every kind are compared."""

from __future__ import annotations

import http.server
import threading
from typing import TYPE_CHECKING, Self

import pytest

from ci_core.operations.behaviour import compare_behaviour
from ci_core.types import CommitId
from tests.e2e.opened import opened
from tests.e2e.operations.behaviour_project import CONFIG, GRAPH, STEPS, make, requests, told

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


def test_a_project_in_a_folder_of_a_larger_repository(tmp_path: Path) -> None:
    project = make(tmp_path)
    inner = project.root / "team/model"
    for path, text in {"graphship.yaml": CONFIG, "serving/graph.py": GRAPH, "serving/steps.py": STEPS}.items():
        project.sample.write(f"team/model/{path}", text)
    project.sample.write("team/model/models/model.json", '{"slope": 2.0}')
    project.sample.write("team/model/serving/requests.jsonl", requests({"x": 1}))
    base = CommitId(project.sample.commit())
    project.sample.write("team/model/models/model.json", '{"slope": 3.0}')

    found = compare_behaviour(opened(inner), base=base, head=None)

    assert found is not None
    assert [told(one) for one in found.largest] == [({"x": 1}, {"y": 2.0}, {"y": 3.0}, 1.0, "y")]


@pytest.mark.parametrize(
    ("step", "answer"),
    [
        ('graph.to("serving.steps:answer").respond()', "async def answer(body):"),
        ('graph.to("serving.steps:answer", blocking=True).respond()', "def answer(body):"),
        ('graph.to("serving.steps:answer", function="heavy").respond()', "def answer(body):"),
        ('graph.to("serving.steps:answer", timeout=5).respond()', "def answer(body):"),
        (
            'graph.to("serving.steps:answer").respond().queue("later").to("serving.steps:later")',
            "def later(body):\n    return body\n\n\ndef answer(body):",
        ),
    ],
)
def test_graphs_of_every_kind_answer_as_they_do_in_a_test(tmp_path: Path, step: str, answer: str) -> None:
    graph = GRAPH.replace('graph.to("serving.steps:answer").respond()', step)
    steps = STEPS.replace("def answer(body):", answer)
    project = make(tmp_path, {"serving/graph.py": graph, "serving/steps.py": steps}, count=3)
    project.sample.write("serving/steps.py", steps.replace("3)", "1)"))

    found = project.compare()

    assert found.problem is None
    assert [told(one) for one in found.largest] == [
        ({"x": 2}, {"y": 5.396}, {"y": 5.4}, 0.004, "y"),
        ({"x": 1}, {"y": 2.698}, {"y": 2.7}, 0.002, "y"),
    ]


def test_large_answers_are_compared_by_their_digests_and_shown_by_their_beginning(tmp_path: Path) -> None:
    project = make(tmp_path, count=2)
    project.steps('return {"rows": list(range(300_000))}')
    base = CommitId(project.sample.commit())
    project.steps('return {"rows": list(range(300_000)) + [body["x"]] * body["x"]}')

    found = type(project)(sample=project.sample, base=base).compare()

    (changed,) = found.largest
    assert (found.requests, found.changed, changed.request) == (2, 1, {"x": 1})
    assert str(changed.new).startswith('{"rows":[0,1,2,3,')
    assert str(changed.new).endswith("(1,988,902 bytes)")


def test_a_project_without_a_graph_has_no_behaviour_and_one_without_requests_only_graphs(tmp_path: Path) -> None:
    project = make(tmp_path)
    (project.root / "serving/requests.jsonl").unlink()
    project.sample.write("graphship.yaml", "name: sample\ngraph: serving/graph.py:graph\n")
    project = type(project)(sample=project.sample, base=CommitId(project.sample.commit()))
    nothing_to_send = project.compare()
    project.sample.write("graphship.yaml", "name: sample\n")
    project = type(project)(sample=project.sample, base=CommitId(project.sample.commit()))
    no_graph = project.compare_if_any()

    assert no_graph is None
    assert (nothing_to_send.requests, nothing_to_send.problem) == (0, None)
    assert nothing_to_send.base_graph is not None
    assert nothing_to_send.base_graph == nothing_to_send.head_graph


def test_a_graph_that_calls_another_service_is_asked_but_not_timed(tmp_path: Path) -> None:
    with StandIn() as service:
        graph = (
            "from ci_core.serving import Graph, steps\n"
            f'graph = Graph("sample")\ngraph.to(steps.Remote("{service.url}"), "lookup").respond()\n'
        )
        project = make(tmp_path, {"serving/graph.py": graph}, count=2)
        project.sample.write("serving/graph.py", f"{graph}# changed\n")

        found = project.compare()

    assert (found.requests, found.changed, found.problem) == (2, 0, None)
    assert found.latency_ratio is None
    assert found.notes == ("the graphs were not timed in turns, since `lookup` would have sent thousands of requests",)
    assert service.count == 6  # the base is asked twice


class StandIn:
    """A service that answers ``{"known": true}`` and counts."""

    def __enter__(self) -> Self:
        self.count, owner = 0, self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                owner.count += 1
                self.rfile.read(int(self.headers.get("content-length", 0)))
                answer = b'{"known": true}'
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
