from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci_core.testing.host_contract import HostContract
from tests.contract.hosts.github_host import open_host
from tests.servers.github_proxy import github_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ci_core.hosts.github import GitHubHost
    from ci_core.types import CommitId
    from tests.servers.github_proxy import GitHubServer


class _ServerKit:
    """A repository on the stand-in; each call of `host` is a client of its own, as each job is."""

    def __init__(self, server: GitHubServer) -> None:
        self._server = server

    def host(self, login: str = "graphship-bot") -> GitHubHost:
        return open_host(self._server, self._server.token(login))

    def push(self, branch: str, files: Mapping[str, str]) -> CommitId:
        return self._server.push(branch, files)

    def merge(self, number: int) -> CommitId:
        return self._server.merge(number)


@pytest.mark.e2e
class TestGitHubHost(HostContract):
    @pytest.fixture
    def remote(self, tmp_path: Path) -> Iterator[_ServerKit]:
        with github_server(tmp_path) as server:
            yield _ServerKit(server)
