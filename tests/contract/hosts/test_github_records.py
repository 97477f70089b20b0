"""Statuses, deployments, issues and comments on the stand-in: what the contract leaves open."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
import requests

from ci_core.errors import HostPermissionError, HostRefusedError
from ci_core.hosts.marker import Run
from ci_core.hosts.mirror import upsert_status
from ci_core.hosts.spec import CommitStatus
from ci_core.hosts.upsert import upsert_comment
from ci_core.types import CommitId, EnvironmentName, ReleaseId
from tests.contract.hosts.github_host import open_host
from tests.servers.github_access import EVERYTHING
from tests.servers.github_proxy import github_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ci_core.hosts.github import GitHubHost
    from ci_core.hosts.spec import StatusState
    from tests.servers.github_proxy import GitHubServer

pytestmark = pytest.mark.e2e

PRODUCTION, STAGING = EnvironmentName("production"), EnvironmentName("staging")
R1, R2 = ReleaseId("1" * 64), ReleaseId("2" * 64)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitHubServer]:
    with github_server(tmp_path) as running:
        yield running


@pytest.fixture
def host(server: GitHubServer) -> GitHubHost:
    return open_host(server)


@pytest.fixture
def head(server: GitHubServer) -> CommitId:
    return server.push("feature", {"a.txt": "1\n"})


def _job_without(server: GitHubServer, *names: str) -> GitHubHost:
    permissions = {name: level for name, level in EVERYTHING.items() if name not in names}
    return open_host(server, server.token("github-actions[bot]", kind="job", permissions=permissions))


def _light(head: CommitId, state: StatusState = "success", description: str = "all is well") -> CommitStatus:
    return CommitStatus(
        commit=head, context="graphship/report", state=state, description=description, url="https://example.org/run"
    )


@pytest.mark.parametrize("state", ["pending", "success", "failure", "error"])
def test_a_token_without_statuses_sets_a_check_run_that_reads_the_same(
    server: GitHubServer, head: CommitId, state: StatusState
) -> None:
    host = _job_without(server, "statuses")
    light = _light(head, state)

    host.statuses.set(light)

    assert server.as_json(f"/repos/acme/flights/commits/{head}/statuses") == []
    assert list(open_host(server).statuses.list(head)) == [light]


def test_the_ladder_is_climbed_once(server: GitHubServer, head: CommitId) -> None:
    host = _job_without(server, "statuses")
    host.statuses.set(_light(head, "pending"))
    server.requests.clear()

    host.statuses.set(_light(head, "success"))

    assert [f"{one.method} {one.path.rpartition('/')[2]}" for one in server.requests] == ["POST check-runs"]
    assert [status.state for status in open_host(server).statuses.list(head)] == ["success"]


def test_a_token_with_neither_is_told_of_statuses(server: GitHubServer, head: CommitId) -> None:
    with pytest.raises(HostPermissionError) as caught:
        _job_without(server, "statuses", "checks").statuses.set(_light(head))

    assert caught.value.permission == "statuses: write"
    assert caught.value.hint == "add `statuses: write` under `permissions:` of the job"


def test_a_person_s_token_which_cannot_make_check_runs_is_told_of_statuses(
    server: GitHubServer, head: CommitId
) -> None:
    fine = server.token(kind="personal", permissions={"contents": "read", "checks": "write"})

    with pytest.raises(HostPermissionError) as caught:
        open_host(server, fine).statuses.set(_light(head))

    assert caught.value.permission == "Commit statuses: Read and write"


def test_the_jobs_of_workflows_are_no_lights_of_ours(server: GitHubServer, head: CommitId) -> None:
    app = server.token("graphship-app[bot]", kind="app")
    open_host(server, app)  # the token is real
    server.hub.check_runs.append(
        {
            "id": 900,
            "head_sha": head,
            "name": "test",
            "status": "completed",
            "conclusion": "success",
            "external_id": "x",
        }
    )
    server.problems.clear()

    assert list(open_host(server, app).statuses.list(head)) == []
    server.problems.clear()  # that run has not all that GitHub's runs have


def test_a_private_repository_s_check_runs_that_may_not_be_read_are_none(tmp_path: Path) -> None:
    with github_server(tmp_path, is_private=True) as server:
        head = server.push("feature", {"a.txt": "1\n"})
        host = _job_without(server, "checks")
        host.statuses.set(_light(head))

        assert [status.context for status in host.statuses.list(head)] == ["graphship/report"]


def test_with_checks_alone_a_private_repository_has_lights_too(tmp_path: Path) -> None:
    with github_server(tmp_path, is_private=True) as server:
        head = server.push("feature", {"a.txt": "1\n"})
        host = _job_without(server, "statuses")

        assert [upsert_status(host, _light(head)) for _ in range(2)] == [True, False]
        assert list(host.statuses.list(head)) == [_light(head)]


def test_lights_that_cannot_be_read_at_all_are_an_error(tmp_path: Path) -> None:
    with github_server(tmp_path, is_private=True) as server:
        head = server.push("feature", {"a.txt": "1\n"})

        with pytest.raises(HostPermissionError) as caught:
            list(_job_without(server, "statuses", "checks").statuses.list(head))

    assert caught.value.permission == "statuses: read"


def test_a_long_description_is_cut_to_what_github_takes(host: GitHubHost, head: CommitId) -> None:
    host.statuses.set(_light(head, description="x" * 141))

    (status,) = host.statuses.list(head)
    assert status.description == "x" * 139 + "…"


def test_an_address_that_github_would_refuse_is_left_out(host: GitHubHost, head: CommitId) -> None:
    host.statuses.set(CommitStatus(commit=head, context="c", state="success", description="d", url="file:///x"))

    (status,) = host.statuses.list(head)
    assert status.url is None


def test_a_deployment_merges_nothing_and_waits_for_no_checks(server: GitHubServer, host: GitHubHost) -> None:
    """GitHub's defaults would merge `main` into the branch, and refuse while a status of the commit is red."""
    head = server.push("feature", {"a.txt": "1\n"})
    server.push("main", {"b.txt": "1\n"})
    host.statuses.set(_light(head, "failure"))

    made = host.deployments.create(environment=STAGING, commit=head, release=R1)

    (sent,) = (one for one in server.requests if one.method == "POST" and one.path.endswith("/deployments"))
    body = cast("Mapping[str, object]", sent.json())
    assert (body["auto_merge"], body["required_contexts"], body["ref"]) == (False, [], head)
    assert (made.release, made.state, made.commit) == (R1, "in-progress", head)


