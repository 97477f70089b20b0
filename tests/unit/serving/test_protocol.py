"""The Open Inference Protocol through the whole server: JSON requests, metadata, other forms of rows."""

from __future__ import annotations

import math
from typing import Any

import orjson
import pytest

from ci_core.serving import Graph, Model, Router
from ci_core.serving.metrics import Metrics
from ci_core.serving.server import Application


class Scale(Model):
    input_columns = ("a", "b")

    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        return [{"total": float(row["a"] + row["b"]), "first": row["a"], "word": "w"} for row in rows]

    def explain(self, rows: list[dict[str, Any]]) -> list[Any]:
        return [{"largest": max(row, key=lambda name: row[name])} for row in rows]

    def op_double(self, rows: list[dict[str, Any]]) -> list[Any]:
        return [2 * row["a"] for row in rows]


class Echo(Model):
    """Answers with the rows as they came; names no columns."""

    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        return [{"row": row, "x": next(iter(row.values()))} for row in rows]


class One(Model):
    input_columns = ("x",)

    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        return [row["x"] for row in rows]


class Old(Scale):
    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        return ["old" for _ in rows]


def serve(graph: Graph) -> Application:
    return Application(graph.spec, graph.compile(), metrics=Metrics())


def build() -> Application:
    graph = Graph("g")
    graph.to(Router.single({"m": Scale, "echo": Echo, "one": One, "v:1": Old, "v:2": Scale})).respond()
    return serve(graph)


APPLICATION = build()


def ask(method: str, path: str, body: Any = None, application: Application = APPLICATION) -> tuple[int, Any]:
    raw = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
    status, _headers, answer = application.handle(method, path, {}, raw)
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
    assert ask("POST", "/v2/models/m/predict", {"id": "7", "inputs": inputs}) == (200, EXPECTED)


MISFITS: list[tuple[Any, str]] = [
    (b"", "no inference request"),
    (b"{}", "no inference request: Object missing required field `inputs`"),
    (b'{"inputs": ' + b"[" * 100_000, "no inference request: nested too deeply"),
    (b'{"inputs": [{"name": "\xff"}]}', "no inference request"),
    ({"inputs": []}, "no inference request: Expected `array` of length >= 1 - at `$.inputs`"),
    ({"inputs": [{"name": "a", "shape": [1], "data": [1]}]}, "missing required field `datatype` - at `$.inputs[0]`"),
    ({"inputs": [{"name": "a", "shape": [1], "datatype": "FP32"}]}, "tensor `a`: it has neither `data` nor"),
    ({"inputs": [tensor("a", [2], [1])]}, "tensor `a`: the shape [2] needs 2 values, found 1"),
    ({"inputs": [tensor("X", [1, 1, 1], [1])]}, "tensor `X`: expected the shape [n] or [n, k], found [1, 1, 1]"),
    ({"inputs": [tensor("a", [-1], [1])]}, "tensor `a`: expected the shape"),
    ({"inputs": [tensor("a", [], [1])]}, "tensor `a`: expected the shape [n] or [n, k], found []"),
    ({"inputs": [tensor("X", [10**9, 0], [])]}, "tensor `X`: expected the shape [n] or [n, k], found [1000000000, 0]"),
    ({"inputs": [tensor("X", [2**31, 2**31], [])]}, "needs 4611686018427387904 values, found 0"),
    ({"inputs": [tensor("a", [1], [1], "FP8")]}, "tensor `a`: there is no datatype `FP8`; datatypes: `BOOL`, `UINT8`"),
    ({"inputs": [tensor("X", [1, 3], [1, 2, 3])]}, "tensor `X`: the model reads 2 columns, found 3"),
    ({"inputs": [tensor("X", [2, 2], [[1, 2], [3]])]}, "tensor `X`, row 1: expected 2 values, found 1 values"),
    ({"inputs": [tensor("X", [2, 2], [[1, 2], 3])]}, "tensor `X`, row 1: expected 2 values, found 3"),
    # as many numbers as these take seconds to multiply
    ({"inputs": [tensor("X", [2**31] * 33, [1])]}, "tensor `X`: expected at most 32 dimensions, found 33"),
    ({"inputs": [tensor("X", [2**31 + 1, 1], [1])]}, "tensor `X`: expected dimensions of at most 2147483648, found a"),
    ({"inputs": [tensor("X", [1] * 9, [1, 2])]}, "tensor `X`: the shape [1, 1, 1, 1, 1, 1, 1, 1, …] needs 1 values"),
    ({"inputs": [tensor("X", [3, 2], [[1, 2], [3, 4]])]}, "tensor `X`: the shape [3, 2] needs 3 rows, found 2"),
    ({"inputs": [tensor("a", [1], [1]), tensor("b", [2], [1, 2])]}, "the same first dimension"),
    ({"inputs": [tensor("a", [1], [1]), tensor("a", [1], [2])]}, "there are two tensors with the column `a`"),
    ({"inputs": [tensor("a", [1], [1]), [1]]}, "expected a tensor like those before it - at `$.inputs[1]`"),
    (
        {"inputs": [tensor("a", [1], [1])], "outputs": [{"name": "b", "parameters": {"binary_data": 1}}]},
        "true or false",
    ),
    # what is asked for is answered, or refused
    (
        {"inputs": [tensor("X", [1, 2], [1, 2])], "outputs": [{"name": "word", "parameters": {"classification": 3}}]},
        "output `word`: `classification` is not supported; ask for the output as it is",
    ),
    (
        {
            "inputs": [tensor("X", [1, 2], [1, 2])],
            "outputs": [{"name": "word", "parameters": {"shared_memory_region": "r", "shared_memory_byte_size": 8}}],
        },
        "output `word`: shared memory is not supported; its values travel in JSON or as bytes",
    ),
    (
        {"inputs": [{**tensor("X", [1, 2], [1, 2]), "parameters": {"shared_memory_region": "r"}}]},
        "tensor `X`: shared memory is not supported; its values travel in JSON or as bytes",
    ),
    (
        {"inputs": [{"name": "a", "shape": [1], "datatype": "FP32", "parameters": {"shared_memory_region": "r"}}]},
        "tensor `a`: shared memory is not supported",
    ),
]


