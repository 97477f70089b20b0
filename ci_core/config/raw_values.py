"""What the sections of ``graphship.yaml`` share: the kinds of single values, and how keys are spelled.

Validators here judge one value by its own text.
"""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from typing_extensions import TypeAliasType

from ci_core.config.durations import DURATION_PATTERN, parse_duration

NAME_PATTERN = r"^[a-z]([a-z0-9-]{0,48}[a-z0-9])?$"
"""At once a GTO artifact name, a Kubernetes label and a safe folder name."""


def kebab(name: str) -> str:
    """Return the spelling of a Python name in ``graphship.yaml``: ``time_column`` is ``time-column``."""
    return name.replace("_", "-")


def check_name(name: str) -> str:
    """Return `name` when it can be the name of a project or an environment; ValueError says what can."""
    if not re.fullmatch(NAME_PATTERN, name):
        raise ValueError(
            "expected 1 to 50 lower-case letters, digits and hyphens, starting with a letter, not ending with a hyphen"
        )
    return name


def _check_duration(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError("expected a duration such as `30s`, `15m`, `24h`, `7d`")  # noqa: TRY004 - pydantic's protocol
    return parse_duration(value)


def check_positive(duration: timedelta) -> timedelta:
    """Return `duration` when it is not zero."""
    if not duration:
        raise ValueError("expected more than no time at all")
    return duration


def _check_graph(reference: str) -> str:
    if reference.endswith((".yaml", ".yml")):
        return reference
    file, _, name = reference.rpartition(":")
    if not (file.endswith(".py") and name.isidentifier()):
        raise ValueError("expected `path/to/file.py:name` or a `.yaml` file")
    return reference


_DURATION_SCHEMA = {
    "type": "string",
    "pattern": DURATION_PATTERN,
    "description": "A whole number and one of `s`, `m`, `h`, `d`, `w`: `30s`, `24h`, `7d`.",
}

Name = Annotated[str, AfterValidator(check_name), WithJsonSchema({"type": "string", "pattern": NAME_PATTERN})]
Text = Annotated[str, Field(min_length=1)]
Duration = TypeAliasType(
    "Duration", Annotated[timedelta, BeforeValidator(_check_duration), WithJsonSchema(_DURATION_SCHEMA)]
)
GraphReference = Annotated[str, AfterValidator(_check_graph)]


class Section(BaseModel):
    """A mapping in the file: keys in kebab-case, none but the known ones, no silent conversion of types."""

    model_config = ConfigDict(
        alias_generator=kebab, extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )
