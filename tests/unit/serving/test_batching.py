from __future__ import annotations

import asyncio
import gc
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.serving.base import ModelCall
from ci_core.serving.batching import Batcher
from ci_core.serving.crashes import CrashError
from ci_core.serving.problems import DeadlineError, OverloadedError, RequestError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ci_core.serving.base import Row


class Clock:
    """Stands still but for what the model takes."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Squares:
    """Squares ``x``; a call takes ``fixed_s`` and ``per_row_s`` for each row on the clock."""

    def __init__(self, clock: Clock, *, fixed_s: float = 0.0, per_row_s: float = 0.0) -> None:
        self.clock, self.fixed_s, self.per_row_s = clock, fixed_s, per_row_s
        self.sizes: list[int] = []
        self.threads: set[str] = set()

    def call(self, rows: list[Row]) -> ModelCall:
        self.sizes.append(len(rows))
        self.threads.add(threading.current_thread().name)
        self.clock.now += self.fixed_s + len(rows) * self.per_row_s
        for index, row in enumerate(rows):
            if isinstance(row["x"], str):
                raise RequestError(f"row {index}, column `x`: expected a number, found {row['x']!r}")
            if row["x"] < 0:
                raise ZeroDivisionError
        squares = [row["x"] ** 2 for row in rows]
        return ModelCall(answers=squares, columns={"x": [row["x"] for row in rows]}, outputs=squares)

    def forget_calls(self) -> None:
        self.sizes.clear()
        self.threads.clear()


class HeldModel:
    """Waits inside its first call until it is let go."""

    def __init__(self) -> None:
        self.is_inside, self.may_end = threading.Event(), threading.Event()
        self.sizes: list[int] = []

    def call(self, rows: list[Row]) -> ModelCall:
        self.sizes.append(len(rows))
        self.is_inside.set()
        assert self.may_end.wait(60)
        return ModelCall(answers=[row["x"] for row in rows], columns={}, outputs=[None for _ in rows])


def one(x: Any) -> list[Row]:
    return [{"x": x}]


async def learn(batcher: Batcher, calls: int = 5) -> None:
    for _ in range(calls):
        await batcher(one(1))


async def turn_until(is_true: Callable[[], bool]) -> None:
    while not is_true():  # noqa: ASYNC110 - the model's thread knows no event of this loop
        await asyncio.sleep(0)


def answers(calls: list[ModelCall]) -> list[Any]:
    return [call.answers for call in calls]


async def gather(*awaitables: Awaitable[ModelCall]) -> list[ModelCall]:
    return list(await asyncio.gather(*awaitables))


def test_requests_of_one_turn_of_the_loop_are_one_call_in_the_loop() -> None:
    clock = Clock()
    model = Squares(clock, fixed_s=0.0005)
    batcher = Batcher(model.call, clock=clock)

    async def scene() -> list[ModelCall]:
        await learn(batcher)
        model.forget_calls()
        return await gather(*(batcher(one(x)) for x in range(64)))

    calls = asyncio.run(scene())

    assert model.sizes == [64]
    assert model.threads == {threading.current_thread().name}
    assert answers(calls) == [[x * x] for x in range(64)]
    assert [call.columns for call in calls] == [{"x": [x]} for x in range(64)]


def test_a_model_of_which_nothing_is_known_is_called_in_its_thread() -> None:
    clock = Clock()
    model = Squares(clock, fixed_s=0.0005)
    batcher = Batcher(model.call, clock=clock)

    asyncio.run(learn(batcher, 5))
    batcher.close()

    assert model.threads == {"graphship-model"}


def test_a_long_call_happens_in_the_thread_and_what_arrives_meanwhile_is_the_next_call() -> None:
    model = HeldModel()
    batcher = Batcher(model.call)

    async def scene() -> list[ModelCall]:
        first = asyncio.ensure_future(batcher(one(0)))
        await turn_until(model.is_inside.is_set)
        others = [asyncio.ensure_future(batcher(one(x))) for x in range(1, 10)]
        await turn_until(lambda: batcher.waiting_rows == 9)
        model.may_end.set()
        return await gather(first, *others)

    calls = asyncio.run(scene())
    batcher.close()

    assert model.sizes == [1, 9]
    assert answers(calls) == [[x] for x in range(10)]


def test_an_idle_model_is_called_for_a_single_request_without_waiting_for_a_second() -> None:
    clock = Clock()
    model = Squares(clock, fixed_s=0.02)
    batcher = Batcher(model.call, clock=clock)

    asyncio.run(learn(batcher, 8))
    batcher.close()

    assert model.sizes == [1] * 8


def test_a_call_takes_no_more_than_the_most_rows_and_no_request_is_torn() -> None:
    clock = Clock()
    model = Squares(clock, fixed_s=0.0005)
    batcher = Batcher(model.call, max_rows=10, clock=clock)
    requests = [[{"x": 10 * index + row} for row in range(4)] for index in range(6)] + [[{"x": x} for x in range(25)]]

    async def scene() -> list[ModelCall]:
        await learn(batcher)
        model.forget_calls()
        return await gather(*(batcher(rows) for rows in requests))

    calls = asyncio.run(scene())

    assert model.sizes == [8, 8, 8, 25]
    assert answers(calls) == [[row["x"] ** 2 for row in rows] for rows in requests]


def test_requests_with_other_columns_or_with_text_are_not_joined() -> None:
    clock = Clock()
    model = Squares(clock, fixed_s=0.0005)
    batcher = Batcher(model.call, clock=clock)

    async def scene() -> list[ModelCall]:
        await learn(batcher)
        model.forget_calls()
        rows: list[Row] = [{"x": 2}, {"x": 3, "y": 1}, {"x": 2}, {"x": 4, "y": "a"}, {"x": 3, "y": 1}]
        return await gather(*(batcher([row]) for row in rows))

    calls = asyncio.run(scene())

    assert model.sizes == [2, 2, 1]
    assert answers(calls) == [[4], [9], [4], [16], [9]]


def test_a_bad_row_fails_only_the_request_it_came_with_and_is_numbered_in_that_request() -> None:
    clock = Clock()
    model = Squares(clock, fixed_s=0.0005)
    batcher = Batcher(model.call, clock=clock)

    async def scene() -> list[Any]:
        await learn(batcher)
        requests: list[list[Row]] = [one(1), [{"x": 2}, {"x": "b"}], one(-1), one("a"), one(3)]
        return await asyncio.gather(*(batcher(rows) for rows in requests), return_exceptions=True)

    first, text, negative, other_text, last = asyncio.run(scene())

    assert (first.answers, last.answers) == ([1], [9])
    assert str(text) == "row 1, column `x`: expected a number, found 'b'"
    assert str(other_text) == "row 0, column `x`: expected a number, found 'a'"
    assert isinstance(negative, ZeroDivisionError)


def test_a_model_that_answers_a_joint_call_with_too_few_rows_is_called_for_each_request() -> None:
    clock = Clock()

    def call(rows: list[Row]) -> ModelCall:
        clock.now += 0.0005
        return ModelCall(answers=[sum(row["x"] for row in rows)], columns={}, outputs=[None])

    batcher = Batcher(call, clock=clock)

    async def scene() -> list[ModelCall]:
        await learn(batcher)
        return await gather(*(batcher(one(x)) for x in range(5)))

    assert answers(asyncio.run(scene())) == [[0], [1], [2], [3], [4]]


def test_a_model_whose_time_is_all_in_its_rows_is_called_directly() -> None:
    clock = Clock()
    model = Squares(clock, per_row_s=0.0005)
    batcher = Batcher(model.call, clock=clock)

    async def scene() -> None:
        await learn(batcher)
        await gather(batcher(one(1)), batcher(one(2)))
        await learn(batcher)
        model.forget_calls()
        await gather(*(batcher(one(x)) for x in range(6)))

    asyncio.run(scene())

    assert model.sizes == [1] * 6


def test_a_call_shorter_than_the_queue_costs_is_made_directly() -> None:
    clock = Clock()
    model = Squares(clock, fixed_s=0.000004)
    batcher = Batcher(model.call, clock=clock)

    async def scene() -> None:
        await learn(batcher)
        model.forget_calls()
        await gather(*(batcher(one(x)) for x in range(6)))

    asyncio.run(scene())

    assert model.sizes == [1] * 6


def test_requests_without_company_are_called_directly_until_company_is_found_again() -> None:
    clock = Clock()
    model = Squares(clock, fixed_s=0.0005)
    batcher = Batcher(model.call, clock=clock)

    async def scene() -> None:
        await learn(batcher, 40)
        model.forget_calls()
        await gather(*(batcher(one(x)) for x in range(64)))
        await gather(*(batcher(one(x)) for x in range(64)))

    asyncio.run(scene())

    # 8 of the 40 were called directly, and so are 23 of the 64: each 32nd looks for company
    assert model.sizes == [*([1] * 23), 41, 64]


def test_rows_are_joined_only_while_the_call_ends_before_the_earliest_deadline() -> None:
    clock = Clock()
    model = Squares(clock, fixed_s=0.0004, per_row_s=0.0001)
    batcher = Batcher(model.call, clock=clock)

    async def scene() -> list[ModelCall]:
        await learn(batcher, 6)
        await gather(*(batcher(one(x)) for x in range(10)))
        model.forget_calls()
        # 1.5 x (0.4 ms + 0.1 ms a row) fits into 1.3 ms for 4 rows
        return await gather(
            *(batcher(one(x), clock.now + 0.0013) for x in range(4)), *(batcher(one(x)) for x in (7, 8))
        )

    calls = asyncio.run(scene())

    assert model.sizes == [4, 2]
    assert answers(calls) == [[0], [1], [4], [9], [49], [64]]


def test_a_deadline_that_cannot_be_kept_does_not_keep_others_from_being_joined() -> None:
    clock = Clock()
    model = Squares(clock, fixed_s=0.0005)
    batcher = Batcher(model.call, clock=clock)

    async def scene() -> list[ModelCall]:
        await learn(batcher)
        model.forget_calls()
        return await gather(batcher(one(1), clock.now + 0.0001), batcher(one(2)), batcher(one(3)))

    calls = asyncio.run(scene())

    assert model.sizes == [3]
    assert answers(calls) == [[1], [4], [9]]


def test_a_request_whose_deadline_passed_while_it_waited_is_not_computed() -> None:
    clock = Clock()
    model = HeldModel()
    batcher = Batcher(model.call, clock=clock)

    async def scene() -> list[Any]:
        first = asyncio.ensure_future(batcher(one(0)))
        await turn_until(model.is_inside.is_set)
        late, in_time = asyncio.ensure_future(batcher(one(1), 101.0)), asyncio.ensure_future(batcher(one(2), 103.0))
        await turn_until(lambda: batcher.waiting_rows == 2)
        clock.now = 102.0
        model.may_end.set()
        return list(await asyncio.gather(first, late, in_time, return_exceptions=True))

    first, late, in_time = asyncio.run(scene())
    batcher.close()

    assert (first.answers, in_time.answers) == ([0], [2])
    assert isinstance(late, DeadlineError)
    assert model.sizes == [1, 1]


def test_a_deadline_is_kept_by_direct_calls_too() -> None:
    clock = Clock()
    model = Squares(clock)
    batcher = Batcher(model.call, clock=clock)

    async def scene() -> None:
        await learn(batcher)
        model.forget_calls()
        await batcher(one(1), deadline=99.0)

    with pytest.raises(DeadlineError):
        asyncio.run(scene())
    assert model.sizes == []


def test_what_would_make_too_many_rows_wait_is_refused_with_a_time_to_come_back() -> None:
    model = HeldModel()
    batcher = Batcher(model.call, max_waiting_rows=3)

    async def scene() -> OverloadedError:
        first = asyncio.ensure_future(batcher(one(0)))
        await turn_until(model.is_inside.is_set)
        waiting = asyncio.ensure_future(batcher([{"x": 1}, {"x": 2}]))
        await turn_until(lambda: batcher.waiting_rows == 2)
        with pytest.raises(OverloadedError) as caught:
            await batcher([{"x": 3}, {"x": 4}])
        model.may_end.set()
        await gather(first, waiting)
        return caught.value

    refusal = asyncio.run(scene())
    batcher.close()

    assert refusal.status == 503
    assert refusal.message == "2 rows wait for the model"
    assert refusal.retry_after_s is not None
    assert refusal.retry_after_s >= 1.0


def test_a_single_request_larger_than_what_may_wait_is_answered_when_none_waits() -> None:
    clock = Clock()
    model = Squares(clock)
    batcher = Batcher(model.call, max_rows=2, max_waiting_rows=3, clock=clock)

    call = asyncio.run(_awaited(batcher([{"x": x} for x in range(5)])))
    batcher.close()

    assert call.answers == [0, 1, 4, 9, 16]


async def _awaited(awaitable: Awaitable[ModelCall]) -> ModelCall:
    return await awaitable


def test_callers_of_a_hanging_model_can_leave_and_what_they_asked_is_forgotten() -> None:
    model = HeldModel()
    batcher = Batcher(model.call)

    async def scene() -> int:
        hanging = asyncio.ensure_future(batcher(one(0)))
        await turn_until(model.is_inside.is_set)
        waiting = [asyncio.ensure_future(batcher(one(x))) for x in range(5)]
        await turn_until(lambda: batcher.waiting_rows == 5)
        for task in (hanging, *waiting[:4]):
            task.cancel()
        await asyncio.gather(hanging, *waiting[:4], return_exceptions=True)
        left = batcher.waiting_rows
        model.may_end.set()
        await waiting[4]
        return left

    left = asyncio.run(scene())
    batcher.close()

    assert left == 1
    assert model.sizes == [1, 1]


def test_a_request_cancelled_in_the_turn_in_which_it_came_is_not_computed() -> None:
    clock = Clock()
    model = Squares(clock, fixed_s=0.0005)
    batcher = Batcher(model.call, clock=clock)

    async def scene() -> list[ModelCall]:
        await learn(batcher)
        model.forget_calls()
        stays, leaves = asyncio.ensure_future(batcher(one(2))), asyncio.ensure_future(batcher(one(3)))
        await asyncio.sleep(0)
        leaves.cancel()
        return await gather(stays)

    calls = asyncio.run(scene())

    assert model.sizes == [1]
    assert answers(calls) == [[4]]


def test_a_window_waits_for_more_requests_until_everything_in_flight_waits() -> None:
    clock = Clock()
    model = Squares(clock, fixed_s=0.0005)
    in_flight = 3
    batcher = Batcher(model.call, window_s=3600.0, in_flight=lambda: in_flight, clock=clock)

    async def scene() -> list[ModelCall]:
        first = asyncio.ensure_future(batcher(one(1)))
        for _ in range(10):
            await asyncio.sleep(0)
        second = asyncio.ensure_future(batcher(one(2)))
        for _ in range(10):
            await asyncio.sleep(0)
        sizes_before.extend(model.sizes)
        return await gather(first, second, batcher(one(3)))

    sizes_before: list[int] = []
    calls = asyncio.run(scene())
    batcher.close()

    assert sizes_before == []
    assert model.sizes == [3]
    assert answers(calls) == [[1], [4], [9]]


def test_a_window_ends_when_a_full_call_waits() -> None:
    clock = Clock()
    model = Squares(clock)
    batcher = Batcher(model.call, max_rows=2, window_s=3600.0, clock=clock)

    calls = asyncio.run(_gathered(batcher(one(1)), batcher(one(2))))
    batcher.close()

    assert (model.sizes, answers(calls)) == ([2], [[1], [4]])


def test_a_window_ends_when_waiting_longer_would_break_a_deadline() -> None:
    clock = Clock()
    model = Squares(clock)
    batcher = Batcher(model.call, window_s=3600.0, clock=clock)

    calls = asyncio.run(_gathered(batcher(one(1)), batcher(one(2), deadline=clock.now + 5.0)))
    batcher.close()

    assert (model.sizes, answers(calls)) == ([2], [[1], [4]])


def test_no_window_behind_a_call_breaks_the_deadline_of_a_request_that_waited_for_it() -> None:
    model = HeldModel()
    clock = Clock()
    batcher = Batcher(model.call, window_s=3600.0, clock=clock)

    async def scene() -> list[ModelCall]:
        first = asyncio.ensure_future(batcher(one(1), deadline=clock.now + 5.0))
        await turn_until(model.is_inside.is_set)
        others = [asyncio.ensure_future(batcher(one(x), deadline=clock.now + y)) for x, y in ((2, 9.0), (3, 7200.0))]
        await turn_until(lambda: batcher.waiting_rows == 2)
        model.may_end.set()
        return await asyncio.wait_for(gather(first, *others), 60)

    calls = asyncio.run(scene())
    batcher.close()

    assert (model.sizes, answers(calls)) == ([1, 2], [[1], [2], [3]])


async def _gathered(*awaitables: Awaitable[ModelCall]) -> list[ModelCall]:
    return await gather(*awaitables)


def test_a_window_that_ends_calls_the_model_for_what_there_is() -> None:
    clock = Clock()
    model = Squares(clock)
    batcher = Batcher(model.call, window_s=0.001, clock=clock)

    calls = asyncio.run(_gathered(batcher(one(3)), batcher(one(2))))
    batcher.close()

    assert (model.sizes, answers(calls)) == ([2], [[9], [4]])


def test_an_isolated_model_is_called_in_its_thread_only() -> None:
    clock = Clock()
    model = Squares(clock, fixed_s=0.000001)
    batcher = Batcher(model.call, isolate="always", clock=clock)

    asyncio.run(learn(batcher, 12))
    batcher.close()

    assert model.threads == {"graphship-model"}


def test_a_batcher_serves_one_loop_after_the_other_and_two_at_once() -> None:
    model = HeldModel()
    batcher = Batcher(model.call)
    elsewhere: list[Any] = []

    def in_another_thread() -> None:
        elsewhere.append(asyncio.run(_awaited(batcher(one(2)))).answers)

    async def scene() -> list[Any]:
        thread = threading.Thread(target=in_another_thread)
        thread.start()
        here = asyncio.ensure_future(batcher(one(1)))
        await turn_until(lambda: len(model.sizes) == 2)
        model.may_end.set()
        call = await here
        await asyncio.to_thread(thread.join)
        return list(call.answers)

    here = asyncio.run(scene())
    again = asyncio.run(_awaited(batcher(one(3))))
    batcher.close()

    assert (here, elsewhere, again.answers) == ([1], [[2]], [3])


def test_a_loop_that_was_closed_while_the_model_was_busy_disturbs_no_other() -> None:
    model = HeldModel()
    batcher = Batcher(model.call)

    async def leave() -> None:
        task = asyncio.ensure_future(batcher(one(1)))
        await turn_until(model.is_inside.is_set)
        task.cancel()

    asyncio.run(leave())
    model.may_end.set()
    call = asyncio.run(_awaited(batcher(one(2))))
    batcher.close()

    assert call.answers == [2]


def test_closing_refuses_what_waits_and_what_comes_and_ends_the_thread() -> None:
    model = HeldModel()
    batcher = Batcher(model.call)
    before = _model_threads()

    async def scene() -> list[Any]:
        under_way = asyncio.ensure_future(batcher(one(0)))
        await turn_until(model.is_inside.is_set)
        waiting = asyncio.ensure_future(batcher(one(1)))
        await turn_until(lambda: batcher.waiting_rows == 1)
        model.may_end.set()
        batcher.close()
        late = asyncio.ensure_future(batcher(one(2)))
        return list(await asyncio.gather(under_way, waiting, late, return_exceptions=True))

    under_way, waiting, late = asyncio.run(scene())

    assert under_way.answers == [0]
    assert [str(waiting), str(late)] == ["the model is being closed"] * 2
    assert isinstance(waiting, OverloadedError)
    assert _model_threads() == before


def test_the_thread_ends_with_a_batcher_that_nobody_closed() -> None:
    clock = Clock()
    model = Squares(clock, fixed_s=0.5)
    batcher = Batcher(model.call, clock=clock)
    before = set(threading.enumerate())
    asyncio.run(learn(batcher, 1))
    (thread,) = set(threading.enumerate()) - before

    del batcher
    for _ in range(6000):
        gc.collect()  # once is not enough: the thread may still be about to put its last work aside
        thread.join(0.01)
        if not thread.is_alive():
            break

    assert not thread.is_alive()


def _model_threads() -> int:
    return sum(thread.name == "graphship-model" for thread in threading.enumerate())


@pytest.mark.parametrize("raised", [StopIteration(), SystemExit(3)])
def test_whatever_a_model_raises_ends_its_request_and_nothing_else(raised: BaseException) -> None:
    def call(rows: list[Row]) -> ModelCall:
        if rows[0]["x"] is None:
            raise raised
        return ModelCall(answers=[row["x"] for row in rows], columns={}, outputs=[None for _ in rows])

    batcher = Batcher(call, isolate="always")

    async def scene() -> list[Any]:
        failed = await asyncio.gather(batcher(one(None)), return_exceptions=True)
        return [*failed, (await batcher(one(5))).answers]

    failed, after = asyncio.run(scene())
    batcher.close()

    assert type(raised).__name__ in str(failed)
    assert after == [5]


class PanicError(BaseException):
    """What libraries in Rust raise."""


@pytest.mark.parametrize("raised", [PanicError(), SystemExit(3), asyncio.CancelledError(), KeyboardInterrupt()])
def test_every_request_of_a_joint_call_in_the_loop_is_answered_whatever_the_model_raises(raised: BaseException) -> None:
    clock = Clock()
    model = Squares(clock, fixed_s=0.001)

    def call(rows: list[Row]) -> ModelCall:
        if any(row["x"] == -1 for row in rows):
            raise raised
        return model.call(rows)

    batcher = Batcher(call, clock=clock)

    async def scene() -> list[Any]:
        await learn(batcher)
        return await asyncio.gather(*[batcher(one(x)) for x in range(-1, 3)], return_exceptions=True)

    failed, *rest = asyncio.run(scene())
    batcher.close()

    assert type(failed) is CrashError
    if not isinstance(raised, KeyboardInterrupt):
        assert answers(rest) == [[0], [1], [4]]


def test_no_rows_are_given_to_the_model_at_once() -> None:
    clock = Clock()
    model = Squares(clock)
    batcher = Batcher(model.call, clock=clock)

    call = asyncio.run(_awaited(batcher([])))

    assert call.answers == []


@given(
    requests=st.lists(
        st.tuples(
            st.lists(st.one_of(st.integers(-2, 50), st.sampled_from(["a", "b"])), min_size=1, max_size=5),
            st.integers(0, 4),
            st.booleans(),
        ),
        max_size=40,
    ),
    fixed_us=st.sampled_from([0, 30, 500, 30_000]),
    per_row_us=st.sampled_from([0, 20, 900]),
    max_rows=st.sampled_from([1, 3, 16, 1024]),
    window_s=st.sampled_from([0.0, 0.0001]),
    isolate=st.sampled_from(["never", "deadlines", "always"]),
)
def test_requests_that_interleave_in_any_way_get_what_they_get_alone_each_once(  # noqa: PLR0917 - each is drawn
    requests: list[tuple[list[Any], int, bool]],
    fixed_us: int,
    per_row_us: int,
    max_rows: int,
    window_s: float,
    isolate: Any,
) -> None:
    clock = Clock()
    model = Squares(clock, fixed_s=1e-6 * fixed_us, per_row_s=1e-6 * per_row_us)
    batcher = Batcher(model.call, max_rows=max_rows, window_s=window_s, isolate=isolate, clock=clock)
    told: list[int] = []

    async def client(index: int, values: list[Any], turns: int, *, leaves: bool) -> Any:
        for _ in range(turns):
            await asyncio.sleep(0)
        task = asyncio.ensure_future(batcher([{"x": value} for value in values]))
        if leaves:
            await asyncio.sleep(0)
            task.cancel()
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
        told.append(index)
        return outcome

    async def scene() -> list[Any]:
        return await asyncio.gather(
            *(client(index, *request[:2], leaves=request[2]) for index, request in enumerate(requests))
        )

    outcomes = asyncio.run(scene())
    waiting = batcher.waiting_rows
    batcher.close()

    assert sorted(told) == list(range(len(requests)))
    assert waiting == 0
    for (values, _turns, leaves), outcome in zip(requests, outcomes, strict=True):
        if leaves and isinstance(outcome, asyncio.CancelledError):
            continue
        expected = _alone(values)
        if isinstance(expected, list):
            assert (outcome.answers, outcome.columns, outcome.outputs) == (expected, {"x": values}, expected)
        else:
            assert (type(outcome), str(outcome)) == expected


def _alone(values: list[Any]) -> list[int] | tuple[type[Exception], str]:
    """Return what `Squares` says of one request: squares, or the failure of its first bad row."""
    for index, value in enumerate(values):
        if isinstance(value, str):
            return RequestError, f"row {index}, column `x`: expected a number, found {value!r}"
        if value < 0:
            return ZeroDivisionError, ""
    return [value**2 for value in values]


class Stuck:
    """A model that never comes back from rows whose ``x`` is None, until it is let go."""

    def __init__(self) -> None:
        self.may_end = threading.Event()
        self.inside = 0

    def call(self, rows: list[Row]) -> ModelCall:
        if rows[0]["x"] is None:
            self.inside += 1
            assert self.may_end.wait(60)
        return ModelCall(answers=[row["x"] for row in rows], columns={}, outputs=[None for _ in rows])


async def hang(batcher: Batcher, model: Stuck, clock: Clock) -> None:
    """Let a request hang and leave, and its call take as long as a call that hangs."""
    inside = model.inside
    request = asyncio.ensure_future(batcher(one(None)))
    await turn_until(lambda: model.inside > inside)
    clock.now += 10.0
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)


def test_a_call_that_hangs_and_that_everybody_left_is_left_behind_and_those_that_waited_for_it_are_answered() -> None:
    clock, model = Clock(), Stuck()
    batcher = Batcher(model.call, clock=clock)
    stuck: list[int] = []

    async def scene() -> list[Any]:
        request = asyncio.ensure_future(batcher(one(None)))
        await turn_until(lambda: model.inside == 1)
        waiting = asyncio.ensure_future(batcher(one(1)))
        await turn_until(lambda: batcher.waiting_rows == 1)
        clock.now += 10.0
        request.cancel()
        answers = [(await waiting).answers, (await batcher(one(2))).answers]
        stuck.append(batcher.stuck_calls)
        model.may_end.set()
        await turn_until(lambda: batcher.stuck_calls == 0)
        return answers

    answers = asyncio.run(scene())
    batcher.close()

    assert answers == [[1], [2]]
    assert stuck == [1]


def test_a_long_call_is_not_left_behind_while_somebody_waits_for_it() -> None:
    clock, model = Clock(), Stuck()
    batcher = Batcher(model.call, clock=clock)

    async def scene() -> list[Any]:
        leaves, stays = (asyncio.ensure_future(batcher(one(None))) for _ in range(2))
        await turn_until(lambda: model.inside == 1)
        clock.now += 1000.0
        leaves.cancel()
        await asyncio.gather(leaves, return_exceptions=True)
        behind = asyncio.ensure_future(batcher(one(1)))
        for _ in range(100):
            await asyncio.sleep(0)
        seen = [batcher.stuck_calls, batcher.waiting_rows]
        model.may_end.set()
        return [*seen, (await stays).answers, (await behind).answers]

    seen = asyncio.run(scene())
    batcher.close()

    assert seen == [0, 1, [None], [1]]


def test_a_call_that_takes_little_longer_than_it_should_is_waited_for_though_everybody_left() -> None:
    clock = Clock()
    squares, held = Squares(clock, fixed_s=0.5), HeldModel()
    batcher = Batcher(squares.call, isolate="always", clock=clock)

    async def scene() -> tuple[int, int]:
        await learn(batcher)
        batcher.call = held.call
        leaves = asyncio.ensure_future(batcher(one(0)))
        await turn_until(held.is_inside.is_set)
        clock.now += 4.9  # ten times half a second is five
        leaves.cancel()
        await asyncio.gather(leaves, return_exceptions=True)
        behind = asyncio.ensure_future(batcher(one(1)))
        for _ in range(100):
            await asyncio.sleep(0)
        seen = batcher.stuck_calls, batcher.waiting_rows
        held.may_end.set()
        await behind
        return seen

    seen = asyncio.run(scene())
    batcher.close()

    assert seen == (0, 1)


def test_when_eight_calls_hang_no_more_are_made_until_one_comes_back() -> None:
    clock, model = Clock(), Stuck()
    batcher = Batcher(model.call, clock=clock)
    before = _model_threads()

    async def scene() -> list[Any]:
        for _ in range(7):
            await hang(batcher, model, clock)
            await turn_until(lambda: batcher.stuck_calls == model.inside)
        last = asyncio.ensure_future(batcher(one(None)))
        await turn_until(lambda: model.inside == 8)
        waiting = asyncio.ensure_future(batcher(one(1)))
        await turn_until(lambda: batcher.waiting_rows == 1)
        clock.now += 10.0
        last.cancel()
        _gone, refused = await asyncio.gather(last, waiting, return_exceptions=True)
        (after,) = await asyncio.gather(batcher(one(1)), return_exceptions=True)
        seen = [str(refused), str(after), batcher.is_stuck, batcher.stuck_calls, _model_threads() - before]
        model.may_end.set()
        await turn_until(lambda: batcher.stuck_calls == 0)
        return [*seen, (await batcher(one(1))).answers]

    seen = asyncio.run(scene())
    batcher.close()

    assert seen == ["8 calls of the model hang", "8 calls of the model hang", True, 8, 8, [1]]


def test_a_request_with_a_deadline_is_called_in_the_thread_by_a_model_that_may_hang_and_others_in_the_loop() -> None:
    clock = Clock()
    model = Squares(clock, fixed_s=0.0005)
    batcher = Batcher(model.call, isolate="deadlines", clock=clock)
    threads: list[set[str]] = []

    async def scene() -> None:
        await learn(batcher, 40)  # so that a single request is called at once
        for deadline in (None, clock.now + 100):
            model.forget_calls()
            await gather(batcher(one(1), deadline))
            await gather(batcher(one(1), deadline), batcher(one(2)))
            threads.append({*model.threads})

    asyncio.run(scene())
    batcher.close()

    assert threads == [{threading.current_thread().name}, {"graphship-model"}]


def test_requests_that_are_not_to_be_joined_are_called_one_by_one_in_their_order() -> None:
    clock = Clock()
    model = Squares(clock)
    batcher = Batcher(model.call, joins=False, isolate="always", clock=clock)

    calls = asyncio.run(_gathered(*(batcher(one(x)) for x in (3, 1, 2))))
    batcher.close()

    assert model.sizes == [1, 1, 1]
    assert answers(calls) == [[9], [1], [4]]


def test_a_window_runs_to_its_end_when_nothing_in_flight_is_known_of() -> None:
    clock = Clock()
    model = Squares(clock, fixed_s=0.0005)
    batcher = Batcher(model.call, window_s=0.01, in_flight=lambda: 0, clock=clock)

    async def scene() -> list[ModelCall]:
        first = asyncio.ensure_future(batcher(one(1)))
        for _ in range(3):
            await asyncio.sleep(0)
        return await gather(first, batcher(one(2)))

    asyncio.run(scene())
    batcher.close()

    assert model.sizes == [2]
