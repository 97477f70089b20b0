"""Fields of parsed YAML or JSON, each read as what it must be; a mistake is noted, and reading goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard, TypeVar, get_args

from ci_core.errors import Location, Problem, nearest, quoted
from ci_core.serving.problems import shown
from ci_core.serving.spec import Switch

T = TypeVar("T", bound=str)

SWITCHES: tuple[Switch, ...] = get_args(Switch)

MOST_PROBLEMS = 100
"""Mistakes that are told; nobody reads more, and to find the words for each takes time."""

_MOST_CHARS = 1_000
"""Of names, references and paths."""
_MOST = 1_000_000_000
"""Of seconds and of counts: 31 years, and more than a machine holds."""
_SHOWN_CHARS = 500


class EnoughProblemsError(Exception):
    """So many mistakes are noted that reading ends."""


@dataclass(slots=True)
class FieldReader:
    """Reads fields and notes problems instead of stopping at the first."""

    file: str
    """What messages call the source."""
    lines: Mapping[str, int]
    """Key path → 1-based line, when known."""
    problems: list[Problem] = field(default_factory=list)

    def _mapping(self, data: object, at: str, keys: Sequence[str]) -> Mapping[str, Any]:
        if not isinstance(data, Mapping):
            self._note(f"expected a mapping, found {found(data)}", at)
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
        self._note(f"expected a list, found {found(data)}", at)
        return ()

    def _texts(self, data: object, at: str) -> tuple[str, ...]:
        items = self._sequence(data, at)
        for index, item in enumerate(items):
            self._check_text(item, f"{at}[{index}]")
        return tuple(str(item) for item in items)

    def _text(self, values: Mapping[str, Any], key: str, at: str) -> str | None:
        value = values.get(key)
        if value is None or (self._check_text(value, f"{at}.{key}" if at else key, may_be_empty=False)):
            return value
        return None

    def _check_text(self, value: object, at: str, *, may_be_empty: bool = True) -> TypeGuard[str]:
        if not isinstance(value, str) or not (value or may_be_empty):
            self._note(f"expected text, found {found(value)}", at)
        elif len(value) > _MOST_CHARS:
            self._note(f"expected a text of at most {_MOST_CHARS:,} characters, found {len(value):,}", at)
        else:
            return True
        return False

    def _flag(self, values: Mapping[str, Any], key: str, at: str) -> bool:
        value = values.get(key, False)
        if isinstance(value, bool):
            return value
        self._note(f"expected true or false, found {found(value)}", f"{at}.{key}")
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
            close = nearest(value, known)
            hint = f"did you mean `{close}`?" if close else None
            self._note(f"expected one of {quoted(known)}, found {found(value)}", f"{at}.{key}", hint)
        return None

    def _number(self, values: Mapping[str, Any], key: str, at: str, *, default: float) -> float:
        value = values.get(key, default)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _MOST:
            return float(value)
        self._note(f"expected a number of seconds, found {found(value)}", f"{at}.{key}" if at else key)
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
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= _MOST:
            return value
        limit = f" to {_MOST:,}" if isinstance(value, int) and value > _MOST else ""
        self._note(f"expected a whole number from {least}{limit}, found {found(value)}", f"{at}.{key}")
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
        location = Location(file=self.file, line=self.lines.get(probe), key=_cut(key) or None)
        self.problems.append(Problem(fact=_cut(fact), location=location, hint=hint and _cut(hint)))
        if len(self.problems) == MOST_PROBLEMS:
            raise EnoughProblemsError


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 1]}…"


def found(value: object) -> str:
    """Return what was found instead of what was expected, in the words of YAML."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "a list"
    return "nothing" if value is None or value == "" else shown(value)
