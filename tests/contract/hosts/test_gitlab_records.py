"""What GitLab has and the contract leaves open: ways to merge, forks, quick actions, pipelines, releases."""

from __future__ import annotations

import base64
import subprocess
from typing import TYPE_CHECKING

import pytest

from ci_core.errors import AlreadyExistsOnHostError, HostRefusedError, HostUnreachableError
from ci_core.hosts.marker import Run
from ci_core.hosts.spec import CommitStatus, Topic
from ci_core.hosts.upsert import upsert_change_request
from ci_core.types import CommitId, EnvironmentName, ReleaseId
from tests.contract.hosts.gitlab_host import open_at, open_host
from tests.servers.fault_proxy import Fault
from tests.servers.gitlab_fake import GitLabServer, gitlab_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ci_core.hosts.gitlab import GitLabHost
    from ci_core.hosts.spec import ChangeRequest
    from tests.servers.gitlab_fake import MergeMethod

pytestmark = pytest.mark.e2e

PRODUCTION = EnvironmentName("production")
R1, R2 = ReleaseId("1" * 64), ReleaseId("2" * 64)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitLabServer]:
    with gitlab_server(tmp_path) as running:
        yield running


@pytest.fixture
def host(server: GitLabServer) -> GitLabHost:
    return open_host(server)


@pytest.fixture
def request_one(server: GitLabServer, host: GitLabHost) -> ChangeRequest:
    server.push("feature", {"a.txt": "1\n"})
    server.push("feature", {"b.txt": "1\n"})
    return host.change_requests.create(title="t", body="why", source_branch="feature", target_branch="main")


def _numbers(host: GitLabHost, commit: CommitId) -> list[int]:
    return [one.number for one in host.change_requests.find(commit=commit)]


@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
@pytest.mark.parametrize("base_moved", [False, True])
def test_a_merged_request_is_found_by_the_commit_on_the_target_branch(
    server: GitLabServer, host: GitLabHost, request_one: ChangeRequest, method: MergeMethod, *, base_moved: bool
) -> None:
    """D27."""
    if base_moved:
        server.push("main", {"elsewhere.txt": "1\n"})

    on_main = server.merge(request_one.number, method=method)
    server.delete_branch("feature")

    merged = host.change_requests.get(request_one.number)
    assert (merged.state, merged.merge_commit) == ("merged", on_main)
    assert _numbers(host, on_main) == [request_one.number]


def test_a_commit_that_was_pushed_over_is_no_longer_of_the_request(
    server: GitLabServer, host: GitLabHost, request_one: ChangeRequest
) -> None:
    """D24."""
    former = request_one.head
    server.delete_branch("feature")
    now = server.push("feature", {"c.txt": "1\n"})

    assert _numbers(host, former) == []
    assert _numbers(host, now) == [request_one.number]


def test_an_association_that_gitlab_still_tells_is_looked_at_again(
    server: GitLabServer, host: GitLabHost, request_one: ChangeRequest
) -> None:
    other = server.push("other", {"c.txt": "1\n"})
    request = server.state.merge_requests[request_one.number]
    told, request.commits = request.commits, [*request.commits, other]
    server.faults.reset()
    server.faults.before(1, lambda: setattr(request, "commits", told))  # between the two questions

    assert _numbers(host, other) == []


def test_a_request_from_a_fork_is_marked_and_is_not_our_branch(server: GitLabServer, host: GitLabHost) -> None:
    """C10: a fork that uses our branch's name does not stand in our way."""
    number = server.fork_request("graphship/retrain", {"data.dvc": "evil\n"})
    head = server.push("graphship/retrain", {"data.dvc": "v2\n"})

    delivery = upsert_change_request(
        host,
        scope=("retrain",),
        branch="graphship/retrain",
        target_branch="main",
        title="Retrain",
        body="ours",
        head=head,
        run=Run(id=1),
    )

    assert host.change_requests.get(number).is_fork
    assert (delivery.outcome, delivery.number) == ("created", 2)
    assert not host.change_requests.get(2).is_fork


def test_a_request_from_a_fork_that_was_deleted_is_still_one_of_a_fork(server: GitLabServer, host: GitLabHost) -> None:
    """D26."""
    number = server.fork_request("feature", {"a.txt": "1\n"})
    server.delete_fork(number)

    found = host.change_requests.get(number)

    assert (found.is_fork, found.author, found.state) == (True, "mallory", "open")
    assert _numbers(host, found.head) == [number]


def test_a_draft_stays_one_when_its_title_changes(server: GitLabServer, host: GitLabHost) -> None:
    server.push("feature", {"a.txt": "1\n"})
    made = host.change_requests.create(
        title="old", body="", source_branch="feature", target_branch="main", is_draft=True
    )

    changed = host.change_requests.update(made.number, title="new")

    assert (changed.title, changed.is_draft) == ("new", True)
    assert server.state.merge_requests[made.number].title == "Draft: new"


