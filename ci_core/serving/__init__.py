"""Serving graphs: write, test, compile and serve them.

This is what runs in a serving process, so it imports nothing of graphship but ``errors``, ``types``
and ``yaml_source``, and nothing heavy before it is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci_core.serving import steps
from ci_core.serving.base import Context
from ci_core.serving.event import Event
from ci_core.serving.graph import Graph, Node
from ci_core.serving.load import load_graph
from ci_core.serving.problems import DependencyError, DependencyTimeoutError, RequestError
from ci_core.serving.render import dot, mermaid
from ci_core.serving.routers import Route, Router
from ci_core.serving.spec import GraphSpec, RouteSpec, StepSpec

if TYPE_CHECKING:
    from ci_core.serving.models.base import Model


def __getattr__(name: str) -> Any:
    if name == "Model":  # needs numpy
        from ci_core.serving.models.base import Model

        return Model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Context",
    "DependencyError",
    "DependencyTimeoutError",
    "Event",
    "Graph",
    "GraphSpec",
    "Model",
    "Node",
    "RequestError",
    "Route",
    "RouteSpec",
    "Router",
    "StepSpec",
    "dot",
    "load_graph",
    "mermaid",
    "steps",
]
