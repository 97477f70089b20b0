"""Turn snapshots, comparisons, gates, graphs and plans into the report's data model (pure)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ci_core.reports import report as shown
from ci_core.serving.spec import thaw

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ci_core.deploy.spec import Plan
    from ci_core.gates.spec import GateResult
    from ci_core.pipelines.spec import PipelineRun
    from ci_core.types import JsonValue
    from ci_core.versioning.difference import FileDiff, SnapshotDiff


def verdict(gates: Sequence[GateResult], run: PipelineRun | None) -> shown.GateState:
    """Return the colour of the check: the worst gate, or ``fail`` when the pipeline failed."""
    if run is not None and run.failure is not None:
        return "fail"
    states = {gate.state for gate in gates}
    return "fail" if "fail" in states else "warn" if "warn" in states else "pass"


def gate_rows(gates: Sequence[GateResult]) -> tuple[shown.Gate, ...]:
    """Return the gates as the report shows them."""
    return tuple(
        shown.Gate(
            key=gate.key,
            state=gate.state,
            old=scalar(gate.old),
            new=scalar(gate.new),
            limit=gate.limit,
            sentence=gate.sentence,
        )
        for gate in gates
    )


def metric_rows(diff: SnapshotDiff) -> tuple[shown.MetricRow, ...]:
    """Return every metric, before and after."""
    return tuple(
        shown.MetricRow(
            key=metric.key,
            old=scalar(metric.old),
            new=scalar(metric.new),
            difference=metric.difference,
            direction=metric.direction,
        )
        for metric in diff.metrics
    )


def param_rows(diff: SnapshotDiff) -> tuple[shown.ParamRow, ...]:
    """Return the params that differ."""
    return tuple(
        shown.ParamRow(key=param.key, old=scalar(param.old), new=scalar(param.new), change=param.change)
        for param in diff.params
    )


def data_rows(diff: SnapshotDiff) -> tuple[shown.DataRow, ...]:
    """Return the data files that differ."""
    return tuple(
        shown.DataRow(
            path=file.path,
            old_path=file.old_path,
            change=file.change,
            old_bytes=file.old_bytes,
            new_bytes=file.new_bytes,
            detail=_files_detail(file),
        )
        for file in diff.data
    )


def _files_detail(file: FileDiff) -> str:
    if file.old_files is None and file.new_files is None:
        return ""
    return f"files {file.old_files or 0:,} → {file.new_files or 0:,}"


def model_rows(diff: SnapshotDiff, models: Iterable[str]) -> tuple[shown.ModelRow, ...]:
    """Return the outputs that differ and that the serving graph loads."""
    wanted = set(models)
    return tuple(
        shown.ModelRow(
            path=file.path,
            change=file.change,
            old_digest=file.old_digest,
            new_digest=file.new_digest,
            old_bytes=file.old_bytes,
            new_bytes=file.new_bytes,
        )
        for file in diff.outputs
        if file.path in wanted
    )


def environment_rows(diff: SnapshotDiff) -> tuple[shown.EnvironmentRow, ...]:
    """Return what the code runs on and that differs."""
    return tuple(shown.EnvironmentRow(name=row.name, old=row.old, new=row.new) for row in diff.environment)


def pipeline_part(run: PipelineRun) -> shown.Pipeline:
    """Return what running the pipeline did."""
    failure = run.failure
    return shown.Pipeline(
        stages=tuple(
            shown.Stage(
                name=stage.name,
                state=stage.outcome,
                seconds=None if stage.outcome in ("skipped", "not-run") else stage.seconds,
                reason=", ".join(stage.reasons),
            )
            for stage in run.stages
        ),
        failure=None
        if failure is None
        else shown.StageFailure(
            stage=failure.stage,
            command=failure.command,
            exit_code=failure.exit_code,
            tail="\n".join(failure.last_lines) or failure.reason,
        ),
        note="" if any(stage.outcome != "skipped" for stage in run.stages) else "nothing was stale",
    )


def plan_part(plan: Plan, trigger: str) -> shown.Plan:
    """Return what a merge does to one environment."""
    return shown.Plan(
        environment=plan.environment,
        target=plan.target,
        action=plan.action,
        trigger=trigger,
        release=plan.release,
        live=plan.live,
        steps=tuple(
            shown.StepChange(step=change.step, change=change.change, detail=change.detail) for change in plan.steps
        ),
        models=plan.models,
        notes=plan.notes,
    )


def scalar(value: JsonValue) -> bool | int | float | str | None:
    """Return a value as one cell shows it: lists and mappings as JSON text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return json.dumps(thaw(value), ensure_ascii=False)
