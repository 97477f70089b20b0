"""Parts of the sample report: what the flights change does to tables, answers, stages and lines. Filled in by hand."""

from __future__ import annotations

from typing import Any

from ci_core.reports.report import (
    Annotation,
    AnswerChange,
    Behaviour,
    BehaviourSide,
    ColumnRow,
    FieldChange,
    Graph,
    GraphEdge,
    GraphNode,
    Interval,
    Place,
    StageChange,
    TableContent,
    ValueChange,
)


def sample_tables() -> tuple[TableContent, ...]:
    """Return one table whose schema and values moved, and one that could not be compared."""
    columns = (
        _kept("month", "BIGINT", distance=0.0, has_drifted=False),
        ColumnRow(name="holiday", change="added", new_type="BOOLEAN", new_missing=0.0),
        ColumnRow(name="tailnum", change="removed", old_type="VARCHAR", old_missing=0.021),
        ColumnRow(
            name="distance_km",
            change="changed",
            old_type="BIGINT",
            new_type="DOUBLE",
            old_missing=0.0,
            new_missing=0.0,
            distance=0.004,
            shift=0.01,
            has_drifted=False,
        ),
        _kept("wind_speed", "DOUBLE", missing=(0.004, 0.112), distance=0.061, shift=0.22, has_drifted=False),
        _kept("temp", "DOUBLE", missing=(0.0, 0.0), distance=0.213, shift=0.74, has_drifted=True),
        _kept(
            "origin", "VARCHAR", missing=(0.0, 0.0), distance=0.391, has_drifted=True, note="new values: `EWR`, `JFK`"
        ),
    )
    told = (
        _kept("flight", "VARCHAR", note="an identifier, not compared: nearly every row has its own value"),
        _kept("time_hour", "TIMESTAMP", note="`2013-01-01` to `2013-06-15`, before `2013-01-01` to `2013-05-31`"),
    )
    even = tuple(
        _kept(name, "DOUBLE", distance=0.01, has_drifted=False)
        for name in ("dewp", "humid", "pressure", "visib", "precip")
    )
    return (
        TableContent(path="data/train.parquet", old_rows=36_012, new_rows=38_377, columns=columns + told + even),
        TableContent(
            path="data/weather.csv", problem="the base's version is in neither cache nor remote (12.3 MB, `a.csv`)"
        ),
    )


def _kept(name: str, kind: str, missing: tuple[float, float] | None = None, **more: Any) -> ColumnRow:
    """Return a column of the same type on both sides."""
    old_missing, new_missing = missing or (None, None)
    return ColumnRow(
        name=name,
        change="same",
        old_type=kind,
        new_type=kind,
        old_missing=old_missing,
        new_missing=new_missing,
        **more,
    )


def sample_behaviour() -> Behaviour:
    """Return twelve changed answers of two hundred, and a head that is a little slower."""
    request = (
        '{"inputs": [{"carrier": "UA", "origin": "EWR", "sched_dep_time": 1545, "temp": 61.2, "wind_speed": 9.2}]}'
    )
    return Behaviour(
        source="`serving/requests.jsonl`",
        requests=200,
        changed=12,
        gained=2,
        fields=(
            FieldChange(place="", kind="status", answers=1, values=(ValueChange(old="200", new="400", answers=1),)),
            FieldChange(
                place="outputs[].reason",
                kind="new",
                answers=11,
                values=(
                    ValueChange(old="", new='"wind"', answers=8),
                    ValueChange(old="", new="null", answers=3),
                ),
            ),
            FieldChange(
                place="outputs[].label",
                kind="other",
                answers=5,
                values=(
                    ValueChange(old='"on time"', new='"late"', answers=3),
                    ValueChange(old='"late"', new='"on time"', answers=1),
                    ValueChange(old='"late"', new="null", answers=1),
                ),
                more_values=1,
            ),
            FieldChange(
                place="outputs[].probability", kind="number", answers=9, median=0.042, largest=0.31, share=0.334
            ),
        ),
        more_fields=1,
        largest=(
            AnswerChange(
                request=request,
                old='{"label": "on time", "probability": 0.31}',
                new='{"label": "late", "probability": 0.62}',
                size=0.31,
                where="outputs[0].probability",
            ),
            AnswerChange(
                request='{"inputs": [{"carrier": "B6"}]}', old='{"probability": 0.5}', new='{"error": "no temp"}'
            ),
        ),
        base=BehaviourSide(failed=0, median_ms=1.21, p95_ms=2.04, peak_mb=212.4),
        head=BehaviourSide(failed=1, median_ms=1.31, p95_ms=2.61, peak_mb=276.1),
        latency_ratio=Interval(value=1.083, low=1.02, high=1.151),
        memory_ratio=1.3,
        problem="3 of 203 recorded requests were left out: they are not JSON",
        unsteady=2,
        unsteady_places=("", "outputs[].at"),
        notes=("the packages of the head were used for both",),
    )


def sample_stages() -> tuple[StageChange, ...]:
    """Return a stage that is new, one that changed, one that is gone."""
    return (
        StageChange(name="calibrate", change="added"),
        StageChange(name="report", change="removed"),
        StageChange(
            name="train", change="changed", details=("the command", "needs data/weather.csv", "no longer makes plots")
        ),
    )


def sample_pipeline_graph() -> Graph:
    """Return the pipeline with the stages above."""
    return Graph(
        name="pipeline",
        nodes=(
            GraphNode(id="data", text="data/train.parquet", kind="data", change="changed"),
            GraphNode(id="prepare", text="prepare", kind="stage", detail="python stages/prepare.py"),
            GraphNode(id="train", text="train", kind="stage", change="changed", detail="python stages/train.py"),
            GraphNode(id="calibrate", text="calibrate", kind="stage", change="added"),
            GraphNode(id="report", text="report", kind="stage", change="removed"),
        ),
        edges=(
            GraphEdge(source="data", target="prepare"),
            GraphEdge(source="prepare", target="train"),
            GraphEdge(source="train", target="calibrate", change="added", text="models/late.onnx"),
            GraphEdge(source="train", target="report", change="removed"),
        ),
    )


def sample_annotations() -> tuple[Annotation, ...]:
    """Return the lines that explain the gates."""
    return (
        Annotation(
            where=Place(file="params.yaml", line=3, key="train.trees"),
            level="warning",
            text="`train.trees` rose from 80 to 240 here; the gate on `metrics.json:brier` warns",
            gate="metrics.json:brier",
        ),
        Annotation(
            where=Place(file="graphship.yaml", key="gates"), level="notice", text="the gates of the base are applied"
        ),
    )
