"""Run Git commands and turn its refusals into our errors. Used by ``versioning/git.py`` and its neighbours.

GitPython starts the program (argument lists, never a shell) and is told nothing that would switch its unsafe protocols
or options on. What Git prints is parsed only here, and always in the untranslated ``C`` locale. Beside the command line
only this file looks into the process's environment: it is Git's own.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, cast

from ci_core.errors import (
    ForeignRepositoryError,
    GitFailedError,
    GitRemoteError,
    GraphshipError,
    NotARepositoryError,
    ProgramNotFoundError,
    PushRejectedError,
    UnsafeNameError,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

_ALWAYS = ("git", "-c", "core.quotepath=off", "-c", "protocol.ext.allow=never", "-c", "color.ui=false")
_ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",  # a job must fail, not wait for a password nobody types
    "GIT_OPTIONAL_LOCKS": "0",  # reading takes no lock that a person's own Git would trip over
}
_URL_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")
_DENIED = (
    "permission denied",
    "authentication failed",
    "invalid username or password",
    "could not read username",
    "could not read password",
    "terminal prompts disabled",
    "returned error: 401",
    "returned error: 403",
    "access denied",
    "you are not allowed to",
    "denied to ",  # GitHub: "Permission to acme/flights.git denied to robin"
    "without `workflows` permission",
)
_HIDDEN = (
    "returned error: 404",
    "repository not found",
    "' not found",
    "could not be found or you don't have permission",
)
"""What hosts say to those who may not know that a repository exists."""
_MOVED_AWAY = re.compile(r"returned error: 30\d|unable to update url base from redirection")
_REJECTED = re.compile(r"^!\t[^\t]*\t\[(?P<who>remote )?rejected\] \((?P<reason>.*)\)$", re.MULTILINE)
_MOVED = ("stale info", "fetch first", "non-fast-forward", "cannot lock ref", "failed to update ref", "already exists")
_PROTECTED = ("protected branch", "gh006", "gh013", "repository rule violations")
"""GitHub's numbers are those of its protected branches and rule sets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GitOutput:
    """What one Git command said."""

    status: int
    stdout: bytes
    stderr: str = field(default="")
    """Credentials in addresses are masked."""

    @property
    def text(self) -> str:
        """Standard output as text, without the last newline; bytes that are not UTF-8 survive a round trip."""
        return self.stdout.decode("utf-8", "surrogateescape").removesuffix("\n")

    @property
    def names(self) -> tuple[str, ...]:
        """The parts of an output that ends each with a NUL byte."""
        return tuple(part.decode("utf-8", "surrogateescape") for part in self.stdout.split(b"\0") if part)


def run_git(
    folder: Path,
    *arguments: str,
    check: bool = True,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    secrets: Collection[str] = (),
) -> GitOutput:
    """Run one Git command in `folder`.

    Args:
        folder: the current folder of the command.
        arguments: without the program's name.
        check: whether an exit code other than 0 raises.
        stdin: what the command reads.
        env: variables beside the process's own.
        secrets: masked in what Git says of its work.

    Raises:
        ProgramNotFoundError: there is no Git.
        NotARepositoryError: `folder` is not inside a repository.
        ForeignRepositoryError: the repository belongs to another user.
        GitFailedError: the command failed for another reason and `check` is set.
    """
    try:
        import git
    except ImportError as error:  # GitPython looks for the program while it is imported
        raise ProgramNotFoundError(program="git") from error
    with contextlib.ExitStack() as stack:
        source = None if stdin is None else stack.enter_context(_as_file(stdin))
        try:
            done = git.cmd.Git(str(folder)).execute(
                [*_ALWAYS, *arguments],
                istream=source,
                with_extended_output=True,
                with_exceptions=False,
                stdout_as_string=False,
                strip_newline_in_stdout=False,
                env={**_ENVIRONMENT, **(env or {})},
            )
        except git.exc.GitCommandNotFound as error:
            raise ProgramNotFoundError(program="git") from error
    status, stdout, stderr = done
    output = GitOutput(status=status, stdout=stdout, stderr=_masked(stderr.strip(), secrets))
    if check and status:
        raise failure(folder, arguments, output)
    return output


def process_environment() -> Mapping[str, str]:
    """Return the variables that every Git command has from this process."""
    return os.environ


def is_in_ci() -> bool:
    """Whether a CI system runs us: all but Jenkins set ``CI``."""
    return process_environment().get("CI", "").lower() not in {"", "0", "false"} or "JENKINS_URL" in os.environ


def _masked(text: str, secrets: Collection[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return without_credentials(text)


def _as_file(content: bytes) -> BinaryIO:
    """Return an open temporary file that holds `content`, at its start: what GitPython can hand to a program."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    file.write(content)
    file.seek(0)
    return cast("BinaryIO", file)


def without_credentials(text: str) -> str:
    """Return `text` with user names and passwords cut out of addresses."""
    return _URL_CREDENTIALS.sub("***@", text)


def refuse_options(kind: str, *names: str) -> None:
    """Refuse names that Git would take for an option, and such as hold control characters.

    Raises:
        UnsafeNameError: one begins with ``-``, is empty or holds a control character.
    """
    for name in names:
        if name.startswith("-"):
            raise UnsafeNameError(kind=kind, name=name)
        if not name or any(character < " " for character in name):
            raise UnsafeNameError(kind=kind, name=name, reason="it is empty or holds a control character")


def failure(folder: Path, arguments: tuple[str, ...], output: GitOutput) -> GraphshipError:
    """Return the error that stands for a command that failed."""
    words = output.stderr.lower()
    if "not a git repository" in words or "must be run in a work tree" in words:
        return NotARepositoryError(path=str(folder))
    if "dubious ownership" in words:
        return ForeignRepositoryError(path=str(folder))
    command = without_credentials("git " + " ".join(arguments))
    return GitFailedError(command=command, message=output.stderr or f"it ended with exit code {output.status}")


def remote_failure(*, remote: str, url: str, doing: str, output: GitOutput) -> GraphshipError:
    """Return the error that stands for a remote that was not reached or let us not in."""
    words = output.stderr.lower()
    message = output.stderr
    if _MOVED_AWAY.search(words):
        message += "\nthe address leads to another one, which a token is not sent to: set it with `git remote set-url`"
    is_denied = any(sign in words for sign in (*_DENIED, *_HIDDEN)) or message != output.stderr
    return GitRemoteError(
        remote=remote, url=without_credentials(url), doing=doing, message=message, is_denied=is_denied
    )


def push_rejection(*, ref: str, remote: str, output: GitOutput) -> PushRejectedError | None:
    """Return why a push that reached the remote was declined, or None when it was not reached.

    Args:
        ref: what was pushed to.
        remote: where to.
        output: of ``git push --porcelain``.
    """
    match = _REJECTED.search(output.text)
    if match is None:
        return None
    reason, words = match["reason"], output.stderr.lower()
    if any(sign in reason for sign in _MOVED):
        kind = "moved"
    elif any(sign in f"{reason.lower()}\n{words}" for sign in _PROTECTED):
        kind = "protected"
    elif any(sign in words or sign in reason for sign in _DENIED):
        kind = "denied"
    elif "hook declined" in reason:
        kind = "hook"
    else:
        kind = "refused"
    said = [line for line in output.stderr.splitlines() if line.startswith("remote:")]
    return PushRejectedError(ref=ref, remote=remote, reason=kind, message="\n".join(said) or reason)
