"""The ledger: the orphan branch ``graphship-ledger``, written without touching work tree, index or branches.

It holds small files that outlive every job::

    releases/<id>.json             one release record
    deployments/<environment>.jsonl one line a deployment
    monitoring/<environment>.jsonl  one line a judged window
    profiles/…                     profiles of reference and windows

Written with Git's plumbing and an index of its own; a push that comes second is repeated on top of the first, so that
two writers at once lose nothing. Works from a shallow or fresh clone, where the branch is fetched, before the branch
exists, and in a repository without a remote.
"""

from __future__ import annotations

import json
import random
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ci_core.errors import GitFailedError, PushRejectedError, UnsafeNameError
from ci_core.types import CommitId
from ci_core.versioning.git import IDENTITY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ci_core.types import JsonObject, JsonValue
    from ci_core.versioning._git_process import GitOutput
    from ci_core.versioning.git import GitRepository

    Content = bytes | Callable[[bytes | None], bytes]
    """A file's new bytes, or a function from its present bytes (None: there is no such file) to the new ones. The
    function is called again after another writer came first; it must have no other effect."""

BRANCH: Final = "refs/heads/graphship-ledger"
_SEEN: Final = "refs/graphship/ledger"
"""What this clone saw last; not a branch, so that it shows up in nobody's list."""
_ATTEMPTS: Final = 12
_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 2.0


