"""Whatever comes in, an answer goes out: no exception, no 5xx, valid JSON. The whole matrix: ``make faults``.

A failure names its seed and its request; put the request into :data:`FOUND`, as seeds change with the code.
"""

from __future__ import annotations

import json
import random
import struct
from collections import Counter
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ci_core.serving import Graph, Model, Router, steps
from ci_core.serving.limits import Limits
from ci_core.serving.metrics import Metrics
from ci_core.serving.server import Application

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SAMPLE, WHOLE = 2_000, 100_000
LENGTH = "inference-header-content-length"
DEEP = b"[" * 1_000 + b"]" * 1_000
LONG_SHAPE = b'{"inputs": [{"name": "x", "datatype": "FP32", "data": [1], "shape": [%s]}]}' % b",".join(
    [b"9223372036854775807"] * 4_000
)
FOUND: tuple[tuple[str, dict[str, str], bytes], ...] = (
    # whole numbers beyond 64 bits, which JSON can spell and the answer could not
    ("/v2/models/any/predict_dict", {}, b'[{"a": 18446744073709551616, "b": "x"}, {"a": null, "event_i1": 7}]'),
    (
        "/v2/models/any/predict_dict",
        {},
        b'{"inputs": [{"name": "X", "data": [999999999999999999999999999999]}], "id": "7"}',
    ),
    # a shape whose product takes seconds and has more digits than Python writes
    ("/v2/models/m/infer", {}, LONG_SHAPE),
    # deeper than `repr` and the JSON writer of Python can go
    ("/", {}, b'{"a": 1, "b": 2, "model": %s}' % DEEP),
    ("/", {}, b'{"a": %s, "b": %s}' % (DEEP, DEEP)),
    ("/v2/models/m/infer", {}, b'{"inputs": [{"a": %s, "b": 1}]}' % DEEP),
    # more digits than Python makes a number of
    ("/v2/models/m/infer", {LENGTH: "0" * 4301}, b'{"inputs": [[1, 2]]}'),
)
"""Requests that once made the server fail."""


class Numbers(Model):
    """Checks its columns as models of files do."""

    input_columns = ("a", "b")

    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        return [{"prediction": len(row), "words": ["x"]} for row in rows]

    def explain(self, rows: list[dict[str, Any]]) -> list[Any]:
        return [list(row) for row in rows]


class Anything(Model):
    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        return rows


def build(*, first: bool) -> Application:
    graph = Graph("g")
    router = Router.single({"m": Numbers, "any": Anything, "v:1": Numbers})
    if first:
        graph.to(router)
    else:
        graph.to(steps.Impute(a=0, b=0)).to(router)
    schema = {"a": "number?", "b": "any?"} if not first else None
    return Application(
        graph.spec, graph.compile(), metrics=Metrics(), limits=Limits(body_bytes=100_000), input_schema=schema
    )


APPLICATIONS = (build(first=True), build(first=False))


def check(method: str, path: str, headers: dict[str, str], body: bytes) -> Counter[str]:
    """Return how many answers there were, by the first digit of their status."""
    counts: Counter[str] = Counter()
    for application in APPLICATIONS:
        application.admit(path, len(path), headers)
        status, answer_headers, answer = application.handle(method, path, dict(headers), body)
        assert 200 <= status < 500, (status, answer)
        for name, value in answer_headers:
            assert f"{name}{value}".isascii()
            assert f"{name}{value}".isprintable()
        kind = dict(answer_headers).get("content-type")
        if kind == "application/json":
            orjson.loads(answer)
        elif kind == "application/octet-stream":
            orjson.loads(answer[: int(dict(answer_headers)[LENGTH])])
        counts[f"{status // 100}xx"] += 1
    return counts


