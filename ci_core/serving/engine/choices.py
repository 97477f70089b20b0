"""Choices: from a body to the names of the steps that run next."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ci_core.errors import quoted
from ci_core.serving.names import branch_text
from ci_core.serving.problems import RequestError
from ci_core.serving.steps.paths import pick

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ci_core.serving.spec import StepSpec


def choice_of_field(spec: StepSpec, followers: Sequence[str]) -> Callable[[Any], tuple[str, ...]]:
    """Return the function of a choice that goes by a field of the body; a list of rows goes where all its rows go.

    Args:
        spec: of the choice.
        followers: steps directly after it.
    """
    return _FieldChoice(spec, followers).choose


class _FieldChoice:
    """A choice that goes by a field."""

    def __init__(self, spec: StepSpec, followers: Sequence[str]) -> None:
        self._name, self._field, self._otherwise = spec.name, str(spec.choice), spec.otherwise
        self._path = self._field.split(".")
        self._branches = Branches(spec, followers, f"the field `{self._field}`")

    def choose(self, body: Any) -> tuple[str, ...]:
        """Return the steps that a body chooses.

        Raises:
            RequestError: it chooses none, or its rows do not agree.
        """
        return self._of_rows(body) if isinstance(body, list) else self._of(body, "the body")

    def _of(self, row: Any, subject: str) -> tuple[str, ...]:
        if not isinstance(row, dict):
            kind = type(row).__name__
            raise RequestError(
                f"{subject} is a {kind}, and the choice `{self._name}` goes by its field `{self._field}`"
            )
        try:
            value = pick(row, self._path)
        except RequestError:
            if self._otherwise is not None:
                return (self._otherwise,)
            expected = self._branches.expected
            raise RequestError(f"{subject} has no `{self._field}`, which chooses one of {expected}") from None
        return self._branches.of(value)

    def _of_rows(self, rows: list[Any]) -> tuple[str, ...]:
        chosen: tuple[str, ...] | None = None
        for index, row in enumerate(rows):
            try:
                ways = self._of(row, "it")
            except RequestError as error:
                raise RequestError(f"row {index}: {error.message}") from None
            if chosen is None:
                chosen = ways
            elif set(ways) != set(chosen):
                raise RequestError(
                    f"row {index} goes another way than row 0 by its `{self._field}`, and a request goes one way; "
                    "send them in requests of their own"
                )
        return self._branches.of_nothing() if chosen is None else chosen


class Branches:
    """The branches of a choice.

    Args:
        spec: of the choice.
        followers: steps directly after it.
        subject: what has the value, for messages.

    Attributes:
        expected: the values that are known, for messages.
    """

    def __init__(self, spec: StepSpec, followers: Sequence[str], subject: str) -> None:
        self._steps = dict(spec.branches) or {name: name for name in followers if name != spec.otherwise}
        self._otherwise, self._several, self._subject = spec.otherwise, spec.several, subject
        self.expected = quoted(self._steps)

    def of(self, value: Any) -> tuple[str, ...]:
        """Return the steps that `value` chooses, each once.

        Raises:
            RequestError: it chooses none.
        """
        if not isinstance(value, list | tuple):
            return (self._one(value),)
        if self._several and value:
            return tuple(dict.fromkeys(self._one(one) for one in value))
        if self._otherwise is not None:
            return (self._otherwise,)
        if self._several:
            raise RequestError(f"{self._subject} is an empty list; expected at least one of {self.expected}")
        raise RequestError(f"{self._subject} is a list; expected one of {self.expected}")

    def of_nothing(self) -> tuple[str, ...]:
        """Return the steps that a list without rows chooses.

        Raises:
            RequestError: it chooses none.
        """
        if self._otherwise is None:
            raise RequestError(f"the body is a list without rows, and {self._subject} chooses one of {self.expected}")
        return (self._otherwise,)

    def _one(self, value: Any) -> str:
        is_value = isinstance(value, str | int | float)
        if not is_value:
            value = _without_numpy(value)
            is_value = isinstance(value, str | int | float)
        step = self._steps.get(branch_text(value), self._otherwise) if is_value else self._otherwise
        if step is not None:
            return step
        found = "null" if value is None else f"`{branch_text(value):.40}`" if is_value else f"a {type(value).__name__}"
        raise RequestError(f"{self._subject} is {found}; expected one of {self.expected}")


def _without_numpy(value: Any) -> Any:
    """Return a value of numpy as Python's own, any other as it is; numpy is there if such a value is."""
    numpy: Any = sys.modules.get("numpy")
    return value.item() if numpy is not None and isinstance(value, numpy.generic) else value
