"""``graphship ci`` for a change request on GitHub and GitLab: what stands there, and what it costs in requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.hosts.hosted_project import HostedProject, hosted_project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.e2e

FIRST_CALLS, UNCHANGED_READS = 12, 6
"""What one report may ask of a host: the first one, and one that says nothing new and writes nothing."""


@pytest.fixture(params=["github", "gitlab"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[HostedProject]:
    with hosted_project(request.param, tmp_path) as made:
        yield made


def open_request(project: HostedProject, branch: str) -> int:
    """Change a param on a branch, push it as a person, and open a change request."""
    project.sample.git("checkout", "-q", "-B", branch, "main")
    project.sample.replace("params.yaml", "steps: 3", "steps: 30")
    project.sample.commit("train longer")
    project.push(branch)
    return (
        project.person()
        .change_requests.create(title="Train longer", body="does it pay?", source_branch=branch, target_branch="main")
        .number
    )


def test_a_report_is_written_once_edited_in_place_and_costs_few_requests(project: HostedProject) -> None:
    number = open_request(project, "longer")
    first = project.report(number, project.sample.head(), "longer")
    head = project.person().change_requests.get(number).head
    project.sample.git("fetch", "-q", project.address(), "longer")
    again = project.report(number, head, "longer")

    assert first.exit_code == 0, first.log
    assert len(first.requests) <= FIRST_CALLS, [*first.reads, *first.writes]
    assert again.exit_code == 0, again.log
    assert again.writes == []
    assert len(again.reads) <= UNCHANGED_READS, again.reads
    (comment,) = project.person().comments.list(project.person().change_requests.get(number).topic)
    assert "steps" in comment.body
    lights = {light.context: light.state for light in project.person().statuses.list(head)}
    assert lights == {"graphship/report": "success"}
    assert head != project.sample.head()  # what the pipeline made was committed by the first run
    assert project.token not in first.log + first.printed + again.log


def test_a_token_that_may_only_read_leaves_the_report_in_files_and_names_what_it_lacks(project: HostedProject) -> None:
    number = open_request(project, "longer")
    reading = project.reading_token()

    done = project.report(number, project.sample.head(), "longer", token=reading)

    assert done.outputs["delivered"] == "false"
    assert (project.sample.folder / "job-0/.graphship/report/report.html").is_file()
    missing = "pull-requests: write" if project.kind == "github" else "api"
    assert missing in done.log
    assert list(project.person().comments.list(project.person().change_requests.get(number).topic)) == []
    assert reading not in done.log


def test_two_hundred_open_change_requests_cost_a_run_nothing_more(project: HostedProject) -> None:
    number = open_request(project, "longer")
    alone = project.report(number, project.sample.head(), "longer", GRAPHSHIP_TRUSTED="true")
    person = project.person()
    for index in range(200):
        project.server.push(f"other-{index}", {f"{index}.txt": "x"})
        person.change_requests.create(title="t", body="", source_branch=f"other-{index}", target_branch="main")
    project.sample.git("fetch", "-q", project.address(), "longer")

    among = project.report(number, person.change_requests.get(number).head, "longer")

    assert among.exit_code == 0, among.log
    assert len(among.requests) < len(alone.requests)
    assert len(among.requests) <= UNCHANGED_READS
