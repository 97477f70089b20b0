"""Turn what the models refuse into problems that name file, line, key path and the nearest valid name (pure)."""

from __future__ import annotations

import re
import typing
from dataclasses import dataclass, field
from types import MappingProxyType, NoneType, UnionType
from typing import TYPE_CHECKING, Any, Union

from pydantic import BaseModel

from ci_core.errors import Location, Problem, nearest, quoted
from ci_core.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

PLANNED_VALUES = MappingProxyType(
    {"pipeline.engine": frozenset({"kubeflow", "functions"}), "retrain.on": frozenset({"performance"})}
)
"""Values of the design that are not built yet: told so, rather than called unknown."""

_EXPECTED = {
    "string_type": "text",
    "string_too_short": "text that is not empty",
    "bool_type": "`true` or `false`",
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where each value came from: a line of the file, or what stood in for it."""

    file: str
    lines: Mapping[str, int]
    """Key path → 1-based line of `file`."""
    origins: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Key path → ``environment variable GRAPHSHIP_…`` or ``command line``, for what the file did not say."""

    def locate(self, key: str) -> Location:
        """Return where `key` was set, where its nearest parent stands, or the top of the file."""
        probe = key
        while probe:
            if probe in self.origins:
                return Location(file=self.origins[probe], key=one_line(key))
            if probe in self.lines:
                return Location(file=self.file, line=self.lines[probe], key=one_line(key))
            probe = probe.rpartition(".")[0]
        return Location(file=self.file, line=1, key=one_line(key) or None)


def problems_of(
    error: ValidationError, model: type[BaseModel], sources: Sources, *, below: Sequence[str] = ()
) -> Iterator[Problem]:
    """Yield one problem for each thing that `model` refused.

    Args:
        error: what validating raised.
        model: the model that was validated; says which names would have been valid.
        sources: says where each key stands.
        below: key path of the validated part inside the file.
    """
    for details in error.errors(include_url=False):
        path = [str(part) for part in details["loc"] if part != "[key]"]
        location = sources.locate(".".join([*below, *path]))
        fact, hint = _sentence(details, path, model, ".".join([*below, *path]))
        yield Problem(fact=fact, location=location, hint=hint)


def in_file_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return problems as a reader meets them: by line, then by key; those without a line last."""
    return tuple(
        sorted(problems, key=lambda it: (it.location.line is None, it.location.line or 0, it.location.key or ""))
    )


def describe(value: object) -> str:
    """Say what kind of value was found, with the value when it is short: ``text `abc` ``, ``a list``."""
    match value:
        case None:
            return "nothing"
        case bool():
            return f"`{str(value).lower()}`"
        case int() | float():
            return f"the number `{value}`"
        case str():
            return f"the text `{one_line(value, max_chars=60)}`" if value else "an empty text"
        case dict():
            return "a mapping"
        case _:
            return "a list"


def did_you_mean(name: str, candidates: Sequence[str]) -> str:
    """Return a hint that names the nearest candidate, or all of them when none is near."""
    close = nearest(name, candidates)
    return f"did you mean `{close}`?" if close else f"known: {quoted(candidates)}"


def _sentence(details: ErrorDetails, path: Sequence[str], model: type[BaseModel], key: str) -> tuple[str, str | None]:
    """Return fact and hint for one refusal of pydantic."""
    kind, found, context = details["type"], details["input"], details.get("ctx", {})
    if kind == "missing":
        return f"`{path[-1]}` is missing", None
    if kind == "extra_forbidden":
        return f"unknown key `{one_line(path[-1])}`", did_you_mean(path[-1], keys_at(model, path[:-1]))
    if kind == "literal_error":
        return _choice(found, re.findall(r"'([^']*)'", str(context["expected"])), key)
    if kind == "value_error":
        sentence = str(context["error"])
        return (f"{sentence}, found {describe(found)}" if sentence.startswith("expected") else sentence), None
    expected = _EXPECTED.get(kind) or _limit(kind, context, details["msg"])
    return f"expected {expected}, found {describe(found)}", None


def _choice(found: object, choices: Sequence[str], key: str) -> tuple[str, str | None]:
    if isinstance(found, str) and found in PLANNED_VALUES.get(key, ()):
        return f"`{found}` is not supported yet", f"supported: {quoted(choices)}"
    close = nearest(found, choices) if isinstance(found, str) else None
    return f"expected {_one_of(choices)}, found {describe(found)}", f"did you mean `{close}`?" if close else None


def _limit(kind: str, context: Mapping[str, Any], message: str) -> str:
    bounds = {
        "greater_than": ("gt", "more than"),
        "greater_than_equal": ("ge", "at least"),
        "less_than_equal": ("le", "at most"),
    }
    if kind in bounds:
        name, words = bounds[kind]
        return f"{words} {context[name]:g}"
    return one_line(message.removeprefix("Input should be ").lower())


def _one_of(choices: Sequence[str]) -> str:
    shown = [f"`{choice}`" for choice in choices]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"


def keys_at(model: type[BaseModel], path: Sequence[str]) -> list[str]:
    """Return the keys that the section at `path` below `model` may have, as the file spells them."""
    section: type[BaseModel] | None = model
    rest = list(path)
    while rest and section is not None:
        known = {it.alias: it.annotation for it in section.model_fields.values()}
        annotation = known.get(rest[0], _entry_of(section))
        rest.pop(0)
        section, is_table = section_of(annotation)
        if is_table and rest:
            rest.pop(0)
    return [] if section is None else [str(it.alias) for it in section.model_fields.values()]


def _entry_of(section: type[BaseModel]) -> object:
    """Return the type of a section's entries under names that the user chooses; None when it has none."""
    return (typing.get_args(section.__annotations__.get("__pydantic_extra__")) or (None,))[-1]


def section_of(annotation: object) -> tuple[type[BaseModel] | None, bool]:
    """Return the model inside a field's annotation, and whether the field is a table of such (``dict[str, Model]``)."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in {Union, UnionType}:
        return section_of(next(it for it in arguments if it is not NoneType))
    if origin is dict:
        return section_of(arguments[1])[0], True
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    return None, False
