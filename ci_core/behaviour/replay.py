"""Send the same requests to two graphs that were loaded, and put what came back together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ci_core.behaviour.comparison import compare_answers
from ci_core.behaviour.latency import milliseconds, ratio_of_rounds
from ci_core.behaviour.requests import shown, to_send
from ci_core.behaviour.side import Answers, SideFailedError
from ci_core.behaviour.spec import Behaviour, SideOfBehaviour
from ci_core.behaviour.timing import flat, slower, take_turns, typical
from ci_core.errors import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ci_core.behaviour.requests import Requests
    from ci_core.behaviour.side import Side
    from ci_core.deploy.smoke import SmokeRequest
    from ci_core.masking import Masker
    from ci_core.types import JsonValue

    Messages = Sequence[Mapping[str, JsonValue]]

_BYTES_PER_MB: Final = 1_000_000
_PLACES: Final = 6


@dataclass(slots=True, kw_only=True)
class _Asked:
    """What one side answered; nothing when there is no such side."""

    side: Side | None
    first: Answers
    again: Answers
    peak_bytes: int | None
    """After it was asked once: both sides have then done the same."""
    blocks: list[list[float]] = field(default_factory=list)


def replay(
    base: Side | None,
    head: Side | None,
    requests: Requests,
    *,
    time: str | None,
    problems: Sequence[str],
    masker: Masker,
) -> Behaviour:
    """Return how two graphs answer `requests`, and how fast.

    Args:
        base: ready to answer; None when it cannot, and `problems` says why.
        head: the same.
        requests: to send, at least one.
        time: when they happened, ISO 8601; None where their bodies say so.
        problems: sentences.
        masker: takes secrets out of requests and answers that are shown.
    """
    messages = [to_send(number, request, happened=time) for number, request in enumerate(requests.requests)]
    old, new = _ask(base, messages), _ask(head, messages)
    unread = [requests.problem] if requests.problem else []
    found = [*problems, *unread, *_ask_more(old, new, messages)]
    for side in (base, head):
        found += [f"the {side.name}'s graph {note}" for note in side.notes] if side is not None else []
    compared = compare_answers(
        [shown(request) for request in requests.requests],
        old.first.answers,
        old.again.answers,
        new.first.answers,
        added=requests.added,
        masker=masker,
    )
    peaks = (old.peak_bytes, new.peak_bytes)
    return Behaviour(
        source=requests.source,
        requests=compared.requests,
        changed=compared.changed,
        added=compared.added,
        added_changed=compared.added_changed,
        gained=compared.gained,
        unsteady=compared.unsteady,
        unsteady_places=compared.unsteady_places[:_PLACES],
        fields=compared.fields,
        more_fields=compared.more_fields,
        largest=compared.largest,
        base=_summary(old, requests.requests),
        head=_summary(new, requests.requests),
        latency_ratio=ratio_of_rounds(old.blocks, new.blocks),
        memory_ratio=round(peaks[1] / peaks[0], 4) if peaks[0] and peaks[1] else None,
        problem="; ".join(found) or None,
        notes=(*requests.notes, *_remote(base, head)),
    )


def _ask(side: Side | None, messages: Messages) -> _Asked:
    nothing = Answers(answers=[None] * len(messages))
    if side is None:
        return _Asked(side=None, first=nothing, again=nothing, peak_bytes=None)
    first = side.answer(messages)
    return _Asked(side=side, first=first, again=nothing, peak_bytes=side.peak_bytes)


def _ask_more(old: _Asked, new: _Asked, messages: Messages) -> list[str]:
    """Ask the base again, then time both; return what kept them from being timed."""
    base, head = old.side, new.side
    if base is None or head is None or not base.is_running:
        return []
    if not base.was_started_again:  # else the same request would end it again
        old.again = base.answer(messages)
    seconds = _timed(slower(old.first.seconds, new.first.seconds), old.first, new.first)
    if not seconds or not all(side.is_running for side in (base, head)):
        return []
    if base.remote or head.remote:
        return []  # thousands of requests would reach somebody's service
    try:
        times = take_turns(base, head, seconds)
    except SideFailedError as error:
        return [error.reason]
    if times is None:
        return ["the requests take too long for the graphs to be timed in turns"]
    old.blocks, new.blocks = times.base, times.head
    return []


def _timed(seconds: dict[int, float], base: Answers, head: Answers) -> dict[int, float]:
    """Return the times of requests that both sides answer alike: a refusal is quick, and no answer."""
    alike = [
        old is not None and new is not None and old.status == new.status
        for old, new in zip(base.answers, head.answers, strict=True)
    ]
    return {number: taken for number, taken in seconds.items() if alike[number]}


def _summary(asked: _Asked, requests: Sequence[SmokeRequest]) -> SideOfBehaviour | None:
    if all(answer is None for answer in asked.first.answers):
        return None
    took = milliseconds(flat(asked.blocks) or typical(asked.first.seconds))
    return SideOfBehaviour(
        failed=sum(
            answer is not None and not answer.is_expected(request.status)
            for answer, request in zip(asked.first.answers, requests, strict=True)
        ),
        median_ms=took[0] if took else None,
        p95_ms=took[1] if took else None,
        peak_mb=round(asked.peak_bytes / _BYTES_PER_MB, 3) if asked.peak_bytes else None,
    )


def _remote(*sides: Side | None) -> tuple[str, ...]:
    steps = sorted({step for side in sides if side is not None for step in side.remote})
    if not steps:
        return ()
    return (f"the graphs were not timed in turns, since {quoted(steps)} would have sent thousands of requests",)
