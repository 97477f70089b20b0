"""The binary tensor data extension, both directions; and how a matrix gets to a model."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.serving import Event, Graph, Model, Router
from ci_core.serving.base import ANSWER, IgnoreCalls, ModelCall, Role
from ci_core.serving.capture import Capture
from ci_core.serving.metrics import Metrics
from ci_core.serving.problems import RequestError
from ci_core.serving.protocol import body_of, read_request
from ci_core.serving.segments import read_segments
from ci_core.serving.server import Application
from ci_core.serving.table import Table

if TYPE_CHECKING:
    from pathlib import Path


class Echo(Model):
    input_columns = ("a", "b")

    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        return [dict(row) for row in rows]


class CapturedCalls(IgnoreCalls):
    """Tells a capture of model calls, as the serving process does."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture

    def answered(self, event: Event, model: str, call: ModelCall, seconds: float, role: Role = ANSWER) -> None:
        self._capture.add(event, model, call)


def build() -> Application:
    graph = Graph("g")
    graph.to(Router.single({"m": Echo})).respond()
    return Application(graph.spec, graph.compile(), metrics=Metrics())


APPLICATION = build()


def binary(name: str, shape: list[int], datatype: str, data: bytes) -> tuple[dict[str, Any], bytes]:
    parameters = {"binary_data_size": len(data)}
    return {"name": name, "shape": shape, "datatype": datatype, "parameters": parameters}, data


def message(*tensors: tuple[dict[str, Any], bytes], **more: Any) -> tuple[bytes, str]:
    """Return a request's body and the length of its JSON."""
    head = orjson.dumps({"inputs": [tensor for tensor, _data in tensors], **more})
    return head + b"".join(data for _tensor, data in tensors), str(len(head))


def ask(body: bytes, length: str | None) -> tuple[int, dict[str, str], bytes]:
    sent = {} if length is None else {"inference-header-content-length": length}
    sent["content-type"] = "application/octet-stream"
    status, headers, answer = APPLICATION.handle("POST", "/v2/models/m/infer", sent, body)
    return status, dict(headers), answer


def outputs_of(headers: dict[str, str], answer: bytes) -> tuple[Any, bytes]:
    length = int(headers["inference-header-content-length"])
    return orjson.loads(answer[:length]), answer[length:]


@pytest.mark.parametrize(
    ("datatype", "data", "value"),
    [
        ("BOOL", b"\x01", True),
        ("UINT8", b"\xff", 255),
        ("UINT16", b"\x00\xff", 65280),
        ("UINT32", b"\x01\x00\x00\xff", 4278190081),
        ("UINT64", b"\xff" * 8, 18446744073709551615),
        ("INT8", b"\xff", -1),
        ("INT16", b"\xfe\xff", -2),
        ("INT32", b"\x02\x00\x00\x00", 2),
        ("INT64", b"\x00" * 7 + b"\x80", -9223372036854775808),
        ("FP16", b"\x00\x3e", 1.5),
        ("FP32", b"\x00\x00\xc0\x3f", 1.5),
        ("FP64", b"\x00\x00\x00\x00\x00\x00\xf8\x3f", 1.5),
        ("BYTES", b"\x02\x00\x00\x00\xc3\xbc", "ü"),
    ],
)
def test_every_datatype_is_read_from_its_bytes(datatype: str, data: bytes, value: Any) -> None:
    body, length = message(binary("a", [1], datatype, data), binary("b", [1, 1], "INT8", b"\x07"))

    status, _headers, answer = ask(body, length)

    assert status == 200
    assert [one["data"] for one in orjson.loads(answer)["outputs"]] == [[value], [7]]


def test_json_and_bytes_may_be_mixed() -> None:
    json_tensor = {"name": "a", "shape": [2], "datatype": "BYTES", "data": ["x", "y"]}
    body, length = message((json_tensor, b""), binary("b", [2], "INT16", b"\x01\x00\x02\x00"))

    assert [one["data"] for one in orjson.loads(ask(body, length)[2])["outputs"]] == [["x", "y"], [1, 2]]