class Ledger:
    """The ledger of one repository.

    Args:
        git: the repository.
        remote: where the ledger lives; without a remote of that name it lives in this repository alone.
        sleep: waits so many seconds between two attempts.
        chance: gives a number from 0 to 1; spreads the attempts of writers that met.
    """

    def __init__(
        self,
        git: GitRepository,
        *,
        remote: str = "origin",
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._git, self._remote, self._sleep, self._chance = git, remote, sleep, chance
        self._has_remote = remote in git.remotes()
        self._tip: CommitId | None = None
        self._is_fresh = False

    # --- reading ---

    def refresh(self) -> CommitId | None:
        """Look at the ledger again and return its newest commit; None while there is no ledger.

        Reading does this once by itself.

        Raises:
            GitRemoteError: the remote was not reached or lets us not in.
        """
        if self._has_remote:
            self._tip = self._git.remote_head(BRANCH, remote=self._remote)
            if self._tip is not None and self._local(_SEEN) != self._tip:
                self._git.fetch(f"+{BRANCH}:{_SEEN}", remote=self._remote)
                self._tip = self._local(_SEEN)  # it may have moved between the two questions
        else:
            self._tip = self._local(BRANCH)
        self._is_fresh = True
        return self._tip

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes; None when there is no such file."""
        if not self._is_fresh:
            self.refresh()
        return self._read(path)

    def read_json(self, path: str) -> JsonValue:
        """Return what a JSON file holds; None when there is no such file."""
        content = self.read(path)
        value: JsonValue = None if content is None else json.loads(content)
        return value

    def read_lines(self, path: str) -> tuple[JsonObject, ...]:
        """Return the objects of a JSON-lines file, oldest first; empty when there is no such file."""
        return tuple(json.loads(line) for line in (self.read(path) or b"").splitlines() if line.strip())

    def files(self, folder: str = "") -> tuple[str, ...]:
        """Return the paths of all files below a folder, sorted."""
        if not self._is_fresh:
            self.refresh()
        if self._tip is None:
            return ()
        paths = [f"{_checked(folder).rstrip('/')}/"] if folder else []
        return tuple(sorted(self._run("ls-tree", "-r", "-z", "--name-only", self._tip, "--", *paths).names))

    # --- writing ---

    def update(self, changes: Mapping[str, Content], message: str) -> CommitId | None:
        """Write files as one commit and return the ledger's newest commit; nothing is written when nothing changes.

        Args:
            changes: path → new bytes, or a function from the present bytes to the new ones.
            message: of the commit.

        Raises:
            UnsafeNameError: a path leaves the ledger.
            PushRejectedError: the remote declines, or others were faster too many times in a row.
            GitRemoteError: the remote was not reached or lets us not in.
        """
        for path in changes:
            _checked(path)
        if not changes:
            return self.refresh()
        for attempt in range(_ATTEMPTS):
            tip = self.refresh()
            commit = self._commit(tip, changes, message)
            if commit == tip:
                return tip
            try:
                self._publish(commit, tip)
            except PushRejectedError as error:
                if error.reason != "moved" or attempt == _ATTEMPTS - 1:
                    raise
                self._sleep(min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**attempt) * (0.5 + self._chance()))
            else:
                self._tip = commit
                return commit
        raise AssertionError("the last attempt returns or raises")

    def write_json(self, path: str, value: JsonValue, message: str) -> CommitId | None:
        """Write one JSON file, readable and in a stable order."""
        text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
        return self.update({path: f"{text}\n".encode()}, message)

    def append(self, path: str, records: Iterable[JsonObject], message: str) -> CommitId | None:
        """Append objects to a JSON-lines file; a line that is there already is not written twice."""
        lines = [json.dumps(record, sort_keys=True, ensure_ascii=False, allow_nan=False).encode() for record in records]

        def appended(old: bytes | None) -> bytes:
            present = (old or b"").splitlines()
            return b"".join(line + b"\n" for line in [*present, *(line for line in lines if line not in present)])

        return self.update({path: appended}, message)

    # --- plumbing ---

    def _commit(self, tip: CommitId | None, changes: Mapping[str, Content], message: str) -> CommitId:
        """Return a commit on top of `tip` with the changes, or `tip` itself when they change nothing."""
        entries = []
        for path, content in changes.items():
            new = content if isinstance(content, bytes) else content(self._read(path))
            blob = self._run("hash-object", "-w", "--stdin", stdin=new).text
            entries.append(f"100644 {blob}\t{path}\0")
        with tempfile.TemporaryDirectory(prefix="graphship-ledger-") as folder:
            env = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            self._run("read-tree", *([tip] if tip else ["--empty"]), env=env)
            self._run("update-index", "-z", "--index-info", stdin="".join(entries).encode(), env=env)
            tree = self._run("write-tree", env=env).text
        if tip is not None and tree == self._run("rev-parse", f"{tip}^{{tree}}").text:
            return tip
        parents = ["-p", tip] if tip else []
        return CommitId(self._run("commit-tree", tree, *parents, "-m", message, env=IDENTITY).text)

    def _publish(self, commit: CommitId, tip: CommitId | None) -> None:
        """Move the ledger from `tip` to `commit`, or say that it is not at `tip` any more."""
        if self._has_remote:
            self._git.push(commit, BRANCH, remote=self._remote, lease=tip or "absent")
            self._run("update-ref", _SEEN, commit)
            return
        try:
            self._run("update-ref", BRANCH, commit, tip or "0" * len(commit))
        except GitFailedError as error:
            raise PushRejectedError(
                ref=BRANCH, remote="this repository", reason="moved", message=error.message
            ) from error

    def _read(self, path: str) -> bytes | None:
        if self._tip is None:
            return None
        found = self._run("cat-file", "blob", f"{self._tip}:{_checked(path)}", check=False)
        return None if found.status else found.stdout

    def _local(self, ref: str) -> CommitId | None:
        return CommitId(self._run("rev-parse", "--verify", "--quiet", ref, check=False).text) or None

    def _run(
        self, *arguments: str, check: bool = True, stdin: bytes | None = None, env: Mapping[str, str] | None = None
    ) -> GitOutput:
        return self._git.run(*arguments, check=check, stdin=stdin, env=env, folder=self._git.top)


def _checked(path: str) -> str:
    """Return a path of the ledger.

    Raises:
        UnsafeNameError: it is absolute, leaves the ledger or holds what Git's index format cannot.
    """
    parts = path.split("/")
    if {"", ".", "..", ".git"} & set(parts) or any(character < " " for character in path):
        raise UnsafeNameError(kind="ledger path", name=path, reason="it must be relative and stay inside the ledger")
    return path
