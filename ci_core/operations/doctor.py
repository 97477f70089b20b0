"""Say what a project lacks, in the order to mend it. Reads; changes nothing and asks no remote (`doctor_remotes` does).

One function a check; a check that makes the following ones meaningless ends the list. Most findings are the errors that
a later command would stop with, told before it does.
"""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from ci_core.ci.plain_event import BRANCH_VARIABLES
from ci_core.errors import (
    ConfigError,
    GraphFileError,
    GraphshipError,
    InvalidDvcFileError,
    MissingExtraError,
    NoDataRemoteError,
    NoPipelineError,
    NotAProjectError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from ci_core.config.settings import Settings
    from ci_core.types import CommitId, JsonValue

EXTRAS = {
    "ci": ("pydantic", "git", "jinja2", "markdown_it", "filelock", "rich", "ruamel.yaml"),
    "dvc": ("dvc", "gto"),
    "serve": ("granian", "msgspec", "orjson", "nanoarrow", "numpy"),
    "monitor": ("duckdb", "scipy", "numpy"),
}
"""Extra → a module of each library that it brings and we import."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is missing."""

    slug: str
    """Kebab-case; of an error that it foretells the error's own."""
    fact: str
    where: str | None = None
    hint: str | None = None
    """One thing to do about it."""
    level: Literal["finding", "note"] = "finding"
    """A ``note`` is good to know; nothing is missing."""

    def to_dict(self) -> dict[str, JsonValue]:
        """Return the finding as JSON data."""
        return {"slug": self.slug, "fact": self.fact, "where": self.where, "hint": self.hint, "level": self.level}


class Repository(Protocol):
    """What doctor asks of Git; ``GitRepository`` has it."""

    def head(self) -> CommitId: ...  # noqa: D102 - as in GitRepository
    def branch(self) -> str | None: ...  # noqa: D102
    def is_shallow(self) -> bool: ...  # noqa: D102
    def read_file(self, revision: str, path: str) -> bytes | None: ...  # noqa: D102


class DataProject(Protocol):
    """What doctor asks of DVC; ``DvcProject`` has it."""

    def remote(self) -> str | None:
        """Return the default remote; None when there is none."""
        ...


def _has_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # the parent of a dotted name is missing
        return False


def _open_git(folder: Path) -> Repository:
    from ci_core.versioning.git import GitRepository

    return GitRepository(folder)


def _open_dvc(root: Path) -> DataProject:
    from ci_core.versioning.dvc import DvcProject

    return DvcProject(root)


def _is_writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK | os.X_OK)


def _check_graph(reference: str, root: Path) -> None:
    from ci_core.serving import load_graph

    load_graph(reference, root, check_files=False).check()