def test_reviewers_are_asked_and_unknown_ones_left_out(server: GitLabServer, host: GitLabHost) -> None:
    server.token("grace")
    server.push("feature", {"a.txt": "1\n"})

    made = host.change_requests.create(
        title="t", body="", source_branch="feature", target_branch="main", reviewers=["grace", "nobody"]
    )

    assert made.reviewers == ("grace",)


def test_a_second_request_is_told_with_the_address_of_the_first(host: GitLabHost, request_one: ChangeRequest) -> None:
    with pytest.raises(AlreadyExistsOnHostError) as caught:
        host.change_requests.create(title="again", body="", source_branch="feature", target_branch="main")

    assert caught.value.url == request_one.url


def test_reopening_while_another_is_open_is_refused(host: GitLabHost, request_one: ChangeRequest) -> None:
    host.change_requests.update(request_one.number, state="closed")
    host.change_requests.create(title="again", body="", source_branch="feature", target_branch="main")

    with pytest.raises(AlreadyExistsOnHostError):
        host.change_requests.update(request_one.number, state="open")


HOSTILE = "auc 0.71\n/close\n```\n/title Free money\n```\n````\n```\n/merge\n````\n/label ~approved"


@pytest.mark.parametrize("place", ["comment", "edited", "change-request", "issue"])
def test_no_line_of_a_text_is_obeyed(
    server: GitLabServer, host: GitLabHost, request_one: ChangeRequest, place: str
) -> None:
    """C7, as GitLab has it: a quick action runs with the rights of our token."""
    match place:
        case "comment":
            host.comments.create(request_one.topic, HOSTILE)
        case "edited":
            host.comments.update(host.comments.create(request_one.topic, "fine"), HOSTILE)
        case "change-request":
            host.change_requests.update(request_one.number, body=HOSTILE)
        case _:
            host.issues.create(title="Drift", body=HOSTILE)

    found = host.change_requests.get(request_one.number)
    assert (found.state, found.title, found.labels) == ("open", "t", ())
    assert [issue.state for issue in server.state.issues.values()] in ([], ["opened"])
    texts = [note.body for note in server.state.notes.values()] + [found.body]
    texts += [issue.description for issue in server.state.issues.values()]
    assert any("/close" in text and "/merge" in text and "/label ~approved" in text for text in texts)


@pytest.mark.parametrize("is_new", [True, False])
def test_what_gitlab_itself_notes_is_no_comment(
    server: GitLabServer, host: GitLabHost, request_one: ChangeRequest, *, is_new: bool
) -> None:
    server.state.knows_note_filter = is_new
    host.comments.create(request_one.topic, "ours")
    host.change_requests.update(request_one.number, title="another")

    assert [comment.body for comment in host.comments.list(request_one.topic)] == ["ours"]


def test_ours_is_found_among_a_thousand_comments(server: GitLabServer, request_one: ChangeRequest) -> None:
    for index in range(1000):
        server.state.note("MergeRequest", request_one.number, f"remark {index}", "ada", system=False)
    host = open_host(server)
    ours = host.comments.create(request_one.topic, "ours")
    server.requests.clear()

    found = [comment for comment in host.comments.list(request_one.topic) if comment.author == "graphship-bot"]

    assert found == [ours]
    assert len(server.requests) == 11


def test_issues_and_requests_of_one_number_are_two_topics(host: GitLabHost, request_one: ChangeRequest) -> None:
    issue = host.issues.create(title="i", body="")

    host.comments.create(issue.topic, "on the issue")

    assert (issue.number, request_one.number) == (1, 1)
    assert list(host.comments.list(request_one.topic)) == []
    (comment,) = host.comments.list(Topic("issue", 1))
    assert comment.url.endswith(f"/acme/flights/-/issues/1#note_{comment.id.rpartition('/')[2]}")


def _light(commit: CommitId, state: str = "success") -> CommitStatus:
    return CommitStatus(commit=commit, context="graphship/report", state=state, description="d")  # type: ignore[arg-type] # literals


