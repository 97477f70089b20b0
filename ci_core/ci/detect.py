"""Find out which CI system runs us and for which event: one row a system, asked in order, the plain shell last.

A row is a pair of functions: one tells from the environment whether it is that system, the other makes the
:class:`~ci_core.ci.context.Context`. A new system is a module with such a pair and a line in :data:`_ROWS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ci_core.ci import plain_event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ci_core.ci.context import Context
    from ci_core.types import CommitId, JsonObject


class Checkout(Protocol):
    """What is checked out, asked only for what the environment does not say; ``GitRepository`` is one."""

    def head(self) -> CommitId:
        """Return the commit that is checked out; NoCommitYetError when there is none."""
        ...

    def branch(self) -> str | None:
        """Return the branch that is checked out; None for a detached head."""
        ...

    def default_branch(self) -> str:
        """Return the branch that a fresh clone checks out."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Everything that a row may look at."""

    env: Mapping[str, str]
    read_event: Callable[[Path], JsonObject]
    """Reads the event file that a CI system names in the environment."""
    checkout: Checkout


_ROWS: tuple[tuple[Callable[[Mapping[str, str]], bool], Callable[[Surroundings], Context]], ...] = (
    (plain_event.is_system, lambda around: plain_event.read_context(around.env, around.checkout)),
)


def detect(env: Mapping[str, str], *, read_event: Callable[[Path], JsonObject], checkout: Checkout) -> Context:
    """Return why we run and for what.

    Args:
        env: environment variables.
        read_event: reads the JSON file in which a CI system describes the event.
        checkout: the repository that the project lies in.

    Raises:
        InvalidVariableError: a variable that describes the run makes no sense.
        MissingVariableError: a fact is found neither in a variable nor in the checkout.
        NoCommitYetError: nothing names a commit and the repository has none.
    """
    around = Surroundings(env=env, read_event=read_event, checkout=checkout)
    return next(read(around) for is_system, read in _ROWS if is_system(env))
