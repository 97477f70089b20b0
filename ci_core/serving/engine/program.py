"""A graph as a flat list of nodes that know where their input lies. Built once, when the graph is compiled.

Values lie in *places*: place 0 is the request (or the message out of a queue), and every node has one for its result. A
choice has one a branch, and a step that error handlers lead back to has one more input for each of them. A place that
nothing came to is ``ABSENT``; a node none of whose inputs came is skipped.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ci_core.serving.engine.joins import first, join_of
from ci_core.serving.handler_rules import entry_of_way_back
from ci_core.serving.neighbours import followers, upstream
from ci_core.serving.spec import REQUEST

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ci_core.serving.base import StepObserver
    from ci_core.serving.metrics.steps import StepCalls
    from ci_core.serving.spec import GraphSpec, StepSpec
    from ci_core.serving.steps.adapt import CallableStep
    from ci_core.serving.topology import Topology

ABSENT: Final[Any] = object()
"""What lies in a place that nothing came to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One step in its place."""

    index: int
    """In the program."""
    step: CallableStep
    inputs: tuple[int, ...]
    """Places it takes from."""
    sources: tuple[str, ...]
    """Names of the steps whose results lie in `inputs`, for messages."""
    is_join: bool
    """Whether the graph gives it several inputs; ways back are not counted."""
    join: Callable[[list[Any]], Any] | None
    """Makes one body of what arrived; None when only one thing can arrive."""
    output: int
    """Place of its result."""
    chosen: Mapping[str, int] | None
    """Of a choice: branch → place of the body in that branch."""
    depends_on: tuple[int, ...]
    """Nodes directly before it."""
    followers: tuple[int, ...]
    """Nodes directly after it."""
    shares_event: bool
    """Whether others get the event it gets, so that it must have a copy."""
    handler: CallableStep | None
    back_to: int | None
    """Place that the handler's result goes to; None when it is the answer. Where two failures lead back to one step, it
    gets the result for the one that is first in order, whichever was there first."""
    passed_over: frozenset[int]
    """Nodes that do not run when the flow goes on at `back_to`."""

    @property
    def may_wait(self) -> bool:
        """Whether the step, or the handler on the way back, gives way to others."""
        return self.step.is_async or (self.handler is not None and self.handler.is_async and self.back_to is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """The nodes of a graph that run one after the other, or side by side, for one request or message."""

    graph: str
    """Name of the outermost graph, for messages."""
    nodes: tuple[Node, ...]
    """In topological order."""
    places: int
    answers: tuple[int, ...]
    """Places of which one has the answer; empty when the answer is the event's id."""
    observer: StepObserver | None
    """Told of failures."""
    calls: StepCalls | None
    """Of the nodes, by their index; None when nobody is told."""
    handler_calls: Mapping[int, StepCalls]
    """Number of a handler's step → its calls."""

    @property
    def needs_event(self) -> bool:
        """Whether anything in it wants the event, so that one must be made when there is none."""
        return not self.answers or any(
            step.wants_event for node in self.nodes for step in (node.step, node.handler) if step is not None
        )

    @property
    def is_async(self) -> bool:
        """Whether anything in it must be awaited."""
        return any(step.is_async for node in self.nodes for step in (node.step, node.handler) if step is not None)


def build_program(
    spec: GraphSpec,
    topology: Topology,
    steps: Mapping[str, CallableStep],
    *,
    queue: str | None = None,
    graph: str,
    observer: StepObserver | None,
) -> Program:
    """Return the program of the steps that run in the request, or behind one queue.

    Args:
        spec: of the graph.
        topology: from ``topology.check(spec)``.
        steps: the callable of every step by name, handlers too.
        queue: name of the queue step that the steps lie behind; None for those that run in the request.
        graph: what messages call the graph.
        observer: told of failures.
    """
    layout = _Layout(spec, topology, queue)
    nodes = tuple(layout.node(name, steps) for name in layout.order)
    handlers = {node.handler.number for node in nodes if node.handler is not None}
    return Program(
        graph=graph,
        nodes=nodes,
        places=layout.count,
        answers=tuple(layout.outputs[name] for name in topology.answers) if queue is None else (),
        observer=observer,
        calls=None if observer is None else observer.calls_of([node.step.number for node in nodes]),
        handler_calls={} if observer is None else {number: observer.calls_of([number]) for number in handlers},
    )


