"""A project with its adapters: what every operation is given.

``cli/_adapters.py`` puts it together; tests put others in. Operations call only what is in here and pure functions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ci_core.reports.redact import SHAPES_ONLY
from ci_core.workspace import workspace_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from ci_core.ci.console import Console
    from ci_core.config.settings import EnvironmentSettings, Settings
    from ci_core.deploy.base import DeployTarget
    from ci_core.hosts.base import RepositoryHost
    from ci_core.pipelines.base import PipelineEngine
    from ci_core.reports.redact import Redactor
    from ci_core.types import CommitId
    from ci_core.versioning.dvc import DvcProject
    from ci_core.versioning.git import GitRepository
    from ci_core.versioning.ledger import Ledger


class Links(Protocol):
    """Addresses of pages; nothing is asked."""

    def commit_url(self, commit: CommitId) -> str:
        """Return a permanent address of a commit."""
        ...

    def file_url(self, commit: CommitId, path: str, line: int | None = None) -> str | None:
        """Return a permanent address of a file, or of a line of it, in a commit; None where there are no such pages."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Settings and adapters of one project in one work tree."""

    settings: Settings
    git: GitRepository
    dvc: DvcProject
    engine: PipelineEngine
    ledger: Ledger
    find_host: Callable[[], RepositoryHost | None]
    """Returns the host, the same each time; see :attr:`host`."""
    target: Callable[[EnvironmentSettings], DeployTarget]
    console: Console
    now: Callable[[], datetime]
    """The present, aware, UTC."""
    links: Links | None = None
    """Where people look at commits and files; None when that is unknown."""
    redactor: Redactor = SHAPES_ONLY
    """Masks secrets in whatever is written or said."""
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Environment variables of the command, secrets among them."""

    @property
    def host(self) -> RepositoryHost | None:
        """The repository's host.

        None when the remote is on no host we know, or when there is no token for it: then results stay in files and in
        the log. Found when it is first asked for, so that commands which only read need neither token nor library.

        Raises:
            GraphshipError: variables that name the host make no sense, or the library for it is missing.
        """
        return self.find_host()

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self.settings.root

    def history(self, kind: str, environment: str) -> str:
        """Return where the ledger keeps an environment's history; a repository may hold several projects."""
        return f"{kind}/{self.settings.name}/{environment}.jsonl"

    def status_context(self, *parts: str) -> str:
        """Return the name of a commit status: ``graphship/report``; with the project's name below a top folder."""
        mine = () if self.root == self.git.top.resolve() else (self.settings.name,)
        return "/".join(("graphship", *mine, *parts))

    def output(self, *parts: str) -> Path:
        """Return the path of a file below ``.graphship``; its folder exists afterwards."""
        *folders, name = parts
        return workspace_folder(self.root, *folders) / name
