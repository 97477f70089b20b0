from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import jsonschema
import orjson
import pytest

from ci_core.errors import UnknownInputTypeError
from ci_core.serving import Graph, Model, Router
from ci_core.serving.metrics import Metrics
from ci_core.serving.models.columns import Column
from ci_core.serving.schema import InputSchema
from ci_core.serving.server import Application


class Typed(Model):
    input_columns = ("age", "city", "known")
    columns = (
        Column(name="age", kind="number"),
        Column(name="city", kind="string"),
        Column(name="known", kind="boolean"),
    )

    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        return [1.0 for _ in rows]

    def explain(self, rows: list[dict[str, Any]]) -> list[Any]:
        return [{} for _ in rows]


def serve(graph: Graph, **arguments: Any) -> Application:
    return Application(graph.spec, graph.compile(), metrics=Metrics(), release="r1", **arguments)


def routed() -> Graph:
    graph = Graph("people <b>")
    graph.to(Router.single({"m": Typed}))
    return graph


def with_steps() -> Graph:
    graph = Graph("people")
    graph.to(lambda body: body, name="clean").to(Router.single({"m": Typed}))
    return graph


def get(application: Application, path: str) -> tuple[int, dict[str, str], bytes]:
    status, headers, body = application.handle("GET", path, {}, b"")
    return status, dict(headers), body


def document(application: Application) -> Any:
    status, headers, body = get(application, "/openapi.json")
    assert (status, headers["content-type"]) == (200, "application/json")
    return orjson.loads(body)


def test_the_document_names_the_graph_its_release_and_every_operation() -> None:
    found = document(serve(routed()))

    assert (found["openapi"], found["info"]["title"], found["info"]["version"]) == ("3.1.0", "people <b>", "r1")
    assert list(found["paths"]) == [
        "/",
        "/v2/models/m/infer",
        "/v2/models/m/infer_dict",
        "/v2/models/m",
        "/v2/models/m/ready",
        "/v2/models/m/explain",
        "/livez",
        "/readyz",
        "/metrics",
        "/graph",
        "/v2",
        "/v2/models",
    ]


def test_the_body_has_the_models_columns_where_requests_go_to_the_model_as_they_are() -> None:
    content = document(serve(routed()))["paths"]["/"]["post"]["requestBody"]["content"]["application/json"]

    row = {
        "type": "object",
        "properties": {
            "age": {"type": ["number", "null"]},
            "city": {"type": ["string", "null"]},
            "known": {"type": "boolean"},
        },
        "required": ["age", "city", "known"],
    }
    assert content["schema"] == {"oneOf": [row, {"type": "array", "items": row}]}
    assert content["example"] == {"age": 0.5, "city": "text", "known": True}


def test_the_body_is_any_object_where_steps_come_first_and_says_so() -> None:
    operation = document(serve(with_steps()))["paths"]["/"]["post"]

    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert schema["oneOf"][0] == {"type": "object"}
    assert operation["description"] == (
        "The steps decide what a body may be; the example has the columns that the model `m` reads."
    )


def test_a_declared_schema_is_the_bodys_whatever_the_graph() -> None:
    application = serve(with_steps(), input_schema={"age": "integer", "note": "string?"})

    schema = document(application)["paths"]["/"]["post"]["requestBody"]["content"]["application/json"]["schema"]

    assert schema["oneOf"][0] == {
        "type": "object",
        "properties": {"age": {"type": "integer"}, "note": {"type": ["string", "null"]}},
        "required": ["age"],
    }


@pytest.mark.parametrize("graph", [routed(), with_steps()])
def test_every_example_fits_its_schema_and_is_answered(graph: Graph) -> None:
    application = serve(graph)
    found = document(application)

    for path, verbs in found["paths"].items():
        content = verbs.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json")
        if content is None:
            assert get(application, path)[0] == 200, path
            continue
        jsonschema.Draft202012Validator({**content["schema"], "components": found["components"]}).validate(
            content["example"]
        )
        if path != "/v2/models/m/explain":
            assert application.handle("POST", path, {}, orjson.dumps(content["example"]))[0] == 200, path


