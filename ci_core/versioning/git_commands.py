"""Start Git for one clone: what each command is given beside its arguments. Used by ``versioning/git.py`` alone."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from ci_core.errors import ForeignRepositoryError, GitRemoteError
from ci_core.versioning._git_process import (
    GitOutput,
    is_in_ci,
    process_environment,
    push_rejection,
    refuse_options,
    remote_failure,
    run_git,
    without_credentials,
)
from ci_core.versioning.git_access import Access, access, refusal, with_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ci_core.types import GitCredentials

_PLACES = ("rev-parse", "--show-toplevel", "--absolute-git-dir")


class GitCommands:
    """Runs Git commands in the folder of one project.

    Args:
        folder: the current folder of the commands.
        credentials: for remote commands only, or what gives them when they are first needed.
    """

    def __init__(self, folder: Path, credentials: GitCredentials | Callable[[], GitCredentials | None] | None) -> None:
        self._folder, self._credentials = folder, credentials
        self._variables: Mapping[str, str] = {}
        self.is_foreign = False

    def enter(self) -> tuple[str, str]:
        """Return the top folder of the work tree and the folder of Git's own files.

        In CI a job often works as another user (root in a container) than the one who owns the clone. There the top
        folder of the project, and no other, is allowed for the commands from here on.

        Raises:
            ForeignRepositoryError: the folder belongs to another user, and no CI system runs us.
            NotARepositoryError: the folder is in no work tree.
        """
        try:
            found = run_git(self._folder, *_PLACES)
        except ForeignRepositoryError:
            top = next((folder for folder in (self._folder, *self._folder.parents) if (folder / ".git").exists()), None)
            if top is None or not is_in_ci():
                raise
            self._variables = with_settings([("safe.directory", str(top))], process_environment())
            found = run_git(self._folder, *_PLACES, env=self._variables)
            self.is_foreign = True
        top_folder, git_dir = found.text.split("\n")
        return top_folder, git_dir

    def run(
        self,
        *arguments: str,
        check: bool = True,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> GitOutput:
        """Run a command that speaks to no remote.

        A clone without all files (``--filter``) fetches what it lacks while it is read, by whatever command: there
        all commands are given what :meth:`run_remote` gives for the remotes that keep the rest.

        Raises:
            GitFailedError: it failed, and `check` is set.
        """
        given = self._access(self._promisors) if self._promisors else Access(variables={})
        variables = {**self._variables, **given.variables, **(env or {})}
        return run_git(
            folder or self._folder, *arguments, check=check, stdin=stdin, env=variables, secrets=given.secrets
        )

    def run_remote(
        self, remote: str, *arguments: str, doing: str, pushes: str | None = None, stdin: bytes | None = None
    ) -> GitOutput:
        """Run a command that speaks to a remote; see :meth:`ci_core.versioning.git.GitRepository.run_remote`."""
        addresses = self._addresses(remote, is_push=pushes is not None)
        for address in addresses:
            problem = refusal(address)
            if problem is not None:
                raise GitRemoteError(
                    remote=remote, url=without_credentials(address), doing=doing, message=problem, is_denied=True
                )
        given = self._access(addresses)
        output = run_git(
            self._folder,
            *arguments,
            check=False,
            stdin=stdin,
            env={**self._variables, **given.variables},
            secrets=given.secrets,
        )
        if output.status:
            rejected = push_rejection(ref=pushes, remote=remote, output=output) if pushes else None
            raise rejected or remote_failure(remote=remote, url=addresses[0], doing=doing, output=output)
        return output

    def _access(self, addresses: Sequence[str]) -> Access:
        """Return what a command that may speak to these addresses is given."""
        if callable(self._credentials):
            self._credentials = self._credentials()
        return access(addresses, self._credentials, {**process_environment(), **self._variables})

    @cached_property
    def _promisors(self) -> tuple[str, ...]:
        """The allowed addresses of remotes that keep what this clone left out; none for a clone with all files."""
        question = ("config", "--name-only", "--get-regexp", r"^remote\..*\.promisor$")
        listed = run_git(self._folder, *question, check=False, env=self._variables).text
        names = [line.removeprefix("remote.").removesuffix(".promisor") for line in listed.split("\n") if line]
        known = [address for name in names for address in self._addresses(name)]
        return tuple(address for address in known if refusal(address) is None)

    def _addresses(self, remote: str, *, is_push: bool = False) -> tuple[str, ...]:
        """Return the addresses of a remote as Git will use them.

        Raises:
            GitRemoteError: there is no remote of that name.
        """
        refuse_options("remote", remote)
        question = ("remote", "get-url", *(["--push", "--all"] if is_push else []), "--", remote)
        found = run_git(self._folder, *question, check=False, env=self._variables)
        if found.status:
            raise GitRemoteError(remote=remote, url="(none)", doing="use it", message="there is no remote of that name")
        return tuple(found.text.split("\n"))
