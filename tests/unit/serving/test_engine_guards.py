"""Retries, time limits, threads and deadlines: what the settings of a step put around its call."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from ci_core.serving import Event, Graph, RequestError
from ci_core.serving.problems import DeadlineError, DependencyError, OverloadedError, StepTimeoutError
from ci_core.serving.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    AsStep = Callable[[Callable[..., Any]], Callable[..., Any]]

SHORT_S = 0.1
"""For what never ends: the test takes this long, and on a slow machine nothing else changes."""


async def endless(_body: Any) -> None:
    await asyncio.Event().wait()


@pytest.fixture
def stuck() -> Iterator[Callable[[Any], str]]:
    """A sync step that hangs until the test is over."""
    release = threading.Event()

    def step(_body: Any) -> str:
        release.wait()
        return "too late"

    yield step
    release.set()


class Flaky:
    """Fails as often as the list has errors, then answers how often it was called."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self, _body: Any) -> int:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return self.calls


def run(graph: Graph, *, deadline: float | None = None) -> Any:
    """Run one event with a deadline."""
    plan = graph.compile()
    try:
        return asyncio.run(plan({}, Event({}, deadline=deadline)))
    finally:
        plan.close()


def test_a_failed_call_is_repeated_as_often_as_the_step_says(as_step: AsStep) -> None:
    flaky = Flaky(ValueError("1"), DependencyError("2"))
    graph = Graph("g")
    graph.to(as_step(flaky), "flaky", retries=2, retry_wait=0)

    assert graph.test({}) == 3


def test_after_the_last_repetition_the_last_error_is_the_steps(as_step: AsStep) -> None:
    flaky = Flaky(*(ValueError(str(number)) for number in range(1, 9)))
    graph = Graph("g")
    graph.to(as_step(flaky), "flaky", retries=2, retry_wait=0).error_handler(
        lambda event: str(event.error), "tell", full_event=True
    )

    assert graph.test({}) == "ValueError: 3"
    assert flaky.calls == 3


@pytest.mark.parametrize("error", [RequestError("no"), RequestError("no", status=409), DeadlineError("late")])
def test_neither_a_refused_request_nor_a_passed_deadline_is_repeated(error: Exception, as_step: AsStep) -> None:
    flaky = Flaky(error)
    graph = Graph("g")
    graph.to(as_step(flaky), "flaky", retries=5, retry_wait=0)

    with pytest.raises(type(error)):
        graph.test({})
    assert flaky.calls == 1


def test_no_repetition_waits_beyond_the_deadline() -> None:
    flaky = Flaky(ValueError("first"))
    graph = Graph("g")
    graph.to(flaky, "flaky", retries=5, retry_wait=3600)

    with pytest.raises(ValueError, match="first"):
        run(graph, deadline=monotonic() + 600)
    assert flaky.calls == 1


def test_waits_double_and_the_loop_goes_on_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def note(delay: float) -> None:
        waits.append(delay)

    monkeypatch.setattr("ci_core.serving.engine.guards.asyncio.sleep", note)
    graph = Graph("g")
    graph.to(Flaky(ValueError(), ValueError(), ValueError()), "flaky", retries=3, retry_wait=0.5)

    assert graph.test({}) == 4
    assert waits == [0.5, 1.0, 2.0]


def test_an_async_step_that_takes_too_long_is_cancelled_and_can_be_handled() -> None:
    graph = Graph("g")
    graph.to(endless, "slow", timeout=SHORT_S).error_handler(lambda event: str(event.error), "tell", full_event=True)

    assert graph.test({}) == "StepTimeoutError: the step `slow` took longer than 0.1 s"


def test_a_timeout_that_a_step_raises_itself_stays_what_it_is() -> None:
    async def fail(_body: Any) -> None:
        raise TimeoutError("mine")

    graph = Graph("g")
    graph.to(fail, timeout=60)

    with pytest.raises(TimeoutError, match="mine"):
        graph.test({})