@dataclass(frozen=True, slots=True, kw_only=True)
class Doctor:
    """Looks a project over; the fields are what it looks with, so that a test can put others in."""

    open_git: Callable[[Path], Repository] = _open_git
    open_dvc: Callable[[Path], DataProject] = _open_dvc
    has_module: Callable[[str], bool] = _has_module
    is_writable: Callable[[Path], bool] = _is_writable
    check_graph: Callable[[str, Path], None] = _check_graph

    def examine(self, start: Path, env: Mapping[str, str]) -> tuple[Finding, ...]:
        """Return what is missing, in the order to mend it; empty when nothing is.

        Args:
            start: a folder of the project.
            env: environment variables, which may set settings.
        """
        return tuple(self._findings(start.resolve(), env))

    def _findings(self, start: Path, env: Mapping[str, str]) -> Iterator[Finding]:
        lacking = self._missing_extra("ci")
        yield from lacking
        if lacking:
            return  # nothing of what follows can be read without it
        repository, problems = self._repository(start, env)
        yield from problems
        settings, problems = _settings(start, env)
        yield from problems
        root = settings.root if settings is not None else start
        if repository is not None:
            yield from _uncommitted(repository, root)
        yield from self._data(root)
        if settings is not None:
            yield from self._of_settings(settings)

    def _missing_extra(self, extra: str) -> list[Finding]:
        absent = [module for module in EXTRAS[extra] if not self.has_module(module)]
        return [as_finding(MissingExtraError(extra=extra, module=absent[0]))] if absent else []

    def _repository(self, start: Path, env: Mapping[str, str]) -> tuple[Repository | None, list[Finding]]:
        """Return the repository, if it has a commit to look at, and what is wrong with it."""
        try:
            repository = self.open_git(start)
            repository.head()
        except GraphshipError as error:
            return None, [as_finding(error)]
        found = []
        if repository.branch() is None and not any(env.get(name) for name in BRANCH_VARIABLES):
            found.append(
                Finding(
                    slug="detached-head",
                    fact="a commit is checked out rather than a branch, so nothing can be pushed",
                    hint="check a branch out: `git switch main`; in CI set `GRAPHSHIP_BRANCH`",
                )
            )
        if repository.is_shallow():
            found.append(
                Finding(
                    slug="shallow-clone",
                    fact="the clone is shallow: the commits to compare with are not in it",
                    hint="`git fetch --unshallow` (in CI: `fetch-depth: 0` or `GIT_DEPTH: 0`)",
                )
            )
        return repository, found

    def _data(self, root: Path) -> Iterator[Finding]:
        """Yield what is missing of pipeline, DVC and its remote."""
        from ci_core.config.tracked import read_pipeline

        pipeline = read_pipeline(root)
        if pipeline.problems:
            message = "; ".join(f"{problem.location}: {problem.fact}" for problem in pipeline.problems)
            yield as_finding(InvalidDvcFileError(file="dvc.yaml", message=message), detail=message)
        lacking = self._missing_extra("dvc")
        yield from lacking
        if not lacking:
            try:
                if self.open_dvc(root).remote() is None:
                    yield as_finding(NoDataRemoteError())
            except GraphshipError as error:
                yield as_finding(error)
        if not (root / "dvc.yaml").is_file():
            yield as_finding(NoPipelineError(path=str(root)))

    def _of_graph(self, reference: str, root: Path) -> Iterator[Finding]:
        """Yield what is wrong with the serving graph; models and data may not have been fetched yet."""
        try:
            self.check_graph(reference, root)
        except GraphFileError as error:
            yield from _findings(error)
        except GraphshipError as error:
            yield as_finding(error)

    def _of_settings(self, settings: Settings) -> Iterator[Finding]:
        """Yield what the settings need and the machine lacks."""
        from ci_core.config.files import is_url

        if settings.graph is not None:
            lacking = self._missing_extra("serve")
            yield from lacking or self._of_graph(settings.graph, settings.root)
        if settings.monitor is not None:
            yield from self._missing_extra("monitor")
        if settings.graph is not None and not is_url(settings.capture.to):
            folder = settings.root / settings.capture.to
            place = next(it for it in (folder, *folder.parents) if it.exists())
            if not (place.is_dir() and self.is_writable(place)):
                what = f"`{place}` is not writable" if place.is_dir() else f"`{place}` is not a folder"
                yield Finding(
                    slug="capture-folder",
                    fact=f"model calls cannot be written down: {what}",
                    where=str(settings.locate("capture.to")),
                    hint="name another folder with `capture: {to: …}`, or change its rights",
                )


def _settings(start: Path, env: Mapping[str, str]) -> tuple[Settings | None, list[Finding]]:
    """Return the settings, if the file has no mistake, and one finding a mistake."""
    from ci_core.config.reader import read_settings

    try:
        return read_settings(start, env), []
    except NotAProjectError as error:
        return None, [as_finding(error)]
    except ConfigError as error:
        return None, _findings(error)


def _uncommitted(repository: Repository, root: Path) -> Iterator[Finding]:
    """Yield that ``graphship.yaml`` is not what CI will see, which checks commits out."""
    from ci_core.config.settings import CONFIG_FILE

    file = root / CONFIG_FILE
    if not file.is_file():
        return
    committed = repository.read_file("HEAD", CONFIG_FILE)
    if committed is None:
        fact = f"`{CONFIG_FILE}` is in no commit, so CI does not see it"
    elif committed != file.read_bytes():
        fact = f"`{CONFIG_FILE}` differs from the last commit, and CI sees the committed one"
    else:
        return
    hint = f"`git add {CONFIG_FILE} && git commit -m 'configure graphship'`"
    yield Finding(slug="uncommitted-config", fact=fact, where=CONFIG_FILE, hint=hint)


def _findings(error: ConfigError | GraphFileError) -> list[Finding]:
    """Return a finding for each mistake in a file."""
    return [
        Finding(slug=error.slug, fact=it.fact, where=str(it.location), hint=it.hint or error.hint)
        for it in error.problems
    ]


def as_finding(error: GraphshipError, *, detail: str = "") -> Finding:
    """Return the finding that foretells an error."""
    fact = f"{error.fact}: {detail}" if detail else error.fact
    return Finding(slug=error.slug, fact=fact, where=error.where[0] if error.where else None, hint=error.hint)
