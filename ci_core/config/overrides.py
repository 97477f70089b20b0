"""Settings from environment variables and flags, laid over what the file said (pure).

Every scalar key has a variable: ``GRAPHSHIP_`` and its path in upper case, with ``_`` for ``.`` and ``-``:
``GRAPHSHIP_CAPTURE_TO`` is ``capture.to``, ``GRAPHSHIP_ENVIRONMENTS_STAGING_PORT`` is ``environments.staging.port``
when the file has that environment. Lists and gates have none: policy belongs into the reviewed file. An empty variable
counts as not set, because CI systems pass empty text for an input that nobody gave.
"""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING

from ci_core.config.problems import did_you_mean, section_of
from ci_core.config.raw import RawConfig, RawEnvironment
from ci_core.errors import Location, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import BaseModel

    from ci_core.types import JsonValue

PREFIX = "GRAPHSHIP_"

Tree = dict[str, typing.Any]
"""The file's content as plain nested dictionaries, changed in place while it is read."""


def variable_of(key: str) -> str:
    """Return the environment variable that sets the key path `key`."""
    return PREFIX + key.replace(".", "_").replace("-", "_").upper()


def scalar_keys(model: type[BaseModel] = RawConfig, prefix: str = "") -> Iterator[tuple[str, type]]:
    """Yield the key path and the Python type (str, int, float, bool) of every scalar below `model`."""
    for field in model.model_fields.values():
        path = f"{prefix}{field.alias}"
        section, is_table = section_of(field.annotation)
        if path == "gates":
            continue
        if section is not None and not is_table:
            yield from scalar_keys(section, f"{path}.")
        elif section is None and typing.get_origin(field.annotation) is not list:
            yield path, _scalar_type(field.annotation)


def apply_environment(tree: Tree, env: Mapping[str, str]) -> tuple[dict[str, str], list[Problem]]:
    """Set in `tree` what environment variables say.

    Args:
        tree: content of the file; changed in place.
        env: environment variables; those that name no key are left alone, unless they start like one.

    Returns:
        Key path → where it came from, and the mistakes.
    """
    known = {variable_of(key): (key, kind) for key, kind in _keys_with_environments(tree)}
    origins: dict[str, str] = {}
    problems: list[Problem] = []
    for variable in sorted(env):
        text = env[variable]
        if not variable.startswith(PREFIX) or not text:
            continue
        where = f"environment variable {variable}"
        if variable not in known:
            if variable.startswith(_SECTION_PREFIXES):
                hint = did_you_mean(variable, sorted(known))
                problems.append(Problem(fact="no setting has this variable", location=Location(file=where), hint=hint))
            continue
        key, kind = known[variable]
        _set(tree, key, _converted(text, kind))
        origins[key] = where
    return origins, problems


def apply_flags(tree: Tree, flags: Mapping[str, JsonValue]) -> dict[str, str]:
    """Set in `tree` what flags of the command say; return key path → where it came from."""
    for key, value in flags.items():
        _set(tree, key, value)
    return dict.fromkeys(flags, "command line")


_SECTION_PREFIXES = tuple(
    variable_of(str(field.alias)) + "_"
    for field in RawConfig.model_fields.values()
    if section_of(field.annotation)[0] is not None and field.alias != "gates"
)


def _keys_with_environments(tree: Tree) -> Iterator[tuple[str, type]]:
    yield from scalar_keys()
    environments = tree.get("environments")
    for name in environments if isinstance(environments, dict) else ():
        yield from scalar_keys(RawEnvironment, f"environments.{name}.")


def _scalar_type(annotation: object) -> type:
    kinds = {annotation, *typing.get_args(annotation)}
    return next((kind for kind in (bool, int, float) if kind in kinds), str)


def _converted(text: str, kind: type) -> JsonValue:
    """Return `text` as `kind`; text that is not of that kind stays text, which the model then refuses by name."""
    try:
        if kind is bool:
            return {"true": True, "false": False}.get(text.lower(), text)
        return kind(text)  # type: ignore[no-any-return]  # str, int or float
    except ValueError:
        return text


def _set(tree: Tree, key: str, value: JsonValue) -> None:
    *parents, last = key.split(".")
    section = tree
    for parent in parents:
        if not isinstance(section.get(parent), dict):
            section[parent] = {}
        section = section[parent]
    section[last] = value
