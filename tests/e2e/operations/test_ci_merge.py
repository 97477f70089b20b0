"""``graphship ci`` on a push to the default branch: what serves afterwards, and what is written down about it."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from ci_core.testing.projects import run_git
from ci_core.types import EnvironmentName
from ci_core.versioning.git import GitRepository
from ci_core.versioning.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.hosts.spec import ChangeRequest
    from tests.e2e.operations.conftest import CiProject, CiRun

pytestmark = pytest.mark.e2e

STAGING = EnvironmentName("staging")
ENDS_EARLY = """\
import sys

if "ci_core.serving" in sys.orig_argv:
    raise RuntimeError("no room for the model")


def answer(body):
    return {"y": 0}
"""
"""Steps that load in CI and not in a server process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What there was to see after one run."""

    run: CiRun
    commit: str
    answer: Any
    records: list[tuple[str, str]]
    """Commit and state of the host's deployment records, newest first."""
    ledger: list[Any]
    light: tuple[str, str]
    host: Mapping[str, str]
    notes: list[str]
    """Our comments on the change request that was merged last."""


def _push(project: CiProject, request: ChangeRequest | None = None, *options: str) -> Moment:
    """Run the CI of the newest commit of ``main`` and look around."""
    run = project.ci("push", *options)
    commit = project.head("main")
    light = project.statuses(commit)["graphship/deploy/staging"]
    return Moment(
        run=run,
        commit=commit,
        answer=project.ask(10)["y"],
        records=[(record.commit, record.state) for record in project.host.deployments.list(STAGING)],
        ledger=project.ledger_lines("deployments/sample/staging.jsonl"),
        light=(light.state, light.description),
        host=project.host_files(),
        notes=project.comments(request.number) if request else [],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    first: Moment
    again: Moment
    broken: Moment
    broken_again: Moment
    mended: Moment


@pytest.fixture(scope="module")
def story(module_project: CiProject) -> Story:
    project = module_project
    first, again = _push(project), _push(project)
    sound = (project.sample.root / "serving" / "steps.py").read_text()
    bad = project.propose("bad", lambda sample: sample.write("serving/steps.py", ENDS_EARLY))
    project.merge(bad.number)
    broken, broken_again = _push(project, bad), _push(project, bad)
    good = project.propose("good", lambda sample: sample.write("serving/steps.py", sound))
    project.merge(good.number)
    return Story(first=first, again=again, broken=broken, broken_again=broken_again, mended=_push(project, good))


def test_a_merge_deploys_and_writes_it_down(story: Story) -> None:
    moment = story.first

    assert moment.run.exit_code == 0, moment.run.log
    assert moment.answer == pytest.approx(26.978)
    assert moment.records == [(moment.commit, "success")]
    assert moment.light == ("success", f"release {moment.run.outputs['release-id'][:12]} serves")
    (line,) = moment.ledger
    assert (line["outcome"], line["commit"], line["reason"]) == ("deployed", moment.commit, "")
    assert [phase for phase, _ in line["phases"]] == ["unpack", "start", "ready", "smoke", "switch", "drain"]


def test_the_page_of_all_deployments_is_written(story: Story) -> None:
    page = (story.mended.run.root / ".graphship" / "deployments" / "index.html").read_text()

    assert story.first.run.outputs["release-id"][:12] in page
    assert "no room for the model" not in page
    assert "before it was ready" in page


def test_the_same_commit_again_changes_nothing(story: Story) -> None:
    assert story.again.run.exit_code == 0
    assert story.again.host == story.first.host
    assert story.again.run.outputs == story.first.run.outputs


def test_a_candidate_that_does_not_get_ready_leaves_the_old_release_serving(story: Story) -> None:
    moment = story.broken
    old = story.first.run.outputs["release-id"][:12]

    assert moment.run.exit_code == 4
    assert moment.run.errors == ["deployment-failed"]
    assert "RuntimeError: no room for the model" in moment.run.log
    assert moment.run.outputs["delivered"] == "true"
    assert moment.answer == story.first.answer
    assert moment.records[0] == (moment.commit, "failure")
    assert moment.light[0] == "failure"
    assert [line["outcome"] for line in moment.ledger] == ["deployed", "failed"]
    (note,) = moment.notes
    assert f"Not deployed to staging: release `{old}` keeps serving" in note
    assert "RuntimeError: no room for the model" in note


def test_a_release_that_failed_is_not_tried_again(story: Story) -> None:
    assert story.broken_again.run.exit_code == 4
    assert story.broken_again.run.errors == ["plan-refused"]
    assert story.broken_again.answer == story.first.answer


def test_a_commit_that_serves_the_same_release_gets_its_light_and_note_but_no_record(story: Story) -> None:
    moment = story.mended

    assert moment.run.exit_code == 0, moment.run.log
    assert moment.run.outputs["release-id"] == story.first.run.outputs["release-id"]
    assert moment.light == story.first.light
    (note,) = moment.notes
    assert "serves staging" in note
    assert "1 recorded request answered" in note


def test_a_record_that_the_host_did_not_take_is_made_by_the_next_run(ci_project: CiProject) -> None:
    ci_project.ci("push")
    record = ci_project.host.folder / "deployments" / "1.json"
    sound = record.read_bytes()
    record.write_text("{")
    ci_project.sample.replace("serving/steps.py", "SLOPE *", "2 * SLOPE *")
    ci_project.push()

    run = ci_project.ci("push", "--require-delivery")
    record.write_bytes(sound)
    repaired = _push(ci_project)

    assert run.exit_code == 6
    assert run.outputs["delivered"] == "false"
    assert "warning: could not deliver the deployment record" in run.log
    assert repaired.run.exit_code == 0
    assert repaired.run.outputs["delivered"] == "true"
    assert repaired.answer == pytest.approx(53.957)
    assert repaired.records == [(repaired.commit, "success"), (repaired.ledger[0]["commit"], "inactive")]
    assert [line["outcome"] for line in repaired.ledger] == ["deployed", "deployed"]


def test_a_port_that_is_taken_is_one_message_and_nothing_serves(ci_project: CiProject) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ci_project.sample.replace("graphship.yaml", "ready-timeout: 30s", f"port: {port}")
        commit = ci_project.push()

        run = ci_project.ci("push")

    assert run.exit_code == 4
    assert run.errors == ["environment-port-taken"]
    assert f"`staging` cannot listen on port {port} of 127.0.0.1" in run.log
    assert "Traceback" not in run.log
    assert ci_project.live().release is None
    assert ci_project.statuses(commit)["graphship/deploy/staging"].state == "failure"


def test_a_capture_folder_that_cannot_be_written_is_one_message_and_nothing_serves(ci_project: CiProject) -> None:
    taken = ci_project.folder / "taken"
    taken.write_text("a file")
    ci_project.sample.replace("graphship.yaml", "smoke:", f"capture: {{to: {taken}}}\nsmoke:")
    ci_project.push()

    run = ci_project.ci("push")

    assert run.exit_code == 2
    assert run.errors == ["capture-not-writable"]
    assert ci_project.live().release is None
    assert taken.read_text() == "a file"


def test_a_run_of_an_older_commit_does_not_undo_a_newer_deployment(ci_project: CiProject) -> None:
    older = ci_project.head("main")
    slow = ci_project.folder / "slow"
    run_git(ci_project.folder, "clone", "-q", str(ci_project.sample.git_remote), "slow")
    steps = ci_project.sample.root / "serving" / "steps.py"
    steps.write_text(steps.read_text().replace("SLOPE * body", "2 * SLOPE * body"))
    newer = ci_project.push("twice as much")
    ci_project.ci("push")

    run = ci_project.ci("push", root=slow)

    assert run_git(slow, "rev-parse", "HEAD").strip() == older
    assert run.exit_code == 0
    assert "staging serves a newer commit, so this one is not deployed" in run.log
    assert ci_project.live().commit == newer
    assert [record.commit for record in ci_project.host.deployments.list(STAGING)] == [newer]


def test_a_run_about_another_commit_than_the_one_checked_out_is_refused(ci_project: CiProject) -> None:
    before = ci_project.head("main")
    ci_project.sample.write("README.md", "# Sample\n")
    ci_project.push("a readme")

    run = ci_project.ci("push", env={"GRAPHSHIP_COMMIT": before})

    assert run.exit_code == 2
    assert f"error[not-checked-out]: this run is about commit `{before[:12]}`" in run.log
    assert ci_project.live().release is None


def test_a_metric_that_is_no_number_does_not_keep_a_release_from_serving(ci_project: CiProject) -> None:
    evaluate = ci_project.sample.root / "src" / "evaluate.py"
    evaluate.write_text(evaluate.read_text().replace("json.dumps({", 'json.dumps({"odd": float("nan"), '))
    ci_project.command("run", "--push", cwd=ci_project.sample.root)
    ci_project.push("an odd metric")

    run = ci_project.ci("push")

    assert run.exit_code == 0, run.log
    record: Any = Ledger(GitRepository(run.root)).read_json(f"releases/{run.outputs['release-id']}.json")
    assert record["metrics"]["metrics.json:odd"] == "NaN"


def test_a_push_to_another_branch_deploys_nothing(ci_project: CiProject) -> None:
    ci_project.sample.write("README.md", "an idea\n")
    ci_project.push(branch="idea")
    before = ci_project.host_files()

    run = ci_project.ci("push", branch="idea")

    assert run.exit_code == 0
    assert "nothing to do for a `push` of idea" in run.log
    assert ci_project.host_files() == before
    assert ci_project.live().release is None