@pytest.mark.parametrize(("body", "message"), MISFITS)
def test_a_request_that_does_not_fit_is_a_400_with_the_protocols_text_error(body: Any, message: str) -> None:
    status, answer = ask("POST", "/v2/models/m/infer", body)

    assert (status, list(answer)) == (400, ["error"])
    assert message in answer["error"]


@pytest.mark.parametrize(
    ("datatype", "value", "message"),
    [
        ("UINT8", 256, "row 1, value 1: expected a whole number from 0 to 255 (UINT8), found 256"),
        ("UINT8", -1, "found -1"),
        ("INT8", 128, "from -128 to 127 (INT8), found 128"),
        ("UINT16", 2**16, "found 65536"),
        ("INT16", -(2**15) - 1, "found -32769"),
        ("UINT32", 2**32, "found 4294967296"),
        ("INT32", 2**31, "from -2147483648 to 2147483647 (INT32), found 2147483648"),
        ("UINT64", 2**64, "found 18446744073709551616"),
        ("INT64", 2**63, "found 9223372036854775808"),
        ("INT64", 1.0, "expected a whole number from -9223372036854775808 to 9223372036854775807 (INT64), found 1.0"),
        ("INT64", True, "found true"),
        ("INT64", None, "found null"),
        ("BOOL", 1, "expected true or false (BOOL), found 1"),
        ("FP32", "1", 'expected a number (FP32), found "1"'),
        ("FP32", True, "found true"),
        ("FP32", 1e39, "expected a number (FP32), found 1e+39"),
        ("FP16", 70000, "expected a number (FP16), found 70000"),
        ("FP64", 10**400, "expected a number (FP64), found 1000"),
        ("BYTES", 1, "expected text (BYTES), found 1"),
        ("BYTES", ["x"], "expected text (BYTES), found a list"),
    ],
)
def test_a_value_must_be_what_the_datatype_says(datatype: str, value: Any, message: str) -> None:
    good = {"BOOL": True, "BYTES": "x"}.get(datatype, 1)
    body = {"inputs": [tensor("X", [2, 2], [good, good, good, "VALUE"], datatype)]}
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else orjson.dumps(value).decode()
    raw = orjson.dumps(body).replace(b'"VALUE"', text.encode())

    status, answer = ask("POST", "/v2/models/m/infer", raw)

    assert status == 400
    assert message in answer["error"]
    assert "tensor `X`, row 1, value 1: " in answer["error"]


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        ("UINT8", 255),
        ("INT8", -128),
        ("UINT64", 2**64 - 1),
        ("INT64", -(2**63)),
        ("BOOL", False),
        ("FP16", 65504.0),
        ("FP32", 0.1),
        ("FP64", None),
        ("BYTES", "ü"),
        ("BYTES", None),
    ],
)
def test_a_value_at_the_edge_of_its_datatype_reaches_the_model_as_it_is(datatype: str, value: Any) -> None:
    body = {"inputs": [tensor("x", [1], [value], datatype)]}

    status, answer = ask("POST", "/v2/models/one/infer", body)

    assert (status, answer["outputs"][0]["data"]) == (200, [value if value is not None else "null"])


