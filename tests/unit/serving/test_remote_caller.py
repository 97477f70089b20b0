"""One call of a remote step: attempts, deadlines, and the failure that the engine is told."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest

from ci_core.serving.problems import (
    DeadlineError,
    DependencyError,
    DependencyTimeoutError,
    HttpError,
    OverloadedError,
    RequestError,
)
from ci_core.serving.remote.caller import Caller, CallRules
from ci_core.serving.remote.connection import Answer
from ci_core.serving.remote.failures import (
    CallError,
    CallTimeoutError,
    ConnectionLostError,
    MalformedAnswerError,
    NotConnectedError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

REFUSED = NotConnectedError("connection refused")
LOST = ConnectionLostError(has_begun=True)
LATE = CallTimeoutError(may_have_arrived=True)
OK = Answer(200, [], b"{}")


def answered(status: int, **headers: str) -> Answer:
    return Answer(status, [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()], b"")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class ScriptedService:
    """Stands for the client of a service that answers as it is told; each call takes `takes_s` on the clock."""

    def __init__(self, clock: Clock, *outcomes: Answer | CallError, takes_s: float = 0.0) -> None:
        self._clock, self._outcomes, self._takes_s = clock, iter(outcomes), takes_s
        self._last = outcomes[-1]
        self.calls: list[dict[str, Any]] = []

    async def request(self, method: str, target: str, **details: Any) -> Answer:
        self.calls.append({"method": method, "target": target, **details})
        self._clock.now += self._takes_s
        await asyncio.sleep(0)
        outcome = next(self._outcomes, self._last)
        if isinstance(outcome, CallError):
            raise outcome
        return outcome


class Scene:
    """A caller of a scripted service, with virtual time and no luck."""

    def __init__(self, *outcomes: Answer | CallError, takes_s: float = 0.0, draws: float = 0.5, **rules: Any) -> None:
        self.clock = Clock()
        self.waits: list[float] = []
        self.service = ScriptedService(self.clock, *outcomes, takes_s=takes_s)
        made = CallRules(**{"service": "features:8080", "is_repeatable": True, **rules})
        self.caller = Caller(self.service, made, clock=self.clock, sleep=self._sleep, draw=lambda: draws)

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.clock.now += seconds

    async def call_async(self, deadline: float | None = None) -> Answer:
        return await self.caller.call("GET", "/x?token=1", headers=b"a: b\r\n", body=None, deadline=deadline)

    def call(self, deadline: float | None = None) -> Answer:
        return asyncio.run(self.call_async(deadline))

    def breaker(self) -> str:
        return self.caller.state.breaker

    def fails(self, kind: type[HttpError], deadline: float | None = None) -> HttpError:
        with pytest.raises(kind) as caught:
            self.call(deadline)
        assert type(caught.value) is kind
        return caught.value


# outcomes


def test_an_answer_of_success_is_returned_after_one_attempt() -> None:
    scene = Scene(OK)

    assert scene.call() is OK
    assert len(scene.service.calls) == 1
    assert scene.waits == []


@pytest.mark.parametrize("status", [200, 201, 202, 204, 206, 299])
def test_every_2xx_is_a_success(status: int) -> None:
    assert Scene(answered(status)).call().status == status


@pytest.mark.parametrize(
    ("outcome", "kind", "status", "message"),
    [
        (REFUSED, DependencyError, 502, "cannot connect to `features:8080`: connection refused (3 attempts)"),
        (
            LOST,
            DependencyError,
            502,
            "`features:8080` gave no answer: the connection was closed in the middle of the answer (3 attempts)",
        ),
        (
            MalformedAnswerError("it is no HTTP/1.1"),
            DependencyError,
            502,
            "the answer of `features:8080` cannot be read: it is no HTTP/1.1",
        ),
        (LATE, DependencyTimeoutError, 504, "`features:8080` did not answer in time (3 attempts)"),
        (answered(500), DependencyError, 502, "`features:8080` answered 500"),
        (answered(503), DependencyError, 502, "`features:8080` answered 503 (3 attempts)"),
        (answered(404), DependencyError, 502, "`features:8080` answered 404"),
        (answered(401), DependencyError, 502, "`features:8080` answered 401"),
        (
            answered(302, location="http://elsewhere"),
            DependencyError,
            502,
            "`features:8080` answered 302, a redirect, and redirects are not followed",
        ),
    ],
)
def test_a_failure_is_told_by_service_and_status(
    outcome: Answer | CallError, kind: type[HttpError], status: int, message: str
) -> None:
    error = Scene(outcome, breaker_failures=0).fails(kind)

    assert (error.status, error.message) == (status, message)


def test_a_refusal_that_is_passed_on_is_the_clients_mistake() -> None:
    scene = Scene(answered(404), pass_statuses=frozenset({404, 422}))

    error = scene.fails(RequestError)

    assert (error.status, error.message) == (404, "`features:8080` answered 404")
    assert len(scene.service.calls) == 1


def test_a_refusal_that_is_not_passed_on_is_a_failed_dependency() -> None:
    assert Scene(answered(403), pass_statuses=frozenset({404})).fails(DependencyError).status == 502


# retries


@pytest.mark.parametrize("first", [REFUSED, LOST, LATE, *(answered(status) for status in (429, 502, 503, 504))])
def test_what_may_pass_is_tried_again(first: Answer | CallError) -> None:
    scene = Scene(first, OK)

    assert scene.call() is OK
    assert len(scene.service.calls) == 2
    assert scene.caller.state.retries == 1


@pytest.mark.parametrize(
    "first", [MalformedAnswerError("x"), *(answered(status) for status in (301, 400, 401, 404, 409, 422, 500, 501))]
)
def test_what_will_not_pass_is_not_tried_again(first: Answer | CallError) -> None:
    scene = Scene(first, OK)

    scene.fails(DependencyError)

    assert len(scene.service.calls) == 1


@pytest.mark.parametrize("first", [LOST, LATE, answered(503), answered(429)])
def test_what_the_service_may_have_done_already_is_not_done_twice(first: Answer | CallError) -> None:
    scene = Scene(first, OK, is_repeatable=False)

    with pytest.raises(DependencyError):
        scene.call()

    assert len(scene.service.calls) == 1


def test_what_was_never_sent_is_repeated_whatever_it_is() -> None:
    scene = Scene(REFUSED, OK, is_repeatable=False)

    assert scene.call() is OK


@pytest.mark.parametrize(("retries", "attempts"), [(0, 1), (1, 2), (5, 6)])
def test_there_are_so_many_retries_as_the_step_says(retries: int, attempts: int) -> None:
    scene = Scene(answered(503), retries=retries, breaker_failures=0)

    scene.fails(DependencyError)

    assert len(scene.service.calls) == attempts


def test_waits_double_and_are_drawn_by_chance() -> None:
    scene = Scene(REFUSED, retries=3, retry_wait_s=0.2, breaker_failures=0, draws=0.5)

    scene.fails(DependencyError)

    assert scene.waits == pytest.approx([0.1, 0.2, 0.4])


def test_the_service_says_when_to_come_back() -> None:
    scene = Scene(answered(429, retry_after="3"), OK)

    assert scene.call(deadline=1010.0) is OK
    assert scene.waits == [3.0]


def test_a_wait_beyond_the_deadline_is_not_begun_and_told_to_the_client() -> None:
    scene = Scene(answered(503, retry_after="3"), OK)

    error = scene.fails(DependencyError, deadline=1002.0)

    assert error.retry_after_s == 3.0
    assert scene.waits == []
    assert len(scene.service.calls) == 1


def test_without_a_deadline_nobody_waits_longer_than_an_attempt_may_take() -> None:
    scene = Scene(answered(503, retry_after="3600"), OK, timeout_s=10.0)

    assert scene.fails(DependencyError).retry_after_s == 3600.0
    assert scene.waits == []


# time


def test_an_attempt_has_its_timeout_or_what_the_deadline_leaves() -> None:
    scene = Scene(REFUSED, REFUSED, OK, takes_s=4.0, timeout_s=5.0, draws=0.0)

    scene.call(deadline=1010.0)

    assert [call["timeout_s"] for call in scene.service.calls] == [5.0, 5.0, 2.0]


def test_the_service_is_told_how_much_time_there_is() -> None:
    scene = Scene(OK, timeout_s=5.0)

    scene.call(deadline=1000.25)

    assert re.fullmatch(rb"a: b\r\nx-request-timeout-ms: 25[01]\r\n", scene.service.calls[0]["headers"])


def test_nobody_is_asked_when_the_deadline_has_passed() -> None:
    scene = Scene(OK)

    error = scene.fails(DeadlineError, deadline=999.9)

    assert error.message == "the deadline passed before `features:8080` could be asked"
    assert scene.service.calls == []


# The breaker


def test_a_service_that_keeps_failing_is_left_alone_and_then_tried_by_one_call() -> None:
    scene = Scene(answered(500), answered(500), OK, breaker_failures=2, breaker_wait_s=10.0)
    scene.fails(DependencyError)
    scene.fails(DependencyError)
    assert scene.breaker() == "open"

    error = scene.fails(OverloadedError)
    assert (error.status, error.retry_after_s) == (503, 10.0)
    assert error.message == "`features:8080` failed 2 times in a row and is left alone for a while"
    assert len(scene.service.calls) == 2

    scene.clock.now += 10.0
    assert scene.call() is OK
    assert scene.breaker() == "closed"


def test_only_one_call_tries_a_service_that_failed() -> None:
    scene = Scene(answered(500), OK, breaker_failures=1)
    scene.fails(DependencyError)
    scene.clock.now += 10.0

    async def three() -> list[Answer | BaseException]:
        return await asyncio.gather(*(scene.call_async() for _ in range(3)), return_exceptions=True)

    outcomes = asyncio.run(three())

    assert [type(one) for one in outcomes] == [Answer, OverloadedError, OverloadedError]


def test_a_retry_is_not_made_against_an_open_breaker() -> None:
    scene = Scene(answered(503), retries=5, breaker_failures=2)

    assert scene.fails(DependencyError).message == "`features:8080` answered 503 (2 attempts)"


def test_refusals_do_not_open_the_breaker() -> None:
    scene = Scene(answered(404), breaker_failures=1)

    scene.fails(DependencyError)

    assert scene.breaker() == "closed"


def test_clients_in_a_hurry_do_not_open_the_breaker() -> None:
    scene = Scene(LATE, breaker_failures=1, timeout_s=10.0, retries=0)

    scene.fails(DependencyTimeoutError, deadline=1000.001)
    assert scene.breaker() == "closed"

    scene.fails(DependencyTimeoutError)
    assert scene.breaker() == "open"


def test_an_opened_breaker_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene(answered(500), breaker_failures=2)
    for _ in range(2):
        scene.fails(DependencyError)
    scene.fails(OverloadedError)

    assert [record.getMessage() for record in caplog.records] == [
        "circuit breaker opened service=features:8080 failures=2 wait_s=10"
    ]


# concurrency


def waiting_calls(scene: Scene, count: int) -> Iterator[asyncio.Task[Answer]]:
    return (asyncio.create_task(scene.call_async()) for _ in range(count))


def test_calls_beyond_the_limit_wait_and_those_beyond_the_waiting_list_are_refused() -> None:
    scene = Scene(OK, max_in_flight=2, max_waiting=1)

    async def crowd() -> tuple[Any, list[Any]]:
        tasks = list(waiting_calls(scene, 4))
        await asyncio.sleep(0)
        state = scene.caller.state
        return state, await asyncio.gather(*tasks, return_exceptions=True)

    state, outcomes = asyncio.run(crowd())

    assert (state.in_flight, state.waiting) == (2, 1)
    assert outcomes[:3] == [OK, OK, OK]
    assert isinstance(outcomes[3], OverloadedError)
    assert outcomes[3].message == "too many calls wait for `features:8080`"
    # counted for each loop, and that one is gone
    assert (scene.caller.state.in_flight, scene.caller.state.waiting) == (0, 0)


def test_a_call_that_stood_in_line_while_the_breaker_opened_is_not_made() -> None:
    scene = Scene(answered(500), max_in_flight=1, breaker_failures=1)

    async def two() -> list[Any]:
        return await asyncio.gather(*waiting_calls(scene, 2), return_exceptions=True)

    outcomes = asyncio.run(two())

    assert [type(one) for one in outcomes] == [DependencyError, OverloadedError]
    assert len(scene.service.calls) == 1


def test_a_cancelled_probe_leaves_the_service_to_be_tried_by_the_next_call() -> None:
    scene = Scene(answered(500), OK, breaker_failures=1)
    scene.fails(DependencyError)
    scene.clock.now += 10.0

    async def cancelled() -> Answer:
        probe = next(waiting_calls(scene, 1))
        await asyncio.sleep(0)
        assert len(scene.service.calls) == 2
        probe.cancel()
        await asyncio.gather(probe, return_exceptions=True)
        return await scene.call_async()

    assert asyncio.run(cancelled()) is OK


def test_a_cancelled_call_gives_its_place_back() -> None:
    scene = Scene(OK, max_in_flight=1)

    async def cancelled() -> tuple[int, Answer]:
        task = next(waiting_calls(scene, 1))
        await asyncio.sleep(0)
        assert scene.caller.state.in_flight == 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return scene.caller.state.in_flight, await scene.call_async()

    assert asyncio.run(cancelled()) == (0, OK)


def test_the_state_counts_attempts_retries_and_failures() -> None:
    scene = Scene(REFUSED, answered(503), OK)

    scene.call()

    state = scene.caller.state
    assert (state.attempts, state.retries, state.failures, state.times_opened) == (3, 2, 2, 0)