def test_a_sync_step_that_takes_too_long_is_left_alone_and_its_result_thrown_away(
    stuck: Callable[[Any], str],
) -> None:
    graph = Graph("g")
    graph.to(stuck, "slow", timeout=SHORT_S).to(str, "after")

    with pytest.raises(StepTimeoutError) as caught:
        graph.test({})
    assert caught.value.status == 504


def test_a_blocking_step_runs_in_a_thread_of_its_own_and_the_others_where_they_are() -> None:
    graph = Graph("g")
    graph.to(lambda _body: threading.current_thread().name, "blocking", blocking=True).to(
        lambda name: [name, threading.current_thread() is threading.main_thread()], "inline"
    )

    assert graph.test({}) == ["graphship-step", True]


def test_blocking_steps_of_two_branches_run_at_the_same_time() -> None:
    meeting = threading.Barrier(2)

    def meet(_body: Any) -> bool:
        meeting.wait()
        return True

    graph = Graph("g")
    left, right = graph.to(meet, "left", blocking=True), graph.to(meet, "right", blocking=True)
    graph.add_step(list, "join", after=[left, right]).respond()

    assert graph.test({}) == [True, True]


def test_a_blocking_step_may_change_the_event() -> None:
    def name(event: Event) -> Event:
        event.key = "k"
        return event

    graph = Graph("g")
    graph.to(name, "name", full_event=True, blocking=True).to(lambda event: event.key, "tell", full_event=True)

    assert graph.test({}) == "k"


def test_what_a_blocking_step_changed_in_the_event_before_it_failed_is_seen_by_its_handler() -> None:
    def fail(event: Event) -> Any:
        event.key = "k"
        raise ValueError("no")

    graph = Graph("g")
    graph.to(fail, "fail", full_event=True, blocking=True).error_handler(
        lambda event: event.key, "tell", full_event=True
    )

    assert graph.test({}) == "k"


def test_a_timed_out_attempt_is_repeated(stuck: Callable[[Any], str]) -> None:
    calls: list[int] = []

    def once_stuck(body: Any) -> int:
        calls.append(1)
        if len(calls) == 1:
            stuck(body)
        return len(calls)

    graph = Graph("g")
    graph.to(once_stuck, "flaky", timeout=SHORT_S, retries=1, retry_wait=0)

    assert graph.test({}) == 2


