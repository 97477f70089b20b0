"""What one graph answered to one request, and where two answers differ (pure).

Answers are compared by what they mean: objects by key, lists by position, numbers within a tolerance. What counts:

- Two numbers, of which at least one has a fraction, are equal when they differ by no more than `tolerance` of the
  larger one, or by no more than :data:`FLOOR`. So are ``1`` and ``1.0``. Two whole numbers are equal when they are the
  same: an id is no measurement.
- NaN equals NaN. ``true`` is not ``1``, null is not 0, and a key that is missing is not null.
- Another status is another answer, whatever the bodies say.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci_core.behaviour.spec import Kind
    from ci_core.types import JsonValue

FLOOR: Final = 1e-9
"""Numbers that differ by no more are equal however small they are: what is left of a sum that should be 0."""
MOST_PLACES: Final = 1_000
"""Differences of one answer that are looked at."""

Path: TypeAlias = "tuple[str | int, ...]"
"""From the answer to a value in it: keys and positions."""

_PLAIN_KEY = re.compile(r"[A-Za-z_][\w-]*")
_SUCCESS = range(200, 300)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back."""

    status: int | None
    """None when nothing came: the request hung, or ended the process."""
    body: JsonValue = None
    """Parsed JSON; text of what is no JSON; the beginning of what is too large to be kept."""
    digest: str = ""
    """sha256 of the body."""
    is_whole: bool = True
    """Whether `body` is all of it; else answers are compared by their digests."""

    def is_expected(self, status: int) -> bool:
        """Whether it is a success, or has the `status` that was recorded."""
        return self.status == status or self.status in _SUCCESS

    @property
    def shown(self) -> JsonValue:
        """What a reader is shown: the body of a success, status and text of a failure."""
        if self.status in _SUCCESS:
            return self.body
        return f"{self.status}: {_message(self.body)}" if self.status is not None else str(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One place at which two answers differ."""

    path: Path
    size: float | None
    """How far two numbers are apart; None when something else differs."""
    kind: Kind = "other"

    @property
    def where(self) -> str:
        """The place as text: ``outputs[0].probability``; empty for the whole answer."""
        return place(self.path)

    @property
    def kind_of_place(self) -> str:
        """The place without positions: ``outputs[].probability``; alike for all rows of an answer."""
        return place(self.path, with_positions=False)


def place(path: Path, *, with_positions: bool = True) -> str:
    """Return a path as text that can be written, keys that are no plain word in quotes."""
    parts: list[str] = []
    for part in path:
        if isinstance(part, int):
            parts.append(f"[{part}]" if with_positions else "[]")
        elif _PLAIN_KEY.fullmatch(part):
            parts.append(f".{part}")
        else:
            parts.append(f'["{part}"]')
    return "".join(parts).removeprefix(".").encode(errors="backslashreplace").decode()


def differences(old: Answer, new: Answer, *, tolerance: float) -> tuple[Difference, ...]:
    """Return where two answers differ, in the order of the document, at most :data:`MOST_PLACES`; empty when equal."""
    if not (old.is_whole and new.is_whole):
        is_same = (old.status, old.digest) == (new.status, new.digest)
        return () if is_same else (Difference(path=(), size=None),)
    if old.status != new.status:
        return (Difference(path=(), size=None, kind="status"),)
    found: list[Difference] = []
    for difference in _between(old.body, new.body, tolerance, ()):
        found.append(difference)
        if len(found) == MOST_PLACES:
            break
    return tuple(found)


def value_at(body: JsonValue, path: Path) -> JsonValue:
    """Return the value at a place; None when there is none."""
    value: Any = body
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    found: JsonValue = value
    return found


def numbers(body: JsonValue, path: Path = ()) -> Iterator[tuple[str, float]]:
    """Yield each finite number of an answer with the kind of its place."""
    if is_number(body):  # first, since there are most of them
        if math.isfinite(number := _as_float(body)):
            yield place(path, with_positions=False), number
    elif isinstance(body, Mapping):
        for key, value in body.items():
            yield from numbers(value, (*path, key))
    elif is_list(body):
        for position, value in enumerate(body):
            yield from numbers(value, (*path, position))


def _between(old: JsonValue, new: JsonValue, tolerance: float, path: Path) -> Iterator[Difference]:
    if is_number(old) and is_number(new):
        if not _are_equal(old, new, tolerance):
            size = _distance(old, new)
            yield Difference(path=path, size=size, kind="other" if size is None else "number")
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in {**old, **new}:
            here = (*path, key)
            if key in old and key in new:
                yield from _between(old[key], new[key], tolerance, here)
            else:
                yield Difference(path=here, size=None, kind="gone" if key in old else "new")
    elif is_list(old) and is_list(new):
        if len(old) != len(new):
            yield Difference(path=path, size=None)
            return
        for position, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _between(one, other, tolerance, (*path, position))
    elif type(old) is not type(new) or old != new:
        yield Difference(path=path, size=None)


def is_list(value: JsonValue) -> TypeGuard[Sequence[JsonValue]]:
    """Whether a value is a list."""
    return not isinstance(value, str | bytes) and isinstance(value, Sequence)


def is_number(value: object) -> bool:
    """Whether a value is a number, and no boolean."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _are_equal(old: Any, new: Any, tolerance: float) -> bool:
    if old == new or (old != old and new != new):  # noqa: PLR0124 - only NaN differs from itself
        return True
    if isinstance(old, int) and isinstance(new, int):
        return False
    one, other = _as_float(old), _as_float(new)
    return math.isclose(one, other, rel_tol=tolerance, abs_tol=FLOOR)


def _distance(old: Any, new: Any) -> float | None:
    try:
        apart = abs(float(new - old))
    except OverflowError:
        return None
    return apart if math.isfinite(apart) else None


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number of more than 308 digits
        return math.inf


def _message(body: JsonValue) -> str:
    """Return the text of an error, as the server writes it at ``/`` or below ``/v2``."""
    error = body.get("error") if isinstance(body, Mapping) else None
    told = error.get("message") if isinstance(error, Mapping) else error
    return str(told if told is not None else body)