class _Layout:
    """Gives every value its place."""

    def __init__(self, spec: GraphSpec, topology: Topology, queue: str | None) -> None:
        self._spec, self._joins = spec, topology.joins
        self._steps = {step.name: step for step in spec.steps}
        self._followers = followers(spec)
        self.order = tuple(name for name in topology.order if topology.behind_queue.get(name) == queue)
        self._index = {name: index for index, name in enumerate(self.order)}
        self._entry = queue or REQUEST
        self.count = 1
        self.outputs = {name: self._new() for name in self.order}
        self._branches = {
            name: {follower: self._new() for follower in self._followers[name]}
            for name in self.order
            if self._steps[name].choice is not None
        }
        self._ways_back = {name: self._new() for name in self.order if self._target(name) is not None}
        self._uses = Counter(one for name in self.order for one in self._steps[name].after)

    def _new(self) -> int:
        self.count += 1
        return self.count - 1

    def _handler(self, name: str) -> str | None:
        return self._steps[name].on_error or self._spec.on_error

    def _target(self, name: str) -> str | None:
        """Return the step at which the flow goes on after a failure of `name`."""
        handler = self._handler(name)
        return self._steps[handler].back_to if handler is not None else None

    def _place(self, source: str, taker: str) -> int:
        if source == self._entry:
            return 0
        branches = self._branches.get(source)
        return self.outputs[source] if branches is None else branches[taker]

    def _join(self, step: StepSpec, inputs: Sequence[object]) -> Callable[[list[Any]], Any] | None:
        if len(step.after) > 1:
            return join_of(step, self._joins[step.name])
        return first if len(inputs) > 1 else None

    def _shares(self, source: str) -> bool:
        """Whether several steps may get what `source` gives."""
        if source in self._branches and not self._steps[source].several:
            return False
        return self._uses[source] > 1

    def _passed_over(self, name: str) -> frozenset[int]:
        """Return what does not run when the handler of `name` leads back: what lies between the two."""
        target = self._target(name)
        if target is None:
            return frozenset()
        above = {other: upstream(self._spec, other) for other in self._index}
        return frozenset(
            index
            for other, index in self._index.items()
            if name in above[other] and other != target and target not in above[other]
        )

    def node(self, name: str, steps: Mapping[str, CallableStep]) -> Node:
        step = self._steps[name]
        ways_back: dict[str | None, list[tuple[str, int]]] = {}
        for failed, place in self._ways_back.items():
            if self._target(failed) == name:
                # where it stands in a join is that of the input it stands for
                entry = entry_of_way_back(self._spec, failed, name)
                ways_back.setdefault(entry, []).append((self._handler(failed) or failed, place))
        inputs: list[tuple[str, int]] = []
        for source in step.after:
            inputs += [(source, self._place(source, name)), *ways_back.get(source, ())]
        handler = self._handler(name)
        return Node(
            index=self._index[name],
            step=steps[name],
            inputs=tuple(place for _, place in inputs),
            sources=tuple(source for source, _ in inputs),
            is_join=len(step.after) > 1,
            join=self._join(step, inputs),
            output=self.outputs[name],
            chosen=self._branches.get(name),
            depends_on=tuple(self._index[source] for source in step.after if source in self._index),
            followers=tuple(self._index[one] for one in self._followers[name] if one in self._index),
            shares_event=any(self._shares(source) for source in step.after),
            handler=steps[handler] if handler is not None else None,
            back_to=self._ways_back.get(name),
            passed_over=self._passed_over(name),
        )
