"""What tokens may do on the stand-in, and what those that may not are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from github import GithubException

from tests.servers.fault_proxy import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from github.Repository import Repository

    from tests.servers.github_proxy import GitHubServer

pytestmark = pytest.mark.e2e

_EVERY_WRITE = {
    "issues: write": ("POST", "/issues"),
    "pull_requests: write": ("POST", "/pulls"),
    "statuses: write": ("POST", "/statuses/main"),
    "deployments: write": ("POST", "/deployments"),
    "checks: write": ("POST", "/check-runs"),
    "contents: write": ("POST", "/git/refs"),
}


def _status(repository: Repository, method: str, path: str, body: object = None) -> int:
    status, _, _ = repository.requester.requestJson(method, f"/repos/acme/flights{path}", input=body)
    return status


@pytest.mark.parametrize(("permission", "write"), _EVERY_WRITE.items())
def test_an_empty_write_is_422_for_who_may_and_403_for_who_may_not(
    server: GitHubServer, opened: Callable[[str], Repository], permission: str, write: tuple[str, str]
) -> None:
    name, _, level = permission.partition(": ")
    others = {other.partition(": ")[0]: "write" for other in _EVERY_WRITE if other != permission}
    may = opened(server.token("github-actions[bot]", kind="job", permissions={name: level}))
    may_not = opened(server.token("github-actions[bot]", kind="job", permissions=others))

    assert _status(may, *write, body={}) == 422
    status, headers, text = may_not.requester.requestJson(write[0], f"/repos/acme/flights{write[1]}", input={})

    assert status == 403
    assert "Resource not accessible by integration" in text
    assert f"{name}={level}" in str(headers["x-accepted-github-permissions"])


def test_workflow_and_interface_spellings_of_a_permission_are_one(
    server: GitHubServer, opened: Callable[[str], Repository]
) -> None:
    repository = opened(server.token("github-actions[bot]", kind="job", permissions={"pull-requests": "write"}))
    server.push("feature", {"a": "1"})

    assert repository.create_pull(base="main", head="feature", title="t").user.login == "github-actions[bot]"


def test_comments_on_a_pull_request_take_either_permission_and_on_an_issue_only_that_of_issues(
    server: GitHubServer, repository: Repository, opened: Callable[[str], Repository]
) -> None:
    server.push("feature", {"a": "1"})
    pull = repository.create_pull(base="main", head="feature", title="t")
    issue = repository.create_issue("i")
    tokens = {
        name: server.token("github-actions[bot]", kind="job", permissions={name: "write"})
        for name in ("issues", "pull-requests")
    }

    answers = {
        (name, kind): _status(opened(token), "POST", f"/issues/{number}/comments", {"body": "x"})
        for name, token in tokens.items()
        for kind, number in (("pull", pull.number), ("issue", issue.number))
    }

    assert answers == {
        ("issues", "pull"): 201,
        ("issues", "issue"): 201,
        ("pull-requests", "pull"): 201,
        ("pull-requests", "issue"): 403,
    }


def test_a_fine_grained_token_is_told_that_it_is_one(server: GitHubServer, opened: Callable[[str], Repository]) -> None:
    repository = opened(server.token("ada", permissions={"issues": "read"}))

    with pytest.raises(GithubException) as caught:
        repository.create_issue("i")

    assert caught.value.status == 403
    assert caught.value.data["message"] == "Resource not accessible by personal access token"


def test_a_classic_token_shows_its_scopes_and_is_told_404_without_the_right_one(
    server: GitHubServer, opened: Callable[[str], Repository]
) -> None:
    repository = opened(server.token("ada", scopes=["repo:status"]))

    address = "/repos/acme/flights/statuses/main"
    status, headers, _ = repository.requester.requestJson("POST", address, input={"state": "success"})

    assert (status, headers["x-oauth-scopes"]) == (201, "repo:status")
    assert _status(repository, "POST", "/deployments", {"ref": "main"}) == 404


def test_nobody_and_strangers_are_told_401(server: GitHubServer, opened: Callable[[str], Repository]) -> None:
    token = server.token("ada")
    server.revoke(token)

    assert _status(opened(token), "GET", "") == 401
    assert _status(opened("no-token-at-all"), "GET", "") == 401


def test_a_job_has_no_user_but_a_viewer(server: GitHubServer, opened: Callable[[str], Repository]) -> None:
    requester = opened(server.token("github-actions[bot]", kind="job")).requester

    with pytest.raises(GithubException) as caught:
        requester.requestJsonAndCheck("GET", "/user")
    _, data = requester.graphql_query("query { viewer { login } }", {})

    assert caught.value.status == 403
    assert data["data"]["viewer"]["login"] == "github-actions[bot]"


def test_only_apps_write_check_runs(server: GitHubServer, opened: Callable[[str], Repository]) -> None:
    run = {"name": "report", "head_sha": server.push("feature", {"a": "1"}), "conclusion": "success"}

    assert _status(opened(server.token("ada")), "POST", "/check-runs", run) == 403
    assert _status(opened(server.token("graphship-app[bot]", kind="app")), "POST", "/check-runs", run) == 201


def test_a_reader_may_talk_and_not_write_code_or_labels(
    server: GitHubServer, opened: Callable[[str], Repository]
) -> None:
    server.set_role("mallory", "read")
    repository = opened(server.token("mallory"))

    issue = repository.create_issue("i", labels=["urgent"])

    assert issue.labels == []
    assert issue.create_comment("hello").user.login == "mallory"
    for path, body in (("/statuses/main", {"state": "success"}), (f"/issues/{issue.number}/labels", ["urgent"])):
        assert _status(repository, "POST", path, body) in {403, 404}


def test_jobs_open_no_pull_requests_where_the_repository_forbids_it(
    server: GitHubServer, opened: Callable[[str], Repository]
) -> None:
    server.hub.actions_may_open_pulls = False
    server.push("feature", {"a": "1"})
    repository = opened(server.token("github-actions[bot]", kind="job"))

    with pytest.raises(GithubException) as caught:
        repository.create_pull(base="main", head="feature", title="t")

    said = "GitHub Actions is not permitted to create or approve pull requests."
    assert (caught.value.status, caught.value.data["message"]) == (403, said)


def test_reading_a_private_repository_takes_a_permission(
    server: GitHubServer, opened: Callable[[str], Repository]
) -> None:
    server.hub.is_private = True
    repository = opened(server.token("github-actions[bot]", kind="job", permissions={"contents": "read"}))

    assert _status(repository, "GET", "/contents/README.md") == 200
    assert _status(repository, "GET", "/issues") == 403


def test_a_spent_budget_refuses_and_says_when_it_is_new(
    server: GitHubServer, opened: Callable[[str], Repository]
) -> None:
    token = server.token("github-actions[bot]", kind="job")
    server.spend(token, remaining=1)
    repository = opened(token)

    assert _status(repository, "GET", "") == 200
    status, headers, text = repository.requester.requestJson("GET", "/repos/acme/flights")

    assert (status, headers["x-ratelimit-remaining"], headers["x-ratelimit-limit"]) == (403, "0", "1000")
    assert "API rate limit exceeded" in text


def test_a_lost_answer_to_a_comment_leaves_the_comment(server: GitHubServer, repository: Repository) -> None:
    issue = repository.create_issue("i")
    server.faults.reset()
    server.faults.at(0, Fault("502-after"))

    with pytest.raises(GithubException) as caught:
        issue.create_comment("once")

    assert caught.value.status == 502
    assert [one["body"] for one in server.as_json(f"/repos/acme/flights/issues/{issue.number}/comments")] == ["once"]


def test_an_address_that_the_stand_in_lacks_fails_the_test(server: GitHubServer, repository: Repository) -> None:
    assert _status(repository, "GET", "/milestones") == 404
    assert server.problems == ["the stand-in has no GET /repos/acme/flights/milestones"]
    server.problems.clear()


def test_what_github_does_not_know_fails_the_test(server: GitHubServer, repository: Repository) -> None:
    assert _status(repository, "POST", "/issues", {"title": "i", "lables": ["drift"]}) == 201
    assert _status(repository, "GET", "/pulls?states=open") == 200

    assert server.problems == [
        "POST /repos/acme/flights/issues: body: `lables` is no property",
        "GET /repos/acme/flights/pulls: query: `states` is no parameter",
    ]
    server.problems.clear()
