"""Open the GitLab adapter on the stand-in, as a job does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.hosts.choose import HostChoice
from ci_core.hosts.gitlab import GitLabHost
from ci_core.hosts.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.servers.gitlab_fake import GitLabServer

TIMEOUT_S = 1.0
"""What a server that says nothing costs a test."""


def open_host(
    server: GitLabServer,
    token: str | None = None,
    *,
    variable: str = "GRAPHSHIP_TOKEN",
    say: Callable[[str], None] = lambda _line: None,
    env: Mapping[str, str] | None = None,
    repository: str | None = None,
) -> GitLabHost:
    """Return a client of its own, as each job has; with a token of ``graphship-bot`` unless one is given."""
    return open_at(
        server.api_url,
        server.token("graphship-bot") if token is None else token,
        repository=repository or server.repository,
        variable=variable,
        say=say,
        env=env,
    )


def open_at(
    server_url: str,
    token: str | None,
    *,
    repository: str = "acme/flights",
    variable: str = "GRAPHSHIP_TOKEN",
    say: Callable[[str], None] = lambda _line: None,
    env: Mapping[str, str] | None = None,
) -> GitLabHost:
    """Return a client of any server."""
    choice = HostChoice(
        kind="gitlab",
        api_url=server_url,
        web_url=server_url,
        repository=repository,
        token=token or None,
        token_variable=variable if token else None,
    )
    patience = Patience(sleep=lambda _seconds: None, say=say)
    return GitLabHost(choice, patience=patience, env=env or {}, timeout_s=TIMEOUT_S)
