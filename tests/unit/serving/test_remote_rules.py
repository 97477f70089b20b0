"""When a call is made, repeated, refused: retries, the breaker, the gate."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.serving.remote.breaker import Breaker
from ci_core.serving.remote.failures import (
    CallError,
    CallTimeoutError,
    ConnectionLostError,
    MalformedAnswerError,
    NotConnectedError,
)
from ci_core.serving.remote.gate import Gate
from ci_core.serving.remote.retry import backoff_s, may_repeat, retry_after_s

# retry


@pytest.mark.parametrize(
    ("outcome", "when_repeatable", "otherwise"),
    [
        (NotConnectedError("refused"), True, True),
        (NotConnectedError("certificate", may_pass=False), False, False),
        (CallTimeoutError(may_have_arrived=False), True, True),
        (CallTimeoutError(may_have_arrived=True), True, False),
        (ConnectionLostError(has_begun=False), True, False),
        (ConnectionLostError(has_begun=True), True, False),
        (MalformedAnswerError("no HTTP"), False, False),
        (429, True, False),
        (502, True, False),
        (503, True, False),
        (504, True, False),
        (500, False, False),
        (501, False, False),
        (400, False, False),
        (404, False, False),
        (408, False, False),
        (302, False, False),
    ],
)
def test_only_what_is_safe_and_may_pass_is_repeated(
    outcome: CallError | int, when_repeatable: bool, otherwise: bool
) -> None:
    assert may_repeat(outcome, is_repeatable=True) is when_repeatable
    assert may_repeat(outcome, is_repeatable=False) is otherwise


@pytest.mark.parametrize(
    ("attempt", "drawn", "expected"), [(0, 0.5, 0.05), (1, 0.5, 0.1), (2, 1.0, 0.4), (0, 0.0, 0.0), (9, 1.0, 30.0)]
)
def test_the_bound_of_the_wait_doubles_up_to_half_a_minute(attempt: int, drawn: float, expected: float) -> None:
    assert backoff_s(attempt, 0.1, lambda: drawn) == pytest.approx(expected)


@given(st.integers(0, 10**6), st.floats(0, 1e6), st.floats(0, 1))
def test_a_wait_is_never_negative_nor_longer_than_half_a_minute(attempt: int, first: float, drawn: float) -> None:
    assert 0 <= backoff_s(attempt, first, lambda: drawn) <= 30


NOON = datetime(2026, 1, 5, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("3", 3.0),
        (" 120 ", 120.0),
        ("Mon, 05 Jan 2026 12:00:07 GMT", 7.0),
        ("Mon, 05 Jan 2026 11:00:00 GMT", 0.0),
        (None, None),
        ("", None),
        ("soon", None),
        ("-3", None),
        ("1.5", None),
        ("٣", None),
        ("9" * 5000, 999999999.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, expected: float | None) -> None:
    assert retry_after_s(value, NOON) == expected


@given(st.text())
def test_no_retry_after_of_a_service_raises(value: str) -> None:
    wait_s = retry_after_s(value, NOON)

    assert wait_s is None or wait_s >= 0


# The breaker


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def state_of(breaker: Breaker) -> str:
    return breaker.state


def refuses(breaker: Breaker) -> bool:
    return breaker.refuses


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        breaker.failed(breaker.enter())


def test_the_breaker_opens_after_so_many_failures_in_a_row() -> None:
    breaker = Breaker(failures=3, wait_s=10, clock=Clock())

    fail(breaker, 2)
    assert state_of(breaker) == "closed"
    assert not refuses(breaker)

    fail(breaker, 1)
    assert state_of(breaker) == "open"
    assert refuses(breaker)
    assert breaker.rest_s == 10


def test_a_success_between_failures_starts_the_count_again() -> None:
    breaker = Breaker(failures=3, wait_s=10, clock=Clock())

    fail(breaker, 2)
    breaker.succeeded(breaker.enter())
    fail(breaker, 2)

    assert state_of(breaker) == "closed"


def test_an_open_breaker_lets_one_call_through_when_its_wait_is_over() -> None:
    clock = Clock()
    breaker = Breaker(failures=1, wait_s=10, clock=clock)
    fail(breaker, 1)

    clock.now = 109.9
    assert refuses(breaker)

    clock.now = 110.0
    assert state_of(breaker) == "half-open"
    assert not refuses(breaker)

    probe = breaker.enter()
    assert state_of(breaker) == "half-open"
    assert refuses(breaker)

    breaker.succeeded(probe)
    assert state_of(breaker) == "closed"
    assert not refuses(breaker)


def test_a_failed_probe_opens_the_breaker_for_another_wait() -> None:
    clock = Clock()
    breaker = Breaker(failures=5, wait_s=10, clock=clock)
    fail(breaker, 5)
    clock.now = 110.0

    breaker.failed(breaker.enter())

    assert state_of(breaker) == "open"
    assert breaker.rest_s == 10
    assert breaker.times_opened == 2


def test_a_probe_that_was_given_up_lets_another_one_try() -> None:
    clock = Clock()
    breaker = Breaker(failures=1, wait_s=10, clock=clock)
    fail(breaker, 1)
    clock.now = 110.0

    breaker.abandoned(breaker.enter())

    assert not refuses(breaker)
    assert state_of(breaker) == "half-open"


def test_calls_that_began_before_the_breaker_opened_change_nothing_when_they_end() -> None:
    clock = Clock()
    breaker = Breaker(failures=1, wait_s=10, clock=clock)
    early = [breaker.enter() for _ in range(3)]
    breaker.failed(early[0])
    clock.now = 105.0

    assert breaker.failed(early[1]) is False
    breaker.succeeded(early[2])

    assert state_of(breaker) == "open"
    assert breaker.rest_s == 5
    assert breaker.times_opened == 1


def test_a_breaker_of_no_failures_never_opens() -> None:
    breaker = Breaker(failures=0, wait_s=10, clock=Clock())

    fail(breaker, 1000)

    assert state_of(breaker) == "closed"


@given(st.lists(st.sampled_from(["ok", "fail", "abandon", "wait"])))
def test_a_breaker_is_never_stuck(steps: list[str]) -> None:
    clock = Clock()
    breaker = Breaker(failures=2, wait_s=10, clock=clock)

    for step in steps:
        if step == "wait":
            clock.now += 4
        elif not breaker.refuses:
            began = breaker.enter()
            {"ok": breaker.succeeded, "fail": breaker.failed, "abandon": breaker.abandoned}[step](began)

    clock.now += 10
    assert not refuses(breaker)


# gate


def test_a_gate_lets_so_many_in_and_the_rest_in_their_order() -> None:
    async def scenario() -> list[str]:
        gate, log = Gate(places=2, max_waiting=9), list[str]()

        async def visit(name: str) -> None:
            if not gate.try_enter():
                await gate.enter(60)
            log.append(f"{name} in, {gate.inside} inside")
            for _ in range(3):
                await asyncio.sleep(0)
            gate.leave()

        await asyncio.gather(*(visit(name) for name in "abcd"))
        log.append(f"{gate.inside} inside, {gate.waiting} waiting")
        return log

    assert asyncio.run(scenario()) == [
        "a in, 1 inside",
        "b in, 2 inside",
        "c in, 2 inside",
        "d in, 2 inside",
        "0 inside, 0 waiting",
    ]


def test_a_gate_is_full_when_its_waiting_list_is() -> None:
    async def scenario() -> tuple[bool, bool]:
        gate = Gate(places=1, max_waiting=1)
        gate.try_enter()
        before = gate.is_full
        waiting = asyncio.create_task(gate.enter(60))
        await asyncio.sleep(0)
        after = gate.is_full
        gate.leave()
        await waiting
        return before, after

    assert asyncio.run(scenario()) == (False, True)


def test_who_waits_too_long_is_told_so_and_takes_no_place() -> None:
    async def scenario() -> tuple[int, int]:
        gate = Gate(places=1, max_waiting=1)
        gate.try_enter()
        with pytest.raises(TimeoutError):
            await gate.enter(0)
        return gate.inside, gate.waiting

    assert asyncio.run(scenario()) == (1, 0)


@pytest.mark.parametrize("leaves_first", [True, False])
def test_a_place_is_not_lost_when_the_one_who_waits_is_cancelled(leaves_first: bool) -> None:
    async def scenario() -> tuple[int, int]:
        gate = Gate(places=1, max_waiting=1)
        gate.try_enter()
        waiting = asyncio.create_task(gate.enter(60))
        await asyncio.sleep(0)
        if leaves_first:
            gate.leave()
            waiting.cancel()
        else:
            waiting.cancel()
            gate.leave()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return gate.inside, gate.waiting

    assert asyncio.run(scenario()) == (0, 0)
