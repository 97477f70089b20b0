"""What GitLab's deployments have no place for, kept in the description of their environment (pure).

A deployment on GitLab is an environment, a commit and a state; it has no text, no address and no release. The
description of the environment, which people see on its page, ends with a hidden block of ours::

    <!-- graphship:v1 deployments
    [{"id": 41, "commit": "…", "release": "…", "text": "…", "url": "…", "log": "…", "inactive": false}, …]
    -->

Newest first. ``id`` is null from before the deployment is created until it is first updated: so neither an answer that
was lost nor a job that was stopped leaves a deployment whose release nobody knows. Until then it is the newest
deployment of that commit that has no note. What people wrote above the block stays. The oldest notes are left out when
the description would be longer than GitLab keeps.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ci_core.types import CommitId, ReleaseId

if TYPE_CHECKING:
    from collections.abc import Sequence

TEXT_LIMIT: Final = 10_000
"""Characters of an environment's description."""
_LONGEST: Final = 200
"""Characters of a text or address in a note."""
_BLOCK: Final = re.compile(r"\n*<!-- graphship:v1 deployments\n(?P<notes>[^\n]*)\n-->")
_INTRODUCTION: Final = "graphship keeps here, unseen, which release each deployment carries."


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentNote:
    """What we know of one deployment."""

    id: int | None
    commit: CommitId
    release: ReleaseId
    text: str = ""
    url: str | None = None
    log: str | None = None
    inactive: bool = False


def read_notes(description: str) -> tuple[DeploymentNote, ...]:
    """Return the notes in a description, newest first; none when somebody spoiled them."""
    found = _BLOCK.search(description)
    if found is None:
        return ()
    try:
        listed = json.loads(found["notes"])
    except (ValueError, RecursionError):
        return ()
    entries = listed if isinstance(listed, list) else []
    return tuple(note for entry in entries if (note := _note(entry)) is not None)


def with_notes(description: str, notes: Sequence[DeploymentNote]) -> str:
    """Return a description with these notes in the place of those that it has."""
    own = _BLOCK.sub("", description) or _INTRODUCTION
    for count in range(len(notes), -1, -1):
        line = json.dumps([_entry(note) for note in notes[:count]], ensure_ascii=True, separators=(",", ":"))
        block = line.replace(">", "\\u003e").replace("<", "\\u003c")
        whole = f"{own}\n\n<!-- graphship:v1 deployments\n{block}\n-->"
        if len(whole) <= TEXT_LIMIT:
            return whole
    return whole


def _entry(note: DeploymentNote) -> dict[str, object]:
    return {
        "id": note.id,
        "commit": note.commit,
        "release": note.release,
        "text": note.text[:_LONGEST],
        "url": note.url if note.url and len(note.url) <= _LONGEST else None,
        "log": note.log if note.log and len(note.log) <= _LONGEST else None,
        "inactive": note.inactive,
    }


def _note(entry: object) -> DeploymentNote | None:
    if not isinstance(entry, dict):
        return None
    own, commit, release = entry.get("id"), entry.get("commit"), entry.get("release")
    if not (isinstance(commit, str) and isinstance(release, str)) or not (own is None or isinstance(own, int)):
        return None
    text, url, log = (entry.get(name) for name in ("text", "url", "log"))
    return DeploymentNote(
        id=own,
        commit=CommitId(commit),
        release=ReleaseId(release),
        text=text if isinstance(text, str) else "",
        url=url if isinstance(url, str) else None,
        log=log if isinstance(log, str) else None,
        inactive=entry.get("inactive") is True,
    )
