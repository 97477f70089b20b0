"""Graphs in YAML files: with the line of every key, so that each mistake is told where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci_core.errors import GraphFileError, Location
from ci_core.serving.reader import read_graph

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ci_core.serving.spec import GraphSpec


def read_graph_file(path: Path, *, shown_as: str) -> GraphSpec:
    """Read a graph from a YAML file.

    Raises:
        GraphFileError: it is not YAML, is longer or deeper than is read, or has mistakes.
    """
    data, lines = _parse(path, shown_as)
    return read_graph(data, file=shown_as, lines=lines)


def place_of_step(path: Path, *, shown_as: str, step: str | None) -> str:
    """Return where a step stands in a file that was read without a mistake; the file alone when it is not there.

    Args:
        path: of the file.
        shown_as: what messages call it.
        step: full name of the step.
    """
    data, lines = _parse(path, shown_as)
    keys = dict(_keys_of_steps(read_graph(data, file=shown_as, lines=lines)))
    line = lines.get(keys[step]) if step in keys else None
    return str(Location(file=shown_as, line=line))


def _keys_of_steps(graph: GraphSpec, key: str = "steps", prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the full names of the steps of a graph and of those in it, each with its key path."""
    for index, step in enumerate(graph.steps):
        yield f"{prefix}{step.name}", f"{key}[{index}]"
        if step.graph is not None:
            yield from _keys_of_steps(step.graph, f"{key}[{index}].graph.steps", f"{prefix}{step.name}/")


def _parse(path: Path, shown_as: str) -> tuple[Any, dict[str, int]]:
    """Return the data of a file, and the line of every key path in it."""
    from ci_core.yaml_source import MAX_BYTES, parse_yaml

    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    document = parse_yaml(data, file=shown_as, brackets=True)
    if document.problems:
        raise GraphFileError(file=shown_as, problems=document.problems)
    return document.value, {"": 1, **document.lines}
