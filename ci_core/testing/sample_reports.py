"""Reports of the flights story, filled in by hand: what renderers are tested with and shown with.

Numbers are plausible, not computed. Everything is deterministic.
"""

from __future__ import annotations

import math

from ci_core.reports.report import (
    Commit,
    ConfusionMatrix,
    DataRow,
    EnvironmentRow,
    Gate,
    Graph,
    GraphEdge,
    GraphNode,
    Interval,
    Link,
    MetricRow,
    ModelRow,
    Note,
    ParamRow,
    Pipeline,
    Plan,
    Plot,
    Report,
    Run,
    Series,
    Side,
    Stage,
    StageFailure,
    StepChange,
)
from ci_core.testing.sample_changes import (
    sample_annotations,
    sample_behaviour,
    sample_pipeline_graph,
    sample_stages,
    sample_tables,
)
from ci_core.testing.sample_story import BASE, HEAD, NEW_RELEASE, OLD_RELEASE


def sample_report() -> Report:
    """Return the report of a change that makes the model better: more trees, one gate with a warning."""
    return Report(
        project="flights",
        title="More trees for the summer",
        verdict="warn",
        base=Commit(id=BASE, label="main"),
        head=Commit(id=HEAD, label="more-trees"),
        run=Run(
            system="plain",
            event="change-request",
            change_request=2,
            started_at="2013-06-14T09:30:00Z",
            seconds=9.42,
            version="0.1.0",
        ),
        gates=_gates(),
        metrics=(
            MetricRow(key="metrics.json:auc", old=0.7412, new=0.7631, difference=0.0219, direction="better"),
            MetricRow(key="metrics.json:log_loss", old=0.4931, new=0.4702, difference=-0.0229, direction="better"),
            MetricRow(key="metrics.json:brier", old=0.1574, new=0.1581, difference=0.0007, direction="worse"),
            MetricRow(key="metrics.json:rows", old=31840, new=31840, difference=0, direction="neutral"),
            MetricRow(key="metrics.json:calibration.slope", new=0.981),
            MetricRow(key="metrics.json:trees", old=80, new=240, difference=160, note="it is a param"),
            MetricRow(key="metrics.json:threshold", old=0.5, new="auto", note="is not a number any more"),
        ),
        params=(
            ParamRow(key="params.yaml:train.trees", old=80, new=240),
            ParamRow(key="params.yaml:train.rate", old=0.1, new=0.06),
            ParamRow(key="params.yaml:train.early_stop", new=True, change="added"),
            ParamRow(key="params.yaml:train.seed", old=5, new="5"),
            ParamRow(key="params.yaml:train.features", old='["temp", "dewp"]', change="removed"),
        ),
        data=(
            DataRow(
                path="data/train.parquet",
                change="changed",
                old_rows=36_012,
                new_rows=38_377,
                old_bytes=612_400,
                new_bytes=655_021,
            ),
            DataRow(
                path="data/2013",
                change="changed",
                old_bytes=3_120_000,
                new_bytes=3_344_000,
                detail="194 files, 180 before: 14 added, 1 changed",
                examples=("+ 2013-06-15.parquet", "+ 2013-06-16.parquet", "~ 2013-06-14.parquet"),
            ),
            DataRow(
                path="data/weather.csv", old_path="data/wx.csv", change="renamed", old_bytes=9_120, new_bytes=9_120
            ),
        ),
        models=(
            ModelRow(
                path="models/late.onnx",
                change="changed",
                old_digest="sha256:11d0c3aa45e677",
                new_digest="sha256:e90b51f2a70c3d",
                old_bytes=148_220,
                new_bytes=402_913,
                registered="late v1.2.0, production v1.1.0",
            ),
        ),
        environment=(
            EnvironmentRow(name="python", old="3.11", new="3.12"),
            EnvironmentRow(name="requirements.txt", old="sha256:" + "0d" * 32, new="sha256:" + "a7" * 32),
            EnvironmentRow(name="scikit-learn", old="1.6.1", new="1.7.0"),
            EnvironmentRow(name="onnx", new="1.18.0"),
            EnvironmentRow(name="joblib", old="1.4.2"),
        ),
        pipeline=Pipeline(
            stages=(
                Stage(name="prepare", state="skipped"),
                Stage(name="train", state="ran", seconds=5.31, reason="params train.trees, train.rate"),
                Stage(name="evaluate", state="ran", seconds=1.12, reason="models/late.onnx"),
            )
        ),
        tables=sample_tables(),
        stages=sample_stages(),
        pipeline_graph=sample_pipeline_graph(),
        graph=sample_graph(),
        behaviour=sample_behaviour(),
        annotations=sample_annotations(),
        plans=(_plan(),),
        plots=sample_plots(),
        notes=(
            Note(text="The gates come from the base commit: this change touches `graphship.yaml`."),
            Note(kind="warning", text="`brier` got worse while `auc` got better: look at the calibration plot."),
        ),
        links=(
            Link(kind="report", text="the whole report", url="https://ci.example/runs/42/report.html"),
            Link(kind="run", text="run 42", url="https://ci.example/runs/42"),
        ),
    )


