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
import re
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


_REFERENCE = "https://github.com/graphship/graphship/blob/main/docs/reference"
"""Where the reference pages are read by those who installed a package and have no checkout."""


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
    """Return the candidate that `name` was most likely meant to be, or None; upper and lower case are alike."""
    by_lower = {candidate.lower(): candidate for candidate in candidates}
    meant = name.lower()
    close = difflib.get_close_matches(meant, by_lower, n=3, cutoff=0.6)
    if not close:
        return None
    # of equally similar ones the one of like length: `retry` is rather `retries` than `retry-wait`
    ratios = {one: difflib.SequenceMatcher(a=one, b=meant).ratio() for one in close}
    return by_lower[max(close, key=lambda one: (ratios[one], -abs(len(one) - len(meant))))]


def quoted(names: Iterable[str]) -> str:
    """Join names as a message shows them: each in backticks, separated by commas."""
    return ", ".join(f"`{name}`" for name in names)


def _first(names: Sequence[str], limit: int = 20) -> str:
    """Return names as :func:`quoted` does, at most `limit` of them."""
    return quoted(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


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
        # a traceback shows the first line and these; `cli` shows the parts themselves
        for place in self.where:
            self.add_note(f"  --> {place}")
        for line in self.known:
            self.add_note(f"  {line}")
        if hint:
            self.add_note(f"hint: {hint}")

    def found_at(self, place: str) -> None:
        """Tell the place in the user's files, learned by whoever knows it; the one that is known already stays."""
        if not self.where:
            self.where = (place,)
            self.__notes__ = [f"  --> {place}", *getattr(self, "__notes__", ())]


# --- usage and configuration: exit 2 -------------------------------------------------------------------------------


class MissingExtraError(GraphshipError):
    """A command needs a library that is not installed."""

    slug = "missing-extra"

    def __init__(self, *, extra: str, module: str) -> None:
        self.extra, self.module = extra, module
        super().__init__(
            f"this needs the library `{module}`, which is not installed",
            hint=how_to_install(extra, _installed_from()),
        )


def how_to_install(extra: str, direct_url: Mapping[str, Any] | None) -> str:
    """Return how graphship gets one more extra, from the place that it was installed from itself.

    Args:
        extra: its name.
        direct_url: what the installer noted about the place (PEP 610); empty when it was a package index, None when
            graphship was not installed at all, or when the place is gone.
    """
    if direct_url is None:
        return f'install graphship again with its extra `{extra}`, as its README says under "Use it on your project"'
    if not direct_url:
        return f"pip install 'graphship[{extra}]'"
    from shlex import quote

    url = str(direct_url["url"])
    if "dir_info" in direct_url:
        option = "-e " if direct_url["dir_info"].get("editable") else ""
        return f"pip install {option}{quote(f'{_path_of(url)}[{extra}]')}"
    version = direct_url.get("vcs_info")
    where = f"{version['vcs']}+{url}@{version['commit_id']}" if version else url
    return f"pip install {quote(f'graphship[{extra}] @ {where}')}"


def _installed_from() -> Mapping[str, Any] | None:
    import json
    from importlib.metadata import PackageNotFoundError, distribution
    from pathlib import Path

    try:
        noted: dict[str, Any] = json.loads(distribution("graphship").read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        return None
    return None if "dir_info" in noted and not Path(_path_of(noted["url"])).is_dir() else noted


def _path_of(url: str) -> str:
    from urllib.parse import unquote, urlsplit

    return unquote(urlsplit(url).path)


class NotAProjectError(GraphshipError):
    """No ``graphship.yaml`` in this folder or above it."""

    slug = "not-a-project"

    def __init__(self, *, start: str, similar: str | None = None, below: Sequence[str] = ()) -> None:
        self.start, self.similar, self.below = start, similar, tuple(below)
        hint = "run `graphship init` in the top folder of your repository"
        if similar:
            hint = f"rename `{similar}` to `graphship.yaml`"
        elif below:
            hint = f"go to the project's folder, or add `--project {below[0]}`"
        super().__init__(
            "no `graphship.yaml` in this folder or in any folder above it",
            where=start,
            known=[f"projects below: {quoted(below)}"] if below else [],
            hint=hint,
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
            hint=f"the keys and their types: {_REFERENCE}/graphship-yaml.md",
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


class InvalidPluginError(GraphshipError):
    """Another package offers an adapter that cannot be used."""

    slug = "invalid-plugin"

    def __init__(self, *, kind: str, name: str, source: str, reason: str) -> None:
        self.kind, self.name, self.source, self.reason = kind, name, source, reason
        super().__init__(
            f"the {kind} `{name}` of another package cannot be used: {reason}",
            where=source,
            hint="update or uninstall the package that brings it",
        )


class WouldOverwriteError(GraphshipError):
    """A file that we would write is there already."""

    slug = "would-overwrite"

    def __init__(self, *, file: str) -> None:
        self.file = file
        super().__init__(
            f"`{file}` exists already and was left as it is",
            hint="`--dry-run` prints what would be written, `--force` replaces the file",
        )


class FileNotWritableError(GraphshipError):
    """A file of the project cannot be written."""

    slug = "file-not-writable"

    def __init__(self, *, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        is_full = "space left" in reason or "quota" in reason
        super().__init__(
            f"the file cannot be written: {reason.lower()}",
            where=path,
            hint="make room on that disk" if is_full else "check the owner and the rights of its folder",
        )


class InvalidVariableError(GraphshipError):
    """An environment variable that describes the run has a value that makes no sense."""

    slug = "invalid-variable"

    def __init__(self, *, variable: str, value: str, expected: str, choices: Sequence[str] = ()) -> None:
        self.variable, self.value, self.expected, self.choices = variable, value, expected, tuple(choices)
        close = nearest(value, choices)
        super().__init__(
            f"`{variable}` is `{value}`; expected {expected}",
            where=f"environment variable {variable}",
            known=[f"known: {quoted(choices)}"] if choices else [],
            hint=f"did you mean `{close}`?" if close else None,
        )


class MissingVariableError(GraphshipError):
    """What the run is about cannot be found out, and no environment variable says it."""

    slug = "missing-variable"

    def __init__(self, *, fact: str, variables: Sequence[str], example: str) -> None:
        self.variables, self.example = tuple(variables), example
        super().__init__(
            fact,
            known=[f"looked at the environment variables {quoted(variables)}"],
            hint=f"set `{variables[0]}={example}`",
        )


class OutputFileError(GraphshipError):
    """A file that an environment variable names for our outputs cannot be written."""

    slug = "output-file"

    def __init__(self, *, variable: str, path: str, reason: str) -> None:
        self.variable, self.path, self.reason = variable, path, reason
        super().__init__(
            f"`{variable}` names a file that cannot be written: {reason.lower()}",
            where=path,
            hint=f"name a file in a folder that exists and is writable, or unset `{variable}`",
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


class NoHostError(GraphshipError):
    """A command writes on the repository's host, and there is none that we know, or no token for it."""

    slug = "no-host"

    def __init__(self) -> None:
        super().__init__(
            "nothing says on which host this repository is, or there is no token for it",
            hint="set `GRAPHSHIP_TOKEN`; for a server of your own `GRAPHSHIP_HOST` and `GRAPHSHIP_API_URL` too",
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


class NothingInCommonError(GraphshipError):
    """The window has none of the columns that the reference is compared by."""

    slug = "nothing-in-common"

    def __init__(
        self, *, reference: str, window: str, reference_columns: Sequence[str], window_columns: Sequence[str]
    ) -> None:
        self.reference, self.window = reference, window
        self.reference_columns, self.window_columns = tuple(reference_columns), tuple(window_columns)
        super().__init__(
            f"`{reference}` and `{window}` have no column in common to compare",
            known=[
                f"`{reference}`: {quoted(reference_columns) or 'none'}",
                f"`{window}`: {quoted(window_columns) or 'none'}",
            ],
            hint="give two tables of the same kind of rows; names must match, upper and lower case too",
        )


class UnknownTimeColumnError(GraphshipError):
    """The time column is not in the table, or holds no times."""

    slug = "unknown-time-column"

    def __init__(self, *, path: str, column: str, columns: Sequence[str], found_type: str | None = None) -> None:
        self.path, self.column, self.columns, self.found_type = path, column, tuple(columns), found_type
        close = nearest(column, [name for name in columns if name != column])
        super().__init__(
            f"`{path}` has no column `{column}`"
            if found_type is None
            else f"column `{column}` of `{path}` is of type {found_type}, not a time",
            known=[f"columns: {quoted(columns)}"],
            hint=f"did you mean `{close}`?" if close and found_type is None else "name a column of timestamps",
        )


class NotARepositoryError(GraphshipError):
    """A folder is not inside a Git work tree."""

    slug = "not-a-repository"

    def __init__(self, *, path: str) -> None:
        self.path = path
        super().__init__(
            "this folder is not in a Git repository",
            where=path,
            hint="run `git init` in the top folder of your project and commit your files",
        )


class NoCommitYetError(GraphshipError):
    """A repository has no commit, so nothing in it has a version."""

    slug = "no-commit-yet"

    def __init__(self, *, path: str) -> None:
        self.path = path
        super().__init__(
            "the repository has no commit yet",
            where=path,
            hint="commit your files: `git add . && git commit -m 'the first version'`",
        )


def _other_revision(revision: str, known_names: Sequence[str]) -> str:
    """Return what to type instead of a revision that there is not."""
    name = re.split(r"[~^]", revision, maxsplit=1)[0]
    if name != revision and name in {"HEAD", "@", *known_names}:
        return f"`{name}` has no such ancestor; `git log --oneline {name}` lists its commits"
    close = nearest(name, known_names)
    return f"did you mean `{close}`?" if close else "`git log --all --oneline` lists the commits"


class UnknownRevisionError(GraphshipError):
    """A name that was given for a commit is none that this clone knows."""

    slug = "unknown-revision"

    def __init__(self, *, revision: str, is_shallow: bool, known_names: Sequence[str] = ()) -> None:
        self.revision, self.is_shallow, self.known_names = revision, is_shallow, tuple(known_names)
        known: list[str] = []
        hint = _other_revision(revision, known_names)
        if is_shallow:
            known = ["the clone is shallow: its history was cut off when it was made"]
            hint = "fetch the whole history: `git fetch --unshallow` (in CI: `fetch-depth: 0` or `GIT_DEPTH: 0`)"
        super().__init__(f"there is no commit `{revision}` in this clone", known=known, hint=hint)


class UnsafeNameError(GraphshipError):
    """A branch, a revision or a path that a program would take for something else."""

    slug = "unsafe-name"

    def __init__(
        self, *, kind: str, name: str, reason: str = "it begins with `-`, so Git would read an option"
    ) -> None:
        self.kind, self.name, self.reason = kind, name, reason
        super().__init__(f"the {kind} `{name}` is refused: {reason}", hint=f"give the {kind} another name")


class ForeignRepositoryError(GraphshipError):
    """Git refuses to work in a folder that belongs to another user."""

    slug = "foreign-repository"

    def __init__(self, *, path: str) -> None:
        self.path = path
        super().__init__(
            "Git refuses this repository because its folder belongs to another user",
            where=path,
            hint=f"allow this one folder: `git config --global --add safe.directory '{path}'`",
        )


class GitFailedError(GraphshipError):
    """A Git command failed for a reason that has no text of its own."""

    slug = "git-failed"

    def __init__(self, *, command: str, message: str) -> None:
        self.command, self.message = command, message
        super().__init__("a Git command failed", where=command, known=message.splitlines())


class NotADvcProjectError(GraphshipError):
    """A folder is not inside a DVC project."""

    slug = "not-a-dvc-project"

    def __init__(self, *, path: str, revision: str | None = None) -> None:
        self.path, self.revision = path, revision
        super().__init__(
            "this folder is not in a DVC project" + (f" at `{revision}`" if revision else ""),
            where=path,
            hint="DVC came later: compare with a newer commit"
            if revision
            else "run `dvc init` in the top folder of your repository",
        )


class NoPipelineError(GraphshipError):
    """A DVC project has no ``dvc.yaml``, so there is nothing to run."""

    slug = "no-pipeline"

    def __init__(self, *, path: str) -> None:
        self.path = path
        super().__init__(
            "the project has no `dvc.yaml`, so there is no pipeline to run",
            where=path,
            hint="add a stage: `dvc stage add -n train -d train.py -o model.onnx python train.py`",
        )


class InvalidDvcFileError(GraphshipError):
    """A file that DVC reads cannot be understood."""

    slug = "invalid-dvc-file"

    def __init__(self, *, file: str, message: str, revision: str | None = None, is_conflict: bool = False) -> None:
        self.file, self.message, self.revision, self.is_conflict = file, message, revision, is_conflict
        lines = re.findall(r'"<unicode string>", line (\d+)', message)  # as YAML's readers call what they were given
        named = f"{file}:{lines[-1]}" if lines else file
        place = f"{named} at `{revision}`" if revision else named
        if is_conflict:
            super().__init__(
                f"`{file}` holds marks of a merge conflict",
                where=place,
                hint="take either side of the file, then run `graphship run`",
            )
        else:
            super().__init__(
                f"`{file}` cannot be read", where=place, known=message.replace('"<unicode string>"', file).splitlines()
            )


class DvcBusyError(GraphshipError):
    """Another process holds DVC's lock on the project."""

    slug = "dvc-busy"
    is_temporary = True

    def __init__(self, *, path: str, holders: Sequence[str] = ()) -> None:
        self.path, self.holders = path, tuple(holders)
        super().__init__(
            "another DVC process is working in this project",
            where=path,
            known=self.holders,
            hint="wait until it has ended; if none runs, remove `.dvc/tmp/lock` and `.dvc/tmp/rwlock`",
        )


class NoDataRemoteError(GraphshipError):
    """The project has no default DVC remote, so objects can be neither sent nor fetched."""

    slug = "no-data-remote"

    def __init__(self, *, remotes: Sequence[str] = ()) -> None:
        self.remotes = tuple(remotes)
        super().__init__(
            "no default DVC remote is configured",
            known=[f"remotes: {quoted(remotes)}"] if remotes else [],
            hint=f"`dvc remote default {remotes[0]}`"
            if remotes
            else "`dvc remote add -d NAME URL`; a folder is a URL too",
        )


class DvcFailedError(GraphshipError):
    """DVC refused for a reason that has no text of its own."""

    slug = "dvc-failed"

    def __init__(self, *, doing: str, message: str) -> None:
        self.doing, self.message = doing, message
        super().__init__(f"DVC could not {doing}", known=message.splitlines())


class GraphCycleError(GraphshipError):
    """Steps of a serving graph lead back to themselves."""

    slug = "graph-cycle"

    def __init__(self, *, graph: str, cycle: Sequence[str]) -> None:
        self.graph, self.cycle = graph, tuple(cycle)
        super().__init__(
            f"the steps of graph `{graph}` lead in a circle: " + " → ".join(f"`{name}`" for name in cycle),
            hint=f"take `{cycle[-2]}` out of the steps before `{cycle[-1]}`",
        )


class UnknownStepError(GraphshipError):
    """A step refers to a step that the graph does not define."""

    slug = "unknown-step"

    def __init__(self, *, graph: str, step: str, relation: str, name: str, known_names: Sequence[str]) -> None:
        self.graph, self.step, self.relation, self.name = graph, step, relation, name
        self.known_names = tuple(known_names)
        close = nearest(name, known_names)
        super().__init__(
            f"step `{step}` {relation} `{name}`, which the graph `{graph}` does not define",
            known=[f"defined steps: {quoted(known_names)}"] if known_names else ["no step is defined yet"],
            hint=f"did you mean `{close}`?" if close else f"name a step that is defined, or add one named `{name}`",
        )


class DuplicateStepError(GraphshipError):
    """Two steps or two models of a graph have one name."""

    slug = "duplicate-step"

    def __init__(self, *, graph: str, name: str, kind: str = "step") -> None:
        self.graph, self.name, self.kind = graph, name, kind
        super().__init__(
            f"the graph `{graph}` has two {kind}s named `{name}`",
            hint="give one of them another name",
        )


class TwoRespondersError(GraphshipError):
    """More than one step gives the answer."""

    slug = "two-responders"

    def __init__(self, *, graph: str, steps: Sequence[str]) -> None:
        self.graph, self.steps = graph, tuple(steps)
        super().__init__(
            f"the graph `{graph}` would answer twice: {quoted(steps)} all respond",
            hint="leave `respond` on the one step whose result is the answer",
        )


class UnreachableStepError(GraphshipError):
    """Nothing leads to a step."""

    slug = "unreachable-step"

    def __init__(self, *, graph: str, steps: Sequence[str]) -> None:
        self.graph, self.steps = graph, tuple(steps)
        plural = len(steps) > 1
        super().__init__(
            f"nothing leads to the step{'s' if plural else ''} {quoted(steps)} of graph `{graph}`",
            hint=f"name the step before `{steps[0]}` in its `after`, or `request` when it comes first",
        )


class UnansweredBranchError(GraphshipError):
    """A branch ends without leading to the step that responds, or nobody says which branch responds."""

    slug = "unanswered-branch"

    def __init__(self, *, graph: str, ends: Sequence[str], responder: str | None) -> None:
        self.graph, self.ends, self.responder = graph, tuple(ends), responder
        if responder is None:
            fact = f"the graph `{graph}` ends in {quoted(ends)}, and none of them responds"
            hint = "join the branches in one step, and call `.respond()` on it"
        else:
            fact = f"the answer of graph `{graph}` comes from `{responder}`, where {quoted(ends)} does not lead"
            hint = f"lead `{ends[0]}` to `{responder}`, or take it out"
        super().__init__(fact, hint=hint)


class EmptyGraphError(GraphshipError):
    """A graph without steps."""

    slug = "empty-graph"

    def __init__(self, *, graph: str) -> None:
        self.graph = graph
        super().__init__(f"the graph `{graph}` has no steps", hint='add one: `graph.to("serving.features:enrich")`')


class UnansweredChoiceError(GraphshipError):
    """A choice can take a branch that does not lead to the answer."""

    slug = "unanswered-choice"

    def __init__(self, *, graph: str, choice: str, branches: Sequence[str], responders: Sequence[str]) -> None:
        self.graph, self.choice = graph, choice
        self.branches, self.responders = tuple(branches), tuple(responders)
        super().__init__(
            f"the graph `{graph}` has no answer when the choice `{choice}` takes {quoted(branches)}",
            known=[f"the answer is the result of {quoted(responders)}"],
            hint=f"lead {quoted(branches)} to a step whose result is the answer",
        )


class InvalidCallError(GraphshipError):
    """What makes a graph in Python was called in a way that it cannot be."""

    slug = "invalid-call"

    def __init__(self, *, call: str, reason: str, hint: str | None = None) -> None:
        self.call, self.reason = call, reason
        super().__init__(f"`{call}` {reason}", hint=hint)


class UnknownInputTypeError(GraphshipError):
    """A graph says of a column of its input that it is of a type that there is not."""

    slug = "unknown-input-type"

    def __init__(self, *, column: str, found: str, known_types: Sequence[str], meant: str | None) -> None:
        self.column, self.found, self.known_types = column, found, tuple(known_types)
        super().__init__(
            f"the input `{column}` is of the type {found}, which is none",
            known=[f"types: {quoted(known_types)}; with `?` behind it when the column may be missing or null"],
            hint=f"did you mean `{meant}`?" if meant else None,
        )


class InvalidStepError(GraphshipError):
    """Something was given as a step that cannot be one."""

    slug = "invalid-step"

    def __init__(self, *, step: str, reason: str, hint: str | None = None) -> None:
        self.step, self.reason = step, reason
        super().__init__(f"step `{step}` {reason}", hint=hint)


class MissingSecretError(GraphshipError):
    """A step takes a secret from the environment, and the environment does not have it."""

    slug = "missing-secret"

    def __init__(self, *, step: str, variable: str) -> None:
        self.step, self.variable = step, variable
        super().__init__(
            f"step `{step}` needs the environment variable `{variable}`, which is not set, or empty",
            where=f"environment variable {variable}",
            hint=f"set `{variable}` for the serving process",
        )


class InvalidMetricError(GraphshipError):
    """A step makes a metric that cannot be shown."""

    slug = "invalid-metric"

    def __init__(self, *, name: str, reason: str, hint: str | None = None) -> None:
        self.name, self.reason = name, reason
        super().__init__(f"the metric `{name}` {reason}", hint=hint)


class StepNotImportableError(GraphshipError):
    """A step lives only in this process, so the graph cannot be written down."""

    slug = "step-not-importable"

    def __init__(self, *, graph: str, step: str, what: str) -> None:
        self.graph, self.step, self.what = graph, step, what
        super().__init__(
            f"step `{step}` of graph `{graph}` is {what}, which a server process cannot import",
            hint="put it into a module as a function or class, and name it `module:function`",
        )


class GraphFileError(GraphshipError):
    """A graph written as YAML or JSON has mistakes; all of them are told at once."""

    slug = "invalid-graph-file"

    def __init__(self, *, file: str, problems: Sequence[Problem]) -> None:
        self.file, self.problems = file, tuple(problems)
        count = len(self.problems)
        super().__init__(
            f"the graph in `{file}` has {count} mistake{'s' if count != 1 else ''}",
            known=[
                f"{problem.location}: {problem.fact}" + (f" ({problem.hint})" if problem.hint else "")
                for problem in self.problems
            ],
            hint=f"the keys and their types: {_REFERENCE}/graph-yaml.md",
        )


class GraphNotFoundError(GraphshipError):
    """The file that should hold the graph, or the name in it, does not exist."""

    slug = "graph-not-found"

    def __init__(self, *, reference: str, reason: str, known_names: Sequence[str], name: str) -> None:
        self.reference, self.reason, self.known_names = reference, reason, tuple(known_names)
        close = nearest(name, known_names)
        super().__init__(
            f"no serving graph at `{reference}`: {reason}",
            known=[f"there are: {quoted(known_names)}"] if known_names else [],
            hint=f"did you mean `{close}`?" if close else "the form is `path/to/file.py:name` or `path/to/file.yaml`",
        )


class UnknownModuleError(GraphshipError):
    """A step's reference names a Python module that cannot be found."""

    slug = "unknown-module"

    def __init__(self, *, step: str, reference: str, module: str, known_names: Sequence[str], where: str) -> None:
        self.step, self.reference, self.module = step, reference, module
        self.known_names = tuple(known_names)
        close = nearest(module, known_names)
        super().__init__(
            f"step `{step}` is `{reference}`, and there is no module `{module}`",
            where=where,
            known=[f"modules there: {quoted(known_names)}"] if known_names else [],
            hint=f"did you mean `{close}`?" if close else "install the package, or add the file to the project",
        )


class UnknownFunctionError(GraphshipError):
    """A step's reference names a function or class that its module does not have."""

    slug = "unknown-function"

    def __init__(self, *, step: str, reference: str, name: str, file: str, known_names: Sequence[str]) -> None:
        self.step, self.reference, self.name = step, reference, name
        self.known_names = tuple(known_names)
        close = nearest(name, known_names)
        super().__init__(
            f"step `{step}` is `{reference}`, and `{file}` defines no `{name}`",
            where=file,
            known=[f"it defines: {_first(known_names)}"] if known_names else ["it defines nothing"],
            hint=f"did you mean `{close}`?" if close else f"define `{name}` there, or name one of those",
        )


class MissingGraphFileError(GraphshipError):
    """A model or data file that the graph opens is not there."""

    slug = "missing-graph-file"

    def __init__(self, *, kind: str, path: str, user: str, known_names: Sequence[str]) -> None:
        self.kind, self.path, self.user, self.known_names = kind, path, user, tuple(known_names)
        close = nearest(path, known_names)
        super().__init__(
            f"{user} opens the {kind} file `{path}`, which does not exist",
            where=path,
            known=[f"files there: {quoted(known_names)}"] if known_names else [],
            hint=f"did you mean `{close}`?" if close else "run the pipeline (`graphship run`) or `dvc pull`",
        )


class OutsideProjectError(GraphshipError):
    """A graph names a model or data file outside of the project, which could not travel with it."""

    slug = "outside-project"

    def __init__(self, *, kind: str, path: str, user: str) -> None:
        self.kind, self.path, self.user = kind, path, user
        super().__init__(
            f"{user} opens the {kind} file `{path}`, which lies outside the project",
            hint="name a file in the project, relative to its folder",
        )


class UnsupportedModelError(GraphshipError):
    """No loader for a model file, or one that is refused because reading it runs code."""

    slug = "unsupported-model"

    def __init__(self, *, path: str, suffix: str, runs_code: bool, supported: Sequence[str]) -> None:
        self.path, self.suffix, self.runs_code, self.supported = path, suffix, runs_code, tuple(supported)
        reason = "reading such a file runs the code in it" if runs_code else f"nothing loads `{suffix or 'no suffix'}`"
        super().__init__(
            f"the model `{path}` is refused: {reason}",
            where=path,
            known=[f"formats: {quoted(supported)}"],
            hint="save it with `skops.io.dump` or export it to ONNX"
            if runs_code
            else "export it to ONNX, or derive a class from `ci_core.serving.Model` that reads it",
        )


class UntrustedModelError(GraphshipError):
    """A skops file holds types that are not on skops' list of trusted ones."""

    slug = "untrusted-model"

    def __init__(self, *, path: str, types: Sequence[str]) -> None:
        self.path, self.types = path, tuple(types)
        super().__init__(
            f"the model `{path}` holds types that are not trusted",
            where=path,
            known=[f"types: {quoted(types)}"],
            hint="if you made the file yourself, vouch for them in its route: "
            f"`trust: [{', '.join(types)}]`; else export it to ONNX",
        )


class NotLoweredError(GraphshipError):
    """A route with ``lower: on`` has a model that no cheaper form can replace."""

    slug = "not-lowered"

    def __init__(self, *, route: str, model: str, reason: str) -> None:
        self.route, self.model, self.reason = route, model, reason
        super().__init__(
            f"the route `{route}` asks for a lowered model, and `{model}` {reason}",
            where=model,
            hint="say `lower: auto` to let the original run where it cannot be lowered",
        )


class BrokenModelError(GraphshipError):
    """A model file cannot be read, or its inputs are of a kind that no loader here understands."""

    slug = "broken-model"

    def __init__(self, *, path: str, reason: str, hint: str | None = None) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"the model `{path}` cannot be used: {reason}", where=path, hint=hint)


class ModelColumnError(GraphshipError):
    """A table lacks a column that the model needs, or holds it in another type."""

    slug = "model-column"

    def __init__(self, *, model: str, column: str, reason: str, known_names: Sequence[str]) -> None:
        self.model, self.column, self.reason, self.known_names = model, column, reason, tuple(known_names)
        close = nearest(column, known_names)
        super().__init__(
            f"the model `{model}` needs the column `{column}`: {reason}",
            known=[f"columns there: {quoted(known_names)}"],
            hint=f"did you mean `{close}`?" if close else None,
        )


class PortTakenError(GraphshipError):
    """Another program listens on the port."""

    slug = "port-taken"

    def __init__(self, *, host: str, port: int, reason: str) -> None:
        self.host, self.port, self.reason = host, port, reason
        super().__init__(
            f"cannot listen on port {port}: {reason}",
            where=f"{host}:{port}",
            hint="choose another with `--port`, or `--port 0` for any free one",
        )


class ListenAddressError(GraphshipError):
    """A server cannot listen there: this machine does not have the address, or may not use the port."""

    slug = "listen-address"

    def __init__(self, *, host: str, port: int, reason: str) -> None:
        self.host, self.port, self.reason = host, port, reason
        super().__init__(
            f"cannot listen on the host `{host}`, port {port}: {reason}",
            where=f"{host}:{port}",
            hint="give `--host` an address of this machine: `127.0.0.1` to be reached from here alone, `0.0.0.0` from "
            "everywhere; and `--port` a number from 1024 to 65535, or 0 for any that is free",
        )


class QueueUrlError(GraphshipError):
    """The address of the message broker cannot be used."""

    slug = "queue-url"

    def __init__(self, *, schemes: Sequence[str]) -> None:
        self.schemes = tuple(schemes)
        # the address itself is not told: it may hold a password
        super().__init__(
            "the address of the queues' broker is none that we know",
            where="GRAPHSHIP_QUEUE_URL",
            known=[f"it begins with {' or '.join(f'`{scheme}://`' for scheme in self.schemes)}"],
            hint="such as `redis://localhost:6379/0`; without one, queues live in the serving process",
        )


class SharedStreamError(GraphshipError):
    """Two queue steps take messages out of one stream."""

    slug = "shared-stream"

    def __init__(self, *, stream: str, reader: str, readers: Sequence[str]) -> None:
        self.stream, self.reader, self.readers = stream, reader, tuple(readers)
        super().__init__(
            f"the stream `{stream}` is read by {quoted(self.readers)} already, so `{reader}` would miss messages",
            hint="a stream has one reader: give it another name, or remove a group that nobody uses any more "
            f"(`XGROUP DESTROY {stream} {self.readers[0]}`)",
        )


class FunctionAddressError(GraphshipError):
    """The address of a child function cannot be used."""

    slug = "function-address"

    def __init__(self, *, function: str, reason: str) -> None:
        self.function, self.reason = function, reason
        # the address itself is not told: it may hold a password
        super().__init__(
            f"the address of the function `{function}` {reason}",
            hint=f"such as `--function {function}=http://{function}:8080`, or `{function}=unix:/run/{function}.sock`",
        )


class UnknownFunctionNameError(GraphshipError):
    """No step of the graph names this function."""

    slug = "unknown-function-name"

    def __init__(self, *, graph: str, name: str, known_names: Sequence[str]) -> None:
        self.graph, self.name, self.known_names = graph, name, tuple(known_names)
        close = nearest(name, known_names)
        super().__init__(
            f"no step of the graph `{graph}` has the function `{name}`",
            known=[f"functions: {quoted(known_names)}" if known_names else "no step names a function"],
            hint=f"did you mean `{close}`?" if close else "a step names it with `function:`",
        )


class TwoFunctionsError(GraphshipError):
    """One process was asked to serve two child functions."""

    slug = "two-functions"

    def __init__(self, *, names: Sequence[str]) -> None:
        self.names = tuple(names)
        super().__init__(
            f"one process serves one function, not {quoted(self.names)}",
            hint="start one process for each; where another one runs is said by `--function NAME=URL`",
        )


class CaptureFolderError(GraphshipError):
    """The folder for captures cannot be written."""

    slug = "capture-not-writable"

    def __init__(self, *, folder: str, reason: str) -> None:
        self.folder, self.reason = folder, reason
        super().__init__(
            f"captures cannot be written: {reason}",
            where=folder,
            hint="make the folder writable, name another one, or serve without capture",
        )


class ReleaseFolderError(GraphshipError):
    """A folder is not a release that can be served."""

    slug = "invalid-release"

    def __init__(self, *, folder: str, reason: str) -> None:
        self.folder, self.reason = folder, reason
        super().__init__(
            f"this is not a release that can be served: {reason}",
            where=folder,
            hint="a release folder holds `release.json` and `bundle/`; `graphship deploy` makes one",
        )


class NoGraphError(GraphshipError):
    """The project does not say what it serves."""

    slug = "no-graph"

    def __init__(self, *, where: Location) -> None:
        super().__init__(
            "this project has no serving graph",
            where=where,
            hint="add `graph: serving/graph.py:graph` to graphship.yaml",
        )


class BundleFileMissingError(GraphshipError):
    """A file that the serving graph needs is not in the work tree."""

    slug = "bundle-file-missing"

    def __init__(self, *, path: str, needed_by: str) -> None:
        self.path, self.needed_by = path, needed_by
        super().__init__(
            f"the serving graph needs `{path}`, which is not there",
            where=needed_by,
            hint=f"dvc pull {path}",
        )


class BundleFileRefusedError(GraphshipError):
    """A file that the serving graph names must not go into a bundle."""

    slug = "bundle-file-refused"

    def __init__(self, *, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(
            f"`{path}` {reason}, so it cannot be shipped",
            hint="keep what the graph needs inside the project; DVC can hold large files "
            "(links to a cache outside it: `dvc config cache.type copy`)",
        )


class SmokeFileError(GraphshipError):
    """The file of smoke requests cannot be used."""

    slug = "invalid-smoke-file"

    def __init__(self, *, where: Location, problem: str) -> None:
        self.problem = problem
        super().__init__(
            f"the smoke requests cannot be read: {problem}",
            where=where,
            hint='each line is one JSON value: the body, or {"body": …, "path": "/", "status": 200}',
        )


class NothingToRollBackToError(GraphshipError):
    """A rollback was asked for and there is no release to go back to."""

    slug = "nothing-to-roll-back-to"

    def __init__(self, *, environment: str, wanted: str | None, kept: Sequence[str]) -> None:
        self.environment, self.wanted, self.kept = environment, wanted, tuple(kept)
        super().__init__(
            f"`{environment}` keeps no release `{wanted}`"
            if wanted
            else f"`{environment}` has no earlier release that worked",
            known=[f"kept: {quoted(self.kept)}"] if kept else [],
            hint=f"deploy a good commit: `graphship deploy {environment}`",
        )


class DirtyWorkTreeError(GraphshipError):
    """The work tree has changes that are not committed, and the command would lose them."""

    slug = "dirty-work-tree"

    def __init__(self, *, path: str) -> None:
        self.path = path
        super().__init__(
            "the work tree has changes that are not committed",
            where=path,
            hint="commit or stash them; `git status` lists them",
        )


class MissingIdentityError(GraphshipError):
    """Git does not know in whose name a tag is made."""

    slug = "missing-identity"

    def __init__(self, *, message: str) -> None:
        self.message = message
        super().__init__(
            "Git does not know in whose name the tag is made",
            known=message.splitlines()[-1:],
            hint="set `user.name` and `user.email` with `git config`, or GIT_COMMITTER_NAME and _EMAIL",
        )


class InvalidVersionError(GraphshipError):
    """A version that was typed is not a semantic version."""

    slug = "invalid-version"

    def __init__(self, *, version: str) -> None:
        self.version = version
        super().__init__(
            f"`{version}` is not a version",
            known=["expected three numbers, such as `v1.2.0` or `v2.0.0-rc.1` (https://semver.org)"],
        )


class VersionTakenError(GraphshipError):
    """A version cannot be registered: its name stands for another commit, or the commit has another one."""

    slug = "version-taken"

    def __init__(self, *, name: str, version: str, commit: str, reason: str, hint: str) -> None:
        self.name, self.version, self.commit, self.reason = name, version, commit, reason
        super().__init__(f"`{name}` cannot be registered as `{version}` at `{commit[:12]}`: {reason}", hint=hint)


class InvalidArtifactNameError(GraphshipError):
    """A name that the tags of the registry cannot hold."""

    slug = "invalid-artifact-name"

    def __init__(self, *, name: str) -> None:
        self.name = name
        super().__init__(
            f"nothing called `{name}` can be registered",
            known=["names begin and end with a letter or digit, and hold letters, digits, `-`, `_` and `/` between"],
            hint="give it another name under `artifacts` in its `dvc.yaml`",
        )


class SeveralModelsError(GraphshipError):
    """A model must be named, since the project declares several."""

    slug = "several-models"

    def __init__(self, *, names: Sequence[str]) -> None:
        self.names = tuple(names)
        super().__init__(
            f"the project declares {len(self.names)} models, and none was named",
            known=[f"declared: {_first(self.names)}"],
            hint=f"name it: `graphship register {names[0]}`",
        )


class StalePipelineError(GraphshipError):
    """A commit's results are not those of its code, data and params, so a version of it would be misleading."""

    slug = "stale-pipeline"

    def __init__(self, *, commit: str, stages: Sequence[str]) -> None:
        self.commit, self.stages = commit, tuple(stages)
        super().__init__(
            f"the pipeline is stale at `{commit[:12]}`: what is there was not made by its code, data and params",
            known=[f"stages that did not run: {_first(self.stages)}"],
            hint="`graphship run --push`, commit `dvc.lock`, and take that commit; `--force` takes this one",
        )


class TagsNotFetchedError(GraphshipError):
    """The remote has tags of the registry that this clone does not have."""

    slug = "tags-not-fetched"

    def __init__(self, *, remote: str, name: str, missing: Sequence[str], different: Sequence[str] = ()) -> None:
        self.remote, self.name, self.missing, self.different = remote, name, tuple(missing), tuple(different)
        known = [f"only there: {_first(self.missing)}"] if missing else []
        known += [f"another one there: {_first(self.different)}"] if different else []
        super().__init__(
            f"`{remote}` has tags of `{name}` that this clone does not have",
            known=known,
            hint=f"`git fetch {remote} --tags{' --force' if different else ''}`, then try again",
        )


class NotPromotableError(GraphshipError):
    """An environment has nothing that could be promoted to the next one."""

    slug = "not-promotable"

    def __init__(self, *, environment: str, reason: str, hint: str) -> None:
        self.environment, self.reason = environment, reason
        super().__init__(f"nothing is promoted from `{environment}`: {reason}", hint=hint)


class CannotRetrainError(GraphshipError):
    """The configuration asks for retraining but lacks what it needs."""

    slug = "cannot-retrain"

    def __init__(self, *, missing: str, where: Location | str, hint: str) -> None:
        self.missing = missing
        super().__init__(f"retraining needs {missing}", where=where, hint=hint)


class ForeignEventError(GraphshipError):
    """The event comes from a fork and asks for something that only trusted commits may do."""

    slug = "untrusted-event"

    def __init__(self, *, event: str) -> None:
        self.event = event
        super().__init__(
            f"a `{event}` event from another repository deploys nothing and reads no secret",
            hint="merge the change request; the merge runs with your rights",
        )


class NotCheckedOutError(GraphshipError):
    """The run is about another commit than the one in the work tree."""

    slug = "not-checked-out"

    def __init__(self, *, wanted: str, found: str) -> None:
        self.wanted, self.found = wanted, found
        super().__init__(
            f"this run is about commit `{wanted[:12]}`, and `{found[:12]}` is checked out",
            hint=f"check that commit out, and no merge of it: `git checkout {wanted}`",
        )


class DemoFolderTakenError(GraphshipError):
    """The folder that the demo wants to make holds something that no demo made."""

    slug = "demo-folder-taken"

    def __init__(self, *, path: str) -> None:
        self.path = path
        super().__init__(
            "the folder for the demo holds something else, and nothing of yours is removed",
            where=path,
            hint="name another folder: `graphship demo --folder ELSEWHERE`",
        )


# --- the user's code failed: exit 3 --------------------------------------------------------------------------------


class StageFailedError(GraphshipError):
    """A stage of the pipeline failed."""

    slug = "stage-failed"
    exit_code = ExitCode.USER_CODE

    def __init__(
        self, *, stage: str, reason: str, command: str = "", log: str | None = None, last_lines: Sequence[str] = ()
    ) -> None:
        self.stage, self.reason, self.command, self.log, self.last_lines = (
            stage,
            reason,
            command,
            log,
            tuple(last_lines),
        )
        super().__init__(
            f"the stage `{stage}` failed: {reason}",
            where=command or (),
            known=self.last_lines or ["the stage printed nothing"],
            hint=f"the whole output is in `{log}`" if log else None,
        )


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


class GraphCodeError(GraphshipError):
    """The user's graph code raised while it was imported or constructed."""

    slug = "graph-code-failed"
    exit_code = ExitCode.USER_CODE

    def __init__(
        self, *, what: str, exception: str, where: str, trace: Sequence[str], missing_module: str | None = None
    ) -> None:
        self.what, self.exception, self.trace, self.missing_module = what, exception, tuple(trace), missing_module
        super().__init__(
            f"{what} raised {exception}",
            where=where,
            known=trace,
            hint=f"install the package of `{missing_module}`, or add it to the project" if missing_module else None,
        )


# --- a deployment failed, what served before still does: exit 4 ------------------------------------------------------


class PlanOutdatedError(GraphshipError):
    """The environment moved between plan and apply."""

    slug = "plan-outdated"
    exit_code = ExitCode.DEPLOYMENT
    is_temporary = True

    def __init__(self, *, environment: str, planned_version: int, live_version: int, live: str | None) -> None:
        self.environment, self.planned_version, self.live_version = environment, planned_version, live_version
        super().__init__(
            f"`{environment}` changed since this plan was made",
            known=[
                f"planned on state {planned_version}, found state {live_version}",
                f"live now: `{live[:12]}`" if live else "live now: nothing",
            ],
            hint="look at what was deployed meanwhile, then plan again",
        )


class PlanRefusedError(GraphshipError):
    """The target cannot or will not do what the plan asks for."""

    slug = "plan-refused"
    exit_code = ExitCode.DEPLOYMENT

    def __init__(self, *, environment: str, release: str, reasons: Sequence[str], hint: str | None = None) -> None:
        self.environment, self.release, self.reasons = environment, release, tuple(reasons)
        super().__init__(f"release `{release[:12]}` is refused in `{environment}`", known=self.reasons, hint=hint)


class DeploymentFailedError(GraphshipError):
    """A candidate did not become good enough to serve; what served before still does."""

    slug = "deployment-failed"
    exit_code = ExitCode.DEPLOYMENT

    def __init__(
        self,
        *,
        environment: str,
        release: str,
        phase: str,
        reason: str,
        serving: str | None,
        last_lines: Sequence[str] = (),
        log: str | None = None,
    ) -> None:
        self.environment, self.release, self.phase, self.reason = environment, release, phase, reason
        self.serving, self.last_lines = serving, tuple(last_lines)
        keeps = f"release `{serving[:12]}` keeps serving" if serving else "nothing serves, as before"
        super().__init__(
            f"release `{release[:12]}` failed in `{environment}` at `{phase}`: {reason}",
            where=log or (),
            known=[*self.last_lines, keeps],
            hint="mend the cause and deploy again; the same release is refused from now on (`--force` overrides)",
        )


class EnvironmentPortTakenError(GraphshipError):
    """Another program listens where a deployment should."""

    slug = "environment-port-taken"
    exit_code = ExitCode.DEPLOYMENT

    def __init__(self, *, environment: str, host: str, port: int, reason: str) -> None:
        self.environment, self.host, self.port, self.reason = environment, host, port, reason
        super().__init__(
            f"`{environment}` cannot listen on port {port} of {host}: {reason}",
            hint=f"stop the program that uses it, or set `port` under environments.{environment} to another one",
        )


class BundleDamagedError(GraphshipError):
    """An archive is not the bundle that it should be."""

    slug = "bundle-damaged"
    exit_code = ExitCode.DEPLOYMENT

    def __init__(self, *, archive: str, reason: str) -> None:
        self.archive, self.reason = archive, reason
        super().__init__(f"the bundle is damaged: {reason}", where=archive, hint="build it again")


class SmokeFailedError(GraphshipError):
    """A candidate did not answer a smoke request as recorded."""

    slug = "smoke-failed"
    exit_code = ExitCode.DEPLOYMENT

    def __init__(self, *, number: int, expected: int, status: int | None, answer: str) -> None:
        self.number, self.expected, self.status, self.answer = number, expected, status, answer
        found = "got no answer" if status is None else f"was answered with status {status}"
        super().__init__(f"smoke request {number} {found}, expected {expected}", known=[answer])


class SupervisorError(GraphshipError):
    """The process that serves an environment on this machine does not do what it is told."""

    slug = "supervisor"
    exit_code = ExitCode.DEPLOYMENT

    def __init__(self, *, environment: str, reason: str, log: str, last_lines: Sequence[str] = ()) -> None:
        self.environment, self.reason, self.log = environment, reason, log
        super().__init__(f"the supervisor of `{environment}` {reason}", where=log, known=last_lines)


class StateFileError(GraphshipError):
    """The local target's record of an environment cannot be read."""

    slug = "state-file"
    exit_code = ExitCode.DEPLOYMENT

    def __init__(self, *, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(
            f"the state of this environment cannot be read: {reason}",
            where=path,
            hint="it is written in one step, so something else changed it; restore it, or move it away to start anew",
        )


# --- a check failed: exit 1 ----------------------------------------------------------------------------------------


class DemoRunFailedError(GraphshipError):
    """A run of ``graphship ci`` in the demo did not end well: the story cannot go on."""

    slug = "demo-run-failed"
    exit_code = ExitCode.CHECK_FAILED

    def __init__(self, *, event: str, exit_code: int, log: str, last_lines: Sequence[str]) -> None:
        self.event, self.run_exit_code, self.log = event, exit_code, log
        super().__init__(
            f"`graphship ci` for the event `{event}` ended with exit code {exit_code}",
            where=log,
            known=last_lines,
            hint="this should not happen on any machine; the log is worth a report",
        )


# --- a host, a remote or a cluster that cannot be reached or refuses: exit 5 ---------------------------------------


class HostError(GraphshipError):
    """The root of what a repository host answers instead of doing what was asked."""

    slug = "host-error"
    exit_code = ExitCode.UNREACHABLE


class NotFoundOnHostError(HostError):
    """The host has no such object."""

    slug = "not-found-on-host"

    def __init__(self, *, host: str, kind: str, name: str, hint: str | None = None) -> None:
        self.host, self.kind, self.name = host, kind, name
        super().__init__(f"there is no {kind} `{name}`", where=host, hint=hint)


class AlreadyExistsOnHostError(HostError):
    """What was to be created exists already, and the host allows only one."""

    slug = "already-exists-on-host"

    def __init__(self, *, host: str, kind: str, name: str, url: str) -> None:
        self.host, self.kind, self.name, self.url = host, kind, name, url
        super().__init__(f"there already is one {kind} `{name}`", where=host, known=[url])


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


class HostUnreachableError(HostError):
    """A host did not answer, broke off, or answered with an error of its own; a write may have been done."""

    slug = "host-unreachable"
    is_temporary = True

    def __init__(self, *, host: str, action: str, reason: str) -> None:
        self.host, self.action, self.reason = host, action, reason
        super().__init__(f"the host did not {action}: {reason}", where=host)


class HostAnswerError(HostError):
    """A host's answer is not what its interface promises: a page instead of data, or a part of it."""

    slug = "host-answer"
    is_temporary = True

    def __init__(self, *, host: str, action: str, reason: str) -> None:
        self.host, self.action, self.reason = host, action, reason
        super().__init__(
            f"what the host answered when asked to {action} makes no sense: {reason}",
            where=host,
            hint="is a proxy or a sign-in page between this job and the host?",
        )


class HostLimitError(HostError):
    """The host lets us make no more requests for a while; it did nothing."""

    slug = "host-limit"
    is_temporary = True

    def __init__(self, *, host: str, action: str, wait_s: float | None, waited_s: float = 0) -> None:
        self.host, self.action, self.wait_s, self.waited_s = host, action, wait_s, waited_s
        asks = "" if wait_s is None else f"; it asks to wait {wait_s:.0f} s"
        super().__init__(
            f"the host takes no more requests for now, so it did not {action}{asks}",
            where=host,
            known=[f"waited {waited_s:.0f} s already"] if waited_s else [],
            hint="start the job again later; what is written already is not written twice",
        )


class HostTokenError(HostError):
    """The host does not know our token: it is missing, wrong, expired, or of a kind that cannot do this."""

    slug = "host-token"

    def __init__(self, *, host: str, action: str, reason: str, hint: str) -> None:
        self.host, self.action, self.reason = host, action, reason
        super().__init__(f"the host did not let us {action}: {reason}", where=host, hint=hint)


class HostPermissionError(HostError):
    """The host knows our token, which lacks one permission."""

    slug = "host-permission"

    def __init__(self, *, host: str, action: str, permission: str, hint: str) -> None:
        self.host, self.action, self.permission = host, action, permission
        super().__init__(f"the token may not {action}: it lacks `{permission}`", where=host, hint=hint)


class DeliveryRefusedError(GraphshipError):
    """What an untrusted run handed over for delivery is not what such a run hands over."""

    slug = "delivery-refused"

    def __init__(self, *, path: str, reasons: Sequence[str]) -> None:
        self.path, self.reasons = path, tuple(reasons)
        super().__init__(
            "this report is not delivered",
            where=path,
            known=self.reasons,
            hint="nothing was posted; a report is made anew by the run of a new push",
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


class GitRemoteError(GraphshipError):
    """A Git remote cannot be reached or refuses us."""

    slug = "git-remote"
    exit_code = ExitCode.UNREACHABLE

    def __init__(self, *, remote: str, url: str, doing: str, message: str, is_denied: bool = False) -> None:
        self.remote, self.url, self.doing, self.message, self.is_denied = remote, url, doing, message, is_denied
        self.is_temporary = not is_denied  # type: ignore[misc] # what the class says in general, one error knows better
        super().__init__(
            f"the remote `{remote}` {'does not let us' if is_denied else 'was not reached to'} {doing}",
            where=url,
            known=message.splitlines(),
            hint="check the token or key of this job and that it may read and write the repository's contents"
            if is_denied
            else None,
        )


class PushRejectedError(GraphshipError):
    """A Git remote was reached and did not take a branch."""

    slug = "push-rejected"
    exit_code = ExitCode.UNREACHABLE

    REASONS: ClassVar[dict[str, tuple[str, str]]] = {
        "moved": ("it moved since we looked", "fetch and try again"),
        "protected": ("the branch is protected", "allow this job to push, or let it push to another branch"),
        "hook": ("a hook of the remote declined it", "the lines above are the hook's own words"),
        "denied": ("we may not write there", "give this job's token or key write access to the contents"),
        "refused": ("the remote refused it", "the lines above are the remote's own words"),
    }
    """Reason → what happened, what to do."""

    def __init__(self, *, ref: str, remote: str, reason: str, message: str) -> None:
        self.ref, self.remote, self.reason, self.message = ref, remote, reason, message
        self.is_temporary = reason == "moved"  # type: ignore[misc] # what the class says in general, one error knows better
        said, hint = self.REASONS[reason]
        super().__init__(
            f"`{remote}` did not take `{ref}`: {said}", where=remote, known=message.splitlines(), hint=hint
        )


class MissingObjectsError(GraphshipError):
    """Files that DVC keeps are not where they must be."""

    slug = "missing-objects"
    exit_code = ExitCode.UNREACHABLE

    SHOWN = 20
    """Files that the message names; the count is always told."""

    def __init__(self, *, place: str, files: Sequence[tuple[str, int | None]], hint: str) -> None:
        self.place, self.files = place, tuple(files)
        count = len(self.files)
        lines = [
            f"`{path}` ({'size unknown' if size is None else f'{size:,} byte' + 's' * (size != 1)})"
            for path, size in self.files
        ]
        more = [f"and {count - self.SHOWN} more"] if count > self.SHOWN else []
        super().__init__(
            f"{count} file{'s are' if count != 1 else ' is'} missing in {place}",
            known=[*lines[: self.SHOWN], *more],
            hint=hint,
        )


class DataRemoteError(GraphshipError):
    """The DVC remote cannot be reached or refuses us."""

    slug = "data-remote"
    exit_code = ExitCode.UNREACHABLE
    is_temporary = True

    def __init__(self, *, doing: str, remote: str, message: str) -> None:
        self.doing, self.remote, self.message = doing, remote, message
        plugin = re.search(r"requires '(dvc-[a-z0-9-]+)' to be installed", message)
        super().__init__(
            f"the DVC remote `{remote}` did not let us {doing}",
            known=message.splitlines(),
            hint=f"pip install {plugin[1]}" if plugin else None,
        )
