"""Tags of a Git repository: listed with what they are on, made, and sent to a remote.

Used by ``versioning/registry.py`` and by who writes to the registry. A tag that exists is never moved, here or
on a remote. Patterns are Git's own (``refs/tags/churn@*``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci_core.errors import GitFailedError, MissingIdentityError
from ci_core.types import CommitId

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ci_core.versioning.git import GitRepository

_PREFIX = "refs/tags/"
_FIELDS = ("refname", "objectname", "objecttype", "*objecttype", "*objectname", "taggerdate:unix")


@dataclass(frozen=True, slots=True, kw_only=True)
class GitTag:
    """One tag of this clone."""

    name: str
    object: str
    """The full name of what the ref holds: the tag object, or the commit of a lightweight tag."""
    commit: CommitId | None
    """What an annotated tag is on; None for a lightweight one, and for one on something else than a commit."""
    at: int = 0
    """When it was made: seconds since 1970-01-01 UTC."""


def list_tags(git: GitRepository, *patterns: str) -> tuple[GitTag, ...]:
    """Return the tags that match one of the patterns, sorted by name."""
    layout = "%00".join(f"%({field})" for field in _FIELDS)
    found = []
    for line in _lines(git.run("for-each-ref", f"--format={layout}", "--", *patterns).text):
        ref, name, kind, target_kind, target, at = line.split("\0")
        is_on_a_commit = (kind, target_kind) == ("tag", "commit")
        found.append(
            GitTag(
                name=ref.removeprefix(_PREFIX),
                object=name,
                commit=CommitId(target) if is_on_a_commit else None,
                at=int(at or 0),
            )
        )
    return tuple(found)


def tags_before(git: GitRepository, commit: CommitId, *patterns: str) -> frozenset[str]:
    """Return the names of those tags that are on a commit or on one that it comes from."""
    listed = git.run("for-each-ref", "--format=%(refname)", f"--merged={commit}", "--", *patterns).text
    return frozenset(line.removeprefix(_PREFIX) for line in _lines(listed))


def create_tag(git: GitRepository, name: str, commit: CommitId, message: str) -> GitTag | None:
    """Make an annotated tag in the name of whoever runs us; return None when there is one of that name already.

    Raises:
        MissingIdentityError: Git does not know who that is.
        GitFailedError: Git refused, for instance since it is told to sign and cannot.
    """
    who = git.run("var", "GIT_COMMITTER_IDENT", check=False)
    if who.status:
        raise MissingIdentityError(message=who.stderr)
    made = git.run("tag", "--annotate", f"--message={message}", "--", name, commit, check=False)
    if made.status and "already exists" in made.stderr:
        return None
    if made.status:
        raise GitFailedError(command=f"git tag --annotate {name} {commit}", message=made.stderr)
    return list_tags(git, f"{_PREFIX}{name}")[0]


def delete_tag(git: GitRepository, tag: GitTag) -> None:
    """Remove a tag of this clone, unless it is another one by now."""
    git.run("update-ref", "-d", f"{_PREFIX}{tag.name}", tag.object)


def push_tag(git: GitRepository, name: str, *, remote: str) -> None:
    """Send exactly this tag to a remote.

    Raises:
        PushRejectedError: the remote was reached and declined; ``moved`` when it has another tag of that name.
        GitRemoteError: the remote was not reached or does not let us in.
    """
    ref = f"{_PREFIX}{name}"
    # No lease is needed: without force a remote takes no tag whose name it has.
    git.run_remote(remote, "push", "--porcelain", "--", remote, f"{ref}:{ref}", doing=f"push `{ref}`", pushes=ref)


def remote_tags(git: GitRepository, patterns: Sequence[str], *, remote: str) -> dict[str, str]:
    """Ask a remote for its tags; return name → full name of what the ref holds.

    Raises:
        GitRemoteError: the remote was not reached or lets us not in.
    """
    output = git.run_remote(remote, "ls-remote", "--quiet", "--refs", "--", remote, *patterns, doing="list its tags")
    pairs = (line.split("\t") for line in _lines(output.text))
    return {ref.removeprefix(_PREFIX): name for name, ref in pairs if ref.startswith(_PREFIX)}


def has_no_tags_on_purpose(git: GitRepository, remotes: Collection[str] = ("origin",)) -> bool:
    """Whether this clone was told to fetch no tags (``git clone --no-tags``, many CI systems)."""
    return any(
        git.run("config", "--get", f"remote.{remote}.tagOpt", check=False).text == "--no-tags" for remote in remotes
    )


def _lines(text: str) -> list[str]:
    return text.split("\n") if text else []
