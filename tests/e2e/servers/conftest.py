"""A stand-in for GitHub for one test, and PyGithub pointed at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import github
import pytest

from tests.servers.github_proxy import GitHubServer, github_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from github.Repository import Repository


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitHubServer]:
    with github_server(tmp_path) as running:
        yield running


@pytest.fixture
def opened(server: GitHubServer) -> Callable[[str], Repository]:
    """Return the repository as the owner of a token sees it."""

    def open_with(token: str) -> Repository:
        client = github.Github(
            base_url=server.api_url,
            auth=github.Auth.Token(token),
            seconds_between_requests=0,
            seconds_between_writes=0,
            retry=None,
            lazy=True,
        )
        return client.get_repo(server.repository)

    return open_with


@pytest.fixture
def repository(server: GitHubServer, opened: Callable[[str], Repository]) -> Repository:
    """Return the repository as ``graphship-bot`` sees it, with a classic token that may do everything."""
    return opened(server.token("graphship-bot"))
