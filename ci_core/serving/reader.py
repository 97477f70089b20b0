"""Read a graph from its stored form or from a YAML file, and tell all mistakes at once.

Called by ``GraphSpec.from_dict`` and the loader. Only the shape is judged here; whether the steps fit together is
``topology.check``'s question.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, get_args

from ci_core.errors import GraphFileError, nearest, quoted
from ci_core.serving.fields import EnoughProblemsError, FieldReader, found
from ci_core.serving.files import leaves_project
from ci_core.serving.names import branch_text, default_name
from ci_core.serving.references import mistake_in_step
from ci_core.serving.schema import INPUT_TYPES, is_input_type, meant
from ci_core.serving.spec import (
    LOCAL_PREFIX,
    REQUEST,
    ROUTER_KINDS,
    GraphSpec,
    Join,
    Load,
    RouteSpec,
    StepSpec,
    freeze_mapping,
)

JOINS: tuple[Join, ...] = get_args(Join)
LOADS: tuple[Load, ...] = get_args(Load)

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
_LONGEST_WORD = 30
"""That may be meant for the type of an input."""


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
    try:
        spec = reader.graph(data)
    except EnoughProblemsError:
        raise GraphFileError(file=file, problems=reader.problems) from None
    if reader.problems:
        raise GraphFileError(file=file, problems=reader.problems)
    return spec


class _Reader(FieldReader):
    """Walks the data of a graph."""

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
            files=self._files(values.get("files", []), f"{at}.files" if at else "files"),
            on_error=self._text(values, "on-error", at),
            timeout_s=self._positive(values, "timeout", at),
            inputs=self._inputs(values, f"{at}.inputs" if at else "inputs"),
        )

    def _files(self, data: object, at: str) -> tuple[str, ...]:
        files = self._texts(data, at)
        for index, path in enumerate(files):
            self._check_path(path, f"{at}[{index}]")
        return files

    def _check_path(self, path: str | None, at: str) -> None:
        if path is not None and leaves_project(path):
            self._note(f"`{path}` lies outside the project", at, "name a file in the project, relative to its folder")

    def _inputs(self, values: Mapping[str, Any], at: str) -> Mapping[str, str]:
        data = values.get("inputs", {})
        if not isinstance(data, Mapping):
            self._note(f"expected a mapping, found {found(data)}", at)
            return MappingProxyType({})
        for name, word in data.items():
            if not is_input_type(word):
                close = meant(word) if isinstance(word, str) and len(word) <= _LONGEST_WORD else None
                hint = f"did you mean `{close}`?" if close else None
                self._note(f"expected one of {quoted(INPUT_TYPES)}, found {found(word)}", f"{at}.{name}", hint)
        return MappingProxyType({str(name): str(word) for name, word in data.items()})

    def _step(self, data: object, at: str, previous: str) -> StepSpec:
        values = self._mapping(data, at, _STEP_KEYS)
        kind = self._kind_of_step(values, at)
        step = self._text(values, "step", at)
        if step is not None and step.startswith(LOCAL_PREFIX):
            self._note(f"`{step}` cannot be imported", f"{at}.step", "name it `module:function`")
        self._check_reference(step, f"{at}.step")
        after = values.get("after", [previous])
        nested = values.get("graph")
        graph = None if nested is None else self.graph(nested, f"{at}.graph")
        queue = self._text(values, "queue", at)
        name = self._text(values, "name", at) or (graph.name if graph else queue or default_name(step or kind))
        return StepSpec(
            name=name,
            step=step or "",
            arguments=_with_rule_null(self._arguments(values, at))
            if step == "Validate"
            else self._arguments(values, at),
            handler=self._text(values, "handler", at),
            after=self._texts([after] if isinstance(after, str) else after, f"{at}.after"),
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
        elif router not in ROUTER_KINDS:
            self._check_reference(router, f"{at}.router")
        return router

    def _check_reference(self, text: str | None, at: str) -> None:
        mistake = mistake_in_step(text) if text is not None else None
        if mistake is not None:
            self._note(f"`{text}` {mistake[0]}", at, mistake[1])

    def _branches(self, values: Mapping[str, Any], at: str) -> Mapping[str, str]:
        data = values.get("branches", {})
        if not isinstance(data, Mapping):
            self._note(f"expected a mapping, found {found(data)}", f"{at}.branches")
            return MappingProxyType({})
        branches: dict[str, str] = {}
        for value, step in data.items():
            if not isinstance(step, str):
                self._note(f"expected the name of a step, found {found(step)}", f"{at}.branches.{value}")
            else:
                self._check_text(step, f"{at}.branches.{value}")
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
        model = self._text(values, "model", at) or self._missing("model", at)
        lowered = self._text(values, "lowered", at)
        if ":" not in model:  # else it names a class
            self._check_path(model, f"{at}.model")
        self._check_path(lowered, f"{at}.lowered")
        return RouteSpec(
            name=name,
            version=self._version(values, at) or version or None,
            model=model,
            columns=self._texts(values.get("columns", []), f"{at}.columns"),
            trust=self._texts(values.get("trust", []), f"{at}.trust"),
            arguments=self._arguments(values, at),
            load=self._choice_of(values, "load", at, LOADS) or "start",
            batch=self._switch(values, "batch", at),
            max_batch_rows=self._count(values, "max-batch", at, default=1024, least=1),
            batch_window_s=self._number(values, "batch-window", at, default=0.0),
            lower=self._switch(values, "lower", at),
            lowered=lowered,
        )

    def _version(self, values: Mapping[str, Any], at: str) -> str | None:
        value = values.get("version")
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)  # `version: 2` means the text
        return self._text(values, "version", at)

    def _arguments(self, values: Mapping[str, Any], at: str) -> Mapping[str, Any]:
        arguments = values.get("with", {})
        if not isinstance(arguments, Mapping):
            self._note(f"expected a mapping, found {found(arguments)}", f"{at}.with")
            return freeze_mapping({})
        return freeze_mapping(arguments)


def _with_rule_null(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the arguments of ``Validate`` with its rule `null` as text: YAML reads the bare word as no value."""
    columns = arguments.get("columns")
    if not isinstance(columns, Mapping):
        return arguments
    named = {
        column: {"null" if rule is None else rule: value for rule, value in rules.items()}
        if isinstance(rules, Mapping)
        else rules
        for column, rules in columns.items()
    }
    return freeze_mapping({**arguments, "columns": named})
