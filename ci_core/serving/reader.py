"""Read a graph from its stored form or from a YAML file, and tell all mistakes at once.

Called by ``GraphSpec.from_dict`` and the loader. Only the shape is judged here; whether the steps fit together is
``topology.check``'s question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ci_core.errors import GraphFileError, Location, Problem, nearest, quoted
from ci_core.serving.spec import LOCAL_PREFIX, REQUEST, GraphSpec, RouteSpec, StepSpec, freeze_mapping

if TYPE_CHECKING:
    from pathlib import Path

_GRAPH_KEYS = ("name", "files", "on-error", "steps")
_STEP_KEYS = (
    *("name", "step", "with", "after", "full-event", "input-path", "result-path", "on-error", "respond"),
    *("router", "routes"),
)
_ROUTE_KEYS = ("name", "model", "columns", "with")
ROUTER_KINDS = ("single",)


def read_graph(data: object, *, file: str, lines: Mapping[str, int] | None = None) -> GraphSpec:
    """Return the spec that `data` spells.

    Args:
        data: parsed YAML or JSON.
        file: what messages call the source.
        lines: key path → 1-based line, when known.

    Raises:
        GraphFileError: with every mistake found.
    """
    reader = _Reader(file=file, lines=lines or {})
    spec = reader.graph(data)
    if reader.problems:
        raise GraphFileError(file=file, problems=reader.problems)
    return spec


def read_graph_file(path: Path, *, shown_as: str) -> GraphSpec:
    """Read a graph from a YAML file.

    Raises:
        GraphFileError: it is not YAML, or has mistakes.
    """
    import yaml

    text = path.read_text(encoding="utf-8")
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        problem = Problem(fact=error.problem or "is not YAML", location=Location(file=shown_as, line=line))
        raise GraphFileError(file=shown_as, problems=[problem]) from error
    lines: dict[str, int] = {}
    _note_lines(node, "", lines)
    return read_graph(data, file=shown_as, lines=lines)


def _note_lines(node: Any, path: str, lines: dict[str, int]) -> None:
    """Fill `lines` with the line of every key below a composed YAML node."""
    import yaml

    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = f"{path}.{key.value}" if path else str(key.value)
            lines[below] = key.start_mark.line + 1
            _note_lines(value, below, lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[f"{path}[{index}]"] = item.start_mark.line + 1
            _note_lines(item, f"{path}[{index}]", lines)


@dataclass(slots=True)
class _Reader:
    """Walks the data and notes problems instead of stopping at the first."""

    file: str
    lines: Mapping[str, int]
    problems: list[Problem] = field(default_factory=list)

    def graph(self, data: object) -> GraphSpec:
        values = self._mapping(data, "", _GRAPH_KEYS)
        steps: list[StepSpec] = []
        for index, item in enumerate(self._sequence(values.get("steps", []), "steps")):
            previous = steps[-1].name if steps else REQUEST
            steps.append(self._step(item, f"steps[{index}]", previous))
        return GraphSpec(
            name=self._text(values, "name", "") or self._missing("name", ""),
            steps=tuple(steps),
            files=self._texts(values.get("files", []), "files"),
            on_error=self._text(values, "on-error", ""),
        )

    def _step(self, data: object, at: str, previous: str) -> StepSpec:
        values = self._mapping(data, at, _STEP_KEYS)
        step, router = self._text(values, "step", at), self._text(values, "router", at)
        if values and (step is None) == (router is None):
            self._note("a step has either `step` or `router`", at)
        if step is not None and step.startswith(LOCAL_PREFIX):
            self._note(f"`{step}` cannot be imported", f"{at}.step", "name it `module:function`")
        if router is not None and router not in ROUTER_KINDS:
            self._note(f"there is no router `{router}`", f"{at}.router", f"there are {quoted(ROUTER_KINDS)}")
        after = values.get("after", [previous])
        return StepSpec(
            name=self._text(values, "name", at) or default_name(step or "router"),
            step=step or "",
            arguments=self._arguments(values, at),
            after=(after,) if isinstance(after, str) else self._texts(after, f"{at}.after"),
            full_event=self._flag(values, "full-event", at),
            input_path=self._text(values, "input-path", at),
            result_path=self._text(values, "result-path", at),
            on_error=self._text(values, "on-error", at),
            responds=self._flag(values, "respond", at),
            router=router,
            routes=self._routes(values.get("routes"), f"{at}.routes") if router is not None else (),
        )

    def _routes(self, data: object, at: str) -> tuple[RouteSpec, ...]:
        if isinstance(data, Mapping):
            items = [self._route(item, f"{at}.{name}", str(name)) for name, item in data.items()]
        else:
            items = [
                self._route(item, f"{at}[{index}]", None) for index, item in enumerate(self._sequence(data or [], at))
            ]
        if not items:
            self._note("a router needs at least one route", at, "such as {m1: models/m1.onnx}")
        return tuple(items)

    def _route(self, data: object, at: str, name: str | None) -> RouteSpec:
        if isinstance(data, str):
            data = {"model": data}
        values = self._mapping(data, at, _ROUTE_KEYS)
        return RouteSpec(
            name=name or self._text(values, "name", at) or self._missing("name", at),
            model=self._text(values, "model", at) or self._missing("model", at),
            columns=self._texts(values.get("columns", []), f"{at}.columns"),
            arguments=self._arguments(values, at),
        )

    def _arguments(self, values: Mapping[str, Any], at: str) -> Mapping[str, Any]:
        arguments = values.get("with", {})
        if not isinstance(arguments, Mapping):
            self._note(f"expected a mapping, found {_kind(arguments)}", f"{at}.with")
            return freeze_mapping({})
        return freeze_mapping(arguments)

    def _mapping(self, data: object, at: str, keys: Sequence[str]) -> Mapping[str, Any]:
        if not isinstance(data, Mapping):
            self._note(f"expected a mapping, found {_kind(data)}", at)
            return {}
        for key in data:
            if key not in keys:
                close = nearest(str(key), keys)
                hint = f"did you mean `{close}`?" if close else f"keys: {quoted(keys)}"
                self._note(f"unknown key `{key}`", f"{at}.{key}" if at else str(key), hint)
        return data

    def _sequence(self, data: object, at: str) -> Sequence[Any]:
        if isinstance(data, Sequence) and not isinstance(data, str | bytes):
            return data
        self._note(f"expected a list, found {_kind(data)}", at)
        return ()

    def _texts(self, data: object, at: str) -> tuple[str, ...]:
        items = self._sequence(data, at)
        for index, item in enumerate(items):
            if not isinstance(item, str):
                self._note(f"expected text, found {_kind(item)}", f"{at}[{index}]")
        return tuple(str(item) for item in items)

    def _text(self, values: Mapping[str, Any], key: str, at: str) -> str | None:
        value = values.get(key)
        if value is None or (isinstance(value, str) and value):
            return value
        found = "nothing" if value == "" else _kind(value)
        self._note(f"expected text, found {found}", f"{at}.{key}" if at else key)
        return None

    def _flag(self, values: Mapping[str, Any], key: str, at: str) -> bool:
        value = values.get(key, False)
        if isinstance(value, bool):
            return value
        self._note(f"expected true or false, found {_kind(value)}", f"{at}.{key}")
        return False

    def _missing(self, key: str, at: str) -> str:
        path = f"{at}.{key}" if at else key
        if not any(problem.location.key in {path, at or None} for problem in self.problems):
            self._note(f"`{key}` is missing", at or key)
        return ""

    def _note(self, fact: str, key: str, hint: str | None = None) -> None:
        probe = key
        while probe and probe not in self.lines:
            probe = probe[: max(probe.rfind("."), probe.rfind("["), 0)]
        location = Location(file=self.file, line=self.lines.get(probe), key=key or None)
        self.problems.append(Problem(fact=fact, location=location, hint=hint))


def default_name(reference: str) -> str:
    """Return what a step is called that was given no name: the last word of its reference."""
    return reference.rpartition(":")[2].rpartition(".")[2]


def _kind(value: object) -> str:
    """Return what a user calls the type of a YAML value."""
    if value is None:
        return "nothing"
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (bool, "true or false"),
        ((int, float), "a number"),
        (str, "text"),
        (Mapping, "a mapping"),
        (Sequence, "a list"),
    )
    return next((name for kind, name in kinds if isinstance(value, kind)), type(value).__name__)
