"""Turn snapshots, comparisons, gates, graphs and plans into the report's data model (pure)."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Literal

from ci_core.reports import report as shown
from ci_core.serving.spec import ANSWER, REQUEST, thaw
from ci_core.serving.words import arrows, kind_text, settings
from ci_core.versioning.compare import as_number

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from ci_core.deploy.spec import Plan
    from ci_core.pipelines.spec import PipelineRun
    from ci_core.serving.spec import GraphSpec, RouteSpec, StepSpec
    from ci_core.types import JsonObject, JsonValue
    from ci_core.versioning.difference import FileDiff, SnapshotDiff
    from ci_core.versioning.gates import GateResult
    from ci_core.versioning.plots import Plot, PlotSource


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


def graph_part(head: GraphSpec, base: GraphSpec | None, changed_files: Collection[str] = ()) -> shown.ServingGraph:
    """Return the serving graph of the head; what `base` had and the head has not stays in it, marked as removed.

    Args:
        head: the graph of the change.
        base: the graph to compare with; None when there is none, then nothing is marked.
        changed_files: model files whose content differs; their boxes are marked as changed.
    """
    nodes = [
        _terminal(REQUEST, "request", "source"),
        *(_with_content(node, changed_files) for node in _boxes(head, base)),
        _terminal(ANSWER, "answer", "response"),
    ]
    return shown.ServingGraph(name=head.name, nodes=tuple(nodes), edges=tuple(_lines(head, base)))


def _terminal(name: str, text: str, kind: Literal["source", "response"]) -> shown.GraphNode:
    return shown.GraphNode(id=name, text=text, kind=kind)


def _boxes(head: GraphSpec, base: GraphSpec | None) -> Iterator[shown.GraphNode]:
    """Yield the boxes of all steps and models: the head's in its order, then what is gone."""
    before = {step.name: step for step in base.steps} if base else {}
    for step in head.steps:
        old = before.pop(step.name, None)
        yield _step_box(step, "same" if base is None else _change(old, step))
        yield from _model_boxes(step, old, is_compared=base is not None)
    for step in before.values():
        yield _step_box(step, "removed")
        yield from (_model_box(step, route, "removed") for route in step.routes)


def _change(old: object, new: object) -> shown.Change:
    if old is None:
        return "added"
    return "same" if old == new else "changed"


def _step_box(step: StepSpec, change: shown.Change) -> shown.GraphNode:
    detail = ", ".join(filter(None, [kind_text(step), *settings(step)]))
    return shown.GraphNode(id=step.name, text=step.name, kind=_KINDS[step.kind], change=change, detail=detail)


_KINDS: dict[str, Literal["step", "router", "choice", "queue", "graph"]] = {
    "step": "step",
    "router": "router",
    "choice": "choice",
    "queue": "queue",
    "graph": "graph",
}


def _model_boxes(step: StepSpec, old: StepSpec | None, *, is_compared: bool) -> Iterator[shown.GraphNode]:
    """Yield one box a model of a router, then those of the routes it has no more."""
    before = {route.key: route for route in old.routes} if old else {}
    for route in step.routes:
        yield _model_box(step, route, _change(before.pop(route.key, None), route) if is_compared else "same")
    yield from (_model_box(step, route, "removed") for route in before.values())


def _model_box(step: StepSpec, route: RouteSpec, change: shown.Change) -> shown.GraphNode:
    return shown.GraphNode(id=_model_id(step, route), text=route.key, kind="model", change=change, detail=route.model)


def _model_id(step: StepSpec, route: RouteSpec) -> str:
    return f"{step.name}/{route.key}"


def _with_content(node: shown.GraphNode, changed_files: Collection[str]) -> shown.GraphNode:
    """Return the box, marked as changed when its model is another file under the same name."""
    is_replaced = node.kind == "model" and node.change == "same" and node.detail in changed_files
    return node.model_copy(update={"change": "changed"}) if is_replaced else node


def _lines(head: GraphSpec, base: GraphSpec | None) -> Iterator[shown.GraphEdge]:
    """Yield the arrows: the head's, then those that are gone."""
    arrows = list(dict.fromkeys(_arrows(head)))
    before = list(dict.fromkeys(_arrows(base))) if base else arrows
    for arrow in arrows:
        yield _line(arrow, "same" if arrow in before else "added")
    yield from (_line(arrow, "removed") for arrow in before if arrow not in arrows)


def _line(arrow: tuple[str, str, str], change: shown.Change) -> shown.GraphEdge:
    source, target, text = arrow
    return shown.GraphEdge(source=source, target=target, text=text, change=change)


def _arrows(spec: GraphSpec) -> Iterator[tuple[str, str, str]]:
    """Yield start, end and text of every arrow; what follows a router is drawn as coming from its models."""
    models = {step.name: [_model_id(step, route) for route in step.routes] for step in spec.steps}
    for router, ids in models.items():
        for model in ids:
            yield router, model, ""
    for arrow in arrows(spec):
        starts = [arrow.start] if arrow.is_error else models.get(arrow.start) or [arrow.start]
        for one in starts:
            yield one, arrow.end, "on error" if arrow.kind == "error" else arrow.text


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


def plot_parts(base: Sequence[Plot], head: Sequence[Plot]) -> tuple[shown.Plot, ...]:
    """Return the declared line and scatter plots with base and head over each other.

    Plots that cannot be drawn from two columns of numbers (pictures, templates of the user's own) are left out: the
    files themselves are in the repository.
    """
    before = {plot.id: plot for plot in base}
    found = (_plot(plot, before.get(plot.id)) for plot in head)
    return tuple(plot for plot in found if plot is not None)


def _plot(head: Plot, base: Plot | None) -> shown.Plot | None:
    x, y = head.properties.get("x"), head.properties.get("y")
    if not isinstance(x, str) or not isinstance(y, str):
        return None
    sides: list[tuple[shown.Side, Plot | None]] = [("base", base), ("head", head)]
    series = [
        _series(side, source, x, y, label=source.path if len(plot.sources) > 1 else "")
        for side, plot in sides
        if plot
        for source in plot.sources
    ]
    drawn = tuple(one for one in series if one is not None)
    if not drawn:
        return None
    properties: Mapping[str, JsonValue] = head.properties
    return shown.Plot(
        name=str(properties.get("title") or head.id),
        kind="scatter" if "scatter" in str(properties.get("template", "")) else "line",
        x_label=str(properties.get("x_label") or x),
        y_label=str(properties.get("y_label") or y),
        series=drawn,
    )


def _series(side: shown.Side, source: PlotSource, x: str, y: str, *, label: str) -> shown.Series | None:
    points = [(_number(row, x), _number(row, y)) for row in source.rows]
    sound = [(one, other) for one, other in points if one is not None and other is not None]
    if not sound:
        return None
    xs, ys = zip(*sound, strict=True)
    return shown.Series(side=side, label=label, x=xs, y=ys)


def _number(row: JsonObject, column: str) -> float | None:
    """Return a cell as a finite number; cells of CSV files are text."""
    value = row.get(column)
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    number = as_number(value)
    return number if number is not None and math.isfinite(number) else None


def scalar(value: JsonValue) -> bool | int | float | str | None:
    """Return a value as one cell shows it: lists and mappings as JSON text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return json.dumps(thaw(value), ensure_ascii=False)
