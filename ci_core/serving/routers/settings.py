"""The settings of a router, ``with:`` in YAML, read and checked when the graph is compiled."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ci_core.errors import InvalidStepError, nearest, quoted
from ci_core.serving.problems import shown

if TYPE_CHECKING:
    from ci_core.types import JsonValue


class Settings:
    """The settings of one router.

    Args:
        step: the router's name, for messages.
        values: as given.
        known: the settings there are; any other is refused.

    Raises:
        InvalidStepError: there is a setting of another name.
    """

    def __init__(self, step: str, values: Mapping[str, JsonValue], known: Sequence[str]) -> None:
        self._step, self._values = step, values
        for name in values:
            if name not in known:
                close = nearest(name, known)
                hint = f"did you mean `{close}`?" if close else f"settings: {quoted(known)}" if known else None
                raise self.wrong(f"has no setting `{name}`", hint)

    def wrong(self, reason: str, hint: str | None = None) -> InvalidStepError:
        """Return the error that says what is wrong with the router."""
        return InvalidStepError(step=self._step, reason=reason, hint=hint)

    def text(self, name: str) -> str | None:
        """Return a text, or None when it is not given."""
        value = self._values.get(name)
        if value is None or (isinstance(value, str) and value):
            return value
        raise self.wrong(f"has the setting `{name}`: expected text, found {shown(value)}")

    def flag(self, name: str) -> bool:
        """Return a switch, off when it is not given."""
        value = self._values.get(name, False)
        if isinstance(value, bool):
            return value
        raise self.wrong(f"has the setting `{name}`: expected true or false, found {shown(value)}")

    def count(self, name: str, default: int) -> int:
        """Return a whole number from 1."""
        value = self._values.get(name, default)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
            return value
        raise self.wrong(f"has the setting `{name}`: expected a whole number from 1, found {shown(value)}")

    def one_of(self, name: str, *choices: str) -> str:
        """Return one of `choices`, the first when it is not given."""
        value = self._values.get(name, choices[0])
        if value in choices:
            return str(value)
        close = nearest(str(value), choices)
        hint = f"did you mean `{close}`?" if close else None
        raise self.wrong(f"has the setting `{name}`: expected one of {quoted(choices)}, found {shown(value)}", hint)

    def route(self, name: str, keys: Sequence[str]) -> str:
        """Return the key of a route, the first when it is not given."""
        value = self.text(name)
        if value is None:
            return keys[0]
        if value in keys:
            return value
        raise self.wrong(f"has the setting `{name}`: there is no route `{value}`", f"routes: {quoted(keys)}")

    def weights(self, keys: Sequence[str], *, may_be_zero: bool = False, are_required: bool = False) -> dict[str, int]:
        """Return the weights of all routes as whole numbers of the same ratios; 1 each when they are not given.

        Whole numbers, because sums of them are exact: 0.1 + 0.2 must tie with 0.3.
        """
        given = self._values.get("weights")
        if given is None and not are_required:
            return dict.fromkeys(keys, 1)
        if not isinstance(given, Mapping):
            found = "nothing" if given is None else shown(given)
            raise self.wrong(
                f"has the setting `weights`: expected a weight for each route, found {found}",
                f"such as `{json.dumps(dict.fromkeys(keys, 1))}`",
            )
        for name in given:
            if name not in keys:
                raise self.wrong(f"has a weight for `{name}`, which is none of its routes", f"routes: {quoted(keys)}")
        for key in keys:
            if key not in given:
                raise self.wrong(f"has no weight for its route `{key}`", "give every route a weight")
            self._check_weight(key, given[key], may_be_zero=may_be_zero)
        weights = {key: Fraction(repr(given[key])) for key in keys}
        if not any(weights.values()):
            raise self.wrong("has no weight above 0", "give at least one route a weight")
        common = math.lcm(*(weight.denominator for weight in weights.values()))
        return {key: int(weight * common) for key, weight in weights.items()}

    def _check_weight(self, key: str, weight: Any, *, may_be_zero: bool) -> None:
        is_number = isinstance(weight, int | float) and not isinstance(weight, bool) and math.isfinite(weight)
        if is_number and (weight > 0 or (may_be_zero and weight == 0)):
            return
        least = "a number from 0" if may_be_zero else "a number above 0"
        hint = None
        if weight == 0:
            hint = "leave the route out, or put it into a router of kind `shadow`"
        elif isinstance(weight, str):
            hint = "write it without quotes"
        raise self.wrong(f"has the weight {shown(weight)} for its route `{key}`: expected {least}", hint)