@pytest.mark.parametrize("nested", [False, True])
def test_an_event_ends_at_its_deadline_and_what_was_running_is_cancelled(*, nested: bool) -> None:
    ended: list[str] = []

    async def wait(_body: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("wait")

    inner = Graph("inner")
    inner.to(wait, "wait")
    graph = Graph("g")
    graph.to(inner if nested else wait, "slow").error_handler(lambda _body: "rescued", "rescue")

    step = "slow/wait" if nested else "slow"
    with pytest.raises(DeadlineError, match=f"the deadline passed in step `{step}`"):
        run(graph, deadline=monotonic() + SHORT_S)
    assert ended == ["wait"]


def test_an_event_whose_branches_wait_ends_at_its_deadline_and_tells_a_step_that_was_running() -> None:
    graph = Graph("g")
    graph.add_step(list, "join", after=[graph.to(endless, "left"), graph.to(endless, "right")])
    plan, event = graph.compile(), Event({}, deadline=monotonic() + SHORT_S)

    with pytest.raises(DeadlineError):
        asyncio.run(plan({}, event))
    assert event.error is not None
    assert event.error.step in {"left", "right"}
    assert isinstance(event.error.exception, DeadlineError)


def test_an_event_that_comes_after_its_deadline_runs_no_step() -> None:
    flaky = Flaky()
    graph = Graph("g")
    graph.to(flaky, "step", blocking=True)

    with pytest.raises(DeadlineError):
        run(graph, deadline=monotonic() - 1)
    assert flaky.calls == 0


def test_a_blocking_step_does_not_hold_up_an_event_beyond_its_deadline(stuck: Callable[[Any], str]) -> None:
    graph = Graph("g")
    graph.to(stuck, "slow", blocking=True)

    with pytest.raises(DeadlineError):
        run(graph, deadline=monotonic() + SHORT_S)


def test_the_time_limit_of_a_graph_is_a_deadline_unless_the_event_has_a_nearer_one() -> None:
    graph = Graph("g", timeout=60)
    graph.to(lambda event: event.deadline, "tell", full_event=True)
    plan = graph.compile()
    before = monotonic()

    assert before + 60 <= plan({}, Event({})) <= monotonic() + 60
    assert plan({}, Event({}, deadline=before + 5)) == before + 5
    assert before + 60 <= plan({}, Event({}, deadline=before + 1000)) <= monotonic() + 60
    assert before + 60 <= plan({}) <= monotonic() + 60


def test_an_async_graph_ends_at_its_own_time_limit() -> None:
    graph = Graph("g", timeout=SHORT_S)
    graph.to(endless, "slow")

    with pytest.raises(DeadlineError):
        graph.test({})


def test_the_time_limit_of_a_nested_graph_is_a_failure_of_its_step_that_can_be_handled() -> None:
    inner = Graph("inner", timeout=SHORT_S)
    inner.to(endless, "slow")
    graph = Graph("g")
    graph.to(inner, "outer").error_handler(lambda event: str(event.error), "tell", full_event=True)

    assert graph.test({}) == "StepTimeoutError: the graph `outer` took longer than 0.1 s"


def test_when_every_thread_is_stuck_the_next_call_and_those_in_line_are_refused_at_once(
    stuck: Callable[[Any], str],
) -> None:
    async def scenario() -> None:
        threads = Threads(limit=1)
        first = asyncio.create_task(threads.run(stuck, 1))
        await asyncio.sleep(0)
        second = asyncio.create_task(threads.run(str, 2))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(first, SHORT_S)

        with pytest.raises(OverloadedError) as caught:
            await second
        assert (caught.value.status, caught.value.retry_after_s) == (503, 1.0)
        with pytest.raises(OverloadedError):
            await threads.run(str, 3)
        assert threads.stuck == 1
        threads.close()

    asyncio.run(scenario())


def test_a_thread_that_comes_back_serves_again() -> None:
    async def scenario() -> str:
        threads, release = Threads(limit=1), threading.Event()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(threads.run(release.wait), SHORT_S)
        release.set()
        while threads.stuck:  # noqa: ASYNC110 - a thread counts it down, which can set no event of this loop
            await asyncio.sleep(0)
        try:
            return str(await threads.run(str, 7))
        finally:
            threads.close()

    assert asyncio.run(scenario()) == "7"


def test_more_calls_than_threads_wait_for_their_turn() -> None:
    def work(number: int) -> tuple[int, int]:
        return number, threading.get_ident()

    async def scenario() -> list[tuple[int, int]]:
        threads = Threads(limit=2)
        try:
            return list(await asyncio.gather(*(threads.run(work, number) for number in range(50))))
        finally:
            threads.close()

    answers = asyncio.run(scenario())

    assert [number for number, _ in answers] == list(range(50))
    assert len({thread for _, thread in answers}) <= 2


def test_a_call_given_up_before_it_began_never_runs(stuck: Callable[[Any], str]) -> None:
    ran: list[str] = []

    async def scenario() -> None:
        threads = Threads(limit=2)
        busy = [asyncio.create_task(threads.run(stuck, 1)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(threads.run(ran.append, "late"), SHORT_S)
        assert threads.stuck == 0
        for task in busy:
            task.cancel()
        threads.close()

    asyncio.run(scenario())

    assert ran == []


def test_what_a_call_in_a_thread_raises_is_raised_where_it_is_awaited_and_keeps_nothing_alive() -> None:
    class Body:
        pass

    def fail(_body: Body) -> None:
        raise StopIteration

    async def scenario(threads: Threads) -> weakref.ref[Body]:
        body = Body()
        with pytest.raises(RuntimeError, match="StopIteration"):
            await threads.run(fail, body)
        assert await threads.run(len, [1]) == 1
        return weakref.ref(body)

    threads = Threads()
    left = asyncio.run(scenario(threads))
    gc.collect()

    assert left() is None
    threads.close()