class TestStatuses:
    def test_the_same_state_twice_is_no_mistake(self, host: GitLabHost, request_one: ChangeRequest) -> None:
        for state in ("pending", "pending", "success", "success", "failure", "pending"):
            host.statuses.set(_light(request_one.head, state))

        assert [one.state for one in host.statuses.list(request_one.head)] == ["pending"]

    def test_it_goes_to_our_own_pipeline_of_several(self, server: GitLabServer, request_one: ChangeRequest) -> None:
        ours = server.pipeline(request_one.head, "refs/merge-requests/1/head", source="merge_request_event")
        other = server.pipeline(request_one.head, "feature")
        env = {"CI_COMMIT_SHA": request_one.head, "CI_PIPELINE_ID": str(ours), "CI_PROJECT_PATH": "acme/flights"}

        open_host(server, env=env).statuses.set(_light(request_one.head))
        open_host(server).statuses.set(_light(request_one.head, "failure"))

        assert [(one.pipeline, one.state) for one in server.state.statuses] == [(ours, "success"), (other, "failed")]

    def test_of_several_pipelines_the_newest_status_stands(
        self, server: GitLabServer, host: GitLabHost, request_one: ChangeRequest
    ) -> None:
        server.pipeline(request_one.head, "feature")
        host.statuses.set(_light(request_one.head, "failure"))
        server.pipeline(request_one.head, "refs/merge-requests/1/head")
        host.statuses.set(_light(request_one.head, "success"))

        assert [one.state for one in host.statuses.list(request_one.head)] == ["success"]

    def test_a_pipeline_that_is_gone_is_not_insisted_on(self, server: GitLabServer, request_one: ChangeRequest) -> None:
        env = {"CI_COMMIT_SHA": request_one.head, "CI_PIPELINE_ID": "99999", "CI_PROJECT_PATH": "acme/flights"}

        open_host(server, env=env).statuses.set(_light(request_one.head))

        assert [one.state for one in server.state.statuses] == ["success"]

    def test_a_commit_of_a_fork_gets_none_and_the_reason_is_told(self, server: GitLabServer, host: GitLabHost) -> None:
        head = host.change_requests.get(server.fork_request("feature", {"a.txt": "1\n"})).head

        with pytest.raises(HostRefusedError, match="no branch of this project has that commit"):
            host.statuses.set(_light(head))


class TestDeployments:
    def test_a_record_carries_release_text_and_addresses(
        self, server: GitLabServer, host: GitLabHost, request_one: ChangeRequest
    ) -> None:
        made = host.deployments.create(environment=PRODUCTION, commit=request_one.head, release=R1, description="r1")
        host.deployments.update(
            made, state="success", description="serves", url="https://a.example", log_url="https://b.example/log"
        )

        (found,) = open_host(server).deployments.list(PRODUCTION)

        assert (found.release, found.description, found.url, found.log_url) == (
            R1,
            "serves",
            "https://a.example",
            "https://b.example/log",
        )
        (environment,) = server.state.environments.values()
        assert environment.external_url == "https://a.example"

    def test_a_job_token_is_enough(self, server: GitLabServer, request_one: ChangeRequest) -> None:
        host = open_host(server, server.token("ada", kind="job"), variable="CI_JOB_TOKEN")

        made = host.deployments.create(environment=PRODUCTION, commit=request_one.head, release=R1)
        host.deployments.update(made, state="success")

        assert [(one.release, one.state) for one in host.deployments.list(PRODUCTION)] == [(R1, "success")]

    def test_a_deployment_whose_answer_was_lost_is_known_by_its_note(
        self, server: GitLabServer, host: GitLabHost, request_one: ChangeRequest
    ) -> None:
        server.faults.reset()
        server.faults.at(2, Fault("502-after"))  # look for the environment, make it, deploy

        with pytest.raises(HostUnreachableError):
            host.deployments.create(environment=PRODUCTION, commit=request_one.head, release=R1)

        (found,) = host.deployments.list(PRODUCTION)
        assert (found.release, found.state) == (R1, "in-progress")
        host.deployments.update(found, state="success")
        assert [one.state for one in host.deployments.list(PRODUCTION)] == ["success"]

    def test_a_note_whose_deployment_was_never_made_is_no_record(
        self, server: GitLabServer, host: GitLabHost, request_one: ChangeRequest
    ) -> None:
        server.faults.reset()
        server.faults.at(2, Fault("502-before"))
        with pytest.raises(HostUnreachableError):
            host.deployments.create(environment=PRODUCTION, commit=request_one.head, release=R1)

        assert list(host.deployments.list(PRODUCTION)) == []
        host.deployments.create(environment=PRODUCTION, commit=request_one.head, release=R2)
        assert [one.release for one in host.deployments.list(PRODUCTION)] == [R2]

    def test_deployments_of_others_are_left_out(
        self, server: GitLabServer, host: GitLabHost, request_one: ChangeRequest
    ) -> None:
        made = host.deployments.create(environment=PRODUCTION, commit=request_one.head, release=R1)
        server.state.deployments[int(made.id)].is_of_job = True

        assert list(host.deployments.list(PRODUCTION)) == []

    def test_inactive_is_kept_though_gitlab_has_no_word_for_it(
        self, host: GitLabHost, request_one: ChangeRequest
    ) -> None:
        made = host.deployments.create(environment=PRODUCTION, commit=request_one.head, release=R1)
        live = host.deployments.update(made, state="success")
        host.deployments.update(live, state="inactive")

        assert [one.state for one in host.deployments.list(PRODUCTION)] == ["inactive"]

    def test_saying_the_same_again_is_no_mistake(self, host: GitLabHost, request_one: ChangeRequest) -> None:
        made = host.deployments.create(environment=PRODUCTION, commit=request_one.head, release=R1)

        for _ in range(2):
            host.deployments.update(made, state="success", description="serves")

        assert [one.state for one in host.deployments.list(PRODUCTION)] == ["success"]

    def test_an_old_gitlab_that_keeps_no_notes_gets_no_deployment(
        self, server: GitLabServer, host: GitLabHost, request_one: ChangeRequest
    ) -> None:
        server.state.keeps_environment_text = False

        with pytest.raises(HostRefusedError, match=r"since 17\.2"):
            host.deployments.create(environment=PRODUCTION, commit=request_one.head, release=R1)

        assert server.state.deployments == {}

    def test_what_people_wrote_of_an_environment_stays(
        self, server: GitLabServer, host: GitLabHost, request_one: ChangeRequest
    ) -> None:
        host.deployments.create(environment=PRODUCTION, commit=request_one.head, release=R1)
        (environment,) = server.state.environments.values()
        assert environment.description is not None
        environment.description = environment.description.replace("graphship keeps here", "Our shop. graphship keeps")

        host.deployments.create(environment=PRODUCTION, commit=request_one.head, release=R2)

        assert environment.description.startswith("Our shop. graphship keeps")
        assert [one.release for one in host.deployments.list(PRODUCTION)] == [R2, R1]


