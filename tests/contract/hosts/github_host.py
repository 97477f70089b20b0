"""Open the GitHub adapter on a stand-in, as a job does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.hosts.choose import HostChoice
from ci_core.hosts.github import GitHubHost
from ci_core.hosts.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.servers.github_proxy import GitHubServer
    from tests.servers.http_server import Request

PATIENT_S = 60.0
"""The machine may have much else to do."""


def open_host(
    server: GitHubServer,
    token: str | None = None,
    *,
    variable: str = "GITHUB_TOKEN",
    say: Callable[[str], None] = lambda _line: None,
    env: Mapping[str, str] | None = None,
    timeout_s: float = PATIENT_S,
) -> GitHubHost:
    """Return a client of its own, as each job has; with a classic token of ``graphship-bot`` unless one is given."""
    return open_at(
        server.api_url,
        token or server.token(),
        web_url=server.web_url,
        repository=server.repository,
        variable=variable,
        say=say,
        env=env,
        timeout_s=timeout_s,
    )


def open_at(
    api_url: str,
    token: str | None,
    *,
    web_url: str = "https://github.com",
    repository: str = "acme/flights",
    variable: str = "GITHUB_TOKEN",
    say: Callable[[str], None] = lambda _line: None,
    env: Mapping[str, str] | None = None,
    timeout_s: float = PATIENT_S,
) -> GitHubHost:
    """Return a client of any server."""
    choice = HostChoice(
        kind="github",
        api_url=api_url,
        web_url=web_url,
        repository=repository,
        token=token,
        token_variable=variable if token else None,
    )
    patience = Patience(sleep=lambda _seconds: None, say=say)
    return GitHubHost(choice, patience=patience, env=env or {}, pace=False, timeout_s=timeout_s)


def asked(request: Request) -> str:
    """Return ``GET /repos/acme/flights?x=1`` of a request."""
    return f"{request.method} {request.target}"
