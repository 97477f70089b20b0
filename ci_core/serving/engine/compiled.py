"""Choose how each program runs: by a short cut where its shape has one, else in the general form."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from ci_core.serving.engine.deadline import check_beginning, passed_in
from ci_core.serving.engine.drive import chain_async, start_drive
from ci_core.serving.engine.joins import everything
from ci_core.serving.engine.straight import FAN_LIMIT, WRITTEN_OUT, branches, chain, fan, with_own_code
from ci_core.serving.engine.walk import resume, start_walk
from ci_core.serving.event import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ci_core.serving.base import StepObserver
    from ci_core.serving.engine.program import Node, Program
    from ci_core.serving.metrics.steps import StepCalls

    Run = Callable[..., Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """Ways to run one program: ``run(body, event=None)``."""

    plain: Run
    """The shortest; of a program without async steps it looks at no deadline."""
    checked: Run
    """Looks at the event's deadline after every step."""
    timed: Run
    """Looks at it too, and tells the observer how long each step took; the same as `checked` when there is none."""


def compile_program(program: Program, *, is_async: bool) -> Runs:
    """Return the functions that run a program.

    Args:
        program: to run.
        is_async: whether the functions return awaitables; needed when the program has async steps.
    """
    plain = _async(program) if is_async else _sync(program)
    checked = plain if is_async else _checked(program)
    if program.observer is None:
        return Runs(plain=plain, checked=checked, timed=checked)
    return Runs(plain=plain, checked=checked, timed=_general(program, program.observer, is_async=is_async))


def observed(run: Run, timed: Run, observer: StepObserver | None) -> Run:
    """Return a function that asks the observer, for every event, which of two ways to take."""
    if observer is None:
        return run
    wants_times = observer.wants_times

    def choose(body: Any, event: Event | None = None) -> Any:
        return timed(body, event) if wants_times() else run(body, event)

    return choose


def _general(program: Program, times: StepObserver | None, *, is_async: bool) -> Run:
    start = start_drive if is_async else start_walk

    def run(body: Any, event: Event | None = None) -> Any:
        return start(program, body, event, times)

    return run


def _sync(program: Program) -> Run:
    calls = [node.step.call for node in program.nodes]
    if program.calls is not None:
        calls.append(_counting(program.calls))
    on_failure = partial(resume, program)
    wants_event = any(node.step.wants_event for node in program.nodes)
    is_short = len(calls) <= WRITTEN_OUT
    if _is_chain(program, 0):
        return chain(calls, on_failure) if is_short and not wants_event else _steps_in_line(program)
    length = _fan_length(program.nodes)
    if is_short and not wants_event and length and _is_chain(program, length):
        rest = chain(calls[length:], on_failure, length) if len(program.nodes) > length else None
        return fan(calls[:length], on_failure, rest, program.calls)
    if not wants_event and program.answers and all(_is_plain(node) for node in program.nodes):
        return branches(program.nodes, program.answers[0], on_failure, program.calls)
    return _general(program, None, is_async=False)


def _counting(seen: StepCalls) -> Callable[[Any], Any]:
    """Return what comes last in a line of calls, and so is called when none of them failed."""

    def count(body: Any) -> Any:
        seen.whole += 1
        return body

    return count


def _checked(program: Program) -> Run:
    return _line_in_time(program) if _is_chain(program, 0) else _general(program, None, is_async=False)


def _async(program: Program) -> Run:
    return chain_async(program) if _is_chain(program, 0) else _general(program, None, is_async=True)


def _steps_in_line(program: Program) -> Run:
    """Return a chain in which a step wants the event, or one that is too long to be written out."""
    links = tuple((node.index, node.step.call, node.step.wants_event) for node in program.nodes)
    seen, needs_event = program.calls, program.needs_event

    def run(body: Any, event: Event | None = None) -> Any:
        if event is None and needs_event:
            event = Event(body)
        at = 0
        try:
            for at, call, wants_event in links:  # noqa: B007 - `at` tells which step failed
                body = call(body, event) if wants_event else call(body)
        except BaseException as error:  # noqa: BLE001 - the handler raises it again, or answers
            return resume(program, at, error, body, event)
        if seen is not None:
            seen.whole += 1
        return body

    return with_own_code(run)


def _line_in_time(program: Program) -> Run:
    """Return a chain for an event that has a deadline."""
    links = tuple((node.index, node.step.call, node.step.wants_event) for node in program.nodes)
    seen = program.calls

    def run(body: Any, event: Event) -> Any:
        check_beginning(event)
        deadline = event.deadline
        at = 0
        try:
            for at, call, wants_event in links:
                result = call(body, event) if wants_event else call(body)
                if deadline is not None and monotonic() >= deadline:
                    raise passed_in(program.nodes[at].step.name)
                body = result
        except BaseException as error:  # noqa: BLE001 - the handler raises it again, or answers
            return resume(program, at, error, body, event)
        if seen is not None:
            seen.whole += 1
        return body

    return with_own_code(run)


def _is_chain(program: Program, start: int) -> bool:
    """Whether every node from `start` on gets what the one before it gives, and the last one gives the answer."""
    nodes = program.nodes
    if not nodes or program.answers != (nodes[-1].output,):
        return False
    places = [0, *(node.output for node in nodes)]
    return all(
        node.inputs[0] == places[node.index] and not node.is_join and node.chosen is None for node in nodes[start:]
    )


def _is_plain(node: Node) -> bool:
    """Whether its result lies where nodes without choices and ways back have theirs, and nothing leads past it."""
    return node.output == node.index + 1 and node.chosen is None and node.back_to is None


def _fan_length(nodes: Sequence[Node]) -> int:
    """Return how many nodes the fan at the beginning has: a step, its branches, and what joins them; 0 without one."""
    if not nodes:
        return 0
    head = nodes[0]
    branches = [nodes[index] for index in head.followers]
    length = len(branches) + 2
    if not 2 <= len(branches) <= FAN_LIMIT or length > len(nodes):  # noqa: PLR2004 - of one branch it is a chain
        return 0
    join = nodes[length - 1]
    fits = (
        head.inputs == (0,)
        and head.chosen is None
        and [node.index for node in branches] == list(range(1, length - 1))
        and all(node.inputs == (head.output,) and node.followers == (join.index,) for node in branches)
        and join.inputs == tuple(node.output for node in branches)
        and join.join is everything
    )
    return length if fits else 0