def _gates() -> tuple[Gate, ...]:
    return (
        Gate(
            key="metrics.json:auc",
            state="pass",
            old=0.7412,
            new=0.7631,
            limit="at least 0.72, falls by at most 0.01",
            sentence="`auc` rose by 0.0219",
        ),
        Gate(
            key="metrics.json:log_loss",
            state="pass",
            old=0.4931,
            new=0.4702,
            limit="at most 0.52",
            sentence="`log_loss` fell by 0.0229",
        ),
        Gate(
            key="metrics.json:recall",
            state="pass",
            old=0.611,
            new=0.604,
            limit="falls by at most 0.005",
            sentence="`recall` fell by 0.007, which is within noise",
            interval=Interval(value=-0.007, low=-0.021, high=0.008),
            is_within_noise=True,
        ),
        Gate(
            key="metrics.json:brier",
            state="warn",
            old=0.1574,
            new=0.1581,
            limit="rises by at most 0.002",
            sentence="`brier` rose by 0.0007, within the allowed 0.002",
        ),
    )


def _plan() -> Plan:
    return Plan(
        environment="staging",
        target="local",
        action="replace",
        release=NEW_RELEASE,
        live=OLD_RELEASE,
        steps=(StepChange(step="late", change="changed", detail="other model"),),
        models=("`models/late.onnx` replaced: 148.2 kB → 402.9 kB",),
        notes=("12 smoke requests are replayed before the release gets traffic",),
    )


_TAIL = """\
reading data/train.parquet: 38,377 rows
Traceback (most recent call last):
  File "stages/train.py", line 61, in <module>
    main()
  File "stages/train.py", line 42, in main
    model = fit(table[FEATURES], table["late"], trees=params["trees"])
ValueError: trees must be a positive number, not -5"""


def sample_failed_report() -> Report:
    """Return the report of a change whose training stage fails."""
    return Report(
        project="flights",
        title="Fewer trees",
        verdict="fail",
        base=Commit(id=BASE, label="main"),
        head=Commit(id=HEAD, label="fewer-trees"),
        gates=(
            Gate(
                key="metrics.json:auc",
                state="fail",
                old=0.7412,
                limit="at least 0.72",
                sentence="`metrics.json` was not made: the pipeline failed before",
            ),
        ),
        params=(ParamRow(key="params.yaml:train.trees", old=80, new=-5),),
        pipeline=Pipeline(
            stages=(
                Stage(name="prepare", state="cached"),
                Stage(name="train", state="failed", seconds=1.9, reason="params train.trees"),
                Stage(name="evaluate", state="not-run"),
            ),
            failure=StageFailure(stage="train", command="python stages/train.py", exit_code=1, tail=_TAIL),
        ),
        plans=(Plan(environment="staging", action="refused", notes=("the pipeline failed, so there is no model",)),),
    )


def sample_graph() -> Graph:
    """Return the flights graph: clean, enrich, a router with one model, respond; a changed model, a new step."""
    return Graph(
        name="flights",
        nodes=(
            GraphNode(id="request", text="request", kind="source"),
            GraphNode(id="clean", text="clean", detail="serving.steps:clean"),
            GraphNode(id="enrich", text="enrich", detail="serving.steps:enrich"),
            GraphNode(id="holiday", text="holiday", detail="serving.steps:holiday", change="added"),
            GraphNode(id="router", text="router", kind="router", detail="single"),
            GraphNode(id="late", text="late", kind="model", detail="models/late.onnx", change="changed"),
            GraphNode(id="baseline", text="baseline", kind="model", detail="models/base.onnx", change="removed"),
            GraphNode(id="respond", text="respond", kind="response"),
        ),
        edges=(
            GraphEdge(source="request", target="clean"),
            GraphEdge(source="clean", target="enrich"),
            GraphEdge(source="clean", target="holiday", change="added"),
            GraphEdge(source="enrich", target="router"),
            GraphEdge(source="holiday", target="router", change="added"),
            GraphEdge(source="router", target="late"),
            GraphEdge(source="router", target="baseline", change="removed"),
            GraphEdge(source="late", target="respond"),
            GraphEdge(source="baseline", target="respond", change="removed"),
        ),
    )


_CURVES: tuple[tuple[Side, float, float], ...] = (("base", 0.493, 40.0), ("head", 0.470, 60.0))
_CENTRES: tuple[tuple[Side, float], ...] = (("base", 0.24), ("head", 0.31))
_POWERS: tuple[tuple[Side, float], ...] = (("base", 1.25), ("head", 1.06))


def sample_plots() -> tuple[Plot, ...]:
    """Return one plot of each kind."""
    trees = tuple(float(count) for count in range(0, 250, 10))
    curve = tuple(
        Series(side=side, x=trees, y=tuple(round(floor + 0.2 * math.exp(-x / pace), 5) for x in trees))
        for side, floor, pace in _CURVES
    )
    edges = tuple(index / 20 for index in range(21))
    scores = tuple(
        Series(
            side=side,
            x=edges,
            y=tuple(round(1000 * math.exp(-(((left - centre) / 0.16) ** 2)), 1) for left in edges[:-1]),
        )
        for side, centre in _CENTRES
    )
    predicted = tuple(index / 12 for index in range(1, 12))
    calibration = tuple(
        Series(side=side, x=predicted, y=tuple(round(x**power, 4) for x in predicted)) for side, power in _POWERS
    )
    matrices = (
        ConfusionMatrix(side="base", classes=("on time", "late"), counts=((4801, 612), (903, 871))),
        ConfusionMatrix(side="head", classes=("on time", "late"), counts=((4866, 547), (790, 984))),
    )
    return (
        Plot(name="plots/loss.csv", kind="line", x_label="trees", y_label="log loss", series=curve),
        Plot(name="plots/score.csv", kind="histogram", x_label="probability of a late arrival", series=scores),
        Plot(
            name="plots/calibration.csv",
            kind="scatter",
            x_label="predicted share",
            y_label="observed share",
            series=calibration,
        ),
        Plot(name="plots/confusion.csv", kind="confusion", matrices=matrices),
    )
