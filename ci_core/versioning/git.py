"""The Git repository of a project: versions are read here, commits and pushes are made here.

One adapter for all features. It works in a detached head, in a shallow clone and in a sub-folder of a larger
repository, and never asks Git for "the active branch". Paths are relative to the folder it was made with and use
``/``. It knows nothing of DVC, hosts or CI systems.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from ci_core.errors import (
    DirtyWorkTreeError,
    GitRemoteError,
    NoCommitYetError,
    NotARepositoryError,
    UnknownRevisionError,
)
from ci_core.types import CommitId, Digest
from ci_core.versioning._git_process import (
    GitOutput,
    push_rejection,
    refuse_options,
    remote_failure,
    run_git,
    without_credentials,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

AUTHOR_NAME: Final = "graphship"
AUTHOR_EMAIL: Final = "graphship@localhost"

IDENTITY: Final[Mapping[str, str]] = {
    "GIT_AUTHOR_NAME": AUTHOR_NAME,
    "GIT_AUTHOR_EMAIL": AUTHOR_EMAIL,
    "GIT_COMMITTER_NAME": AUTHOR_NAME,
    "GIT_COMMITTER_EMAIL": AUTHOR_EMAIL,
}
"""Who our commits are by. Given with each command, so that nobody's configuration is changed."""

_DEEPEN_STEPS: Final = (50, 200, 1000)
"""Commits by which a shallow clone is deepened, step by step, before its whole history is fetched."""
_ABSENT: Final = "absent"

