"""Where a graph goes on: the ends of chains that the builder hands out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci_core.errors import InvalidCallError
from ci_core.serving.call_check import checks_call
from ci_core.serving.describe import describe_choice, describe_queue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.serving.blueprint import Blueprint
    from ci_core.serving.describe import Draft
    from ci_core.serving.graph import Graph


class Node:
    """A place in a graph that is being built: the end of a chain, from which :meth:`to` goes on."""

    __slots__ = ("_blueprint", "_graph", "name")

    def __init__(self, graph: Graph, blueprint: Blueprint, name: str) -> None:
        self._graph, self._blueprint = graph, blueprint
        self.name = name

    @checks_call("to")
    def to(self, step: Any, name: str | None = None, **options: Any) -> Node:
        """Add a step after this one and return the new end; see :meth:`Graph.add_step`."""
        refuse_place("to", options)
        return self._graph.add_step(step, name, after=self, **options)

    @checks_call("choose")
    def choose(
        self,
        choice: Any,
        branches: Mapping[Any, str] | None = None,
        *,
        otherwise: str | None = None,
        several: bool = False,
        name: str | None = None,
    ) -> Node:
        """Add a choice after this step, and return it: the steps added after it with ``to`` are its branches.

        Args:
            choice: a field of the body as a dotted path, or a function of the body, whose value chooses.
            branches: value → name of a step after the choice; left out, the value is the step's name.
            otherwise: step for any other value; left out, such a request is refused.
            several: whether the value may be a list that chooses several steps.
            name: unique in the graph.

        Example:
            >>> from ci_core.serving import Graph
            >>> graph = Graph("pay")
            >>> fork = graph.choose("kind", {"card": "card", "cash": "cash"})
            >>> _ = fork.to(lambda body: "by card", "card"), fork.to(lambda body: "in cash", "cash")
            >>> graph.test({"kind": "cash"})
            'in cash'
        """
        return self._add(describe_choice(choice, branches, otherwise, several=several), name)

    @checks_call("queue")
    def queue(
        self,
        stream: str,
        name: str | None = None,
        *,
        max_deliveries: int | None = None,
        max_length: int | None = None,
        concurrency: int | None = None,
    ) -> Node:
        """Put what arrives into a stream; the steps after it run when it is taken out, not in the request.

        Args:
            stream: name of the stream.
            name: of the step, unique in the graph; the stream's when left out.
            max_deliveries: of one message before it becomes a dead letter; 5 when left out.
            max_length: messages that may wait; 100 000 when left out.
            concurrency: messages that one process works on side by side; 1 when left out.

        Example:
            >>> stored = []
            >>> from ci_core.serving import Graph
            >>> graph = Graph("log")
            >>> _ = graph.to(lambda body: body + 1, "add").respond().queue("added", max_deliveries=3).to(stored.append)
            >>> graph.test(1), stored
            (2, [2])
        """
        settings = {"max-deliveries": max_deliveries, "max-length": max_length, "concurrency": concurrency}
        given = {word: value for word, value in settings.items() if value is not None}
        return self._add(describe_queue(stream, given), name)

    def respond(self) -> Node:
        """Make this step's result the answer; needed only in a graph that branches, or goes on into a queue."""
        self._blueprint.change(self.name, responds=True)
        return self

    @checks_call("error_handler")
    def error_handler(self, step: Any, name: str | None = None, *, back_to: str | None = None, **options: Any) -> Node:
        """Call `step` when this one fails. Returns this node.

        The handler gets the body that the failed step got; with ``full_event=True``, an event whose ``error`` says
        which step failed and why.

        Args:
            step: see :meth:`Graph.add_step`.
            name: of the handler.
            back_to: step at which the flow goes on with the handler's result; left out, that result is the answer.
            options: see :class:`StepOptions`.

        Example:
            >>> from ci_core.serving import Graph
            >>> graph = Graph("safe")
            >>> _ = graph.to(lambda body: 1 / body, "divide").error_handler(lambda body: None, "none")
            >>> graph.test(0) is None
            True
        """
        refuse_place("error_handler", options)
        handler = self._graph.add_step(step, name, after=[], **options)
        self._blueprint.change(handler.name, back_to=back_to)
        self._blueprint.change(self.name, on_error=handler.name)
        return self

    def is_of(self, graph: Graph) -> bool:
        """Whether it is a place in `graph`."""
        return self._graph is graph

    def _add(self, draft: Draft, name: str | None) -> Node:
        added = self._blueprint.add(draft, name, after=(self.name,))
        return Node(self._graph, self._blueprint, added)

    def __repr__(self) -> str:
        return f"Node({self.name!r} of {self._graph!r})"


def refuse_place(call: str, options: Mapping[str, object]) -> None:
    """Refuse keywords that say where a step stands, where the call itself says it.

    Raises:
        InvalidCallError: there is one.
    """
    for word in ("after", "before"):
        if word in options:
            raise InvalidCallError(
                call=call,
                reason=f"takes no `{word}`: where the step stands is said by what it is called on",
                hint=f"`graph.add_step(step, {word}=…)` takes it",
            )
