"""``graphship ci`` on a schedule: what it says of live traffic, how often, and what becomes of a retraining.

The model is a line through the origin in an ONNX file, fitted by a stage of the pipeline to ``data/train.parquet``:
30 days of 600 rows with ``x`` around 0. Live traffic is written where a server's captures are compacted to.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pytest

from ci_core.testing.projects import run_git
from ci_core.versioning.dvc import DvcProject

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from subprocess import CompletedProcess

    from tests.e2e.operations.conftest import CiProject, CiRun

pytestmark = pytest.mark.e2e

JANUARY, FEBRUARY = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC)
MONITOR = """\
name: sample
graph: serving/graph.py:graph
smoke: serving/requests.jsonl
environments:
  staging: {target: local, deploy-on: merge}
monitor:
  reference: data/train.parquet
  time-column: at
  target: y
  labels: {path: LABELS, key: event_id}
retrain: {data: data/train.parquet}
"""
FILES = {
    "serving/graph.py": """\
from ci_core.serving import Graph, Router

graph = Graph("line")
graph.to(Router.single({"line": "models/line.onnx"})).respond()
""",
    "src/fit.py": """\
import json

import duckdb
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

rows = duckdb.sql("SELECT x, y FROM 'data/train.parquet'").fetchnumpy()
slope = float(rows["x"] @ rows["y"] / (rows["x"] @ rows["x"]))
column = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]) for name in "xy"}
line = helper.make_graph(
    [helper.make_node("Mul", ["x", "slope"], ["y"])], "line", [column["x"]], [column["y"]],
    [numpy_helper.from_array(np.array([slope], "float32"), "slope")],
)
onnx.save(helper.make_model(line, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "models/line.onnx")
json.dump({"slope": round(slope, 3)}, open("fit.json", "w"))
""",
}
STAGE = """\
  fit:
    cmd: python3 src/fit.py
    deps: [data/train.parquet, src/fit.py]
    outs: [models/line.onnx]
    metrics: [{fit.json: {cache: false}}]
"""


def _write(path: Path, columns: Mapping[str, Any], select: str = "*") -> None:
    """Write a Parquet file of columns given as arrays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("rows", dict(columns))
        connection.execute(f"COPY (SELECT {select} FROM rows) TO '{path}' (FORMAT parquet)")


def _times(start: datetime, days: int, rows_a_day: int) -> Any:
    """Return instants spread evenly over some days."""
    step = timedelta(days=1) / rows_a_day
    return np.array([start.replace(tzinfo=None) + index * step for index in range(days * rows_a_day)], "datetime64[us]")


def _send(project: CiProject, day: int, *, mean: float, rows: int = 600) -> None:
    """Let a day of February's traffic come, with ``x`` around `mean`; its outcomes are in :func:`_label`."""
    start = FEBRUARY + timedelta(days=day)
    x = np.random.default_rng(day).normal(mean, 1, rows)
    live = project.live()
    columns = {
        "_event_id": np.array([f"{day}-{row}" for row in range(rows)]),
        "_event_time": _times(start, 1, rows),
        "_release": np.array([live.release] * rows),
        "_model": np.array(["line"] * rows),
        "x": x,
        "_output": 3 * x,
    }
    day_file = Path(live.captures or "") / "compacted" / f"{start:%Y-%m-%d}.parquet"
    _write(day_file, columns, "* REPLACE (CAST(_event_time AS TIMESTAMPTZ) AS _event_time)")


def _label(project: CiProject, days: int) -> None:
    """Let the outcomes of the first days arrive: the same line as ever."""
    events, outcomes = [], []
    for day in range(days):
        x = np.random.default_rng(day).normal(6, 1, 600)
        events += [f"{day}-{row}" for row in range(600)]
        outcomes += list(3 * x + np.random.default_rng(100 + day).normal(0, 0.1, 600))
    _write(project.folder / "labels.parquet", {"event_id": np.array(events), "y": np.array(outcomes)})


def _learn(project: CiProject) -> None:
    """Give the project a model that is made from a table with times, and push it."""
    sample = project.sample
    x = np.random.default_rng(7).normal(0, 1, 30 * 600)
    table = {"at": _times(JANUARY, 30, 600), "x": x, "y": 3 * x + np.random.default_rng(8).normal(0, 0.1, len(x))}
    _write(sample.root / "data" / "train.parquet", table)
    for path, text in FILES.items():
        sample.write(path, text)
    sample.write("graphship.yaml", MONITOR.replace("LABELS", str(project.folder / "labels.parquet")))
    sample.write("dvc.yaml", (sample.root / "dvc.yaml").read_text() + STAGE)
    DvcProject(sample.root).add(["data/train.parquet"])
    _run_and_push(project)


def _run_and_push(project: CiProject) -> None:
    """Run the pipeline by hand and push code and data."""
    made = project.command("run", cwd=project.sample.root)
    assert made.returncode == 0, made.stderr
    project.push("a line")
    DvcProject(project.sample.root).push()


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
    _learn(project)
    deployed = project.ci("push")
    assert deployed.exit_code == 0, deployed.log
    files = project.host_files()
    quiet = _watch(project)
    _send(project, 0, mean=6, rows=100)
    few = _watch(project)
    for day in range(1, 5):
        _send(project, day, mean=6)
    drifted, drifted_again = _watch(project), _watch(project)
    _label(project, 5)
    lost, lost_again = _watch(project), _watch(project)
    asked = project.command("retrain", "staging", "--project", str(project.runner), cwd=project.folder)
    project.sample.replace("src/fit.py", "slope = float(", "slope = 1.001 * float(")
    _run_and_push(project)
    project.ci("push")
    renewed = _watch(project)
    _send(project, 5, mean=0)
    calm = _watch(project)
    _write(project.sample.root / "data" / "other.parquet", {"at": _times(JANUARY, 1, 10), "z": np.zeros(10)})
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
