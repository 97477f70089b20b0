"""Who we are and what our token may do, for each kind of token and with each permission removed in turn (C20)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci_core.errors import HostPermissionError, HostTokenError, NotFoundOnHostError
from ci_core.hosts.spec import CommitStatus
from ci_core.types import EnvironmentName, ReleaseId
from tests.contract.hosts.github_host import open_at, open_host
from tests.servers.github_access import EVERYTHING
from tests.servers.github_proxy import github_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ci_core.hosts.base import RepositoryHost
    from ci_core.hosts.spec import Action, TokenKind
    from ci_core.types import CommitId
    from tests.servers.github_access import Role
    from tests.servers.github_access import TokenKind as ServerKind
    from tests.servers.github_proxy import GitHubServer

pytestmark = pytest.mark.e2e

WRITES: tuple[Action, ...] = ("comment", "issue", "status", "deployment", "push", "change-request")
ALL: dict[Action, bool | None] = {"read": True, **dict.fromkeys(WRITES, True)}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitHubServer]:
    with github_server(tmp_path) as running:
        yield running


def _job(server: GitHubServer, **changed: str) -> str:
    return server.token("github-actions[bot]", kind="job", permissions={**EVERYTHING, **changed})


@pytest.mark.parametrize(
    ("kind", "login", "variable", "shown"),
    [
        ("personal", "graphship-bot", "GRAPHSHIP_TOKEN", "personal"),
        ("job", "github-actions[bot]", "GITHUB_TOKEN", "job"),
        ("job", "github-actions[bot]", "GRAPHSHIP_TOKEN", "job"),
        ("app", "graphship-app[bot]", "GITHUB_TOKEN", "app"),
    ],
)
def test_we_are_who_our_comments_are_by(
    server: GitHubServer, kind: ServerKind, login: str, variable: str, shown: TokenKind
) -> None:
    host = open_host(server, server.token(login, kind=kind), variable=variable)

    comment = host.comments.create(host.issues.create(title="t", body="b").topic, "x")

    assert host.identity().login == comment.author == login
    assert host.access().token == shown


def test_who_we_are_is_asked_once(server: GitHubServer) -> None:
    host = open_host(server, _job(server))
    server.requests.clear()

    assert [host.identity().login for _ in range(3)] == ["github-actions[bot]"] * 3

    assert len(server.requests) == 1


def test_a_job_with_all_permissions_may_do_everything_and_is_told_what_it_cannot(server: GitHubServer) -> None:
    access = open_host(server, _job(server)).access()

    assert access.allowed == ALL
    assert access.needs == {
        "read": "contents: read",
        "comment": "pull-requests: write",
        "issue": "issues: write",
        "status": "statuses: write",
        "deployment": "deployments: write",
        "push": "contents: write",
        "change-request": "pull-requests: write and contents: write",
    }
    assert "only after a person has approved them" in access.notes[0]
    assert "Allow GitHub Actions to create and approve pull requests" in access.notes[1]
    assert "from a fork" in access.notes[2]


def test_finding_out_writes_nothing(server: GitHubServer) -> None:
    server.push("feature", {"a.txt": "1\n"})
    places = ("issues?state=all", "pulls?state=all", "deployments", "branches", "labels")
    before = [server.as_json(f"/repos/acme/flights/{place}") for place in places]
    host = open_host(server, _job(server))
    server.requests.clear()

    host.access()

    assert [server.as_json(f"/repos/acme/flights/{place}") for place in places] == before
    assert {request.body for request in server.requests if request.method == "POST" and "/repos/" in request.path} == {
        b"{}"
    }
    assert {request.status for request in server.requests if request.body == b"{}"} == {422}
    assert len(server.requests) == 9


_DEEDS: dict[str, tuple[Action, Callable[[RepositoryHost, CommitId], object]]] = {
    "issues": ("issue", lambda host, _head: host.issues.create(title="t", body="b")),
    "deployments": (
        "deployment",
        lambda host, head: host.deployments.create(
            environment=EnvironmentName("staging"), commit=head, release=ReleaseId("1" * 64)
        ),
    ),
    "pull_requests": (
        "change-request",
        lambda host, _head: host.change_requests.create(
            title="t", body="b", source_branch="other", target_branch="main"
        ),
    ),
}


@pytest.mark.parametrize("permission", _DEEDS)
def test_a_permission_that_is_missing_is_found_beforehand_and_named_by_the_deed_itself(
    server: GitHubServer, permission: str
) -> None:
    """C20, D14: what `doctor` says and what the failure says is the same."""
    head = server.push("other", {"a.txt": "1\n"})
    host = open_host(server, _job(server, **{permission: "read"}))
    action, deed = _DEEDS[permission]

    access = host.access()
    with pytest.raises(HostPermissionError) as caught:
        deed(host, head)

    assert access.allowed[action] is False
    assert caught.value.permission in access.needs[action]
    assert caught.value.hint == f"add `{caught.value.permission}` under `permissions:` of the job"


@pytest.mark.parametrize(
    ("permission", "denied"),
    [
        ("contents", {"push", "change-request"}),
        ("pull_requests", {"comment", "change-request"}),
        ("issues", {"issue"}),
        ("deployments", {"deployment"}),
        ("statuses", set()),  # a check run stands for it
        ("checks", set()),
    ],
)
def test_each_permission_that_is_read_only_denies_its_own_actions_alone(
    server: GitHubServer, permission: str, denied: set[Action]
) -> None:
    access = open_host(server, _job(server, **{permission: "read"})).access()

    assert {action for action, may in access.allowed.items() if may is False} == denied
    assert None not in access.allowed.values()


def test_without_statuses_and_checks_there_are_no_lights(server: GitHubServer) -> None:
    access = open_host(server, _job(server, statuses="read", checks="read")).access()

    assert {action for action, may in access.allowed.items() if may is False} == {"status"}


def test_a_private_repository_that_may_not_be_read_is_said(tmp_path: Path) -> None:
    with github_server(tmp_path, is_private=True) as server:
        access = open_host(server, _job(server, contents="none")).access()

    assert access.allowed["read"] is False


@pytest.mark.parametrize(
    ("scopes", "is_private", "allowed"),
    [
        (["repo"], True, set(WRITES)),
        (["public_repo"], False, set(WRITES)),
        (["repo:status"], False, {"status"}),
        (["repo_deployment"], False, {"deployment"}),
        (["gist"], False, set()),
    ],
)
def test_a_classic_token_tells_by_its_scopes_without_a_try(
    tmp_path: Path, scopes: list[str], is_private: bool, allowed: set[Action]
) -> None:
    with github_server(tmp_path, is_private=is_private) as server:
        host = open_host(server, server.token(scopes=scopes))
        server.requests.clear()

        access = host.access()

        assert {action for action, may in access.allowed.items() if may} == {"read", *allowed}
        assert access.needs["comment"] == "repo"
        assert len(server.requests) == 2


@pytest.mark.parametrize(("role", "allowed"), [("read", {"comment"}), ("write", set(WRITES)), ("admin", set(WRITES))])
def test_the_role_of_the_token_s_account_counts_too(server: GitHubServer, role: Role, allowed: set[Action]) -> None:
    server.set_role("ada", role)

    access = open_host(server, server.token("ada")).access()

    assert {action for action, may in access.allowed.items() if may} == {"read", *allowed}


def test_a_fine_grained_token_is_tried_and_spelled_as_its_page_does(server: GitHubServer) -> None:
    token = server.token(permissions={"contents": "read", "pull_requests": "write"})

    access = open_host(server, token).access()

    assert access.token == "personal"
    assert {action for action, may in access.allowed.items() if may} == {"read", "comment"}
    assert access.needs["status"] == "Commit statuses: Read and write"


def test_without_a_token_only_what_is_public_is_read(server: GitHubServer) -> None:
    host = open_at(server.api_url, None, web_url=server.web_url)

    access = host.access()

    assert access.token == "none"
    assert {action for action, may in access.allowed.items() if may} == {"read"}
    with pytest.raises(HostTokenError):
        host.identity()


def test_the_end_of_a_token_s_life_is_told(server: GitHubServer) -> None:
    host = open_host(server, server.token(expires_at="2027-01-31 23:59:59 UTC"))

    assert host.access().expires_at == "2027-01-31T23:59:59Z"


def test_a_revoked_token_is_no_token(server: GitHubServer) -> None:
    token = server.token()
    host = open_host(server, token)
    server.revoke(token)

    for ask in (host.identity, host.access, lambda: host.statuses.set(_LIGHT)):
        with pytest.raises(HostTokenError):
            ask()


def test_a_private_repository_looks_missing_to_a_stranger_and_that_is_said(tmp_path: Path) -> None:
    with github_server(tmp_path, is_private=True) as server, pytest.raises(NotFoundOnHostError) as caught:
        open_at(server.api_url, None, web_url=server.web_url).read_file("README.md", commit=_LIGHT.commit)

    assert "a private repository answers so" in str(caught.value.hint)


def test_switched_off_issues_and_an_archive_are_noted(server: GitHubServer) -> None:
    server.hub.has_issues, server.hub.is_archived = False, True

    notes = open_host(server).access().notes

    assert [note.split(":")[0] for note in notes] == [
        "the repository is archived",
        "issues are switched off in the repository",
    ]


_LIGHT = CommitStatus(commit="0" * 40, context="c", state="success", description="")  # type: ignore[arg-type] # no commit at all