def test_a_whole_number_in_a_tensor_of_floats_is_a_float() -> None:
    body = orjson.dumps({"inputs": [tensor("x", [2], [1, "LARGE"], "FP64")]}).replace(b'"LARGE"', b"1" + b"0" * 30)

    answer = ask("POST", "/v2/models/one/infer", body)[1]

    assert answer["outputs"] == [{"name": "output", "shape": [2], "datatype": "FP64", "data": [1.0, 1e30]}]


def test_only_the_outputs_asked_for_come_in_the_order_asked() -> None:
    body = {"inputs": [tensor("X", [1, 2], [1, 2])], "outputs": [{"name": "word"}, {"name": "total"}]}

    assert [one["name"] for one in ask("POST", "/v2/models/m/infer", body)[1]["outputs"]] == ["word", "total"]
    body["outputs"].append({"name": "none"})
    assert ask("POST", "/v2/models/m/infer", body) == (
        400,
        {"error": "the model `m` has no output `none`; outputs: `total`, `first`, `word`"},
    )


def test_unknown_fields_and_parameters_are_ignored() -> None:
    body = {
        "inputs": [{**tensor("X", [1, 2], [1, 2]), "parameters": {"what": 1}, "more": []}],
        "parameters": {"priority": 3, "timeout": 10},
        "more": {},
    }

    assert ask("POST", "/v2/models/m/infer", body)[0] == 200


def test_no_rows_get_no_answers() -> None:
    assert ask("POST", "/v2/models/m/infer", {"inputs": [tensor("X", [0, 2], [])]}) == (
        200,
        {"model_name": "m", "outputs": []},
    )


def test_a_tensor_of_more_dimensions_reaches_a_model_as_nested_lists() -> None:
    data = [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]

    flat = ask("POST", "/v2/models/echo/infer", {"inputs": [tensor("img", [2, 2, 2], list(range(1, 9)))]})[1]
    nested = ask("POST", "/v2/models/echo/infer", {"inputs": [tensor("img", [2, 2, 2], data)]})[1]

    assert flat == nested
    assert flat["outputs"][0]["data"] == ['{"img":[[1,2],[3,4]]}', '{"img":[[5,6],[7,8]]}']


@pytest.mark.parametrize(
    ("values", "datatype", "data", "shape"),
    [
        ([1, 2], "INT64", [1, 2], [2]),
        ([1, 2.5], "FP64", [1, 2.5], [2]),
        ([None, 2.5], "FP64", [None, 2.5], [2]),
        ([math.nan, 1.0], "FP64", [None, 1.0], [2]),
        ([True, False], "BOOL", [True, False], [2]),
        (["a", None], "BYTES", ["a", None], [2]),
        ([[0.25, 0.75], [0.5, 0.5]], "FP64", [0.25, 0.75, 0.5, 0.5], [2, 2]),
        ([[1], [1, 2]], "BYTES", ["[1]", "[1,2]"], [2]),
        ([{"a": 1}, 2], "BYTES", ['{"a":1}', "2"], [2]),
        ([2**63, 1], "UINT64", [2**63, 1], [2]),
    ],
)
def test_the_answers_decide_the_datatype_of_an_output(
    values: list[Any], datatype: str, data: list[Any], shape: list[int]
) -> None:
    class Fixed(Model):
        def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
            return [{"y": value} for value in values]

    graph = Graph("g")
    graph.to(Router.single({"fixed": Fixed}))
    body = {"inputs": [tensor("x", [2], [1, 2])]}

    answer = ask("POST", "/v2/models/fixed/infer", body, serve(graph))[1]

    assert answer["outputs"] == [{"name": "y", "shape": shape, "datatype": datatype, "data": data}]


def test_answers_with_different_fields_become_tensors_with_gaps() -> None:
    class Mixed(Model):
        def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
            return [{"a": 1.5}, {"b": "x"}]

    graph = Graph("g")
    graph.to(Router.single({"mixed": Mixed}))

    answer = ask("POST", "/v2/models/mixed/infer", {"inputs": [tensor("x", [2], [1, 2])]}, serve(graph))[1]

    assert [(one["name"], one["data"]) for one in answer["outputs"]] == [("a", [1.5, None]), ("b", [None, "x"])]


