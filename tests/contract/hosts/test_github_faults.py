"""One call to GitHub meets each kind of fault: what is asked again, what is not, and what it is called (D11-D14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci_core.errors import (
    HostAnswerError,
    HostError,
    HostLimitError,
    HostPermissionError,
    HostRefusedError,
    HostTokenError,
    HostUnreachableError,
    NotFoundOnHostError,
)
from ci_core.hosts.marker import Run, without_marker
from ci_core.hosts.mirror import open_deployment, upsert_status
from ci_core.hosts.spec import CommitStatus, Topic
from ci_core.hosts.upsert import upsert_comment
from ci_core.types import CommitId, EnvironmentName, ReleaseId
from tests.contract.hosts.github_host import PATIENT_S, open_host
from tests.servers.fault_proxy import DONE, FAULT_KINDS, Fault, FaultKind
from tests.servers.github_proxy import github_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ci_core.hosts.github import GitHubHost
    from tests.servers.github_proxy import GitHubServer

pytestmark = pytest.mark.e2e

STAGING = EnvironmentName("staging")
SHA = CommitId("0123456789abcdef0123456789abcdef01234567")

ERRORS: dict[FaultKind, type[HostError]] = {
    "502-before": HostUnreachableError,
    "502-after": HostUnreachableError,
    "503": HostUnreachableError,
    "500": HostUnreachableError,
    "reset-before": HostUnreachableError,
    "reset-after": HostUnreachableError,
    "timeout": HostUnreachableError,
    "429-retry-after": HostLimitError,
    "429-silent": HostLimitError,
    "403-secondary": HostLimitError,
    "403-primary-far": HostLimitError,
    "401": HostTokenError,
    "403-permission": HostPermissionError,
    "404": NotFoundOnHostError,
    "410": HostRefusedError,
    "422": HostRefusedError,
    "451": HostRefusedError,
    "html-200": HostAnswerError,
    "truncated-json": HostAnswerError,
    "empty-body": HostAnswerError,
}
LIMITS = ("429-retry-after", "429-silent", "403-secondary")
FINAL = ("401", "403-permission", "404", "410", "422", "451")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitHubServer]:
    with github_server(tmp_path) as running:
        yield running


@pytest.fixture
def topic(server: GitHubServer) -> Topic:
    return open_host(server).issues.create(title="t", body="b").topic


def _host(server: GitHubServer, kind: FaultKind | None = None) -> GitHubHost:
    """A client that knows who it is; the next request is number 0."""
    timeout_s = 2.0 if kind == "timeout" else PATIENT_S
    host = open_host(server, server.token("github-actions[bot]", kind="job"), timeout_s=timeout_s)
    host.identity()
    server.faults.reset()
    return host


def test_every_kind_of_fault_but_slowness_is_an_error_of_ours() -> None:
    assert set(ERRORS) == set(FAULT_KINDS) - {"slow"}


@pytest.mark.parametrize("kind", ERRORS)
def test_a_fault_that_stays_is_called_what_it_is(server: GitHubServer, topic: Topic, kind: FaultKind) -> None:
    host = _host(server, kind)
    server.faults.always(Fault(kind))

    with pytest.raises(HostError) as caught:
        list(host.comments.list(topic))

    assert type(caught.value) is ERRORS[kind]
    assert caught.value.fact.isprintable()


@pytest.mark.parametrize("kind", [kind for kind in FAULT_KINDS if kind not in {*FINAL, "403-primary-far"}])
def test_a_read_that_meets_a_passing_fault_is_asked_again(server: GitHubServer, topic: Topic, kind: FaultKind) -> None:
    host = _host(server, kind)
    host.comments.create(topic, "x")
    server.faults.reset()
    server.faults.at(0, Fault(kind))

    assert [comment.body for comment in host.comments.list(topic)] == ["x"]

    assert server.faults.count == (1 if kind == "slow" else 2)


@pytest.mark.parametrize("kind", FINAL)
def test_a_read_that_is_refused_for_good_is_asked_once(server: GitHubServer, topic: Topic, kind: FaultKind) -> None:
    host = _host(server)
    server.faults.at(0, Fault(kind))

    with pytest.raises(HostError):
        list(host.comments.list(topic))

    assert server.faults.count == 1


@pytest.mark.parametrize("kind", ERRORS)
def test_a_write_is_sent_once_unless_github_says_that_it_did_nothing(
    server: GitHubServer, topic: Topic, kind: FaultKind
) -> None:
    host = _host(server, kind)
    server.faults.at(0, Fault(kind))

    if kind in LIMITS:
        host.comments.create(topic, "x")
    else:
        with pytest.raises(HostError) as caught:
            host.comments.create(topic, "x")
        assert type(caught.value) is ERRORS[kind]

    assert server.faults.count == (2 if kind in LIMITS else 1)
    assert len(_bodies(server, topic)) == (1 if kind in LIMITS or kind in DONE else 0)


@pytest.mark.parametrize("kind", [kind for kind in FAULT_KINDS if kind not in {*FINAL, "403-primary-far"}])
@pytest.mark.parametrize("call", range(4))
def test_a_report_that_meets_a_passing_fault_at_any_call_ends_as_one_comment(
    server: GitHubServer, topic: Topic, kind: FaultKind, call: int
) -> None:
    """D11, D12: the first call lists, the second writes, the third lists again; the fourth is what a fault adds."""
    host = _host(server, kind)
    server.faults.at(call, Fault(kind))

    upsert_comment(host, topic=topic, scope=("report",), body="auc 0.71", head=SHA, run=Run(id=1))

    assert _bodies(server, topic) == ["auc 0.71"]


def test_a_limit_that_ends_in_40_minutes_is_not_waited_for(server: GitHubServer, topic: Topic) -> None:
    """D13."""
    host = _host(server)
    server.faults.at(0, Fault("403-primary-far"))

    with pytest.raises(HostLimitError) as caught:
        list(host.comments.list(topic))

    assert caught.value.wait_s == pytest.approx(2400, abs=5)
    assert server.faults.count == 1


@pytest.mark.parametrize("kind", ["502-after", "reset-before", "timeout", "empty-body"])
def test_a_light_is_set_once_though_an_answer_was_lost(server: GitHubServer, kind: FaultKind) -> None:
    head = server.push("feature", {"a.txt": "1\n"})
    host = _host(server, kind)
    server.faults.at(2, Fault(kind))

    upsert_status(host, CommitStatus(commit=head, context="c", state="success", description="d"))

    assert [one["state"] for one in server.as_json(f"/repos/acme/flights/commits/{head}/statuses")] == ["success"]


@pytest.mark.parametrize("kind", ["502-after", "reset-after", "timeout", "truncated-json", "html-200", "502-before"])
@pytest.mark.parametrize("call", [1, 2])
def test_a_deployment_is_recorded_once_though_an_answer_was_lost(
    server: GitHubServer, kind: FaultKind, call: int
) -> None:
    head = server.push("feature", {"a.txt": "1\n"})
    host = _host(server, kind)
    server.faults.at(call, Fault(kind))

    made = open_deployment(host, environment=STAGING, commit=head, release=ReleaseId("1" * 64))

    assert made is not None
    assert [one["id"] for one in server.as_json("/repos/acme/flights/deployments")] == [int(made.id)]
    assert [one.state for one in host.deployments.list(STAGING)] == ["in-progress"]


@pytest.mark.parametrize("kind", ["502-after", "reset-after", "truncated-json"])
@pytest.mark.parametrize("call", [0, 1, 2, 3])
def test_labels_and_reviewers_survive_a_passing_fault(server: GitHubServer, kind: FaultKind, call: int) -> None:
    server.push("feature", {"a.txt": "1\n"})
    host = _host(server)
    server.faults.at(call, Fault(kind))

    host.change_requests.create(
        title="t", body="b", source_branch="feature", target_branch="main", labels=["retrain"], reviewers=["ada"]
    )

    (made,) = open_host(server).change_requests.find(state="open")
    assert (made.labels, made.reviewers) == (("retrain",), ("ada",))


def test_only_the_page_that_failed_is_asked_again(server: GitHubServer, topic: Topic) -> None:
    host = _host(server)
    for index in range(201):
        server.hub.ask("POST", f"issues/{topic.number}/comments", login="ada", body={"body": f"remark {index}"})
    server.faults.reset()
    server.faults.at(1, Fault("502-before"))

    found = [comment.body for comment in host.comments.list(topic)]

    assert found == [f"remark {index}" for index in range(201)]
    assert server.faults.count == 4


def _bodies(server: GitHubServer, topic: Topic) -> list[str]:
    found = server.as_json(f"/repos/acme/flights/issues/{topic.number}/comments")
    return [without_marker(comment["body"]).strip() for comment in found]
