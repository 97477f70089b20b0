from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ci_core.serving import Graph, Model, Router
from ci_core.serving.process import ServeOptions, build_application

if TYPE_CHECKING:
    from ci_core.serving.server import Application


class Scale(Model):
    input_columns = ("a", "b")

    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        return [{"total": float(row["a"] + row["b"]), "first": row["a"], "word": "w"} for row in rows]


def build() -> Application:
    graph = Graph("g")
    graph.to(Router.single({"m": Scale})).respond()
    return build_application(graph, ServeOptions())


APPLICATION = build()


def ask(method: str, path: str, body: Any = None) -> tuple[int, Any]:
    raw = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
    status, _headers, answer = APPLICATION.handle(method, path, {}, raw)
    return status, orjson.loads(answer)


def tensor(name: str, shape: list[int], data: Any, datatype: str = "INT64") -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


EXPECTED = {
    "model_name": "m",
    "id": "7",
    "outputs": [
        {"name": "total", "shape": [2], "datatype": "FP64", "data": [4.0, 6.0]},
        {"name": "first", "shape": [2], "datatype": "INT64", "data": [1, 2]},
        {"name": "word", "shape": [2], "datatype": "BYTES", "data": ["w", "w"]},
    ],
}


@pytest.mark.parametrize(
    "inputs",
    [
        [tensor("a", [2], [1, 2]), tensor("b", [2, 1], [3, 4])],
        [tensor("a", [2, 1], [[1], [2]]), tensor("b", [2], [3, 4])],
        [tensor("X", [2, 2], [1, 3, 2, 4])],
        [tensor("X", [2, 2], [[1, 3], [2, 4]])],
    ],
)
def test_tensors_become_rows_and_answers_become_tensors(inputs: list[dict[str, Any]]) -> None:
    assert ask("POST", "/v2/models/m/infer", {"id": "7", "inputs": inputs}) == (200, EXPECTED)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "no inference request"),
        (b"{}", "no inference request: Object missing required field `inputs`"),
        ({"inputs": []}, "`inputs` is empty"),
        (
            {"inputs": [{"name": "a", "shape": [1], "data": [1]}]},
            "missing required field `datatype` - at `$.inputs[0]`",
        ),
        ({"inputs": [tensor("a", [2], [1])]}, "tensor `a`: the shape [2] needs 2 values, found 1"),
        ({"inputs": [tensor("a", [1, 1, 1], [1])]}, "tensor `a`: expected the shape [n] or [n, k], found [1, 1, 1]"),
        ({"inputs": [tensor("a", [-1], [1])]}, "tensor `a`: expected the shape"),
        ({"inputs": [tensor("a", [1], [1], "FP8")]}, "tensor `a`: there is no datatype `FP8`"),
        ({"inputs": [tensor("X", [1, 3], [1, 2, 3])]}, "tensor `X`: the model reads 2 columns, found 3"),
        ({"inputs": [tensor("a", [1], [1]), tensor("b", [2], [1, 2])]}, "the same first dimension"),
    ],
)
def test_a_request_that_does_not_fit_is_a_400_with_the_protocols_text_error(body: Any, message: str) -> None:
    status, answer = ask("POST", "/v2/models/m/infer", body)

    assert status == 400
    assert message in answer["error"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2", 200),
        ("GET", "/v2/", 200),
        ("GET", "/v2/health/live", 200),
        ("GET", "/v2/health/ready", 200),
        ("GET", "/v2/models", 200),
        ("GET", "/v2/models/", 200),
        ("GET", "/v2/models/m", 200),
        ("GET", "/v2/models/m/ready", 200),
        ("GET", "/v2/models/none", 404),
        ("POST", "/v2/models/none/infer", 404),
        ("POST", "/v2/models/m/explain", 404),
        ("GET", "/v2/models/m/infer", 405),
        ("POST", "/v2/models/m/ready", 405),
        ("POST", "/v2", 405),
        ("GET", "/v2/repository/index", 404),
    ],
)
def test_every_path_of_the_protocol_answers_json(method: str, path: str, status: int) -> None:
    got, answer = ask(method, path)

    assert got == status
    assert status == 200 or isinstance(answer["error"], str)


def test_metadata_names_the_columns_of_a_model() -> None:
    inputs = ask("GET", "/v2/models/m")[1]["inputs"]

    assert [one["name"] for one in inputs] == ["a", "b"]
    assert ask("GET", "/v2")[1]["name"] == "graphship"


@settings(max_examples=300)
@given(st.binary(max_size=200), st.sampled_from(["/", "/v2/models/m/infer"]))
def test_no_bytes_make_the_server_fail(body: bytes, path: str) -> None:
    status, _answer = ask("POST", path, body)

    assert status < 500


@settings(max_examples=200)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "name": st.sampled_from(["a", "b", "X"]),
                "shape": st.lists(st.integers(-2, 3), max_size=3),
                "datatype": st.sampled_from(["FP32", "BYTES", "INT64", "?"]),
                "data": st.lists(st.none() | st.integers(-5, 5) | st.text(max_size=2), max_size=6),
            }
        ),
        max_size=3,
    )
)
def test_no_shape_or_data_makes_the_decoder_fail(inputs: list[dict[str, Any]]) -> None:
    from ci_core.serving import protocol
    from ci_core.serving.problems import RequestError

    body = orjson.dumps({"inputs": inputs})
    try:
        rows = protocol.rows_of(protocol.decode_request(body), ("a", "b"))
    except RequestError:
        return
    assert all(set(row) <= {"a", "b", "X"} for row in rows)
