"""``graphship ci`` on a schedule: what it says of live traffic, how often, and what becomes of a retraining."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ci_core.testing.projects import run_git
from ci_core.versioning.dvc import DvcProject
from tests.e2e.operations.drift_project import JANUARY, label, learn, run_and_push, send, times, write_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from subprocess import CompletedProcess

    from tests.e2e.operations.conftest import CiProject, CiRun

pytestmark = pytest.mark.e2e


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What there was to see after one run."""

    run: CiRun
    issue: Any
    """State, title and body of the one issue; None when there is none."""
    light: tuple[str, str] | None
    host: Mapping[str, str]
    losses: list[Any]
    work_tree: str


def _watch(project: CiProject) -> Moment:
    run = project.ci("schedule")
    issues = list(project.host.every_issue())
    assert len(issues) <= 1
    light = project.statuses(project.head("main")).get("graphship/monitor/staging")
    return Moment(
        run=run,
        issue=issues[0] if issues else None,
        light=(light.state, light.description) if light else None,
        host=project.host_files(),
        losses=project.ledger_lines("retrain/sample/staging.jsonl"),
        work_tree=run_git(run.root, "status", "--porcelain", "--branch"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    deployed: dict[str, str]
    quiet: Moment
    few: Moment
    drifted: Moment
    drifted_again: Moment
    lost: Moment
    lost_again: Moment
    asked: CompletedProcess[str]
    renewed: Moment
    calm: Moment
    unfit: CiRun
    before_unfit: dict[str, str]
    after_unfit: dict[str, str]


@pytest.fixture(scope="module")
def story(module_project: CiProject) -> Story:
    project = module_project
    learn(project)
    deployed = project.ci("push")
    assert deployed.exit_code == 0, deployed.log
    files = project.host_files()
    quiet = _watch(project)
    send(project, 0, mean=6, rows=100)
    few = _watch(project)
    for day in range(1, 5):
        send(project, day, mean=6)
    drifted, drifted_again = _watch(project), _watch(project)
    label(project, 5)
    lost, lost_again = _watch(project), _watch(project)
    asked = project.command("retrain", "staging", "--project", str(project.runner), cwd=project.folder)
    project.sample.replace("src/fit.py", "np.array([slope]", "np.array([1.001 * slope]")
    run_and_push(project)
    project.ci("push")
    renewed = _watch(project)
    send(project, 5, mean=0)
    calm = _watch(project)
    write_table(project.sample.root / "data" / "other.parquet", {"at": times(JANUARY, 1, 10), "z": np.zeros(10)})
    project.sample.replace("graphship.yaml", "reference: data/train.parquet", "reference: data/other.parquet")
    DvcProject(project.sample.root).add(["data/other.parquet"])
    project.push("another reference")
    DvcProject(project.sample.root).push()
    before = project.host_files()
    unfit = project.ci("push")
    return Story(
        deployed=files,
        quiet=quiet,
        few=few,
        drifted=drifted,
        drifted_again=drifted_again,
        lost=lost,
        lost_again=lost_again,
        asked=asked,
        renewed=renewed,
        calm=calm,
        unfit=unfit,
        before_unfit=before,
        after_unfit=project.host_files(),
    )


def test_without_traffic_nothing_is_written(story: Story) -> None:
    assert story.quiet.run.exit_code == 0, story.quiet.run.log
    assert story.quiet.run.outputs["verdict"] == "insufficient-data"
    assert story.quiet.host == story.deployed
    assert story.quiet.light is None


def test_a_window_with_few_rows_is_neither_good_nor_bad(story: Story) -> None:
    assert story.few.run.exit_code == 0, story.few.run.log
    assert story.few.run.outputs["verdict"] == "insufficient-data"
    assert story.few.issue is None
    assert story.few.light == ("pending", "insufficient-data on 2024-02-01")


def test_drift_is_told_though_the_retraining_fails(story: Story) -> None:
    moment = story.drifted

    assert moment.run.exit_code == 2
    assert moment.run.errors == ["unreadable-table"]
    assert moment.run.outputs["verdict"] == "drift"
    assert moment.run.outputs["drifted-columns"] in {"x,_output", "_output,x"}
    assert moment.light == ("failure", "drift on 2024-02-05")
    assert (moment.issue.state, moment.issue.title) == ("open", "sample/staging: drift")
    assert "Retraining failed: the table" in moment.issue.body
    assert moment.work_tree == "## main...origin/main"


def test_the_next_run_says_the_same_and_writes_nothing(story: Story) -> None:
    assert story.drifted_again.run.exit_code == 2
    assert story.drifted_again.host == story.drifted.host


def test_a_challenger_that_does_not_win_is_told_and_not_proposed(story: Story) -> None:
    moment = story.lost

    assert moment.run.exit_code == 0, moment.run.log
    assert "No change request: " in moment.issue.body
    assert [line["newest-window"] for line in moment.losses] == ["2024-02-05"]
    assert moment.work_tree == "## main...origin/main"


def test_a_challenger_that_lost_is_not_trained_again(story: Story) -> None:
    assert story.lost_again.run.exit_code == 0
    assert "has lost already" in story.lost_again.run.log
    assert story.lost_again.host == story.lost.host


def test_a_person_may_ask_for_what_the_schedule_does_not_try_again(story: Story) -> None:
    assert story.asked.returncode == 0, story.asked.stderr
    assert "within noise" in story.asked.stdout
    assert "change request:" not in story.asked.stdout


def test_a_new_release_does_not_inherit_the_verdict_of_the_one_before(story: Story) -> None:
    assert story.renewed.run.exit_code == 0, story.renewed.run.log
    assert story.renewed.light is None
    assert story.renewed.issue == story.lost_again.issue


def test_a_window_without_drift_closes_the_issue(story: Story) -> None:
    assert story.calm.run.exit_code == 0, story.calm.run.log
    assert story.calm.run.outputs["verdict"] == "no-drift"
    assert story.calm.issue.state == "closed"
    assert story.calm.light == ("success", "no-drift on 2024-02-06")


def test_a_reference_that_lacks_a_column_of_the_model_stops_the_merge(story: Story) -> None:
    assert story.unfit.exit_code == 2
    assert story.unfit.errors == ["table-mismatch"]
    assert "the model gets `x`, which the reference does not have" in story.unfit.log
    assert story.after_unfit == story.before_unfit


def test_a_project_without_monitor_section_is_not_watched(ci_project: CiProject) -> None:
    before = ci_project.host_files()

    run = ci_project.ci("schedule")

    assert run.exit_code == 0
    assert "nothing is watched: graphship.yaml has no `monitor` section" in run.log
    assert ci_project.host_files() == before


def test_where_nothing_is_live_there_is_nothing_to_watch(make_ci_project: Callable[..., CiProject]) -> None:
    project = make_ci_project()
    project.sample.replace("graphship.yaml", "smoke:", "monitor: {reference: data/raw.csv, target: y}\nsmoke:")
    project.push()
    before = project.host_files()

    run = project.ci("schedule")

    assert run.exit_code == 0, run.log
    assert "nothing is live in staging" in run.log
    assert project.host_files() == before


def test_a_release_that_was_deployed_by_hand_is_judged_by_the_reference_of_this_commit(ci_project: CiProject) -> None:
    ci_project.sample.replace("graphship.yaml", "smoke:", "monitor: {reference: data/raw.csv, target: y}\nsmoke:")
    ci_project.push()
    by_hand = ci_project.command("deploy", "staging", cwd=ci_project.sample.root)
    assert by_hand.returncode == 0, by_hand.stderr

    first, second = ci_project.ci("schedule"), ci_project.ci("schedule")

    assert (first.exit_code, second.exit_code) == (0, 0), first.log
    assert "no reference was kept" in first.log
    assert "no reference was kept" not in second.log
    assert first.outputs["verdict"] == "insufficient-data"
