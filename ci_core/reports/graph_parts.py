"""Diagrams in a report: the pipeline and the serving graph, with what changed."""

from __future__ import annotations

from typing import Literal

from ci_core.reports.part import Change, Part


class GraphNode(Part):
    """One node of a diagram."""

    id: str
    text: str
    kind: Literal["step", "router", "choice", "queue", "graph", "model", "source", "response", "stage", "data"] = "step"
    change: Change = "same"
    detail: str = ""
    """What it runs: ``serving.features:enrich``, ``models/late.onnx``."""
    is_stale: bool = False
    """Whether a stage would run again: what it needs moved since it last ran."""


class GraphEdge(Part):
    """One arrow of a diagram."""

    source: str
    target: str
    change: Change = "same"
    text: str = ""
    """Weight or condition, when there is one."""


class Graph(Part):
    """A diagram of the head, with what was removed since the base still in it."""

    name: str = "graph"
    nodes: tuple[GraphNode, ...] = ()
    edges: tuple[GraphEdge, ...] = ()
    hidden: int = 0
    """How many nodes far from every change were left out of a graph that is too large to read."""
