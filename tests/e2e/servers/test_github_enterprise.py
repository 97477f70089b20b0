"""The stand-in as Enterprise has it, with Git under faults, and with as many open requests as large projects have."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import github
import pytest

from tests.servers.fault_proxy import Fault
from tests.servers.github_proxy import github_server

if TYPE_CHECKING:
    from pathlib import Path

    from github.Repository import Repository

    from tests.servers.github_proxy import GitHubServer

pytestmark = pytest.mark.e2e


def test_enterprise_has_its_interface_below_a_path_and_graphql_beside_it(tmp_path: Path) -> None:
    with github_server(tmp_path, prefix="/api/v3") as server:
        client = github.Github(
            base_url=server.api_url,
            auth=github.Auth.Token(server.token("ada")),
            seconds_between_requests=0,
            seconds_between_writes=0,
            retry=None,
        )
        repository = client.get_repo(server.repository)
        issue = repository.create_issue("i")
        for index in range(31):
            issue.create_comment(str(index))

        assert server.api_url == f"{server.web_url}/api/v3"
        assert repository.html_url == f"{server.web_url}/acme/flights"
        assert issue.url == f"{server.api_url}/repos/acme/flights/issues/1"
        assert [comment.body for comment in issue.get_comments()] == [str(index) for index in range(31)]
        assert client.requester.graphql_query("{ viewer { login } }", {})[1]["data"]["viewer"]["login"] == "ada"


def test_git_meets_faults_where_it_is_asked_for(tmp_path: Path) -> None:
    with github_server(tmp_path, disturbs_git=True) as server:
        server.faults.at(0, Fault("503"))

        codes = [
            subprocess.run(["git", "ls-remote", server.git_url], capture_output=True, check=False).returncode
            for _ in range(2)
        ]

        assert codes[0] != 0
        assert codes[1] == 0


def test_120_open_requests_are_listed_in_two_pages(server: GitHubServer, repository: Repository) -> None:
    base = repository.get_branch("main").commit.sha
    tree = server.hub.repository.git("mktree", stdin="")
    head = server.hub.repository.git("commit-tree", tree, "-p", base, "-m", "change")
    script = "".join(f"create refs/heads/b{index} {head}\n" for index in range(120))
    server.hub.repository.git("update-ref", "--stdin", stdin=script)
    for index in range(120):
        repository.requester.requestJsonAndCheck(
            "POST", "/repos/acme/flights/pulls", input={"title": "t", "head": f"b{index}", "base": "main"}
        )
    before = len(server.requests)

    repository.requester.per_page = 100
    numbers = [pull.number for pull in repository.get_pulls()]

    assert numbers == list(range(120, 0, -1))
    assert len(server.requests) - before == 2


def test_a_repository_that_is_not_there_is_not_found(server: GitHubServer, repository: Repository) -> None:
    requester = repository.requester

    answers = [requester.requestJson("GET", f"/repos/{name}")[0] for name in ("acme/other", "mallory/flights")]

    assert answers == [404, 404]
    assert json.loads(server.requests[-1].answer)["message"] == "Not Found"
