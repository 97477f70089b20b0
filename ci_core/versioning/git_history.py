"""History that a CI system left out of its clone: fetched just as far as a question needs it.

Clones of CI systems are shallow (``fetch-depth: 1``: one commit and nothing before it), often without the branch that a
change is meant for, and sometimes partial (``filter: blob:none``: commits without the content of files).
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Final

from ci_core.errors import GitRemoteError, UnknownRevisionError
from ci_core.types import CommitId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci_core.versioning.git import GitRepository

_STEPS: Final = (50, 200, 1000, None)
"""Commits by which a shallow clone is deepened, one step after the other; at last its whole history is fetched."""

_FULL_NAME: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def merge_base(git: GitRepository, one: str, other: str, *, remote: str | None = None) -> CommitId | None:
    """Return the newest commit that both revisions come from; None when there is none to be found.

    A history that was cut off may hide it and show an older one: a cut on one side only, at a commit that is newer than
    what was found, is looked behind.

    Args:
        git: the repository.
        one: a revision.
        other: another one.
        remote: where a shallow clone may fetch more history from, in growing steps; None for not at all.

    Raises:
        UnknownRevisionError: one of the two is not in this clone.
        GitRemoteError: more history is needed, and could not be had.
    """
    first, second = git.resolve(one), git.resolve(other)
    for step in _STEPS:
        base = _merge_base(git, first, second)
        cuts = _cuts_between(git, first, second, since=base)
        if not cuts or remote is None:
            return base
        _deepen(git, step, cuts, remote=remote)
    return _merge_base(git, first, second)


def fetch_commit(git: GitRepository, revision: str, *, remote: str) -> CommitId:
    """Return the commit of a revision; one that is named in full and is not in this clone is fetched.

    A CI system that checks out the merge that its host made has not got the change's own newest commit.

    Raises:
        UnknownRevisionError: there is none, here or at the remote.
    """
    try:
        return git.resolve(revision)
    except UnknownRevisionError:
        if _FULL_NAME.fullmatch(revision) and remote in git.remotes():
            with contextlib.suppress(GitRemoteError):
                git.fetch(revision, remote=remote, depth=1 if git.is_shallow() else None)
                return git.resolve(revision)
        raise


def fetch_branch(git: GitRepository, branch: str, *, remote: str) -> None:
    """Make this clone know where a branch of the remote is now; of a shallow clone's, its newest commit alone.

    Raises:
        GitRemoteError: the remote was not reached, lets us not in, or has no such branch.
    """
    ref, tracked = f"refs/heads/{branch}", f"refs/remotes/{remote}/{branch}"
    newest = git.remote_head(ref, remote=remote)
    if newest is None:
        raise GitRemoteError(
            remote=remote, url=git.remote_url(remote) or "", doing=f"fetch `{branch}`", message="it has no such branch"
        )
    if not git.run("cat-file", "-e", f"{newest}^{{commit}}", check=False).status:
        # Fetched with a depth, a commit that is here already would lose its history.
        git.run("update-ref", tracked, newest)
        return
    git.fetch(f"+{ref}:{tracked}", remote=remote, depth=1 if git.is_shallow() else None)


def fetch_files(git: GitRepository, commit: CommitId, *, remote: str = "origin") -> None:
    """Fetch at once what a partial clone lacks of a commit's files; of any other clone nothing is asked.

    Git would fetch file after file while it reads, and DVC, which reads Git's files by itself, would find none.

    Raises:
        GitRemoteError: the remote was not reached, lets us not in, or no longer has them.
    """
    if git.run("config", f"remote.{remote}.promisor", check=False).text != "true":
        return
    listed = git.run(
        "rev-list", "--objects", "--no-walk", "--missing=print", commit, env={"GIT_NO_LAZY_FETCH": "1"}
    ).text
    missing = [line.removeprefix("?") for line in listed.split("\n") if line.startswith("?")]
    if missing:
        git.fetch_objects(missing, remote=remote)


def _merge_base(git: GitRepository, one: CommitId, other: CommitId) -> CommitId | None:
    found = git.run("merge-base", one, other, check=False)
    return CommitId(found.text) if not found.status and found.text else None


def _cuts_between(
    git: GitRepository, one: CommitId, other: CommitId, *, since: CommitId | None
) -> tuple[CommitId, ...]:
    """Return the commits where the history of one of both is cut off, and that are not older than `since`."""
    list_of_cuts = git.folder / git.run("rev-parse", "--git-path", "shallow").text
    if not list_of_cuts.exists():
        return ()
    cut_off = set(list_of_cuts.read_text(encoding="ascii").split())
    when = int(git.run("show", "--no-patch", "--format=%ct", since).text) if since else 0
    listed = git.run("log", "--format=%H %ct", f"{one}...{other}", "--").text
    commits = (line.split(" ") for line in listed.split("\n") if line)
    return tuple(CommitId(commit) for commit, at in commits if commit in cut_off and int(at) >= when)


def _deepen(git: GitRepository, commits: int | None, cuts: Sequence[CommitId], *, remote: str) -> None:
    """Fetch history behind `cuts`, by their names; from a remote that gives out branches only, of all branches."""
    with contextlib.suppress(GitRemoteError):
        git.deepen(commits, cuts, remote=remote)
        return
    git.deepen(commits, remote=remote)
