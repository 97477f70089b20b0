"""One event on its way through a program: what lies in the places, and which event goes with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci_core.serving.engine.joins import UnfitPartError, blamed
from ci_core.serving.engine.program import ABSENT

if TYPE_CHECKING:
    from ci_core.serving.engine.program import Node, Program
    from ci_core.serving.event import Event, StepFailure


class Flight:
    """The state of one event.

    Args:
        program: that it flies through.
        body: of the request or message.
        event: that carries it; None when no step wants one.
    """

    __slots__ = ("_events", "_led_back", "_passed_over", "_places", "_program", "event")

    def __init__(self, program: Program, body: Any, event: Event | None) -> None:
        self._program = program
        self._places = [ABSENT] * program.places
        self._places[0] = body
        self._events: list[Event | None] = [None] * program.places
        self._events[0] = event
        self._passed_over: frozenset[int] = frozenset()
        self._led_back: dict[int, StepFailure | None] = {}
        self.event = event

    def arrived(self, node: Node) -> list[Any]:
        """Return what arrived at a node; nothing when it is to be skipped."""
        if node.index in self._passed_over:
            return []
        places = self._places
        return [value for place in node.inputs if (value := places[place]) is not ABSENT]

    def joined(self, node: Node, arrived: list[Any]) -> Any:
        """Return the one body that a node makes of what arrived.

        Raises:
            RequestError: it cannot be joined, and is what the client sent.
            JoinError: it cannot be joined, and is what steps made.
        """
        try:
            return arrived[0] if node.join is None else node.join(arrived)
        except UnfitPartError as error:
            places = zip(node.sources, node.inputs, strict=True)
            sources = [source for source, place in places if self._places[place] is not ABSENT]
            raise blamed(error, sources, self._places[0]) from None

    def event_for(self, node: Node, body: Any) -> Event | None:
        """Return the event that a node gets: the one of its first input, a copy where others get it too."""
        if self.event is None:
            return None
        events = self._events
        event = next((events[place] for place in node.inputs if self._places[place] is not ABSENT), None)
        return event.with_body(body) if event is not None and node.shares_event else event

    def leave(self, node: Node, body: Any, result: Any, event: Event | None) -> None:
        """Put the result of a node where others find it; a choice passes on the body it got."""
        if node.chosen is None:
            self._put(node.output, result, event)
            return
        for name in result:
            self._put(node.chosen[name], body, event)

    def go_back(self, node: Node, result: Any, event: Event | None) -> None:
        """Let the flow go on, after a failure of `node`, where its handler leads to."""
        if node.back_to is not None:
            self._put(node.back_to, result, event)
            self._passed_over |= node.passed_over
            if event is not None:
                self._led_back[node.index] = event.error

    def enter(self, node: Node, body: Any, event: Event | None) -> None:
        """Put `body` where `node` takes it from; used when a short cut ends in the middle."""
        self._put(node.inputs[0], body, event)

    def _put(self, place: int, value: Any, event: Event | None) -> None:
        self._places[place] = value
        self._events[place] = event

    def answer(self) -> Any:
        """Return the answer; of the failures that handlers led back from, the event tells the last in order."""
        if self._led_back and self.event is not None:
            self.event.error = self._led_back[max(self._led_back)]
        if not self._program.answers:
            return {"id": self.event.id} if self.event is not None else None
        for place in self._program.answers:
            if self._places[place] is not ABSENT:
                return self._places[place]
        raise RuntimeError(f"no branch of graph `{self._program.graph}` that this event took leads to an answer")
