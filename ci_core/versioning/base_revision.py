"""Choose what a commit is compared with when nobody says: where the work on it began."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci_core.errors import GitRemoteError, UnknownRevisionError

if TYPE_CHECKING:
    from ci_core.types import CommitId
    from ci_core.versioning.git import GitRepository


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseChoice:
    """The commit to compare with, or one sentence why there is none."""

    commit: CommitId | None = None
    problem: str | None = None
    """Set exactly when `commit` is None."""


def find_base(
    git: GitRepository, head: str = "HEAD", *, branch: str | None = None, remote: str = "origin"
) -> BaseChoice:
    """Return the commit where the work on `head` began: what it shares with the branch it is meant for.

    The remote's branch is preferred to the local one, which may be old; it is fetched when the CI system cloned another
    branch only, and the history of a shallow clone is deepened, step by step, until the two meet. On the branch itself,
    where everything is shared, it is `head`'s own commit: then the work tree is compared with what is committed.

    Args:
        git: the repository.
        head: a revision.
        branch: the branch it will be merged into; the default branch by default.
        remote: where it lives.

    Raises:
        NoCommitYetError: there is no commit at all.
        UnknownRevisionError: there is no such `head`.
    """
    newest = git.resolve(head)
    branch = branch or git.default_branch(remote=remote)
    source = remote if remote in git.remotes() else None
    troubles = _fetch_if_missing(git, branch, source)
    names = [f"{source}/{branch}", branch] if source else [branch]
    known = [name for name in names if _is_known(git, name)]
    for name in known:
        try:
            base = git.merge_base(name, newest, remote=source)
        except GitRemoteError as error:
            troubles.append(_in_short(error))
            continue
        if base is not None:
            return BaseChoice(commit=base)
    shown = head[:7] if head == newest else head
    why = f"`{shown}` and `{known[0]}` share no commit" if known else f"this clone has no branch `{branch}`"
    if known and git.is_shallow():
        why += " in this clone, whose history was cut off"
    return BaseChoice(problem="; ".join(dict.fromkeys([f"there is no base to compare with: {why}", *troubles])))


def _fetch_if_missing(git: GitRepository, branch: str, remote: str | None) -> list[str]:
    """Fetch the remote's branch unless this clone has it; return why it could not be had."""
    if remote is None or _is_known(git, f"{remote}/{branch}"):
        return []
    try:
        git.fetch(f"+refs/heads/{branch}:refs/remotes/{remote}/{branch}", remote=remote)
    except GitRemoteError as error:
        return [_in_short(error)]
    return []


def _in_short(error: GitRemoteError) -> str:
    return ": ".join((error.fact, *error.known[:1]))


def _is_known(git: GitRepository, revision: str) -> bool:
    try:
        git.resolve(revision)
    except UnknownRevisionError:
        return False
    return True
