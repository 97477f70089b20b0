"""The run that another run is about: GitHub's ``workflow_run`` event (pure).

The second stage of a fork's report is started by the host when the first one has ended. What the first one was about
stands in this event, which the host wrote; the first run itself is not asked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci_core.types import CommitId

if TYPE_CHECKING:
    from collections.abc import Mapping

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRun:
    """What the host says of a run that has ended."""

    head: CommitId
    """The commit that the run was about: of a change request its newest one."""
    repository: str | None
    """``owner/name`` of the repository that the commit came from; None when that is gone."""


def finished_run(event: Mapping[str, object]) -> FinishedRun | None:
    """Return the run that a ``workflow_run`` event tells of; None for any other event.

    >>> event = {"workflow_run": {"head_sha": "a" * 40, "head_repository": {"full_name": "eve/flights"}}}
    >>> finished_run(event).repository
    'eve/flights'
    """
    run = event.get("workflow_run")
    if not isinstance(run, dict):
        return None
    head, repository = run.get("head_sha"), run.get("head_repository")
    if not (isinstance(head, str) and _COMMIT.fullmatch(head)):
        return None
    name = repository.get("full_name") if isinstance(repository, dict) else None
    return FinishedRun(head=CommitId(head), repository=name if isinstance(name, str) else None)
