"""Choose what a commit is compared with when nobody says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.errors import UnknownRevisionError

if TYPE_CHECKING:
    from ci_core.versioning.git import GitRepository


def default_base(git: GitRepository, head: str, *, remote: str = "origin") -> str:
    """Return the commit where the work on `head` began: what it shares with the default branch.

    The remote's branch is preferred to the local one, which may be old. On the default branch itself, where everything
    is shared, it is `head`'s own commit: then the work tree is compared with what is committed.
    """
    branch = git.default_branch(remote=remote)
    for candidate in (f"{remote}/{branch}", branch):
        try:
            base = git.merge_base(candidate, head)
        except UnknownRevisionError:
            continue
        if base is not None:
            return base
    return git.resolve(head)
