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
    """Return the function of a choice that goes by a field of the body.

    Args:
        spec: of the choice.
        followers: steps directly after it.
    """
    path = str(spec.choice).split(".")
    branches = Branches(spec, followers, f"the field `{spec.choice}`")

    def choose(body: Any) -> tuple[str, ...]:
        if not isinstance(body, dict):
            raise RequestError(
                f"the body is a {type(body).__name__}, and the choice `{spec.name}` goes by its field `{spec.choice}`"
            )
        try:
            value = pick(body, path)
        except RequestError as error:
            if spec.otherwise is not None:
                return (spec.otherwise,)
            raise RequestError(f"{error.message}, which chooses one of {branches.expected}") from None
        return branches.of(value)

    return choose


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