def test_in_production_too_a_success_ends_the_one_before(host: GitHubHost, head: CommitId) -> None:
    """GitHub itself leaves earlier deployments to production as they are."""
    first = host.deployments.create(environment=PRODUCTION, commit=head, release=R1)
    host.deployments.update(first, state="success", url="https://example.org")
    second = host.deployments.create(environment=PRODUCTION, commit=head, release=R2)

    host.deployments.update(second, state="success", log_url="https://example.org/log")

    assert [(one.release, one.state) for one in host.deployments.list(PRODUCTION)] == [
        (R2, "success"),
        (R1, "inactive"),
    ]


def test_deployments_of_others_are_left_out_and_left_alone(
    server: GitHubServer, host: GitHubHost, head: CommitId
) -> None:
    body = f'{{"ref": "{head}", "environment": "staging", "auto_merge": false, "required_contexts": []}}'
    theirs = server.token("ada")
    made = requests.post(
        f"{server.api_url}/repos/acme/flights/deployments",
        data=body,  # as a workflow's `environment:` does
        headers={"Authorization": f"Bearer {theirs}"},
        timeout=5,
    )
    assert made.status_code == 201

    ours = host.deployments.create(environment=STAGING, commit=head, release=R1)

    assert [one.id for one in host.deployments.list(STAGING)] == [ours.id]
    assert len(server.as_json("/repos/acme/flights/deployments")) == 2


def test_the_newest_record_costs_two_calls_however_many_there_are(
    server: GitHubServer, host: GitHubHost, head: CommitId
) -> None:
    for _ in range(3):
        host.deployments.create(environment=STAGING, commit=head, release=R1)
    server.requests.clear()

    next(iter(host.deployments.list(STAGING)))

    assert len(server.requests) == 2


def test_pull_requests_are_no_issues(host: GitHubHost, server: GitHubServer, head: CommitId) -> None:
    request = host.change_requests.create(
        title="t", body="b", source_branch="feature", target_branch="main", labels=["drift"]
    )
    issue = host.issues.create(title="i", body="b", labels=["drift"])

    assert request.labels == ("drift",)
    assert [found.number for found in host.issues.find(label="drift")] == [issue.number]


def test_an_issue_whose_label_is_dropped_for_want_of_a_role_does_not_stay_open(server: GitHubServer) -> None:
    """It would not be found by its label, and each run would open another."""
    server.set_role("ada", "read")
    host = open_host(server, server.token("ada"))

    with pytest.raises((HostPermissionError, HostRefusedError)):
        host.issues.create(title="Drift", body="b", labels=["graphship:monitor"])

    assert [one["state"] for one in server.as_json("/repos/acme/flights/issues?state=all")] == ["closed"]


def test_issues_that_are_switched_off_are_told_with_the_place_of_the_switch(server: GitHubServer) -> None:
    server.hub.has_issues = False

    with pytest.raises(HostRefusedError) as caught:
        open_host(server).issues.create(title="Drift", body="b")

    assert caught.value.hint == "switch on `Issues` under Settings, General, Features"


def test_an_unchanged_comment_costs_three_reads_and_no_write(server: GitHubServer, head: CommitId) -> None:
    topic = (
        open_host(server)
        .change_requests.create(title="t", body="b", source_branch="feature", target_branch="main")
        .topic
    )

    def report(body: str, run: int) -> tuple[int, int]:
        server.requests.clear()
        host = open_host(server, server.token("github-actions[bot]", kind="job"))
        host.change_requests.get(topic.number)
        upsert_comment(host, topic=topic, scope=("report",), body=body, head=head, run=Run(id=run))
        return len(server.requests), sum(one.is_write for one in server.requests)

    assert report("auc 0.71", 1) == (5, 1)  # request, comments, who we are, create, comments
    assert report("auc 0.71", 2) == (3, 0)
    assert report("auc 0.74", 3) == (5, 1)  # request, comments, who we are, comment, change


def test_a_body_over_the_limit_is_refused_without_asking(server: GitHubServer, host: GitHubHost) -> None:
    issue = host.issues.create(title="i", body="b")
    server.requests.clear()

    with pytest.raises(HostRefusedError, match="65,537 characters"):
        host.comments.create(issue.topic, "x" * 65_537)

    assert server.requests == []
