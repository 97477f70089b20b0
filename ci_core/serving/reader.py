"""Read a graph from its stored form or from a YAML file, and tell all mistakes at once.

Called by ``GraphSpec.from_dict`` and the loader. Only the shape is judged here; whether the steps fit together is
``topology.check``'s question.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from ci_core.errors import GraphFileError, Location, Problem, nearest, quoted
from ci_core.serving.schema import INPUT_TYPES
from ci_core.serving.spec import (
    LOCAL_PREFIX,
    REQUEST,
    ROUTER_KINDS,
    GraphSpec,
    Join,
    Load,
    RouteSpec,
    StepSpec,
    Switch,
    freeze_mapping,
)

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T", bound=str)

JOINS: tuple[Join, ...] = get_args(Join)
LOADS: tuple[Load, ...] = get_args(Load)
SWITCHES: tuple[Switch, ...] = get_args(Switch)

_GRAPH_KEYS = ("name", "files", "on-error", "timeout", "inputs", "steps")
_KINDS = ("step", "router", "choice", "queue", "graph")
_STEP_KEYS = (
    *("name", *_KINDS, "with", "handler", "after", "join", "join-key", "full-event", "input-path", "result-path"),
    *("on-error", "back-to", "retries", "retry-wait", "timeout", "blocking", "function", "respond"),
    *("routes", "branches", "otherwise", "several"),
)
_ROUTE_KEYS = (
    *("name", "model", "version", "columns", "trust", "with", "load", "batch", "max-batch", "batch-window", "lower"),
    "lowered",
)
_BELONGS_TO = {"routes": "router", "branches": "choice", "otherwise": "choice", "several": "choice", "handler": "step"}
"""Key → the kind of step that it is about."""


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

    def graph(self, data: object, at: str = "") -> GraphSpec:
        values = self._mapping(data, at, _GRAPH_KEYS)
        steps: list[StepSpec] = []
        below = f"{at}.steps" if at else "steps"
        for index, item in enumerate(self._sequence(values.get("steps", []), below)):
            previous = steps[-1].name if steps else REQUEST
            steps.append(self._step(item, f"{below}[{index}]", previous))
        return GraphSpec(
            name=self._text(values, "name", at) or self._missing("name", at),
            steps=tuple(steps),
            files=self._texts(values.get("files", []), f"{at}.files" if at else "files"),
            on_error=self._text(values, "on-error", at),
            timeout_s=self._positive(values, "timeout", at),
            inputs=self._inputs(values, f"{at}.inputs" if at else "inputs"),
        )

    def _inputs(self, values: Mapping[str, Any], at: str) -> Mapping[str, str]:
        data = values.get("inputs", {})
        if not isinstance(data, Mapping):
            self._note(f"expected a mapping, found {_kind(data)}", at)
            return MappingProxyType({})
        for name, word in data.items():
            if not isinstance(word, str) or word.removesuffix("?") not in INPUT_TYPES:
                shown = f"`{word}`" if isinstance(word, str) else _kind(word)
                self._note(f"expected one of {quoted(INPUT_TYPES)}, found {shown}", f"{at}.{name}")
        return MappingProxyType({str(name): str(word) for name, word in data.items()})

    def _step(self, data: object, at: str, previous: str) -> StepSpec:
        values = self._mapping(data, at, _STEP_KEYS)
        kind = self._kind_of_step(values, at)
        step = self._text(values, "step", at)
        if step is not None and step.startswith(LOCAL_PREFIX):
            self._note(f"`{step}` cannot be imported", f"{at}.step", "name it `module:function`")
        after = values.get("after", [previous])
        nested = values.get("graph")
        graph = None if nested is None else self.graph(nested, f"{at}.graph")
        queue = self._text(values, "queue", at)
        name = self._text(values, "name", at) or (graph.name if graph else queue or default_name(step or kind))
        return StepSpec(
            name=name,
            step=step or "",
            arguments=self._arguments(values, at),
            handler=self._text(values, "handler", at),
            after=(after,) if isinstance(after, str) else self._texts(after, f"{at}.after"),
            join=self._choice_of(values, "join", at, JOINS),
            join_key=self._text(values, "join-key", at),
            full_event=self._flag(values, "full-event", at),
            input_path=self._text(values, "input-path", at),
            result_path=self._text(values, "result-path", at),
            on_error=self._text(values, "on-error", at),
            back_to=self._text(values, "back-to", at),
            retries=self._count(values, "retries", at, default=0),
            retry_wait_s=self._number(values, "retry-wait", at, default=0.1),
            timeout_s=self._positive(values, "timeout", at),
            blocking=self._flag(values, "blocking", at),
            function=self._text(values, "function", at),
            responds=self._flag(values, "respond", at),
            router=self._router(values, at),
            routes=self._routes(values.get("routes"), f"{at}.routes") if "router" in values else (),
            choice=self._text(values, "choice", at),
            branches=self._branches(values, at),
            otherwise=self._text(values, "otherwise", at),
            several=self._flag(values, "several", at),
            queue=queue,
            graph=graph,
        )

    def _kind_of_step(self, values: Mapping[str, Any], at: str) -> str:
        kinds = [kind for kind in _KINDS if values.get(kind) is not None]
        if values and len(kinds) != 1:
            found = f", found {quoted(kinds)}" if kinds else ""
            self._note(f"a step has exactly one of {quoted(_KINDS)}{found}", at)
        kind = kinds[0] if kinds else "step"
        for key, belongs_to in _BELONGS_TO.items():
            if key in values and belongs_to not in kinds:
                self._note(f"`{key}` is about a `{belongs_to}`, and this is a `{kind}`", f"{at}.{key}")
        return kind

    def _router(self, values: Mapping[str, Any], at: str) -> str | None:
        router = self._text(values, "router", at)
        if router is not None and router not in ROUTER_KINDS and ":" not in router:
            close = nearest(router, ROUTER_KINDS)
            hint = f"did you mean `{close}`?" if close else f"there are {quoted(ROUTER_KINDS)}, or `module:Class`"
            self._note(f"there is no router `{router}`", f"{at}.router", hint)
        return router

    def _branches(self, values: Mapping[str, Any], at: str) -> Mapping[str, str]:
        data = values.get("branches", {})
        if not isinstance(data, Mapping):
            self._note(f"expected a mapping, found {_kind(data)}", f"{at}.branches")
            return MappingProxyType({})
        branches: dict[str, str] = {}
        for value, step in data.items():
            if not isinstance(step, str):
                self._note(f"expected the name of a step, found {_kind(step)}", f"{at}.branches.{value}")
            branches[branch_text(value)] = str(step)
        return MappingProxyType(branches)

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

    def _route(self, data: object, at: str, key: str | None) -> RouteSpec:
        if isinstance(data, str):
            data = {"model": data}
        values = self._mapping(data, at, _ROUTE_KEYS)
        name, _, version = (key or self._text(values, "name", at) or self._missing("name", at)).partition(":")
        return RouteSpec(
            name=name,
            version=self._version(values, at) or version or None,
            model=self._text(values, "model", at) or self._missing("model", at),
            columns=self._texts(values.get("columns", []), f"{at}.columns"),
            trust=self._texts(values.get("trust", []), f"{at}.trust"),
            arguments=self._arguments(values, at),
            load=self._choice_of(values, "load", at, LOADS) or "start",
            batch=self._switch(values, "batch", at),
            max_batch_rows=self._count(values, "max-batch", at, default=1024, least=1),
            batch_window_s=self._number(values, "batch-window", at, default=0.0),
            lower=self._switch(values, "lower", at),
            lowered=self._text(values, "lowered", at),
        )

    def _version(self, values: Mapping[str, Any], at: str) -> str | None:
        value = values.get("version")
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)  # `version: 2` means the text
        return self._text(values, "version", at)

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

    def _switch(self, values: Mapping[str, Any], key: str, at: str) -> Switch:
        value = values.get(key)
        if isinstance(value, bool):  # YAML 1.1 reads `on` and `off` as these
            return "on" if value else "off"
        return self._choice_of(values, key, at, SWITCHES) or "auto"

    def _choice_of(self, values: Mapping[str, Any], key: str, at: str, known: tuple[T, ...]) -> T | None:
        value = self._text(values, key, at)
        for one in known:
            if one == value:
                return one
        if value is not None:
            self._note(f"expected one of {quoted(known)}, found `{value}`", f"{at}.{key}")
        return None

    def _number(self, values: Mapping[str, Any], key: str, at: str, *, default: float) -> float:
        value = values.get(key, default)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf:
            return float(value)
        self._note(f"expected a number of seconds, found {_shown(value)}", f"{at}.{key}" if at else key)
        return default

    def _positive(self, values: Mapping[str, Any], key: str, at: str) -> float | None:
        if values.get(key) is None:
            return None
        value = self._number(values, key, at, default=0.0)
        if value == 0 and isinstance(values[key], int | float) and values[key] == 0:
            self._note("expected a time above 0", f"{at}.{key}" if at else key)
        return value or None

    def _count(self, values: Mapping[str, Any], key: str, at: str, *, default: int, least: int = 0) -> int:
        value = values.get(key, default)
        if isinstance(value, int) and not isinstance(value, bool) and value >= least:
            return value
        self._note(f"expected a whole number from {least}, found {_shown(value)}", f"{at}.{key}")
        return default

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


def branch_text(value: object) -> str:
    """Return a value that chooses a branch as the text that `StepSpec.branches` has it under: as JSON writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    try:
        return str(value)
    except RecursionError:  # a list of lists of lists: it chooses none
        return "…"


def _shown(value: object) -> str:
    return f"`{value}`" if isinstance(value, int | float) and not isinstance(value, bool) else _kind(value)


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
