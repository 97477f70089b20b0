"""Answers that are no JSON: what the client is told, and what the log tells."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.serving import Graph, Model, Router
from ci_core.serving.metrics import Metrics
from ci_core.serving.server import Application
from ci_core.serving.unwritable import UnwritableAnswerError, is_nested_too_deep

if TYPE_CHECKING:
    from collections.abc import Callable

    AsStep = Callable[[Callable[..., Any]], Callable[..., Any]]


@dataclass
class Point:
    x: Any


def nested(levels: int, inner: Any = 1) -> Any:
    for level in range(levels):
        inner = [inner] if level % 2 else {"a": inner}
    return inner


def contains_itself() -> Any:
    rows: list[Any] = []
    rows.append(rows)
    return rows


def ask(graph: Graph, body: bytes = b"{}", path: str = "/") -> tuple[int, Any]:
    application = Application(graph.spec, graph.compile(), metrics=Metrics())
    if application.is_async:
        status, _headers, answer = asyncio.run(application.handle_async("POST", path, {}, body))
    else:
        status, _headers, answer = application.handle("POST", path, {}, body)
    return status, orjson.loads(answer)


@pytest.mark.parametrize(
    ("result", "fault"),
    [
        ({"a": {1}}, "`a` is of type `set`"),
        ([{"a": 1}, {"a": [0, Point]}], "`[1].a[1]` is of type `type`"),
        (Point({"x": {1}}), "it is of type `Point`"),
        (object(), "it is of type `object`"),
        ({"a": 2**70}, "`a` is an integer of more than 64 bits"),
        (["\ud800"], "`[0]` is text that is no Unicode"),
        ({"a": {(1, 2): 3}}, "`a` has a key of type `tuple`"),
        (np.array([{}]), "it is of type `ndarray`"),
        (nested(300), "is nested deeper than 254 levels, or contains itself"),
        (contains_itself(), "is nested deeper than 254 levels, or contains itself"),
    ],
)
def test_the_client_is_told_the_step_and_the_log_where_the_fault_lies(
    result: Any, fault: str, as_step: AsStep, caplog: pytest.LogCaptureFixture
) -> None:
    graph = Graph("g")
    graph.to(as_step(lambda body: body), "first").to(as_step(lambda _body: result), "last")

    status, answer = ask(graph)

    assert status == 500
    assert (answer["error"]["slug"], answer["error"]["step"]) == ("step-failed", "last")
    assert answer["error"]["message"] == "the step `last` failed"
    assert "step=last" in caplog.text
    assert fault in caplog.text


def test_the_handler_is_named_where_it_gave_the_answer(as_step: AsStep) -> None:
    graph = Graph("g")
    graph.to(as_step(lambda body: body["no"]), "bad").error_handler(as_step(lambda _body: {1}), "rescue").to(str, "end")

    assert ask(graph)[1]["error"]["step"] == "rescue"


def test_the_handler_is_named_that_answered_for_a_failure_in_a_nested_graph(as_step: AsStep) -> None:
    inner = Graph("inner")
    inner.to(as_step(lambda body: body["no"]), "boom")
    graph = Graph("g")
    graph.to(inner, "outer").error_handler(as_step(lambda _body: {1}), "rescue").to(str, "end")

    assert ask(graph)[1]["error"]["step"] == "rescue"


def test_the_step_that_a_handler_led_back_to_is_named(as_step: AsStep) -> None:
    graph = Graph("g")
    node = graph.to(as_step(lambda body: body["no"]), "bad")
    node.error_handler(as_step(lambda _body: {1}), "rescue", back_to="end").to(lambda body: body, "end")

    assert ask(graph)[1]["error"]["step"] == "end"


def test_all_steps_are_named_of_which_one_gave_the_answer() -> None:
    graph = Graph("g")
    choice = graph.choose("kind", otherwise="b", name="choice")
    choice.to(lambda _body: {1}, "a").respond()
    choice.to(lambda _body: {1}, "b").respond()

    assert ask(graph)[1]["error"]["step"] == "a or b"


class Odd(Model):
    def predict(self, rows: Any) -> Any:
        return [{"y": {1}} for _ in rows]


def test_a_model_whose_answer_is_no_json_is_named_on_a_path_of_the_protocol(caplog: pytest.LogCaptureFixture) -> None:
    graph = Graph("g")
    graph.to(Router.single({"odd": Odd}), "router")

    status, _answer = ask(graph, b'{"inputs": [{"a": 1}]}', "/v2/models/odd/infer_dict")

    assert status == 500
    assert "step=router" in caplog.text


def test_what_orjson_writes_is_written(as_step: AsStep) -> None:
    graph = Graph("g")
    result = {"a": Point(np.float64(1.5)), 2: np.arange(2), "deep": nested(250)}
    graph.to(as_step(lambda _body: result), "last")

    assert ask(graph) == (200, {"a": {"x": 1.5}, "2": [0, 1], "deep": nested(250)})


def echo(body: Any) -> Any:
    return body


def wrapped(body: Any) -> Any:
    return nested(20, body)


def recursive(body: Any) -> Any:
    return copy.deepcopy(body)


def unwritable(_body: Any) -> Any:
    return {1}


@pytest.mark.parametrize("levels", [255, 500, 1000])
@pytest.mark.parametrize("step", [echo, wrapped, recursive, unwritable])
def test_a_body_nested_so_deep_that_the_graph_fails_on_it_is_the_clients_fault(
    levels: int, step: Callable[[Any], Any], as_step: AsStep, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    graph = Graph("g")
    graph.to(as_step(step), "step")

    status, answer = ask(graph, b'{"a":' * levels + b"1" + b"}" * levels)

    assert (status, answer["error"]["slug"]) == (400, "bad-request")
    assert answer["error"]["message"] == "the body is nested deeper than 200 levels, which this graph cannot answer"
    assert "body nested too deep" in caplog.text


@pytest.mark.parametrize("step", [echo, wrapped, recursive])
def test_a_body_of_two_hundred_levels_is_answered(step: Callable[[Any], Any]) -> None:
    graph = Graph("g")
    graph.to(step, "step")
    body = nested(200)

    assert ask(graph, orjson.dumps(body)) == (200, step(body))


def test_a_deep_body_that_the_graph_can_answer_is_answered() -> None:
    graph = Graph("g")
    graph.to(list, "keys")

    assert ask(graph, b'{"a":' * 1000 + b"1" + b"}" * 1000) == (200, ["a"])


def test_a_fault_of_the_graph_stays_one_for_bodies_that_are_not_deep() -> None:
    graph = Graph("g")
    graph.to(unwritable, "step")

    assert ask(graph, b"[" + b'{"a":[1]},' * 500 + b"{}]")[0] == 500


json_values = st.recursive(
    st.none() | st.text('[]{}\\"a', max_size=3) | st.integers(0, 9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("[{", max_size=2), inner, max_size=4),
    max_leaves=20,
)


@given(st.integers(0, 300), json_values)
def test_levels_are_counted_in_whatever_stands_beside_them(levels: int, beside: Any) -> None:
    value: Any = 0
    for _ in range(levels):
        value = [beside, value]

    expected = depth_of(value) > 200

    assert is_nested_too_deep(json.dumps(value).encode()) is expected


def depth_of(value: Any) -> int:
    if isinstance(value, dict | list):
        return 1 + max(map(depth_of, value.values() if isinstance(value, dict) else value), default=0)
    return 0


@pytest.mark.parametrize("path", ["/", "/v2/models/m/infer"])
def test_a_test_of_the_graph_refuses_what_a_server_could_not_write(as_step: AsStep, path: str) -> None:
    class Sets(Model):
        def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
            return [{"seen": set(row)} for row in rows]

    graph = Graph("g")
    graph.to(as_step(lambda body: body), "step").to(Router.single({"m": Sets}), "models")

    with pytest.raises(UnwritableAnswerError, match="the answer cannot be written as JSON: `seen` is of type `set`"):
        graph.test({"a": 1}, path)
