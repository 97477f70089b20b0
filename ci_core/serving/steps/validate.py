"""Say what values may be, and refuse or count those that are otherwise."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from ci_core.errors import InvalidStepError, quoted
from ci_core.serving.access_log import printable
from ci_core.serving.missing import is_missing
from ci_core.serving.problems import RequestError, shown
from ci_core.serving.steps.row_step import RowStep, check_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ci_core.serving.base import Context, Row
    from ci_core.types import JsonValue

_SHOWN: Final = 10
"""Violations that one answer tells."""
_LONGEST: Final = 1000
_VIOLATIONS: Final = ("refuse", "count")
_TYPES: Final[Mapping[str, tuple[tuple[type, ...], str]]] = {
    "number": ((int, float), "a number"),
    "integer": ((int,), "a whole number"),
    "string": ((str,), "text"),
    "boolean": ((bool,), "true or false"),
}
_RULES: Final = ("type", "min", "max", "min-length", "max-length", "pattern", "one-of", "required", "null")


class Validate(RowStep):
    """Check columns, and refuse the request, or let it pass and count.

    Args:
        columns: column → its rules: ``type`` (``number``, ``integer``, ``string``, ``boolean``), ``min``, ``max``,
            ``min-length``, ``max-length``, ``pattern`` (a regular expression that the whole text matches; it is not
            tried on texts of more than 1,000 letters unless ``max-length`` allows them), ``one-of``, ``required``
            (default true) and ``null`` (whether the value may be missing; default false).
        violations: ``refuse``: the request is a 400 that names every row and column, at most ten. ``count``: it goes
            on, ``/metrics`` counts it as ``graph_violations_total`` by column, and the log tells it.
        context: given by the engine.

    Example:
        >>> Validate({"age": {"type": "integer", "min": 0}}).do({"age": 41})
        {'age': 41}
    """

    def __init__(
        self,
        columns: Mapping[str, Mapping[str, JsonValue]],
        *,
        violations: str = "refuse",
        context: Context | None = None,
    ) -> None:
        check_columns("Validate", "columns", columns, Mapping, '{"age": {"type": "number"}}')
        super().__init__(columns=columns, violations=None if violations == "refuse" else violations)
        if violations not in _VIOLATIONS:
            raise _invalid(f"has `violations: {violations}`", f"expected one of {quoted(_VIOLATIONS)}")
        self._checks = {column: tuple(_checks(column, rules)) for column, rules in columns.items()}
        self._needed = {column for column, rules in columns.items() if rules.get("required", True)}
        self._nullable = {column for column, rules in columns.items() if rules.get("null", False)}
        self._refuses = violations == "refuse"
        self._context = context

    def do(self, body: Row | list[Row]) -> Row | list[Row]:
        """Return the body as it is.

        Raises:
            RequestError: it holds something else than objects, or breaks a rule and such requests are refused.
        """
        found: list[tuple[str, str]] = []
        for index, row in enumerate(body if isinstance(body, list) else [body]):
            if not isinstance(row, dict):
                raise RequestError(f"row {index}: expected an object of columns, found {type(row).__name__}")
            found += [(column, f"row {index}, column `{column}`: {text}") for column, text in self._violations(row)]
        if found:
            self._tell(found)
        return body

    def _violations(self, row: Row) -> Iterator[tuple[str, str]]:
        for column, checks in self._checks.items():
            if column not in row:
                if column in self._needed:
                    yield column, "it is missing"
                continue
            value = row[column]
            if is_missing(value):
                if column not in self._nullable:
                    yield column, "it has no value"
                continue
            for check, text in checks:
                if not check(value):
                    yield column, f"expected {text}, found {shown(value)}"
                    break

    def _tell(self, found: list[tuple[str, str]]) -> None:
        texts = [text for _column, text in found]
        if len(texts) > _SHOWN:
            texts = [*texts[:_SHOWN], f"and {len(texts) - _SHOWN} more"]
        if self._refuses:
            raise RequestError("; ".join(texts))
        if self._context is None:
            return
        self._context.logger.warning("values break rules: %s", "; ".join(map(printable, texts)))
        for column, _text in found:
            self._context.counter("graph_violations", "Values that broke a rule, by column.", column=column).inc()


def _invalid(reason: str, hint: str) -> InvalidStepError:
    return InvalidStepError(step="Validate", reason=reason, hint=hint)


def _checks(column: str, rules: Mapping[str, JsonValue]) -> Iterator[tuple[Callable[[Any], bool], str]]:
    """Yield the checks of a column, each with what it expects."""
    unknown = [rule for rule in rules if rule not in _RULES]
    if unknown:
        raise _invalid(f"has the rule `{unknown[0]}` of `{column}`", f"rules: {quoted(_RULES)}")
    given: dict[str, Any] = dict(rules)
    kind = given.get("type")
    if kind is not None:
        if kind not in _TYPES:
            raise _invalid(f"has the type `{kind}` of `{column}`", f"types: {quoted(_TYPES)}")
        types, named = _TYPES[kind]
        yield (lambda value: isinstance(value, types) and (kind == "boolean" or not isinstance(value, bool))), named
    if "one-of" in given:
        allowed = given["one-of"]
        if not isinstance(allowed, list | tuple) or not all(isinstance(one, str | int | float) for one in allowed):
            raise _invalid(f"has `one-of: {allowed!r:.40}` of `{column}`", "expected a list of texts and numbers")
        # 1 and true are equal in Python and are not in JSON
        known = {(type(value) is bool, value) for value in allowed}
        yield (lambda value: _is_among(value, known)), f"one of {', '.join(map(str, allowed))}"
    yield from _range(given.get("min"), given.get("max"))
    longest = given.get("max-length", _LONGEST if "pattern" in given else None)
    yield from _length(given.get("min-length"), longest)
    if "pattern" in given:
        try:
            pattern = re.compile(given["pattern"])
        except (re.error, TypeError) as error:
            raise _invalid(f"has a `pattern` of `{column}` that is none: {error}", "a regular expression") from None
        yield (lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None), f"`{given['pattern']}`"


def _is_among(value: Any, known: set[tuple[bool, Any]]) -> bool:
    return isinstance(value, str | int | float) and (type(value) is bool, value) in known


def _range(low: Any, high: Any) -> Iterator[tuple[Callable[[Any], bool], str]]:
    if low is not None:
        yield (lambda value: _is_number(value) and value >= low), f"at least {low}"
    if high is not None:
        yield (lambda value: _is_number(value) and value <= high), f"at most {high}"


def _length(low: Any, high: Any) -> Iterator[tuple[Callable[[Any], bool], str]]:
    if low is not None:
        yield (lambda value: isinstance(value, str) and len(value) >= low), f"at least {low} letters"
    if high is not None:
        yield (lambda value: isinstance(value, str) and len(value) <= high), f"at most {high} letters"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
