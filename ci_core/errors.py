"""Every error a user can meet: one class, one slug, one exit code.

A class takes typed facts, keeps them as attributes, and builds the sentences. ``cli`` alone renders them (see
``cli/_render.py``); nothing here prints. An exception that is not a :class:`GraphshipError` is a bug of ours and keeps
its traceback.

The parts of a message, in the order they are shown::

    error[unknown-next-step]: step `score` leads to `calibrate`, which the graph does not define   <- fact
      --> serving/graph.yaml:14, steps.score.next                                                   <- where
      defined steps: `clean`, `calibrated`, `score`                                                 <- known

    hint: rename it to `calibrated`, or add a step named `calibrate`                                <- hint
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class ExitCode(IntEnum):
    """What the process tells its caller; the numbers are part of the public contract."""

    DONE = 0
    CHECK_FAILED = 1
    """A gate or a check failed."""
    USAGE = 2
    """Wrong usage or configuration, or an event we refuse."""
    USER_CODE = 3
    """The user's pipeline or graph code failed."""
    DEPLOYMENT = 4
    """A deployment failed; the previous release is serving."""
    UNREACHABLE = 5
    """A host, a remote or a cluster is not reachable or refuses."""
    NOT_DELIVERED = 6
    """Done, but the report could not be delivered."""


_PRECEDENCE = (
    ExitCode.USAGE,
    ExitCode.USER_CODE,
    ExitCode.DEPLOYMENT,
    ExitCode.CHECK_FAILED,
    ExitCode.UNREACHABLE,
    ExitCode.NOT_DELIVERED,
)


