"""``graphship deliver`` on GitHub and GitLab: a fork's report is posted by a run with rights."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ci_core.hosts.spec import Topic
from ci_core.operations.handover import write_handover
from ci_core.reports.report import Commit, Gate, Link, Report
from ci_core.types import CommitId
from tests.e2e.hosts.hosted_project import HostedProject, Job, hosted_project
from tests.servers.github_proxy import GitHubServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.e2e


@pytest.fixture(params=["github", "gitlab"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[HostedProject]:
    with hosted_project(request.param, tmp_path) as made:
        yield made


def fork_request(project: HostedProject) -> tuple[int, CommitId]:
    """Let a stranger open a change request; return its number and head."""
    server = project.server
    if isinstance(server, GitHubServer):
        server.fork("eve")
        head = server.push("better", {"notes.txt": "mine"}, owner="eve")
        made = project.person().change_requests.create(
            title="Better @team", body="", source_branch="eve:better", target_branch="main"
        )
        return made.number, head
    number = server.fork_request("better", {"notes.txt": "mine"})
    return number, project.person().change_requests.get(number).head


def hand_over(project: HostedProject, number: int, head: str, **fields: Any) -> Path:
    folder = project.sample.folder / "handover"
    folder.mkdir(exist_ok=True)
    report = Report(
        project="flights",
        verdict="pass",
        base=Commit(id="1" * 40, label="main", url="https://evil.example/base"),
        head=Commit(id=head, label="[click](https://evil.example)", url="https://evil.example/head"),
        gates=(Gate(key="metrics.json:auc", state="pass", sentence="0.99 is at least 0.8"),),
        links=(Link(kind="report", text="the whole report", url="https://evil.example/report"),),
        **fields,
    )
    write_handover(folder, report, number=number)
    return folder


def deliver(project: HostedProject, folder: Path, *arguments: str, **variables: str) -> Job:
    return project.run(project.sample.root, "deliver", str(folder), *arguments, **variables)


def comments(project: HostedProject, number: int) -> list[str]:
    return [comment.body for comment in project.person().comments.list(Topic("change-request", number))]


def test_a_fork_s_report_is_posted_once_with_no_address_and_no_light_of_its_making(project: HostedProject) -> None:
    number, head = fork_request(project)
    folder = hand_over(project, number, head)

    first, again = (deliver(project, folder, "--head", head) for _ in range(2))

    assert first.exit_code == 0, first.log
    assert first.outputs["delivered"] == "true"
    assert again.writes == []
    (body,) = comments(project, number)
    assert "Its own code ran without any rights" in body
    assert "](<https://evil.example" not in body
    assert "evil.example/report" not in body
    assert list(project.person().statuses.list(head)) == []


def test_a_report_of_another_commit_than_the_host_says_is_refused(project: HostedProject) -> None:
    """C12."""
    number, head = fork_request(project)

    done = deliver(project, hand_over(project, number, head), "--head", "2" * 40)

    assert done.exit_code == 2
    assert "the run was about `222222222222`" in done.log
    assert done.requests == ()


def test_a_request_that_has_moved_gets_nothing_and_that_is_no_failure(project: HostedProject) -> None:
    number, _ = fork_request(project)
    folder = hand_over(project, number, "3" * 40)

    done = deliver(project, folder, "--head", "3" * 40)

    assert done.exit_code == 0, done.log
    assert "nothing was posted" in done.printed
    assert comments(project, number) == []


def test_a_request_of_the_repository_itself_is_refused(project: HostedProject) -> None:
    head = project.server.push("mine", {"notes.txt": "x"})
    number = (
        project.person().change_requests.create(title="t", body="", source_branch="mine", target_branch="main").number
    )

    done = deliver(project, hand_over(project, number, head), "--head", head)

    assert done.exit_code == 2
    assert "is not from a fork" in done.log
    assert comments(project, number) == []


def test_a_closed_request_is_refused(project: HostedProject) -> None:
    number, head = fork_request(project)
    project.person().change_requests.update(number, state="closed")

    done = deliver(project, hand_over(project, number, head), "--head", head)

    assert done.exit_code == 2
    assert "is closed" in done.log


def test_a_number_that_the_host_contradicts_is_refused(project: HostedProject) -> None:
    number, head = fork_request(project)

    done = deliver(project, hand_over(project, number, head), "--head", head, "--change-request", str(number + 1))

    assert done.exit_code == 2


def test_a_dry_run_checks_everything_and_writes_nothing(project: HostedProject) -> None:
    number, head = fork_request(project)

    done = deliver(project, hand_over(project, number, head), "--head", head, "--dry-run")

    assert done.exit_code == 0, done.log
    assert done.writes == []
    assert "would be posted" in done.printed


def test_the_event_of_a_finished_run_says_commit_and_repository(tmp_path: Path) -> None:
    with hosted_project("github", tmp_path) as project:
        number, head = fork_request(project)
        folder = hand_over(project, number, head)
        event = tmp_path / "event.json"

        def with_event(repository: str) -> Job:
            event.write_text(
                json.dumps({"workflow_run": {"head_sha": head, "head_repository": {"full_name": repository}}})
            )
            variables = {"GITHUB_EVENT_NAME": "workflow_run", "GITHUB_EVENT_PATH": str(event)}
            return deliver(project, folder, **variables)

        other, right = with_event("mallory/flights"), with_event("eve/flights")

    assert (other.exit_code, right.exit_code) == (2, 0), right.log
    assert "comes from another repository than the run" in other.log


def test_a_run_for_a_fork_asks_nothing_that_writes_and_leaves_what_can_be_delivered(tmp_path: Path) -> None:
    """C10."""
    with hosted_project("github", tmp_path) as project:
        project.sample.git("checkout", "-q", "-b", "better", "main")
        project.sample.replace("params.yaml", "steps: 3", "steps: 30")
        head = CommitId(project.sample.commit("train longer"))
        assert isinstance(project.server, GitHubServer)
        project.server.fork("eve")
        project.sample.git("push", "-q", str(project.server.hub.store("eve").folder), "HEAD:refs/heads/better")
        request = project.person().change_requests.create(
            title="Better", body="", source_branch="eve:better", target_branch="main"
        )

        made = project.report(request.number, head, "better", token=project.reading_token(), GRAPHSHIP_TRUSTED="false")
        done = deliver(project, project.sample.folder / "job-0/.graphship/handover", "--head", head)

        assert made.exit_code == 0, made.log
        assert made.writes == []
        assert made.outputs["handover-path"].endswith(".graphship/handover")
        assert "graphship deliver" in made.log
        assert done.exit_code == 0, done.log
        (body,) = [one.body for one in project.person().comments.list(request.topic)]
        assert "steps" in body
