"""Remote steps against real sockets: what arrives at the service, and what comes of its answers and failures."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from typing import TYPE_CHECKING, Any

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from ci_core.serving import Context, Event, Graph, GraphSpec, steps
from ci_core.serving.metrics import Metrics
from ci_core.serving.problems import (
    DependencyError,
    DependencyTimeoutError,
    HttpError,
    OverloadedError,
    RequestError,
)
from ci_core.serving.remote.caller import Caller, CallRules
from ci_core.serving.remote.client import HttpClient
from ci_core.testing.prometheus_text import value
from tests.e2e.serving.remote_stand_in import Behaviour, Received, StandIn, answers, closes, echoes, is_silent, says

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.e2e

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def ask(step: steps.Remote, body: Any, **event: Any) -> Any:
    """Run one event through a step, as a graph does, and close it."""

    async def run() -> Any:
        try:
            return await step.do_event(Event(body, **event))
        finally:
            step.close()

    return asyncio.run(run())


def failure_of(step: steps.Remote, body: Any, **event: Any) -> HttpError:
    with pytest.raises(HttpError) as caught:
        ask(step, body, **event)
    return caught.value


# What arrives


def test_metrics_tell_how_many_connections_a_step_holds() -> None:
    async def scenario(step: steps.Remote) -> list[float | None]:
        metrics = Metrics()
        step.follow(metrics)
        told = [value(metrics.text(), "graphship_remote_connections", step="users")]
        await asyncio.gather(*(step.do_event(Event({})) for _ in range(3)))
        told.append(value(metrics.text(), "graphship_remote_connections", step="users"))
        step.close()
        return told

    with StandIn(answers()) as service:
        context = Context(graph="g", release=None, logger=logging.getLogger("t"), step="users")
        told = asyncio.run(scenario(steps.Remote(service.url, context=context)))

    assert told == [0, 3]


def test_path_query_body_and_headers_arrive_as_the_graph_says() -> None:
    context = Context(
        graph="g", release=None, logger=logging.getLogger("t"), step="users", environment={"TOKEN": "s3cr3t"}
    )
    body = {"user": {"id": "a/../b?c", "age": 3}, "features": {"x": [1, 2.5]}}

    with StandIn(answers(body=b'{"score": 1}')) as service:
        step = steps.Remote(
            f"{service.url}/api",
            path="/v1/users/x-{user.age}",
            method="PUT",
            query={"id": "user.id", "v": {"value": 2}},
            body="features",
            headers={"X-Team": "ml", "authorization": {"env": "TOKEN", "prefix": "Bearer "}},
            forward_headers=["x-tenant"],
            context=context,
        )
        answer = ask(step, body, id="e-7", headers={"traceparent": TRACE, "x-tenant": "t1", "x-other": "no"})

    assert answer == {"score": 1}
    (request,) = service.requests
    assert (request.method, request.body) == ("PUT", b'{"x":[1,2.5]}')
    assert request.target == "/api/v1/users/x-3?id=a%2F..%2Fb%3Fc&v=2"
    assert request.headers.pop("x-request-timeout-ms") == "10001"
    assert request.headers == {
        "host": service.url.removeprefix("http://"),
        "accept-encoding": "identity",
        "x-team": "ml",
        "authorization": "Bearer s3cr3t",
        "x-tenant": "t1",
        "x-event-id": "e-7",
        "traceparent": TRACE,
        "content-type": "application/json",
        "content-length": "13",
    }


@pytest.mark.parametrize(
    ("word", "method", "sent"),
    [
        (None, "POST", b'{"a":{"b":1},"c":"x"}'),
        ("a", "POST", b'{"b":1}'),
        ({"n": "a.b", "k": {"value": [True]}}, "PATCH", b'{"n":1,"k":[true]}'),
        (False, "POST", b""),
        (None, "GET", b""),
        (True, "DELETE", b'{"a":{"b":1},"c":"x"}'),
    ],
)
def test_the_service_gets_the_body_that_the_graph_says(word: Any, method: str, sent: bytes) -> None:
    with StandIn(answers()) as service:
        ask(steps.Remote(service.url, method=method, body=word), {"a": {"b": 1}, "c": "x"})

    (request,) = service.requests
    assert request.body == sent
    assert ("content-type" in request.headers) == bool(sent)


def test_bytes_are_sent_as_they_are_and_a_fixed_content_type_stays() -> None:
    with StandIn(echoes) as service:
        plain = ask(steps.Remote(service.url, answer="bytes"), b"\x00\xff")
        ask(steps.Remote(service.url, answer="bytes", headers={"Content-Type": "image/png"}), b"\x00")

    assert plain == b"\x00\xff"
    assert [one.headers["content-type"] for one in service.requests] == ["application/octet-stream", "image/png"]


@pytest.mark.parametrize(
    ("attack", "arrives"),
    [
        ("a/b", "/users/a%2Fb"),
        ("x?admin=1", "/users/x%3Fadmin%3D1"),
        ("x#y", "/users/x%23y"),
        ("x HTTP/1.1\r\nhost: evil\r\n\r\n", "/users/x%20HTTP%2F1.1%0D%0Ahost%3A%20evil%0D%0A%0D%0A"),
        ("%2e%2e%2fadmin", "/users/%252e%252e%252fadmin"),
        ("..", None),
        ("../admin", None),
        ("..\\admin", None),
        ("", None),
    ],
)
def test_a_value_of_a_client_cannot_lead_to_another_path(attack: str, arrives: str | None) -> None:
    with StandIn(answers()) as service:
        step = steps.Remote(service.url, path="/users/{id}", method="GET")
        if arrives is None:
            assert failure_of(step, {"id": attack}).status == 400
        else:
            ask(step, {"id": attack})

    assert [request.target for request in service.requests] == ([] if arrives is None else [arrives])


def test_a_missing_field_is_the_clients_mistake_and_nobody_is_asked() -> None:
    with StandIn(answers()) as service:
        error = failure_of(steps.Remote(service.url, path="/{user.id}"), {"user": {}})

    assert isinstance(error, RequestError)
    assert (error.status, error.message) == (400, "the body has no `user.id`")
    assert service.requests == []


# What comes of it


@pytest.mark.parametrize(
    ("kind", "sent", "expected"),
    [
        ("json", answers(body=b'{"a": [1, null]}'), {"a": [1, None]}),
        ("json", answers(204, body=b""), None),
        ("text", answers(body="ü".encode(), content_type="text/plain"), "ü"),
        ("text", answers(body=b"\xfc", content_type='text/plain; charset="ISO-8859-1"'), "ü"),
        ("bytes", answers(body=b"\xfc"), b"\xfc"),
        ("json", answers(body=b"1", content_encoding="identity"), 1),
    ],
)
def test_an_answer_becomes_what_the_step_says(kind: str, sent: Behaviour, expected: object) -> None:
    with StandIn(sent) as service:
        assert ask(steps.Remote(service.url, answer=kind), {}) == expected


@pytest.mark.parametrize(
    ("kind", "sent", "reason"),
    [
        ("json", answers(body=b"<html>"), "cannot be read: it is no JSON"),
        ("text", answers(body=b"\xff"), "cannot be read: it is not utf-8"),
        ("text", answers(body=b"a", content_type="text/plain; charset=rot13"), "in a character set"),
        ("json", answers(body=b"\x1f\x8b", content_encoding="gzip"), "is encoded as 'gzip', unasked"),
        ("json", says(b"hello\r\n\r\n"), "cannot be read: it is no HTTP/1.1"),
        ("json", answers(body=b"[" + b"1," * 600 + b"1]"), "is larger than 1000 bytes"),
    ],
)
def test_an_answer_of_another_kind_is_a_failed_dependency(kind: str, sent: Behaviour, reason: str) -> None:
    with StandIn(sent) as service:
        error = failure_of(steps.Remote(service.url, answer=kind, max_answer_bytes=1000), {})

    assert type(error) is DependencyError
    assert reason in error.message
    assert len(service.requests) == 1


def test_a_redirect_is_not_followed_and_the_other_service_is_told_nothing() -> None:
    with StandIn(answers()) as other, StandIn(answers(307, location=f"{other.url}/x")) as service:
        error = failure_of(steps.Remote(service.url, method="GET"), {})

    assert "answered 307, a redirect, and redirects are not followed" in error.message
    assert other.requests == []


@pytest.mark.parametrize(
    ("sent", "kind", "status"),
    [
        (answers(500), DependencyError, 502),
        (answers(503), DependencyError, 502),
        (answers(403), DependencyError, 502),
        (answers(404), RequestError, 404),
        (closes, DependencyError, 502),
        (says(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab", closes=True), DependencyError, 502),
        (is_silent, DependencyTimeoutError, 504),
    ],
)
def test_a_failure_is_mapped_to_who_is_at_fault(sent: Behaviour, kind: type[HttpError], status: int) -> None:
    with StandIn(sent) as service:
        step = steps.Remote(service.url, pass_statuses=[404, 422], timeout=0.2)
        error = failure_of(step, {})

    assert type(error) is kind
    assert error.status == status
    assert service.url.removeprefix("http://") in error.message
    assert len(service.requests) == 1, "a POST was repeated"


def test_a_service_that_is_away_is_tried_again_whatever_the_method() -> None:
    with StandIn(answers()) as service:
        url = service.url
    step = steps.Remote(url, retries=2, retry_wait=0.001)

    error = failure_of(step, {})

    assert (error.status, step.state.attempts) == (502, 3)
    assert error.message.startswith(f"cannot connect to `{url.removeprefix('http://')}`: ")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("first", [answers(503), answers(429), closes, answers(502)])
def test_what_is_safe_is_repeated_until_it_succeeds(method: str, first: Behaviour) -> None:
    with StandIn(first, first, answers(body=b"1")) as service:
        assert ask(steps.Remote(service.url, method=method, retry_wait=0.001), {}) == 1

    assert len(service.requests) == 3


@pytest.mark.parametrize(("repeatable", "requests"), [(False, 1), (True, 3)])
def test_a_post_is_repeated_when_the_graph_says_that_it_may_be(repeatable: bool, requests: int) -> None:
    with StandIn(answers(503)) as service:
        failure_of(steps.Remote(service.url, repeatable=repeatable, retry_wait=0.001), {})

    assert len(service.requests) == requests


def test_a_call_never_outlives_the_deadline_of_its_event() -> None:
    with StandIn(is_silent) as service:
        step = steps.Remote(service.url, method="GET", timeout=60.0, retries=5)
        error = failure_of(step, {}, deadline=time.monotonic() + 0.2)

    assert error.status == 504
    assert 0 < int(service.requests[0].headers["x-request-timeout-ms"]) <= 201


def test_a_service_that_fails_is_left_alone_and_tried_again_later() -> None:
    now = [100.0]

    async def scenario(url: str) -> list[object]:
        outcomes: list[object] = []
        async with HttpClient(url) as client:
            rules = CallRules(service="s", is_repeatable=False, breaker_failures=2, breaker_wait_s=10.0)
            caller = Caller(client, rules, clock=lambda: now[0])
            for _ in range(4):
                try:
                    answer = await caller.call("GET", "/", headers=b"", body=None, deadline=None)
                    outcomes.append(answer.status)
                except HttpError as error:
                    outcomes.append(type(error))
                now[0] += 10.0 if len(outcomes) == 3 else 0.0
        return outcomes

    with StandIn(answers(500), answers(500), answers(200)) as service:
        assert asyncio.run(scenario(service.url)) == [DependencyError, DependencyError, OverloadedError, 200]

    assert len(service.requests) == 3


# Secrets


@pytest.mark.parametrize(
    "sent", [answers(500), answers(302, location="/s3cr3t"), closes, says(b"s3cr3t\r\n"), answers(body=b"s3cr3t")]
)
def test_a_secret_reaches_the_service_and_no_message_log_or_traceback(
    sent: Behaviour, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    context = Context(
        graph="g", release=None, logger=logging.getLogger("t"), step="users", environment={"TOKEN": "s3cr3t"}
    )
    with StandIn(sent) as service:
        step = steps.Remote(
            service.url,
            query={"key": "key"},
            headers={"x-key": {"env": "TOKEN"}},
            breaker_failures=1,
            context=context,
        )
        error = failure_of(step, {"key": "qu3ry"})

    assert (service.requests[0].headers["x-key"], service.requests[0].target) == ("s3cr3t", "/?key=qu3ry")
    told = [str(error), repr(error), *traceback.format_exception(error), caplog.text, repr(step), repr(step.state)]
    assert not any(secret in text for text in told for secret in ("s3cr3t", "qu3ry"))


# Batches


def _after_a_while(received: Received, _: Any, writer: asyncio.StreamWriter) -> Any:
    async def behave() -> None:
        number = int(received.body)
        await asyncio.sleep(0.02 if number % 2 else 0)
        status = b"500 X" if number == 13 else b"200 OK"
        body = b"%d" % (number * number)
        writer.write(b"HTTP/1.1 %b\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body))

    return behave()


def test_a_batch_makes_a_call_for_each_item_side_by_side_and_keeps_their_order() -> None:
    with StandIn(_after_a_while) as service:
        step = steps.BatchRemote(service.url, body="n", max_in_flight=4)
        answer = ask(step, [{"n": number} for number in range(12)])

    assert answer == [number * number for number in range(12)]
    assert len(service.requests) == 12
    assert 2 <= service.most_at_once <= 4
    assert service.connections <= 4


def test_a_batch_takes_one_object_too_and_puts_each_answer_into_its_own_row() -> None:
    with StandIn(_after_a_while) as service:
        graph = Graph("g")
        graph.to(steps.BatchRemote(service.url, body="n"), "square", result_path="facts.square")

        assert graph.test({"n": 3}) == {"n": 3, "facts": {"square": 9}}
        assert graph.test([{"n": 3}, {"n": 4}]) == [
            {"n": 3, "facts": {"square": 9}},
            {"n": 4, "facts": {"square": 16}},
        ]


def test_a_batch_of_more_items_than_may_wait_is_not_refused() -> None:
    with StandIn(answers(body=b"1")) as service:
        step = steps.BatchRemote(service.url, max_in_flight=2, max_waiting=0)

        assert ask(step, [{}] * 50) == [1] * 50


def test_an_item_that_fails_is_named_and_the_others_are_given_up() -> None:
    with StandIn(_after_a_while) as service:
        step = steps.BatchRemote(service.url, body="n", max_in_flight=2)
        error = failure_of(step, [{"n": 10 + number} for number in range(10)])

    assert error.message.startswith("item 3: `localhost:")
    assert len(service.requests) < 10


def test_an_item_without_a_field_is_named() -> None:
    with StandIn(answers()) as service:
        error = failure_of(steps.BatchRemote(service.url, path="/{id}"), [{"id": 1}, {}])

    assert error.message == "item 1: the body has no `id`"


# In a graph


def test_a_graph_of_yaml_words_asks_a_service_on_a_unix_socket(tmp_path: Path) -> None:
    spec = GraphSpec.from_dict(
        {
            "name": "g",
            "steps": [
                {
                    "name": "users",
                    "step": "Remote",
                    "with": {
                        "url": f"unix:{tmp_path}/s",
                        "path": "/v1/users/{user_id}",
                        "method": "GET",
                        "headers": {"x-team": "ml"},
                    },
                    "result-path": "features",
                    "respond": True,
                }
            ],
        }
    )

    with StandIn(answers(body=b'{"x": 1}'), socket=tmp_path / "s") as service:
        graph = Graph.from_spec(spec)
        found = [graph.test({"user_id": number}) for number in range(3)]

    assert found == [{"user_id": number, "features": {"x": 1}} for number in range(3)]
    assert [request.target for request in service.requests] == ["/v1/users/0", "/v1/users/1", "/v1/users/2"]
    assert service.requests[0].headers["host"] == "localhost"


def test_a_compiled_graph_takes_secrets_from_the_environment_it_is_given() -> None:
    with StandIn(answers(body=b"1")) as service:
        graph = Graph("g")
        graph.to(steps.Remote(service.url, headers={"x-key": {"env": "KEY"}}), "ask").respond()
        plan = graph.compile(environment={"KEY": "s3cr3t"})

        async def scenario() -> Any:
            return await plan({})

        assert asyncio.run(scenario()) == 1
        plan.close()

    assert service.requests[0].headers["x-key"] == "s3cr3t"
    assert "s3cr3t" not in str(graph.spec.to_dict())


def test_a_failed_call_is_answered_by_the_handler_of_the_step() -> None:
    def apologise(event: Event) -> str:
        assert event.error is not None
        return f"{event.error.step}: {type(event.error.exception).__name__}"

    with StandIn(answers(500)) as service:
        graph = Graph("g")
        graph.to(steps.Remote(service.url), "ask").error_handler(apologise, full_event=True).respond()

        assert graph.test({}) == "ask: DependencyError"


def test_the_connections_of_a_plan_are_closed_with_it() -> None:
    async def scenario(url: str) -> bool:
        graph = Graph("g")
        graph.to(steps.Remote(url), "ask").respond()
        plan = graph.compile()
        await plan({})
        plan.close()
        return await asyncio.to_thread(service.left.wait, 30)

    with StandIn(answers(body=b"1")) as service:
        assert asyncio.run(scenario(service.url))


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_events_of_one_loop_share_the_connections_of_a_step(run: Callable[..., Any]) -> None:
    with StandIn(answers(body=b"1")) as service:
        plan = Graph("g")
        plan.to(steps.Remote(service.url), "ask").respond()
        compiled = plan.compile()

        async def scenario() -> list[Any]:
            return [await compiled({}) for _ in range(20)]

        assert run(scenario()) == [1] * 20

    assert service.connections == 1


# Answers of chance


@settings(max_examples=60)
@given(
    st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=4),
    st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"]),
)
def test_whatever_bytes_a_service_sends_the_event_fails_as_a_dependency_or_succeeds(
    pieces: list[bytes], start: bytes
) -> None:
    with StandIn(says(start, *pieces, closes=True)) as service:
        step = steps.Remote(service.url, answer="bytes")
        try:
            outcome = ask(step, {})
        except DependencyError as error:
            outcome = error

    assert isinstance(outcome, bytes | DependencyError)
