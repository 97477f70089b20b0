"""Read what GitHub answers, beside what ``hosts/_answers.py`` reads of every host (pure)."""

from __future__ import annotations

from ci_core.hosts._answers import (
    Json,
    UnusableAnswerError,
    needed_text,
    number,
    optional_text,
    part,
    record,
    rows,
    text,
)

__all__ = [
    "GHOST",
    "Json",
    "UnusableAnswerError",
    "login",
    "names",
    "needed_text",
    "number",
    "optional_text",
    "part",
    "record",
    "rows",
    "text",
]

GHOST = "ghost"
"""GitHub's name for the author of what a deleted account wrote."""


def login(data: Json, name: str = "user") -> str:
    """Return whose it is; the account may be gone."""
    user = data.get(name)
    return GHOST if user is None else needed_text(record(user, f"`{name}`"), "login")


def names(data: Json, name: str, key: str) -> tuple[str, ...]:
    """Return one text of each record of a list; nothing when the list is left out."""
    return tuple(needed_text(row, key) for row in rows(data.get(name) or [], f"`{name}`"))
