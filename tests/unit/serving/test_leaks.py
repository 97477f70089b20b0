"""What fails is told to clients without the server's paths, secrets and tracebacks; all of that is for the log."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from ci_core.serving import Graph, Model, Route, Router
from ci_core.serving.metrics import Metrics
from ci_core.serving.server import Application
from tests.unit.serving.routed import graph_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "redis://worker:hunter2@queue:6379/0"
TOLD_ONLY_TO_THE_LOG = ("hunter2", "Traceback", 'File "', ".py", "/srv/")


class Broken(Model):
    """Fails where it is told to, with a message that nobody outside may see."""

    input_columns = ("a",)

    def __init__(self, where: str = "predict") -> None:
        self.where = where

    def _maybe(self, where: str) -> None:
        if self.where == where:
            raise OSError(f"/srv/models/secret.bin: cannot reach {SECRET}")

    def load(self) -> None:
        self._maybe("load")

    def preprocess(self, rows: Any) -> Any:
        self._maybe("preprocess")
        return rows

    def predict(self, rows: Any) -> Any:
        self._maybe("predict")
        return ["short"] if self.where == "length" else [1] * len(rows)

    def postprocess(self, answers: Any) -> Any:
        self._maybe("postprocess")
        return answers

    def explain(self, rows: Any) -> Any:
        raise KeyError(SECRET)


def broken(where: str, **route: Any) -> Route:
    return Route(Broken, arguments={"where": where}, **route)


@pytest.fixture
def serve() -> Iterator[Any]:
    plans: list[Any] = []

    def start(graph: Graph, root: Path) -> Application:
        plan = graph.compile(root=root, start=False)
        plans.append(plan)
        plan.start()
        return Application(graph.spec, plan, metrics=Metrics())

    yield start
    for plan in plans:
        plan.close()


def ask(application: Application, method: str, path: str, body: Any = None) -> tuple[int, str]:
    raw = b"" if body is None else orjson.dumps(body)
    if application.is_async:
        status, headers, answer = asyncio.run(application.handle_async(method, path, {}, raw))
    else:
        status, headers, answer = application.handle(method, path, {}, raw)
    return status, f"{headers} {answer.decode()}"


def assert_is_clean(told: str, root: Path) -> None:
    for secret in (*TOLD_ONLY_TO_THE_LOG, str(root)):
        assert secret not in told


TENSOR = {"inputs": [{"name": "a", "shape": [2], "datatype": "FP64", "data": [1, 2]}]}
REQUESTS: list[tuple[str, Any]] = [
    ("/", {"a": 1}),
    ("/v2/models/m/infer", TENSOR),
    ("/v2/models/m/infer_dict", [{"a": 1}, {"a": 2}]),
    ("/v2/models/m/explain", [{"a": 1}]),
]


@pytest.mark.parametrize("where", ["preprocess", "predict", "postprocess"])
@pytest.mark.parametrize(("path", "body"), REQUESTS)
def test_what_a_model_raises_is_a_500_without_details(
    where: str, path: str, body: Any, serve: Any, tmp_path: Path
) -> None:
    application = serve(graph_of(Router.single({"m": broken(where)})), tmp_path)

    status, told = ask(application, "POST", path, body)

    assert status == 500
    assert_is_clean(told, tmp_path)


@pytest.mark.parametrize("load", ["background", "first-use"])
def test_why_a_model_could_not_be_loaded_is_in_no_answer(load: Any, serve: Any, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"no model")
    routes = {"m": broken("load", load=load), "file": Route("m.onnx", columns=["a"], load=load)}
    application = serve(graph_of(Router.single(routes)), tmp_path)
    patience = threading.Event()
    while load == "background" and any(model.state != "failed" for model in application.plan.models.values()):
        patience.wait(0.001)

    for key in routes:
        status, told = ask(application, "POST", f"/v2/models/{key}/infer", TENSOR)
        assert (status, f"the model `{key}` could not be loaded" in told) == (503, True)
        assert_is_clean(told, tmp_path)
    for path in ("/readyz", "/v2/health/ready", *(f"/v2/models/{key}/ready" for key in routes)):
        status, told = ask(application, "GET", path)
        assert (status, "could not be loaded" in told) in {(503, True), (200, False)}
        assert_is_clean(told, tmp_path)


@pytest.mark.parametrize(
    "path", ["/graph", "/metrics", "/openapi.json", "/v2/models", "/v2/models/m", "/docs", "/nope"]
)
def test_no_page_tells_where_the_project_lies(path: str, serve: Any, tmp_path: Path) -> None:
    application = serve(graph_of(Router.single({"m": broken("predict")})), tmp_path)

    _status, told = ask(application, "GET", path)

    assert str(tmp_path) not in told
    assert "hunter2" not in told


def test_what_a_step_raises_is_a_500_that_names_the_step(serve: Any, tmp_path: Path) -> None:
    def fail(body: Any) -> Any:
        raise OSError(f"/srv/data: {SECRET}")

    graph = Graph("g")
    graph.to(fail, "fetch").respond()

    status, told = ask(serve(graph, tmp_path), "POST", "/", {"a": 1})

    assert (status, "the step `fetch` failed" in told) == (500, True)
    assert_is_clean(told, tmp_path)
