"""Short cuts: what a chain, or a fan, of sync steps costs beside the calls themselves.

A loop over functions is a place where the interpreter meets another function at every turn, which it cannot prepare
for; one call a line, it can. So chains are written out, eight steps at a time, and the fan of 1-n-1 too. `at` is the
index of the node that is being called, and `body` what it gets: all that :func:`~ci_core.serving.engine.walk.resume`
needs when it fails.
"""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ci_core.serving.engine.program import Node
    from ci_core.serving.event import Event
    from ci_core.serving.metrics.steps import StepCalls

    Run = Callable[..., Any]
    Resume = Callable[..., Any]
    """From index, error, body and event of a failure, and the body of the request where there are joins, to the answer;
    see ``walk.resume``."""

_LINES = 8
WRITTEN_OUT = 800
"""Steps written out, at most: each eight call the next eight, and the interpreter bounds how deep calls lie."""
FAN_LIMIT = 4
"""Branches of a fan that is written out, at most."""


def chain(calls: Sequence[Callable[[Any], Any]], resume: Resume, offset: int = 0) -> Run:
    """Return a function that calls steps of a body one after the other.

    Args:
        calls: at least one.
        resume: called when one fails.
        offset: index of the first one's node.
    """
    lines: list[Any] = [*calls[:_LINES], *[None] * (_LINES - len(calls))]
    c0, c1, c2, c3, c4, c5, c6, c7 = lines
    rest = chain(calls[_LINES:], resume, offset + _LINES) if len(calls) > _LINES else None

    def run(body: Any, event: Event | None = None) -> Any:  # noqa: PLR0911 - written out, see above
        at = 0
        try:
            body = c0(body)
            if c1 is None:
                return body
            at = 1
            body = c1(body)
            if c2 is None:
                return body
            at = 2
            body = c2(body)
            if c3 is None:
                return body
            at = 3
            body = c3(body)
            if c4 is None:
                return body
            at = 4
            body = c4(body)
            if c5 is None:
                return body
            at = 5
            body = c5(body)
            if c6 is None:
                return body
            at = 6
            body = c6(body)
            if c7 is None:
                return body
            at = 7
            body = c7(body)
        except BaseException as error:  # noqa: BLE001 - the handler raises it again, or answers
            return resume(offset + at, error, body, event)
        return body if rest is None else rest(body, event)

    return with_own_code(run)


def fan(calls: Sequence[Callable[[Any], Any]], resume: Resume, rest: Run | None, seen: StepCalls | None) -> Run:
    """Return a function for one step, two to four branches of one step each, and the join of their results.

    Args:
        calls: first step, branches, join.
        resume: called when one fails.
        rest: for the join's result; None when that is the answer.
        seen: counts the events of which no step failed, when there is no `rest`, which does so itself.
    """
    head, first, second, *more, join = calls
    others: list[Any] = [*more, *[None] * (FAN_LIMIT - 2 - len(more))]
    third, fourth = others

    def run(body: Any, event: Event | None = None) -> Any:
        at = 0
        try:
            body = head(body)
            at = 1
            a = first(body)
            at = 2
            b = second(body)
            if third is None:
                at = 3
                body = [a, b]
            else:
                at = 3
                c = third(body)
                if fourth is None:
                    at = 4
                    body = [a, b, c]
                else:
                    at = 4
                    d = fourth(body)
                    at = 5
                    body = [a, b, c, d]
            body = join(body)
        except BaseException as error:  # noqa: BLE001 - the handler raises it again, or answers
            return resume(at, error, body, event)
        if rest is not None:
            return rest(body, event)
        if seen is not None:
            seen.whole += 1
        return body

    return with_own_code(run)


def branches(nodes: Sequence[Node], answer: int, resume: Resume, seen: StepCalls | None) -> Run:
    """Return a function for any graph of steps of a body in which every node runs, whatever the body.

    Args:
        nodes: without choices and ways back, so that the results, in order, are the places.
        answer: place of the answer.
        resume: called when one fails.
        seen: counts the events of which no step failed.
    """
    links = tuple((node.step.call, node.join, node.inputs[0], node.inputs) for node in nodes)

    def run(body: Any, event: Event | None = None) -> Any:
        places = [body]
        put = places.append
        given = body
        try:
            for call, join, place, inputs in links:
                if join is None:
                    given = places[place]
                else:
                    given = [places[one] for one in inputs]
                    given = join(given)
                put(call(given))
        except BaseException as error:  # noqa: BLE001 - the handler raises it again, or answers
            return resume(len(places) - 1, error, given, event, request=body)
        if seen is not None:
            seen.whole += 1
        return places[answer]

    return with_own_code(run)


def with_own_code(run: Any) -> Run:
    """Return the function with a copy of its code.

    The interpreter keeps in the code what it learned about the calls in it, and what it learned from one graph would
    slow down another.
    """
    copy = FunctionType(run.__code__.replace(), run.__globals__, run.__name__, run.__defaults__, run.__closure__)
    copy.__doc__ = run.__doc__
    return copy
