"""Turn snapshots, comparisons, gates, graphs and plans into the report's data model (pure)."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from ci_core.gates.wording import code, first
from ci_core.operations.metric_data import scalar
from ci_core.reports import report as shown
from ci_core.reports.text import number, plural
from ci_core.serving.spec import thaw

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from _typeshed import DataclassInstance

    from ci_core.behaviour.spec import Behaviour, FieldChange
    from ci_core.deploy.spec import Plan
    from ci_core.gates.spec import Annotation, GateResult
    from ci_core.monitoring.table_diff import TableDiff
    from ci_core.pipelines.spec import PipelineRun
    from ci_core.types import Interval, JsonValue
    from ci_core.versioning.difference import FileDiff, SnapshotDiff
    from ci_core.versioning.revision import Snapshot

_MOST_STALE: Final = 5
"""Stages that a warning names."""
_SHOWN_CHARACTERS: Final = 2_000
"""Of one request or answer; renderers show less."""


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
            interval=_interval(gate.interval),
            is_within_noise=gate.is_within_noise,
        )
        for gate in gates
    )


def param_rows(diff: SnapshotDiff) -> tuple[shown.ParamRow, ...]:
    """Return the params that differ."""
    return tuple(
        shown.ParamRow(key=param.key, old=scalar(param.old), new=scalar(param.new), change=param.change)
        for param in diff.params
    )


def data_rows(
    diff: SnapshotDiff,
    *,
    makers: Mapping[str, str] | None = None,
    tables: Iterable[TableDiff] = (),
    besides: Collection[str] = (),
) -> tuple[shown.DataRow, ...]:
    """Return the files and folders that differ: data first, then what stages made of it.

    Args:
        diff: what differs.
        makers: file → the stage that makes it.
        tables: tell the rows of those files that are tables.
        besides: models, which the report shows elsewhere, as it does metrics and plots.
    """
    content = {table.path: table for table in tables}
    files = (*diff.data, *(file for file in diff.outputs if not file.is_result))
    return tuple(
        _data_row(file, (makers or {}).get(file.path, ""), content.get(file.path))
        for file in files
        if file.path not in besides
    )


def stage_of_files(*snapshots: Snapshot | None) -> dict[str, str]:
    """Return file → the stage that makes it; of several snapshots the last that knows it."""
    return {path: stage.name for side in snapshots if side for stage in side.stages for path in stage.makes}


def _data_row(file: FileDiff, maker: str, table: TableDiff | None) -> shown.DataRow:
    return shown.DataRow(
        path=file.path,
        old_path=file.old_path,
        change=file.change,
        old_rows=table.old_rows if table else None,
        new_rows=table.new_rows if table else None,
        old_bytes=file.old_bytes,
        new_bytes=file.new_bytes,
        detail=_files_detail(file),
        examples=file.folder.examples if file.folder else (),
        made_by=maker,
    )


def _files_detail(file: FileDiff) -> str:
    if file.old_files is None and file.new_files is None:
        return ""
    counted = _counted_files(file.old_files, file.new_files)
    if file.folder is None:
        return counted
    if file.folder.problem:
        return f"{counted}; {file.folder.problem}"
    kinds = ("added", "changed", "renamed", "removed")
    inside = [f"{number(count)} {kind}" for kind in kinds if (count := getattr(file.folder, kind))]
    return f"{counted}: {', '.join(inside)}" if inside else counted


def _counted_files(old: int | None, new: int | None) -> str:
    if new is None:
        return f"{plural(old or 0, 'file')} before"
    return plural(new, "file") + (f", {number(old)} before" if old not in {None, new} else "")


def table_parts(tables: Iterable[TableDiff]) -> tuple[shown.TableContent, ...]:
    """Return what changed inside of tables."""
    return tuple(
        shown.TableContent(
            path=table.path,
            old_rows=table.old_rows,
            new_rows=table.new_rows,
            columns=tuple(shown.ColumnRow(**_fields(column)) for column in table.columns),
            note=table.note,
            problem=table.problem,
        )
        for table in tables
    )


def behaviour_part(behaviour: Behaviour | None) -> shown.Behaviour | None:
    """Return what both graphs answer to the same requests, as text; None when there was nothing to ask them."""
    if behaviour is None or not (behaviour.requests or behaviour.problem):
        return None
    return shown.Behaviour(
        source=behaviour.source,
        requests=behaviour.requests,
        changed=behaviour.changed,
        added=behaviour.added,
        added_changed=behaviour.added_changed,
        gained=behaviour.gained,
        unsteady=behaviour.unsteady,
        unsteady_places=behaviour.unsteady_places,
        tolerance=behaviour.tolerance,
        fields=tuple(_field_change(one) for one in behaviour.fields),
        more_fields=behaviour.more_fields,
        largest=tuple(
            shown.AnswerChange(
                request=_as_json(one.request),
                old=_as_json(one.old),
                new=_as_json(one.new),
                size=one.size,
                where=one.where,
                is_added=one.is_added,
            )
            for one in behaviour.largest
        ),
        base=shown.BehaviourSide(**_fields(behaviour.base)) if behaviour.base else None,
        head=shown.BehaviourSide(**_fields(behaviour.head)) if behaviour.head else None,
        latency_ratio=_interval(behaviour.latency_ratio),
        memory_ratio=behaviour.memory_ratio,
        is_identical=behaviour.is_identical,
        problem=behaviour.problem,
        head_failure=behaviour.head_failure,
        head_exit_code=behaviour.head_exit_code,
        notes=behaviour.notes,
    )


def _field_change(change: FieldChange) -> shown.FieldChange:
    values = tuple(shown.ValueChange(**_fields(one)) for one in change.values)
    return shown.FieldChange(**{**_fields(change), "values": values})


def _fields(part: DataclassInstance) -> dict[str, Any]:
    """Return a part whose fields are those of the report's model."""
    return {field.name: getattr(part, field.name) for field in fields(part)}


def _interval(interval: Interval | None) -> shown.Interval | None:
    return shown.Interval(**_fields(interval)) if interval else None


def _as_json(value: JsonValue) -> str:
    """Return a request or an answer as JSON on one line, cut where nobody reads on."""
    text = json.dumps(thaw(value), ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"


def annotation_parts(annotations: Iterable[Annotation]) -> tuple[shown.Annotation, ...]:
    """Return the lines that explain gates."""
    return tuple(
        shown.Annotation(
            where=shown.Place(file=one.where.file, line=one.where.line, key=one.where.key or ""),
            level=one.level,
            text=one.text,
            gate=one.gate,
        )
        for one in annotations
    )


def stage_changes(diff: SnapshotDiff) -> tuple[shown.StageChange, ...]:
    """Return the stages that are declared otherwise."""
    return tuple(shown.StageChange(name=one.name, change=one.change, details=one.details) for one in diff.stages)


def stale_sentences(diff: SnapshotDiff) -> tuple[str, ...]:
    """Return the warning that stages have not run since their inputs moved, if there are such."""
    names = first([code(name) for name in diff.stale], _MOST_STALE)
    return (f"{names} would run again: the metrics describe an older state (`graphship run`)",) if diff.stale else ()


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
        note=_note(run),
    )


def _note(run: PipelineRun) -> str:
    if not run.stages:
        return "there is no pipeline"
    return "" if any(stage.outcome != "skipped" for stage in run.stages) else "nothing was stale"


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
