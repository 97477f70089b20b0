"""What a step's settings put around its call: a thread, a time limit, repetitions. Inside out, in this order."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ci_core.serving.crashes import failure_of
from ci_core.serving.event import Event
from ci_core.serving.problems import DeadlineError, RequestError, StepTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci_core.serving.spec import StepSpec
    from ci_core.serving.steps.adapt import CallableStep
    from ci_core.serving.threads import Threads

    Call = Callable[[Any, Event], Any]


def guarded(spec: StepSpec, step: CallableStep, threads: Threads) -> CallableStep:
    """Return the step with everything that its settings ask for; such a step is async, so that nobody waits for it.

    Args:
        spec: its settings.
        step: to call.
        threads: that sync steps run in.
    """
    if not (spec.retries or spec.timeout_s is not None or spec.blocking):
        return step
    call, timed_call = step.call, step.timed_call
    guards: list[Callable[[Any], Call]] = [] if step.wants_event else [_without_event]
    if not step.is_async:
        guards.append(in_thread(threads) if spec.blocking or spec.timeout_s is not None else _awaitable)
    if spec.timeout_s is not None:
        guards.append(_in_time(spec.name, spec.timeout_s))
    if spec.retries:
        guards.append(_repeated(spec.retries, spec.retry_wait_s))
    for guard in guards:
        call = guard(call)
        timed_call = guard(timed_call) if timed_call is not None else None
    return replace(step, call=call, timed_call=timed_call, wants_event=True, is_async=True)


def _without_event(call: Callable[[Any], Any]) -> Call:
    return lambda body, _event: call(body)


def _awaitable(call: Call) -> Call:
    async def run(body: Any, event: Event) -> Any:
        return call(body, event)

    return run


def in_thread(threads: Threads) -> Callable[[Call], Call]:
    """Return what makes of a sync call an async one that is made in a thread."""

    def guard(call: Call) -> Call:
        async def run(body: Any, event: Event) -> Any:
            # its own copy: a call that is given up goes on with it
            copy = event.with_body(body)
            try:
                result = await threads.run(call, body, copy)
            except Exception:
                _take_over(event, copy)
                raise
            _take_over(event, copy)
            return result

        return run

    return guard


def _take_over(event: Event, copy: Event) -> None:
    """Let `event` have what a call changed in its copy."""
    for name in Event.__slots__:
        setattr(event, name, getattr(copy, name))


def _in_time(name: str, timeout_s: float) -> Callable[[Call], Call]:
    def guard(call: Call) -> Call:
        async def run(body: Any, event: Event) -> Any:
            try:
                async with asyncio.timeout(timeout_s) as limit:
                    return await call(body, event)
            except TimeoutError as error:
                if not limit.expired():
                    raise  # the step's own
                raise StepTimeoutError(f"the step `{name}` took longer than {timeout_s:g} s") from error

        return run

    return guard


def _repeated(retries: int, wait_s: float) -> Callable[[Call], Call]:
    def guard(call: Call) -> Call:
        async def run(body: Any, event: Event) -> Any:
            for attempt in range(retries):
                try:
                    return await call(body, event)
                except DeadlineError:
                    raise
                except BaseException as raised:  # noqa: BLE001 - raised again, as what it means for the request
                    error = failure_of(raised)
                    pause_s = wait_s * 2.0**attempt
                    remaining_s = event.remaining_s
                    is_refusal = isinstance(error, RequestError) and error.status < 500  # noqa: PLR2004 - ours
                    if is_refusal or (remaining_s is not None and remaining_s <= pause_s):
                        raise error  # noqa: B904 - it has its cause
                await asyncio.sleep(pause_s)
            return await call(body, event)

        return run

    return guard
