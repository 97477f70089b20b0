"""What stands on the retrain branch, and whose it is (pure).

Our commits end with two lines, which Git calls trailers::

    Graphship-Retrain: 3f2a9c1be07d:1f0c2a9b,77ab03de
    Graphship-Run: 4711.1

A branch is replaced only when everything on it is ours or merged: it is at the commit that we recorded in the change
request's marker, or that the host says was merged, or all commits carry these lines *and* our name as author and
committer. Whoever changes one of them (``git commit --amend``, a rebase, a suggestion accepted on the host's page)
becomes its committer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ci_core.hosts.marker import Run
    from ci_core.types import CommitId

EVIDENCE_TRAILER: Final = "Graphship-Retrain"
RUN_TRAILER: Final = "Graphship-Run"


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchCommit:
    """A commit that is on the branch and not on the one that it is meant for."""

    id: CommitId
    author: str
    """Name, for people."""
    emails: frozenset[str]
    """Of author and committer."""
    subject: str
    evidence: str = ""
    """What stands behind ``Graphship-Retrain``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingBranch:
    """The retrain branch as it was when a run looked."""

    name: str
    head: CommitId | None = None
    """None: the remote has no such branch."""
    of_others: tuple[BranchCommit, ...] = field(default=())
    """Commits that are not ours, newest first."""


def commit_message(title: str, text: str, *, evidence: str, run: Run) -> str:
    """Return the message of a commit of ours."""
    return f"{title}\n\n{text}\n\n{EVIDENCE_TRAILER}: {evidence}\n{RUN_TRAILER}: {run.id}.{run.attempt}\n"


def commits_of_others(
    commits: Sequence[BranchCommit], *, settled: Collection[CommitId], our_email: str
) -> tuple[BranchCommit, ...]:
    """Return those commits that are not ours, in the given order.

    Args:
        commits: what is on the branch only, newest first.
        settled: commits that may be replaced with all before them, by our own change requests.
        our_email: of our commits.
    """
    if commits and commits[0].id in settled:
        return ()  # it was pushed by us, or merged, as it is
    return tuple(
        commit
        for commit in commits
        if commit.id not in settled and not (commit.evidence and commit.emails == frozenset({our_email}))
    )