def worst(codes: Iterable[ExitCode]) -> ExitCode:
    """Return the one exit code that stands for several causes: 2 first, then 3, 4, 1, 5, 6."""
    found = set(codes)
    return next((code for code in _PRECEDENCE if code in found), ExitCode.DONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where in the user's files something stands."""

    file: str
    """Path as the user would type it, relative to the project."""
    line: int | None = None
    """1-based line, when known."""
    key: str | None = None
    """Key path inside the file, such as ``environments.staging.target``."""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return place if self.key is None else f"{place}, {self.key}"


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that `name` was most likely meant to be, or None."""
    close = difflib.get_close_matches(name, list(candidates), n=1, cutoff=0.6)
    return close[0] if close else None


def quoted(names: Iterable[str]) -> str:
    """Join names as a message shows them: each in backticks, separated by commas."""
    return ", ".join(f"`{name}`" for name in names)


class GraphshipError(Exception):
    """The root of all errors that are told to the user rather than shown as a traceback.

    Attributes:
        fact: what happened, lower case, no full stop.
        where: the place in the user's files, or a command, host and status; empty when there is none.
        known: lines of what we knew when it happened.
        hint: one thing the user can do, or None.
    """

    slug: ClassVar[str] = "error"
    exit_code: ClassVar[ExitCode] = ExitCode.USAGE
    is_temporary: ClassVar[bool] = False
    """Whether the same call may succeed later without the user changing anything."""

    def __init__(
        self,
        fact: str,
        *,
        where: Location | str | Sequence[Location | str] = (),
        known: Sequence[str] = (),
        hint: str | None = None,
    ) -> None:
        super().__init__(fact)
        self.fact = fact
        self.where: tuple[str, ...] = (
            (str(where),) if isinstance(where, Location | str) else tuple(str(place) for place in where)
        )
        self.known = tuple(known)
        self.hint = hint


# --- usage and configuration: exit 2 -------------------------------------------------------------------------------


class MissingExtraError(GraphshipError):
    """A command needs a library that is not installed."""

    slug = "missing-extra"

    def __init__(self, *, extra: str, module: str) -> None:
        self.extra, self.module = extra, module
        super().__init__(
            f"this needs the library `{module}`, which is not installed",
            hint=f"pip install 'graphship[{extra}]'",
        )


class NotAProjectError(GraphshipError):
    """No ``graphship.yaml`` in this folder or above it."""

    slug = "not-a-project"

    def __init__(self, *, start: str) -> None:
        self.start = start
        super().__init__(
            "no `graphship.yaml` in this folder or in any folder above it",
            where=start,
            hint="run `graphship init` in the top folder of your repository",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake in a file: what is wrong, where, and what was probably meant."""

    fact: str
    location: Location
    hint: str | None = None


class ConfigError(GraphshipError):
    """``graphship.yaml`` has mistakes; all of them are told at once."""

    slug = "invalid-config"

    def __init__(self, *, file: str, problems: Sequence[Problem]) -> None:
        self.file, self.problems = file, tuple(problems)
        count = len(self.problems)
        super().__init__(
            f"`{file}` has {count} mistake{'s' if count != 1 else ''}",
            known=[
                f"{problem.location}: {problem.fact}" + (f" ({problem.hint})" if problem.hint else "")
                for problem in self.problems
            ],
            hint="the keys and their types: docs/reference/graphship-yaml.md",
        )


class UnknownNameError(GraphshipError):
    """A name that was typed does not exist among the known ones."""

    slug = "unknown-name"

    def __init__(self, *, kind: str, name: str, known_names: Sequence[str], where: Location | str = "") -> None:
        self.kind, self.name, self.known_names = kind, name, tuple(known_names)
        close = nearest(name, known_names)
        super().__init__(
            f"there is no {kind} `{name}`",
            where=where or (),
            known=[f"known: {quoted(known_names)}"] if known_names else ["none is defined"],
            hint=f"did you mean `{close}`?" if close else None,
        )


class ProgramNotFoundError(GraphshipError):
    """A program that we start is not installed."""

    slug = "program-not-found"

    def __init__(self, *, program: str) -> None:
        self.program = program
        super().__init__(
            f"the program `{program}` was not found",
            hint=f"install `{program}`, or put its folder on PATH",
        )


class NoLocalHostError(GraphshipError):
    """A command of the local host was called where the remote is not a local host."""

    slug = "no-local-host"

    def __init__(self, *, remote: str | None) -> None:
        self.remote = remote
        super().__init__(
            "this repository has no remote called `origin`"
            if remote is None
            else f"the remote `{remote}` is not a repository of a local host",
            hint="name the bare repository with `--path`, or make one with `graphship host init PATH`",
        )


class TableMismatchError(GraphshipError):
    """A table lacks a column that it must have, or holds values that do not fit."""

    slug = "table-mismatch"

    def __init__(self, *, table: str, problems: Sequence[str], known_columns: Sequence[str] = ()) -> None:
        self.table, self.problems, self.known_columns = table, tuple(problems), tuple(known_columns)
        super().__init__(
            f"`{table}` does not have what is needed of it",
            known=[*problems, *([f"its columns: {quoted(known_columns)}"] if known_columns else [])],
        )


class UnreadableTableError(GraphshipError):
    """A Parquet file cannot be read."""

    slug = "unreadable-table"

    def __init__(self, *, table: str, reason: str) -> None:
        self.table, self.reason = table, reason
        super().__init__(f"the table `{table}` cannot be read", known=[reason])


# --- the user's code failed: exit 3 --------------------------------------------------------------------------------


class ProgramFailedError(GraphshipError):
    """A program that we started ended with an error, or did not end in time."""

    slug = "program-failed"
    exit_code = ExitCode.USER_CODE

    def __init__(
        self, *, command: str, exit_code: int, last_lines: Sequence[str] = (), timeout_s: float | None = None
    ) -> None:
        self.command, self.status, self.last_lines, self.timeout_s = command, exit_code, tuple(last_lines), timeout_s
        what = f"ended with exit code {exit_code}" if exit_code >= 0 else f"was ended by signal {-exit_code}"
        super().__init__(
            f"a program {what}" if timeout_s is None else f"a program did not end within {timeout_s:g} s",
            where=command,
            known=self.last_lines,
        )


class UnusablePredictionsError(GraphshipError):
    """A model answered with something that cannot be scored."""

    slug = "unusable-predictions"
    exit_code = ExitCode.USER_CODE

    def __init__(self, *, model: str, reason: str) -> None:
        self.model, self.reason = model, reason
        super().__init__(f"the answers of the {model} cannot be scored: {reason}")


# --- a host, a remote or a cluster that cannot be reached or refuses: exit 5 ---------------------------------------


class HostError(GraphshipError):
    """The root of what a repository host answers instead of doing what was asked."""

    slug = "host-error"
    exit_code = ExitCode.UNREACHABLE


class NotFoundOnHostError(HostError):
    """The host has no such object."""

    slug = "not-found-on-host"

    def __init__(self, *, host: str, kind: str, name: str) -> None:
        self.host, self.kind, self.name = host, kind, name
        super().__init__(f"there is no {kind} `{name}`", where=host)


class AlreadyExistsOnHostError(HostError):
    """What was to be created exists already, and the host allows only one."""

    slug = "already-exists-on-host"

    def __init__(self, *, host: str, kind: str, name: str, url: str) -> None:
        self.host, self.kind, self.name, self.url = host, kind, name, url
        super().__init__(f"there is a {kind} `{name}` already", where=host, known=[url])


class HostRefusedError(HostError):
    """The host understood and said no."""

    slug = "host-refused"

    def __init__(self, *, host: str, action: str, reason: str, hint: str | None = None) -> None:
        self.host, self.action, self.reason = host, action, reason
        super().__init__(f"the host refused to {action}: {reason}", where=host, hint=hint)


class StaleOnHostError(HostError):
    """An object was changed on the host after it was read; reading again helps."""

    slug = "stale-on-host"
    is_temporary = True

    def __init__(self, *, host: str, kind: str, name: str) -> None:
        self.host, self.kind, self.name = host, kind, name
        super().__init__(f"the {kind} `{name}` was changed by somebody else after it was read", where=host)


class HostBusyError(HostError):
    """Another process holds the lock of the local host."""

    slug = "host-busy"
    is_temporary = True

    def __init__(self, *, lock: str, waited_s: float) -> None:
        self.lock, self.waited_s = lock, waited_s
        super().__init__(
            f"another process has been writing to the local host for more than {waited_s:g} s",
            where=lock,
            hint="wait for it to end, or end it",
        )


class HostDataError(HostError):
    """A file of the local host cannot be read as what it should be."""

    slug = "host-data"

    def __init__(self, *, file: str, reason: str) -> None:
        self.file, self.reason = file, reason
        super().__init__(
            f"a file of the local host is damaged: {reason}",
            where=file,
            hint="put the file back from a copy, or delete it to lose that one object",
        )


class MergeConflictError(HostError):
    """A change request cannot be merged because both sides changed the same lines."""

    slug = "merge-conflict"

    def __init__(self, *, host: str, number: int, source: str, target: str, files: Sequence[str]) -> None:
        self.host, self.number, self.source, self.target, self.files = host, number, source, target, tuple(files)
        super().__init__(
            f"change request {number} cannot be merged: `{source}` and `{target}` both changed the same lines",
            where=host,
            known=[f"in conflict: {quoted(files)}"] if files else [],
            hint=f"merge `{target}` into `{source}`, mend the conflict, push, and merge again",
        )
