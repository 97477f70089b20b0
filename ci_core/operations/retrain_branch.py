"""The one branch of an environment's retrain requests: looked at before the training, replaced after it.

What a run saw before it trained is its lease: whoever pushes meanwhile, person or run, is not overwritten. Commits of
people are never overwritten at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ci_core.errors import PushRejectedError
from ci_core.retrain.branch import BranchCommit, StandingBranch, commits_of_others
from ci_core.types import CommitId
from ci_core.versioning.git import AUTHOR_EMAIL
from ci_core.versioning.git_history import fetch_commit, merge_base

if TYPE_CHECKING:
    from collections.abc import Collection

    from ci_core.versioning.git import GitRepository

_FIELDS: Final = ("%H", "%an", "%ae", "%ce", "%s", "%(trailers:key=Graphship-Retrain,valueonly,separator=%x2C)")


def look_at_branch(git: GitRepository, name: str, *, settled: Collection[CommitId] = ()) -> StandingBranch:
    """Return what is on the remote's branch and not in the commit that is checked out.

    Args:
        git: the repository; a new challenger will be built on what is checked out.
        name: of the branch.
        settled: commits that may be replaced with all before them, by our own change requests.

    Raises:
        GitRemoteError: the remote was not reached or lets us not in.
    """
    head = git.remote_head(_ref(name))
    if head is None:
        return StandingBranch(name=name)
    start = git.head()
    fetch_commit(git, head, remote="origin")
    merge_base(git, start, head, remote="origin")  # deepens a shallow clone to where the branch began
    commits = _commits_between(git, start, head)
    others = commits_of_others(commits, settled=settled, our_email=AUTHOR_EMAIL)
    return StandingBranch(name=name, head=head, of_others=others)


def replace_branch(git: GitRepository, branch: StandingBranch, commit: CommitId) -> CommitId | None:
    """Let the remote's branch be `commit`; return what it is from now on, or None when somebody moved it meanwhile.

    A commit that has the same files and parent as the one that stands there is not pushed: an earlier run came so far.

    Raises:
        PushRejectedError: the remote declines, for another reason than that the branch moved.
        GitRemoteError: the remote was not reached or lets us not in.
    """
    if branch.head is not None and _content(git, branch.head) == _content(git, commit):
        return branch.head
    try:
        git.push(commit, _ref(branch.name), lease=branch.head or "absent")
    except PushRejectedError as error:
        if error.reason != "moved":
            raise
        return None
    return commit


def _ref(name: str) -> str:
    return f"refs/heads/{name}"


def _content(git: GitRepository, commit: CommitId) -> str:
    """Return what a commit is, but for who made it when."""
    return git.run("show", "--no-patch", "--format=%T %P", commit).text


def _commits_between(git: GitRepository, start: CommitId, head: CommitId) -> tuple[BranchCommit, ...]:
    layout = "%x00".join(_FIELDS)
    options = ("-z", "--encoding=UTF-8", "--no-show-signature", f"--format={layout}")
    listed = git.run("log", *options, head, f"^{start}", "--").text
    fields = listed.removesuffix("\0").split("\0") if listed else []
    rows = [fields[index : index + len(_FIELDS)] for index in range(0, len(fields), len(_FIELDS))]
    return tuple(
        BranchCommit(
            id=CommitId(commit),
            author=author,
            emails=frozenset({author_email, committer_email}),
            subject=subject,
            evidence=evidence,
        )
        for commit, author, author_email, committer_email, subject, evidence in rows
    )
