"""The page about HTTP names every path, header and metric there is, and no other."""

import json
import re
from pathlib import Path
from typing import Any

from ci_core.serving import Graph, Model, Router
from ci_core.serving.access_log import AccessLog
from ci_core.serving.event import Event
from ci_core.serving.identity import ID_HEADER, SMOKE_HEADER, TIME_HEADER
from ci_core.serving.metrics import Metrics
from ci_core.serving.openapi import describe
from ci_core.serving.problems import OverloadedError
from ci_core.serving.protocol.answers import HEADER_LENGTH
from ci_core.serving.server import TIMEOUT_HEADER, Application

ROOT = Path(__file__).parents[3]
SERVING = ROOT / "ci_core" / "serving"
PAGE = (ROOT / "docs" / "reference" / "http.md").read_text(encoding="utf-8")


class Sum(Model):
    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        return [sum(row.values()) for row in rows]

    def explain(self, rows: list[dict[str, Any]]) -> list[Any]:
        return list(rows)


def _application() -> Application:
    graph = Graph("documented")
    graph.to(Router.single({"m": Sum}))
    return Application(graph.spec, graph.compile(), metrics=Metrics(), release="r1")


def _first_column(heading: str) -> list[str]:
    """Return the names in the first column of the table below a heading."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def test_every_path_is_on_the_page_and_every_path_of_the_page_is_answered() -> None:
    application, of_models = _application(), "/v2/models/<m>"
    named = set(_first_column("Paths"))
    pages = {path for path in named if path != "/" and not path.startswith(of_models)}

    described = {path.replace("/v2/models/m", of_models) for path in describe(application)["paths"]}
    answered = {path for path in pages if application.handle("GET", path, {}, b"")[0] == 200}

    assert answered == pages
    assert described <= named
    assert {path for path in named - described if path.startswith(of_models)} == {
        "/v2/models/<m>/predict",
        "/v2/models/<m>/predict_dict",
        "/v2/models/<m>/<operation>",
    }


def test_every_header_that_is_read_is_on_the_page() -> None:
    constants = {ID_HEADER, TIME_HEADER, SMOKE_HEADER, TIMEOUT_HEADER, HEADER_LENGTH}
    code = "".join((SERVING / file).read_text(encoding="utf-8") for file in ("server.py", "endpoints.py"))
    literals = set(re.findall(r'headers\.get\("([a-z-]+)"', code))

    assert set(_first_column("Request headers")) == constants | literals | {"tracestate"}


def test_every_header_of_an_answer_is_on_the_page_and_no_other() -> None:
    application = _application()
    tensor = {"name": "x", "shape": [1], "datatype": "FP32", "parameters": {"binary_data_size": 4}}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    trace = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01", HEADER_LENGTH: str(len(head))}
    answers = [
        application.handle("POST", "/v2/models/m/infer", trace, head + bytes(4)),
        application.handle("POST", "/metrics", {}, b""),
        application.handle("GET", "/docs", {}, b""),
        application.handle("GET", "/", {"accept": "text/html"}, b""),
        application.refuse(OverloadedError("full"), "POST", "/"),
    ]
    application.is_draining = True
    answers.append(application.handle("GET", "/livez", {}, b""))

    sent = {name for _status, headers, _body in answers for name, _value in headers}

    assert [status for status, _headers, _body in answers] == [200, 405, 200, 303, 503, 200]
    assert sent == set(_first_column("Answer headers"))


def test_every_key_of_the_access_log_is_on_the_page(caplog: Any) -> None:
    caplog.set_level("INFO", "ci_core.serving.access")

    AccessLog("r1").write("POST", "/", 200, 2, Event({}), 0.1)

    assert list(json.loads(caplog.messages[0])) == _first_column("Logs")


def test_every_metric_that_the_code_names_is_on_the_page() -> None:
    code = [file.read_text(encoding="utf-8") for file in SERVING.rglob("*.py")]
    named = {name for text in code for name in re.findall(r'"(graphship_[a-z_]+)"', text)} - {"graphship_", _VARIABLE}

    listed = {name for name in _first_column("Metrics") if name.startswith("graphship_")}

    assert named == listed


_VARIABLE = "graphship_waiting"
"""A context variable, which no metric has the name of."""
