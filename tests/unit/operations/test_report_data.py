"""From snapshots, gates, graphs and plots to the report: nothing is lost, nothing is made up."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

from ci_core.behaviour.spec import Behaviour, FieldChange, ValueChange
from ci_core.deploy.spec import Plan, StepChange
from ci_core.gates.spec import GateResult
from ci_core.monitoring.table_diff import TableDiff
from ci_core.operations import report_data
from ci_core.operations.metric_data import metric_rows, scalar
from ci_core.operations.model_data import model_rows
from ci_core.pipelines.spec import PipelineRun, StageFailure, StageRun
from ci_core.types import CommitId, Digest, EnvironmentName, ReleaseId, StepName
from ci_core.versioning.difference import EnvironmentDiff, FileDiff, FolderDiff, MetricDiff, ParamDiff, SnapshotDiff
from ci_core.versioning.revision import CodeVersion

if TYPE_CHECKING:
    from ci_core.gates.spec import GateState
    from ci_core.types import JsonValue

HEAD = CodeVersion(commit=CommitId("a" * 40))


def _diff(**parts: Any) -> SnapshotDiff:
    return SnapshotDiff(base=None, head=HEAD, **parts)


# --- the verdict ---


@pytest.mark.parametrize(
    ("states", "verdict"),
    [
        ((), "pass"),
        (("pass", "pass"), "pass"),
        (("pass", "warn"), "warn"),
        (("warn", "fail", "pass"), "fail"),
    ],
)
def test_the_worst_gate_is_the_verdict(states: tuple[GateState, ...], verdict: str) -> None:
    gates = [GateResult(key="m.json:auc", state=state) for state in states]

    assert report_data.verdict(gates, PipelineRun(stages=())) == verdict


def test_a_failed_pipeline_is_a_failed_check_whatever_the_gates_say() -> None:
    run = PipelineRun(stages=(), failure=StageFailure(stage="train", reason="it ended with exit code 1"))

    assert report_data.verdict([GateResult(key="m.json:auc", state="pass")], run) == "fail"


# --- rows ---


def test_gates_metrics_and_params_are_taken_over_as_they_are() -> None:
    gate = GateResult(key="m.json:auc", state="warn", old=0.8, new=0.7, limit="at least 0.8", sentence="It fell.")
    diff = _diff(
        metrics=(MetricDiff(key="m.json:auc", old=0.8, new=0.7, change="changed", difference=-0.1, direction="worse"),),
        params=(ParamDiff(key="params.yaml:rate", new=None, change="added"),),
        environment=(EnvironmentDiff(name="python", kind="python", old="3.11", new="3.12"),),
    )

    (shown_gate,) = report_data.gate_rows([gate])
    (metric,) = metric_rows(diff).rows
    (param,) = report_data.param_rows(diff)
    (environment,) = report_data.environment_rows(diff)

    assert shown_gate.model_dump() == {
        "key": "m.json:auc", "state": "warn", "old": 0.8, "new": 0.7, "limit": "at least 0.8", "sentence": "It fell.",
        "interval": None, "is_within_noise": False,
    }  # fmt: skip
    assert metric.model_dump() == {
        "key": "m.json:auc", "old": 0.8, "new": 0.7, "difference": -0.1, "direction": "worse", "note": "",
    }  # fmt: skip
    assert param.model_dump() == {"key": "params.yaml:rate", "old": None, "new": None, "change": "added"}
    assert environment.model_dump() == {"name": "python", "old": "3.11", "new": "3.12"}


def test_a_metric_that_is_not_a_number_any_more_is_spelled_out() -> None:
    diff = _diff(metrics=(MetricDiff(key="m.json:loss", old=0.5, new=math.nan, change="changed", direction="worse"),))

    assert metric_rows(diff).rows[0].new == "NaN"


def test_a_folder_tells_how_many_files_it_had_and_has() -> None:
    diff = _diff(
        data=(
            FileDiff(path="data/a.csv", change="changed", old_bytes=10, new_bytes=12),
            FileDiff(path="data/images", change="changed", old_files=1200, new_files=1300),
            FileDiff(path="data/new", change="added", new_files=3),
            FileDiff(path="data/old", change="removed", old_files=1),
            FileDiff(path="data/same", change="changed", old_files=2, new_files=2),
        )
    )

    rows = report_data.data_rows(diff)

    assert [row.detail for row in rows] == ["", "1300 files, 1200 before", "3 files", "1 file before", "2 files"]
    assert (rows[0].old_bytes, rows[0].new_bytes) == (10, 12)


def test_a_table_tells_its_rows_and_an_output_the_stage_that_made_it() -> None:
    diff = _diff(
        data=(FileDiff(path="data/a.csv", change="changed"),),
        outputs=(FileDiff(path="out/b.csv", change="added"), FileDiff(path="models/m.onnx", change="changed")),
    )

    rows = report_data.data_rows(
        diff,
        makers={"out/b.csv": "prepare", "models/m.onnx": "train"},
        tables=[TableDiff(path="data/a.csv", old_rows=10, new_rows=12)],
        besides=["models/m.onnx"],
    )

    assert [(row.path, row.old_rows, row.new_rows, row.made_by) for row in rows] == [
        ("data/a.csv", 10, 12, ""),
        ("out/b.csv", None, None, "prepare"),
    ]


def test_a_folder_tells_what_happened_to_the_files_inside() -> None:
    inside = FolderDiff(added=1200, changed=0, renamed=3, removed=1, examples=("+ a.png",))
    diff = _diff(data=(FileDiff(path="data/img", change="changed", old_files=10, new_files=1209, folder=inside),))

    (row,) = report_data.data_rows(diff)

    assert row.detail == "1209 files, 10 before: 1200 added, 3 renamed, 1 removed"
    assert row.examples == ("+ a.png",)


def test_only_outputs_that_the_graph_loads_are_models() -> None:
    diff = _diff(
        outputs=(
            FileDiff(path="data/prepared", change="changed"),
            FileDiff(path="models/late.onnx", change="changed", old_digest=Digest("md5:1"), new_digest=Digest("md5:2")),
        )
    )

    rows = model_rows(diff, ["models/late.onnx", "models/other.onnx"])

    assert [(row.path, row.old_digest, row.new_digest) for row in rows] == [("models/late.onnx", "md5:1", "md5:2")]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (True, True),
        (3, 3),
        ("ä", "ä"),
        ([1, ("a", None)], '[1, ["a", null]]'),
        (MappingProxyType({"deep": MappingProxyType({"ä": 1})}), '{"deep": {"ä": 1}}'),
    ],
)
def test_a_cell_shows_lists_and_mappings_as_json(value: JsonValue, shown: object) -> None:
    assert scalar(value) == shown


# --- the pipeline ---


def test_a_stage_that_did_not_run_has_no_time() -> None:
    run = PipelineRun(
        stages=(
            StageRun(name="prepare", outcome="skipped", seconds=0.01),
            StageRun(name="train", outcome="ran", seconds=1.5, reasons=("param `rate` changed", "`a.py` changed")),
            StageRun(name="evaluate", outcome="cached", seconds=0.2),
        )
    )

    part = report_data.pipeline_part(run)

    assert [(stage.name, stage.state, stage.seconds) for stage in part.stages] == [
        ("prepare", "skipped", None),
        ("train", "ran", 1.5),
        ("evaluate", "cached", 0.2),
    ]
    assert part.stages[1].reason == "param `rate` changed, `a.py` changed"
    assert part.note == ""


def test_a_run_that_skipped_everything_says_that_nothing_was_stale() -> None:
    part = report_data.pipeline_part(PipelineRun(stages=(StageRun(name="train", outcome="skipped"),)))

    assert part.note == "nothing was stale"


def test_a_failed_stage_shows_its_last_lines_or_else_the_reason() -> None:
    loud = StageFailure(stage="train", reason="exit code 1", command="python train.py", last_lines=("a", "b"))
    silent = StageFailure(stage="train", reason="it was ended by signal 9")

    told = report_data.pipeline_part(PipelineRun(stages=(), failure=loud)).failure
    untold = report_data.pipeline_part(PipelineRun(stages=(), failure=silent)).failure

    assert told is not None
    assert (told.stage, told.command, told.tail) == ("train", "python train.py", "a\nb")
    assert untold is not None
    assert untold.tail == "it was ended by signal 9"


# --- the plan ---


def test_a_plan_is_taken_over_with_what_sets_it_off() -> None:
    plan = Plan(
        environment=EnvironmentName("staging"),
        target="local",
        release=ReleaseId("b" * 64),
        live=ReleaseId("a" * 64),
        live_version=3,
        action="replace",
        steps=(StepChange(step=StepName("score"), change="changed", detail="with"),),
        models=("`m.onnx` replaced",),
        notes=("settings change: `capture`",),
    )

    part = report_data.plan_part(plan, "merge")

    assert (part.environment, part.target, part.action, part.trigger) == ("staging", "local", "replace", "merge")
    assert (part.release, part.live) == ("b" * 64, "a" * 64)
    assert part.steps[0].model_dump() == {"step": "score", "change": "changed", "detail": "with"}
    assert (part.models, part.notes) == (("`m.onnx` replaced",), ("settings change: `capture`",))


def test_what_changed_in_answers_keeps_its_fields_and_what_differs_by_itself() -> None:
    became = ValueChange(old='"late"', new="null", answers=2)
    label = FieldChange(place="rows[].label", kind="other", answers=3, values=(became,), more_values=1)
    moved = FieldChange(place="p", kind="number", answers=4, median=0.1, largest=0.25, share=0.5)

    part = report_data.behaviour_part(
        Behaviour(
            source="s",
            requests=9,
            changed=5,
            gained=1,
            unsteady=2,
            unsteady_places=("at", ""),
            fields=(label, moved),
            more_fields=7,
        )
    )

    assert part is not None
    assert (part.changed, part.gained, part.unsteady, part.unsteady_places) == (5, 1, 2, ("at", ""))
    assert [one.model_dump(exclude_defaults=True) for one in part.fields] == [
        {
            "place": "rows[].label",
            "kind": "other",
            "answers": 3,
            "values": ({"old": '"late"', "new": "null", "answers": 2},),
            "more_values": 1,
        },
        {"place": "p", "kind": "number", "answers": 4, "median": 0.1, "largest": 0.25, "share": 0.5},
    ]
    assert part.more_fields == 7


def test_few_of_many_stale_stages_are_named() -> None:
    names = tuple(f"fit@{index}" for index in range(150))

    assert report_data.stale_sentences(_diff(stale=())) == ()
    assert report_data.stale_sentences(_diff(stale=names[:2])) == (
        "`fit@0`, `fit@1` would run again: the metrics describe an older state (`graphship run`)",
    )
    assert report_data.stale_sentences(_diff(stale=names)) == (
        (
            "`fit@0`, `fit@1`, `fit@2`, `fit@3`, `fit@4` and 145 more would run again: "
            "the metrics describe an older state (`graphship run`)"
        ),
    )