PATHS = [
    "/",
    "//",
    "",
    "*",
    "/v2",
    "/v2/models/m/infer",
    "/v2/models/any/infer",
    "/v2/models/m/infer_dict",
    "/v2/models/any/predict_dict",
    "/v2/models/m/explain",
    "/v2/models/v/versions/1/infer",
    "/v2/models/m",
    "/v2/models//infer",
    "/v2/models/%00/infer",
    "/v2/models/m/versions//infer",
    "/openapi.json",
    "/docs",
    "/graph",
    "/metrics",
    "/readyz",
]
ASKED = ["/", *PATHS[5:11], *PATHS[5:7]]
METHODS = ["POST", "POST", "POST", "GET", "PUT", "OPTIONS", "HEAD", "DELETE", "get", "", "\x00"]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "model", ""]), inner),
    max_leaves=12,
)
header_values = st.dictionaries(
    st.sampled_from([
        "content-type", "content-encoding", "x-event-id", "x-event-time", "x-request-timeout-ms", "traceparent",
        "tracestate", LENGTH, "x-graphship-smoke",
    ]),
    st.sampled_from([
        "application/json", "gzip", "deflate", "0", "10", "-1", "1e9", "nan", "²", "", "\x00", "\n", "\udc80",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "2013-01-01", "99999999999",
        "0" * 4301,
    ]) | st.text(max_size=8),
    max_size=4,
)  # fmt: skip
tensors = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["a", "b", "X", ""]) | st.text(max_size=2),
        "shape": st.lists(st.integers(-1, 4) | st.just(2**62), max_size=3),
        "datatype": st.sampled_from(["FP16", "FP32", "FP64", "BYTES", "INT8", "UINT64", "BOOL", "?"]),
    },
    optional={
        "data": st.lists(json_values, max_size=8),
        "parameters": st.none() | st.dictionaries(st.sampled_from(["binary_data_size", "x"]), json_values, max_size=2),
    },
)
requests = st.fixed_dictionaries(
    {"inputs": st.lists(tensors | json_values, max_size=3)},
    optional={
        "id": st.none() | st.text(max_size=5),
        "outputs": st.lists(st.fixed_dictionaries({"name": st.sampled_from(["prediction", "words", "a"])}), max_size=3),
        "parameters": st.dictionaries(st.just("binary_data_output"), st.booleans() | st.integers()),
    },
)


def as_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()  # writes NaN and integers of any size, too


any_body = st.binary(max_size=100) | json_values.map(as_json) | requests.map(as_json)


