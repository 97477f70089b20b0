"""What a change does to answers: real Git and DVC projects, real models, a process for each side."""

from __future__ import annotations

import http.server
import json
import shutil
import threading
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression

from ci_core.operations.behaviour import compare_behaviour
from ci_core.pipelines.dvc import DvcEngine
from ci_core.types import CommitId
from ci_core.versioning.dvc import DvcProject
from tests.e2e.operations.behaviour_project import CONFIG, GRAPH, STEPS, make, opened, requests

if TYPE_CHECKING:
    from pathlib import Path

    from ci_core.behaviour.spec import ChangedAnswer

pytestmark = pytest.mark.e2e


def told(changed: ChangedAnswer) -> tuple[Any, ...]:
    return changed.request, changed.old, changed.new, changed.size, changed.where


# --- what is compared ---


def test_a_model_that_the_pipeline_made_anew_changes_the_answers(tmp_path: Path) -> None:
    project = make(tmp_path, count=3)
    project.sample.replace("params.yaml", "steps: 3", "steps: 1")
    DvcEngine(DvcProject(project.root)).run()
    slope = json.loads((project.root / "models/model.json").read_text())["slope"]

    found = project.compare()

    assert (found.source, found.requests, found.changed, found.unsteady) == ("serving/requests.jsonl", 3, 2, 0)
    assert (found.problem, found.notes, found.is_identical) == (None, (), False)
    # the template's model has the slope 2.697827
    assert [told(one)[:3] for one in found.largest] == [
        ({"x": 2}, {"y": 5.396}, {"y": round(2 * slope, 3)}),
        ({"x": 1}, {"y": 2.698}, {"y": round(slope, 3)}),
    ]
    assert [one.size for one in found.largest] == pytest.approx([abs(5.396 - 2 * slope), abs(2.698 - slope)], abs=1e-3)
    assert {one.where for one in found.largest} == {"y"}


def test_both_sides_are_timed_and_measured(tmp_path: Path) -> None:
    project = make(tmp_path)
    project.steps('return {"y": round(SLOPE * body["x"], 3)}', above="# the same in other words")

    found = project.compare()

    assert found.changed == 0
    assert found.latency_ratio is not None
    assert 0 < found.latency_ratio.low <= found.latency_ratio.value <= found.latency_ratio.high
    assert found.memory_ratio is not None
    assert 0.5 < found.memory_ratio < 2
    for side in (found.base, found.head):
        assert side is not None
        assert side.failed == 0
        assert side.median_ms is not None
        assert side.p95_ms is not None
        assert 0 < side.median_ms <= side.p95_ms
        assert side.peak_mb is not None
        assert side.peak_mb > 10


def test_a_head_that_needs_more_time_and_memory_shows_both(tmp_path: Path) -> None:
    project = make(tmp_path)
    project.steps('sum(range(20_000))\nreturn {"y": round(SLOPE * body["x"], 3)}', above="LOAD = bytearray(80_000_000)")

    found = project.compare()

    assert found.latency_ratio is not None
    assert found.latency_ratio.low > 2
    assert found.memory_ratio is not None
    assert found.memory_ratio > 1.5
    assert found.changed == 0


def test_a_graph_whose_code_and_models_did_not_change_is_not_replayed(tmp_path: Path) -> None:
    project = make(tmp_path)
    project.sample.write("README.md", "more words")
    project.sample.write("notes/plan.txt", "more words")

    found = project.compare()

    assert found.is_identical
    assert (found.requests, found.changed, found.changed_share) == (6, 0, 0.0)
    assert (found.base, found.head, found.latency_ratio, found.memory_ratio) == (None, None, None, None)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("serving/words.txt", "beside the code"),
        ("src/helper.py", "X = 1\n"),
        ("models/model.json", '{"slope": 3.0}'),
        ("requirements.txt", "numpy\n"),
    ],
)
def test_whatever_a_graph_may_depend_on_makes_it_be_replayed(tmp_path: Path, path: str, text: str) -> None:
    project = make(tmp_path, count=1)
    project.sample.write(path, text)

    assert not project.compare().is_identical


def test_two_commits_are_compared_whatever_the_work_tree_holds(tmp_path: Path) -> None:
    project = make(tmp_path, count=2)
    project.steps('return {"y": 7}')
    head = project.sample.commit()
    project.steps('return {"y": 8}')
    project.sample.write("serving/requests.jsonl", requests({"x": 100}))

    found = project.compare(head=head)

    assert found.requests == 2
    assert [(one.old, one.new) for one in found.largest] == [({"y": 0.0}, {"y": 7}), ({"y": 2.698}, {"y": 7})]