def test_rows_by_position_are_answered_in_the_simple_form_of_mlruns_clients() -> None:
    status, answer = ask("POST", "/v2/models/m/infer", {"id": "7", "inputs": [[1, 3], [2, 4]]})

    assert (status, answer) == (
        200,
        {
            "model_name": "m",
            "id": "7",
            "outputs": [
                {"total": 4.0, "first": 1, "word": "w"},
                {"total": 6.0, "first": 2, "word": "w"},
            ],
        },
    )
    assert ask("POST", "/v2/models/one/infer", {"inputs": [5, 6]})[1]["outputs"] == [5, 6]


@pytest.mark.parametrize(
    ("model", "inputs", "message"),
    [
        ("m", [[1, 2], [3]], "row 1: the model reads 2 columns (`a`, `b`), found 1 values"),
        ("m", [1, 2], "row 0: the model reads 2 columns (`a`, `b`), found a single value"),
        ("one", [[1], 2], "row 1: the model reads 1 columns (`x`), found a single value"),
        ("echo", [[1, 2]], "the model does not name its columns: send objects to `infer_dict`, or tensors"),
    ],
)
def test_rows_by_position_must_be_as_long_as_the_model_is_wide(model: str, inputs: list[Any], message: str) -> None:
    assert ask("POST", f"/v2/models/{model}/infer", {"inputs": inputs}) == (400, {"error": message})


@pytest.mark.parametrize("body", [[{"b": 3, "a": 1}], {"inputs": [{"b": 3, "a": 1}]}])
@pytest.mark.parametrize("operation", ["infer_dict", "predict_dict"])
def test_rows_by_name_are_put_into_the_models_order(body: Any, operation: str) -> None:
    status, answer = ask("POST", f"/v2/models/m/{operation}", body)

    assert (status, answer["outputs"]) == (200, [{"total": 4.0, "first": 1, "word": "w"}])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body is no JSON"),
        (b"[1]", "no request by name: expected a list of objects, or an object with such a list as `inputs`"),
        (b'{"inputs": 1}', "no request by name: expected a list of objects"),
        (b"3", "no request by name: expected a list of objects"),
        (b'{"a": [1, 2]}', "such a list as `inputs`; columns are sent to `infer`, each as a tensor"),
        (b'{"inputs": {"a": [1, 2]}}', "such a list as `inputs`; columns are sent to `infer`, each as a tensor"),
        (b'{"id": 3, "inputs": []}', "no request by name: expected text as `id`, found 3"),
    ],
)
def test_a_request_by_name_is_a_list_of_objects(body: bytes, message: str) -> None:
    status, answer = ask("POST", "/v2/models/m/infer_dict", body)

    assert status == 400
    assert message in answer["error"]


def test_rows_that_are_no_objects_are_not_taken_for_columns() -> None:
    _status, answer = ask("POST", "/v2/models/m/infer_dict", b"[1]")

    assert answer["error"].endswith("or an object with such a list as `inputs`")


@pytest.mark.parametrize("operation", ["infer", "infer_dict"])
def test_a_whole_number_beyond_64_bits_is_a_float_in_rows_as_in_a_plain_body(operation: str) -> None:
    row = b"[1" + b"0" * 30 + b"]" if operation == "infer" else b'{"x": 1' + b"0" * 30 + b"}"

    assert ask("POST", f"/v2/models/one/{operation}", b'{"inputs": [' + row + b"]}")[1]["outputs"] == [1e30]


def test_a_row_by_name_that_lacks_a_column_is_told_the_order() -> None:
    assert ask("POST", "/v2/models/m/infer_dict", [{"a": 1, "b": 2}, {"b": 3}]) == (
        400,
        {"error": "row 1 lacks the column `a`; the model reads, in this order: `a`, `b`"},
    )


def test_rows_by_name_go_to_the_steps_first_where_there_are_steps() -> None:
    graph = Graph("g")
    graph.to(lambda rows: [{"a": row["t"], "b": 1} for row in rows], name="derive").to(Router.single({"m": Scale}))

    status, answer = ask("POST", "/v2/models/m/infer_dict", [{"t": 3}], serve(graph))

    assert (status, answer["outputs"][0]["total"]) == (200, 4.0)