def test_a_picture_is_stored_beside_the_project(server: GitLabServer, host: GitLabHost) -> None:
    address = host.upload_image("../dag of flights.png", b"\x89PNG")

    assert address.startswith("/uploads/")
    assert address.endswith("/dag-of-flights.png")
    assert server.state.uploads[address] == b"\x89PNG"


def test_a_picture_that_is_too_large_is_refused(host: GitLabHost) -> None:
    with pytest.raises(HostRefusedError):
        host.upload_image("a.png", b"x" * (10 * 1024 * 1024 + 1))


def test_addresses_are_gitlabs(server: GitLabServer, host: GitLabHost, request_one: ChangeRequest) -> None:
    base, head = f"{server.web_url}/acme/flights", request_one.head

    assert host.commit_url(head) == f"{base}/-/commit/{head}"
    assert host.file_url(head, "conf/a b.yaml", 3) == f"{base}/-/blob/{head}/conf/a%20b.yaml#L3"
    assert request_one.url == f"{base}/-/merge_requests/1"


@pytest.mark.parametrize(("kind", "user"), [("personal", "oauth2"), ("job", "gitlab-ci-token")])
def test_git_gets_in_with_our_credentials(server: GitLabServer, tmp_path: Path, kind: str, user: str) -> None:
    token = server.token("ada", kind=kind)  # type: ignore[arg-type] # literals from a parameter
    credentials = open_host(server, token).git_credentials()
    assert credentials is not None
    env = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.{credentials.url}.extraHeader",
        "GIT_CONFIG_VALUE_0": credentials.header,
    }

    done = subprocess.run(
        ["git", "clone", "--quiet", server.git_url, str(tmp_path / "work")], env=env, capture_output=True, check=False
    )

    assert done.returncode == 0, done.stderr.decode()
    assert (tmp_path / "work" / "readme.md").read_text() == "hello\n"
    assert credentials.header == f"Authorization: Basic {base64.b64encode(f'{user}:{token}'.encode()).decode()}"
    assert credentials.url == f"{server.web_url}/acme/"
    assert token not in repr(credentials)


def test_git_gets_no_token_over_a_connection_that_can_be_read() -> None:
    assert open_at("http://gitlab.example.com", "glpat-abc").git_credentials() is None


def test_a_first_report_and_an_unchanged_one_cost_few_calls(server: GitLabServer, request_one: ChangeRequest) -> None:
    """Budget of the adapter alone: no read that the protocol's call does not need."""
    host = open_host(server)
    server.requests.clear()

    list(host.change_requests.find(state="open", source_branch="feature"))
    host.identity()
    made = host.comments.create(request_one.topic, "x")
    host.comments.update(made, "y")
    host.statuses.set(_light(request_one.head))

    assert [request.method for request in server.requests] == ["GET", "GET", "POST", "GET", "PUT", "POST"]
