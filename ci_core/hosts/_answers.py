"""Read what a host answers: what must be there is there and of its type, or the answer is none (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Json: TypeAlias = "Mapping[str, object]"


class UnusableAnswerError(Exception):
    """An answer that is not what the interface promises; the message says in what."""


def record(value: object, name: str = "the answer") -> Json:
    """Return `value` if it is a record."""
    if isinstance(value, dict):
        return value
    raise UnusableAnswerError(f"{name} is no record")


def rows(value: object, name: str = "the answer") -> list[Json]:
    """Return `value` if it is a list of records."""
    if isinstance(value, list):
        return [record(row, f"an entry of {name}") for row in value]
    raise UnusableAnswerError(f"{name} is no list")


def part(data: Json, name: str) -> Json:
    """Return a record inside a record."""
    return record(data.get(name), f"`{name}`")


def text(data: Json, name: str) -> str:
    """Return a text; null is an empty one, and leaving it out is a mistake."""
    value = data.get(name, 0)
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    raise UnusableAnswerError(f"`{name}` is no text")


def needed_text(data: Json, name: str) -> str:
    """Return a text that is never empty."""
    value = text(data, name)
    if value:
        return value
    raise UnusableAnswerError(f"`{name}` is empty")


def optional_text(data: Json, name: str) -> str | None:
    """Return a text; None when there is none, or an empty one."""
    value = data.get(name)
    return value if isinstance(value, str) and value else None


def number(data: Json, name: str) -> int:
    """Return a whole number."""
    value = data.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise UnusableAnswerError(f"`{name}` is no number")


def texts(data: Json, name: str) -> tuple[str, ...]:
    """Return a list of texts; nothing when it is left out."""
    value = data.get(name) or []
    if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
        return tuple(value)
    raise UnusableAnswerError(f"`{name}` is no list of texts")