ChangeKind = Literal["added", "modified", "removed", "renamed"]
_CHANGES: Final[Mapping[str, ChangeKind]] = {"A": "added", "D": "removed", "R": "renamed", "C": "added"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedFile:
    """A file that differs between two commits."""

    path: str
    change: ChangeKind
    old_path: str | None = None
    """The former name of a renamed file."""


class GitRepository:
    """The repository that a folder belongs to.

    Args:
        folder: a folder of the work tree, usually the project's. All paths are relative to it.

    Raises:
        NotARepositoryError: `folder` is in no work tree.
        ForeignRepositoryError: Git refuses because the folder belongs to another user.
        ProgramNotFoundError: Git is not installed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        if not self.folder.is_dir():
            raise NotARepositoryError(path=str(folder))
        top, git_dir = self.run("rev-parse", "--show-toplevel", "--absolute-git-dir").text.split("\n")
        self.top = Path(top)
        """The top folder of the work tree."""
        self.git_dir = Path(git_dir)
        """Where Git keeps this work tree's index and head."""

    def run(
        self, *arguments: str, check: bool = True, stdin: bytes | None = None, env: Mapping[str, str] | None = None
    ) -> GitOutput:
        """Run a Git command in the project's folder; for the neighbours in this package.

        Raises:
            GitFailedError: it failed, and `check` is set.
        """
        return run_git(self.folder, *arguments, check=check, stdin=stdin, env=env)

    # --- what is checked out ---

    def head(self) -> CommitId:
        """Return the commit that is checked out.

        Raises:
            NoCommitYetError: there is none.
        """
        found = self.run("rev-parse", "--verify", "--quiet", "HEAD^{commit}", check=False)
        if found.status:
            raise NoCommitYetError(path=str(self.top))
        return CommitId(found.text)

    def branch(self) -> str | None:
        """Return the name of the branch that is checked out; None for a detached head."""
        return self.run("symbolic-ref", "--quiet", "--short", "HEAD", check=False).text or None

    def is_shallow(self) -> bool:
        """Whether the history was cut off when the clone was made."""
        return self.run("rev-parse", "--is-shallow-repository").text == "true"

    def dirty_digest(self) -> Digest | None:
        """Return a hash of how the work tree differs from its commit; None when it does not.

        It is the sha256 over every tracked file that differs and every untracked file that is not ignored, sorted by
        name: its name, its kind and the sha256 of its bytes. Two trees on one commit have the same hash exactly when
        their files are the same.

        Raises:
            NoCommitYetError: there is no commit to differ from.
        """
        self.head()
        changed = run_git(self.top, "diff", "--name-only", "--no-renames", "--no-ext-diff", "-z", "HEAD").names
        untracked = run_git(self.top, "ls-files", "--others", "--exclude-standard", "-z").names
        names = sorted({*changed, *untracked})
        if not names:
            return None
        total = hashlib.sha256()
        for name in names:
            total.update(os.fsencode(name) + b"\0" + _fingerprint(self.top / name) + b"\n")
        return Digest(f"sha256:{total.hexdigest()}")

    # --- other revisions ---

    def resolve(self, revision: str) -> CommitId:
        """Return the commit that a name, a tag or an abbreviation stands for.

        Raises:
            UnsafeNameError: the name begins with ``-``.
            NoCommitYetError: the repository has no commit at all.
            UnknownRevisionError: this clone has no such commit; the message says when the clone is shallow.
        """
        refuse_options("revision", revision)
        found = self.run("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}", check=False)
        if not found.status:
            return CommitId(found.text)
        self.head()
        refs = self.run("for-each-ref", "--format=%(refname:short)").text.split("\n")
        raise UnknownRevisionError(revision=revision, is_shallow=self.is_shallow(), known_names=[r for r in refs if r])

    def merge_base(self, one: str, other: str, *, remote: str | None = None) -> CommitId | None:
        """Return the newest commit that both revisions come from; None when there is none to be found.

        Args:
            one: a revision.
            other: another one.
            remote: where a shallow clone may fetch more history from, in growing steps; None for not at all.

        Raises:
            UnknownRevisionError: one of the two is not in this clone.
        """
        first, second = self.resolve(one), self.resolve(other)
        for step in (0, *_DEEPEN_STEPS, None):
            if step != 0:
                if remote is None or not self.is_shallow():
                    break
                self.deepen(step, remote=remote)
            found = self.run("merge-base", first, second, check=False)
            if not found.status and found.text:
                return CommitId(found.text)
        return None

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether `newer` holds everything of `older`."""
        found = self.run("merge-base", "--is-ancestor", self.resolve(older), self.resolve(newer), check=False)
        return found.status == 0

    def read_file(self, revision: str, path: str) -> bytes | None:
        """Return a file's bytes at a revision; None when that commit has no such file.

        Raises:
            UnknownRevisionError: there is no such revision.
        """
        commit = self.resolve(revision)
        found = self.run("cat-file", "blob", f"{commit}:./{path}", check=False)
        return None if found.status else found.stdout

    def changed_files(self, base: str, head: str) -> tuple[ChangedFile, ...]:
        """Return the files below this folder that differ between two revisions, sorted by path."""
        output = self.run(
            "diff", "--name-status", "--find-renames", "--no-ext-diff", "--relative", "-z",
            self.resolve(base), self.resolve(head), "--",
        )  # fmt: skip
        fields, files = list(reversed(output.names)), []
        while fields:
            status = fields.pop()[0]
            old = fields.pop() if status in "RC" else None
            files.append(
                ChangedFile(
                    path=fields.pop(),
                    change=_CHANGES.get(status, "modified"),
                    old_path=old if status == "R" else None,
                )
            )
        return tuple(sorted(files, key=lambda file: file.path))

    # --- writing ---

    def uncommitted(self, paths: Sequence[str]) -> tuple[str, ...]:
        """Return those of `paths` whose content Git has not got yet: changed or new, and not ignored; sorted."""
        if not paths:
            return ()
        literal = [f":(literal){path}" for path in paths]
        listed = self.run("ls-files", "-z", "--modified", "--others", "--exclude-standard", "--", *literal).text
        return tuple(sorted({path for path in listed.split("\0") if path}))

    def commit(self, paths: Sequence[str], message: str) -> CommitId | None:
        """Commit the present content of `paths`, and nothing else, in our name; None when nothing of it changed.

        The branch that is checked out, or the detached head, moves. The repository's commit hooks do not run: they are
        made for people at a terminal (DVC's own asks questions).

        Args:
            paths: files and folders; one that is gone is removed.
            message: subject, blank line, body.

        Raises:
            NoCommitYetError: there is no commit yet.
            GitFailedError: Git refused, for instance because a path is ignored.
        """
        before = self.head()
        literal = [f":(literal){path}" for path in paths if self._is_tracked(path) or (self.folder / path).exists()]
        if not literal:
            return None
        self.run("add", "--all", "--", *literal)
        if not self.run("diff", "--cached", "--quiet", "HEAD", "--", *literal, check=False).status:
            return None
        # `-c user.name` names the committer, and `--author` is needed where GIT_AUTHOR_NAME is in the environment.
        who = ("-c", f"user.name={AUTHOR_NAME}", "-c", f"user.email={AUTHOR_EMAIL}")
        quiet = ("-c", "core.hooksPath=/dev/null", "-c", "commit.gpgSign=false")
        self.run(*who, *quiet, "commit", "-q", "-m", message, "--", *literal, env=IDENTITY)
        after = self.head()
        return after if after != before else None

    def push(
        self, source: str, target: str, *, remote: str = "origin", lease: CommitId | Literal["absent"] | None = None
    ) -> None:
        """Send a commit to a branch of a remote.

        Args:
            source: a revision.
            target: the branch's full name, ``refs/heads/…``.
            remote: name of the remote.
            lease: the commit that the branch must still be at, or ``absent`` when it must not exist yet; then the
                branch is replaced. Without it only a fast-forward is taken.

        Raises:
            PushRejectedError: the remote was reached and declined; its ``reason`` says why.
            GitRemoteError: the remote was not reached or does not let us in.
        """
        refuse_options("branch", target)
        commit = self.resolve(source)
        force = [] if lease is None else [f"--force-with-lease={target}:{'' if lease == _ABSENT else lease}"]
        url = self.safe_url(remote)
        output = self.run("push", "--porcelain", *force, "--", remote, f"{commit}:{target}", check=False)
        if output.status:
            raise push_rejection(ref=target, remote=remote, output=output) or remote_failure(
                remote=remote, url=url, doing=f"push `{target}`", output=output
            )

    @contextlib.contextmanager
    def detached(self) -> Iterator[None]:
        """Let the block commit on a detached head; afterwards head and tracked files are what they were.

        Raises:
            DirtyWorkTreeError: the work tree has changes that are not committed; they would be lost.
        """
        if self.dirty_digest() is not None:
            raise DirtyWorkTreeError(path=str(self.folder))
        start = self.branch() or self.head()
        self.run("checkout", "--quiet", "--detach")
        try:
            yield
        finally:
            self.run("checkout", "--quiet", "--force", start, "--")

    # --- the remote ---

    def remotes(self) -> tuple[str, ...]:
        """Return the names of the remotes."""
        return tuple(name for name in self.run("remote").text.split("\n") if name)

    def remote_url(self, remote: str = "origin") -> str | None:
        """Return the address of a remote, without credentials; None when there is no such remote."""
        found = self.run("remote", "get-url", "--", remote, check=False)
        return None if found.status else without_credentials(found.text)

    def fetch(self, *refspecs: str, remote: str = "origin") -> None:
        """Fetch branches or commits; without `refspecs`, whatever the remote is configured for.

        Raises:
            GitRemoteError: the remote was not reached, lets us not in, or has no such branch.
        """
        refuse_options("branch", *refspecs)
        self._fetch("--quiet", remote=remote, refspecs=refspecs)

    def deepen(self, commits: int | None, *, remote: str = "origin") -> None:
        """Fetch older history of a shallow clone: so many commits more, or all of it for None."""
        self._fetch("--quiet", "--unshallow" if commits is None else f"--deepen={commits}", remote=remote)

    def remote_head(self, ref: str, *, remote: str = "origin") -> CommitId | None:
        """Ask the remote for the commit of `ref` (``refs/heads/main``); None when it has none of that name.

        Raises:
            GitRemoteError: the remote was not reached or lets us not in.
        """
        refuse_options("branch", ref)
        url = self.safe_url(remote)
        output = self.run("ls-remote", "--quiet", "--", remote, ref, check=False)
        if output.status:
            raise remote_failure(remote=remote, url=url, doing="list its branches", output=output)
        exact = [line.split("\t")[0] for line in output.text.split("\n") if line.endswith(f"\t{ref}")]
        return CommitId(exact[0]) if exact else None

    def default_branch(self, *, remote: str = "origin") -> str:
        """Return the branch that a fresh clone checks out, asking the remote only when this clone does not know.

        Falls back to ``main`` or ``master`` if one exists, then to ``main``: the branch that is checked out would pass
        for the default one, and what is on it for nothing new. Only without a remote is it the one that is checked out.
        """
        known = self.run("symbolic-ref", "--quiet", "--short", f"refs/remotes/{remote}/HEAD", check=False).text
        if known:
            return known.removeprefix(f"{remote}/")
        has_remote = remote in self.remotes()
        if has_remote:
            output = self.run("ls-remote", "--quiet", "--symref", "--", remote, "HEAD", check=False)
            for line in output.text.split("\n"):
                if line.startswith("ref: refs/heads/"):
                    return line.removeprefix("ref: refs/heads/").split("\t")[0]
        places = (f"refs/remotes/{remote}/", "refs/heads/") if has_remote else ("refs/heads/",)
        for name in ("main", "master"):
            refs = [f"{place}{name}" for place in places]
            if any(not self.run("show-ref", "--verify", "--quiet", ref, check=False).status for ref in refs):
                return name
        return "main" if has_remote else self.branch() or "main"

    def _fetch(self, *options: str, remote: str, refspecs: Sequence[str] = ()) -> None:
        url = self.safe_url(remote)
        output = self.run("fetch", *options, "--", remote, *refspecs, check=False)
        if output.status:
            doing = f"fetch {', '.join(f'`{refspec}`' for refspec in refspecs) or 'its history'}"
            raise remote_failure(remote=remote, url=url, doing=doing, output=output)

    def safe_url(self, remote: str) -> str:
        """Return the remote's address after GitPython's check for protocols that run programs."""
        import git

        refuse_options("remote", remote)
        found = self.run("remote", "get-url", "--", remote, check=False)
        if found.status:
            raise GitRemoteError(remote=remote, url="(none)", doing="use it", message="there is no remote of that name")
        try:
            git.cmd.Git.check_unsafe_protocols(found.text)
        except git.exc.UnsafeProtocolError as error:
            raise GitRemoteError(
                remote=remote, url=without_credentials(found.text), doing="use it", message=str(error), is_denied=True
            ) from error
        return found.text

    def _is_tracked(self, path: str) -> bool:
        return bool(self.run("ls-files", "-z", "--", f":(literal){path}").names)


def _fingerprint(path: Path) -> bytes:
    """Return what a file is and what it holds, as text that is equal exactly when the file is."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return b"removed"
    if stat.S_ISLNK(status.st_mode):
        return b"link " + os.fsencode(path.readlink())
    if stat.S_ISDIR(status.st_mode):  # a submodule: its own commit stands for it
        return b"submodule " + run_git(path, "rev-parse", "HEAD", check=False).stdout.strip()
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    kind = b"program " if status.st_mode & stat.S_IXUSR else b"file "
    return kind + digest.encode()