def test_a_graph_that_moved_is_found_where_each_commit_says(tmp_path: Path) -> None:
    project = make(tmp_path, count=2)
    project.sample.git("mv", "serving/graph.py", "serving/main.py")
    project.sample.write("graphship.yaml", CONFIG.replace("graph.py", "main.py"))

    found = project.compare()

    assert (found.requests, found.changed, found.problem) == (2, 0, None)


def test_a_head_that_needs_another_column_fails_on_the_recorded_requests(tmp_path: Path) -> None:
    project = make(tmp_path, count=2)
    project.sample.write(
        "serving/graph.py", GRAPH.replace('["models/model.json"]', '["models/model.json"], inputs={"z": "number"}')
    )

    found = project.compare()

    assert found.changed == 2
    assert found.base is not None
    assert found.head is not None
    assert (found.base.failed, found.head.failed) == (0, 2)
    assert told(found.largest[0]) == ({"x": 0}, {"y": 0.0}, "400: row 0 lacks the column `z`", None, "")
    assert found.latency_ratio is None  # a refusal is no answer


def test_a_request_that_fails_on_one_side_comes_before_those_whose_numbers_changed(tmp_path: Path) -> None:
    project = make(tmp_path, count=3)
    project.steps('return {"y": round(2 * SLOPE * body["x"], 3) if body["x"] < 2 else 1 / 0}')

    found = project.compare()

    assert found.changed == 2
    assert found.head is not None
    assert found.head.failed == 1
    assert [told(one)[:4] for one in found.largest] == [
        ({"x": 2}, {"y": 5.396}, "500: the step `answer` failed", None),
        ({"x": 1}, {"y": 2.698}, {"y": 5.396}, 2.698),
    ]


def test_a_failure_that_was_recorded_is_none(tmp_path: Path) -> None:
    body = {"body": {"x": None}, "status": 500}
    project = make(tmp_path, {"serving/requests.jsonl": requests(body, {"x": 1})})
    project.steps('return {"y": SLOPE * body["x"]}')

    found = project.compare()

    assert found.base is not None
    assert found.head is not None
    assert (found.base.failed, found.head.failed) == (0, 0)


# --- what differs by itself ---


def test_what_differs_by_itself_is_told_and_not_called_changed(tmp_path: Path) -> None:
    answer = 'return {"y": round(SLOPE * body["x"], 3), "id": uuid.uuid4().hex, "at": str(time.perf_counter_ns())}'
    project = make(tmp_path, {"serving/steps.py": STEPS}, count=4)
    project.steps(answer, above="import time\nimport uuid")
    base = CommitId(project.sample.commit())
    project.steps(answer + "  # the same", above="import time\nimport uuid")

    found = type(project)(sample=project.sample, base=base).compare()

    assert (found.changed, found.fields, found.unsteady, found.unsteady_places) == (0, (), 4, ("at", "id"))


def test_lots_that_a_graph_draws_are_the_same_on_both_sides(tmp_path: Path) -> None:
    answer = 'return {"y": random.random(), "z": float(np.random.normal())}'
    project = make(tmp_path, {"serving/steps.py": STEPS}, count=4)
    project.steps(answer, above="import random\nimport numpy as np")
    base = CommitId(project.sample.commit())
    project.steps(answer + "  # the same", above="import random\nimport numpy as np")

    found = type(project)(sample=project.sample, base=base).compare()

    assert (found.changed, found.unsteady) == (0, 0)


def test_event_id_and_time_are_the_same_on_both_sides(tmp_path: Path) -> None:
    steps = "def answer(event):\n    return {'id': event.id, 'time': str(event.time), 'n': N}\n"
    graph = GRAPH.replace('answer")', 'answer", full_event=True)')
    project = make(tmp_path, {"serving/steps.py": "N = 1\n" + steps, "serving/graph.py": graph}, count=1)
    project.sample.write("serving/steps.py", "N = 2\n" + steps)

    (changed,) = project.compare().largest

    expected = {"id": "behaviour-000000", "time": "2024-03-01 12:00:00+00:00"}
    assert (changed.old, changed.new) == ({**expected, "n": 1}, {**expected, "n": 2})


# --- models and data ---


