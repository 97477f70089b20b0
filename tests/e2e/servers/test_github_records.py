"""Statuses, deployments, conversations and files of the stand-in, seen through PyGithub."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from github import GithubException

if TYPE_CHECKING:
    from github.Deployment import Deployment
    from github.Repository import Repository

    from tests.servers.github_proxy import GitHubServer

pytestmark = pytest.mark.e2e


def _states(repository: Repository, environment: str) -> list[list[str]]:
    return [
        [status.state for status in one.get_statuses()] for one in repository.get_deployments(environment=environment)
    ]


def _deploy(repository: Repository, environment: str, *, production: bool = False) -> Deployment:
    return repository.create_deployment(
        "main",
        auto_merge=False,
        required_contexts=[],
        environment=environment,
        payload={"release": "1"},
        production_environment=production,
    )


def test_the_newest_status_of_each_context_makes_the_combined_one(server: GitHubServer, repository: Repository) -> None:
    commit = repository.get_commit(server.push("feature", {"a": "1"}))
    commit.create_status("failure", context="one", description="first", target_url="http://127.0.0.1/log")
    commit.create_status("success", context="two")
    assert commit.get_combined_status().state == "failure"

    newest = commit.create_status("success", context="one")

    combined = commit.get_combined_status()
    assert (combined.state, combined.total_count) == ("success", 2)
    assert [status.context for status in commit.get_statuses()] == ["one", "two", "one"]
    assert newest.creator.login == "graphship-bot"


def test_a_status_with_a_long_description_or_of_an_unknown_commit_is_refused(repository: Repository) -> None:
    commit = repository.get_commit("main")
    for sha, description in ((commit.sha, "x" * 141), ("0" * 40, "x")):
        with pytest.raises(GithubException) as caught:
            repository.requester.requestJsonAndCheck(
                "POST",
                f"/repos/acme/flights/statuses/{sha}",
                input={"state": "success", "description": description},
            )
        assert caught.value.status == 422


def test_a_success_retires_earlier_ones_of_its_environment_but_not_production(repository: Repository) -> None:
    for environment, production in (("staging", False), ("production", True)):
        for _ in range(2):
            _deploy(repository, environment, production=production).create_status("success")

    assert _states(repository, "staging") == [["success"], ["inactive", "success"]]
    assert _states(repository, "production") == [["success"], ["success"]]


def test_what_was_no_success_is_not_retired_and_nothing_is_when_told_so(repository: Repository) -> None:
    _deploy(repository, "staging").create_status("failure")
    _deploy(repository, "staging").create_status("success")
    _deploy(repository, "staging").create_status("success", auto_inactive=False)

    assert _states(repository, "staging") == [["success"], ["success"], ["failure"]]


def test_an_unwary_deployment_of_a_branch_that_is_behind_merges_main_into_it(
    server: GitHubServer, repository: Repository
) -> None:
    before = server.push("feature", {"a": "1"})
    server.push("main", {"b": "2"})

    answer = server.as_json("/repos/acme/flights/deployments")
    repository.requester.requestJson("POST", "/repos/acme/flights/deployments", input={"ref": "feature"})

    assert answer == []
    assert repository.get_branch("feature").commit.sha != before
    assert list(repository.get_deployments()) == []


def test_deployments_wait_for_statuses_unless_they_require_none(repository: Repository) -> None:
    repository.get_commit("main").create_status("pending", context="ci")

    with pytest.raises(GithubException) as caught:
        repository.create_deployment("main", auto_merge=False)

    assert caught.value.status == 409
    assert _deploy(repository, "staging").payload == {"release": "1"}


def test_an_active_deployment_is_only_deleted_when_it_is_the_only_one(repository: Repository) -> None:
    first, second = _deploy(repository, "staging"), _deploy(repository, "staging")
    for one in (first, second):
        one.create_status("success")

    with pytest.raises(GithubException) as caught:
        repository.requester.requestJsonAndCheck("DELETE", second.url)
    repository.requester.requestJsonAndCheck("DELETE", first.url)

    assert caught.value.status == 422
    assert [one.id for one in repository.get_deployments()] == [second.id]


def test_205_comments_come_in_three_pages_of_at_most_a_hundred(server: GitHubServer, repository: Repository) -> None:
    issue = repository.create_issue("long")
    for index in range(205):
        server.hub.ask("POST", f"issues/{issue.number}/comments", login="ada", body={"body": f"remark {index}"})
    before = len(server.requests)

    repository.requester.per_page = 100
    bodies = [comment.body for comment in issue.get_comments()]

    assert bodies == [f"remark {index}" for index in range(205)]
    assert len(server.requests) - before == 3


def test_a_body_at_the_limit_is_kept_and_one_over_it_refused(repository: Repository) -> None:
    issue = repository.create_issue("i", "é" * 65_536)

    issue.create_comment("é" * 65_536)

    for write in (
        lambda: issue.create_comment("x" * 65_537),
        lambda: issue.edit(body="x" * 65_537),
        lambda: repository.create_issue("i", "x" * 65_537),
    ):
        with pytest.raises(GithubException) as caught:
            write()
        assert caught.value.status == 422
        assert "too long" in caught.value.data["errors"][0]["message"]


def test_disabled_issues_are_gone_and_pull_requests_can_still_be_talked_about(
    server: GitHubServer, repository: Repository
) -> None:
    server.push("feature", {"a": "1"})
    pull = repository.create_pull(base="main", head="feature", title="t")
    server.hub.has_issues = False

    with pytest.raises(GithubException) as caught:
        repository.create_issue("i")

    assert (caught.value.status, caught.value.data["message"]) == (410, "Issues are disabled for this repo")
    assert pull.create_issue_comment("still here").body == "still here"


def test_files_are_read_as_they_were_in_a_commit(server: GitHubServer, repository: Repository) -> None:
    before = server.push("feature", {"conf/a ü.yaml": "one\n"})
    server.push("feature", {"conf/a ü.yaml": "two\n"})

    found = repository.get_contents("conf/a ü.yaml", ref=before)
    listed = repository.get_contents("conf", ref="feature")

    assert not isinstance(found, list)
    assert found.decoded_content == b"one\n"
    assert isinstance(listed, list)
    assert [one.path for one in listed] == ["conf/a ü.yaml"]
    for path, ref in (("conf/none", before), ("conf/a ü.yaml", "0" * 40)):
        with pytest.raises(GithubException) as caught:
            repository.get_contents(path, ref=ref)
        assert caught.value.status == 404


def test_a_comparison_says_who_is_ahead(server: GitHubServer, repository: Repository) -> None:
    server.push("feature", {"a": "1"})
    server.push("main", {"b": "2"})

    found = repository.compare("main", "feature")

    assert (found.status, found.ahead_by, found.behind_by) == ("diverged", 1, 1)
    assert [file.filename for file in found.files] == ["a"]


def test_a_label_is_made_once(repository: Repository) -> None:
    repository.create_label("drift", "ff0000")

    with pytest.raises(GithubException) as caught:
        repository.create_label("Drift", "ff0000")

    assert (caught.value.status, caught.value.data["errors"][0]["code"]) == (422, "already_exists")