def test_outputs_come_as_bytes_when_the_request_wants_all_so() -> None:
    body, length = message(
        binary("a", [2], "FP32", struct.pack("<2f", 1.5, float("nan"))),
        binary("b", [2], "BYTES", b"\x01\x00\x00\x00x\x00\x00\x00\x00"),
        parameters={"binary_data_output": True},
    )

    status, headers, answer = ask(body, length)
    head, data = outputs_of(headers, answer)

    assert (status, headers["content-type"]) == (200, "application/octet-stream")
    assert head["outputs"] == [
        {"name": "a", "shape": [2], "datatype": "FP64", "parameters": {"binary_data_size": 16}},
        {"name": "b", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": 9}},
    ]
    assert data[:8] == struct.pack("<d", 1.5)
    assert np.isnan(np.frombuffer(data[8:16]))
    assert data[16:] == b"\x01\x00\x00\x00x\x00\x00\x00\x00"


def test_each_output_may_say_whether_it_wants_bytes() -> None:
    outputs = [{"name": "b", "parameters": {"binary_data": False}}, {"name": "a"}]
    body, length = message(
        binary("a", [1], "INT8", b"\x01"),
        binary("b", [1], "BOOL", b"\x00"),
        outputs=outputs,
        parameters={"binary_data_output": True},
    )

    _status, headers, answer = ask(body, length)
    head, data = outputs_of(headers, answer)

    assert head["outputs"] == [
        {"name": "b", "shape": [1], "datatype": "BOOL", "data": [False]},
        {"name": "a", "shape": [1], "datatype": "INT64", "parameters": {"binary_data_size": 8}},
    ]
    assert data == b"\x01\x00\x00\x00\x00\x00\x00\x00"


A = binary("a", [1], "INT8", b"\x01")


@pytest.mark.parametrize(
    ("tensors", "length", "reason"),
    [
        ([binary("a", [2], "FP32", b"1234")], None, "tensor `a`: the shape [2] of FP32 needs 8 bytes, found 4"),
        ([binary("a", [1], "BOOL", b"\x02")], None, "tensor `a`: a BOOL is a byte 0 or 1"),
        (
            [binary("a", [1], "BYTES", b"\x05\x00\x00\x00x")],
            None,
            "tensor `a`, element 0: it is longer than the tensor",
        ),
        ([binary("a", [1], "BYTES", b"\x01\x00")], None, "tensor `a`, element 0: it is longer than the tensor"),
        ([binary("a", [1], "BYTES", b"\x01\x00\x00\x00\xff")], None, "tensor `a`, element 0: it is not UTF-8 text"),
        ([binary("a", [2], "BYTES", b"\x00\x00\x00\x00")], None, "the shape needs 2 elements, found 1 in its bytes"),
        ([binary("a", [1], "BYTES", b"\x00" * 8)], None, "tensor `a`: 4 bytes are left behind its 1 elements"),
        ([({**A[0], "parameters": {"binary_data_size": -1}}, b"")], None, "must be a number of bytes"),
        ([({**A[0], "parameters": {"binary_data_size": True}}, b"")], None, "must be a number of bytes"),
        ([({**A[0], "parameters": {"binary_data_size": 1.0}}, b"")], None, "must be a number of bytes"),
        ([({**A[0], "parameters": {"binary_data_size": 2}}, b"x")], None, "2 bytes are announced, and 1 are left"),
        ([({**A[0], "data": [1]}, b"x")], None, "it has both `data` and `binary_data_size`"),
        ([A, ({}, b"more")], None, "no inference request"),
        ([A], "", "must be the length of the JSON, at most 92, found ``"),
        ([A], "-1", "found `-1`"),
        ([A], "²", "found `²`"),
        ([A], "93", "at most 92, found `93`"),
        ([A], "9" * 5000, "found `99999999999999999999`"),
        # more digits than Python makes a number of, and more than the message shows
        ([A], "0" * 4301, "found `00000000000000000000`"),
        ([A], "0" * 18 + "6899", "found `00000000000000000068`"),
        ([A], "0", "no inference request"),
        ([A], "20", "no inference request"),
    ],
)
def test_bytes_that_do_not_fit_are_a_400_that_says_why(
    tensors: list[tuple[dict[str, Any], bytes]], length: str | None, reason: str
) -> None:
    body, right = message(*tensors)

    status, _headers, answer = ask(body, right if length is None else length)

    assert status == 400
    assert reason in orjson.loads(answer)["error"]


def test_bytes_without_a_length_of_the_json_and_bytes_left_over_are_refused() -> None:
    body, length = message(A)

    assert b"no inference request" in ask(body, None)[2]
    head, _data = body[: int(length)], body[int(length) :]
    assert b"needs the length of the JSON" in ask(head, None)[2]
    assert b"the tensors need 1 bytes behind the JSON, found 3" in ask(body + b"xy", length)[2]


def test_a_matrix_of_bytes_is_not_copied() -> None:
    matrix = np.arange(6, dtype="<f4").reshape(3, 2)
    body, length = message(binary("X", [3, 2], "FP32", matrix.tobytes()))

    table = body_of(read_request(body, length), ("a", "b"), as_table=True)

    assert isinstance(table, Table)
    assert table.matrix is not None
    assert np.shares_memory(table.matrix, np.frombuffer(body, np.uint8))
    assert table.matrix.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert (len(table), table.names) == (3, ("a", "b"))
    assert list(table.column("b")) == [1, 3, 5]
    assert table.rows() == [{"a": 0.0, "b": 1.0}, {"a": 2.0, "b": 3.0}, {"a": 4.0, "b": 5.0}]


def test_columns_stay_columns() -> None:
    body, length = message(
        binary("b", [2], "INT32", struct.pack("<2i", 7, 8)), binary("a", [2], "BYTES", b"\x01\x00\x00\x00x" * 2)
    )

    table = body_of(read_request(body, length), ("a", "b"), as_table=True)

    assert isinstance(table, Table)
    assert (table.matrix, table.names) == (None, ("b", "a"))
    assert table.column("a") == ["x", "x"]
    assert table.rows() == [{"b": 7, "a": "x"}, {"b": 8, "a": "x"}]
    with pytest.raises(KeyError):
        table.column("c")


def test_a_matrix_of_json_numbers_becomes_one_array_and_one_with_gaps_does_not() -> None:
    def table(data: list[Any]) -> Any:
        tensor = {"name": "X", "shape": [2, 2], "datatype": "FP64", "data": data}
        return body_of(read_request(orjson.dumps({"inputs": [tensor]})), ("a", "b"), as_table=True)

    assert table([1, 2, 3, 4]).matrix.tolist() == [[1, 2], [3, 4]]
    assert table([1, None, 3, 4]).matrix is None
    assert table([1, None, 3, 4]).rows() == [{"a": 1.0, "b": None}, {"a": 3.0, "b": 4.0}]


class Matrix(Model):
    """Takes a table; answers with the sums of its rows, and keeps what it got."""

    input_columns = ("a", "b")
    takes_tables = True
    got: ClassVar[list[Any]] = []

    def call(self, rows: Any) -> ModelCall:
        self.got.append(rows)
        names = self.input_columns
        is_table = isinstance(rows, Table)
        columns = {name: rows.column(name) if is_table else [row[name] for row in rows] for name in names}
        sums = [float(a + b) for a, b in zip(columns["a"], columns["b"], strict=True)]
        return ModelCall(answers=list(sums), columns=columns, outputs=sums)


def ask_bytes(application: Application, *tensors: tuple[dict[str, Any], bytes], **headers: str) -> tuple[int, Any]:
    body, length = message(*tensors)
    headers |= {"inference-header-content-length": length}
    status, _headers, answer = application.handle("POST", "/v2/models/m/infer", headers, body)
    return status, orjson.loads(answer)


MATRIX = binary("X", [2, 2], "FP32", struct.pack("<4f", 1, 2, 3, 4))


def test_tensors_reach_a_model_that_takes_tables_as_they_are_and_are_captured(tmp_path: Path) -> None:
    Matrix.got.clear()
    capture = Capture(tmp_path)
    capture.start()
    graph = Graph("g")
    graph.to(Router.single({"m": Matrix})).respond()
    plan = graph.compile(observe=CapturedCalls(capture))
    application = Application(graph.spec, plan, metrics=Metrics(), capture=capture)
    a, b = (binary(name, [1], "INT8", b"\x05") for name in "ab")

    status, answer = ask_bytes(application, MATRIX, **{"x-event-id": "e"})
    assert ask_bytes(application, a, b)[0] == 200
    assert ask_bytes(application, a, b, binary("event_id", [1], "BYTES", b"\x01\x00\x00\x00r"))[0] == 200
    capture.close()

    assert (status, answer["outputs"][0]["data"]) == (200, [3.0, 7.0])
    assert [type(one) for one in Matrix.got] == [Table, Table, Table]
    assert Matrix.got[0].matrix.tolist() == [[1, 2], [3, 4]]
    captured = read_segments(sorted(tmp_path.rglob("*.arrow")))
    assert (captured["_event_id"][:2], captured["_event_id"][3]) == (["e/0", "e/1"], "r")


def test_the_same_model_gets_rows_where_steps_come_first() -> None:
    Matrix.got.clear()
    graph = Graph("g")
    graph.to(lambda rows: rows, name="same").to(Router.single({"m": Matrix})).respond()
    application = Application(graph.spec, graph.compile(), metrics=Metrics())

    assert ask_bytes(application, MATRIX)[0] == 200
    assert Matrix.got == [[{"a": 1.0, "b": 2.0}, {"a": 3.0, "b": 4.0}]]


@given(st.lists(st.tuples(st.floats(width=32), st.integers(-(2**63), 2**63 - 1), st.booleans(), st.text()), min_size=1))
def test_what_goes_in_as_bytes_comes_out_as_bytes(rows: list[tuple[float, int, bool, str]]) -> None:
    from ci_core.serving.protocol import Reply

    floats, integers, booleans, texts = (list(column) for column in zip(*rows, strict=True))
    n = len(rows)
    encoded = [text.encode() for text in texts]
    body, length = message(
        binary("f", [n], "FP32", np.array(floats, "<f4").tobytes()),
        binary("i", [n], "INT64", np.array(integers, "<i8").tobytes()),
        binary("t", [n], "BOOL", np.array(booleans, "?").tobytes()),
        binary("s", [n], "BYTES", b"".join(struct.pack("<I", len(text)) + text for text in encoded)),
        parameters={"binary_data_output": True},
    )
    request = read_request(body, length)
    answers = body_of(request, ("f", "i", "t", "s"))
    assert isinstance(answers, list)

    headers, reply = Reply("m", None, request).encode(answers)
    _head, data = outputs_of(dict(headers), reply)

    expected = np.array(floats, "<f4").astype("<f8").tobytes() + np.array(integers, "<i8").tobytes()
    expected += np.array(booleans, "?").tobytes()
    expected += b"".join(struct.pack("<I", len(text)) + text for text in encoded)
    assert data == expected


@given(
    st.binary(max_size=60), st.sampled_from(["BYTES", "BOOL", "FP16", "INT64"]), st.lists(st.integers(0, 4), max_size=3)
)
def test_no_bytes_make_the_decoder_fail(data: bytes, datatype: str, shape: list[int]) -> None:
    body, length = message(binary("a", shape, datatype, data))

    try:
        rows = body_of(read_request(body, length), ())
    except RequestError:
        return
    assert len(rows) == shape[0]
