"""Pull requests on the stand-in: forks, ways to merge, drafts, reviewers, labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci_core.errors import HostPermissionError
from ci_core.types import CommitId
from tests.contract.hosts.github_host import open_host
from tests.servers.github_proxy import github_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ci_core.hosts.github import GitHubHost
    from ci_core.hosts.spec import ChangeRequest
    from tests.servers.github_proxy import GitHubServer

pytestmark = pytest.mark.e2e


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitHubServer]:
    with github_server(tmp_path) as running:
        yield running


@pytest.fixture
def host(server: GitHubServer) -> GitHubHost:
    return open_host(server)


def _open(server: GitHubServer, branch: str = "feature") -> ChangeRequest:
    server.push(branch, {f"{branch}.txt": "1\n"})
    return open_host(server).change_requests.create(title="t", body="b", source_branch=branch, target_branch="main")


def _from_fork(server: GitHubServer) -> tuple[int, CommitId]:
    server.fork("eve")
    head = server.push("main", {"evil.txt": "1\n"}, owner="eve")
    made = open_host(server, server.token("eve")).change_requests.create(
        title="from a fork", body="b", source_branch="eve:main", target_branch="main"
    )
    return made.number, head


@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
def test_a_merged_request_is_found_by_the_commit_that_the_merge_made_whatever_the_method(
    server: GitHubServer, host: GitHubHost, method: str
) -> None:
    """D27: the release is tied to the request by the interface, not by the message of a commit."""
    request = _open(server)
    _open(server, "other")

    merge_commit = server.merge(request.number, method=method)

    assert [found.number for found in host.change_requests.find(commit=merge_commit)] == [request.number]
    merged = host.change_requests.get(request.number)
    assert (merged.state, merged.merge_commit) == ("merged", merge_commit)


def test_merged_and_closed_are_two_states_though_both_are_closed_on_github(
    server: GitHubServer, host: GitHubHost
) -> None:
    merged, closed = _open(server, "one"), _open(server, "two")
    server.merge(merged.number)
    host.change_requests.update(closed.number, state="closed")

    assert [found.number for found in host.change_requests.find(state="merged")] == [merged.number]
    assert [found.number for found in host.change_requests.find(state="closed")] == [closed.number]
    assert host.change_requests.get(closed.number).merge_commit is None


def test_a_request_of_a_fork_is_known_as_one_and_found_by_its_head(server: GitHubServer, host: GitHubHost) -> None:
    number, head = _from_fork(server)

    assert host.change_requests.get(number).is_fork
    assert host.change_requests.get(number).source_repository == "eve/flights"
    assert [(found.number, found.is_fork) for found in host.change_requests.find(commit=head)] == [(number, True)]


def test_a_request_of_a_deleted_fork_still_is_one_of_a_fork(server: GitHubServer, host: GitHubHost) -> None:
    """D26."""
    number, _ = _from_fork(server)

    server.delete_fork("eve")

    assert host.change_requests.get(number).is_fork


def test_a_branch_of_ours_is_not_confused_with_a_fork_s_branch_of_that_name(
    server: GitHubServer, host: GitHubHost
) -> None:
    server.fork("eve")
    server.push("feature", {"evil.txt": "1\n"}, owner="eve")
    open_host(server, server.token("eve")).change_requests.create(
        title="t", body="b", source_branch="eve:feature", target_branch="main"
    )
    ours = _open(server, "feature")

    assert [found.number for found in host.change_requests.find(source_branch="feature")] == [ours.number]


def test_a_request_whose_branch_was_deleted_after_the_merge_is_read(server: GitHubServer, host: GitHubHost) -> None:
    """D26."""
    request = _open(server)
    server.merge(request.number)
    server.delete_branch("feature")

    found = host.change_requests.get(request.number)

    assert (found.state, found.head, found.source_branch) == ("merged", request.head, "feature")


def test_looking_for_a_commit_costs_two_calls_however_many_requests_are_open(
    server: GitHubServer, host: GitHubHost
) -> None:
    for index in range(5):
        _open(server, f"branch-{index}")
    server.requests.clear()

    assert list(host.change_requests.find(commit=CommitId("0" * 40))) == []

    assert len(server.requests) == 2


def test_reviewers_whom_github_does_not_know_are_left_out_and_said(server: GitHubServer) -> None:
    server.push("feature", {"a.txt": "1\n"})
    said: list[str] = []
    host = open_host(server, say=said.append)

    made = host.change_requests.create(
        title="t",
        body="b",
        source_branch="feature",
        target_branch="main",
        reviewers=["ada", "nobody", "bob", "acme/ml"],
    )

    assert made.reviewers == ("ada", "bob")
    assert [line.split(" was")[0] for line in said] == ["`nobody`", "`acme/ml`"]
    assert host.change_requests.get(made.number).reviewers == ("ada", "bob")


def test_known_reviewers_and_all_labels_cost_one_call_each(server: GitHubServer, host: GitHubHost) -> None:
    server.push("feature", {"a.txt": "1\n"})
    server.requests.clear()

    made = host.change_requests.create(
        title="t",
        body="b",
        source_branch="feature",
        target_branch="main",
        labels=["retrain", "model"],
        reviewers=["ada", "bob"],
    )

    assert (set(made.labels), made.reviewers) == ({"retrain", "model"}, ("ada", "bob"))
    assert [f"{one.method} {one.path.rpartition('/')[2]}" for one in server.requests] == [
        "POST pulls",
        "POST labels",
        "POST requested_reviewers",
    ]


def test_the_setting_that_keeps_jobs_from_opening_requests_is_named(server: GitHubServer) -> None:
    server.hub.actions_may_open_pulls = False
    server.push("feature", {"a.txt": "1\n"})
    host = open_host(server, server.token("github-actions[bot]", kind="job"))

    with pytest.raises(HostPermissionError) as caught:
        host.change_requests.create(title="t", body="b", source_branch="feature", target_branch="main")

    assert caught.value.permission == "Allow GitHub Actions to create and approve pull requests"
