"""``graphship serve``: the graph of a project, from its folder, in the foreground."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.serving.load import load_graph
from ci_core.serving.process import serve

if TYPE_CHECKING:
    from pathlib import Path

    from ci_core.serving.options import ServeOptions


def serve_project(reference: str, root: Path, options: ServeOptions) -> int:
    """Serve the graph that a project names until the process is told to stop; return the exit code.

    Moves the process into the project's folder, for good.

    Args:
        reference: as in ``graphship.yaml``: ``serving/graph.py:graph`` or ``graph.yaml``.
        root: the project's folder.
        options: how; the folder for captures must not depend on the current one.

    Raises:
        GraphshipError: the graph cannot be loaded, or the address or the folder for captures cannot be used.
    """
    graph = load_graph(reference, root)
    graph.settle()
    return serve(graph, options)
