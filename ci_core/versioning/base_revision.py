"""Choose what a commit is compared with when nobody says: where the work on it began."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci_core.errors import GitRemoteError, UnknownRevisionError
from ci_core.versioning.git_history import fetch_branch, fetch_commit, fetch_files, merge_base

if TYPE_CHECKING:
    from ci_core.types import CommitId
    from ci_core.versioning.git import GitRepository


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseChoice:
    """The commit to compare with, or one sentence why there is none."""

    commit: CommitId | None = None
    problem: str | None = None
    """Set exactly when `commit` is None."""
    note: str | None = None
    """One sentence that the reader of a comparison with `commit` must know."""


def find_base(
    git: GitRepository, head: str = "HEAD", *, branch: str | None = None, remote: str = "origin"
) -> BaseChoice:
    """Return the commit where the work on `head` began: what it shares with the branch it is meant for.

    The remote's branch is preferred to the local one, which may be old. It is fetched when the CI system cloned another
    branch only, and, when the caller names it, whenever it has moved at the remote: a change request is compared with
    what its target is now. The history of a shallow clone is deepened, step by step, until the two meet.

    On the branch itself, where everything is shared, it is `head`'s own commit: then the work tree is compared with
    what is committed.

    Args:
        git: the repository.
        head: a revision.
        branch: the branch it will be merged into; the default branch by default.
        remote: where it lives.

    Raises:
        NoCommitYetError: there is no commit at all.
        UnknownRevisionError: there is no such `head`.
    """
    newest = fetch_commit(git, head, remote=remote)
    name = branch or git.default_branch(remote=remote)
    source = remote if remote in git.remotes() else None
    # Full names: a tag, or a branch of the person's, may be called `origin/main`.
    places = {f"refs/remotes/{source}/{name}": f"{source}/{name}"} if source else {}
    places[f"refs/heads/{name}"] = name
    troubles = _look_at(git, name, source, is_wanted_new=branch is not None)
    known = [place for place in places if _is_known(git, place)]
    for place in known:
        try:
            base = merge_base(git, place, newest, remote=source)
            if base is not None and source:
                fetch_files(git, base, remote=source)
        except GitRemoteError as error:
            troubles.append(_in_short(error))
            continue
        if base is not None:
            note = f"the base is that of `{places[place]}` as this clone knew it: {troubles[0]}" if troubles else None
            return BaseChoice(commit=base, note=note)
    shown = head[:7] if head == newest else head
    if known:
        why = f"`{shown}` and `{places[known[0]]}` share no commit"
        why += " in this clone, whose history was cut off" if git.is_shallow() else ""
    elif source or branch:
        why = f"this clone has no branch `{name}`"
    else:
        why = (
            f"this clone has no remote `{remote}`, and neither `main` nor `master` (`graphship report BASE` names one)"
        )
    return BaseChoice(problem="; ".join(dict.fromkeys([f"there is no base to compare with: {why}", *troubles])))


def _look_at(git: GitRepository, branch: str, remote: str | None, *, is_wanted_new: bool) -> list[str]:
    """Make this clone know the remote's branch, as it is now if that is wanted; return why it could not be had."""
    if remote is None or (not is_wanted_new and _is_known(git, f"refs/remotes/{remote}/{branch}")):
        return []
    try:
        fetch_branch(git, branch, remote=remote)
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
