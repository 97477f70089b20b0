"""Read what GitHub answers: what must be there is there and of its type, or the answer is none (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Json: TypeAlias = "Mapping[str, object]"

GHOST = "ghost"
"""GitHub's name for the author of what a deleted account wrote."""


class UnusableAnswerError(Exception):
    """An answer that is not what the interface promises; the message says in what."""


def record(value: object, name: str = "the answer") -> Json:
    """Return `value` if it is a record."""
    if not isinstance(value, dict):
        raise UnusableAnswerError(f"{name} is no record")
    return value


def rows(value: object, name: str = "the answer") -> list[Json]:
    """Return `value` if it is a list of records."""
    if not isinstance(value, list):
        raise UnusableAnswerError(f"{name} is no list")
    return [record(row, f"an entry of {name}") for row in value]


def part(data: Json, name: str) -> Json:
    """Return a record inside a record."""
    return record(data.get(name), f"`{name}`")


def text(data: Json, name: str) -> str:
    """Return a text; an empty one may be left out by GitHub, as null."""
    value = data.get(name, 0)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UnusableAnswerError(f"`{name}` is no text")
    return value


def needed_text(data: Json, name: str) -> str:
    """Return a text that is never empty."""
    value = text(data, name)
    if not value:
        raise UnusableAnswerError(f"`{name}` is empty")
    return value


def optional_text(data: Json, name: str) -> str | None:
    """Return a text; None when there is none, or an empty one."""
    value = data.get(name)
    return value if isinstance(value, str) and value else None


def number(data: Json, name: str) -> int:
    """Return a whole number."""
    value = data.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise UnusableAnswerError(f"`{name}` is no number")
    return value


def login(data: Json, name: str = "user") -> str:
    """Return whose it is; the account may be gone."""
    user = data.get(name)
    return GHOST if user is None else needed_text(record(user, f"`{name}`"), "login")


def names(data: Json, name: str, key: str) -> tuple[str, ...]:
    """Return one text of each record of a list; nothing when the list is left out."""
    return tuple(needed_text(row, key) for row in rows(data.get(name) or [], f"`{name}`"))
