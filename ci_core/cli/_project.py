"""Put a project and its adapters together: the only place that chooses which adapter serves which protocol."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ci_core.cli._common import need, read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ci_core.ci.console import Console
    from ci_core.hosts.base import RepositoryHost
    from ci_core.operations.project import Project


def open_project(start: Path, env: Mapping[str, str], console: Console) -> Project:
    """Return the project that `start` lies in, with its adapters; each opens what it needs when it is first asked.

    Raises:
        GraphshipError: no project, no repository, mistakes in ``graphship.yaml``, or a missing extra.
    """
    settings = read_settings(start, env)
    need("dvc", "dvc", "git")
    from ci_core.cli._adapters import make_target
    from ci_core.masking import secret_values
    from ci_core.operations.project import Project
    from ci_core.pipelines.dvc import DvcEngine
    from ci_core.reports.redact import Redactor
    from ci_core.versioning.dvc import DvcProject
    from ci_core.versioning.git import GitRepository
    from ci_core.versioning.ledger import Ledger

    git = GitRepository(settings.root)
    dvc = DvcProject(settings.root)
    url = git.remote_url()
    return Project(
        settings=settings,
        git=git,
        dvc=dvc,
        engine=DvcEngine(dvc),
        ledger=Ledger(git),
        host=_host(url, base=git.top) if url else None,
        target=lambda environment: make_target(settings, environment, env),
        console=console,
        now=lambda: datetime.now(UTC),
        redactor=Redactor(secret_values(env)),
        env=env,
    )


def _host(url: str, *, base: Path) -> RepositoryHost | None:
    from ci_core.hosts.local.host import find_local_host

    return find_local_host(url, base=base)