def test_rows_of_the_reference_are_asked_where_nothing_is_recorded(tmp_path: Path) -> None:
    files = {
        "graphship.yaml": "name: sample\ngraph: serving/graph.py:graph\n"
        "monitor: {reference: data/raw.csv, window: 1d, target: y}\n"
    }
    project = make(tmp_path, files)
    (project.root / "serving/requests.jsonl").unlink()
    project = type(project)(sample=project.sample, base=CommitId(project.sample.commit()))
    project.steps('return {"y": 0, "fields": sorted(body)}')
    (project.root / "data/raw.csv").unlink()  # a clone whose data was not pulled

    found = project.compare()

    assert (found.source, found.requests, found.changed) == ("40 rows of data/raw.csv", 40, 40)
    assert isinstance(found.largest[0].new, dict)
    assert found.largest[0].new["fields"] == ["x"]
    assert not (project.root / "data/raw.csv").exists()


@pytest.mark.parametrize("kind", ["skops", "onnx"])
def test_models_that_dvc_keeps_are_those_of_their_commits(tmp_path: Path, kind: str) -> None:
    graph = f"""
        name: churn
        steps:
          - router: single
            routes: {{m: {{model: models/m.{kind}, columns: [age, income]}}}}
            respond: true
    """
    files = {
        "graphship.yaml": CONFIG.replace("graph.py:graph", "graph.yaml"),
        "serving/graph.yaml": graph,
        "serving/requests.jsonl": requests({"age": 0.5, "income": 1.0}, {"age": -3.0, "income": 0.0}),
    }
    project = make(tmp_path, files)
    write_model(project.root / f"models/m.{kind}", flipped=False)
    DvcProject(project.root).add([f"models/m.{kind}"])
    base = CommitId(project.sample.commit())
    write_model(project.root / f"models/m.{kind}", flipped=True)
    DvcProject(project.root).add([f"models/m.{kind}"])
    head = project.sample.commit()

    found = type(project)(sample=project.sample, base=base).compare(head=head)

    assert (found.requests, found.changed, found.problem) == (2, 2, None)


def write_model(path: Path, *, flipped: bool) -> None:
    x = np.random.default_rng(4).normal(size=(80, 2))
    model = LogisticRegression().fit(x, (x[:, 0] > 0) != flipped)
    if path.suffix == ".skops":
        skops.io.dump(model, path)
    else:
        from skl2onnx import to_onnx

        path.write_bytes(to_onnx(model, x[:1].astype(np.float32), options={"zipmap": False}).SerializeToString())


def test_models_of_the_base_are_fetched_when_the_cache_lacks_them(tmp_path: Path) -> None:
    project = make(tmp_path)
    project.sample.git("push", "-q", "origin", "HEAD:main")
    clone = project.sample.clone("fresh")
    clone.write("models/model.json", '{"slope": 1.0}')
    files = sorted(
        path for path in clone.root.rglob("*") if path.relative_to(clone.root).parts[0] not in {".dvc", ".git"}
    )

    found = type(project)(sample=clone, base=project.base).compare()

    assert (found.changed, found.problem) == (5, None)
    after = sorted(
        path for path in clone.root.rglob("*") if path.relative_to(clone.root).parts[0] not in {".dvc", ".git"}
    )
    assert after == files


def test_a_model_of_the_base_that_nobody_has_is_named(tmp_path: Path) -> None:
    project = make(tmp_path)
    shutil.rmtree(tmp_path / "dvc-remote")
    shutil.rmtree(project.root / ".dvc/cache")

    found = project.compare()

    assert found.problem is not None
    assert "what the base's graph needs cannot be had" in found.problem
    assert "models/model.json" in found.problem
    assert found.base is None
    assert found.head is not None
    assert found.head.failed == 0


def test_a_graph_whose_code_reads_a_model_when_it_is_imported_is_replayed(tmp_path: Path) -> None:
    graph = f"import json\nMODEL = json.load(open('models/model.json'))\n{GRAPH}"
    project = make(tmp_path, {"serving/graph.py": graph}, count=2)
    project.sample.write("models/model.json", '{"slope": 3.0}')

    found = project.compare()

    assert (found.requests, found.changed, found.problem) == (2, 1, None)


# --- projects of other shapes ---


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


def test_a_work_tree_whose_models_were_not_pulled_says_how_to_get_them(tmp_path: Path) -> None:
    project = make(tmp_path, count=2)
    (project.root / "models/model.json").unlink()

    found = project.compare()

    assert found.problem is not None
    assert found.problem.startswith("the head's graph cannot be loaded: ")
    assert found.problem.endswith("; what DVC keeps was not fetched: `dvc pull models/model.json`")
    assert found.base is not None


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
