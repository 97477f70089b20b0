"""The GitLab host passes the host contract against our stand-in for GitLab, also with an address below a path."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci_core.testing.host_contract import HostContract
from tests.contract.hosts.gitlab_host import open_host
from tests.servers.gitlab_fake import GitLabServer, gitlab_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ci_core.hosts.gitlab import GitLabHost
    from ci_core.types import CommitId


class _Kit:
    def __init__(self, server: GitLabServer) -> None:
        self._server = server
        self._tokens: dict[str, str] = {}

    def host(self, login: str = "graphship-bot") -> GitLabHost:
        if login not in self._tokens:
            self._tokens[login] = self._server.token(login)
        return open_host(self._server, self._tokens[login])

    def push(self, branch: str, files: Mapping[str, str]) -> CommitId:
        return self._server.push(branch, files)

    def merge(self, number: int) -> CommitId:
        return self._server.merge(number)


@pytest.mark.e2e
class TestGitLabHost(HostContract):
    @pytest.fixture
    def remote(self, tmp_path: Path) -> Iterator[_Kit]:
        with gitlab_server(tmp_path) as server:
            yield _Kit(server)


@pytest.mark.e2e
class TestGitLabHostBelowAPath(HostContract):
    @pytest.fixture
    def remote(self, tmp_path: Path) -> Iterator[_Kit]:
        with gitlab_server(tmp_path, prefix="/gitlab") as server:
            yield _Kit(server)
