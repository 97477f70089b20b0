"""``graphship serve``: the graph of a project, from its folder, in the foreground."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.serving.load import load_graph
from ci_core.serving.process import ServeOptions, serve

if TYPE_CHECKING:
    from pathlib import Path


def serve_project(
    reference: str,
    root: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    workers: int = 1,
    captures: Path | None = None,
    capture_sample: float = 1.0,
    time_column: str | None = None,
) -> int:
    """Serve the graph that a project names until the process is told to stop; return the exit code.

    Moves the process into the project's folder, for good.

    Args:
        reference: as in ``graphship.yaml``: ``serving/graph.py:graph`` or ``graph.yaml``.
        root: the project's folder.
        host: address to listen on.
        port: 0 is any free port; the address is printed.
        workers: processes that share the port.
        captures: folder for captures, relative to the project; None for none.
        capture_sample: share of events that is captured.
        time_column: field of the body with the event's own time.

    Raises:
        GraphshipError: the graph cannot be loaded, or the address or the folder for captures cannot be used.
    """
    graph = load_graph(reference, root)
    graph.settle()
    return serve(
        graph,
        ServeOptions(
            host=host,
            port=port,
            workers=workers,
            captures=root / captures if captures is not None else None,
            capture_sample=capture_sample,
            time_column=time_column,
        ),
    )
