"""Reports of the flights story, filled in by hand: what renderers are tested with and shown with.

Numbers are plausible, not computed. Everything is deterministic.
"""

from __future__ import annotations

import math

from ci_core.reports.deployments import DeploymentRow, DeploymentsReport, Phase
from ci_core.reports.monitoring import Bins, ColumnReport, MonitoringReport, WindowReport
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

_HEAD = "5d1c7e0b9a3f4e21c88d6f0a7b3c2e19d4f5a601"
_BASE = "c2a94f7713de08b6a5c41f29e8d07b36f1a2c3d4"
_NEW_RELEASE = "8c1f0d2e6ab94750" + "3e" * 24
_OLD_RELEASE = "77ab20c49fd1e863" + "5b" * 24


def sample_report() -> Report:
    """Return the report of a change that makes the model better: more trees, one gate with a warning."""
    return Report(
        project="flights",
        title="More trees for the summer",
        verdict="warn",
        base=Commit(id=_BASE, label="main"),
        head=Commit(id=_HEAD, label="more-trees"),
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
                detail="files 180 → 194: 14 added, 1 changed",
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
        release=_NEW_RELEASE,
        live=_OLD_RELEASE,
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
        base=Commit(id=_BASE, label="main"),
        head=Commit(id=_HEAD, label="fewer-trees"),
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


def sample_monitoring() -> MonitoringReport:
    """Return the monitoring of staging after two weeks of summer: three weather columns drifted."""
    history = tuple(_window(day, state) for day, state in zip(range(15, 29), _STATES, strict=True))
    return MonitoringReport(
        project="flights",
        environment="staging",
        release=_OLD_RELEASE,
        commit=_BASE,
        state="drift",
        reasons=(
            "`temp`, `dewp` and `humid` moved beyond what 1 January to 14 February leads us to expect.",
            "They carry 31 % of the model's importance, and stayed beyond the bound for three windows.",
        ),
        window=history[-1],
        columns=_columns(),
        history=history,
        next_steps=(
            "A retrain change request is opened: `data/train.parquet` gets 14 new windows.",
            "This issue closes itself when a window without drift follows.",
        ),
        links=(
            Link(kind="report", text="the monitoring page", url="https://ci.example/monitoring/staging.html"),
            Link(kind="change-request", text="change request 3", url="https://ci.example/change-requests/3"),
        ),
    )


_STATES = ("no-drift", "no-drift", "potential", "insufficient-data", "no-drift", "broken-data", *("potential",) * 3) + (
    "drift",
) * 5


def _window(day: int, state: str) -> WindowReport:
    return WindowReport.model_validate(
        {
            "start": f"2013-06-{day:02}T00:00:00Z",
            "end": f"2013-06-{day + 1:02}T00:00:00Z",
            "label": f"2013-06-{day:02}",
            "state": state,
            "rows": 12 if state == "insufficient-data" else 905 + 7 * (day % 5),
            "top_columns": ("temp", "dewp", "humid") if state in {"drift", "potential"} else (),
        }
    )


def _columns() -> tuple[ColumnReport, ...]:
    return (
        _weather("temp", (38.1, 9.7), (78.4, 7.1), distance=0.842, shift=4.15, importance=0.14),
        _weather("dewp", (24.3, 12.4), (62.0, 8.8), distance=0.731, shift=3.04, importance=0.11),
        _weather("humid", (58.2, 16.1), (66.9, 19.4), distance=0.164, shift=0.61, importance=0.06),
        _weather("wind_speed", (11.2, 5.6), (9.4, 5.0), distance=0.031, shift=0.33, importance=0.05, drifted=False),
        ColumnReport(
            name="carrier",
            kind="category",
            distance=0.004,
            bound=0.02,
            floor=0.01,
            importance=0.08,
            reference_summary="UA 18 %, B6 16 %, EV 16 %",
            window_summary="UA 18 %, B6 17 %, EV 15 %",
            bins=Bins(levels=("UA", "B6", "EV", "DL"), reference=(180, 160, 160, 130), window=(18, 17, 15, 14)),
        ),
    )


def _weather(
    name: str,
    reference: tuple[float, float],
    window: tuple[float, float],
    *,
    distance: float,
    shift: float,
    importance: float,
    drifted: bool = True,
) -> ColumnReport:
    edges = tuple(float(edge) for edge in range(0, 104, 4))

    def counts(mean: float, deviation: float, rows: int) -> tuple[float, ...]:
        heights = tuple(math.exp(-(((edge + 2 - mean) / deviation) ** 2) / 2) for edge in edges[:-1])
        return tuple(float(round(rows * height / sum(heights))) for height in heights)

    return ColumnReport(
        name=name,
        distance=distance,
        bound=0.09,
        floor=0.02,
        shift=shift,
        shift_bound=0.5,
        drifted=drifted,
        importance=importance,
        reference_summary=f"mean {reference[0]} (sd {reference[1]})",
        window_summary=f"mean {window[0]} (sd {window[1]})",
        bins=Bins(edges=edges, reference=counts(*reference, 36_012), window=counts(*window, 926)),
    )


def sample_deployments() -> DeploymentsReport:
    """Return four deployments: two that went live, one rolled back, one that changed nothing."""
    phases = (
        Phase(phase="start", seconds=0.81),
        Phase(phase="health", seconds=0.35),
        Phase(phase="smoke", seconds=0.2),
    )
    row = DeploymentRow(
        when="2013-06-14T08:00:12Z",
        environment="staging",
        release=_OLD_RELEASE,
        commit=_BASE,
        outcome="deployed",
        reason="the first release",
        phases=(*phases, Phase(phase="switch", seconds=0.04)),
        who="graphship deploy",
    )
    merged = {"who": "change request 2", "url": "https://ci.example/change-requests/2", "commit": _HEAD}
    return DeploymentsReport(
        project="flights",
        rows=(
            row,
            row.model_copy(update={"when": "2013-06-14T08:30:00Z", "outcome": "unchanged", "reason": "same release"}),
            row.model_copy(
                update={
                    **merged,
                    "when": "2013-06-14T09:31:40Z",
                    "release": "4f" * 32,
                    "outcome": "rolled-back",
                    "reason": "smoke request 3 answered 500 where 200 was recorded; `77ab20c49fd1` kept serving",
                    "phases": phases,
                }
            ),
            row.model_copy(
                update={
                    **merged,
                    "when": "2013-06-14T10:02:05Z",
                    "release": _NEW_RELEASE,
                    "reason": "replaces `77ab20c49fd1`",
                }
            ),
        ),
        links=(Link(text="the report", url="report.html"),),
    )