def test_a_matrix_reaches_steps_before_the_router_as_rows() -> None:
    seen: list[Any] = []

    def note(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        seen.extend(rows)
        return rows

    graph = Graph("g")
    graph.to(note, name="note").to(Router.single({"m": Scale}))

    assert ask("POST", "/v2/models/m/infer", {"inputs": [tensor("X", [1, 2], [1, 2])]}, serve(graph))[0] == 200
    assert seen == [{"a": 1, "b": 2}]


@pytest.mark.parametrize("body", [[{"a": 1, "b": 9}], {"inputs": [[1, 9]]}])
def test_operations_of_a_model_are_asked_by_their_name(body: Any) -> None:
    assert ask("POST", "/v2/models/m/explain", body)[1]["outputs"] == [{"largest": "b"}]
    assert ask("POST", "/v2/models/m/double", body)[1]["outputs"] == [2]


def test_an_operation_on_tensors_answers_tensors() -> None:
    answer = ask("POST", "/v2/models/m/double", {"inputs": [tensor("X", [2, 2], [1, 2, 3, 4])]})[1]

    assert answer["outputs"] == [{"name": "output", "shape": [2], "datatype": "INT64", "data": [2, 6]}]


def test_an_unknown_operation_is_a_404_that_names_the_others() -> None:
    assert ask("POST", "/v2/models/m/zap", {}) == (
        404,
        {
            "error": "the model `m` has no operation `zap`; operations: `infer`, `infer_dict`, `explain`, `double`, "
            "`ready`"
        },
    )


def test_a_version_is_asked_for_by_its_path() -> None:
    body = {"inputs": [tensor("X", [1, 2], [1, 2])]}

    old = ask("POST", "/v2/models/v/versions/1/infer", body)[1]
    last = ask("POST", "/v2/models/v/infer", body)[1]

    assert (old["model_version"], old["outputs"][0]["data"]) == ("1", ["old"])
    assert last["outputs"][0]["data"] == [3.0]
    assert ask("GET", "/v2/models/v")[1]["versions"] == ["1", "2"]
    assert ask("POST", "/v2/models/v/versions/3/infer", body)[0] == 404


PATHS = [
    ("GET", "/v2", 200),
    ("GET", "/v2/", 200),
    ("GET", "/v2/health/live", 200),
    ("GET", "/v2/health/ready", 200),
    ("GET", "/v2/models", 200),
    ("GET", "/v2/models/", 200),
    ("GET", "/v2/models/m", 200),
    ("GET", "/v2/models/m/", 200),
    ("GET", "/v2/models/m/ready", 200),
    ("GET", "/v2/models/v/versions/1", 200),
    ("GET", "/v2/models/v/versions/1/ready", 200),
    ("GET", "/v2/models/v/versions/3", 404),
    ("GET", "/v2/models/none", 404),
    ("GET", "/v2/models/none/ready", 404),
    ("POST", "/v2/models/none/infer", 404),
    ("GET", "/v2/models/m/infer", 405),
    ("POST", "/v2/models/m/ready", 405),
    ("POST", "/v2", 405),
    ("GET", "/v2/repository/index", 404),
    ("POST", "/v2/repository/index", 404),
    ("POST", "/v2/repository/models/m/load", 404),
    ("GET", "/v2/models/m/stats", 404),
    ("GET", "/v2/models/m/config", 404),
    ("GET", "/v2/models/m/trace/setting", 404),
    ("GET", "/v2/trace/setting", 404),
    ("POST", "/v2/logging", 404),
    ("GET", "/v2/systemsharedmemory/status", 404),
    ("POST", "/v2/cudasharedmemory/region/a/register", 404),
]


@pytest.mark.parametrize(("method", "path", "status"), PATHS)
def test_every_path_of_the_protocol_answers_json(method: str, path: str, status: int) -> None:
    got, answer = ask(method, path)

    assert got == status
    assert status == 200 or isinstance(answer["error"], str)


def test_metadata_names_the_columns_of_a_model() -> None:
    answer = ask("GET", "/v2/models/m")[1]

    assert answer["name"] == "m"
    assert answer["inputs"] == [
        {"name": "a", "datatype": "FP64", "shape": [-1]},
        {"name": "b", "datatype": "FP64", "shape": [-1]},
    ]
    assert ask("GET", "/v2")[1]["name"] == "graphship"
    assert ask("GET", "/v2")[1]["extensions"] == ["binary_tensor_data"]
    assert ask("GET", "/v2/models")[1] == {"models": ["m", "echo", "one", "v:1", "v:2"]}