def test_every_reference_of_the_document_leads_somewhere() -> None:
    found = document(serve(routed()))

    names = set(re.findall(r'"#/components/schemas/(\w+)"', orjson.dumps(found).decode()))
    assert names == {"Error", "ProtocolError", "Tensor", "InferRequest", "InferResponse"}
    assert names == set(found["components"]["schemas"])


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_shows_every_operation_and_needs_nothing_from_elsewhere() -> None:
    application = serve(routed())

    status, headers, body = get(application, "/docs")
    page = Links()
    page.feed(body.decode())

    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.links == ["openapi.json"]
    assert body.index(b"<svg") < body.index(b"<h2>")
    assert headers["content-security-policy"] == (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert page.tags & {"script", "link", "img", "iframe", "b"} == set()
    assert "url(" not in body.decode()
    assert "people <b>" in page.text
    for path in document(application)["paths"]:
        assert path in page.text
    assert "number or null" in page.text
    assert "curl / -H 'content-type: application/json' -d '{\"age\": 0.5" in page.text


def curl_lines(host: str) -> list[str]:
    status, _, body = serve(routed()).handle("GET", "/docs", {"host": host}, b"")
    assert status == 200
    page = Links()
    page.feed(body.decode())
    return re.findall(r"curl (\S+)", page.text)


@pytest.mark.parametrize("host", ["localhost:8123", "models.example.com", "10.0.0.7:80", "[::1]:8080", "my_service"])
def test_the_lines_to_try_name_the_host_that_the_page_was_asked_of(host: str) -> None:
    lines = curl_lines(host)

    assert lines[:2] == [f"http://{host}/", f"http://{host}/v2/models/m/infer"]
    assert all(line.startswith(f"http://{host}/") for line in lines)


@pytest.mark.parametrize(
    "host",
    ["", "a b", "<b>x", "x'; rm -rf ~; '", "$(id)", "x/y", "x:port", "x:123456", "a" * 256, "ü", "x\n", "[x]", "a@b"],
)
def test_a_host_that_is_none_is_not_repeated(host: str) -> None:
    lines = curl_lines(host)

    assert lines[:2] == ["/", "/v2/models/m/infer"]
    assert all(line.startswith("/") for line in lines)


SCHEMA = InputSchema({"age": "number", "n": "integer", "city": "string?", "known": "boolean?", "id": "any?"})


@pytest.mark.parametrize(
    "body",
    [
        {"age": 1, "n": 2},
        {"age": 1.5, "n": 2.0, "city": None, "known": True, "id": "x", "more": []},
        [{"age": 1, "n": 2, "id": 3}],
        [],
    ],
)
def test_a_body_that_fits_the_schema_passes(body: Any) -> None:
    SCHEMA.check(body)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"n": 1}, "row 1 lacks the column `age`"),
        ({"age": None, "n": 1}, "row 1, column `age`: expected a number, found null"),
        ({"age": "x", "n": 1}, 'row 1, column `age`: expected a number, found "x"'),
        ({"age": True, "n": 1}, "row 1, column `age`: expected a number, found true"),
        ({"age": 1, "n": 1.5}, "row 1, column `n`: expected a whole number, found 1.5"),
        ({"age": 1, "n": 1, "city": 3}, "row 1, column `city`: expected text, found 3"),
        ({"age": 1, "n": 1, "known": 0}, "row 1, column `known`: expected true or false, found 0"),
        ({"age": 1, "n": 1, "id": {}}, "row 1, column `id`: expected a number or text, found an object"),
        ({"age": "x" * 50, "n": 1}, f'row 1, column `age`: expected a number, found "{"x" * 38}…'),
        ([], "row 1: expected an object of columns, found a list"),
    ],
)
def test_a_body_that_does_not_fit_is_refused_before_the_graph_runs(row: Any, message: str) -> None:
    calls: list[Any] = []
    graph = Graph("g")
    graph.to(calls.append, name="note")
    application = serve(
        graph, input_schema={"age": "number", "n": "integer", "city": "string?", "known": "boolean?", "id": "any?"}
    )

    status, _headers, body = application.handle("POST", "/", {}, orjson.dumps([{"age": 1, "n": 2}, row]))

    assert (status, orjson.loads(body)["error"]["message"], calls) == (400, message, [])


def test_a_type_that_does_not_exist_is_told() -> None:
    with pytest.raises(
        UnknownInputTypeError, match='the input `age` is of the type "float\\?", which is none'
    ) as caught:
        InputSchema({"age": "float?"})
    assert caught.value.hint == "did you mean `number?`?"
