"""Graphs made from a graph that was split: the caller's, and one a segment. They share the objects of its builder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci_core.serving.functions.caller import RemoteSegment
from ci_core.serving.graph import Graph

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.serving.functions.caller import Send
    from ci_core.serving.functions.split import FunctionPlan, Segment
    from ci_core.serving.spec import GraphSpec


def caller_graph(graph: Graph, plan: FunctionPlan, send: Mapping[str, Send]) -> Graph:
    """Return the graph of the process that takes the requests.

    Args:
        graph: that was split.
        plan: of its parts.
        send: function → how its segments are called.
    """
    remote = {segment.name: RemoteSegment(segment, send[segment.function]) for segment in plan.segments}
    return _part(graph, plan.root, remote)


def segment_graph(graph: Graph, segment: Segment) -> Graph:
    """Return the graph of one segment."""
    return _part(graph, segment.spec, {})


def _part(graph: Graph, spec: GraphSpec, targets: Mapping[str, Any]) -> Graph:
    part = Graph.from_spec(spec)
    part._blueprint.targets.update({**graph.targets, **targets})  # noqa: SLF001 - parts of one graph
    part._home = graph._home  # noqa: SLF001
    return part
