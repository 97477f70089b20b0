"""What the GitLab adapter makes of faults: each is one error of ours, nothing is done twice, no token goes astray."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ci_core.errors import (
    GraphshipError,
    HostAnswerError,
    HostLimitError,
    HostPermissionError,
    HostRefusedError,
    HostTokenError,
    HostUnreachableError,
    NotFoundOnHostError,
)
from ci_core.hosts.marker import Run
from ci_core.hosts.spec import CommitStatus, Topic
from ci_core.hosts.upsert import upsert_comment
from ci_core.types import CommitId
from tests.contract.hosts.gitlab_host import open_at, open_host
from tests.servers.fault_proxy import Fault, FaultKind, faulty_server
from tests.servers.gitlab_fake import GitLabServer, gitlab_server
from tests.servers.http_server import Request, Response, json_response

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ci_core.hosts.gitlab import GitLabHost

pytestmark = pytest.mark.e2e

_SHA = CommitId("0123456789abcdef0123456789abcdef01234567")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitLabServer]:
    with gitlab_server(tmp_path, prefix="/gitlab") as running:
        yield running


@pytest.fixture
def topic(server: GitLabServer) -> Topic:
    server.push("feature", {"a.txt": "1\n"})
    made = open_host(server).change_requests.create(title="t", body="", source_branch="feature", target_branch="main")
    return made.topic


def _stored(server: GitLabServer) -> list[str]:
    return [note.body for note in server.state.notes.values() if not note.system]


def _say(host: GitLabHost, topic: Topic, body: str = "auc 0.71") -> str:
    return upsert_comment(host, topic=topic, scope=("report",), body=body, head=_SHA, run=Run(id=1)).outcome


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("401", HostTokenError),
        ("403-permission", HostPermissionError),
        ("404", NotFoundOnHostError),
        ("410", HostRefusedError),
        ("422", HostRefusedError),
        ("451", HostRefusedError),
        ("403-primary-far", HostLimitError),
        ("500", HostUnreachableError),
        ("502-before", HostUnreachableError),
        ("503", HostUnreachableError),
        ("reset-before", HostUnreachableError),
        ("html-200", HostAnswerError),
        ("truncated-json", HostAnswerError),
        ("empty-body", HostAnswerError),
    ],
)
def test_a_fault_that_stays_is_one_error_of_ours(
    server: GitLabServer, topic: Topic, kind: FaultKind, error: type[GraphshipError]
) -> None:
    host = open_host(server)
    server.faults.reset()
    server.faults.always(Fault(kind))

    with pytest.raises(error):
        list(host.comments.list(topic))


@pytest.mark.parametrize(
    "kind",
    [
        "500",
        "502-before",
        "502-after",
        "503",
        "reset-before",
        "reset-after",
        "html-200",
        "429-retry-after",
        "429-silent",
        "truncated-json",
        "empty-body",
        "timeout",
        "slow",
    ],
)
@pytest.mark.parametrize("place", range(4))
def test_a_fault_at_each_call_of_a_first_report_leaves_one_comment(
    server: GitLabServer, topic: Topic, kind: FaultKind, place: int
) -> None:
    """D11, D12, D13, D14: list, who am I, create, list again."""
    host = open_host(server)
    server.faults.reset()
    server.faults.at(place, Fault(kind))

    outcome = _say(host, topic)

    assert server.faults.met == [(place, Fault(kind))]
    assert outcome in {"created", "unchanged"}
    assert [body.rpartition("\n")[2] for body in _stored(server)] == ["auc 0.71"]


def test_a_limit_is_waited_for_as_long_as_gitlab_says_and_said(server: GitLabServer, topic: Topic) -> None:
    lines: list[str] = []
    host = open_host(server, say=lines.append)
    server.faults.reset()
    server.faults.at(0, Fault("429-retry-after", wait_s=7))

    assert list(host.comments.list(topic)) == []

    (line,) = lines
    assert line.endswith("it asks to wait 7 s (waiting 7 s)")


def test_a_limit_of_forty_minutes_is_not_waited_for(server: GitLabServer, topic: Topic) -> None:
    host = open_host(server)
    server.faults.reset()
    server.faults.always(Fault("403-primary-far"))

    with pytest.raises(HostLimitError) as caught:
        list(host.comments.list(topic))

    assert caught.value.wait_s == 2400
    assert server.faults.count == 1


def test_an_unanswered_write_is_asked_once(server: GitLabServer, topic: Topic) -> None:
    host = open_host(server)
    server.faults.reset()
    server.faults.always(Fault("502-after"))

    with pytest.raises(HostUnreachableError):
        host.comments.create(topic, "auc 0.71")

    assert server.faults.count == 1
    assert _stored(server) == ["auc 0.71"]


def test_a_status_whose_answer_was_lost_is_set_once_for_the_reader(server: GitLabServer, topic: Topic) -> None:
    head, host = server.push("feature", {"b.txt": "1\n"}), open_host(server)
    server.faults.reset()
    server.faults.at(0, Fault("502-after"))

    host.statuses.set(CommitStatus(commit=head, context="graphship/report", state="pending", description="d"))

    assert [(one.context, one.state) for one in host.statuses.list(head)] == [("graphship/report", "pending")]


@pytest.mark.parametrize("scope", ["read_api", "read_user", "write_repository"])
def test_a_token_without_the_scope_is_told_which_it_lacks(server: GitLabServer, topic: Topic, scope: str) -> None:
    host = open_host(server, server.token("graphship-bot", scopes=[scope]))

    with pytest.raises(HostPermissionError) as caught:
        host.comments.create(topic, "x")

    assert caught.value.permission == "scope api"
    assert _stored(server) == []


def test_a_guest_is_told_of_a_role_where_gitlab_says_not_found(server: GitLabServer, topic: Topic) -> None:
    host = open_host(server, server.token("graphship-bot", level=10))

    with pytest.raises(NotFoundOnHostError) as caught:
        host.comments.create(topic, "x")

    assert caught.value.hint is not None
    assert "the role Reporter" in caught.value.hint


def test_a_reporter_may_comment_and_is_told_what_the_rest_takes(server: GitLabServer, topic: Topic) -> None:
    host = open_host(server, server.token("reporter", level=20))

    assert _say(host, topic) == "created"
    with pytest.raises(HostPermissionError) as caught:
        host.statuses.set(
            CommitStatus(commit=server.push("feature", {"b": "1"}), context="x", state="success", description="")
        )

    assert caught.value.permission == "role Developer"


def test_a_stranger_sees_no_project(server: GitLabServer, topic: Topic) -> None:
    host = open_host(server, server.token("stranger", level=0))

    with pytest.raises(NotFoundOnHostError) as caught:
        host.change_requests.get(topic.number)

    assert (caught.value.kind, caught.value.name) == ("project", "acme/flights")


def test_a_project_that_is_not_visible_is_not_taken_for_a_commit_without_requests(server: GitLabServer) -> None:
    host = open_host(server, server.token("stranger", level=0))

    with pytest.raises(NotFoundOnHostError):
        list(host.change_requests.find(commit=_SHA))


def test_a_guest_does_not_open_an_issue_that_would_never_be_found_again(server: GitLabServer) -> None:
    host = open_host(server, server.token("guest", level=10))

    with pytest.raises(HostPermissionError):
        host.issues.create(title="Drift", body="b", labels=["graphship:monitor"])

    assert server.state.issues == {}


def test_an_expired_token_is_told_in_gitlabs_words(server: GitLabServer, topic: Topic) -> None:
    host = open_host(server, server.token("graphship-bot", is_expired=True))

    with pytest.raises(HostTokenError) as caught:
        host.change_requests.get(topic.number)

    assert caught.value.reason == "Token is expired. You can either do re-authorization or token refresh."


class TestJobTokens:
    @pytest.fixture
    def host(self, server: GitLabServer, topic: Topic) -> GitLabHost:
        token = server.token("ada", kind="job")
        server.faults.reset()
        server.requests.clear()
        return open_host(server, token, variable="CI_JOB_TOKEN")

    def test_writing_is_refused_before_gitlab_is_asked(
        self, server: GitLabServer, host: GitLabHost, topic: Topic
    ) -> None:
        light = CommitStatus(commit=_SHA, context="x", state="success", description="")
        for act in (
            lambda: host.comments.create(topic, "x"),
            lambda: host.issues.create(title="t", body="b"),
            lambda: host.statuses.set(light),
            lambda: host.change_requests.update(topic.number, body="b"),
            lambda: host.upload_image("a.png", b"x"),
        ):
            with pytest.raises(HostTokenError) as caught:
                act()
            assert caught.value.hint is not None
            assert "create a project access token" in caught.value.hint

        assert server.requests == []

    def test_what_job_tokens_may_read_is_read(self, server: GitLabServer, host: GitLabHost, topic: Topic) -> None:
        head = host.change_requests.get(topic.number).head

        assert host.identity().login == "ada"
        assert list(host.comments.list(topic)) == []
        assert [one.number for one in host.change_requests.find(state="open", source_branch="feature")] == [1]
        assert [one.number for one in host.change_requests.find(commit=head)] == [1]
        assert host.read_file("a.txt", commit=head) == b"1\n"
        assert {request.headers.get("job-token") is not None for request in server.requests} == {True}

    def test_its_access_says_what_it_cannot_do_and_what_to_create(self, host: GitLabHost) -> None:
        access = host.access()

        assert access.token == "job"
        assert (access.allowed["read"], access.allowed["comment"], access.allowed["push"]) == (True, False, None)
        assert any("create a project access token" in note for note in access.notes)


@pytest.mark.parametrize(
    ("level", "scopes", "denied"),
    [
        (30, ["api"], set()),
        (20, ["api"], {"status", "deployment", "change-request", "push"}),
        (30, ["read_api"], {"comment", "issue", "status", "deployment", "change-request", "push"}),
        (30, ["read_api", "write_repository"], {"comment", "issue", "status", "deployment", "change-request"}),
        (30, ["write_repository"], {"read", "comment", "issue", "status", "deployment", "change-request"}),
        (10, ["api"], {"read", "comment", "issue", "status", "deployment", "change-request", "push"}),
    ],
)
def test_access_is_told_from_scopes_and_role_without_a_write(
    server: GitLabServer, level: int, scopes: list[str], denied: set[str]
) -> None:
    host = open_host(server, server.token("graphship-bot", level=level, scopes=scopes))

    access = host.access()

    assert {action for action, may in access.allowed.items() if may is False} == denied
    assert access.expires_at == "2027-10-01"
    assert not any(request.is_write for request in server.requests)


def test_of_a_token_that_tells_no_scopes_the_role_alone_is_told(server: GitLabServer) -> None:
    host = open_host(server, server.token("graphship-bot", level=20, kind="oauth"))

    access = host.access()

    assert access.token == "unknown"
    assert (access.allowed["comment"], access.allowed["status"]) == (None, False)


def test_access_of_an_unknown_token_is_an_error(server: GitLabServer) -> None:
    with pytest.raises(HostTokenError):
        open_host(server, "glpat-unknown").access()


def test_access_tells_what_is_turned_off_in_the_project(server: GitLabServer) -> None:
    server.state.issues_enabled = False

    access = open_host(server).access()

    assert access.allowed["issue"] is False
    assert any("issues are turned off" in note for note in access.notes)


class TestOtherAddresses:
    """C17: nothing, and no token, goes to another server."""

    @pytest.fixture
    def elsewhere(self) -> Iterator[tuple[str, list[Request]]]:
        seen: list[Request] = []

        def record(request: Request) -> Response:
            seen.append(request)
            return json_response([])

        with faulty_server(record, flavour="gitlab") as front:
            yield front.url, seen

    def test_a_redirect_to_another_server_is_not_followed(self, elsewhere: tuple[str, list[Request]]) -> None:
        url, seen = elsewhere
        moved = Response(status=302, headers={"Location": f"{url}/api/v4/user"})

        with faulty_server(lambda _request: moved, flavour="gitlab") as front:
            for token, variable in (("glpat-abc", "GRAPHSHIP_TOKEN"), ("glcbt-abc", "CI_JOB_TOKEN")):
                with pytest.raises(HostRefusedError):
                    open_at(front.url, token, variable=variable).identity()

        assert seen == []

    def test_a_link_to_a_next_page_elsewhere_is_asked_of_our_own_server(
        self, elsewhere: tuple[str, list[Request]]
    ) -> None:
        url, seen = elsewhere
        own: list[str] = []

        def lead_away(request: Request) -> Response:
            own.append(request.target)
            link = {"Link": f'<{url}/api/v4/projects/7/issues?page=2>; rel="next"'} if len(own) == 1 else {}
            return json_response([], headers=link)

        with faulty_server(lead_away, flavour="gitlab") as front:
            assert list(open_at(front.url, "glpat-abc").issues.find(label="x")) == []

        assert seen == []
        assert own[1] == "/api/v4/projects/7/issues?page=2"

    def test_a_link_that_is_no_address_of_the_interface_is_an_answer_that_makes_no_sense(
        self, elsewhere: tuple[str, list[Request]]
    ) -> None:
        url, seen = elsewhere
        answer = json_response([], headers={"Link": f'<{url}/steal?page=2>; rel="next"'})

        with (
            faulty_server(lambda _request: answer, flavour="gitlab") as front,
            pytest.raises(HostAnswerError),
        ):
            list(open_at(front.url, "glpat-abc").issues.find(label="x"))

        assert seen == []

    def test_a_list_without_end_ends(self) -> None:
        answer = json_response([], headers={"Link": '<http://x/api/v4/projects/7/issues?page=2>; rel="next"'})

        with (
            faulty_server(lambda _request: answer, flavour="gitlab") as front,
            pytest.raises(HostAnswerError, match="1000 pages"),
        ):
            list(open_at(front.url, "glpat-abc").issues.find(label="x"))

    def test_an_answer_without_end_is_cut(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("ci_core.hosts.gitlab.transport._ANSWER_LIMIT_BYTES", 1 << 20)
        answer = json_response([{"body": "x" * (2 << 20)}])

        with (
            faulty_server(lambda _request: answer, flavour="gitlab") as front,
            pytest.raises(HostAnswerError, match="larger than 1 MiB"),
        ):
            list(open_at(front.url, "glpat-abc").issues.find(label="x"))


def test_a_moved_project_is_read_where_it_is_and_written_to_by_its_present_name_only(
    server: GitLabServer, topic: Topic
) -> None:
    server.move_project("acme/aviation")
    host = open_host(server, repository="acme/flights")

    assert host.change_requests.get(topic.number).title == "t"
    with pytest.raises(HostRefusedError) as caught:
        host.comments.create(topic, "x")

    assert caught.value.hint is not None
    assert "GRAPHSHIP_REPOSITORY" in caught.value.hint


def test_a_page_where_the_interface_should_be_is_said(server: GitLabServer) -> None:
    page = Response(status=404, headers={"Content-Type": "text/html"}, body=b"<html>no such page</html>")

    with faulty_server(lambda _request: page, flavour="gitlab") as front, pytest.raises(HostAnswerError) as caught:
        open_at(front.url, "glpat-abc").identity()

    assert "it is a page with status 404" in caught.value.reason


@pytest.mark.parametrize("kind", ["401", "403-permission", "404", "500", "html-200", "403-primary-far", "reset-before"])
def test_no_error_shows_the_token(server: GitLabServer, topic: Topic, kind: FaultKind) -> None:
    token = server.token("graphship-bot")
    host = open_host(server, token)
    server.faults.reset()
    server.faults.always(Fault(kind))

    with pytest.raises(GraphshipError) as caught:
        host.comments.create(topic, "x")

    shown = [str(caught.value), repr(caught.value), repr(vars(caught.value)), repr(host)]
    cause = caught.value.__cause__
    while cause is not None:
        shown += [str(cause), repr(cause)]
        cause = cause.__cause__ or cause.__context__
    assert token not in "".join(shown)


def test_a_host_that_echoes_the_token_gets_it_masked() -> None:
    def echo(request: Request) -> Response:
        said = f"bad token {request.headers['Authorization']}"
        return Response(
            status=400, headers={"Content-Type": "application/json"}, body=json.dumps({"message": said}).encode()
        )

    with faulty_server(echo, flavour="gitlab") as front, pytest.raises(HostRefusedError) as caught:
        open_at(front.url, "glpat-s3cr3t-of-mine").identity()

    assert caught.value.reason == "bad token Bearer ***"


def test_without_a_token_a_public_project_is_read_and_nothing_is_written(server: GitLabServer, topic: Topic) -> None:
    server.state.is_public = True
    host = open_host(server, "")

    assert host.change_requests.get(topic.number).title == "t"
    server.requests.clear()
    with pytest.raises(HostTokenError):
        host.comments.create(topic, "x")
    assert server.requests == []
    assert host.git_credentials() is None
