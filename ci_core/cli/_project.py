"""Put a project and its adapters together: the only place that chooses which adapter serves which protocol."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from ci_core.cli._common import need, read_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ci_core.ci.console import Console
    from ci_core.hosts.base import RepositoryHost
    from ci_core.operations.project import Links, Project
    from ci_core.types import GitCredentials


def open_project(start: Path, env: Mapping[str, str], console: Console) -> Project:
    """Return the project that `start` lies in, with its adapters; each opens what it needs when it is first asked.

    Raises:
        GraphshipError: no project, no repository, mistakes in ``graphship.yaml``, or a missing extra.
    """
    need("dvc", "dvc", "git")
    settings = read_settings(start, env)
    from ci_core.cli._adapters import make_target
    from ci_core.masking import secret_values
    from ci_core.operations.project import Project
    from ci_core.pipelines.dvc import DvcEngine
    from ci_core.reports.redact import Redactor
    from ci_core.versioning.dvc import DvcProject
    from ci_core.versioning.git import GitRepository
    from ci_core.versioning.ledger import Ledger

    find_host = cache(lambda: open_host(env, url, base=git.top, console=console))
    git = GitRepository(settings.root, credentials=lambda: _credentials(find_host))
    if git.is_foreign:
        console.notice(f"{git.top} belongs to another user; graphship's own Git commands may work in it in this job")
    dvc = DvcProject(settings.root)
    url, redactor = git.remote_url(), Redactor(secret_values(env))
    return Project(
        settings=settings,
        git=git,
        dvc=dvc,
        engine=DvcEngine(dvc, masker=redactor),
        ledger=Ledger(git),
        find_host=find_host,
        links=_links(env, url, base=git.top),
        target=lambda environment: make_target(settings, environment, env),
        console=console,
        now=lambda: datetime.now(UTC),
        redactor=redactor,
        env=env,
    )


def _credentials(find_host: Callable[[], RepositoryHost | None]) -> GitCredentials | None:
    """Return what Git proves with who we are; None to leave it to the machine's own helpers and keys."""
    from ci_core.errors import MissingExtraError

    try:
        host = find_host()
    except MissingExtraError:  # of the host's interface, which Git does not need
        return None
    return None if host is None else host.git_credentials()


def open_host(env: Mapping[str, str], url: str | None, *, base: Path, console: Console) -> RepositoryHost | None:
    """Return the host of a repository; None without one that we know, and without a token for it.

    Args:
        env: environment variables: which host, and the token.
        url: address of the Git remote.
        base: what a relative path of a remote is relative to: the top folder of the work tree.
        console: told what is waited for.

    Raises:
        GraphshipError: variables that name the host make no sense, or the library for it is missing.
    """
    from ci_core.hosts.choose import choose_host
    from ci_core.hosts.patience import Patience

    choice = choose_host(env, url)
    if choice is None:
        return None
    if choice.kind == "local":
        from ci_core.hosts.local.host import find_local_host

        return find_local_host(url, base=base) if url else None
    if choice.token is None:
        console.notice(f"no token for {choice.web_url}: results stay in files and in this log (set `GRAPHSHIP_TOKEN`)")
        return None
    patience = Patience(say=console.notice)
    if choice.kind == "github":
        need("github", "github")
        from ci_core.hosts.github import GitHubHost

        return GitHubHost(choice, patience=patience, env=env)
    need("gitlab", "gitlab")
    from ci_core.hosts.gitlab import GitLabHost

    return GitLabHost(choice, patience=patience, env=env)


def _links(env: Mapping[str, str], url: str | None, *, base: Path) -> Links | None:
    """Return the pages of the repository; None when nothing says where they are, which only a host need complain of."""
    from ci_core.errors import GraphshipError
    from ci_core.hosts.choose import choose_host
    from ci_core.hosts.links import WebLinks

    try:
        choice = choose_host(env, url)
    except GraphshipError:
        return None
    if choice is None:
        return None
    if choice.kind == "local":
        from ci_core.hosts.local.host import find_local_host

        return find_local_host(url, base=base) if url else None
    return WebLinks.of(choice)
