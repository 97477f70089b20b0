"""A real bare repository, what people do to it, and the two addresses by which Git reads and writes it over HTTP.

The transfer itself is ``git http-backend``; who may do what is decided before it is started, and a hook refuses pushes
to protected branches as hosts do.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ci_core.types import CommitId
from tests.servers.http_server import Request, Response

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ENVIRONMENT: Final = {
    "GIT_AUTHOR_NAME": "Test Person",
    "GIT_AUTHOR_EMAIL": "person@example.org",
    "GIT_COMMITTER_NAME": "Test Person",
    "GIT_COMMITTER_EMAIL": "person@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}
_REFUSE_PROTECTED: Final = """\
#!/bin/sh
while read -r old new ref; do
  if grep -qxF -- "$ref" protected 2>/dev/null; then
    echo "error: GH006: Protected branch update failed for $ref." >&2
    echo "error: Changes must be made through a pull request." >&2
    exit 1
  fi
done
"""


class MergeConflictError(Exception):
    """Two branches changed the same lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A commit, as hosts show it."""

    id: CommitId
    tree: str
    parents: tuple[str, ...]
    author: str
    email: str
    date: str
    """ISO 8601, UTC."""
    message: str


class BareRepository:
    """One bare repository."""

    def __init__(self, folder: Path, *, source: Path | None = None) -> None:
        self.folder = folder
        self._lock = threading.RLock()
        self._facts: dict[tuple[str, ...], str] = {}
        shutil.copytree(source or _template(), folder, ignore=shutil.ignore_patterns("protected"))

    def git(self, *arguments: str, stdin: str | None = None, env: Mapping[str, str] | None = None) -> str:
        """Run Git in the repository; return its output without the last newline.

        Raises:
            subprocess.CalledProcessError: it failed.
        """
        return self._run(*arguments, stdin=stdin, env=env).decode().removesuffix("\n")

    def fact(self, *arguments: str) -> str:
        """Return what Git says of commits that are given by their ids: the same for ever, so it is asked once."""
        if arguments not in self._facts:
            self._facts[arguments] = self.git(*arguments)
        return self._facts[arguments]

    def _run(self, *arguments: str, stdin: str | None = None, env: Mapping[str, str] | None = None) -> bytes:
        command = ["git", "-C", str(self.folder), *arguments]
        done = subprocess.run(
            command,
            input=None if stdin is None else stdin.encode(),
            env={**os.environ, **_ENVIRONMENT, **(env or {})},
            capture_output=True,
            check=False,
        )
        if done.returncode != 0:
            raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
        return done.stdout

    def push(self, branch: str, files: Mapping[str, str | None], *, start: str = "main", message: str = "") -> CommitId:
        """Commit files to a branch, which begins at `start` if it is new; None deletes a file."""
        with self._lock:
            tip = self._first(f"refs/heads/{branch}", f"refs/heads/{start}")
            lines = [
                f"commit refs/heads/{branch}",
                "mark :1",
                f"committer Test Person <person@example.org> {_next_second()} +0000",
            ]
            lines += [_data(message or f"Change {', '.join(files) or 'nothing'}")]
            lines += [f"from {tip}"] if tip else []
            for name, text in files.items():
                quoted = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
                lines += [f"D {quoted}"] if text is None else [f"M 100644 inline {quoted}", _data(text)]
            script = "\n".join([*lines, "", "get-mark :1", ""])
            return CommitId(self.git("fast-import", "--quiet", "--force", "--date-format=raw", stdin=script))

    def resolve(self, name: str) -> CommitId | None:
        """Return the commit that a branch, tag, full reference or commit id names; None for nothing."""
        return self._first(f"refs/heads/{name}", f"refs/tags/{name}", name)

    def _first(self, *names: str) -> CommitId | None:
        """Return the commit that the first name with any meaning means."""
        asked = "".join(f"{name}^{{commit}}\n" for name in names if name and "\n" not in name)
        for answer in self.git("cat-file", "--batch-check=%(objecttype) %(objectname)", stdin=asked).splitlines():
            kind, _, commit = answer.partition(" ")
            if kind == "commit":
                return CommitId(commit)
        return None

    def branches(self) -> dict[str, CommitId]:
        """Return the tips of all branches."""
        lines = self.git("for-each-ref", "--format=%(objectname) %(refname:lstrip=2)", "refs/heads").splitlines()
        return {name: CommitId(tip) for tip, _, name in (line.partition(" ") for line in lines)}

    def move(self, ref: str, commit: str | None) -> None:
        """Let a full reference name another commit, or nothing."""
        self.git("update-ref", *(["-d", ref] if commit is None else [ref, commit]))

    def contains(self, tip: str, commit: str) -> bool:
        """Return whether `commit` is `tip` or an ancestor of it; both are given by their ids."""
        return not self.fact("rev-list", "--max-count=1", commit, f"^{tip}")

    def between(self, base: str, tip: str) -> list[CommitId]:
        """Return the commits of `tip` that `base` does not have, oldest first; both are given by their ids."""
        return [CommitId(line) for line in self.fact("rev-list", "--reverse", f"{base}..{tip}").splitlines()]

    def commit(self, commit: str) -> Commit:
        """Return what stands in a commit."""
        text = self.fact("show", "-s", "--format=%H%n%T%n%P%n%an%n%ae%n%at%n%B", commit)
        own, tree, parents, author, email, seconds, *message = text.split("\n")
        return Commit(
            id=CommitId(own),
            tree=tree,
            parents=tuple(parents.split()),
            author=author,
            email=email,
            date=_iso(int(seconds)),
            message="\n".join(message).strip(),
        )

    def read(self, commit: str, path: str) -> bytes | list[tuple[str, str, str]] | None:
        """Return a file's bytes, a folder's entries as (type, object, path), or None where there is nothing."""
        if not path:
            return self._entries(commit, ".")
        found = self._entries(commit, path)
        if not found:
            return None
        kind, blob, _ = found[0]
        return self._entries(commit, f"{path}/") if kind == "tree" else self._run("cat-file", "blob", blob)

    def _entries(self, commit: str, path: str) -> list[tuple[str, str, str]]:
        listed = self.git("--literal-pathspecs", "ls-tree", "-z", commit, *([] if path == "." else ["--", path]))
        lines = [line.partition("\t") for line in listed.split("\0") if line]
        return [(facts.split(" ")[1], facts.split(" ")[2], name) for facts, _, name in lines]

    def changed_files(self, base: str, tip: str) -> list[tuple[str, str, int, int]]:
        """Return (status letter, path, lines added, lines deleted) of what differs between two ids, renames as two."""
        states = self.fact("diff", "--no-renames", "--name-status", "-z", base, tip).split("\0")
        counts = self.fact("diff", "--no-renames", "--numstat", "-z", base, tip).split("\0")
        letters = dict(zip(states[1::2], states[::2], strict=False))
        rows = [line.split("\t") for line in counts if line]
        return [(letters[path], path, _count(added), _count(gone)) for added, gone, path in rows]

    def can_merge(self, base: str, head: str) -> bool:
        """Return whether two commits can be joined without anybody's help."""
        try:
            self.fact("merge-tree", "--write-tree", base, head)
        except subprocess.CalledProcessError:
            return False
        return True

    def merge(self, base: str, head: str, *, method: str = "merge", message: str) -> CommitId:
        """Merge a commit into a branch and return the new tip.

        Raises:
            MergeConflictError: both changed the same lines.
        """
        with self._lock:
            tip = self.git("rev-parse", f"refs/heads/{base}")
            merged = self._rebased(tip, head) if method == "rebase" else self._joined(tip, head, method, message)
            self.move(f"refs/heads/{base}", merged)
            return CommitId(merged)

    def _joined(self, tip: str, head: str, method: str, message: str) -> str:
        try:
            tree = self.git("merge-tree", "--write-tree", tip, head).splitlines()[0]
        except subprocess.CalledProcessError as error:
            raise MergeConflictError(head) from error
        parents = [tip, head] if method == "merge" else [tip]
        flags = [flag for parent in parents for flag in ("-p", parent)]
        return self.git("commit-tree", tree, *flags, "-m", message)

    def _rebased(self, tip: str, head: str) -> str:
        work = self.folder.with_name(f"{self.folder.stem}-rebase")
        self.git("worktree", "add", "--quiet", "--detach", str(work), tip)
        try:
            # A person who merges later is another committer: the commits get new names even without new commits below.
            later = {"GIT_COMMITTER_NAME": "GitHub", "GIT_COMMITTER_EMAIL": "noreply@github.com"}
            for commit in self.between(tip, head):
                self.git("-C", str(work), "cherry-pick", "--allow-empty", commit, env=later)
            return self.git("-C", str(work), "rev-parse", "HEAD")
        except subprocess.CalledProcessError as error:
            raise MergeConflictError(head) from error
        finally:
            self.git("worktree", "remove", "--force", str(work))

    def protect(self, branches: Sequence[str]) -> None:
        """Refuse pushes to these branches from now on."""
        (self.folder / "protected").write_text("".join(f"refs/heads/{name}\n" for name in branches))

    def serve(self, request: Request, service: str, login: str | None) -> Response:
        """Let ``git http-backend`` answer; `service` is the path after the repository's address."""
        env = {
            **os.environ,
            **_ENVIRONMENT,
            "GIT_PROJECT_ROOT": str(self.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": request.method,
            "PATH_INFO": f"/{service}",
            "QUERY_STRING": request.target.partition("?")[2],
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(request.body)),
            "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": "127.0.0.1",
            **({"REMOTE_USER": login} if login else {}),
        }
        done = subprocess.run(["git", "http-backend"], input=request.body, env=env, capture_output=True, check=False)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        status = int(headers.pop("Status", "200").split(" ")[0]) if head else 500
        return Response(status=status, headers=headers, body=body)


@functools.cache
def _template() -> Path:
    """Return an empty repository that takes pushes, made once and copied since then."""
    folder = Path(tempfile.mkdtemp(prefix="bare-repository-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    subprocess.run(["git", "init", "--quiet", "--bare", "--template=", "--initial-branch=main", folder], check=True)
    for option in ("http.receivepack", "uploadpack.allowAnySHA1InWant"):
        subprocess.run(["git", "-C", folder, "config", option, "true"], check=True)
    hook = folder / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(_REFUSE_PROTECTED)
    hook.chmod(0o755)
    return folder


_clock_lock = threading.Lock()
_clock = [1_700_000_000]


def _next_second() -> int:
    """Return a time of its own for each commit, so that two with the same files are two commits."""
    with _clock_lock:
        _clock[0] += 1
        return _clock[0]


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _data(text: str) -> str:
    return f"data {len(text.encode())}\n{text}"


def _count(number: str) -> int:
    return 0 if number == "-" else int(number)
