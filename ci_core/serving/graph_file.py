"""Graphs in YAML files: with the line of every key, so that each mistake is told where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci_core.errors import GraphFileError, Location, Problem
from ci_core.serving.reader import read_graph

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ci_core.serving.spec import GraphSpec


def read_graph_file(path: Path, *, shown_as: str) -> GraphSpec:
    """Read a graph from a YAML file.

    Raises:
        GraphFileError: it is not YAML, or has mistakes.
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
    line = lines.get(keys.get(step or "", ""))
    return str(Location(file=shown_as, line=line))


def _keys_of_steps(graph: GraphSpec, key: str = "steps", prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the full names of the steps of a graph and of those in it, each with its key path."""
    for index, step in enumerate(graph.steps):
        yield f"{prefix}{step.name}", f"{key}[{index}]"
        if step.graph is not None:
            yield from _keys_of_steps(step.graph, f"{key}[{index}].graph.steps", f"{prefix}{step.name}/")


def _parse(path: Path, shown_as: str) -> tuple[Any, dict[str, int]]:
    """Return the data of a file, and the line of every key path in it."""
    import yaml

    text = path.read_text(encoding="utf-8")
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        fact, hint = _explained(error.problem or "is not YAML")
        problem = Problem(fact=fact, location=Location(file=shown_as, line=line), hint=hint)
        raise GraphFileError(file=shown_as, problems=[problem]) from error
    lines: dict[str, int] = {}
    twice: list[Problem] = []
    _note_lines(node, "", lines, twice, shown_as)
    if twice:
        raise GraphFileError(file=shown_as, problems=twice)
    return data, lines


def _explained(problem: str) -> tuple[str, str | None]:
    """Return a problem of the YAML parser in words that say what to write, where it is one that graphs invite."""
    if problem.endswith("but got '?'"):
        return "`?` stands in braces without quotes", 'write `"number?"`, or one column a line'
    if problem == "mapping values are not allowed here":
        return f"{problem}: a text with `: ` in it has no quotes", None
    return problem, None


def _note_lines(node: Any, path: str, lines: dict[str, int], twice: list[Problem], file: str) -> None:
    """Fill `lines` with the line of every key below a composed YAML node, and `twice` with keys that are repeated."""
    import yaml

    if isinstance(node, yaml.MappingNode):
        known: dict[str, int] = {}
        for key, value in node.value:
            below = f"{path}.{key.value}" if path else str(key.value)
            lines[below] = line = key.start_mark.line + 1
            if below in known:
                fact = f"`{key.value}` stands in line {known[below]} already"
                twice.append(Problem(fact=fact, location=Location(file=file, line=line, key=below)))
            known[below] = line
            _note_lines(value, below, lines, twice, file)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[f"{path}[{index}]"] = item.start_mark.line + 1
            _note_lines(item, f"{path}[{index}]", lines, twice, file)
