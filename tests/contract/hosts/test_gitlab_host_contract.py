"""The GitLab host passes the host contract against our stand-in for GitLab, also with an address below a path."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pytest

from ci_core.hosts.choose import HostChoice
from ci_core.hosts.gitlab import GitLabHost
from ci_core.hosts.patience import Patience
from ci_core.testing.host_contract import HostContract
from tests.servers.gitlab_fake import GitLabServer, gitlab_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ci_core.types import CommitId


def _never(seconds: float) -> NoReturn:
    raise AssertionError(f"nothing here is worth waiting {seconds} s for")


class _Kit:
    def __init__(self, server: GitLabServer) -> None:
        self._server = server
        self._tokens: dict[str, str] = {}

    def host(self, login: str = "graphship-bot") -> GitLabHost:
        if login not in self._tokens:
            self._tokens[login] = self._server.token(login)
        choice = HostChoice(
            kind="gitlab",
            api_url=self._server.api_url,
            web_url=self._server.web_url,
            repository=self._server.repository,
            token=self._tokens[login],
            token_variable="GRAPHSHIP_TOKEN",
        )
        return GitLabHost(choice, patience=Patience(sleep=_never), env={})

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