@settings(max_examples=SAMPLE // 8)
@given(
    st.sampled_from(METHODS) | st.text(max_size=5),
    st.sampled_from(PATHS) | st.text(max_size=20),
    header_values,
    any_body,
)
def test_no_request_makes_the_server_fail(method: str, path: str, headers: dict[str, str], body: bytes) -> None:
    check(method, path, headers, body)


@settings(max_examples=SAMPLE // 8)
@given(st.sampled_from(PATHS[5:11]), requests.map(as_json), st.binary(max_size=40), st.integers(-2, 2) | st.none())
def test_no_tensors_make_the_decoder_fail(path: str, head: bytes, data: bytes, off: int | None) -> None:
    headers = {} if off is None else {LENGTH: str(len(head) + off)}
    check("POST", path, headers, head + data)


@pytest.mark.parametrize(("path", "headers", "body"), FOUND)
def test_what_once_made_the_server_fail_does_so_no_more(path: str, headers: dict[str, str], body: bytes) -> None:
    check("POST", path, headers, body)


def test_no_damaged_request_makes_the_server_fail() -> None:
    check_seeds(range(SAMPLE))


@pytest.mark.slow
@pytest.mark.faults
def test_no_damaged_request_of_the_whole_matrix_makes_the_server_fail(
    record_property: Callable[[str, object], None],
) -> None:
    record_property("seeds", f"{SAMPLE} to {SAMPLE + WHOLE - 1}")
    record_property("inputs, each to two graphs", WHOLE)
    for name, count in sorted(check_seeds(range(SAMPLE, SAMPLE + WHOLE)).items()):
        record_property(name, count)


def check_seeds(seeds: Sequence[int]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for seed in seeds:
        try:
            counts += check(*damaged(seed))
        except BaseException as error:
            error.add_note(f"seed {seed}: {damaged(seed)!r}")
            raise
    assert min(counts["2xx"], counts["4xx"]) > len(seeds) / 8  # or hardly anything was tried
    return counts


def damaged(seed: int) -> tuple[str, str, dict[str, str], bytes]:
    """Return a sound request with a few bytes, numbers or pieces of it changed; the same for the same seed."""
    chance = random.Random(seed)
    headers = {"content-type": "application/json"}
    path, body, n_head = chance.choice(SOUND)
    if chance.random() < 0.4:
        path = chance.choice(ASKED) if chance.random() < 0.9 else chance.choice(PATHS)
    if n_head is not None:
        length = str(n_head + chance.choice([0, 0, 0, 0, 1, -1, 1000]))
        headers[LENGTH] = length.zfill(chance.choice([0, 0, 0, 0, 20, 21, 4301]))
        headers["content-type"] = "application/octet-stream"
    for _ in range(chance.choice([0, 1, 1, 1, 2, 2, 4])):
        body = chance.choice(DAMAGES)(chance, body)
    if chance.random() < 0.1:
        headers[chance.choice(["x-event-id", "traceparent", "content-encoding"])] = chance.choice(["", "gzip", "\xff"])
    return chance.choice(METHODS) if chance.random() < 0.05 else "POST", path, headers, body[:50_000]


def _flip(chance: random.Random, body: bytes) -> bytes:
    at = chance.randrange(len(body) + 1)
    return body[:at] + bytes([chance.randrange(256)]) + body[at + 1 :]


def _cut(chance: random.Random, body: bytes) -> bytes:
    start = chance.randrange(len(body) + 1)
    return body[:start] + body[start + chance.randrange(20) :]


def _repeat(chance: random.Random, body: bytes) -> bytes:
    start = chance.randrange(len(body) + 1)
    piece = body[start : start + chance.randrange(1, 10)]
    return body[:start] + piece * chance.choice([2, 3, 1500]) + body[start:]


def _replace(chance: random.Random, body: bytes) -> bytes:
    old = chance.choice([b"1", b"2", b'"a"', b"[", b"]", b"{", b"FP32", b"INT64", b"shape", b"data", b"null", b":"])
    return body.replace(old, chance.choice(WORDS), chance.choice([1, -1]))


DAMAGES = (_flip, _flip, _cut, _repeat, _replace, _replace)
WORDS = (
    b"1e999", b"-0", b"NaN", b"1e308", b"9" * 30, b"9" * 5000, b"null", b"true", b'"\\ud800"', b'"\\u0000"', b"[[",
    b"{}",
    b"[]", b"-1", b"4294967296", b"18446744073709551616", b'"a":1,"a":', b"BYTES", b"BOOL", b"UINT8", b"FP16", b"",
    b"[" * 2000, b'{"a":' * 1500, b"\xff\xfe", b'"\xed\xa0\x80"',
)  # fmt: skip


def _binary() -> tuple[bytes, int]:
    data = struct.pack("<4f", 1, 2, 3, 4)
    head = orjson.dumps(
        {
            "inputs": [{"name": "X", "shape": [2, 2], "datatype": "FP32", "parameters": {"binary_data_size": 16}}],
            "parameters": {"binary_data_output": True},
        }
    )
    return head + data, len(head)


def _binary_columns() -> tuple[bytes, int]:
    data = struct.pack("<2f", 1, 2) + b"\x01\x00\x00\x00x\x02\x00\x00\x00yz"
    tensors = [
        {"name": "a", "shape": [2], "datatype": "FP32", "parameters": {"binary_data_size": 8}},
        {"name": "b", "shape": [2, 1], "datatype": "BYTES", "parameters": {"binary_data_size": 11}},
    ]
    head = orjson.dumps({"inputs": tensors, "outputs": [{"name": "words", "parameters": {"binary_data": True}}]})
    return head + data, len(head)


INFER, INFER_DICT = "/v2/models/m/infer", "/v2/models/m/infer_dict"
SOUND: list[tuple[str, bytes, int | None]] = [
    ("/", b'{"a": 1, "b": 2.5, "model": "m"}', None),
    ("/", b'[{"a": 1, "b": "x"}, {"a": null, "b": 2, "event_id": 7}]', None),
    (INFER, b'{"inputs": [{"name": "X", "shape": [2, 2], "datatype": "FP32", "data": [1, 2, 3, 4]}], "id": "7"}', None),
    (
        "/v2/models/any/infer",
        b'{"inputs": [{"name": "a", "shape": [1], "datatype": "INT64", "data": [1]}], "outputs": [{"name": "a"}]}',
        None,
    ),
    (INFER, b'{"inputs": [[1, 2], [3, 4]]}', None),
    (INFER, LONG_SHAPE, None),
    (INFER_DICT, b'{"inputs": [{"a": 1, "b": 2}]}', None),
    (INFER, *_binary()),
    (INFER, *_binary_columns()),
]
