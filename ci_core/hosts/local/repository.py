"""What the local host asks of Git: the branches of a bare repository, and a merge as a forge makes it."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ci_core._process import run
from ci_core.errors import HostRefusedError, NotFoundOnHostError, ProgramFailedError
from ci_core.types import CommitId

if TYPE_CHECKING:
    from datetime import datetime

    from ci_core._process import Finished


class ConflictError(Exception):
    """Two branches cannot be merged; `files` are in conflict. Told to the user as ``MergeConflictError``."""

    def __init__(self, files: tuple[str, ...]) -> None:
        super().__init__(*files)
        self.files = files


class Repository(Protocol):
    """The commits and branches behind a local host."""

    def default_branch(self) -> str:
        """Return the branch that change requests go to unless they say otherwise."""
        ...

    def head(self, branch: str) -> CommitId | None:
        """Return the newest commit of a branch; None when there is no such branch."""
        ...

    def is_ancestor(self, commit: CommitId, of: CommitId) -> bool:
        """Say whether `of` has `commit` in its history, or is it; False for an unknown commit."""
        ...

    def merge_base(self, one: CommitId, other: CommitId) -> CommitId | None:
        """Return the newest commit that both have in their history."""
        ...

    def entry(self, commit: CommitId, into: CommitId) -> CommitId:
        """Return the commit on the first-parent line of `into` that brought `commit` there."""
        ...

    def read_file(self, commit: CommitId, path: str) -> bytes | None:
        """Return a file as it is in a commit; None when that has no such file.

        Raises:
            NotFoundOnHostError: there is no such commit.
        """
        ...

    def merge(self, source: CommitId, *, into: str, message: str, author: str, at: datetime) -> CommitId:
        """Merge `source` into a branch with a merge commit and return that commit.

        Raises:
            ConflictError: both sides changed the same lines; nothing was changed.
        """
        ...


class BareRepository:
    """A real bare repository on this machine.

    Args:
        path: its folder.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @staticmethod
    def create(path: Path, default_branch: str) -> None:
        """Make an empty bare repository at `path`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        run(["git", "init", "--quiet", "--bare", f"--initial-branch={default_branch}", str(path)], cwd=path.parent)

    def default_branch(self) -> str:
        """Return the branch that ``HEAD`` names."""
        return self._git("symbolic-ref", "--short", "HEAD").output.strip()

    def head(self, branch: str) -> CommitId | None:
        """Return the newest commit of a branch."""
        found = self._git("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}^{{commit}}", check=False)
        return CommitId(found.output.strip()) if found.exit_code == 0 else None

    def is_ancestor(self, commit: CommitId, of: CommitId) -> bool:
        """Say whether `of` has `commit` in its history."""
        return self._git("merge-base", "--is-ancestor", commit, of, check=False).exit_code == 0

    def merge_base(self, one: CommitId, other: CommitId) -> CommitId | None:
        """Return the newest common commit."""
        found = self._git("merge-base", one, other, check=False)
        return CommitId(found.output.strip()) if found.exit_code == 0 else None

    def entry(self, commit: CommitId, into: CommitId) -> CommitId:
        """Return the oldest first-parent commit that descends from `commit`; `commit` itself after a fast-forward."""
        line = self._git("rev-list", "--first-parent", f"{commit}..{into}", check=False).output.split()
        descendants = set(self._git("rev-list", "--ancestry-path", f"{commit}..{into}", check=False).output.split())
        brought = [name for name in line if name in descendants]
        if not brought or self._git("rev-parse", f"{brought[-1]}^1").output.strip() == commit:
            return commit
        return CommitId(brought[-1])

    def read_file(self, commit: CommitId, path: str) -> bytes | None:
        """Return a file as it is in a commit."""
        known = self._git("cat-file", "-e", f"{commit}^{{commit}}", check=False)
        if known.exit_code != 0:
            raise NotFoundOnHostError(host=str(self._path), kind="commit", name=commit)
        command = ["git", f"--git-dir={self._path}", "cat-file", "blob", f"{commit}:{path}"]
        found = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - a list; bytes: not all is text
        return found.stdout if found.returncode == 0 else None

    def merge(self, source: CommitId, *, into: str, message: str, author: str, at: datetime) -> CommitId:
        """Merge in a temporary clone that borrows our objects, then push like anybody would."""
        with tempfile.TemporaryDirectory(prefix="graphship-merge-") as scratch:
            clone = Path(scratch) / "clone"
            self._git("clone", "--quiet", "--shared", "--branch", into, "--", str(self._path), str(clone))
            who = ("-c", f"user.name={author}", "-c", "user.email=host@localhost", "-c", "commit.gpgsign=false")
            # The folders are named, so that a GIT_DIR in the environment (we may run in a hook) leads nowhere else.
            where = (f"--git-dir={clone / '.git'}", f"--work-tree={clone}")
            moment = at.strftime("%Y-%m-%dT%H:%M:%S%z")
            merged = run(
                [
                    *("env", f"GIT_AUTHOR_DATE={moment}", f"GIT_COMMITTER_DATE={moment}"),
                    *("git", *where, *who, "merge", "--quiet", "--no-ff", "-m", message, source),
                ],
                cwd=clone,
                check=False,
            )
            if merged.exit_code != 0:
                names = run(["git", *where, "diff", "--name-only", "--diff-filter=U", "-z"], cwd=clone)
                files = tuple(name for name in names.output.split("\0") if name)
                if not files:
                    raise HostRefusedError(host=str(self._path), action="merge", reason="; ".join(merged.last_lines(3)))
                raise ConflictError(files)
            try:
                run(["git", *where, "push", "--quiet", "origin", f"HEAD:refs/heads/{into}"], cwd=clone)
            except ProgramFailedError as error:
                raise HostRefusedError(
                    host=str(self._path),
                    action=f"push the merge to `{into}`",
                    reason="; ".join(error.last_lines),
                    hint="if the branch moved meanwhile, merge again",
                ) from error
            return CommitId(run(["git", *where, "rev-parse", "HEAD"], cwd=clone).output.strip())

    def _git(self, *arguments: str, check: bool = True) -> Finished:
        return run(["git", f"--git-dir={self._path}", *arguments], cwd=self._path, check=check, merge_errors=False)


def origin_url(folder: Path) -> tuple[Path, str] | None:
    """Return the top folder of the work tree that `folder` lies in and its ``origin``'s address; None without one."""
    top = run(["git", "rev-parse", "--show-toplevel"], cwd=folder, check=False, merge_errors=False)
    url = run(["git", "config", "--get", "remote.origin.url"], cwd=folder, check=False, merge_errors=False)
    if top.exit_code != 0 or url.exit_code != 0:
        return None
    return Path(top.output.rstrip("\n")), url.output.rstrip("\n")


def person(folder: Path) -> str | None:
    """Return the name that Git knows the user by in `folder`; None when it knows none."""
    found = run(["git", "config", "--get", "user.name"], cwd=folder, check=False, merge_errors=False)
    return found.output.strip() or None
