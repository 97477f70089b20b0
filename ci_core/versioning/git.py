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
from ci_core.versioning._git_process import GitOutput, refuse_options, run_git, without_credentials
from ci_core.versioning.git_commands import GitCommands

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ci_core.types import GitCredentials

AUTHOR_NAME: Final = "graphship"
AUTHOR_EMAIL: Final = "graphship@localhost"

IDENTITY: Final[Mapping[str, str]] = {
    "GIT_AUTHOR_NAME": AUTHOR_NAME,
    "GIT_AUTHOR_EMAIL": AUTHOR_EMAIL,
    "GIT_COMMITTER_NAME": AUTHOR_NAME,
    "GIT_COMMITTER_EMAIL": AUTHOR_EMAIL,
}
"""Who our commits are by. Given with each command, so that nobody's configuration is changed."""

_ABSENT: Final = "absent"
_BRANCHES: Final = "refs/heads/"
_FETCH: Final = ("fetch", "--quiet", "--no-recurse-submodules")

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

    In CI a job often works as another user (root in a container) than the one who owns the clone, which Git refuses,
    since a configuration of somebody else's may run programs. There the top folder of the project, and no other, is
    allowed for our own commands; :attr:`is_foreign` says so. A person at a terminal is asked to allow it.

    Args:
        folder: a folder of the work tree, usually the project's. All paths are relative to it.
        credentials: who we are for the remotes below their address, or what gives them when they are first needed;
            None to leave that to addresses, helpers and keys of the machine. They reach Git by its environment alone.

    Raises:
        NotARepositoryError: `folder` is in no work tree.
        ForeignRepositoryError: Git refuses because the folder belongs to another user.
        ProgramNotFoundError: Git is not installed.
    """

    def __init__(
        self, folder: Path, *, credentials: GitCredentials | Callable[[], GitCredentials | None] | None = None
    ) -> None:
        self.folder = folder.resolve()
        if not self.folder.is_dir():
            raise NotARepositoryError(path=str(folder))
        self._commands = GitCommands(self.folder, credentials)
        top, git_dir = self._commands.enter()
        self.is_foreign = self._commands.is_foreign
        """Whether the folder belongs to another user and was allowed because a CI system runs us."""
        self.top = Path(top)
        """The top folder of the work tree."""
        self.git_dir = Path(git_dir)
        """Where Git keeps this work tree's index and head."""

    def run(
        self,
        *arguments: str,
        check: bool = True,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> GitOutput:
        """Run a Git command in the project's folder, or in another one of the repository; for the neighbours here.

        Raises:
            GitFailedError: it failed, and `check` is set.
        """
        return self._commands.run(*arguments, check=check, stdin=stdin, env=env, folder=folder)

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
        # Not `--short`: that of a branch with the name of a tag is `heads/name`.
        return self.run("symbolic-ref", "--quiet", "HEAD", check=False).text.removeprefix(_BRANCHES) or None

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
        changed = self.run("diff", "--name-only", "--no-renames", "--no-ext-diff", "-z", "HEAD", folder=self.top).names
        untracked = self.run("ls-files", "--others", "--exclude-standard", "-z", folder=self.top).names
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
        self.run_remote(
            remote, "push", "--porcelain", *force, "--", remote, f"{commit}:{target}",
            doing=f"push `{target}`", pushes=target,
        )  # fmt: skip

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

    def fetch(self, *refspecs: str, remote: str = "origin", depth: int | None = None) -> None:
        """Fetch branches or commits; without `refspecs`, whatever the remote is configured for.

        Args:
            refspecs: what to fetch, and where to put it.
            remote: name of the remote.
            depth: fetch only so many commits of each, which cuts its history off there.

        Raises:
            GitRemoteError: the remote was not reached, lets us not in, or has no such branch.
        """
        refuse_options("branch", *refspecs)
        options = [*_FETCH, *([] if depth is None else [f"--depth={depth}"])]
        doing = f"fetch {', '.join(f'`{refspec}`' for refspec in refspecs) or 'what is new'}"
        self.run_remote(remote, *options, "--", remote, *refspecs, doing=doing)

    def deepen(self, commits: int | None, at: Sequence[str] = (), *, remote: str = "origin") -> None:
        """Fetch older history of a shallow clone.

        Args:
            commits: how many more; None for all.
            at: the commits where the history was cut off that are meant; all of the remote's branches by default.
            remote: name of the remote.

        Raises:
            GitRemoteError: the remote was not reached, lets us not in, or gives out no commits by their names.
        """
        depth = "--unshallow" if commits is None else f"--deepen={commits}"
        named = ["--stdin"] if at else []  # there may be more of them than arguments
        self.run_remote(
            remote, *_FETCH, depth, *named, "--", remote,
            doing="fetch older history", stdin="".join(f"{commit}\n" for commit in at).encode() if at else None,
        )  # fmt: skip

    def fetch_objects(self, names: Sequence[str], *, remote: str = "origin") -> None:
        """Fetch objects of a partial clone by their full names.

        Raises:
            GitRemoteError: the remote was not reached, lets us not in, or has them not.
        """
        options = ("--no-tags", "--no-write-fetch-head", "--filter=blob:none", "--stdin")
        self.run_remote(
            remote, "-c", "fetch.negotiationAlgorithm=noop", *_FETCH, *options, "--", remote,
            doing=f"fetch {len(names)} files", stdin="".join(f"{name}\n" for name in names).encode(),
        )  # fmt: skip

    def remote_head(self, ref: str, *, remote: str = "origin") -> CommitId | None:
        """Ask the remote for the commit of `ref` (``refs/heads/main``); None when it has none of that name.

        Raises:
            GitRemoteError: the remote was not reached or lets us not in.
        """
        refuse_options("branch", ref)
        output = self.run_remote(remote, "ls-remote", "--quiet", "--", remote, ref, doing="list its branches")
        exact = [line.split("\t")[0] for line in output.text.split("\n") if line.endswith(f"\t{ref}")]
        return CommitId(exact[0]) if exact else None

    def default_branch(self, *, remote: str = "origin") -> str:
        """Return the branch that a fresh clone checks out, asking the remote only when this clone does not know.

        Falls back to ``main`` or ``master`` if one exists, then to ``main``: the branch that is checked out would pass
        for the default one, and what is on it for nothing new. Only a repository without a remote and with one branch
        has that one.
        """
        tracked = f"refs/remotes/{remote}/"
        known = self.run("symbolic-ref", "--quiet", f"{tracked}HEAD", check=False).text
        if known.startswith(tracked):
            return known.removeprefix(tracked)
        has_remote = remote in self.remotes()
        if has_remote:
            with contextlib.suppress(GitRemoteError):
                output = self.run_remote(
                    remote, "ls-remote", "--quiet", "--symref", "--", remote, "HEAD", doing="list its branches"
                )
                for line in output.text.split("\n"):
                    if line.startswith(f"ref: {_BRANCHES}"):
                        return line.removeprefix(f"ref: {_BRANCHES}").split("\t")[0]
        places = (tracked, _BRANCHES) if has_remote else (_BRANCHES,)
        for name in ("main", "master"):
            refs = [f"{place}{name}" for place in places]
            if any(not self.run("show-ref", "--verify", "--quiet", ref, check=False).status for ref in refs):
                return name
        if has_remote:
            return "main"
        branches = self.run("for-each-ref", "--format=%(refname:lstrip=2)", _BRANCHES).text.split()
        only = branches[0] if len(branches) == 1 else None if branches else self.branch()
        return only or "main"

    def run_remote(
        self, remote: str, *arguments: str, doing: str, pushes: str | None = None, stdin: bytes | None = None
    ) -> GitOutput:
        """Run a Git command that speaks to a remote; for the neighbours in this package.

        Args:
            remote: its name, which is in `arguments` as well.
            arguments: the command.
            doing: completes "the remote was not reached to …".
            pushes: the ref that is pushed to; None when nothing is.
            stdin: what the command reads.

        Raises:
            PushRejectedError: the remote was reached and declined what is pushed.
            GitRemoteError: its address is refused, it was not reached, or it does not let us in.
        """
        return self._commands.run_remote(remote, *arguments, doing=doing, pushes=pushes, stdin=stdin)

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
